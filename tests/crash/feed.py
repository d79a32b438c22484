"""A reader of the change feed that polls all the time, through crashes too, and keeps what it has seen."""
import http.client
import threading

from support.client import bearer


class Reader:
    def __init__(self, house):
        self.client = house.client(bearer(house.read_key))
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
