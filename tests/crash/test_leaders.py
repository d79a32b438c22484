"""Two processes on one database: the leader killed, stopped and woken again, or cut off from the database and back, in the middle of its transactions.

The other one takes over, what the old one had open never commits, members stay exact, and the feed has no doubles and no gaps. The lease (5 s)
is waited for once, with FULL=1 the time-outs of open transactions (10 and 15 s), too; else the test makes their time pass. FULL=1 strikes at
every weak step.
"""
import os
import random
import signal

import pytest

from crash.feed import Reader
from crash.scene import Scene, WiredHouse
from crash.test_tick_steps import FULL, finish, kill
from crash.watch import Watcher
from crash.wire import Wire
from support.server import Server
from support.wait import PATIENCE_S, wait_for

OPEN = (
    "touched_read", "membership_gone", "COPY change", "COPY membership", "begin COPY membership", "touched_delete", "worker_mark", "COMMIT", "Sync after COMMIT",
    "version_progress", "version_swap_feed", "version_swap_serve", "segments_clear", "worker_beat", "versions_supersede",
)  # fmt: skip
STILL_S = 3  # a machine that stands still for so long may change the lead, whose lease is 5 s


class Pair:
    """Two servers, each behind a wire of its own. `first` leads."""

    def __init__(self, house):
        self.house = house
        self.first = house.server
        self.wires = {house.server: house.wire}
        wire = Wire(house.postgres)
        self.second = wire.server = Server(wire.url)
        self.wires[self.second] = wire

    def stop(self):
        for server in (self.first, self.second):
            if server is not self.house.server:
                server.stop()
            self.wires[server].stop()

    def epoch(self):
        return self.house.one("SELECT epoch FROM worker")

    def leads(self, server):
        return server.log().count("worker leads") > server.log().count("worker no longer leads")

    def takes_over(self, hasten):
        """Waits until the second one leads; hasten: the time-outs of lease and transaction are made to be over."""
        epoch = self.epoch()
        if hasten:
            self.house.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cohortd worker' AND state <> 'idle' AND wait_event_type = 'Client'"
            )
            self.house.lease_over()
        wait_for(lambda: self.epoch() > epoch, what="another leader")
        self.first, self.second = self.second, self.first


@pytest.fixture()
def pair():
    with WiredHouse() as house:
        made = Pair(house)
        try:
            yield made
        finally:
            house.server = made.second
            made.stop()


def stop(link):
    os.kill(link.wire.server.process.pid, signal.SIGSTOP)
    link.unmute()


def hole(link):
    link.wire.hole()


def wake(pair, old, act):
    if act is stop:
        os.kill(old.process.pid, signal.SIGCONT)
    elif act is hole:
        pair.wires[old].heal()
    else:
        old.start()


def strike_leader(pair, scene, watcher, step, act, hasten):
    """One change of leaders in the middle of a turn, after the first step of that name."""
    house, old = pair.house, pair.first
    house.wire = pair.wires[old]
    house.speak_to(pair.second)
    house.wire.hold()
    scene.turn()
    aim = house.wire.strike(1, act, step)
    house.wire.release()
    assert aim.wait(PATIENCE_S), f"the turn had no {step}"
    pair.takes_over(hasten)
    scene.check()
    epoch, watcher.still = pair.epoch(), 0
    wake(pair, old, act)
    scene.turn()
    scene.check()
    if act is not kill:
        wait_for(lambda: not pair.leads(old), what="the old leader to see that it leads no more")
    assert pair.epoch() == epoch or watcher.still > STILL_S, "the lead went to and fro"


def test_leaders(pair):
    house = pair.house
    draw = random.Random(1)
    with Reader(house) as reader, Watcher(house) as watcher:
        scene = Scene(house)
        scene.turn()
        scene.check()
        for act in (stop, hole, kill):
            for i, step in enumerate(OPEN if FULL else draw.sample(OPEN, 1)):
                strike_leader(pair, scene, watcher, step, act, hasten=i > 0 or not (FULL or act is kill))
        finish(scene, reader)
        watcher.check()


def test_two_at_rest_do_not_change_the_lead(pair):
    with Watcher(pair.house) as watcher:
        scene = Scene(pair.house)
        epoch = pair.epoch()
        for _ in range(2):
            scene.turn()
            scene.check()
            pair.house.caught_up()
    assert pair.epoch() == epoch and not pair.leads(pair.second) or watcher.still > STILL_S
