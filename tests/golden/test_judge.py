"""The judge (segment/judge.h) knows names and times, and who has no traits or no consents. Over random definitions and histories, where it is sure it says what the naive evaluator
says of the whole person, and what the compiled statement says in PostgreSQL; and it is sure often enough to be worth asking.

SEED and N (rounds) in the environment make it longer.
"""
import dataclasses
import datetime
import json
import os
import random
import subprocess
import uuid

import pytest

from differential.generate import NAMES, Generator
from differential.naive import NAMES_OF_CALLS, Event, Profile, Segment, is_member
from differential.values import DAY, SECOND, dumps, zone
from golden.compiler import TOOL, Compiler, Store, as_text
from golden.test_against_naive import NOW, a_profile, ends
from golden.test_depends import first_day

JUDGE = TOOL.parent / "judge_tool"
DEFINITIONS = 250
PEOPLE = 30
ROUNDS = int(os.environ.get("N", 4))
UNITS = ("day", "week", "month", "quarter", "year")


class Judge:
    def __init__(self):
        self.tool = subprocess.Popen([str(JUDGE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self.ids = {name: 4 + i for i, name in enumerate(reversed(NAMES))}

    def close(self):
        self.tool.stdin.close()
        assert self.tool.wait() == 0

    def verdicts(self, segment, cases):
        """(U, B or - as of anybody, of the bare alone or of nobody it may be sure; a letter for each case): Y, N or ?"""
        line = f'{{"definition":{as_text(segment.definition)},"timezone":{json.dumps(segment.timezone)},"names":{json.dumps(self.ids)},"cases":{json.dumps(cases)}}}'
        self.tool.stdin.write(line + "\n")
        self.tool.stdin.flush()
        useful, _, letters = self.tool.stdout.readline().rstrip("\n").partition(" ")
        assert len(letters) == len(cases)
        return useful, letters

    def case(self, profile, at, floor, members, periods):
        seen = [event.ts for event in profile.events if event.name not in NAMES_OF_CALLS]
        events = sorted((self.ids[e.name], e.ts) for e in counted(profile, floor).events if e.ts <= at and e.name not in NAMES_OF_CALLS)
        return {
            "as_of": at, "floor": floor, "first_seen": min(seen, default=None), "identified": profile.user_id is not None,
            "no_traits": not profile.traits, "no_consents": not profile.consent, "profile": str(uuid.UUID(bytes=profile.id)),
            "events": [value for id, ts in events for value in (ts, id)], "members": members, "periods": periods,
        }


def counted(profile, floor):
    return Profile(profile.id, profile.user_id, [e for e in profile.events if e.ts > floor], profile.traits, profile.consent)


def periods(timezone, at):
    """First instants of the day before and of the day, of the week before … of the year."""
    tz, found = zone(timezone), []
    for unit in UNITS:
        start = first_day(tz.date(at), unit)
        found += [tz.instant(first_day(start - datetime.timedelta(days=1), unit)), tz.instant(start)]
    return found


NO_FLOOR = -(2**62)


def a_busy_profile(generator):
    """Many events of few names within a minute, some at one instant, where the order and the ends of windows decide."""
    r = generator.random
    events = [
        Event(NOW - r.randint(0, 40) * SECOND + r.choice([0, 0, 0, 1, -1]), r.choice("AAABBC"), received_at=serial, message_id=r.randbytes(16))
        for serial in range(r.randint(4, 12))
    ]
    return Profile(r.randbytes(16), "u", events)


def some_profiles(generator, n):
    return [bare(generator, (a_busy_profile if generator.chance(0.3) else a_profile)(generator)) for _ in range(n)]


def bare(generator, profile):
    """Half of them without traits, half without consents."""
    traits, consent = ({} if generator.chance(0.5) else of for of in (profile.traits, profile.consent))
    return dataclasses.replace(profile, traits=traits, consent=consent)


@pytest.fixture(scope="module")
def judge():
    judge = Judge()
    yield judge
    judge.close()


@pytest.fixture(scope="module")
def tally():
    return {}


def floors(generator, profiles):
    """No floor, mostly; or one among the events."""
    events = [event.ts for profile in profiles for event in profile.events] or [NOW]
    return generator.one(NO_FLOOR, NO_FLOOR, generator.random.choice(events) + generator.one(-1, 0, 1))


def edges(generator, profiles):
    """Three instants to ask at, and more where calendar periods turn."""
    midnight = NOW // DAY * DAY + generator.random.randint(-3, 400) * DAY + generator.one(-1, 0, 1)
    return ends(generator, profiles) + [midnight]


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_sure_is_right(judge, tally, round_):
    seed = int(os.environ.get("SEED", 1)) * 1_000_033 + round_
    generator = Generator(seed, NOW)
    generator.random = random.Random(seed)
    segments = {}
    for serial in range(DEFINITIONS):
        if serial % 10 == 0:
            profiles = some_profiles(generator, PEOPLE)
        made = generator.segment(keys=list(segments)[-5:])
        segment = Segment(made["definition"], made["timezone"])
        referred = [key for key in segments if f'"{key}"' in dumps(segment.definition)]
        asked = []
        for at in edges(generator, profiles):
            floor = floors(generator, profiles)
            spans = periods(segment.timezone, at) if generator.chance(0.9) else None
            for profile in profiles:
                members = {key: is_member(counted(profile, floor), segments[key], at, segments) for key in referred}
                asked.append((profile, at, floor, judge.case(profile, at, floor, members, spans)))
        useful, letters = judge.verdicts(segment, [case for *_, case in asked])
        for (profile, at, floor, case), letter in zip(asked, letters):
            count(tally, segment, case, letter)
            assert letter == "?" or useful == "U" or useful == "B" and (case["no_traits"] or case["no_consents"])
            if letter != "?":
                holds = is_member(counted(profile, floor), segment, at, segments)
                assert holds == (letter == "Y"), explain(seed, segment, case, profile, letter)
        if serial % 10 == 0:
            segments[f"s{serial}"] = segment


@pytest.fixture(scope="module")
def store():
    store = Store()
    yield store
    store.close()


@pytest.mark.parametrize("round_", range(ROUNDS // 2))
def test_sure_is_the_statement(judge, store, round_):
    seed = int(os.environ.get("SEED", 1)) * 1_000_037 + round_
    generator, compiler, segments = Generator(seed, NOW), Compiler(), {}
    generator.random = random.Random(seed)
    profiles = some_profiles(generator, PEOPLE)
    store.fill(profiles)
    for serial in range(DEFINITIONS // 5):
        made = generator.segment(keys=list(segments)[-5:])
        segment = Segment(made["definition"], made["timezone"])
        compiled = {key: compiler.compile(one, segments=segments, inline=True) for key, one in [*segments.items(), (None, segment)]}
        for at in edges(generator, profiles):
            floor = floors(generator, profiles)
            sql = {key: store.members(one, at, "-infinity" if floor == NO_FLOOR else floor) for key, one in compiled.items()}
            spans = periods(segment.timezone, at)
            cases = [judge.case(p, at, floor, {key: p.id in sql[key] for key in segments}, spans) for p in profiles]
            for profile, case, letter in zip(profiles, cases, judge.verdicts(segment, cases)[1]):
                assert letter == "?" or (profile.id in sql[None]) == (letter == "Y"), explain(seed, segment, case, profile, letter)
        if serial % 10 == 0:
            segments[f"s{serial}"] = segment
    compiler.close()


def count(tally, segment, case, letter):
    """By the outermost condition; those on what may be missing apart for who lacks it."""
    kind = next(key for key in ("all", "any", "not", "some", "score", "event", "sequence", "trait", "profile", "segment", "consent", "bucket") if key in segment.definition)
    if kind in ("trait", "consent") and case[f"no_{kind}s"]:
        kind = f"no {kind}"
    of_kind = tally.setdefault(kind, {"Y": 0, "N": 0, "?": 0})
    of_kind[letter] += 1


def explain(seed, segment, case, profile, letter):
    lines = [f"seed {seed}", dumps(segment.definition), segment.timezone, f"the judge says {letter}", json.dumps(case)]
    lines += [f"  {e.ts - case['as_of']} {e.name} {dumps(e.properties)}" for e in sorted(profile.events, key=lambda e: e.order)]
    return "\n".join(lines)


def test_sure_often(tally):
    """After the rounds above. The random definitions lean on properties far more than people's do."""
    print(tally, {letter: sum(of_kind[letter] for of_kind in tally.values()) for letter in "YN?"})
    for kind, least in (("event", 0.5), ("sequence", 0.5), ("profile", 0.9), ("segment", 1), ("bucket", 1), ("no trait", 1), ("no consent", 1), ("all", 0.3), ("any", 0.3), ("some", 0.3), ("score", 0.3)):
        of_kind = tally[kind]
        assert (of_kind["Y"] + of_kind["N"]) / sum(of_kind.values()) >= least, (kind, of_kind)
        assert of_kind["Y"] and of_kind["N"], (kind, of_kind)
