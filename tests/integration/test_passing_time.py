"""Membership that moves by time alone, and at once: nothing waits for a nightly job (docs/segments.md, "Exactness in time")."""
import pytest

from support.house import iso, micros
from support.wait import wait_for

SECOND = 1_000_000
DAY = 86_400 * SECOND


def left_at(house, key, user, seconds=20):
    """Waits until the user has left; the instant of the exit by the feed."""

    def look():
        return [c for c in house.changes(segment=key) if c["op"] == "exit" and c["user_id"] == user]

    return micros(wait_for(look, seconds, f"{user} leaving {key}")[0]["at"])


def entered_at(house, key, user, seconds=20):
    def look():
        return [c for c in house.changes(segment=key) if c["op"] == "enter" and c["user_id"] == user]

    return micros(wait_for(look, seconds, f"{user} entering {key}")[0]["at"])


def test_last_3s_loses_its_member_within_2_s_of_its_end(house):
    house.segment("short", {"event": "Blink", "window": {"last": "3s"}})
    house.track("blinker", "Blink")
    ts = house.one("SELECT (extract(epoch FROM ts) * 1000000)::bigint FROM event JOIN event_name USING (name_id) WHERE name = 'Blink'")
    assert "blinker" in house.members("short")
    left = left_at(house, "short", "blinker")
    assert ts + 3 * SECOND <= left <= ts + 5 * SECOND
    (exit_,) = [c for c in house.changes(segment="short") if c["op"] == "exit"]
    assert exit_["cause"] == "time"
    assert house.one(
        "SELECT count(*) FROM membership JOIN segment_version USING (version_id) JOIN segment USING (segment_id) WHERE key = 'short'"
    ) == 0


def test_first_page_view_enters_eq_0_at_once(house):
    house.segment("no-order", {"event": "Order Completed", "eq": 0})
    house.send({"type": "page", "anonymousId": "visitor"})
    house.caught_up()
    assert ("anonymous", "visitor") in house.snapshot("no-order")[0]
    house.send({"type": "identify", "userId": "only-identified"})
    assert "only-identified" in house.members("no-order")
    house.track("only-identified", "Order Completed")
    assert "only-identified" not in house.members("no-order")


def test_skip_enters_and_leaves(house):
    house.segment("skipped", {"event": "Skip", "window": {"last": "4s", "skip": "2s"}})
    house.track("skipper", "Skip")
    ts = house.one("SELECT (extract(epoch FROM ts) * 1000000)::bigint FROM event JOIN event_name USING (name_id) WHERE name = 'Skip'")
    assert ts + 2 * SECOND <= entered_at(house, "skipped", "skipper") <= ts + 4 * SECOND
    assert ts + 4 * SECOND <= left_at(house, "skipped", "skipper") <= ts + 6 * SECOND


def test_late_event_is_in_and_out_of_its_window(house):
    house.segment("late", {"event": "Late", "window": {"last": "1h"}})
    house.track("late-in", "Late", timestamp=iso(house.now() - 3597 * SECOND))
    house.track("late-out", "Late", timestamp=iso(house.now() - 3601 * SECOND))
    assert house.members("late") <= {"late-in"}
    left_at(house, "late", "late-in", 30)


def test_fixed_instants_in_the_future(house):
    begin = house.now() + 3 * SECOND
    house.segment("until", {"event": "Fixed", "window": {"to": iso(begin)}})
    house.segment("since", {"event": "Fixed", "window": {"from": iso(begin)}})
    house.track("early", "Fixed")
    assert house.members("until") == {"early"} and house.members("since") == set()
    wait_for(lambda: house.now() > begin, 10)
    house.track("tardy", "Fixed")
    assert house.members("until") == {"early"} and house.members("since") == {"tardy"}


def test_absent_runs_out(house):
    house.segment("cart", {"sequence": [{"event": "Cart"}, {"absent": "Paid", "for": "3s"}]})
    house.track("leaves", "Cart")
    house.track("pays", "Cart")
    house.track("pays", "Paid")
    assert house.members("cart") == set()
    entered_at(house, "cart", "leaves")
    assert house.members("cart") == {"leaves"}


def test_date_traits_come_near_and_pass(house):
    now = house.now()
    house.segment("soon", {"trait": "at", "within_next": "1h"})
    house.segment("recent", {"trait": "at", "within_last": "1h"})
    house.send({"type": "identify", "userId": "dated", "traits": {"at": iso(now + 3600 * SECOND + 3 * SECOND)}})
    house.send({"type": "identify", "userId": "passes", "traits": {"at": iso(now + 4 * SECOND)}})
    assert house.members("soon") == {"passes"} and house.members("recent") == set()
    assert now + 3 * SECOND <= entered_at(house, "soon", "dated") <= now + 5 * SECOND
    assert now + 4 * SECOND <= entered_at(house, "recent", "passes") <= now + 6 * SECOND
    assert house.members("soon") == {"dated"} and house.members("recent") == {"passes"}


def test_last_seen_ages(house):
    house.segment("active", {"profile": "last_seen", "within_last": "3s"})
    house.track("ages", "Any")
    assert "ages" in house.members("active")
    left_at(house, "active", "ages")


def test_nested_change_in_the_same_pass(house):
    house.segment("inner", {"event": "Inner", "window": {"last": "4s"}})
    house.segment("outer", {"not": {"segment": "inner"}})
    house.track("nested", "Inner")
    assert "nested" in house.members("inner") and "nested" not in house.members("outer")
    at = left_at(house, "inner", "nested")
    assert entered_at(house, "outer", "nested") == at
    assert [c["cause"] for c in house.changes(segment="outer") if c["user_id"] == "nested"][-1] == "segment"


@pytest.mark.parametrize("period", ["today", "this_week", "this_month", "this_quarter", "this_year"])
def test_calendar_period_of_now(house, period):
    house.segment(f"cal-{period.replace('_', '-')}", {"event": "Cal", "window": {"calendar": period}}, timezone="Pacific/Auckland")
    house.track("now", "Cal")
    house.track("ago", "Cal", timestamp=iso(house.now() - 400 * DAY))
    assert house.members(f"cal-{period.replace('_', '-')}") == {"now"}
