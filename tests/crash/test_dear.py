"""One profile that is too dear to evaluate: it is set aside, its segment and all others go on, and it comes back when it can be evaluated.
And a segment whose statement fails: it is failed with a code, alone with those that refer to it, and comes back by itself.
"""
import time

import pytest

from crash.scene import WiredHouse
from crash.test_tick_steps import FULL
from support.server import Server
from support.wait import least, wait_for

# Looks ahead to the end from each place: the square of the length, half a minute for the longest text that a message can have.
DEAR = {"event": "A", "where": {"property": "text", "matches": "a(?=a*b)"}, "gte": 2}


@pytest.fixture()
def house():
    with WiredHouse(sliced=False) as made:
        yield made


def bot(house):
    house.track("bot", "A", {"text": "a" * 100_000})


def people(house):
    house.send(*({"type": "track", "userId": f"u{i}", "event": "A", "properties": {"text": "aab"}} for i in range(40) for _ in range(1 + i % 3)))
    return {f"u{i}" for i in range(40) if i % 3}


def count(house, key):
    return house.api.get(f"/v1/segments/{key}").json["size"]


def keeps_up(house, seconds):
    """An event becomes a member of `cheap` in that time."""

    def follow():
        before, began = count(house, "cheap"), time.monotonic()
        house.track(house.message_id(), "Cheap")
        wait_for(lambda: count(house, "cheap") == before + 1, what="the other segment to follow")
        return time.monotonic() - began

    assert least(follow, seconds) < seconds


def cause_removed(house):
    """The events go, and the time of the next try comes: by itself with FULL=1, else in another life of cohortd."""
    house.rows_none("DELETE FROM event USING profile WHERE profile.profile_id = event.profile_id AND user_id = 'bot'")
    if not FULL:
        house.rows_none("UPDATE aside SET retry_at = now()")
        house.server.kill()
        house.recover(dead=True)
    wait_for(lambda: house.one("SELECT count(*) FROM aside") == 0, 180, "the profile to be evaluated again")


def right(house, members):
    assert house.members("dear") == members
    for key in ("dear", "cheap"):
        answer = house.api.post(f"/v1/segments/{key}/verify", None).json
        assert answer["compared"] and answer["differences"] == answer["left_out"] == 0, answer


def test_set_aside_by_a_build(house):
    members = people(house)
    bot(house)
    house.segment("cheap", {"event": "Cheap"})
    house.api.post("/v1/segments", {"key": "dear", "name": "dear", "kind": "rule", "definition": DEAR})
    for _ in range(3):
        keeps_up(house, seconds=6)
    house.live("dear", seconds=120)
    wait_for(lambda: house.rows("SELECT user_id FROM aside JOIN profile USING (profile_id)") == [("bot",)], what="the bot alone to be set aside")
    assert house.api.get("/v1/status").json["worker"]["pending"] > 0, "not all is reflected"
    house.track("u0", "A", {"text": "ab"})
    keeps_up(house, seconds=3)
    wait_for(lambda: {id for _, id in house.snapshot("dear")[0]} == members | {"u0"}, what="all but the bot")
    cause_removed(house)
    right(house, members | {"u0"})


@pytest.mark.skipif(not FULL, reason="takes half a minute: FULL=1")
def test_set_aside_by_a_tick(house):
    members = people(house)
    house.segment("cheap", {"event": "Cheap"})
    house.segment("dear", DEAR)
    epoch = house.one("SELECT epoch FROM worker")
    other = Server(house.postgres.url)  # it must not take the lead from a leader that is slow: each would begin anew
    bot(house)
    wait_for(lambda: house.one("SELECT count(*) FROM aside") == 1, what="the bot to be set aside")
    assert house.one("SELECT epoch FROM worker") == epoch
    other.stop()
    keeps_up(house, seconds=3)
    assert house.api.get("/v1/segments/dear").json["state"] == "live"
    cause_removed(house)
    right(house, members)


POISON = """CREATE OR REPLACE FUNCTION value_text(value jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS
$$ BEGIN IF value #>> '{}' = 'poison' THEN RAISE 'poisoned'; END IF; RETURN value #>> '{}'; END $$"""


def test_a_failed_segment_comes_back(house):
    definition = house.one("SELECT pg_get_functiondef('value_text'::regproc)")
    house.segment("cheap", {"event": "Cheap"})
    house.segment("bad", {"event": "A", "where": {"property": "text", "eq": "yes"}})
    house.segment("above", {"not": {"segment": "bad"}})
    house.track("u1", "A", {"text": "yes"})
    house.track("u2", "A", {"text": "no"})
    assert house.members("bad") == {"u1"} and house.members("above") == {"u2"}
    house.rows_none(POISON)
    house.server.kill()  # plans made before would not know
    house.recover(dead=True)
    house.track("u2", "A", {"text": "poison"})
    state = lambda key: house.api.get(f"/v1/segments/{key}").json  # noqa: E731
    wait_for(lambda: state("above")["state"] == "failed", what="the failure")
    assert (state("bad")["state"], state("bad")["code"], state("above")["code"]) == ("failed", "evaluation_failed", "reference_failed")
    house.track("u3", "A", {"text": "yes"})
    keeps_up(house, seconds=3)
    assert {id for _, id in house.snapshot("bad")[0]} == {"u1"}, "the old members are served"
    attempts = house.one("SELECT max(attempt) FROM segment_version")
    house.rows_none("UPDATE segment_version SET retry_at = now() WHERE retry_at IS NOT NULL")
    wait_for(lambda: house.one("SELECT max(attempt) FROM segment_version") > attempts, what="another try, in vain")
    keeps_up(house, seconds=3)
    house.rows_none(definition)
    house.server.kill()
    house.rows_none("UPDATE segment_version SET retry_at = now() WHERE retry_at IS NOT NULL")
    house.recover(dead=True)
    wait_for(lambda: state("above")["state"] == "live", what="the segments to come back")
    assert house.members("bad") == {"u1", "u3"}
    assert house.members("above") == {"u2"} | {id for _, id in house.snapshot("cheap")[0]}
    known = {key: {id for _, id in members} for key, members in house.replayed().items()}
    assert known["bad"] == {"u1", "u3"} and known["above"] == house.members("above")
