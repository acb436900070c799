#!/usr/bin/env python3
"""Runs the image `job` in QEMU against nginx, Python's http.server, and an origin of faults.

The image asserts what comes of each of its steps. What only the servers know is looked at here:
what was stored, and over how many connections. Exits with 0 if everything was as it should be.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import zlib
from contextlib import ExitStack
from pathlib import Path

from faults import FaultyOrigin
from origin import HELLO, refusing_port
from qemu import BOARDS, add_target, build, emulate, targets, values
from servers import nginx, python
from size import size

RUN = 300  # seconds for one run, which takes a few
MIB = 1 << 20

# What the image sends from a reader, and where to.
UPLOAD = bytes((index * 31 + (index >> 8)) & 0xFF for index in range(100_000))
UPLOADED = ("known", "chunks", "expected")

# `keepalive_requests` is no limit here; other settings are nginx's own.
HTTP = """\
log_format job '$connection $request_method $uri $status';
    access_log "{work}/access.log" job;
    keepalive_requests 1000000;"""
SERVER = """\
location = /keep {{ alias "{folder}/hello"; }}
        location = /chunked {{ ssi on; ssi_types *; alias "{folder}/64k"; }}
        location = /moved {{ return 302 /hello; }}
        location = /see {{ return 303 /hello; }}
        location = /loop {{ return 302 /loop; }}
        location = /away {{ return 302 http://10.0.2.2:{python}/hello; }}
        location = /large-head {{ add_header X-Large "{pad}"; return 200 "fits"; }}
        location = /echo {{ proxy_pass http://127.0.0.1:{origin}; }}
        location = /status {{ stub_status; }}
        location /up/ {{ root "{work}"; dav_methods PUT; create_full_put_path on; }}"""


def fill(folder, large):
    """Makes the files to be fetched; returns the sums of those that are downloaded."""
    (folder / "folder").mkdir(parents=True)
    (folder / "hello").write_bytes(HELLO)
    (folder / "folder" / "index.html").write_bytes(HELLO)
    sums = []
    for name, length in ("64k", 64 << 10), ("256k", 256 << 10), ("large", large):
        content = random.Random(name).randbytes(length)
        (folder / name).write_bytes(content)
        sums.append(f"{zlib.crc32(content):08x}")
    return sums


def seen_by_nginx(work, times):
    """What is wrong about what nginx has seen and stored."""
    lines = (work / "access.log").read_text(encoding="utf-8").splitlines()
    kept = [line.split()[0] for line in lines if line.split()[1:] == ["GET", "/keep", "200"]]
    wrong = []
    if len(kept) != times:
        wrong.append(f"{len(kept)} requests for /keep instead of {times}")
    if len(set(kept)) != 1:
        wrong.append(f"they took {len(set(kept))} connections instead of one")
    if any("/never" in line for line in lines):
        wrong.append("a task that was cancelled before it began was sent")
    for name in UPLOADED:
        stored = work / "up" / name
        if not stored.exists() or stored.read_bytes() != UPLOAD:
            wrong.append(f"/up/{name} is not what was sent")
    return wrong


def run(target, image, options):
    """One run of the image; returns whether all was as it should be."""
    with ExitStack() as servers:
        work = Path(servers.enter_context(tempfile.TemporaryDirectory(prefix="sortie-job-")))
        sums = fill(work / "files", options.mib * MIB)
        origin = servers.enter_context(FaultyOrigin())
        nobody = servers.enter_context(refusing_port())
        pages = servers.enter_context(python(work / "files"))
        names = {"work": work, "folder": work / "files", "python": pages, "origin": origin.port}
        server = SERVER.format(**names, pad="x" * 2000)
        settings = {"http": HTTP.format(work=work), "server": server}
        front = servers.enter_context(nginx(work, work / "files", **settings))
        arguments = [front, pages, origin.port, nobody, options.times, options.mib * MIB, *sums]
        start = time.monotonic()
        status, output = emulate(target, image, arguments, RUN)
        print(output, end="")
        wrong = seen_by_nginx(work, options.times)
        wrong += [f"{path} was not asked for" for path in origin.unasked()]
    stack = max(values(output.splitlines(), "stack"), default=0)
    if not 0 < stack + size(image).static < BOARDS[target].ram:
        wrong.append(f"a stack of {stack} bytes reached the variables, or was not told")
    if status != 0:
        wrong.append(f"no end within {RUN} s" if status is None else f"exit status {status}")
    for line in wrong:
        print(f"FAILED {line}")
    took = time.monotonic() - start
    print(f"{target}: {'FAILED' if wrong else 'ok'}, {took:.0f} s\n", flush=True)
    return not wrong


def main():
    """Runs the job on the targets asked for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))  # and the servers with it
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_target(parser)
    sizes = {"type": int, "choices": range(1, 65), "metavar": "N"}
    help_ = "MiB of the large download (%(default)s)"
    parser.add_argument("--mib", **sizes, default=16, help=help_)
    help_ = "requests over one connection (%(default)s)"
    parser.add_argument("--times", type=int, default=1000, help=help_, metavar="N")
    options = parser.parse_args()
    if shutil.which("nginx") is None:
        sys.exit("nginx is not there: sudo apt-get install nginx-light")
    chosen = targets(options.target)
    failed = [target for target in chosen if not run(target, build(target, "job"), options)]
    if failed:
        sys.exit(f"{len(failed)} of {len(chosen)} targets failed: {', '.join(failed)}")
    print(f"the job was done on {len(chosen)} of {len(chosen)} targets")


if __name__ == "__main__":
    main()
