"""Ingest beside merges from two processes on one database, each with one or several writers: nothing lost, doubled, or under a dead profile, and no deadlock.

An earlier design lost 38 % of the events here.
"""
import itertools
import random
import threading
import time
import uuid

import pytest

from differential.model import message_id
from support.client import Client, basic
from support.house import House, named
from support.server import Server, run

PEOPLE = 60
SECONDS = 6
BATCHES = 20  # of each thread at least
THREADS = 6


@pytest.fixture(params=[1, 2, 4], ids=lambda n: f"{n} writers")
def house(request):
    with House(environment={"COHORTD_WRITERS": str(request.param)}) as made:
        yield made


def messages(random_, thread, serial, count):
    """Anonymous ids s* and addresses s*@x belong to one user each, p* and p*@x wander between users; half of the messages are of a few
    people only."""
    made = []
    for i in range(count):
        n = int(PEOPLE * random_.random() ** 2)
        solid = random_.random() < 2 / 3
        anonymous, email, user = (f"s{n}", f"s{n}@x", f"u{n}") if solid else (f"p{n}", f"p{n}@x", f"u{random_.randrange(PEOPLE)}")
        ids = random_.choice([{"anonymousId": anonymous}] * 3 + [{"userId": user}, {"userId": user, "anonymousId": anonymous}])
        kind = random_.choice(["track"] * 5 + ["identify"] * 2 + ["alias", "mail"])
        message = {"type": kind, "messageId": f"{thread}-{serial}-{i}", "timestamp": f"2026-01-01T00:00:{random_.randrange(60):02}Z", **ids}
        if kind == "track":
            message["event"] = random_.choice("ABCD")
        if kind == "identify":
            message["traits"] = {"n": i, **random_.choice([{}, {"email": email.upper()}])}
        if kind == "alias":
            message = {**message, "userId": user, "previousId": anonymous}
            message.pop("anonymousId", None)
        if kind == "mail":
            message = {**message, "type": "track", "event": random_.choice("AB"), "properties": {"email": email}}
            message.pop("anonymousId", None)
            message.pop("userId", None)
        made.append(message)
    return made


def ids_of(message):
    """(kind, id) of a message, the strongest first."""
    anonymous = message.get("anonymousId") or message.get("previousId")
    email = message.get("traits", {}).get("email") or message.get("properties", {}).get("email")
    ids = [("user", message.get("userId")), ("email", email and email.lower()), ("anonymous", anonymous)]
    return [(kind, id) for kind, id in ids if id]


class Sender(threading.Thread):
    def __init__(self, number, address, key):
        super().__init__()
        self.number = number
        self.client = Client(address, basic(key))
        self.random = random.Random(number)
        self.sent, self.bad = {}, []

    def run(self):
        deadline, serial = time.monotonic() + SECONDS, 0
        while (time.monotonic() < deadline or serial < BATCHES) and not self.bad:
            batch = messages(self.random, self.number, serial, self.random.randint(1, 20))
            serial += 1
            try:
                answer = self.client.post("/v1/batch", {"batch": batch})
                if answer.status != 200:
                    self.bad.append(answer)
                if self.random.random() < 0.1:
                    self.client.post("/v1/batch", {"batch": batch})  # a retry
            except Exception as failure:  # told by the main thread
                self.bad.append(failure)
            self.sent.update({message["messageId"]: message for message in batch})


def test_ingest_beside_merges_from_two_processes(house):
    second = Server(house.postgres.url, {"COHORTD_WRITERS": house.server.environment["COHORTD_WRITERS"]})
    try:
        house.segment("stress", {"event": "A", "gte": 3})
        senders = [Sender(i, (house.server, second)[i % 2].address, house.write_key) for i in range(THREADS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert not [bad for sender in senders for bad in sender.bad]
        sent = {id: message for sender in senders for id, message in sender.sent.items()}
        assert len(sent) > 500
        check_events(house, sent)
        check_identities(house, sent)
        assert not any(word in house.postgres.log() for word in ("deadlock", "40P01")), "PostgreSQL saw a deadlock"
        house.caught_up(seconds=120)
        verified = run(house.postgres.url, "verify")
        assert verified.returncode == 0, verified.stdout.decode() + verified.stderr.decode()
        expected = house.rows(
            "SELECT user_id, anonymous_id, email FROM profile JOIN event USING (profile_id) JOIN event_name USING (name_id)"
            " WHERE name = 'A' GROUP BY 1, 2, 3 HAVING count(*) >= 3"
        )
        assert house.snapshot("stress")[0] == {
            named(dict(zip(("user_id", "anonymous_id", "email"), row))) for row in expected
        }
    finally:
        second.stop()


def check_events(house, sent):
    assert house.one(
        "SELECT count(*) FROM event LEFT JOIN profile USING (profile_id) WHERE profile.profile_id IS NULL"
    ) == 0, "events under a dead id"
    assert house.one("SELECT count(*) FROM event") == house.one("SELECT count(DISTINCT message_id) FROM event") == len(sent)


def acquaintances(id, pairs):
    """All that an id has met, itself, or through others: the anonymous id of an address takes it along to a user."""
    known, new = set(), {id}
    while new:
        known |= new
        new = {other for pair in pairs if known & set(pair) for other in pair} - known
    return known


def check_identities(house, sent):
    assert house.one(
        "SELECT count(*) FROM identity LEFT JOIN profile USING (profile_id) WHERE profile.profile_id IS NULL"
    ) == 0, "a chain or a dead end"
    assert house.one("SELECT count(*) FROM profile WHERE num_nonnulls(user_id, anonymous_id, email) <> 1") == 0
    label = "coalesce('user ' || user_id, 'email ' || email, 'anonymous ' || anonymous_id)"
    now = dict(house.rows(f"SELECT kind || ' ' || external_id, {label} FROM identity JOIN profile USING (profile_id)"))
    pairs = {pair for message in sent.values() for pair in itertools.combinations(ids_of(message), 2)}
    assert {" ".join(id) for message in sent.values() for id in ids_of(message)} == set(now)
    for name, means in now.items():
        assert tuple(means.split(" ")) in acquaintances(tuple(name.split(" ")), pairs), f"{name} has become {means}, which it never met"
    # ids of one user only: all that was ever sent with them is the user's
    owner = dict(house.rows(f"SELECT message_id::text, {label} FROM event JOIN profile USING (profile_id)"))
    checked = 0
    for n in range(PEOPLE):
        user, email, anonymous = ("user", f"u{n}"), ("email", f"s{n}@x"), ("anonymous", f"s{n}")
        ours = {user}
        if (user, email) in pairs:
            ours |= {email} | ({anonymous} if (user, anonymous) in pairs or (email, anonymous) in pairs else set())
        elif (user, anonymous) in pairs and (email, anonymous) not in pairs:
            ours.add(anonymous)
        for id, message in sent.items():
            if ours & set(ids_of(message)):
                assert owner[str(uuid.UUID(bytes=message_id(id)))] == f"user u{n}", message
                checked += len(ours) == 3
    assert checked > 200, checked
