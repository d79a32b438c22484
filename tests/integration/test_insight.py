"""What explains members: why, diff and members at a past instant."""
import time

import pytest

from support.client import bearer
from support.house import iso
from support.wait import least

BUYERS = {"event": "Insight Bought", "gte": 2}


@pytest.fixture(scope="module")
def shop(house):
    """i0 to i9 bought 0 to 9 times; i0 is known by a trait alone."""
    house.send({"type": "identify", "userId": "i0", "traits": {"plan": "pro"}})
    house.send(*[{"type": "track", "userId": f"i{n}", "event": "Insight Bought"} for n in range(10) for _ in range(n)])
    house.segment("insight", BUYERS)
    house.caught_up()
    return [f"i{n}" for n in range(10)]


def users(sample):
    return {row["user_id"] for row in sample}


# Why


def test_why_says_what_was_measured(house, shop):
    for n, user in enumerate(shop):
        why = house.api.get(f"/v1/segments/insight/members/{user}/why").json
        assert why["member"] == why["tree"]["holds"] == (n >= 2)
        assert (why["user_id"], why["tree"]["kind"], why["tree"]["measured"], why["tree"]["condition"]) == (user, "event", n, BUYERS)
        assert len(why["tree"]["events"]) == min(n, 5) and why["tree"]["changes_at"] is None


def test_why_shows_the_whole_tree(house, shop):
    house.segment("insight-tree", {"all": [{"not": {"trait": "plan", "eq": "pro"}}, {"any": [BUYERS, {"segment": "insight"}]}]})
    house.caught_up()
    tree = house.api.get("/v1/segments/insight-tree/members/i5/why").json["tree"]
    assert [part["pointer"] for part in tree["parts"]] == ["/all/0", "/all/1"] and tree["condition"] is None
    assert [part["kind"] for part in tree["parts"][1]["parts"]] == ["event", "segment"]
    assert all(part["holds"] for part in tree["parts"][1]["parts"]) and tree["parts"][0]["parts"][0]["holds"] is False
    assert house.api.get("/v1/segments/insight-tree/members/i0/why").json["tree"]["parts"][0]["holds"] is False


def test_why_knows_when_time_alone_will_change_it(house, shop):
    house.segment("insight-window", {"event": "Insight Bought", "window": {"last": "1h"}})
    house.caught_up()
    tree = house.api.get("/v1/segments/insight-window/members/i1/why").json["tree"]
    assert tree["holds"] and tree["changes_at"] > house.api.get("/v1/status").json["worker"]["as_of"]


def test_why_shows_an_average_without_trailing_zeros(house, shop):
    house.send(*[{"type": "track", "userId": "avg", "event": "Averaged", "properties": {"n": n}} for n in (1, 2)])
    house.segment("insight-avg", {"event": "Averaged", "measure": {"avg": "n"}, "gt": 1})
    house.caught_up()
    assert b'"measured":1.5,' in house.api.get("/v1/segments/insight-avg/members/avg/why").body


def test_why_of_nobody(house, shop):
    assert house.api.get("/v1/segments/insight/members/nobody/why").status == 404
    assert house.api.get("/v1/segments/none/members/i1/why").status == 404
    house.api.post("/v1/segments", {"key": "insight-list", "name": "x", "kind": "list"})
    assert house.api.get("/v1/segments/insight-list/members/i1/why").code == "not_a_rule"


# Diff


def test_diff(house, shop):
    answer = house.api.post("/v1/segments/insight/diff", {"definition": {"any": [{"event": "Insight Bought", "gte": 4}, {"trait": "plan", "eq": "pro"}]}})
    assert answer.status == 200, answer
    assert answer.json["enter"]["count"] == 1 and users(answer.json["enter"]["sample"]) == {"i0"}
    assert answer.json["leave"]["count"] == 2 and users(answer.json["leave"]["sample"]) == {"i2", "i3"}
    assert "insight-tree" in answer.json["dependents"] or answer.json["dependents"] == []
    none = house.api.post("/v1/segments/insight/diff", {"definition": BUYERS}).json
    assert none["enter"]["count"] == none["leave"]["count"] == 0
    few = house.api.post("/v1/segments/insight/diff", {"definition": {"event": "Insight Bought", "gte": 9}, "sample": 3}).json
    assert few["leave"]["count"] == 7 and len(few["leave"]["sample"]) == 3


def test_diff_checks_as_a_save_does(house, shop):
    ask = lambda definition, **more: house.api.post("/v1/segments/insight/diff", {"definition": definition, **more})
    assert ask({"event": "x", "colour": 1}).status == 422
    assert ask({"segment": "insight"}).code == "segment_cycle"
    assert ask({"segment": "no-such"}).code == "unknown_segment"
    assert ask(BUYERS, timezone="Mars/Base").code == "bad_timezone"
    assert ask(BUYERS, sample=1001).status == 422
    assert house.api.post("/v1/segments/none/diff", {"definition": BUYERS}).status == 404
    assert house.client(bearer(house.read_key)).post("/v1/segments/insight/diff", {"definition": BUYERS}).status == 200


# The past


def test_members_at(house):
    house.segment("past", {"event": "Past", "eq": 1})
    house.send(*[{"type": "track", "userId": f"p{n}", "event": "Past"} for n in range(6)])
    house.caught_up()
    then = iso(house.now())
    house.send(*[{"type": "track", "userId": f"p{n}", "event": "Past"} for n in range(2)])  # leave
    house.send({"type": "track", "anonymousId": "p9", "event": "Past"})  # enters
    house.caught_up()
    assert house.members("past") == {"p2", "p3", "p4", "p5", "anon:p9"}
    page = house.api.get(f"/v1/segments/past/members?at={then}").json
    assert users(page["data"]) == {f"p{n}" for n in range(6)} and (page["size"], page["as_of"]) == (6, then)
    seen, target = [], f"/v1/segments/past/members?at={then}&limit=2"
    while target:
        page = house.api.get(target).json
        seen += [row["user_id"] for row in page["data"]]
        target = page["next"] and "/v1" + page["next"].split("/v1", 1)[1]
    assert sorted(seen) == [f"p{n}" for n in range(6)]
    answer = house.api.get(f"/v1/segments/past/members?at={then}", headers={"Accept": "application/x-ndjson"})
    assert len(answer.lines) == 6 and answer.headers["cohortd-as-of"] == then


def test_members_at_of_many(house):
    """More than a page of a stream, and as many changes since: once 10 s for a page, and a scan of the feed for each."""
    upload = {"Content-Type": "text/csv"}
    ids = "user_id\n" + "".join(f"many{n}\n" for n in range(10_000))
    house.api.post("/v1/segments", {"key": "many", "name": "many", "kind": "list"})
    assert house.api.post("/v1/segments/many/members?mode=add", ids, headers=upload).json["added"] == 10_000
    then = iso(house.caught_up())
    half = ids[: ids.index("many5000\n")]
    assert house.api.post("/v1/segments/many/members?mode=remove", half, headers=upload).json["removed"] == 5_000

    def read(n, at=""):
        """How long it takes."""
        started = time.monotonic()
        assert house.api.get(f"/v1/segments/many/members?limit=1000{at}").json["size"] == n
        answer = house.api.get(f"/v1/segments/many/members?fields=plan{at}", headers={"Accept": "application/x-ndjson"})
        assert users(answer.lines) == {f"many{i}" for i in range(10_000 - n, 10_000)} and len(answer.lines) == n
        assert [line["traits"] for line in answer.lines[:2]] == [{"plan": None}] * 2
        return time.monotonic() - started

    limit = 5 + 20 * read(5_000)  # a slow machine is so with both
    assert least(lambda: read(10_000, f"&at={then}"), limit) < limit


def test_members_at_says_no_more_than_the_worker_knows(house, shop):
    house.caught_up()
    held = house.postgres.connect()
    held.autocommit = False
    with held.cursor() as cursor:
        cursor.execute("SELECT to_char(as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM worker FOR UPDATE")
        ((as_of,),) = cursor.fetchall()
        assert house.api.get(f"/v1/segments/insight/members?at={iso(house.now())}").json["as_of"] == as_of
    held.close()


@pytest.mark.parametrize("at, status", [("2020-01-01", 422), ("2999-01-01", 422), ("x", 400), ("", 400)])
def test_no_members_of_a_time_that_is_not_known(house, shop, at, status):
    assert house.api.get(f"/v1/segments/insight/members?at={at}").status == status
