"""A stand-in for the command, to judge the judges: right, or with one fault on purpose.

It is slow and fetches one URL after the other, but it does what the cases ask for. `--fault=NAME`
comes first, with several names between commas; faults.py has them.
"""

import base64
import email.utils
import fcntl
import hashlib
import json
import os
import re
import select
import socket
import stat
import sys
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from download_job.origin import read_head  # noqa: E402

READ = 1 << 18
TIMEOUT = 20  # seconds without a byte
REDIRECTS = 10
USAGE, PARTIAL, STATUS, WRITE, SOURCE, RANGE, DIGEST = 2, 18, 22, 23, 26, 33, 90
FAULT = set()


class Failed(Exception):
    """Ends the command with an exit status and words."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


class Options:
    """The command line, as far as it is of use here."""

    def __init__(self, arguments):
        self.positional, self.output, self.folder, self.digest = [], None, None, None
        self.resumes, self.stdin, self.method, self.fields = True, False, "PUT", []
        arguments = iter(arguments)
        for argument in arguments:
            match argument:
                case "-o":
                    self.output = Path(next(arguments))
                case "-d":
                    self.folder = Path(next(arguments))
                case "-j":
                    next(arguments)
                case "--sha256":
                    self.digest = next(arguments)
                    if not re.fullmatch("[0-9a-f]{64}", self.digest):
                        raise Failed(USAGE, "this is not a digest")
                case "--no-resume":
                    self.resumes = False
                case "-s":
                    pass  # main knows
                case "-X":
                    self.method = next(arguments)
                case "-H":
                    self.fields.append(next(arguments))
                case "-T":
                    self.stdin = next(arguments) == "-"
                case _:
                    self.positional.append(argument)


class Response:
    """A response, whose body is read piece by piece."""

    def __init__(self, client, head, rest):
        first, *lines = head.split("\r\n")
        self.status = int(first.split()[1])
        pairs = [line.split(":", 1) for line in lines]
        self.fields = {name.lower(): value.strip() for name, value in pairs}
        self._client, self._rest = client, rest

    def get(self, name):
        """A field, or None."""
        return self.fields.get(name)

    @property
    def is_chunked(self):
        """Is the body in chunks?"""
        return self.get("transfer-encoding") == "chunked"

    def pieces(self):
        """The body. Fails where the connection ends before it."""
        if self.is_chunked:
            while size := int(self._line(), 16):
                yield from self._sized(size)
                self._line()
        elif self.get("content-length") is not None:
            yield from self._sized(int(self.get("content-length")))
        else:
            while piece := self._piece(READ):
                yield piece

    def _piece(self, most):
        if not self._rest:
            try:
                self._rest = self._client.recv(READ)
            except OSError as error:
                raise Failed(0 if "short is whole" in FAULT else PARTIAL, str(error)) from error
        piece, self._rest = self._rest[:most], self._rest[most:]
        return piece

    def _sized(self, left):
        while left:
            piece = self._piece(left)
            if not piece:
                raise Failed(0 if "short is whole" in FAULT else PARTIAL, "the response is cut")
            left -= len(piece)
            yield piece

    def _line(self):
        line = b""
        while not line.endswith(b"\r\n"):
            byte = self._piece(1)
            if not byte:
                raise Failed(PARTIAL, "the response is cut")
            line += byte
        return line[:-2]


def connect(url):
    """A connection to where the URL points, and its target."""
    parts = urlsplit(url)
    client = socket.create_connection((parts.hostname, parts.port or 80), TIMEOUT)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return client, target, parts.netloc


def ask(url, fields):
    """One request. Follows redirects."""
    for _ in range(REDIRECTS):
        client, target, host = connect(url)
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]
        client.sendall("\r\n".join(lines).encode())
        response = answered(client)
        if response.status not in (301, 302, 303, 307, 308):
            return response
        url = urljoin(url, response.get("location"))
    raise Failed(47, "too many redirects")


def answered(client):
    """The response that comes next."""
    try:
        read = read_head(client)
    except OSError as error:
        raise Failed(PARTIAL, f"lost: {error}") from error
    if read is None:
        raise Failed(PARTIAL, "no response")
    return Response(client, *read)


class Download:
    """One download, to `final`."""

    def __init__(self, options, url, final):
        self.options, self.url, self.final = options, url, final
        self.part = final if "in place" in FAULT else final.with_name(f"{final.name}.part")
        self.sidecar = final.with_name(f"{final.name}.part.resume")
        self.at = 0
        self.total = None
        self.repr_digest = None
        if final.is_dir():
            raise Failed(WRITE, "the destination is a folder")
        for path in (self.part, self.sidecar):
            if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
                if "anything is followed" not in FAULT:
                    raise Failed(WRITE, f"{path} is no file")
        self.file = os.open(self.part, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.fstat(self.file).st_ino == os.stat(self.part).st_ino
        except OSError:
            same = False
        if not same:
            raise Failed(WRITE, "another one is at it")

    def run(self):
        """From the request to the file under its name."""
        known = self._known() if self.options.resumes else None
        if not self._fetch(known):
            os.truncate(self.part, 0)
            self._fetch(None)
        if "name before digest" in FAULT:
            self.part.rename(self.final)
            self.part = self.final
        wrong = None if "no digests" in FAULT else self._digest_fault()
        if wrong:
            self.part.unlink()
            self._forget()
            raise Failed(DIGEST, wrong)
        self._check()
        self.part.rename(self.final)
        if "sidecar is left" not in FAULT:
            self._forget()

    def _check(self, length=None):
        """Is the part still what was written to, and as long?"""
        if "blind" in FAULT:
            return
        ours = os.fstat(self.file)
        is_there = os.path.lexists(self.part) and os.lstat(self.part).st_ino == ours.st_ino
        if not is_there or length not in (None, ours.st_size):
            self._forget()
            os.ftruncate(self.file, 0)
            raise Failed(WRITE, "the part is not what it was: somebody else changed it")

    def _known(self):
        """What the sidecar knows, if it is of this part."""
        try:
            with self.sidecar.open("rb") as file:
                known = json.loads(file.read(1 << 16))
            seal = known.pop("seal")
            held = os.fstat(self.file).st_size
            same = seal == seal_of(known) or "sidecar unsealed" in FAULT
            same &= known["url"] == self.url or "any URL" in FAULT
            fits = known["total"] is None or held <= known["total"] or "any length" in FAULT
            return known if same and fits and held else None
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
            return None

    def _fetch(self, known):
        """One request and its content. False if it has to be begun anew."""
        held = os.fstat(self.file).st_size
        fields = []
        if known:
            fields.append(f"Range: bytes={held}-")
            if "no If-Range" not in FAULT:
                fields.append(f"If-Range: {known['validator']}")
        if "gzip" in FAULT:
            fields.append("Accept-Encoding: gzip")
        response = ask(self.url, fields)
        self.repr_digest = response.get("repr-digest")
        self.total = known["total"] if known else None
        if response.status == 206 and not (known and self._continues(response, known, held)):
            if known is None:
                raise Failed(RANGE, "a part was not asked for")
            return False
        if response.status == 206:
            self._write(response, held)
        elif response.status == 416 and known:
            return "416 is the end" in FAULT or self._is_all(response, held)
        elif response.status >= 400:
            if "errors lose the part" in FAULT:
                os.truncate(self.part, 0)
            if "errors are kept" in FAULT:
                self._write(response, 0)
            raise Failed(STATUS, f"status {response.status}")
        elif response.status == 200:
            self._begin(response)
            self._write(response, held if "200 appended" in FAULT else 0)
        else:
            raise Failed(8, f"status {response.status}")
        return True

    def _is_all(self, response, held):
        is_total = response.get("content-range") == f"bytes */{held}"
        return is_total and self.total in (None, held)

    def _continues(self, response, known, held):
        """Does this 206 bring just what is missing of the same version?"""
        said = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.get("content-range") or "")
        if "any 206" in FAULT:
            return True
        if not said or response.get("content-encoding"):
            return False
        start, last = int(said[1]), int(said[2])
        total = None if said[3] == "*" else int(said[3])
        if start != held and "any start" not in FAULT:
            return False
        if "any total" not in FAULT and (total is None or known["total"] not in (None, total)):
            return False
        self.total = total
        tag, date = response.get("etag"), response.get("last-modified")
        changed = (known["etag"], known["modified"]) != (tag, date)
        if changed and "any version" not in FAULT:
            return False
        length = response.get("content-length")
        return length is None or int(length) == last + 1 - start or "any length" in FAULT

    def _begin(self, response):
        """Anew: what is known of the file goes to the sidecar, before there is any of it."""
        if "200 appended" not in FAULT:
            os.ftruncate(self.file, 0)
        if "date as is" in FAULT:
            response.fields["date"] = ""
        known = {
            "url": self.url,
            "etag": response.get("etag"),
            "modified": response.get("last-modified"),
            "validator": validator_of(response),
            "total": None,
        }
        if response.get("content-length") is not None:
            known["total"] = self.total = int(response.get("content-length"))
        self._forget()
        if known["validator"] and "never continues" not in FAULT:
            known["seal"] = seal_of(known)
            self.sidecar.write_text(json.dumps(known))

    def _forget(self):
        if self.sidecar.is_dir():
            raise Failed(WRITE, "the sidecar is a folder")
        self.sidecar.unlink(missing_ok=True)

    def _write(self, response, at):
        self.at = at
        try:
            for piece in response.pieces():
                if self.total is not None and self.at + len(piece) > self.total:
                    if "any length" not in FAULT:
                        os.ftruncate(self.file, 0)
                        raise Failed(RANGE, "more content than was said")
                self._check(self.at)
                while piece:
                    written = os.pwrite(self.file, piece, self.at)
                    self.at += written
                    piece = piece[written:]
        except Failed as failed:
            if failed.status:
                raise
        short = self.total is not None and self.at < self.total
        if short and "short is whole" not in FAULT and "any 206" not in FAULT:
            raise Failed(PARTIAL, "less content than was said")

    def _digest_fault(self):
        with self.part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        if self.options.digest and self.options.digest != digest.hex():
            return "--sha256 does not fit"
        said = re.search(r"\bsha-256=:([^:]*):", self.repr_digest or "")
        if said and base64.b64decode(said[1]) != digest:
            return "Repr-Digest does not fit"
        return None


def validator_of(response):
    """What If-Range may hold. None if there is nothing strong."""
    tag, date = response.get("etag"), response.get("last-modified")
    if response.get("accept-ranges") == "none" and "Accept-Ranges unread" not in FAULT:
        return None
    if tag and (not tag.startswith("W/") or "weak tags" in FAULT):
        return tag
    if not date or (tag and "date beside a tag" not in FAULT):
        return None
    if "date as is" in FAULT:
        return date
    told, now = (email.utils.parsedate_to_datetime(text) for text in (date, response.get("date")))
    return date if (now - told).total_seconds() >= 1 else None


def seal_of(known):
    """What a damaged sidecar would not have."""
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def download(options):
    """All URLs, one after the other. The exit status is the first failure's."""
    failures = []
    for url in options.positional:
        try:
            name = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
            if not options.output and (name in ("", ".", "..") or "/" in name):
                if "any name" not in FAULT:
                    raise Failed(WRITE, f"the URL names no file: {name}")
            final = options.output or (options.folder or Path(".")) / name
            task = Download(options, url, final)
            try:
                task.run()
            finally:
                if "signals lose the part" in FAULT and sys.exc_info()[0] is KeyboardInterrupt:
                    task.part.unlink()
                if task.part.exists() and task.part.stat().st_size == 0:
                    task.part.unlink()
                os.close(task.file)
        except Failed as failed:
            failures.append(failed)
        except OSError as error:
            failures.append(Failed(WRITE, str(error)))
    if failures:
        raise failures[0]


class Sender:
    """One upload."""

    def __init__(self, options):
        self.options = options
        *source, self.url = options.positional
        try:
            self.file = sys.stdin.buffer if options.stdin else open(source[0], "rb")
        except OSError as error:
            raise Failed(SOURCE, str(error)) from error
        self.length = None if options.stdin else os.fstat(self.file.fileno()).st_size

    def run(self):
        """Sends the head, the body, and judges the answer."""
        client, target, host = connect(self.url)
        lines = [f"{self.options.method} {target} HTTP/1.1", f"Host: {host}", *self.options.fields]
        chunked = self.length is None
        lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {self.length}")
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        expects = any("100-continue" in line for line in self.options.fields)
        response = self._awaited(client) if expects and "100 unawaited" not in FAULT else None
        if response is None:
            self._send(client)
            response = answered(client)
            while response.status < 200:
                response = Response(client, *read_behind(response, client))
        if response.status >= 400:
            raise Failed(STATUS, f"status {response.status}")

    def _awaited(self, client):
        """Waits for 100. A final response if there is one."""
        limit = None if "100 awaited for ever" in FAULT else 1
        if not select.select([client], [], [], limit)[0]:
            return None
        response = answered(client)
        return None if response.status == 100 else response

    def _send(self, client):
        """Sends the body, until an answer comes."""
        left = self.length
        while left is None or left > 0:
            piece = self.file.read(READ if left is None else min(READ, left))
            if not piece and left is not None:
                if "padded" not in FAULT:
                    raise Failed(SOURCE, "the file has shrunk")
                piece = bytes(min(READ, left))
            if left is None:
                body = b"%x\r\n%b\r\n" % (len(piece), piece)
            else:
                body, left = piece, left - len(piece)
            if not self._push(client, memoryview(body)) or not piece:
                return
        if "as long as it is" in FAULT:
            client.sendall(self.file.read())

    def _push(self, client, body):
        """Sends some bytes. False if an answer came instead."""
        while body:
            readable, writable, _ = select.select([client], [client], [], TIMEOUT)
            if readable and "answers come last" not in FAULT:
                return False
            if not writable:
                raise Failed(28, "nothing is taken")
            try:
                client.setblocking(False)
                body = body[client.send(body) :]
            except OSError as error:
                if "answers come last" in FAULT:
                    raise Failed(55, str(error)) from error
                return False
            finally:
                client.settimeout(TIMEOUT)
        return True


def read_behind(response, client):
    """The head behind an interim response."""
    rest = response._rest
    while b"\r\n\r\n" not in rest:
        read = client.recv(READ)
        if not read:
            raise Failed(PARTIAL, "no response")
        rest += read
    head, rest = rest.split(b"\r\n\r\n", 1)
    return head.decode("latin-1"), rest


def main(arguments):
    """Does what it is told."""
    global FAULT
    if arguments[0].startswith("--fault="):
        FAULT = set(arguments.pop(0).removeprefix("--fault=").split(","))
    silent = "-s" in arguments
    try:
        options = Options(arguments[1:])
        if arguments[0] == "download":
            download(options)
        else:
            Sender(options).run()
    except Failed as failed:
        if not silent or "never silent" in FAULT:
            print(failed, file=sys.stderr)
        return 1 if "one status for all" in FAULT else failed.status
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
