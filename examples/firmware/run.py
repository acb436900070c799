#!/usr/bin/env python3
"""Builds the images, runs each in QEMU against a server on loopback, and checks what it reports.

Exits with 0 if every run did what it should. Prints the memory that each image takes: flash and
static from its ELF file, stack as the image measured it.

The environment may name other programs: CARGO (else `cargo`) and QEMU (else `qemu-system-arm`).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from origin import BODIES, Origin, refusing_port
from size import size

HERE = Path(__file__).resolve().parent
CARGO = os.environ.get("CARGO", "cargo")
QEMU = os.environ.get("QEMU", "qemu-system-arm")

# A target, and the board that runs it. A Cortex-M3 runs code for the smaller M0 as well.
BOARDS = {
    "thumbv7em-none-eabihf": "mps2-an386",
    "thumbv7m-none-eabi": "mps2-an385",
    "thumbv6m-none-eabi": "mps2-an385",
}
SECONDS = 30  # for one run, which takes a fraction of one
RAM = 64 * 1024  # as memory.x has it


class Case(NamedTuple):
    """One run of an image."""

    paths: list[str]  # its arguments behind the port
    succeeds: bool = True
    connections: int = 1  # how many the server sees
    refused: bool = False  # nobody listens


# Reports of a run that fails are not compared: it may have printed some bodies before.
CASES = {
    "baseline": [
        Case(["/hello"]),
        Case(["/64k"]),
        Case(["/4m"]),  # thousands of frames
        Case(["/none"], succeeds=False),
        Case(["/hello"], succeeds=False, connections=0, refused=True),
        Case([], succeeds=False, connections=0),
    ],
    "decode": [Case([], connections=0)],
    # With `--features get`.
    "get": [
        Case(["/hello", "/chunked", "/hello"]),  # one connection, kept
        Case(["/cut"], succeeds=False),
        Case(["/64k"], succeeds=False),  # more than there is room for
        Case(["/none"], succeeds=False),
        Case(["/hello"], succeeds=False, connections=0, refused=True),
    ],
}


def build(target, features):
    """Builds all images for `target`, and returns them by name."""
    command = [CARGO, "build", "--release", "--bins", "--target", target]
    command += ["--message-format", "json-render-diagnostics", "--locked"]
    command += ["--features", features] if features else []
    done = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the build for {target} failed")
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}


def emulate(board, image, arguments):
    """Runs the image, and returns its exit status (None: it hung) and what it printed.

    Virtual time advances with the instructions run (icount), so that interrupts, and with them
    the stack, fall alike in each run.
    """
    semihosting = ["enable=on", "target=native", "chardev=out", "arg=fw"]
    semihosting += [f"arg={argument}" for argument in arguments]
    command = [QEMU, "-M", board, "-nographic", "-monitor", "none", "-serial", "null"]
    command += ["-nic", "user,model=lan9118", "-chardev", "stdio,id=out", "-icount", "shift=5"]
    command += ["-semihosting-config", ",".join(semihosting), "-kernel", image]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        done = subprocess.run(command, **streams, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as hung:
        return None, (hung.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout


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
    stack = [line for line in lines if line.startswith("stack ")]
    if len(stack) != 1:
        wrong.append("no report of the stack")
    if case.succeeds:
        bodies = [(path, BODIES[path]) for path in case.paths]
        expected = [f"{path} {len(body)} {fnv(body):08x}" for path, body in bodies]
        wrong += [f"missing: {line}" for line in expected if line not in lines]
        wrong += [f"unexpected: {line}" for line in lines if line not in expected + stack]
    return wrong


def run(board, image, case):
    """Runs one case, and returns what is wrong and the stack used."""
    with Origin() as origin, refusing_port() as closed:
        port = closed if case.refused else origin.port
        status, output = emulate(board, image, [str(port), *case.paths])
        lines = output.splitlines()
        wrong = judge(case, status, lines, origin.connections)
    stack = [int(line.split()[1]) for line in lines if line.startswith("stack ")]
    return wrong, lines, max(stack, default=0)


def check(target, features):
    """Builds and runs everything for one target; returns rows of the report and failures."""
    rows, failures = [], 0
    for name, image in sorted(build(target, features).items()):
        deepest, cases = 0, CASES[name]
        for case in cases:
            wrong, lines, stack = run(BOARDS[target], image, case)
            deepest = max(deepest, stack)
            words = " ".join(["(refused)"] * case.refused + case.paths) or "(no arguments)"
            print(f"{'FAILED' if wrong else 'ok':7}{target} {name} {words}", flush=True)
            for line in wrong:
                print(f"       {line}")
            if wrong:
                failures += 1
                print("       output: " + " | ".join(lines))
        flash, static = size(image)
        rows.append(f"{flash:8}{static:8}{deepest:8}  {name}, {target}")
        if static + deepest >= RAM:
            failures += 1
            print(f"FAILED {name}: the stack reached the variables")
    return rows, failures


def main():
    """Checks the targets asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    targets = [*BOARDS, "all"]
    parser.add_argument("--target", choices=targets, default=targets[0], help="else %(default)s")
    parser.add_argument("--features", default="", help="cargo features, for more images")
    options = parser.parse_args()
    for program in (CARGO, QEMU):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not there; README.md says what is needed")
    rows, failures = [], 0
    for target in BOARDS if options.target == "all" else [options.target]:
        more, failed = check(target, options.features)
        rows += more
        failures += failed
    print(f"\n{'flash':>8}{'static':>8}{'stack':>8}  bytes of")
    print("\n".join(rows))
    if failures:
        sys.exit(f"{failures} failed")


if __name__ == "__main__":
    main()
