#!/usr/bin/env python3
"""Runs the image `tls-job` in QEMU against servers that are to be trusted, and those that are not.

The servers are Python's with OpenSSL, and `openssl s_server`, on loopback. What the image says of
each is compared with a table. No server that is refused sees a request. Exits with 0 if everything
was as it should be.
"""

import argparse
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, NamedTuple

from certificates import Authority, context, own, pin
from origin import HELLO, Origin
from qemu import BOARDS, add_target, build, emulate, targets, values
from run import fnv
from servers import is_up, stop
from size import size

SECONDS = 60  # for one run, which takes a few
YEAR = 365 * 24 * 3600
SHARED = bytes(range(32))


class Case(NamedTuple):
    """One run, and what is to come of it."""

    name: str
    trust: str
    file: Path
    serve: Callable  # gives a port, and a function for how many requests were seen
    says: list[str]
    requests: int = 0
    paths: tuple = ("/hello",)
    years: int = 0  # by which the device's clock is ahead


def fetched(path, body):
    """What the image says of a body that came."""
    return f"{path} {len(body)} {fnv(body):08x}"


def refused(why, path="/hello", received=0):
    """What it says of one that did not."""
    return f"{path} refused: {why}, received {received}"


@contextmanager
def origin(leaf, version=ssl.TLSVersion.TLSv1_3):
    """The origin of the other images, over TLS."""
    with Origin(context=context(leaf, version)) as server:
        yield server.port, lambda: server.requests


@contextmanager
def raw(handle):
    """A server that does this with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    taken, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(taken,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], lambda: 0
        listener.shutdown(socket.SHUT_RDWR)


def says(what):
    """A server that answers this to the first bytes that come."""

    def handle(taken):
        with taken:
            taken.recv(4096)
            taken.sendall(what)

    return lambda: raw(handle)


def hangs():
    """A server that never says anything."""

    def handle(taken):
        with taken:
            while taken.recv(4096):
                pass

    return raw(handle)


def cut_off(leaf, at):
    """A server whose connection ends after so many bytes of what it sends."""

    def handle(taken):
        with taken, Origin(context=context(leaf)) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as behind:
                threading.Thread(target=forward, args=(taken, behind), daemon=True).start()
                left = at
                while left > 0 and (came := behind.recv(min(left, 4096))):
                    taken.sendall(came)
                    left -= len(came)
                taken.shutdown(socket.SHUT_RDWR)

    return lambda: raw(handle)


def forward(source, sink):
    """Passes on what comes."""
    try:
        while came := source.recv(4096):
            sink.sendall(came)
    except OSError:
        pass


def without_goodbye(leaf):
    """A server whose body is framed by the end of the connection, which comes without a word."""
    made = context(leaf)

    def handle(taken):
        with made.wrap_socket(taken, server_side=True, suppress_ragged_eofs=True) as tls:
            tls.recv(4096)
            tls.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + HELLO)
            time.sleep(0.2)
            tls.shutdown(socket.SHUT_RDWR)

    return lambda: raw(handle)


@contextmanager
def shared(folder, key):
    """`openssl s_server` that knows a key of both sides, and has no certificate."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    (folder / "hello").write_bytes(HELLO)
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_3", "-nocert"]
    command += ["-psk_identity", "device", "-psk", key.hex(), "-WWW", "-quiet"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, **quiet)
    try:
        if not is_up(process, port):
            sys.exit("openssl s_server does not start")
        yield port, lambda: 1
    finally:
        stop(process)


def table(work):
    """All cases."""
    trusted, other = Authority(work, "trusted"), Authority(work, "other")
    good, self_signed = trusted.leaf("good"), own(work, "own")
    files = {"pin": pin(good[0]), "wrong-pin": bytes(32), "key": SHARED, "wrong-key": bytes(32)}
    for name, content in files.items():
        (work / name).write_bytes(content)
    hello = [fetched("/hello", HELLO)]
    roots = lambda name, serve, says, **more: Case(name, "roots", trusted.der, serve, says, **more)
    bad = lambda name, why, leaf, **more: roots(name, lambda: origin(leaf), [refused(why)], **more)
    broken = lambda name, serve: roots(name, serve, [refused("Handshake")])
    cut = [refused("Lost", "/cut", 500)]
    lost = [refused("Lost", received=len(HELLO))]
    return [
        roots("trusted", lambda: origin(good), hello, requests=1),
        roots("several tasks", lambda: origin(good), hello * 3, requests=3, paths=("/hello",) * 3),
        bad("wrong CA", "UnknownRoot", other.leaf("by-other")),
        bad("wrong name", "WrongName", trusted.leaf("wrong-name", "DNS:other.example")),
        bad("wrong address", "WrongName", trusted.leaf("wrong-address", "IP:10.0.2.3")),
        bad("expired", "Expired", good, years=10),
        bad("not yet valid", "NotYetValid", good, years=-10),
        bad("self-signed", "SelfSigned", self_signed),
        bad("wrong purpose", "Untrusted", trusted.leaf("client", purpose="clientAuth")),
        broken("TLS 1.2", lambda: origin(good, ssl.TLSVersion.TLSv1_2)),
        broken("plain HTTP", says(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        broken("garbage", says(random.Random(7).randbytes(2000))),
        broken("nothing", says(b"")),
        *[broken(f"handshake cut at {at}", cut_off(good, at)) for at in (1, 100, 127, 300, 700)],
        roots("cut off", lambda: origin(good), cut, requests=1, paths=("/cut",)),
        roots("no close_notify", without_goodbye(good), lost),
        roots("silence", hangs, [refused("TimedOut")]),
        Case("without a date", "undated", trusted.der, lambda: origin(good), hello, 1, years=10),
        Case("pinned", "pin", work / "pin", lambda: origin(good), hello, 1, years=10),
        Case("other pin", "pin", work / "wrong-pin", lambda: origin(good),
             [refused("KeyNotPinned")]),
        Case("shared key", "shared", work / "key", lambda: shared(work, SHARED), hello, 1),
        Case("other key", "shared", work / "wrong-key", lambda: shared(work, SHARED),
             [refused("Handshake")], 1),
        Case("no TLS", "none", trusted.der, lambda: origin(good), [refused("TlsUnavailable")]),
    ]


def judge(case, target, image):
    """Runs one case; returns what is wrong, and how deep the stack went."""
    date = int(time.time()) + case.years * YEAR
    with case.serve() as (port, requests):
        seed = random.SystemRandom().getrandbits(60)
        arguments = [port, case.trust, seed, date, case.file, *case.paths]
        status, output = emulate(target, image, arguments, SECONDS)
        seen = requests()
    lines = [line for line in output.splitlines() if line.strip()]
    wrong = [] if status == 0 else [f"exit status {status}"]
    if [line for line in lines if not line.startswith("stack ")] != case.says:
        wrong.append(f"{lines} instead of {case.says}")
    if seen != case.requests:
        wrong.append(f"{seen} requests instead of {case.requests}")
    return wrong, max(values(lines, "stack"), default=0)


def run(target, image):
    """The whole table; returns how many cases failed, of how many."""
    failed, deepest = 0, 0
    with tempfile.TemporaryDirectory(prefix="tls-", dir="/tmp") as work:
        cases = table(Path(work))
        for case in cases:
            wrong, stack = judge(case, target, image)
            deepest = max(deepest, stack)
            word = "FAILED" if wrong else "ok"
            print(f"{word:7}{target} {case.name}, stack {stack}", flush=True)
            for line in wrong:
                print(f"       {line}")
            failed += bool(wrong)
    if not 0 < deepest + size(image).static < BOARDS[target].ram:
        print(f"FAILED a stack of {deepest} bytes reached the variables, or was not told")
        failed += 1
    print(f"{target}: a stack of {deepest} bytes")
    return failed, len(cases)


def main():
    """Runs the table on the targets asked for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))  # and the servers with it
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_target(parser)
    chosen = targets(parser.parse_args().target)
    results = [run(target, build(target, "tls-job")) for target in chosen]
    failed, cases = sum(one for one, _ in results), sum(one for _, one in results)
    if failed:
        sys.exit(f"{failed} of {cases} failed")
    print(f"{cases} servers were taken or refused as they should be, on {len(chosen)} targets")


if __name__ == "__main__":
    main()
