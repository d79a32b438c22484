"""Stores for bench/segments: a cohortd on its own embedded PostgreSQL (the settings a newcomer gets: fsync on, WAL lz4), kept under BUILD/bench
and filled by SQL. Events stand in the tables in order of time, as they would have arrived, so a person's events are spread over all of it."""
import concurrent.futures
import contextlib
import datetime
import os
import pathlib
import subprocess
import time

import psycopg2

from support.client import Client, basic, bearer
from support.postgres import ROOT
from support.server import PROGRAM, Server
from support.wait import wait_for

FOLDER = pathlib.Path(PROGRAM).parent / "bench"
FRESH_DAYS = 2  # an older store is made anew: its windows have run empty

# name: (people, events, days over which they are spread)
STORES = {
    "small": (20_000, 1_000_000, 365),
    "young": (400_000, 1_000_000, 18),
    "year": (400_000, 20_000_000, 365),
    "five": (400_000, 20_000_000, 5 * 365),
}
# What comes in, of a hundred events.
NAMES = {
    "Page Viewed": 31, "Product Viewed": 22, "Email Opened": 11, "Session Started": 8, "Product Added": 8, "Checkout Started": 4,
    "Email Link Clicked": 4, "Order Completed": 3, "Post Liked": 3, "Points Earned": 2, "Product Shared": 2, "Survey Answered": 1, "Mention": 1,
}
CATEGORIES = ["boots", "shoes", "hats", "coats", "socks", "gloves", "bags", "belts"]

SCRATCH = """
CREATE SCHEMA bench;
INSERT INTO source (name) VALUES ('bench');
INSERT INTO event_name (name, source_id) SELECT unnest(%(names)s), 1;
CREATE TABLE bench.person AS SELECT n, 'user-' || n AS user_id,
    encode(substring(sha256('user'::bytea || '\\x00' || convert_to('user-' || n, 'UTF8')) for 16), 'hex')::uuid AS profile_id
    FROM generate_series(0, %(people)s - 1) AS n;
CREATE TABLE bench.variant AS SELECT k, name_id,
    jsonb_build_object('product_id', 'p' || k %% 500, 'category', (%(categories)s)[1 + k %% 8], 'name', 'Walking boot', 'currency', 'EUR',
        'price', round((5 + random() * 295)::numeric, 2), 'quantity', 1 + k %% 3, 'cart_id', 'c' || k %% 50)
    || CASE name WHEN 'Order Completed' THEN jsonb_build_object('order_id', 'o' || k, 'total', round((5 + random() * 295)::numeric, 2),
            'products', jsonb_build_array(jsonb_build_object('category', (%(categories)s)[1 + k %% 8], 'price', k %% 90, 'quantity', 1 + k %% 3),
                jsonb_build_object('category', (%(categories)s)[1 + k %% 5], 'price', k %% 70, 'quantity', 1)))
            || CASE WHEN k %% 7 = 0 THEN '{"coupon": "SPRING"}' ELSE '{}' END::jsonb
        WHEN 'Survey Answered' THEN jsonb_build_object('survey', 'nps', 'score', k %% 11)
        ELSE '{}' END AS properties,
    jsonb_build_object('library', jsonb_build_object('name', 'analytics-node', 'version', '3.1.0'),
        'campaign', jsonb_build_object('source', (ARRAY['newsletter', 'search', 'mail'])[1 + k %% 3])) AS context
    FROM (SELECT k, (%(deck)s)[1 + k %% 100] AS name FROM generate_series(0, 3999) AS k) AS drawn JOIN event_name USING (name);
ANALYZE bench.person; ANALYZE bench.variant;
"""
# The square makes some people ten times as busy as others, as they are.
FILL = """
INSERT INTO {partition} (profile_id, name_id, source_id, ts, message_id, received_at, properties, context)
SELECT p.profile_id, v.name_id, 1, d.ts, gen_random_uuid(), d.ts + interval '300 ms', v.properties, v.context
FROM (SELECT %(begin)s::timestamptz + (%(end)s::timestamptz - %(begin)s::timestamptz) * (i / %(events)s::float8) AS ts,
          floor(power(random(), 2) * %(people)s)::integer AS n, floor(random() * 4000)::integer AS k
      FROM generate_series(0, %(events)s - 1) AS i OFFSET 0) AS d
    JOIN bench.person p USING (n) JOIN bench.variant v USING (k)
"""
PEOPLE = """
INSERT INTO profile (profile_id, user_id, traits, first_seen, last_seen)
SELECT p.profile_id, p.user_id, jsonb_build_object('email', p.user_id || '@example.com', 'plan', (ARRAY['free', 'pro', 'team'])[1 + n % 3], 'age', 18 + n % 60,
    'birthday', (date '1970-01-01' + n % 9000)::text, 'trial_end', (current_date - 200 + n % 400)::text, 'tags', jsonb_build_array('t' || n % 9)),
    e.first_seen, e.last_seen
FROM bench.person p LEFT JOIN (SELECT profile_id, min(ts) AS first_seen, max(ts) AS last_seen FROM event GROUP BY profile_id) e USING (profile_id);
INSERT INTO identity (raw_id, kind, external_id, profile_id) SELECT profile_id, 'user', user_id, profile_id FROM bench.person ORDER BY profile_id;
INSERT INTO consent SELECT profile_id, 'email', 'granted' FROM bench.person WHERE n % 2 = 0;
"""


def quarters(begin, end):
    """(partition, from, to) of each quarter that the range meets."""
    year, quarter = begin.year, (begin.month - 1) // 3
    while True:
        first = datetime.datetime(year, quarter * 3 + 1, 1, tzinfo=datetime.timezone.utc)
        year, quarter = (year + 1, 0) if quarter == 3 else (year, quarter + 1)
        after = datetime.datetime(year, quarter * 3 + 1, 1, tzinfo=datetime.timezone.utc)
        yield f"event_{first.year}q{(first.month + 2) // 3}", max(first, begin), min(after, end)
        if after >= end:
            return


class Store(Server):
    def __init__(self, name):
        self.name = name
        self.people, self.events, self.days = STORES[name]
        self.folder = FOLDER / name
        mark = self.folder.with_suffix(".made")
        if name == "small" or not mark.exists() or time.time() - mark.stat().st_mtime > FRESH_DAYS * 86400:
            mark.unlink(missing_ok=True)
            subprocess.run(["rm", "-rf", str(self.folder)], check=True)
        FOLDER.mkdir(exist_ok=True)
        super().__init__(None)
        try:
            if not mark.exists() or mark.stat().st_mtime < (self.folder / "data/PG_VERSION").stat().st_mtime:
                self.make()
                mark.touch()
            self.open()
        except BaseException:
            self.stop()
            raise

    def start(self):
        command = [PROGRAM, "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.folder)]
        environment = {name: value for name, value in self.environment.items() if name != "DATABASE_URL"}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.ready, 120, "cohortd ready")
        lines = (self.folder / "data/postmaster.pid").read_text().splitlines()
        self.database_url = f"postgresql://cohortd@/postgres?host={lines[4]}"
        self.db = self.connect()

    def stop(self):
        """Draining, and PostgreSQL's last checkpoint, take a while here."""
        self.process.terminate()
        return self.process.wait(180)

    def open(self):
        self.write_key, self.admin_key = self.key("write", "bench"), self.key("admin")
        self.collect = basic(self.write_key)
        self.clear()

    @property
    def api(self):
        """A connection of its own for each request: none is idle too long."""
        return Client(self.address, bearer(self.admin_key), 600)

    def connect(self):
        connection = psycopg2.connect(self.database_url)
        connection.autocommit = True
        return connection

    def run(self, sql, **values):
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off; SET work_mem = '256MB'; SET maintenance_work_mem = '1GB'; SET jit = off")
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else None

    def one(self, sql, **values):
        with self.db.cursor() as cursor:
            cursor.execute(sql, values or None)
            ((value,),) = cursor.fetchall()
        return value

    def clear(self):
        """No segments and no members; those that others refer to go in a later round. The worker would sweep members at its leisure."""
        def cleared():
            segments = self.list()
            for segment in segments:
                self.api.delete(f"/v1/segments/{segment['key']}", check=False)
            return not segments and self.one("SELECT count(*) FROM segment") + self.one("SELECT count(*) FROM touched") == 0

        wait_for(cleared, 600, "no segments")
        self.run("TRUNCATE membership, sweep, change")

    def add(self, definitions, seconds=600):
        """Makes the segments and waits until all are live; how long that took."""
        began = time.monotonic()
        for key, definition in definitions.items():
            answer = self.api.post("/v1/segments", {"key": key, "name": key, "kind": "rule", "definition": definition}, check=False)
            assert answer.status == 201, answer
        wait_for(lambda: self.one("SELECT count(*) FROM segment_version v JOIN segment s ON s.serving_version_id = v.version_id WHERE v.state = 'live'")
                 >= len(definitions), seconds, "live segments", 0.02)
        return time.monotonic() - began

    def caught_up(self, seconds=120):
        def look():
            worker = self.api.get("/v1/status", check=False).json["worker"]
            return worker["pending"] == 0 and worker["lag_ms"] < 2000

        wait_for(look, seconds, "the worker to catch up", 0.005)

    def list(self):
        found, target = [], "/v1/segments?limit=1000"
        while target:
            page = self.api.get(target, check=False).json
            found += page["data"]
            target = page["next"] and page["next"].split(f":{self.port}")[1]
        return found

    def metrics(self):
        lines = self.api.get("/metrics", check=False).body.decode().splitlines()
        return {line.split()[0].removeprefix("cohortd_"): float(line.split()[1]) for line in lines if not line.startswith("#")}

    def make(self):
        began = time.monotonic()
        print(f"  making the store {self.name}: {self.events:,} events of {self.people:,} people over {self.days} days …", flush=True)
        end = datetime.datetime.now(datetime.timezone.utc)
        begin = end - datetime.timedelta(days=self.days)
        parts = list(quarters(begin, end))
        self.lay_out(parts)
        deck = [name for name, share in NAMES.items() for _ in range(share)]
        self.run(SCRATCH, names=list(NAMES), people=self.people, categories=CATEGORIES, deck=deck)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                for done in [pool.submit(self.fill, part, (end - begin)) for part in parts]:
                    done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self.run(PEOPLE)
        for table in ("event", "profile", "identity"):
            self.run(f"VACUUM (FREEZE, ANALYZE) {table}")
        self.run("CHECKPOINT")
        print(f"  made in {time.monotonic() - began:.0f} s; " + self.one("SELECT pg_size_pretty(pg_database_size(current_database()))"), flush=True)

    def lay_out(self, parts):
        """As if cohortd had been installed at the beginning: it makes the quarters after the first that it finds."""
        name, first, _ = parts[0]
        if self.one("SELECT to_regclass(%(name)s) IS NULL", name=name):
            quarter = datetime.datetime(first.year, (first.month - 1) // 3 * 3 + 1, 1).date()
            after = (quarter + datetime.timedelta(days=95)).replace(day=1)
            self.run(f"DROP TABLE event_old; CREATE TABLE {name} (LIKE event INCLUDING ALL);"
                     f" ALTER TABLE event ATTACH PARTITION {name} FOR VALUES FROM ('{quarter}') TO ('{after}')")
            self.stop()
            self.start()

    def fill(self, part, whole):
        """Fills a quarter, its indexes made afterwards."""
        name, begin, end = part
        bound = self.one(f"SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = '{name}'::regclass")
        self.run(f"ALTER TABLE event DETACH PARTITION {name}; DROP TABLE {name};"
                 f" CREATE TABLE {name} (LIKE event INCLUDING ALL EXCLUDING INDEXES)")
        self.run(FILL.format(partition=name), begin=begin, end=end, people=self.people, events=int(self.events * ((end - begin) / whole)))
        self.run(f"ALTER TABLE {name} ADD UNIQUE (profile_id, name_id, ts, message_id)")
        self.run(f"CREATE INDEX ON {name} ((ts AT TIME ZONE 'UTC'))")
        self.run(f"ALTER TABLE event ATTACH PARTITION {name} {bound}")

    def memory(self):
        """cohortd's resident memory, MB."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))

    def worker_pid(self):
        return self.one("SELECT pid FROM pg_stat_activity WHERE application_name = 'cohortd worker'")

    def worker_memory(self):
        """Of the worker's backend what is its own (not shared memory), MB."""
        lines = pathlib.Path(f"/proc/{self.worker_pid()}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("RssAnon"))

    def worker_seconds(self):
        """Processor time of the worker's backend so far: other work on the machine does not count."""
        return processor_seconds(self.worker_pid())


def processor_seconds(pid):
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
