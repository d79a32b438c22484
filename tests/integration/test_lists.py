"""Lists: members by hand and by file, merges, segments that refer to a list, and that an answer comes only when all of it is true."""
import http.client
import json
import threading
import types

import pytest

from support.client import Client, bearer, quoted
from support.server import Server
from support.wait import wait_for


def make_list(house, key):
    answer = house.api.post("/v1/segments", {"key": key, "name": key, "kind": "list"})
    assert answer.status == 201, answer
    segment = answer.json
    assert segment["definition"] is None and segment["kind"] == "list"
    assert (segment["state"], segment["version"], segment["serving_version"], segment["size"]) == ("live", 1, 1, 0)
    return f"/v1/segments/{key}/members"


def upload(house, path, body, kind="application/x-ndjson", mode="add", more=""):
    if isinstance(body, list):
        body = "".join(json.dumps(row) + "\n" for row in body)
    return house.api.request("POST", f"{path}?mode={mode}{more}", body, {"Content-Type": kind})


def test_a_row_with_nul_names_nobody(house):
    """It was taken for somebody whose id has U+FFFD in its place."""
    assert house.api.post("/v1/segments", {"key": "nul", "name": "nul", "kind": "list"}).status == 201
    rows = '{"user_id":"fine"}\n{"user_id":"a\\u0000b"}\n{"user_id":"a\\\\u0000b"}\n{"email":"a\\ud800@x.example"}\n'
    answer = upload(house, "/v1/segments/nul/members", rows)
    assert answer.json["added"] == 2 and [(error["line"], error["code"]) for error in answer.json["errors"]] == [(2, "invalid_json"), (4, "invalid_json")]
    assert {who["user_id"] for who in house.api.get("/v1/segments/nul/members").json["data"]} == {"fine", "a\\u0000b"}


def now_members(house, key):
    return {id if kind == "user" else f"anon:{id}" for kind, id in house.snapshot(key)[0]}


# One member


def test_put_and_delete(house):
    path = make_list(house, "one")
    assert house.api.get(f"{path}/ada").status == 404
    answer = house.api.request("PUT", f"{path}/ada")
    assert answer.status == 200 and answer.json["user_id"] == "ada" and answer.json["anonymous_id"] is None
    assert house.api.get(f"{path}/ada").json == answer.json
    again = house.api.request("PUT", f"{path}/ada")
    assert again.status == 200 and again.json["entered_at"] == answer.json["entered_at"]
    anonymous = house.api.request("PUT", f"{path}/anon:x%2Fy")
    assert anonymous.json["anonymous_id"] == "x/y" and anonymous.json["user_id"] is None
    assert house.api.get("/v1/segments/one").json["size"] == 2 and house.api.get("/v1/segments/one").json["identified"] == 1
    assert [(c["op"], c["cause"], c["user_id"]) for c in house.changes(segment="one")] == [("enter", "list", "ada"), ("enter", "list", None)]
    assert house.api.delete(f"{path}/ada").status == 204
    assert house.api.delete(f"{path}/ada").status == 404
    assert house.api.delete(f"{path}/nobody").status == 404
    assert now_members(house, "one") == {"anon:x/y"}
    assert [segment["key"] for segment in house.api.get(f"/v1/profiles/{quoted('anon:x/y')}/segments").json["data"]] == ["one"]


def test_ids_that_nobody_can_have(house):
    path = make_list(house, "ids")
    for id in ["null", "undefined", "x" * 257, "%0A", "anon:", "anon:none"]:
        answer = house.api.request("PUT", f"{path}/{id}")
        assert answer.status == 422 and answer.code == "bad_id", id
    assert house.api.request("PUT", f"{path}/user:anon:x").json["user_id"] == "anon:x"
    assert house.api.delete(f"{path}/null").status == 404


def test_rules_have_no_edits(house):
    house.segment("rule", {"event": "A"})
    for answer in [
        house.api.request("PUT", "/v1/segments/rule/members/u"),
        house.api.delete("/v1/segments/rule/members/u"),
        upload(house, "/v1/segments/rule/members", [{"user_id": "u"}]),
    ]:
        assert answer.status == 409 and answer.code == "not_a_list"
    assert house.api.request("PUT", "/v1/segments/none/members/u").status == 404
    assert upload(house, "/v1/segments/none/members", [{"user_id": "u"}]).status == 404
    assert house.client(bearer(house.read_key)).request("PUT", "/v1/segments/rule/members/u").status == 403


def test_kinds_do_not_mix(house):
    make_list(house, "kind")
    assert house.api.request("PUT", "/v1/segments/kind", {"name": "x", "kind": "rule", "definition": {"event": "A"}}).code == "immutable"
    assert house.api.post("/v1/segments", {"name": "x", "kind": "list", "definition": {"event": "A"}}).status == 422
    patched = house.api.request("PATCH", "/v1/segments/kind", {"name": "new", "tags": ["t"]})
    assert patched.status == 200 and patched.json["version"] == 1 and patched.json["state"] == "live"


# Files


def test_upload_lines(house):
    path = make_list(house, "lines")
    rows = [{"user_id": "a"}, {"user_id": "b"}, {"user_id": "a"}, {"anonymous_id": "x"}]
    assert upload(house, path, rows).json == {"added": 3, "removed": 0, "unchanged": 0, "rejected": 0, "errors": []}
    assert now_members(house, "lines") == {"a", "b", "anon:x"}
    assert upload(house, path, rows[:1] + [{"user_id": "c"}]).json == {"added": 1, "removed": 0, "unchanged": 1, "rejected": 0, "errors": []}
    assert upload(house, path, [{"user_id": "b"}, {"user_id": "zz"}], mode="remove").json == {
        "added": 0, "removed": 1, "unchanged": 1, "rejected": 0, "errors": [],
    }
    assert upload(house, path, [{"user_id": "c"}, {"user_id": "d"}], mode="replace").json == {
        "added": 1, "removed": 2, "unchanged": 1, "rejected": 0, "errors": [],
    }
    assert now_members(house, "lines") == {"c", "d"}


def test_an_export_can_be_uploaded(house):
    path, copy = make_list(house, "export"), make_list(house, "copy")
    upload(house, path, [{"user_id": 'q"u,o'}, {"user_id": "ä"}, {"anonymous_id": "x"}])
    for kind in ["application/x-ndjson", "text/csv"]:
        exported = house.api.get(path + "?fields=email", headers={"Accept": kind}).body
        answer = upload(house, copy, exported, kind, mode="replace")
        assert answer.status == 200 and answer.json["rejected"] == 0, answer
        assert now_members(house, "copy") == {'q"u,o', "ä", "anon:x"}
    assert answer.json["unchanged"] == 3


def test_upload_csv(house):
    path = make_list(house, "csv")
    body = '\ufeffname;user_id\r\n"Doe; J";a\r\n"two\nlines";b\r\n;c\r\n'.encode()
    assert upload(house, path, body, "text/csv; charset=utf-8").json["added"] == 3
    assert now_members(house, "csv") == {"a", "b", "c"}
    assert upload(house, path, b"user_id\n", "text/csv", mode="replace").json == {"added": 0, "removed": 3, "unchanged": 0, "rejected": 0, "errors": []}


def test_bad_rows(house):
    path = make_list(house, "bad")
    body = '{"user_id":"a"}\n{\n\n{"user_id":"null"}\n{"mail":"e"}\n{"user_id":"' + "x" * 257 + '"}\n[]\n{"user_id":"b"}\n'
    answer = upload(house, path, body)
    assert answer.status == 200 and (answer.json["added"], answer.json["rejected"]) == (2, 5)
    assert [(error["line"], error["code"]) for error in answer.json["errors"]] == [
        (2, "invalid_json"), (4, "no_user_anon_id"), (5, "unknown_member"), (6, "id_too_long"), (7, "not_an_object"),
    ]
    answer = upload(house, path, '{"user_id":"bad-c"}\n{}\n', mode="replace")
    assert answer.status == 422 and answer.code == "bad_rows" and [row["line"] for row in answer.json["rows"]] == [2]
    assert now_members(house, "bad") == {"a", "b"}
    assert house.rows("SELECT 1 FROM profile WHERE user_id = 'bad-c'") == []
    answer = upload(house, path, "{}\n", mode="replace", more="&partial=true")
    assert answer.status == 422 and answer.code == "bad_rows", "a replace by nothing but bad rows empties no list"
    answer = upload(house, path, '{"user_id":"bad-c"}\n{}\n', mode="replace", more="&partial=true")
    assert answer.status == 200 and (answer.json["added"], answer.json["removed"], answer.json["rejected"]) == (1, 2, 1)
    assert now_members(house, "bad") == {"bad-c"}


def test_bad_uploads(house):
    path = make_list(house, "whole")
    for answer, status, code in [
        (house.api.request("POST", path, "x", {"Content-Type": "text/csv"}), 400, "bad_parameter"),
        (upload(house, path, "x", "text/csv", mode="set"), 400, "bad_parameter"),
        (upload(house, path, "user_id\n", "text/csv", more="&partial=1"), 400, "bad_parameter"),
        (upload(house, path, "mail\na@b\n", "text/csv"), 422, "bad_header"),
        (upload(house, path, "", "text/csv"), 422, "empty_upload"),
        (upload(house, path, "", mode="replace"), 422, "empty_upload"),
        (upload(house, path, "{}", "application/json"), 415, "unsupported_media_type"),
        (upload(house, path, "{}\n" * 1_000_001), 422, "limit"),
    ]:
        assert (answer.status, answer.code) == (status, code), answer


def test_a_large_upload(house):
    path = make_list(house, "large")
    rows = "user_id,x\n" + "".join(f"customer-{i},{'y' * 300}\n" for i in range(20_000))
    assert len(rows) > 6_000_000
    assert upload(house, path, rows, "text/csv").json["added"] == 20_000
    assert house.api.get("/v1/segments/large").json["size"] == 20_000
    assert upload(house, path, rows[:1000], "text/csv", mode="replace", more="&partial=true").json["removed"] > 19_000
    house.caught_up()


def test_dependents_of_a_very_large_upload_are_rebuilt(house):
    """Past 50,000 people a build is cheaper than evaluating each in the tick: the list is right at once, what refers to it when it is live again."""
    path = make_list(house, "huge")
    house.send({"type": "identify", "userId": "huge-1", "traits": {"plan": "pro"}})
    house.segment("of-huge", {"all": [{"segment": "huge"}, {"trait": "plan", "eq": "pro"}]})
    rows = "user_id\n" + "".join(f"huge-{i}\n" for i in range(50_001))
    assert upload(house, path, rows, "text/csv").json["added"] == 50_001
    assert house.api.get("/v1/segments/huge").json["size"] == 50_001
    assert "rebuilt" in open(house.server.log_path).read()
    house.live("of-huge")
    assert house.members("of-huge") == {"huge-1"}
    assert house.api.post("/v1/segments/of-huge/verify", {}).json["differences"] == 0


# What comes of it


def test_people_who_were_not_seen_yet(house):
    path = make_list(house, "before")
    house.segment("never-bought", {"event": "Order Completed", "eq": 0})
    upload(house, path, [{"user_id": "new-1"}, {"anonymous_id": "new-2"}])
    profile = house.api.get("/v1/profiles/new-1").json
    assert profile["first_seen"] is None and profile["traits"] == {}
    assert {"new-1", "anon:new-2"} <= house.members("never-bought")
    house.track("new-1", "Order Completed")
    assert "new-1" not in house.members("never-bought")
    assert "new-1" in now_members(house, "before")
    assert house.api.get("/v1/profiles/new-1").json["first_seen"] is not None


def test_segments_that_refer_to_a_list_move_with_it(house):
    path = make_list(house, "vip")
    house.segment("vip-buyers", {"all": [{"segment": "vip"}, {"event": "Bought"}]})
    house.track("r1", "Bought")
    house.caught_up()
    assert house.api.request("PUT", f"{path}/r1").status == 200
    assert now_members(house, "vip-buyers") == {"r1"}, "reflected when the answer came"
    (change,) = house.changes(segment="vip-buyers")
    assert change["cause"] == "segment" and change["op"] == "enter"
    assert house.api.delete("/v1/segments/vip").code == "segment_in_use"
    upload(house, path, [{"user_id": "r2"}], mode="replace")
    assert now_members(house, "vip-buyers") == set()


def test_a_merge_moves_the_membership(house):
    path = make_list(house, "merge")
    before = house.api.request("PUT", f"{path}/anon:m-a").json["entered_at"]
    house.send({"type": "identify", "userId": "m-u", "anonymousId": "m-a"})
    assert house.members("merge") == {"m-u"}
    assert house.api.get(f"{path}/m-u").json["entered_at"] == before
    assert house.api.get(f"{path}/anon:m-a").json["user_id"] == "m-u"
    assert [(change["op"], change["cause"]) for change in house.changes(segment="merge")] == [("enter", "list"), ("exit", "merge"), ("enter", "merge")]
    assert house.api.delete(f"{path}/anon:m-a").status == 204
    assert house.members("merge") == set()


def test_edits_at_once(house):
    """Many edits of many clients: each is answered, each is in the feed, and the last state is what replaying the feed gives."""
    path = make_list(house, "race")
    failures = []

    def work(worker):
        client = house.client(bearer(house.admin_key))
        for i in range(20):
            answer = client.request("PUT", f"{path}/w{worker}-{i}")
            if answer.status != 200 or client.get(f"{path}/w{worker}-{i}").status != 200:
                failures.append(answer)
            if i % 2 and client.request("DELETE", f"{path}/w{worker}-{i}").status != 204:
                failures.append(i)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert now_members(house, "race") == {f"w{worker}-{i}" for worker in range(8) for i in range(0, 20, 2)}
    assert house.api.get("/v1/segments/race").json["size"] == 80


def test_a_process_that_does_not_lead(house):
    """Its edits are applied by the leader, and it hears of that."""
    path = make_list(house, "far")
    other = Server(house.connect_url())
    try:
        client = Client(other.address, bearer(house.admin_key))
        for i in range(20):
            assert client.request("PUT", f"{path}/far-{i}").status == 200
            assert client.get(f"{path}/far-{i}").status == 200
        assert upload(types.SimpleNamespace(api=client), path, [{"user_id": "far-1"}], mode="replace").json["removed"] == 19
        assert now_members(house, "far") == {"far-1"}
    finally:
        assert other.stop() == 0


def test_killed_amid_edits(house):
    """What was answered is there after kill -9; what was not may be; nothing stands in the feed twice."""
    path = make_list(house, "killed")
    answered, asked = set(), set()

    def work(worker):
        client = house.client(bearer(house.admin_key))
        for i in range(10_000):
            asked.add(f"k{worker}-{i}")
            try:
                if client.request("PUT", f"{path}/k{worker}-{i}").status == 200:
                    answered.add(f"k{worker}-{i}")
            except (OSError, http.client.HTTPException):
                return

    for _ in range(2):
        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        before = len(answered)
        wait_for(lambda: len(answered) > before + 30, what="some edits")
        house.server.kill()
        for thread in threads:
            thread.join()
        house.server.start()
        house.api.close()
    house.caught_up()
    wait_for(lambda: house.one("SELECT count(*) FROM list_op WHERE done_at IS NULL") == 0, what="edits that were left")
    house.caught_up()
    assert answered <= now_members(house, "killed") <= asked
    assert {id for _, id in house.replayed()["killed"]} == now_members(house, "killed")


def test_deleted_lists_are_cleared(house):
    path = make_list(house, "gone")
    house.api.request("PUT", f"{path}/u")
    assert house.api.delete("/v1/segments/gone").status == 204
    assert house.api.request("PUT", f"{path}/u").status == 404
    make_list(house, "gone")
    assert house.api.get(f"{path}/u").status == 404


def test_the_feed_gives_the_members(house):
    house.caught_up()
    replayed = house.replayed()
    for segment in house.api.get("/v1/segments?limit=1000").json["data"]:
        assert replayed.get(segment["key"], set()) == house.snapshot(segment["key"])[0], segment["key"]
        assert segment["size"] == len(replayed.get(segment["key"], set()))


@pytest.fixture(scope="module", autouse=True)
def verified(house):
    yield
    for segment in house.api.get("/v1/segments?limit=1000&kind=rule").json["data"]:
        assert house.api.request("POST", f"/v1/segments/{segment['key']}/verify").json["differences"] == 0
