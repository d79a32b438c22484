"""Random definitions over random histories: the compiled statement and the naive evaluator give the same members.

SEED and N (rounds) in the environment make it longer.
"""
import os
import random

import pytest

from differential.generate import NAMES, Generator
from differential.model import cleaned
from differential.naive import Event, Profile, Segment, is_member
from differential.values import DAY, SECOND, dumps, loads
from golden.compiler import Compiler, Store

NOW = 1_773_000_000 * SECOND + 123_456  # 2026-03-08: the night before clocks change in New York and Havana
PEOPLE = 40
DEFINITIONS = 60


@pytest.fixture(scope="module")
def store():
    store = Store()
    yield store
    store.close()


@pytest.fixture(scope="module")
def compiler():
    compiler = Compiler()
    yield compiler
    compiler.close()


def a_profile(generator):
    r = generator.random
    events = []
    base = generator.past()
    for serial in range(r.choice([0, 1, 3, 6, 12])):
        ts = r.choice([generator.past(), base, base + r.randint(-2, 2) * SECOND, base + r.randint(-5, 5) * 600 * SECOND])
        name = r.choice(NAMES[:3]) if r.random() < 0.85 else r.choice(NAMES + ["$identify", "$alias"])
        events.append(
            Event(
                ts=ts,
                name=name,
                properties=cleaned(loads(dumps(generator.document()))),
                context={"campaign": {"source": "red"}} if r.random() < 0.3 else {},
                received_at=base + r.choice([0, serial]),
                message_id=r.randbytes(16),
            )
        )
    traits = {key: value for key, value in cleaned(loads(dumps(generator.document()))).items() if value is not None}
    user_id = f"u{r.getrandbits(64)}" if r.random() < 0.5 else None
    consent = {channel: state for channel, state in generator.consent().items() if state in ("granted", "denied")}
    return Profile(id=r.randbytes(16), user_id=user_id, events=events, traits=traits, consent=consent)


def ends(generator, profiles):
    """Instants to ask at: now, and just where events leave windows."""
    r = generator.random
    events = [event.ts for profile in profiles for event in profile.events] or [NOW]
    edge = r.choice(events) + r.choice([2, 5, 30, 600, 3600, 86400, 7 * 86400]) * SECOND + r.choice([-1, 0, 0, 1])
    return [NOW, edge, NOW + r.randint(0, 40) * DAY]


@pytest.mark.parametrize("round_", range(int(os.environ.get("N", 3))))
def test_same_members(store, compiler, round_):
    seed = int(os.environ.get("SEED", 1)) * 1_000_003 + round_
    generator = Generator(seed, NOW)
    generator.random = random.Random(seed)
    profiles = [a_profile(generator) for _ in range(PEOPLE)]
    store.fill(profiles)
    segments = {}
    for serial in range(DEFINITIONS):
        made = generator.segment(keys=list(segments)[-5:])
        segment = Segment(made["definition"], made["timezone"])
        compiled = compiler.compile(segment, segments=segments, inline=True)
        for at in ends(generator, profiles):
            expected = {profile.id for profile in profiles if is_member(profile, segment, at, segments)}
            differ = store.members(compiled, at) ^ expected
            assert not differ, explain(seed, segment, at, [p for p in profiles if p.id in differ], expected, compiled)
        if serial % 10 == 0:
            segments[f"s{serial}"] = segment


def explain(seed, segment, at, profiles, expected, compiled):
    person = profiles[0]
    lines = [f"seed {seed}", dumps(segment.definition), segment.timezone, f"at {at}", f"naive says {person.id in expected}", compiled["sql"]]
    lines += [f"  {e.ts - at} {e.name} {dumps(e.properties)}" for e in sorted(person.events, key=lambda e: e.order)]
    return "\n".join(lines + [dumps(person.traits)])
