"""A small world in which one turn gives a tick and a build all they can have: new people, merges of members, expiries, traits set and removed, late
events, dates, a list, segments that refer to segments, a changed definition (build and swap), a deleted segment and a new one of the same key.

`check` then holds members against the naive evaluator (at the instant of each answer), against the server's own verify, and against the feed.
"""
import collections
import http.client
import threading
import time

from crash.wire import Wire
from differential.generate import iso
from differential.model import Model
from differential.naive import Segment, is_member
from differential.rounds import clock
from differential.values import SECOND, Number, dumps, loads
from support.client import basic, bearer, quoted
from support.house import House, micros, named
from support.wait import wait_for

SEGMENTS = {
    "recent": {"event": "A", "window": {"last": "2s"}},
    "earlier": {"event": "A", "window": {"last": "5s", "skip": "1s"}},
    "twice": {"event": "A", "gte": 2},
    "none": {"event": "A", "eq": 0},
    "left": {"sequence": [{"event": "A"}, {"absent": "B", "for": "2s"}]},
    "rich": {"trait": "n", "gte": 5},
    "fresh": {"profile": "first_seen", "within_last": "3s"},
    "changing": {"event": "A", "gte": 1},
    "nested": {"all": [{"segment": "twice"}, {"not": {"segment": "recent"}}]},
    "deep": {"any": [{"segment": "nested"}, {"segment": "rich"}]},
    "over": {"not": {"segment": "changing"}},
    "ahead": {"trait": "due", "within_next": "2s"},
    "behind": {"trait": "due", "within_last": "2s"},
    "listed": None,
    "above": {"all": [{"segment": "listed"}, {"event": "A"}]},
}


class WiredHouse(House):
    """A House whose cohortd speaks to PostgreSQL through a Wire. sliced: its builds take several slices, however few the people."""

    def __init__(self, sliced=True, **more):
        self.wire = None
        super().__init__(**more)
        self.wire.server = self.server
        if not sliced:
            return
        self.rows_none("ALTER TABLE profile SET (autovacuum_enabled = off)")
        self.rows_none("UPDATE pg_class SET reltuples = 100000 WHERE oid = 'profile'::regclass")

    def connect_url(self):
        self.wire = Wire(self.postgres)
        return self.wire.url

    def __exit__(self, *_):
        try:
            super().__exit__()
        finally:
            self.wire.stop()

    def rows_none(self, sql):
        with self.db.cursor() as cursor:
            cursor.execute(sql)

    def lease_over(self):
        """As if five seconds had passed since the leader's last beat."""
        self.rows_none("UPDATE worker SET beat = '-infinity'")

    def recover(self, dead):
        """After a strike. The lead is free at once for a new process; the old one takes it back by itself."""
        if dead:
            self.lease_over()
            self.server.start()
            self.speak_to(self.server)

    def speak_to(self, server):
        """From now on API and collect are that server's."""
        self.server = server
        self.api, self.collect = self.client(bearer(self.admin_key)), self.client(basic(self.write_key))


class Scene:
    """clock: µs, as the database sees it."""

    def __init__(self, house, prefix="s", clock=clock):
        self.house, self.prefix, self.clock = house, prefix, clock
        self.model = Model()
        self.segments = {}
        self.turns = 0
        self.feed = {}  # key → its changes that no answer has reached yet
        self.known = {}  # key → members by the changes before
        self.seqs = []
        self.compared = 0
        self.strangers = set()  # people of others
        self.listed = set()
        self.editing = None  # a thread
        for key, definition in SEGMENTS.items():
            self.put(key, definition)
        self.put("coming", {"event": "B"})
        for key in self.segments:
            house.live(key)

    def put(self, key, definition):
        """definition None: a list."""
        self.segments[key] = Segment(loads(dumps(definition)), "UTC")
        body = {"name": key, "kind": "rule", "definition": definition} if definition else {"name": key, "kind": "list"}
        answer = self.house.api.request("PUT", f"/v1/segments/{quoted(key)}", dumps(body))
        assert answer.status in (200, 201), answer

    def delete(self, key):
        assert self.house.api.delete(f"/v1/segments/{key}").status == 204

    # One turn

    def send(self, messages):
        sent = self.clock()
        answer = self.house.collect.post("/v1/batch", dumps({"batch": messages}))
        assert answer.status == 200, answer
        for message in messages:
            self.model.send(message, sent, self.clock())

    def message(self, kind, **more):
        return {"type": kind, "messageId": f"{self.prefix}{self.turns}-{self.house.message_id()}", "timestamp": iso(self.clock() - SECOND // 10), **more}

    def turn(self):
        self.turns += 1
        turn, last, older = (f"{self.prefix}{self.turns - i}" for i in range(3))
        late = iso(self.clock() - 3600 * SECOND)
        track = lambda event, **more: self.message("track", event=event, **more)  # noqa: E731
        self.send([
            track("A", anonymousId=f"{turn}a"),
            track("A", anonymousId=f"{turn}b"),
            track("B", anonymousId=f"{turn}c"),
            track("B", userId=f"{turn}u"),
            self.message("identify", userId=f"{turn}v", traits={"n": Number("7"), "due": iso(self.clock() + 2 * SECOND)}),
        ])
        self.send([
            self.message("identify", userId=f"{turn}u", anonymousId=f"{last}a", traits={"n": Number("5")}),
            self.message("alias", userId=f"{last}u", previousId=f"{last}b"),
            self.message("identify", userId=f"{older}v", traits={"n": None}),
            track("A", userId=f"{last}v", timestamp=late),
            track("A", userId=f"{older}u"),
            track("B", userId=f"{last}u"),
        ])
        self.put("changing", {"event": "A", "gte": 1 + self.turns % 3})
        self.delete("coming")
        self.put("coming", {"event": "B", "gte": 1 + self.turns % 2})
        # Or thirty days of the past are computed for each new segment: many steps, on which nothing rests.
        self.house.rows_none("UPDATE segment SET backfilled_at = now() WHERE backfilled_at IS NULL")
        self.edit({f"{one}{who}" for one in (turn, last, older) for who in "uv"} & {person.user_id for person in self.model.people.values()})

    def edit(self, users):
        """Beside all else: the list is replaced, and again until that is acknowledged. It waits for the worker."""
        self.listed = {("user", user) for user in users}
        body = "".join(dumps({"user_id": user}) + "\n" for user in users)
        self.editing = threading.Thread(target=self.replace, args=(body,))
        self.editing.start()

    def replace(self, body):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            client = self.house.client(bearer(self.house.admin_key))
            try:
                if client.post("/v1/segments/listed/members?mode=replace", body, headers={"Content-Type": "application/x-ndjson"}).status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)

    # What must hold after it

    def check(self, recent=True):
        """recent: only the people of the last turns against the naive evaluator, and not the store against the model."""
        if self.editing:
            self.editing.join()
        self.house.caught_up(seconds=120)
        for key in self.segments:
            self.house.live(key, seconds=120)
        found = [] if recent else self.store_differs()
        assert not found, found[:5]
        for _ in range(3):
            found = self.differences(recent)
            if not found:
                break
        assert not found, "\n".join(found[:10])
        for key in set(self.segments) - {"listed"}:
            answer = self.house.api.post(f"/v1/segments/{key}/verify", None).json
            assert answer["compared"] and answer["differences"] == 0, (key, answer)

    def store_differs(self):
        with self.house.db.cursor() as cursor:
            return self.model.settle(cursor)

    def differences(self, recent):
        shots = {key: self.house.snapshot(key) for key in self.segments}
        self.read_feed()
        people = self.people()
        people = people[-40:] if recent else people
        found = []
        for key, (members, as_of) in shots.items():
            known = self.told(key, as_of)
            if known != members:
                found.append(f"{key}: the feed gives {sorted(known - members)} more and {sorted(members - known)} less than the members")
            for person in people:
                self.compared += 1
                if self.belongs(person, key, as_of) != (person.label in members):
                    found.append(f"{key}: {person.label} is {'' if person.label in members else 'not '}a member, wrongly, at {iso(as_of)}")
            if not recent:
                found += [f"{key}: {who} is unknown" for who in members - {person.label for person in people} - self.strangers]
        return found

    def belongs(self, person, key, as_of):
        if key == "listed":
            return person.label in self.listed
        if key == "above":
            return person.label in self.listed and any(event.name == "A" and event.ts <= as_of for event in person.events)
        return is_member(person, self.segments[key], as_of, self.segments)

    def people(self):
        return list(self.model.people.values())

    def read_feed(self):
        for change in self.house.changes(after=self.seqs[-1] if self.seqs else 0):
            self.seqs.append(change["seq"])
            self.feed.setdefault(change["segment"], collections.deque()).append(change)

    def told(self, key, as_of):
        """Who is a member at as_of, which never goes back, for a reader of the feed."""
        members = self.known.setdefault(key, set())
        news = self.feed.get(key, [])
        while news and micros(news[0]["at"]) <= as_of:
            change = news.popleft()
            who = named(change)
            if change["op"] == "clear":
                members.clear()
                continue
            assert who[1] is not None and (who in members) == (change["op"] == "exit"), f"no sense: {change}"
            (members.add if change["op"] == "enter" else members.remove)(who)
        return members

    def settled(self):
        wait_for(lambda: self.house.one("SELECT count(*) FROM sweep") == 0, what="the sweep")
