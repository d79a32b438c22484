"""Events at a rate, and a reader of the feed, each in a process of its own. The rate is open: a batch is sent when its time has come, and its time
is what a latency is counted from, so an answer that comes late is not hidden by sending later."""
import collections
import itertools
import json
import multiprocessing
import random
import socket
import threading
import time

from segments_data import CATEGORIES, NAMES

BATCH, CONNECTIONS = 10, 4
Load = collections.namedtuple("Load", "address authorization rate seconds users")  # users: n → user id of the n-th event


def item(n, user, name=None):
    name = name or random.choices(list(NAMES), NAMES.values())[0]
    properties = {"product_id": f"p{n % 500}", "category": CATEGORIES[n % 8], "name": "Walking boot", "price": n % 300 + 0.5, "currency": "EUR",
                  "quantity": 1 + n % 3, "cart_id": f"c{n % 50}"}
    if name == "Order Completed":
        properties.update(total=n % 300 + 0.99, products=[{"category": CATEGORIES[n % 8], "price": n % 90, "quantity": 1}])
    if name == "Survey Answered":
        properties.update(survey="nps", score=n % 11)
    return {"type": "track", "messageId": f"{random.getrandbits(64):x}", "userId": user, "event": name, "properties": properties,
            "context": {"library": {"name": "analytics-node", "version": "3.1.0"}, "campaign": {"source": "newsletter"}}}


def post(connection, authorization, items):
    """Sends one batch and waits for its answer."""
    body = json.dumps({"batch": items}).encode()
    connection.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: " + authorization.encode()
                       + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
    answer = b""
    while b'{"success":true}' not in answer:
        more = connection.recv(4096)
        if not more or b" 200 " not in (answer + more)[:16]:
            raise RuntimeError(f"not stored: {answer + more!r}")
        answer += more


def send_lane(load, lane, begin, sent, late):
    with socket.create_connection(load.address, 30) as connection:
        for k in itertools.count(lane, CONNECTIONS):
            due = begin + k * BATCH / load.rate
            if due >= begin + load.seconds:
                return
            items = [item(n, load.users(n)) for n in range(k * BATCH, (k + 1) * BATCH)]
            time.sleep(max(0, due - time.time()))
            post(connection, load.authorization, items)
            late.append(time.time() - due)
            sent.extend((due, one["userId"]) for one in items)


def send(load, pipe):
    sent, late, begin = [], [], time.time() + 0.2
    lanes = [threading.Thread(target=send_lane, args=(load, lane, begin, sent, late)) for lane in range(CONNECTIONS)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    pipe.send((sent, sorted(late)))


def listen(address, authorization, pipe):
    """Every change from now on with the time it came, until told to stop."""
    found = []
    with socket.create_connection(address, 30) as connection:
        connection.sendall(f"GET /v1/changes?after=latest HTTP/1.0\r\nAccept: text/event-stream\r\n"
                           f"Authorization: {authorization}\r\n\r\n".encode())  # 1.0: not in chunks
        rest = connection.recv(65536)
        pipe.send(rest[:15])
        connection.settimeout(0.1)
        while not pipe.poll():
            try:
                piece = connection.recv(1 << 20)
            except TimeoutError:
                continue
            *lines, rest = (rest + piece).split(b"\n")
            found.append((time.time(), [line for line in lines if line.startswith(b"data: ")]))
    pipe.send([(at, json.loads(line[6:])) for at, lines in found for line in lines])


def process(target, *arguments):
    pipe, far = multiprocessing.Pipe()
    started = multiprocessing.Process(target=target, args=(*arguments, far), daemon=True)
    started.start()
    return started, pipe


def run(load, reader_authorization, settled):
    """Sends the load while the feed is read, until settled() returns: ([(time due, user)], [(time come, change)], [how long after its time each batch was answered])."""
    _, reader = process(listen, load.address, reader_authorization)
    reader.recv()
    sender, pipe = process(send, load)
    sent, late = pipe.recv()
    sender.join()
    settled()
    time.sleep(1)
    reader.send("stop")
    return sent, reader.recv(), late


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")
