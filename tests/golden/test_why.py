"""HEAD_WHY: every node's value is the naive evaluator's for that part alone, and it changes by time alone when the row says, not before."""
import os
import random

import pytest

from differential.generate import Generator
from differential.naive import Evaluation, Event, Segment, is_member
from differential.values import DAY, dumps, instant, loads, number, zone
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


def why(store, compiler, segment, profile, at, segments=None, head="why"):
    compiled = compiler.compile(segment, head=head, segments=segments, inline=segments is not None)
    return store.run(compiled, [timestamp(at), "-infinity", profile.id.hex(), 1000], head=head)


def micros(moment):
    return None if moment is None else instant(moment.isoformat(), zone("UTC"))


def furthest(profile, segment, at):
    """How many events of the sequence's chain some choice reaches: the naive evaluator's own rules, without the last absent."""
    evaluation = Evaluation(profile, segment.timezone, at, {})
    links, absent, best = [], None, 0
    for step in segment.definition["sequence"]:
        if "absent" in step:
            absent = step
            continue
        for _ in range(int(number(step.get("times", 1)))):
            links.append((step, absent))
            absent = None
    while best < len(links) and evaluation.choose(segment.definition, links[: best + 1], None, []):
        best += 1
    return best


def check_steps(steps, profile, part, holds, told):
    """What is shown of a sequence: as far as any choice gets, in order, and all of it when it is true."""
    given = part.definition["sequence"]
    assert [step["step"] for step in steps] == list(range(len(given))), told
    chain = [event["ts"] for step, of in zip(steps, given) if "event" in of for event in step["events"]]
    assert len(chain) == furthest(profile, part, NOW) and chain == sorted(chain), (told, steps)
    assert holds == all(step["reached"] for step in steps), (told, steps)
    for step, of in zip(steps, given):
        assert "event" not in of or step["reached"] == (len(step["events"]) == of_times(of)), (told, steps)
        assert len(step["events"]) <= of_times(of) and (step["until"] is None or chain), (told, steps)


def of_times(step):
    return int(number(step.get("times", 1)))


def check_row(generator, profile, part, row, segments, told):
    _, holds, _, _, changes, steps, _ = row
    assert holds == is_member(profile, part, NOW, segments), told
    end = micros(changes)
    if end is not None:
        assert is_member(profile, part, end, segments) != holds, told
        assert is_member(profile, part, end - 1, segments) == holds, told
    for _ in range(3):
        later = NOW + generator.random.randint(0, (end - NOW if end else 700 * DAY) - 1)
        assert is_member(profile, part, later, segments) == holds, (told, later - NOW, end)
    assert (steps is not None) == ("sequence" in part.definition), told
    if steps is not None:
        check_steps(steps, profile, part, holds, told)


@pytest.mark.parametrize("round_", range(int(os.environ.get("N", 2))))
def test_every_node(store, compiler, round_):
    """Of random definitions that refer to each other: the definition's own rows, then those of each segment below it, once."""
    seed = int(os.environ.get("SEED", 1)) * 1_000_039 + round_
    generator = Generator(seed, NOW)
    generator.random = random.Random(seed)
    profiles = [a_profile(generator) for _ in range(12)]
    for profile in profiles:
        profile.events = [event for event in profile.events if event.ts <= NOW]
    store.fill(profiles)
    segments = {}
    for serial in range(40):
        made = generator.segment(keys=list(segments)[-4:])
        segment = Segment(made["definition"], made["timezone"])
        profile = generator.of(profiles)
        rows = why(store, compiler, segment, profile, NOW, segments)
        if serial % 5 == 0:  # without what is foreseen all else is the same
            now = why(store, compiler, segment, profile, NOW, segments, head="why_now")
            assert [row[:4] + (None, None) + row[6:] for row in rows] == now, (seed, dumps(segment.definition))
        trees = {None: segment, **{key: segments[key] for key in dict.fromkeys(row[6] for row in rows) if key}}
        assert set(trees) == {None} | below(segment, segments), (seed, dumps(segment.definition))
        for key, tree in trees.items():
            of_tree, nodes = [row for row in rows if row[6] == key], list(parts(tree.definition))
            assert [row[0] for row in of_tree] == list(range(len(nodes)))
            for node, row in zip(nodes, of_tree):
                check_row(generator, profile, Segment(node, tree.timezone), row, segments, f"seed {seed} {dumps(node)} {tree.timezone} {profile}")
        if serial % 3 == 0:
            segments[f"s{serial}"] = segment


def below(segment, segments):
    """Keys that it refers to, directly or not."""
    keys = {part["segment"] for part in parts(segment.definition) if "segment" in part}
    return keys.union(*(below(segments[key], segments) for key in keys))


HOUR = DAY // 24
STEPS = [
    # (definition, events as (name, hours ago), for each step (reached, hours ago of its events))
    ('{"sequence": [{"event": "A"}, {"absent": "B", "for": "1h"}]}', [("A", 3), ("A", 0.5)], [(True, [3]), (True, [])]),
    ('{"sequence": [{"event": "A"}, {"absent": "B", "for": "1h"}]}', [("A", 3), ("B", 2.5), ("A", 0.6), ("A", 0.5)], [(True, [0.6]), (False, [])]),
    ('{"sequence": [{"event": "A"}, {"absent": "B", "for": "1h"}]}', [("A", 5), ("B", 4.5), ("A", 3), ("B", 2.5)], [(True, [3]), (False, [2.5])]),
    ('{"sequence": [{"event": "A"}, {"absent": "B"}]}', [("A", 5), ("B", 4), ("B", 3)], [(True, [5]), (False, [4])]),
    ('{"sequence": [{"event": "A"}, {"event": "A"}, {"event": "B"}]}', [("A", 5), ("A", 3), ("A", 2), ("B", 1)], [(True, [3]), (True, [2]), (True, [1])]),
    ('{"sequence": [{"event": "A"}, {"event": "B"}], "span": "1h"}', [("A", 3), ("B", 1)], [(True, [3]), (False, [])]),
    ('{"sequence": [{"event": "A"}, {"event": "B", "within": "1h"}, {"event": "C"}]}', [("A", 5), ("B", 4.5), ("A", 3), ("B", 1)], [(True, [5]), (True, [4.5]), (False, [])]),
]


@pytest.mark.parametrize("definition, events, expected", STEPS, ids=map(str, range(len(STEPS))))
def test_the_chain_that_is_shown(store, compiler, definition, events, expected):
    profile = a_profile(Generator(1, NOW))
    at = lambda ago: NOW - int(ago * HOUR)  # noqa: E731
    profile.events = [Event(ts=at(ago), name=name, message_id=bytes([serial] * 16)) for serial, (name, ago) in enumerate(events)]
    store.fill([profile])
    (row,) = why(store, compiler, Segment(loads(definition), "UTC"), profile, NOW)
    shown = [(step["reached"], [instant(event["ts"], zone("UTC")) for event in step["events"]]) for step in row[5]]
    assert shown == [(reached, [at(ago) for ago in agos]) for reached, agos in expected]
    assert row[1] == all(reached for reached, _ in expected)


def test_not_foreseen_past_what_is_known_of_a_reference(store, compiler):
    """A segment of more instants than are tried counts as known up to the last of those only."""
    profile = a_profile(Generator(1, NOW))
    profile.events = [Event(ts=NOW - serial, name="A", message_id=serial.to_bytes(16, "big")) for serial in range(1100)]
    profile.events.append(Event(ts=NOW, name="B", message_id=b"B" * 16))
    store.fill([profile])
    segments = {"busy": Segment(loads('{"event": "A", "window": {"last": "1d"}}'), "UTC")}
    definition = loads('{"all": [{"segment": "busy"}, {"not": {"event": "B", "window": {"last": "2d"}}}]}')
    rows = why(store, compiler, Segment(definition, "UTC"), profile, NOW, segments)
    assert [row[4] for row in rows[:2]] == [None, None] and micros(rows[3][4]) == NOW + 2 * DAY
    profile.events = profile.events[:900] + profile.events[-1:]
    store.fill([profile])
    rows = why(store, compiler, Segment(definition, "UTC"), profile, NOW, segments)
    assert rows[0][4] is None and micros(rows[1][4]) == NOW + DAY


def test_a_reference_is_read_in_its_own_time_zone(store, compiler):
    """Both ways: for each of two days' hours one event, and the rows below the reference say what it says itself."""
    profile, today = a_profile(Generator(1, NOW)), loads('{"event": "A", "window": {"calendar": "today"}}')
    seen = set()
    for hours in range(48):
        profile.events = [Event(ts=NOW - hours * HOUR, name="A", message_id=b"A" * 16)]
        store.fill([profile])
        for own, other in (("UTC", "Pacific/Auckland"), ("Pacific/Auckland", "UTC")):
            rows = why(store, compiler, Segment(loads('{"segment": "there"}'), own), profile, NOW, {"there": Segment(today, other)})
            assert [row[1] for row in rows] == [is_member(profile, Segment(today, other), NOW)] * 2, (hours, own)
        seen.add(tuple(is_member(profile, Segment(today, name), NOW) for name in ("UTC", "Pacific/Auckland")))
    assert len(seen) > 2, "the zones never differed"


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
