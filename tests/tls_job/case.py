"""What every case does: runs of the command, and what must hold after each."""

import json
import shutil
import subprocess
import time
from typing import NamedTuple

RUN_SECONDS = 60  # for one run of the command
PANIC = 101

CASES = []  # all cases of one's own: name, function


def named(name, to=None):
    """Adds a case under its name, to a list."""

    def add(function):
        (CASES if to is None else to).append((name, function))
        return function

    return add


class Ran(NamedTuple):
    """One run."""

    status: int  # negative: the signal that ended it
    out: bytes
    said: str  # on standard error

    def objects(self):
        """What --json told."""
        return [json.loads(line) for line in self.said.splitlines() if line.startswith("{")]

    def transactions(self):
        """All requests of all tasks, with their connections."""
        return [it for one in self.objects() for it in one["metrics"]["transactions"]]


class World(NamedTuple):
    """What the cases are told."""

    command: object  # the command under test
    certificates: object
    large: int  # bytes of a large file
    ports: dict  # of nginx, by what it shows there
    plain: int  # the port of the origin, which speaks no TLS
    ends: list  # the servers that all answer alike
    log: object = None  # of what nginx was asked for


class Case:
    """One case, with a folder of its own."""

    def __init__(self, world, folder):
        self.world = world
        self.folder = folder
        self.wrong = []
        self.began = time.monotonic()
        folder.mkdir()

    def close(self):
        """Removes what came. Gives the seconds it took."""
        shutil.rmtree(self.folder)
        return time.monotonic() - self.began

    def expect(self, is_so, words):
        """Notes `words` unless it is so."""
        if not is_so:
            self.wrong.append(words)

    def arguments(self, *arguments, roots=True):
        """A command line: the command's name, options, URLs."""
        name, *rest = map(str, arguments)
        trust = ["--cacert", str(self.world.certificates.root.chain)] if roots else []
        return [str(self.world.command), name, "-s", "-S", *trust, *rest]

    def run(self, *arguments, roots=True):
        """Runs the command, and waits for its end."""
        command = self.arguments(*arguments, roots=roots)
        try:
            ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                 timeout=RUN_SECONDS, cwd=self.folder, check=False)
        except subprocess.TimeoutExpired:
            self.expect(False, f"no end within {RUN_SECONDS} s: {command[1:]}")
            return Ran(-9, b"", "")
        said = ran.stderr.decode(errors="replace")
        self.expect(0 <= ran.returncode != PANIC, f"ended by {ran.returncode}: {said}")
        return Ran(ran.returncode, ran.stdout, said)

    def works(self, *arguments, out=None, **how):
        """A run that must succeed, with this on standard output."""
        ran = self.run(*arguments, **how)
        self.expect(ran.status == 0, f"exit status {ran.status} instead of 0: {ran.said.strip()}")
        if out is not None:
            came = f"{len(ran.out)} bytes: {ran.out[:80]}"
            self.expect(ran.out == out, f"{came} instead of {len(out)} bytes: {out[:80]}")
        return ran

    def fails(self, status, words, *arguments, out=b"", **how):
        """A run that must fail like this, with `words` in its message and nothing else written."""
        ran = self.run(*arguments, **how)
        said = ran.said.strip()
        self.expect(ran.status == status, f"exit status {ran.status} instead of {status}: {said}")
        self.expect(words in said, f"the message does not say '{words}': {said}")
        self.expect(f"sortie: ({status}) " in said, f"the message has no status: {said}")
        self.expect(ran.out == out, f"wrote {ran.out[:80]} instead of {out[:80]}")
        return ran
