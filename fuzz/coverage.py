#!/usr/bin/env python3
"""Which lines of the core, and of the check of certificates, the inputs of the fuzz targets reach.

    python3 fuzz/coverage.py [CORPORA]              seeds, and CORPORA/TARGET of each target
    python3 fuzz/coverage.py --tests [PACKAGE...]   what the tests of packages reach, to compare

Prints the lines that nothing reaches, a table by file, and the total of the core. Needs
llvm-profdata and llvm-cov of the major version of LLVM that `rustc -vV` names; Debian's llvm-22,
say.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "coverage"
CORE = pathlib.Path("core/src")
# What is looked at beside the core, and not a part of the total.
BESIDE = (pathlib.Path("runtime-embassy/src/tls/x509.rs"),)
# Compiled for tests alone.
TESTS = re.compile(r"/tests(/|\.rs$)|/random\.rs$")


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, **options)


def llvm(tool):
    version = run("rustc", "-vV", stdout=subprocess.PIPE).stdout
    major = re.search(r"LLVM version: (\d+)", version)[1]
    for name in "%s-%s" % (tool, major), tool:
        if shutil.which(name):
            return name
    sys.exit("%s of LLVM %s is missing: apt-get install llvm-%s" % (tool, major, major))


def build(*arguments):
    """Compiles with counters. Returns the programs."""
    environment = dict(
        os.environ,
        RUSTFLAGS="-Cinstrument-coverage",
        CARGO_TARGET_DIR=str(WORK),
        CARGO_PROFILE_RELEASE_OPT_LEVEL="1",
        CARGO_PROFILE_RELEASE_DEBUG="0",
    )
    # Build scripts and macros are instrumented, too; what they count is of no interest.
    environment["LLVM_PROFILE_FILE"] = str(WORK / "ignored" / "%p.profraw")
    said = run(
        "cargo", *arguments, "--message-format=json", env=environment, stdout=subprocess.PIPE,
        cwd=ROOT,
    ).stdout
    messages = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return [message["executable"] for message in messages if message.get("executable")]


def counted(program, *arguments):
    """Runs it. What it counts lies beside it."""
    environment = dict(os.environ, LLVM_PROFILE_FILE=program + ".profraw")
    run(
        program, *arguments, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, cwd=ROOT,
    )


def play_inputs(corpora):
    """Each target on each of its inputs, once."""
    programs = build("build", "--release", "--bins", "--manifest-path", "fuzz/Cargo.toml")
    inputs = 0
    for program in programs:
        target = pathlib.Path(program).name
        folders = [folder / target for folder in (ROOT / "fuzz" / "seeds", corpora)]
        folders = [folder for folder in folders if folder.is_dir()]
        inputs += sum(len(list(folder.iterdir())) for folder in folders)
        counted(program, "-runs=0", *folders)
    return programs, "%d inputs of %d fuzz targets" % (inputs, len(programs))


def play_tests(packages):
    chosen = [word for package in packages for word in ("-p", package)]
    programs = build("test", "--no-run", *chosen)
    for program in programs:
        counted(program)
    return programs, "the tests of " + ", ".join(packages)


def code_lines(path):
    """How many lines are before the tests that stand in the same file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line == "#[cfg(test)]" and re.match(r"(pub\(\w+\) )?mod \w+ \{", lines[number + 1]):
            return number
    return len(lines)


def measure(programs):
    """Of each file, the lines with code, and whether something reaches them."""
    files = {}
    for program in programs:
        # One at a time: a generic function is another one in each program.
        data = program + ".profdata"
        run(llvm("llvm-profdata"), "merge", "-sparse", program + ".profraw", "-o", data)
        said = run(
            llvm("llvm-cov"), "export", "-format=lcov", "-instr-profile", data, program,
            stdout=subprocess.PIPE,
        ).stdout
        add_lines(files, said)
    return files


def add_lines(files, tracefile):
    lines, most = {}, 0
    for line in tracefile.splitlines():
        kind, _, rest = line.partition(":")
        if kind == "SF":
            path = pathlib.Path(rest)
            within = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            is_core = within.is_relative_to(CORE) and not TESTS.search(rest)
            is_counted = is_core or within in BESIDE
            most = code_lines(path) if is_counted else 0
            lines = files.setdefault(within, {}) if is_counted else {}
        elif kind == "DA":
            number, count = (int(word) for word in rest.split(",")[:2])
            if number <= most:
                lines[number] = lines.get(number, 0) + count


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--tests"]:
        programs, what = play_tests(arguments[1:] or ["sortie-core"])
    else:
        corpora = pathlib.Path(*arguments[:1] or [ROOT / "target" / "fuzz-corpus"])
        programs, what = play_inputs(corpora)
    files = measure(programs)
    for path, lines in sorted(files.items()):
        text = (ROOT / path).read_text(encoding="utf-8").splitlines()
        for number in sorted(number for number, count in lines.items() if count == 0):
            print("%s:%d: %s" % (path, number, text[number - 1].strip()))
    all_lines, all_reached = 0, 0
    for path, lines in sorted(files.items()):
        reached = sum(count > 0 for count in lines.values())
        print("%-40s %5d of %5d" % (path, reached, len(lines)))
        if path.is_relative_to(CORE):
            all_lines += len(lines)
            all_reached += reached
    share = 100 * all_reached / all_lines
    print("%s reach %d of %d lines of core, %.2f %%" % (what, all_reached, all_lines, share))


if __name__ == "__main__":
    main()
