"""Bodies made to be small on the wire and large in memory: refused, and the process is no larger after than before. Prints the figures (pytest -s)."""
import base64
import concurrent.futures
import gzip
import os
import zlib

import pytest

from support.client import basic
from support.house import House
from support.raw import chunked, exchange, request

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
