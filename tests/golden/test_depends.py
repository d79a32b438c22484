"""What time alone moves: between two instants without a new event, only profiles that segment_depends points at may change sides.

The pointing is done here from the data, as the worker does it by range scans. SEED and N (rounds) in the environment make it longer.
"""
import datetime
import os
import random

import pytest

from differential.generate import Generator
from differential.naive import Segment, is_member
from differential.values import DAY, SECOND, dumps, instant, path_values, zone
from golden.compiler import Compiler
from golden.test_against_naive import DEFINITIONS, NOW, PEOPLE, a_profile


@pytest.fixture(scope="module")
def compiler():
    compiler = Compiler()
    yield compiler
    compiler.close()


def named(event, source):
    return not event.name.startswith("$") and (source["any_event"] or event.name in source["names"])


def first_day(date, period):
    months = {"month": 1, "quarter": 3, "year": 12}
    if period in months:
        return date.replace(month=(date.month - 1) // months[period] * months[period] + 1, day=1)
    return date - datetime.timedelta(days=date.isoweekday() - 1 if period == "week" else 0)


def periods(calendar, tz, at):
    """[start, end) of the period of the instant, begun one period earlier where the window looks back."""
    start = first_day(tz.date(at), calendar["period"])
    end = first_day(start + datetime.timedelta(days={"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}[calendar["period"]]), calendar["period"])
    if calendar["last"]:
        start = first_day(start - datetime.timedelta(days=1), calendar["period"])
    return tz.instant(start), tz.instant(end)


def may_move(profile, depends, timezone, t0, t1):
    tz = zone(timezone)
    events = [event for event in profile.events if event.ts <= t0]
    for expiry in depends["expiries"]:
        if any(named(e, expiry) and t0 < e.ts + expiry["after_us"] <= t1 for e in events):
            return True
    for calendar in depends["calendars"]:
        spans = periods(calendar, tz, t0), periods(calendar, tz, t1)
        if spans[0] != spans[1] and any(named(e, calendar) and start <= e.ts < end for e in events for start, end in spans):
            return True
    for date in depends["dates"]:
        if date["path"] == "$first_seen":
            values = [min([e.ts for e in events if not e.name.startswith("$")], default=None)]
        else:
            values = [instant(value, tz) for value in path_values(profile.traits, date["path"])]
        for value in values:
            if value is None:
                continue
            if date["anniversary"] and tz.date(t0) != tz.date(t1):
                return True
            if not date["anniversary"] and t0 < value + date["offset_us"] <= t1:
                return True
    return False


@pytest.mark.parametrize("round_", range(int(os.environ.get("N", 3))))
def test_only_these_move(compiler, round_):
    seed = int(os.environ.get("SEED", 1)) * 1_000_033 + round_
    generator = Generator(seed, NOW)
    generator.random = r = random.Random(seed)
    profiles = [a_profile(generator) for _ in range(PEOPLE)]
    for _ in range(DEFINITIONS):
        made = generator.segment()
        segment = Segment(made["definition"], made["timezone"])
        depends = compiler.compile(segment)["depends"]
        for _ in range(3):
            t0 = NOW + r.choice([0, r.randint(-60, 60) * DAY, r.randint(-9, 9) * SECOND])
            t1 = t0 + r.choice([1, SECOND, r.randint(1, 100) * SECOND, r.randint(1, 100) * DAY // 24, r.randint(1, 100) * DAY])
            for profile in profiles:
                if any(t0 < e.ts <= t1 for e in profile.events):
                    continue
                if is_member(profile, segment, t0) != is_member(profile, segment, t1):
                    assert may_move(profile, depends, segment.timezone, t0, t1), (
                        f"seed {seed}\n{dumps(segment.definition)} {segment.timezone}\n{t0} {t1}\n{depends}\n{profile}"
                    )


@pytest.mark.parametrize("round_", range(int(os.environ.get("N", 3))))
def test_empty_can_hold(compiler, round_):
    seed = int(os.environ.get("SEED", 1)) * 1_000_037 + round_
    generator = Generator(seed, NOW)
    generator.random = random.Random(seed)
    profile = a_profile(generator)
    for _ in range(200):
        made = generator.segment()
        segment = Segment(made["definition"], made["timezone"])
        for user_id in ("u", None):
            profile.events, profile.traits, profile.consent, profile.user_id = [], {}, {}, user_id
            if is_member(profile, segment, NOW):
                assert compiler.compile(segment)["depends"]["empty_can_hold"], f"{seed} {dumps(segment.definition)}"
