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

# Chunked bodies. 0xff and a byte stand for a row of 2,048 of that byte.
CHUNKED_BODIES = {
    "plain": b"5\r\nhello\r\n1F ;a=\"b\"\r\n" + b"x" * 31 + b"\r\n0\r\nT: v\r\n\r\nexcess",
    "line-feed": b"2\r\nab\r\n2\nab",
    "zeros": b"0" * 30 + b"1;a\r\nx\r\n0" + b"\r\n\r\n",
    "sixteen-digits": b"fffffffffffffffe\r\nabc",
    "seventeen-digits": b"10000000000000000\r\n",
    "long-line": b"1;\xffa\xffa\r\nx",
    "overhead": b"1;\xffa\r\nx\r\n" * 34,
    "long-trailers": b"0\r\n" + b"T: \xffa\r\n" * 9,
    "bad-trailer": b"0\r\nT : v\r\n\r\n",
    "bad-end": b"3\r\nabcd\r\n",
    "incomplete": b"0\r\n\r",
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
# timeouts, whether its body can be sent again, and further options as bits.
ASK_REDIRECT, ASK_DISPOSITION, ASK_BODY, SUCCESS, RESUMING, DELAYED = 1, 2, 4, 8, 16, 32
GET, GET_UPGRADE = (0, 0, 0, 0, 1, 0), (3, 4, 0, 0, 0, 0)
POST, POST_UNKNOWN = (1, 1, 0, 0, 1, 0), (6, 1, 0, 0, 0, 0)
PUT_EXPECT = (2, 1, 0, 0, 1, 0)
STREAM = (0, 3, 0, 0, 1, 0)
# Two seconds.
LATER, SUSPEND, CANCEL, TIMEOUT, POLL = (66, 31), (2,), (3,), (4,), (5,)
GO_ON, SEND = (128,), (128, 1)
FINISH = GO_ON * 4
START, START_REUSED = GO_ON + (128, 0) + GO_ON, GO_ON + (128, 1) + GO_ON
SENT = SEND * 2
LONG_SENT = SEND * 4
# Numbers of PIECES.
LENGTH, ABC, CHUNKED, CHUNK, LAST_CHUNK, CONTINUE, INTERIM, SWITCHING = range(8)
REFUSED = 9
NOTHING = 15
FOUND, ELSEWHERE, SEE_OTHER, MAILTO, NOWHERE, LONG, PART, PART_CHUNKED, ANEW, DONE = range(16, 26)
END, CONNECTED, UPGRADED_END, SINK_FAILED = (10, 255), (20, 255, 0), (15, 255, 0), (14, 255, 0)


def head(piece):
    return (128, 0, piece) + POLL


def body(piece, runs):
    return (128, 0, piece, 1 - runs)


def asking(request, options):
    return request[:5] + (options,)


def answer(number):
    return (128, 1, number)


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
    "redirect": GET
    + START
    + SENT
    + head(FOUND)
    + GO_ON * 2
    + (128, 0, ABC)
    + GO_ON * 2
    + (128, 1)
    + SENT
    + head(LENGTH)
    + body(ABC, 0)
    + FINISH,
    "redirect-elsewhere": GET + START + SENT + head(ELSEWHERE) + GO_ON * 4 + (128, 0) + GO_ON + SENT,
    "redirect-asked": asking(GET, ASK_REDIRECT)
    + START
    + SENT
    + head(ELSEWHERE)
    + GO_ON * 2
    + answer(0)
    + GO_ON * 4,
    "redirect-edited": asking(GET, ASK_REDIRECT)
    + START
    + SENT
    + head(LONG)
    + GO_ON * 2
    + answer(3)
    + GO_ON * 3
    + (128, 0)
    + GO_ON
    + LONG_SENT,
    "redirect-refused": asking(GET, ASK_REDIRECT | ASK_DISPOSITION)
    + START
    + SENT
    + head(FOUND)
    + GO_ON * 2
    + answer(4)
    + GO_ON * 2
    + answer(1)
    + body(ABC, 0)
    + FINISH,
    "redirect-body-used-up": asking(POST_UNKNOWN, ASK_BODY)
    + START
    + LONG_SENT
    + (chunk(3) + (128, 1, 3) + SEND * 2)
    + chunk(0)
    + head(ELSEWHERE)
    + GO_ON * 4
    + answer(2)
    + GO_ON * 4,
    "disposition": asking(GET, ASK_DISPOSITION)
    + START
    + SENT
    + head(LENGTH)
    + POLL
    + answer(5)
    + body(ABC, 0)
    + FINISH,
    "success-only": asking(GET, SUCCESS) + START + SENT + head(NOWHERE) + GO_ON * 4,
    "resumed": asking(GET, RESUMING) + START + SENT + head(PART) + GO_ON * 3 + body(ABC, 0) + FINISH,
    "resumed-anew": asking(GET, RESUMING) + START + SENT + head(ANEW) + GO_ON * 2 + body(ABC, 0),
    "resumed-done": asking(GET, RESUMING) + START + SENT + head(DONE) + GO_ON * 4 + FINISH,
    "delayed": asking(GET, DELAYED) + (1,) + LATER + TIMEOUT + START + SENT,
    # Once found, and mended.
    "inspected-while-asked": asking(GET, ASK_REDIRECT)
    + START
    + SENT
    + head(FOUND)
    + GO_ON
    + POLL
    + (17, 255, 200, 0, 1, 0)
    + POLL,
    "canceled-before-upgraded": STREAM + GO_ON + (128, 0) + CANCEL + POLL * 3,
    "timed-out-before-upgraded": (0, 3, 0, 2, 1, 0) + GO_ON + (128, 0) + LATER + TIMEOUT + POLL * 3,
    "event-after-the-end": GET
    + START
    + SENT
    + (128, 0, LENGTH)
    + SUSPEND
    + SINK_FAILED
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

# Chains: the start, the method, then for each hop a status and a known location, or one with its
# length. Statuses are numbers in 302, 307, 301, 303, 308; locations those of the target.
(PATH, BACK, UP, AWAY, AWAY_UP, PORT, UPPER, DEFAULT_PORT, USER, BACKSLASH, QUERY, DOTS) = range(12)


def own(location):
    return bytes([128 + len(location)]) + location


REDIRECT = {
    "same-origin": bytes([0, 0, 0, PATH, 0, QUERY, 0, UPPER, 0, DOTS]),
    "away-and-back": bytes([0, 1, 1, PATH, 1, AWAY, 1, BACK, 0, PATH]),
    "downgrade": bytes([1, 0, 0, PATH, 0, DEFAULT_PORT, 0, AWAY]),
    "up": bytes([0, 3, 1, UP, 4, PORT, 4, AWAY_UP]),
    "post-becomes-get": bytes([0, 1, 2, PATH, 1, PATH, 3, AWAY]),
    "head": bytes([3, 2, 3, PATH, 0, USER, 0, BACKSLASH]),
    "too-many": bytes([0, 0] + [0, PATH] * 22),
    "own": bytes([0, 0, 0]) + own(b"//a:80/b") + b"\0" + own(b"http://[::1]:8080?x"),
}

# The length of a base of its own, the number of a known one, and a reference.
RESOLVE = {
    "dots": b"\0\0../../../g/./x/..",
    "empty": b"\0\1",
    "query": b"\0\3?y#s",
    "authority": b"\0\2//u@[::1]:8/;x",
    "absolute": b"\0\0HTTPS://A:443/%41 b\xc3\xa9",
    "own-base": b"\x10\0http://h.example./../x",
    "segments": b"\0\4.//..//a",
    "scheme": b"\0\0mailto:a@b",
    "backslash": b"\0\5\\\\b\\c",
}


def write(target, seeds):
    folder = pathlib.Path(__file__).parent / "seeds" / target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, seed in seeds.items():
        (folder / name).write_bytes(seed)


if __name__ == "__main__":
    cuts = bytes([20, 0, 45, 0, 60, 0])
    framing = {name: bytes([flags]) + cuts + text for name, (flags, text) in FRAMING.items()}
    write("chunked", {name: cuts + text for name, text in CHUNKED_BODIES.items()})
    write("framing", framing)
    write("head", {name: bytes([21, 0]) + text for name, text in HEADS.items()})
    write("operations", OPERATIONS)
    write("redirect", REDIRECT)
    write("resolve", RESOLVE)
    write("resume", RESUME)
