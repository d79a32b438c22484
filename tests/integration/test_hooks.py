"""Webhooks of other tools (docs/sources.md): each fixture of tests/hooks, signed as its provider does, becomes the events
it names; forged, stale and repeated ones become nothing. And a provider that only the API knows."""
import json
import pathlib
import re
import tempfile
import time
import urllib.parse

import pytest

from support.client import Client
from support.house import House, iso
from support.postgres import ROOT
from support.server import Server
from support.signing import CERTIFICATE, SNS_HOST, TOPIC, Amazon, Keys, Signer, base64_mac, mac

OK = b'{"success":true}'
FIXTURES = pathlib.Path(ROOT) / "tests" / "hooks"
PROVIDERS = sorted(path.name for path in FIXTURES.iterdir())
SIGNS_TIME = {"sendgrid": 90000, "mailgun": 36000, "resend": 300, "stripe": 300, "ses": 7200}  # seconds


@pytest.fixture(scope="module")
def keys():
    with tempfile.TemporaryDirectory() as directory:
        yield Keys(directory)


@pytest.fixture(scope="module")
def amazon(keys):
    made = Amazon(keys)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def house(keys, amazon):
    with House(environment={"https_proxy": amazon.url, "SSL_CERT_FILE": keys.at("ca.pem"), "PUBLIC_URL": ""}) as made:
        yield made


@pytest.fixture(scope="module")
def signer(house, keys):
    return Signer(keys, "http://%s:%d" % house.server.address)


@pytest.fixture(scope="module")
def anyone(house):
    return house.client()


def exact(text):
    """JSON with numbers as their digits."""
    return json.loads(text, parse_float=lambda digits: ("number", digits), parse_int=lambda digits: ("number", digits))


def fixtures(provider):
    for path in sorted((FIXTURES / provider).glob("*.json")):
        fixture = json.loads(path.read_text())
        text = exact(path.read_text())
        if "body" in fixture:  # as the provider writes it: its own digits
            fixture["text"] = json.dumps(json.loads(path.read_text(), parse_float=Digits)["body"], cls=DigitsEncoder)
        yield path.stem, {**fixture, "expect": text["expect"]}


class Digits(float):
    def __new__(cls, digits):
        made = super().__new__(cls, digits)
        made.digits = digits
        return made

    def __repr__(self):
        return self.digits


class DigitsEncoder(json.JSONEncoder):
    """Floats with the digits they had."""

    def iterencode(self, o, _one_shot=False):
        return json.encoder._make_iterencode({}, self.default, json.encoder.py_encode_basestring_ascii, None, Digits.__repr__, ": ", ", ",
                                             False, False, False)(o, 0)


def make_source(house, name, provider, secret, **more):
    answer = house.api.post("/v1/sources", {"name": name, "provider": provider, "secret": secret, **more})
    assert answer.status == 201, answer
    assert secret not in answer.body.decode() and answer.json["provider"] == provider and answer.json["secrets"] == 1
    assert answer.json["hook_url"].endswith("/v1/hooks/" + name.replace(" ", "%20"))
    return answer


def stored(house, source):
    """Message ids of the source's events, in the order they came in."""
    return [row[0] for row in house.rows(
        "SELECT message_id::text FROM event JOIN source USING (source_id) WHERE source.name = %s ORDER BY received_at", source)]


def event(house, message_id):
    name, ts, received, properties, context, people = house.rows(
        "SELECT n.name, (extract(epoch FROM ts) * 1000000)::bigint, (extract(epoch FROM received_at) * 1000000)::bigint,"
        "       properties::text, context::text,"
        "       (SELECT json_agg(ARRAY[kind::text, external_id]) FROM identity i WHERE i.profile_id = event.profile_id)"
        "  FROM event JOIN event_name n USING (name_id) WHERE message_id = %s::uuid", message_id)[0]
    return {"event": name, "ts": iso(ts), "odd": ts == received, "properties": exact(properties or "{}"), "context": exact(context or "{}"),
            "who": {(kind, id) for kind, id in people}}


def check_event(got, wanted, label):
    assert got["event"] == wanted["event"], label
    assert got["properties"] == wanted["properties"], label
    assert got["odd"] if wanted["ts"] is None else got["ts"] == wanted["ts"], (label, got["ts"])
    assert {(kind, id) for kind, id in wanted["who"].items()} <= got["who"], (label, got["who"])
    for key, value in wanted.get("context", {}).items():
        assert got["context"].get(key) == value, (label, got["context"])


def post(anyone, source, request):
    target, headers, body = request
    return anyone.post(f"/v1/hooks/{source}{target}", body, headers=headers)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_kind_of_event(house, anyone, signer, provider):
    make_source(house, provider, provider, signer.secret(provider))
    found = []
    for name, fixture in fixtures(provider):
        before = stored(house, provider)
        answer = post(anyone, provider, signer.request(provider, fixture, bad=True))
        assert answer.status == 401 and answer.code == "bad_signature", (name, answer)
        assert stored(house, provider) == before, name
        if provider in SIGNS_TIME:
            answer = post(anyone, provider, signer.request(provider, fixture, age=SIGNS_TIME[provider] + 60))
            assert answer.status == 401 and answer.code == "stale_signature", (name, answer)
        good = signer.request(provider, fixture)
        answer = post(anyone, provider, good)
        assert answer.status == 200 and answer.body == OK, (name, answer)
        after = stored(house, provider)
        rejects = house.api.get("/v1/rejects").json["data"]
        assert len(after) - len(before) == len(fixture["expect"]), (name, rejects)
        found += zip(after[len(before):], fixture["expect"], [name] * len(fixture["expect"]))
        for again in (good, signer.request(provider, fixture, age=1)):  # a replay, and a retry that is signed anew
            assert post(anyone, provider, again).status == 200, name
            assert stored(house, provider) == after, name
    assert found
    for message_id, wanted, name in found:
        check_event(event(house, message_id), wanted, (provider, name))
    assert house.api.get("/v1/rejects").json["data"] == []


def test_the_table_is_told(house):
    listed = house.api.get("/v1/hooks/providers").json["data"]
    assert {one["key"] for one in listed} == set(PROVIDERS)
    assert all(one["title"] and one["secret"] and one["url"].endswith("/v1/hooks/{source}") for one in listed)
    assert house.client().get("/v1/hooks/providers").status == 401


# --- Sources and their secrets


def test_secrets_are_rotated_and_never_shown(house, anyone, signer):
    make_source(house, "shop two", "shopify", "old")
    body = b'{"id": 1, "email": "a@example.com", "created_at": "2024-01-01T00:00:00Z"}'

    def send(key):
        headers = {"X-Shopify-Topic": "orders/create", "X-Shopify-Hmac-Sha256": base64_mac(key, body)}
        return anyone.post("/v1/hooks/shop%20two", body, headers=headers).status

    assert (send("old"), send("new")) == (200, 401)
    answer = house.api.request("PATCH", "/v1/sources/shop%20two", {"secrets": ["new", "old"]})
    assert answer.status == 200 and answer.json["secrets"] == 2 and b'"new"' not in answer.body
    assert (send("old"), send("new")) == (200, 200)
    assert house.api.request("PATCH", "/v1/sources/shop%20two", {"privacy": "drop"}).json["secrets"] == 2
    assert house.api.request("PATCH", "/v1/sources/shop%20two", {"secret": "new"}).json["secrets"] == 1
    assert (send("old"), send("new")) == (401, 200)
    assert house.api.request("PATCH", "/v1/sources/shop%20two", {"secret": None}).json["secrets"] == 0
    assert send("new") == 409
    assert house.api.request("PATCH", "/v1/sources/shop%20two", {"provider": None}).json["provider"] is None
    assert send("new") == 409
    assert '"new"' not in house.server.log() and '"old"' not in house.server.log()


@pytest.mark.parametrize("body, pointer, code", [
    ({"provider": "nobody", "secret": "x"}, "/provider", "bad_value"),
    ({"secret": "x"}, "/provider", "missing_member"),
    ({"provider": "shopify", "secret": ""}, "/secret", "bad_value"),
    ({"provider": "shopify", "secret": "x", "secrets": ["y"]}, "/secrets", "bad_value"),
    ({"provider": "shopify", "secrets": ["x", ""]}, "/secrets/1", "bad_value"),
    ({"provider": "shopify", "secrets": ["x"] * 11}, "/secrets", "bad_value"),
    ({"provider": "sendgrid", "secret": "x"}, "/secret", "bad_value"),
    ({"provider": "ses", "secrets": [TOPIC, "mail"]}, "/secrets/1", "bad_value"),
    ({"provider": "shopify", "hook": {}}, "/hook", "bad_value"),
    ({"provider": "custom"}, "/hook", "missing_member"),
    ({"provider": "custom", "hook": {"person": {}, "map": {}}}, "/hook/verify", "missing_member"),
    ({"provider": "custom", "hook": {"verify": {"scheme": "token", "in": ["basic"]}, "person": {"email": "a..b"}, "map": {}}},
     "/hook/person/email", "bad_path"),
    ({"name": "providers", "provider": "shopify", "secret": "x"}, "/name", "reserved"),
])
def test_what_is_wrong_is_told(house, body, pointer, code):
    answer = house.api.post("/v1/sources", {"name": "wrong", **body})
    assert answer.status == 422 and answer.code == code, answer
    assert answer.json["errors"][0]["pointer"] == pointer, answer


def test_a_place_of_one_letter(house, anyone):
    verify = {"scheme": "token", "in": ["body:t"]}
    make_source(house, "letter", "custom", "hush", hook={"verify": verify, "person": {"email": "e"}, "map": {}})
    assert anyone.post("/v1/hooks/letter", {"t": "hush"}).status == 200
    assert anyone.post("/v1/hooks/letter", {"t": "other"}).status == 401


def test_methods_are_named_once(house, anyone):
    answer = anyone.request("PUT", "/v1/hooks/letter", b"")
    assert answer.status == 405 and answer.headers["allow"] == "GET, HEAD, OPTIONS, POST", answer.headers


def test_sources_that_take_none(house, anyone):
    assert anyone.post("/v1/hooks/nowhere", {}).status == 404
    assert house.api.post("/v1/sources", {"name": "plain"}).json["provider"] is None
    answer = anyone.post("/v1/hooks/plain", {})
    assert answer.status == 409 and answer.code == "no_provider"
    assert house.api.post("/v1/sources", {"name": "secretless", "provider": "stripe"}).status == 201
    answer = anyone.post("/v1/hooks/secretless", {})
    assert answer.status == 409 and answer.code == "unverifiable"


# --- An address becomes another one


def changes_address(anyone, was, now, fired_at="2024-03-26 22:15:09"):
    form = {"type": "upemail", "fired_at": fired_at, "data[list_id]": "l", "data[new_id]": "51da8c3259", "data[new_email]": now, "data[old_email]": was}
    answer = anyone.post("/v1/hooks/audience?token=hush", urllib.parse.urlencode(form), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 200, answer


def person(house, name):
    answer = house.api.get("/v1/profiles/" + name)
    return (answer.json["user_id"], sorted(answer.json["emails"])) if answer.status == 200 else None


@pytest.fixture(scope="module")
def audience(house):
    make_source(house, "audience", "mailchimp", "hush")
    house.segment("reached", {"event": "Email Delivered"})
    return house


def test_both_addresses_mean_the_person(audience, anyone):
    house = audience
    house.send({"type": "track", "event": "Email Delivered", "context": {"traits": {"email": "old@up.example"}}})
    for _ in range(2):  # Mailchimp may send it again
        changes_address(anyone, "Old@up.example", "new@up.example")
    assert person(house, "email:old@up.example") == person(house, "email:new@up.example") == (None, ["new@up.example", "old@up.example"])
    assert house.api.get("/v1/profiles/email:old@up.example").json["traits"]["email"] == "new@up.example"
    house.send({"type": "track", "event": "Email Delivered", "context": {"traits": {"email": "new@up.example"}}})
    assert len(house.api.get("/v1/profiles/email:old@up.example/events").json["data"]) == 3
    house.caught_up(house.now())
    assert ("email", "old@up.example") in house.snapshot("reached")[0] and ("email", "new@up.example") not in house.snapshot("reached")[0]
    house.send({"type": "identify", "userId": "up", "traits": {"email": "new@up.example"}})
    assert person(house, "up") == ("up", ["new@up.example", "old@up.example"])


def test_who_was_known_by_the_new_address_is_the_same(audience, anyone):
    house = audience
    for address in ("first@up.example", "second@up.example"):
        house.send({"type": "track", "event": "Email Delivered", "context": {"traits": {"email": address}}})
    house.send({"type": "identify", "userId": "owner", "traits": {"email": "owner@up.example"}})
    house.send({"type": "identify", "userId": "other", "traits": {"email": "other@up.example"}})
    changes_address(anyone, "first@up.example", "second@up.example")
    assert person(house, "email:first@up.example") == person(house, "email:second@up.example")
    assert len(house.api.get("/v1/profiles/email:first@up.example/events").json["data"]) == 3
    changes_address(anyone, "second@up.example", "owner@up.example")  # a user's: who was known by an address only is that user
    assert person(house, "owner") == person(house, "email:first@up.example") == ("owner", ["first@up.example", "owner@up.example", "second@up.example"])
    changes_address(anyone, "owner@up.example", "other@up.example")  # two users stay two
    assert person(house, "other") == ("other", ["other@up.example"]) and person(house, "email:owner@up.example")[0] == "owner"
    changes_address(anyone, "owner@up.example", "fresh@up.example")
    assert person(house, "email:fresh@up.example")[0] == "owner"
    changes_address(anyone, "nobody@up.example", "somebody@up.example")
    changes_address(anyone, "nobody@up.example", "somebody@up.example")
    assert person(house, "email:nobody@up.example") == person(house, "email:somebody@up.example") == (None, ["nobody@up.example", "somebody@up.example"])
    house.send({"type": "track", "event": "Email Delivered", "context": {"traits": {"email": "nobody@up.example"}}})
    changes_address(anyone, "unknown@up.example", "nobody@up.example")
    assert person(house, "email:unknown@up.example") == person(house, "email:somebody@up.example")
    house.caught_up(house.now())
    house.segment("reached-after", {"event": "Email Delivered"})
    assert house.snapshot("reached")[0] == house.snapshot("reached-after")[0]


# --- What was signed is not the body


def mailgun(token, signed=None, age=0, key="mailgun-key", **event):
    """A Mailgun request of that token; signed: the signature object of another one."""
    now = int(time.time()) - age
    signed = signed or {"timestamp": str(now), "token": token, "signature": mac(key, b"%d%s" % (now, token.encode())).hexdigest()}
    data = {"event": "delivered", "id": token, "timestamp": now, "recipient": "jane@example.com", **event}
    return signed, json.dumps({"signature": signed, "event-data": data}).encode()


def test_a_captured_request_is_no_pass(house, anyone):
    """Mailgun signs a time and a token: with one request in hand, any body could be sent for ten hours."""
    make_source(house, "once", "mailgun", "mailgun-key")
    signed, first = mailgun("e0first")
    _, other = mailgun("e0first", signed, recipient="victim@example.com", event="complained", id="other")
    assert anyone.post("/v1/hooks/once", first).status == 200
    before = stored(house, "once")
    assert len(before) == 1
    answer = anyone.post("/v1/hooks/once", other)
    assert answer.status == 401 and answer.code == "bad_signature", answer
    shifted = {**signed, "timestamp": signed["timestamp"] + "e0", "token": "first"}  # the same signed text
    assert anyone.post("/v1/hooks/once", mailgun("", shifted, id="shifted")[1]).status == 401
    assert anyone.post("/v1/hooks/once", first).status == 200  # Mailgun's own retry
    assert stored(house, "once") == before
    assert anyone.post("/v1/hooks/once", mailgun("second")[1]).status == 200
    assert len(stored(house, "once")) == 2


def test_a_token_is_taken_by_what_means_nothing_too(house, anyone):
    make_source(house, "nothing", "mailgun", "mailgun-key")
    signed, accepted = mailgun("nothing", event="accepted")
    assert anyone.post("/v1/hooks/nothing", accepted).status == 200
    assert anyone.post("/v1/hooks/nothing", mailgun("nothing", signed)[1]).status == 401
    assert stored(house, "nothing") == []
    assert house.api.request("DELETE", "/v1/sources/nothing").status == 204


def test_tokens_are_remembered_by_all_and_for_as_long_as_they_work(house, anyone):
    make_source(house, "kept", "mailgun", "mailgun-key")
    make_source(house, "beside", "mailgun", "mailgun-key")
    signed, first = mailgun("kept", age=35900)
    assert anyone.post("/v1/hooks/kept", first).status == 200
    assert anyone.post("/v1/hooks/beside", first).status == 200  # each source on its own
    other = mailgun("kept", signed, id="other")[1]
    beside = Server(house.connect_url())  # another process, and so one that was started after
    assert Client(beside.address).post("/v1/hooks/kept", other).status == 401
    assert beside.stop() == 0
    assert house.one("SELECT count(*) FROM hook_token WHERE until BETWEEN now() AND now() + interval '3 minutes'") == 2
    house.rows("UPDATE hook_token SET until = now() - interval '1 hour' RETURNING 1")  # as if time had passed
    for n in range(3):  # each takes some of the old ones away
        assert anyone.post("/v1/hooks/kept", mailgun(f"next{n}")[1]).status == 200
    assert house.one("SELECT count(*) FROM hook_token") == 3


def test_a_parent_account_signs_for_its_subaccounts(house, anyone):
    make_source(house, "parent", "mailgun", "parent-key")
    signed, _ = mailgun("sub", key="subaccount-key")
    assert anyone.post("/v1/hooks/parent", mailgun("sub", signed)[1]).status == 401
    text = (signed["timestamp"] + "sub").encode()
    signed["parent-signature"] = mac("wrong", text).hexdigest()
    assert anyone.post("/v1/hooks/parent", mailgun("sub", signed)[1]).status == 401
    signed["parent-signature"] = mac("parent-key", text).hexdigest()
    assert anyone.post("/v1/hooks/parent", mailgun("sub", signed)[1]).status == 200
    assert len(stored(house, "parent")) == 1


@pytest.mark.parametrize("verify, pointer, code", [
    ({"replay": "never", "timestamp": "header:t"}, "/hook/verify/replay", "bad_value"),
    ({"replay": "once"}, "/hook/verify/timestamp", "missing_member"),
    ({"signature": []}, "/hook/verify/signature", "bad_value"),
    ({"signature": ["header:a", "nowhere"]}, "/hook/verify/signature/1", "bad_path"),
])
def test_what_is_wrong_with_replay_is_told(house, verify, pointer, code):
    hook = {"verify": {"scheme": "hmac", "signature": "header:s", **verify}, "person": {}, "map": {}}
    answer = house.api.post("/v1/sources", {"name": "wrong", "provider": "custom", "hook": hook})
    assert answer.status == 422 and answer.code == code and answer.json["errors"][0]["pointer"] == pointer, answer


# --- Probes


def test_probes(house, anyone, signer):
    make_source(house, "m", "meta", "meta-secret")
    answer = anyone.get("/v1/hooks/m?hub.mode=subscribe&hub.verify_token=m&hub.challenge=1158201444")
    assert answer.status == 200 and answer.body == b"1158201444" and answer.headers["content-type"] == "text/plain"
    for wrong in ("hub.verify_token=x&hub.challenge=1", "hub.challenge=1", "hub.verify_token=m&hub.challenge=%3Cscript%3E"):
        assert anyone.get("/v1/hooks/m?" + wrong).status == 403
    make_source(house, "l", "linkedin", "linkedin-secret")
    code = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
    assert anyone.get(f"/v1/hooks/l?challengeCode={code}").json == {
        "challengeCode": code, "challengeResponse": mac("linkedin-secret", code.encode()).hexdigest()}
    make_source(house, "d", "mandrill", "key")
    assert anyone.request("HEAD", "/v1/hooks/d").status == 200 and anyone.get("/v1/hooks/d").status == 200
    assert anyone.get("/v1/hooks/nowhere").status == 404
    ping = anyone.post("/v1/hooks/d", "mandrill_events=%5B%5D", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert ping.status == 200 and stored(house, "d") == []
    make_source(house, "w", "woocommerce", "key")
    assert anyone.post("/v1/hooks/w", "webhook_id=1", headers={"Content-Type": "application/x-www-form-urlencoded"}).status == 200


# --- Amazon SNS


def confirmation(keys, **more):
    envelope = {"Type": "SubscriptionConfirmation", "MessageId": "m", "Token": "t", "TopicArn": TOPIC,
                "Message": "You have chosen to subscribe",
                "SubscribeURL": f"https://{SNS_HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t",
                "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), **more}
    return json.dumps(keys.sns(envelope))


def test_a_topic_is_confirmed(house, anyone, keys, amazon):
    make_source(house, "mail", "ses", TOPIC)
    amazon.asked.clear()
    assert anyone.post("/v1/hooks/mail", confirmation(keys), headers={"Content-Type": "text/plain"}).status == 200
    assert amazon.asked[-1] == (SNS_HOST + ":443", f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t")
    assert len(amazon.asked) <= 2  # the certificate at most once for the process


@pytest.mark.parametrize("more", [
    {"SubscribeURL": "https://evil.example/"},
    {"SubscribeURL": f"https://{SNS_HOST}.evil.example/"},
    {"SubscribeURL": f"https://{SNS_HOST}:8443/"},
    {"TopicArn": TOPIC + "2"},
    {"SigningCertURL": "https://evil.example/a.pem"},
    {"SigningCertURL": CERTIFICATE.replace("https", "http")},
    {"SigningCertURL": f"https://{SNS_HOST}@evil.example/a.pem"},
])
def test_evil_urls_are_never_fetched(house, anyone, keys, amazon, more):
    house.api.post("/v1/sources", {"name": "evil", "provider": "ses", "secret": TOPIC})
    amazon.asked.clear()
    answer = anyone.post("/v1/hooks/evil", confirmation(keys, **more))
    assert answer.status == 401 and amazon.asked == []


def test_a_redirect_is_not_followed(house, anyone, keys, amazon):
    house.api.post("/v1/sources", {"name": "redirect", "provider": "ses", "secret": TOPIC})
    amazon.status = 302
    amazon.asked.clear()
    try:
        other = json.loads(confirmation(keys))
        other["SigningCertURL"] = CERTIFICATE.replace("01", "02")
        assert anyone.post("/v1/hooks/redirect", json.dumps(other)).status == 503
        assert amazon.asked == [(SNS_HOST + ":443", "/SimpleNotificationService-02.pem")]
    finally:
        amazon.status = 200


def test_a_certificate_that_does_not_verify_is_not_kept(house, anyone, keys, amazon):
    house.api.post("/v1/sources", {"name": "forged", "provider": "ses", "secret": TOPIC})
    forged = json.loads(confirmation(keys))
    forged.update(Message="changed", SigningCertURL=CERTIFICATE.replace("01", "03"))
    for n in (1, 2):
        amazon.asked.clear()
        assert anyone.post("/v1/hooks/forged", json.dumps(forged)).status == 401
        assert len(amazon.asked) == 1  # the certificate; never the SubscribeURL


# --- A provider that only the API knows

ERP = {
    "verify": {"scheme": "hmac", "hash": "sha256", "encoding": "base64", "signature": "header:webhook-signature", "separator": " ",
               "prefix": "v1,", "timestamp": "header:webhook-timestamp", "signed": "{header:webhook-id}.{timestamp}.{body}",
               "key_prefix": "whsec_", "key_encoding": "base64"},
    "events": "items.*", "type": "kind", "id": "{nr}", "timestamp": {"path": "at", "unit": "ms"},
    "person": {"user_id": ["customer.nr"], "email": "customer.mail"},
    "properties": {"order_id": {"path": "nr", "as": "text"}},
    "map": {"shipped": {"event": "Order Shipped", "identify": True, "traits": {"tier": "customer.tier"},
                        "properties": {"revenue": {"path": "cents", "as": "minor_units", "currency": "root:currency"},
                                       "currency": {"path": "root:currency", "as": "upper"},
                                       "express": {"value": True, "when": {"path": "mode", "is": ["air", "drone"]}}}}},
}


def test_a_provider_of_ones_own(house, anyone):
    secret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"
    answer = make_source(house, "erp", "custom", secret, hook=ERP)
    assert answer.json["hook"] == ERP
    body = json.dumps({"currency": "kwd", "items": [
        {"kind": "shipped", "nr": 7, "at": 1700000000123, "cents": 1500, "mode": "air",
         "customer": {"nr": 12, "mail": "erp@example.com", "tier": "gold"}},
        {"kind": "packed", "nr": 8}]}).encode()

    def send(at=None):
        now = at or int(time.time())
        headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now),
                   "webhook-signature": "v1," + base64_mac(b"secretsecretsecret", b"msg_1.%d." % now + body)}
        return anyone.post("/v1/hooks/erp", body, headers=headers)

    before = house.one("SELECT count(*) FROM event")
    assert send(int(time.time()) - 400).code == "stale_signature"
    assert send().status == 200 and send().status == 200
    assert house.one("SELECT count(*) FROM event") == before + 2
    identify, shipped = (event(house, id) for id in stored(house, "erp"))
    assert identify["properties"] == {"tier": "gold", "email": "erp@example.com"}
    assert shipped["event"] == "Order Shipped" and shipped["ts"] == "2023-11-14T22:13:20.123000Z"
    assert shipped["properties"] == {"order_id": "7", "revenue": ("number", "1.500"), "currency": "KWD", "express": True}
    assert {("user", "12"), ("email", "erp@example.com")} <= shipped["who"]
    changed = {**ERP, "map": {"shipped": {"event": "Sent"}}}
    assert house.api.request("PATCH", "/v1/sources/erp", {"hook": changed}).json["secrets"] == 1


def test_the_docs_examples(house):
    text = (pathlib.Path(ROOT) / "docs" / "sources.md").read_text()
    bodies = [json.loads(body) for body in re.findall(r"-d '(\{.*?\})'\n", text[text.index("\n## Providers"):], re.S)]
    assert [body["name"] for body in bodies] == ["mail", "erp"]
    for body in bodies:
        answer = house.api.post("/v1/sources", {**body, "name": "docs " + body["name"]})
        assert answer.status == 201, answer


# --- Bad bodies


@pytest.mark.parametrize("body, code", [
    (b"{", "invalid_json"),
    (b"", "invalid_json"),
    (b"1", "not_an_object"),
    (b"[" * 100_000, "invalid_json"),
    (b'{"a":' * 100_000, "invalid_json"),
    (b"[" + b",".join([b'{"event":"E"}'] * 5001) + b"]", "too_many_events"),
    (b'{"event":"\xff"}', "invalid_json"),
])
def test_bad_bodies(house, anyone, body, code):
    hook = {"verify": {"scheme": "token", "in": ["bearer"]}, "events": "*", "type": "event", "person": {"user_id": "u"},
            "map": {"E": {"event": "E"}}}
    house.api.post("/v1/sources", {"name": "bad", "provider": "custom", "secret": "s", "hook": hook})
    answer = anyone.post("/v1/hooks/bad", body, headers={"Authorization": "Bearer s"})
    assert answer.status == 400 and answer.code == code, answer
    assert anyone.post("/v1/hooks/bad", body, headers={"Authorization": "Bearer t"}).status == 401


def test_memory_stays(house, anyone):
    """Bodies as large as they may be, of what is dearest: many events, deep nesting, the whole body in each event."""
    hook = {"verify": {"scheme": "token", "in": ["bearer"]}, "events": "*", "person": {"user_id": "u"},
            "map": {"*": {"event": "E", "properties": {"all": "root:", "again": {"each": "root:*", "properties": {"e": "event:"}}}}}}
    assert house.api.post("/v1/sources", {"name": "dear", "provider": "custom", "secret": "s", "hook": hook}).status == 201
    bodies = [b"[" * (4 << 20), b"[" + b",".join([b'{"u":1}'] * 500_000) + b"]",
              b"[" + b",".join([b'{"u":%d}' % n for n in range(4000)]) + b"]"]

    def resident():
        with open(f"/proc/{house.server.process.pid}/status", encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) // 1024

    def send():
        return [anyone.post("/v1/hooks/dear", body, headers={"Authorization": "Bearer s"}).status for body in bodies]

    assert send() == [400, 400, 400]
    before = resident()
    for _ in range(5):
        assert send() == [400, 400, 400]
    assert resident() < before + 64, (before, resident())


def test_complaints_and_unsubscriptions_deny_email(house, anyone, signer):
    """Of everything, not of one list; who complained by an address is then out of reach as the user."""
    make_source(house, "leaving", "sendgrid", signer.secret("sendgrid"))
    house.send(*({"type": "identify", "userId": user, "traits": {"email": f"{user}@leaving.example"}} for user in ("stays", "unsubscribes", "complains", "group")))
    kinds = {"unsubscribes": "unsubscribe", "complains": "spamreport", "group": "group_unsubscribe"}
    body = [{"email": f"{user}@leaving.example", "event": kind, "timestamp": 1700000000, "sg_event_id": f"leaving-{user}"} for user, kind in kinds.items()]
    assert post(anyone, "leaving", signer.request("sendgrid", {"body": body, "text": json.dumps(body)})).status == 200
    states = {user: house.api.get(f"/v1/profiles/{user}").json["consent"].get("email", {}).get("state") for user in ("stays", *kinds)}
    assert states == {"stays": None, "unsubscribes": "denied", "complains": "denied", "group": None}


def test_opens_by_machines_are_left_out(house, anyone):
    house.api.post("/v1/sources", {"name": "opens", "provider": "postmark", "secret": "s"})
    for n, (user, agent) in enumerate([("reader", "Mozilla/5.0 (X11)"), ("machine", "Mozilla/5.0")]):
        opened = {"RecordType": "Open", "MessageID": f"m{n}", "Recipient": f"{user}@example.com", "UserAgent": agent,
                  "ReceivedAt": iso(house.now()), "Metadata": {"user_id": user}}
        assert anyone.post("/v1/hooks/opens", opened, headers={"Authorization": "Bearer s"}).status == 200
    read = {"event": "Email Opened", "where": {"property": "machine_open", "neq": True}, "window": {"last": "1d"}}
    house.segment("readers", read)
    assert house.members("readers") == {"reader"}


def test_ignored_events_are_counted(house, anyone):
    house.api.post("/v1/sources", {"name": "count", "provider": "postmark", "secret": "s"})

    def ignored():
        lines = anyone.get("/metrics").body.decode().splitlines()
        return int(next(line for line in lines if line.startswith('cohortd_hooks_total{result="ignored"}')).split()[-1])

    before = ignored()
    assert anyone.post("/v1/hooks/count", {"RecordType": "Inbound"}, headers={"Authorization": "Bearer s"}).body == OK
    assert ignored() == before + 1


def test_without_a_database_it_is_503(house, anyone):
    """Last: the provider sends again."""
    house.api.post("/v1/sources", {"name": "down", "provider": "postmark", "secret": "s"})
    house.postgres.kill()
    try:
        answer = anyone.post("/v1/hooks/down", {"RecordType": "Delivery"}, headers={"Authorization": "Bearer s"})
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, answer
    finally:
        house.postgres.restart()
        house.reconnect()
