"""A small HTTP proxy that misbehaves once, as networks and servers do, and counts the messages that passed through it.

Faults, each for the first POST only: `status` answers 500 without forwarding; `lost` forwards, then drops the connection, so the
server stored what the client believes lost; `refused` drops it before forwarding; `slow` forwards, then answers after a delay."""
import http.client
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    def __init__(self, port, fault, delay_s=0.0):
        proxy = self
        self.messages, self.pending, self.lock = 0, [fault], threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with proxy.lock:
                    now = proxy.pending.pop() if proxy.pending else None
                if now == "status":
                    return self.answer(500, b'{"success":false}')
                if now == "refused":
                    return self.drop()
                status, answer = proxy.forward(port, self.path, dict(self.headers), body)
                if now == "lost":
                    return self.drop()
                if now == "slow":
                    time.sleep(delay_s)
                self.answer(status, answer)

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def drop(self):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, *args):
                pass

            def handle(self):
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client gave up waiting, as it should

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forward(self, port, path, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        with self.lock:
            self.messages += len(json.loads(body)["batch"])
        return response.status, answer

    def close(self):
        self.server.shutdown()
        self.server.server_close()
