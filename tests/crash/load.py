"""Load that behaves as an SDK does: what was not answered 200 is sent again, with a new sentAt, until it is.

Each thread has people, messages and a model of its own, so that after any number of crashes the exact store is known.
"""
import contextlib
import http.client
import threading
import time

import psycopg2

from differential.rounds import Round
from support.client import basic, bearer


class Patient(Round):
    """A Round whose batches are sent until they are answered 200, and settled later."""

    def __init__(self, house, seed, **more):
        super().__init__(house, seed, **more)
        self.client = house.client(basic(house.write_key))
        self.admin = house.client(bearer(house.admin_key))
        self.client.timeout = self.admin.timeout = 15
        self.answered = 0
        self.again = 0

    def deliver(self, body):
        answer = self.patiently(self.client, "/v1/batch", body)
        self.answered += 1
        return answer

    def ask(self, target, body):
        return self.patiently(self.admin, target, body)

    def rows(self, sql, *parameters):
        deadline = time.monotonic() + 120
        while True:
            try:
                with contextlib.closing(self.house.postgres.connect()) as db, db.cursor() as cursor:
                    cursor.execute(sql, parameters)
                    return cursor.fetchall()
            except psycopg2.OperationalError:
                assert time.monotonic() < deadline, "no database for two minutes"
                time.sleep(0.05)

    def patiently(self, client, target, body):
        deadline = time.monotonic() + 120
        while True:
            try:
                answer = client.post(target, body)
                if answer.status == 200:
                    return answer
                assert answer.status in (429, 503), answer
                assert int(answer.headers["retry-after"]) >= 0
            except (OSError, http.client.HTTPException):
                pass
            self.again += 1
            assert time.monotonic() < deadline, "no answer for two minutes"
            time.sleep(0.05)

    def settle(self):
        """Not while the database may be away: see `settled`."""

    def settled(self):
        super().settle()


class Load:
    """Several Patients on threads until stopped."""

    def __init__(self, house, seed, threads=3, segments=15):
        self.rounds = [Patient(house, seed * 100 + i, n=segments, people=6, messages=60) for i in range(threads)]
        self.stopping = threading.Event()
        self.failures = []
        for round_ in self.rounds:
            round_.create(round_.n)
        self.threads = [threading.Thread(target=self.work, args=(round_,)) for round_ in self.rounds]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def work(self, round_):
        try:
            while not self.stopping.is_set() and len(round_.sent) < 4000:
                round_.send()
        except BaseException as failure:  # told by the main thread
            self.failures.append(repr(failure))

    def answered(self):
        return sum(round_.answered for round_ in self.rounds)

    def found(self):
        """Everything wrong with store and members afterwards."""
        texts = list(self.failures)
        for round_ in self.rounds:
            round_.settled()
            round_.compare("after the crashes")
            texts += round_.found
        return texts
