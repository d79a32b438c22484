"""People erased and merged by hand beside ingest from two processes: nothing under dead profiles, nothing of the suppressed, no deadlock, members
equal a fresh evaluation, and the feed replayed gives them."""
import random
import threading
import time

import pytest

from crash.test_stress import Sender
from support.client import Client, bearer
from support.house import House
from support.server import Server, run


@pytest.fixture()
def house():
    with House() as made:
        yield made


class Admin(threading.Thread):
    """Erases, suppresses and merges people of the stress test, also those of whom there is nobody just now."""

    def __init__(self, number, address, key, senders):
        super().__init__()
        self.client = Client(address, bearer(key))
        self.random = random.Random(number)
        self.senders = senders
        self.done = {"erased": 0, "merged": 0}
        self.suppressed, self.bad = set(), []

    def someone(self):
        n = self.random.randrange(60)
        return self.random.choice([f"u{n}", f"u{n}", f"anon:s{n}", f"anon:p{n}", f"email:s{n}@x", f"email:p{n}@x"])

    def run(self):
        while (any(sender.is_alive() for sender in self.senders) or min(self.done.values()) < 1) and not self.bad:
            try:
                self.step()
            except Exception as failure:  # told by the main thread
                self.bad.append(failure)
            time.sleep(0.02)  # as admins do

    def step(self):
        if self.random.random() < 0.5:
            answer = self.client.post("/v1/profiles/merge", {"from": self.someone(), "into": f"u{self.random.randrange(60)}"})
            self.done["merged"] += answer.status == 200
            allowed = (200, 404)
        else:
            who, suppress = self.someone(), self.random.random() < 0.2
            answer = self.client.delete(f"/v1/profiles/{who}?suppress={'true' if suppress else 'false'}")
            self.done["erased"] += answer.status == 200
            if answer.status == 200 and answer.json["suppressed"]:
                self.suppressed.add(who)
            allowed = (200, 404)
        if answer.status not in allowed:
            self.bad.append(answer)


def test_people_are_edited_beside_ingest(house):
    second = Server(house.postgres.url)
    try:
        house.segment("a", {"event": "A", "gte": 2})
        house.segment("n", {"all": [{"trait": "n", "gte": 5}, {"not": {"segment": "a"}}]})
        senders = [Sender(i, (house.server, second)[i % 2].address, house.write_key) for i in range(4)]
        admins = [Admin(i, (house.server, second)[i % 2].address, house.admin_key, senders) for i in range(3)]
        for thread in senders + admins:
            thread.start()
        for thread in senders + admins:
            thread.join()
        assert not [bad for thread in senders + admins for bad in thread.bad]
        assert all(sum(admin.done[kind] for admin in admins) >= 3 for kind in ("erased", "merged")), [admin.done for admin in admins]
        house.caught_up(seconds=120)
        check_store(house, set().union(*(admin.suppressed for admin in admins)))
        assert not any(word in house.postgres.log() for word in ("deadlock", "40P01")), "PostgreSQL saw a deadlock"
        verified = run(house.postgres.url, "verify")
        assert verified.returncode == 0, verified.stdout.decode() + verified.stderr.decode()
        assert {key: house.snapshot(key)[0] for key in ("a", "n")} == {key: house.replayed().get(key, set()) for key in ("a", "n")}
    finally:
        second.stop()


def check_store(house, suppressed):
    count = lambda sql, *values: house.one("SELECT count(*) FROM " + sql, *values)  # noqa: E731
    nobody = "'00000000-0000-0000-0000-000000000000'"
    assert count("event LEFT JOIN profile USING (profile_id) WHERE profile.profile_id IS NULL") == 0, "events under a dead id"
    assert count("consent LEFT JOIN profile USING (profile_id) WHERE profile.profile_id IS NULL") == 0
    assert count(f"identity LEFT JOIN profile USING (profile_id) WHERE profile.profile_id IS NULL AND identity.profile_id <> {nobody}") == 0
    assert count(f"identity WHERE profile_id = {nobody} AND external_id <> ''") == 0
    assert count("erasure WHERE done_at IS NULL") == 0
    assert count("event") == house.one("SELECT count(DISTINCT message_id) FROM event")
    for who in suppressed:
        kind, _, id = who.rpartition(":")
        kind = {"": "user", "anon": "anonymous", "email": "email"}[kind]
        assert count("identity WHERE kind = %s AND external_id = %s", kind, id) == 0, who
