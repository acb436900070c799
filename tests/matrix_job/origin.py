"""What stands behind the servers, and is one of them: Python's http.server with some methods."""

import gzip
import re
import time
from http.server import ThreadingHTTPServer
from urllib.parse import urlsplit

from tls_job import origin

IDLE = 2  # seconds, then a connection is closed: as examples/matrix/connections.rs knows
LIMITED = 16 << 20  # bytes of a body that are taken, where more are refused with 413
FIELDS, VALUE, HUGE = 60, 200, 300  # of heads: as examples/matrix/heads.rs knows
TEXT = b"".join(b"line %d of a text\n" % number for number in range(2000))
HEAD_TEXT = b"a large head\n"


class Handler(origin.Handler):
    """What tls_job's origin does, and what is asked for besides.

    /text.txt     a text, with gzip where it is accepted
    /large-head   60 large fields
    /huge-head    300 of them
    /moved        a redirect, /moved-post one that keeps method and body
    /limited      413 for large bodies
    PUT /put/     kept, and given to GET
    """

    timeout = IDLE

    def do_GET(self):  # noqa: N802 (the name is http.server's)
        path = urlsplit(self.path).path
        kept = self.server.kept.get(path)
        if kept is not None:
            self._whole(kept)
        elif path == "/text.txt":
            self._text()
        elif path in ("/large-head", "/huge-head"):
            count = FIELDS if path == "/large-head" else HUGE
            some = [(f"X-Large-{number}", "v" * VALUE) for number in range(count)]
            self._head(200, len(HEAD_TEXT), *some)
            self._write([HEAD_TEXT])
        elif path == "/moved":
            self._head(302, 0, ("Location", "/file/1000"))
        elif path.startswith("/file/") and self._is_beyond(int(path.rpartition("/")[2])):
            self._head(416, 0)
        elif path.startswith("/put/"):
            self._head(404, 0)
        else:
            super().do_GET()

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self):  # noqa: N802
        if self.path == "/moved-post":
            for _ in self._body():
                pass
            self._head(307, 0, ("Location", "/echo"))
        else:
            super().do_POST()

    def do_PUT(self):  # noqa: N802
        """Keeps what came, unless it is too much."""
        taken, size = [], 0
        length = int(self.headers.get("Content-Length", 0))
        if length <= LIMITED:
            for piece in self._body():
                taken.append(piece)
                size += len(piece)
                if size > LIMITED:
                    break
        if length > LIMITED or size > LIMITED:
            # The rest is not read: the connection cannot go on.
            self._head(413, 0, ("Connection", "close"))
            self.close_connection = True
            time.sleep(0.1)  # closing resets it, and what a reset overtakes is lost
            return
        self.server.kept[self.path] = b"".join(taken)
        self._head(201, 0)

    def _body(self):
        try:
            yield from super()._body()
        except ValueError as error:
            raise ConnectionError("the client went away in the middle of a chunk") from error

    def _is_beyond(self, length):
        asked = re.fullmatch(r"bytes=(\d+)-\d*", self.headers.get("Range", ""))
        return asked and int(asked[1]) >= length

    def _text(self):
        coded = "gzip" in self.headers.get("Accept-Encoding", "")
        fields = [("Content-Encoding", "gzip")] if coded else []
        text = gzip.compress(TEXT) if coded else TEXT
        self._head(200, len(text), *fields)
        self._write([text])


class Origin(origin.Origin):
    """Listens on a port of its own."""

    def __init__(self):
        self.context = None
        self.kept = {}
        ThreadingHTTPServer.__init__(self, (origin.ADDRESS, 0), Handler)
        self.port = self.server_address[1]
