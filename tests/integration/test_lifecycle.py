"""Starting without a database, losing it, and stopping beside a statement that runs: cohortd listens, says what is the matter, and ends in time."""
import signal
import subprocess
import time

import pytest

from support.client import Client, basic
from support.house import House
from support.postgres import Postgres
from support.server import PROGRAM, Server, run
from support.wait import PATIENCE_S, wait_for


class Unready(Server):
    """Not waited for."""

    def ready(self):
        return True

    def probe(self, target):
        """Status and body, 0 while nobody listens."""
        try:
            answer = Client(self.address).get(target, check=False)
        except OSError:
            return 0, b""
        return answer.status, answer.body


@pytest.fixture()
def serve():
    """Starts one and does not wait; killed at the end if it still runs."""
    made = []

    def start(url):
        made.append(Unready(url))
        return made[-1]

    yield start
    for server in made:
        server.kill()


@pytest.fixture()
def away():
    """A PostgreSQL that is stopped."""
    postgres = Postgres()
    postgres.kill()
    yield postgres
    postgres.stop()


def stops(server):
    """In time, though what it does then would never end by itself."""
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(PATIENCE_S) == 0, server.log()


def test_it_listens_before_the_database_can_be_reached(serve, away):
    server = serve(away.url)
    wait_for(lambda: server.probe("/healthz")[0] == 200, what="/healthz")
    wait_for(lambda: server.probe("/readyz") == (503, b"the database cannot be reached\n"), what="/readyz to say why")
    sent = Client(server.address, basic("k")).post("/v1/track", {"userId": "u", "event": "E", "messageId": "m"})
    assert sent.status == 503  # not 401: whether there is such a key is not known
    away.restart()
    wait_for(lambda: server.probe("/readyz")[0] == 200, what="/readyz")
    key = server.key("write")
    assert wait_for(lambda: Client(server.address, basic(key)).post("/v1/track", {"userId": "u", "event": "E", "messageId": "m"}).status == 200)
    stops(server)


def test_it_stops_while_it_waits_for_the_database(serve, away):
    server = serve(away.url)
    wait_for(lambda: server.probe("/readyz")[0] == 503, what="/readyz")
    stops(server)


def test_it_waits_for_a_database_that_is_not_made_yet(serve):
    postgres = Postgres()
    try:
        server = serve(postgres.url.replace("/postgres?", "/later?"))
        wait_for(lambda: server.probe("/readyz") == (503, b"the database refuses the connection\n"), what="/readyz to say why")
        with postgres.connect().cursor() as cursor:
            cursor.execute("CREATE DATABASE later")
        wait_for(lambda: server.probe("/readyz")[0] == 200, what="/readyz")
        stops(server)
    finally:
        postgres.stop()


@pytest.mark.parametrize("command", [["verify"], ["keys", "create", "--role", "read"], ["export", "s"], ["import", "-"], ["migrate"]])
def test_commands_give_up_without_a_database(away, command):
    done = run(away.url, *command, "--wait", "1", input=b"")
    assert done.returncode == 1 and b"cohortd: the database cannot be reached: " in done.stderr, done


@pytest.mark.parametrize("wrong", [("/postgres?", "/nowhere?", b'database "nowhere" does not exist'), ("//app@", "//nobody@", b'role "nobody" does not exist')])
def test_commands_fail_at_once_when_refused(house, wrong):
    began = time.monotonic()
    done = run(house.postgres.url.replace(wrong[0], wrong[1]), "verify", "--wait", "300")
    assert done.returncode == 1 and b"cohortd: the database refuses the connection: " in done.stderr and wrong[2] in done.stderr, done
    assert time.monotonic() - began < 150


def test_the_first_requests_after_a_restart_of_the_database():
    with House() as house:
        house.track("u", "E")
        def ask(n):
            return [house.client(house.api.authorization).get("/v1/segments?limit=1").status for _ in range(n)]
        assert ask(12) == [200] * 12  # each thread of the pool has a connection
        house.postgres.kill()
        wait_for(lambda: not ready(house), what="/readyz to notice")
        house.postgres.restart()
        wait_for(lambda: ready(house), what="/readyz")
        assert ask(12) == [200] * 12
        house.reconnect()


def ready(house):
    return house.client().get("/readyz", check=False).status == 200


def test_a_stop_does_not_wait_for_a_running_statement():
    with House(environment={"COHORTD_DRAIN": "1"}) as house:
        house.track("u", "E")
        house.segment("s", {"event": "E"})
        house.caught_up()
        house.db.autocommit = False
        house.rows("LOCK TABLE membership IN ACCESS EXCLUSIVE MODE; SELECT 1")
        exporting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cohortd export' AND state = 'active' AND wait_event_type = 'Lock'"
        with subprocess.Popen(["curl", "-s", "-o", "/dev/null", "-H", f"Authorization: {house.api.authorization}", "-H", "Accept: text/csv",
                               f"http://127.0.0.1:{house.server.port}/v1/segments/s/members"]) as curl:
            with house.postgres.connect().cursor() as other:
                def count():
                    other.execute(exporting)
                    return other.fetchone()[0]
                wait_for(count, what="the export to wait")
                stops(house.server)
                wait_for(lambda: not count(), what="the statement to end with its client")
            curl.wait(PATIENCE_S)
        house.db.rollback()


def test_a_stop_does_not_wait_for_a_postgres_that_hangs():
    with House(environment={"COHORTD_DRAIN": "1"}) as house:
        house.track("u", "E")
        stopped = house.postgres.processes()
        for pid in stopped:
            subprocess.run(["kill", "-STOP", str(pid)], check=False)  # a child may have ended
        try:
            stops(house.server)
        finally:
            for pid in reversed(stopped):
                subprocess.run(["kill", "-CONT", str(pid)], check=False)
