"""Sources: their settings through the API, and who may send to them (openapi.yaml)."""
import itertools

import pytest

from support.client import Client, basic

names = itertools.count(1)


def make(house, **settings):
    """A source and a write key of it."""
    name = f"source-{next(names)}"
    answer = house.api.post("/v1/sources", {"name": name, **settings})
    assert answer.status == 201, answer
    key = house.api.post("/v1/keys", {"role": "write", "source": name}).json["key"]
    return name, key


def patch(house, name, body, kind="application/merge-patch+json"):
    return house.api.request("PATCH", f"/v1/sources/{name}", body, headers={"Content-Type": kind})


def find(house, name):
    (row,) = [row for row in house.api.get("/v1/sources?limit=1000").json["data"] if row["name"] == name]
    return row


def test_a_new_source_has_defaults(house):
    name, _ = make(house)
    row = find(house, name)
    assert row["allowed_origins"] == [] and row["privacy"] == "first_party"


def test_settings_of_a_new_source_are_listed(house):
    origins = ["https://shop.example", "https://*.shop.example:8443", "null"]
    name, _ = make(house, allowed_origins=origins, privacy="drop")
    row = find(house, name)
    assert row["allowed_origins"] == origins and row["privacy"] == "drop"


@pytest.mark.parametrize("kind", ["application/merge-patch+json", "application/json"])
def test_patch_changes_what_it_names(house, kind):
    name, _ = make(house, allowed_origins=["https://a.example"], privacy="ignore")
    answer = patch(house, name, {"privacy": "drop"}, kind)
    assert answer.status == 200 and answer.json["privacy"] == "drop" and answer.json["allowed_origins"] == ["https://a.example"]
    assert find(house, name) == answer.json
    assert patch(house, name, {"allowed_origins": ["https://b.example"]}, kind).json["allowed_origins"] == ["https://b.example"]
    answer = patch(house, name, {"allowed_origins": None, "privacy": None}, kind).json
    assert answer["allowed_origins"] == [] and answer["privacy"] == "first_party"
    assert patch(house, name, {}, kind).json == answer


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({"privacy": "sell"}, "/privacy"), ({"privacy": 1}, "/privacy"), ({"allowed_origins": "https://a.example"}, "/allowed_origins"),
        ({"allowed_origins": ["https://a.example/"]}, "/allowed_origins/0"),
        ({"allowed_origins": ["https://a.example", "*"]}, "/allowed_origins/1"), ({"allowed_origins": ["https://*"]}, "/allowed_origins/0"),
        ({"allowed_origins": [5]}, "/allowed_origins"), ({"name": "other"}, "/name"), ({"origins": []}, "/origins"),
    ],
    ids=str,
)
def test_bad_settings_change_nothing(house, body, pointer):
    name, _ = make(house, privacy="ignore")
    answer = patch(house, name, body)
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == pointer, answer
    assert find(house, name)["privacy"] == "ignore"
    if "name" not in body:
        answer = house.api.post("/v1/sources", {"name": f"{name}-bad", **body})
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == pointer, answer


def test_patch_needs_the_source_and_an_admin(house):
    assert patch(house, "no-such-source", {"privacy": "drop"}).status == 404
    name, _ = make(house)
    answer = house.client("Bearer " + house.read_key).request(
        "PATCH", f"/v1/sources/{name}", {"privacy": "drop"}, headers={"Content-Type": "application/json"}
    )
    assert answer.status == 403 and find(house, name)["privacy"] == "first_party"
    assert patch(house, name, {}, "text/plain").status == 415


def sends(house, key, origin):
    headers = {"Origin": origin} if origin else {}
    answer = Client(house.server.address, basic(key)).post("/v1/track", {"userId": "from", "event": "Origin"}, headers=headers)
    if origin:
        assert answer.headers["access-control-allow-origin"] == origin
    if answer.status == 403:
        assert answer.code == "origin_not_allowed" and answer.json["success"] is False
    return answer.status


def test_origins_exact_and_wildcard(house):
    _, key = make(house, allowed_origins=["https://shop.example", "https://*.shop.example"])
    before = house.events("from")
    for origin in ("https://shop.example", "https://www.shop.example", "https://a.b.shop.example", None):
        assert sends(house, key, origin) == 200, origin
    for origin in (
        "https://evil.example", "http://shop.example", "https://evilshop.example", "https://shop.example:444", "null", "https://shop.example.evil.example"
    ):
        assert sends(house, key, origin) == 403, origin
    assert house.events("from") == before + 4


def test_origins_hold_as_soon_as_they_are_changed(house):
    name, key = make(house)
    assert sends(house, key, "https://any.example") == 200
    patch(house, name, {"allowed_origins": ["https://only.example"]})
    assert sends(house, key, "https://any.example") == 403 and sends(house, key, "https://only.example") == 200
    patch(house, name, {"allowed_origins": []})
    assert sends(house, key, "https://any.example") == 200
