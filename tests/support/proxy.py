"""A proxy on PostgreSQL's socket that can swallow the reply to a COMMIT and cut the connection, as a dying network does."""
import os
import shutil
import socket
import tempfile
import threading

COMPLETE = ord("C")  # CommandComplete


class CommitEater:
    """url: where cohortd connects instead. After arm(marker), the first COMMIT of a connection that carried it is done, not answered."""

    def __init__(self, postgres):
        self.behind = f"{postgres.folder}/.s.PGSQL.5432"
        self.folder = tempfile.mkdtemp(prefix="cohortd-proxy.")
        self.url = postgres.url.split("host=")[0] + f"host={self.folder}"
        self.marker = None
        self.eaten = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{self.folder}/.s.PGSQL.5432")
        os.chmod(self.folder, 0o755)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def arm(self, marker):
        self.marker = marker

    def accept(self):
        while True:
            try:
                front, _ = self.listener.accept()
            except OSError:
                return
            back = socket.socket(socket.AF_UNIX)
            back.connect(self.behind)
            flags = {"carried": False}
            threading.Thread(target=self.forward, args=(front, back, flags), daemon=True).start()
            threading.Thread(target=self.answer, args=(back, front, flags), daemon=True).start()

    def forward(self, front, back, flags):
        tail = b""
        try:
            while data := front.recv(65536):
                if self.marker and self.marker in tail + data:
                    flags["carried"] = True
                tail = data[-256:]
                back.sendall(data)
        except OSError:
            pass
        self.cut(front, back)

    def answer(self, back, front, flags):
        """Passes whole messages: one type byte, a length that counts itself."""
        held = b""
        try:
            while data := back.recv(65536):
                held += data
                while len(held) >= 5 and len(held) > (size := int.from_bytes(held[1:5], "big")):
                    message, held = held[: size + 1], held[size + 1 :]
                    if flags["carried"] and self.marker and message[0] == COMPLETE and message[5:].startswith(b"COMMIT"):
                        self.marker = None
                        self.eaten += 1
                        self.cut(front, back)
                        return
                    front.sendall(message)
        except OSError:
            pass
        self.cut(front, back)

    @staticmethod
    def cut(*sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def stop(self):
        self.listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)
