"""Changing a segment: PUT, PATCH, ETags, a new version built beside the old members and swapped at once; preview, verify, dependents."""
import pytest

from support.house import House, iso, micros
from support.wait import wait_for

BOUGHT = {"event": "Bought"}
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
SECOND = 1_000_000


@pytest.fixture(scope="module", autouse=True)
def buyers(house):
    house.send(*[{"type": "track", "event": "Bought", "userId": f"b{i}", "properties": {"n": i}} for i in range(10)])
    house.send({"type": "track", "event": "Bought", "anonymousId": "ba", "properties": {"n": 100}})


def patch(house, key, body, **headers):
    return house.api.request("PATCH", f"/v1/segments/{key}", body, headers={**MERGE_PATCH, **headers})


def big(n):
    return {"event": "Bought", "where": {"property": "n", "gte": n}}


def test_put_creates_and_replaces(house):
    answer = house.api.request(
        "PUT", "/v1/segments/put", {"name": "Put", "kind": "rule", "definition": BOUGHT, "tags": ["x"], "description": "d"}
    )
    assert answer.status == 201, answer
    house.live("put")
    answer = house.api.request("PUT", "/v1/segments/put", {"name": "Put again", "kind": "rule", "definition": BOUGHT})
    assert answer.status == 200 and answer.json["tags"] == [] and answer.json["description"] == "" and answer.json["version"] == 1
    assert house.api.request("PUT", "/v1/segments/put", {"key": "other", "name": "x", "kind": "rule", "definition": BOUGHT}).status == 422
    assert house.api.request("PUT", "/v1/segments/put", {"name": "x", "kind": "list"}).status in (409, 422)  # kind never changes


def test_new_definition_is_swapped_in_whole(house):
    house.segment("swap", BOUGHT)
    before = {row["user_id"]: row["entered_at"] for row in house.api.get("/v1/segments/swap/members").json["data"]}
    after = house.changes()[-1]["seq"]
    answer = patch(house, "swap", {"definition": big(5)})
    assert answer.status == 200 and answer.json["version"] == 2 and answer.json["serving_version"] in (1, 2)
    house.live("swap")
    assert house.members("swap") == {"b5", "b6", "b7", "b8", "b9", "anon:ba"}
    rows = {row["user_id"]: row["entered_at"] for row in house.api.get("/v1/segments/swap/members").json["data"]}
    assert all(rows[user] == before[user] for user in rows)  # who stays entered then
    changes = house.changes(after, segment="swap")
    assert {(c["op"], c["user_id"], c["cause"]) for c in changes} == {("exit", f"b{i}", "definition") for i in range(5)}
    segment = house.api.get("/v1/segments/swap").json
    assert segment["serving_version"] == 2 and (segment["size"], segment["identified"]) == (6, 5)


def test_equal_definition_makes_no_version(house):
    house.segment("equal", big(3))
    assert patch(house, "equal", {"definition": big(3), "name": "other"}).json["version"] == 1
    text = '{"definition": {"event":"Bought","where":{"gte":3.0,"property":"n"}}}'
    assert patch(house, "equal", text).json["version"] in (1, 2)  # the same meaning, other text: either will do
    house.live("equal")
    assert patch(house, "equal", {"timezone": "Asia/Tokyo"}).json["version"] >= 2


def test_patch_is_a_merge_patch(house):
    house.segment("patched", BOUGHT, description="long", tags=["a"])
    answer = patch(house, "patched", {"description": None, "tags": ["b", "c"], "public": True})
    assert answer.status == 200
    segment = house.api.get("/v1/segments/patched").json
    assert (
        segment["description"], segment["tags"], segment["public"], segment["name"], segment["version"]
    ) == ("", ["b", "c"], True, "patched", 1)
    assert patch(house, "patched", {"colour": 1}).code == "unknown_member"
    assert patch(house, "patched", {"definition": {"event": "X", "foo": 1}}).status == 422
    assert patch(house, "nothing", {"name": "x"}).status == 404
    assert house.api.request("PATCH", "/v1/segments/patched", "x", headers={"Content-Type": "text/plain"}).status == 415


def test_if_none_match_creates_only(house):
    body = {"name": "x", "kind": "rule", "definition": BOUGHT}
    put = lambda **headers: house.api.request("PUT", "/v1/segments/once", body, headers=headers)
    made = put(**{"If-None-Match": "*"})
    assert made.status == 201
    assert put(**{"If-None-Match": "*"}).code == "precondition_failed"
    assert put(**{"If-None-Match": made.headers["etag"]}).status == 412
    assert put(**{"If-None-Match": '"another"'}).status == 200


def test_what_is_known_is_not_told_again(house):
    def read(etag):
        return house.api.get("/v1/segments/known", headers={"If-None-Match": etag})

    house.send({"type": "track", "userId": "known-1", "event": "Known"})
    house.segment("known", {"event": "Known"})
    house.caught_up(house.now())
    first = house.api.get("/v1/segments/known").headers["etag"]
    again = read(first)
    assert again.status == 304 and again.body == b"" and again.headers["etag"] == first
    assert read(f'"x", W/{first}').status == 304 and read('"x"').status == 200
    house.send({"type": "track", "userId": "known-2", "event": "Known"})
    house.caught_up(house.now())
    moved = read(first)
    assert moved.status == 200 and moved.json["size"] == 2
    assert patch(house, "known", {"name": "two"}, **{"If-Match": first}).status == 200  # nobody has saved since
    assert patch(house, "known", {"name": "three"}, **{"If-Match": moved.headers["etag"]}).status == 412
    assert house.api.request("HEAD", "/v1/segments/known", headers={"If-None-Match": "*"}).status == 304


def test_tags_are_a_set(house):
    house.segment("tags", BOUGHT, tags=["b", "a", "b", "a", "c"])
    assert house.api.get("/v1/segments/tags").json["tags"] == ["b", "a", "c"]


@pytest.mark.parametrize("name", [" ", "   ", "\u00a0", "\u200b \u00a0"])
def test_a_name_is_not_blank(house, name):
    answer = house.api.post("/v1/segments", {"name": name, "kind": "rule", "definition": BOUGHT})
    assert answer.status == 422 and answer.code == "bad_value" and answer.json["errors"][0]["pointer"] == "/name", answer
    assert house.api.post("/v1/sources", {"name": name}).status == 422


@pytest.mark.parametrize("query", ["limit=1&limit=2", "limit=2&limit=2", "q=a&q=", "limit=01", "limit=%2B1", "limit=1.0", "limit=0", "limit=1001"])
def test_parameters_are_given_once_and_plainly(house, query):
    answer = house.api.get("/v1/segments?" + query)
    assert answer.status == 400 and answer.code == "bad_parameter", answer


@pytest.mark.parametrize("text", ["\\u0000", "a\\u0000b", "\\ud800"])
def test_a_text_with_nul_is_told(house, text):
    house.send({"type": "identify", "userId": "nul"})
    for path, body in (("/v1/segments", '{"name":"%s","kind":"list"}'), ("/v1/profiles/nul/consent", '{"consent":{"%s":"granted"}}')):
        answer = house.api.post(path, body % text, headers={"Content-Type": "application/json"})
        assert answer.status == 400 and answer.code == "invalid_json", answer
    assert house.api.get("/v1/profiles/nul").json["consent"] == {}


def test_if_match(house):
    house.segment("tagged", BOUGHT)
    etag = house.api.get("/v1/segments/tagged").headers["etag"]
    assert etag.startswith('"')
    assert patch(house, "tagged", {"name": "one"}, **{"If-Match": '"nope"'}).code == "precondition_failed"
    assert patch(house, "tagged", {"name": "one"}, **{"If-Match": f"W/{etag}"}).code == "precondition_failed"  # weak ones never match
    changed = patch(house, "tagged", {"name": "one"}, **{"If-Match": etag})
    assert changed.status == 200 and changed.headers["etag"] != etag
    assert house.api.request(
        "PUT", "/v1/segments/tagged", {"name": "x", "kind": "rule", "definition": BOUGHT}, headers={"If-Match": etag}
    ).status == 412
    assert house.api.request("DELETE", "/v1/segments/tagged", headers={"If-Match": etag}).status == 412
    assert house.api.request("DELETE", "/v1/segments/tagged", headers={"If-Match": changed.headers["etag"]}).status == 204


def test_cycle_is_refused(house):
    house.segment("cycle-a", BOUGHT)
    house.segment("cycle-b", {"segment": "cycle-a"})
    house.segment("cycle-c", {"not": {"segment": "cycle-b"}})
    for definition in ({"segment": "cycle-c"}, {"segment": "cycle-a"}, {"any": [BOUGHT, {"segment": "cycle-b"}]}):
        answer = patch(house, "cycle-a", {"definition": definition})
        assert answer.status == 422, (definition, answer)
    assert house.api.get("/v1/segments/cycle-a/dependents").json == {"data": ["cycle-b"], "next": None, "next_cursor": None}


def test_dependents_follow_a_changed_definition(house):
    house.segment("base", BOUGHT)
    house.segment("on-base", {"all": [{"event": "Bought"}, {"not": {"segment": "base"}}]})
    assert house.members("on-base") == set()
    patch(house, "base", {"definition": big(5)})
    house.live("base")
    assert house.members("on-base") == {f"b{i}" for i in range(5)}


def test_changes_while_a_version_builds_are_not_lost(house):
    house.segment("busy", BOUGHT)
    for i in range(5):
        patch(house, "busy", {"definition": big(i + 1)})
        house.track(f"busy{i}", "Bought", {"n": i})
    house.live("busy")
    expected = {f"b{i}" for i in range(5, 10)} | {"anon:ba"}
    assert house.members("busy") == expected
    assert house.replayed()["busy"] == house.snapshot("busy")[0]


def test_an_estimate_s_interval_holds_the_truth(house):
    """95 % of the time, also where everybody belongs: how many people there are is estimated, too."""
    people = 20_000
    house.api.post("/v1/segments", {"key": "crowd", "name": "crowd", "kind": "list"})
    rows = "user_id\n" + "\n".join(f"crowd-{n}" for n in range(people))
    assert house.api.post("/v1/segments/crowd/members?mode=add", rows, headers={"Content-Type": "text/csv"}).status == 200
    inside = 0
    for n in range(40):
        ask = {"definition": {"all": [{"segment": "crowd"}, {"bucket": str(n), "from": 0, "to": 100}]}, "budget_ms": 1}
        body = house.api.post("/v1/segments/preview", ask).json
        assert body["low"] <= body["count"] <= body["high"] and body["exact"] == (body["low"] == body["high"]), body
        inside += body["low"] <= people <= body["high"]
    assert inside >= 33


def test_preview_of_what_takes_too_long_says_so():
    """Nothing could be evaluated: no estimate, and no word of a database that is not there."""
    with House() as house:
        house.track("slow", "Seen", {"n": 1})
        ask = {"definition": {"event": "Seen", "measure": {"sum": "n"}, "gte": 1}}
        assert house.api.post("/v1/segments/preview", ask).json["count"] == 1
        house.db.cursor().execute(
            "CREATE OR REPLACE FUNCTION value_number(value jsonb) RETURNS numeric LANGUAGE plpgsql IMMUTABLE"
            " AS 'BEGIN PERFORM pg_sleep(60); RETURN 1; END'"
        )
        answer = house.api.post("/v1/segments/preview", ask)
        assert answer.status == 503 and answer.code == "timeout", answer


def test_preview(house):
    now = house.now()
    house.track("preview", "Seen", timestamp=iso(now - 3600 * SECOND))
    house.caught_up()
    for back, count in ((3600 * SECOND + 1, 0), (3600 * SECOND, 1), (0, 1)):
        answer = house.api.post("/v1/segments/preview", {"definition": {"event": "Seen"}, "as_of": iso(now - back), "sample": 5, "budget_ms": 5000})
        assert answer.status == 200, answer
        body = answer.json
        assert (
            body["count"], body["exact"], body["low"], body["high"]
        ) == (count, True, count, count) and micros(body["as_of"]) == now - back
        assert [row["user_id"] for row in body["sample"]] == ["preview"] * count
    for window, back, count in (
        ({"last": "1h"}, 0, 0), ({"last": "1h"}, 1, 1), ({"last": "2h", "skip": "1h"}, 0, 1), ({"last": "2h", "skip": "1h"}, 1, 0)
    ):
        body = {"definition": {"event": "Seen", "window": window}, "as_of": iso(now - back)}
        assert house.api.post("/v1/segments/preview", body).json["count"] == count, (window, back)
    assert house.api.post("/v1/segments/preview", {"definition": {"event": "Seen"}, "as_of": "2999-01-01T00:00:00Z"}).status == 422
    assert house.api.post("/v1/segments/preview", {"definition": {"event": "Seen", "foo": 1}}).status == 422


def test_verify(house):
    house.segment("verified", big(2))
    house.caught_up()
    answer = house.api.post("/v1/segments/verified/verify", {})
    assert answer.status == 200 and answer.json["differences"] == 0 and answer.json["compared"] is True, answer
    with house.db.cursor() as cursor:  # a member made by hand is found
        cursor.execute(
            "INSERT INTO membership SELECT serving_version_id, profile_id, now() FROM segment, profile"
            " WHERE key = 'verified' AND user_id = 'b1'"
        )
    body = house.api.post("/v1/segments/verified/verify", {}).json
    assert body["differences"] == 1 and body["data"] == [{"user_id": "b1", "anonymous_id": None, "email": None, "should_be": False, "is": True}]


def test_person_and_events(house):
    house.send({"type": "identify", "userId": "person", "anonymousId": "person-a", "traits": {"n": 1}})
    house.send(*[{"type": "track", "event": f"P{i}", "userId": "person", "timestamp": f"2026-01-0{i + 1}T00:00:00Z"} for i in range(3)])
    house.caught_up()
    body = house.api.get("/v1/profiles/person").json
    assert body["user_id"] == "person" and body["anonymous_ids"] == ["person-a"] and body["traits"] == {"n": 1}
    assert body["first_seen"] == "2026-01-01T00:00:00.000000Z"
    assert house.api.get("/v1/profiles/anon:person-a").json["user_id"] == "person"
    page = house.api.get("/v1/profiles/person/events?limit=2").json
    names = [row["event"] for row in page["data"]]
    rest = house.api.get("/" + page["next"].split("://", 1)[1].split("/", 1)[1]).json
    names += [row["event"] for row in rest["data"]]
    assert [name for name in names if not name.startswith("$")] == ["P2", "P1", "P0"]
    asked = house.api.post("/v1/profiles/segments", {"ids": ["b9", "nobody", "anon:ba"]}).json["data"]
    assert [row["id"] for row in asked] == ["b9", "nobody", "anon:ba"] and asked[1]["segments"] is None
    assert "swap" in asked[0]["segments"] and "swap" in asked[2]["segments"]


def test_a_revoked_key_no_longer_works(house):
    made = house.api.post("/v1/keys", {"role": "read", "name": "temporary"})
    assert made.status == 201
    client = house.client("Bearer " + made.json["key"])
    assert client.get("/v1/segments").status == 200
    assert house.api.delete(f"/v1/keys/{made.json['id']}").status == 204
    wait_for(lambda: client.get("/v1/segments").status == 401, what="the revocation")
    writer = house.api.post("/v1/keys", {"role": "write", "source": "test"}).json
    send = house.client()
    assert send.post("/v1/track", {"userId": "k", "event": "K", "writeKey": writer["key"]}).status == 200
    house.api.delete(f"/v1/keys/{writer['id']}")
    wait_for(lambda: send.post("/v1/track", {"userId": "k", "event": "K", "writeKey": writer["key"]}).status == 401, what="the revocation")
