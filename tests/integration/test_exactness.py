"""Values keep every digit, and no value that a public page can send harms its neighbours or any segment."""
import pytest

NASTY = [
    '{"n":12345678901234567890}', '{"n":1e400}', '{"n":-1e-400}', '{"n":"1e400"}', '{"n":"1e999999"}', '{"n":"\\u0000"}', '{"\\u0000":1}',
    '{"n":"\\ud800"}',
    '{"n":"\\udc00x"}', '{"\\ud83d":"\\ud83d"}', '{"d":"2026-02-30"}', '{"d":"9999-12-31T23:59:59.999999999Z"}',
    '{"d":"0001-01-01T00:00:00+15:59"}',
    '{"n":"' + "9" * 60 + '"}', '{"n":' + "9" * 60 + "}", '{"n":1E+99}', '{"n":{"n":{"n":[[[]]]}}}', '{"n":[],"n":{},"n":5}',
    '{"":1,"a.b":2}', '{"n":-0.0}',
    '{"n":"Infinity","d":"infinity"}', '{"n":"NaN","d":"now"}', '{"d":"24:00:00"}', '{"n":"\\uffff\\ufffe"}', '{"n":"' + "x" * 5000 + '"}',
]

# Every kind of cast that a definition can lead to, over the properties and traits above.
CASTING = {
    "cast-number": {"event": "Nasty", "where": {"property": "n", "gt": 0}},
    "cast-sum": {"event": "Nasty", "measure": {"sum": "n"}, "gte": -100},
    "cast-avg": {"event": "Nasty", "measure": {"avg": "n"}, "lt": 1},
    "cast-instant": {"event": "Nasty", "where": {"property": "d", "before": "2026-01-01"}},
    "cast-text": {"event": "Nasty", "where": {"property": "n", "matches": "^x"}},
    "cast-distinct": {"event": "Nasty", "measure": {"distinct": "n"}, "gte": 1},
    "cast-trait": {"any": [{"trait": "n", "gte": 5}, {"trait": "d", "after": "2020-01-01"}, {"trait": "d", "within_next": "3650d"}]},
}


def raw(user, properties, kind="track", member="properties"):
    return '{"type":"%s","userId":"%s","event":"Nasty","messageId":"%s-%s","%s":%s}' % (kind, user, user, kind, member, properties)


def test_nineteen_ninety_nine(house):
    batch = ",".join(
        '{"type":"track","userId":"exact","event":"Paid","messageId":"paid%d",'
        '"properties":{"total":19.99,"long":12345678901234567890.12}}' % i
        for i in range(100)
    )
    assert house.collect.post("/v1/batch", '{"batch":[%s]}' % batch).status == 200
    stored = "SELECT DISTINCT properties->>'total', properties->>'long' FROM event JOIN event_name USING (name_id) WHERE name = 'Paid'"
    assert house.rows(stored) == [("19.99", "12345678901234567890.12")]
    house.segment("exact-sum", {"event": "Paid", "measure": {"sum": "total"}, "eq": 1999})
    definition = '{"event":"Paid","measure":{"sum":"long"},"eq":1234567890123456789012.00}'
    text = '{"key":"exact-long","name":"x","kind":"rule","definition":%s}' % definition
    assert house.api.post("/v1/segments", text).status == 201
    house.live("exact-long")
    house.segment("exact-avg", {"event": "Paid", "measure": {"avg": "total"}, "eq": 19.99})
    assert house.members("exact-sum") == house.members("exact-long") == house.members("exact-avg") == {"exact"}


def test_nasty_values_harm_nobody(house):
    for key, definition in CASTING.items():
        house.segment(key, definition)
    for i, nasty in enumerate(NASTY):
        neighbours = ['{"type":"track","userId":"n%d","event":"Neighbour","messageId":"%s%d"}' % (i, side, i) for side in "lr"]
        items = [
            neighbours[0], raw(f"n{i}", nasty), raw(f"n{i}", nasty, "identify", "traits"), raw(f"n{i}", "{}", member="context"),
            neighbours[1]
        ]
        answer = house.collect.post("/v1/batch", '{"batch":[%s]}' % ",".join(items))
        assert answer.status == 200, (nasty, answer)
        assert house.events(f"n{i}", "Neighbour") == 2, nasty
    house.caught_up()
    for key in CASTING:
        assert house.api.get(f"/v1/segments/{key}").json["state"] == "live"
        house.segment(key + "-after", CASTING[key])
        assert house.members(key) == house.members(key + "-after")
    assert "n0" in house.members("cast-number") and "n10" not in house.members("cast-instant") and "n12" in house.members("cast-instant")


@pytest.mark.parametrize("number", ["1e400", "9" * 60, "0." + "1" * 60, "1e100", "-1E-100"])
def test_number_outside_the_form_is_rejected_alone(house, number):
    before = house.one("SELECT count(*) FROM reject WHERE code = 'bad_number'")
    for spot in ('"properties":{"a":[{"b":%s}]}', '"context":{"a":%s}', '"extra":%s'):
        item = '{"type":"track","userId":"bad number","event":"Bad",' + spot % number + "}"
        assert house.collect.post("/v1/batch", '{"batch":[%s,{"type":"track","userId":"fine","event":"Fine"}]}' % item).status == 200
    assert house.events("bad number") == 0
    assert house.one("SELECT count(*) FROM reject WHERE code = 'bad_number'") == before + 3


@pytest.mark.parametrize(
    "escape, stored",
    [
        ("a\\u0000b", "a\ufffdb"), ("\\ud800", "\ufffd"), ("\\udc00\\ud800", "\ufffd\ufffd"), ("\\ud83d\\ude42", "🙂"),
        ("\\\\u0000", "\\u0000"), ("\\ud83d\\u0041", "\ufffdA")
    ],
)
def test_escapes_postgresql_cannot_hold(house, escape, stored):
    name = f"Escape {house.message_id()}"
    assert house.collect.post("/v1/track", '{"userId":"esc","event":"%s","properties":{"v":"%s"}}' % (name, escape)).status == 200
    assert house.one("SELECT properties->>'v' FROM event JOIN event_name USING (name_id) WHERE name = %s", name) == stored


def test_last_of_two_equal_keys_wins(house):
    assert house.collect.post(
        "/v1/track", '{"userId":"nobody","userId":"twice","event":"X","event":"Twice","properties":{"a":1,"a":2}}'
    ).status == 200
    assert house.events("twice", "Twice") == 1
    assert house.one("SELECT properties->>'a' FROM event JOIN event_name USING (name_id) WHERE name = 'Twice'") == "2"
