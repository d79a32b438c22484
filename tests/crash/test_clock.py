"""Clocks that jump: the database's and cohortd's own, set back and ahead by an hour, while it works and between two lives of it.

as_of never goes back, members equal a fresh evaluation at as_of all the time, and the feed replayed gives them. The clocks are libfaketime's.
"""
import glob
import os
import shutil
import subprocess
import tempfile


from crash.scene import Scene, WiredHouse
from crash.watch import Watcher
from differential.model import Person
from differential.naive import Event
from differential.values import loads
from support.house import micros
from support.server import run
from support.wait import wait_for

LIBRARY = (glob.glob("/usr/lib/*/faketime/libfaketime.so.1") + [None])[0]
HOUR = 3600

assert LIBRARY, "scripts/install test brings libfaketime"


class Clock:
    """What a process started with `environment` takes for the time: the true one, so many seconds off."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="cohortd-clock.")
        os.chmod(self.folder, 0o755)
        self.environment = {
            "LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": f"{self.folder}/offset", "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip
        self.set(0)

    def set(self, seconds):
        with open(f"{self.folder}/new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}\n")
        os.rename(f"{self.folder}/new", f"{self.folder}/offset")

    def stop(self):
        shutil.rmtree(self.folder)


class FakedHouse(WiredHouse):
    """`theirs` is the database's clock, `ours` cohortd's."""

    def __init__(self):
        self.theirs, self.ours = Clock(), Clock()
        super().__init__(environment=self.ours.environment)

    def connect_url(self):
        self.fake_postgres()
        return super().connect_url()

    def fake_postgres(self):
        """Restarts PostgreSQL under its clock."""
        folder = self.postgres.folder
        with open(f"{folder}/options", encoding="ascii") as file:
            options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c max_connections=200 {file.read()}"
        owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        fake = ["env", "-C", "/"] + [f"{name}={value}" for name, value in self.theirs.environment.items()]
        program = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))[-1]
        command = [program, "-s", "-w", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options, "restart"]
        subprocess.run(owner + fake + command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def __exit__(self, *_):
        try:
            super().__exit__()
        finally:
            self.theirs.stop()
            self.ours.stop()

    def as_of(self):
        return micros(self.api.get("/v1/status").json["worker"]["as_of"])


class StoredScene(Scene):
    """People and events are taken from the store: which instant a message was given while clocks jump is not the question here."""

    def store_differs(self):
        return []

    def people(self):
        events = {}
        for id, name, properties, *order in self.house.rows(
            "SELECT profile_id::text, name, properties::text, (extract(epoch FROM ts) * 1000000)::bigint,"
            " (extract(epoch FROM received_at) * 1000000)::bigint, uuid_send(message_id) FROM event JOIN event_name USING (name_id)"
        ):
            ts, received_at, message_id = order
            properties = loads(properties) if properties else {}
            events.setdefault(id, []).append(Event(ts, name, properties, {}, received_at, bytes(message_id)))
        people = self.house.rows("SELECT profile_id::text, user_id, anonymous_id, email, traits::text FROM profile ORDER BY created_at")
        return [
            Person(id=bytes.fromhex(id.replace("-", "")), user_id=user, anonymous_id=anonymous, email=email, traits=loads(traits), events=events.get(id, []))
            for id, user, anonymous, email, traits in people
        ]


def test_clocks_that_jump():
    with FakedHouse() as house, Watcher(house) as watcher:
        scene = StoredScene(house, clock=house.now)

        def turns(count=1):
            before = house.as_of()
            for _ in range(count):
                scene.turn()
                scene.check()
            assert house.as_of() >= before

        turns()
        house.theirs.set(-HOUR)
        assert house.now() < house.as_of() - (HOUR - 60) * 1_000_000
        turns()
        stand = house.as_of()
        house.server.kill()
        house.server.start()  # finds a beat of the future: nobody's
        house.speak_to(house.server)
        turns()
        assert house.as_of() == stand, "the watermark must wait for the clock that was set back"
        house.theirs.set(+HOUR)
        wait_for(lambda: house.as_of() > stand, what="the watermark to move on")
        turns()
        house.theirs.set(0)
        turns()
        for offset in (-HOUR, +HOUR, 0):
            house.ours.set(offset)
            turns()
            house.send({"type": "track", "userId": f"stamped{offset}", "event": "A"})  # an instant of our own clock
            turns()
        house.server.kill()
        house.recover(dead=True)
        turns()
        watcher.check()
        verified = run(house.postgres.url, "verify")
        assert verified.returncode == 0, verified.stdout.decode() + verified.stderr.decode()
