"""An order counts once, whoever reports it how often (docs/sources.md, "Orders"): `Order Completed` with the same order_id of the same person."""
import itertools
import json
import pathlib
import threading
import time

import pytest

from support.client import Client, basic, quoted
from support.house import House
from support.postgres import ROOT
from support.proxy import CommitEater
from support.server import Server, run
from support.signing import base64_mac
from support.wait import least

SERIAL = itertools.count(1)


def order(id, total="10.00", event="Order Completed", **more):
    """A report; each is another message."""
    return {"type": "track", "event": event, "messageId": f"order-{next(SERIAL)}", "properties": {"order_id": id, "total": total}, **more}


def identify(**ids):
    return {"type": "identify", **ids}


def orders(house, name):
    """The totals of the orders of a profile."""
    answer = house.api.get(f"/v1/profiles/{quoted(name)}/events?limit=1000")
    assert answer.status in (200, 404), answer
    events = answer.json["data"] if answer.status == 200 else []
    return sorted(str(event["properties"]["total"]) for event in events if event["event"] == "Order Completed")


def rows_of(house, *ids):
    """How many orders, and how many repeated reports, are kept of the people made for these ids, given with their kind."""
    raws = [row for kind, id in ids for row, in house.rows("SELECT encode(substr(sha256(%s || '\\x00'::bytea || %s), 1, 16), 'hex')", kind.encode(), id.encode())]
    return house.one("SELECT count(*) FROM order_seen WHERE profile_id = ANY (%s::uuid[])", raws), house.one(
        "SELECT count(*) FROM odd_message WHERE repeated AND raw_id = ANY (%s::uuid[])", raws)


def test_a_webhook_and_the_page(house):
    """Shopify's, and our track on the page after the purchase, which is loaded twice."""
    fixture = json.loads((pathlib.Path(ROOT) / "tests/hooks/shopify/orders_create.json").read_text())
    body = json.dumps({**fixture["body"], "note_attributes": [{"name": "user_id", "value": "w-ann"}]}).encode()
    assert house.api.post("/v1/sources", {"name": "orders-shop", "provider": "shopify", "secret": "s"}).status == 201
    headers = {**fixture["headers"], "X-Shopify-Hmac-Sha256": base64_mac("s", body)}
    house.segment("w-bought", {"event": "Order Completed", "measure": "count", "eq": 1})
    house.segment("w-spent", {"event": "Order Completed", "measure": {"sum": "total"}, "eq": 409.94})
    house.send(identify(userId="w-ann", anonymousId="w-browser"))
    house.send(order("450789469", "409.94", anonymousId="w-browser"))
    assert house.client().post("/v1/hooks/orders-shop", body, headers=headers).status == 200
    house.send(order(450789469, "409.94", userId="w-ann", anonymousId="w-browser"), order("450789469", "409.94", userId="w-ann"))
    assert orders(house, "w-ann") == ["409.94"]
    assert "w-ann" in house.members("w-bought") and "w-ann" in house.members("w-spent")
    assert house.api.get("/v1/profiles/w-ann").json["traits"]["email"] == "jane@example.com"  # the webhook's traits are no order


def test_a_repeated_order_changes_nothing(house):
    house.send(order("c-1", "5", userId="c-u", timestamp="2026-01-02T00:00:00Z"))
    house.caught_up()
    before = house.api.get("/v1/profiles/c-u").json
    stat = "SELECT events FROM event_name_stat JOIN event_name USING (name_id) WHERE name = 'Order Completed'"
    counted = house.one(stat)
    answers = [house.collect.post("/v1/track", order("c-1", "7", userId="c-u", timestamp=ts)) for ts in ("2025-01-01T00:00:00Z", "2026-02-01T00:00:00Z")]
    answers.append(house.collect.post("/v1/track", order("c-1", userId="c-u")))
    assert [(answer.status, answer.body) for answer in answers] == [(200, b'{"success":true}')] * 3
    house.caught_up()
    assert house.api.get("/v1/profiles/c-u").json == before and house.one(stat) == counted
    assert orders(house, "c-u") == ["5"]
    assert house.one("SELECT count(*) FROM reject WHERE payload LIKE '%c-1%'") == 0


@pytest.mark.parametrize("same", [["1001", 1001, 1001.0], ["é", "\u00e9"], [0, "0", 0.0], ["x" * 5000] * 2, ["null"] * 2])
def test_one_order_id(house, same):
    user = f"id-{next(SERIAL)}"
    house.send(*[order(id, str(n), userId=user) for n, id in enumerate(same)])
    for id in same:
        house.send(order(id, "later", userId=user))
    assert orders(house, user) == ["0"]


@pytest.mark.parametrize("id", ["", None, True, [], ["1"], {"id": 1}, [1001]])
def test_no_usable_order_id(house, id):
    user = f"no-{next(SERIAL)}"
    house.send(order(id, "1", userId=user), order(id, "2", userId=user))
    assert orders(house, user) == ["1", "2"]


def test_what_is_another_order(house):
    house.send(order("o", "1", userId="o-1"), order("o", "2", userId="o-2"), order("O", "3", userId="o-1"), order(" o", "4", userId="o-1"))
    assert (orders(house, "o-1"), orders(house, "o-2")) == (["1", "3", "4"], ["2"])
    for event in ("Order Updated", "Order Refunded", "Order Cancelled", "order completed", "Checkout Started"):
        house.send(order("o", event=event, userId="o-3"), order("o", event=event, userId="o-3"))
        assert house.events("o-3", event) == 2
    house.send({"type": "track", "event": "Order Completed", "userId": "o-4"}, {"type": "track", "event": "Order Completed", "userId": "o-4"})
    assert house.events("o-4", "Order Completed") == 2


def test_a_late_retry_is_no_new_order(house):
    """By then the browser is somebody else's: the retry neither counts for that one nor takes the browser back."""
    first, again = order("r", "1", userId="r-ann"), order("r", "2", userId="r-ann", anonymousId="r-browser")
    house.send(first)
    house.send(again)
    house.send(identify(userId="r-bob", anonymousId="r-browser"))
    house.send(again)
    house.send({**order("r", "3", anonymousId="r-browser"), "event": "Seen"})
    assert orders(house, "r-ann") == ["1"] and orders(house, "r-bob") == [] and house.events("r-bob", "Seen") == 1


# At once


@pytest.mark.parametrize("raws", [
    [{"userId": "p-u"}] * 4,
    [{"userId": "p-u"}, {"anonymousId": "p-a"}, {"properties": {"email": "p-e@x"}}, {"userId": "p-u", "anonymousId": "p-b"}],
])
def test_in_two_processes_at_once(house, raws):
    house.send(identify(userId="p-u", anonymousId="p-a", traits={"email": "p-e@x"}))
    second = Server(house.postgres.url)
    try:
        clients = [Client(server.address, basic(house.write_key)) for server in (house.server, second) for _ in range(2)]
        begin = len(orders(house, "p-u"))
        for number in range(25):
            ids = [f"p-{raws[1]}-{number}-{i}" for i in range(4)]
            statuses = []

            def report(client, raw, ids=ids, statuses=statuses):
                batch = [{**order(id), **raw, "properties": {"order_id": id, "total": id, **raw.get("properties", {})}} for id in ids]
                statuses.append(client.post("/v1/batch", {"batch": batch}).status)

            threads = [threading.Thread(target=report, args=(client, raw, ids if n % 2 else ids[::-1])) for n, (client, raw) in enumerate(zip(clients, raws))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert statuses == [200] * 4
        assert house.events("p-u", "Order Completed") - begin == 100
    finally:
        second.stop()


def test_beside_merges_at_once(house):
    """A guest's browser and the shop's webhook report while the two become one."""
    for number in range(30):
        user, guest = f"m-u{number}", f"m-a{number}"
        sent = [order("m", "1", anonymousId=guest), order("m", "2", userId=user), identify(userId=user, anonymousId=guest), order("m", "3", anonymousId=guest)]
        threads = [threading.Thread(target=lambda m=message: house.client(basic(house.write_key)).post("/v1/batch", {"batch": [m]})) for message in sent]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(orders(house, user)) == 1, number


def test_after_a_lost_reply_to_commit():
    class Lossy(House):
        def connect_url(self):
            self.proxy = CommitEater(self.postgres)
            return self.proxy.url

    with Lossy() as house:
        house.send(order("l-0", "0", userId="l"))
        house.proxy.arm(b"marker")
        sent = [order("l-1", "1", userId="l", context={"x": "marker"}), order("l-1", "2", userId="l"), order("l-0", "3", userId="l", anonymousId="l-a")]
        house.send(*sent)
        assert house.proxy.eaten == 1, "the proxy saw no COMMIT to swallow"
        assert orders(house, "l") == ["0", "1"]
        house.send(*sent)
        assert orders(house, "l") == ["0", "1"] and orders(house, "anon:l-a") == ["0", "1"]
        house.proxy.stop()


def test_an_import(house, tmp_path):
    house.send(order("i-1", "live", userId="i"))
    lines = [order("i-1", "a", userId="i"), order("i-2", "b", userId="i"), order("i-2", "c", userId="i"), order("i-2", "d", userId="i-other")]
    path = tmp_path / "orders.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for _ in range(2):
        done = run(house.postgres.url, "import", str(path))
        assert done.returncode == 0, done.stderr.decode()
        assert orders(house, "i") == ["b", "live"] and orders(house, "i-other") == ["d"]


def test_beside_what_postgresql_refuses(house):
    fat = {"type": "identify", "userId": "b", "traits": {f"t{n}": "x" * 100 for n in range(1100)}}
    fats = [{**fat, "traits": {f"{batch}{key}": value for key, value in fat["traits"].items()}} for batch in range(12)]
    house.send(order("b", "1", userId="b"), *fats[:6], order("b", "2", userId="b"))
    house.send(order("c", "3", userId="b"), *fats[6:], order("b", "4", userId="b"), order("c", "5", userId="b"))
    assert house.one("SELECT count(*) FROM reject WHERE code = 'traits_too_large'") > 0
    assert orders(house, "b") == ["1", "3"]


# Merges


@pytest.mark.parametrize("guest_first", [True, False])
def test_guest_checkout(house, guest_first):
    """The page reports under the browser, the webhook under the address; a later login makes one person of them."""
    who, key = f"g-{guest_first}".lower(), f"g-bought-{guest_first}".lower()
    house.segment(key, {"all": [{"event": "Order Completed", "where": {"property": "guest", "eq": who}, "eq": 2}]})
    house.segment(key + "-1", {"all": [{"event": "Order Completed", "where": {"property": "guest", "eq": who}, "eq": 1}]})
    seen = lambda total: {"order_id": "g", "total": total, "guest": who}  # noqa: E731
    guest = {**order("g", anonymousId=who), "properties": seen("guest")}
    webhook = {**order("g"), "properties": {**seen("webhook"), "email": f"{who}@x"}, "timestamp": "2026-01-01T00:00:00Z"}
    for message in (guest, webhook) if guest_first else (webhook, guest):
        house.send(message)
    assert house.members(key + "-1") == {f"anon:{who}", f"email:{who}@x"}
    house.send(identify(userId=who, anonymousId=who, traits={"email": f"{who}@x"}))
    assert orders(house, who) == ["guest" if guest_first else "webhook"]
    assert house.members(key + "-1") == {who} and house.members(key) == set()
    first = house.api.get(f"/v1/profiles/{who}").json["first_seen"]
    assert first.startswith("2026-01-01") != guest_first
    house.send(guest, webhook, order("g", "again", userId=who))
    assert len(orders(house, who)) == 1
    assert house.api.post(f"/v1/segments/{key}-1/verify", {}).json["differences"] == 0


def test_a_merge_in_the_batch(house):
    house.send(order("mb", "1", anonymousId="mb-a"), order("mb", "2", userId="mb-u"), identify(userId="mb-u", anonymousId="mb-a"), order("mb", "3", anonymousId="mb-a"))
    assert orders(house, "mb-u") == ["1"]


def test_a_large_merge(house):
    house.send(order("lm", "1", anonymousId="lm-a"), order("lm", "2", userId="lm-u"), {"type": "track", "event": "Large", "anonymousId": "lm-a"})
    house.db.cursor().execute(
        "INSERT INTO event (profile_id, name_id, source_id, ts, message_id, received_at) SELECT profile_id, name_id, event.source_id,"
        " ts - i * interval '1 s', gen_random_uuid(), received_at FROM event JOIN event_name USING (name_id), generate_series(1, 10001) i WHERE name = 'Large'")
    house.send(order("lm", "3", userId="lm-u"), identify(userId="lm-u", anonymousId="lm-a"), order("lm", "4", anonymousId="lm-a"))
    assert orders(house, "lm-u") == ["1"] and house.events("lm-u", "Large") == 10002


def test_a_merge_of_very_many_orders_of_both(house):
    """Once the time of it grew with the square of their number: several times that of sending them, with the locks held."""
    users = itertools.count()

    def send_and_merge():
        """The time of the merge, that of sending being 1."""
        user, began = f"vb-{next(users)}", time.monotonic()
        for batch in range(5):
            for who in ({"userId": user}, {"anonymousId": user}):
                house.send(*[order(f"{user}-{batch}-{n}", **who) for n in range(2000)])
        sent = time.monotonic()
        house.send(identify(userId=user, anonymousId=user))
        merged = time.monotonic()
        assert house.events(user, "Order Completed") == 10000
        return (merged - sent) / (sent - began)

    assert least(send_and_merge, 2, tries=3) < 2


def test_a_merge_by_hand(house):
    house.segment("h-two", {"event": "Order Completed", "where": {"property": "order_id", "starts_with": "h-"}, "eq": 2})
    house.send(order("h-1", "into", userId="h-into"), order("h-1", "from", userId="h-from"), order("h-2", "from 2", userId="h-from"))
    assert house.api.post("/v1/profiles/merge", {"from": "h-from", "into": "h-into"}).status == 200
    assert orders(house, "h-into") == ["from 2", "into"] and house.members("h-two") == {"h-into"}
    house.send(order("h-2", "late", userId="h-into"), order("h-1", "late", userId="h-from"))
    assert orders(house, "h-into") == ["from 2", "into"]
    assert house.api.post("/v1/segments/h-two/verify", {}).json["differences"] == 0


# Erasure


def test_an_erased_person_has_no_orders(house):
    ids = [("user", "e-u"), ("anonymous", "e-a"), ("anonymous", "e-b")]
    again = order("e-1", "2", anonymousId="e-b")
    house.send(order("e-1", "1", userId="e-u", anonymousId="e-a"), identify(userId="e-u", anonymousId="e-b"))
    house.send(order("e-1", "of a visitor", anonymousId="e-c"))
    house.send(again, identify(userId="e-u", anonymousId="e-c"))
    assert rows_of(house, *ids) == (1, 2)
    assert house.api.delete("/v1/profiles/e-u").status == 200
    assert rows_of(house, *ids) == (0, 0)
    house.send(order("e-1", "new", userId="e-u"), again)
    assert orders(house, "e-u") == ["new"] and orders(house, "anon:e-b") == ["2"]


def test_an_erased_person_of_very_many_orders(house):
    for batch in range(6):
        house.send(*[order(f"v-{batch}-{n}", userId="v") for n in range(2000)])
    assert house.api.delete("/v1/profiles/v").json["events"] == 12000
    assert rows_of(house, ("user", "v")) == (0, 0)
    house.send(order("v-0-0", "new", userId="v"))
    assert orders(house, "v") == ["new"]


def test_a_tombstone(house):
    house.send(order("t", "1", userId="t-u"))
    assert house.api.delete("/v1/profiles/t-u?suppress=true").status == 200
    house.send(order("t", "2", userId="t-u"), order("t", "3", userId="t-u", anonymousId="t-a"), order("t", "4", anonymousId="t-a"))
    assert rows_of(house, ("user", "t-u")) == (0, 0) and orders(house, "anon:t-a") == ["4"]
