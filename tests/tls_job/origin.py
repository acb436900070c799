"""An origin on Python's http.server: behind the other servers, and by itself over TLS."""

import hashlib
import os
import re
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from main_job import content

ADDRESS = "127.0.0.1"
SECONDS = 20  # without a byte
CHUNK = 16 * 1024
SHOWN = 1 << 20  # bytes of /slow before it waits
ETAG = '"one"'


class Handler(BaseHTTPRequestHandler):
    """What the cases ask for.

    /file/N      N bytes of content, or a part of them
    /chunked/N   the same in chunks
    /close/N     the same, ended by the end of the connection, with notice
    /cut/N       the same, without notice
    /slow        a mebibyte of two, and then nothing
    /moved?to=U  a redirect
    /name        the name that the server was told by SNI
    POST         answers with what it was sent, but for /moved; PUT with its SHA-256
    """

    protocol_version = "HTTP/1.1"
    timeout = SECONDS
    disable_nagle_algorithm = True

    def setup(self):
        if self.server.context:
            self.request.settimeout(SECONDS)
            wrap = self.server.context.wrap_socket
            self.request = wrap(self.request, server_side=True, suppress_ragged_eofs=False)
        super().setup()

    def do_GET(self):  # noqa: N802 (the name is http.server's)
        """Answers by the path."""
        url = urlsplit(self.path)
        kind, _, number = url.path.strip("/").partition("/")
        length = int(number) if number else 0
        match kind:
            case "file":
                self._part(length)
            case "chunked":
                self._chunked(length)
            case "close" | "cut":
                self._until_the_end(length, is_cut=kind == "cut")
            case "slow":
                self._head(200, 2 * SHOWN, ("ETag", ETAG))
                self.wfile.write(content.content(SHOWN))
                self.rfile.read(1)  # until the client has gone
            case "moved":
                self._head(302, 0, ("Location", parse_qs(url.query)["to"][0]))
            case "name":
                self._whole(getattr(self.connection, "told", "").encode())
            case _:
                self._head(404, 0)

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self):  # noqa: N802
        """Sends back what came, unless it is redirected."""
        came = b"".join(self._body())
        if self.path.startswith("/moved"):
            self.do_GET()
        else:
            self._whole(came)

    def do_PUT(self):  # noqa: N802
        """Says what came."""
        digest = hashlib.sha256()
        for piece in self._body():
            digest.update(piece)
        self._whole(digest.hexdigest().encode())

    def _head(self, status, length, *fields):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()

    def _write(self, pieces):
        if self.command != "HEAD":
            for piece in pieces:
                self.wfile.write(piece)

    def _whole(self, body):
        self._head(200, len(body))
        self._write([body])

    def _part(self, length):
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        fields = [("ETag", ETAG), ("Accept-Ranges", "bytes")]
        if not asked or self.headers.get("If-Range", ETAG) != ETAG:
            self._head(200, length, *fields)
            self._write(content.pieces(length))
            return
        first = int(asked[1])
        last = min(int(asked[2] or length - 1), length - 1)
        fields.append(("Content-Range", f"bytes {first}-{last}/{length}"))
        self._head(206, last + 1 - first, *fields)
        self._write(content.pieces(last + 1 - first, first))

    def _chunked(self, length):
        self._head(200, None, ("Transfer-Encoding", "chunked"))
        whole = content.content(length)
        pieces = [whole[at : at + CHUNK] for at in range(0, length, CHUNK)]
        chunks = (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        self._write([*chunks, b"0\r\n\r\n"])

    def _until_the_end(self, length, is_cut):
        self._head(200, None)
        self._write(content.pieces(length))
        self.close_connection = True
        self.wfile.flush()
        if is_cut and self.server.context:
            # Closed below TLS, which says nothing then.
            self.connection.is_cut = True
            os.close(self.connection.detach())

    def _body(self):
        """What was sent with the request, in pieces."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left > 0 and (piece := self.rfile.read(min(left, 1 << 18))):
            left -= len(piece)
            yield piece

    def finish(self):
        try:
            super().finish()
        except (OSError, ValueError):
            pass  # it was cut

    def handle(self):
        try:
            super().handle()
        except (OSError, ssl.SSLError):
            pass  # the client went away, as some cases have it

    def log_message(self, *_):
        pass


class Origin(ThreadingHTTPServer):
    """Listens on a port of its own; over TLS if it has a certificate."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, pair=None, client_root=None):
        self.context = pair and context(pair, client_root)
        super().__init__((ADDRESS, 0), Handler)
        self.port = self.server_address[1]

    def shutdown_request(self, request):
        """Ends a connection. `request` is the one below TLS."""
        try:
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.close_request(request)

    def finish_request(self, request, client_address):
        """Serves a connection, and says goodbye on it."""
        try:
            handler = self.RequestHandlerClass(request, client_address, self)
        except (OSError, ssl.SSLError):
            return  # the handshake failed, as some cases have it
        if self.context and not getattr(handler.connection, "is_cut", False):
            try:
                handler.connection.unwrap()
            except (OSError, ValueError):
                pass  # the client has gone
            handler.connection.close()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def context(pair, client_root=None):
    """How a server speaks TLS; with `client_root` it wants a certificate of the client's."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.chain, pair.key)
    made.set_alpn_protocols(["http/1.1"])
    if client_root:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(client_root.chain)

    def told(connection, name, _):
        connection.told = name or ""

    made.sni_callback = told
    return made
