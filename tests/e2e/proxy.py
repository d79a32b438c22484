"""A small HTTP proxy in front of cohortd that misbehaves, as networks and servers do, and keeps the messages that passed through it and the heads of
all requests.

Faults, each for one POST, the first for the first: `status` answers 500 without forwarding, `busy` 429 with Retry-After: 1; `bare` answers 502 without
the headers that a browser needs; `lost` forwards, then drops the connection, so the server stored what the client believes lost; `refused` drops
it before forwarding; `slow` forwards, then answers after a delay; None does nothing."""
import gzip
import http.client
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {"status": 500, "busy": 429, "bare": 502}


class Proxy:
    def __init__(self, port, faults=(), delay_s=0.0, prefix=""):
        """prefix: a path that is taken off, as by a reverse proxy."""
        self.port, self.delay_s, self.prefix, self.lock = port, delay_s, prefix, threading.Lock()
        self.pending = [faults] if isinstance(faults, str) else list(faults)
        self.passed = []  # the messages of forwarded POSTs; one that passed twice stands here twice
        self.stopped = []  # those of POSTs that were not forwarded
        self.requests = []  # (method, path, {lower-case name: value})
        self.under_way = 0  # requests that have come and are not answered
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"proxy": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def messages(self):
        """How many passed."""
        with self.lock:
            return len(self.passed)

    def count(self, method, path=None):
        """How many requests of that method came, to that path."""
        with self.lock:
            return sum(seen == method and path in (None, where.split("?")[0]) for seen, where, _ in self.requests)

    def next_fault(self, method):
        with self.lock:
            return self.pending.pop(0) if method == "POST" and self.pending else None

    def forward(self, method, path, headers, body):
        """(status, headers, body) of cohortd's answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path.removeprefix(self.prefix), body, headers)
        response = connection.getresponse()
        answer = response.status, response.getheaders(), response.read()
        connection.close()
        return answer

    def note(self, headers, body, fault):
        stopped = fault in ANSWERS or fault == "refused"
        with self.lock:
            (self.stopped if stopped else self.passed).extend(messages_in(headers, body))

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def messages_in(headers, body):
    try:
        call = json.loads(gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body)
    except ValueError:
        return []
    return call["batch"] if "batch" in call else [call]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy = None

    def relay(self):
        with self.proxy.lock:
            self.proxy.under_way += 1
        try:
            self.serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        finally:
            with self.proxy.lock:
                self.proxy.under_way -= 1

    do_GET = do_HEAD = do_OPTIONS = do_POST = relay

    def serve(self, body):
        with self.proxy.lock:
            self.proxy.requests.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
        fault = self.proxy.next_fault(self.command)
        if self.command == "POST":
            self.proxy.note(self.headers, body, fault)
        if fault in ANSWERS:
            return self.answer(ANSWERS[fault], self.faulty(fault), b'{"success":false}')
        if fault == "refused":
            return self.drop()
        status, headers, answer = self.proxy.forward(self.command, self.path, dict(self.headers), body)
        if fault == "lost":
            return self.drop()
        if fault == "slow":
            time.sleep(self.proxy.delay_s)
        self.answer(status, headers, answer)

    def faulty(self, fault):
        """The headers of an answer of our own: as cohortd sends them, a bare one apart."""
        origin = self.headers.get("Origin")
        browser = [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true"),
                   ("Access-Control-Expose-Headers", "Retry-After")] if origin and fault != "bare" else []
        return [("Content-Type", "application/json")] + browser + ([("Retry-After", "1")] if fault == "busy" else [])

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status >= 200 and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drop(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client gave up waiting, as it should

    def log_message(self, *arguments):
        pass
