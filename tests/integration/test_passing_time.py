"""Membership that moves by time alone, and at once: nothing waits for a nightly job (docs/segments.md, "Exactness in time")."""
import pytest

from support.house import iso, micros
from support.wait import least, wait_for

SECOND = 1_000_000
DAY = 86_400 * SECOND


def moves(house, key, user):
    """[(op, instant)] of the user by the feed."""
    return [(change["op"], micros(change["at"])) for change in house.changes(segment=key) if change["user_id"] == user]


def ts_of(house, user):
    return house.one("SELECT (extract(epoch FROM max(ts)) * 1000000)::bigint FROM event JOIN profile USING (profile_id) WHERE user_id = %s", user)


def somebody(house, key, event):
    """A user who has just done that, and entered by it: a busy machine may take longer than the window."""
    for n in range(10):
        user = f"{key}-{n}"
        house.track(user, event)
        house.caught_up()
        if moves(house, key, user):
            return user
    raise AssertionError(f"nobody enters {key}")


def left_at(house, key, user):
    """Waits until the user has left; the instant."""
    (enter, _), (exit_, at) = wait_for(lambda: len(made := moves(house, key, user)) == 2 and made, what=f"{user} to leave {key}")
    assert (enter, exit_) == ("enter", "exit")
    return at


def lateness(house, key, user, since, enters, leaves):
    """After that: by how much the user entered and left too late, in µs. A busy machine may see too late that anything was to be done."""
    house.caught_up(since + leaves)
    made = moves(house, key, user)
    if not made:
        return DAY
    (enter, entered), (exit_, left) = made
    assert (enter, exit_) == ("enter", "exit") and since + enters <= entered < since + leaves <= left
    return max(entered - since - enters, left - since - leaves)


def test_last_3s_loses_its_member_within_2_s_of_its_end(house):
    house.segment("short", {"event": "Blink", "window": {"last": "3s"}})
    users = []

    def blink():
        users.append(f"blinker-{len(users)}")
        house.track(users[-1], "Blink")
        return lateness(house, "short", users[-1], ts_of(house, users[-1]), 0, 3 * SECOND)

    assert least(blink, 2 * SECOND) < 2 * SECOND
    assert {change["cause"] for change in house.changes(segment="short") if change["op"] == "exit"} == {"time"}
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
    users = []

    def skip():
        users.append(f"skipper-{len(users)}")
        house.track(users[-1], "Skip")
        return lateness(house, "skipped", users[-1], ts_of(house, users[-1]), 2 * SECOND, 4 * SECOND)

    assert least(skip, 2 * SECOND) < 2 * SECOND


def test_late_event_is_in_and_out_of_its_window(house):
    house.segment("late", {"event": "Late", "window": {"last": "1h"}})
    users = []

    def come_late():
        users.append(f"late-in-{len(users)}")
        ts = house.now() - 3597 * SECOND
        house.track(users[-1], "Late", timestamp=iso(ts))
        return lateness(house, "late", users[-1], ts, 3597 * SECOND, 3600 * SECOND)

    house.track("late-out", "Late", timestamp=iso(house.now() - 3601 * SECOND))
    assert least(come_late, DAY) < DAY
    assert house.members("late") == set() and moves(house, "late", "late-out") == []


def test_fixed_instants_in_the_future(house):
    now = house.now()
    begin = now + 3 * SECOND
    house.segment("until", {"event": "Fixed", "window": {"to": iso(begin)}})
    house.segment("since", {"event": "Fixed", "window": {"from": iso(begin)}})
    house.track("early", "Fixed", timestamp=iso(now))
    assert house.members("until") == {"early"} and house.members("since") == set()
    wait_for(lambda: house.now() > begin)
    house.track("tardy", "Fixed")
    assert house.members("until") == {"early"} and house.members("since") == {"tardy"}


def test_absent_runs_out(house):
    house.segment("cart", {"sequence": [{"event": "Cart"}, {"absent": "Paid", "for": "3s"}]})
    ts = house.now()
    cart = {"type": "track", "event": "Cart", "timestamp": iso(ts)}
    house.send({**cart, "userId": "leaves"}, {**cart, "userId": "pays"}, {**cart, "userId": "pays", "event": "Paid", "timestamp": iso(ts + 1000)})
    house.caught_up(ts + 3 * SECOND)
    assert house.members("cart") == {"leaves"} and moves(house, "cart", "pays") == []
    ((_, at),) = moves(house, "cart", "leaves")
    assert at >= ts + 3 * SECOND


def test_date_traits_come_near_and_pass(house):
    house.segment("soon", {"trait": "at", "within_next": "1h"})
    house.segment("recent", {"trait": "at", "within_last": "1h"})
    now = house.now()
    house.send({"type": "identify", "userId": "dated", "traits": {"at": iso(now + 3600 * SECOND + 3 * SECOND)}})
    house.send({"type": "identify", "userId": "passes", "traits": {"at": iso(now + 4 * SECOND)}})
    house.caught_up(now + 4 * SECOND)
    assert house.members("soon") == {"dated"} and house.members("recent") == {"passes"}
    ((_, near),) = moves(house, "soon", "dated")
    ((_, passed),) = moves(house, "recent", "passes")
    assert near >= now + 3 * SECOND and passed >= now + 4 * SECOND
    for _, left in moves(house, "soon", "passes")[1:]:
        assert left == passed


def test_last_seen_ages(house):
    house.segment("active", {"profile": "last_seen", "within_last": "3s"})
    user = somebody(house, "active", "Any")
    assert left_at(house, "active", user) >= ts_of(house, user) + 3 * SECOND


def test_nested_change_in_the_same_pass(house):
    house.segment("inner", {"event": "Inner", "window": {"last": "4s"}})
    house.segment("outer", {"not": {"segment": "inner"}})
    user = somebody(house, "inner", "Inner")
    at = left_at(house, "inner", user)
    assert moves(house, "outer", user) == [("enter", at)]
    assert [c["cause"] for c in house.changes(segment="outer") if c["user_id"] == user] == ["segment"]


@pytest.mark.parametrize("period", ["today", "this_week", "this_month", "this_quarter", "this_year"])
def test_calendar_period_of_now(house, period):
    house.not_at_midnight("Pacific/Auckland")
    house.segment(f"cal-{period.replace('_', '-')}", {"event": "Cal", "window": {"calendar": period}}, timezone="Pacific/Auckland")
    house.track("now", "Cal")
    house.track("ago", "Cal", timestamp=iso(house.now() - 400 * DAY))
    assert house.members(f"cal-{period.replace('_', '-')}") == {"now"}
