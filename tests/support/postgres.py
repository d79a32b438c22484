"""A throwaway PostgreSQL by scripts/testpg, with what a crash test does to it."""
import os
import pathlib
import signal
import subprocess

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTPG = str(ROOT / "scripts" / "testpg")


class Postgres:
    def __init__(self, durable=False, standby_of=None):
        command = [TESTPG, "standby", standby_of.url] if standby_of else [TESTPG, "start"] + (["--durable"] if durable else [])
        self.url = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        self.folder = self.url.split("host=")[1]

    def connect(self):
        connection = psycopg2.connect(self.url, options="-c TimeZone=UTC")  # not the machine's
        connection.autocommit = True
        return connection

    def processes(self):
        """The postmaster and all its children."""
        with open(f"{self.folder}/data/postmaster.pid", encoding="ascii") as file:
            postmaster = int(file.readline())
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)], capture_output=True, text=True).stdout
        return [postmaster] + [int(pid) for pid in children.split()]

    def kill(self):
        """kill -9 of every process at once."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def restart(self):
        subprocess.run([TESTPG, "restart", self.url], check=True)

    def promote(self):
        subprocess.run([TESTPG, "promote", self.url], check=True)

    def log(self):
        return pathlib.Path(self.folder, "log").read_text(errors="replace")

    def stop(self):
        subprocess.run([TESTPG, "stop", self.url], check=True)
