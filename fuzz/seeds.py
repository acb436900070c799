#!/usr/bin/env python3
"""Writes seeds/: inputs from which the targets begin. Run it after a change, and commit both."""

import hashlib
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

# In these 0xff and a byte stand for a row of 2,048 of that byte.
LONG_HEADS = {"long": b"\0\xf0" + OK + b"A: " + b"\xffa" * 32 + b"\r\n\r\n"}

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
TWO_LOCATIONS, DONE_AT_ONCE, OLD, SHORT_PART, UNEXPECTED = range(26, 31)
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
    "resumed-done": asking(GET, RESUMING | ASK_REDIRECT)
    + START
    + SENT
    + head(DONE)
    + GO_ON * 2
    + (128, 0, ABC)
    + GO_ON * 2
    + FINISH,
    "delayed": asking(GET, DELAYED) + (1,) + LATER + TIMEOUT + START + SENT,
    "suspended-often": GET + START + SEND + (127, 255) + SEND,
    "resumed-done-at-once": asking(GET, RESUMING | ASK_REDIRECT)
    + START
    + SENT
    + head(DONE_AT_ONCE)
    + GO_ON * 5,
    "two-locations": GET + START + SENT + head(TWO_LOCATIONS) + GO_ON * 4,
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
PARTIAL = b"HTTP/1.1 206 Partial Content\r\n"
UNSATISFIED = b"HTTP/1.1 416 Range\r\nContent-Range: bytes */100\r\n\r\n"
BLOB = bytes.fromhex("9353524401010009000400000000000000640000000000000384") + b'http://a/"v1"'
DIGEST = b"RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="
MODIFIED = b"Last-Modified: Sun, 06 Nov 1994 08:49:36 GMT\r\n"
TAGGED, DATED = bytes([3, 0, 0, 100, 0]), bytes([3, 1, 1, 100, 100, 0])

RESUME_INPUTS = {
    "blob": b"\0" + BLOB + zlib.crc32(BLOB).to_bytes(4, "big"),
    "blob-unsealed": b"\1" + BLOB,
    "blob-unknown-total": b"\1" + BLOB[:5] + b"\0" + BLOB[6:18] + bytes(8) + BLOB[26:],
    "date": b"\2Sun, 06 Nov 1994 08:49:37 GMT",
    "date-rfc850": b"\2Sunday, 06-Nov-94 08:49:37 GMT",
    "date-asctime": b"\2Sun Nov  6 08:49:37 1994",
    "append": TAGGED + PARTIAL + b"Content-Range: bytes 100-199/200\r\nContent-Length: 100\r\n\r\n",
    "append-tag": TAGGED + PARTIAL + b'Content-Range: bytes 100-199/*\r\nETag: "v1"\r\n\r\n',
    "append-date": DATED + PARTIAL + b"Content-Range: bytes 100-199/200\r\n" + MODIFIED + b"\r\n",
    "earlier": TAGGED + PARTIAL + b"Content-Range: bytes 0-199/200\r\n\r\n",
    "coded": TAGGED
    + PARTIAL
    + b"Content-Encoding: gzip, identity\r\nContent-Range: bytes 100-199/200\r\n\r\n",
    "multipart": TAGGED + PARTIAL + b"Content-Type: multipart/byteranges; boundary=b\r\n\r\n",
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
    "too-long": b"\xff\0/" + b"\xffa" * 5,
    # One of each difference from `url` that is known; others are above.
    "drive-letter": b"\0\0/A:/../+/../../../gx",
    "tab": b"\0\0/a\tb",
    "no-slashes": b"\0\0http:x",
    "mapped-host": b"\0\0http://%41/",
    "no-port": b"\0\0http://a:0/",
    "odd-address": b"\0\0http://1.2.3.4.5/",
    "encoded-dots": b"\0\0/a/%2e./b",
    "kept-dots": b"\x0c\0http://h/a/..x",
}


# Responses that we and others judge alike, and one of each difference that is known: the setting,
# of which the lowest bit is HEAD and two more the number of known pieces, and the bytes.
CODED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DIFFERENT = {
    "folded": (0, OK + b"A: b\r\n c\r\n\r\n"),
    "minor-version": (0, b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "many-fields": (0, OK + b"a:\n" * 130 + b"\n"),
    "interim-fields": (0, b"HTTP/1.1 100 Go on\r\nA: b\r\n\r\n" + OK + b"\r\n"),
    "old-chunks": (0, b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "long-size-line": (0, CODED + b"1;a=0123456789012345678\r\nx\r\n0\r\n\r\n"),
    "many-trailers": (0, CODED + b"0\r\n" + b"a:\r\n" * 101 + b"\r\n"),
    "head-bad-length": (1, OK + b"Content-Length: x\r\n\r\n"),
    "huge-length": (0, OK + b"Content-Length: 18446744073709551615\r\n\r\nx"),
    "empty-line": (0, b"\r\n" + OK + b"\r\n"),
    "empty-line-after-interim": (0, b"HTTP/1.1 100 Go on\r\n\r\n\r\n" + OK + b"\r\n"),
    "unasked-upgrade": (0, b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"),
    "other-coding": (0, OK + b"Transfer-Encoding: gzip\r\n\r\nx"),
    "bad-length-coded": (0, OK + b"Content-Length: x\r\n" + CODED[len(OK) :] + b"0\r\n\r\n"),
    "bad-extension": (0, CODED + b"1;\0\r\nx\r\n0\r\n\r\n"),
    "signed-size": (0, CODED + b"+1\r\nx\r\n0\r\n\r\n"),
    "bad-trailer": (0, CODED + b"0\r\na b\r\n\r\n"),
    "many-interims": (0, b"HTTP/1.1 103 Early\r\n\r\n" * 65 + OK + b"\r\n"),
    "close": (0, OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nx"),
    "old-keep-alive": (0, b"HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"),
    "empty-coding": (
        0,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked,\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
}

# Tables by their number, connections per host, the timeout of idle ones, and calls.
ADD, KEEP, GIVE_UP, DRAIN = (0, 0, 0, 0), (115, 0, 0), (160, 0), (190,)
SCHEDULER = {
    "one-after-the-other": (1, 6, 0) + (ADD + DRAIN + KEEP + DRAIN) * 3,
    "grows": (12, 2, 0) + ADD * 8 + DRAIN + KEEP + DRAIN,
    "priorities": (4, 1, 0) + ((0, 0, 0, 1, 9) + (0, 1, 0, 2) + (0, 1, 7, 64, 99)) * 3 + DRAIN,
    "changed": (5, 1, 0) + ADD * 6 + (80, 1, 2, 80, 3, 6, 100, 2) + DRAIN + KEEP + DRAIN,
    "full": (0, 1, 1) + ADD * 3 + (0, 1, 0, 0, 0, 255, 0, 0) + DRAIN,
    "expired": (3, 6, 1) + ADD + DRAIN + KEEP + DRAIN + (230, 9) + ADD + DRAIN,
    "evicted": (3, 6, 0) + ((0, 1, 0, 0) + DRAIN + KEEP) * 3 + (0, 2, 7, 0) + DRAIN,
    "no-socket": (2, 6, 0) + ADD * 4 + DRAIN + GIVE_UP + (1,) + ADD + DRAIN + (230, 250) + DRAIN,
    "flushed": (2, 6, 0) + ADD * 2 + DRAIN + (115, 1, 0, 249) + DRAIN + KEEP + (252,) + DRAIN,
    "chosen": (7, 200, 9, 9, 0, 0, 200, 128, 5, 1, 128, 3, 0),
    # Once found, and mended.
    "closed-before-idle-since-the-epoch": (7, 0, 0, 128, 0, 0, 0, 64),
}

# How many addresses, the addresses, the delay in two numbers, and calls.
POLLED, LOST, NO_SOCKET, PASSED = (0,), (120, 0, 0), (120, 0, 1), (220, 199)
RACE = {
    "first-wins": (3, 0, 1, 2, 0, 0) + POLLED + (100, 0) + POLLED,
    "all-fail": (2, 0, 1, 0, 0) + (POLLED + LOST + POLLED + (120, 1, 2)) * 2 + POLLED,
    "late": (4, 0, 1, 2, 3, 199, 0) + (POLLED + PASSED) * 5,
    "no-socket": (2, 1, 0, 0, 0) + POLLED + PASSED + POLLED + NO_SOCKET + POLLED * 2,
    "twice": (4, 0, 0, 1, 1, 0, 0) + (POLLED + PASSED) * 4,
    "none": (0, 0, 0) + POLLED,
}

# A request, options as bits, the kind of the task, timeouts, what the body has where its length is
# not known; and turns, of which each begins with a disturbance. A connection is told by how many
# pieces its origin gives, the pieces, and how it ends. What is left out is plain.
NEW_BODY, REPLAYABLE, RESUME, MEASURES, SMALL = 4, 8, 32, 64, 128


def connection(*pieces, end=0, is_reused=0):
    told = b"".join(one if isinstance(one, bytes) else bytes([one]) for one in pieces)
    return (0, is_reused, len(pieces), *told, end)


def piece(text):
    return bytes([128 + len(text)]) + text


TRANSFER = {
    "get": (0, 0, 0, 0, 0) + connection(LENGTH, ABC),
    "get-chunked": (0, 0, 0, 0, 0) + connection(CHUNKED, CHUNK, CHUNK, LAST_CHUNK),
    "get-lost": (0, 0, 2, 0, 0) + connection(LENGTH, end=2),
    "get-silent": (0, 0, 0, 0, 0) + connection(CHUNKED, CHUNK, end=1),
    "get-stale": (0, 0, 0, 0, 0) + connection(is_reused=1),
    "head": (4, 0, 0, 0, 0) + connection(LENGTH),
    "post": (1, REPLAYABLE, 1, 0, 0) + connection(CONTINUE, LENGTH, ABC),
    "post-unknown": (6, 0, 1, 0, 0, 40) + connection(LENGTH, ABC),
    "post-short": (5, 0, 1, 0, 0, 40) + connection(CONTINUE),
    "post-refused": (6, 0, 1, 0, 0, 40) + connection(REFUSED),
    "put-continue": (2, NEW_BODY, 1, 0, 0, 9) + connection(CONTINUE, LENGTH, ABC),
    "put-continue-late": (2, 0, 1, 0, 0, 9) + connection(end=1),
    "put-unexpected": (2, REPLAYABLE, 1, 0, 0, 9) + connection(UNEXPECTED) + (0,) * 30,
    "old-keep-alive": (0, 0, 0, 0, 0) + connection(OLD, ABC),
    "upgrade": (3, 0, 0, 0, 0) + connection(SWITCHING),
    "stream": (0, 0, 3, 0, 0) + connection(ABC),
    "redirect": (0, 0, 0, 0, 0) + connection(FOUND, ABC) + (0,) * 40,
    "resumed": (0, RESUME, 2, 0, 0) + connection(PART, ABC),
    "resumed-in-part": (0, RESUME, 2, 0, 0) + connection(SHORT_PART, ABC),
    "resumed-too-far": (0, RESUME, 2, 0, 0) + connection(PART_CHUNKED, CHUNK, CHUNK, LAST_CHUNK),
    "resumed-anew": (0, RESUME, 2, 0, 0) + connection(ANEW, ABC),
    "resumed-done": (0, RESUME, 130, 0, 0) + connection(DONE, ABC),
    # Once found, and mended.
    "measured": (0, MEASURES | SMALL, 0, 0, 0)
    + connection(piece(OK + b"A: " + b"b" * 40), piece(b"c" * 20 + b"\r\n\r\n")),
}

# Numbers of a method, a URL, the length of a body, how many fields, their names and values, how
# many of them an adapter adds, and whether there are too many.
REQUEST = {
    "get": (0, 0, 0, 0, 0, 0),
    "post": (1, 1, 6, 5, 1, 17, 0, 0, 0),
    "unknown-length": (2, 3, 4, 2, 0, 4, 17, 6, 2, 0),
    "length-twice": (1, 2, 4, 2, 1, 2, 1, 2, 0, 0),
    "zone": (3, 4, 0, 1, 16, 3, 0, 0),
    "body-not-allowed": (0, 0, 6, 9, 0, 0, 0),
    "split": (0, 0, 0, 1, 17, 8, 0, 0),
    "coding": (1, 0, 4, 1, 2, 0, 0, 0),
    "hosts": (1, 0, 0, 2, 0, 0, 0, 0, 0, 0),
    "too-many": (1, 0, 0, 0, 0, 255, 1),
    "connect": (8, 0, 0, 0, 0, 0),
    "connection-options": (0, 0, 0, 3, 18, 0, 5, 4, 3, 13, 0, 0),
    "condition-alone": (0, 0, 0, 1, 20, 5, 0, 0),
    "trace-with-credentials": (7, 0, 0, 1, 19, 5, 0, 0),
    "options-with-content": (6, 0, 6, 5, 1, 4, 5, 0, 0),
    "own": (195,) + tuple(b"FOO") + (202,) + tuple(b"http://b/c") + (0, 0, 0, 0),
}


# Certificates: keys by their numbers, which are their secrets, in a plain reading of SEC 1.
PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
ROOT, WHOLE = 8, 4
ECDSA_WITH_SHA256 = (0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2)


def point(number):
    """The base, added to itself so often; `number` is small."""
    x, y = BASE
    for _ in range(number - 1):
        if (x, y) == BASE:
            slope = 3 * (x * x - 1) * pow(2 * y, -1, PRIME)
        else:
            slope = (y - BASE[1]) * pow(x - BASE[0], -1, PRIME)
        third = (slope * slope - x - BASE[0]) % PRIME
        x, y = third, (slope * (BASE[0] - third) - BASE[1]) % PRIME
    return x, y


def der(tag, *parts):
    content = b"".join(parts)
    length = len(content).to_bytes(2, "big").lstrip(b"\0") or b"\0"
    many = bytes([0x80 | len(length)]) if len(content) > 0x7F else b""
    return bytes([tag]) + many + length + content


def extension(kind, value, *, critical=False):
    return der(0x30, der(6, bytes([0x55, 0x1D, kind])), der(1, b"\xff") * critical, der(4, value))


def common_name(text):
    return der(0x30, der(0x31, der(0x30, der(6, b"\x55\x04\x03"), der(0x0C, text))))


def signed(issuer, subject, key, *extensions, dates=(b"250101000000Z", b"270101000000Z")):
    """What is signed of a certificate."""
    algorithm = der(0x30, der(6, bytes(ECDSA_WITH_SHA256)))
    curve = der(6, bytes.fromhex("2a8648ce3d0201")) + der(6, bytes.fromhex("2a8648ce3d030107"))
    x, y = point(key + 1)
    bits = b"\0\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")
    return der(
        0x30,
        der(0xA0, der(2, b"\x02")),
        der(2, b"\x01"),
        algorithm,
        common_name(issuer),
        der(0x30, *(der(0x17 if len(date) == 13 else 0x18, date) for date in dates)),
        common_name(subject),
        der(0x30, der(0x30, curve), der(3, bits)),
        der(0xA3, der(0x30, *extensions)) if extensions else b"",
    )


def whole(text, key):
    """The same, signed. The number that may be used once is used always: it is a test."""
    (r, _), digest = point(5), int.from_bytes(hashlib.sha256(text).digest(), "big")
    s = pow(5, -1, ORDER) * (digest + r * (key + 1)) % ORDER
    pair = der(0x30, *(der(2, n.to_bytes(33, "big").lstrip(b"\0")) for n in (r, s)))
    return der(0x30, text, der(0x30, der(6, bytes(ECDSA_WITH_SHA256))), der(3, b"\0", pair))


def chain(*parts, host=0):
    """Each with its number: of the key that signs it, or that it is whole, or a root."""
    told = (bytes([kind]) + len(text).to_bytes(2, "little") + text for kind, text in parts)
    return (host if isinstance(host, bytes) else bytes([host])) + b"".join(told)


NAMES = extension(17, der(0x30, der(0x82, b"a.origin.example")))
MANY_NAMES = (b"b.example", b"*.origin.example", b"mapped.\xc3\xa9")
AUTHORITY = extension(19, der(0x30, der(1, b"\xff")), critical=True)
NEAR = extension(19, der(0x30, der(1, b"\xff"), der(2, b"\0")), critical=True)
NO_AUTHORITY = extension(19, der(0x30), critical=True)
SIGNS, VOUCHES = (extension(15, der(3, bits), critical=True) for bits in (b"\7\x80", b"\1\6"))
SERVES = extension(37, der(0x30, *(der(6, b"\x2b\6\1\5\5\7\3" + n) for n in (b"\1", b"\2"))))
LISTS, KEY_NUMBER = extension(31, der(0x30)), extension(14, der(4, b"key"))
WITHIN = extension(30, der(0x30, der(0xA0, der(0x30, der(0x82, b"example")))), critical=True)
ADDRESSES = extension(
    17,
    der(
        0x30,
        *(der(0x82, name) for name in MANY_NAMES),
        der(0x87, bytes([10, 0, 0, 1])),
        der(0x81, b"a@b"),
        der(0x86, b"a:b"),
        der(0xA4, common_name(b"x")),
    ),
)
LONG_DATES = (b"20250101000000Z", b"99991231235959Z")
TRUSTED = (ROOT, signed(b"r", b"r", 0, AUTHORITY, VOUCHES))
LEAF = signed(b"r", b"l", 3, NAMES, SIGNS)
CERTIFICATES = {
    "leaf": chain((0, LEAF), TRUSTED),
    "plain": chain((0, signed(b"r", b"", 3, NAMES, dates=LONG_DATES)), (ROOT, TRUSTED[1])),
    "whole": chain((WHOLE, whole(LEAF, 0)), (WHOLE + ROOT, whole(TRUSTED[1], 0))),
    "between": chain(
        (1, signed(b"1", b"l", 3, NAMES, SIGNS, SERVES, NO_AUTHORITY, LISTS, KEY_NUMBER)),
        (0, signed(b"r", b"1", 1, NEAR, VOUCHES, SERVES, LISTS, KEY_NUMBER)),
        TRUSTED,
    ),
    "four-between": chain(
        (1, signed(b"4", b"l", 3, ADDRESSES)),
        (2, signed(b"3", b"4", 1, AUTHORITY)),
        (1, signed(b"2", b"3", 2, AUTHORITY)),
        (2, signed(b"1", b"2", 1, AUTHORITY)),
        (0, signed(b"r", b"1", 2, AUTHORITY)),
        TRUSTED,
    ),
    "address": chain((0, signed(b"r", b"l", 3, ADDRESSES)), TRUSTED, host=2),
    "own-host": chain((0, signed(b"r", b"l", 3, ADDRESSES)), TRUSTED, host=b"\x89b.example"),
    "its-own-root": chain((0, signed(b"l", b"l", 0, NAMES)), (ROOT, signed(b"l", b"l", 0, NAMES))),
    "crossed": chain(
        (1, signed(b"1", b"l", 3, NAMES)),
        (2, signed(b"q", b"1", 1, AUTHORITY)),
        (0, signed(b"r", b"1", 1, AUTHORITY)),
        (3 + ROOT, signed(b"q", b"q", 3, AUTHORITY)),
        TRUSTED,
    ),
    # All of one name: rustls-webpki gives up before it comes to the right one.
    "many-ways": chain(
        (3, signed(b"r", b"l", 3, NAMES)),
        *((0, signed(b"r", b"r", key, AUTHORITY)) for key in (4, 5, 6, 3, 7)),
        TRUSTED,
    ),
    # What only rustls-webpki accepts, or neither.
    "constraints": chain(
        (1, signed(b"1", b"l", 3, NAMES)), (0, signed(b"r", b"1", 1, AUTHORITY, WITHIN)), TRUSTED
    ),
    "unknown-critical": chain(
        (0, signed(b"r", b"l", 3, NAMES, extension(32, der(0x30), critical=True))), TRUSTED
    ),
    "expired": chain(
        (0, signed(b"r", b"l", 3, NAMES, dates=(b"500101000000Z", b"251231235959Z"))), TRUSTED
    ),
    # Once found, and mended: the name and the key of an authority are those of the leaf.
    "its-own-authority": chain(
        (1, signed(b"1", b"1", 1, NAMES)), (0, signed(b"r", b"1", 1, AUTHORITY)), TRUSTED
    ),
    "hyphen": chain((0, LEAF), TRUSTED, host=b"\x84-a.b"),
    "round": chain(
        (1, signed(b"1", b"l", 3, NAMES)),
        (2, signed(b"2", b"1", 1, AUTHORITY)),
        (1, signed(b"1", b"2", 2, AUTHORITY)),
        TRUSTED,
    ),
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
    write("certificates", CERTIFICATES)
    write("chunked", {name: cuts + text for name, text in CHUNKED_BODIES.items()})
    alike = [(name, flags & 1, text) for name, (flags, text) in FRAMING.items()]
    alike += [(name, flags, text) for name, (flags, text) in DIFFERENT.items()]
    write("differential", {name: bytes([flags]) + text for name, flags, text in alike})
    write("framing", framing)
    write("head", {name: bytes([21, 0]) + text for name, text in HEADS.items()} | LONG_HEADS)
    write("operations", OPERATIONS)
    write("race", {name: bytes(seed) for name, seed in RACE.items()})
    write("redirect", REDIRECT)
    write("request", {name: bytes(seed) for name, seed in REQUEST.items()})
    write("resolve", RESOLVE)
    # Once found, and mended: a head that is not whole was taken for a list of its fields.
    cut = b"\3\1\1dd\0HTTP/1.1 206 P\r\nContent-Range: bytes 100-199/200\r\nLas: \n"
    write("resume", RESUME_INPUTS | {"no-empty-line": cut})
    write("scheduler", {name: bytes(seed) for name, seed in SCHEDULER.items()})
    write("transfer", {name: bytes(seed) for name, seed in TRANSFER.items()})
