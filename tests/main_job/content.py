"""Content whose bytes are known without a copy of it: the same as hyper-origin/src/content.rs."""

import functools
import hashlib

# The bytes repeat after so many. A prime: where a buffer of any round size were lost or doubled,
# what follows would differ.
PERIOD = 1_048_573
READ = 1 << 20


def _words(state):
    """SplitMix64."""
    mask = (1 << 64) - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        yield z ^ (z >> 31)


@functools.cache
def _period_twice():
    words = _words(0)
    ours = b"".join(next(words).to_bytes(8, "little") for _ in range(-(-PERIOD // 8)))
    return ours[:PERIOD] * 2


def pieces(length, start=0):
    """`length` bytes of content from `start` on, in pieces."""
    twice = memoryview(_period_twice())
    at = start % PERIOD
    while length > 0:
        size = min(length, PERIOD)
        yield twice[at : at + size]
        length -= size


def content(length, start=0):
    """`length` bytes of content from `start` on."""
    return b"".join(pieces(length, start))


@functools.cache
def digest(length):
    """The SHA-256 of the first `length` bytes of content."""
    hashed = hashlib.sha256()
    for piece in pieces(length):
        hashed.update(piece)
    return hashed.hexdigest()


def write(path, length, start=0):
    """Makes a file of `length` bytes of content from `start` on."""
    with path.open("wb") as file:
        for piece in pieces(length, start):
            file.write(piece)


def fault(path, length):
    """What is wrong with the file, which ought to hold the first `length` bytes; None if nothing.

    Only its SHA-256 says that it is right; where it is not, the first wrong byte is looked for.
    """
    if not path.exists():
        return "there is no file"
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while read := file.read(READ):
            hashed.update(read)
    if hashed.hexdigest() == digest(length):
        return None
    with path.open("rb") as file:
        at = first_difference(iter(lambda: file.read(PERIOD), b""), pieces(length))
    return f"{path.stat().st_size} bytes of {length}, the first wrong one at {at}"


def first_difference(ones, others):
    """Where two streams in pieces of equal sizes differ."""
    at = 0
    for one, other in zip(ones, others):
        if one != other:
            same = (index for index, pair in enumerate(zip(one, other)) if pair[0] != pair[1])
            return at + next(same, min(len(one), len(other)))
        at += len(one)
    return at
