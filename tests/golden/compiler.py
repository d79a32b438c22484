"""The compiler's statements on a real PostgreSQL, without the server: definitions through compile_tool, people straight into the tables."""
import datetime
import json
import os
import pathlib
import subprocess

from differential.values import EPOCH, dumps
from support.postgres import ROOT, Postgres

TOOL = pathlib.Path(os.environ.get("COHORTD", ROOT / "build" / "cohortd")).parent / "tests" / "golden" / "compile_tool"
RUNNER = {
    "changed": ["timestamptz", "timestamptz", "integer", "uuid[]"],
    "range": ["timestamptz", "timestamptz", "uuid", "uuid"],
    "count": ["timestamptz", "timestamptz", "uuid", "uuid"],
    "diff": ["timestamptz", "timestamptz", "uuid", "uuid", "integer"],
    "why": ["timestamptz", "timestamptz", "uuid", "integer"],
    "why_now": ["timestamptz", "timestamptz", "uuid", "integer"],
}
LOW, HIGH = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
TYPES = {"name": "integer", "names": "integer[]", "segment": "integer"}


def timestamp(us):
    return (EPOCH + datetime.timedelta(microseconds=us)).isoformat()


class Compiler:
    """compile_tool as a running process."""

    def __init__(self):
        self.tool = subprocess.Popen([str(TOOL)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def close(self):
        self.tool.stdin.close()
        self.tool.wait()

    def ask(self, line):
        self.tool.stdin.write(line + "\n")
        self.tool.stdin.flush()
        return json.loads(self.tool.stdout.readline())

    def compile(self, segment, head="range", segments=None, inline=False):
        """segment: anything with definition (as of values.dumps, or text) and timezone; segments: key → the same."""
        part = lambda s: f'"definition":{as_text(s.definition)},"timezone":{json.dumps(s.timezone)}'  # noqa: E731
        others = ",".join(json.dumps(key) + ":{" + part(other) + "}" for key, other in (segments or {}).items())
        return self.ask(
            "{" + part(segment) + f',"head":"{head}","inline":{json.dumps(inline)},"segments":' + "{" + others + "}}"
        )


def as_text(definition):
    return definition.replace("\n", " ") if isinstance(definition, str) else dumps(definition)


class Store:
    """The schema on a throwaway PostgreSQL, with partitions of its own, and the sessions' settings that the worker uses."""

    def __init__(self, bulk=False):
        self.postgres = Postgres()
        self.connection = self.postgres.connect()
        self.cursor = self.connection.cursor()
        for file in sorted((ROOT / "migrations").glob("*.sql")):
            self.cursor.execute(file.read_text())
        self.cursor.execute("CREATE TABLE IF NOT EXISTS event_rest PARTITION OF event DEFAULT")
        for year in range(2023, 2027):
            for quarter in range(1, 5):
                end = f"{year + quarter // 4}-{quarter % 4 * 3 + 1:02}-01"
                self.cursor.execute(
                    f"CREATE TABLE event_{year}q{quarter} PARTITION OF event FOR VALUES FROM ('{year}-{quarter * 3 - 2:02}-01') TO ('{end}')"
                )
        self.cursor.execute("SET plan_cache_mode = force_generic_plan; SET jit = off; SET TimeZone = 'UTC'")
        self.names = {"$identify": 1, "$alias": 2, "$group": 3}
        self.prepared = 0

    def close(self):
        self.connection.close()
        self.postgres.stop()

    def name_id(self, name):
        if name not in self.names:
            self.cursor.execute("INSERT INTO event_name (name) VALUES (%s) ON CONFLICT DO NOTHING", (name,))
            self.cursor.execute("SELECT name_id FROM event_name WHERE name = %s", (name,))
            self.names[name] = self.cursor.fetchone()[0]
        return self.names[name]

    def fill(self, profiles):
        """Replaces the population. profiles: differential.naive.Profile."""
        self.cursor.execute("TRUNCATE event, profile, membership, consent")
        for profile in profiles:
            seen = [event.ts for event in profile.events if not event.name.startswith("$")]
            self.cursor.execute(
                "INSERT INTO profile (profile_id, user_id, traits, first_seen, last_seen) VALUES (%s, %s, %s, %s, %s)",
                (profile.id.hex(), profile.user_id, dumps(profile.traits), *[timestamp(f(seen)) if seen else None for f in (min, max)]),
            )
            for channel, state in profile.consent.items():
                self.cursor.execute("INSERT INTO consent VALUES (%s, %s, %s)", (profile.id.hex(), channel, state))
        rows = [
            (p.id.hex(), self.name_id(e.name), 1, timestamp(e.ts), e.message_id.hex(), timestamp(e.received_at), dumps(e.properties), dumps(e.context))
            for p in profiles
            for e in p.events
        ]
        for start in range(0, len(rows), 500):
            part = rows[start : start + 500]
            values = b",".join(self.cursor.mogrify("(%s,%s,%s,%s,%s,%s,%s,%s)", row) for row in part)
            self.cursor.execute(
                b"INSERT INTO event (profile_id, name_id, source_id, ts, message_id, received_at, properties, context) VALUES " + values
            )

    def value(self, param):
        if param["type"] == "name":
            return self.name_id(param["value"])
        if param["type"] == "names":
            return [self.name_id(name) for name in param["value"]]
        if param["type"] == "timestamptz":
            return timestamp(param["value"])
        if param["type"] == "numeric[]":
            return "{" + ",".join(param["value"]) + "}"
        if param["type"] == "segment":
            self.cursor.execute("SELECT segment_id FROM segment WHERE key = %s", (param["value"],))
            return (self.cursor.fetchone() or [0])[0]
        return param["value"]

    def run(self, compiled, runner, head="range", explain=""):
        """Prepares and executes; runner: the values of $1 …"""
        assert "error" not in compiled, compiled
        self.prepared += 1
        types = RUNNER[head] + [TYPES.get(param["type"], param["type"]) for param in compiled["params"]]
        values = list(runner) + [self.value(param) for param in compiled["params"]]
        assert len(runner) == compiled["first"] - 1
        self.cursor.execute(f"PREPARE q{self.prepared} ({', '.join(types)}) AS {compiled['sql']}")
        try:
            self.cursor.execute(f"{explain} EXECUTE q{self.prepared} ({', '.join(['%s'] * len(values))})", values)
            return self.cursor.fetchall()
        finally:
            self.cursor.execute(f"DEALLOCATE q{self.prepared}")

    def members(self, compiled, at, floor="-infinity"):
        """Ids of the members at the instant (µs), as bytes."""
        rows = self.run(compiled, [timestamp(at), floor if floor == "-infinity" else timestamp(floor), LOW, HIGH])
        return {bytes.fromhex(row[0].replace("-", "")) for row in rows}
