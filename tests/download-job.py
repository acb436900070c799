#!/usr/bin/env python3
"""Judges `sortie download` and `sortie upload` on loopback: kills, hostile origins, full disks.

    tests/download-job.py [--quick] [--command PATH] [--only WORDS]... [--list] [--self-test]

Every case has an origin and a folder of its own, and runs the command several times, as someone
would who runs it again after it failed. After each run, in every case:

  - the final name has only ever stood for a file that is whole and right (inotify tells: it came
    to be by a rename or a link, and was never written to); an older file keeps it until then;
  - exit status 0 stands for that file alone in its folder: neither part nor sidecar is left;
  - any other status leaves nothing new under the final name, and what is kept of the content is
    the beginning of something that the origin served;
  - it ended by itself, without a panic, within its time.

What the cases assert beside this (`--list` names them):

kill        nginx serves a large file; the command gets SIGKILL at 200 random moments (20 with
            --quick): while it starts, while the part grows, when it is complete. nginx's log tells that the next run asks
            once, for what is missing from at most 1 MiB before the part's end, with If-Range. It
            stays below 32 MiB of memory. A small file is killed over at every stage, and behind
            every step of making, renaming and removing files.
answers     the first response is cut; the second run meets another origin:
  changed   another version is fetched whole, by that one request, over a part of any length
  206       from a wrong place, of a wrong total, with too much or too little content, of another
            version, coded, in parts, without Content-Range: the right file in the end, by another
            way in the same run or after a failure
  416       only where all of it is there that is an end
  validators  If-Range has a strong ETag, or a Last-Modified that is strong where there is no
            ETag (RFC 9110 §13.1.5); without these, and with Accept-Ranges: none, the next run
            asks for the whole file
  statuses  404, 500, 503 exit with 22, keep the part, and the next run continues
  redirects are followed, to another port too
  resets    at random places: each run continues exactly where the part ends
places      digests (Repr-Digest of the response, --sha256) fail what they do not fit, and the next
            run is free of it; destinations that are a folder, missing, read-only, full; two runs
            at once; a sidecar or part that is damaged, foreign or missing; --no-resume, -s, -d, -j;
            signals keep the part and its sidecar, and the next run continues.
meanwhile   somebody else cuts, lengthens, removes or replaces the part, the file or the folder while
            content comes: the run fails and says so, and the next one is right; links and pipes in
            the place of part or sidecar are neither followed nor waited on.
upload      a large file arrives byte for byte, with a length and in chunks; an early 413 is
            reported with its status, while the connection is closed or reset; Expect: 100-continue
            waits for 100, gives way to 417, and to a second of silence; a file that changes while
            it is sent never makes a complete message of another length.

`--self-test` runs the judges over a stand-in for the command: where it is right, all cases pass;
where it has a fault on purpose, the cases that are named for the fault must flag it.

Needs Linux, nginx and Python 3.11; disks that are full need user namespaces, else they are skipped.
The last line is `download-job: N of N`, the exit status 0 if all were right.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.dont_write_bytecode = True

from download_job import answers, faults, kill, meanwhile, places, upload  # noqa: E402
from download_job.case import CASES, Case, Options, Skipped  # noqa: E402
from download_job.origin import File  # noqa: E402
from main_job.content import content  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
MIB, GIB = 1 << 20, 1 << 30
QUICK_SECONDS, SECONDS = 120, 1800  # for everything, then it is given up
PARTS = {"kill": kill, "answers": answers, "places": places,
         "meanwhile": meanwhile, "upload": upload}


def options_of(command, quick):
    """How much is tried."""
    if quick:
        return Options(command, 300_007, 16 * MIB, 20, 6)
    return Options(command, 3_000_017, GIB, 200, 20)


def part_of(name):
    """The part that a case belongs to."""
    module = CASES[name].__module__
    return next(part for part, one in PARTS.items() if one.__name__ == module)


def is_wanted(name, words):
    """Is it one of the cases that were asked for?"""
    return not words or any(word in name or word == part_of(name) for word in words)


def try_case(name, options):
    """Tries one case. Gives what is wrong, a note, the exit statuses and the seconds it took."""
    with tempfile.TemporaryDirectory(prefix="download-job-") as work:
        file = File(content(options.size))
        with Case(options, Path(work), file) as case:
            try:
                CASES[name](case)
            except Skipped as reason:
                return None, f"skipped: {reason}", case.statuses, case.seconds
            except Exception as error:  # a judge that stumbles has not judged
                words = traceback.format_exception_only(error)[-1].strip()
                place = traceback.extract_tb(error.__traceback__)[-1]
                case.wrong.append(f"the judge stumbles at {place.name}:{place.lineno}: {words}")
            return case.wrong, case.note, case.statuses, case.seconds


def table(names, options):
    """Tries cases and prints a row for each. Gives how many were right, skipped and wrong."""
    print(f"{'part':10}{'case':54}{'seconds':>8}  ok   exit statuses, note", flush=True)
    right = skipped = 0
    for name in names:
        wrong, note, statuses, seconds = try_case(name, options)
        verdict = "skip" if wrong is None else "NO" if wrong else "yes"
        right += wrong == []
        skipped += wrong is None
        said = " ".join(map(str, statuses[:6])) + (" ..." if len(statuses) > 6 else "")
        row = f"{part_of(name):10}{name:54}{seconds:8.2f}  {verdict:4} {said}"
        print(f"{row}  {note}".rstrip(), flush=True)
        for line in (wrong or [])[:8]:
            print(f"    {line}", flush=True)
    return right, skipped


def is_flagged(wrong):
    """Was a fault found, and not only an accident of the stand-in or the judge?"""
    accidents = ("Traceback", "the judge stumbles")
    return bool(wrong) and not any(word in line for line in wrong for word in accidents)


def self_test(quick):
    """Do the judges pass what is right, and flag what is wrong?"""
    stand_in = [sys.executable, "-B", HERE / "download_job" / "stand_in.py"]
    print("the stand-in as it should be", flush=True)
    right, skipped = table(CASES, options_of(stand_in, quick))
    good = right + skipped == len(CASES)
    flagged = 0
    print("\nthe stand-in with faults", flush=True)
    for fault, names in faults.FAULTS.items():
        options = options_of([*stand_in, f"--fault={fault}"], True)
        missed = [name for name in names if not is_flagged(try_case(name, options)[0])]
        flagged += not missed
        print(f"{fault:30}{'not flagged by ' + ', '.join(missed) if missed else 'flagged'}")
    known = len(faults.FAULTS)
    print(f"\ndownload-job self-test: {right} of {len(CASES) - skipped}, "
          f"{flagged} of {known} faults flagged")
    return good and flagged == known


def give_up(number, _):
    """Ends everything, tidily."""
    sys.exit(f"given up: signal {signal.Signals(number).name}")


def main():
    """Tries the cases that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    default = target / "release" / "sortie"
    parser.add_argument("--command", type=Path, default=default, help="the command under test")
    parser.add_argument("--quick", action="store_true", help="smaller files, fewer kills")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS",
                        help="a part, or cases whose names contain this; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--self-test", action="store_true", help="judge the judges")
    asked = parser.parse_args()
    names = [name for name in CASES if is_wanted(name, asked.only)]
    names.sort(key=lambda name: list(PARTS).index(part_of(name)))
    if asked.list:
        print("\n".join(f"{part_of(name):10}{name}" for name in names))
        return
    if shutil.which("nginx") is None:
        parser.error("there is no nginx")
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, give_up)
    # In the background of a shell it is ignored, and would be by the commands that are judged.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(QUICK_SECONDS if asked.quick and not asked.self_test else SECONDS)
    if asked.self_test:
        sys.exit(0 if self_test(asked.quick) else 1)
    if not asked.command.exists():
        parser.error(f"there is no {asked.command}: cargo build --release")
    if not names:
        parser.error("there is no such case")
    options = options_of([asked.command.resolve()], asked.quick)
    needed = options.large * 5 // 2 + 128 * MIB
    if shutil.disk_usage(tempfile.gettempdir()).free < needed:
        sys.exit(f"{tempfile.gettempdir()} needs {needed >> 20} MiB of space")
    began = time.monotonic()
    right, skipped = table(names, options)
    seconds = time.monotonic() - began
    beside = f", {skipped} skipped" if skipped else ""
    print(f"\ndownload-job: {right} of {len(names) - skipped}{beside}, in {seconds:.0f} s")
    sys.exit(0 if right + skipped == len(names) else 1)


if __name__ == "__main__":
    main()
