"""Everything a black-box suite needs in one object: a throwaway PostgreSQL, a cohortd on it, keys, clients, and the waits.

    with House() as house:
        house.send({"type": "track", "userId": "u", "event": "A"})
        house.segment("a", {"event": "A"})
        assert house.members("a") == {"u"}
"""
import datetime
import itertools
import os

from support.client import Client, basic, bearer, quoted
from support.postgres import Postgres
from support.server import Server
from support.wait import PATIENCE_S, wait_for


def micros(text):
    """An instant of an answer (RFC 3339, UTC, six fraction digits, Z) as µs since 1970."""
    assert len(text) == 27 and text[-8] == "." and text[-1] == "Z", f"not an instant of the API: {text!r}"
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def iso(us):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def named(row):
    """Whom a member or a change is about: (kind, id)."""
    if row["user_id"] is not None:
        return "user", row["user_id"]
    return ("email", row["email"]) if row["email"] is not None else ("anonymous", row["anonymous_id"])


class House:
    def __init__(self, durable=False, environment=None):
        self.postgres = Postgres(durable)
        try:
            self.server = Server(self.connect_url(), environment)
            self.write_key, self.admin_key, self.read_key = (self.server.key(role) for role in ("write", "admin", "read"))
        except BaseException:
            self.postgres.stop()
            raise
        self.api = self.client(bearer(self.admin_key))
        self.collect = self.client(basic(self.write_key))
        self.db = self.postgres.connect()
        self.serial = itertools.count(1)

    def connect_url(self):
        """Where cohortd connects: for a test that puts something in between."""
        return self.postgres.url

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.db.close()
        try:
            self.server.stop()
        finally:
            self.postgres.stop()
        os.unlink(self.server.log_path)

    def client(self, authorization=None):
        return Client(self.server.address, authorization)

    # The database

    def reconnect(self):
        """After cohortd or PostgreSQL was ended: the old connections are dead."""
        self.db.close()
        self.db = self.postgres.connect()
        self.api.close()
        self.collect.close()

    def rows(self, sql, *parameters):
        with self.db.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall()

    def one(self, sql, *parameters):
        ((value,),) = self.rows(sql, *parameters)
        return value

    def now(self):
        """The database's clock, µs."""
        return self.one("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")

    def not_at_midnight(self, zone="UTC", seconds=120):
        """Waits while a new day of the zone is so near that it may begin before the test ends."""
        left = f"extract(epoch FROM date_trunc('day', now() AT TIME ZONE '{zone}') + interval '1 day' - (now() AT TIME ZONE '{zone}'))"
        wait_for(lambda: self.one(f"SELECT {left} > {seconds}"), 2 * seconds, "midnight to pass", every=1)

    def parked(self, n=1):
        """Waits until at least n requests wait for something to happen."""
        wait_for(lambda: self.api.get("/v1/status").json["queue"]["parked"] >= n, what=f"{n} requests to wait")

    def events(self, user=None, name=None):
        """How many events are stored (calls like identify counted too)."""
        return self.one(
            "SELECT count(*) FROM event JOIN event_name USING (name_id) JOIN profile USING (profile_id)"
            " WHERE (%s::text IS NULL OR user_id = %s) AND (%s::text IS NULL OR name = %s)",
            user, user, name, name,
        )

    # Sending

    def message_id(self):
        return f"m{next(self.serial)}"

    def send(self, *messages, **envelope):
        """Messages in one batch, each given a messageId if it has none; the answer must be 200."""
        batch = [{"messageId": self.message_id(), **message} for message in messages]
        answer = self.collect.post("/v1/batch", {"batch": batch, **envelope})
        assert answer.status == 200 and answer.body == b'{"success":true}', answer

    def track(self, user, event, properties=None, **more):
        self.send({"type": "track", "userId": user, "event": event, "properties": properties or {}, **more})

    # Segments

    def segment(self, key, definition, **more):
        """Creates a segment and waits until it is live."""
        answer = self.api.post("/v1/segments", {"key": key, "name": key, "kind": "rule", "definition": definition, **more})
        assert answer.status == 201, answer
        self.live(key)

    def live(self, key, seconds=PATIENCE_S):
        def look():
            segment = self.api.get(f"/v1/segments/{quoted(key)}").json
            assert segment["state"] != "failed", segment
            return segment["state"] == "live"

        wait_for(look, seconds, f"segment {key} live")

    def caught_up(self, since=0, seconds=PATIENCE_S):
        """Waits until every committed event is reflected, at an instant (µs) not before `since`. Returns as_of in µs."""

        def look():
            status = self.api.get("/v1/status")
            if status.status != 200:  # the database is just coming back
                return False
            worker = status.json["worker"]
            return worker["pending"] == 0 and worker["as_of"] is not None and micros(worker["as_of"]) >= since and micros(worker["as_of"])

        return wait_for(look, seconds, "the worker to catch up")

    def snapshot(self, key):
        """(members as {("user"|"anonymous"|"email", id)}, as_of in µs) of one snapshot."""

        def read():
            answer = self.api.get(f"/v1/segments/{quoted(key)}/members", headers={"Accept": "application/x-ndjson"})
            assert answer.status in (200, 503), answer  # 503: a connection that the database's restart closed
            return answer.status == 200 and answer

        answer = wait_for(read, what=f"the members of {key}")
        rows = answer.lines
        found = {named(row) for row in rows}
        assert len(found) == len(rows), f"a member stands twice in {key}"
        return found, micros(answer.headers["cohortd-as-of"])

    def members(self, key):
        """The ids of the members once the worker has caught up; anonymous ones as anon:ID, addresses as email:ADDRESS."""
        self.caught_up()
        return {{"user": "", "anonymous": "anon:", "email": "email:"}[kind] + str(id) for kind, id in self.snapshot(key)[0]}

    # The feed

    def changes(self, after=0, segment=None):
        """All changes after a sequence number, by pages."""
        found = []
        while True:
            page = self.api.get(f"/v1/changes?limit=1000&after={after}" + (f"&segment={segment}" if segment else "")).json["data"]
            if not page:
                return found
            found += page
            after = page[-1]["seq"]

    def replayed(self):
        return replayed(self.changes())


def replayed(changes, as_of=None):
    """Members of every segment as a reader of the feed knows them (at an instant, µs), {key: {(kind, id)}}; fails on a double or a step back."""
    members, last = {}, 0
    for change in changes:
        assert change["seq"] > last, f"the feed goes back: {change}"
        last = change["seq"]
        if as_of is not None and micros(change["at"]) > as_of:
            continue
        of = members.setdefault(change["segment"], set())
        who = named(change)
        if change["op"] == "clear":
            of.clear()
        elif change["op"] == "enter":
            assert who not in of, f"entered twice: {change}"
            of.add(who)
        else:
            assert who in of, f"left without having entered: {change}"
            of.remove(who)
    return members
