"""kill -9, or a lost connection, between any two steps of ticks, builds, swaps and chores: members stay exact and the feed replayed gives them.

A turn of the scene is held back, let go, and struck after its n-th step (crash/wire.py). A sample of n runs here; FULL=1 sweeps every n.
"""
import os
import random

import pytest

from crash.feed import Reader
from crash.scene import Scene, WiredHouse
from support.house import replayed
from support.server import run
from support.wait import PATIENCE_S

FULL = os.environ.get("FULL") == "1"
SAMPLE = 8
# Where something is written or committed, by what the step is called: most of the sample.
WEAK = ("COMMIT", "COPY ", "begin COPY ", "membership_", "touched_delete", "worker_mark", "version_", "versions_", "segments_clear", "worker_lead")


@pytest.fixture(params=["killed", "cut"])
def strike(request):
    return request.param


def kill(link):
    """The process first: it never sees that the connection is gone."""
    link.wire.server.kill()
    link.cut()


def cut(link):
    link.cut()


def held_turn(scene, after, act):
    """One turn, struck after a step. The strike, done or not."""
    wire = scene.house.wire
    wire.hold()
    scene.turn()
    strike = wire.strike(after, act)
    wire.release()
    return strike


def hit(wire, aim):
    """Whether it struck; a turn may have fewer steps than the one that was counted."""
    aim.wait(PATIENCE_S / 4)
    wire.calm()
    return aim.step is not None and aim.wait(PATIENCE_S)


def steps_of_a_turn(scene):
    """The names of all steps of a turn, to its last swap and sweep."""
    held_turn(scene, 10**9, None)
    scene.check()
    scene.settled()
    scene.house.wire.calm()
    return list(scene.house.wire.steps)


def chosen(steps, seed):
    """Which n to strike after: all, or some weak spots of different names and a few others."""
    every = range(1, len(steps) + 1)
    if FULL:
        return every
    draw = random.Random(seed)
    weak = {}
    for n in every:
        if any(steps[n - 1].startswith(name) for name in WEAK):
            weak.setdefault(steps[n - 1], []).append(n)
    picked = [draw.choice(weak[name]) for name in draw.sample(sorted(weak), SAMPLE * 2 // 3)]
    return sorted(set(picked + draw.sample(every, SAMPLE - len(picked))))


def test_struck_after_any_step(strike):
    with WiredHouse() as house, Reader(house) as reader:
        scene = Scene(house)
        scene.turn()
        scene.check()
        steps = steps_of_a_turn(scene)
        struck = []

        for n in chosen(steps, 3):
            aim = held_turn(scene, n, kill if strike == "killed" else cut)
            if hit(house.wire, aim):
                struck.append(aim.step)
                house.recover(dead=strike == "killed")
            try:
                scene.check()
            except BaseException:
                print(f"struck after step {n}: {aim.step}")
                raise
        assert len(struck) >= (0.9 if FULL else 0.7) * len(chosen(steps, 3)), "too few turns got so far"
        finish(scene, reader)
        print(f"{strike}: {len(struck)} of {len(steps)} steps, {scene.compared} memberships compared, {len(reader.changes)} changes")


def steps_of_a_start(scene):
    """The names of all steps from connecting to having caught up."""
    house = scene.house
    scene.turn()
    house.server.kill()
    house.wire.strike(10**9, None)
    house.recover(dead=True)
    scene.check()
    house.wire.calm()
    return list(house.wire.steps)


def test_killed_while_starting():
    """kill -9 between any two steps of connecting, taking the lead and loading the versions, with work waiting."""
    with WiredHouse() as house, Reader(house) as reader:
        scene = Scene(house)
        every = range(1, len(steps_of_a_start(scene)) + 1)
        for n in every if FULL else sorted(random.Random(5).sample(every, SAMPLE // 3)):
            scene.turn()
            house.server.kill()
            aim = house.wire.strike(n, kill)
            try:
                house.recover(dead=True)
            except RuntimeError:
                pass  # killed before it was ready
            if hit(house.wire, aim):
                house.recover(dead=True)
            scene.check()
        finish(scene, reader)
        print(f"starting: {len(every)} steps")


def finish(scene, reader):
    scene.check(recent=False)
    reader.stopping.set()
    reader.thread.join()
    reader.catch_up()
    replayed(reader.changes)
    assert [change["seq"] for change in reader.changes][: len(scene.seqs)] == scene.seqs, "who polled throughout has not seen the same"
    verified = run(scene.house.postgres.url, "verify")
    assert verified.returncode == 0, verified.stdout.decode() + verified.stderr.decode()
