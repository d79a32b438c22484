"""What pages get from cohortd itself: the script, the neutral paths, and the segments of a visitor."""
import gzip

import pytest
from support.house import House
from support.postgres import ROOT
from support.server import run

SCRIPT = (ROOT / "web" / "tracker" / "dist" / "c.js").read_bytes()
ORIGIN = {"Origin": "https://www.shop.example"}


@pytest.fixture(scope="module")
def house():
    with House() as house:
        yield house


def visitor(house, query, **more):
    return house.client().get(f"/v1/visitor/segments?writeKey={house.write_key}&{query}", **more)


def segments(house, query):
    answer = visitor(house, query)
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store", answer
    return answer.json["segments"]


# The script

def test_script_is_cached_and_zipped(house):
    page = house.client()
    plain = page.get("/c.js")
    assert plain.status == 200 and plain.body == SCRIPT
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    zipped = page.exchange("GET", "/c.js", None, {"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip" and zipped.body == SCRIPT
    assert int(zipped.headers["content-length"]) < 3072
    again = page.get("/c.js", headers={"If-None-Match": plain.headers["etag"]})
    assert again.status == 304 and again.body == b"" and again.headers["cache-control"] == "public, max-age=3600"
    assert page.get("/c.js", headers={"If-None-Match": '"other"'}).status == 200
    assert page.request("HEAD", "/c.js").status == 200


def test_script_may_be_read_by_any_origin(house):
    answer = house.client().get("/c.js", headers=ORIGIN)
    assert answer.headers["access-control-allow-origin"] in ("*", ORIGIN["Origin"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    # A cache must not give the answer of a request without an origin to one that has one.
    assert "Origin" in house.client().get("/c.js").headers["vary"]


def test_script_under_3_kb():
    assert len(gzip.compress(SCRIPT, 9)) < 3072


# Neutral paths

def test_neutral_paths(house):
    page = house.client()
    body = {"writeKey": house.write_key, "batch": [{"type": "track", "userId": "neutral", "event": "A", "messageId": "n1"}]}
    text = {"Content-Type": "text/plain;charset=UTF-8", **ORIGIN}
    for path in ("/e", "/e/", "/e/v1/batch", "/e/v1/b"):
        answer = page.post(path, body, headers=text, check=False)
        assert answer.status == 200 and answer.headers["access-control-allow-origin"] == ORIGIN["Origin"], path
    assert house.events("neutral") == 1
    answer = page.get(f"/e?writeKey={house.write_key}&userId=neutral", check=False)
    assert answer.status == 200 and answer.json == {"segments": []}
    # Only events: nothing of the other faces is behind the prefix, and no other path begins with it.
    for path in ("/e/v1/status", "/e/healthz", "/ev1/b", "/e/e"):
        assert page.get(path, headers={"Authorization": f"Bearer {house.admin_key}"}, check=False).status == 404, path
    assert page.request("OPTIONS", "/e", headers={**ORIGIN, "Access-Control-Request-Method": "POST"}, check=False).status in (200, 204)
    assert page.request("PUT", "/e", "{}", check=False).status == 405


def test_paths_are_settings():
    environment = {"COHORTD_TRACKER_PATH": "/assets/s.js", "COHORTD_COLLECT_PREFIX": "/assets/in"}
    with House(environment=environment) as house:
        page = house.client()
        assert page.get("/assets/s.js", check=False).body == SCRIPT
        assert page.get("/c.js", check=False).status == 404
        assert page.get("/e", check=False).status == 404
        body = {"writeKey": house.write_key, "batch": [{"type": "track", "userId": "u", "event": "A"}]}
        assert page.post("/assets/in", body, check=False).status == 200
        assert page.post("/v1/b", body).status == 200


@pytest.mark.parametrize("value", ["c.js", "/", "/x/", "/v1/b", "/a b", "/a?b", "https://shop.example/c.js"])
def test_a_path_that_is_none_is_refused(value):
    for setting in ("tracker-path", "collect-prefix"):
        done = run("postgresql://nowhere", "serve", f"--{setting}", value)
        assert done.returncode != 0 and f"--{setting}".encode() in done.stderr, done.stderr


# The segments of a visitor

def test_visitor_segments(house):
    house.track("vip", "Visited")
    house.send({"type": "track", "anonymousId": "visit", "event": "Visited"})
    house.segment("vip", {"event": "Visited"}, public=True)
    house.segment("also", {"event": "Visited"}, public=True)
    house.segment("secret", {"event": "Visited"})
    house.segment("other", {"event": "Never"}, public=True)
    house.caught_up()
    assert segments(house, "userId=vip") == ["also", "vip"]
    assert segments(house, "anonymousId=visit") == ["also", "vip"]
    # A person goes by the user id; by the anonymous id while nobody is known by the other.
    assert segments(house, "userId=vip&anonymousId=nobody") == ["also", "vip"]
    assert segments(house, "userId=new&anonymousId=visit") == ["also", "vip"]
    house.track("poor", "Looked")
    assert segments(house, "userId=poor&anonymousId=visit") == []
    # An anonymous id is no user id.
    for query in ("userId=visit", "anonymousId=vip", "userId=nobody", "", "userId=", "userId=null", f"userId={'x' * 300}", "userId=%FF"):
        assert segments(house, query) == [], query
    # Once public no more, no page sees it.
    assert house.api.request("PATCH", "/v1/segments/also", {"public": False}, headers={"Content-Type": "application/merge-patch+json"}).status == 200
    assert segments(house, "userId=vip") == ["vip"]
    # A merged visitor is the user.
    house.send({"type": "identify", "userId": "vip", "anonymousId": "visit"})
    house.caught_up()
    assert segments(house, "anonymousId=visit") == ["vip"]
    assert house.api.delete("/v1/segments/vip").status == 204
    assert segments(house, "userId=vip") == []


def test_visitor_segments_need_a_write_key(house):
    page = house.client()
    for target, headers in (("", {}), ("?writeKey=", {}), ("?writeKey=wrong", {}), (f"?writeKey={house.read_key}", {}), (f"?writeKey={house.admin_key}", {}),
                            (f"?writeKey={house.write_key}", {"X-Write-Key": "wrong"})):
        answer = page.get(f"/v1/visitor/segments{target}", headers={**headers, **ORIGIN})
        assert answer.status == 401 and answer.json["success"] is False, target
        assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert page.get("/v1/visitor/segments", headers={"X-Write-Key": house.write_key}).status == 200
    assert house.collect.get("/v1/visitor/segments").status == 200
    # A key made a moment ago by somebody else.
    assert page.get(f"/v1/visitor/segments?writeKey={house.server.key('write')}").status == 200


def test_visitor_segments_only_for_allowed_origins(house):
    assert house.api.post("/v1/sources", {"name": "shop", "allowed_origins": [ORIGIN["Origin"]]}).status == 201
    key = house.api.post("/v1/keys", {"role": "write", "source": "shop"}).json["key"]
    page = house.client()
    assert page.get(f"/v1/visitor/segments?writeKey={key}", headers=ORIGIN).status == 200
    refused = page.get(f"/v1/visitor/segments?writeKey={key}", headers={"Origin": "https://evil.example"})
    assert refused.status == 403 and refused.headers["access-control-allow-origin"] == "https://evil.example"
