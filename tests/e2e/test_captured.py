"""Clients whose packages CI cannot have: their requests, as captured from the wire or read in their sources, byte for byte through a raw socket."""
import base64
import collections
import datetime
import gzip
import json
import socket

import pytest
from support.house import House

# head: the request's first lines; auth: the key as Basic; encode: body → bytes on the wire; body: envelope of the batch; time: of a moment
Client = collections.namedtuple("Client", "name head auth encode body time")
HOUR = datetime.timedelta(hours=1)


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def plain(body):
    return f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def zipped(body):
    return b"Content-Encoding: gzip\r\n" + plain(gzip.compress(body))


def zipped_in_chunks(body):
    """As HttpURLConnection streams what it does not know the length of."""
    body = gzip.compress(body)
    chunks = [body[at:at + 100] for at in range(0, len(body), 100)] + [b""]
    return b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def milliseconds(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + "417Z"


def offset(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + "417+00:00"


def local(moment):
    return (moment + datetime.timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.") + "417+02:00"


def seconds(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")


def nanoseconds(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + "41719990Z"


JSON = "Content-Type: application/json\r\n"
CLIENTS = [
    Client("kotlin", "POST /v1/b HTTP/1.1\r\nUser-Agent: analytics-kotlin/1.19.2\r\nContent-Type: text/plain\r\nAccept: */*\r\n",
           False, zipped_in_chunks, {"sentAt", "writeKey"}, milliseconds),
    Client("android", "POST /v1/import HTTP/1.1\r\nUser-Agent: analytics-android/4.11.3\r\n" + JSON,
           True, zipped_in_chunks, {"sentAt"}, local),
    Client("swift", "POST /v1/b HTTP/1.1\r\nUser-Agent: analytics-ios/1.7.0\r\nContent-Type: application/json; charset=utf-8\r\nAccept-Encoding: gzip\r\n",
           True, plain, {"sentAt", "writeKey"}, milliseconds),
    Client("react-native", "POST /v1/b HTTP/1.1\r\nUser-Agent: okhttp/4.9.2\r\nContent-Type: application/json; charset=utf-8\r\nX-Retry-Count: 1\r\n",
           False, plain, {"sentAt", "writeKey"}, milliseconds),
    Client("java", "POST /v1/import/ HTTP/1.1\r\nUser-Agent: analytics-java/3.5.4\r\nContent-Type: application/json; charset=UTF-8\r\n",
           True, plain, {"sentAt", "context", "sequence", "writeKey"}, milliseconds),
    Client("python", "POST /v1/batch HTTP/1.1\r\nUser-Agent: analytics-python/2.3.4\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n" + JSON,
           False, plain, {"sentAt", "writeKey"}, offset),
    Client("python-gzip", "POST /v1/batch HTTP/1.1\r\nUser-Agent: analytics-python/2.3.4\r\n" + JSON,
           False, zipped, {"sentAt", "writeKey"}, offset),
    Client("ruby", "POST /v1/import HTTP/1.1\r\nUser-Agent: analytics-ruby/2.5.0\r\nAccept: application/json\r\nConnection: keep-alive\r\n" + JSON,
           True, plain, {"sentAt"}, offset),
    Client("go", "POST /v1/batch HTTP/1.1\r\nUser-Agent: analytics-go (version: 3.0.0)\r\nAccept-Encoding: gzip\r\n" + JSON,
           True, plain, {"sentAt", "messageId", "context"}, nanoseconds),
    Client("php", "POST /v1/batch HTTP/1.1\r\nUser-Agent: analytics-php/3.8.1\r\nAccept: */*\r\nExpect: 100-continue\r\n" + JSON,
           True, plain, {"sentAt"}, seconds),
    Client("php-socket", "POST /v1/batch HTTP/1.1\r\nAccept: application/json\r\n" + JSON,
           True, plain, {"sentAt"}, seconds),
]


@pytest.fixture(scope="module")
def house():
    with House() as house:
        yield house


class Wire:
    """One connection, as the client keeps it."""

    def __init__(self, house, client, key):
        self.client, self.key = client, key
        self.socket = socket.create_connection(house.server.address, 20)
        self.file = self.socket.makefile("rb")

    def send(self, batch):
        """The answer's (first line, headers, body); what comes before it, too, is as the client expects it."""
        envelope = {
            "batch": batch, "sentAt": self.client.time(utc_now()), "writeKey": self.key, "messageId": "the envelope's own",
            "sequence": 1, "context": {"library": {"name": f"{self.client.name}-library", "version": "1"}},
        }
        body = json.dumps({name: value for name, value in envelope.items() if name == "batch" or name in self.client.body}, ensure_ascii=False)
        auth = f"Authorization: Basic {base64.b64encode(f'{self.key}:'.encode()).decode()}\r\n" if self.client.auth else ""
        head, _, rest = self.client.encode(body.encode()).partition(b"\r\n\r\n")
        self.socket.sendall(f"{self.client.head}Host: events.shop.example\r\n{auth}".encode() + head + b"\r\n\r\n")
        if "100-continue" in self.client.head:
            assert self.file.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert self.file.readline() == b"\r\n"
        self.socket.sendall(rest)
        return self.answer()

    def answer(self):
        first, headers = self.file.readline(), {}
        while (line := self.file.readline()) != b"\r\n":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return first, headers, self.file.read(int(headers["content-length"]))

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_captured(house, client):
    key, user = house.server.key("write", source=client.name), f"{client.name}:ada"
    happened = utc_now() - HOUR
    common = {"timestamp": client.time(happened), "integrations": {}, "context": {"locale": "de-DE"}}
    batch = [
        {**common, "type": "identify", "userId": user, "anonymousId": None, "messageId": f"{client.name}-1", "traits": {"name": "Jané ☃", "tags": ["a", "b"]}},
        {**common, "type": "track", "userId": user, "messageId": f"{client.name}-2", "event": "Order Completed", "properties": {"total": 19.995, "note": "€" * 11000}},
        {**common, "type": "track", "userId": 42, "anonymousId": f"{client.name}:v", "messageId": f"{client.name}-3", "event": "Größe gewählt", "properties": None},
    ]
    if "context" in client.body:  # it stands in the envelope alone
        batch = [{name: value for name, value in message.items() if name != "context"} for message in batch]
    wire = Wire(house, client, key)
    for _ in range(3):  # on one connection, and the same again
        first, headers, body = wire.send(batch)
        assert first.startswith(b"HTTP/1.1 200 ") and body == b'{"success":true}'
        assert headers["content-type"] == "application/json" and headers.get("connection", "").lower() != "close"
    wire.close()
    rows = house.rows("SELECT event_name.name, user_id, ts, context->'library'->>'name', context->>'locale', properties->>'total' FROM event"
                      " JOIN event_name USING (name_id) JOIN profile USING (profile_id) JOIN source ON source.source_id = event.source_id"
                      " WHERE source.name = %s", client.name)
    fraction = {seconds: 0, nanoseconds: 417200}.get(client.time, 417000)
    library, locale = (f"{client.name}-library", None) if "context" in client.body else (None, "de-DE")
    moment = happened.replace(microsecond=fraction)
    assert sorted(rows) == [
        ("$identify", user, moment, library, locale, None),
        ("Größe gewählt", "42", moment, library, locale, None),
        ("Order Completed", user, moment, library, locale, "19.995"),
    ]
    assert house.one("SELECT traits->>'name' FROM profile WHERE user_id = %s", user) == "Jané ☃"
