"""Building an image for a target, and running it in QEMU.

The environment may name other programs: CARGO (else `cargo`), and QEMU (else the emulator of the
target's board).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
CARGO = os.environ.get("CARGO", "cargo")

# Images that no feature belongs to.
FEATURELESS = ("baseline", "decode", "peaks")


class Board(NamedTuple):
    """What runs the images of a target."""

    emulator: str
    package: str  # of Debian, that has it
    options: list[str]
    ram: int  # as its memory map has it


LARGE = 128 << 10
ARM = "qemu-system-arm"
LAN9118 = ["-nic", "user,model=lan9118"]
VIRTIO = ["-netdev", "user,id=n", "-device", "virtio-net-device,netdev=n,bus=virtio-mmio-bus.0"]

# A Cortex-M3 runs code for the smaller M0 as well.
BOARDS = {
    "thumbv7em-none-eabihf": Board(ARM, ARM, ["-M", "mps2-an386", *LAN9118], 64 << 10),
    "thumbv7m-none-eabi": Board(ARM, ARM, ["-M", "mps2-an385", *LAN9118], 64 << 10),
    "thumbv6m-none-eabi": Board(ARM, ARM, ["-M", "mps2-an385", *LAN9118], 64 << 10),
    "riscv32imac-unknown-none-elf": Board(
        "qemu-system-riscv32",
        "qemu-system-misc",
        ["-M", "virt", "-bios", "none", *VIRTIO],
        80 << 10,
    ),
}


def add_target(parser):
    """Adds the option that chooses targets."""
    choices = [*BOARDS, "all"]
    parser.add_argument("--target", choices=choices, default=choices[0], help="%(default)s")


def targets(name):
    """The targets that the option names, with what they need looked for."""
    chosen = list(BOARDS) if name == "all" else [name]
    if shutil.which(CARGO) is None:
        sys.exit(f"{CARGO} is not there: install Rust, as https://rustup.rs has it")
    rustc = os.environ.get("RUSTC", "rustc")
    for target in chosen:
        board = BOARDS[target]
        emulator = os.environ.get("QEMU", board.emulator)
        if shutil.which(emulator) is None:
            sys.exit(f"{emulator} is not there: sudo apt-get install {board.package}")
        command = [rustc, "--print", "target-libdir", "--target", target]
        folder = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
        if not folder or not list(Path(folder.strip()).glob("libcore-*.rlib")):
            sys.exit(f"{rustc} cannot compile for {target}: rustup target add {target}")
    return chosen


def ram(target, image):
    """Bytes of RAM that an image is linked for: see build.rs."""
    return LARGE if image == "tls-pki" else BOARDS[target].ram


def build(target, image):
    """Builds an image for `target` by itself, so that nothing is on for it but what it names.

    Returns the path of its ELF file.
    """
    command = [CARGO, "build", "--release", "--bin", image, "--target", target]
    command += ["--message-format", "json-render-diagnostics", "--locked"]
    command += [] if image in FEATURELESS else ["--features", image]
    done = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the build of {image} for {target} failed")
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return next(m["executable"] for m in messages if m.get("executable"))


# Virtual time advances with the instructions run, so that interrupts, and with them the stack, fall
# alike in each run. It is ahead of the host's by as much as the host is fast.
COUNTED = ("-icount", "shift=5")


def command_line(target, image, arguments, clock=COUNTED):
    """What runs the image, by that clock: without one by the host's."""
    board = BOARDS[target]
    semihosting = ["enable=on", "target=native", "chardev=out", "arg=fw"]
    semihosting += [f"arg={argument}" for argument in arguments]
    command = [os.environ.get("QEMU", board.emulator), *board.options]
    command += ["-nographic", "-monitor", "none", "-serial", "null"]
    command += ["-chardev", "stdio,id=out", *clock]
    return [*command, "-semihosting-config", ",".join(semihosting), "-kernel", image]


def emulate(target, image, arguments, seconds, clock=COUNTED):
    """Runs the image, and returns its exit status (None: it hung) and what it printed."""
    command = command_line(target, image, arguments, clock)
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    try:
        done = subprocess.run(command, **streams, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as hung:
        return None, (hung.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout


def values(lines, what):
    """The numbers that lines which begin with that word end with."""
    return [int(line.split()[-1]) for line in lines if line.split()[:1] == [what]]
