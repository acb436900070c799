#!/usr/bin/env python3
"""Shows what defmt says of tasks: runs the image `log` in QEMU and decodes its output.

    cargo install defmt-print --locked
    ./log.py

Exits with 0 if the image did, and if it said what stands in docs/firmware.md, which `--document`
writes. With DEFMT_LOG set, what it says is only shown.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from origin import Origin
from qemu import add_target, build, command_line, targets

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "firmware.md"
MARKS = "<!-- log -->\n```text\n", "```\n<!-- /log -->\n"
OURS = "sortie_core=trace,sortie_embassy=trace,log=info"
PATHS = ["/hello", "/moved", "/none", "/cut", "/64k"]
SECONDS = 30


def said(target, printer):
    """What the image says, as text, and its exit status."""
    image = build(target, "log")
    with Origin() as origin:
        command = command_line(target, image, [origin.port, *PATHS])
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        done = subprocess.run(command, **streams, timeout=SECONDS, check=False)
    decode = [printer, "-e", image, "--log-format", "{L} {s}"]
    text = subprocess.run(decode, input=done.stdout, stdout=subprocess.PIPE, check=True).stdout
    return text.decode(), done.returncode


def main():
    """Runs the image once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_target(parser)
    parser.add_argument("--document", action="store_true", help="write it to docs/firmware.md")
    options = parser.parse_args()
    targets(options.target)
    printer = shutil.which("defmt-print")
    if printer is None:
        sys.exit("defmt-print is not there: cargo install defmt-print --locked")
    is_shown = "DEFMT_LOG" in os.environ
    os.environ.setdefault("DEFMT_LOG", OURS)
    text, status = said(options.target, printer)
    print(text, end="")
    if status != 0:
        sys.exit(f"exit status {status}")
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(MARKS[0])
    there, after = rest.split(MARKS[1])
    if options.document:
        PAGE.write_text(before + MARKS[0] + text + MARKS[1] + after, encoding="utf-8")
    elif not is_shown and text != there:
        sys.exit("that is not what stands in docs/firmware.md")
    print(f"{len(text.splitlines())} lines of defmt")


if __name__ == "__main__":
    main()
