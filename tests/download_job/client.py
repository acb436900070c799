"""Running the command under test, while its destination is watched."""

import ctypes
import os
import select
import signal
import struct
import subprocess
import tempfile
import time
from typing import NamedTuple

MODIFY, MOVED_FROM, MOVED_TO, CREATE, DELETE, OVERFLOW = 0x2, 0x40, 0x80, 0x100, 0x200, 0x4000
EVENT = struct.Struct("iIII")
TICK = 0.0003  # between two looks at what `when` waits for


class Ran(NamedTuple):
    """One run."""

    status: int  # negative: the signal that ended it
    seconds: float
    said: str  # the end of what it wrote
    signalled: bool  # `when` came true before it ended
    peak: int  # bytes resident at most, known if it was signalled


class Watch:
    """Sees what happens to one name in a folder, by inotify: nothing is too quick for it.

    A name that is only ever made by a rename or a link, and never written to, cannot have named an
    incomplete file in between, whatever the moment. So that is what is asked for.
    """

    def __init__(self, folder, name):
        self.name = os.fsencode(name)
        self.made = 0  # how often the name came to be
        self.steps = 0  # files of the folder that were made, renamed or removed
        self.wrong = []
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        mask = MODIFY | MOVED_FROM | MOVED_TO | CREATE | DELETE
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(folder), mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._fd)

    def fileno(self):
        """What select needs."""
        return self._fd

    def read(self):
        """Takes in what happened."""
        while True:
            try:
                events = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return
            at = 0
            while at < len(events):
                _, mask, _, length = EVENT.unpack_from(events, at)
                at += EVENT.size
                name = events[at : at + length].rstrip(b"\0")
                at += length
                self._note(mask, name)

    def _note(self, mask, name):
        if mask & OVERFLOW:
            self.wrong.append("more happened in the folder than can be followed")
        self.steps += not mask & MODIFY
        if name != self.name:
            return
        if mask & MODIFY:
            self.wrong.append("the file was written to under its final name")
        if mask & (DELETE | MOVED_FROM):
            self.wrong.append("the file was there under its final name, and was taken away")
        self.made += bool(mask & (CREATE | MOVED_TO))


def start(command, output, stdin=None, cwd=None):
    """Starts `command`, which writes to the file `output`."""
    stdin = subprocess.DEVNULL if stdin is None else stdin
    command = list(map(str, command))
    return subprocess.Popen(command, stdin=stdin, stdout=output, stderr=output, cwd=cwd)


def ended(process, limit):
    """Waits for a process' end, for `limit` seconds at most. Gives its exit status."""
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def run(command, limit, watch=None, when=None, number=signal.SIGKILL, stdin=None, cwd=None):
    """Runs `command`, for `limit` seconds at most.

    As soon as `when` is true, it gets the signal `number`. All that happens to the watched name
    is taken in by the end.
    """
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = start(command, output, stdin, cwd)
        handle = os.pidfd_open(process.pid)
        waited = [handle, watch] if watch else [handle]
        signalled, is_over, peak = False, False, 0
        try:
            while not is_over and (left := limit - (time.monotonic() - began)) > 0:
                pending = when and not signalled
                ready = select.select(waited, [], [], TICK if pending else left)[0]
                if watch in ready:
                    watch.read()
                is_over = handle in ready
                if pending and not is_over and when():
                    peak = _peak(process.pid)
                    process.send_signal(number)
                    signalled = True
        finally:
            if not is_over:
                process.kill()
            status = process.wait()
            os.close(handle)
        if watch:
            watch.read()
        seconds = time.monotonic() - began
        said = _end_of(output)
    if not is_over:
        said = f"no end within {limit} s; {said}"
        status = -signal.SIGALRM
    return Ran(status, seconds, said, signalled, peak)


def _end_of(output):
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - 2000))
    return " / ".join(output.read().decode(errors="replace").split("\n")).strip(" /")


def _peak(pid):
    """The most that a process had resident. 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            lines = [line for line in status if line.startswith("VmHWM:")]
    except OSError:
        return 0
    return int(lines[0].split()[1]) * 1024 if lines else 0
