"""Exactly 128 and exactly 256 connections of single-event POSTs: answers all the time, on every connection.

libmicrohttpd's own epoll loop freezes at just these numbers (docs/architecture.md).
"""
import asyncio
import time

import pytest

from support.house import House
from support.wait import PATIENCE_S

SECONDS = 10


@pytest.fixture(scope="module")
def house():
    with House(durable=True) as made:
        yield made


class Connection:
    def __init__(self, house, number):
        self.house, self.number = house, number
        self.at = []  # when each answer came, s since the start
        self.bad = []

    def request(self, serial):
        body = b'{"userId":"c%d","event":"Many","messageId":"%d-%d-%d"}' % (self.number % 50, self.house.total, self.number, serial)
        head = "POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Write-Key: %s\r\nContent-Length: %d\r\n\r\n" % (self.house.write_key, len(body))
        return head.encode() + body

    async def run(self, began):
        reader, writer = await asyncio.open_connection(*self.house.server.address)
        serial = 0
        while time.monotonic() - began < SECONDS:
            writer.write(self.request(serial))
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            body = await reader.readexactly(size)
            if not head.startswith(b"HTTP/1.1 200") or body != b'{"success":true}':
                self.bad.append(head + body)
            self.at.append(time.monotonic() - began)
            serial += 1
        writer.close()


@pytest.mark.parametrize("total", [128, 256])
def test_answers_all_the_time(house, total):
    house.total = total
    connections = [Connection(house, i) for i in range(total)]

    async def run():
        began = time.monotonic()
        await asyncio.wait_for(asyncio.gather(*[connection.run(began) for connection in connections]), SECONDS + PATIENCE_S)  # the freeze is for good

    asyncio.run(run())
    assert not [bad for connection in connections for bad in connection.bad]
    slowest = max(b - a for connection in connections for a, b in zip([0] + connection.at, connection.at))
    answers = sum(len(connection.at) for connection in connections)
    print(f"{total} connections: {answers / SECONDS:.0f} answers a second, slowest {slowest:.3f} s")
    assert house.one(
        "SELECT count(*) FROM event JOIN event_name USING (name_id) WHERE name = 'Many'"
    ) == answers + getattr(house, "answers", 0)
    house.answers = getattr(house, "answers", 0) + answers
