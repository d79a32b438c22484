"""kill -9 under load: every event answered 200 is stored exactly once, members equal a fresh evaluation, the feed replayed gives them."""
import pathlib

import pytest

from crash.feed import Reader
from crash.flood import Flood
from crash.load import Load
from support.house import House
from support.wait import wait_for


def crash_cohortd(house):
    house.server.kill()
    house.server.start()
    house.reconnect()


def crash_postgres(house):
    house.postgres.kill()
    house.postgres.restart()
    house.reconnect()


@pytest.mark.parametrize("crash, seed", [(crash_cohortd, 7), (crash_postgres, 8)], ids=["cohortd", "postgres"])
def test_kill_9_under_load(house, crash, seed):
    with Reader(house) as reader:
        with Load(house, seed) as load, Flood(house) as flood:
            for _ in range(4):
                before, seen = load.answered(), len(flood.acknowledged)
                wait_for(lambda: load.failures or load.answered() >= before + 15, 120, "answers between crashes")
                wait_for(lambda: flood.bad or len(flood.acknowledged) >= seen + 100, 120, "single events between crashes")
                crash(house)
            before = load.answered()
            wait_for(lambda: load.failures or load.answered() >= before + 5, 120, "answers after the last crash")
        house.caught_up(seconds=120)
        found = load.found() + flood.found()
        assert not found, "\n".join(found[:3])
        if crash is crash_cohortd:
            assert flood.again + sum(round_.again for round_ in load.rounds) > 0, "no request was in flight during a crash"
    reader.check(key for round_ in load.rounds for key in round_.segments)


def test_sigterm_under_load_answers_what_waits(house):
    """A drain loses nothing and exits 0."""
    with Load(house, 9) as load:
        for _ in range(2):
            before = load.answered()
            wait_for(lambda: load.failures or load.answered() >= before + 15, 120)
            assert house.server.stop() == 0
            house.server.start()
            house.reconnect()
        before = load.answered()
        wait_for(lambda: load.failures or load.answered() >= before + 5, 120)
    house.caught_up(seconds=120)
    assert not load.found()


def test_readyz_and_503_while_postgresql_is_away():
    with House(durable=True, environment={"COHORTD_REQUEST_TIMEOUT": "10"}) as house:
        house.track("before", "E")
        house.postgres.kill()
        try:
            client = house.client()
            wait_for(lambda: client.get("/readyz").status == 503, what="/readyz to notice")
            assert client.get("/healthz").status == 200
            answer = house.collect.post("/v1/track", {"userId": "away", "event": "E", "messageId": "away"})
            assert answer.status == 503 and int(answer.headers["retry-after"]) >= 0
        finally:
            house.postgres.restart()
            house.reconnect()
        wait_for(lambda: client.get("/readyz").status == 200, what="/readyz to recover")
        wait_for(lambda: house.collect.post("/v1/track", {"userId": "away", "event": "E", "messageId": "away"}).status == 200)
        assert house.events("away") == 1 and house.events("before") == 1
        told = [line for line in pathlib.Path(house.server.log_path).read_text().splitlines() if "role=notify" in line]
        assert "database connection lost" in told[0] and "cannot connect" in told[1] and "connected to the database" in told[-1]
        assert len(told) < 10, "each attempt is told"
