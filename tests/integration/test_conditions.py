"""Every operator, measure, comparator and window of docs/segments.md on a live server, with answers worked out by hand.

All people and segments of a table are made at once, then each segment's members are compared with the row.
"""
import itertools
import json

import pytest

from support.house import House, iso

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND

# value as JSON text: a person of its own has it as property, as context and as trait `v`
VALUES = {
    "five": "5", "five.0": "5.0", "text-5": '"5"', "text-5.00": '"5.00"', "space-5": '" 5"', "hundred": "1e2", "text-1e2": '"1e2"',
    "true": "true",
    "text-true": '"true"', "false": "false", "null": "null", "list": "[5]", "object": '{"v":5}', "red": '"red"', "RED": '"RED"',
    "percent": '"100%"',
    "under": '"a_b"', "lines": '"two\\nlines"', "empty": '""', "strasse": '"Straße"', "dotted": '"İx"', "date": '"2026-01-15"',
    "moment": '"2026-01-15T00:00:00.000001Z"', "no-date": '"2026-02-30"', "tiny": "5.000000000000000000001", "negative": '"-1.50"',
}
FIVES = {"five", "five.0", "text-5", "text-5.00"}
NUMERIC = FIVES | {"hundred", "text-1e2", "tiny", "negative"}
NO_TEXT = {"null", "list", "object"}
ALL = set(VALUES) | {"missing"}
TEXTUAL = set(VALUES) - NO_TEXT

# (operators as JSON text, who matches)
OPERATORS = [
    ('"eq":5', FIVES), ('"eq":5.0', FIVES), ('"eq":"5"', {"five", "text-5"}), ('"eq":"5.0"', {"five.0"}), ('"eq":"100"', {"hundred"}),
    ('"eq":100', {"hundred", "text-1e2"}), ('"eq":true', {"true", "text-true"}), ('"eq":"true"', {"true", "text-true"}),
    ('"eq":false', {"false"}),
    ('"eq":""', {"empty"}), ('"neq":5', ALL - FIVES), ('"neq":"red"', ALL - {"red"}),
    ('"in":[5,"red",true]', FIVES | {"red", "true", "text-true"}),
    ('"nin":[5,"red"]', ALL - FIVES - {"red"}), ('"gt":5', {"hundred", "text-1e2", "tiny"}), ('"gte":5', NUMERIC - {"negative"}),
    ('"lt":5', {"negative"}), ('"lte":5', FIVES | {"negative"}), ('"lte":-1.5', {"negative"}),
    ('"between":[5,100]', NUMERIC - {"negative"}),
    ('"between":[5,5]', FIVES),
    ('"contains":"0"', {"five.0", "text-5.00", "hundred", "percent", "date", "moment", "no-date", "tiny", "negative"}),
    ('"contains":"%"', {"percent"}), ('"contains":"_"', {"under"}), ('"starts_with":"tr"', {"true", "text-true"}),
    ('"starts_with":"R"', {"RED"}),
    ('"ends_with":"ed"', {"red"}), ('"ends_with":"e"', {"true", "text-true", "false", "strasse"}),
    ('"contains":"e","starts_with":"r"', {"red"}),
    ('"matches":"^r.d$"', {"red"}), ('"matches":"two.lines"', {"lines"}), ('"matches":"^5(\\\\.0+)?$"', FIVES),
    ('"exists":true', ALL - {"null", "missing"}),
    ('"exists":false', {"null", "missing"}), ('"before":"2026-01-16"', {"date", "moment"}),
    ('"before":"2026-01-15T00:00:00.000001Z"', {"date"}),
    ('"after":"2026-01-15"', {"moment"}), ('"after":"2026-01-14"', {"date", "moment"}), ('"eq":"RED","ignore_case":true', {"red", "RED"}),
    ('"neq":"rEd","ignore_case":true', ALL - {"red", "RED"}), ('"in":["Red","x"],"ignore_case":true', {"red", "RED"}),
    ('"contains":"SSE","ignore_case":true', set()), ('"contains":"STRA","ignore_case":true', {"strasse"}),
    ('"eq":"i̇X","ignore_case":true', {"dotted"}),
    ('"matches":"^R.D$","ignore_case":true', {"red", "RED"}), ('"gt":5,"lt":99', {"tiny"}), ('"gte":5,"neq":100', FIVES | {"tiny"}),
    ('"gt":1,"exists":false', set()),
]


@pytest.fixture(scope="module")
def people(house):
    text = ",".join(
        '{"type":"identify","userId":"v-%s","traits":{"v":%s}},'
        '{"type":"track","event":"Value","userId":"v-%s","properties":{"v":%s},"context":{"v":%s}}'
        % (who, value, who, value, value)
        for who, value in VALUES.items()
    )
    assert house.collect.post("/v1/batch", '{"batch":[%s]}' % text).status == 200
    house.send({"type": "track", "event": "Value", "userId": "v-missing"})


def check(house, cases):
    """cases: [(definition as JSON text, expected user ids, timezone)]. Creates all, then compares all."""
    keys = []
    for definition, _, *zone in cases:
        key = f"case-{next(house.serial)}"
        body = '{"key":"%s","name":"x","kind":"rule","timezone":"%s","definition":%s}' % (key, zone[0] if zone else "UTC", definition)
        answer = house.api.post("/v1/segments", body)
        assert answer.status == 201, (definition, answer)
        keys.append(key)
    for key in keys:
        house.live(key)
    house.caught_up()
    wrong = []
    for key, (definition, expected, *_) in zip(keys, cases):
        got = {who for _, who in house.snapshot(key)[0]}
        if got != set(expected):
            wrong.append(f"{definition}\n    missing {sorted(set(expected) - got)}, too many {sorted(got - set(expected))}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "form",
    ['{"event":"Value","where":{"property":"v",%s}}', '{"event":"Value","where":{"context":"v",%s}}', '{"trait":"v",%s}'],
    ids=["property", "context", "trait"],
)
def test_operators(house, people, form):
    prefix = '{"all":[{"event":"Value"},%s]}'
    check(house, [(prefix % (form % ops), {f"v-{who}" for who in expected}) for ops, expected in OPERATORS])


def test_relative_operators_of_traits_and_profile(house):
    now = house.now()
    for who, at in {"past": now - DAY, "long-past": now - 10 * DAY, "soon": now + DAY, "later": now + 10 * DAY}.items():
        house.send({"type": "identify", "userId": who, "traits": {"at": iso(at)}})
    house.send({"type": "track", "event": "Recent", "userId": "recent", "timestamp": iso(now - HOUR)})
    house.send({"type": "track", "event": "Recent", "userId": "older", "timestamp": iso(now - 3 * DAY)})
    both = '{"all":[{"event":"Recent"},%s]}'
    check(
        house,
        [
            ('{"trait":"at","within_last":"2d"}', {"past"}), ('{"trait":"at","within_last":"20d"}', {"past", "long-past"}),
            ('{"trait":"at","within_next":"2d"}', {"soon"}), ('{"trait":"at","within_next":"4w"}', {"soon", "later"}),
            (both % '{"profile":"first_seen","within_last":"1d"}', {"recent"}),
            (both % '{"profile":"last_seen","within_last":"4d"}', {"recent", "older"}),
            (both % '{"profile":"last_seen","before":"%s"}' % iso(now - 2 * DAY), {"older"}),
            (both % '{"profile":"first_seen","within_next":"4d"}', set()),
            (both % '{"profile":"first_seen","exists":true}', {"recent", "older"}),
            (both % '{"profile":"identified","eq":true}', {"recent", "older"}),
            (both % '{"profile":"identified","neq":true}', set()),
        ],
    )


def test_paths(house):
    rows = {
        "list": '{"l":[1,9]}', "objects": '{"items":[{"p":5,"t":["a",null]},{"p":7}]}', "nulls": '{"l":[null],"items":null}', "bare": "{}",
        "dots": '{"a.b":1,"c[]":2,"d\\\\":3}', "deep": '{"a":{"b":{"c":1}}}', "not-list": '{"l":1,"items":{"p":5}}',
        "empty-list": '{"l":[],"items":[]}',
    }
    text = ",".join('{"type":"track","event":"Path","userId":"p-%s","properties":%s}' % row for row in rows.items())
    assert house.collect.post("/v1/batch", '{"batch":[%s]}' % text).status == 200

    def case(path, ops, *who):
        return '{"event":"Path","where":{"property":"%s",%s}}' % (path, ops), {f"p-{w}" for w in who}

    check(
        house,
        [
            case("l[]", '"gt":5', "list"), case("l[]", '"gt":5,"lt":8'), case("l[]", '"exists":true', "list"),
            case("l", '"exists":true', "list", "nulls", "not-list", "empty-list"), case("l", '"gt":0', "not-list"),
            case("l[]", '"neq":9', *(set(rows) - {"list"})), case("items[].p", '"eq":5', "objects"), case("items.p", '"eq":5', "not-list"),
            case("items[].t[]", '"exists":true', "objects"), case("items[].t[]", '"eq":"a"', "objects"), case("a\\\\.b", '"eq":1', "dots"),
            case("c\\\\[\\\\]", '"eq":2', "dots"), case("d\\\\\\\\", '"eq":3', "dots"), case("a.b.c", '"eq":1', "deep"),
            case("a.b", '"exists":true', "deep"),
            case("a.b", '"eq":1'), case("items[]", '"exists":true', "objects"),
            case("items", '"exists":false', "nulls", "bare", "list", "dots", "deep"),
        ],
    )


def test_logic_of_where_binds_one_event(house):
    house.send(*[{"type": "track", "event": "Both", "userId": "one-event", "properties": {"x": 1, "y": 2}}])
    house.send({"type": "track", "event": "Both", "userId": "two-events", "properties": {"x": 1}})
    house.send({"type": "track", "event": "Both", "userId": "two-events", "properties": {"y": 2}})
    x, y = '{"property":"x","eq":1}', '{"property":"y","eq":2}'
    both = '{"event":"Both","where":%s}'
    check(
        house,
        [
            (both % f'{{"all":[{x},{y}]}}', {"one-event"}), (both % f'{{"any":[{x},{y}]}}', {"one-event", "two-events"}),
            (both % f'{{"not":{x}}}', {"two-events"}), (both % f'{{"all":[{x},{{"not":{y}}}]}}', {"two-events"}),
            (f'{{"all":[{both % x},{both % y}]}}', {"one-event", "two-events"}), (f'{{"all":[{both % x},{{"not":{both % y}}}]}}', set()),
            ('{"all":[{"event":"Both","eq":2},{"any":[{"event":"Nope"},{"event":"Both"}]}]}', {"two-events"}),
        ],
    )


def test_measures_and_comparators(house):
    values = {
        "m-none": [], "m-text": ['"x"', "null"], "m-few": ["0.1", '"0.2"', "0.3"], "m-many": ["1", "1.0", '"1"', "10", '"x"', "[1]", "true"]
    }
    items = []
    for who, given in values.items():
        items.append('{"type":"track","event":"Made","userId":"%s"}' % who)
        items += [
            '{"type":"track","event":"M","userId":"%s","timestamp":"2026-01-01T00:00:00Z","properties":{"n":%s}}' % (who, value) for value in given
        ]
    assert house.collect.post("/v1/batch", '{"batch":[%s]}' % ",".join(items)).status == 200

    def case(rest, *who):
        return '{"all":[{"event":"Made"},{"event":"M",%s}]}' % rest, {f"m-{w}" for w in who}

    n = '"measure":{"%s":"n"},'
    check(
        house,
        [
            case('"eq":0', "none"), case('"measure":"count","gte":3', "few", "many"), case('"neq":2', "none", "few", "many"),
            case('"lt":3', "none", "text"),
            case('"lte":3', "none", "text", "few"), case('"gt":3', "many"), case('"between":[2,3]', "text", "few"),
            case('"gte":1,"lt":3', "text"),
            ('{"all":[{"event":"Made"},{"event":"M"}]}', {"m-text", "m-few", "m-many"}), case(n % "sum" + '"eq":0.6', "few"),
            case(n % "sum" + '"eq":0', "none", "text"), case(n % "sum" + '"eq":13', "many"), case(n % "avg" + '"eq":0.2', "few"),
            case(n % "avg" + '"eq":3.25', "many"), case(n % "avg" + '"neq":1', "few", "many"), case(n % "min" + '"lt":1000', "few", "many"),
            case(n % "min" + '"eq":0.1', "few"), case(n % "max" + '"eq":10', "many"), case(n % "max" + '"gte":0', "few", "many"),
            case(n % "distinct" + '"eq":5', "many"), case(n % "distinct" + '"eq":0', "none"), case(n % "distinct" + '"eq":1', "text"),
            case('"measure":{"sum":"n"},"between":[0.6,0.6]', "few"), case('"where":{"property":"n","gte":1},"eq":4', "many"),
            case('"measure":"days","eq":1', "text", "few", "many"),
        ],
    )


def test_periods(house):
    days = ["2025-12-28T23:30:00Z", "2025-12-29T00:30:00Z", "2026-01-01T12:00:00Z", "2026-01-31T23:30:00Z"]
    house.send(*[{"type": "track", "event": "Period", "userId": "per", "timestamp": day} for day in days])
    cases = [
        ("UTC", "days", 4), ("UTC", "weeks", 3), ("UTC", "months", 2), ("Europe/Berlin", "days", 3), ("Europe/Berlin", "weeks", 2),
        ("Europe/Berlin", "months", 3)
    ]
    check(house, [('{"event":"Period","measure":"%s","eq":%d}' % (measure, n), {"per"}, zone) for zone, measure, n in cases])


def test_windows(house):
    now = house.now()
    ages = {"w-minute": MINUTE, "w-hour": HOUR, "w-day": DAY, "w-week": 7 * DAY, "w-year": 365 * DAY, "w-old": 4000 * DAY}
    house.send(*[{"type": "track", "event": "W", "userId": who, "timestamp": iso(now - age - SECOND)} for who, age in ages.items()])
    order = list(ages)

    def case(window, *who):
        return '{"event":"W","window":%s}' % window, who

    check(
        house,
        [
            case('{"last":"1h"}', "w-minute"), case('{"last":"61m"}', *order[:2]), case('{"last":"86400s"}', *order[:2]),
            case('{"last":"25h"}', *order[:3]),
            case('{"last":"2w"}', *order[:4]), case('{"last":"3650d"}', *order[:5]), case('{"last":"30d","skip":"1h"}', *order[1:4]),
            case('{"last":"30d","skip":"2h"}', *order[2:4]), case('{"from":"%s"}' % iso(now - 2 * DAY), *order[:3]),
            case('{"to":"%s"}' % iso(now - 2 * DAY), *order[3:]),
            case('{"from":"%s","to":"%s"}' % (iso(now - 10 * DAY), iso(now - 2 * DAY)), "w-week"),
            case('{"from":"%s","to":"%s"}' % (iso(now - DAY - SECOND), iso(now - DAY - SECOND + 1)), "w-day"),
            case('{"from":"%s","to":"%s"}' % (iso(now - 2 * DAY), iso(now - DAY - SECOND))), case('{"from":"2999-01-01"}'),
            case('{"to":"2999-01-01"}', *order),
        ],
    )


def test_dates_in_a_zone(house):
    house.send(
        {
            "type": "track", "event": "Z", "userId": "z", "timestamp": "2026-01-14T23:30:00Z",
            "properties": {"at": "2026-01-15", "local": "2026-01-15 00:00:00"}
        }
    )
    leaf = '{"event":"Z","where":{"property":"%s","before":"2026-01-14T23:30:00Z"}}'
    check(
        house,
        [
            ('{"event":"Z","window":{"from":"2026-01-15"}}', set(), "UTC"),
            ('{"event":"Z","window":{"from":"2026-01-15"}}', {"z"}, "Europe/Berlin"),
            ('{"event":"Z","window":{"from":"2026-01-15T00:30:00"}}', {"z"}, "Europe/Berlin"), (leaf % "at", {"z"}, "Europe/Berlin"),
            (leaf % "at", set(), "UTC"),
            (leaf % "local", {"z"}, "Europe/Berlin"), (leaf % "local", set(), "UTC"),
        ],
    )


def test_a_day_whose_midnight_comes_twice_begins_at_the_first(house):
    """Havana sets its clocks back from 01:00 to 00:00: "a bare date is the first instant of its day"."""
    house.send({"type": "track", "event": "Twice", "userId": "first", "timestamp": "2025-11-02T04:30:00Z"})  # 00:30, the first time
    house.send({"type": "track", "event": "Twice", "userId": "before", "timestamp": "2025-11-02T03:59:59Z"})
    house.send({"type": "track", "event": "Twice", "userId": "second", "timestamp": "2025-11-02T05:30:00Z"})
    window = '{"event":"Twice","window":%s}'
    check(
        house,
        [
            (window % '{"from":"2025-11-02"}', {"first", "second"}, "America/Havana"),
            (window % '{"to":"2025-11-02"}', {"before"}, "America/Havana"),
            (window % '{"from":"2025-11-02","to":"2025-11-03"}', {"first", "second"}, "America/Havana"),
        ],
    )


def test_names(house):
    names = ["Exact", "exact", " Exact", "Exact ", "Ëxact", "E\u0308xact", "100%", "_xact"]
    house.send(*[{"type": "track", "event": name, "userId": f"name-{i}"} for i, name in enumerate(names)])
    cases = [('{"event":%s}' % json.dumps(name), {f"name-{i}"}) for i, name in enumerate(names)]
    check(house, cases + [('{"event":["Exact","100%"]}', {"name-0", "name-6"}), ('{"event":"Never Sent"}', set())])


def test_star_counts_events_only(house):
    house.send(
        {"type": "identify", "userId": "star"}, {"type": "group", "userId": "star", "groupId": "g"}, {"type": "page", "userId": "star"},
        {"type": "screen", "userId": "star"}, {"type": "track", "event": "Star", "userId": "star"},
        {"type": "identify", "userId": "no-star"},
    )
    who = '{"trait":"v","exists":false}'
    got = {"star"}
    check(
        house,
        [
            ('{"all":[{"event":"Star"},{"event":"*","eq":3},%s]}' % who, got),
            ('{"all":[{"event":["Page Viewed","Screen Viewed"],"eq":2},{"event":"Star"}]}', got)
        ]
    )


def test_population_has_people_without_events(house):
    house.send(
        {"type": "identify", "userId": "quiet", "traits": {"quiet": True}},
        {"type": "identify", "anonymousId": "quiet-anon", "traits": {"quiet": True}}
    )
    quiet = '{"all":[{"trait":"quiet","eq":true},%s]}'
    both = {"quiet", "quiet-anon"}
    check(
        house,
        [
            (quiet % '{"event":"X","eq":0}', both), (quiet % '{"event":"X","lt":3}', both), (quiet % '{"not":{"event":"X"}}', both),
            (quiet % '{"event":"X","measure":{"sum":"n"},"eq":0}', both), (quiet % '{"event":"X","measure":{"avg":"n"},"neq":5}', set()),
            (quiet % '{"profile":"identified","eq":true}', {"quiet"}), (quiet % '{"event":"X"}', set()),
        ],
    )


def test_incremental_equals_built(house):
    """Each value arrives one by one, after the segments; then the same again after a build."""
    forms = ['{"event":"Slow","where":{"property":"v",%s}}', '{"event":"Slow","measure":{"sum":"v"},%s}']
    ops = ['"gt":1', '"lte":5', '"between":[2,9]']
    definitions = [form % op for form, op in itertools.product(forms, ops)]
    for i, definition in enumerate(definitions):
        body = '{"key":"slow-%d","name":"x","kind":"rule","definition":%s}' % (i, definition)
        assert house.api.post("/v1/segments", body).status == 201
    for i in range(len(definitions)):
        house.live(f"slow-{i}")
    for i in range(12):
        house.track(f"slow{i % 4}", "Slow", {"v": i})
        house.caught_up()
    first = [house.members(f"slow-{i}") for i in range(len(definitions))]
    for i, definition in enumerate(definitions):
        body = '{"key":"slow-again-%d","name":"x","kind":"rule","definition":%s}' % (i, definition)
        assert house.api.post("/v1/segments", body).status == 201
    for i in range(len(definitions)):
        house.live(f"slow-again-{i}")
    assert [house.members(f"slow-again-{i}") for i in range(len(definitions))] == first


def test_a_date_is_each_persons_own_where_one_partition_is_left():
    """Floors leave one partition of event, and PostgreSQL took the first person's date for everybody's."""
    with House() as own:
        own.rows("UPDATE retention SET floor_at = date_trunc('quarter', now()) RETURNING 1")
        now = own.now()
        for user, days in (("soon", 1), ("later", 90), ("past", -90)):
            own.send({"type": "identify", "userId": user, "traits": {"end": iso(now + days * DAY)}})
            own.track(user, "A", timestamp=iso(now))
        own.track("never", "A", timestamp=iso(now))
        window = {"before": {"trait": "end"}, "for": "7d"}
        own.segment("count", {"event": "A", "window": window})
        own.segment("sequence", {"sequence": [{"event": "A", "where": {"property": "x", "exists": False}}], "window": window})
        for key in ("count", "sequence"):
            assert own.members(key) == {"soon"}
            assert own.api.post(f"/v1/segments/{key}/verify", {}).json["data"] == [], key
