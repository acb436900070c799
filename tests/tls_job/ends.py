"""Judges the command over ends of TLS that a script serves, one for each kind.

The script is no part of this repository. It is run as `SCRIPT FOLDER`, says READY, and leaves in
FOLDER a `ca.pem`, a `client.pem`, and a `table.json`: for each kind a `url`, and whether `ok` or
`fail` is expected of a client that trusts `ca.pem`.
"""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from main_job.servers import stop

CHOICES = Path(__file__).resolve().parent.parent / "data" / "tls-choices.txt"

# The exit status for a kind, and what the message has to say.
FAILURES = {
    "chain-incomplete": (60, "no root that is trusted"),
    "untrusted-ca": (60, "no root that is trusted"),
    "expired": (60, "has expired"),
    "not-yet": (60, "not valid yet"),
    "wrong-host": (60, "for another name"),
    "wrong-ip": (60, "for another name"),
    "cn-only": (60, "for another name"),
    "plain-http": (35, "is not TLS"),
    "eof-body-cut": (18, "close_notify"),
    "cl-short-notify": (18, "before the response was complete"),
    "client-cert": (35, "asks for a client certificate"),
}
KEPT = {"eof-body-cut", "cl-short-notify"}  # what came is written before the failure


def choices():
    """Kinds in which the command differs on purpose."""
    chosen = set()
    for number, line in enumerate(CHOICES.read_text().splitlines(), 1):
        kind, _, reason = line.partition("#")
        if kind.strip():
            if not reason.strip():
                sys.exit(f"{CHOICES}:{number}: no reason is given")
            chosen.add(kind.strip())
    return chosen


@contextmanager
def served(script, folder):
    """The ends. Gives the table."""
    command = [sys.executable, script, folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout.readline().strip() != "READY":
                sys.exit(f"{script} does not start: it needs the package trustme")
            yield json.loads((folder / "table.json").read_text())
        finally:
            stop(process)


def judge(case, kind, row, trust, *options):
    """One end: nothing but a success, or nothing but the right failure."""
    arguments = ["get", "--cacert", trust / "ca.pem", *options, row["url"]]
    if row["expect"] == "ok" or options:
        case.works(*arguments, roots=False, out=b"ok")
        return
    out = b"ok" if kind in KEPT else b""
    if kind in FAILURES:
        status, words = FAILURES[kind]
        case.fails(status, words, *arguments, roots=False, out=out)
    else:
        ran = case.run(*arguments, roots=False)
        case.expect(ran.status > 0 and ran.said, f"exit status {ran.status}: {ran.said}")


def cases(table, folder):
    """A name and a function of a case for each end."""

    def one(kind, *options):
        return lambda case: judge(case, kind, table[kind], folder, *options)

    tries = [(kind, one(kind)) for kind in table]
    if "client-cert" in table:
        mine = ["--cert", folder / "client.pem"]
        tries.append(("client-cert, shown", one("client-cert", *mine)))
    return tries
