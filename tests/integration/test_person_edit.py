"""People changed by hand: erased, merged, patched (docs/identity.md)."""
import json
import socket

import pytest

from support.client import bearer
from support.raw import read_answer, request
from support.wait import wait_for


def track(event, **ids):
    return {"type": "track", "event": event, **ids}


def identify(traits=None, **ids):
    return {"type": "identify", "traits": traits or {}, **ids}


def events_of(house, raw):
    return sorted(event["event"] for event in house.api.get(f"/v1/profiles/{raw}/events").json["data"] if not event["event"].startswith("$"))


def delete(house, name, more=""):
    return house.api.delete(f"/v1/profiles/{name}{more}")


def named(house, text):
    """In how many rows of which tables a text stands."""
    found = {}
    for (table,) in house.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'event\\_20%%'"):
        n = house.one(f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s', f"%{text}%")
        if n:
            found[table] = n
    return found


# Erasing


def test_erase(house):
    house.segment("er-all", {"event": "Secret Bought"})
    house.segment("er-trait", {"trait": "er", "eq": 1})
    house.send(
        track("Secret Bought", anonymousId="er-visitor", properties={"what": "er-secret-thing"}),
        identify({"email": "er-ann@x", "er": 1, "name": "er-secret-name", "consent": {"email": "granted"}}, userId="er-ann", anonymousId="er-visitor"),
        {"type": "track", "event": "Odd", "userId": "er-ann"}, track("Secret Bought", userId="er-bob"),
    )
    assert house.members("er-all") == {"er-ann", "er-bob"} and house.members("er-trait") == {"er-ann"}
    answer = delete(house, "email:er-ann@x")
    assert answer.status == 200 and answer.json["events"] == 3 and answer.json["suppressed"] is False, answer
    # told already when the answer comes
    exits = [c for c in house.changes() if c["op"] == "exit" and c["cause"] == "erase"]
    assert [(c["segment"], c["user_id"]) for c in exits] == [("er-all", "er-ann"), ("er-trait", "er-ann")]
    assert house.members("er-all") == {"er-bob"} and house.members("er-trait") == set()
    for name in ("er-ann", "anon:er-visitor", "email:er-ann@x"):
        assert house.api.get(f"/v1/profiles/{name}").status == 404 and delete(house, name).status == 404
    assert set(named(house, "er-ann")) == {"change"}, named(house, "er-ann")
    assert not named(house, "er-secret-name") and not named(house, "er-secret-thing") and not named(house, "er-visitor")
    assert house.one("SELECT raw_ids FROM erasure WHERE erasure_id = %s", answer.json["erasure_id"]) == "{}"
    assert house.api.request("POST", "/v1/segments/er-all/verify").json["differences"] == 0


def test_the_erased_may_come_back_as_somebody_new(house):
    house.segment("back", {"event": "Came"})
    house.send(track("Came", anonymousId="back-a"), identify({"email": "back@x", "old": 1}, userId="back", anonymousId="back-a"))
    assert house.members("back") == {"back"}
    assert delete(house, "back").status == 200
    house.send(track("Came", userId="back"), track("Came", anonymousId="back-a"))
    assert house.members("back") == {"back", "anon:back-a"}  # nothing links them any more
    profile = house.api.get("/v1/profiles/back").json
    assert profile["traits"] == {} and profile["emails"] == [] and profile["anonymous_ids"] == [] and events_of(house, "back") == ["Came"]
    assert house.replayed()["back"] == {("user", "back"), ("anonymous", "back-a")}
    assert delete(house, "back").json["events"] == 1
    assert house.members("back") == {"anon:back-a"}


def test_suppressed(house):
    house.segment("never", {"event": "Again"})
    house.send(identify({"email": "never@x"}, userId="never", anonymousId="never-a"), track("Again", userId="never"))
    assert house.members("never") == {"never"}
    assert delete(house, "never", "?suppress=true").json["suppressed"] is True
    house.send(
        track("Again", userId="never"), track("Again", anonymousId="never-a"), identify({"email": "Never@x", "n": 1}, userId="never-2"),
        track("Again", userId="other", anonymousId="never-a"), track("Again", userId="other"),
        {"type": "track", "event": "Again", "properties": {"email": "never@x"}},
    )
    assert house.members("never") == {"other"} and events_of(house, "other") == ["Again"]
    assert house.api.get("/v1/profiles/never-2").status == house.api.get("/v1/profiles/never").status == 404
    assert set(named(house, "never@x")) == set() and house.one("SELECT count(*) FROM identity WHERE external_id = ''") == 3
    assert delete(house, "never").status == 404
    house.api.post("/v1/segments", {"key": "never-list", "name": "n", "kind": "list"})
    assert house.api.request("PUT", "/v1/segments/never-list/members/never").status == 404


def test_erase_somebody_with_very_many_events(house):
    house.segment("many", {"event": "Many", "gte": 20000})
    house.send(track("Many", userId="many"))
    house.db.cursor().execute(
        "INSERT INTO event (profile_id, name_id, source_id, ts, message_id, received_at) SELECT profile_id, name_id, event.source_id,"
        " ts - i * interval '1 s', gen_random_uuid(), received_at FROM event JOIN event_name USING (name_id), generate_series(1, 24999) i WHERE name = 'Many'"
    )
    house.send(track("Many", userId="many"))
    assert house.members("many") == {"many"}
    assert delete(house, "many").json["events"] == 25001
    assert house.members("many") == set() and house.replayed()["many"] == set()
    assert house.one("SELECT count(*) FROM event JOIN event_name USING (name_id) WHERE name = 'Many'") == 0


def held_up(house):
    """The worker, until the connection given commits."""
    blocker = house.postgres.connect()
    blocker.autocommit = False
    blocker.cursor().execute("SELECT FROM worker FOR UPDATE")
    return blocker


def ask(house, name):
    """A socket on which an erasure has been asked for; it is under way."""
    asking = socket.create_connection(house.server.address, 60)
    asking.sendall(request("DELETE", f"/v1/profiles/{name}", ["Authorization: " + bearer(house.admin_key)]))
    wait_for(lambda: house.rows("SELECT 1 FROM erasure WHERE done_at IS NULL"), what="the erasure to be under way")
    return asking


def test_an_erasure_asked_for_again(house):
    """It is found, also by another id, and the answer waits for the same exits."""
    house.send(identify({"email": "again@x"}, userId="again", anonymousId="again-a"))
    house.caught_up()
    blocker = held_up(house)
    with ask(house, "again") as first:
        assert house.api.get("/v1/profiles/again").status == 404
        (asked,) = house.rows("SELECT erasure_id FROM erasure WHERE done_at IS NULL")
        with ask(house, "anon:again-a") as second:
            house.parked(2)
            blocker.commit()
            for asking in (first, second):
                answer = read_answer(asking.makefile("rb"))
                assert answer.status == 200 and json.loads(answer.body)["erasure_id"] == asked[0]
    assert not named(house, "again-a")
    blocker.close()


def test_an_erasure_that_nobody_waits_for(house):
    house.send(track("A", userId="left-alone"))
    house.caught_up()
    blocker = held_up(house)
    ask(house, "left-alone").close()
    (id,) = house.rows("UPDATE erasure SET at = at - interval '1 hour' WHERE done_at IS NULL RETURNING erasure_id")[0]
    blocker.commit()
    blocker.close()
    wait_for(lambda: house.one("SELECT done_at IS NOT NULL FROM erasure WHERE erasure_id = %s", id), what="the chore to end the erasure")
    assert not named(house, "left-alone")


def test_erase_is_refused(house):
    house.send(track("A", userId="stays"))
    assert delete(house, "nobody").status == 404 and delete(house, "stays", "?suppress=yes").code == "bad_parameter"
    assert house.client(bearer(house.read_key)).delete("/v1/profiles/stays").code == "wrong_role"
    assert house.api.get("/v1/profiles/stays").status == 200


# Merging


def merge(house, source, into):
    return house.api.post("/v1/profiles/merge", {"from": source, "into": into})


def test_merge_of_two_users(house):
    house.segment("joined", {"event": "Joined"})
    house.send(
        track("Joined", userId="j1"), identify({"plan": "free", "only": 1, "email": "j1@x", "consent": {"sms": "denied"}}, userId="j1", anonymousId="j1-a"),
        identify({"plan": "pro"}, userId="j2"), track("Other", userId="j2"),
    )
    assert house.members("joined") == {"j1"}
    before = house.api.get("/v1/segments/joined/members/j1").json["entered_at"]
    answer = merge(house, "j1", "j2")
    assert answer.status == 200 and answer.json["user_id"] == "j2" and answer.json["user_ids"] == ["j1", "j2"], answer
    assert answer.json["anonymous_ids"] == ["j1-a"] and answer.json["emails"] == ["j1@x"]
    assert answer.json["traits"] == {"plan": "pro", "only": 1, "email": "j1@x"} and answer.json["consent"]["sms"]["state"] == "denied"
    assert house.api.get("/v1/segments/joined/members/j1").json["user_id"] == "j2"
    assert house.snapshot("joined")[0] == {("user", "j2")}  # already
    assert house.api.get("/v1/segments/joined/members/j2").json["entered_at"] == before
    house.send(track("Late", userId="j1"), track("Late", anonymousId="j1-a"), identify({"more": 1}, userId="j1"))
    assert events_of(house, "j2") == ["Joined", "Late", "Late", "Other"] and house.api.get("/v1/profiles/j1").json["traits"]["more"] == 1
    assert merge(house, "j1", "j2").status == 200  # again: nothing to do
    assert house.one("SELECT count(*) FROM merge_log JOIN profile ON profile_id = into_id WHERE user_id = 'j2'") == 1
    assert house.replayed()["joined"] == {("user", "j2")}
    assert delete(house, "j1").json["events"] == 7 and house.api.get("/v1/profiles/j2").status == 404


def test_a_retry_after_a_merge_by_hand(house):
    copies = [track("A", userId="r1", messageId="r1", timestamp="2026-01-01T00:00:00Z"), track("B", userId="r1", messageId="r2")]
    house.send(*copies, track("C", userId="r2"))
    assert merge(house, "r1", "r2").status == 200
    house.send(*copies)
    assert events_of(house, "r2") == ["A", "B", "C"]


@pytest.mark.parametrize(
    "body, status, code", [
        ({"from": "m1", "into": "nobody"}, 404, "not_found"), ({"from": "nobody", "into": "m1"}, 404, "not_found"),
        ({"from": "m1", "into": "anon:m-a"}, 422, "not_a_user"), ({"from": "m1"}, 422, "missing_member"), ({}, 422, "missing_member"),
        ({"from": "m1", "into": "email:x"}, 422, "bad_id"), ({"from": 1, "into": "m1"}, 422, "wrong_type"), ({"a": 1}, 422, "unknown_member"),
    ]
)
def test_bad_merges(house, body, status, code):
    house.send(track("A", userId="m1"), track("A", anonymousId="m-a"))
    answer = house.api.post("/v1/profiles/merge", body)
    assert (answer.status, answer.code) == (status, code)


def test_an_anonymous_one_merged_by_hand(house):
    house.send(track("A", anonymousId="h-a"), track("B", userId="h-u"))
    assert merge(house, "anon:h-a", "h-u").status == 200 and events_of(house, "h-u") == ["A", "B"]


# Traits


def patch(house, name, body, kind="application/merge-patch+json"):
    return house.api.request("PATCH", f"/v1/profiles/{name}/traits", body, {"Content-Type": kind})


def test_patch_traits(house):
    house.segment("patched", {"trait": "a.b", "eq": 2})
    house.send(identify({"a": {"b": 1, "c": [1]}, "keep": 19.990, "gone": 1}, userId="p1"))
    answer = patch(house, "p1", {"a": {"b": 2, "d": {"x": None, "y": 1}}, "gone": None, "missing": None, "new": [None]})
    assert answer.status == 200
    assert answer.json["traits"] == {"a": {"b": 2, "c": [1], "d": {"y": 1}}, "keep": answer.json["traits"]["keep"], "new": [None]}
    assert house.members("patched") == {"p1"}
    assert patch(house, "p1", {"a": 5}, "application/json").json["traits"]["a"] == 5 and house.members("patched") == set()
    assert patch(house, "p1", {}).status == 200
    assert patch(house, "nobody", {}).status == patch(house, "nobody", {"a": 1}).status == 404
    assert patch(house, "p1", {"consent": {"sms": "denied"}}).code == "bad_value"
    assert patch(house, "p1", {"a": "x" * 1_100_000}).code == "traits_too_large"
    assert patch(house, "p1", b'{"a": 1e999}').code == "bad_value"
    assert patch(house, "p1", b"[]").status in (400, 422)


# Export


def test_export(house):
    house.segment("exported", {"event": "X0"})
    house.send(identify({"email": "ex@x", "n": 19.990, "consent": {"sms": "granted"}}, userId="ex", anonymousId="ex-a"), track("Else", userId="ex-else"))
    house.send(*[track(f"X{i}", userId="ex", properties={"i": i}, timestamp=f"2026-01-01T00:00:00.{i:06}Z") for i in range(1201)])
    assert house.members("exported") == {"ex"}
    answer = house.api.get("/v1/profiles/anon:ex-a/export")
    assert answer.status == 200
    document, profile = answer.json, house.api.get("/v1/profiles/ex").json
    events = document.pop("events")
    assert document == profile and profile["emails"] == ["ex@x"] and profile["segments"][0]["key"] == "exported"
    assert [event["event"] for event in events[1:]] == [f"X{i}" for i in reversed(range(1201))] and events[0]["event"] == "$identify"
    assert events[1]["properties"] == {"i": 1200}
    assert house.api.get("/v1/profiles/nobody/export").status == 404
