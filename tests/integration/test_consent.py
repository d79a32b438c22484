"""Consent: stated by identify calls and the API, signalled by browsers, merged, a condition of segments, and who is reachable (docs/consent.md)."""
import csv
import datetime
import io
import json
import subprocess
import threading
import uuid

import pytest

from integration.test_stream import Events
from support.client import bearer, quoted
from support.house import iso
from support.server import PROGRAM


def identify(traits=None, **more):
    return {"type": "identify", "traits": traits or {}, **more}


def stated(consent, **more):
    return identify({"consent": consent}, **more)


def ago(seconds):
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def consent_of(house, person):
    """{channel: state}; the whole object stands in the answer."""
    answer = house.api.get(f"/v1/profiles/{quoted(person)}")
    assert answer.status == 200, answer
    return {channel: one["state"] for channel, one in answer.json["consent"].items()}


def post(house, person, consent, **more):
    return house.api.post(f"/v1/profiles/{quoted(person)}/consent", {"consent": consent}, **more)


@pytest.fixture
def name():
    return uuid.uuid4().hex[:12]


# What is stated


def test_an_identify_states_consent(house, name):
    house.send(stated({"email": "granted", "sms": "denied", "push": True, "fax": False, "post": None}, userId=name))
    assert consent_of(house, name) == {"email": "granted", "sms": "denied", "push": "granted", "fax": "denied"}
    house.send(stated({"email": "denied", "sms": None}, userId=name))
    assert consent_of(house, name) == {"email": "denied", "push": "granted", "fax": "denied"}


def test_what_is_bad_is_left_out_alone(house, name):
    bad = {"a": "yes", "b": 1, "c": {"x": 1}, "d": [], "e": "Granted", "": "granted", "x" * 257: "granted", "new\nline": "granted"}
    house.send(stated({**bad, "x" * 256: "denied", 'we"ird \\ ☃': "granted"}, userId=name))
    assert consent_of(house, name) == {"x" * 256: "denied", 'we"ird \\ ☃': "granted"}


def test_an_object_is_no_trait_and_anything_else_is(house, name):
    house.send(stated({"email": "granted"}, userId=name), identify({"plan": "pro"}, userId=name))
    assert house.api.get(f"/v1/profiles/{name}").json["traits"] == {"plan": "pro"}
    house.send(stated("yes", userId=name))
    assert house.api.get(f"/v1/profiles/{name}").json["traits"] == {"plan": "pro", "consent": "yes"}
    assert consent_of(house, name) == {"email": "granted"}
    house.send(stated({}, userId=name))
    assert house.api.get(f"/v1/profiles/{name}").json["traits"] == {"plan": "pro"}
    events = house.api.get(f"/v1/profiles/{name}/events").json["data"]
    assert [event["properties"] for event in events][::-1][0] == {"consent": {"email": "granted"}}  # as it was sent


def test_traits_in_the_context_and_segments_own_form(house, name):
    categories = {"consent": {"categoryPreferences": {"Advertising": True, "Analytics": False, "email": True}}}
    house.send(identify(userId=name, context={**categories, "traits": {"consent": {"email": "denied"}}}))
    assert consent_of(house, name) == {"Advertising": "granted", "Analytics": "denied", "email": "denied"}
    house.send({"type": "track", "userId": name, "event": "A", "context": {"consent": {"categoryPreferences": {"Analytics": True}}}})
    assert consent_of(house, name)["Analytics"] == "denied"  # of identify calls alone
    house.send(identify(userId=name), context={"consent": {"categoryPreferences": {"Analytics": True}}})  # the batch's
    assert consent_of(house, name)["Analytics"] == "granted"


def test_a_retry_does_not_revive_an_old_consent(house, name):
    old = stated({"email": "granted"}, userId=name, messageId=name + "1")
    house.send(old)
    house.send(stated({"email": "denied"}, userId=name))
    house.send(old)
    assert consent_of(house, name) == {"email": "denied"}


def test_the_newest_statement_holds_in_whatever_order_they_come(house, name):
    newer, older = [stated({"c": state}, userId=name, timestamp=ago(s)) for state, s in (("denied", 100), ("granted", 200))]
    house.send(newer)
    house.send(older)
    assert consent_of(house, name) == {"c": "denied"}
    house.send(stated({"d": "granted"}, userId=name, timestamp=ago(300)), stated({"d": None}, userId=name, timestamp=ago(200)))
    house.send(stated({"d": "granted"}, userId=name, timestamp=ago(250)))
    assert consent_of(house, name) == {"c": "denied"}  # taken back after both
    house.send(stated({"d": "granted"}, userId=name, timestamp=ago(50)))
    assert consent_of(house, name) == {"c": "denied", "d": "granted"}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order", [("granted", "denied", None), (None, "denied", "granted"), ("denied", None, "granted")])
def test_of_one_instant_the_more_cautious_holds(house, name, together, order):
    at = ago(60)
    calls = [stated({"c": state}, userId=name, timestamp=at) for state in order]
    for batch in [calls] if together else [[call] for call in calls]:
        house.send(*batch)
    assert consent_of(house, name) == {"c": "denied"}
    assert house.one("SELECT count(*) FROM consent JOIN profile USING (profile_id) WHERE user_id = %s", name) == 1


# Signals


@pytest.mark.parametrize("header", ["Sec-GPC", "DNT"])
def test_a_browser_that_opts_out(house, name, header):
    house.segment(f"third-{name}", {"all": [{"event": f"Seen {name}"}, {"not": {"consent": "third_party", "eq": "denied"}}]})
    send = lambda value: house.collect.post(  # noqa: E731
        "/v1/track", {"userId": name, "event": f"Seen {name}"}, headers={header: value} if value else {}
    )
    assert send(None).status == 200 and send("0").status == 200
    assert consent_of(house, name) == {} and house.members(f"third-{name}") == {name}
    assert send("1").status == 200
    assert consent_of(house, name) == {"third_party": "denied"} and house.members(f"third-{name}") == set()
    first = house.api.get(f"/v1/profiles/{name}").json["consent"]["third_party"]
    assert first["by"] == "signal"
    send("1")
    assert house.api.get(f"/v1/profiles/{name}").json["consent"]["third_party"] == first
    post(house, name, {"third_party": None, "email": "granted"})
    assert consent_of(house, name) == {"third_party": "denied", "email": "granted"}  # nothing is stated
    house.send(stated({"third_party": "granted"}, userId=name))
    send("1")
    assert consent_of(house, name) == {"third_party": "granted", "email": "granted"}  # what is stated goes before


# Merges


@pytest.mark.parametrize("mine, theirs, left", [
    (("granted", 100), ("denied", 200), "granted"), (("granted", 200), ("denied", 100), "denied"), (("denied", 200), ("granted", 100), "granted"),
    ((None, 100), ("granted", 200), None), (("granted", 200), (None, 100), None), (("granted", 100), ("denied", 100), "denied"),
    (("denied", 100), ("granted", 100), "denied"),
])
@pytest.mark.parametrize("together", [False, True])
def test_a_merge_keeps_the_newer_statement(house, name, together, mine, theirs, left):
    at = {s: ago(s) for s in (100, 200)}
    calls = [
        stated({"c": mine[0], "mine": "granted"}, userId=name, timestamp=at[mine[1]]),
        stated({"c": theirs[0], "theirs": "denied"}, anonymousId="a" + name, timestamp=at[theirs[1]]),
        {"type": "alias", "previousId": "a" + name, "userId": name},
    ]
    for batch in [calls] if together else [[call] for call in calls]:
        house.send(*batch)
    expected = {"mine": "granted", "theirs": "denied", **({"c": left} if left else {})}
    assert consent_of(house, name) == expected == consent_of(house, "anon:a" + name)
    assert house.one("SELECT count(*) FROM consent WHERE NOT EXISTS (SELECT FROM profile p WHERE p.profile_id = consent.profile_id)") == 0


# The API


def test_post_states_and_answers_all(house, name):
    house.send(stated({"email": "denied", "push": "granted"}, userId=name))
    before = house.now()
    answer = post(house, name, {"email": "granted", "sms": False, "push": None})
    assert answer.status == 200, answer
    consent = answer.json["consent"]
    assert {channel: one["state"] for channel, one in consent.items()} == {"email": "granted", "sms": "denied"} == consent_of(house, name)
    assert iso(before - 1_000_000) <= consent["email"]["at"] <= iso(house.now() + 1_000_000) and consent["email"]["by"] == "statement"
    assert post(house, name, {}).json == answer.json  # nothing stated
    house.send(stated({"email": "denied"}, userId=name, timestamp=ago(60)))
    assert consent_of(house, name)["email"] == "granted"  # said before the call to the API


def test_post_by_any_id_of_the_person(house, name):
    house.send(stated({"a": "granted"}, anonymousId="a/" + name))
    assert post(house, "anon:a/" + name, {"b": "granted"}).status == 200
    house.send({"type": "alias", "previousId": "a/" + name, "userId": name})
    assert post(house, "anon:a/" + name, {"c": "denied"}).json["consent"].keys() == {"a", "b", "c"}
    assert consent_of(house, name) == {"a": "granted", "b": "granted", "c": "denied"}


def test_post_refuses(house, name):
    assert post(house, name, {"email": "granted"}).status == 404  # nobody
    assert house.one("SELECT count(*) FROM profile WHERE user_id = %s", name) == 0
    assert post(house, "x" * 300, {"email": "granted"}).status == 404
    house.track(name, "A")
    for consent, pointer in [
        ({"email": "yes"}, "/consent/email"), ({"email": 1}, "/consent/email"), ({"a/b~": {}}, "/consent/a~1b~0"), ({"": "granted"}, "/consent/"),
        ("granted", "/consent"), ({f"c{i}": "granted" for i in range(101)}, "/consent"),
    ]:
        answer = post(house, name, consent)
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == pointer, (consent, answer)
    for body, pointer in [({}, "/consent"), ({"consent": {}, "x": 1}, "/x")]:
        answer = house.api.post(f"/v1/profiles/{name}/consent", body)
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == pointer, answer
    reader = house.client(bearer(house.read_key))
    assert reader.post(f"/v1/profiles/{name}/consent", {"consent": {}}).code == "wrong_role"
    assert consent_of(house, name) == {}


def test_posts_and_calls_at_once_lose_none(house, name):
    house.track(name, "A")

    def work(n):
        api, collect = house.client(house.api.authorization), house.client(house.collect.authorization)
        for i in range(10):
            assert api.post(f"/v1/profiles/{name}/consent", {"consent": {f"p{n}-{i}": "granted"}}).status == 200
            assert collect.post("/v1/batch", {"batch": [stated({f"i{n}-{i}": "denied"}, userId=name)]}).status == 200

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(consent_of(house, name)) == 80


# The condition


def test_the_condition_follows_within_a_tick(house, name):
    email = f"email-{name}"
    house.segment(f"granted-{name}", {"consent": email, "eq": "granted"})
    house.segment(f"unknown-{name}", {"all": [{"consent": email, "eq": "unknown"}, {"event": f"Here {name}"}]})
    house.track("u" + name, f"Here {name}")
    members = lambda: (house.members(f"granted-{name}"), house.members(f"unknown-{name}"))  # noqa: E731
    assert members() == (set(), {"u" + name})
    house.send(stated({email: "granted"}, userId="u" + name))
    assert members() == ({"u" + name}, set())
    post(house, "u" + name, {email: "denied"})
    assert members() == (set(), set())
    post(house, "u" + name, {email: None})
    assert members() == (set(), {"u" + name})
    house.send(stated({email: True}, anonymousId="a" + name))  # a new person by consent alone
    assert members() == ({"anon:a" + name}, {"u" + name})
    house.send({"type": "alias", "previousId": "a" + name, "userId": "u" + name})
    assert members() == ({"u" + name}, set())
    causes = [(c["op"], c["cause"]) for c in house.changes(segment=f"granted-{name}")]
    assert causes[:2] == [("enter", "trait"), ("exit", "trait")]
    assert house.api.post(f"/v1/segments/granted-{name}/verify", {}).json["differences"] == 0
    why = house.api.get(f"/v1/segments/granted-{name}/members/u{name}/why").json
    assert why["member"] is True and "granted" in json.dumps(why)
    preview = house.api.post("/v1/segments/preview", {"definition": {"consent": email, "eq": "granted"}}).json
    assert preview["count"] == 1


# Who is reachable


@pytest.fixture(scope="module")
def mixed(house):
    """A segment of people of every kind; {key, who is reachable by what}."""
    house.segment("mixed", {"event": "Mixed"})
    people = {
        "trait": {"email": "t@x.org"}, "denied": {"email": "d@x.org", "consent": {"email": "denied"}}, "granted": {"email": "g@x.org", "consent": {"email": True}},
        "bare": {}, "no-address": {"consent": {"email": "granted"}, "email": "soon"}, "phone": {"phone": "+49 1"}, "number": {"phone": 491},
        "quiet": {"phone": "+49 2", "consent": {"sms": False}}, "secret": {"email": "s@x.org", "consent": {"third_party": "denied"}},
    }
    for who, traits in people.items():
        house.send(identify(traits, userId=who), {"type": "track", "userId": who, "event": "Mixed"})
    assert house.members("mixed") == set(people)
    return {
        "email": {"trait", "granted", "secret"}, "sms": {"phone", "number"}, "third_party": set(people) - {"secret"},
        "email,third_party": {"trait", "granted"}, "post": set(people), "email,sms": set(),
    }


def test_members_that_are_reachable(house, mixed):
    moment = iso(house.now())
    for channels, who in mixed.items():
        for at in ("", f"&at={moment}"):
            query = f"/v1/segments/mixed/members?reachable={quoted(channels)}{at}"
            page = house.api.get(query).json
            assert {row["user_id"] for row in page["data"]} == who and page["size"] == 9, (channels, at)
            lines = house.api.get(query, headers={"Accept": "application/x-ndjson"}).lines
            assert {row["user_id"] for row in lines} == who, (channels, at)
            rows = csv.DictReader(io.StringIO(house.api.get(query + "&format=csv").body.decode()))
            assert {row["user_id"] for row in rows} == who, (channels, at)


def test_pages_of_the_reachable(house, mixed):
    first = house.api.get("/v1/segments/mixed/members?reachable=third_party&limit=5").json
    second = house.api.get(f"/v1/segments/mixed/members?reachable=third_party&limit=5&cursor={first['next_cursor']}").json
    assert {row["user_id"] for row in first["data"] + second["data"]} == mixed["third_party"] and second["next"] is None
    other = house.api.get(f"/v1/segments/mixed/members?reachable=email&limit=5&cursor={first['next_cursor']}")
    assert other.code == "bad_cursor"


@pytest.mark.parametrize("path", ["/v1/segments/mixed/members", "/v1/segments/mixed/changes", "/v1/changes"])
@pytest.mark.parametrize("form", ["", ",", "email,", "email,,sms", "x" * 257, ",".join(f"c{i}" for i in range(21)), "a%0Ab"])
def test_unknown_forms_are_refused(house, mixed, path, form):
    answer = house.api.get(f"{path}?reachable={form}")
    assert answer.status == 400 and answer.code == "bad_parameter"


def test_at_means_reachable_now(house, name):
    house.segment(f"past-{name}", {"event": f"Past {name}"})
    house.send(identify({"phone": "1"}, userId="u" + name), {"type": "track", "userId": "u" + name, "event": f"Past {name}"})
    house.send(identify({"phone": "1"}, anonymousId="a" + name), {"type": "track", "anonymousId": "a" + name, "event": f"Past {name}"})
    assert house.members(f"past-{name}") == {"u" + name, "anon:a" + name}
    then = iso(house.caught_up())
    query = f"/v1/segments/past-{name}/members?at={then}&reachable=sms"
    assert len(house.api.get(query).json["data"]) == 2
    house.send({"type": "alias", "previousId": "a" + name, "userId": "u" + name})
    house.members(f"past-{name}")
    assert [row["user_id"] for row in house.api.get(query).json["data"]] == ["u" + name]  # the other is gone
    post(house, "u" + name, {"sms": "denied"})
    assert house.api.get(query).json["data"] == []


def test_feeds_leave_enters_out_and_bring_every_exit(house, name):
    key = f"feed-{name}"
    house.segment(key, {"all": [{"event": f"In {name}"}, {"not": {"event": f"Out {name}"}}]})
    for who, traits in {"yes": {"email": "y@x.org"}, "no": {"email": "n@x.org", "consent": {"email": "denied"}}}.items():
        house.send(identify(traits, userId=who + name), {"type": "track", "userId": who + name, "event": f"In {name}"})
    house.members(key)
    for who in ("yes", "no"):
        house.track(who + name, f"Out {name}")
    house.members(key)
    expected = [("enter", "yes" + name), ("exit", "yes" + name), ("exit", "no" + name)]
    for path in (f"/v1/segments/{key}/changes?reachable=email", f"/v1/changes?segment={key}&reachable=email"):
        page = house.api.get(path).json
        assert sorted((c["op"], c["user_id"]) for c in page["data"]) == sorted(expected)
        assert int(page["next_cursor"]) >= page["data"][-1]["seq"]
        events = Events(house, path)
        assert sorted((change["op"], change["user_id"]) for _, change in events.read(3)) == sorted(expected)
        events.socket.close()
    assert ("enter", "no" + name) in [(c["op"], c["user_id"]) for c in house.changes(segment=key)]


def test_a_reader_goes_on_behind_what_was_left_out(house, name):
    key = f"behind-{name}"
    house.segment(key, {"event": f"In {name}"})
    start = house.api.get(f"/v1/segments/{key}/changes").json["next_cursor"]
    house.send(*({"type": "track", "userId": f"{name}-{i}", "event": f"In {name}"} for i in range(5)))
    house.members(key)
    page = house.api.get(f"/v1/segments/{key}/changes?after={start}&reachable=email").json
    assert page["data"] == [] and page["next"] is None
    assert int(page["next_cursor"]) >= house.changes(segment=key)[-1]["seq"]


def test_a_long_poll_waits_for_somebody_reachable(house, name):
    key = f"poll-{name}"
    house.segment(key, {"event": f"In {name}"})
    found = []

    def poll():
        found.append(house.client(house.api.authorization).get(f"/v1/segments/{key}/changes?after=latest&wait=60s&reachable=email").json["data"])

    thread = threading.Thread(target=poll)
    thread.start()
    house.parked()
    house.send({"type": "track", "userId": "no" + name, "event": f"In {name}"})
    house.members(key)
    house.send(identify({"email": "a@b.c"}, userId="yes" + name), {"type": "track", "userId": "yes" + name, "event": f"In {name}"})
    thread.join()
    assert [change["user_id"] for (change,) in found] == ["yes" + name]


def test_export_of_the_reachable(house, mixed):
    run = lambda *words: subprocess.run(  # noqa: E731
        [PROGRAM, "export", "mixed", "--database-url", house.postgres.url, *words], capture_output=True, text=True
    )
    done = run("--reachable", "email,third_party")
    assert done.returncode == 0, done.stderr
    assert {json.loads(line)["user_id"] for line in done.stdout.splitlines()} == mixed["email,third_party"]
    assert run("--reachable", "email,").returncode == 2


def test_whoever_is_far_behind_the_unreachable_is_found(house, name):
    """Only so many people and changes are looked at in one go; then a page may hold few, and says where to go on."""
    house.segment(f"far-{name}", {"event": f"Far {name}"})
    house.send({"type": "track", "userId": f"far-{name}", "event": f"Far {name}"})
    house.members(f"far-{name}")
    with house.db.cursor() as cursor:  # 45,000 people and enters that nobody sent, and one reachable behind all of them
        cursor.execute("SELECT serving_version_id, segment_id FROM segment WHERE key = %s", (f"far-{name}",))
        version, segment = cursor.fetchone()
        ids = "SELECT overlay(md5(%s || n)::text placing '00' from 1 for 2)::uuid AS id, n FROM generate_series(1, 45000) n"
        cursor.execute(f"INSERT INTO profile (profile_id, user_id) SELECT id, %s || n FROM ({ids}) i", (name, name))
        cursor.execute(f"INSERT INTO membership SELECT %s, id, now() FROM ({ids}) i", (version, name))
        cursor.execute(
            f"INSERT INTO change (segment_id, segment_key, profile_id, user_id, op, at, cause)"
            f" SELECT %s, %s, id, %s || n, 'enter', now(), 'event' FROM ({ids}) i", (segment, f"far-{name}", name, name),
        )
        last = "ffffffff-ffff-ffff-ffff-" + name
        cursor.execute("INSERT INTO profile (profile_id, user_id, traits) VALUES (%s, %s, '{\"phone\": \"1\"}')", (last, "last-" + name))
        cursor.execute("INSERT INTO membership VALUES (%s, %s, now())", (version, last))
        cursor.execute(
            "INSERT INTO change (segment_id, segment_key, profile_id, user_id, op, at, cause) VALUES (%s, %s, %s, %s, 'enter', now(), 'event')",
            (segment, f"far-{name}", last, "last-" + name),
        )
    found, looks, query = [], 0, f"/v1/segments/far-{name}/members?reachable=sms&limit=2"
    target = query
    while target:
        page = house.api.get(target).json
        found += [row["user_id"] for row in page["data"]]
        target = page["next_cursor"] and f"{query}&cursor={page['next_cursor']}"
        looks += 1
    assert found == ["last-" + name] and 2 <= looks <= 4
    lines = house.api.get(query, headers={"Accept": "application/x-ndjson"}).lines
    assert [line["user_id"] for line in lines] == found
    for feed in (f"/v1/segments/far-{name}/changes?reachable=sms", f"/v1/changes?segment=far-{name}&reachable=sms", "/v1/changes?reachable=sms"):
        found, after, target = [], 0, feed
        while target:
            page = house.api.get(target).json
            found += [row["user_id"] for row in page["data"] if row["op"] == "enter" and row["segment"] == f"far-{name}"]
            assert int(page["next_cursor"]) > after or not page["next"]
            after = int(page["next_cursor"])
            target = page["next"] and f"{feed}&after={after}"
        assert found == ["last-" + name]
        events = Events(house, feed)
        while "last-" + name not in [change["user_id"] for _, change in events.read(1)]:
            pass
        events.socket.close()
