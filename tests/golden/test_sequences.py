"""Sequences against brute force, on histories dense enough that many choices of events compete. SEED and N make it longer."""
import os
import random

import pytest

from differential.naive import Event, Profile, Segment, is_member
from differential.values import SECOND, dumps
from golden.compiler import Compiler, Store

NOW = 1_773_000_000 * SECOND
DURATIONS = ["1s", "2s", "3s", "5s", "8s", "20s"]


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


def names(r):
    return r.choice(["A", "A", "B", "C", ["A", "B"], ["B", "C"], "*"])


def a_sequence(r):
    steps = []
    for index in range(r.randint(1, 4)):
        if steps and r.random() < 0.3:
            steps.append({"absent": names(r), **({"same": r.choice("xy")} if r.random() < 0.3 else {})})
        step = {"event": names(r)}
        if index and r.random() < 0.5:
            step["within"] = r.choice(DURATIONS)
        if index and r.random() < 0.4:
            step["same"] = r.choice("xxy")
        if r.random() < 0.15:
            step["times"] = r.randint(2, 3)
        steps.append(step)
    if r.random() < 0.5:
        last = {"absent": names(r)}
        if r.random() < 0.7:
            last["for"] = r.choice(DURATIONS)
        if r.random() < 0.4:
            last["same"] = r.choice("xy")
        steps.append(last)
    made = {"sequence": steps}
    if r.random() < 0.5:
        made["span"] = r.choice(DURATIONS)
    if r.random() < 0.4:
        made["window"] = r.choice([{"last": "20s"}, {"last": "20s", "skip": "5s"}, {"after": {"profile": "first_seen"}, "for": "8s"}])
    return made


def a_profile(r):
    properties = lambda: {key: r.choice(["1", "2", 3]) for key in "xy" if r.random() < 0.8}  # noqa: E731
    events = [
        Event(NOW - r.randint(0, 30) * SECOND // r.choice([1, 1, 2]), r.choice("AABC"), properties(), {}, NOW + r.randint(0, 2), r.randbytes(16))
        for _ in range(r.choice([2, 5, 9, 12]))
    ]
    return Profile(id=r.randbytes(16), events=events)


@pytest.mark.parametrize("round_", range(int(os.environ.get("N", 3))))
def test_as_brute_force(store, compiler, round_):
    seed = int(os.environ.get("SEED", 1)) * 1_000_081 + round_
    r = random.Random(seed)
    profiles = [a_profile(r) for _ in range(40)]
    store.fill(profiles)
    for _ in range(60):
        segment = Segment(a_sequence(r), "UTC")
        compiled = compiler.compile(segment)
        for at in (NOW, NOW - r.randint(0, 15) * SECOND, NOW + r.randint(0, 20) * SECOND):
            differ = store.members(compiled, at) ^ {p.id for p in profiles if is_member(p, segment, at)}
            person = next((p for p in profiles if p.id in differ), None)
            assert not differ, f"seed {seed}\n{dumps(segment.definition)}\nat {at - NOW}\n" + "\n".join(
                f"{(e.ts - NOW) / SECOND} {e.received_at - NOW} {e.name} {e.properties}" for e in sorted(person.events, key=lambda e: e.order)
            )
