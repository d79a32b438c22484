"""`cohortd import` with real shop data: exact counts and sums, nothing stored twice, the same members before and after.

COHORTD_DATA names the folder with cdnow.ndjson.gz and rees46.ndjson.gz; without it ../shared/data is tried.
"""
import collections
import decimal
import gzip
import json
import os
import pathlib

import pytest

from support.postgres import ROOT
from support.server import run

DATA = pathlib.Path(os.environ.get("COHORTD_DATA", ROOT.parent / "shared" / "data"))


def need(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def import_file(house, path, **more):
    done = run(house.postgres.url, "import", str(path), **more)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip().splitlines()[-1]


def messages(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line, parse_float=decimal.Decimal)


CDNOW = {
    "buyers": {"event": "Order Completed", "gte": 1},
    "once": {"event": "Order Completed", "eq": 1},
    "spent": {"event": "Order Completed", "measure": {"sum": "total"}, "gte": 100},
    "lapsed": {"all": [{"event": "Order Completed", "gte": 2}, {"event": "Order Completed", "window": {"last": "365d"}, "eq": 0}]},
    "sampled": {"trait": "in_sample", "eq": True},
}


def test_cdnow(house):
    path = need("cdnow.ndjson.gz")
    for key, definition in CDNOW.items():
        house.segment(f"before-{key}", definition)
    assert import_file(house, path) == "imported 93229 duplicate 0 rejected 0"
    assert import_file(house, path) == "imported 0 duplicate 93229 rejected 0"
    house.caught_up(seconds=120)
    for key, definition in CDNOW.items():
        house.segment(f"after-{key}", definition)
    sizes = {key: len(house.members(f"before-{key}")) for key in CDNOW}
    assert sizes["buyers"] == 23_570 and sizes["once"] == 11_908
    for key in CDNOW:
        assert house.members(f"before-{key}") == house.members(f"after-{key}"), key
    total = "SELECT sum((properties->>'total')::numeric)::text FROM event JOIN event_name USING (name_id) WHERE name = 'Order Completed'"
    assert decimal.Decimal(house.one(total)) == decimal.Decimal("2500315.63")
    spent = collections.defaultdict(decimal.Decimal)
    for message in messages(path):
        if message.get("event") == "Order Completed":
            spent[message["userId"]] += message["properties"]["total"]
    assert sum(spent.values()) == decimal.Decimal("2500315.63")
    assert house.members("before-spent") == {user for user, sum_ in spent.items() if sum_ >= 100}
    replayed = house.replayed()
    assert all(len(replayed[f"before-{key}"]) == sizes[key] for key in CDNOW)
    assert run(house.postgres.url, "verify").returncode == 0


def test_rees46(house):
    path = need("rees46.ndjson.gz")
    count, viewed, bought, spent = 0, collections.Counter(), set(), collections.defaultdict(decimal.Decimal)
    for message in messages(path):
        count += 1
        viewed[message["userId"]] += message.get("event") == "Product Viewed"
        if message.get("event") == "Order Completed":
            bought.add(message["userId"])
        if message.get("event") == "Product Added":
            spent[message["userId"]] += decimal.Decimal(message["properties"].get("price", 0))
    assert import_file(house, path) == f"imported {count} duplicate 0 rejected 0"
    house.segment(
        "rees-lookers",
        {
            "all": [
                {"event": "Product Viewed", "where": {"context": "dataset", "eq": "rees46"}, "gte": 3},
                {"not": {"event": "Order Completed"}}
            ]
        }
    )
    house.segment(
        "rees-carts", {"event": "Product Added", "measure": {"sum": "price"}, "where": {"context": "dataset", "eq": "rees46"}, "gt": 50.5}
    )
    house.caught_up(seconds=120)
    assert house.members("rees-lookers") == {user for user, n in viewed.items() if n >= 3 and user not in bought}
    assert house.members("rees-carts") == {user for user, sum_ in spent.items() if sum_ > decimal.Decimal("50.5")}


def test_from_stdin_with_bad_lines(house):
    lines = [
        {"type": "track", "userId": "in1", "event": "Imported", "messageId": "i1", "timestamp": "2026-01-01T00:00:00Z"},
        {"type": "track", "userId": "in1", "event": "Imported", "messageId": "i1", "timestamp": "2026-01-01T00:00:00Z"},
        {"type": "track", "event": "Imported"},
        {"type": "track", "userId": "in2", "event": "Imported", "messageId": "i2", "properties": {"n": 1}},
    ]
    text = "\n".join([json.dumps(line) for line in lines] + ["not json", ""])
    assert import_file(house, "-", input=text.encode()) == "imported 2 duplicate 1 rejected 2"
    assert house.events("in1", "Imported") == house.events("in2", "Imported") == 1
    assert import_file(house, "-", input=gzip.compress(json.dumps(lines[3]).encode())) == "imported 0 duplicate 1 rejected 0"
