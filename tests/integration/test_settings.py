"""The documents that SDKs load before they send (protocol.md, section 5)."""
import json

import pytest

from support.client import Client, basic
from support.house import House

PATHS = ["/v1/projects/{}/settings", "/projects/{}/settings", "/v1/projects/{}/settings/"]
ORIGIN = {"Origin": "https://shop.example"}


def read(house, path, **headers):
    return Client(house.server.address).get(path, headers=headers)


@pytest.mark.parametrize("path", PATHS)
def test_the_document_has_exactly_one_integration(house, path):
    answer = read(house, path.format(house.write_key), Host="events.shop.example:8443", **ORIGIN)
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == {
        "integrations": {
            "Segment.io": {
                "apiKey": house.write_key, "apiHost": "events.shop.example:8443/v1", "protocol": "http", "addBundledMetadata": False
            }
        },
        "metrics": {"sampleRate": 0}, "plan": {"track": {"__default": {"enabled": True}}}, "middlewareSettings": {}, "enabledMiddleware": {},
        "remotePlugins": [],
    }
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert "etag" in answer.headers and answer.headers["cache-control"] == "max-age=300"


def test_behind_tls(house):
    answer = read(house, PATHS[0].format(house.write_key), Host="events.shop.example", **{"X-Forwarded-Proto": "https"})
    place = answer.json["integrations"]["Segment.io"]
    assert place["apiHost"] == "events.shop.example/v1" and place["protocol"] == "https"


@pytest.mark.parametrize(
    "url, host, protocol",
    [
        ("https://events.shop.example", "events.shop.example/v1", "https"), ("https://www.shop.example/x/y/", "www.shop.example/x/y/v1", "https"),
        ("http://localhost:3000", "localhost:3000/v1", "http"),
    ],
)
def test_the_public_url_keeps_its_path(url, host, protocol):
    with House(environment={"COHORTD_PUBLIC_URL": url}) as house:
        place = read(house, PATHS[0].format(house.write_key), Host="internal:8080").json["integrations"]["Segment.io"]
        assert place["apiHost"] == host and place["protocol"] == protocol


def test_what_a_client_has_is_not_sent_again(house):
    path = PATHS[0].format(house.write_key)
    tag = read(house, path).headers["etag"]
    for known in (tag, "W/" + tag, f'"other", {tag}', "*"):
        answer = read(house, path, **{"If-None-Match": known}, **ORIGIN)
        assert answer.status == 304 and answer.body == b"" and answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert read(house, path, **{"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_unknown_key(house, path):
    for key in ("cw_unknown", "x", "%20", house.admin_key, house.read_key):
        answer = read(house, path.format(key), **ORIGIN)
        assert answer.status == 404 and answer.json["code"] == "not_found", answer
        assert answer.headers["access-control-allow-origin"] == "https://shop.example" and answer.headers["access-control-expose-headers"]


def test_a_new_key_works_at_once_and_a_revoked_one_no_more(house):
    house.api.post("/v1/sources", {"name": "settings-shop"})
    made = house.api.post("/v1/keys", {"role": "write", "source": "settings-shop"}).json
    assert read(house, PATHS[0].format(made["key"])).status == 200
    house.api.delete(f"/v1/keys/{made['id']}")
    assert read(house, PATHS[0].format(made["key"])).status == 404


def test_a_key_that_cannot_be_looked_up_is_not_denied(house):
    with house.db.cursor() as cursor:
        cursor.execute("ALTER TABLE api_key RENAME TO api_key_away")
    try:
        answer = read(house, PATHS[0].format("cw_elsewhere"), **ORIGIN)
        assert answer.status == 503 and answer.headers["retry-after"].isdigit() and "access-control-allow-origin" in answer.headers
        assert read(house, PATHS[0].format(house.write_key)).status == 200  # a known one needs no database
    finally:
        with house.db.cursor() as cursor:
            cursor.execute("ALTER TABLE api_key_away RENAME TO api_key")


@pytest.mark.parametrize("path", PATHS + ["/sourceConfig/"])
def test_head(house, path):
    answer = Client(house.server.address, basic(house.write_key)).request("HEAD", path.format(house.write_key))
    assert answer.status == 200 and answer.body == b"" and answer.headers["content-type"] == "application/json" and "etag" in answer.headers


@pytest.mark.parametrize("path", ["/sourceConfig", "/sourceConfig/"])
def test_rudder_source_config(house, path):
    query = f"{path}?p=npm&v=3.0.0&build=modern&lockIntegrationsVersion=false"
    by_query = read(house, f"{query}&writeKey={house.write_key}", **ORIGIN)
    by_basic = read(house, query, Authorization=basic(house.write_key), **ORIGIN)
    for answer in (by_query, by_basic):
        assert answer.status == 200 and answer.headers["access-control-allow-origin"] == "https://shop.example"
        source = answer.json["source"]
        assert source["enabled"] is True and source["destinations"] == []
        assert source["config"] == {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}}
        assert all(source[name] for name in ("id", "name", "workspaceId"))
    for answer in (read(house, query, **ORIGIN), read(house, f"{query}&writeKey=wrong", **ORIGIN)):
        assert answer.status == 401 and answer.json["success"] is False and "access-control-allow-origin" in answer.headers


def test_sdk_metrics_are_taken_and_ignored(house):
    for body in (b'{"series":[]}', b"nonsense", b""):
        answer = Client(house.server.address).post("/v1/m", body, headers={"Content-Type": "text/plain", **ORIGIN})
        assert answer.status == 200 and answer.body == b'{"success":true}' and "access-control-allow-origin" in answer.headers
