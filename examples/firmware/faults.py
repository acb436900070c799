"""An origin that does what no good server does, for `job.py`."""

import socket
import threading

from origin import LONG, Handler, Origin

SECONDS = 20  # for what has to happen before
PAUSE = 0.1  # between the bytes of what never ends


class FaultyHandler(Handler):
    """Answers, or does not."""

    timeout = SECONDS

    def setup(self):
        super().setup()
        with self.server.lock:
            self.server.open += 1

    def finish(self):
        with self.server.lock:
            self.server.open -= 1
        super().finish()

    def do_GET(self):  # noqa: N802 (the name is http.server's)
        with self.server.lock:
            self.server.asked.add(self.path)
        fault = self.FAULTS.get(self.path)
        if fault is None:
            super().do_GET()
        else:
            fault(self)

    def text(self, content):
        """An answer as it should be."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def meet(self):
        """Answers when two have asked."""
        self.server.meeting.wait(SECONDS)
        self.text(b"met")

    def open(self):
        """Says how many connections there are, this one included."""
        with self.server.lock:
            count = self.server.open
        self.text(f"open: {count}\n".encode())

    def until_closed(self):
        """Waits until the client has closed the connection."""
        try:
            self.connection.recv(1)
        except OSError:
            pass  # It was reset, or nothing came: it is closed now.
        self.close_connection = True

    def stall(self):
        """Does not answer."""
        self.until_closed()

    def stall_body(self):
        """Does not go on."""
        self.begin(100)
        self.until_closed()

    def drip(self):
        """Goes on, and does not come to an end."""
        self.begin(1)
        self.connection.settimeout(PAUSE)
        for _ in range(int(SECONDS / PAUSE)):
            try:
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                pass
            except OSError:
                break
            try:
                self.wfile.write(b".")
            except OSError:
                break
        self.close_connection = True

    def begin(self, count):
        """The head of an answer of 1,000 bytes, and the first of them."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(LONG[:count])

    def close(self):
        """Closes without an answer."""
        self.close_connection = True

    def cut_chunk(self):
        """Closes in the middle of a chunk."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3e8\r\n" + LONG[:500])
        self.close_connection = True

    def garbage(self):
        """Speaks another protocol."""
        self.wfile.write(b"220 mail.test ESMTP\r\n")
        self.close_connection = True

    def two_lengths(self):
        """Says two things about one."""
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"what?")
        self.close_connection = True

    FAULTS = {
        "/meet": meet,
        "/open": open,
        "/stall": stall,
        "/stall-body": stall_body,
        "/drip": drip,
        "/close": close,
        "/cut-chunk": cut_chunk,
        "/garbage": garbage,
        "/two-lengths": two_lengths,
    }


class FaultyOrigin(Origin):
    """The server, which knows how many connections it has at the moment, and what was asked."""

    request_queue_size = socket.SOMAXCONN

    def __init__(self):
        super().__init__(FaultyHandler)
        self.lock = threading.Lock()
        self.meeting = threading.Barrier(2)
        self.open = 0
        self.asked = set()

    def unasked(self):
        """The faults that nobody has met."""
        return sorted(set(FaultyHandler.FAULTS) - self.asked)

    def handle_error(self, request, client_address):
        pass  # Connections are reset here all the time.
