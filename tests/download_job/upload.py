"""Uploads: what arrives, and what becomes of an early answer, of Expect and of a changing file."""

import hashlib
import os
import select
import socket
import threading
import time

from download_job.case import PANIC, named
from download_job.client import run
from download_job.origin import ADDRESS, SECONDS, parse_head, read_head
from main_job import content, servers

RUN_SECONDS = 120
READ = 1 << 18
READABLE = 26  # the exit status for a file that cannot be read
SILENCE = 1.0  # seconds that a client waits for 100 before it sends on


class Taker:
    """An origin for one upload: a function that is given the connection does as it likes.

    It takes bodies in whole or in part, and knows their digest.
    """

    def __init__(self, behave):
        self.behave = behave
        self.requests = []
        self.length = 0  # of the last body
        self.hashed = hashlib.sha256()
        self.whole = False  # the body came to its end
        self.excess = False  # there was more behind the body
        self._rest = b""
        self._listener = socket.create_server((ADDRESS, 0))
        self.url = f"http://{ADDRESS}:{self._listener.getsockname()[1]}/upload"
        self._threads = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(SECONDS)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(SECONDS)
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client):
        with client:
            try:
                while read := read_head(client):
                    self.requests.append(parse_head(read[0], 0))
                    self._rest = read[1]
                    self.length, self.hashed, self.whole = 0, hashlib.sha256(), False
                    if not self.behave(self, client, self.requests[-1]):
                        return
            except OSError:
                pass

    def is_silent(self, client, seconds):
        """Does no byte of the body come for so long?"""
        return not self._rest and not select.select([client], [], [], seconds)[0]

    def has_more(self, client):
        """Do bytes follow, where there should be none?"""
        if not self._rest and select.select([client], [], [], 0.1)[0]:
            self._rest = client.recv(READ)
        return bool(self._rest)

    def take(self, client, most=None):
        """Takes the body, or its first `most` bytes. True if it came to its end."""
        request = self.requests[-1]
        if "chunked" in request.fields.get("transfer-encoding", ""):
            return self._take_chunks(client)
        length = int(request.fields.get("content-length", 0))
        limit = length if most is None else min(most, length)
        while self.length < limit:
            piece = self._piece(client, limit - self.length)
            if not piece:
                return False
            self._add(piece)
        self.whole = self.length == length
        return self.whole

    def _take_chunks(self, client):
        while True:
            line = self._line(client)
            if line is None:
                return False
            size = left = int(line.split(b";")[0], 16)
            while left:
                piece = self._piece(client, left)
                if not piece:
                    return False
                left -= len(piece)
                self._add(piece)
            if self._line(client) != b"":
                return False
            if size == 0:
                self.whole = True
                return True

    def _add(self, piece):
        self.length += len(piece)
        self.hashed.update(piece)

    def _piece(self, client, most):
        if not self._rest:
            self._rest = client.recv(READ)
        piece, self._rest = self._rest[:most], self._rest[most:]
        return piece

    def _line(self, client):
        while b"\r\n" not in self._rest:
            read = client.recv(READ)
            if not read:
                return None
            self._rest += read
        line, self._rest = self._rest.split(b"\r\n", 1)
        return line


def answer(client, status, body=b"done"):
    """Sends a response."""
    head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall(head.encode() + body)


def accept(taker, client, _):
    """Takes all, and says 201."""
    if taker.take(client):
        answer(client, 201)
        taker.excess = taker.has_more(client)
    return taker.whole and not taker.excess


def upload(case, taker, *options, statuses=(0,)):
    """One upload, which must end with one of `statuses`; without these, with any but 0."""
    source = case.folder / "source"
    ran = run([*case.options.command, "upload", *options, source, taker.url], RUN_SECONDS)
    case.statuses.append(ran.status)
    known = ran.status in statuses if statuses else 0 < ran.status != PANIC
    case.expect(known, f"exit status {ran.status} instead of one of {statuses}: {ran.said}")
    return ran


def make(case, length):
    """The file that is sent."""
    content.write(case.folder / "source", length)


def arrived(case, taker, length):
    """All that was to be sent came, and nothing else."""
    right = taker.whole and taker.hashed.hexdigest() == content.digest(length)
    case.expect(right, f"{taker.length} bytes came of {length}, or wrong ones")


@named("upload: to nginx")
def to_nginx(case):
    length = case.options.large
    make(case, length)
    folder = case.folder.with_name("taken")
    folder.mkdir()
    server = "dav_methods PUT; client_max_body_size 0;"
    with servers.nginx(folder, case.folder.with_name("nginx"), server=server) as port:
        for name, source in (("sized", [case.folder / "source"]), ("chunked", ["-T", "-"])):
            with (case.folder / "source").open("rb") as stdin:
                url = f"http://{ADDRESS}:{port}/{name}"
                ran = run([*case.options.command, "upload", *source, url], RUN_SECONDS, stdin=stdin)
            case.statuses.append(ran.status)
            case.expect(ran.status == 0, f"{name}: exit status {ran.status}: {ran.said}")
            fault = content.fault(folder / name, length)
            case.expect(fault is None, f"{name}: {fault}")
            (folder / name).unlink(missing_ok=True)


@named("upload: with its length")
def sized(case):
    length = case.options.large
    make(case, length)
    with Taker(accept) as taker:
        upload(case, taker)
    arrived(case, taker, length)
    request = taker.requests[0]
    case.expect(request.method == "PUT", f"the method is {request.method}")
    said = request.get("content-length")
    case.expect(said == str(length), f"Content-Length is {said}")
    case.expect(len(taker.requests) == 1, f"{len(taker.requests)} requests instead of one")


@named("upload: chunked, from standard input")
def chunked(case):
    length = case.options.large
    make(case, length)
    with Taker(accept) as taker, (case.folder / "source").open("rb") as stdin:
        command = [*case.options.command, "upload", "-T", "-", taker.url]
        ran = run(command, RUN_SECONDS, stdin=stdin)
    case.statuses.append(ran.status)
    case.expect(ran.status == 0, f"exit status {ran.status}: {ran.said}")
    arrived(case, taker, length)
    coding = taker.requests[0].get("transfer-encoding") if taker.requests else None
    case.expect(coding == "chunked", f"Transfer-Encoding is {coding}")


@named("upload: nothing")
def nothing(case):
    make(case, 0)
    with Taker(accept) as taker:
        upload(case, taker)
    arrived(case, taker, 0)
    case.expect(taker.requests[0].get("content-length") == "0", "no Content-Length: 0")


@named("upload: -X POST -H")
def post(case):
    make(case, 1000)
    with Taker(accept) as taker:
        upload(case, taker, "-X", "POST", "-H", "Content-Type: text/x", "-H", "Accept: a/b")
    arrived(case, taker, 1000)
    request = taker.requests[0]
    case.expect(request.method == "POST", f"the method is {request.method}")
    for name, value in (("content-type", "text/x"), ("accept", "a/b")):
        case.expect(request.get(name) == value, f"{name} is {request.get(name)}")


@named("upload: 500 at the end")
def refused_late(case):
    make(case, 1000)
    with Taker(lambda taker, client, _: taker.take(client) and answer(client, 500)) as taker:
        ran = upload(case, taker, statuses={22})
    case.expect("500" in ran.said, f"the status is not said: {ran.said}")


def refused_early(case, behave):
    """413 while the file is being sent: its status is what is reported."""
    make(case, case.options.large // 4)
    with Taker(behave) as taker:
        ran = upload(case, taker, statuses={22})
        case.expect("413" in ran.said, f"the status is not said: {ran.said}")
        case.expect(ran.seconds < 10, f"it took {ran.seconds:.1f} s")
    case.expect(not taker.whole, "all of it was sent")
    case.expect(len(taker.requests) == 1, f"{len(taker.requests)} requests instead of one")


@named("upload: 413 early, then no more is taken")
def early_deaf(case):
    def behave(taker, client, _):
        taker.take(client, 1 << 16)
        answer(client, 413)
        client.shutdown(socket.SHUT_WR)
        select.select([], [], [], 1)  # a server that lingers, and then resets
        return False

    refused_early(case, behave)


@named("upload: 413 early, closed at once")
def early_reset(case):
    def behave(taker, client, _):
        taker.take(client, 1 << 16)
        answer(client, 413)
        return False

    refused_early(case, behave)


@named("upload: connection lost")
def lost(case):
    make(case, case.options.large // 4)
    with Taker(lambda taker, client, _: taker.take(client, 1 << 20) and False) as taker:
        upload(case, taker, statuses=None)
    case.expect(taker.length == 1 << 20, f"{taker.length} bytes came before the loss")
    case.expect(not taker.whole, "all of it was sent")


EXPECT = ("-H", "Expect: 100-continue")


@named("upload: Expect, 100")
def expect_100(case):
    length = 1 << 20
    make(case, length)
    early = []

    def behave(taker, client, request):
        early.append(not taker.is_silent(client, 0.3))
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return accept(taker, client, request)

    with Taker(behave) as taker:
        upload(case, taker, *EXPECT)
    arrived(case, taker, length)
    expected = taker.requests[0].get("expect") if taker.requests else None
    case.expect(expected == "100-continue", f"Expect is {expected}")
    case.expect(early == [False], "the body does not wait for 100")


@named("upload: Expect, 417")
def expect_417(case):
    length = 1 << 20
    make(case, length)

    early = []

    def behave(taker, client, request):
        if request.get("expect"):
            early.append(not taker.is_silent(client, 0.3))
            answer(client, 417)
            return False
        return accept(taker, client, request)

    with Taker(behave) as taker:
        ran = upload(case, taker, *EXPECT, statuses={0, 22})
    # RFC 9110 §15.5.18 lets the client repeat the request without the expectation.
    if ran.status == 0:
        arrived(case, taker, length)
    else:
        case.expect("417" in ran.said, f"the status is not said: {ran.said}")
    case.expect(early == [False], "the body does not wait for the answer")


@named("upload: Expect, silence")
def expect_silence(case):
    length = 1 << 20
    make(case, length)
    waited = []

    def behave(taker, client, request):
        began = time.monotonic()
        if not taker.is_silent(client, SECONDS / 2):
            waited.append(time.monotonic() - began)
        return accept(taker, client, request)

    with Taker(behave) as taker:
        upload(case, taker, *EXPECT)
    arrived(case, taker, length)
    case.note = f"sent on after {waited[0]:.2f} s" if waited else "never sent"
    right = bool(waited) and SILENCE / 2 <= waited[0] <= SILENCE * 3
    case.expect(right, f"it waits {waited} s instead of {SILENCE}")


def while_sent(case, alter):
    """The file changes after some of it was taken. Gives its length before, the origin, the run."""
    length = max(32 << 20, case.options.large // 8)
    make(case, length)

    def behave(taker, client, request):
        taker.take(client, 1 << 20)
        alter(case.folder / "source", length)
        return accept(taker, client, request)

    with Taker(behave) as taker:
        ran = upload(case, taker, statuses=range(128))
    case.expect(taker.length >= 1 << 20, f"only {taker.length} bytes came")
    return length, taker, ran


@named("upload: the file shrinks")
def shrinks(case):
    length, taker, ran = while_sent(case, lambda path, length: os.truncate(path, length * 3 // 4))
    # What was promised cannot be sent any more: the message must stay incomplete.
    case.expect(not taker.whole, f"{taker.length} bytes are said to be the file of {length}")
    case.expect(ran.status not in (0, PANIC), f"exit status {ran.status}")


@named("upload: the file grows")
def grows(case):
    def alter(path, _):
        with path.open("ab") as file:
            file.write(b"more" * 1000)

    length, taker, ran = while_sent(case, alter)
    # What was promised is sent, and not more; that may count as success or not.
    case.expect(not taker.excess, "more is sent than was promised")
    if ran.status == 0:
        arrived(case, taker, length)


@named("upload: the file is missing")
def missing(case):
    with Taker(accept) as taker:
        upload(case, taker, statuses={READABLE})
    case.expect(not taker.requests, "it was asked for all the same")
