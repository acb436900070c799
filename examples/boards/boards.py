#!/usr/bin/env python3
"""Links the program of every board for its target, and measures it: boards.py [--document] [BOARD...]

Exits with 0 if all of them link. `--document` writes the figures to docs/boards.md, with the versions
that the lock files have. The boards themselves are not needed, and nothing is flashed.

The environment may name other programs: CARGO (else `cargo`), RUSTC (else `rustc`).
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.append(str(HERE.parent / "firmware"))

from size import size  # noqa: E402 (it is in the folder beside)

CARGO = os.environ.get("CARGO", "cargo")
RUSTC = os.environ.get("RUSTC", "rustc")
MARKS = "<!-- boards -->\n", "<!-- /boards -->\n"


class Board(NamedTuple):
    """One board: a folder beside this file."""

    name: str
    target: str
    network: str
    crates: list[str]  # whose versions matter: the HAL and the driver


BOARDS = {
    "w5500-evb-pico": Board(
        "WIZnet W5500-EVB-Pico (RP2040)",
        "thumbv6m-none-eabi",
        "W5500 on SPI",
        ["embassy-rp", "embassy-net-wiznet"],
    ),
    "nucleo-f429zi": Board(
        "ST Nucleo-F429ZI (STM32F429)",
        "thumbv7em-none-eabihf",
        "Ethernet of the chip, RMII",
        ["embassy-stm32"],
    ),
    "esp32-c6": Board(
        "Espressif ESP32-C6-DevKitC-1",
        "riscv32imac-unknown-none-elf",
        "Wi-Fi of the chip",
        ["esp-hal", "esp-radio", "esp-rtos"],
    ),
}


def link(board):
    """Links a board's program; returns the path of its ELF file, or None."""
    command = [CARGO, "build", "--release", "--locked", "--target", BOARDS[board].target]
    command += ["--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, cwd=HERE / board, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        return None
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return next(m["executable"] for m in messages if m.get("executable"))


def versions(board):
    """The versions of what matters on a board, as its lock file has them."""
    lock = tomllib.loads((HERE / board / "Cargo.lock").read_text(encoding="utf-8"))
    found = {package["name"]: package["version"] for package in lock["package"]}
    return ", ".join(f"{name} {found[name]}" for name in [*BOARDS[board].crates, "embassy-net"])


def row(board, elf):
    """A board's row of the table."""
    name, target, network, _ = BOARDS[board]
    flash, static = size(elf)
    link_ = f"[{name}](../examples/boards/{board})"
    return f"| {link_} | `{target}` | {network} | {versions(board)} | {flash:,} | {static:,} |\n"


def document(rows):
    """Writes the table to docs/boards.md."""
    page = ROOT / "docs" / "boards.md"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    version = subprocess.run([RUSTC, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    version = version.stdout.split()[1]
    commit = ["git", "rev-parse", "--short=10", "HEAD"]
    commit = subprocess.run(commit, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    table = "| board | target | network | crates | flash | static |\n|---|---|---|---|---:|---:|\n"
    taken = f"Taken on {date.today()} at `{commit.strip()}`, rustc {version}.\n\n"
    page.write_text(before + MARKS[0] + taken + table + "".join(rows) + MARKS[1] + after, "utf-8")


def main():
    """Links the boards asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    help_ = "write the table of docs/boards.md; needs all"
    parser.add_argument("--document", action="store_true", help=help_)
    parser.add_argument("boards", nargs="*", metavar="BOARD", help=", ".join(BOARDS))
    options = parser.parse_args()
    if unknown := set(options.boards) - set(BOARDS):
        sys.exit(f"no board {', '.join(unknown)}")
    chosen = options.boards or list(BOARDS)
    if options.document and set(chosen) != set(BOARDS):
        sys.exit("--document needs all boards")
    linked = {board: elf for board in chosen if (elf := link(board))}
    rows = [row(board, elf) for board, elf in linked.items()]
    print("".join(rows), end="")
    if failed := [board for board in chosen if board not in linked]:
        sys.exit(f"{len(failed)} of {len(chosen)} boards do not link: {', '.join(failed)}")
    if options.document:
        document(rows)
    sizes = [f"{board} {size(elf).flash} bytes of flash" for board, elf in linked.items()]
    print(f"{len(linked)} of {len(chosen)} boards link: {', '.join(sizes)}")


if __name__ == "__main__":
    main()
