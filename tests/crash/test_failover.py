"""PostgreSQL fails over, or lets nothing be written for a while. cohortd knows two hosts, the standby first, and is told nothing more."""
import pytest

from crash.feed import Reader
from crash.flood import Flood
from crash.load import Load
from support.house import House
from support.postgres import Postgres
from support.server import run
from support.wait import wait_for


class PairHouse(House):
    """On a primary and a hot standby that has what the primary has committed."""

    def connect_url(self):
        self.others = [Postgres(standby_of=self.postgres)]
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        return f"postgresql://app@/postgres?host={self.others[0].folder},{self.postgres.folder}"

    def execute(self, *statements):
        db = self.postgres.connect()
        with db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        db.close()

    def fail_over(self):
        self.postgres.kill()
        self.others[0].promote()
        self.postgres, self.others[0] = self.others[0], self.postgres
        self.reconnect()

    def __exit__(self, *_):
        try:
            super().__exit__()
        finally:
            self.others[0].stop()


@pytest.fixture()
def pair():
    with PairHouse(durable=True) as made:
        yield made


def go_on(load, answers):
    before = load.answered()
    wait_for(lambda: load.failures or load.answered() >= before + answers, 120, "answers")


def test_failover_under_load(pair):
    """What was answered 200 is on the new primary, once; members and feed are right."""
    with Reader(pair) as reader:
        with Load(pair, 12) as load, Flood(pair) as flood:
            go_on(load, 15)
            pair.fail_over()
            go_on(load, 15)
        pair.caught_up(seconds=120)
        found = load.found() + flood.found()
        assert not found, "\n".join(found[:3])
        assert flood.acknowledged
    reader.check(key for round_ in load.rounds for key in round_.segments)


def read_only(house, yes):
    with house.db.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute("ALTER SYSTEM SET default_transaction_read_only = on" if yes else "ALTER SYSTEM RESET default_transaction_read_only")
        cursor.execute("SELECT pg_reload_conf()")


@pytest.fixture()
def house():
    with House(environment={"COHORTD_REQUEST_TIMEOUT": "10"}) as made:
        yield made


def test_a_database_that_is_read_only_for_a_while(house):
    """As a provider makes it when its disk is full: what writes is 503, what reads is answered, and all goes on afterwards."""
    house.segment("s", {"event": "E"})
    house.track("before", "E")
    assert house.members("s") == {"before"}
    event = {"userId": "during", "event": "E", "messageId": "during"}
    read_only(house, True)
    wait_for(lambda: house.client().get("/readyz").body == b"the database is read-only\n", what="/readyz to notice")
    for answer in (house.collect.post("/v1/track", event), house.api.post("/v1/segments", {"name": "t", "kind": "list"})):
        assert answer.status == 503 and int(answer.headers["retry-after"]) >= 0, answer
    answer = house.api.get("/v1/segments/s/members")
    assert answer.status == 200 and [member["user_id"] for member in answer.json["data"]] == ["before"]
    command = run(house.postgres.url, "verify", "--wait", "1")
    assert command.returncode == 1 and command.stderr.endswith(b"cohortd: the database is read-only\n"), command.stderr
    read_only(house, False)
    wait_for(lambda: house.collect.post("/v1/track", event).status == 200, what="events to be taken")
    wait_for(lambda: house.client().get("/readyz").status == 200, what="/readyz to recover")
    wait_for(lambda: house.api.post("/v1/segments", {"key": "t", "name": "t", "kind": "list"}).status in (201, 409), what="the list")
    house.caught_up(seconds=120)
    assert house.members("s") == {"before", "during"} and house.events("during") == 1
