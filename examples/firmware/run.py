#!/usr/bin/env python3
"""Builds the images, runs each in QEMU against a server on loopback, and checks what it reports.

Exits with 0 if every run did what it should and no image takes more than its budget. Prints the
memory that each image takes: flash and static from its ELF file, stack as the image measured it;
and how long it took for 4 MiB, in milliseconds of the board.

The environment may name other programs: see qemu.py.
"""

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import ota
from certificates import Authority, context
from document import document
from origin import BODIES, RESULTS, Origin, refusing_port
from qemu import add_target, build, emulate, ram, targets, values
from size import size

HERE = Path(__file__).resolve().parent
SECONDS = 30  # for one run, which takes a fraction of one
PATIENCE = 2  # seconds, with the server once the image has ended


class Case(NamedTuple):
    """One run of an image."""

    paths: list[str]  # its arguments behind the port
    succeeds: bool = True
    connections: int = 1  # how many the server sees
    refused: bool = False  # nobody listens
    secure: bool = False  # over TLS
    update: bool = False  # of the firmware


PLAIN = [
    Case(["/hello"]),
    Case(["/64k"]),
    Case(["/none"], succeeds=False),
    Case(["/hello"], succeeds=False, connections=0, refused=True),
    Case([], succeeds=False, connections=0),
]
# Thousands of frames. Ours is compared with a GET by hand in this.
LONG = Case(["/4m"])

# Reports of a run that fails are not compared: it may have printed some bodies before.
CASES = {
    "baseline": [*PLAIN, LONG],
    "decode": [Case([], connections=0)],
    "stack": [Case([])],
    "get": [
        *PLAIN,
        LONG,
        Case(["/hello", "/chunked", "/moved", "/64k", "/hello"]),  # one connection, kept
        Case(["/cut"], succeeds=False),
    ],
    "full": [
        Case(["/hello", "/moved", ">/64k", "=/echo", "</echo"]),
        Case(["/hello", ">/part", "/hello"], connections=2),
        Case(["/64k"], succeeds=False),  # more than there is room for
        Case([">/none"], succeeds=False),
        Case(["/hello"], succeeds=False, connections=0, refused=True),
    ],
    "opened": [
        *PLAIN,
        LONG,
        Case(["/hello", "/chunked", "/moved", "/64k", "/hello"]),  # one connection, kept
        Case(["/cut"], succeeds=False),
    ],
    "futures": [Case([], connections=0)],
    # What it does beside that, `ota.py` shows.
    "ota": [Case(["(update)"], update=True)],
    # Over TLS; `tls-bare` and `tls-pki` are embedded-tls by hand.
    "tls": [
        Case(["/hello", "/64k", "/chunked", "/hello"], secure=True),
        Case(["/none"], succeeds=False, secure=True),
        Case(["/hello"], succeeds=False, connections=0, refused=True, secure=True),
    ],
    "tls-bare": [Case(["/64k"], secure=True), Case(["/none"], succeeds=False, secure=True)],
    "tls-pki": [Case(["/64k"], secure=True), Case(["/none"], succeeds=False, secure=True)],
    # Peers, which turn a missing path and an absent server into failures as well.
    "reqwless": [*PLAIN, LONG],
    "edge-http": [*PLAIN, LONG],
}
# Measured on the first target alone: one is enough to compare with.
SECURE = ("tls", "tls-bare", "tls-pki")
TIMED = 3  # runs of `LONG`, of which the fastest counts: the host's own work is in it, too


class Measured(NamedTuple):
    """What an image takes on one target."""

    flash: int
    static: int
    stack: int
    time: int  # milliseconds for 4 MiB, 0 if it does not fetch them
    said: list[str]  # what it printed beside


@contextmanager
def secured():
    """What the server shakes hands with, and what an image needs to: a seed, the date, the root."""
    with tempfile.TemporaryDirectory(prefix="tls-", dir="/tmp") as work:
        authority = Authority(Path(work), "root")
        seed = random.SystemRandom().getrandbits(60)
        yield context(authority.leaf("leaf")), [seed, int(time.time()), authority.der]


def fnv(body):
    """The 32-bit FNV-1a hash, as the images compute it."""
    value = 0x811C9DC5
    for byte in body:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def judge(case, status, lines, connections):
    """What is wrong about a run; empty if nothing is."""
    wrong = []
    if status is None:
        wrong.append(f"no end within {SECONDS} s")
    elif status != (0 if case.succeeds else 1):
        wrong.append(f"exit status {status}")
    if connections != case.connections:
        wrong.append(f"{connections} connections instead of {case.connections}")
    if len(values(lines, "stack")) != 1:
        wrong.append("no report of the stack")
    if case.succeeds:
        bodies = [(word, RESULTS.get(word) or BODIES[word]) for word in case.paths]
        expected = [f"{word} {len(body)} {fnv(body):08x}" for word, body in bodies]
        wrong += [f"missing: {line}" for line in expected if line not in lines]
        known = ("stack", "time", "size")
        other = [line for line in lines if line not in expected and line.split()[0] not in known]
        wrong += [f"unexpected: {line}" for line in other]
    return wrong


def run(target, image, case):
    """Runs one case, and returns what is wrong and the lines that were printed."""
    if case.update:
        return ota.update(target, image)
    with ExitStack() as held:
        context, secrets = held.enter_context(secured()) if case.secure else (None, [])
        origin = held.enter_context(Origin(context=context))
        closed = held.enter_context(refusing_port())
        port = closed if case.refused else origin.port
        status, output = emulate(target, image, [port, *secrets, *case.paths], SECONDS)
        lines = [line for line in output.splitlines() if line.strip()]
        # One that ended at once is there before the server's thread has taken it.
        until = time.monotonic() + PATIENCE
        while origin.connections < case.connections and time.monotonic() < until:
            time.sleep(0.01)
        return judge(case, status, lines, origin.connections), lines


def measure(target, image):
    """Builds an image for a target and runs its cases; returns what it takes, and failures."""
    elf = build(target, image)
    deepest, times, said, failures = 0, [], [], 0
    for case in CASES[image]:
        for _ in range(TIMED if case is LONG else 1):
            wrong, lines = run(target, elf, case)
            deepest = max(deepest, *values(lines, "stack"), 0)
            times += values(lines, "time") if case is LONG else []
            said += [line for line in lines if line.startswith("size ")]
            words = " ".join(["(refused)"] * case.refused + case.paths) or "(no arguments)"
            print(f"{'FAILED' if wrong else 'ok':7}{target} {image} {words}", flush=True)
            for line in wrong:
                print(f"       {line}")
            if wrong:
                failures += 1
                print("       output: " + " | ".join(lines))
    flash, static = size(elf)
    if static + deepest >= ram(target, image):
        failures += 1
        print(f"FAILED {image}: the stack reached the variables")
    return Measured(flash, static, deepest, min(times, default=0), said), failures


def budgets():
    """The most that images may take, by target and image, as budgets.txt has it."""
    lines = (HERE / "budgets.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return {(target, image): [int(most) for most in mosts] for target, image, *mosts in rows}


def over_budget(measured):
    """What takes more than it may, in words."""
    over = []
    for key, mosts in budgets().items():
        if key in measured:
            what = zip(("flash", "static", "stack"), measured[key], mosts)
            over += [f"{' '.join(key)}: {w} {is_} > {most}" for w, is_, most in what if is_ > most]
    return over


def main():
    """Checks the targets and images asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_target(parser)
    help_ = "write docs/sizes.md and the figures of README.md; needs all"
    parser.add_argument("--document", action="store_true", help=help_)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help=", ".join(CASES))
    options = parser.parse_args()
    if unknown := set(options.images) - set(CASES):
        sys.exit(f"no image {', '.join(unknown)}")
    measured, failures = {}, 0
    for target in targets(options.target):
        for image in options.images or CASES:
            if image in SECURE and target != targets(options.target)[0]:
                continue
            measured[target, image], failed = measure(target, image)
            failures += failed
    print(f"\n{'flash':>8}{'static':>8}{'stack':>8}{'time':>8}  bytes of, and milliseconds")
    for (target, image), (flash, static, stack, time, _) in measured.items():
        print(f"{flash:8}{static:8}{stack:8}{time:8}  {image}, {target}")
    for line in over_budget(measured):
        failures += 1
        print(f"FAILED over its budget: {line}")
    if failures:
        sys.exit(f"{failures} failed")
    if options.document:
        document(measured, budgets())
    held = len(budgets().keys() & measured.keys())
    print(f"{len(measured)} images did what they should, {held} budgets held")


if __name__ == "__main__":
    main()
