"""Segments as a resource: create, read, list, delete, members, a person's segments, the feed, roles and errors (openapi.yaml)."""
import itertools
import random
import threading
import time

import pytest

from support.client import Client, bearer, quoted
from support.house import iso, micros
from support.wait import least, wait_for

RULE = {"event": "Order Completed"}
FIELDS = {
    "key", "name", "description", "kind", "definition", "timezone", "tags", "public", "version", "serving_version", "state", "progress",
    "code", "size",
    "identified", "as_of", "lag_ms", "created_at", "updated_at",
}


def create(house, **body):
    return house.api.post("/v1/segments", {"name": "x", "kind": "rule", "definition": RULE, **body})


def path_of(url):
    return "/" + url.split("://", 1)[1].split("/", 1)[1]


def problem(answer, status, code):
    assert answer.status == status, answer
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json"
    assert answer.code == code and answer.json["status"] == status
    assert answer.json["request_id"] == answer.headers["x-request-id"]


# Create, read, list, delete


def test_create_and_read(house):
    answer = create(house, key="first", name="First ☃", description="d", timezone="Europe/Berlin", tags=["a", "b"], public=True)
    assert answer.status == 201 and answer.headers["location"].endswith("/v1/segments/first")
    assert set(answer.json) == FIELDS
    house.live("first")
    segment = house.api.get("/v1/segments/first").json
    expected = {
        "key": "first", "name": "First ☃", "description": "d", "kind": "rule", "definition": RULE, "timezone": "Europe/Berlin",
        "tags": ["a", "b"]
    }
    assert expected.items() <= segment.items() and segment["public"] is True
    assert (
        segment["version"], segment["serving_version"], segment["state"], segment["progress"], segment["code"]
    ) == (1, 1, "live", 1, None)
    assert all(micros(segment[key]) > 0 for key in ("as_of", "created_at", "updated_at"))


def test_key_is_made_from_the_name(house):
    keys = [create(house, name="Big Spenders!").json["key"] for _ in range(3)]
    assert keys == ["big-spenders", "big-spenders-2", "big-spenders-3"]


def test_key_taken(house):
    create(house, key="taken")
    problem(create(house, key="taken"), 409, "key_taken")


@pytest.mark.parametrize("key", ["Upper", "-a", "", "a b", "a" * 65, "preview", "overlap", "é", "~1", 5])
def test_bad_key(house, key):
    assert create(house, key=key).status == 422


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({"kind": "magic"}, "/kind"), ({"name": 5}, "/name"), ({"tags": "a"}, "/tags"), ({"public": "yes"}, "/public"),
        ({"timezone": "Mars/Base"}, "/timezone"),
        ({"timezone": 5}, "/timezone"), ({"definition": None}, "/definition"), ({"colour": "red"}, "/colour"), ({"size": 5}, "/size"),
    ],
)
def test_bad_member_is_422_with_its_pointer(house, body, pointer):
    answer = create(house, **body)
    assert answer.status == 422, answer
    assert answer.json["errors"][0]["pointer"] == pointer
    assert pointer not in ("/colour",) or answer.code == "unknown_member"


def test_body_and_media_type(house):
    assert house.api.post("/v1/segments", "{").status == 400
    assert house.api.post("/v1/segments", "[]").status in (400, 422)
    problem(house.api.post("/v1/segments", '{"name":"x"}', headers={"Content-Type": "text/plain"}), 415, "unsupported_media_type")
    problem(house.api.get("/v1/segments?colour=red"), 400, "unknown_parameter")
    assert house.api.get("/v1/segments", headers={"Accept": "image/png"}).status == 406


def test_list(house):
    for i in range(3):
        create(house, key=f"listed-{i}", name=f"Listed {i}", tags=["listed"])
    page = house.api.get("/v1/segments?tag=listed&limit=2").json
    assert [segment["key"] for segment in page["data"]] == ["listed-0", "listed-1"] and "definition" not in page["data"][0]
    target = page["next"]
    assert target.startswith("http://")
    rest = house.api.get(path_of(target)).json
    assert [segment["key"] for segment in rest["data"]] == ["listed-2"] and rest["next"] is None and rest["next_cursor"] is None
    answer = house.api.get("/v1/segments?tag=listed&limit=2")
    assert answer.headers["link"] == f'<{target}>; rel="next"'
    assert house.api.get("/v1/segments?tag=listed&fields=definition").json["data"][0]["definition"] == RULE
    assert [s["key"] for s in house.api.get("/v1/segments?q=Listed%201").json["data"]] == ["listed-1"]
    for i in range(3):
        house.live(f"listed-{i}")
    assert len(house.api.get("/v1/segments?tag=listed&state=live&kind=rule").json["data"]) == 3
    assert house.api.get("/v1/segments?tag=listed&kind=list").json["data"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1"])
def test_bad_limit(house, query):
    assert house.api.get(f"/v1/segments?{query}").status == 400


def test_bad_cursor(house):
    for cursor in ("x", "", "AAAA", "%00"):
        answer = house.api.get(f"/v1/segments?cursor={cursor}")
        problem(answer, 400, "bad_cursor")
    create(house, key="cursor-a", tags=["cursor"])
    create(house, key="cursor-b", tags=["cursor"])
    cursor = house.api.get("/v1/segments?tag=cursor&limit=1").json["next_cursor"]
    problem(house.api.get(f"/v1/segments?tag=other&limit=1&cursor={quoted(cursor)}"), 400, "bad_cursor")  # bound to its query


def test_delete(house):
    house.track("deleter", "Order Completed")
    create(house, key="gone")
    house.live("gone")
    assert house.members("gone") >= {"deleter"}
    assert house.api.delete("/v1/segments/gone").status == 204
    for target in ("/v1/segments/gone", "/v1/segments/gone/members"):
        problem(house.api.get(target), 404, "not_found")
    problem(house.api.delete("/v1/segments/gone"), 404, "not_found")
    wait_for(lambda: house.changes(segment="gone")[-1:] and house.changes(segment="gone")[-1]["op"] == "clear", what="the clear in the feed")
    assert create(house, key="gone").status == 201
    house.live("gone")
    assert "deleter" in house.members("gone")
    assert [change["op"] for change in house.changes(segment="gone")].count("clear") == 1
    assert house.replayed()["gone"] == house.snapshot("gone")[0]


def test_deleted_and_made_again_at_once(house):
    """A reader of the feed sees the clear of the old before the members of the new."""
    house.track("phoenix", "Phoenix")
    for _ in range(5):
        create(house, key="phoenix", definition={"event": "Phoenix"})
        house.live("phoenix")
        assert house.members("phoenix") == {"phoenix"}
        assert house.api.delete("/v1/segments/phoenix").status == 204
    create(house, key="phoenix", definition={"event": "Phoenix"})
    house.live("phoenix")
    assert [c["op"] for c in house.changes() if c["segment"] == "phoenix"] == ["enter", "clear"] * 5 + ["enter"]


def test_deleted_and_its_feed_is_read_before_its_clear(house):
    """The row of the worker is held, so no tick comes between."""
    house.track("vanished", "Vanished")
    create(house, key="vanished", definition={"event": "Vanished"})
    house.live("vanished")
    house.caught_up()
    held = house.postgres.connect()
    held.autocommit = False
    with held.cursor() as cursor:
        cursor.execute("SELECT FROM worker FOR UPDATE")
        assert house.api.delete("/v1/segments/vanished").status == 204
        assert [c["op"] for c in house.changes(segment="vanished")] == ["enter"]
    held.close()
    wait_for(lambda: [c["op"] for c in house.changes(segment="vanished")] == ["enter", "clear"], what="the clear")


def test_segment_in_use_is_not_deleted(house):
    create(house, key="used")
    create(house, key="user-of-it", definition={"not": {"segment": "used"}})
    answer = house.api.delete("/v1/segments/used")
    problem(answer, 409, "segment_in_use")
    assert answer.json["dependents"] == ["user-of-it"]
    assert house.api.delete("/v1/segments/user-of-it").status == 204
    assert house.api.delete("/v1/segments/used").status == 204


# Who may


def test_keys_and_roles(house):
    nobody, writer, reader = house.client(), house.client(bearer(house.write_key)), house.client(bearer(house.read_key))
    answer = nobody.get("/v1/segments")
    problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    problem(house.client(bearer("wrong")).get("/v1/segments"), 401, "unauthorized")
    problem(writer.get("/v1/segments"), 403, "wrong_role")
    assert reader.get("/v1/segments").status == 200
    problem(reader.post("/v1/segments", {"name": "x", "kind": "rule", "definition": RULE}), 403, "wrong_role")
    problem(reader.delete("/v1/segments/first"), 403, "wrong_role")


def test_paths_and_methods(house):
    problem(house.api.get("/v1/nothing"), 404, "not_found")
    answer = house.api.request("POST", "/v1/status", {}, check=False)
    problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]
    head = house.api.request("HEAD", "/v1/status")
    assert head.status == 200 and head.body == b""


def test_gzip_on_request(house):
    for i in range(12):
        create(house, key=f"zip-{i}", tags=["zip"])
    answer = house.api.get("/v1/segments?tag=zip", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip" and len(answer.json["data"]) == 12


# Members


@pytest.fixture(scope="module")
def crowd(house):
    """25 members, every fifth anonymous."""
    who = [{"anonymousId": f"c{i}"} if i % 5 == 0 else {"userId": f"c{i}"} for i in range(25)]
    house.send(*[{"type": "track", "event": "Crowd", **ids} for ids in who])
    house.send({"type": "identify", "userId": "c1", "traits": {"email": "c1@example.com", "plan": "pro", "n": 1}})
    house.segment("crowd", {"event": "Crowd"})
    house.caught_up()
    return {f"c{i}" for i in range(25)}


def test_members_pages(house, crowd):
    target, seen, pages = "/v1/segments/crowd/members?limit=10", [], 0
    while target:
        page = house.api.get(target).json
        assert set(page) == {
            "data", "next", "next_cursor", "as_of", "state", "lag_ms", "size"
        } and page["size"] == 25 and page["state"] == "live"
        seen += page["data"]
        pages += 1
        target = page["next"] and path_of(page["next"])
    assert pages == 3 and {member["user_id"] or member["anonymous_id"] for member in seen} == crowd and len(seen) == 25
    assert all((member["user_id"] is None) != (member["anonymous_id"] is None) and "traits" not in member for member in seen)
    segment = house.api.get("/v1/segments/crowd").json
    assert (segment["size"], segment["identified"]) == (25, 20)


def test_members_with_traits(house, crowd):
    rows = house.api.get("/v1/segments/crowd/members?limit=1000&fields=email,plan").json["data"]
    assert {row["user_id"]: row["traits"] for row in rows if row["user_id"]}["c1"] == {"email": "c1@example.com", "plan": "pro"}


def test_members_as_ndjson(house, crowd):
    for more in ({"headers": {"Accept": "application/x-ndjson"}}, {}):
        target = "/v1/segments/crowd/members" + ("" if more else "?format=ndjson")
        answer = house.api.get(target, **more)
        assert answer.status == 200 and answer.headers["content-type"].split(";")[0] == "application/x-ndjson"
        assert {row["user_id"] or row["anonymous_id"] for row in answer.lines} == crowd and len(answer.lines) == 25
        assert answer.headers["cohortd-state"] == "live" and micros(answer.headers["cohortd-as-of"]) > 0


def test_a_member_that_stays_comes_exactly_once(house):
    """Others come and go between the pages."""
    house.send(*[{"type": "track", "event": "Stay", "userId": f"stay{i}"} for i in range(30)])
    house.segment("stay", {"event": "Stay", "measure": "count", "between": [1, 1]})
    target, seen, i = "/v1/segments/stay/members?limit=5", [], 0
    while target:
        page = house.api.get(target).json
        seen += [member["user_id"] for member in page["data"]]
        house.track(f"stay{i}", "Stay")  # leaves
        house.track(f"new{i}", "Stay")
        house.caught_up()
        i += 1
        target = page["next"] and path_of(page["next"])
    stayed = [f"stay{n}" for n in range(i, 30)]
    assert all(seen.count(user) == 1 for user in stayed) and len(seen) == len(set(seen))


def test_single_membership(house, crowd):
    answer = house.api.get("/v1/segments/crowd/members/c1")
    assert answer.status == 200 and answer.json["user_id"] == "c1" and micros(answer.json["entered_at"]) > 0
    assert house.api.get("/v1/segments/crowd/members/anon:c0").json["anonymous_id"] == "c0"
    problem(house.api.get("/v1/segments/crowd/members/c0"), 404, "not_found")
    problem(house.api.get("/v1/segments/crowd/members/nobody"), 404, "not_found")
    problem(house.api.get("/v1/segments/no-such/members/c1"), 404, "not_found")


@pytest.mark.parametrize("user", ["a/b", "anon:x", "ü ☃", "a%2Fb", "?#", "..x", "user:y"])
def test_user_ids_of_every_shape(house, crowd, user):
    house.track(user, "Crowd Shape")
    if not house.one("SELECT count(*) FROM segment WHERE key = 'shape'"):
        house.segment("shape", {"event": "Crowd Shape"})
    house.caught_up()
    spelled = quoted(user) if not user.startswith(("anon:", "user:")) else "user:" + quoted(user)
    assert house.api.get(f"/v1/segments/shape/members/{spelled}").json["user_id"] == user
    assert "shape" in str(house.api.get(f"/v1/profiles/{spelled}/segments").json)


def test_segments_of_a_person(house, crowd):
    house.segment("crowd-two", {"all": [{"event": "Crowd"}, {"trait": "plan", "eq": "pro"}]})
    house.caught_up()
    answer = house.api.get("/v1/profiles/c1/segments")
    found = {row["key"]: row for row in answer.json["data"]}
    assert {"crowd", "crowd-two"} <= set(found) and micros(found["crowd"]["entered_at"]) > 0
    assert "crowd-two" not in {row["key"] for row in house.api.get("/v1/profiles/c2/segments").json["data"]}
    assert "crowd" in {row["key"] for row in house.api.get("/v1/profiles/anon:c0/segments").json["data"]}
    problem(house.api.get("/v1/profiles/nobody/segments"), 404, "not_found")


# The feed


def test_feed(house):
    house.segment("feed", {"event": "Feed", "measure": "count", "eq": 1})
    start = house.api.get("/v1/changes?after=latest").json
    for _ in range(2):
        house.track("feeder", "Feed")
        house.caught_up()
    changes = house.changes(segment="feed")
    assert [(c["op"], c["user_id"], c["cause"]) for c in changes] == [("enter", "feeder", "event"), ("exit", "feeder", "event")]
    assert set(changes[0]) == {"seq", "segment", "user_id", "anonymous_id", "email", "op", "at", "cause"}
    assert micros(changes[0]["at"]) <= micros(changes[1]["at"]) and changes[0]["seq"] < changes[1]["seq"]
    assert start["data"] == []
    by_path = house.api.get(f"/v1/segments/feed/changes?after={changes[0]['seq']}").json["data"]
    assert [c["seq"] for c in by_path] == [changes[1]["seq"]]
    assert len(house.api.get("/v1/changes?limit=1").json["data"]) == 1


def test_feed_long_poll(house):
    house.segment("poll", {"event": "Poll"})
    house.caught_up()
    after = house.changes()[-1]["seq"] if house.changes() else 0
    began = time.monotonic()
    assert house.api.get(f"/v1/changes?segment=poll&after={after}&wait=1s").json["data"] == []
    assert time.monotonic() - began > 0.8

    def poll(n):
        """How long after the event the answer came."""
        got, after = {}, house.api.get("/v1/changes?after=latest").json["next_cursor"]

        def ask():
            client = Client(house.server.address, bearer(house.read_key))
            got["data"] = client.get(f"/v1/changes?segment=poll&after={after}&wait=60s").json["data"]
            got["at"] = time.monotonic()

        thread = threading.Thread(target=ask)
        thread.start()
        house.parked()
        house.track(f"poller-{n}", "Poll")
        sent = time.monotonic()
        thread.join()
        assert [c["user_id"] for c in got["data"]] == [f"poller-{n}"]
        return got["at"] - sent

    assert least(lambda users=itertools.count(): poll(next(users)), 2) < 2


def test_the_place_in_a_quiet_segments_feed_moves_on(house):
    """Or it would expire, 30 days after the segment's last change, for a reader who has missed nothing."""
    for key in ("still", "loud"):
        house.segment(key, {"event": key})
    house.track("still-1", "still")
    house.caught_up()
    place = house.api.get("/v1/changes?segment=still").json["next_cursor"]
    house.track("loud-1", "loud")
    house.caught_up()
    page = house.api.get(f"/v1/changes?segment=still&after={place}").json
    assert page["data"] == [] and page["next"] is None and int(page["next_cursor"]) == house.changes()[-1]["seq"] > int(place)
    assert house.api.get(f"/v1/changes?after={place}&limit=1").json["next_cursor"] == page["next_cursor"]


def test_a_full_page_of_the_feed_links_to_the_next(house):
    page = house.api.get("/v1/changes?limit=1")
    assert page.headers["link"] == f'<{page.json["next"]}>; rel="next"'


def test_feed_bad_parameters(house):
    for query in ("after=-1", "after=x", "wait=61s", "wait=x", "limit=0"):
        assert house.api.get(f"/v1/changes?{query}").status == 400, query
    assert house.api.get(f"/v1/changes?after={2**63 - 1}").code == "bad_cursor"


# The service


def test_status(house):
    status = house.api.get("/v1/status").json
    assert {"version", "database", "queue", "worker"} <= set(status)
    assert {"as_of", "pending", "lag_ms", "epoch"} <= set(status["worker"])


def test_as_of_moves_at_least_once_a_second(house):
    def a_second():
        first, began = house.caught_up(), time.monotonic()
        house.caught_up(first + 1_000_000)
        return time.monotonic() - began

    assert least(a_second, 2.2) < 2.2


def test_event_names(house):
    house.send(*[{"type": "track", "userId": "namer", "event": "Named ☃", "timestamp": f"2026-01-0{i}T00:00:00Z"} for i in (3, 1, 2)])
    house.caught_up()
    rows = {row["name"]: row for row in house.api.get("/v1/events/names?limit=1000").json["data"]}
    row = rows["Named ☃"]
    assert row["count"] == 3 and row["first_seen"].startswith("2026-01-01") and row["last_seen"].startswith("2026-01-03")
    assert not any(name.startswith("$") for name in rows)


def test_texts_as_long_as_they_may_be(house):
    """1,024 characters of four bytes that no compression makes shorter: they fit into no row of a B-tree."""
    draw = random.Random(1)
    name, path = ("".join(chr(draw.randrange(0x10000, 0x110000)) for _ in range(1024)) for _ in range(2))
    house.segment("long-name", {"event": name})
    house.segment("long-path", {"trait": path, "within_next": "7d"})
    house.send({"type": "track", "userId": "long", "event": name},
               {"type": "identify", "userId": "long", "traits": {path: iso(house.now() + 86_400_000_000)}})
    assert house.members("long-name") == house.members("long-path") == {"long"}
    found = house.api.get("/v1/events/names?limit=1000").json["data"]
    assert [one["count"] for one in found if one["name"] == name] == [1]


def test_operate_face(house):
    nobody = house.client()
    assert nobody.get("/healthz").status == 200 and nobody.get("/readyz").status == 200
    metrics = nobody.get("/metrics")
    assert metrics.status == 200 and b"cohortd_" in metrics.body


def test_every_request_has_an_id_of_its_own(house):
    ids = {house.api.get("/v1/status").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("name", ["posixrules", "localtime", "Factory", "right/UTC", "right/Europe/Berlin", "posix/Europe/Berlin", "europe/berlin", "UTC+1", "EST5"])
def test_time_zones_are_those_of_iana(house, name):
    """Files that PostgreSQL finds beside the zones, spellings and POSIX rules are none."""
    for path, body in (("", {"name": "z", "kind": "rule", "definition": {"event": "A"}}), ("/preview", {"definition": {"event": "A"}})):
        answer = house.api.post(f"/v1/segments{path}", {**body, "timezone": name})
        assert (answer.status, answer.code, answer.json["errors"][0]["pointer"]) == (422, "bad_timezone", "/timezone"), name
    good = house.api.post("/v1/segments/preview", {"definition": {"event": "A"}, "timezone": "America/Argentina/Buenos_Aires"})
    assert good.status == 200


def test_the_feed_of_a_segment_that_never_was(house):
    for more in ("", "&after=latest", "&after=0", "&wait=30s"):
        problem(house.api.get(f"/v1/changes?segment=never-was{more}"), 404, "not_found")
    problem(house.api.get("/v1/changes?segment=never-was", headers={"Accept": "text/event-stream"}), 404, "not_found")
    house.segment("quiet", {"event": "Nobody does this"})
    assert house.api.get("/v1/changes?segment=quiet").json["data"] == []
    assert house.api.delete("/v1/segments/quiet").status == 204
    wait_for(lambda: [c["op"] for c in house.changes(segment="quiet")] == ["clear"], what="the clear")
    assert house.api.get(f"/v1/changes?segment=quiet&after={house.changes()[-1]['seq']}").json["data"] == []


def test_a_place_beyond_the_end_of_the_feed(house):
    """Of another database, or of this one before it was restored: a reader that waited there would miss what comes."""
    house.segment("beyond", {"event": "Beyond"})
    house.track("b1", "Beyond")
    house.caught_up()
    last = int(house.api.get("/v1/changes?after=latest").json["next_cursor"])
    assert house.api.get(f"/v1/changes?after={last}").json["data"] == []
    for path in ("/v1/changes?", "/v1/changes?segment=beyond&", "/v1/segments/beyond/changes?"):
        problem(house.api.get(f"{path}after={last + 1_000_000}"), 400, "bad_cursor")
        problem(house.api.get(f"{path}after={last + 1_000_000}&wait=30s"), 400, "bad_cursor")
    problem(house.api.get("/v1/changes", headers={"Accept": "text/event-stream", "Last-Event-ID": str(last + 1_000_000)}), 400, "bad_cursor")
