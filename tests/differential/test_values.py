"""The SQL functions of values (migrations/0002_values.sql) against Python's reading of the same page, over odd texts and zones."""
import datetime
import hashlib
import random

import pytest

from differential import values
from differential.generate import NUMBERS, NUMERIC_LOOKING, TEXTS, ZONES
from differential.naive import Evaluation, Profile
from differential.values import SECOND, Number, dumps, zone
from support.postgres import ROOT, Postgres

MORE_ZONES = sorted(set(ZONES)) + [
    "Africa/Cairo", "Asia/Beirut", "America/Santiago", "Asia/Kathmandu", "Pacific/Chatham", "Africa/Casablanca"
]
US = "(extract(epoch FROM {})::numeric * 1000000)::bigint"


@pytest.fixture(scope="module")
def cursor():
    postgres = Postgres()
    try:
        made = postgres.connect().cursor()
        made.execute("SET timezone = 'UTC'")
        for migration in sorted((ROOT / "migrations").glob("*.sql")):
            made.execute(migration.read_text())
        yield made
    finally:
        postgres.stop()


def ask(cursor, expression, rows):
    """The expression over rows of parameters, as a list."""
    answers = []
    for row in rows:
        cursor.execute("SELECT " + expression, row)
        answers += [cursor.fetchone()[0]]
    return answers


ODD = [Number(n) for n in NUMBERS] + NUMERIC_LOOKING + TEXTS + [
    True, False, None, [], {}, [1], {"a": 1}, "1\n", "-", "1.e1", "1e+5", "1e+", "-1e-05"
]


def test_number_and_text(cursor):
    numbers = ask(cursor, "value_number(%s::jsonb)::text", [(dumps(v),) for v in ODD])
    texts = ask(cursor, "value_text(%s::jsonb)", [(dumps(v),) for v in ODD])
    for value, got_number, got_text in zip(ODD, numbers, texts):
        expected = values.number(value)
        assert (got_number is None) == (expected is None) and (expected is None or Number(got_number).exact == expected), value
        assert got_text == values.text(value), value


def instant_texts(random_):
    """Instants, and what nearly is one."""
    for _ in range(3000):
        year = random_.choice([1, 99, 1582, 1900, 1969, 1970, 2000, 2024, 2025, 2026, 2100, 9999, 0])
        date = f"{year:04}-{random_.randint(0, 13):02}-{random_.choice([0, 1, 15, 28, 29, 30, 31, 32]):02}"
        seconds = random_.choice(
            ["", f"{random_.choice('T  t')}{random_.randint(0, 25):02}:{random_.choice([0, 59, 60]):02}:{random_.choice([0, 59, 60]):02}"]
        )
        fraction = random_.choice(["", "", ".5", ".123456", ".1234565", ".0000005", ".999999999", ".0000004999", "."])
        offset = random_.choice(["", "Z", "z", "+00:00", "-15:59", "+16:00", "+05:45", "-0330", "+02"])
        yield date + seconds + random_.choice([fraction, ""]) + random_.choice([offset, ""])


def test_instant(cursor):
    random_ = random.Random(1)
    rows = [(text, random_.choice(MORE_ZONES)) for text in instant_texts(random_)]
    got = ask(cursor, US.format("value_instant(%s::jsonb, %s)"), [(dumps(text), name) for text, name in rows])
    wrong = [
        (text, name, have, values.instant(text, zone(name))) for (text, name),
        have in zip(rows, got) if have != values.instant(text, zone(name))
    ]
    assert not wrong, wrong[:5]
    assert sum(have is not None for have in got) > 300


def test_every_midnight_of_three_years(cursor):
    for name in MORE_ZONES:
        days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=d) for d in range(1096)]
        cursor.execute(
            f"SELECT {US.format('value_instant(to_jsonb(d), %s)')} FROM unnest(%s) WITH ORDINALITY AS t (d, i) ORDER BY i",
            (name, [str(d) for d in days])
        )
        wrong = [(name, day, have) for day, (have,) in zip(days, cursor.fetchall()) if have != zone(name).instant(day)]
        assert not wrong, wrong


PERIODS = {"today": ("day", 0), "yesterday": ("day", -1)} | {
    f"{which}_{unit}": (unit, shift) for which, shift in (("this", 0), ("last", -1)) for unit in ("week", "month", "quarter", "year")
}


def test_calendar_periods(cursor):
    random_ = random.Random(2)
    for _ in range(600):
        at, name, period = random_.randint(1_700_000_000, 1_900_000_000) * SECOND, random_.choice(MORE_ZONES), random_.choice(list(PERIODS))
        unit, shift = PERIODS[period]
        sql = "period_start('epoch'::timestamptz + %s * interval '1 microsecond', %s, %s, %s)"
        got = [ask(cursor, US.format(sql), [(at, unit, shift + end, name)])[0] for end in (0, 1)]
        start, end = Evaluation(Profile(), name, at, {}).period(period)
        assert got == [zone(name).instant(start), zone(name).instant(end)], (at, name, period)


def test_anniversaries(cursor):
    random_ = random.Random(3)
    for _ in range(2000):
        born = datetime.date(
            random_.choice([1, 1900, 1984, 1999, 2000, 2025, 2030, 9999]), 1, 1
        ) + datetime.timedelta(days=random_.randint(0, 364))
        if random_.random() < 0.2:
            born = datetime.date(2000, 2, 29)
        at, days = random_.randint(1_700_000_000, 1_900_000_000) * SECOND, random_.choice([1, 2, 7, 30, 365, 366, 400])
        evaluation = Evaluation(Profile(), "UTC", at, {})
        expected = evaluation.anniversary(zone("UTC").instant(born)) <= days
        got = ask(cursor, "anniversary_in(%s::date, %s::date, %s)", [(str(born).rjust(10, "0"), str(zone("UTC").date(at)), days)])[0]
        assert got == expected, (born, zone("UTC").date(at), days)


def test_bucket(cursor):
    for i in range(50):
        id = hashlib.sha256(bytes([i])).digest()[:16]
        expected = int.from_bytes(hashlib.sha256("sält".encode() + b"\0" + id).digest()[:4], "big") % 10_000
        assert ask(cursor, "bucket_of(%s, %s::uuid)", [("sält", id.hex())]) == [expected]
