#!/usr/bin/env python3
"""Updates the image `ota` in QEMU, and cuts its power: QEMU is killed, and started again.

The flash is a file. After each kill what it holds is judged here, by the documented bytes of the
journal and by nothing of the program: which slot boots, that a whole and right image is in it, that
the good one is untouched. Then come servers that lie, and images that do not work. Exits with 0 if
all of it came to what it should.
"""

import argparse
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import chip
from qemu import BOARDS, add_target, build, command_line, targets, values
from releases import File, Updates, image, manifest, put
from servers import nginx
from size import size

SECONDS = 120  # for one run, which takes a few
LENGTH = (1 << 20) + 123  # of an image: it ends within a word
SMALL = 100_000 + 123  # of one where it is not about time
A, B = 0, 1

# What the program prints, in the order of an update. The number is that of bytes.
MARKS = (
    "boots A",
    "offered",
    r"(?:receives from|stored) (\d+)",
    "whole",
    "staged",
    "restarts",
    "boots B",
    "checks itself",
    "confirmed",
    "up to date",
)
DOWNLOAD, STAGED, RESTARTS = 2, 4, 5
AIMED = ("whole", "staged", "restarts", "boots B", "checks itself", "confirmed")


class Wrong(Exception):
    """Something that must not be."""


def place(line):
    """Where in an update a line is printed; None: anywhere."""
    for number, mark in enumerate(MARKS):
        if found := re.match(mark, line):
            return number, int(found[1]) if found.groups() else 0
    return None


def name(where):
    """That place, in words."""
    number, count = where
    return f"stored {count}" if number == DOWNLOAD else MARKS[number]


class Moment(NamedTuple):
    """When the power is lost: so many seconds behind that place; or behind the start."""

    behind: tuple | None
    seconds: float


class Device:
    """A board and its chip."""

    def __init__(self, target, elf, work, first, seed):
        self.command = (target, elf)
        self.work, self.file = work, work / "flash"
        self.images = [first]
        self.file.write_bytes(chip.factory(first, seed))
        self.lines, self.times, self.process, self.began = [], [], None, 0.0
        self.news = threading.Condition()
        self.halves = 0  # cuts that left a sector half erased or half written

    @property
    def content(self):
        """What is in the flash."""
        return self.file.read_bytes()

    def start(self, port):
        """The power comes."""
        self.lines, self.times, self.began = [], [], time.monotonic()
        command = command_line(*self.command, [port, self.file.name])
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(
            command, cwd=self.work, stderr=subprocess.STDOUT, text=True, **streams
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        """Takes what it prints."""
        for line in self.process.stdout:
            with self.news:
                self.lines.append(line.strip())
                self.times.append(time.monotonic() - self.began)
                self.news.notify_all()

    def has_come_to(self, where):
        """Whether a line at that place, or behind it, was printed."""
        return any((place(line) or (-1, 0)) >= where for line in self.lines)

    def lose_power(self, moment):
        """The power goes at that moment. False if the run ended before."""
        if moment.behind:
            with self.news:
                is_there = lambda: self.has_come_to(moment.behind) or self.has_ended()  # noqa: E731
                while not is_there():
                    if time.monotonic() - self.began > SECONDS:
                        raise Wrong(f"nothing came of it: {self.lines}")
                    self.news.wait(0.5)
        time.sleep(moment.seconds)
        went_on = not self.has_ended()
        self.process.kill()
        self.process.wait()
        self.reader.join()
        return went_on

    def has_ended(self):
        """Whether the program ended by itself."""
        return self.process.poll() is not None

    def run(self, port):
        """A run with the power on. Returns what it printed."""
        self.start(port)
        try:
            status = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = None
        self.reader.join()
        if status != 0:
            raise Wrong(f"exit status {status}: {self.lines}")
        return self.lines

    def judge(self, before, new=None):
        """Looks at the chip, which was like `before` when this run began."""
        content = self.content
        found = list(chip.wrong(content, self.images))
        good = chip.state(before).good
        if chip.slot(content, good) != chip.slot(before, good):
            found.append("the good slot was written to")
        if new is not None:
            slots = (chip.slot(bytes_, 1 - good) for bytes_ in (before, content))
            found += chip.out_of_order(*slots, new)
        if found:
            raise Wrong(f"{'; '.join(found)}: {chip.state(content)}")
        return content

    def goes_on(self, before):
        """Compares what it booted, and where it went on, with what was to be expected of the chip."""
        is_ = chip.state(before)
        received = [line for line in self.lines if line.startswith("receives from ")]
        if is_.stage == "receiving" and received and received[0].split()[-1] != str(is_.stored):
            raise Wrong(f"{received[0]}, where {is_.stored} bytes were stored")
        booted = [line for line in self.lines if line.startswith("boots ")]
        if not booted:
            return  # The power went before that.
        expected = is_.boots
        content = chip.slot(before, expected)
        version = int.from_bytes(content[4:8], "little")
        if not booted[0].startswith(f"boots {'AB'[expected]}, version {version}"):
            raise Wrong(f"{booted[0]}, where slot {'AB'[expected]} was to boot")

    def has(self, slot, version):
        """Asserts which image is the good one, and that there is nothing beside."""
        is_ = chip.state(self.content)
        if (is_.good, is_.stage) != (slot, "idle"):
            raise Wrong(f"it came to {is_}")
        content = chip.slot(self.content, slot)
        if not any(content.startswith(image) and image[4] == version for image in self.images):
            raise Wrong(f"it is not version {version} that is good")


def uncut(device, port):
    """An update with the power on. Returns where it was, and when, and how long it took."""
    device.run(port)
    took = time.monotonic() - device.began
    device.has(B, 2)
    passed = [(place(line), at) for line, at in zip(device.lines, device.times)]
    passed = [(where, at) for where, at in passed if where]
    for (where, at), (_, next_) in zip(passed, [*passed[1:], (None, took)]):
        if where[0] != DOWNLOAD or where[1] == 0:
            print(f"    {at * 1000:6.0f} ms  {name(where)}, for {(next_ - at) * 1000:.0f} ms")
    return passed, took


def moment(passed, at):
    """The moment of an update that is so many seconds behind its start."""
    before = [(where, then) for where, then in passed if then <= at]
    if not before:
        return Moment(None, at)
    where, then = before[-1]
    return Moment(where, at - then)


def spread(passed, took, count, rng):
    """So many moments, one in each part of the time that an update takes."""
    return [moment(passed, (part + rng.random()) * took / count) for part in range(count)]


def cut(device, port, when, new):
    """One run, up to that moment. Returns whether the power was lost before the run ended."""
    before = device.content
    device.start(port)
    went_on = device.lose_power(when)
    device.goes_on(before)
    content = device.judge(before, new)
    is_ = chip.state(content)
    target = 1 - chip.state(before).good
    if "between" in chip.sectors(chip.slot(before, target), chip.slot(content, target), new):
        device.halves += 1
    where = "the start" if when.behind is None else name(when.behind)
    what = f"{is_.stage} {is_.stored or ''}".strip()
    print(f"    cut {when.seconds * 1000:.0f} ms behind {where}: {what}, boots {'AB'[is_.boots]}")
    return went_on


def many_cuts(device, port, new, plan):
    """One update that is cut again and again. Returns how often."""
    done = 0
    for when in plan:
        # What loses its power on trial has had an attempt: the last one is left to it.
        if chip.state(device.content).attempts == 1:
            break
        done += cut(device, port, when, new)
    before = device.content
    device.run(port)
    device.goes_on(before)
    device.judge(before)
    return done


def one_cut(device, port, new, when):
    """An update that is cut once."""
    done = cut(device, port, when, new)
    before = device.content
    device.run(port)
    device.goes_on(before)
    device.judge(before)
    return done


def kills(target, elf, options):
    """The campaign. Returns how often the power was lost, and how often within a sector."""
    rng = random.Random(options.seed)
    first, new = image(1, LENGTH - 4321), image(2, LENGTH)
    done = 0
    with tempfile.TemporaryDirectory(prefix="sortie-ota-") as folder:
        work = Path(folder)
        put(work / "files", 2, new)
        with nginx(work, work / "files") as port:

            def device():
                made = Device(target, elf, work, first, rng.random())
                made.images.append(new)
                return made

            def ended(made, before):
                made.has(B, 2)
                if chip.slot(made.content, A) != chip.slot(before, A):
                    raise Wrong("slot A was written to")

            made = device()
            passed, took = uncut(made, port)
            print(f"  an update takes {took:.1f} s", flush=True)
            plan = spread(passed, took, options.kills, rng)
            late = [when for when in plan if when.behind and when.behind[0] >= RESTARTS][2:]
            plan = [when for when in plan if when not in late]
            downloading = [at for where, at in passed if where[0] == DOWNLOAD]
            plan += [moment(passed, rng.uniform(downloading[0], downloading[-1])) for _ in late]
            plan.sort(key=lambda when: (when.behind or (-1, 0), when.seconds))
            made = device()
            before = made.content
            cuts = many_cuts(made, port, new, plan)
            ended(made, before)
            done, halves = done + cuts, made.halves
            print(f"  one update, cut {cuts} times", flush=True)
            aimed = [Moment(place(mark), rng.uniform(0, 0.01)) for mark in AIMED]
            plan = spread(passed, took, max(options.kills - len(aimed), 1), rng) + aimed
            for when in plan[: options.kills]:
                made = device()
                before = made.content
                done += one_cut(made, port, new, when)
                ended(made, before)
                halves += made.halves
            print(f"  {options.kills} updates, each cut once", flush=True)
    return done, halves


# ---------------------------------------------------------------------------------------------
# Servers that lie, and images that do not work


def order(lines, expected):
    """Asserts that such lines were printed, in this order."""
    left = iter(lines)
    for mark in expected:
        if not any(re.match(mark, line) for line in left):
            raise Wrong(f"no line {mark!r}, or not where it should be: {lines}")


def scenario_cuts(device):
    """The connection is cut again and again: each answer goes on where the last one ended."""
    new, etag = device.publish(2), '"2"'
    file = File(new, etag, cuts=[30_000, 10, 40_000, 20_001])
    with Updates([manifest(2, new, "/image")], {"/image": file}) as server:
        order(device.run(server.port), ["boots A", "receives from 0", "cut", "cut", "boots B"])
        asked = [(wanted, was) for path, wanted, was in server.asked if path == "/image"]
    starts = [int(wanted[6:-1]) for wanted, was in asked[1:] if was == etag]
    if asked[0] != (None, None) or len(starts) != 4 or starts != sorted(starts):
        raise Wrong(f"it asked for {asked}")
    device.has(B, 2)


def scenario_wrong_hash(device):
    """A release is signed for other bytes than the server has: it is never marked."""
    new = device.publish(2)
    bad = manifest(2, new[:-1] + b"?", "/image")
    with Updates([bad, bad, manifest(2, new, "/image")], {"/image": File(new, '"2"')}) as server:
        lines = device.run(server.port)
    given_up = ["whole", r"later: Ota\(Digest\)"]
    order(lines, ["boots A", *given_up, *given_up, "whole", "staged", "boots B"])
    if lines.count("staged") != 1:
        raise Wrong(f"what was wrong was staged: {lines}")
    device.has(B, 2)


def scenario_another_image(device):
    """In the middle of a download the server gets another version: that comes from its start, is
    not the one that was asked for, and is taken when its own release is known.
    """
    old, new = device.publish(2), device.publish(3)
    file = File(old, '"2"', cuts=[50_000], then=File(new, '"3"'))
    texts = [manifest(2, old, "/image"), manifest(3, new, "/image")]
    with Updates(texts, {"/image": file}) as server:
        lines = device.run(server.port)
    change = ["receives from 0", "cut at", "receives from 0", r"later: Ota\(Digest\)"]
    order(lines, ["offered version 2", *change, "offered version 3", "staged", "boots B, version 3"])
    device.has(B, 3)


def scenario_mixed_image(device):
    """The same, and the server says that it is the same version: what is mixed is given up."""
    old, new = device.publish(2), device.publish(3)
    file = File(old, '"same"', cuts=[50_000], then=File(new, '"same"'))
    texts = [manifest(2, old, "/image"), manifest(3, new, "/image")]
    with Updates(texts, {"/image": file}) as server:
        lines = device.run(server.port)
    mixed = ["cut at", r"receives from [1-9]", "whole", r"later: Ota\(Digest\)"]
    order(lines, [*mixed, "receives from 0", "staged", "boots B, version 3"])
    device.has(B, 3)


def scenario_too_large(device):
    """An image that the slot has no room for: nothing is asked for, and nothing written."""
    before = device.content
    large = manifest(2, b"?", "/image", length=chip.SLOT + 1)
    texts = [large, device.first()]
    with Updates(texts, {"/image": File(bytes(chip.SLOT + 1), '"2"')}) as server:
        order(device.run(server.port), ["boots A", r"later: Ota\(Region", "up to date"])
        if any(path == "/image" for path, *_ in server.asked):
            raise Wrong("it was asked for")
    if device.content != before:
        raise Wrong("something was written")


def scenario_too_long(device):
    """The server sends more than the release says: what is staged is what it says, to the byte."""
    new = device.publish(2)
    with Updates([manifest(2, new, "/image")], {"/image": File(new + bytes(999), '"2"')}) as server:
        order(device.run(server.port), [r"later: Ota\(TooLong\)", "whole", "staged", "boots B"])
    device.has(B, 2)


def scenario_too_short(device):
    """The server has less than the release says: it is never staged."""
    new = device.publish(2)
    texts = [manifest(2, new, "/image"), device.first()]
    with Updates(texts, {"/image": File(new[:50_000], '"2"')}) as server:
        lines = device.run(server.port)
    order(lines, ["boots A", "cut at 50000: Short", "later: Short", "up to date"])
    if chip.state(device.content)[:2] != (A, "receiving"):
        raise Wrong(f"it came to {chip.state(device.content)}")


def scenario_never_confirms(device):
    """An image that does not work is booted three times, then the one before is back. It is not
    taken again; another one is.
    """
    bad, new = device.publish(3), device.publish(4)
    texts = [manifest(3, bad, "/3")] * 3 + [manifest(4, new, "/4")]
    files = {"/3": File(bad, '"3"'), "/4": File(new, '"4"')}
    with Updates(texts, files, broken=(3,)) as server:
        lines = device.run(server.port)
        times = sum(path == "/3" for path, *_ in server.asked)
    trial = ["boots B, version 3, on trial", "checks itself", "does not work"]
    end = ["boots A", r"later: Ota\(Rejected\)", r"later: Ota\(Rejected\)", "boots B, version 4"]
    order(lines, ["boots A", "staged", *trial, *trial, *trial, *end, "confirmed"])
    if times != 1:
        raise Wrong(f"the image that was rejected was asked for {times} times")
    device.has(B, 4)


def scenario_forged(device):
    """Releases that we did not sign, or signed for another version: nothing is written."""
    before = device.content
    new = image(2, SMALL)
    other = manifest(2, new, "/image", secret=bytes(32))
    newer = manifest(2, new, "/image").replace(b"version 2", b"version 9")
    texts = [other, newer, device.first()]
    with Updates(texts, {"/image": File(new, '"2"')}) as server:
        lines = device.run(server.port)
    order(lines, ["later: Unsigned", "later: Unsigned", "up to date"])
    if any(line.startswith("offered") for line in lines) or device.content != before:
        raise Wrong(f"it was taken: {lines}")


def scenario_older(device):
    """A release that is older is no update, though it is signed."""
    before = device.content
    with Updates([manifest(0, image(0, SMALL), "/image")], {}) as server:
        order(device.run(server.port), ["boots A", "up to date: version 1"])
    if device.content != before:
        raise Wrong("something was written")


def scenario_back(device):
    """A second update goes to the slot where the first image was."""
    two, three = device.publish(2), device.publish(3)
    files = {"/2": File(two, '"2"'), "/3": File(three, '"3"')}
    texts = [manifest(2, two, "/2"), manifest(3, three, "/3")]
    with Updates(texts, files) as server:
        order(device.run(server.port), ["boots A", "boots B", "confirmed", "boots A", "confirmed"])
    device.has(A, 3)


class Small(Device):
    """A device that is updated by small images."""

    def first(self):
        """The release of the image that it has."""
        return manifest(1, self.images[0], "/first")

    def publish(self, version):
        """Makes an image that may boot."""
        made = image(version, SMALL)
        self.images.append(made)
        return made


def update(target, elf):
    """One update with the power on, for `run.py`. Returns what is wrong, and what was printed."""
    with tempfile.TemporaryDirectory(prefix="sortie-ota-") as folder:
        device = Small(target, elf, Path(folder), image(1, SMALL - 77), 1)
        new = device.publish(2)
        try:
            with Updates([manifest(2, new, "/image")], {"/image": File(new, '"2"')}) as server:
                order(device.run(server.port), ["boots A", "staged", "boots B", "confirmed"])
            device.has(B, 2)
        except Wrong as wrong:
            return [str(wrong)], device.lines
        return [], device.lines


SCENARIOS = {
    name.removeprefix("scenario_"): function
    for name, function in globals().items()
    if name.startswith("scenario_")
}


def scenarios(target, elf):
    """All of them. Returns how many there are, and how deep the stack went."""
    deepest = 0
    for seed, (name, function) in enumerate(SCENARIOS.items()):
        with tempfile.TemporaryDirectory(prefix="sortie-ota-") as folder:
            device = Small(target, elf, Path(folder), image(1, SMALL - 77), seed)
            before = device.content
            try:
                function(device)
            except Wrong as wrong:
                raise Wrong(f"{name}: {wrong}") from None
            deepest = max(deepest, *values(device.lines, "stack"), 0)
            if found := list(chip.wrong(device.content, device.images)):
                raise Wrong(f"{name}: {'; '.join(found)}")
            device.goes_on(before)
            print(f"  {name.replace('_', ' ')}", flush=True)
    return len(SCENARIOS), deepest


def main():
    """Runs all of it on the targets asked for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))  # and the servers with it
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_target(parser)
    numbers = {"type": int, "metavar": "N"}
    help_ = "kills in one update, and updates with one kill (%(default)s)"
    parser.add_argument("--kills", **numbers, default=20, help=help_)
    parser.add_argument("--seed", **numbers, default=1, help="of the moments (%(default)s)")
    options = parser.parse_args()
    for command, package in ("nginx", "nginx-light"), ("openssl", "openssl"):
        if shutil.which(command) is None:
            sys.exit(f"{command} is not there: sudo apt-get install {package}")
    chosen = targets(options.target)
    done = halves = told = 0
    for target in chosen:
        print(target, flush=True)
        elf = build(target, "ota")
        try:
            killed, within = kills(target, elf, options)
            count, deepest = scenarios(target, elf)
        except Wrong as wrong:
            sys.exit(f"FAILED {wrong}")
        done, halves, told = done + killed, halves + within, told + count
        flash, static = size(elf)
        if not 0 < deepest + static < BOARDS[target].ram:
            sys.exit(f"FAILED a stack of {deepest} bytes reached the variables, or was not told")
        print(f"  flash {flash}, static {static}, stack {deepest}")
    print(
        f"QEMU killed {done} times in updates of 1 MiB on {len(chosen)} targets, {halves} of them "
        f"within a sector; {told} other scenarios: no wrong image, none lost"
    )


if __name__ == "__main__":
    main()
