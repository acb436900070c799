"""The flash of the image `ota`, looked at from outside: its file, its journal, what may be in it.

Nothing here is taken from the program. Entries of the journal are read as the documentation has
their bytes (`runtime-embassy/src/ota/entry.rs`).
"""

import hashlib
import random
from typing import NamedTuple

# As src/bin/ota has them, and src/board/flash.rs.
JOURNAL, SLOT = 8 << 10, 1088 << 10
WORD, SECTOR, PIECE = 4, 4096, 64
ERASED = b"\xff"

STAGES = ("idle", "receiving", "staged", "rejected")


class State(NamedTuple):
    """What the journal says."""

    good: int  # slot 0, which is A, or 1
    stage: str
    attempts: int
    length: int
    stored: int
    sha256: bytes

    @property
    def boots(self):
        """The slot that the next start boots."""
        on_trial = self.stage == "staged" and self.attempts > 0
        return 1 - self.good if on_trial else self.good


FIRST = State(0, "idle", 0, 0, 0, bytes(32))


def entry(content, at):
    """The entry that stands there: its kind, number, what it says, and where it ends; or None."""
    kind, version = content[at], content[at + 1]
    length = int.from_bytes(content[at + 2 : at + 4], "little")
    end = at + 8 + length
    if version != 1 or end + 8 > len(content):
        return None
    if hashlib.sha256(content[at:end]).digest()[:8] != content[end : end + 8]:
        return None
    number = int.from_bytes(content[at + 4 : at + 8], "little")
    return kind, number, content[at + 8 : end], -(-(end + 8) // WORD) * WORD


def half(content):
    """The last number and state in a half of the journal, or None."""
    found, at = None, 0
    while at + 16 <= len(content) and (there := entry(content, at)):
        kind, number, says, at = there
        if found and number <= found[0]:
            break  # What the half held before.
        if kind == 1:
            good, stage, attempts = says[:3]
            length, stored = (int.from_bytes(says[i : i + 4], "little") for i in (4, 8))
            found = number, State(good, STAGES[stage], attempts, length, stored, says[12:44])
        elif found and found[1].stage == "receiving":
            found = number, found[1]._replace(stored=int.from_bytes(says, "little"))
        else:
            break
    return found


def state(content):
    """What the journal of a chip says."""
    halves = half(content[: JOURNAL // 2]), half(content[JOURNAL // 2 : JOURNAL])
    return max((found for found in halves if found), default=(0, FIRST))[1]


def slot(content, number):
    """What is in a slot."""
    start = JOURNAL + number * SLOT
    return content[start : start + SLOT]


def factory(image, seed):
    """A chip as it leaves the factory: one image, and elsewhere what nobody wrote."""
    other = random.Random(seed)
    rest = ERASED * (SLOT - len(image))
    return other.randbytes(JOURNAL) + image + rest + other.randbytes(SLOT)


def wrong(content, images):
    """What is wrong about a chip, whenever the power was lost: `images` are all that may boot."""
    is_ = state(content)
    if not any(slot(content, is_.good).startswith(image) for image in images):
        yield "the good image is lost"
    target = slot(content, 1 - is_.good)
    if is_.stage == "staged":
        if hashlib.sha256(target[: is_.length]).digest() != is_.sha256:
            yield "an image is staged that is not whole and right"
        if target[: is_.length] not in images:
            yield "an image is staged that nobody published"
    for image in images:
        is_received = is_.stage == "receiving" and hashlib.sha256(image).digest() == is_.sha256
        if is_received and target[: is_.stored] != image[: is_.stored]:
            yield f"of {is_.stored} bytes that are said to be stored, some are not"


def sector_is(before, after, new):
    """How far a sector is on its way from what was there to what comes; None if it is not there."""
    if after == new:
        return "new"
    if after == before:
        return "old"
    whole = ERASED * SECTOR
    for at in range(0, SECTOR + 1, PIECE):  # It is erased from its start on.
        if after == whole[:at] + before[at:]:
            return "between"
    for at in range(0, SECTOR, WORD):  # And written, word by word.
        if after == new[:at] + whole[at:]:
            return "between"
    return None


def sectors(before, after, image):
    """How far each sector of a slot is, to which `image` comes."""
    count = -(-len(image) // SECTOR)
    new = image + ERASED * (count * SECTOR - len(image))
    places = (slice(at, at + SECTOR) for at in range(0, count * SECTOR, SECTOR))
    return [sector_is(before[place], after[place], new[place]) for place in places]


def out_of_order(before, after, image):
    """What is wrong about the slot that `image` came to: all that was written to it was written in
    its order, so a kill leaves the front of it, and what was there before behind that.
    """
    found = sectors(before, after, image)
    if None in found:
        yield f"sector {found.index(None)} holds what nobody wrote"
    kinds = [is_ for is_ in found if is_]
    order = ["new", "between", "old"]
    if kinds != sorted(kinds, key=order.index) or kinds.count("between") > 1:
        yield "the sectors were not written one after another"
    end = len(found) * SECTOR
    if before[end:] != after[end:]:
        yield "something was written behind the image"
