"""The collect face to the letter: paths, key places, answers, bodies in every wrapping, bad input, the reject log (openapi.yaml)."""
import base64
import gzip
import json
import socket

import pytest

from support.client import Client, basic, bearer

OK = b'{"success":true}'
SINGLE = {
    "track": ("t", {"event": "Single"}, "Single"),
    "identify": ("i", {"traits": {"a": 1}}, "$identify"),
    "page": ("p", {}, "Page Viewed"),
    "screen": ("s", {}, "Screen Viewed"),
    "group": ("g", {"groupId": "g"}, "$group"),
    "alias": ("a", {"previousId": "before"}, "$alias"),
}


def accepted(answer):
    assert answer.status == 200 and answer.body == OK, answer
    assert answer.headers["content-type"].split(";")[0] == "application/json"


def stored(house):
    return house.one("SELECT count(*) FROM event")


def rejects(house):
    return house.one("SELECT count(*) FROM reject")


# Paths


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("kind", SINGLE)
def test_single_paths_long_and_short(house, kind, slash):
    short, more, name = SINGLE[kind]
    for path in (kind, short):
        user = f"path-{kind}-{path}-{len(slash)}"
        accepted(house.collect.post(f"/v1/{path}{slash}", {"userId": user, "messageId": user, **more}))
        assert house.events(user, name) == 1


@pytest.mark.parametrize("path", ["batch", "import", "b", "batch/", "import/", "b/"])
def test_batch_paths(house, path):
    user = f"batch-{path}"
    items = [{"type": kind, "userId": user, "messageId": f"{user}{kind}", **more} for kind, (_, more, _) in SINGLE.items()]
    accepted(house.collect.post(f"/v1/{path}", {"batch": items, "sentAt": "2026-01-01T00:00:00Z"}))
    assert house.events(user) == len(SINGLE)


def test_type_of_a_single_call_comes_from_the_path_unless_the_body_has_one(house):
    accepted(house.collect.post("/v1/track", {"userId": "typed", "type": "track", "event": "T"}))
    assert house.events("typed", "T") == 1


# Keys


def key_answers(house, path="/v1/track", body=None, headers=None):
    with_key = Client(house.server.address)
    return with_key.post(path, {"userId": "keyed", "event": "Keyed", **(body or {})}, headers=headers).status


def test_every_place_of_the_write_key(house):
    key = house.write_key
    assert key_answers(house, headers={"X-Write-Key": key}) == 200
    assert key_answers(house, headers={"Authorization": basic(key)}) == 200
    assert key_answers(house, headers={"Authorization": "Basic " + base64.b64encode(key.encode()).decode()}) == 200  # without the colon
    assert key_answers(house, headers={"Authorization": "Basic " + base64.b64encode(f"{key}:password".encode()).decode()}) == 200
    assert key_answers(house, path=f"/v1/track?writeKey={key}") == 200
    assert key_answers(house, body={"writeKey": key}) == 200
    assert key_answers(house, body={"writeKey": key}, headers={"Authorization": "Bearer some.oauth.token"}) == 200
    assert house.events("keyed") == 7


def test_order_of_the_key_places(house):
    good, bad = house.write_key, "wrong"
    before = stored(house)
    in_order = [
        lambda key: {"headers": {"X-Write-Key": key}},
        lambda key: {"headers": {"Authorization": basic(key)}},
        lambda key: {"path": f"/v1/track?writeKey={key}"},
        lambda key: {"body": {"writeKey": key}},
    ]
    for i, first in enumerate(in_order):
        for second in in_order[i + 1 :]:
            for keys, status in (((good, bad), 200), ((bad, good), 401)):
                one, two = first(keys[0]), second(keys[1])
                headers = {**one.get("headers", {}), **two.get("headers", {})}
                assert key_answers(house, **{**one, **two, "headers": headers}) == status, (one, two)
    assert stored(house) == before + 6
    assert key_answers(house, headers={"X-Write-Key": good}, body={"writeKey": "key:***"}) == 200  # Jitsu masks the body's


def test_bad_keys_store_nothing(house):
    before = stored(house)
    for headers in (
        {}, {"X-Write-Key": "nope"}, {"X-Write-Key": ""}, {"Authorization": "Basic !!!"}, {"Authorization": "Digest x"},
        {"Authorization": ""}
    ):
        assert key_answers(house, headers=headers) == 401, headers
    assert key_answers(house, headers={"X-Write-Key": house.admin_key}) in (401, 403)
    assert stored(house) == before


def test_a_key_that_cannot_be_looked_up_is_not_refused(house):
    """SDKs drop what is answered with 401; that the database fails does not make a key unknown."""
    with house.db.cursor() as cursor:
        cursor.execute("ALTER TABLE api_key RENAME TO api_key_away")
    try:
        assert key_answers(house, headers={"X-Write-Key": "cw_elsewhere"}) == 503
        assert Client(house.server.address, bearer("ca_elsewhere")).get("/v1/segments").status == 503
    finally:
        with house.db.cursor() as cursor:
            cursor.execute("ALTER TABLE api_key_away RENAME TO api_key")
    assert key_answers(house, headers={"X-Write-Key": "cw_elsewhere"}) == 401


def test_unauthorized_answer_suits_every_sdk(house):
    answer = Client(house.server.address).post("/v1/track", {"userId": "u", "event": "E"})
    assert_error(answer, 401)


def assert_error(answer, status):
    """The superset of protocol.md §3: every SDK's parser finds what it reads."""
    assert answer.status == status, answer
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    body = answer.json
    assert body["success"] is False and body["status"] == status
    assert all(isinstance(body[key], str) and body[key] for key in ("code", "message", "error", "type", "title")), body


# Wrappings of a body


def body_for(user):
    return json.dumps({"batch": [{"type": "track", "userId": user, "event": "Wrapped", "messageId": user}]}).encode()


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "application/json; charset=utf-8", None]
)
def test_content_type_is_ignored(house, kind):
    user = f"type {kind}"
    accepted(house.collect.post("/v1/batch", body_for(user), headers={"Content-Type": kind}))
    assert house.events(user) == 1


def test_gzip(house):
    accepted(house.collect.post("/v1/batch", gzip.compress(body_for("zipped")), headers={"Content-Encoding": "gzip"}))
    assert house.events("zipped") == 1


def raw(house, *pieces, wait_for_continue=False):
    """Sends pieces on one socket; everything that comes back until the server has answered `Connection: close`."""
    with socket.create_connection(house.server.address, 60) as s:
        got = b""
        for i, piece in enumerate(pieces):
            s.sendall(piece)
            if wait_for_continue and i == 0:
                got = s.recv(65536)
                assert got.startswith(b"HTTP/1.1 100"), got
        while data := s.recv(65536):
            got += data
    return got


def head(house, *more, path="/v1/batch", last=True):
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"X-Write-Key: {house.write_key}", *more] + (["Connection: close"] if last else [])
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunked(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_chunked_and_chunked_gzip(house):
    body = body_for("chunked")
    got = raw(house, head(house, "Transfer-Encoding: chunked"), chunked(body[:7], body[7:20], body[20:]))
    assert got.startswith(b"HTTP/1.1 200") and got.endswith(OK)
    packed = gzip.compress(body_for("chunked zip"))
    got = raw(house, head(house, "Transfer-Encoding: chunked", "Content-Encoding: gzip"), chunked(packed[:9], packed[9:]))
    assert got.endswith(OK) and house.events("chunked") == house.events("chunked zip") == 1


def test_expect_100_continue(house):
    body = body_for("expected")
    got = raw(house, head(house, f"Content-Length: {len(body)}", "Expect: 100-continue"), body, wait_for_continue=True)
    assert b"HTTP/1.1 200" in got and got.endswith(OK) and house.events("expected") == 1


def test_pipelined_requests_on_one_connection(house):
    bodies = [body_for(f"piped {i}") for i in range(5)]
    requests = b"".join(head(house, f"Content-Length: {len(body)}", last=i == 4) + body for i, body in enumerate(bodies))
    got = raw(house, requests)
    assert got.count(b"HTTP/1.1 200") == 5 and got.count(OK) == 5
    assert all(house.events(f"piped {i}") == 1 for i in range(5))


def test_body_in_single_bytes(house):
    body = body_for("slow")
    pieces = [bytes([byte]) for byte in body]
    assert raw(house, head(house, f"Content-Length: {len(body)}"), *pieces).endswith(OK) and house.events("slow") == 1


# What is stored


def one_event(house, user):
    ((name, properties, context),) = house.rows(
        "SELECT name, properties, context FROM event JOIN event_name USING (name_id) JOIN profile USING (profile_id)"
        " WHERE user_id = %s",
        user,
    )
    return name, properties, context


def test_page_and_screen_carry_name_and_category(house):
    house.send({"type": "page", "userId": "pager", "name": "Home", "category": "Docs", "properties": {"a": 1}})
    assert one_event(house, "pager")[:2] == ("Page Viewed", {"a": 1, "name": "Home", "category": "Docs"})
    house.send({"type": "screen", "userId": "screener", "name": "Start"})
    assert one_event(house, "screener")[:2] == ("Screen Viewed", {"name": "Start"})


def test_context_of_the_batch_is_a_default(house):
    item = {"type": "track", "userId": "go", "event": "E", "context": {"locale": "de"}}
    house.send(item, context={"library": {"name": "go"}, "locale": "en"}, integrations={"All": True})
    context = one_event(house, "go")[2]
    assert context["library"] == {"name": "go"} and context["locale"] == "de"


def test_unknown_members_are_ignored(house):
    accepted(
        house.collect.post("/v1/track?foo=bar", {"userId": "extra", "event": "E", "_metadata": {}, "channel": "server", "anything": [1]})
    )
    assert house.events("extra") == 1


def test_2500_messages_in_a_batch(house):
    items = [{"type": "track", "userId": "many", "event": "E", "messageId": f"many{i}"} for i in range(2500)]
    accepted(house.collect.post("/v1/batch", {"batch": items}))
    assert house.events("many") == 2500


def test_big_message_is_kept_and_too_big_rejected(house):
    before = rejects(house)
    fits = {"type": "track", "userId": "big", "event": "Fits", "properties": {"x": "y" * 120_000}}
    not_ = {"type": "track", "userId": "big", "event": "Not", "properties": {"x": "y" * 135_000}}
    house.send(fits, not_, {"type": "track", "userId": "big", "event": "Neighbour"})
    assert house.events("big") == 2 and house.events("big", "Not") == 0 and rejects(house) == before + 1
    newest = house.api.get("/v1/rejects?limit=1").json["data"][0]
    assert newest["code"] == "too_large" and len(newest["payload"].encode()) <= 2048


# Bad input


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nonsense", b"[]", b"5", b'"text"', b"null", b'{"a":1}x', b'{"userId":"u","event":"\xff"}', b"{'userId':'u'}",
        b'{"a":01}',
        b'{"a":1,}', b'{"a":"\x01"}', b"[" * 100_000, b'{"batch":5}', b'{"batch":{}}', b'{"batch":null}', b"{}",
        b'{"userId":"u","event":"E","properties":' + b'{"a":' * 200 + b"1" + b"}" * 201,
    ],
)  # the last: nested deeper than any client goes
def test_malformed_batch_body_is_400(house, body):
    before = stored(house)
    answer = house.collect.post("/v1/batch", body)
    assert_error(answer, 400)
    assert stored(house) == before


def test_broken_gzip_is_400(house):
    before = stored(house)
    whole = gzip.compress(body_for("broken"))
    for body in (b"not gzip", whole[:-9], whole[:20], whole[:12] + bytes([whole[12] ^ 255]) + whole[13:]):
        assert_error(house.collect.post("/v1/batch", body, headers={"Content-Encoding": "gzip"}), 400)
    assert house.collect.post("/v1/batch", b"x", headers={"Content-Encoding": "br"}).status in (400, 415)
    assert stored(house) == before


def test_body_over_the_limit_stores_nothing(house):
    before = stored(house)
    items = [{"type": "track", "userId": "over", "event": "E", "properties": {"x": "y" * 100_000}} for _ in range(45)]
    body = json.dumps({"batch": items}).encode()
    assert len(body) > 4 << 20
    assert_error(house.client(basic(house.write_key)).post("/v1/batch", body), 400)
    packed = house.client(basic(house.write_key)).post("/v1/batch", gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert_error(packed, 400)
    got = raw(house, head(house, "Transfer-Encoding: chunked"), chunked(*[body[i : i + 60_000] for i in range(0, len(body), 60_000)]))
    assert got.startswith(b"HTTP/1.1 400"), got[:200]
    assert stored(house) == before
    bomb = gzip.compress(b" " * (64 << 20))
    assert_error(house.client(basic(house.write_key)).post("/v1/batch", bomb, headers={"Content-Encoding": "gzip"}), 400)


def test_unknown_path_and_wrong_method(house):
    assert house.collect.post("/v1/trackk", {}).status == 404
    assert house.collect.post("/v2/track", {}).status == 404
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = house.collect.request(method, "/v1/track", check=False)
        assert answer.status == 405 and "POST" in answer.headers["allow"], answer


@pytest.mark.parametrize(
    "item, code",
    [
        ({"type": "track", "event": "E"}, "no_user_anon_id"),
        ({"type": "track", "event": "E", "userId": "", "anonymousId": None}, "no_user_anon_id"),
        ({"type": "track", "event": "E", "userId": {"a": 1}}, "no_user_anon_id"),
        ({"type": "track", "userId": "u"}, "missing_event"),
        ({"type": "track", "userId": "u", "event": ""}, "missing_event"),
        ({"type": "track", "userId": "u", "event": 5}, "missing_event"),
        ({"type": "purchase", "userId": "u"}, "unknown_type"),
        ({"userId": "u", "event": "E"}, "unknown_type"),
        ({"type": "track", "userId": "u", "event": "E", "timestamp": "1969-12-31T23:59:59Z"}, None),
        ({"type": "track", "userId": "u", "event": "E", "timestamp": "yesterday"}, None),
        ({"type": "track", "userId": "u", "event": "E", "timestamp": "2026-02-30T00:00:00Z"}, None),
        (5, None), ("text", None), (None, None), ([], None),
    ],
)
def test_bad_item_goes_to_the_reject_log_and_its_neighbours_are_kept(house, item, code):
    before, kept = rejects(house), house.events("good neighbour")
    neighbour = {"type": "track", "userId": "good neighbour", "event": "E"}
    accepted(house.collect.post("/v1/batch", {"batch": [neighbour, item, neighbour]}))
    assert house.events("good neighbour") == kept + 2 and rejects(house) == before + 1
    newest = house.api.get("/v1/rejects?limit=1").json["data"][0]
    assert code is None or newest["code"] == code, newest
    assert json.loads(newest["payload"]) == item


def test_bad_single_call_is_200_and_rejected(house):
    before, kept = rejects(house), stored(house)
    accepted(house.collect.post("/v1/track", {"userId": "u"}))
    assert rejects(house) == before + 1 and stored(house) == kept


def test_rejects_need_an_api_key(house):
    assert house.client().get("/v1/rejects").status == 401
    assert house.client(bearer(house.write_key)).get("/v1/rejects").status == 403
    assert house.client(bearer(house.read_key)).get("/v1/rejects").status == 200


# Ids


def id_test(house, given):
    """The (user_id, anonymous_id) of the profile that an event with userId `given` and anonymousId fallback went to."""
    name = f"Id {house.message_id()}"
    house.send({"type": "track", "userId": given, "anonymousId": "fallback " + name, "event": name})
    ((row),) = house.rows(
        "SELECT user_id, anonymous_id FROM event JOIN event_name USING (name_id) JOIN profile USING (profile_id) WHERE name = %s", name
    )
    return row


ABSENT = [
    "null", "undefined", "anonymous", "none", "0", "-1", "NaN", "[object Object]", ".", "..", "00000000-0000-0000-0000-000000000000", "",
    None, 0, -1,
    [], {}, True,
]


@pytest.mark.parametrize("given", ABSENT, ids=repr)
def test_refused_id_counts_as_absent(house, given):
    user, anonymous = id_test(house, given)
    assert user is None and anonymous.startswith("fallback")


@pytest.mark.parametrize("given", ["x" * 257, "é" * 129, "a\nb", "tab\t", "\u007f"], ids=repr)
def test_impossible_id_is_nobody(house, given):
    kept = stored(house)
    house.send({"type": "track", "userId": given, "event": "Nobody"}, {"type": "track", "anonymousId": given, "event": "Nobody"})
    assert stored(house) == kept and house.one("SELECT count(*) FROM identity WHERE external_id = %s", given) == 0


@pytest.mark.parametrize(
    "given, stored_as", [(42, "42"), ("x" * 256, "x" * 256), ("é" * 128, "é" * 128), ("Null", "Null"), ("🙂 x", "🙂 x"), (" a ", " a ")]
)
def test_good_id(house, given, stored_as):
    assert id_test(house, given)[0] == stored_as
