"""Sizes over time: counted from the feed, computed for the time before, folded when old."""
import datetime

import pytest

from support.house import iso, micros
from support.wait import wait_for

DAY = 86_400_000_000


def buckets(house, key, query=""):
    answer = house.api.get(f"/v1/segments/{key}/history{query}")
    assert answer.status == 200, answer
    assert answer.json["next"] is None and answer.json["next_cursor"] is None
    return answer.json["data"]


def total(data, what):
    return sum(bucket[what] or 0 for bucket in data)


@pytest.fixture(scope="module")
def club(house):
    assert house.api.post("/v1/segments", {"key": "club", "name": "Club", "kind": "list"}).status == 201
    path = "/v1/segments/club/members"
    for user in ["a", "b", "anon:c"]:
        assert house.api.request("PUT", f"{path}/{user}").status == 200
    assert house.api.delete(f"{path}/a").status == 204
    return path


def test_the_feed_is_counted_at_once(house, club):
    data = buckets(house, "club", f"?from={iso(house.now() - 3_600_000_000)}&step=1m")
    assert 60 <= len(data) <= 62 and data[0]["size"] is None and data[0]["entered"] is None
    assert (data[-1]["size"], data[-1]["identified"]) == (2, 1)
    assert (total(data, "entered"), total(data, "left")) == (3, 1)
    assert not any(bucket["computed"] for bucket in data)
    starts = [micros(bucket["at"]) for bucket in data]
    assert all(start % 60_000_000 == 0 for start in starts) and [b - a for a, b in zip(starts, starts[1:])] == [60_000_000] * (len(starts) - 1)


def test_days_by_default(house, club):
    data = buckets(house, "club")
    assert len(data) == 31 and all(micros(bucket["at"]) % DAY == 0 for bucket in data)
    assert data[-1]["size"] == 2 and (total(data, "entered"), total(data, "left")) == (3, 1) and data[-3]["size"] is None  # midnight may have passed
    weeks = buckets(house, "club", "?step=1w")
    assert all(datetime.datetime.fromisoformat(bucket["at"][:10]).weekday() == 0 for bucket in weeks)


def test_counted_changes_stay(house, club):
    wait_for(lambda: house.one("SELECT seq FROM segment_size_mark") == house.one("SELECT max(seq) FROM change"), what="the feed to be counted")

    def now():
        data = buckets(house, "club")
        return data[-1]["size"], data[-1]["identified"], total(data, "entered"), total(data, "left")

    assert now() == (2, 1, 3, 1)
    house.api.request("PUT", f"{club}/d")
    assert now() == (3, 2, 4, 1)


def test_the_past_is_computed(house):
    house.not_at_midnight()
    now = house.now()
    midnight = now - now % DAY
    days_ago = lambda days: iso(midnight - days * DAY - 3_600_000_000)
    for user, days in [("p1", 3), ("p2", 3), ("p3", 10), ("p4", 20)]:
        house.track(user, "Past Event", timestamp=days_ago(days))

    def computed(key):
        data = buckets(house, key)
        return data if sum(bucket["computed"] for bucket in data) >= 30 else None

    for n in range(10):  # a day has 30 ms, and on a busy machine is guessed
        house.segment(f"past-{n}", {"event": "Past Event"})
        house.segment(f"past-too-{n}", {"segment": f"past-{n}"})
        both = [wait_for(lambda key=key: computed(key), what="the past to be computed") for key in (f"past-{n}", f"past-too-{n}")]
        sizes = [[bucket["size"] for bucket in data] for data in both]
        if sizes == [[0] * 9 + [1] * 10 + [2] * 7 + [4] * 5] * 2:
            break
    data = both[1]
    assert sizes == [[0] * 9 + [1] * 10 + [2] * 7 + [4] * 5] * 2 and both[0][:-1] == data[:-1]
    assert all(bucket["computed"] and bucket["entered"] is None and bucket["identified"] is None for bucket in data[:-1])
    assert (data[-1]["computed"], data[-1]["entered"], data[-1]["left"], data[-1]["identified"]) == (False, 4, 0, 4)


def test_an_empty_segment_has_the_size_0(house):
    house.segment("empty", {"event": "Never"})
    assert buckets(house, "empty")[-1]["size"] == 0
    assert buckets(house, "empty")[-1]["entered"] == 0


def test_old_rows_are_by_the_hour_and_by_the_day(house, club):
    house.not_at_midnight()
    house.one(
        "WITH i AS (INSERT INTO segment_size (segment_id, at, grain, size, identified, entered, left_count) SELECT segment_id, date_trunc('day', now())"
        " - d.at, d.grain, 7, 7, 7, 0 FROM segment, (VALUES (interval '10 days 2 hours', 1), (interval '100 days', 2)) d (at, grain) WHERE key = 'club' RETURNING 1)"
        " SELECT count(*) FROM i"
    )
    house.one("WITH u AS (UPDATE segment_version SET live_at = live_at - interval '1 year' RETURNING 1) SELECT count(*) FROM u")
    day = house.now() // DAY * DAY
    hours = buckets(house, "club", f"?from={iso(day - 11 * DAY)}&to={iso(day - 10 * DAY)}&step=1h")
    assert len(hours) == 24 and [bucket["entered"] for bucket in hours] == [0] * 22 + [7, 0] and hours[0]["size"] == hours[23]["size"] == 7
    assert sum(bucket["entered"] for bucket in buckets(house, "club", f"?from={iso(day - 120 * DAY)}")) >= 14


@pytest.mark.parametrize(
    "query",
    ["from=x", "to=2026", "step=0d", "step=90", "step=90s", "step=1m", "step=1s", "from=2999-01-01", "from=2026-02-02&to=2026-02-01", "from=2026-02-01T12:00:00Z&to=2026-02-01T11:00:00Z", "from=1990-01-01&step=1d",
     "from=2020-01-01&step=1h"],
)
def test_bad_parameters(house, club, query):
    answer = house.api.get(f"/v1/segments/club/history?{query}")
    assert answer.status == 400 and answer.code == "bad_parameter", query


def test_no_such_segment(house):
    assert house.api.get("/v1/segments/none/history").status == 404
