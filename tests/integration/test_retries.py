"""A message sent again changes nothing, however its envelope, clock or identity changed in between (openapi.yaml, "Dedup")."""
import threading

import pytest

from support.client import Client, basic
from support.house import House, iso
from support.proxy import CommitEater
from support.server import Server

SECOND = 1_000_000


def message(id, **more):
    return {"type": "track", "event": "Retried", "messageId": id, **more}


def count(house, id, name="Retried"):
    """How often the message is stored, whoever has it."""
    return house.one(
        "SELECT count(*) FROM event JOIN event_name USING (name_id)"
        " WHERE name = %s AND message_id = encode(substr(sha256(%s::bytea), 1, 16), 'hex')::uuid",
        name, id.encode(),
    )


def test_plain(house):
    for _ in range(3):
        house.send(message("plain", userId="u", timestamp="2026-01-01T00:00:00Z"))
    assert count(house, "plain") == 1


def test_without_timestamp(house):
    for _ in range(3):
        house.send(message("bare", userId="u"))
    assert count(house, "bare") == 1


def test_clock_30_s_ahead(house):
    ahead = house.now() + 30 * SECOND
    for _ in range(3):
        house.send(message("ahead", userId="u", timestamp=iso(ahead)), sentAt=iso(house.now() + 30 * SECOND))
    assert count(house, "ahead") == 1


def test_clock_5_minutes_off_whose_shift_differs_the_second_time(house):
    own = iso(house.now() - 3600 * SECOND)
    for off in (300, 360, 0, 5):
        house.send(message("off", userId="u", timestamp=own), sentAt=iso(house.now() - off * SECOND))
    assert count(house, "off") == 1


def test_first_shifted_then_trusted_and_the_other_way(house):
    own = iso(house.now() - 7200 * SECOND)
    house.send(message("straight", userId="u", timestamp=own))
    house.send(message("straight", userId="u", timestamp=own), sentAt=iso(house.now() - 600 * SECOND))
    assert count(house, "straight") == 1


@pytest.mark.parametrize(
    "own", [{"timestamp": "2026-01-01T00:00:00Z"}, {}, {"timestamp": "2999-01-01T00:00:00Z"}], ids=["timestamp", "none", "future"]
)
def test_after_a_merge(house, own):
    id = f"merged{own}"
    anonymous = f"ma{own}"
    house.send(message(id, anonymousId=anonymous, **own))
    house.send({"type": "identify", "userId": f"mu{own}", "anonymousId": anonymous})
    house.send(message(id, anonymousId=anonymous, **own))
    assert count(house, id) == 1


@pytest.mark.parametrize(
    "own", [{"timestamp": "2026-01-01T00:00:00Z"}, {}, {"timestamp": "2999-01-01T00:00:00Z"}], ids=["timestamp", "none", "future"]
)
def test_after_the_anonymous_id_was_repointed(house, own):
    id, anonymous = f"repointed{own}", f"ra{own}"
    house.send(message(id, anonymousId=anonymous, **own))
    for user in ("one", "two", "three"):
        house.send({"type": "identify", "userId": user, "anonymousId": anonymous})
        house.send(message(id, anonymousId=anonymous, **own))
    assert count(house, id) == 1


def test_twice_in_a_batch(house):
    twice = message("twice", userId="u", timestamp="2026-01-01T00:00:00Z")
    house.send(twice, twice, message("twice-bare", userId="u"), message("twice-bare", userId="u"))
    assert count(house, "twice") == count(house, "twice-bare") == 1


def test_twice_in_a_batch_around_a_merge(house):
    before = message("around", anonymousId="aa", timestamp="2026-01-01T00:00:00Z")
    house.send(before, {"type": "identify", "userId": "au", "anonymousId": "aa"}, before)
    assert count(house, "around") == 1


def test_of_an_identify_does_not_set_an_old_trait_again(house):
    first = {"type": "identify", "userId": "late", "messageId": "i1", "traits": {"plan": "old"}, "timestamp": "2026-01-01T00:00:00Z"}
    bare = {"type": "identify", "userId": "late", "messageId": "i2", "traits": {"plan": "older"}}
    last = {"type": "identify", "userId": "late", "messageId": "i3", "traits": {"plan": "new"}}
    house.send(first)
    house.send(bare)
    house.send(last)
    house.send(first)
    house.send(bare)
    house.send(bare, first)
    assert house.one("SELECT traits->>'plan' FROM profile WHERE user_id = 'late'") == "new"


def test_of_an_identify_does_not_point_an_anonymous_id_back(house):
    first = {"type": "identify", "userId": "back1", "anonymousId": "ba", "messageId": "b1"}
    house.send(first)
    house.send({"type": "identify", "userId": "back2", "anonymousId": "ba", "messageId": "b2"})
    house.send(first)
    house.send({"type": "track", "anonymousId": "ba", "event": "Back"})
    assert house.events("back2", "Back") == 1 and house.events("back1", "Back") == 0


def test_two_persons_with_one_message_id_are_two_events(house):
    house.send(
        message("shared", userId="p1", timestamp="2026-01-01T00:00:00Z"), message("shared", userId="p2", timestamp="2026-01-01T00:00:00Z")
    )
    house.send(message("shared-bare", userId="p1"), message("shared-bare", userId="p2"))
    assert count(house, "shared") == count(house, "shared-bare") == 2


def test_another_timestamp_or_name_is_another_event(house):
    house.send(message("again", userId="u", timestamp="2026-01-01T00:00:00Z"))
    house.send(message("again", userId="u", timestamp="2026-01-01T00:00:00.000001Z"))
    house.send(
        message("again", userId="u", timestamp="2999-01-01T00:00:00Z"), message("again", userId="u", timestamp="2999-01-02T00:00:00Z")
    )
    assert count(house, "again") == 4
    house.send({**message("again", userId="u", timestamp="2026-01-01T00:00:00Z"), "event": "Other"})
    assert count(house, "again") == 4 and count(house, "again", "Other") == 1


def test_the_same_instant_written_otherwise_is_the_same(house):
    for text in ("2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00", "2026-01-01 00:00:00.000000Z", "2026-01-01T00:00:00.0000004Z"):
        house.send(message("written", userId="u", timestamp=text))
    assert count(house, "written") == 1


def test_without_message_id_each_is_new(house):
    for _ in range(3):
        answer = house.collect.post("/v1/track", {"userId": "each", "event": "Each", "timestamp": "2026-01-01T00:00:00Z"})
        assert answer.status == 200
    assert house.events("each", "Each") == 3


def test_message_ids_that_differ_late_are_two(house):
    house.send(message("x" * 150 + "1", userId="u"), message("x" * 150 + "2", userId="u"))
    assert count(house, "x" * 150 + "1") == count(house, "x" * 150 + "2") == 1


def test_by_another_path_is_the_same(house):
    one = message("pathless", userId="u", timestamp="2026-01-01T00:00:00Z")
    assert house.collect.post("/v1/track", one).status == 200
    house.send(one)
    assert count(house, "pathless") == 1


def test_in_two_processes_at_once(house):
    second = Server(house.postgres.url)
    try:
        clients = [Client(server.address, basic(house.write_key)) for server in (house.server, second)]
        for round_ in range(20):
            batch = [message(f"both{round_}-{i}", userId=f"b{i}") for i in range(5)]
            batch += [message(f"both{round_}-{i}", anonymousId=f"b{i}", timestamp="2026-01-01T00:00:00Z") for i in range(5, 10)]
            statuses = []
            threads = [threading.Thread(target=lambda c=c: statuses.append(c.post("/v1/batch", {"batch": batch}).status)) for c in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert statuses == [200, 200]
            assert [count(house, m["messageId"]) for m in batch] == [1] * 10
    finally:
        second.stop()


def test_after_a_lost_reply_to_commit():
    class Lossy(House):
        """A house whose cohortd reaches PostgreSQL through the proxy."""

        def connect_url(self):
            self.proxy = CommitEater(self.postgres)
            return self.proxy.url

    with Lossy() as house:
        for i, own in enumerate([{"timestamp": "2026-01-01T00:00:00Z"}, {}, {"timestamp": "2999-01-01T00:00:00Z"}]):
            marker = f"marker-{i}"
            house.proxy.arm(marker.encode())
            sent = [
                message(f"lost{i}", userId="u", properties={"x": marker}, **own),
                {"type": "identify", "userId": "u", "messageId": f"t{i}", "traits": {"n": i}}
            ]
            house.send(*sent)
            assert house.proxy.eaten == i + 1, "the proxy saw no COMMIT to swallow"
            assert count(house, f"lost{i}") == 1
            house.send(*sent)
            assert count(house, f"lost{i}") == 1
        house.segment("lost", {"event": "Retried", "eq": 3})
        assert house.members("lost") == {"u"}
        house.proxy.stop()
