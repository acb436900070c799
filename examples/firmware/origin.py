"""A server on the loopback interface for the images to fetch from."""

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Bytes whose order shows: neither a lost, a doubled nor a swapped block hashes alike.
LONG = bytes((index * 31 + (index >> 8)) & 0xFF for index in range(65536))
HELLO = b"Hello, world!"
# Sizes of chunks: tiny ones, more than a buffer of 4 KiB, and a last one that ends on no boundary.
CHUNKS = [1, 15, 16, 255, 256, 1000, 4096, 9000, 3]
CHUNKED = LONG[: sum(CHUNKS)]

# What a client uploads whose body comes from a reader.
READ = LONG[:500]
ETAG = '"v1"'

BODIES = {"/64k": LONG, "/4m": LONG * 64, "/hello": HELLO, "/chunked": CHUNKED}
# What comes of a word that an image is given, where that is not the body of a path.
RESULTS = {"/moved": HELLO, ">/64k": LONG, ">/part": LONG, "=/echo": HELLO, "</echo": READ}


class Handler(BaseHTTPRequestHandler):
    """Answers on one connection, which is kept open unless the client closes it."""

    protocol_version = "HTTP/1.1"
    timeout = 20  # seconds; an image that hangs does not keep its connection for ever
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.server.connections += 1

    def do_GET(self):  # noqa: N802 (the name is http.server's)
        self.server.requests += 1
        if self.path == "/cut":
            self.cut()
        elif self.path == "/chunked":
            self.chunked()
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "hello")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/part":
            self.part()
        elif (body := BODIES.get(self.path)) is not None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_error(404)

    def do_POST(self):  # noqa: N802
        """Sends the body back. `Expect: 100-continue` was answered by http.server before."""
        self.server.requests += 1
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/echo":
            self.send_error(404)
            return
        if body == READ and self.headers.get("Expect") != "100-continue":
            self.send_error(417)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def part(self):
        """Closes in the middle, unless it is asked for the rest."""
        wanted = self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if wanted and self.headers.get("If-Range") != ETAG:
            self.send_error(400)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", ETAG)
        self.send_header("Content-Length", str(len(LONG) - start))
        if wanted:
            last = len(LONG) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(LONG)}")
        self.end_headers()
        self.wfile.write(LONG[start:] if wanted else LONG[:20000])
        self.close_connection = not wanted

    def chunked(self):
        """Sends the same kind of bytes in chunks, with an extension and a trailer section."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        at = 0
        for size in CHUNKS:
            extension = ";n=1" if size == 16 else ""
            self.wfile.write(f"{size:x}{extension}\r\n".encode())
            self.wfile.write(CHUNKED[at : at + size] + b"\r\n")
            at += size
        self.wfile.write(b"0\r\nX-Trailer: yes\r\n\r\n")

    def cut(self):
        """Closes in the middle of the body."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(LONG[:500])
        self.close_connection = True

    def log_message(self, *_):
        pass


class Origin(ThreadingHTTPServer):
    """The server, on a port of its own, counting what reaches it."""

    daemon_threads = True

    def __init__(self, handler=Handler, context=None):
        super().__init__(("127.0.0.1", 0), handler)
        self.context = context  # of TLS
        self.port = self.server_address[1]
        self.connections = 0
        self.requests = 0

    def finish_request(self, request, client_address):
        """In the thread of the connection: a handshake that fails is no connection."""
        if self.context:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(request, client_address)

    def handle_error(self, *_):
        """A client may break a connection."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


@contextmanager
def refusing_port():
    """A port that is ours but where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
