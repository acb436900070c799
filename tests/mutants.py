#!/usr/bin/env python3
"""Faults that are put into the sources, one at a time: the short tests must notice each.

    tests/mutants.py                    all of tests/mutants/*.txt, as far as there is time
    tests/mutants.py NAME...            only these
    tests/mutants.py --check            whether each can still be put in; nothing is compiled
    tests/mutants.py --seconds COUNT    begins no other one after so long

What is judged is the tests: those of the wire, the simulation and the campaign of faults each have a
judge of their own, which is worth what it notices. Each of the tests that a
mutant names must fail for it. The sources are copied, so that the tree stays as it is.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLES = sorted((ROOT / "tests" / "mutants").glob("*.txt"))
WORK = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "mutants"
TREE = WORK / "tree"

# A test that does not end has noticed, too. More than any takes by itself on a busy machine.
PATIENCE = 600

# Beside the names of test binaries: packages with tests of their own.
PACKAGES = {"sortie-core"}

# Not on real sockets, where a busy machine makes a difference.
SKIPPED = {"faults": ["--skip", "sockets"]}


class Mutant:
    """A fault: where it goes, and who must notice."""

    def __init__(self, name):
        self.name = name
        self.path = None
        self.after = None
        self.hunks = []  # lines out, lines in
        self.judges = []


def table(path):
    """The mutants of a file."""
    mutants, mutant = [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        word, _, rest = line.partition(" ")
        if not word or word == "#":
            continue
        if word == "==":
            mutant = Mutant(rest)
            mutants.append(mutant)
        elif word == "file":
            mutant.path = rest
        elif word == "after":
            mutant.after = rest
        elif word == "by":
            mutant.judges = rest.split()
        elif word == "-":
            if not mutant.hunks or mutant.hunks[-1][1]:
                mutant.hunks.append(([], []))
            mutant.hunks[-1][0].append(rest.strip())
        elif word == "+":
            mutant.hunks[-1][1].append(rest)
        else:
            sys.exit(f"{path.name}:{number}: {line}")
    return mutants


def mutated(mutant, tree):
    """The text of the file with the fault in it."""
    lines = (tree / mutant.path).read_text(encoding="utf-8").splitlines()
    plain = [line.strip() for line in lines]
    begin = 0
    if mutant.after:
        begin = next((at for at, line in enumerate(plain) if mutant.after in line), len(lines))
    for out, into in mutant.hunks:
        ends = range(begin, len(lines) - len(out) + 1)
        places = [at for at in ends if plain[at : at + len(out)] == out]
        if not places or len(places) > 1 and not mutant.after:
            sys.exit(f"{mutant.name}: {len(places)} such places in {mutant.path}: {out[0]}")
        at = places[0]
        lines[at : at + len(out)] = into
        plain[at : at + len(out)] = [line.strip() for line in into]
    return "\n".join(lines) + "\n"


def copy():
    """Copies what git knows of, and what is new, to where it can be changed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    known = {name for name in names.decode().split("\0") if name and (ROOT / name).is_file()}
    for old in TREE.rglob("*"):
        if old.is_file() and str(old.relative_to(TREE)) not in known:
            old.unlink()
    for name in sorted(known):
        put(TREE / name, (ROOT / name).read_bytes())


def put(path, content):
    """Writes a file where its content is another one: what is not touched is not compiled again."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def cargo(judge, *arguments):
    """The command that runs a judge."""
    if judge in PACKAGES:
        chosen = ["-p", judge, "--lib"]
    else:
        chosen = ["-p", "sortie-tests", "--test", judge]
    return ["cargo", "test", "--quiet", *chosen, *arguments]


def environment():
    """Debug information is of no use here, and backtraces neither."""
    build = {"CARGO_TARGET_DIR": str(WORK / "build"), "CARGO_PROFILE_DEV_DEBUG": "0"}
    return {**os.environ, **build, "RUST_BACKTRACE": "0", "CARGO_TERM_COLOR": "never"}


def compiles(judges):
    """Whether the tests can be built; else what the compiler says."""
    for judge in judges:
        command = cargo(judge, "--no-run")
        done = subprocess.run(
            command, cwd=TREE, env=environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            return done.stderr
    return None


def notices(judge):
    """Whether a judge fails, and by what; it is stopped at the first test that does."""
    shown = ["--format", "pretty", "--color", "never"]
    command = cargo(judge, "--", *shown, *SKIPPED.get(judge, []))
    child = subprocess.Popen(
        command,
        cwd=TREE,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(child.pid, signal.SIGKILL))
    signal.alarm(PATIENCE)
    found = None
    for line in child.stdout:
        if line.startswith("test ") and line.rstrip().endswith("FAILED"):
            found = line.split()[1]
        elif " fails; again alone: " in line:
            found = line.split(" fails;")[0]
        if found:
            os.killpg(child.pid, signal.SIGKILL)
            break
    child.stdout.close()
    status = child.wait()
    signal.alarm(0)
    if found is None and status != 0:
        found = "it does not end, or breaks off"
    return found


def judge(mutant):
    """What is wrong with the tests, as this mutant shows."""
    original = (TREE / mutant.path).read_bytes()
    put(TREE / mutant.path, mutated(mutant, TREE).encode())
    try:
        refused = compiles(mutant.judges)
        if refused:
            print(refused)
            return [f"{mutant.name} does not compile"]
        wrong = []
        for name in mutant.judges:
            found = notices(name)
            print(f"{mutant.name}: {name}: {found or 'NOTHING'}", flush=True)
            if not found:
                wrong.append(f"{mutant.name} is not noticed by {name}")
        return wrong
    finally:
        put(TREE / mutant.path, original)


def main():
    """Runs what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seconds", type=int, default=4500)
    options = parser.parse_args()
    mutants = [mutant for path in TABLES for mutant in table(path)]
    known = {mutant.name for mutant in mutants}
    if len(known) < len(mutants) or not known.issuperset(options.names):
        sys.exit(f"a name twice, or none of: {', '.join(sorted(known))}")
    if options.names:
        mutants = [mutant for mutant in mutants if mutant.name in options.names]
    texts = [mutated(mutant, ROOT) for mutant in mutants]
    if options.check:
        print(f"{len(texts)} mutants can be put in")
        return
    shutil.rmtree(WORK / "tree", ignore_errors=True)
    copy()
    began, wrong, count, noticed = time.monotonic(), [], 0, 0
    for mutant in mutants:
        if time.monotonic() - began > options.seconds:
            break
        found = judge(mutant)
        wrong += found
        count += 1
        noticed += len(mutant.judges) - len(found)
    print("\n".join(wrong))
    result = f"{count} of {len(mutants)} mutants, noticed {noticed} times"
    if wrong:
        sys.exit(f"FAILED: {result}; {len(wrong)} times not")
    print(f"{result}, by every test that must")


if __name__ == "__main__":
    main()
