"""Bodies made to be small on the wire and large in memory: refused, and the process is no larger after than before. Prints the figures (pytest -s)."""
import base64
import concurrent.futures
import contextlib
import gzip
import os
import re
import socket
import zlib

import pytest

from support.client import basic
from support.house import House, iso
from support.raw import chunked, exchange, request
from support.wait import wait_for

MIB = 1 << 20
INSTRUMENTED = bool(os.environ.get("SANITIZE"))  # it keeps what was freed
SENDERS = 2
GROWTH_MAX = SENDERS * 2 * 4 * MIB  # for each: a body of at most 4 MiB, and as much while its buffer grows


def bomb(megabytes):
    """A gzip of so many MiB of spaces: a thousandth of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    spaces = b" " * MIB
    return b"".join(packer.compress(spaces) for _ in range(megabytes)) + packer.flush()


@pytest.fixture(scope="module")
def house():
    with House() as made:
        for n in range(50):  # what a server at work has taken: threads' arenas, statements, the pool of connections
            made.track("warm", "E", {"x": "y" * 60_000})
        made.api.get("/v1/segments")
        yield made


def memory(house, peak):
    """Bytes resident: now, or at most since the last reset."""
    with open(f"/proc/{house.server.process.pid}/status", encoding="ascii") as file:
        row = next(row for row in file if row.startswith("VmHWM:" if peak else "VmRSS:"))
    return int(row.split()[1]) * 1024


def reset_peak(house):
    with open(f"/proc/{house.server.process.pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def post(house, body, *headers, path="/v1/batch"):
    (answer,) = exchange(house.server.address, request("POST", path, ["Authorization: " + basic(house.write_key), *headers], body))
    return answer.status


DEEP = {
    "arrays": b"[" * 100_000, "closed arrays": b"[" * 100_000 + b"]" * 100_000, "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a MiB of arrays": b"[" * MIB,
    "properties": b'{"batch":[{"type":"track","userId":"u","event":"E","properties":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}]}",
    "strings": b'["' * 100_000,
}
ZIP = ["Content-Encoding: gzip"]


def attacks(house):
    """(name, what it sends, the statuses it may get)."""
    small, large = bomb(10), bomb(512)
    members = gzip.compress(b" " * 60_000) * 2_000
    for name, body in DEEP.items():
        yield f"nested {name}, {len(body)} bytes", lambda body=body: post(house, body), {400}
        packed = gzip.compress(body)
        yield f"nested {name}, {len(packed)} bytes of gzip", lambda body=packed: post(house, body, *ZIP), {400}
    yield f"{len(small)} bytes of gzip that become 10 MiB", lambda: post(house, small, *ZIP), {400}
    yield f"{len(large)} bytes of gzip that become 512 MiB", lambda: post(house, large, *ZIP), {400}
    parts = [large[at : at + 60_000] for at in range(0, len(large), 60_000)]
    yield "the same in chunks", lambda: post(house, chunked(*parts), "Transfer-Encoding: chunked", *ZIP), {400}
    yield f"{len(members)} bytes of 2,000 gzips in a row", lambda: post(house, members, *ZIP), {400}
    yield "a gzip within a gzip", lambda: post(house, gzip.compress(large), *ZIP), {400}
    deep = base64.urlsafe_b64encode(b"[" * 20_000).decode()
    pixel = request("GET", f"/v1/pixel/track?data={deep}&writeKey={house.write_key}")
    yield "a pixel's nested data", lambda: exchange(house.server.address, pixel)[0].status, {200}
    flat = "&".join(f"{'a.' * 100}{n}=1" for n in range(100))
    yield "a pixel's nested query", lambda: exchange(house.server.address, request("GET", f"/v1/pixel/track?{flat}"))[0].status, {200}


def test_memory_does_not_grow(house):
    stored = house.one("SELECT count(*) FROM event")
    begin = memory(house, peak=False)
    most = 0
    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        for name, send, statuses in attacks(house):
            reset_peak(house)
            answers = {call.result() for call in [pool.submit(send) for _ in range(8)]}
            growth = memory(house, peak=True) - begin
            most = max(most, growth)
            print(f"{growth / MIB:6.1f} MiB more at most, answers {sorted(answers)}: {name}")
            assert answers <= statuses and (INSTRUMENTED or growth < GROWTH_MAX), name
    end = memory(house, peak=False)
    print(f"resident {begin / MIB:.1f} MiB before, {(begin + most) / MIB:.1f} at most (VmHWM), {end / MIB:.1f} after")
    assert INSTRUMENTED or end - begin < GROWTH_MAX / 2
    assert house.one("SELECT count(*) FROM event") == stored
    house.track("after", "E")


CONNECTIONS = 400
POOL = 80 << 10  # server/http/private.h


def unfinished_heads(house, kib, status):
    """So many connections whose head does not end, until it does; bytes resident at most."""
    head = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * (kib << 10)
    sockets = [socket.create_connection(house.server.address) for _ in range(CONNECTIONS)]
    try:
        for one in sockets:
            one.settimeout(60)
            one.sendall(head[: 70 << 10])
        wait_for(lambda: connections(house) >= CONNECTIONS, what="the connections")
        most = memory(house, peak=False)
        for one in sockets:
            with contextlib.suppress(OSError):  # refused already
                one.sendall(head[70 << 10 :] + b"\r\n\r\n")
        assert sockets[0].recv(12).endswith(status)
        return max(most, memory(house, peak=False))
    finally:
        for one in sockets:
            one.close()
        wait_for(lambda: connections(house) < CONNECTIONS // 10, what="the connections to end")


@pytest.mark.parametrize("kib, status", [(20, b"404"), (32, b"404"), (60, b"404"), (200, b"431")])
def test_heads_that_never_end_take_a_connection_each(house, kib, status):
    """The library's memory and a copy for each, also the second time."""
    begin = memory(house, peak=False)
    most = unfinished_heads(house, kib, status) - begin
    after = memory(house, peak=False)
    again = unfinished_heads(house, kib, status) - begin
    print(f"{most / MIB:6.1f} MiB more at most for {CONNECTIONS} heads of {kib} KiB, {(after - begin) / MIB:.1f} after, then {again / MIB:.1f}")
    assert INSTRUMENTED or max(most, again) < CONNECTIONS * 1.5 * POOL


def connections(house):
    return int(re.search(r"^cohortd_http_connections(?:{[^}]*})? (\d+)", house.client().get("/metrics").body.decode(), re.M)[1])


# --- Large answers

LARGE = 300
PAGE_MAX = 44 * MIB  # 8 MiB of rows: as PostgreSQL sent them, as text, twice while that grows


def pages(house, path):
    """All pages of a listing: (how many rows each had, all rows)."""
    sizes, rows, answer = [], [], house.api.get(path)
    while True:
        assert answer.status == 200, answer
        sizes.append(len(answer.json["data"]))
        rows += answer.json["data"]
        if answer.json["next_cursor"] is None:
            assert answer.json["next"] is None and "link" not in answer.headers
            return sizes, rows
        answer = house.api.get(f"{path}&cursor={answer.json['next_cursor']}")


def grown(house, call):
    begin = memory(house, peak=False)
    reset_peak(house)
    got = call()
    growth = memory(house, peak=True) - begin
    print(f"{growth / MIB:6.1f} MiB more at most")
    return growth, got


@pytest.fixture(scope="module")
def large(house):
    """So many messages, and people with traits, of 100 KB each."""
    for n in range(0, LARGE, 20):
        house.send(*({"type": "track", "userId": "large", "event": "Large", "properties": {"n": k, "x": "y" * 100_000}} for k in range(n, n + 20)))
    for n in range(0, LARGE, 20):
        house.send(*({"type": "identify", "userId": f"p{k:04}", "traits": {"email": f"p{k}@large.example", "big": "z" * 100_000}} for k in range(n, n + 20)))
    house.segment("large", {"trait": "big", "exists": True})
    house.large_at = iso(house.caught_up(house.now()))
    return house


@pytest.mark.parametrize("path, row", [
    ("/v1/profiles/large/events?limit=1000", lambda row: row["properties"]["n"]),
    ("/v1/segments/large/members?limit=1000&fields=big", lambda row: row["user_id"]),
    ("/v1/segments/large/members?limit=1000&fields=big&at={at}", lambda row: row["user_id"]),
    ("/v1/segments/large/members?limit=1000&fields=big&reachable=email", lambda row: row["user_id"]),
])
def test_pages_are_bounded_by_bytes_too(large, path, row):
    growth, (sizes, rows) = grown(large, lambda: pages(large, path.format(at=large.large_at)))
    assert len(rows) == LARGE and len({row(one) for one in rows}) == LARGE
    assert len(sizes) > 3 and max(sizes) < 150 and min(sizes) > 0, sizes
    assert INSTRUMENTED or growth < PAGE_MAX


def test_the_last_events_are_bounded_by_bytes_too(large):
    growth, answer = grown(large, lambda: large.api.get("/v1/events/recent?limit=1000"))
    assert answer.status == 200 and 10 < len(answer.json["data"]) < 150 and answer.json["next"] is None
    assert INSTRUMENTED or growth < PAGE_MAX


@pytest.mark.parametrize("path, fields", [("/v1/profiles/large/export", None), ("/v1/segments/large/members?format=ndjson&fields=big", "big")])
def test_exports_take_no_more_than_a_piece(large, path, fields):
    growth, answer = grown(large, lambda: large.api.get(path))
    rows = answer.body.splitlines() if fields else answer.json["events"]
    assert answer.status == 200 and len(rows) == LARGE
    assert INSTRUMENTED or growth < 16 * MIB
