"""A plan is made once and kept, so one made while the tables were empty must still be right when they are full. PostgreSQL takes a table that was vacuumed
while empty for one that stays small: before the worker's sessions and the index on time were made for it, a tick read all events for each evaluation, and
each batch of messages the ids of everybody."""
from support.house import House
from support.wait import wait_for

PEOPLE = 2000


def test_plans_made_over_empty_tables_stay_cheap():
    with House() as house:
        with house.db.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        house.segment("viewers", {"event": "View", "gte": 2})
        house.segment("recent", {"event": "View", "window": {"last": "7d"}, "where": {"property": "n", "gte": 0}, "gte": 2})
        house.segment("any", {"event": "*", "window": {"last": "30d"}, "gte": 3})
        house.segment("waverers", {"sequence": [{"event": "View"}, {"absent": "Buy"}]})
        house.segment("others", {"not": {"segment": "viewers"}})
        house.track("first", "View")
        house.caught_up()  # the plans are made
        for begin in range(0, PEOPLE, 500):
            house.send(*({"type": "track", "userId": f"u{n}", "event": "View", "properties": {"n": n}} for n in range(begin, begin + 500) for _ in range(2)))
        assert len(house.members("viewers")) == PEOPLE
        read = wait_for(lambda: house.one("SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname ~ '^event_2'"), what="statistics")
        walked = house.one("SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname ~ '^(event_2.*|profile|membership)$'")
        assert read + walked < 100 * PEOPLE, f"{read} rows of indexes and {walked} of whole tables read for {PEOPLE} people"


def test_a_batch_reads_its_own_people_only():
    with House() as house:
        with house.db.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        house.segment("all", {"not": {"event": "Buy"}})

        def come_and_merge(begin, n=20):
            order = {"event": "Order Completed", "properties": {"order_id": "1"}}
            house.send(*({"type": "track", "anonymousId": f"a{k}", **order} for k in range(begin, begin + n)))
            traits = {"consent": {"email": True}}
            house.send(*({"type": "identify", "anonymousId": f"a{k}", "userId": f"u{k}", "traits": traits} for k in range(begin, begin + n)))

        come_and_merge(PEOPLE, n=1)
        house.caught_up()  # the plans are made
        for begin in range(0, PEOPLE, 20):
            come_and_merge(begin)
        house.caught_up()
        tables = "relname ~ '^(identity|odd_message|profile|membership|consent|order_seen)$'"
        look = f"SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE {tables} HAVING sum(idx_tup_read) >= {PEOPLE}"
        ((read,),) = wait_for(lambda: house.rows(look), what="statistics")
        walked = house.one(f"SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE {tables}")
        assert read + walked < 300 * PEOPLE, f"{read} rows of indexes and {walked} of whole tables read for {PEOPLE} people"
