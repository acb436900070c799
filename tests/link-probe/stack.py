#!/usr/bin/env python3
"""The most stack that each public function of the core can take on a Cortex-M4.

    stack.py IMAGE               the table, of an image of this probe, held against stack.txt
    stack.py IMAGE --document    the same, and docs/stack.md

Frames are read from the disassembly: what a function pushes, and what it takes off `sp`. They are
added up along calls, of which the deepest chain counts. Behind a call through a register may be
whatever the core has pointers to, by a table below. Recursion is refused, and so is whatever else
writes `sp`. So a figure is either no less than what can happen, or not there.
"""

import argparse
import bisect
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
BUDGETS = HERE / "stack.txt"
DOCUMENT = HERE.parent.parent / "docs" / "stack.md"
CORE = HERE.parent.parent / "core" / "src"
FIRMWARE = HERE.parent.parent / "examples" / "firmware"
BOARD = "thumbv7em-none-eabihf"

# Images that paint their stack, and what each says of a function that it measures: its name there,
# the public function that it calls, and the peak. `decode` measures one, and says the peak alone.
PAINTERS = {
    "decode": r"^stack (?P<peak>\d+)$",
    "peaks": r"^peak (?P<name>\w+) (?P<public>\S+) (?P<peak>\d+)$",
}
DECODE = {"name": "measure", "public": "Task::handle_head"}

# So many bytes below the stack pointer are not painted: src/board/stack.rs.
UNPAINTED = 32

# Formatting goes through pointers of core::fmt: what is written for people has no row.
FORMATS = re.compile(r"^probe write!")

# What the core calls through pointers, so that a program links only what it makes use of: the fields
# that are pointers, and the one function that each leads to.
POINTERS = {
    "judge": "Task::judge",
    "begin": "body::begin",
    "io": "body::io",
    "encode": "body::encode",
    "handle_sent": "body::handle_sent",
    "describe": "RequestTraits::describe_body",
}
# Which of them are called by a function, or by what it was made a part of: by its name, with that of
# a probe. Of any other name all of them may be called.
BEHIND = [
    (r"\bTask::inspect\b|::deliver_or_judge$", ["judge"]),
    (r"\bio\b|::encode_behind\b", ["io"]),
    (r"::handle_sent\b", ["handle_sent"]),
    (r"::body_stage$|::go_on$|::handle_timeout\b|::handle_head\b", ["begin"]),
    (r"::encode\b|::request_head$", ["begin", "encode", "describe"]),
]
# Nothing is here: the probe is linked without what its panic handler calls. What a panic takes is
# its handler's, in whichever program.
NOWHERE = 0

INSTRUCTION = re.compile(r"^\s+([0-9a-f]+):\s+(\S+)\s*(.*?)(?:\s*[<@;].*)?$")
TARGET = re.compile(r"(?:^|\s)0x([0-9a-f]+)")
# To the start of a function, with `lr` set or, where it is the last thing that is done, without.
CALLS = re.compile(r"^(bl|b|b\.w|b[a-z]{2}(\.w)?|bl[a-z]{2}|cbz|cbnz)$")
NO_CALL = {"bx", "blx", "bic", "bics", "bfi", "bfc", "bkpt"}
THROUGH = re.compile(r"^(blx|bx)([a-z]{2})?$")
# What gives stack back, or is no matter of it.
RETURNS = re.compile(r"^(add|mov|ldr|ldrd|ldm|pop|vpop)")


class Painted(NamedTuple):
    """A public function, as an image measured it."""

    public: str
    image: str
    computed: int  # by the disassembly of the image
    peak: int


class Refused(Exception):
    """What cannot be bounded, and why."""


class Function:
    """A function: what it takes by itself, and whom it calls."""

    def __init__(self, name):
        self.name = name
        self.frame = 0
        self.calls = set()
        self.unknown = []  # calls through a register
        self.wrong = []  # writes of sp that are not understood


def registers(operands):
    """How many registers a list in braces has."""
    count = 0
    for part in operands[operands.index("{") + 1 : operands.index("}")].split(","):
        first, _, last = part.strip().partition("-")
        count += 1 + (int(last[1:]) - int(first[1:]) if last else 0)
    return count


def taken(operation, operands):
    """The bytes that one instruction takes off sp; None if it writes sp in another way."""
    if operation.startswith("push"):
        return 4 * registers(operands)
    if operation.startswith("vpush"):
        return (8 if "{d" in operands else 4) * registers(operands)
    if re.match(r"^(stmdb|stmfd)", operation) and operands.startswith("sp!"):
        return 4 * registers(operands)
    written = re.match(r"^sub\w*(?:\.w)?$", operation) and re.match(
        r"^sp, (?:(\w+), )?#(0x[0-9a-f]+|\d+)$", operands
    )
    if written:
        # From another register it is the end of a function with a frame pointer.
        return int(written[2], 0) if written[1] in (None, "sp") else 0
    before = re.search(r"\[sp, #-(0x[0-9a-f]+|\d+)\]!", operands)
    if before:
        return int(before[1], 0)
    if re.match(r"^sp\b(?!!?\])", operands) and not RETURNS.match(operation):
        if not re.match(r"^(cmp|tst|str|vstr|stm)", operation):
            return None
    if re.search(r"\[sp(, \w+)?\]!|\[sp, r\w+\]!", operands):
        return None
    return 0


def plain(name):
    """The last words of a mangled name."""
    is_new = name.startswith("_R")
    if not is_new and not name.startswith("_ZN"):
        return name
    name = re.sub(r"Cs[0-9A-Za-z]+_", "C", name)  # a crate's number
    words, at = [], 0
    while found := re.search(r"\d+_?" if is_new else r"\d+", name[at:]):
        begin = at + found.end()
        at = begin + int(found[0].rstrip("_"))
        words.append(name[begin:at])
    kept = [shown(word) for word in words if not re.fullmatch(r"h[0-9a-f]{16}", word)]
    return "::".join(kept[-2:])


def shown(word):
    """A word of a mangled name, as people write it: of an impl its type."""
    signs = {"$LT$": "<", "$GT$": ">", "$u20$": " ", "$RF$": "&", "$C$": ",", "..": "::"}
    for sign, text in signs.items():
        word = word.replace(sign, text)
    path = r"(?:\w+::)*(\w+)"
    found = re.match(rf"_?<impl {path}", word) or re.match(rf"_?<{path}", word)
    return found[1] if found else re.sub(r"<.*", "", word)


def symbols(image):
    """The functions of an ELF file for such a board: address, length and name of each."""
    data = Path(image).read_bytes()
    if data[:6] != b"\x7fELF\x01\x01":
        sys.exit(f"{image} is not an ELF file of 32 bits")
    (table,) = struct.unpack_from("<I", data, 32)
    size, count = struct.unpack_from("<HH", data, 46)
    sections = [struct.unpack_from("<10I", data, table + size * at) for at in range(count)]
    for section in sections:
        if section[1] != 2:  # SHT_SYMTAB
            continue
        texts = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], 16):
            name, address, length, info, _, _ = struct.unpack_from("<IIIBBH", data, at)
            if info & 15 == 2 and length > 0:  # STT_FUNC
                text = data[texts + name : data.index(b"\0", texts + name)].decode()
                yield address & ~1, length, plain(" ".join(text.split()))


def read(image):
    """The functions of an image, by address."""
    functions, ends = {}, {}
    for address, length, name in symbols(image):
        # Some have two names: the one of a probe says more.
        if address not in functions or name.startswith("probe "):
            functions[address] = Function(name)
            ends[address] = address + length
    starts = sorted(functions)
    tool = next(filter(shutil.which, ["llvm-objdump", "llvm-objdump-22"]), None)
    if tool is None:
        sys.exit("llvm-objdump is not there: install llvm")
    command = [tool, "-d", "--no-show-raw-insn", image]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        found = INSTRUCTION.match(line)
        if not found or not starts:
            continue
        address = int(found[1], 16)
        start = starts[max(bisect.bisect_right(starts, address) - 1, 0)]
        if not start <= address < ends[start]:
            continue  # data between functions
        take(functions, ends, start, found[2], found[3])
    return functions


def take(functions, ends, start, operation, operands):
    """Notes what one instruction of the function at `start` does to the stack."""
    function = functions[start]
    count = taken(operation, operands)
    if count is None:
        function.wrong.append(f"{operation} {operands}")
    function.frame += count or 0
    if THROUGH.match(operation) and operands != "lr":
        function.unknown.append(f"{operation} {operands}")
    elif operation.startswith(("ldr", "mov")) and operands.startswith("pc,"):
        function.unknown.append(f"{operation} {operands}")
    elif CALLS.match(operation) and operation not in NO_CALL and (to := TARGET.search(operands)):
        to = int(to[1], 16)
        if to == NOWHERE:
            return
        if to in functions and (to != start or operation.startswith("bl")):
            function.calls.add(to)
        elif to not in functions and not start <= to < ends[start]:
            function.wrong.append(f"{operation} {operands}, which no function begins with")


def deepest(functions, address, above=()):
    """The most stack from a function on, and the chain that takes it."""
    function = functions[address]
    known = getattr(function, "deepest", None)
    if known:
        return known
    if address in above:
        raise Refused(f"recursion: {function.name}")
    if function.wrong:
        raise Refused(f"{function.name}: {function.wrong[0]}")
    callees = set(function.calls)
    if function.unknown:
        fields = next((what for name, what in BEHIND if re.search(name, function.name)), POINTERS)
        behind = {POINTERS[field] for field in fields}
        # One that is not in an image cannot be called in it.
        callees |= {at for at, other in functions.items() if other.name in behind}
    most, chain = 0, []
    for callee in callees:
        depth, below = deepest(functions, callee, (*above, address))
        if depth > most or not chain:
            most, chain = depth, below
    function.deepest = (function.frame + most, [function.name, *chain])
    return function.deepest


def check_pointers(linked):
    """Whether the pointers of the core are those that are known here, and lead where they did."""
    texts = (path.read_text(encoding="utf-8") for path in CORE.rglob("*.rs"))
    fields = {name for text in texts for name in re.findall(r"^ +(?:pub\S* )?(\w+): fn\(", text, re.M)}
    if fields != set(POINTERS):
        raise Refused(f"pointers to functions that are not known: {fields ^ set(POINTERS)}")
    if missing := set(POINTERS.values()) - linked:
        raise Refused(f"functions behind pointers are not there: {missing}")


def called(name):
    """The public function that a probe is for."""
    plain = name.removeprefix("probe ").split(" = ")[-1]
    return plain.split("(")[0]


def table(functions):
    """By public function: the most stack, and the chain."""
    rows = {}
    for address, function in functions.items():
        if not function.name.startswith("probe ") or FORMATS.match(function.name):
            continue
        name, taken_most = called(function.name), deepest(functions, address)
        rows[name] = max(rows.get(name, taken_most), taken_most)
    return rows


def budgets():
    """The most that functions may take: those named, and the rest."""
    lines = BUDGETS.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return {name: int(most) for name, most in rows}


def judge(rows):
    """What is wrong with the figures, in words."""
    mosts = budgets()
    other = mosts.pop("other")
    for name, (depth, _) in sorted(rows.items()):
        most = mosts.pop(name, other)
        if depth > most:
            yield f"{name} takes {depth} bytes, and may take {most}"
        elif most > other and depth <= other:
            yield f"{name} takes {depth} bytes: it needs no budget of its own"
    yield from (f"{name} has a budget, and no row" for name in mosts)


def painted():
    """Of each function that an image measures: the public function in it, what it takes by the
    disassembly of that image, and what it painted in QEMU."""
    sys.path.insert(0, str(FIRMWARE))
    import run  # pylint: disable=import-outside-toplevel

    rows = []
    for image, line in PAINTERS.items():
        path = run.build(BOARD, image)
        functions = read(path)
        starts = {function.name: at for at, function in functions.items()}
        status, output = run.emulate(BOARD, path, ["0"], run.SECONDS)
        found = [match.groupdict() for match in re.finditer(line, output, re.MULTILINE)]
        if status != 0 or not found:
            sys.exit(f"{image} failed: {output}")
        for said in found:
            said = {**DECODE, **said}
            start = starts[f"{image}::{said['name']}"]
            # The image counts from below the frame of the function that it measures in.
            computed = deepest(functions, start)[0] - functions[start].frame
            rows.append(Painted(said["public"], image, computed, int(said["peak"])))
    return rows


def doubts(rows, measured):
    """Which figures are below what was painted, in words."""
    for public, image, computed, peak in measured:
        if peak <= UNPAINTED:
            continue
        for figure, where in [(computed, f"in {image}"), (rows[public][0], "of the link probe")]:
            if figure < peak:
                yield f"{public}: {figure} by the disassembly {where}, and painted were {peak}"


def document(rows, measured):
    """Writes docs/stack.md."""
    mosts = budgets()
    other = mosts["other"]
    large = sorted(rows.items(), key=lambda row: (-row[1][0], row[0]))
    lines = [
        "# Stack",
        "",
        "    tests/link-probe/run stack --document",
        "",
        "writes this file. It links the link probe, in which every public function of the core is",
        f"called with arguments of which nothing is known, for {BOARD} at opt-level `s`",
        "with fat LTO; reads from the disassembly what each function takes off the stack pointer; and",
        "adds that up along the calls. Behind a call through a register may be any function that the core",
        "has a pointer to. Recursion would be refused: there is none, but in what writes texts for people,",
        "which is `core::fmt`. The figure is the most that a call can take, with a caller that keeps",
        "its result, and with the way to a panic, where other code has one. What a panic",
        "handler takes is not in it.",
        "",
        "The way to trust: the images `decode` and `peaks` paint their stack in QEMU right before a call",
        "of a public function, each in a function of its own, and tell how deep it went. A figure below",
        "what was painted fails the run, be it of that image by the same reckoning or of the link probe;",
        "and so does one above its budget, which `tests/link-probe/stack.txt` has. With other arguments",
        f"a call may go deeper than it did here. Up to {UNPAINTED} bytes are not painted.",
        "",
        "| function | painted | in | reckoned there | by the link probe |",
        "|---|---:|---|---:|---:|",
    ]
    for public, image, computed, peak in sorted(measured):
        lines.append(f"| `{public}` | {peak:,} | `{image}` | {computed:,} | {rows[public][0]:,} |")
    lines += [
        "",
        f"Of {len(rows)} functions {len(rows) - sum(d > other for d, _ in rows.values())} take at most "
        f"{other} bytes. The others:",
        "",
        "| function | bytes | budget | the deepest chain below it |",
        "|---|---:|---:|---|",
    ]
    for name, (depth, chain) in large:
        if depth > other:
            below = ", ".join(f"`{word}`" for word in chain[1:]) or "–"
            lines.append(f"| `{name}` | {depth:,} | {mosts[name]:,} | {below} |")
    DOCUMENT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    """Checks an image of the probe."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image")
    parser.add_argument("--document", action="store_true", help="write docs/stack.md")
    options = parser.parse_args()
    try:
        functions = read(options.image)
        check_pointers({function.name for function in functions.values()})
        rows = table(functions)
        measured = painted()
    except Refused as why:
        sys.exit(f"stack: refused: {why}")
    for name, (depth, chain) in sorted(rows.items(), key=lambda row: row[1][0]):
        print(f"{depth:6} {name}: {' > '.join(chain[1:])}")
    wrong = list(judge(rows))
    wrong += doubts(rows, measured)
    if wrong:
        sys.exit("\n".join(["stack:", *wrong]))
    if options.document:
        document(rows, measured)
    name, (depth, _) = max(rows.items(), key=lambda row: row[1][0])
    task = max((row for row in rows.items() if row[0].startswith("Task::")), key=lambda r: r[1][0])
    print(
        f"{len(rows)} public functions within their budgets, at most {depth} bytes (`{name}`), of a "
        f"task {task[1][0]} (`{task[0]}`); no less than {len(measured)} peaks painted in QEMU, at "
        f"most {max(row.peak for row in measured)}"
    )


if __name__ == "__main__":
    main()
