"""Single events from many connections at once: what was answered 200 is known, and is stored exactly once whatever dies in between."""
import asyncio
import hashlib
import threading
import uuid

PEOPLE = 200


class Flood:
    """32 connections. Every other event has no timestamp, so that a retry can be found by its message id only."""

    def __init__(self, house, connections=32):
        self.house, self.connections = house, connections
        self.acknowledged, self.bad, self.again = [], [], 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.work()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    async def work(self):
        await asyncio.gather(*[self.connection(number) for number in range(self.connections)])

    async def connection(self, number):
        serial, streams = 0, None
        while not self.stopping.is_set():
            id = f"flood-{number}-{serial}"
            timestamp = ',"timestamp":"2026-01-01T00:00:00Z"' if serial % 2 else ""
            body = f'{{"userId":"f{(number * 7 + serial) % PEOPLE}","event":"Flood","messageId":"{id}"{timestamp}}}'
            try:
                streams = streams or await asyncio.open_connection(*self.house.server.address)
                status = await asyncio.wait_for(self.ask(streams, body), 20)
            except (OSError, EOFError, asyncio.TimeoutError):
                self.again += 1
                streams = None
                await asyncio.sleep(0.05)
                continue
            if status == 200:
                self.acknowledged.append(id)
                serial += 1
            elif status in (429, 503):
                self.again += 1
                await asyncio.sleep(0.05)
            else:
                self.bad.append((status, body))
                return

    async def ask(self, streams, body):
        reader, writer = streams
        head = f"POST /v1/track HTTP/1.1\r\nHost: x\r\nX-Write-Key: {self.house.write_key}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        size = next(int(line.split(b":")[1]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(size)
        return int(answer.split()[1])  # a connection that is closed after its answer is found out by the next request

    def found(self):
        """What is wrong with the store: an acknowledged event that is not there, or any that is there twice."""
        stored = dict(
            self.house.rows(
                "SELECT message_id::text, count(*) FROM event JOIN event_name USING (name_id) WHERE name = 'Flood' GROUP BY message_id"
            )
        )
        acknowledged = {str(uuid.UUID(bytes=hashlib.sha256(id.encode()).digest()[:16])) for id in self.acknowledged}
        found = [f"answered {bad}" for bad in self.bad]
        found += [
            f"{len(acknowledged - set(stored))} of {len(acknowledged)} acknowledged events are lost"
        ] if acknowledged - set(stored) else []
        return found + [f"{id} is stored {times} times" for id, times in stored.items() if times != 1]
