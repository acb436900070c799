"""Writes docs/sizes.md, what the images take beside what they may take, and the tables of guides."""

import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# What each image is, in the order of the table.
IMAGES = {
    "stack": "embassy-net with DHCP, DNS and TCP; a connection, and nothing sent over it",
    "baseline": "a GET by hand, without DNS: it reads the status and skips the fields",
    "get": "**ours**: a GET by a data task: deadlines, counts, redirects, chunked, keep-alive, "
    "suspend and cancel",
    "full": "**ours**: that, downloads and uploads, resume data, 100 (Continue), the scheduler",
    "opened": "**ours**: the GET of `get` over a socket of the program's, by two buffers of 1,024",
    "ota": "**ours**: firmware that updates itself, by a signed image; stack of one update",
    "tls": "**ours**: a GET over TLS 1.3, with chain, name and dates of the certificate checked",
    "tls-bare": "embedded-tls 0.19: a GET by hand, which takes any certificate",
    "tls-pki": "embedded-tls 0.19 with its own check of certificates: a GET by hand",
    "reqwless": "reqwless 0.14, without TLS: a GET",
    "edge-http": "edge-http 0.8: a GET; neither URLs nor names",
}

# Where the table for people is, and its images, on the first target, in words for who does not know them.
GUIDES = ("README.md", "docs/firmware.md")
SHOWN = {
    "stack": "network stack with DNS, and a connection",
    "get": "GET by a data task",
    "reqwless": "beside it reqwless 0.14: a GET without deadlines, counts and redirects",
    "full": "the data task, downloads, uploads, resume data, scheduler",
}

HEAD = """# Sizes

    examples/firmware/run.py --target all --document

writes this file: it builds every image by itself, runs it in QEMU and takes what it measures.
`examples/firmware/budgets.txt` has the most that each may take, and `run.py` fails above that;
`.ci/run` looks at two images so, `.ci/deep sizes` at all.

Taken on {date} at `{commit}`, {rustc}, opt-level "s", fat LTO, one codegen unit,
`panic = "abort"`, a panic handler that prints nothing of the panic. Every image has DHCP, four
sockets, and for its one connection 4,096 bytes to receive, 1,024 to send and 1,024 for the head,
the peers' as ours. In bytes: *flash* is vectors, code, constants and initial values; *static* is
variables, with all buffers and futures; *stack* is the deepest point of any run once start-up was
over, interrupts included, under `-icount shift=5`. *Time* is that of 4 MiB in milliseconds of the
board, the fastest of three runs, and beside it how many times that of the GET by hand.
"""

BETWEEN = """
What a client costs is what its image has above `stack`. A program links what it uses: `get` has no
scheduler, no ranges and no dates in it, `full` has all.

## RAM

Bytes on thumbv7em. A future is part of the static of the task that awaits it.

"""


def text_of(command):
    """What a program prints."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def number(value):
    """With a comma before three digits, or a dash."""
    return f"{value:,}" if value else "–"


def table(target, measured):
    """The images on one target."""
    by_hand = measured[target, "baseline"].time
    lines = [f"\n## {target}\n"]
    lines.append("| image | flash | above `stack` | static | stack | time | is |")
    lines.append("|---|---:|---:|---:|---:|---:|---|")
    floor = measured[target, "stack"].flash
    for image, what in IMAGES.items():
        one = measured.get((target, image))
        if one is None:
            continue
        above = number(one.flash - floor) if one.flash > floor else "–"
        time = f"{one.time:,} ({one.time / by_hand:.2f})" if one.time else "–"
        figures = [number(one.flash), above, number(one.static), number(one.stack), time]
        lines.append(f"| `{image}` | {' | '.join(figures)} | {what} |")
    return lines


def show(page, target, measured):
    """Puts the figures into a page, between its two marks."""
    path = ROOT / page
    before, rest = path.read_text(encoding="utf-8").split("<!-- sizes -->\n")
    _, after = rest.split("<!-- /sizes -->\n")
    lines = ["<!-- sizes -->", "| image | flash | static RAM | stack |", "|---|---:|---:|---:|"]
    for image, what in SHOWN.items():
        one = measured[target, image]
        figures = [number(one.flash), number(one.static), number(one.stack)]
        lines.append(f"| {what} | {' | '.join(figures)} |")
    lines += ["<!-- /sizes -->", ""]
    path.write_text(before + "\n".join(lines) + after, encoding="utf-8")


def document(measured, budgets):
    """Writes the file from what was measured on all targets."""
    targets = list(dict.fromkeys(target for target, _ in measured))
    for page in GUIDES:
        show(page, targets[0], measured)
    rustc = text_of([os.environ.get("RUSTC", "rustc"), "--version"]).split()
    about = {
        "date": datetime.now(timezone.utc).date(),
        "commit": text_of(["git", "rev-parse", "--short=10", "HEAD"]).strip(),
        "rustc": " ".join(rustc[:2]),
    }
    lines = HEAD.format(**about).splitlines()
    for target in targets:
        lines += table(target, measured)
    lines += BETWEEN.splitlines()
    lines += ["| what | bytes |", "|---|---:|"]
    for line in measured[targets[0], "futures"].said:
        what, bytes_ = line.removeprefix("size ").rsplit(" ", 1)
        lines.append(f"| {what} | {number(int(bytes_))} |")
    lines += ["", "## Budgets", ""]
    lines += ["| target | image | flash | static | stack |", "|---|---|---:|---:|---:|"]
    for (target, image), mosts in budgets.items():
        lines.append(f"| {target} | `{image}` | {' | '.join(number(most) for most in mosts)} |")
    (ROOT / "docs" / "sizes.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
