"""A small HTTP client that keeps its connection and holds every answer against openapi.yaml."""
import base64
import decimal
import gzip
import http.client
import json
import urllib.parse

from support import openapi


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body

    @property
    def json(self):
        """The body, numbers with a point as exact decimals."""
        return json.loads(self.body, parse_float=decimal.Decimal)

    @property
    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def code(self):
        return self.json["code"]

    def __repr__(self):
        return f"<{self.status} {self.body[:500]!r}>"


def basic(key):
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def bearer(key):
    return "Bearer " + key


class Client:
    """One connection to address; authorization is sent unless a request gives its own. Not for two threads at once."""

    def __init__(self, address, authorization=None, timeout=90):
        self.address = address
        self.authorization = authorization
        self.timeout = timeout
        self.connection = None

    def request(self, method, target, body=None, headers=None, check=True):
        """body: bytes or text as they are, anything else as JSON. Raises OSError or http.client's when the server is gone."""
        headers = dict(headers or {})
        if self.authorization and "Authorization" not in headers:
            headers["Authorization"] = self.authorization
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        headers = {name: value for name, value in headers.items() if value is not None}
        answer = self.exchange(method, target, body.encode() if isinstance(body, str) else body, headers)
        assert "x-request-id" in answer.headers, f"{method} {target}: no X-Request-Id"
        if check:
            openapi.check(method, target, answer.status, answer.headers, answer.body)
        return answer

    def exchange(self, method, target, body, headers):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.address, timeout=self.timeout)
        try:
            self.connection.request(method, target, body, headers)
            raw = self.connection.getresponse()
            answer = Answer(raw.status, {name.lower(): raw.getheader(name) for name, _ in raw.getheaders()}, raw.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if raw.will_close:
            self.close()
        return answer

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def get(self, target, **more):
        return self.request("GET", target, **more)

    def post(self, target, body, **more):
        return self.request("POST", target, body, **more)

    def delete(self, target, **more):
        return self.request("DELETE", target, **more)


def quoted(text):
    return urllib.parse.quote(text, safe="")
