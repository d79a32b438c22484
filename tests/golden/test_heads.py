"""The heads' rows, references by membership, and the plans: only the index on profile and name, whatever the planner knew when it planned."""
import re

import pytest

from differential.naive import Event, Profile, Segment
from differential.values import DAY, SECOND, loads
from golden.compiler import HIGH, LOW, Compiler, Store, timestamp

NOW = 1_773_000_000 * SECOND
VERSION = 7


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


def uuid(n):
    return f"00000000-0000-0000-0000-{n:012}"


def a_person(n, *names, user_id=None):
    events = [Event(NOW - DAY, name, message_id=bytes([i] * 16)) for i, name in enumerate(names)]
    return Profile(id=bytes.fromhex(uuid(n).replace("-", "")), user_id=user_id, events=events)


@pytest.fixture(scope="module")
def people(store):
    """1 and 2 hold, 3 does not; 2, 3 and the gone 4 are stored members."""
    store.fill([a_person(1, "A", user_id="u1"), a_person(2, "A"), a_person(3, "B")])
    for n in (2, 3, 4):
        store.cursor.execute("INSERT INTO membership VALUES (%s, %s, '2026-01-01')", (VERSION, uuid(n)))


A = Segment('{"event": "A"}', "UTC")
FROM = [timestamp(NOW), "-infinity"]


def test_changed(store, compiler, people):
    compiled = compiler.compile(A, "changed")
    rows = store.run(compiled, FROM + [VERSION, "{" + ",".join(map(uuid, (1, 2, 3, 4, 5))) + "}"], "changed")
    assert sorted(row[:3] + row[4:] for row in rows) == [
        (uuid(1), True, False, "u1", None, None),
        (uuid(3), False, True, None, None, None),
        (uuid(4), False, True, None, None, None),
    ]
    assert store.run(compiled, FROM + [VERSION, "{" + uuid(2) + "}"], "changed") == []


def test_range_and_count(store, compiler, people):
    assert store.run(compiler.compile(A), FROM + [LOW, HIGH]) == [(uuid(1), "u1", None, None), (uuid(2), None, None, None)]
    assert store.run(compiler.compile(A), FROM + [uuid(2), uuid(3)]) == [(uuid(2), None, None, None)]
    assert store.run(compiler.compile(A, "count"), FROM + [LOW, HIGH], "count") == [(2, 3)]


def test_diff(store, compiler, people):
    rows = store.run(compiler.compile(A, "diff"), FROM + [LOW, HIGH, VERSION], "diff")
    assert sorted(row[:3] for row in rows) == [(uuid(1), True, False), (uuid(3), False, True), (uuid(4), False, True)]
    assert store.run(compiler.compile(A, "diff"), FROM + [uuid(2), uuid(2), VERSION], "diff") == []


def test_references_by_membership(store, compiler, people):
    store.cursor.execute("INSERT INTO segment (key, name, kind, serving_version_id) VALUES ('k', 'k', 'rule', %s), ('new', 'n', 'rule', NULL)", (VERSION,))
    ids = lambda d, **more: [row[0] for row in store.run(compiler.compile(Segment(d, "UTC"), **more), FROM + [LOW, HIGH])]  # noqa: E731
    assert ids('{"segment": "k"}') == [uuid(2), uuid(3)]
    assert ids('{"not": {"segment": "k"}}') == [uuid(1)]
    assert ids('{"segment": "new"}') == ids('{"segment": "unknown"}') == []
    assert ids('{"segment": "k"}', inline=True) == [uuid(2), uuid(3)], "a list is asked by membership"
    assert ids('{"segment": "k"}', inline=True, segments={"k": A}) == [uuid(1), uuid(2)]


def test_cycles_and_chains(compiler):
    refer = lambda key: Segment('{"segment": "%s"}' % key, "UTC")  # noqa: E731
    answer = compiler.compile(refer("a"), inline=True, segments={"a": refer("b"), "b": refer("a")})
    assert answer["error"]["code"] == "segment_cycle"
    chain = {f"s{i}": refer(f"s{i + 1}") for i in range(19)}
    assert "sql" in compiler.compile(refer("s0"), inline=True, segments={**chain, "s19": A})
    answer = compiler.compile(refer("s0"), inline=True, segments={**chain, "s19": refer("s20"), "s20": A})
    assert answer["error"]["code"] == "limit"


def test_shared_references_do_not_blow_up(compiler):
    twice = lambda key: Segment('{"any": [{"segment": "%s"}, {"not": {"segment": "%s"}}]}' % (key, key), "UTC")  # noqa: E731
    chain = {**{f"s{i}": twice(f"s{i + 1}") for i in range(19)}, "s19": A}
    assert len(compiler.compile(twice("s0"), inline=True, segments=chain)["sql"]) < 5000


PLANNED = [
    '{"event": "A"}',
    '{"event": "A", "window": {"last": "30d"}, "gte": 3}',
    '{"event": "A", "where": {"property": "x", "eq": 1}, "window": {"last": "30d", "skip": "1d"}}',
    '{"event": "*", "window": {"last": "30d"}}',
    '{"event": ["A", "B"], "measure": {"sum": "items[].price"}, "window": {"calendar": "last_month"}, "gte": 1}',
    '{"event": ["A", "B"], "measure": {"sum": "price"}, "window": {"last": "90d"}, "gte": 1}',
    '{"event": "A", "pick": "last", "where": {"property": "x", "eq": 1}}',
    '{"event": "A", "window": {"before": {"trait": "end"}, "for": "7d"}}',
    '{"event": "A", "measure": "months", "gte": 3}',
    '{"event": "A", "pick": "first", "window": {"last": "30d"}}',
    '{"event": "*", "pick": "last"}',
    '{"event": ["A", "B"], "pick": "last"}',
    '{"event": "A", "window": {"after": {"profile": "first_seen"}, "for": "7d"}}',
    '{"event": "A", "window": {"before": {"profile": "last_seen"}, "for": "7d"}}',
    '{"profile": "first_seen", "within_last": "7d"}',
    '{"profile": "last_seen", "before": "2026-01-01"}',
    '{"all": [{"trait": "plan", "eq": "pro"}, {"not": {"event": "A"}}, {"event": "B"}]}',
    '{"sequence": [{"event": "A"}, {"event": "B", "within": "1h"}]}',
    '{"sequence": [{"event": "A"}, {"event": "B"}, {"event": "C"}], "span": "2d"}',
    '{"sequence": [{"event": "A"}, {"absent": "*"}, {"event": "B", "same": "x"}, {"absent": "A", "for": "2h"}], "window": {"last": "14d"}, "span": "1d"}',
    '{"segment": "k"}',
    '{"consent": "email", "eq": "granted"}',
]


@pytest.fixture(scope="module", params=["empty", "analyzed"])
def planned(request):
    store = Store()
    if request.param == "analyzed":
        store.cursor.execute("INSERT INTO profile (profile_id) SELECT md5(i::text)::uuid FROM generate_series(1, 2000) i")
        store.cursor.execute(
            "INSERT INTO event SELECT md5((i % 2000)::text)::uuid, 4 + i / 2000 % 3, 1, '2026-03-08'::timestamptz - i * interval '10 minutes',"
            " gen_random_uuid(), now(), '{}' FROM generate_series(1, 100000) i"
        )
        store.cursor.execute("SELECT DISTINCT tableoid::regclass::text FROM event")
        for (partition,) in store.cursor.fetchall():  # as autovacuum does: one without rows is never analyzed
            store.cursor.execute(f"ANALYZE {partition}, profile")
    store.cursor.execute("SET enable_seqscan = off")
    yield store
    store.close()


@pytest.mark.parametrize("definition", PLANNED)
def test_plans(planned, compiler, definition):
    compiled = compiler.compile(Segment(definition, "UTC"), "changed")
    runner = FROM + [VERSION, "{" + uuid(1) + "}"]
    plan = "\n".join(row[0] for row in planned.run(compiled, runner, "changed", explain="EXPLAIN"))
    used = set(re.findall(r"(?:Index|Seq|Bitmap)[\w ]*? (?:using|on) (event\w*)", plan))
    assert all(name.endswith("profile_id_name_id_ts_message_id_key") for name in used), plan
    assert not re.search("Hash [A-Z]|Merge Join|hashed|Seq Scan", plan), plan
    assert loads(definition) and ("event" not in definition or used)
