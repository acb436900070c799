#!/usr/bin/env python3
"""Judges https with the command `sortie` on loopback, over servers that are not ours.

    tests/tls-job.py [--quick] [--command PATH] [--only WORDS]... [--ends SCRIPT]

The servers are nginx, Apache httpd, haproxy in front of nginx, and Python's http.server, with
certificates that are made here, for this run, by openssl. Each of them is asked the same: GET,
HEAD, POST, PUT, ranges, chunks, large files, downloads that are cut and go on, connections that are
used again, TLS that is resumed, redirects, roots, pins, client certificates. Then come certificates
of every bad kind, ends that behave badly, what options say, what -v and -w tell.

With --ends, the command is judged over the ends of TLS that SCRIPT serves, and nothing else: see
tls_job/ends.py.

Needs nginx, apache2, haproxy, openssl and Python 3.11. The last line is `tls-job: N of N, in S s`,
the exit status 0 if all were right.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.dont_write_bytecode = True

from tls_job import alone, ends, everywhere  # noqa: E402, F401 (alone adds cases)
from tls_job.case import CASES, Case, World  # noqa: E402
from tls_job.certificates import Certificates  # noqa: E402
from tls_job.origin import Origin  # noqa: E402
from tls_job.servers import NGINX_PORTS, End, Start, haproxy, httpd, nginx, running  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
QUICK_SECONDS, SECONDS = 240, 900  # for everything, then it is given up
PROGRAMS = ("nginx", "apache2", "haproxy", "openssl")


@contextmanager
def world(command, work, large):
    """All servers, and what the cases need to know of them."""
    # A server that gives up root's rights has to look into it.
    work.chmod(0o755)
    certificates = Certificates(work / "certificates")
    files = work / "files"
    everywhere.prepare(files, large)
    with ExitStack() as stack:
        enter = stack.enter_context
        plain = enter(Origin())

        def start(name):
            return Start(certificates, files, work / name, plain.port)

        ports = enter(running("nginx", nginx, start("nginx"), NGINX_PORTS))
        others = {
            "httpd": enter(running("httpd", httpd, start("httpd"))),
            "haproxy": enter(running("haproxy", haproxy(ports["plain"]), start("haproxy"))),
            "python": {
                "good": enter(Origin(certificates.good)).port,
                "mutual": enter(Origin(certificates.good, certificates.root)).port,
            },
        }
        some = [End("nginx", ports["good"], ports["mutual"], True)]
        some += [End(name, it["good"], it["mutual"], False) for name, it in others.items()]
        log = work / "nginx" / "access.log"
        yield World(command, certificates, large, ports, plain.port, some, log)


class Report:
    """The table, and what its last line sums up."""

    def __init__(self, words, known):
        self.words = words
        self.right = self.tried = 0
        self.chosen = set()  # of the known differences, those that were met
        self.known = known
        self.began = time.monotonic()
        print(f"{'server':9}{'case':56}{'seconds':>8}  ok", flush=True)

    def row(self, server, name, function, some, folder):
        """Tries a case and prints a row."""
        if self.words and not any(word in name or word == server for word in self.words):
            return
        case = Case(some, folder)
        try:
            function(case)
        except Exception as error:  # a judge that stumbles has not judged
            words = traceback.format_exception_only(error)[-1].strip()
            place = traceback.extract_tb(error.__traceback__)[-1]
            case.wrong.append(f"the judge stumbles at {place.name}:{place.lineno}: {words}")
        seconds = case.close()
        is_known = bool(case.wrong) and name in self.known
        if is_known:
            self.chosen.add(name)
        self.tried += 1
        self.right += is_known or not case.wrong
        verdict = "by choice" if is_known else "NO" if case.wrong else "yes"
        print(f"{server:9}{name:56}{seconds:8.2f}  {verdict}", flush=True)
        for line in case.wrong[:8]:
            print(f"    {line}", flush=True)

    def end(self):
        """Prints the last line. True if all was right."""
        stale = set() if self.words else self.known - self.chosen
        for name in sorted(stale):
            print(f"{name} is listed in {ends.CHOICES.name}, but agrees")
        seconds = time.monotonic() - self.began
        print(f"\ntls-job: {self.right} of {self.tried}, in {seconds:.0f} s")
        return self.tried > 0 and self.right == self.tried and not stale


def judge_servers(report, command, work, large):
    """What is asked of every server, and what is tried once."""
    with world(command, work, large) as some:
        folder = work / "case"
        for end in some.ends:
            for name, function in everywhere.EVERYWHERE:
                report.row(end.name, name, lambda case: function(case, end), some, folder)
        for name, function in CASES:
            report.row("-", name, function, some, folder)


def judge_ends(report, command, work, script):
    """The kinds of ends that the script serves."""
    folder = work / "ends"
    with ends.served(script, folder) as table:
        some = World(command, None, 0, {}, 0, [])
        for name, function in ends.cases(table, folder):
            report.row("ends", name, function, some, work / "case")


def give_up(number, _):
    """Ends everything, tidily."""
    sys.exit(f"given up: signal {signal.Signals(number).name}")


def main():
    """Tries the cases that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    default = target / "release" / "sortie"
    parser.add_argument("--command", type=Path, default=default, help="the command under test")
    parser.add_argument("--quick", action="store_true", help="smaller files")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS",
                        help="a server, or cases whose names contain this; may be repeated")
    parser.add_argument("--ends", type=Path, metavar="SCRIPT", help="judge over these ends")
    asked = parser.parse_args()
    if not asked.command.exists():
        parser.error(f"there is no {asked.command}: cargo build --release")
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing and not asked.ends:
        parser.error(f"there is no {', no '.join(missing)}")
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, give_up)
    # In the background of a shell it is ignored, and would be by the commands that are judged.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(QUICK_SECONDS if asked.quick else SECONDS)
    command = asked.command.resolve()
    report = Report(asked.only, ends.choices() if asked.ends else set())
    with tempfile.TemporaryDirectory(prefix="tls-job-") as work:
        if asked.ends:
            judge_ends(report, command, Path(work), asked.ends.resolve())
        else:
            judge_servers(report, command, Path(work), (4 if asked.quick else 64) * MIB)
        right = report.end()
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
