"""Idempotency-Key: a creating request that is sent again creates nothing twice."""
import threading

import pytest

from support.client import bearer

LIST = {"name": "once", "kind": "list"}


def post(house, path, body, key, client=None):
    return (client or house.api).request("POST", path, body, {"Idempotency-Key": key})


def count(house, name):
    return house.one("SELECT count(*) FROM segment WHERE name = %s", name)


def test_the_answer_is_kept(house):
    first = post(house, "/v1/segments", LIST, "k1")
    assert first.status == 201 and "idempotency-replayed" not in first.headers
    again = post(house, "/v1/segments", LIST, "k1")
    assert again.status == 201 and again.body == first.body and again.headers["idempotency-replayed"] == "true"
    for name in ["location", "etag", "content-type"]:
        assert again.headers[name] == first.headers[name]
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert count(house, "once") == 1
    assert post(house, "/v1/segments", LIST, "k1b").json["key"] == "once-2"


def test_another_request(house):
    assert post(house, "/v1/segments", {"name": "a", "kind": "list"}, "k2").status == 201
    for path, body in [("/v1/segments", {"name": "b", "kind": "list"}), ("/v1/sources", {"name": "a", "kind": "list"})]:
        answer = post(house, path, body, "k2")
        assert answer.status == 422 and answer.code == "idempotency_mismatch"
    assert count(house, "b") == 0


def test_what_created_nothing_leaves_the_key_free(house):
    assert post(house, "/v1/segments", {"name": "", "kind": "list"}, "k3").status == 422
    assert post(house, "/v1/segments", {"name": "mended", "kind": "list"}, "k3").status == 201
    assert post(house, "/v1/segments", {"name": "x", "kind": "list", "key": "mended"}, "k4").code == "key_taken"
    assert house.one("SELECT count(*) FROM idempotency WHERE key = 'k4'") == 0


def test_keys_of_clients_are_apart(house):
    other = house.client(bearer(house.server.key("admin")))
    assert post(house, "/v1/segments", {"name": "apart", "kind": "list"}, "k5").json["key"] == "apart"
    assert post(house, "/v1/segments", {"name": "apart", "kind": "list"}, "k5", other).json["key"] == "apart-2"


@pytest.mark.parametrize("key", ["", "x" * 129, "a\tb"])
def test_bad_keys(house, key):
    answer = post(house, "/v1/segments", LIST, key)
    assert answer.status == 400 and answer.code == "bad_idempotency_key"
    assert post(house, "/v1/segments", {"name": "long", "kind": "list"}, "y" * 128).status == 201


def test_sources(house):
    first = post(house, "/v1/sources", {"name": "once-shop"}, "k6")
    assert first.status == 201 and post(house, "/v1/sources", {"name": "once-shop"}, "k6").body == first.body
    assert post(house, "/v1/sources", {"name": "once-shop"}, "k7").code == "name_taken"


def test_a_secret_is_kept_nowhere(house):
    first = post(house, "/v1/keys", {"role": "read"}, "k8")
    assert first.status == 201
    again = post(house, "/v1/keys", {"role": "read"}, "k8")
    assert again.status == 409 and again.code == "idempotency_done"
    (kept,) = house.rows("SELECT i::text FROM idempotency i WHERE key = 'k8'")[0]
    assert first.json["key"] not in kept and first.json["prefix"] not in kept
    assert house.one("SELECT count(*) FROM api_key WHERE prefix = %s", first.json["prefix"]) == 1


def test_still_running_and_forgotten(house):
    assert post(house, "/v1/segments", {"name": "slow", "kind": "list"}, "k9").status == 201
    house.one("WITH u AS (UPDATE idempotency SET status = NULL WHERE key = 'k9' RETURNING 1) SELECT count(*) FROM u")
    answer = post(house, "/v1/segments", {"name": "slow", "kind": "list"}, "k9")
    assert answer.status == 409 and answer.code == "idempotency_running"
    house.one("WITH u AS (UPDATE idempotency SET began_at = began_at - interval '61 s' WHERE key = 'k9' RETURNING 1) SELECT count(*) FROM u")
    assert post(house, "/v1/segments", {"name": "slow", "kind": "list"}, "k9").json["key"] == "slow-2", "who began it has died: it runs anew"


def test_a_day_later(house):
    post(house, "/v1/segments", {"name": "old", "kind": "list"}, "k10")
    house.one("WITH u AS (UPDATE idempotency SET began_at = began_at - interval '24 h 1 s' WHERE key = 'k10' RETURNING 1) SELECT count(*) FROM u")
    assert post(house, "/v1/segments", {"name": "new", "kind": "list"}, "k10").json["key"] == "new"
    house.one("WITH u AS (UPDATE idempotency SET began_at = began_at - interval '25 h' RETURNING 1) SELECT count(*) FROM u")
    post(house, "/v1/segments", {"name": "last", "kind": "list"}, "k11")
    assert house.one("SELECT count(*) FROM idempotency") == 1


def test_many_at_once(house):
    answers = []

    def work():
        answers.append(post(house, "/v1/segments", {"name": "many", "kind": "list"}, "k12", house.client(bearer(house.admin_key))))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(house, "many") == 1
    assert {answer.status for answer in answers} <= {201, 409}
    assert all(answer.code == "idempotency_running" for answer in answers if answer.status == 409)


def test_without_a_key(house):
    assert house.api.post("/v1/segments", {"name": "plain", "kind": "list"}).status == 201
    assert house.api.post("/v1/segments", {"name": "plain", "kind": "list"}).json["key"] == "plain-2"
