"""A poller of the tables themselves, as fast as it gets answers: what becomes visible, and in which order, through all crashes."""
import threading
import time

import psycopg2


class Watcher:
    """seqs: of the feed, in the order in which they were seen. wrong: texts, of everything that went back. still: the longest time, s, without a look or
    a beat of the leader's."""

    def __init__(self, house):
        self.house = house
        self.seqs, self.wrong = [], []
        self.as_of = self.epoch = self.at = None
        self.still, self.looked = 0, time.monotonic()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def work(self):
        connection = None
        while not self.stopping.wait(0.005):
            try:
                connection = connection or self.house.postgres.connect()
                with connection.cursor() as cursor:
                    self.look(cursor)
            except psycopg2.Error:
                connection = None  # PostgreSQL was killed

    def look(self, cursor):
        last = self.seqs[-1] if self.seqs else 0
        cursor.execute(
            "SELECT (SELECT array_agg(seq ORDER BY seq) FROM change WHERE seq > %s), (SELECT max(at) FROM change), as_of, epoch,"
            " CASE WHEN isfinite(beat) THEN extract(epoch FROM clock_timestamp() - beat)::float ELSE 0 END FROM worker", (last,)
        )
        ((new, at, as_of, epoch, age),) = cursor.fetchall()
        before, self.looked = self.looked, time.monotonic()
        self.still = max(self.still, age, self.looked - before)
        self.forward("as_of", as_of)
        self.forward("epoch", epoch)
        self.forward("at", at)
        self.seqs += new or []

    def forward(self, name, value):
        before = getattr(self, name)
        if before is not None and (value is None or value < before):
            self.wrong.append(f"{name} went back from {before} to {value}")
        setattr(self, name, value)

    def check(self):
        """Nothing went back, and nothing became visible behind what had been seen before."""
        assert not self.wrong, self.wrong[:5]
        with self.house.db.cursor() as cursor:
            self.look(cursor)
        seqs = [seq for (seq,) in self.house.rows("SELECT seq FROM change ORDER BY seq")]
        assert self.seqs == seqs, f"never seen: {sorted(set(seqs) - set(self.seqs))[:10]}"
