#!/usr/bin/env python3
"""Judges the library, and the command, against real servers on loopback: one matrix for all.

    tests/matrix-job.py [--program PATH] [--command PATH] [--only SERVER]...

The servers are nginx, Apache httpd, lighttpd, haproxy in front of nginx, Node, and Python's
http.server, as it comes and with a handler for what it does not know. Each has a configuration of
its own and a temporary folder, on ports of 127.0.0.1. `examples/matrix` of the package sortie-tests
asks each of them the same through the library, a row for each cell: GET, HEAD, POST, PUT, chunks in
both directions, ranges, a download that goes on, gzip, 100-continue, redirects, large heads, an
early 413, 1,000 requests on one connection, connections that are closed while they are idle. What a
server cannot do is told with the reason, and what it does instead is asserted. The command fetches,
goes on with a download that was cut, and uploads.

Build before: cargo build -p sortie-tests --example matrix; cargo build --release -p sortie-cli.
Needs nginx, apache2, lighttpd with mod_deflate and mod_webdav, haproxy, node and Python 3.11. The
last line is `matrix: N of N cells of M servers, in S s`, the exit status 0 if all were right.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.dont_write_bytecode = True

from main_job import content  # noqa: E402
from main_job.proxy import up_to  # noqa: E402
from main_job.servers import ADDRESS, python  # noqa: E402
from matrix_job.origin import HEAD_TEXT, TEXT, Origin  # noqa: E402
from matrix_job.servers import Start, haproxy, httpd, lighttpd, nginx, node  # noqa: E402
from tls_job.case import Case, World  # noqa: E402
from tls_job.everywhere import CutOnce  # noqa: E402
from tls_job.servers import running  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 600  # for everything, then it is given up
PROGRAMS = ("nginx", "apache2", "lighttpd", "haproxy", "node")
LENGTHS = (1000, 1 << 20, 16 << 20)
KEPT = 1 << 20  # bytes of what the command uploads
MODULES = ("/usr/lib/lighttpd/mod_deflate.so", "/usr/lib/lighttpd/mod_webdav.so")
SUM = re.compile(r"(\d+) of (\d+)")


def prepare(files):
    """Makes the folder that all of them serve."""
    (files / "file").mkdir(parents=True)
    (files / "folder").mkdir()
    for length in LENGTHS:
        content.write(files / "file" / str(length), length)
    (files / "text.txt").write_bytes(TEXT)
    (files / "large-head").write_bytes(HEAD_TEXT)
    (files / "folder" / "index.html").write_text("<p>a folder</p>\n")
    # A tag or a date of the last second is weak, and no download goes on by that.
    earlier = time.time() - 3600
    for path in (files, *files.rglob("*")):
        os.utime(path, (earlier, earlier))
        path.chmod(0o755 if path.is_dir() else 0o644)


def started(stack, work, files, wanted):
    """Starts those that are wanted, one after the other. Gives names and ports."""
    enter = stack.enter_context
    behind = enter(Origin()).port

    def run(name, command, origin):
        start = Start(work / name, files, origin)
        return enter(running(name, command, start, ("http",)))["http"]

    front = run("nginx", nginx, behind)
    some = {
        "nginx": lambda: front,
        "httpd": lambda: run("httpd", httpd, behind),
        "lighttpd": lambda: run("lighttpd", lighttpd, behind),
        "haproxy": lambda: run("haproxy", haproxy, front),
        "node": lambda: enter(node(files)),
        "http.server": lambda: enter(python(files, "HTTP/1.1")),
        "handler": lambda: behind,
    }
    return [(name, start()) for name, start in some.items() if not wanted or name in wanted]


def by_library(program, name, port, files, work):
    """The matrix of one server. Gives how many cells were right, and how many there are."""
    arguments = [program, name, f"{ADDRESS}:{port}", files, work]
    last = ""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with subprocess.Popen(arguments, **pipes, text=True) as process:
        try:
            for last in process.stdout:
                if not SUM.fullmatch(last.strip()):
                    print(last, end="", flush=True)
            process.wait()
        finally:
            process.kill()
    found = SUM.fullmatch(last.strip())
    if not found or (process.returncode == 0) != (found[1] == found[2]):
        print(f"    {name}: exit status {process.returncode}, {last}")
        return 0, 1
    return int(found[1]), int(found[2])


def get(case, url):
    """A file, byte for byte."""
    case.works("get", f"{url}/file/1000", roots=False, out=content.content(1000))
    case.works("get", "-o", "large", f"{url}/file/{LENGTHS[2]}", roots=False)
    fault = content.fault(case.folder / "large", LENGTHS[2])
    case.expect(fault is None, fault)


def resume(case, url):
    """A download that is cut, and goes on; from the beginning where there are no ranges."""
    length = LENGTHS[2]
    with CutOnce(int(url.rsplit(":", 1)[1]), up_to(64 << 10), length // 2) as proxy:
        place = f"http://{ADDRESS}:{proxy.port}/file/{length}"
        case.fails(18, "", "download", "-o", "file", place, roots=False)
        proxy.settle()
        ran = case.works("download", "--json", "-o", "file", place, roots=False)
    responses = [one["response"] for one in ran.objects()]
    wanted = 200 if case.server == "http.server" else 206
    is_right = [it and it["status"] for it in responses] == [wanted]
    case.expect(is_right, f"another status than {wanted}: {responses}")
    fault = content.fault(case.folder / "file", length)
    case.expect(fault is None, fault)


def upload(case, url):
    """A file, and standard input in chunks, which are there then."""
    (case.folder / "data").write_bytes(content.content(KEPT))
    arguments = case.arguments("upload", "-", f"{url}/put/command", roots=False)
    if case.server == "http.server":
        case.fails(22, "answered 501", "upload", "-o", "said", "data", f"{url}/put/command",
                   roots=False)
        return
    case.works("upload", "-o", "said", "data", f"{url}/put/command-file", roots=False)
    with (case.folder / "data").open("rb") as data:
        ran = subprocess.run(arguments, stdin=data, capture_output=True, timeout=60, check=False)
    case.expect(ran.returncode == 0, f"in chunks: exit status {ran.returncode}: {ran.stderr}")
    for name in ("command-file", "command"):
        case.works("get", f"{url}/put/{name}", roots=False, out=content.content(KEPT))


def by_command(command, name, port, work):
    """The same for the command."""
    right = 0
    jobs = {"get": get, "download that goes on": resume, "upload": upload}
    for job, function in jobs.items():
        case = Case(World(command, None, 0, {}, 0, []), work / "case")
        case.server = name
        function(case, f"http://{ADDRESS}:{port}")
        seconds = case.close()
        right += not case.wrong
        verdict = "NO" if case.wrong else "yes"
        print(f"{name:12}{'the command: ' + job:36}{seconds:8.2f}  {verdict}", flush=True)
        for line in case.wrong[:8]:
            print(f"    {line}", flush=True)
    return right, len(jobs)


def judge(program, command, wanted):
    """All servers, one after the other. True if all cells were right."""
    began, right, cells = time.monotonic(), 0, 0
    print(f"{'server':12}{'cell':36}{'seconds':>8}  ok", flush=True)
    with tempfile.TemporaryDirectory(prefix="matrix-job-") as folder, ExitStack() as stack:
        work = Path(folder)
        # A server that gives up root's rights has to look into it.
        work.chmod(0o755)
        prepare(work / "files")
        (work / "downloads").mkdir()
        some = started(stack, work, work / "files", wanted)
        for name, port in some:
            for one in (by_library(program, name, port, work / "files", work / "downloads"),
                        by_command(command, name, port, work)):
                right += one[0]
                cells += one[1]
    seconds = time.monotonic() - began
    print(f"\nmatrix: {right} of {cells} cells of {len(some)} servers, in {seconds:.0f} s")
    return cells > 0 and right == cells


def give_up(number, _):
    """Ends everything, tidily."""
    sys.exit(f"given up: signal {signal.Signals(number).name}")


def main():
    """Asks the servers that were asked for."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, default=target / "debug" / "examples" / "matrix")
    parser.add_argument("--command", type=Path, default=target / "release" / "sortie")
    parser.add_argument("--only", action="append", default=[], metavar="SERVER")
    asked = parser.parse_args()
    for program in (asked.program, asked.command):
        if not program.exists():
            parser.error(f"there is no {program}: build it")
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    missing += [module for module in MODULES if not os.path.exists(module)]
    if missing:
        parser.error(f"there is no {', no '.join(missing)}")
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, give_up)
    signal.alarm(SECONDS)
    sys.exit(0 if judge(asked.program.resolve(), asked.command.resolve(), asked.only) else 1)


if __name__ == "__main__":
    main()
