"""The segment language evaluated the slow and obvious way, straight from docs/segments.md.

It proves nothing by itself: the differential tests compare the server's members with it. It is written from the text of the language
only, in the order of that page, and shares nothing with the compiler. It takes a *valid* definition.
"""
import calendar
import dataclasses
import datetime
import hashlib
import re

from differential.values import DAY, Number, duration, instant, number, path_values, text, zone

NAMES_OF_CALLS = ("$identify", "$alias", "$group")  # no part of "*"
COMPARATORS = ("eq", "neq", "gt", "gte", "lt", "lte", "between")
OPERATORS = COMPARATORS + (
    "in", "nin", "contains", "starts_with", "ends_with", "matches", "exists", "before", "after",
    "within_last", "within_next", "anniversary_in",
)


@dataclasses.dataclass
class Event:
    ts: int
    name: str
    properties: dict = dataclasses.field(default_factory=dict)
    context: dict = dataclasses.field(default_factory=dict)
    received_at: int = 0
    message_id: bytes = b""

    @property
    def order(self):
        return (self.ts, self.received_at, self.message_id)


@dataclasses.dataclass
class Profile:
    id: bytes = bytes(16)
    user_id: str = None
    events: list = dataclasses.field(default_factory=list)
    traits: dict = dataclasses.field(default_factory=dict)
    consent: dict = dataclasses.field(default_factory=dict)  # channel → granted or denied


@dataclasses.dataclass
class Segment:
    definition: dict
    timezone: str = "UTC"


def is_member(profile, segment, at, segments=None):
    """Is the profile a member at the instant `at` (µs)? segments: key → Segment, for references."""
    return Evaluation(profile, segment.timezone, at, segments or {}).holds(segment.definition)


def compare(value, operator, operand):
    """One comparator between exact numbers."""
    if operator == "between":
        return number(operand[0]) <= value <= number(operand[1])
    operand = number(operand)
    return {
        "eq": value == operand,
        "neq": value != operand,
        "gt": value > operand,
        "gte": value >= operand,
        "lt": value < operand,
        "lte": value <= operand,
    }[operator]


def all_compare(value, node):
    return all(compare(value, key, node[key]) for key in COMPARATORS if key in node)


class Evaluation:
    """One profile, one definition's time zone, one instant."""

    def __init__(self, profile, timezone, at, segments):
        self.profile = profile
        self.zone = zone(timezone)
        self.at = at
        self.segments = segments
        counted = [e for e in profile.events if e.ts <= at and e.name not in NAMES_OF_CALLS]
        self.events = sorted(counted, key=lambda e: e.order)

    # Conditions

    def holds(self, c):
        if "all" in c:
            return all(self.holds(part) for part in c["all"])
        if "any" in c:
            return any(self.holds(part) for part in c["any"])
        if "not" in c:
            return not self.holds(c["not"])
        if "some" in c:
            return all_compare(sum(self.holds(part) for part in c["some"]), c)
        if "score" in c:
            return all_compare(sum(number(part["points"]) for part in c["score"] if self.holds(part["if"])), c)
        if "event" in c:
            return self.measure_holds(c)
        if "sequence" in c:
            return self.sequence_holds(c)
        if "trait" in c:
            return self.leaf_holds(path_values(self.profile.traits, c["trait"]), c)
        if "profile" in c:
            return self.profile_holds(c)
        if "segment" in c:
            other = self.segments[c["segment"]]
            return is_member(self.profile, other, self.at, self.segments)
        if "consent" in c:
            state = self.profile.consent.get(c["consent"], "unknown")
            tests = {"eq": lambda o: state == o, "neq": lambda o: state != o, "in": lambda o: state in o, "nin": lambda o: state not in o}
            return all(test(c[op]) for op, test in tests.items() if op in c)
        if "bucket" in c:
            digest = hashlib.sha256(c["bucket"].encode() + b"\0" + self.profile.id).digest()
            share = number(Number(int.from_bytes(digest[:4], "big") % 10_000)) / 100
            return number(c["from"]) <= share < number(c["to"])
        raise ValueError(f"no such condition: {c}")

    def profile_holds(self, c):
        if c["profile"] == "identified":
            value = self.profile.user_id is not None
            return (value == c["eq"] if "eq" in c else True) and (value != c["neq"] if "neq" in c else True)
        seen = self.person_date({"profile": c["profile"]})
        return all(self.instant_matches(seen, op, c[op]) for op in OPERATORS if op in c)

    def instant_matches(self, seen, op, operand):
        if op == "exists":
            return (seen is not None) == operand
        return seen is not None and self.instant_compares(seen, op, operand)

    def person_date(self, source):
        """The instant of {"profile": "first_seen"|"last_seen"} or {"trait": path}; None when it is missing."""
        if "profile" in source:
            if not self.events:
                return None
            return self.events[0 if source["profile"] == "first_seen" else -1].ts
        dates = [instant(value, self.zone) for value in path_values(self.profile.traits, source["trait"])]
        return dates[0] if dates else None

    # Event conditions

    def named(self, names):
        """The events with one of the names, in order."""
        if names == "*":
            return self.events
        return [e for e in self.events if e.name in ([names] if isinstance(names, str) else names)]

    def measure_holds(self, c):
        events = self.named(c["event"])
        if "pick" in c:
            events = events[:1] if c["pick"] == "first" else events[-1:]
        events = [e for e in events if self.in_window(e.ts, c.get("window")) and self.where_holds(e, c.get("where"))]
        measured = self.measure(events, c.get("measure", "count"))
        if not any(key in c for key in COMPARATORS):
            return measured >= 1
        return measured is not None and all_compare(measured, c)

    def measure(self, events, measure):
        """The measured number; None for avg, min and max over no values."""
        if measure == "count":
            return len(events)
        if measure in ("days", "weeks", "months"):
            dates = [self.zone.date(e.ts) for e in events]
            period = {
                "days": lambda d: d,
                "weeks": lambda d: d.isocalendar()[:2],
                "months": lambda d: (d.year, d.month),
            }[measure]
            return len({period(d) for d in dates})
        ((kind, path),) = measure.items()
        values = [value for e in events for value in self.measured_values(e, path)]
        if kind == "distinct":
            return len({text(value) for value in values} - {None})
        numbers = [number(value) for value in values if number(value) is not None]
        if kind == "sum":
            return sum(numbers)
        if not numbers:
            return None
        return {"avg": sum(numbers) / len(numbers), "min": min(numbers), "max": max(numbers)}[kind]

    def measured_values(self, event, path):
        """All values of a path; of a list of several paths that of the first which is numeric in this event."""
        if not isinstance(path, list) or len(path) == 1:
            return path_values(event.properties, path if isinstance(path, str) else path[0])
        for one in path:
            values = path_values(event.properties, one)
            if values and number(values[0]) is not None:
                return values
        return []

    def in_window(self, ts, window):
        if window is None:
            return True
        if "last" in window:
            skip = duration(window["skip"]) if "skip" in window else 0
            return self.at - duration(window["last"]) < ts <= self.at - skip
        if "calendar" in window:
            start, end = self.period(window["calendar"])
            return self.zone.instant(start) <= ts < self.zone.instant(end)
        if "after" in window or "before" in window:
            date = self.person_date(window.get("after") or window["before"])
            if date is None:
                return False
            length = duration(window["for"])
            return date <= ts < date + length if "after" in window else date - length <= ts < date
        from_ = instant(window["from"], self.zone) if "from" in window else None
        to = instant(window["to"], self.zone) if "to" in window else None
        return (from_ is None or from_ <= ts) and (to is None or ts < to)

    def period(self, name):
        """First day of the period of T, and the day after its last."""
        today = self.zone.date(self.at)
        one = datetime.timedelta(days=1)
        if name in ("today", "yesterday"):
            start = today if name == "today" else today - one
            return start, start + one
        which, unit = name.split("_")
        back = 0 if which == "this" else 1
        if unit == "week":
            start = today - one * (today.isoweekday() - 1) - 7 * one * back
            return start, start + 7 * one
        months = {"month": 1, "quarter": 3, "year": 12}[unit]
        index = (today.year * 12 + today.month - 1) // months - back
        first = [divmod(i * months, 12) for i in (index, index + 1)]
        return tuple(datetime.date(year, month + 1, 1) for year, month in first)

    # Predicates on one event

    def where_holds(self, event, where):
        return where is None or self.predicate_holds(where, event, event.properties)

    def predicate_holds(self, p, event, element):
        """element: what property paths start at, the properties or, inside `has`, the array element."""
        if "all" in p:
            return all(self.predicate_holds(part, event, element) for part in p["all"])
        if "any" in p:
            return any(self.predicate_holds(part, event, element) for part in p["any"])
        if "not" in p:
            return not self.predicate_holds(p["not"], event, element)
        if "time" in p:
            date, hour = self.zone.local(event.ts)
            value = hour if p["time"] == "hour" else date.isoweekday()
            return self.leaf_holds([Number(value)], p)
        if "context" in p:
            return self.leaf_holds(path_values(event.context, p["context"]), p)
        values = path_values(element, p["property"])
        if "has" in p:
            return any(self.predicate_holds(p["has"], event, value) for value in values)
        return self.leaf_holds(values, p)

    # Operators

    def leaf_holds(self, values, leaf):
        """neq, nin and exists speak of all values; the others must hold together of one and the same value."""
        fold = leaf.get("ignore_case", False)
        one = []
        for op in OPERATORS:
            if op not in leaf:
                continue
            if op == "exists":
                if bool(values) != leaf[op]:
                    return False
            elif op == "neq":
                if any(self.equals(value, leaf[op], fold) for value in values):
                    return False
            elif op == "nin":
                if any(self.equals(value, item, fold) for value in values for item in leaf[op]):
                    return False
            else:
                one.append(op)
        return not one or any(all(self.value_matches(value, op, leaf[op], fold) for op in one) for value in values)

    def equals(self, value, operand, fold):
        if number(operand) is not None and not isinstance(operand, str):
            return number(value) is not None and number(value) == number(operand)
        have, want = text(value), text(operand)
        if have is None:
            return False
        return have.lower() == want.lower() if fold else have == want

    def value_matches(self, value, op, operand, fold):
        if op == "eq":
            return self.equals(value, operand, fold)
        if op == "in":
            return any(self.equals(value, item, fold) for item in operand)
        if op in COMPARATORS:
            return number(value) is not None and compare(number(value), op, operand)
        if op in ("contains", "starts_with", "ends_with", "matches"):
            return text(value) is not None and self.text_matches(text(value), op, operand, fold)
        moment = instant(value, self.zone)
        return moment is not None and self.instant_compares(moment, op, operand)

    def text_matches(self, have, op, want, fold):
        if op == "matches":
            # PostgreSQL's `.` matches a newline and its `$` only the very end. Patterns of the tests mean the same otherwise.
            flags = re.DOTALL | (re.IGNORECASE if fold else re.ASCII)
            return re.search(re.sub(r"(?<!\\)\$", r"\\Z", want), have, flags) is not None
        if fold:
            have, want = have.lower(), want.lower()
        return {"contains": want in have, "starts_with": have.startswith(want), "ends_with": have.endswith(want)}[op]

    def instant_compares(self, moment, op, operand):
        if op == "before":
            return moment < instant(operand, self.zone)
        if op == "after":
            return moment > instant(operand, self.zone)
        if op == "within_last":
            return self.at - duration(operand) < moment <= self.at
        if op == "within_next":
            return self.at < moment <= self.at + duration(operand)
        return self.anniversary(moment) <= duration(operand) // DAY  # anniversary_in

    def anniversary(self, moment):
        """Days from today until the date's next yearly return, today being 0."""
        born, today = self.zone.date(moment), self.zone.date(self.at)
        for year in (today.year, today.year + 1):
            day = born.day
            if (born.month, born.day) == (2, 29) and not calendar.isleap(year):
                day = 28
            if datetime.date(year, born.month, day) >= today:
                return (datetime.date(year, born.month, day) - today).days

    # Sequences

    def sequence_holds(self, c):
        """Tries every choice of e1 … ek. A step with `times` stands for that many; each carries the `absent` that precedes it."""
        steps, absent = [], None
        for step in c["sequence"]:
            if "absent" in step:
                absent = step
                continue
            for _ in range(int(number(step.get("times", 1)))):
                steps.append((step, absent))
                absent = None
        return self.choose(c, steps, absent, [])

    def choose(self, c, steps, last_absent, chosen):
        if len(chosen) == len(steps):
            return last_absent is None or self.is_absent_after(last_absent, chosen)
        step, absent = steps[len(chosen)]
        for event in self.step_events(step, chosen):
            if not self.in_window(event.ts, c.get("window")):
                continue
            if chosen:
                if event.order <= chosen[-1].order:
                    continue
                if "within" in step and event.ts - chosen[-1].ts > duration(step["within"]):
                    continue
                if "span" in c and event.ts - chosen[0].ts > duration(c["span"]):
                    continue
                if absent and any(chosen[-1].order < e.order < event.order for e in self.step_events(absent, chosen)):
                    continue
            if self.choose(c, steps, last_absent, chosen + [event]):
                return True
        return False

    def step_events(self, step, chosen):
        """The events a step (event or absent) can mean, given what is chosen so far."""
        events = [e for e in self.named(step.get("event") or step["absent"]) if self.where_holds(e, step.get("where"))]
        if "same" not in step:
            return events
        if not chosen:  # the first step repeated by `times` carries no `same`
            return events
        wanted = self.same_text(chosen[0], step["same"])
        return [e for e in events if wanted is not None and self.same_text(e, step["same"]) == wanted]

    @staticmethod
    def same_text(event, path):
        values = path_values(event.properties, path)
        return text(values[0]) if values else None

    def is_absent_after(self, step, chosen):
        last = chosen[-1]
        end = last.ts + duration(step["for"]) if "for" in step else self.at
        if end > self.at:
            return False
        return not any(e.order > last.order and e.ts <= end for e in self.step_events(step, chosen))
