"""HTTP by the byte: for tests where a client's own bytes matter."""
import socket


class RawAnswer:
    def __init__(self, status, headers, body, line):
        self.status = status
        self.headers = headers
        self.body = body
        self.line = line

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


def read_answer(file, head_only=False):
    """The next answer of a connection, an interim one (100) skipped."""
    while True:
        line = file.readline()
        if not line:
            raise ConnectionError("closed before an answer")
        status = int(line.split()[1])
        headers = {}
        while (row := file.readline().strip()):
            name, value = row.decode("latin-1").split(":", 1)
            headers[name.lower()] = headers[name.lower()] + ", " + value.strip() if name.lower() in headers else value.strip()
        if status != 100:
            break
    empty = head_only or status in (204, 304)
    return RawAnswer(status, headers, b"" if empty else file.read(int(headers.get("content-length", 0))), line.decode().strip())


def exchange(address, *requests, timeout=60):
    """Sends the requests one behind the other on one connection, all at once; their answers in order."""
    with socket.create_connection(address, timeout) as s, s.makefile("rb") as file:
        s.sendall(b"".join(requests))
        return [read_answer(file, request.startswith(b"HEAD")) for request in requests]


def request(method, path, headers=(), body=b""):
    """A request's bytes; Content-Length is added unless the headers frame the body themselves."""
    rows = [f"{method} {path} HTTP/1.1"] + list(headers)
    names = {row.split(":")[0].lower() for row in headers}
    if "host" not in names:
        rows.insert(1, "Host: events.shop.example")
    if not names & {"content-length", "transfer-encoding"} and (body or method == "POST"):
        rows.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(rows) + "\r\n\r\n").encode() + body


def chunked(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
