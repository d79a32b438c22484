"""What real clients send, byte for byte, and what each needs back: the rows of the wire's contract that are not about keys, bodies and bad input alone
(test_collect), pixels, settings or privacy (which have suites of their own)."""
import base64
import concurrent.futures
import gzip
import json
import re
import time

import pytest

from support import openapi
from support.client import Client, basic
from support.house import House, iso
from support.raw import chunked, exchange, request
from support.wait import wait_for

OK = b'{"success":true}'
ORIGIN = "https://shop.example"
TYPES = ["track", "identify", "page", "screen", "group", "alias"]
COLLECT = (
    [f"/v1/{name}" for name in TYPES + ["batch", "import", "t", "i", "p", "s", "g", "a", "b", "m"]]
    + ["/beacon/v1/batch"] + [f"/api/s/{name}" for name in TYPES] + [f"/api/s/s2s/{name}" for name in TYPES]
)
READ = [f"{base}{name}" for base in ("/v1/pixel/", "/pixel/v1/") for name in TYPES] + [
    "/v1/projects/cw_x/settings", "/projects/cw_x/settings", "/sourceConfig"
]


def send(house, path, body, *headers):
    """One request from a socket; (answer, the body's bytes)."""
    (answer,) = exchange(house.server.address, request("POST", path, headers, body))
    return answer


def accepted(answer, body=OK):
    """Exactly what satisfies every SDK: 200 on line 1, JSON, a body that is not empty, and the connection stays."""
    assert answer.line == "HTTP/1.1 200 OK" and answer.body == body, answer
    assert answer.headers["content-type"] == "application/json" and answer.headers.get("connection", "").lower() != "close"


def stored(house, user):
    """[(name, properties, context, ts in µs)] of a user, in order of arrival."""
    return house.rows(
        "SELECT name, properties, context, (extract(epoch FROM ts) * 1000000)::bigint FROM event JOIN event_name USING (name_id)"
        " JOIN profile USING (profile_id) WHERE user_id = %s ORDER BY received_at", user
    )


def traits(house, user):
    return house.api.get(f"/v1/profiles/{user}").json["traits"]


def now(house, plus_ms=0):
    """The database's time as SDKs write it: milliseconds and Z."""
    return iso(house.now() + plus_ms * 1000)[:-4] + "Z"


# The captured requests, each with the headers its client sends


def key_basic(house):
    return "authorization: " + basic(house.write_key)


def test_analytics_node(house):
    item = {
        "timestamp": now(house), "integrations": {}, "type": "identify", "userId": "node1",
        "traits": {"email": "jane@node.example", "name": "Jané ☃", "tags": ["a", "b"], "createdAt": "2020-01-02T03:04:05.000Z"},
        "context": {"library": {"name": "@segment/analytics-node", "version": "3.1.0"}}, "messageId": "node-next-1795282621516-a1626e98",
        "_metadata": {"nodejsVersion": "20"},
    }
    body = json.dumps({"batch": [item], "writeKey": "key", "sentAt": now(house)}, ensure_ascii=False).encode()
    head = ["content-type: application/json", "user-agent: analytics-node-next/latest", key_basic(house)]
    accepted(send(house, "/v1/batch", body, *head))
    accepted(send(house, "/v1/batch", body.replace(b'"sentAt": "', b'"sentAt":"'), *head, "X-Retry-Count: 1"))
    ((name, properties, context, _),) = stored(house, "node1")
    assert name == "$identify" and properties["name"] == "Jané ☃" and "ip" not in context
    assert traits(house, "node1") == item["traits"]


def test_rudder_node(house):
    when = now(house, -10_000)
    item = {
        "userId": "rudder1", "context": {"traits": {"plan": "gold"}, "library": {"name": "@rudderstack/rudder-sdk-node", "version": "3.0.13"}},
        "traits": {"city": "Bonn"}, "type": "identify", "channel": "server", "originalTimestamp": when,
        "messageId": "3e3f", "sentAt": when,
    }
    body = gzip.compress(json.dumps({"batch": [item], "timestamp": "2001-01-01T00:00:00.000Z", "sentAt": when}).encode())
    accepted(
        send(
            house, "/v1/batch", body, "content-type: application/x-www-form-urlencoded", "content-encoding: gzip",
            "user-agent: analytics-node/3.0.13", key_basic(house)
        )
    )
    assert traits(house, "rudder1") == {"plan": "gold", "city": "Bonn"}
    assert iso(stored(house, "rudder1")[0][3]) == when[:-1] + "000Z"


@pytest.mark.parametrize("packed", [False, True])
def test_analytics_python(house, packed):
    user = f"python{packed}"
    item = {
        "integrations": {}, "anonymousId": None, "timestamp": now(house)[:-1] + "+00:00", "context": {"library": {"name": "analytics-python"}},
        "type": "track", "event": "E", "userId": user, "properties": {}, "messageId": user,
    }
    body = json.dumps({"batch": [item], "sentAt": now(house)[:-1] + "+00:00", "writeKey": house.write_key}).encode()
    head = ["user-agent: analytics-python/2.3.4", "content-type: application/json"] + ["content-encoding: gzip"] * packed
    accepted(send(house, "/v1/batch", gzip.compress(body) if packed else body, *head))
    ((_, _, context, _),) = stored(house, user)
    assert context == {"library": {"name": "analytics-python"}}  # a back end: no ip


def test_analytics_go(house):
    when = now(house, -10_000)[:-5]
    item = {
        "type": "track", "messageId": "go-1", "userId": "go1", "event": "Order Completed", "timestamp": when + ".461999039Z",
        "properties": {"revenue": 19.99},
    }
    body = {"messageId": "58ee", "sentAt": when + ".462324999Z", "batch": [item], "context": {"library": {"name": "analytics-go", "version": "3.0.0"}}}
    accepted(send(house, "/v1/batch", json.dumps(body).encode(), "user-agent: analytics-go (version: 3.0.0)", key_basic(house)))
    ((_, properties, context, ts),) = stored(house, "go1")
    assert context["library"]["name"] == "analytics-go" and iso(ts) == when + ".461999Z" and str(properties["revenue"]) == "19.99"


def test_analytics_ruby_keeps_one_connection(house):
    def one(n):
        item = {"type": "track", "userId": "ruby1", "event": "E", "messageId": f"ruby-{n}", "timestamp": now(house)[:-1] + "+00:00"}
        body = json.dumps({"sentAt": now(house)[:-1] + "+00:00", "batch": [item]}).encode()
        head = ["user-agent: analytics-ruby/2.5.0", "accept: application/json", "content-type: application/json", key_basic(house)]
        return request("POST", "/v1/import", head, body)

    for answer in exchange(house.server.address, *[one(n) for n in range(3)]):
        accepted(answer)
    assert len(stored(house, "ruby1")) == 3


def test_analytics_java(house):
    body = {
        "batch": [{"type": "track", "userId": "java1", "event": "E", "messageId": "java-1"}], "sentAt": now(house),
        "context": {"library": {"name": "analytics-java"}}, "sequence": 1, "writeKey": "key",
    }
    accepted(send(house, "/v1/import/", json.dumps(body).encode(), "user-agent: analytics-java/3.5", key_basic(house), "accept: application/json"))
    assert stored(house, "java1")[0][2]["library"] == {"name": "analytics-java"}


def test_analytics_php_whose_times_have_whole_seconds(house):
    second = now(house)[:-5] + "+00:00"
    item = {"type": "track", "userId": "php1", "event": "E", "messageId": "php-1", "timestamp": second, "context": {"library": {"name": "analytics-php"}}}
    accepted(send(house, "/v1/batch", json.dumps({"batch": [item], "sentAt": second}).encode(), key_basic(house), "Expect: 100-continue"))
    assert iso(stored(house, "php1")[0][3]) == second[:-6] + ".000000Z"


def test_analytics_next(house):
    when = now(house)
    item = {
        "timestamp": when, "integrations": {"Segment.io": True}, "event": "Order Completed", "type": "track", "properties": {"total": 5},
        "context": {
            "page": {"path": "/", "referrer": "", "search": "", "title": "T", "url": ORIGIN + "/"},
            "campaign": {"source": "news", "medium": "email", "name": "spring"}, "timezone": "UTC",
            "library": {"name": "analytics.js", "version": "npm:next-1.84.0"},
        },
        "messageId": "ajs-next-1795", "anonymousId": "f14c", "userId": "next1", "writeKey": house.write_key, "sentAt": when,
        "_metadata": {"bundled": ["Segment.io"], "unbundled": [], "bundledIds": []},
    }
    head = ["origin: " + ORIGIN, "content-type: text/plain", key_basic(house), "sec-fetch-mode: cors"]
    answer = send(house, "/v1/t", json.dumps(item).encode(), *head)
    accepted(answer)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    ((name, _, context, _),) = stored(house, "next1")
    assert name == "Order Completed" and context["campaign"]["source"] == "news" and context["ip"] == "127.0.0.1"


def test_analytics_next_batching_without_authorization(house):
    item = {"type": "page", "userId": "next2", "messageId": "ajs-next-2", "properties": {"path": "/"}, "timestamp": now(house)}
    body = json.dumps({"writeKey": house.write_key, "batch": [item], "sentAt": now(house)}).encode()
    accepted(send(house, "/v1/b", body, "origin: " + ORIGIN, "content-type: text/plain;charset=UTF-8"))
    assert stored(house, "next2")[0][0] == "Page Viewed"


def test_kotlin_gzipped_chunked_plain_text(house):
    item = {"type": "screen", "userId": "kotlin1", "messageId": "k-1", "name": "Home", "context": {"library": {"name": "analytics-kotlin"}}}
    body = gzip.compress(json.dumps({"batch": [item], "sentAt": now(house), "writeKey": house.write_key}).encode())
    head = ["content-type: text/plain", "content-encoding: gzip", "Transfer-Encoding: chunked"]
    accepted(send(house, "/v1/b", chunked(body[:10], body[10:30], body[30:]), *head))
    assert stored(house, "kotlin1")[0][2]["ip"] == "127.0.0.1"  # an app: its address is worth keeping


@pytest.mark.parametrize("name", ["android", "swift", "react-native"])
def test_apps_send_again_on_the_same_connection(house, name):
    when = now(house, -7_200_000)[:-5] + ".417"
    path, head, pack, time = {
        "android": ("/v1/import", ["user-agent: analytics-android/4.11", key_basic(house), "content-encoding: gzip", "Transfer-Encoding: chunked"],
                    lambda body: chunked(gzip.compress(body)), when + "+00:00"),
        "swift": ("/v1/b", ["user-agent: analytics-ios/1.7.0", "content-type: application/json; charset=utf-8", key_basic(house)], bytes, when + "Z"),
        "react-native": ("/v1/b", ["user-agent: okhttp/4.9.2", "content-type: application/json; charset=utf-8", "x-retry-count: 1"], bytes, when + "Z"),
    }[name]
    batch = [
        {"type": "identify", "userId": name, "anonymousId": None, "messageId": f"{name}-1", "timestamp": time, "traits": {"name": "Jané ☃"}},
        {"type": "track", "userId": name, "messageId": f"{name}-2", "timestamp": time, "event": "Größe gewählt", "properties": {"price": 19.995}},
    ]
    body = pack(json.dumps({"batch": batch, "sentAt": now(house), "writeKey": house.write_key}, ensure_ascii=False).encode())
    for answer in exchange(house.server.address, *[request("POST", path, head, body)] * 3):
        accepted(answer)
    rows = stored(house, name)
    assert [row[0] for row in rows] == ["$identify", "Größe gewählt"] and str(rows[1][1]["price"]) == "19.995"
    assert {iso(row[3]) for row in rows} == {when + "000Z"} and traits(house, name) == {"name": "Jané ☃"}


def test_rudder_js_and_its_beacon(house):
    item = {
        "type": "identify", "userId": "rjs1", "anonymousId": "", "messageId": "r-1", "channel": "web", "originalTimestamp": now(house), "sentAt": now(house),
        "context": {"traits": {"email": "r@js.example", "plan": "gold"}, "library": {"name": "RudderLabs JavaScript SDK", "version": "3.0.0"}},
        "userId_": None, "integrations": {"All": True},
    }
    anonymous = base64.b64encode(b"a-1").decode()
    head = ["origin: " + ORIGIN, "content-type: application/json", key_basic(house), f"anonymousid: {anonymous}", "sentat: " + now(house)]
    accepted(send(house, "/v1/identify", json.dumps(item).encode(), *head))
    assert traits(house, "rjs1") == {"email": "r@js.example", "plan": "gold"}  # the traits are in the context alone
    page = {"type": "page", "userId": "rjs1", "messageId": "r-2", "originalTimestamp": now(house), "context": {}}
    body = json.dumps({"batch": [page], "sentAt": now(house)}).encode()
    accepted(send(house, f"/beacon/v1/batch?writeKey={house.write_key}", body, "origin: " + ORIGIN, "content-type: text/plain;charset=UTF-8"))
    assert [row[0] for row in stored(house, "rjs1")] == ["$identify", "Page Viewed"]


@pytest.mark.parametrize("kind", TYPES + ["event"])
@pytest.mark.parametrize("base", ["/api/s/", "/api/s/s2s/"])
def test_jitsu(house, base, kind):
    user = f"jitsu {base} {kind}"
    name = {"identify": "$identify", "page": "Page Viewed", "screen": "Screen Viewed", "group": "$group", "alias": "$alias"}.get(kind, "Signup")
    body = {
        "type": "track" if kind == "event" else kind, "event": "Signup", "userId": user, "anonymousId": "j" + user, "groupId": "g", "previousId": "p" + user,
        "messageId": user, "writeKey": house.write_key[:6] + ":***", "sentAt": now(house), "timestamp": now(house),
        "context": {"page": {}, "clientIds": {}, "campaign": {}, "library": {"name": "@jitsu/js"}},
    }
    for key in (f"{house.write_key}:secret", f"id:{house.write_key}", house.write_key):
        for slash in ("", "/"):
            accepted(send(house, base + kind + slash, json.dumps(body).encode(), f"x-write-key: {key}", "content-type: application/json"), b'{"ok":true}')
    ((stored_name, _, context, _),) = stored(house, user)
    assert stored_name == name and ("ip" in context) == (base == "/api/s/")


def test_jitsu_with_a_wrong_key_or_type(house):
    answer = send(house, "/api/s/track", b'{"event":"E","userId":"u"}', "x-write-key: no:no", "origin: " + ORIGIN)
    assert answer.status == 401 and json.loads(answer.body)["success"] is False and answer.headers["access-control-allow-origin"] == ORIGIN
    assert send(house, "/api/s/nonsense", b"{}", f"x-write-key: {house.write_key}").status == 404


def test_key_as_id_and_secret(house):
    def status(**how):
        body = {"userId": "id:secret", "event": "E", **how.get("body", {})}
        return send(house, how.get("path", "/v1/track"), json.dumps(body).encode(), *how.get("head", [])).status

    def encoded(text):
        return "Authorization: Basic " + base64.b64encode(text.encode()).decode()

    key = house.write_key
    for text in (key, key + ":", f"{key}:secret", f"id:{key}", f":{key}"):
        assert status(head=["X-Write-Key: " + text]) == 200 and status(head=[encoded(text)]) == 200, text
        assert status(path=f"/v1/track?writeKey={text}") == 200 and status(body={"writeKey": text}) == 200, text
    for text in ("id:secret", f"{key}x:secret", f"id:{key}x", f"a:b:{key}"):
        assert status(head=["X-Write-Key: " + text]) == 401 and status(head=[encoded(text)]) == 401, text


# Paths and methods


@pytest.mark.parametrize("path", COLLECT)
def test_no_path_redirects(house, path):
    for slash in ("", "/"):
        answer = send(house, path + slash, b"{}", "content-type: text/plain")
        assert answer.status in (200, 400, 401) and "location" not in answer.headers, answer


def test_a_host_that_was_set_with_a_slash_at_its_end(house):
    accepted(send(house, "//v1/batch", b'{"batch":[{"type":"track","userId":"slashed","event":"E"}]}', key_basic(house)))
    assert len(stored(house, "slashed")) == 1
    (answer,) = exchange(house.server.address, request("OPTIONS", "//v1/batch", ["Origin: " + ORIGIN]))
    assert answer.status == 204


def test_a_tool_whose_body_is_too_large_is_told_when_to_come_again(house):
    head = ["Authorization: Bearer " + house.admin_key, "Content-Type: application/json"]
    (answer,) = exchange(house.server.address, request("POST", "/v1/segments", head, b" " * ((4 << 20) + 1)))
    assert answer.status == 413 and answer.headers["retry-after"].isdigit() and answer.headers["content-type"] == "application/problem+json"


def test_every_path_of_the_contract_is_described(house):
    for path in COLLECT + READ:
        item = openapi.item_of(path)
        assert item and ("post" if path in COLLECT else "get") in item, path


SUPERSET = ("code", "message", "error", "type", "title")


def is_superset(answer, status):
    """Ruby wants an object and reads `error`, Python wants `code` and `message`, the rest is RFC 9457; a page must be able to read it."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json", answer
    body = json.loads(answer.body)
    assert body["success"] is False and body["status"] == status and all(isinstance(body[name], str) and body[name] for name in SUPERSET), body
    assert answer.headers["access-control-allow-origin"] == ORIGIN and answer.headers["access-control-allow-credentials"] == "true"
    assert "Retry-After" in answer.headers["access-control-expose-headers"] and "Origin" in answer.headers["vary"]
    assert answer.headers["x-request-id"]
    return body["code"]


def test_every_refusal_can_be_read_by_every_sdk_and_by_the_page(house):
    def post(path, body, *headers):
        return send(house, path, body, "Origin: " + ORIGIN, *headers)

    key = key_basic(house)
    for body in (b"", b"{", b"[]", b"null", b"5", b'"a"', b"\xff\xfe"):
        is_superset(post("/v1/batch", body, key), 400)
        is_superset(post("/v1/t", body, key), 400)
    assert is_superset(post("/v1/batch", b"x", key, "Content-Encoding: gzip"), 400) == "bad_gzip"
    assert is_superset(post("/v1/batch", b"x", key, "Content-Encoding: br"), 400) == "bad_encoding"
    assert is_superset(post("/v1/batch", b" " * ((4 << 20) + 1), key), 400) == "body_too_large"
    assert is_superset(post("/v1/batch", b'{"batch":[]}'), 401) == "unauthorized"
    assert is_superset(post("/v1/batch", b'{"batch":[]}', "X-Write-Key: cw_unknown"), 401) == "unauthorized"
    assert is_superset(post("/v1/batch", b'{"batch":[]}', "Authorization: " + basic(house.read_key)), 401) == "unauthorized"
    for path in ("/v1/batchh", "/v1", "/v2/batch", "/", "/v1/track/x", "/api/s", "/analytics/v1/batch"):
        assert is_superset(post(path, b"{}", key), 404) == "not_found", path
    for method in ("PUT", "DELETE", "PATCH", "GET", "HEAD"):
        (answer,) = exchange(house.server.address, request(method, "/v1/batch", ["Origin: " + ORIGIN, key]))
        assert answer.status == 405 and answer.headers["allow"] == "POST, OPTIONS" and answer.headers["access-control-allow-origin"] == ORIGIN
        if method != "HEAD":
            assert is_superset(answer, 405) == "method_not_allowed"


def test_a_page_can_read_that_a_path_is_unknown(house):
    (answer,) = exchange(house.server.address, request("GET", "/v1/nothing", ["Origin: " + ORIGIN]))
    assert answer.status == 404 and answer.headers["access-control-allow-origin"] == ORIGIN and json.loads(answer.body)["code"] == "not_found"
    tool = ["Origin: " + ORIGIN, "Authorization: Bearer " + house.admin_key]
    (answer,) = exchange(house.server.address, request("POST", "/v1/nothing", tool, b"{}"))
    assert answer.status == 404 and answer.headers["content-type"] == "application/problem+json" and json.loads(answer.body)["errors"] == []


def test_overload_and_outage_are_503_with_whole_seconds():
    """A queue of one MiB, and nobody who empties it: events wait, then are refused, and none is acknowledged."""
    with House(environment={"COHORTD_QUEUE_MAX": str(1 << 20), "COHORTD_REQUEST_TIMEOUT": "1"}) as house:
        wait_for(lambda: house.collect.post("/v1/track", {"userId": "before", "event": "E"}).status == 200)
        with house.db.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE")
            try:
                item = {"type": "track", "userId": "late", "event": "E", "properties": {"x": "y" * 60_000}}
                body = json.dumps({"batch": [item] * 10}).encode()
                one = request("POST", "/v1/batch", ["Origin: " + ORIGIN, key_basic(house)], body)
                for _ in range(4):
                    (answer,) = exchange(house.server.address, one)
                    assert is_superset(answer, 503) in ("overloaded", "timeout")
                    assert answer.headers["retry-after"].isdigit() and int(answer.headers["retry-after"]) >= 1
            finally:
                cursor.execute("ROLLBACK")


def test_every_path_says_when_to_come_again():
    """PostgreSQL is gone: each path of the collect face is 503 with whole seconds, in words that SDKs and pages can read; so is the rest in its own."""
    with House(environment={"COHORTD_REQUEST_TIMEOUT": "1"}) as house:
        unknown = "Authorization: Basic " + base64.b64encode(b"unknown:").decode()
        wait_for(lambda: house.collect.post("/v1/track", {"userId": "before", "event": "E"}).status == 200)
        house.postgres.kill()
        try:
            item = json.dumps({"type": "track", "userId": "u", "event": "E", "previousId": "p", "groupId": "g"}).encode()
            paths = ["/v1/" + kind for kind in ("track", "identify", "page", "screen", "group", "alias", "t", "i", "p", "s", "g", "a", "batch", "import", "b")]
            calls = [(path, key) for path in paths + ["/beacon/v1/batch", "/api/s/track", "/api/s/s2s/track"] for key in (key_basic(house), unknown)]

            def ask(call):
                batch = call[0].endswith(("batch", "import", "/b"))
                return send(house, call[0], b'{"batch":[%s]}' % item if batch else item, "Origin: " + ORIGIN, call[1])

            with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:  # some wait for their deadline
                for call, answer in zip(calls, pool.map(ask, calls)):
                    assert is_superset(answer, 503) in ("unavailable", "timeout"), (call, answer)
                    assert re.fullmatch("[1-9][0-9]*", answer.headers["retry-after"]), (call, answer)
            for method, path, key in (("POST", "/v1/hooks/any", unknown), ("GET", "/v1/visitor/segments?userId=u", key_basic(house)),
                                      ("GET", "/v1/projects/unknown/settings", unknown)):
                (answer,) = exchange(house.server.address, request(method, path, ["Origin: " + ORIGIN, key], b"{}" if method == "POST" else b""))
                assert is_superset(answer, 503) and answer.headers["retry-after"].isdigit(), (path, answer)
            for path in ("/v1/segments", "/v1/profiles/u", "/v1/status", "/readyz"):
                (answer,) = exchange(house.server.address, request("GET", path, ["Authorization: Bearer " + house.admin_key]))
                assert answer.status == 503 and answer.headers["retry-after"].isdigit(), (path, answer)
        finally:
            house.postgres.restart()
            house.reconnect()


# Preflights

ASKED = {
    "analytics-next": "authorization", "analytics-next, a retry": "authorization,x-retry-count",
    "rudder-js": "anonymousid,authorization,content-type,sentat",
    "rudder-js, a retry": "anonymousid,authorization,content-type,rsa-recovered,rsa-retry-attempt,rsa-retry-reason,rsa-since-first-attempt,"
                          "rsa-since-last-attempt,sentat", "jitsu": "content-type,x-write-key", "jitsu, debugging": "content-type,x-enable-debug,x-ip-policy,x-write-key",
    "a beacon with a blob": "content-type", "something new": "x-anything-at-all",
}


@pytest.mark.parametrize("client", ASKED)
def test_preflight_allows_what_is_asked(house, client):
    head = ["Origin: " + ORIGIN, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: " + ASKED[client]]
    (answer,) = exchange(house.server.address, request("OPTIONS", "/v1/t", head))
    assert answer.status == 204 and answer.body == b""
    assert answer.headers["access-control-allow-origin"] == ORIGIN and answer.headers["access-control-allow-credentials"] == "true"
    assert set(ASKED[client].split(",")) <= {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {"GET", "POST", "OPTIONS"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert answer.headers["access-control-max-age"] == "7200" and "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("path", COLLECT + READ + ["/", "/v1/unknown", "/anything/else", "/v1/projects/", "/api/s", "*"])
def test_preflight_of_any_path(house, path):
    """Never 401, 404 or a redirect, with or without a slash, and whatever key it carries: each leaves an SDK sending for ever, or never."""
    for target in (path,) if path in ("/", "*") else (path, path + "/", path + "?writeKey=wrong"):
        head = ["Origin: " + ORIGIN, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization", "Authorization: Basic !"]
        (answer,) = exchange(house.server.address, request("OPTIONS", target, head))
        assert answer.status == 204 and answer.headers["access-control-allow-origin"] == ORIGIN, (target, answer)
        assert answer.headers["access-control-allow-headers"] == "authorization"


def test_preflight_without_asking_headers_names_those_of_known_sdks(house):
    (answer,) = exchange(house.server.address, request("OPTIONS", "/v1/t", ["Origin: " + ORIGIN]))
    names = {name.lower() for name in answer.headers["access-control-allow-headers"].split(", ")}
    for asked in ASKED.values():
        assert "anything" in asked or set(asked.split(",")) <= names


def test_a_huge_origin_harms_nobody(house):
    """It would not fit the answer's headers, and ended the process."""
    for length in (5_000, 15_000, 17_000, 25_000):
        for method, path in (("OPTIONS", "/v1/t"), ("POST", "/v1/t"), ("GET", "/nothing")):
            for name in ("Origin", "Access-Control-Request-Headers"):
                (answer,) = exchange(house.server.address, request(method, path, [f"{name}: https://" + "x" * length]))
                assert answer.status in (204, 400, 404, 431) and "access-control-allow-origin" not in answer.headers
    house.track("after a huge origin", "E")


# Limits


def test_events_of_33_kb_and_bodies_of_600_kb(house):
    items = [{"type": "track", "userId": "large", "event": "E", "messageId": f"large-{n}", "properties": {"x": "y" * 33_000}} for n in range(19)]
    body = json.dumps({"batch": items}).encode()
    assert len(body) > 600 << 10
    accepted(send(house, "/v1/batch", body, key_basic(house)))
    accepted(send(house, "/v1/batch", gzip.compress(body), key_basic(house), "content-encoding: gzip"))  # 200 times smaller, and no bomb
    assert len(stored(house, "large")) == 19


def test_message_ids_count_as_a_whole(house):
    same = "node-" + "0" * 32 + "-" + "1" * 36
    ids = [same + "a", same + "b", "x" * 127 + "a", "x" * 127 + "b", "y" * 1000 + "a", "y" * 1000 + "b"]
    when = now(house)
    for _ in range(2):
        house.send(*[{"type": "track", "userId": "ids", "event": "E", "messageId": id, "timestamp": when} for id in ids], sentAt=now(house))
    assert len(stored(house, "ids")) == 6


def test_ten_thousand_properties_and_one_more():
    def item(n):
        return {"type": "track", "userId": "many", "event": "E", "properties": {f"p{i}": i for i in range(n)}}

    with House(environment={"COHORTD_MESSAGE_MAX": "1000000"}) as house:
        accepted(send(house, "/v1/batch", json.dumps({"batch": [item(10_000), item(10_001)]}).encode(), key_basic(house)))
        assert len(stored(house, "many")) == 1 and house.api.get("/v1/rejects").json["data"][0]["code"] == "too_many_properties"


# What a message means


@pytest.mark.parametrize(
    "text, micros",
    [
        ("2026-01-02T03:04:05Z", 0), ("2026-01-02T03:04:05+00:00", 0), ("2026-01-02T05:04:05+02:00", 0), ("2026-01-01T22:04:05-05:00", 0),
        ("2026-01-02T03:04:05.1Z", 100_000), ("2026-01-02T03:04:05.12Z", 120_000), ("2026-01-02T03:04:05.123Z", 123_000),
        ("2026-01-02T03:04:05.1234Z", 123_400), ("2026-01-02T03:04:05.12345Z", 123_450), ("2026-01-02T03:04:05.123456Z", 123_456),
        ("2026-01-02T03:04:05.1234567Z", 123_457), ("2026-01-02T03:04:05.12345678Z", 123_457), ("2026-01-02T03:04:05.123456789Z", 123_457),
        ("2026-01-02T03:04:05.123+00:00", 123_000), ("2026-01-02T03:04:05", 0), ("2026-01-02T03:04:05.123", 123_000),
    ],
)
def test_timestamps_of_every_sdk(house, text, micros):
    house.send({"type": "track", "userId": text, "event": "E", "timestamp": text})
    assert iso(stored(house, text)[0][3]) == f"2026-01-02T03:04:05.{micros:06}Z"


def test_unicode_nesting_and_nothing(house):
    properties = {"☃": {"nested": [1, {"a": None}, []]}, "emoji": "🙂", "empty": {}, "zero": 0, "no": False}
    item = {"type": "track", "userId": "uni", "event": "Ünïcode 🙂", "properties": properties, "context": None, "traits": None, "timestamp": None}
    house.send(item, {"type": "page", "userId": None, "anonymousId": "uni-a", "name": None, "properties": None})
    ((name, found, _, _),) = stored(house, "uni")
    assert name == "Ünïcode 🙂" and found == properties
    house.send({"type": "track", "userId": "", "anonymousId": "uni-b", "event": "E"}, {"type": "track", "userId": 4711, "event": "E"})
    assert len(stored(house, "4711")) == 1


def test_defaults_of_a_batch_are_under_each_item(house):
    house.send(
        {"type": "track", "userId": "under", "event": "A"}, {"type": "track", "userId": "under", "event": "B", "context": {"library": {"name": "own"}}},
        {"type": "identify", "userId": "under", "context": {"locale": "de"}}, context={"library": {"name": "analytics-go"}, "locale": "en",
                                                                                     "traits": {"from": "batch"}},
        integrations={"All": False}, messageId="not the items'", timestamp="2001-01-01T00:00:00Z", sequence=7,
    )
    a, b, c = stored(house, "under")
    assert a[2] == {"library": {"name": "analytics-go"}, "locale": "en", "traits": {"from": "batch"}}
    assert b[2]["library"] == {"name": "own"} and b[2]["locale"] == "en" and c[2]["locale"] == "de" and c[1] == {"from": "batch"}
    assert not any(iso(row[3]).startswith("2001") for row in (a, b, c))


ADDRESS = "127.0.0.1"


@pytest.mark.parametrize(
    "head, key_in_body, context, ip",
    [
        ([], False, {}, None), (["Origin: " + ORIGIN], False, {}, ADDRESS), (["Origin: " + ORIGIN], False, {"ip": "10.0.0.1"}, "10.0.0.1"),
        (["Origin: " + ORIGIN], False, {"ip": None}, ADDRESS), ([], False, {"direct": True}, ADDRESS), ([], False, {"direct": False}, None),
        ([], True, {}, ADDRESS), ([], True, {"library": {"name": "analytics-python"}}, None), ([], True, {"library": {"name": "analytics-php"}}, None),
        ([], True, {"library": {"name": "@segment/analytics-node"}}, None), ([], True, {"library": {"name": "Analytics.NET"}}, None),
        ([], True, {"library": {"name": "@segment/analytics-react-native"}}, ADDRESS), ([], True, {"library": {"name": "analytics.js"}}, ADDRESS),
        ([], True, {"library": {"name": "analytics-swift"}}, ADDRESS), ([], True, {"library": "analytics-python"}, ADDRESS),
        ([], True, {"library": {"name": "analytics-python"}, "direct": True}, ADDRESS), ([], True, {"ip": "0.0.0.0"}, "0.0.0.0"),
    ],
)
def test_address_of_clients_only(house, head, key_in_body, context, ip):
    user = f"ip {house.message_id()}"
    body = {"userId": user, "event": "E", "context": context}
    if key_in_body:
        body["writeKey"] = house.write_key
    accepted(send(house, "/v1/track", json.dumps(body).encode(), *head, *([] if key_in_body else [key_basic(house)])))
    assert (stored(house, user)[0][2] or {}).get("ip") == ip


def test_address_behind_a_proxy():
    """TLS ends in front of us: without this every visitor would have the proxy's address. Nobody but the proxy is believed."""

    def seen(house, *forwarded):
        user = f"proxied {house.message_id()}"
        head = ["Origin: " + ORIGIN, key_basic(house)] + [f"X-Forwarded-For: {value}" for value in forwarded]
        accepted(send(house, "/v1/track", json.dumps({"userId": user, "event": "E"}).encode(), *head))
        return stored(house, user)[0][2]["ip"]

    with House(environment={"COHORTD_TRUSTED_PROXIES": "127.0.0.0/8, 10.0.0.0/8"}) as house:
        assert seen(house) == ADDRESS
        assert seen(house, "203.0.113.9") == "203.0.113.9"
        assert seen(house, "198.51.100.1, 203.0.113.9, 10.0.0.7") == "203.0.113.9"
        assert seen(house, "198.51.100.1", "2001:db8::7", "10.0.0.7") == "2001:db8::7"
        assert seen(house, '"><script>') == ADDRESS
    with House() as house:
        assert seen(house, "203.0.113.9") == ADDRESS


def test_identify_of_somebody_who_is_not_active(house):
    house.track("inactive", "E", timestamp="2026-01-02T03:04:05Z")
    before = house.api.get("/v1/profiles/inactive").json
    house.send({"type": "identify", "userId": "inactive", "traits": {"plan": "gold"}, "context": {"active": False}})
    after = house.api.get("/v1/profiles/inactive").json
    assert after["traits"] == {"plan": "gold"} and after["last_seen"] == before["last_seen"] and before["last_seen"]


def test_a_retry_with_a_new_envelope_is_the_same_message(house):
    item = {"type": "track", "userId": "again", "event": "E", "messageId": "again-1", "timestamp": now(house)}
    for n in range(3):
        house.send(item, sentAt=now(house, 1000 * n), sequence=n)
    assert len(stored(house, "again")) == 1


def test_alias_of_analytics_next(house):
    house.send({"type": "track", "anonymousId": "al-anon", "event": "E"}, {"type": "alias", "previousId": "al-anon", "userId": "al-user"})
    assert sorted(row[0] for row in stored(house, "al-user")) == ["$alias", "E"]


@pytest.mark.parametrize(
    "item, code",
    [
        ({"type": "alias", "userId": "u"}, "missing_previous_id"), ({"type": "alias", "previousId": "p"}, "no_user_anon_id"),
        ({"type": "group", "groupId": "g"}, "no_user_anon_id"), ({"type": "group", "userId": "u"}, "missing_group_id"),
        ({"type": "track", "event": "E"}, "no_user_anon_id"), ({"type": "track", "userId": "u"}, "missing_event"),
        ({"type": "delete", "userId": "u"}, "unknown_type"), ({"userId": "u", "event": "E"}, "unknown_type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_type_needs(house, item, code):
    kept = house.events("kept beside")
    accepted(send(house, "/v1/batch", json.dumps({"batch": [item, {"type": "track", "userId": "kept beside", "event": "E"}]}).encode(), key_basic(house)))
    assert house.events("kept beside") == kept + 1 and house.api.get("/v1/rejects?limit=1").json["data"][0]["code"] == code


# Connections


def test_a_pipeline_of_many_methods_on_one_connection(house):
    key, body = key_basic(house), b'{"userId":"piped","event":"E"}'
    answers = exchange(
        house.server.address, request("OPTIONS", "/v1/t", ["Origin: " + ORIGIN]), request("POST", "/v1/t", [key], body),
        request("GET", "/v1/pixel/track?event=E&userId=piped&writeKey=" + house.write_key), request("POST", "/v1/nothing", [key], body),
        request("POST", "/v1/t", [key, "Transfer-Encoding: chunked"], chunked(body)), request("HEAD", "/sourceConfig?writeKey=" + house.write_key),
        request("POST", "/v1/t", [key], b"nonsense"), request("POST", "/v1/t", [key], body),
    )
    assert [answer.status for answer in answers] == [204, 200, 200, 404, 200, 200, 400, 200]
    assert house.events("piped") == 4


def test_a_flood_of_unknown_keys_asks_the_database_little(house):
    """Twenty times at once, then twenty times a second: counted by what fails while the table is away."""
    client = Client(house.server.address)

    def looked_up():
        return house.server.log().count("api_key")

    def post(n):
        return client.post("/v1/t", {"userId": "u", "event": "E"}, headers={"X-Write-Key": f"cw_{n}"})

    with house.db.cursor() as cursor:
        cursor.execute("ALTER TABLE api_key RENAME TO api_key_away")
    try:
        began, before = time.monotonic(), looked_up()
        for n in range(500):
            assert post(n).status == 503  # not known to be unknown
        most = 20 + 23 * (time.monotonic() - began + 1)  # three more a second for what looks by itself
        assert 1 <= looked_up() - before <= most
    finally:
        with house.db.cursor() as cursor:
            cursor.execute("ALTER TABLE api_key_away RENAME TO api_key")
    wait_for(lambda: post(1).status == 401, what="keys to be read again")
    assert all(post(n).status == 401 for n in range(500))


@pytest.mark.parametrize(
    "rows", [["Content-Length: 2", "Content-Length: 3"], ["Content-Length: 2", "Transfer-Encoding: chunked"], ["Host: a", "Host: b"], ["Transfer-Encoding: gzip"]]
)
def test_a_head_that_two_servers_could_cut_differently(house, rows):
    (answer,) = exchange(house.server.address, request("POST", "/v1/batch", [*rows, "Origin: " + ORIGIN, key_basic(house)], b"{}"))
    assert is_superset(answer, 400) == "bad_request" and answer.headers["connection"].lower() == "close"
    (answer,) = exchange(house.server.address, request("POST", "/v1/segments", [*rows, "Authorization: Bearer " + house.admin_key], b"{}"))
    assert answer.status == 400 and answer.headers["content-type"] == "application/problem+json" and json.loads(answer.body)["code"] == "bad_request"


@pytest.mark.parametrize("name, kib", [("X-Long", 23), ("X-Long", 25), ("X-Long", 40), ("X-Long", 70), ("Cookie", 15), ("Cookie", 35)])
def test_a_large_head_is_taken_or_refused_so_that_it_can_be_read(house, name, kib):
    """A shop's cookies come with every request to its domain. (Past some 75 KiB, cookies counted twice, it is the HTTP library that refuses, in its own words.)"""
    long = [f"{name}: a={'x' * (kib * 1024)}", "Origin: " + ORIGIN]
    (answer,) = exchange(house.server.address, request("POST", "/v1/t", [*long, key_basic(house)], b'{"userId":"long","event":"E"}'))
    if kib < 24:
        accepted(answer)
    else:
        assert is_superset(answer, 431) == "head_too_large"
    (answer,) = exchange(house.server.address, request("GET", "/v1/pixel/track?writeKey=" + house.write_key, long))
    assert answer.status == 200 and answer.headers["content-type"] == "image/gif"
    (answer,) = exchange(house.server.address, request("OPTIONS", "/v1/t", long))
    assert answer.status == 204 and answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("path, length", [("/v1/t", 30_000), ("/v1/t", 60_000), ("/v1/segments", 60_000)])
def test_a_long_target_is_refused_so_that_it_can_be_read(house, path, length):
    key = key_basic(house) if path == "/v1/t" else "Authorization: Bearer " + house.admin_key
    (answer,) = exchange(house.server.address, request("POST", f"{path}?x={'x' * length}", ["Origin: " + ORIGIN, key], b'{"userId":"long","event":"E"}'))
    if path == "/v1/t":
        assert is_superset(answer, 431) == "head_too_large"
    else:
        assert answer.status in (400, 431) and answer.headers["content-type"] == "application/problem+json"
    (answer,) = exchange(house.server.address, request("GET", f"/v1/pixel/track?writeKey={house.write_key}&event=E&userId=u&x={'x' * length}"))
    assert answer.status == 200 and answer.headers["content-type"] == "image/gif"
