"""The SQL functions of values hold for any jsonb: against the C reader of operands, and against Python. SEED and N make it longer."""
import datetime
import json
import os
import random
import zoneinfo

import pytest

from differential.naive import Profile, Segment
from differential.values import Number, dumps, instant, loads, number, path_values, text, zone
from golden.compiler import Compiler, Store

COUNT = 4000 * int(os.environ.get("N", 1))
RANDOM = random.Random(int(os.environ.get("SEED", 1)))
MICROSECONDS = "(extract(epoch FROM {}) * 1000000)::bigint"


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


def digits(low, high, width):
    return f"{RANDOM.randint(low, high):0{width}}"


def instant_text():
    r = RANDOM
    made = digits(*r.choice([(0, 9999), (1890, 2100), (1, 4)]), 4) + "-" + digits(0, 13, 2) + "-" + digits(*r.choice([(0, 32), (28, 31)]), 2)
    if r.random() < 0.85:
        made += r.choice("TTT t_") + ":".join([digits(0, 24, 2), digits(0, 60, 2), digits(0, 60, 2)])
        made += r.choice(["", "", "." + "".join(r.choices("0123456789", [3, 1, 1, 1, 1, 4, 1, 1, 1, 4], k=r.randint(0, 10)))])
        made += r.choice(["", "Z", "Z", "z", r.choice("+-") + digits(0, 17, 2) + r.choice([":", ":", ""]) + digits(0, 60, 2), "+02", " UTC"])
    if r.random() < 0.25:
        at = r.randrange(len(made) + 1)
        made = made[:at] + r.choice(["", "0", "-", ":", " ", "9", "\n", "٣", "BC", "e5", "\\"]) + made[at + r.choice([0, 1]) :]
    return made


WORDS = """now today infinity -infinity epoch allballs J2451187 10000-01-01 0000-01-01 0001-01-01 9999-12-31 2026-02-30 2026-02-30T25:00:00Z 2026-04-31
    1900-02-29 2000-02-29 2400-02-29 2100-02-29 1996-02-29 2016-02-29 2023-02-29 2024-02-29 2026-01-01T24:00:00Z 2026-01-01T23:59:59Z 2026-01-01T23:59:60Z
    2026-01-01t00:00:00Z 2026-01-01T00:00:00z 2026-01-01T00:00:00.Z 2026-01-01T00:00:00.123456789Z 2026-01-01T00:00:00.1234567891Z 2026-01-01T00:00:00+15:59
    2026-01-01T00:00:00-15:59 2026-01-01T00:00:00+16:00 2026-01-01T00:00:00+02 2026-01-01T00:00:00.5-02:00 2026-01-01T00:00 2026-01-01Z""".split()
WORDS += ["", "2026-01-01 00:00:00Z", "2026-01-01 ", " 2026-01-01", "2026-01-01T00:00:00Z\n", "2026-01-01T00:00:00 Z"]


def test_instants_as_c_reads_them(store, compiler):
    texts = WORDS + [instant_text() for _ in range(COUNT)]
    store.cursor.execute(
        f"SELECT {MICROSECONDS.format('value_instant(v, %s)')} FROM unnest(%s::text[]::jsonb[]) WITH ORDINALITY AS t(v, i) ORDER BY i",
        ("UTC", [json.dumps(t) for t in texts]),
    )
    found = [row[0] for row in store.cursor.fetchall()]
    good = 0
    for given, sql in zip(texts, found):
        compiled = compiler.compile(Segment(json.dumps({"trait": "x", "before": given}), "UTC"))
        c = None if "error" in compiled else next(p["value"] for p in compiled["params"] if p["type"] == "timestamptz")
        assert c == sql, given
        good += sql is not None
    assert good > COUNT / 10


def test_local_instants_as_python_reads_them(store):
    zones = ["Europe/Berlin", "America/New_York", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata", "America/Sao_Paulo", "UTC"]
    texts = []
    for name in zones:
        for _ in range(COUNT // 40):
            day = datetime.date(2005, 1, 1) + datetime.timedelta(days=RANDOM.randrange(9000))
            texts.append((name, RANDOM.choice([f"{day}", f"{day}T0{RANDOM.randint(0, 3)}:{RANDOM.choice(['00', '30'])}:00"])))
        info = zoneinfo.ZoneInfo(name)
        for year in range(2005, 2026):  # and all days on which clocks change
            for number_ in range(365):
                day = datetime.datetime(year, 1, 1) + datetime.timedelta(days=number_)
                if info.utcoffset(day) != info.utcoffset(day + datetime.timedelta(days=1)):
                    texts += [(name, f"{day + datetime.timedelta(minutes=m):%Y-%m-%dT%H:%M:%S}") for m in range(0, 1500, 30)]
    store.cursor.execute(
        f"SELECT {MICROSECONDS.format('value_instant(to_jsonb(v), z)')} FROM unnest(%s, %s) WITH ORDINALITY AS t(z, v, i) ORDER BY i",
        ([z for z, _ in texts], [v for _, v in texts]),
    )
    for (name, given), (sql,) in zip(texts, store.cursor.fetchall()):
        assert sql == instant(given, zone(name)), (name, given)


def random_json(depth=2):
    r = RANDOM
    if depth and r.random() < 0.3:
        return {r.choice("ab"): random_json(depth - 1)} if r.random() < 0.5 else [random_json(depth - 1)]
    made = r.choice(["", "-"]) + r.choice(["0", "00", "1", "12345678901234567890", "9" * 49, "9" * 51]) + r.choice(["", "", ".0", ".50", "."])
    made += r.choice(["", "", "", "e5", "E-99", "e+07", "e100", "e"])
    made = r.choice([made, made, " " + made, made + "\n", "+" + made, "٣", "NaN", "Infinity", "0x1", "1_000", "", "true", "null", "x" * 300])
    return r.choice([made, made, True, False, None, Number(r.choice(["0", "-0", "-0.0", "5.0", "1e2", "1E-9", "19.990", "1e99", "123456789012345678901234567890"]))])


def test_numbers_and_texts(store):
    values = [random_json() for _ in range(COUNT)]
    store.cursor.execute(
        "SELECT value_number(v)::text, value_text(v), value_instant(v, 'Europe/Berlin')::text FROM unnest(%s::text[]::jsonb[]) WITH ORDINALITY AS t(v, i) ORDER BY i",
        ([dumps(v) for v in values],),
    )
    for given, (as_number, as_text, as_instant) in zip(values, store.cursor.fetchall()):
        assert (None if as_number is None else number(Number(as_number))) == number(given), given
        assert as_text == text(given), given
        assert as_instant is None


def test_paths(store):
    document = '{"a":{"b":[{"c":1},{"c":[2,null,3]},5,null]},"x.y":{"[0]":"q","\\\\":[["z"]]},"0":"zero","n":null,"s":"text","l":[]}'
    paths = ["a", "a.b", "a.b[]", "a.b[].c", "a.b[].c[]", "x\\.y.\\[0\\]", "x\\.y.\\\\[]", "0", "n", "s", "s[]", "s.x", "l", "l[]", "a.0", "missing.x[]"]
    for path in paths:
        store.cursor.execute("SELECT v::text FROM value_at(%s, %s) AS v", (document, path))
        assert [loads(row[0]) for row in store.cursor.fetchall()] == path_values(loads(document), path), path


def test_buckets_are_even(store):
    store.cursor.execute("SELECT count(*) FILTER (WHERE b < 1250), min(b), max(b) FROM (SELECT bucket_of('s', md5(i::text)::uuid) AS b FROM generate_series(1, 100000) i) t")
    share, low, high = store.cursor.fetchone()
    assert 12_000 < share < 13_000 and low == 0 and high == 9_999


def test_bucket_ends(store, compiler):
    person = Profile(id=bytes(range(16)))
    store.fill([person])
    store.cursor.execute("SELECT bucket_of('s', %s)", (person.id.hex(),))
    share = store.cursor.fetchone()[0]
    assert 0 < share < 9_999
    for low, high, inside in [(share, share + 1, True), (0, share, False), (share + 1, 10_000, False), (0, share + 1, True), (share, 10_000, True)]:
        definition = json.dumps({"bucket": "s", "from": low / 100, "to": high / 100})
        assert (store.members(compiler.compile(Segment(definition, "UTC")), 0) == {person.id}) is inside, definition


def test_anniversaries(store):
    for born, today, days, expected in [
        ("2000-02-29", "2026-02-28", 0, True),
        ("2000-02-29", "2026-02-27", 0, False),
        ("2000-02-29", "2028-02-28", 0, False),
        ("2000-02-29", "2028-02-29", 0, True),
        ("1990-01-02", "2026-12-30", 3, True),
        ("1990-01-02", "2026-12-30", 2, False),
        ("1990-12-30", "2026-12-31", 363, False),
        ("1990-12-30", "2026-12-31", 364, True),
        ("2030-05-01", "2026-05-01", 0, True),
    ]:
        store.cursor.execute("SELECT anniversary_in(%s, %s, %s)", (born, today, days))
        assert store.cursor.fetchone()[0] is expected, (born, today, days)


