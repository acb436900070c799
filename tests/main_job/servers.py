"""The servers that the command fetches from, each on a port of its own on 127.0.0.1."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The scripts of the firmware have to do without the tests: so what both need is theirs.
sys.path.append(str(HERE.parent.parent / "examples" / "firmware"))

import servers as firmware  # noqa: E402

ADDRESS, SECONDS = firmware.ADDRESS, firmware.SECONDS
is_up, stop = firmware.is_up, firmware.stop


def unused_ports(count):
    """So many that nobody has at the moment. They are held until there are enough: one that was let
    go may be given again.
    """
    with ExitStack() as stack:
        some = [stack.enter_context(socket.socket()) for _ in range(count)]
        for unused in some:
            unused.bind((ADDRESS, 0))
        return [unused.getsockname()[1] for unused in some]


@contextmanager
def nginx(folder, work, http="access_log off;", server=""):
    """nginx over `folder`, with its own files in `work`. Gives the port.

    `http` and `server` are further directives of these blocks.
    """
    work.mkdir()
    http = f"sendfile on; keepalive_requests 1000; {http}"
    with firmware.nginx(work, folder, http, server) as port:
        yield port


def build_hyper():
    """Compiles the origin on hyper, and returns where it is."""
    command = [os.environ.get("CARGO", "cargo"), "build", "--release", "--locked", "--quiet"]
    command += ["--message-format", "json-render-diagnostics"]
    folder = HERE.parent / "hyper-origin"
    built = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        sys.exit("tests/hyper-origin cannot be built")
    messages = map(json.loads, built.stdout.splitlines())
    return next(m["executable"] for m in messages if m.get("executable"))


@contextmanager
def hyper(program):
    """The origin on hyper. Gives the port."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([program], **pipes, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            stop(process)


def python(folder, protocol):
    """Python's http.server over `folder`, speaking `protocol`. Gives the port."""
    return firmware.python(folder, "--protocol", protocol)  # Python 3.11 or later has it


class Fickle(BaseHTTPRequestHandler):
    """Closes connections that it said would persist, in the way that its server was told."""

    protocol_version = "HTTP/1.1"
    timeout = 20
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.answered = 0
        with self.server.lock:
            self.server.connections += 1

    def answer(self):
        """Answers, or closes instead."""
        with self.server.lock:
            self.server.requests += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        how = self.server.how
        if self.answered and how == "with the next request":
            self.close_connection = True
            return
        time.sleep(0.2 if how == "slow" else 0)
        self.answered += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.path)))
        self.end_headers()
        self.wfile.write(self.path.encode())
        time.sleep(0.05 if how == "while idle" else 0)
        self.close_connection = how in ("at once", "while idle")

    do_GET = do_POST = answer  # noqa: N815 (the names are http.server's)

    def log_message(self, *_):
        pass


class FickleServer(ThreadingHTTPServer):
    """Answers with the path that it was asked for, and closes connections as `how` says."""

    daemon_threads = True

    def __init__(self, how):
        super().__init__((ADDRESS, 0), Fickle)
        self.port = self.server_address[1]
        self.how = how
        self.lock = threading.Lock()
        self.connections = self.requests = 0

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
