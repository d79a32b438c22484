"""A reader of the change feed that polls all the time, through crashes too, and keeps what it has seen."""
import http.client
import threading

from support.client import bearer
from support.house import replayed
from support.server import run


class Reader:
    def __init__(self, house):
        self.house, self.client = house, house.client(bearer(house.read_key))
        self.changes = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def work(self):
        while not self.stopping.is_set():
            self.poll()

    def poll(self):
        after = self.changes[-1]["seq"] if self.changes else 0
        try:
            answer = self.client.get(f"/v1/changes?after={after}&limit=1000&wait=1s")
        except (OSError, http.client.HTTPException):
            self.stopping.wait(0.05)
            return
        if answer.status == 200:
            self.changes += answer.json["data"]
        else:
            self.stopping.wait(0.05)

    def catch_up(self):
        """After the thread has ended: whatever is left."""
        seen = -1
        while seen != len(self.changes):
            seen = len(self.changes)
            self.poll()

    def check(self, keys):
        """After the thread has ended: what it has read gives the members of those segments, and they equal a fresh evaluation."""
        members = {key: self.house.snapshot(key) for key in keys}
        self.catch_up()
        for key, (found, as_of) in members.items():
            assert replayed(self.changes, as_of).get(key, set()) == found, key
        verified = run(self.house.postgres.url, "verify")
        assert verified.returncode == 0, verified.stdout.decode() + verified.stderr.decode()
