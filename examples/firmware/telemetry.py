#!/usr/bin/env python3
"""Runs the image `telemetry` in QEMU against a server that is busy, stalls, breaks and refuses.

Exits with 0 if each reading that the image took was stored once or counted, if the server was left
alone for as long as it asked, and if the watchdog reset the board where the sensor hangs. Arm only:
the emulated RISC-V board has no watchdog.

The environment may name other programs: see qemu.py.
"""

import argparse
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from qemu import BOARDS, add_target, build, command_line, emulate, targets, values
from size import size

READINGS = 160  # more than the device takes while the plan is carried out
SECONDS = 120  # for one run, which takes a fraction of that
PAUSE = 2  # seconds that the server wants to be left alone
UNANSWERED = 3  # attempts: one is stalled, one lost, one reset
ATTEMPTS = 3  # at a run in which the host was slower than the device's timeout
MOST = 8  # readings that the server takes at once, for a while


class Handler(BaseHTTPRequestHandler):
    """Does with each request what is next in the plan, and then stores what comes."""

    protocol_version = "HTTP/1.1"
    timeout = SECONDS

    def setup(self):
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_POST(self):  # noqa: N802 (the name is http.server's)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Idempotency-Key"]
        with self.server.lock:
            number = len(self.server.asked)
            self.server.asked.append((time.monotonic(), key, body))
        if number < len(self.server.plan):
            self.server.plan[number](self, key, body)
        else:
            self.store(key, body)

    def store(self, key, body):
        """Takes the batch, once for each key."""
        known = self.keep(key, body)
        self.text(200 if known else 201)

    def keep(self, key, body):
        """Stores the batch. Whether it was known."""
        with self.server.lock:
            known = key in self.server.stored
            self.server.duplicates += known
            if known and self.server.stored[key] != body:
                self.server.wrong.append(f"{key} stands for two contents")
            self.server.stored[key] = body
            return known

    def text(self, status, **fields):
        """An answer with a body, so that the connection is of use only if that is taken."""
        with self.server.lock:
            self.server.answered.append((status, time.monotonic()))
        content = b"so be it\n" * 100
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def busy(self, _key, _body):
        """Wants to be left alone for so many seconds."""
        self.text(503, Retry_After=str(PAUSE))

    def busy_until(self, _key, _body):
        """Wants to be left alone until then."""
        self.text(429, Retry_After=formatdate(time.time() + PAUSE, usegmt=True))

    def stall(self, _key, _body):
        """Does not answer."""
        self.until_closed()

    def reset(self, _key, _body):
        """Breaks the connection."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def lose(self, key, body):
        """Stores the batch, and breaks the connection before anybody learns of it."""
        self.keep(key, body)
        self.reset(key, body)

    def too_large(self, key, body):
        """Takes fewer at once."""
        if len(json.loads(body)["readings"]) > MOST:
            self.text(413)
        else:
            self.store(key, body)

    def refuse(self, _key, body):
        """Never takes this one."""
        with self.server.lock:
            self.server.refused += [reading["number"] for reading in json.loads(body)["readings"]]
        self.text(422)

    def until_closed(self):
        """Waits until the client has closed the connection."""
        try:
            self.connection.recv(1)
        except OSError:
            pass  # It was reset: it is closed now.
        self.close_connection = True

    def finish(self):
        try:
            super().finish()
        except OSError:
            pass  # It was broken on purpose.

    def log_message(self, *_):
        pass


PLAN = [
    Handler.busy,
    Handler.stall,
    Handler.lose,
    Handler.store,  # the same again: it is known
    Handler.busy_until,
    Handler.too_large,
    Handler.too_large,
    Handler.reset,
    Handler.refuse,
]


class Server(ThreadingHTTPServer):
    """The server, at a free port of 127.0.0.1, and what it has seen."""

    daemon_threads = True

    def __init__(self, plan=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan = plan
        self.lock = threading.Lock()
        self.connections = self.duplicates = 0
        self.asked, self.answered, self.refused, self.wrong = [], [], [], []
        self.stored = {}
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()

    def starts(self):
        """The starts of the device that batches came from."""
        with self.lock:
            return {json.loads(body)["start"] for _, _, body in self.asked}

    def handle_error(self, request, client_address):
        pass  # Connections are broken here on purpose.


def rests(server):
    """How long the server was left alone after each answer that asked for it, in seconds."""
    asked = [at for at, _, _ in server.asked]
    wanted = [at for status, at in server.answered if status in (429, 503)]
    return [min((next_ - at for next_ in asked if next_ > at), default=0) for at in wanted]


def judge(server, lines):
    """What is wrong about the run in which the server came to its senses."""
    wrong = list(server.wrong)
    bodies = [json.loads(body) for body in server.stored.values()]
    numbers = sorted(reading["number"] for body in bodies for reading in body["readings"])
    readings = {reading["number"]: reading for body in bodies for reading in body["readings"]}
    if len(numbers) != len(set(numbers)):
        wrong.append("a reading is stored under two keys")
    dropped = max(body["dropped"] for body in bodies)
    missing = set(range(max(numbers) + 1)) - set(numbers) - set(server.refused)
    if len(missing) != dropped:
        wrong.append(f"{len(missing)} readings are missing, and {dropped} said to be dropped")
    if any(reading["value"] != 20_001 + number for number, reading in readings.items()):
        wrong.append("a value is not that of its reading")
    if max(body["refused"] for body in bodies) != len(server.refused):
        wrong.append(f"{len(server.refused)} readings were refused, and the device counts others")
    # Stalled, lost and reset: three were broken, and the last one kept.
    if server.connections != 4:
        wrong.append(f"{server.connections} connections instead of 4")
    if server.duplicates != 1:
        wrong.append(f"{server.duplicates} batches came twice instead of 1")
    # The board's clock goes as the server's does, a little aside where the host is busy. A date has
    # whole seconds, and so has what it is counted from. Without Retry-After it is 0.1 s.
    least = [PAUSE * 0.9, PAUSE * 0.9 - 1]
    rested = rests(server)
    if len(rested) != 2 or any(rest < wanted for rest, wanted in zip(rested, least)):
        wrong.append(f"the server was left alone for {rested} s")
    keys = [key for _, key, _ in server.asked]
    if len({body for _, key, body in server.asked if key == keys[0]}) != 1 or keys[3] != keys[0]:
        wrong.append("the first batch was not sent again as it was")
    if not any(line.startswith("answer 422 ") for line in lines):
        wrong.append("the image did not see the refusal")
    return wrong


def work(target, image):
    """The run in which everything happens; returns what is wrong about it, and a summary.

    An answer that the host is too slow to give is one more that the device does not see, and the plan
    meets other batches than it was made for: such a run is repeated, and the last one counts.
    """
    for _ in range(ATTEMPTS):
        with Server(PLAN) as server:
            arguments = [server.server_port, READINGS, "on"]
            status, output = emulate(target, image, arguments, SECONDS, clock=())
        lines = output.splitlines()
        if sum(line.startswith("answer 0 ") for line in lines) <= UNANSWERED:
            break
    wrong = judge(server, lines) if server.stored else ["nothing was stored"]
    if status != 0:
        wrong.append(f"no end within {SECONDS} s" if status is None else f"exit status {status}")
    if lines.count("boot") != 1 or any("watchdog" in line for line in lines):
        wrong.append("the watchdog was not fed")
    stack = max(values(lines, "stack"), default=0)
    flash, static = size(image)
    if not 0 < stack + static < BOARDS[target].ram:
        wrong.append(f"a stack of {stack} bytes reached the variables, or was not told")
    print(output, end="")
    return wrong, f"flash {flash}, static {static}, stack {stack}"


def hangs(target, image, end):
    """The run in which the sensor hangs: the watchdog resets the board, and it sends again."""
    with Server() as server:
        command = command_line(target, image, [server.server_port, 5, end], clock=())
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        streams["stderr"] = subprocess.DEVNULL  # it says that it was told to end
        lines = []
        with subprocess.Popen(command, **streams, text=True) as process:
            timer = threading.Timer(SECONDS, process.kill)
            timer.start()
            try:
                for line in process.stdout:
                    lines.append(line.strip())
                    if lines.count("boot") == 2 and (end == "spin" or len(server.starts()) == 2):
                        break
            finally:
                timer.cancel()
                process.terminate()
    wrong = []
    if lines.count("boot") != 2:
        wrong.append(f"the board was not reset within {SECONDS} s: {lines}")
    elif lines[lines.index("boot", 1) - 1] != "the watchdog barks":
        wrong.append(f"it was reset by something else than the watchdog: {lines}")
    if end == "hang" and len(server.starts()) != 2:
        wrong.append(f"after the reset nothing was sent under keys of its own: {lines}")
    return wrong


def check(target, image):
    """All runs on one target; whether they went well."""
    start = time.monotonic()
    wrong, summary = work(target, image)
    for end in ("hang", "spin"):
        wrong += [f"{end}: {line}" for line in hangs(target, image, end)]
    for line in wrong:
        print(f"FAILED {line}")
    took = time.monotonic() - start
    print(f"{target}: {'FAILED' if wrong else 'ok'}, {summary}, {took:.0f} s\n", flush=True)
    return not wrong


def main():
    """Runs the targets asked for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_target(parser)
    options = parser.parse_args()
    chosen = [target for target in targets(options.target) if target.startswith("thumb")]
    if not chosen:
        sys.exit(f"{options.target} has no watchdog")
    failed = [target for target in chosen if not check(target, build(target, "telemetry"))]
    if failed:
        sys.exit(f"{len(failed)} of {len(chosen)} targets failed: {', '.join(failed)}")
    print(f"telemetry survived a bad server and two hangs on {len(chosen)} of {len(chosen)} targets")


if __name__ == "__main__":
    main()
