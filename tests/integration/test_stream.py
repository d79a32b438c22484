"""The feed as server-sent events."""
import json
import socket
import time

import pytest

from support.client import bearer
from support.wait import PATIENCE_S, wait_for


class Events:
    """A reader of an event stream, by hand: HTTP/1.1, chunked."""

    def __init__(self, house, path, key=None, headers=()):
        self.socket = socket.create_connection(house.server.address, PATIENCE_S)
        lines = [f"GET {path} HTTP/1.1", "Host: x", "Accept: text/event-stream", f"Authorization: Bearer {key or house.read_key}", *headers]
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        self.bytes = b""
        self.text = ""
        self.over = False
        self.fill(lambda: b"\r\n\r\n" in self.bytes)
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])
        self.head = head.decode().lower()

    def fill(self, done, seconds=PATIENCE_S):
        deadline = time.monotonic() + seconds
        while not done() and not self.over:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            more = self.socket.recv(65536)
            self.over = not more
            self.bytes += more

    def chunks(self):
        """Takes whole chunks apart."""
        while b"\r\n" in self.bytes:
            size, rest = self.bytes.split(b"\r\n", 1)
            n = int(size, 16)
            if len(rest) < n + 2:
                return
            self.over |= n == 0
            self.text += rest[:n].decode()
            self.bytes = rest[n + 2 :]

    def read(self, n):
        """The next n events: [(id, change)]."""

        def enough():
            self.chunks()
            return len(self.parse()[0]) >= n

        self.fill(enough)
        events, rest = self.parse()
        assert len(events) >= n, f"the stream ended: {self.text!r}"
        self.text = rest
        return events

    def parse(self):
        *blocks, rest = self.text.split("\n\n")
        events = []
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if "data" in fields:
                events.append((int(fields["id"]), json.loads(fields["data"])))
        return events, rest

    def ended(self, seconds=PATIENCE_S):
        def look():
            self.chunks()
            return self.over

        try:
            self.fill(look, seconds)
        except TimeoutError:
            return False
        return True

    def close(self):
        self.socket.close()


@pytest.fixture(scope="module")
def people(house):
    assert house.api.post("/v1/segments", {"key": "people", "name": "p", "kind": "list"}).status == 201
    assert house.api.post("/v1/segments", {"key": "others", "name": "o", "kind": "list"}).status == 201

    def put(user, key="people"):
        assert house.api.request("PUT", f"/v1/segments/{key}/members/{user}").status == 200

    return put


def test_changes_come_as_they_happen(house, people):
    people("before")
    stream = Events(house, "/v1/segments/people/changes")
    assert stream.status == 200 and "content-type: text/event-stream" in stream.head and "cache-control: no-store" in stream.head
    ((first, change),) = stream.read(1)
    assert change == house.changes(segment="people")[0] and first == change["seq"]
    users = [f"live-{i}" for i in range(5)]

    def lateness(user):
        """How long after the answer to the edit the change came, s."""
        people(user)
        began = time.monotonic()
        ((seq, change),) = stream.read(1)
        assert change["user_id"] == user and change["op"] == "enter" and seq == change["seq"]
        return time.monotonic() - began

    assert min(map(lateness, users)) < 2  # a heartbeat comes after 15 s
    stream.close()
    stream = Events(house, "/v1/changes?segment=people")
    assert [change for _, change in stream.read(6)] == house.changes(segment="people")
    stream.close()


def test_resuming(house, people):
    stream = Events(house, "/v1/changes?after=latest")
    people("r1")
    ((seq, _),) = stream.read(1)
    stream.close()
    people("r2")
    people("r3", "others")
    stream = Events(house, "/v1/changes?after=latest", headers=[f"Last-Event-ID: {seq}"])
    assert [change["user_id"] for _, change in stream.read(2)] == ["r2", "r3"]
    stream.close()
    assert Events(house, "/v1/changes", headers=["Last-Event-ID: x"]).status == 400


def test_one_segment_only(house, people):
    stream = Events(house, "/v1/segments/others/changes?after=latest")
    people("n1")
    people("n2", "others")
    ((_, change),) = stream.read(1)
    assert change["user_id"] == "n2"
    stream.close()
    assert Events(house, "/v1/segments/none/changes").status == 404


def test_a_long_backlog_comes_whole(house, people):
    body = "user_id\n" + "".join(f"backlog-{i}-{'x' * 200}\n" for i in range(5000))
    assert house.api.request("POST", "/v1/segments/others/members?mode=add", body, {"Content-Type": "text/csv"}).json["added"] == 5000
    stream = Events(house, "/v1/segments/others/changes")
    expected = house.changes(segment="others")
    assert [change for _, change in stream.read(len(expected))] == expected
    people("after-backlog", "others")
    assert stream.read(1)[0][1]["user_id"] == "after-backlog"
    stream.close()


def test_no_thread_is_held(house, people):
    """Many more streams than query threads, all idle; calls and changes still come through."""
    streams = [Events(house, "/v1/segments/people/changes?after=latest") for _ in range(60)]
    people("many")
    for stream in streams:
        assert stream.read(1)[0][1]["user_id"] == "many"
        stream.close()
    wait_for(lambda: people(f"again-{time.monotonic()}") or house.api.get("/v1/status").json["queue"]["parked"] == 0, what="closed streams to be noticed", every=0.5)


def test_a_heartbeat(house, people):
    stream = Events(house, "/v1/segments/people/changes?after=latest")

    def beat():
        stream.chunks()
        return ":\n\n" in stream.text

    stream.fill(beat)
    assert ":\n\n" in stream.text and stream.parse()[0] == []
    assert int(stream.text.split("id: ")[1].split("\n")[0]) == house.changes()[-1]["seq"]
    stream.close()


def test_a_revoked_key_ends_it(house, people):
    made = house.api.post("/v1/keys", {"role": "read"}).json
    stream = Events(house, "/v1/changes?after=latest", key=made["key"])
    people("k1")
    stream.read(1)
    assert house.api.delete(f"/v1/keys/{made['id']}").status == 204

    def over():
        people(f"k-{time.monotonic()}")
        return stream.ended(0.2)

    wait_for(over, what="the stream to end")


def test_an_expired_place(house, people):
    house.one("WITH gone AS (DELETE FROM change WHERE seq <= 3 RETURNING 1) SELECT count(*) FROM gone")
    answer = Events(house, "/v1/changes?after=1")
    assert answer.status == 410
    assert Events(house, "/v1/changes?after=2").status == 410
    assert Events(house, "/v1/changes?after=3").status == 200  # nothing is between 3 and 4
    assert house.client(bearer(house.read_key)).get("/v1/changes", headers={"Accept": "text/html"}).status == 406


def test_streams_end_when_the_server_stops(house, people):
    stream = Events(house, "/v1/changes?after=latest")
    assert house.server.stop() == 0
    assert stream.ended()
    house.server.start()
