"""A running cohortd: start, keys, stop, kill. COHORTD names the program (default build/cohortd)."""
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile

from support.postgres import ROOT
from support.wait import wait_for

PROGRAM = os.environ.get("COHORTD", str(ROOT / "build" / "cohortd"))


def free_port():
    """A port below the ephemeral range that nobody listens on, and no other worker of pytest picks: a server that was killed comes back on its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = random.randrange(20_000 + worker % 8, 32_000, 8)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def run(database_url, *arguments, **more):
    """A command of cohortd; its CompletedProcess."""
    environment = {**os.environ, "DATABASE_URL": database_url}
    return subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, timeout=600, **more)


class Server:
    def __init__(self, database_url, environment=None):
        self.database_url = database_url
        self.environment = {**os.environ, "COHORTD_REQUEST_TIMEOUT": "60", **(environment or {})}  # a loaded machine is no failure
        handle, self.log_path = tempfile.mkstemp(prefix="cohortd-log.")
        os.close(handle)
        self.process = None
        self.start_anywhere()

    def start_anywhere(self):
        """On a free port; another one when somebody takes it in between."""
        for attempt in range(5):
            self.port = free_port()
            self.address = ("127.0.0.1", self.port)
            try:
                return self.start()
            except RuntimeError:
                if attempt == 4 or 'msg="cannot listen"' not in self.log():
                    raise

    def start(self):
        """(Re)starts on the same port and waits until it is ready."""
        command = [PROGRAM, "serve", "--listen", f"127.0.0.1:{self.port}", "--database-url", self.database_url]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.ready, what="cohortd ready")

    def ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"cohortd ended with {self.process.returncode}:\n{self.log()[-4000:]}")
        try:
            with socket.create_connection(self.address, 2) as s:
                s.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return s.recv(64).startswith(b"HTTP/1.1 200") and self.process.poll() is None  # it is ours, not another's on the port
        except OSError:
            return False

    def key(self, role, source="test"):
        """A new key by the command line."""
        arguments = ["keys", "create", "--role", role] + (["--source", source] if role == "write" else [])
        done = run(self.database_url, *arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM; exits 0 after draining."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return self.process.returncode

    def log(self):
        return pathlib.Path(self.log_path).read_text(errors="replace")
