"""A proxy on PostgreSQL's socket that knows messages, and strikes between two of them on the worker's connection.

A step is what the database does at one message: an Execute, a simple query, or a Sync (which commits a lone statement). A COPY is two: "begin COPY table",
when it waits for rows, and "COPY table", when it has them all. After the n-th step the database has done that step and none after it, and cohortd has not been
told: exactly the state that a crash between two steps leaves behind.

    wire.hold()                      # the worker's next transaction waits
    …                                # give it something to do
    strike = wire.strike(7, act)     # act(link) after the 7th step from now on
    wire.release()
    strike.wait(10)                  # True: it has struck

Other connections (writers, queries, LISTEN) pass untouched. `steps` has the names of all steps since the last strike was set.
"""
import os
import shutil
import socket
import tempfile
import threading
import time

PROTOCOL = 196608
WORKER = b"cohortd worker"


class Strike:
    def __init__(self, after, act, name, role):
        self.left, self.act, self.name, self.role = after, act, name, role
        self.done = threading.Event()
        self.step = None  # the name of the step after which it struck

    def wait(self, seconds):
        return self.done.wait(seconds)


class Wire:
    """url: where cohortd connects instead."""

    def __init__(self, postgres):
        self.postgres = postgres
        self.behind = f"{postgres.folder}/.s.PGSQL.5432"
        self.folder = tempfile.mkdtemp(prefix="cohortd-wire.")
        os.chmod(self.folder, 0o755)
        self.url = postgres.url.split("host=")[0] + f"host={self.folder}"
        self.links = []
        self.steps = []
        self.striking = None
        self.dumb = False
        self.pace = 0  # s before each Sync of the worker: builds take long
        self.lock = threading.Lock()
        self.flowing = threading.Event()
        self.flowing.set()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{self.folder}/.s.PGSQL.5432")
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                front, _ = self.listener.accept()
            except OSError:
                return
            back = socket.socket(socket.AF_UNIX)
            try:
                back.connect(self.behind)
            except OSError:
                front.close()
                continue
            link = Link(self, front, back)
            if self.dumb:
                link.mute()
            self.links = [old for old in self.links if not old.closed] + [link]
            link.start()

    def hold(self):
        """A worker's transaction under way goes on to its end; the next waits for release."""
        self.flowing.clear()

    def release(self):
        self.flowing.set()

    def strike(self, after, act, name="", role=WORKER):
        """act(link) after that many steps whose names begin so; the link is dumb from before the step on, until act lets it speak or cuts it."""
        with self.lock:
            self.steps = []
            self.striking = Strike(after, act, name, role)
            return self.striking

    def calm(self):
        """No strike any more."""
        with self.lock:
            self.striking = None

    def take_step(self, link, name):
        """Counts a step about to be passed on; the strike that is due after it, or None."""
        with self.lock:
            if self.striking is None or not link.role.startswith(self.striking.role):
                return None
            self.steps.append(name)
            self.striking.left -= name.startswith(self.striking.name)
            if self.striking.left != 0:
                return None
            strike, self.striking = self.striking, None
            strike.step = name
            return strike

    def hole(self):
        """Every connection, new ones too, is dumb in both directions, but open."""
        self.dumb = True
        for link in self.links:
            link.mute()

    def heal(self):
        """What was said into the hole is heard now."""
        self.dumb = False
        for link in self.links:
            link.unmute()

    def stop(self):
        self.listener.close()
        self.release()
        for link in self.links:
            link.cut()
        shutil.rmtree(self.folder, ignore_errors=True)


class Link:
    """One connection: a thread for each direction."""

    def __init__(self, wire, front, back):
        self.wire, self.front, self.back = wire, front, back
        self.role = b""
        self.closed = False
        self.speaking = threading.Event()
        self.speaking.set()
        self.telling = threading.Lock()
        self.untold = b""  # what came while dumb
        self.prepared = {}  # statement → what it is called in `steps`
        self.portal = ""
        self.copy = ""  # what the COPY under way is called,
        self.copying = False  # and whether it waits for rows
        self.state = "T"  # of the transaction, as the last ReadyForQuery said
        self.progress = threading.Condition()
        self.sent = {"E": 0, "S": 0}  # Executes since the last Sync, Syncs and simple queries in all
        self.done = {"E": 0, "S": 0}
        self.failed = False

    def start(self):
        for work in (self.ask, self.answer):
            threading.Thread(target=self.guarded, args=(work,), daemon=True).start()

    def guarded(self, work):
        try:
            work()
        except (OSError, EOFError):
            pass
        self.cut()

    def mute(self):
        with self.telling:
            self.speaking.clear()

    def unmute(self):
        with self.telling:
            try:
                self.front.sendall(self.untold)
            except OSError:
                pass
            self.untold = b""
            self.speaking.set()

    def cut(self):
        self.closed = True
        for side in (self.front, self.back):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            side.close()
        self.unmute()

    # From cohortd to PostgreSQL

    def ask(self):
        read = Reader(self.front)
        first = read.exactly(8)
        size, protocol = int.from_bytes(first[:4], "big"), int.from_bytes(first[4:], "big")
        body = read.exactly(size - 8)
        self.speaking.wait()
        self.back.sendall(first + body)
        if protocol != PROTOCOL:
            return
        words = body.split(b"\0")
        self.role = dict(zip(words[::2], words[1::2])).get(b"application_name", b"")
        if not self.role.startswith(WORKER):
            self.pump(read)
        while True:
            self.ask_one(*read.message())

    def pump(self, read):
        self.back.sendall(read.rest())
        while data := self.front.recv(65536):
            self.speaking.wait()
            self.back.sendall(data)
        raise EOFError

    def ask_one(self, kind, message):
        if kind in b"QPBES" and self.state == "I" and self.all_answered():
            self.wire.flowing.wait()
        if kind == ord("S") and self.wire.pace:
            time.sleep(self.wire.pace)
        name = self.name(kind, message)
        strike = self.wire.take_step(self, name) if name else None
        if strike:
            self.mute()
        else:
            self.speaking.wait()
        self.count(kind)
        self.back.sendall(message + (b"H\0\0\0\4" if strike and kind == ord("E") else b""))
        if strike:
            self.wait_done()
            strike.act(self)
            strike.done.set()
            self.speaking.wait()

    def name(self, kind, message):
        """What a step is called; None for messages that are none."""
        words = message[5:].split(b"\0")
        if kind == ord("P"):
            text = " ".join(words[1].decode().split())
            self.prepared[words[0]] = words[0].decode() or text[:60]
        elif kind == ord("B"):
            self.portal = self.prepared.get(words[1], words[1].decode())
        elif kind == ord("E"):
            return self.portal
        elif kind == ord("Q"):
            text = " ".join(words[0].decode().split())
            self.copy = " ".join(text.split()[:2])
            return "begin " + self.copy if text.startswith("COPY ") else text[:60]
        elif kind == ord("c"):
            return self.copy
        elif kind == ord("S"):
            return "Sync after " + self.portal
        return None

    def count(self, kind):
        with self.progress:
            if kind == ord("E"):
                self.sent["E"] += 1
            elif kind in b"SQ":
                self.sent["S"] += 1
            elif kind == ord("c"):
                self.copying = False

    def all_answered(self):
        with self.progress:
            return self.sent["S"] == self.done["S"] and self.sent["E"] == 0

    def wait_done(self):
        """Until the database has done all that it was sent."""
        with self.progress:
            self.progress.wait_for(lambda: self.closed or self.failed or self.copying or self.sent == self.done, 30)

    # From PostgreSQL to cohortd

    def answer(self):
        read = Reader(self.back)
        while True:
            kind, message = read.message()
            self.note(kind, message)
            with self.telling:
                if self.speaking.is_set():
                    self.front.sendall(message)
                else:
                    self.untold += message

    def note(self, kind, message):
        with self.progress:
            if kind in b"CIs":
                self.done["E"] += 1
            elif kind == ord("G"):
                self.copying = True
            elif kind == ord("E"):
                self.failed = True
            elif kind == ord("Z"):
                self.state = chr(message[5])
                self.failed = self.copying = False
                self.done["S"] += 1 if self.sent["S"] else 0
                self.sent["E"] = self.done["E"] = 0
            self.progress.notify_all()


class Reader:
    """Whole messages from a socket; EOFError at its end."""

    def __init__(self, source):
        self.source, self.held = source, b""

    def fill(self):
        data = self.source.recv(65536)
        if not data:
            raise EOFError
        self.held += data

    def exactly(self, size):
        while len(self.held) < size:
            self.fill()
        data, self.held = self.held[:size], self.held[size:]
        return data

    def message(self):
        """(type, the whole message)"""
        while len(self.held) < 5 or len(self.held) <= int.from_bytes(self.held[1:5], "big"):
            self.fill()
        message = self.exactly(int.from_bytes(self.held[1:5], "big") + 1)
        return message[0], message

    def rest(self):
        data, self.held = self.held, b""
        return data
