"""What every case does: runs of the command into one folder, and what must hold after each."""

import shutil
import signal
import time
from typing import NamedTuple

from download_job.client import Watch, run
from download_job.origin import Origin, whole
from main_job import content

RUN_SECONDS = 30  # for one run of the command
CUT = {18, 56}  # exit statuses for a response that was cut
HTTP = {22}  # for a status of 400 or more
WRITE = {23}  # for a file that cannot be written
PANIC = 101
FINISH = 3  # runs at most that a healed origin needs
SLACK = 1 << 20  # bytes that a killed run may lose of what came

CASES = {}  # functions of a Case, by name


def named(name):
    """Adds a case under its name."""

    def add(function):
        CASES[name] = function
        return function

    return add


class Skipped(Exception):
    """The case cannot be tried here."""


class Options(NamedTuple):
    """What the cases are told."""

    command: list  # the command under test, with what it needs in front
    size: int  # of the files of hostile origins
    large: int  # of the file that is killed over, and of uploads
    kills: int
    resets: int


class Case:
    """One case, with its origin and a folder to download into.

    After each run: the final name stands for nothing but a file that is whole and right, whatever
    the exit status; 0 stands for such a file alone in its folder; what is kept of a broken download
    is the beginning of something that was served.
    """

    def __init__(self, options, work, file):
        self.options = options
        self.origin = Origin(file)
        self.versions = [file.body]  # which may be what the part is the beginning of
        self.folder = work / "folder"
        self.name = "file"
        self.wrong = []
        self.statuses = []
        self.note = ""
        self.prefix = []  # in front of the command
        self.seen_folder = self.folder  # as the command sees it, if it sees another one
        self.before = None  # what the final name stood for before
        self.watch = None  # of the last run
        self._asked = 0
        self._began = time.monotonic()
        self.folder.mkdir()

    def __enter__(self):
        self.origin.__enter__()
        return self

    def __exit__(self, *_):
        self.origin.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def final(self):
        """The destination."""
        return self.folder / self.name

    @property
    def part(self):
        """What is there before the download is complete."""
        return self.folder / f"{self.name}.part"

    @property
    def sidecar(self):
        """What is known about the part."""
        return self.folder / f"{self.name}.part.resume"

    @property
    def seconds(self):
        """Since the case began."""
        return time.monotonic() - self._began

    @property
    def asked(self):
        """Requests of the last run."""
        return self.origin.requests[self._asked :]

    def held(self):
        """How many bytes the part has; 0 without one."""
        return self.part.stat().st_size if self.part.exists() else 0

    def expect(self, is_so, words):
        """Notes `words` unless it is so."""
        if not is_so:
            self.wrong.append(f"run {len(self.statuses)}: {words}")

    def arguments(self, *options, url=None, to=True):
        """The command line of a download."""
        output = ["-o", self.seen_folder / self.name] if to else []
        url = url or self.origin.url()
        return [*self.prefix, *self.options.command, "download", *output, *options, url]

    def run(self, *options, url=None, right=None, to=True, **how):
        """One run, with all that must hold whatever it ends with."""
        self._asked = len(self.origin.requests)
        command = self.arguments(*options, url=url, to=to)
        with Watch(self.folder, self.name) as self.watch:
            ran = run(command, RUN_SECONDS, self.watch, **how)
        self.statuses.append(ran.status)
        wanted = {-how.get("number", signal.SIGKILL)} if ran.signalled else set()
        ended = ran.status >= 0 or ran.status in wanted
        self.expect(ended and ran.status != PANIC, f"ended by {ran.status}: {ran.said}")
        self.wrong += [f"run {len(self.statuses)}: {words}" for words in self.watch.wrong]
        self._look(ran, right)
        return ran

    def _look(self, ran, right):
        """What is in the folder after a run."""
        final = self.final.read_bytes() if self.final.is_file() else None
        if ran.status == 0:
            right = [right] if right is not None else self.versions
            self.expect(final in right, f"exit status 0, but {self._words(final, right[0])}")
            names = sorted(path.name for path in self.folder.iterdir())
            self.expect(names == [self.name], f"exit status 0 leaves {names}")
        elif final != self.before and not (ran.signalled and final in self.versions):
            words = self._words(final, self.versions[0])
            self.expect(False, f"exit status {ran.status}, but under the final name: {words}")
        if self.part.is_file() and not self.part.is_symlink():
            part = self.part.read_bytes()
            begins = any(version.startswith(part) for version in self.versions)
            self.expect(begins, f"the part is not the beginning of a file: {len(part)} bytes")

    @staticmethod
    def _words(final, right):
        if final is None:
            return "there is no file"
        if final == right:
            return "the right file"
        at = content.first_difference(iter([final]), iter([right]))
        return f"{len(final)} bytes of {len(right)}, the first wrong one at {at}"

    def fetched(self, right=None, *options, **how):
        """A run that must succeed."""
        ran = self.run(*options, right=right, **how)
        self.expect(ran.status == 0, f"exit status {ran.status} instead of 0: {ran.said}")
        return ran

    def fails(self, statuses, *options, **how):
        """A run that must not succeed; with one of `statuses`, where some are given."""
        ran = self.run(*options, **how)
        known = ran.status in statuses if statuses else ran.status > 0
        words = f" of {sorted(statuses)}" if statuses else ""
        self.expect(known, f"exit status {ran.status} instead of one{words}: {ran.said}")
        return ran

    def cut(self, *options, reply=None, at=None, kept=True):
        """A first run, whose response is cut. What came is kept, unless it is of no use."""
        reply = reply or whole(self.origin.file)
        at = len(reply.body) * 3 // 5 if at is None else at
        self.origin.answers.append(change(reply, sent=at))
        self.fails(CUT, *options)
        if kept:
            self.expect(self.held() == at, f"{self.held()} bytes are kept of {at}")
            self.expect(self.sidecar.is_file(), "there is no sidecar")
        return at

    def answer(self, reply):
        """The next request gets this reply."""
        self.origin.answers.append(reply)

    def finish(self, right, *options, **how):
        """Runs until one succeeds. The origin is right by now, so few are enough."""
        for _ in range(FINISH):
            if self.run(*options, right=right, **how).status == 0:
                return
        self.expect(False, f"no end within {FINISH} more runs")

    def trial(self, reply, right):
        """A run that gets a wrong reply: it may find another way to the end, or fail.

        In the second case further runs must come to the end.
        """
        self.answer(reply)
        if self.run(right=right).status != 0:
            self.finish(right)

    def ranged(self, start, condition):
        """The last run asked for what is missing, under this condition."""
        first = self.asked[0] if self.asked else None
        if first is None:
            self.expect(False, "nothing was asked for")
            return
        begins, given = first.start(), first.get("if-range")
        self.expect(begins == start, f"Range {first.get('range')} instead of {start}-")
        self.expect(given == condition, f"If-Range {given} instead of {condition}")

    def unranged(self):
        """The last run asked for the whole file."""
        for request in self.asked:
            for name in ("range", "if-range"):
                value = request.get(name)
                self.expect(value is None, f"{name} is {value}, and should not be there")


def change(reply, **fields):
    """The reply with some fields changed."""
    return type(reply)(**{**vars(reply), **fields})
