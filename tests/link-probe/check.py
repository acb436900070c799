#!/usr/bin/env python3
"""What `run` asks beside its links.

    check.py names CORE PROBE   is every public function of the core named in the probe?
    check.py image IMAGE        does the image need an allocator, or anything of std?
    check.py panics IMAGE       where the calls stand that can panic
"""

import pathlib
import re
import struct
import subprocess
import sys

# Public functions that the probe need not call, each with the reason.
LEFT_OUT = {
    "GrowableScheduler::growable": "feature alloc: its storage is a Vec",
}

# All that an image may ask of its platform: to move and compare memory.
PLATFORM = {"memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"}
ALLOCATOR = re.compile(
    r"__(rust|rg|rdl)_\w*alloc|^(malloc|calloc|realloc|free|posix_memalign|aligned_alloc)$"
    r"|^_ZN(5alloc|3std)|Cs\w*_(5alloc|3std)"
)


def public_functions(core):
    """The names of the core's public functions, as Type::name or name."""
    for path in sorted(pathlib.Path(core).rglob("*.rs")):
        text = path.read_text(encoding="utf-8").split("#[cfg(test)]\nmod tests {")[0]
        kind = None
        for line in text.splitlines():
            # A trait's functions are not `pub`: of those, Default::default counts as public.
            found = re.match(r"impl(?:<[^>]*>)? (Default for )?([A-Z]\w*)", line)
            if found:
                kind = found[2]
                if found[1]:
                    yield "%s::default" % kind
            elif line == "}":
                kind = None
            found = re.match(r"\s*pub (?:const |async |unsafe )*fn (\w+)", line)
            if found:
                yield "%s::%s" % (kind, found[1]) if kind else found[1]


def names(core, probe):
    called = "\n".join(path.read_text(encoding="utf-8") for path in pathlib.Path(probe).glob("*.rs"))
    functions = set(public_functions(core))
    missing = [
        name
        for name in sorted(functions - set(LEFT_OUT))
        if not re.search(r"(?<![\w:])%s\(" % re.escape(name), called)
    ]
    stale = sorted(set(LEFT_OUT) - functions)
    if missing or stale:
        sys.exit("not called by the probe: %s; left out, but gone: %s" % (missing, stale))
    print("%d public functions of the core, all called" % len(functions))


def image(path):
    lines = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    for line in lines.splitlines():
        found = re.match(r"[0-9a-f ]+ ([A-Za-z]) (\S+)", line)
        if not found:
            continue  # the rest of the name of a probe, which is a text of several lines
        kind, name = found[1], found[2].split("@")[0]
        if kind in "Uw" and name not in PLATFORM:
            sys.exit("%s needs %s" % (path, name))
        if ALLOCATOR.search(name):
            sys.exit("%s has %s: an allocator, or std" % (path, name))


def loaded(data):
    """The parts of an ELF file that are loaded: address and bytes."""
    wide = data[4] == 2
    table, size, count = (32, 54, 56) if wide else (28, 42, 44)
    start = struct.unpack_from("<Q" if wide else "<I", data, table)[0]
    size, count = (struct.unpack_from("<H", data, at)[0] for at in (size, count))
    for at in range(start, start + size * count, size):
        if wide:
            kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, at)
        else:
            kind, offset, address, _, length = struct.unpack_from("<IIIII", data, at)
        if kind == 1:
            yield address, data[offset : offset + length]


def panics(path):
    """Prints each core::panic::Location: address and length of a file name, line, column."""
    data = pathlib.Path(path).read_bytes()
    parts = list(loaded(data))
    word, layout = (8, "<QQII") if data[4] == 2 else (4, "<IIII")

    def text(address, length):
        for start, part in parts:
            if start <= address < start + len(part) and length < 400:
                return part[address - start : address - start + length]
        return b""

    found = set()
    for _, part in parts:
        for at in range(0, len(part) - struct.calcsize(layout) + 1, word):
            address, length, line, column = struct.unpack_from(layout, part, at)
            name = text(address, length)
            if name.endswith(b".rs"):
                found.add("%s:%d:%d" % (name.decode(errors="replace"), line, column))
    print("\n".join(sorted(found)) or "no location is left")


if __name__ == "__main__":
    {"names": names, "image": image, "panics": panics}[sys.argv[1]](*sys.argv[2:])
