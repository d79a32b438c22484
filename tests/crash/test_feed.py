"""The feed where versions change: what goes wrong when people and definitions move between a build and its swap; and PostgreSQL killed just there."""
import http.client
import random
import threading

import pytest

from crash.feed import Reader
from crash.scene import Scene, WiredHouse
from crash.test_tick_steps import FULL, finish
from crash.watch import Watcher
from support.client import Client, basic
from support.wait import PATIENCE_S, wait_for

A = {"event": "A"}


@pytest.fixture()
def house():
    with WiredHouse() as made:
        yield made


def put(house, definition, key="s"):
    answer = house.api.request("PUT", f"/v1/segments/{key}", {"name": key, "kind": "rule", "definition": definition})
    assert answer.status in (200, 201), answer


def between(house, step, act, times=1):
    """act() after the worker's next step of that name, which is not answered before."""

    def struck(link):
        act()
        link.unmute()

    return house.wire.strike(times, struck, step)


def agree(house, key="s"):
    """The feed gives the members."""
    house.live(key)
    members = house.members(key)
    known = {id if kind == "user" else f"anon:{id}" for kind, id in house.replayed().get(key, set())}
    assert known == members
    return members


def test_a_build_that_was_overtaken_is_not_swapped_in(house):
    """It was built on in memory, swapped in, and its members swept while it served."""
    for i in range(30):
        house.track(f"u{i}", "A")
    put(house, A)
    house.live("s")
    house.wire.hold()
    put(house, {**A, "window": {"last": "10d"}})
    house.wire.pace = 0.05
    aim = between(house, "version_progress", lambda: put(house, {**A, "window": {"last": "20d"}}))
    house.wire.release()
    assert aim.wait(PATIENCE_S)
    members = set()

    def third():
        members.add(len(house.snapshot("s")[0]))
        return house.one("SELECT version FROM segment_version JOIN segment ON serving_version_id = version_id") == 3

    wait_for(third, what="the newest version")
    house.wire.pace = 0
    assert members == {30}, "nobody leaves: the definitions mean the same"
    assert len(agree(house)) == 30
    assert "version=2" not in house.server.log()


def test_merged_away_between_a_build_and_its_swap(house):
    """The swap wrote an exit without any name."""
    house.send(*({"type": "track", "anonymousId": f"a{i}", "event": "A"} for i in range(20)))
    put(house, A)
    house.live("s")
    house.caught_up()
    entered = dict(house.rows("SELECT anonymous_id, entered_at FROM membership JOIN profile USING (profile_id)"))

    def merge():
        house.send(*({"type": "identify", "userId": f"u{i}", "anonymousId": f"a{i}"} for i in range(10)))

    aim = between(house, "version_progress", merge)
    house.wire.pace = 0.02
    put(house, {**A, "window": {"last": "10d"}})
    assert aim.wait(PATIENCE_S)
    house.wire.pace = 0
    assert agree(house) == {f"u{i}" for i in range(10)} | {f"anon:a{i}" for i in range(10, 20)}
    left = [change for change in house.changes() if change["op"] == "exit"]
    assert sorted(change["anonymous_id"] for change in left) == [f"a{i}" for i in range(10)]
    assert {change["cause"] for change in left} == {"merge"}
    inherited = dict(house.rows("SELECT replace(user_id, 'u', 'a'), entered_at FROM membership JOIN profile USING (profile_id) WHERE user_id IS NOT NULL"))
    assert inherited == {f"a{i}": entered[f"a{i}"] for i in range(10)}, "entered_at is the earlier one"


def test_a_list_made_again(house):
    """Its first members stood before the clear of the old list of that key."""
    house.send(*({"type": "track", "userId": f"u{i}", "event": "A"} for i in range(3)))
    for i in range(3):
        assert house.api.post("/v1/segments", {"key": "s", "name": "s", "kind": "list"}).status == 201
        assert house.api.request("PUT", f"/v1/segments/s/members/u{i}").status == 200
        assert house.api.delete("/v1/segments/s").status == 204
    put(house, A)
    assert agree(house) == {"u0", "u1", "u2"}
    assert [change["op"] for change in house.changes()] == ["enter", "clear"] * 3 + ["enter"] * 3


class Beside(threading.Thread):
    """Sends events one by one, each until it is acknowledged."""

    def __init__(self, house):
        super().__init__()
        self.client = Client(house.server.address, basic(house.write_key), timeout=PATIENCE_S)
        self.stopping = threading.Event()
        self.sent = 0

    def run(self):
        while not self.stopping.wait(0.02):
            message = {"userId": f"beside{self.sent % 7}", "event": "A", "messageId": f"beside{self.sent}", "timestamp": "2026-01-02T03:04:05Z"}
            while not self.delivered(message) and not self.stopping.wait(0.05):
                pass
            self.sent += 1

    def delivered(self, message):
        try:
            return self.client.post("/v1/track", message).status == 200
        except (OSError, http.client.HTTPException):
            return False


STEPS = (
    "worker_beat", "COPY change", "COPY membership", "begin COPY membership", "worker_mark", "COMMIT", "version_progress", "version_swap_feed", "version_swap_serve", "segments_clear",
)  # fmt: skip


def test_postgresql_killed_in_ticks_and_builds():
    """kill -9 of all of PostgreSQL after a step of a tick, a build, a swap and a clear, with events on their way."""
    with WiredHouse(durable=True) as house, Reader(house) as reader, Watcher(house) as watcher:
        scene = Scene(house)
        beside = Beside(house)
        beside.start()
        try:
            for step in STEPS if FULL else random.Random(4).sample(STEPS, 2):
                house.wire.hold()
                scene.turn()
                aim = house.wire.strike(1, kill_postgres, step)
                house.wire.release()
                assert aim.wait(PATIENCE_S), f"the turn had no {step}"
                house.postgres.restart()
                house.reconnect()
                wait_for(lambda: all(house.api.get("/v1/status").status == 200 for _ in range(20)), what="every query thread to be back")
                scene.check()
        finally:
            beside.stopping.set()
            beside.join()
        assert house.one("SELECT count(*) FROM event JOIN profile USING (profile_id) WHERE user_id LIKE 'beside%'") in (beside.sent, beside.sent - 1)
        scene.strangers = {("user", f"beside{i}") for i in range(7)}
        finish(scene, reader)
        watcher.check()


def kill_postgres(link):
    link.wire.postgres.kill()
    link.cut()


def test_a_build_ends_on_a_slow_line(house):
    """Slices became ever smaller, because the way to the database alone took longer than a slice should."""
    people = {f"u{i}" for i in range(60)}
    house.send(*({"type": "track", "userId": user, "event": "A"} for user in people))
    house.wire.pace = 0.04
    put(house, A)
    house.live("s", seconds=120)
    house.wire.pace = 0
    assert agree(house) == people
