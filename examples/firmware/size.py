#!/usr/bin/env python3
"""How much memory an image takes, read from its ELF file: size.py IMAGE..."""

import struct
import sys
from pathlib import Path
from typing import NamedTuple

NOBITS = 8  # section type: takes memory, but no room in the file
WRITE, ALLOC = 1, 2  # section flags: is variable; is in memory at all
STACK = b".stack"  # a section where riscv-rt's linker script has what is left of the RAM


class Size(NamedTuple):
    """Bytes of an image."""

    flash: int  # vectors, code, constants, and the initial values of variables
    static: int  # variables; the stack comes on top


def size(path):
    """The size of the 32-bit little-endian ELF file at `path`."""
    elf = Path(path).read_bytes()
    if elf[:6] != b"\x7fELF\x01\x01":
        raise ValueError(f"{path}: not a 32-bit little-endian ELF file")
    (table,) = struct.unpack_from("<I", elf, 32)
    entry, entries, of_names = struct.unpack_from("<HHH", elf, 46)
    (names,) = struct.unpack_from("<I", elf, table + of_names * entry + 16)
    flash = static = 0
    for index in range(entries):
        name, kind, flags, _, _, length = struct.unpack_from("<6I", elf, table + index * entry)
        if elf[names + name :].startswith(STACK + b"\0"):
            continue
        if flags & ALLOC and kind != NOBITS:
            flash += length
        if flags & ALLOC and flags & WRITE:
            static += length
    return Size(flash, static)


def main():
    """Prints a table of the images named as arguments."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(f"{'flash':>8}{'static':>8}  image")
    for path in sys.argv[1:]:
        flash, static = size(path)
        print(f"{flash:8}{static:8}  {path}")


if __name__ == "__main__":
    main()
