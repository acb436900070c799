"""An origin on bare sockets, which answers as it should, or as it was told."""

import re
import select
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from email.utils import formatdate

ADDRESS = "127.0.0.1"
SECONDS = 20  # for a client to send or to take something
HEAD = 1 << 16  # bytes of a request's head at most
STRONG = 3600  # seconds between a last modification and Date that make the date strong


@dataclass(frozen=True)
class File:
    """A version of what is served."""

    body: bytes
    etag: str | None = '"a"'
    modified: str | None = None  # an HTTP date
    fields: tuple = ()  # further ones

    def validators(self):
        """Fields that tell this version from others."""
        named = [("ETag", self.etag), ("Last-Modified", self.modified)]
        return [(name, value) for name, value in named if value]


@dataclass(frozen=True)
class Request:
    """What came."""

    method: str
    target: str
    fields: dict  # by the name in small letters
    port: int  # of the connection, at the client's end
    at: float  # the time

    def get(self, name):
        """The value of a field, or None."""
        return self.fields.get(name)

    def start(self):
        """Where the range asked for begins; None if none was."""
        found = re.fullmatch(r"bytes=(\d+)-", self.fields.get("range", ""))
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: int
    fields: list = field(default_factory=list)
    body: bytes = b""
    framing: str = "length"  # or chunked, close
    length: int | None = None  # that is said, else the right one
    sent: int | None = None  # bytes of the body that are sent before the connection is cut
    resets: bool = False  # the cut is a reset
    holds: bool = False  # instead of the cut nothing is sent any more
    seconds: float = 0  # that the body takes
    date: str | None = None

    def head(self):
        """The head, as bytes."""
        lines = [f"HTTP/1.1 {self.status} Said", f"Date: {self.date or formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in self.fields]
        if self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        if self.framing == "close":
            lines.append("Connection: close")
        if self.framing == "length":
            length = len(self.body) if self.length is None else self.length
            lines.append(f"Content-Length: {length}")
        return "\r\n".join([*lines, "", ""]).encode()


def whole(file):
    """The whole file, as 200."""
    return Reply(200, [*file.validators(), *file.fields], file.body)


def part(file, start, end=None, total=None, **other):
    """The file from `start` to before `end`, as 206; `total` where it is to be another."""
    end = len(file.body) if end is None else end
    total = len(file.body) if total is None else total
    fields = [("Content-Range", f"bytes {start}-{end - 1}/{total}")]
    fields += [*file.validators(), *file.fields]
    return replace(Reply(206, fields, file.body[start:end]), **other)


def beyond(total):
    """416 for a file of `total` bytes."""
    return Reply(416, [("Content-Range", f"bytes */{total}")])


def honest(file, request):
    """What RFC 9110 wants answered."""
    start, condition = request.start(), request.get("if-range")
    fits = condition is None or condition in (file.etag, file.modified)
    if start is None or not fits or (condition or "").startswith("W/"):
        return whole(file)
    return beyond(len(file.body)) if start >= len(file.body) else part(file, start)


class Origin:
    """Listens on `port`. The first requests get the `answers`, all others are for `file`.

    An answer is a Reply or a function of the request that makes one.
    """

    def __init__(self, file=None):
        self.file = file
        self.files = {}  # by target, where there is another than `file`
        self.answers = deque()
        self.requests = []
        self.held = threading.Event()  # an answer was begun that goes no further
        self._lock = threading.Lock()
        self._listener = socket.create_server((ADDRESS, 0), backlog=64)
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def url(self, target="/file"):
        """The URL of what is served."""
        return f"http://{ADDRESS}:{self.port}{target}"

    def _accept(self):
        while True:
            try:
                client, peer = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, peer[1]), daemon=True).start()

    def _serve(self, client, port):
        with client:
            client.settimeout(SECONDS)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while request := read_request(client, port):
                    if not self._answer(client, request):
                        return
            except (OSError, ValueError):
                pass  # the client went away

    def _answer(self, client, request):
        """Answers a request. False if the connection is over."""
        with self._lock:
            self.requests.append(request)
            answer = self.answers.popleft() if self.answers else None
        if callable(answer):
            answer = answer(request)
        if answer is None:
            answer = honest(self.files.get(request.target, self.file), request)
        return self._send(client, answer)

    def _send(self, client, reply):
        sent = len(reply.body) if reply.sent is None else reply.sent
        client.sendall(reply.head())
        if reply.framing == "chunked":
            self._pour(client, chunks(reply.body[:sent]), reply.seconds)
        else:
            self._pour(client, reply.body[:sent], reply.seconds)
        if reply.sent is None:
            if reply.framing == "chunked":
                client.sendall(b"0\r\n\r\n")
            return reply.framing != "close"
        if reply.holds:
            self.held.set()
            select.select([client], [], [], SECONDS)  # until the client goes away
        if reply.resets:
            # What a reset overtakes is lost: the client gets the time to take what came before.
            time.sleep(0.05)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _pour(self, client, body, seconds):
        """Sends the body, in the given time."""
        pieces = 20 if seconds else 1
        size = -(-len(body) // pieces) or 1
        for at in range(0, len(body), size):
            client.sendall(body[at : at + size])
            time.sleep(seconds / pieces)


def chunks(body):
    """The body in chunks, without the last one."""
    pieces = [body[at : at + 10_000] for at in range(0, len(body), 10_000)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def read_head(client):
    """Reads from a socket up to the end of a head. Gives it and what came behind; None at EOF."""
    came = b""
    while (end := came.find(b"\r\n\r\n")) < 0:
        read = client.recv(HEAD)
        if not read or len(came) > HEAD:
            return None
        came += read
    return came[:end].decode("latin-1"), came[end + 4 :]


def parse_head(head, port):
    """A Request from its head."""
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.split(":", 1) for line in lines)
    fields = {name.lower(): value.strip() for name, value in pairs}
    return Request(method, target, fields, port, time.monotonic())


def read_request(client, port):
    """Reads a request without a body; None when the client has gone."""
    read = read_head(client)
    return parse_head(read[0], port) if read else None
