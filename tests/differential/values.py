"""Values of the segment language, read straight from docs/segments.md ("Values"): numbers, texts, instants, durations, paths, zones.

Nothing here knows PostgreSQL or the server's code. Numbers keep their literal and compute as exact fractions; instants are whole
microseconds since 1970 in UTC.
"""
import datetime
import decimal
import fractions
import functools
import json
import re
import zoneinfo

SECOND = 1_000_000
DAY = 86_400 * SECOND
UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": DAY, "w": 7 * DAY}
NUMERIC = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
CYCLE = 146_097  # days in 400 years, after which months, days and weekdays repeat


class Number:
    """A JSON number: its literal, never a binary float."""

    def __init__(self, literal):
        self.literal = str(literal)

    def __repr__(self):
        return self.literal

    def __eq__(self, other):
        return isinstance(other, Number) and self.literal == other.literal

    def __hash__(self):
        return hash(self.literal)

    @property
    def exact(self):
        return fractions.Fraction(self.literal)

    @property
    def text(self):
        """Plain decimal digits, trailing zeros kept, no exponent, no minus zero: as jsonb prints it."""
        value = decimal.Decimal(self.literal)
        return format(abs(value) if value == 0 else value, "f")


def loads(text):
    return json.loads(text, parse_int=Number, parse_float=Number)


def dumps(value):
    """JSON with every Number as its literal; Python's own ints, Decimals and floats are not asked for but ints."""
    if isinstance(value, Number):
        return value.literal
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k, ensure_ascii=False) + ":" + dumps(v) for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(dumps(v) for v in value) + "]"
    if isinstance(value, RawString):
        return '"' + value.escaped + '"'
    return json.dumps(value, ensure_ascii=False)


class RawString:
    """A string given by its JSON escapes, for what Python cannot hold in UTF-8: \\u0000 and lone surrogates."""

    def __init__(self, escaped):
        self.escaped = escaped


def is_numeric_text(text):
    return len(text) <= 50 and NUMERIC.fullmatch(text) is not None


def number(value):
    """The value as an exact fraction, or None when it is not numeric."""
    if isinstance(value, Number):
        return value.exact
    if isinstance(value, int) and not isinstance(value, bool):
        return fractions.Fraction(value)
    if isinstance(value, str) and is_numeric_text(value):
        return fractions.Fraction(value)
    return None


def text(value):
    """The value's text, or None: objects and arrays have none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.text
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) else None


def duration(operand):
    return int(operand[:-1]) * UNITS[operand[-1]]


class Zone:
    """A time zone: from instants to local dates and back."""

    def __init__(self, name):
        self.info = zoneinfo.ZoneInfo(name)

    def _offset(self, us):
        us = min(max(us, -62_000_000_000 * SECOND), 253_000_000_000 * SECOND)
        moment = (EPOCH + datetime.timedelta(microseconds=us)).astimezone(self.info)
        return moment.utcoffset() // datetime.timedelta(microseconds=1)

    def local(self, us):
        """(date, hour) of the instant in the zone. Years outside Python's are folded into 1 to 9999 by whole cycles of 400 years."""
        days, rest = divmod(us + self._offset(us), DAY)
        ordinal = days + EPOCH_DAY
        while ordinal < 1:
            ordinal += CYCLE
        while ordinal > datetime.date.max.toordinal():
            ordinal -= CYCLE
        return datetime.date.fromordinal(ordinal), rest // (3600 * SECOND)

    def date(self, us):
        return self.local(us)[0]

    def instant(self, date, seconds=0):
        """The first instant at which the zone's clocks show that date and second of the day; in a gap, as the clock before it counts."""
        wall = datetime.datetime(date.year, date.month, date.day) + datetime.timedelta(seconds=seconds)
        offset = self.info.utcoffset(wall) // datetime.timedelta(microseconds=1)
        return (date.toordinal() - EPOCH_DAY) * DAY + seconds * SECOND - offset


@functools.lru_cache(maxsize=None)
def zone(name):
    return Zone(name)


def instant(value, tz):
    """The value as microseconds since 1970, or None when it is no instant. tz (a Zone) reads what carries no offset."""
    match = INSTANT.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        date = datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None
    if hour is None:
        return tz.instant(date)
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59:
        return None
    seconds = int(hour) * 3600 + int(minute) * 60 + int(second)
    micros = round(float(f"0.{fraction or 0}") * 1_000_000)  # the page leaves halves open: PostgreSQL's way
    if offset is None:
        return tz.instant(date, seconds) + micros
    shift = 0
    if offset != "Z":
        hours, minutes = int(offset[1:3]), int(offset[4:6])
        if hours > 15 or minutes > 59:
            return None
        shift = (hours * 3600 + minutes * 60) * (-1 if offset[0] == "-" else 1)
    return ((date.toordinal() - EPOCH_DAY) * 86_400 + seconds - shift) * SECOND + micros


@functools.lru_cache(maxsize=None)
def path_steps(path):
    """A path's steps: (name, does it step into the elements of an array)."""
    steps, name, each, i = [], "", False, 0
    while i < len(path):
        if path[i] == "\\":
            name, i = name + path[i + 1], i + 2
        elif path[i] == "[":
            each, i = True, i + 2
        elif path[i] == ".":
            steps.append((name, each))
            name, each, i = "", False, i + 1
        else:
            name, i = name + path[i], i + 1
    return steps + [(name, each)]


def path_values(document, path):
    """Every value the path gives, JSON null never."""
    found = [document]
    for name, each in path_steps(path):
        found = [value[name] for value in found if isinstance(value, dict) and name in value]
        if each:
            found = [element for value in found if isinstance(value, list) for element in value]
    return [value for value in found if value is not None]
