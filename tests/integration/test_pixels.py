"""Pixels: the image always comes, and the message behind it is stored like any other (protocol.md, section 1)."""
import base64
import json
import urllib.parse

import pytest

from support.client import Client, basic
from support.house import House
from support.wait import wait_for

KINDS = {
    "track": ({"event": "Email Opened"}, "Email Opened"),
    "identify": ({"traits": {"plan": "gold"}}, "$identify"),
    "page": ({"name": "Home"}, "Page Viewed"),
    "screen": ({"name": "Start"}, "Screen Viewed"),
    "group": ({"groupId": "g"}, "$group"),
    "alias": ({"previousId": "before"}, "$alias"),
}


def is_gif(answer):
    assert answer.status == 200 and answer.headers["content-type"] == "image/gif", answer
    assert answer.headers["cache-control"] == "no-store" and answer.headers["content-length"] == "43"
    assert answer.body[:6] == b"GIF89a" and answer.body[6:10] == b"\1\0\1\0" and len(answer.body) == 43 and answer.body[-1:] == b";"


def encoded(message, alphabet="std", padded=True):
    text = json.dumps(message).encode()
    data = base64.b64encode(text) if alphabet == "std" else base64.urlsafe_b64encode(text)
    return data.decode() if padded else data.decode().rstrip("=")


def stored(house):
    return house.one("SELECT count(*) FROM event") + house.one("SELECT count(*) FROM reject")


def anyone(house):
    """No key in a header: an image has none."""
    return Client(house.server.address)


def load(house, path, query):
    answer = anyone(house).get(path + "?" + (query if isinstance(query, str) else urllib.parse.urlencode(query)))
    is_gif(answer)
    return answer


def one_event(house, user):
    ((name, properties, context),) = house.rows(
        "SELECT name, properties, context FROM event JOIN event_name USING (name_id) JOIN profile USING (profile_id) WHERE user_id = %s", user
    )
    return name, properties, context


@pytest.mark.parametrize("base", ["/v1/pixel/", "/pixel/v1/"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_type(house, base, kind):
    more, name = KINDS[kind]
    user = f"pixel {base} {kind}"
    load(house, base + kind, {"data": encoded({"writeKey": house.write_key, "userId": user, **more})})
    assert house.events(user, name) == 1
    load(house, base + kind + "/", {"data": encoded({"writeKey": house.write_key, "userId": user + "/", **more})})
    assert house.events(user + "/", name) == 1


@pytest.mark.parametrize("alphabet", ["std", "url"])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("length", range(3))
def test_base64_of_every_kind(house, alphabet, padded, length):
    user = f"b64 {alphabet} {padded} {'x' * length}"
    message = {"userId": user, "event": "E", "properties": {"text": "ÿþ~~~???>>>☃"}}  # makes + / - _
    load(house, "/v1/pixel/track", {"data": encoded(message, alphabet, padded), "writeKey": house.write_key})
    assert one_event(house, user)[1] == {"text": "ÿþ~~~???>>>☃"}


def test_base64_whose_plus_was_not_escaped(house):
    message = {"userId": "plus", "event": "E", "p": "~~~~~~ÿÿÿÿ>>>>"}
    text = json.dumps(message, ensure_ascii=False).encode()
    for shift in range(3):
        data = base64.b64encode(b" " * shift + text).decode()
        load(house, "/v1/pixel/track", f"writeKey={house.write_key}&data={data}")
        if "+" in data:
            break
    assert "+" in data
    assert house.events("plus") >= 1


def test_flat_query(house):
    load(
        house, "/v1/pixel/track", {
            "event": "Email Opened", "userId": "flat", "writeKey": house.write_key, "properties.email": "a@b.example",
            "properties.campaign.id": "c7", "properties.campaign.name": "Spring & Co", "context.traits.email": "a@b.example",
            "properties.revenue": "19.99", "messageId": "flat-1",
        }
    )
    name, properties, context = one_event(house, "flat")
    assert name == "Email Opened"
    assert properties == {"email": "a@b.example", "campaign": {"id": "c7", "name": "Spring & Co"}, "revenue": "19.99"}
    assert context["traits"] == {"email": "a@b.example"}
    load(house, "/v1/pixel/track", {"event": "Email Opened", "userId": "flat", "writeKey": house.write_key, "messageId": "flat-1"})
    assert house.events("flat") == 1  # the same messageId again


def test_rudder_page_pixel(house):
    load(
        house, "/pixel/v1/page", {
            "writeKey": house.write_key, "anonymousId": "amp-1", "name": "Landing", "context.library.name": "Rudderstack AMP SDK",
            "context.page.url": "https://shop.example/", "properties.url": "https://shop.example/",
        }
    )
    ((properties, context),) = house.rows("SELECT properties, context FROM event WHERE context->'library'->>'name' = 'Rudderstack AMP SDK'")
    assert properties == {"url": "https://shop.example/", "name": "Landing"} and context["page"] == {"url": "https://shop.example/"}


def test_context_has_the_readers_address(house):
    load(house, "/v1/pixel/track", {"event": "E", "userId": "reader", "writeKey": house.write_key})
    assert one_event(house, "reader")[2]["ip"] == "127.0.0.1"


def test_a_name_of_the_query_may_be_anything(house):
    query = "event=E&userId=odd&.=1&..=2&a..b=3&.a=4&a.=5&properties.ok=6&properties.ok=7&properties=8&properties.%22%5C=9&x%00y=1&%ff=2&=&&a"
    load(house, "/v1/pixel/track", query + f"&writeKey={house.write_key}&properties." + "d." * 30 + "=1&" + "n" * 300 + "=1")
    assert one_event(house, "odd")[1] == {"ok": "6", '"\\': "9"}


@pytest.mark.parametrize(
    "path, query",
    [
        ("/v1/pixel/track", ""), ("/v1/pixel/track", "data="), ("/v1/pixel/track", "data=%%%"), ("/v1/pixel/track", "data=!!!!"),
        ("/v1/pixel/track", "data=" + encoded({"userId": "u", "event": "E"})),  # no key
        ("/v1/pixel/track", "data=" + encoded({"userId": "u", "event": "E", "writeKey": "cw_unknown"})),
        ("/v1/pixel/track", "data=" + encoded([1, 2])), ("/v1/pixel/track", "data=" + base64.b64encode(b"{").decode()),
        ("/v1/pixel/track", "data=" + base64.b64encode(b"[" * 9000).decode()),
        ("/v1/pixel/nonsense", "event=E&userId=u"), ("/v1/pixel/batch", "event=E&userId=u"), ("/pixel/v1/nonsense", ""),
        ("/v1/pixel/track", "event=E&userId=u&writeKey=wrong"),
    ],
    ids=range(13),
)
def test_an_error_is_an_image_too(house, path, query):
    before = stored(house)
    load(house, path, query)
    assert stored(house) == before


def test_an_invalid_message_is_in_the_reject_log(house):
    before = house.one("SELECT count(*) FROM reject")
    load(house, "/v1/pixel/track", {"writeKey": house.write_key, "userId": "u"})
    assert house.one("SELECT count(*) FROM reject") == before + 1
    assert house.api.get("/v1/rejects?limit=1").json["data"][0]["code"] == "missing_event"


def test_head_is_answered_and_counts_nothing(house):
    before = stored(house)
    answer = anyone(house).request("HEAD", f"/v1/pixel/track?event=E&userId=head&writeKey={house.write_key}")
    assert answer.status == 200 and answer.headers["content-type"] == "image/gif" and answer.headers["content-length"] == "43"
    assert answer.body == b"" and stored(house) == before


def test_key_in_a_header_and_from_a_page(house):
    answer = Client(house.server.address, basic(house.write_key)).get(
        "/v1/pixel/track?event=E&userId=paged&writeKey=wrong", headers={"Origin": "https://shop.example"}
    )
    is_gif(answer)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example" and house.events("paged") == 1


def test_other_methods_are_refused(house):
    answer = house.collect.post("/v1/pixel/track", {"event": "E"})
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD, OPTIONS" and answer.json["success"] is False


def test_while_the_database_is_away():
    with House(environment={"COHORTD_REQUEST_TIMEOUT": "1"}) as house:
        query = f"event=E&userId=away&writeKey={house.write_key}"
        wait_for(lambda: load(house, "/v1/pixel/track", query + "&messageId=1") and house.events("away"), what="the first")
        with house.db.cursor() as cursor:
            cursor.execute("ALTER TABLE event RENAME TO event_away")
        try:
            load(house, "/v1/pixel/track", query + "&messageId=2")
        finally:
            with house.db.cursor() as cursor:
                cursor.execute("ALTER TABLE event_away RENAME TO event")
        assert house.events("away") >= 1
