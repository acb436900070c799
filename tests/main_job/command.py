"""Running the command under test: its exit status, its time and the memory that it took."""

import ctypes
import os
import select
import signal
import subprocess
import tempfile
import time
from typing import NamedTuple

# A process counts as its own peak that of the image which called exec. So it must not be this one:
# a shell leaves the command behind as an orphan, and that one is ours to wait for. It begins when
# it is told: what ends sooner than the shell, the shell would take.
START = 'exec 3<&0; { read -r go <&3 && exec "$@" 3<&-; } >/dev/null & echo $!'
PR_SET_CHILD_SUBREAPER = 36


class Ran(NamedTuple):
    """One run."""

    status: int  # negative: the signal that ended it
    seconds: float
    peak: int  # bytes resident at most
    said: str  # on standard error


def adopt_orphans():
    """Orphans of this process' children become its own children. Linux only."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def run(command, limit):
    """Runs `command`, for `limit` seconds at most, and waits for its end."""
    with tempfile.TemporaryFile() as errors:
        shell = ["sh", "-c", START, "sh", *map(str, command)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        with subprocess.Popen(shell, **pipes) as started:
            pid = int(started.stdout.readline())
            handle = os.pidfd_open(pid)
            started.wait()
            began = time.monotonic()
            started.stdin.write(b"\n")
        ended = False
        try:
            ended = bool(select.select([handle], [], [], limit)[0])
        finally:
            if not ended:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            os.close(handle)
        seconds = time.monotonic() - began
        errors.seek(0)
        said = errors.read(4096).decode(errors="replace").strip()
    if not ended:
        said = f"no end within {limit} s; {said}"
    return Ran(os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss * 1024, said)
