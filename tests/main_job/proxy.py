"""A proxy that passes an origin's bytes on in segments of its own, and may cut the connection."""

import itertools
import random
import select
import socket
import struct
import threading
import time

ADDRESS = "127.0.0.1"
SECONDS = 30  # without a byte
READ = 1 << 18
# The network merges a short segment with the next one unless the receiver has taken it. For so
# many bytes of each read, which hold a head, it is given the time to.
PAUSED_BYTES = 400
PAUSE = 0.0002


def bytewise():
    """Segments of one byte."""
    return itertools.repeat(1)


def up_to(most):
    """Segments of random sizes up to `most`."""
    sizes = random.Random(most)
    some = [sizes.randint(1, most) for _ in range(10_007)]
    return lambda: itertools.cycle(some)


class Proxy:
    """Listens on `port`, and connects each client to the port `origin`.

    `segments` makes the sizes in which it sends. With `cut` it ends each connection after so many
    bytes of response, if `resets` by a reset.
    """

    def __init__(self, origin, segments, cut=None, resets=False):
        self.origin = origin
        self.segments = segments
        self.cut = cut
        self.resets = resets
        self.connections = 0
        self.sent = 0  # bytes of response
        self.seen = bytearray()  # these bytes if there is a cut, else the first of them
        self._threads = []
        self._listener = socket.create_server((ADDRESS, 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        # Closing alone would not wake up the thread in `accept`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def settle(self):
        """Waits until all connections are over."""
        for thread in self._threads:
            thread.join(SECONDS)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client):
        with client, socket.create_connection((ADDRESS, self.origin), SECONDS) as origin:
            client.settimeout(SECONDS)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._pass_on(client, origin)
            except OSError:
                pass  # the client went away, or nothing came for too long
            if self.resets:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _pass_on(self, client, origin):
        """Passes bytes on until one side ends or the cut is reached."""
        segments = self.segments()
        while ready := select.select([client, origin], [], [], SECONDS)[0]:
            if client in ready:
                request = client.recv(READ)
                if not request:
                    return
                origin.sendall(request)
            if origin in ready:
                response = origin.recv(READ)
                if not response or not self._respond(client, response, segments):
                    return

    def _respond(self, client, response, segments):
        """Sends some bytes of response. False if the cut was reached."""
        left = memoryview(response)
        if self.cut is not None:
            left = left[: self.cut - self.sent]
        if self.cut is not None or len(self.seen) < PAUSED_BYTES:
            self.seen += left
        to_pause = PAUSED_BYTES if self.segments is bytewise else 0
        while left:
            segment = left[: next(segments)]
            client.sendall(segment)
            self.sent += len(segment)
            left = left[len(segment) :]
            if to_pause > 0:
                to_pause -= 1
                time.sleep(PAUSE)
        return self.cut is None or self.sent < self.cut


def head_length(response):
    """How many bytes of a response are its head, with the empty line."""
    return response.index(b"\r\n\r\n") + 4


def content_in(response):
    """The content in what came of a response; all of the head did."""
    length = head_length(response)
    head, body = response[:length], response[length:]
    if b"transfer-encoding: chunked" not in head.lower():
        return bytes(body)
    found, at = bytearray(), 0
    while (end := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:end], 16)
        at = end + 2 + size + 2
        found += body[end + 2 : end + 2 + size]
    return bytes(found)
