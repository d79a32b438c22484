"""The instant under which a message is stored (openapi.yaml, "Time")."""
import pytest

from support.house import iso

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND


def stored_ts(house, **message):
    """(ts of the stored event, the database's clock before, after) in µs."""
    name = f"Time {house.message_id()}"
    before = house.now()
    house.send({"type": "track", "userId": "timed", "event": name, **message})
    after = house.now()
    ts = house.one("SELECT (extract(epoch FROM ts) * 1000000)::bigint FROM event JOIN event_name USING (name_id) WHERE name = %s", name)
    return ts, before, after


def near(ts, low, high):
    return low - SECOND <= ts <= high + SECOND


def test_without_sent_at_the_timestamp_is_trusted(house):
    then = house.now() - 400 * DAY
    assert stored_ts(house, timestamp=iso(then))[0] == then


@pytest.mark.parametrize("off", [0, 55, -30])
def test_sent_at_within_a_minute_is_trusted(house, off):
    """What the way takes counts as a clock that is behind."""
    now = house.now()
    then = now - 3 * DAY
    assert stored_ts(house, timestamp=iso(then), sentAt=iso(now + off * SECOND))[0] == then


@pytest.mark.parametrize("off", [5 * 60 + 10, -5 * 60 - 10, 2 * 60, -86_400, 3_600 * 24 * 30])
def test_a_wrong_clock_is_shifted_by_whole_minutes(house, off):
    now = house.now()
    then = now - 60 * DAY
    ts, _, _ = stored_ts(house, timestamp=iso(then + off * SECOND), sentAt=iso(now + off * SECOND))
    minutes = round(off / 60)
    assert ts == then + off * SECOND - minutes * MINUTE


def test_sent_at_of_the_batch_applies_where_the_item_has_none(house):
    now = house.now()
    then = now - 10 * DAY
    house.send({"type": "track", "userId": "timed", "event": "Batched", "timestamp": iso(then - 5 * MINUTE)}, sentAt=iso(now - 5 * MINUTE))
    own = {"type": "track", "userId": "timed", "event": "Own", "timestamp": iso(then), "sentAt": iso(now)}
    house.send(own, sentAt=iso(now - 5 * MINUTE))
    rows = house.rows(
        "SELECT (extract(epoch FROM ts) * 1000000)::bigint FROM event JOIN event_name USING (name_id) WHERE name IN ('Batched', 'Own')"
    )
    assert rows == [(then,), (then,)]


def test_never_later_than_the_clock(house):
    for message in (
        {"timestamp": iso(house.now() + DAY)}, {"timestamp": iso(house.now() + 30 * SECOND), "sentAt": iso(house.now() + 30 * SECOND)}
    ):
        ts, before, after = stored_ts(house, **message)
        assert near(ts, before, after)
    assert house.one("SELECT count(*) FROM event WHERE ts > clock_timestamp()") == 0


def test_without_timestamp_it_is_the_arrival(house):
    ts, before, after = stored_ts(house)
    assert near(ts, before, after)
    ts, before, after = stored_ts(house, timestamp=None)
    assert near(ts, before, after)


def test_original_timestamp_of_rudder_wins(house):
    then = house.now() - DAY
    assert stored_ts(house, originalTimestamp=iso(then), timestamp=iso(then - DAY))[0] == then


@pytest.mark.parametrize(
    "text, us",
    [
        ("2026-01-02T03:04:05Z", 0), ("2026-01-02T03:04:05+00:00", 0), ("2026-01-02T05:04:05.000+02:00", 0),
        ("2026-01-02 03:04:05.5Z", 500_000),
        ("2026-01-02T03:04:05.123456789Z", 123_457), ("2026-01-02T03:04:05.1Z", 100_000),
    ],
)
def test_forms_of_a_timestamp(house, text, us):
    assert stored_ts(house, timestamp=text)[0] == 1_767_323_045 * SECOND + us
