"""Global Privacy Control and Do Not Track by the policy of the source (protocol.md, section 6)."""
import json
import urllib.parse

import pytest

from integration.test_sources import make, patch
from support.client import Client, basic
from support.server import run

GPC = {"Sec-GPC": "1"}
DNT = {"DNT": "1"}


def send(house, key, headers, *items, **envelope):
    answer = Client(house.server.address, basic(key)).post("/v1/batch", {"batch": list(items), **envelope}, headers=headers)
    assert answer.status == 200 and answer.body == b'{"success":true}', answer


def item(user, **more):
    return {"type": "track", "userId": user, "event": "E", **more}


def contexts(house, user):
    return [row[0] for row in house.rows(
        "SELECT context FROM event JOIN profile USING (profile_id) WHERE user_id = %s ORDER BY received_at", user)]


def dropped(house):
    for line in Client(house.server.address).get("/metrics").body.decode().splitlines():
        if line.startswith("cohortd_privacy_dropped_messages_total "):
            return int(line.split()[1])
    raise AssertionError("no metric")


@pytest.mark.parametrize("signal", [GPC, DNT, {**GPC, **DNT}], ids=str)
def test_first_party_keeps_and_marks(house, signal):
    _, key = make(house)
    user = f"first {signal}"
    send(
        house, key, signal, item(user), item(user, context={"locale": "de", "consent": {"analytics": True}}),
        item(user, context={"consent": None}), item(user, context={"consent": {"gpc": False}}), item(user, context={"consent": {"gpc": True}}),
    )
    assert contexts(house, user) == [
        {"consent": {"gpc": True}}, {"locale": "de", "consent": {"analytics": True, "gpc": True}}, {"consent": {"gpc": True}},
        {"consent": {"gpc": True}}, {"consent": {"gpc": True}}
    ]


def test_first_party_marks_what_the_batch_says(house):
    _, key = make(house, privacy="first_party")
    send(house, key, GPC, item("batch default"), item("batch default", context={"consent": {"own": 1}}), context={"consent": {"of": "batch"}, "a": 1})
    assert contexts(house, "batch default") == [{"a": 1, "consent": {"of": "batch", "gpc": True}}, {"a": 1, "consent": {"own": 1, "gpc": True}}]


@pytest.mark.parametrize("headers", [{}, {"Sec-GPC": "0"}, {"DNT": "0"}, {"DNT": "null"}], ids=str)
def test_without_the_signal_nothing_is_added(house, headers):
    _, key = make(house)
    user = f"none {headers}"
    send(house, key, headers, item(user, context={"a": 1}), item(user))
    assert contexts(house, user) == [{"a": 1}, None]


def test_ignore_does_nothing(house):
    _, key = make(house, privacy="ignore")
    before = dropped(house)
    send(house, key, {**GPC, **DNT}, item("ignored"), item("ignored", context={"consent": {"gpc": True}}))
    assert contexts(house, "ignored") == [None, {"consent": {"gpc": True}}] and dropped(house) == before


def test_drop_stores_nothing_and_counts(house):
    _, key = make(house, privacy="drop")
    before, rejects = dropped(house), house.one("SELECT count(*) FROM reject")
    send(house, key, GPC, item("dropped"), {"type": "track", "userId": "dropped"}, 5)  # bad ones are not logged either: the log keeps payloads
    send(house, key, DNT, item("dropped"))
    assert house.one("SELECT count(*) FROM identity WHERE external_id = 'dropped'") == 0
    assert house.one("SELECT count(*) FROM reject") == rejects and dropped(house) == before + 4
    send(house, key, {}, item("dropped"))
    assert house.events("dropped") == 1


def test_an_item_can_say_it_itself(house):
    """Our tracker sends beacons, which have no header that scripts can read back: context.consent.gpc is how it says it."""
    _, first = make(house)
    said = {"consent": {"gpc": True}}
    send(house, first, {}, item("said", context=said))
    assert contexts(house, "said") == [said]
    name, drops = make(house, privacy="drop")
    before = dropped(house)
    send(house, drops, {}, item("said so", context=said), item("said not"), item("said not", context={"consent": {"gpc": "true"}}))
    assert house.events("said so") == 0 and house.events("said not") == 2 and dropped(house) == before + 1
    send(house, drops, {}, item("said so"), context=said)  # the batch for all
    assert house.events("said so") == 0 and dropped(house) == before + 2
    send(house, drops, {}, item("said so", context={**said, "x": "y" * 140_000}))  # too large, and still nothing of it is kept
    assert dropped(house) == before + 3 and house.one("SELECT count(*) FROM reject WHERE payload LIKE '%%said so%%'") == 0
    patch(house, name, {"privacy": "ignore"})
    send(house, drops, {}, item("said so", context=said))
    assert house.events("said so") == 1


@pytest.mark.parametrize("privacy", ["first_party", "drop"])
def test_every_way_in(house, privacy):
    _, key = make(house, privacy=privacy)
    message = {"event": "E", "writeKey": key}
    one = Client(house.server.address)

    def user(n):
        return f"way {privacy} {n}"

    def post(n, path, body):
        return one.post(path, json.dumps(body), headers={"Content-Type": "text/plain", **GPC})

    assert post(0, "/v1/t", {**message, "userId": user(0)}).status == 200
    assert post(1, f"/beacon/v1/batch?writeKey={key}", {"batch": [item(user(1))]}).status == 200
    assert one.post("/api/s/track", {**message, "userId": user(2)}, headers={"X-Write-Key": key, **GPC}).json == {"ok": True}
    query = urllib.parse.urlencode({**message, "userId": user(3)})
    assert one.get(f"/v1/pixel/track?{query}", headers=GPC).headers["content-type"] == "image/gif"
    for n in range(4):
        found = contexts(house, user(n))
        assert found == [] if privacy == "drop" else found[0]["consent"]["gpc"] is True


@pytest.mark.parametrize("privacy, kept", [("ignore", 2), ("first_party", 2), ("drop", 1)])
def test_a_file_goes_by_the_policy_too(house, privacy, kept):
    name, _ = make(house, privacy=privacy)
    user = f"file {privacy}"
    lines = "\n".join(json.dumps(item(user, messageId=f"{user} {n}", context=context)) for n, context in enumerate([{}, {"consent": {"gpc": True}}]))
    done = run(house.connect_url(), "import", "-", "--source", name, input=lines.encode())
    assert done.returncode == 0 and done.stdout.split()[1] == str(kept).encode(), done
    assert (b"left out 1" in done.stderr) == (privacy == "drop") and house.events(user) == kept
