"""The naive evaluator itself, rule by rule of docs/segments.md, with answers worked out by hand.

It proves that what the differential tests compare the server with says what the language says.
"""
import hashlib

import pytest

from differential.naive import Event, Profile, Segment, is_member
from differential.values import Number, instant, is_numeric_text, loads, path_steps, path_values, text, zone

UTC = zone("UTC")
AT = "2026-03-10T12:00:00Z"  # a Tuesday


def us(value, tz="UTC"):
    return instant(value, zone(tz))


def events(*rows):
    """Events from (ts, name, properties as JSON text, context as JSON text), received in that order."""
    made = []
    for received, (ts, name, *rest) in enumerate(rows):
        properties, context = ([loads(part) for part in rest] + [{}, {}])[:2]
        made.append(Event(us(ts), name, properties, context, received_at=received))
    return made


def member(definition, rows=(), traits="{}", at=AT, tz="UTC", **more):
    profile = Profile(events=events(*rows), traits=loads(traits), **more)
    return is_member(profile, Segment(loads(definition), tz), us(at))


def leaf_holds(ops, value="null", **more):
    """Does the trait leaf hold of the trait t, given as JSON text?"""
    return member('{"trait":"t",' + ops + "}", traits='{"t":%s}' % value, **more)


# Values


@pytest.mark.parametrize(
    "literal, plain",
    [
        ("5", "5"), ("5.0", "5.0"), ("1e2", "100"), ("1.50e1", "15.0"), ("1e-3", "0.001"), ("-0", "0"), ("-0.0", "0.0"),
        ("12345678901234567890", "12345678901234567890"), ("0e5", "0"), ("1E+2", "100"),
    ],
)
def test_text_of_a_number(literal, plain):
    assert text(Number(literal)) == plain


@pytest.mark.parametrize("good", ["0", "-0", "5", "5.00", "1e5", "1E+05", "-1.5e-99", "9" * 50])
def test_numeric(good):
    assert is_numeric_text(good)


@pytest.mark.parametrize("bad", ["", " 5", "5 ", "+5", "05", ".5", "5.", "1e100", "1e", "0x1", "NaN", "1,000", "٣", "9" * 51, "5\n"])
def test_not_numeric(bad):
    assert not is_numeric_text(bad)


@pytest.mark.parametrize(
    "value, same_as",
    [
        ("2026-01-01", "2026-01-01T00:00:00Z"), ("2026-01-01 01:02:03", "2026-01-01T01:02:03Z"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00Z"), ("2025-12-31T23:00:00-01:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.0000006Z", "2026-01-01T00:00:00.000001Z"), ("2026-01-01T00:00:00.999999999Z", "2026-01-01T00:00:01Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"), ("2026-01-01T00:00:00+15:59", "2025-12-31T08:01:00Z"),
    ],
)
def test_instant(value, same_as):
    assert us(value) is not None and us(value) == us(same_as)


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30", "2025-02-29", "0000-01-01", "2026-1-1", "20260101", "2026-01-01T", "2026-01-01T10:00", "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z", "2026-01-01T00:00:00+16:00", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01t00:00:00Z", "2026-01-01T00:00:00z", " 2026-01-01", "2026-01-01Z", "10000-01-01", "2026-13-01", True, Number(5), None,
    ],
)
def test_no_instant(value):
    assert instant(value, UTC) is None


def test_dates_are_read_in_the_zone():
    assert us("2026-01-01", "Europe/Berlin") == us("2025-12-31T23:00:00Z")
    assert us("2026-07-01T00:00:00", "America/New_York") == us("2026-07-01T04:00:00Z")
    assert us("2026-09-06", "America/Santiago") == us("2026-09-06T04:00:00Z")  # midnight is skipped: the day begins at 01:00
    assert us("2026-11-01", "America/Havana") == us("2026-11-01T04:00:00Z")  # midnight comes twice: the first


def test_paths():
    doc = loads('{"a":{"b":1},"l":[{"x":1},null,{"x":[2,3]},4],"d.e":5,"f[]":6,"g\\\\":7,"n":null,"s":"text"}')
    assert path_steps(r"a\.b.c[]") == [("a.b", False), ("c", True)]
    assert path_values(doc, "a.b") == [Number(1)]
    assert path_values(doc, "l[].x") == [Number(1), [Number(2), Number(3)]]
    assert path_values(doc, "l[].x[]") == [Number(2), Number(3)]
    assert path_values(doc, "l.x") == []  # a name steps into an object only
    assert path_values(doc, "a[]") == [] and path_values(doc, "s[]") == []
    assert path_values(doc, "n") == [] and path_values(doc, "s.t") == []
    assert path_values(doc, "l[]")[1:2] != [None] and len(path_values(doc, "l[]")) == 3
    assert path_values(doc, r"d\.e") == [Number(5)] and path_values(doc, r"f\[\]") == [Number(6)]
    assert path_values(doc, "g\\\\") == [Number(7)]


# Operators


@pytest.mark.parametrize(
    "ops, value, answer",
    [
        ('"eq":5', "5", True), ('"eq":5', "5.0", True), ('"eq":5', '"5"', True), ('"eq":5', '"5.00"', True), ('"eq":5', '" 5"', False),
        ('"eq":5', '"five"', False), ('"eq":"5"', "5", True), ('"eq":"5"', "5.0", False), ('"eq":"5.0"', "5.0", True),
        ('"eq":"100"', "1e2", True), ('"eq":true', '"true"', True), ('"eq":true', "true", True), ('"eq":"true"', "true", True),
        ('"eq":true', "false", False), ('"eq":1', "true", False), ('"eq":"x"', '{"a":1}', False), ('"eq":"x"', "null", False),
        ('"eq":0.1', "0.1000000000000000055511151231257827", False), ('"eq":1e1', '"1E1"', True), ('"eq":"a"', '"A"', False),
        ('"neq":5', "5.0", False), ('"neq":5', "6", True), ('"neq":5', "null", True), ('"neq":"x"', "[]", True),
        ('"in":[1,"a",true]', '"a"', True), ('"in":[1,"a",true]', '"1.0"', True), ('"in":[1,"a",true]', "true", True),
        ('"in":[1,"a",true]', '"b"', False), ('"in":[1]', "null", False), ('"nin":[1,"a"]', '"a"', False), ('"nin":[1,"a"]', "null", True),
        ('"gt":5', "5", False), ('"gt":5', "5.000000000000000000001", True), ('"gte":5', '"5"', True), ('"lt":5', '"4.9"', True),
        ('"lte":5', "5.1", False), ('"gt":5', '"1e1"', True), ('"gt":5', '"9 "', False), ('"gt":5', "null", False),
        ('"lt":5', "null", False),
        ('"between":[1,2]', "1", True), ('"between":[1,2]', "2", True), ('"between":[1,2]', "2.01", False),
        ('"contains":"%"', '"100%"', True), ('"contains":"_"', '"abc"', False), ('"contains":"0.0"', "10.05", True),
        ('"starts_with":"a"', '"abc"', True), ('"starts_with":"b"', '"abc"', False), ('"ends_with":"c"', '"abc"', True),
        ('"ends_with":"ue"', "true", True), ('"contains":"a"', '["a"]', False), ('"matches":"^a.c$"', '"abc"', True),
        ('"matches":"b"', '"abc"', True), ('"matches":"^b"', '"abc"', False), ('"matches":"a.b"', '"a\\nb"', True),
        ('"matches":"a$"', '"a\\n"', False), ('"exists":true', "null", False), ('"exists":true', "[]", True), ('"exists":true', "{}", True),
        ('"exists":true', "false", True), ('"exists":false', "null", True), ('"exists":false', "0", False),
        ('"before":"2026-01-01"', '"2025-12-31"', True), ('"before":"2026-01-01"', '"2026-01-01"', False),
        ('"after":"2026-01-01"', '"2026-01-01T00:00:00.000001Z"', True), ('"after":"2026-01-01"', '"2026-01-01"', False),
        ('"before":"2026-01-01"', '"2026-02-30"', False), ('"before":"2026-01-01"', "20200101", False),
        ('"gt":1,"lt":3', "2", True), ('"gt":1,"lt":3', "3", False), ('"gt":1,"neq":2', "2", False), ('"gt":1,"neq":5', "null", False),
    ],
)
def test_operator(ops, value, answer):
    assert leaf_holds(ops, value) is answer


@pytest.mark.parametrize(
    "ops, value, answer",
    [
        ('"eq":"straße"', '"STRASSE"', False), ('"eq":"É"', '"é"', True), ('"in":["A"]', '"a"', True), ('"neq":"A"', '"a"', False),
        ('"nin":["A"]', '"a"', False), ('"contains":"İ"', '"i̇stanbul"', True), ('"starts_with":"Ж"', '"жук"', True),
        ('"matches":"^A+$"', '"aAa"', True), ('"eq":"TRUE"', "true", True),
    ],
)
def test_ignore_case(ops, value, answer):
    assert leaf_holds(ops + ',"ignore_case":true', value) is answer


@pytest.mark.parametrize(
    "ops, value, answer",
    [
        ('"within_last":"1d"', '"2026-03-09T12:00:00Z"', False), ('"within_last":"1d"', '"2026-03-09T12:00:00.000001Z"', True),
        ('"within_last":"1d"', '"2026-03-10T12:00:00Z"', True), ('"within_last":"1d"', '"2026-03-10T12:00:00.000001Z"', False),
        ('"within_next":"1d"', '"2026-03-10T12:00:00Z"', False), ('"within_next":"1d"', '"2026-03-11T12:00:00Z"', True),
        ('"within_next":"1d"', '"2026-03-11T12:00:00.000001Z"', False), ('"within_next":"1d"', '"soon"', False),
        ('"anniversary_in":"1d"', '"1990-03-10"', True), ('"anniversary_in":"1d"', '"1990-03-11"', True),
        ('"anniversary_in":"1d"', '"1990-03-12"', False), ('"anniversary_in":"1d"', '"1990-03-09"', False),
        ('"anniversary_in":"365d"', '"1990-03-09"', True), ('"anniversary_in":"1w"', '"2030-03-17"', True),
    ],
)
def test_dates_of_a_person(ops, value, answer):
    assert leaf_holds(ops, value) is answer


def test_anniversary_of_29_february_and_in_a_zone():
    assert leaf_holds('"anniversary_in":"1d"', '"2000-02-29"', at="2026-02-27T12:00:00Z")
    assert not leaf_holds('"anniversary_in":"1d"', '"2000-02-29"', at="2026-03-01T12:00:00Z")
    assert not leaf_holds('"anniversary_in":"1d"', '"2000-02-29"', at="2028-02-27T12:00:00Z")  # a leap year: on the 29th
    late = '"1990-03-11T23:30:00Z"'  # the 12th in Berlin
    assert leaf_holds('"anniversary_in":"1d"', late) and not leaf_holds('"anniversary_in":"1d"', late, tz="Europe/Berlin")


def test_operators_of_one_leaf_hold_of_the_same_value():
    of_list = '{"trait":"l[]",%s}'
    traits = '{"l":[1,9]}'
    assert member(of_list % '"gt":5,"lt":10', traits=traits)
    assert not member(of_list % '"gt":5,"lt":8', traits=traits)
    assert not member(of_list % '"gt":5,"neq":1', traits=traits)  # neq speaks of all values
    assert member(of_list % '"neq":7', traits=traits) and not member(of_list % '"nin":[7,9]', traits=traits)
    assert not member(of_list % '"exists":true', traits='{"l":[null]}') and not member(of_list % '"exists":true', traits='{"l":[]}')


# Conditions

ORDER = ("2026-03-01T00:00:00Z", "Order", '{"total":10}')


def test_logic():
    a, b = '{"event":"A"}', '{"event":"B"}'
    rows = [("2026-03-01", "A")]
    assert member('{"any":[%s,%s]}' % (a, b), rows) and not member('{"all":[%s,%s]}' % (a, b), rows)
    assert member('{"not":%s}' % b, rows) and not member('{"not":%s}' % a, rows)
    assert member('{"some":[%s,%s],"gte":1}' % (a, b), rows) and not member('{"some":[%s,%s],"gte":2}' % (a, b), rows)
    assert member('{"some":[%s,%s],"eq":1,"lt":2}' % (a, b), rows)
    score = '{"score":[{"if":%s,"points":10},{"if":%s,"points":2.5}],"%s":10}'
    assert member(score % (a, b, "gte"), rows) and not member(score % (a, b, "gt"), rows)
    assert member(score % (a, a, "gt"), rows)


def test_profile_conditions():
    rows = [("2026-03-01", "A"), ("2026-03-05", "B"), ("2026-02-01", "$identify"), ("2026-03-11", "A")]
    assert member('{"profile":"first_seen","after":"2026-02-28"}', rows) and not member(
        '{"profile":"first_seen","before":"2026-03-01"}', rows
    )
    assert member('{"profile":"last_seen","before":"2026-03-06"}', rows)  # the event after T is not there yet
    assert member('{"profile":"last_seen","within_last":"6d"}', rows) and not member('{"profile":"last_seen","within_last":"5d"}', rows)
    assert member('{"profile":"first_seen","exists":false}') and not member('{"profile":"first_seen","before":"2027-01-01"}')
    assert member('{"profile":"identified","eq":true}', user_id="u") and member('{"profile":"identified","neq":true}')


def test_bucket():
    profile = bytes(range(16))
    share = int.from_bytes(hashlib.sha256(b"s\0" + profile).digest()[:4], "big") % 10_000
    low, high = "%d.%02d" % divmod(share, 100), "%d.%02d" % divmod(share + 1, 100)
    assert member('{"bucket":"s","from":%s,"to":%s}' % (low, high), id=profile)
    assert not member(
        '{"bucket":"s","from":%s,"to":100}' % high, id=profile
    ) and not member('{"bucket":"s","from":0,"to":%s}' % low, id=profile)


def test_reference():
    segments = {"buyers": Segment(loads('{"event":"Order"}'))}
    profile = Profile(events=events(ORDER))
    assert is_member(profile, Segment(loads('{"segment":"buyers"}')), us(AT), segments)
    assert not is_member(profile, Segment(loads('{"not":{"segment":"buyers"}}')), us(AT), segments)


# Event conditions


def test_events_counted():
    assert member('{"event":"Order"}', [ORDER]) and not member('{"event":"order"}', [ORDER])
    assert member('{"event":"Order","eq":0}') and member('{"event":"Order","lt":3}') and member('{"not":{"event":"Order"}}')
    assert member('{"event":"*","eq":1}', [ORDER, ("2026-03-01", "$identify"), ("2026-03-01", "$group")])
    assert member('{"event":["Order","B"],"eq":2}', [ORDER, ("2026-03-02", "B"), ("2026-03-02", "C")])
    assert not member('{"event":"Order"}', [("2026-03-10T12:00:00.000001Z", "Order")]) and member('{"event":"Order"}', [(AT, "Order")])


@pytest.mark.parametrize(
    "measure, answer",
    [
        ('{"sum":"n"}', "6.3"), ('{"avg":"n"}', "2.1"), ('{"min":"n"}', "0.1"), ('{"max":"n"}', "6"), ('{"distinct":"n"}', "5"),
        ('"count"', "8"), ('{"sum":"l[]"}', "3"), ('{"distinct":"l[]"}', "2"),
    ],
)
def test_measures(measure, answer):
    values = ["0.1", '"0.2"', "6", '"x"', "null", '{"a":1}', "true"]  # distinct texts: 0.1, 0.2, 6, x, true
    rows = [("2026-03-01", "A", '{"n":%s}' % value) for value in values] + [("2026-03-02", "A", '{"l":[1,"2",null,[3]]}')]
    assert member('{"event":"A","measure":%s,"eq":%s}' % (measure, answer), rows)


def test_sum_is_exact():
    rows = [("2026-03-01", "A", '{"n":0.1}')] * 10
    assert member('{"event":"A","measure":{"sum":"n"},"eq":1}', rows) and member('{"event":"A","measure":{"avg":"n"},"eq":0.1}', rows)
    assert member('{"event":"A","measure":{"avg":"n"},"gt":0.333333333333333333}', [("2026-03-01", "A", '{"n":%d}' % n) for n in (0, 0, 1)])


def test_over_no_values():
    for measure in ('"count"', '{"sum":"n"}', '{"distinct":"n"}', '"days"', '"weeks"', '"months"'):
        assert member('{"event":"A","measure":%s,"eq":0}' % measure)
    for measure in ("avg", "min", "max"):
        for comparator in ('"eq":0', '"neq":0', '"lt":1', '"gte":0'):
            assert not member('{"event":"A","measure":{"%s":"n"},%s}' % (measure, comparator), [("2026-03-01", "A", '{"n":"x"}')])


def test_periods_in_the_zone():
    rows = [("2025-12-28T23:30:00Z", "A"), ("2025-12-29T00:30:00Z", "A"), ("2026-01-01T12:00:00Z", "A")]
    for measure, utc, berlin in (("days", 3, 2), ("weeks", 2, 1), ("months", 2, 2)):
        definition = '{"event":"A","measure":"%s","eq":%d}'
        assert member(definition % (measure, utc), rows) and member(definition % (measure, berlin), rows, tz="Europe/Berlin")


@pytest.mark.parametrize(
    "window, ts, inside",
    [
        ('{"last":"1d"}', "2026-03-09T12:00:00Z", False), ('{"last":"1d"}', "2026-03-09T12:00:00.000001Z", True),
        ('{"last":"1d"}', AT, True),
        ('{"last":"2d","skip":"1d"}', "2026-03-09T12:00:00Z", True), ('{"last":"2d","skip":"1d"}', "2026-03-09T12:00:00.000001Z", False),
        ('{"last":"2d","skip":"1d"}', "2026-03-08T12:00:00Z", False), ('{"from":"2026-03-01","to":"2026-03-02"}', "2026-03-01", True),
        ('{"from":"2026-03-01","to":"2026-03-02"}', "2026-03-02", False), ('{"from":"2026-03-01"}', "2026-02-28T23:59:59Z", False),
        ('{"to":"2026-03-01"}', "2026-02-28T23:59:59Z", True), ('{"to":"2027-01-01"}', "2026-03-11", False),
        ('{"calendar":"today"}', "2026-03-10", True), ('{"calendar":"today"}', "2026-03-09T23:59:59Z", False),
        ('{"calendar":"yesterday"}', "2026-03-09", True), ('{"calendar":"yesterday"}', "2026-03-10", False),
        ('{"calendar":"this_week"}', "2026-03-09", True), ('{"calendar":"this_week"}', "2026-03-08T23:59:59Z", False),
        ('{"calendar":"last_week"}', "2026-03-02", True), ('{"calendar":"last_week"}', "2026-03-01T23:59:59Z", False),
        ('{"calendar":"this_month"}', "2026-03-01", True), ('{"calendar":"last_month"}', "2026-02-01", True),
        ('{"calendar":"last_month"}', "2026-03-01", False), ('{"calendar":"this_quarter"}', "2026-01-01", True),
        ('{"calendar":"last_quarter"}', "2025-10-01", True), ('{"calendar":"last_quarter"}', "2026-01-01", False),
        ('{"calendar":"this_year"}', "2026-01-01", True), ('{"calendar":"last_year"}', "2025-01-01", True),
        ('{"calendar":"last_year"}', "2024-12-31T23:59:59Z", False),
    ],
)
def test_window(window, ts, inside):
    assert member('{"event":"A","window":%s}' % window, [(ts, "A")]) is inside


def test_calendar_window_in_a_zone_with_dst():
    today = '{"event":"A","window":{"calendar":"today"}}'
    berlin = {"at": "2026-03-29T20:00:00Z", "tz": "Europe/Berlin"}  # a day of 23 hours: 23:00Z to 22:00Z
    assert member(today, [("2026-03-28T23:00:00Z", "A")], **berlin) and not member(today, [("2026-03-28T22:59:59Z", "A")], **berlin)
    assert not member(today, [("2026-03-29T20:00:00Z", "A")], at="2026-03-29T22:00:00Z", tz="Europe/Berlin")


def test_window_about_a_date_of_the_person():
    after = '{"event":"B","window":{"after":{"profile":"first_seen"},"for":"1d"}}'
    assert member(
        after, [("2026-03-01", "A"), ("2026-03-01T23:59:59Z", "B")]
    ) and not member(after, [("2026-03-01", "A"), ("2026-03-02", "B")])
    before = '{"event":"A","window":{"before":{"trait":"end"},"for":"1d"}}'
    assert member(
        before, [("2026-03-01", "A")], '{"end":"2026-03-02"}'
    ) and not member(before, [("2026-03-02", "A")], '{"end":"2026-03-02"}')
    assert not member(before, [("2026-03-01", "A")], '{"end":"never"}') and not member(before, [("2026-03-01", "A")])


def test_pick_then_asks():
    first = '{"event":"A","pick":"first","where":{"property":"c","exists":true},"window":{"last":"30d"}}'
    assert member(first, [("2026-03-01", "A", '{"c":1}'), ("2026-03-02", "A")])
    assert not member(first, [("2026-03-01", "A"), ("2026-03-02", "A", '{"c":1}')])  # only the oldest is looked at
    assert not member(first, [("2026-01-01", "A", '{"c":1}'), ("2026-03-02", "A", '{"c":1}')])
    last = '{"event":"A","pick":"last","where":{"property":"c","eq":2}}'
    assert member(last, [("2026-03-01", "A", '{"c":1}'), ("2026-03-01", "A", '{"c":2}')])  # a tie: the later received


def test_where_binds_one_event_and_has_one_element():
    both = '{"event":"A","where":{"all":[{"property":"x","eq":1},{"property":"y","eq":2}]}}'
    assert member(both, [("2026-03-01", "A", '{"x":1,"y":2}')])
    assert not member(both, [("2026-03-01", "A", '{"x":1}'), ("2026-03-01", "A", '{"y":2}')])
    has = '{"event":"A","where":{"property":"l[]","has":{"all":[{"property":"x","eq":1},{"property":"y","eq":2}]}}}'
    assert member(has, [("2026-03-01", "A", '{"l":[{"x":1,"y":2}]}')]) and not member(has, [("2026-03-01", "A", '{"l":[{"x":1},{"y":2}]}')])
    no_x = '{"event":"A","where":{"property":"l[]","has":{"not":{"property":"x","exists":true}}}}'
    assert member(no_x, [("2026-03-01", "A", '{"l":[5]}')]) and not member(no_x, [("2026-03-01", "A", '{"l":[null]}')])
    source = '{"event":"A","where":{"context":"campaign.source","eq":"news"}}'
    assert member(source, [("2026-03-01", "A", "{}", '{"campaign":{"source":"news"}}')])


def test_time_of_an_event():
    weekend = '{"event":"A","where":{"time":"weekday","in":[6,7]}}'
    assert member(weekend, [("2026-03-08T12:00:00Z", "A")]) and not member(weekend, [("2026-03-09T12:00:00Z", "A")])
    assert not member(weekend, [("2026-03-08T23:30:00Z", "A")], tz="Europe/Berlin")
    assert member('{"event":"A","where":{"time":"hour","between":[0,1]}}', [("2026-03-08T01:59:59Z", "A")])


# Sequences

A, B, C = ("2026-03-01T00:00:00Z", "A"), ("2026-03-01T01:00:00Z", "B"), ("2026-03-01T02:00:00Z", "C")


def test_sequence_order():
    ab = '{"sequence":[{"event":"A"},{"event":"B"}]}'
    assert member(ab, [A, B]) and not member(ab, [A]) and not member(ab, [("2026-03-01T00:30:00Z", "B"), ("2026-03-01T00:45:00Z", "A")])
    same_time = [("2026-03-01", "A"), ("2026-03-01", "B")]
    assert member(ab, same_time) and not member(ab, same_time[::-1])  # a tie goes by received_at
    assert not member('{"sequence":[{"event":"A"},{"event":"A"}]}', [A])


def test_sequence_within_span_and_choice():
    within = '{"sequence":[{"event":"A"},{"event":"B","within":"30m"}]}'
    assert not member(within, [A, B]) and member(within, [A, ("2026-03-01T00:45:00Z", "A"), B])
    assert member('{"sequence":[{"event":"A"},{"event":"B","within":"1h"}]}', [A, B])
    span = '{"sequence":[{"event":"A"},{"event":"B"},{"event":"C"}],"span":"%s"}'
    assert member(span % "2h", [A, B, C]) and not member(span % "119m", [A, B, C])


def test_sequence_times():
    three = '{"sequence":[{"event":"A","times":3}],"span":"1d"}'
    days = [("2026-03-0%dT00:00:00Z" % d, "A") for d in (1, 2, 3)]
    assert not member(three, days) and member(three.replace("1d", "2d"), days) and not member(three.replace("1d", "2d"), days[:2])
    each = '{"sequence":[{"event":"A"},{"event":"B","times":2,"within":"1h"}]}'
    assert member(each, [A, B, ("2026-03-01T02:00:00Z", "B")]) and not member(each, [A, B, ("2026-03-01T02:00:01Z", "B")])


def test_sequence_same():
    same = '{"sequence":[{"event":"A"},{"event":"B","same":"c"}]}'
    a, b = A + ('{"c":%s}',), B + ('{"c":%s}',)

    def pair(x, y):
        return [a[:2] + (a[2] % x,), b[:2] + (b[2] % y,)]

    assert member(same, pair("1", '"1"')) and not member(same, pair("1", "2")) and not member(same, pair("1", "1.0"))
    assert not member(same, pair("null", "null")) and not member(same, pair("[1]", "[1]"))


def test_sequence_absent_between():
    none = '{"sequence":[{"event":"A"},{"absent":"B"},{"event":"C"}]}'
    assert not member(none, [A, B, C]) and member(none, [A, C]) and member(none, [A, B, ("2026-03-01T01:30:00Z", "A"), C])
    tie = [A, ("2026-03-01T02:00:00Z", "B"), C]
    assert not member(none, tie) and member(none, [A, C, tie[1]])


def test_sequence_absent_last():
    never = '{"sequence":[{"event":"A"},{"absent":"B"}]}'
    assert member(never, [A]) and not member(never, [A, B]) and member(never, [B[:0] + ("2026-02-01", "B"), A])
    held = '{"sequence":[{"event":"A"},{"absent":"B","for":"1h"}]}'
    assert not member(held, [A, B]) and member(held, [A, ("2026-03-01T01:00:00.000001Z", "B")])  # ts <= ek + for counts
    assert member(held, [A], at="2026-03-01T01:00:00Z") and not member(held, [A], at="2026-03-01T00:59:59.999999Z")
    keyed = '{"sequence":[{"event":"A"},{"absent":"B","same":"c"}]}'
    assert member(keyed, [A + ('{"c":1}',), B + ('{"c":2}',)]) and not member(keyed, [A + ('{"c":1}',), B + ('{"c":1}',)])
    assert member(keyed, [A, B + ('{"c":1}',)]) and member(keyed, [A, B])  # the first step's property is missing: it finds nothing


def test_sequence_window_bounds_the_chosen_only():
    text_ = '{"sequence":[{"event":"A"},{"absent":"B","for":"2h"}],"window":{"to":"2026-03-01T00:30:00Z"}}'
    assert member(text_, [A]) and not member(text_, [A, B])
    assert not member('{"sequence":[{"event":"A"},{"event":"B"}],"window":{"from":"2026-03-01T00:00:01Z"}}', [A, B])
