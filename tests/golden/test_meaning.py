"""Each rule of the language as a case in meaning.jsonl: who is a member (in) and who is not (out), by the compiled statement and by the naive
evaluator. A person is a list of events in order of arrival [when, name, properties?, context?] or {events, traits, user, consent}; when is an instant, or a distance
from T with an optional microsecond. T is 2026-03-08T12:00:00Z unless the case says another (at). Events of one person have falling message ids; with at_once
they were received in the same microsecond.
"""
import dataclasses
import itertools
import json
import re

import pytest

from differential.naive import Event, Profile, Segment, is_member
from differential.values import duration, instant, loads, zone
from golden.compiler import Compiler, Store
from support.postgres import ROOT

CASES = (ROOT / "tests" / "golden" / "meaning.jsonl").read_text().splitlines()
SERIAL = itertools.count(1)


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


def when(text, at):
    match = re.fullmatch(r"([+-])(\d+us|\d+[smhdw])([+-]1us)?", text)
    if not match:
        return instant(text, zone("UTC"))
    sign, distance, micro = match.groups()
    far = int(distance[:-2]) if distance.endswith("us") else duration(distance)
    return at + (far if sign == "+" else -far) + (int(micro[:-2]) if micro else 0)


def person(given, at):
    given = given if isinstance(given, dict) else {"events": given}
    serial = next(SERIAL)
    arrived = 0 if given.get("at_once") else 1
    events = [
        Event(when(e[0], at), e[1], *e[2:], received_at=arrived * i, message_id=(serial * 1000 - i).to_bytes(16, "big"))
        for i, e in enumerate(given.get("events", []))
    ]
    traits = {key: value for key, value in given.get("traits", {}).items() if value is not None}
    return Profile(id=serial.to_bytes(16, "big"), user_id=given.get("user"), events=events, traits=traits, consent=given.get("consent", {}))


@pytest.mark.parametrize("line", CASES, ids=lambda line: json.loads(line)["rule"].replace(" ", "_"))
def test_rule(store, compiler, line):
    case = loads(line)
    at = instant(case.get("at", "2026-03-08T12:00:00Z"), zone("UTC"))
    inside, outside = [person(p, at) for p in case["in"]], [person(p, at) for p in case["out"]]
    floor = when(case["floor"], at) if "floor" in case else None
    segment = Segment(case["if"], case.get("zone", "UTC"))
    segments = {key: Segment(other["definition"], other["timezone"]) for key, other in case.get("segments", {}).items()}
    store.fill(inside + outside)
    members = store.members(compiler.compile(segment, segments=segments, inline=True), at, "-infinity" if floor is None else floor)
    assert members == {p.id for p in inside}
    for one in inside + outside:
        one.events = [e for e in one.events if floor is None or e.ts > floor]
        assert is_member(one, segment, at, segments) == (one in inside), one
