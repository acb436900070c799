#!/usr/bin/env python3
"""Writes seeds/: inputs from which the targets begin. Run it after a change, and commit both."""

import pathlib
import shutil
import zlib

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

# Responses, each with the setting of its exchange: HEAD is 1, upgrade 2, close 4, a reused
# connection 8, a short index 16, a small input 32, little room 64 to 192.
FRAMING = {
    "length": (0, OK + b"Content-Length: 5\r\n\r\nhello"),
    "length-twice-excess": (80, OK + b"Content-Length: 2, 2\r\nContent-Length:2\r\n\r\nabc"),
    "head": (1, OK + b"Content-Length: 5\r\n\r\n"),
    "no-content": (4, b"HTTP/1.1 204 No Content\nContent-Length: 9\n\n"),
    "close": (32, b"HTTP/1.0 200\r\nA: b\r\n\r\nuntil the end"),
    "chunked": (0, CHUNKED + b"5\r\nhello\r\n0006 ;a=\"b\"\r\n world\r\n0\r\nT: v\r\n\r\n"),
    "chunked-length": (
        128,
        OK + b"content-length: 3\r\ntransfer-encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ),
    "chunked-bad": (192, CHUNKED + b"3\r\nabc\r\n4\nabcd\r\n0\r\n\r\n"),
    "interim": (
        0,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n"
        + OK
        + b"Content-Length: 1\r\n\r\na",
    ),
    "upgrade": (2, b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nafter"),
    "folded": (0, OK + b"A: b\r\n c\r\nContent-Length:\r\n 3\r\n\r\nabc"),
    "empty-reused": (8, b""),
}

HEADS = {
    "plain": OK + b"Content-Type: text/plain\r\nX:y\r\nEmpty:\r\nSpaces: \t a b \t\r\n\r\nbody",
    "line-feeds": b"HTTP/1.0 404\nA: b\r\nC: d\n\n",
    "folded": OK + b"A: b\r\n c\r\nD:\n\te\r\n \r\n\r\n",
    "tokens": OK + b"!#$%&'*+-.^_`|~09azAZ: \x80\xff!~\r\n\r\n",
    "bad-name": OK + b"A : b\r\n\r\n",
    "bad-value": OK + b"A: b\rc\r\n\r\n",
    "no-colon": OK + b"A\r\n\r\n",
    "bad-status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "incomplete": OK + b"A: b\r\n\r",
    "many": OK + b"a:\n" * 257 + b"\n",
}

# Calls, as fuzz_targets/operations.rs reads them: first the request, the kind of the task, its two
# timeouts and whether its body can be sent again.
GET, GET_UPGRADE = (0, 0, 0, 0, 1), (3, 4, 0, 0, 0)
POST, POST_UNKNOWN = (1, 1, 0, 0, 1), (6, 1, 0, 0, 0)
PUT_EXPECT = (2, 1, 0, 0, 1)
STREAM = (0, 3, 0, 0, 1)
# Two seconds.
LATER, SUSPEND, CANCEL, TIMEOUT, POLL = (64, 31), (2,), (3,), (4,), (5,)
GO_ON, SEND = (128,), (128, 1)
FINISH = GO_ON * 4
START, START_REUSED = GO_ON + (128, 0) + GO_ON, GO_ON + (128, 1) + GO_ON
SENT = SEND * 2
LONG_SENT = SEND * 4
# Numbers of PIECES.
LENGTH, ABC, CHUNKED, CHUNK, LAST_CHUNK, CONTINUE, INTERIM, SWITCHING = range(8)
REFUSED = 9
NOTHING = 15
END, CONNECTED, UPGRADED_END = (10, 255), (17, 255, 0), (31, 255, 0)


def head(piece):
    return (128, 0, piece) + POLL


def body(piece, runs):
    return (128, 0, piece, 1 - runs)


def chunk(size):
    return (128, 1, size) + SEND * 2


OPERATIONS = {
    "get": GET + START + SENT + head(LENGTH) + body(ABC, 0) + FINISH,
    "get-chunked": GET
    + START
    + SENT
    + head(CHUNKED)
    + body(CHUNK, 1) * 2
    + body(LAST_CHUNK, 0)
    + FINISH,
    "get-suspended": GET
    + START
    + SEND
    + SUSPEND
    + TIMEOUT
    + (128, 1)
    + SEND
    + head(LENGTH)
    + body(ABC, 1)
    + FINISH,
    "get-interim": GET
    + START
    + SENT
    + head(INTERIM)
    + (128, 0)
    + POLL
    + body(ABC, 1)
    + END
    + FINISH,
    "get-stale": GET + START_REUSED + SENT + END + GO_ON * 2 + START + SENT + head(LENGTH) + CANCEL,
    "post": POST + START + LONG_SENT + (128, 1, 5) + head(LENGTH) + body(ABC, 0) + FINISH,
    "post-refused": POST + START + LONG_SENT + head(REFUSED) + FINISH,
    "post-chunked": POST_UNKNOWN
    + START
    + LONG_SENT
    + (chunk(3) + (128, 1, 3) + SEND * 2)
    + chunk(0)
    + head(LENGTH),
    "put-continue": PUT_EXPECT + START + LONG_SENT + head(CONTINUE) + chunk(0) + head(LENGTH),
    "put-timeout": PUT_EXPECT
    + START
    + LONG_SENT
    + LATER
    + TIMEOUT
    + chunk(0)
    + LATER * 30
    + TIMEOUT
    + FINISH,
    "upgrade": GET_UPGRADE + START + SENT + head(SWITCHING) + FINISH,
    # Once found, and mended.
    "canceled-before-upgraded": STREAM + GO_ON + (128, 0) + CANCEL + POLL * 3,
    "timed-out-before-upgraded": (0, 3, 0, 2, 1) + GO_ON + (128, 0) + LATER + TIMEOUT + POLL * 3,
    "event-after-the-end": GET
    + START
    + SENT
    + (128, 0, LENGTH)
    + SUSPEND
    + (30, 255, 0)
    + POLL * 4,
    "connected-before-stale-close": GET + START_REUSED + SENT + END + CONNECTED + POLL * 3,
    "upgraded-end-before-upgraded": STREAM + GO_ON + (128, 0) + UPGRADED_END + POLL * 3,
}
# Resume data, with and without a check value; dates; and answers, each with the numbers of
# fuzz_targets/resume.rs: validator, whether the total is known, bytes stored, bytes missing, index.
PART = b"HTTP/1.1 206 Partial Content\r\n"
UNSATISFIED = b"HTTP/1.1 416 Range\r\nContent-Range: bytes */100\r\n\r\n"
BLOB = bytes.fromhex("9353524401010009000400000000000000640000000000000384") + b'http://a/"v1"'
DIGEST = b"RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="
MODIFIED = b"Last-Modified: Sun, 06 Nov 1994 08:49:36 GMT\r\n"
TAGGED, DATED = bytes([3, 0, 0, 100, 0]), bytes([3, 1, 1, 100, 100, 0])

RESUME = {
    "blob": b"\0" + BLOB + zlib.crc32(BLOB).to_bytes(4, "big"),
    "blob-unsealed": b"\1" + BLOB,
    "blob-unknown-total": b"\1" + BLOB[:5] + b"\0" + BLOB[6:18] + bytes(8) + BLOB[26:],
    "date": b"\2Sun, 06 Nov 1994 08:49:37 GMT",
    "date-rfc850": b"\2Sunday, 06-Nov-94 08:49:37 GMT",
    "date-asctime": b"\2Sun Nov  6 08:49:37 1994",
    "append": TAGGED + PART + b"Content-Range: bytes 100-199/200\r\nContent-Length: 100\r\n\r\n",
    "append-tag": TAGGED + PART + b'Content-Range: bytes 100-199/*\r\nETag: "v1"\r\n\r\n',
    "append-date": DATED + PART + b"Content-Range: bytes 100-199/200\r\n" + MODIFIED + b"\r\n",
    "earlier": TAGGED + PART + b"Content-Range: bytes 0-199/200\r\n\r\n",
    "coded": TAGGED
    + PART
    + b"Content-Encoding: gzip, identity\r\nContent-Range: bytes 100-199/200\r\n\r\n",
    "multipart": TAGGED + PART + b"Content-Type: multipart/byteranges; boundary=b\r\n\r\n",
    "done": TAGGED + UNSATISFIED,
    "again": DATED + UNSATISFIED,
    "whole": TAGGED
    + OK
    + b'ETag: W/"a"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nAccept-Ranges: bytes\r\n'
    + MODIFIED
    + b"Repr-Digest: sha-512=:YQ==:;p=1, sha-256=:"
    + DIGEST
    + b":\r\n\r\n",
}

OPERATIONS = {name: bytes(seed) for name, seed in OPERATIONS.items()}


def write(target, seeds):
    folder = pathlib.Path(__file__).parent / "seeds" / target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, seed in seeds.items():
        (folder / name).write_bytes(seed)


if __name__ == "__main__":
    cuts = bytes([20, 0, 45, 0, 60, 0])
    framing = {name: bytes([flags]) + cuts + text for name, (flags, text) in FRAMING.items()}
    write("framing", framing)
    write("head", {name: bytes([21, 0]) + text for name, text in HEADS.items()})
    write("operations", OPERATIONS)
    write("resume", RESUME)
