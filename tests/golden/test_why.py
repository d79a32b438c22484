"""HEAD_WHY: every node's value is the naive evaluator's for that part alone, and it changes by time alone when the row says, not before."""
import os
import random

import pytest

from differential.generate import Generator
from differential.naive import Event, Segment, is_member
from differential.values import DAY, dumps, instant, loads, zone
from golden.compiler import Compiler, Store, timestamp
from golden.test_against_naive import NOW, a_profile


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


def parts(definition):
    """The conditions in document order."""
    yield definition
    for key in ("all", "any", "some", "score"):
        for part in definition.get(key, []):
            yield from parts(part["if"] if key == "score" else part)
    if "not" in definition:
        yield from parts(definition["not"])


def why(store, compiler, segment, profile, at):
    compiled = compiler.compile(segment, head="why")
    return store.run(compiled, [timestamp(at), "-infinity", profile.id.hex()], head="why")


def micros(moment):
    return None if moment is None else instant(moment.isoformat(), zone("UTC"))


@pytest.mark.parametrize("round_", range(int(os.environ.get("N", 2))))
def test_every_node(store, compiler, round_):
    seed = int(os.environ.get("SEED", 1)) * 1_000_039 + round_
    generator = Generator(seed, NOW)
    generator.random = random.Random(seed)
    profiles = [a_profile(generator) for _ in range(12)]
    for profile in profiles:
        profile.events = [event for event in profile.events if event.ts <= NOW]
    store.fill(profiles)
    for _ in range(40):
        made = generator.segment()
        profile = generator.of(profiles)
        rows = why(store, compiler, Segment(made["definition"], made["timezone"]), profile, NOW)
        nodes = list(parts(made["definition"]))
        assert [row[0] for row in rows] == list(range(len(nodes)))
        for node, (_, holds, _, _, changes) in zip(nodes, rows):
            part = Segment(node, made["timezone"])
            told = f"seed {seed} {dumps(node)} {part.timezone} {profile}"
            assert holds == is_member(profile, part, NOW), told
            end = micros(changes)
            if end is not None:
                assert is_member(profile, part, end) != holds, told
                assert is_member(profile, part, end - 1) == holds, told
            for _ in range(3):
                later = NOW + generator.random.randint(0, (end - NOW if end else 700 * DAY) - 1)
                assert is_member(profile, part, later) == holds, (told, later - NOW, end)


def test_measured_and_counted(store, compiler):
    generator = Generator(1, NOW)
    profile = a_profile(generator)
    base = NOW - DAY
    profile.traits, profile.events = {"plan": "pro", "tags": ["a", None, "b"]}, profile.events[:0]
    for serial, (name, total) in enumerate([("A", "19.99"), ("A", "0.01"), ("B", "5"), ("A", "x")]):
        profile.events.append(Event(ts=base + serial, name=name, properties=loads('{"n":"%s"}' % total), message_id=bytes([serial] * 16)))
    store.fill([profile])
    definition = """{"all": [{"event": "A", "gte": 2}, {"event": "A", "measure": {"sum": "n"}, "gte": 20}, {"trait": "tags[]", "eq": "b"},
        {"score": [{"if": {"trait": "plan", "eq": "pro"}, "points": 2.5}], "gte": 1}, {"sequence": [{"event": "A"}, {"event": "B"}]},
        {"profile": "last_seen", "exists": true}, {"consent": "email", "eq": "unknown"}, {"event": "A", "measure": {"avg": "n"}, "lt": 100},
        {"profile": "identified", "eq": true}, {"bucket": "s", "from": 0, "to": 100}, {"event": "B", "window": {"last": "30d"}}]}"""
    rows = why(store, compiler, Segment(definition, "UTC"), profile, NOW)
    measured = {row[0]: row[2] for row in rows}
    assert measured[1] == 3 and dumps(measured[2]) == "20.0" and measured[3] == ["a", "b"] and measured[4] == 2.5
    assert measured[7] == "2026-03-07T20:00:00.123459Z" and measured[8] == "unknown" and float(measured[9]) == 10 and measured[10] == (profile.user_id is not None)
    assert 0 <= measured[11] < 100 and measured[0] is None
    assert micros(rows[12][4]) == base + 2 + 30 * DAY and rows[1][4] is None
    assert [event["name"] for event in rows[1][3]] == ["A", "A", "A"] and rows[1][3][0]["ts"] == "2026-03-07T20:00:00.123459Z"
    assert rows[6][3] == [{"name": "B", "ts": "2026-03-07T20:00:00.123458Z"}]
