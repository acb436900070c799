#!/usr/bin/env python3
"""Proves the main job of the command: content from real servers, byte for byte.

The servers are nginx, hyper and Python's http.server, on loopback. Each is asked directly, through
a proxy that cuts what it sends into segments, and through one that cuts the connection. A table
tells what was fetched; the exit status is 0 if all of it was right.

Build the command before: cargo build --release. Needs Linux, nginx, cargo and Python 3.11.
"""

import argparse
import math
import os
import random
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

sys.dont_write_bytecode = True

from main_job import command, content, servers  # noqa: E402
from main_job.proxy import Proxy, bytewise, content_in, head_length, up_to  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PEAK = 32 * MIB  # what the command may have resident, however much it fetches
RUN_SECONDS = 120  # for one run of the command
INCOMPLETE = 18  # the exit status for a message that was cut
BATCH = 25  # URLs of one call


class Sizes(NamedTuple):
    """How much is fetched."""

    seconds: int  # for everything, then it is given up
    file: int  # of nginx, directly
    coarse: int  # the same in segments of up to 64 KiB
    fine: int  # of nginx and hyper in segments of up to 1,400 bytes
    chunked: int  # of hyper, else
    cut: int  # of any origin, when the connection is cut
    cuts: int  # at random places
    files: int  # of http.server
    largest: int  # of these files


FULL = Sizes(600, GIB, GIB, 128 * MIB, 256 * MIB, 4 * MIB, 20, 200, 3 * MIB)
QUICK = Sizes(120, 128 * MIB, 32 * MIB, 8 * MIB, 32 * MIB, MIB, 4, 40, MIB)
TINY = 64 * KIB  # in segments of one byte

# Sizes of files around those of buffers; the others are random.
EDGES = [0, 0, 1, 2, 1023, 1024, 1025, 4095, 4096, 4097, 65535, 65536, 65537, 262143, 262145]
NAMES = ["plain", "two words", "100%", "%41", "a+b", "q?x=1", "#1", "ä–字", "'s", "a;b,c&d=e"]


class Entry(NamedTuple):
    """One file of the folder."""

    name: str  # below the folder
    length: int
    start: int  # where in the content it begins


class Report:
    """The table, and what its last line sums up."""

    def __init__(self):
        self.rows = self.failures = self.bytes = self.peak = 0
        row = ("job", "bytes", "seconds", "MiB/s", "peak MiB")
        print("{:64}{:>14}{:>9}{:>8}{:>10}  ok".format(*row), flush=True)

    def row(self, job, size, runs, wrong):
        """Prints a row: `runs` of the command brought `size` bytes."""
        seconds = sum(run.seconds for run in runs)
        peak = max(run.peak for run in runs)
        if peak >= PEAK:
            wrong.append(f"{peak} bytes resident")
        self.rows += 1
        self.failures += bool(wrong)
        self.bytes += size
        self.peak = max(self.peak, peak)
        rate = f"{size / seconds / MIB:8.1f}" if size >= MIB else " " * 8
        verdict = "NO" if wrong else "yes"
        print(f"{job:64}{size:14,}{seconds:9.2f}{rate}{peak / MIB:10.1f}  {verdict}", flush=True)
        for line in wrong[:10]:
            print(f"    {line}", flush=True)

    def end(self):
        """Prints the last line. True if nothing was wrong."""
        right = f"{self.failures} of" if self.failures else "none of"
        sums = f"{self.bytes / GIB:.2f} GiB, at most {self.peak / MIB:.1f} MiB resident"
        print(f"\n{right} {self.rows} jobs failed, {sums}")
        return self.failures == 0


class Jobs:
    """What is asked of the command."""

    def __init__(self, sortie, sizes, work):
        self.sizes = sizes
        self.report = Report()
        self.get = [sortie, "get", "-s", "-S"]
        self.output = work / "output"

    def fetch(self, job, port, path, length):
        """Fetches one URL, whose content is known."""
        self.output.unlink(missing_ok=True)
        url = f"http://127.0.0.1:{port}{path}"
        run = command.run([*self.get, "-o", self.output, url], RUN_SECONDS)
        fault = content.fault(self.output, length)
        wrong = failed(run) + ([fault] if fault else [])
        self.report.row(job, length, [run], wrong)

    def through(self, job, port, path, length, most):
        """The same in segments of up to `most` bytes."""
        with Proxy(port, bytewise if most == 1 else up_to(most)) as proxy:
            self.fetch(f"{job}, {segments(most)}", proxy.port, path, length)

    def cut(self, job, port, path, length):
        """The same over connections that are cut: at both ends of the body and in it."""
        with Proxy(port, up_to(64 * KIB)) as proxy:
            self.fetch(f"{job}, not cut", proxy.port, path, length)
            proxy.settle()
            head, whole = head_length(proxy.seen), proxy.sent
        chance = random.Random(job)
        places = [head, whole - 1]
        places += [chance.randint(head, whole - 1) for _ in range(self.sizes.cuts)]
        for how, before in (("cut", 0), ("reset", 0), ("cut, second response,", whole)):
            runs, wrong, size = [], [], 0
            for place in places:
                with Proxy(port, up_to(64 * KIB), before + place, how == "reset") as proxy:
                    run, came, fault = self.cut_once(proxy, path, length, before)
                runs.append(run)
                size += came
                wrong += [f"cut at byte {before + place}: {fault}"] if fault else []
            self.report.row(f"{job}, {how} {len(places)} times", size, runs, wrong)
        self.cut_in_head(job, port, path, head)

    def cut_once(self, proxy, path, length, before):
        """Fetches over a cut; if `before` is not 0, a second response behind so many bytes of one.

        Returns the run, how many bytes of content came and what is wrong.
        """
        first = self.output.with_name("first")
        arguments = ["-o", self.output, f"http://127.0.0.1:{proxy.port}{path}"]
        if before:
            arguments += ["-o", first, arguments[-1]]
            arguments[1], arguments[4] = first, self.output
        self.output.unlink(missing_ok=True)
        run = command.run([*self.get, *arguments], RUN_SECONDS)
        proxy.settle()
        if before and (fault := content.fault(first, length)):
            return run, 0, f"before: {fault}"
        sent = content_in(proxy.seen[before:])
        if sent != content.content(len(sent)) or len(sent) > length:
            return run, 0, "the origin sent something else"
        if run.status != INCOMPLETE:
            return run, 0, f"exit status {run.status}: {run.said}"
        if not self.output.exists():
            return run, 0, "there is no file"
        came = self.output.read_bytes()
        # What a reset overtakes is lost.
        is_right = sent.startswith(came) if proxy.resets else sent == came
        fault = None if is_right else f"{len(came)} bytes came of {len(sent)}"
        return run, len(came) + (length if before else 0), fault

    def cut_in_head(self, job, port, path, head):
        """The same before there is content: no run succeeds, and none leaves a file."""
        runs, wrong = [], []
        for place in sorted({0, 1, head // 2, head - 1}):
            self.output.unlink(missing_ok=True)
            with Proxy(port, up_to(64 * KIB), place) as proxy:
                url = f"http://127.0.0.1:{proxy.port}{path}"
                runs.append(command.run([*self.get, "-o", self.output, url], RUN_SECONDS))
            if runs[-1].status <= 0:
                wrong.append(f"cut at byte {place}: exit status {runs[-1].status}")
            if self.output.exists():
                wrong.append(f"cut at byte {place}: there is a file")
        self.report.row(f"{job}, cut in the head {len(runs)} times", 0, runs, wrong)

    def fetch_folder(self, job, port, folder, entries, proxy=None):
        """Fetches many files, several with one call. Each is compared with the one served.

        Where connections persist, each call makes one; the proxy knows.
        """
        runs, wrong = [], []
        outputs = self.output.with_name("outputs")
        outputs.mkdir()
        for at in range(0, len(entries), BATCH):
            batch = list(zip(map(str, range(BATCH)), entries[at : at + BATCH]))
            arguments = []
            for output, entry in batch:
                url = f"http://127.0.0.1:{port}/{quote(entry.name)}"
                arguments += ["-o", outputs / output, url]
            runs.append(command.run([*self.get, *arguments], RUN_SECONDS))
            wrong += failed(runs[-1])
            for output, entry in batch:
                wrong += differs(outputs / output, folder, entry)
                (outputs / output).unlink(missing_ok=True)
        outputs.rmdir()
        expected = len(runs) if "HTTP/1.1" in job else len(entries)
        if proxy and proxy.connections != expected:
            wrong.append(f"{proxy.connections} connections instead of {expected}")
        size = sum(entry.length for entry in entries)
        self.report.row(f"{job}: {len(entries)} files", size, runs, wrong)

    def folder_through(self, job, port, folder, entries, most):
        """The same in segments of up to `most` bytes."""
        with Proxy(port, bytewise if most == 1 else up_to(most)) as proxy:
            job = f"{job}, {segments(most)}"
            self.fetch_folder(job, proxy.port, folder, entries, proxy)

    def stale(self, how, post=False):
        """An origin that closes connections without saying so, before it answers the next request.

        Between the first two requests another origin takes its time. A POST may have had its
        effect before the connection was lost: it is not sent again.
        """
        outputs = [self.output.with_name(f"stale{number}") for number in range(4)]
        with servers.FickleServer(how) as origin, servers.FickleServer("slow") as other:
            urls = [
                f"http://127.0.0.1:{port}/{number}"
                for number, port in enumerate([origin.port, other.port, origin.port, origin.port])
            ]
            arguments = [part for pair in zip(outputs, urls) for part in ("-o", *pair)]
            data = ["-d", "x"] if post else []
            run = command.run([*self.get, *data, *arguments], RUN_SECONDS)
            requests = origin.requests
        came = [output.read_text() if output.exists() else None for output in outputs]
        for output in outputs:
            output.unlink(missing_ok=True)
        wrong = [] if post else failed(run)
        if post and (requests != 3 or (run.status == 0) == (None in came)):
            wrong.append(f"{requests} requests instead of 3, exit status {run.status}: {came}")
        if not post and came != ["/0", "/1", "/2", "/3"]:
            wrong.append(f"came: {came}")
        if not post and origin.connections != 3:
            wrong.append(f"{origin.connections} connections instead of 3")
        job = f"origin closes {how}: {'POST is not repeated' if post else 'GET succeeds'}"
        self.report.row(job, sum(map(len, filter(None, came))), [run], wrong)


def differs(output, folder, entry):
    """What is wrong about a file that was fetched."""
    if not output.exists():
        return [f"{entry.name}: there is no file"]
    if output.read_bytes() != (folder / entry.name).read_bytes():
        return [f"{entry.name}: {output.stat().st_size} bytes of {entry.length}"]
    return []


def failed(run):
    """What is wrong about a run that ought to succeed."""
    return [f"exit status {run.status}: {run.said}"] if run.status else []


def segments(most):
    """Words for the sizes of segments."""
    return "bytewise" if most == 1 else f"segments to {most:,}"


def nginx_jobs(jobs, folder, work):
    """Files with a known length."""
    sizes = jobs.sizes
    folder.mkdir()
    for length in {sizes.file, sizes.coarse, sizes.fine, sizes.cut, TINY}:
        content.write(folder / str(length), length)
    with servers.nginx(folder, work) as port:
        jobs.fetch("nginx", port, f"/{sizes.file}", sizes.file)
        jobs.through("nginx", port, f"/{sizes.coarse}", sizes.coarse, 64 * KIB)
        jobs.through("nginx", port, f"/{sizes.fine}", sizes.fine, 1400)
        jobs.through("nginx", port, f"/{TINY}", TINY, 1)
        jobs.cut("nginx", port, f"/{sizes.cut}", sizes.cut)
    shutil.rmtree(folder)


def hyper_jobs(jobs, program):
    """Content in chunks."""
    sizes = jobs.sizes
    with servers.hyper(program) as port:
        for chunk in ("1024", "16384", "random"):
            job = f"hyper, {chunk} a chunk"
            jobs.fetch(job, port, f"/chunked/{sizes.chunked}?chunk={chunk}", sizes.chunked)
            for length, most in ((sizes.chunked, 64 * KIB), (sizes.fine, 1400)):
                jobs.through(job, port, f"/chunked/{length}?chunk={chunk}", length, most)
        for chunk in ("1", "1000", "random"):
            path = f"/chunked/{TINY // 4}?chunk={chunk}"
            jobs.through(f"hyper, {chunk} a chunk", port, path, TINY // 4, 1)
        for chunk in ("1024", "random"):
            path = f"/chunked/{sizes.cut}?chunk={chunk}"
            jobs.cut(f"hyper, {chunk} a chunk", port, path, sizes.cut)


def make_folder(folder, sizes):
    """Files of all sizes, with names that a URL has to quote."""
    chance = random.Random(0)
    lengths = [length for length in EDGES if length <= sizes.largest] + [sizes.largest]
    while len(lengths) < sizes.files:
        lengths.append(int(math.exp(chance.uniform(0, math.log(sizes.largest)))))
    entries = []
    for number, length in enumerate(lengths):
        name = f"{NAMES[number % len(NAMES)]}.{number}"
        if number % 3 == 0:
            name = f"a folder/{name}"
        entries.append(Entry(name, length, chance.randrange(content.PERIOD)))
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content.write(path, length, entries[-1].start)
    return entries


def few(entries):
    """Some files of few bytes."""
    small, total = [], 0
    for entry in entries:
        if total + entry.length <= TINY // 4 and len(small) < 8:
            small.append(entry)
            total += entry.length
    return small


def python_jobs(jobs, folder):
    """Many files, over connections that persist or do not."""
    sizes = jobs.sizes
    entries = make_folder(folder, sizes)
    content.write(folder / str(sizes.cut), sizes.cut)
    for protocol in ("HTTP/1.0", "HTTP/1.1"):
        job = f"http.server, {protocol}"
        with servers.python(folder, protocol) as port:
            jobs.fetch_folder(job, port, folder, entries)
            for most, some in ((64 * KIB, entries), (1400, entries), (1, few(entries))):
                jobs.folder_through(job, port, folder, some, most)
            jobs.cut(job, port, f"/{sizes.cut}", sizes.cut)


def stale_jobs(jobs):
    """Connections that persist less long than was said."""
    for how in ("at once", "while idle", "with the next request"):
        jobs.stale(how)
    jobs.stale("with the next request", post=True)


def give_up(number, _):
    """Ends everything, tidily."""
    sys.exit(f"given up: signal {signal.Signals(number).name}")


def main():
    """Runs all jobs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fetch less, in half a minute")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    default = target / "release" / "sortie"
    parser.add_argument("--sortie", type=Path, default=default, help="the command")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    if not options.sortie.exists():
        parser.error(f"there is no {options.sortie}: cargo build --release")
    if shutil.which("nginx") is None:
        parser.error("there is no nginx")
    program = servers.build_hyper()

    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, give_up)
    signal.alarm(sizes.seconds)
    command.adopt_orphans()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="main-job-")))
        needed = sizes.file * 2 + sizes.coarse + GIB // 2
        if shutil.disk_usage(work).free < needed:
            sys.exit(f"{work.parent} needs {needed >> 20} MiB of space")
        jobs = Jobs(options.sortie.resolve(), sizes, work)
        nginx_jobs(jobs, work / "nginx-files", work / "nginx")
        hyper_jobs(jobs, program)
        python_jobs(jobs, work / "python-files")
        stale_jobs(jobs)
        right = jobs.report.end()
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
