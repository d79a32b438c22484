"""Random definitions and random histories for the differential tests, from one seeded random.Random.

Pools of names, paths, values and operands overlap on purpose, so that conditions hold about as often as they do not.
"""
import datetime
import random

from differential.values import DAY, EPOCH, SECOND, Number, RawString

NAMES = ["A", "B", "C", "Order Completed", "Page Viewed", "Screen Viewed", "☃ Ünï", "a b ", "%"]
ZONES = ["UTC", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia"]
TEXTS = [
    "red", "Red", "RED", "blue", "", " ", "100%", "a_b", "a.b", "^r$", "straße", "STRASSE", "İstanbul", "i̇stanbul", "жук", "ЖУК",
    "日本", "🙂", "5", "5.0", "1e2", "100", "true", "false", "null", "2026-02-30", "back\\slash", 'quo"te', "two\nlines", "Σίσυφος", "ΣΊΣΥΦΟΣ",
]
NUMBERS = ["0", "-0", "5", "5.0", "1e2", "100", "0.1", "0.30", "19.99", "-7.5", "12345678901234567890", "1e-9", "1E+05", "9" * 50, "2", "3"]
NUMERIC_LOOKING = ["5", "5.0", "1e5", "0.1", " 5", "05", "+5", "1e100", "0x10", "9" * 50, "9" * 51, "-7.50", "NaN", "٣", "19.99"]
PATTERNS = ["^r", "e.$", "[0-9]+", "^[A-H]", "a|b", "(re)d", "^$", r"\.", "%", "ж", "..", "^two.lines$", "[^a-h]"]
PATHS = [
    "n", "n", "s", "s", "d", "l", "l[]", "o.n", "o.s", "items[].price", "items[].name", "items[].tags[]", "missing", r"k\.e y", r"b\[\]",
    "nest[].in[].n",
]
COMMON_TEXTS = ["red", "Red", "RED", "blue", "жук", "ЖУК", "5"]
# paths at which an operator of a kind often finds what it is about: from the root, and from an array element inside `has`
SUITED = {
    "number": ["n", "n", "n", "l[]", "o.n", "items[].price", "nest[].in[].n"],
    "text": ["s", "s", "s", "o.s", "items[].name", "items[].tags[]", "l[]"],
    "date": ["d"], "any": PATHS,
}
SUITED_INSIDE = {
    "number": ["price", "in[].n"], "text": ["name", "tags[]"], "date": ["x"], "any": ["name", "price", "tags[]", "x", "in[].n"]
}
PLAIN_PATHS = [path for path in PATHS if "[]" not in path.replace(r"\[\]", "")]
LASTS = ["2s", "5s", "30s", "10m", "1h", "1d", "24h", "7d", "2w", "30d", "90d", "365d", "3650d"]
CALENDAR = ["today", "yesterday"] + [f"{which}_{unit}" for which in ("this", "last") for unit in ("week", "month", "quarter", "year")]
CHANNELS = ["email", "sms", "third_party", "☃ x"]
STATES = ["granted", "denied", "unknown"]
TEXT_OPERATORS = ["contains", "starts_with", "ends_with", "matches"]


def literal(value):
    return Number(value)


def iso(us, style=0):
    """An instant as some client would write it."""
    moment = EPOCH + datetime.timedelta(microseconds=us)
    if style == 1:
        shifted = moment + datetime.timedelta(hours=2)
        return shifted.strftime("%Y-%m-%dT%H:%M:%S.%f") + "+02:00"
    if style == 2:
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "400Z"  # nine digits, as Go
    if style == 3:
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f") + "+00:00"
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Generator:
    """now: the instant (µs) that times are made about."""

    def __init__(self, seed, now):
        self.random = random.Random(seed)
        self.now = now
        self.moments = []
        self.moments = [self.past() for _ in range(6)]  # that several events share

    def one(self, *choices):
        return self.random.choice(choices)

    def of(self, items):
        return self.random.choice(items)

    def chance(self, share):
        return self.random.random() < share

    # Values

    def past(self):
        """An instant before now (rarely after), often the same as others, often near the end of a window."""
        r = self.random
        if self.moments and self.chance(0.35):
            return self.of(self.moments)
        back = self.of(
            [
                r.randint(0, 8) * SECOND, r.randint(0, 90) * SECOND, r.randint(0, 48) * 1800 * SECOND, r.randint(0, 60) * DAY // 2,
                r.randint(0, 400) * DAY
            ]
        )
        return self.now // SECOND * SECOND - back + self.one(0, 0, 0, 1, -1, 500_000)

    def date_text(self):
        r = self.random
        near = self.now + self.of([r.randint(-10, 10) * SECOND, r.randint(-400, 400) * DAY, r.randint(-48, 48) * 3600 * SECOND])
        if self.chance(0.3):
            return iso(near)[:10]
        if self.chance(0.3):  # a birthday of about now
            return f"{self.of([1984, 1990, 2030])}{iso(self.now + r.randint(-4, 10) * DAY)[4:10]}"
        return self.one(iso(near), iso(near, 1), iso(near, 3), iso(near)[:10], "1984-02-29", "2026-02-30", "soon", "1990-12-31T23:30:00")

    def value(self, depth=1):
        kind = self.random.randint(0, 11)
        if kind <= 2:
            return literal(self.of(NUMBERS))
        if kind <= 4:
            return self.of(NUMERIC_LOOKING)
        if kind <= 8 or depth == 0:
            return self.text()
        return self.one(True, False, None, [], {}, [literal("1")], {"x": "red"}, self.date_text())

    def text(self):
        return self.of(COMMON_TEXTS) if self.chance(0.7) else self.of(TEXTS)

    def document(self):
        """Properties or traits that the paths above often lead into."""
        made = {}
        if self.chance(0.8):
            made["n"] = literal(self.of(NUMBERS)) if self.chance(0.7) else self.value()
        if self.chance(0.8):
            made["s"] = self.text() if self.chance(0.85) else self.value()
        if self.chance(0.6):
            made["d"] = self.date_text()
        if self.chance(0.4):
            made["l"] = [self.value() for _ in range(self.random.randint(0, 3))] if self.chance(0.85) else self.value()
        if self.chance(0.4):
            made["o"] = {"n": self.value(), "s": self.value()} if self.chance(0.85) else self.value()
        if self.chance(0.4):
            made["items"] = [self.item() for _ in range(self.random.randint(0, 3))] if self.chance(0.9) else self.item()
        if self.chance(0.1):
            made["k.e y"] = self.value()
        if self.chance(0.1):
            made["b[]"] = self.value()
        if self.chance(0.2):
            made["nest"] = [{"in": [{"n": self.value()}, self.value()]}, {"in": self.value()}]
        if self.chance(0.05):
            made["s"] = RawString(self.one("a\\u0000b", "\\ud800", "x\\udfffy", "\\ud83d\\ude42"))
        return made

    def consent(self):
        """An object as traits have it: states in every form, and some that are none."""
        states = ["granted", "granted", "denied", "denied", True, False, None, None, "unknown", literal("1"), {}]
        return {channel: self.of(states) for channel in CHANNELS if self.chance(0.5)}

    def item(self):
        if self.chance(0.15):
            return self.value()
        return {"name": self.text(), "price": literal(self.of(NUMBERS)), "tags": [self.of(TEXTS[:6]), None][: self.random.randint(0, 2)]}

    # Operators

    def leaf(self, key, dates=False, suited=SUITED):
        """{key: path, operators}; dates: those of a person's trait too."""
        kinds = ["same number", "number", "number", "between", "same text", "same text", "like", "like", "exists", "instant"]
        kind = self.of(kinds + ["relative", "relative", "anniversary", "anniversary"] * dates)
        about = {
            "same number": "number", "number": "number", "between": "number", "same text": "text", "like": "text", "exists": "any"
        }.get(kind, "date")
        path = self.of(suited[about] if self.chance(0.8) else suited["any"])
        made = self.operator(kind)
        if self.chance(0.15):
            made = {**self.operator(self.of(kinds)), **made}
        operands = [item for operand in made.values() for item in (operand if isinstance(operand, list) else [operand])]
        texts = all(
            op in TEXT_OPERATORS or op in ("eq", "neq", "in", "nin") for op in made
        ) and all(isinstance(item, str) for item in operands)
        if texts and self.chance(0.5):
            made["ignore_case"] = True
        return {key: path, **made}

    def operator(self, kind):
        if kind.startswith("same"):
            scalar = lambda: literal(self.of(NUMBERS)) if kind == "same number" else self.text()  # noqa: E731
            if self.chance(0.15):
                scalar = lambda: self.one(literal(self.of(NUMBERS)), self.text(), True, False)  # noqa: E731
            op = self.one("eq", "neq", "in", "nin")
            return {op: scalar() if op in ("eq", "neq") else [scalar() for _ in range(self.random.randint(1, 3))]}
        if kind == "number":
            return {self.one("gt", "gte", "lt", "lte"): literal(self.of(NUMBERS))}
        if kind == "between":
            return {
                "between": self.one([literal("0"), literal("5")], [literal("5"), literal("100.0")], [literal("-7.5"), literal("19.99")])
            }
        if kind == "like":
            op = self.of(TEXT_OPERATORS)
            return {
                op: self.of(PATTERNS) if op == "matches" else self.one(
                    self.of([text for text in TEXTS if text]), "r", "R", "e", "ED", "1", "0", "ß", "Ж"
                )
            }
        if kind == "exists":
            return {"exists": self.one(True, False)}
        if kind == "instant":
            return {self.one("before", "after"): self.instant_operand()}
        if kind == "relative":
            return {self.one("within_last", "within_next"): self.of(LASTS)}
        return {"anniversary_in": self.one("1d", "3d", "1w", "30d", "26w")}

    def instant_operand(self):
        r = self.random
        near = self.now + self.of([r.randint(-10, 10) * SECOND, r.randint(-300, 100) * DAY])
        return self.one(iso(near), iso(near, 1), iso(near)[:10], iso(near)[:10] + "T12:00:00")

    # Conditions

    def segment(self, keys=()):
        """{definition, timezone}; keys: segments it may refer to."""
        return {"definition": self.condition(self.one(0, 0, 0, 1, 2, 3), list(keys)), "timezone": self.of(ZONES)}

    def condition(self, depth, keys):
        kinds = ["event"] * 5 + ["sequence"] * 3 + ["trait"] * 3 + ["profile", "bucket", "consent"] + ["segment"] * (2 if keys else 0)
        if depth:
            kinds = ["all", "any", "not", "some", "score"] * 3 + kinds
        made = getattr(self, "a_" + self.of(kinds))(depth, keys)
        if self.chance(0.02):
            made["note"] = "a note ☃"
        return made

    def parts(self, depth, keys):
        return [self.condition(depth - 1, keys) for _ in range(self.random.randint(1, 3))]

    def a_all(self, depth, keys):
        return {"all": self.parts(depth, keys)}

    def a_any(self, depth, keys):
        return {"any": self.parts(depth, keys)}

    def a_not(self, depth, keys):
        return {"not": self.condition(depth - 1, keys)}

    def a_some(self, depth, keys):
        return {"some": self.parts(depth, keys), **self.comparators(["0", "1", "2"])}

    def a_score(self, depth, keys):
        items = [{"if": part, "points": literal(self.one("1", "10", "2.5", "-3", "0"))} for part in self.parts(depth, keys)]
        return {"score": items, **self.comparators(["0", "1", "10", "12.5", "-3"])}

    def a_trait(self, _depth, _keys):
        return self.leaf("trait", dates=True)

    def a_profile(self, _depth, _keys):
        which = self.one("first_seen", "last_seen", "identified")
        if which == "identified":
            return {"profile": which, self.one("eq", "neq"): self.one(True, False)}
        return {"profile": which, **self.operator(self.one("exists", "instant", "relative", "relative"))}

    def a_segment(self, _depth, keys):
        return {"segment": self.of(keys)}

    def a_consent(self, _depth, _keys):
        made = {"consent": self.of(CHANNELS) if self.chance(0.95) else "never stated"}
        for _ in range(self.one(1, 1, 1, 2)):
            made[self.one("eq", "neq")] = self.of(STATES)
            if self.chance(0.4):
                made = {"consent": made["consent"], self.one("in", "nin"): self.random.sample(STATES, self.random.randint(1, 2))}
        return made

    def a_bucket(self, _depth, _keys):
        low, high = sorted(self.random.sample(range(10_001), 2))
        return {
            "bucket": self.one("salt", "☃", "b"), "from": literal("%d.%02d" % divmod(low, 100)),
            "to": literal("%d.%02d" % divmod(high, 100))
        }

    def comparators(self, pool):
        if self.chance(0.15):
            low, high = sorted([self.of(pool), self.of(pool)], key=float)
            return {"between": [literal(low), literal(high)]}
        chosen = {self.one("eq", "neq", "gt", "gte", "lt", "lte"): literal(self.of(pool))}
        if self.chance(0.15):
            chosen[self.one("gte", "lte", "neq")] = literal(self.of(pool))
        return chosen

    def event_names(self):
        return self.one(self.of(NAMES[:4]), self.of(NAMES[:4]), self.of(NAMES), "*", self.random.sample(NAMES, 2), "never seen")

    def features(self, *features):
        """Half the time just one of them, so that nothing else hides what it does; else each by its own chance. As a set of names."""
        if self.chance(0.5):
            return {self.of([name for name, _ in features])}
        return {name for name, share in features if self.chance(share)}

    def a_event(self, _depth, _keys):
        features = self.features(("where", 0.5), ("pick", 0.15), ("window", 0.6), ("measure", 0.7), ("comparator", 0.5))
        made = {"event": self.common_name() if len(features) == 1 else self.event_names()}
        if features & {"where", "pick"}:
            made["where"] = self.predicate(2)
        if "pick" in features:
            made["pick"] = self.one("first", "last")
        if "window" in features:
            made["window"] = self.window()
        if "measure" in features:
            measure = self.one("count", "sum", "avg", "min", "max", "distinct", "days", "weeks", "months")
            if measure in ("sum", "avg", "min", "max", "distinct"):
                made["measure"] = {measure: self.of(SUITED["number"]) if self.chance(0.7) else self.of(PATHS)}
                if measure != "distinct" and self.chance(0.3):
                    made["measure"] = {measure: self.measure_paths()}
                pool = ["1", "2", "3"] if measure == "distinct" else ["0", "5", "19.99", "100", "39.98", "-7.5", "0.4", "2.5"]
                return {**made, **self.comparators(pool)}
            made["measure"] = measure
            return {**made, **self.comparators(["1", "2", "3"])}
        return {**made, **(self.comparators(["0", "1", "2", "3"]) if "comparator" in features else {})}

    def measure_paths(self):
        if self.chance(0.15):
            return [self.of(PATHS)]
        return self.random.sample(PLAIN_PATHS, self.random.randint(2, 4))

    def common_name(self):
        return self.one("A", "B", "A", "B", "*", ["A", "B"])

    def window(self):
        kind = self.random.randint(0, 9)
        if kind <= 3:
            return {"last": self.of(LASTS)}
        if kind <= 5:
            skip, last = sorted(self.random.sample([0, 1, 2, 3, 4, 5, 7, 8, 9, 10], 2))
            return {"last": LASTS[last], "skip": LASTS[skip]}
        if kind == 6:
            begin, end = sorted(
                self.now + self.of([self.random.randint(-8, 8) * SECOND, self.random.randint(-400, 60) * DAY]) for _ in range(2)
            )
            both = {"from": iso(begin), "to": iso(end + 1)}
            return self.one(both, both, {"from": iso(begin)[:10]}, {"to": self.one(iso(end), iso(end)[:10])})
        if kind <= 8:
            return {"calendar": self.of(CALENDAR)}
        source = self.one({"profile": "first_seen"}, {"profile": "last_seen"}, {"trait": "d"}, {"trait": "o.s"})
        return {self.one("after", "before"): source, "for": self.of(LASTS)}

    def predicate(self, depth, inside=False):
        """inside: of `has`, whose paths start at the element."""
        if depth and self.chance(0.35):
            parts = [self.predicate(depth - 1, inside) for _ in range(self.random.randint(1, 2))]
            return self.one({"all": parts}, {"any": parts}, {"not": parts[0]})
        if inside:
            return self.leaf("property", suited=SUITED_INSIDE)
        kind = self.random.randint(0, 9)
        if kind == 0:
            return {**self.leaf("context"), "context": self.one("campaign.source", "campaign.source", "locale", "missing")}
        if kind == 1:
            hour = self.chance(0.5)
            top = 23 if hour else 7
            low, high = sorted(self.random.randint(1, top) for _ in range(2))
            leaf = self.one({"between": [low, high]}, {"in": [low, high]}, {"nin": [low]}, {"gte": low}, {"lt": high}, {"neq": low})
            return {"time": "hour" if hour else "weekday", **leaf}
        if kind <= 3:
            return {"property": self.one("items[]", "items[]", "nest[]", "l[]"), "has": self.predicate(1, inside=True)}
        return self.leaf("property")

    def a_sequence(self, _depth, _keys):
        features = self.features(
            ("within", 0.4), ("same", 0.3), ("times", 0.2), ("where", 0.3), ("between", 0.25), ("last", 0.4), ("window", 0.5), ("span", 0.3)
        )
        names = self.common_name if len(features) == 1 else self.event_names
        steps = []
        for index in range(2 if len(features) == 1 else self.random.randint(1, 3)):
            if index and "between" in features and self.chance(0.7):
                steps.append(self.absent(names, features - {"for"}))
            step = {"event": names()}
            if index and "within" in features and self.chance(0.7):
                step["within"] = self.of(LASTS)
            if index and "same" in features and self.chance(0.7):
                step["same"] = self.same()
            if "times" in features and self.chance(0.6):
                step["times"] = self.one(2, 2, 3)
            if "where" in features and self.chance(0.6):
                step["where"] = self.predicate(1)
            steps.append(step)
        if "last" in features:
            steps.append(self.absent(names, features | {"for"}))
        made = {"sequence": steps}
        if "window" in features:
            made["window"] = self.window()
        if "span" in features:
            made["span"] = self.of(LASTS)
        return made

    def same(self):
        return self.one("s", "s", "n", "o.s", self.of(PLAIN_PATHS))

    def absent(self, names, features):
        step = {"absent": names()}
        if "for" in features and self.chance(0.6):
            step["for"] = self.of(LASTS)
        if "same" in features and self.chance(0.6):
            step["same"] = self.same()
        if "where" in features and self.chance(0.5):
            step["where"] = self.predicate(1)
        return step

    # Histories

    def history(self, people, count, old=()):
        """count messages about `people` (a prefix and a number), as dicts in order of arrival; some are retries of `old` or of each other.

        Anonymous ids and addresses become users, point to a second user, and are aliased; times are late, tied, missing, shifted and in the future.
        """
        made = []
        for _ in range(count):
            sent = list(old) + made
            if sent and self.chance(0.12):
                made.append(self.retry(self.of(sent)))
                continue
            orders = self.chance(0.08) and [message for message in sent if "order_id" in (message.get("properties") or {})]
            made.append(self.report(self.of(orders), *people, len(sent)) if orders else self.message(*people, len(sent)))
        return made

    def message(self, prefix, people, serial):
        user = f"{prefix}u{self.random.randrange(people)}"
        anonymous = f"{prefix}a{self.random.randrange(people)}"
        email = self.one(f"{prefix}e{self.random.randrange(people)}@x", f" {prefix}E{self.random.randrange(people)}@X")
        kind = self.one("track", "track", "track", "track", "track", "page", "screen", "identify", "identify", "group", "alias")
        made = {"type": kind, "messageId": f"{prefix}m{serial}-{self.random.getrandbits(32)}"}
        if kind == "alias":
            return {**made, "userId": user, "previousId": anonymous, **self.times()}
        ids = self.one({"userId": user}, {"userId": user}, {"anonymousId": anonymous}, {"anonymousId": anonymous})
        if self.chance(0.06):
            ids = {"userId": user, "anonymousId": anonymous}
        if self.chance(0.1):  # somebody known by an address only
            ids = {"traits": {"email": email}}
        made.update(ids)
        if kind == "track":
            made["event"] = self.of(["A", "A", "B", "B", "C", "Order Completed"]) if self.chance(0.85) else self.of(NAMES)
        if kind in ("page", "screen") and self.chance(0.5):
            made["name"] = self.of(TEXTS[:4])
        if kind == "identify":
            made["traits"] = {**made.get("traits", {}), **self.document()} if self.chance(0.9) else {**made.get("traits", {}), self.one("n", "s", "d"): None}
            if self.chance(0.3):
                made["traits"]["email"] = email if self.chance(0.9) else self.one(None, "none", 5)
            if self.chance(0.4):
                made["traits"]["consent"] = self.consent() if self.chance(0.9) else self.one("yes", None, True, [])
        elif kind == "group":
            made.update(groupId="g", traits={**made.get("traits", {}), "n": literal("5")})
        elif self.chance(0.9):
            made["properties"] = self.document()
            if made.get("event") == "Order Completed" and self.chance(0.8):
                made["properties"]["order_id"] = self.order_id()
        if self.chance(0.3):
            made["context"] = {"campaign": {"source": self.of(TEXTS[:5])}, "locale": self.one("de", "en", None)}
            if kind == "identify" and self.chance(0.3):
                made["context"]["consent"] = {"categoryPreferences": self.consent()}
        if self.chance(0.04):
            made.setdefault("context", {}).setdefault("consent", {})["gpc"] = self.one(True, True, False, "true")
        return {**made, **self.times()}

    def order_id(self):
        """Few, so that they are repeated; some are written otherwise, some are none."""
        made = self.one("1", literal("1"), literal("1.0"), literal("10e-1"), "2", "2", "3", "☃")
        return made if self.chance(0.9) else self.one("", None, True, "1.0", literal("-0"), literal("0.00"), "0", [1])

    def times(self):
        """timestamp and sentAt: trusted, missing, ahead, in the future, or by a clock minutes off (never near the half minute)."""
        ts = self.past()
        if self.chance(0.05):
            return {}
        if self.chance(0.05):
            return {"timestamp": iso(self.now + self.random.randint(1, 400) * DAY)}
        if self.chance(0.08):
            off = self.one(5, -5, 61, -1440) * 60 * SECOND
            return {"timestamp": iso(ts + off), "sentAt": iso(self.now + off)}
        if self.chance(0.1):
            return {"timestamp": iso(ts), "sentAt": iso(self.now)}
        return {"timestamp": iso(ts, self.of([0, 0, 0, 1, 2, 3]))}

    def retry(self, message):
        """The same message as an SDK sends it again: only sentAt may differ."""
        again = dict(message)
        if "sentAt" in again and self.chance(0.5):
            again.pop("sentAt") if "timestamp" not in again else again.update(sentAt=again["sentAt"][:-2] + "0Z")
        return again

    def report(self, order, prefix, people, serial):
        """The same order reported by another message, perhaps under another id."""
        again = {key: value for key, value in order.items() if key not in ("timestamp", "sentAt")}
        if self.chance(0.7):
            again = {key: value for key, value in again.items() if key not in ("userId", "anonymousId", "traits")}
            one = {"userId": f"{prefix}u{self.random.randrange(people)}", "anonymousId": f"{prefix}a{self.random.randrange(people)}"}
            again.update(one if self.chance(0.2) else [self.of(list(one.items()))])
        return {**again, "messageId": f"{prefix}m{serial}-{self.random.getrandbits(32)}", **self.times()}

    def chunks(self, items, most=12):
        items = list(items)
        while items:
            size = self.random.randint(1, most)
            yield items[:size]
            items = items[size:]
