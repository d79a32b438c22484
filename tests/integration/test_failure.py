"""A segment whose statement fails touches no other, says so with a code, keeps its members, and comes back by itself."""
import pathlib

import pytest

from support.house import House
from support.wait import wait_for

POISON = """CREATE OR REPLACE FUNCTION value_text(value jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS
$$ BEGIN IF value #>> '{}' = 'poison' THEN RAISE 'poisoned'; END IF; RETURN value #>> '{}'; END $$"""


@pytest.fixture()
def house():
    with House() as made:
        yield made


def execute(house, sql):
    with house.db.cursor() as cursor:
        cursor.execute(sql)


def state(house, key):
    segment = house.api.get(f"/v1/segments/{key}").json
    return segment["state"], segment["code"]


def ids(house, key):
    return {id for _, id in house.snapshot(key)[0]}


def test_a_failed_segment_keeps_to_itself_and_comes_back(house):
    sound = house.one("SELECT pg_get_functiondef('value_text'::regproc)")
    execute(house, POISON)  # as long as nobody sends poison it means the same
    house.segment("bad", {"event": "A", "where": {"property": "text", "eq": "yes"}})
    house.segment("above", {"not": {"segment": "bad"}})
    house.segment("good", {"event": "A"})
    house.segment("list-of-good", {"all": [{"segment": "good"}, {"event": "A", "gte": 2}]})
    house.track("u1", "A", {"text": "yes"})
    house.track("u2", "A", {"text": "no"})
    assert house.members("bad") == {"u1"} and house.members("above") == {"u2"}
    version = house.api.get("/v1/segments/bad").json["serving_version"]
    before = house.changes()[-1]["seq"]

    house.track("u2", "A", {"text": "poison"})
    wait_for(lambda: state(house, "above")[0] == "failed", what="the failure")
    assert state(house, "bad") == ("failed", "evaluation_failed") and state(house, "above") == ("failed", "reference_failed")
    assert state(house, "good") == state(house, "list-of-good") == ("live", None)
    house.track("u3", "A", {"text": "yes"})
    house.track("u4", "A")
    wait_for(lambda: ids(house, "good") == {"u1", "u2", "u3", "u4"} and ids(house, "list-of-good") == {"u2"}, what="the others to go on")
    assert ids(house, "bad") == {"u1"} and ids(house, "above") == {"u2"}, "the old members are served"
    segment = house.api.get("/v1/segments/bad").json
    assert (segment["serving_version"], segment["size"], segment["version"]) == (version, 1, version)
    page = house.api.get("/v1/segments/bad/members").json
    assert (page["state"], page["size"], [row["user_id"] for row in page["data"]]) == ("failed", 1, ["u1"])
    assert house.api.get("/v1/profiles/u1/segments").status == 200
    assert {c["segment"] for c in house.changes(before)} <= {"good", "list-of-good"}, "nobody has left"
    assert house.api.post("/v1/segments", {"key": "later", "name": "later", "kind": "rule", "definition": {"event": "A", "eq": 1}}).status == 201
    house.live("later")

    execute(house, sound)
    wait_for(lambda: {state(house, key) for key in ("bad", "above")} == {("live", None)}, 180, "both to come back by themselves")
    assert house.members("bad") == {"u1", "u3"} and house.members("above") == {"u2", "u4"}
    assert {key: {id for _, id in members} for key, members in house.replayed().items()} == {
        "bad": {"u1", "u3"}, "above": {"u2", "u4"}, "good": {"u1", "u2", "u3", "u4"}, "list-of-good": {"u2"}, "later": {"u1", "u3", "u4"}
    }
    for key in ("bad", "above", "good"):
        assert house.api.post(f"/v1/segments/{key}/verify", None).json["differences"] == 0


def test_a_new_definition_that_fails_leaves_the_old_members(house):
    sound = house.one("SELECT pg_get_functiondef('value_text'::regproc)")
    house.segment("changing", {"event": "A"})
    house.track("u1", "A", {"text": "poison"})
    house.track("u2", "A", {"text": "yes"})
    assert house.members("changing") == {"u1", "u2"}
    execute(house, POISON)
    answer = house.api.request("PATCH", "/v1/segments/changing", {"definition": {"event": "A", "where": {"property": "text", "eq": "yes"}}})
    assert answer.status == 200
    wait_for(lambda: state(house, "changing")[0] == "failed", what="the build to fail")
    segment = house.api.get("/v1/segments/changing").json
    assert (segment["version"], segment["serving_version"], segment["code"], segment["size"]) == (2, 1, "build_failed", 2)
    house.track("u3", "A")
    wait_for(lambda: ids(house, "changing") == {"u1", "u2", "u3"}, what="the old version to be kept live")
    house.segment("on-it", {"not": {"segment": "changing"}})
    assert ids(house, "on-it") == set(), "who refers to it goes by the members that are served"
    execute(house, sound)
    wait_for(lambda: state(house, "changing") == ("live", None), 180, "the new version")
    assert house.members("changing") == {"u2"}
    assert house.members("on-it") == {"u1", "u3"}


def test_a_table_that_is_locked_for_a_while_costs_no_lead(house):
    """Whatever the worker does next, ticks or the reading of definitions, waits for the lock, gives up, and is done again."""
    def led():
        return "no longer leads" not in pathlib.Path(house.server.log_path).read_text()

    def waiting():
        rows = house.rows("SELECT query_start FROM pg_stat_activity WHERE application_name = 'cohortd worker' AND wait_event_type = 'Lock'")
        waits.update(row[0] for row in rows)
        return waits

    waits = set()
    house.segment("s", {"event": "A"})
    other = house.postgres.connect()
    with other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE worker IN ACCESS EXCLUSIVE MODE")
        house.track("u", "A")
        wait_for(lambda: len(waiting()) >= 4 or not led(), 60, "a tick, what follows it, and the reading of definitions to fail")
        cursor.execute("COMMIT")
    other.close()
    assert house.members("s") == {"u"}
    assert led()
