"""Releases for the image `ota`, and a server that has them, in good order or not."""

import hashlib
import random
import re
import subprocess
import tempfile
import threading
from pathlib import Path

from origin import Handler, Origin

# The secret key of the tests. A real one is kept where no server is.
SECRET = hashlib.sha256(b"sortie firmware: the key of the tests").digest()
# What stands before an Ed25519 key in a file of it, as RFC 8410 §7 has that.
PREFIX = bytes.fromhex("302e020100300506032b657004220420")


def image(version, length):
    """An image, which can be told from every other one."""
    return b"SORT" + version.to_bytes(4, "little") + random.Random(version).randbytes(length - 8)


def sign(message, secret=SECRET):
    """Its Ed25519 signature."""
    with tempfile.TemporaryDirectory(prefix="sortie-key-") as folder:
        key, file = Path(folder) / "key", Path(folder) / "message"
        key.write_bytes(PREFIX + secret)
        file.write_bytes(message)
        command = ["openssl", "pkeyutl", "-sign", "-rawin", "-keyform", "DER"]
        command += ["-inkey", key, "-in", file]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def manifest(version, content, path, length=None, secret=SECRET):
    """The text of a release; `content` is what it is said to be."""
    length = len(content) if length is None else length
    sha256 = hashlib.sha256(content).digest()
    numbers = version.to_bytes(4, "little") + length.to_bytes(4, "little")
    signature = sign(b"firmware" + numbers + sha256, secret)
    lines = [f"version {version}", f"length {length}", f"sha256 {sha256.hex()}", f"path {path}"]
    return "\n".join([*lines, f"signature {signature.hex()}", ""]).encode()


def put(folder, version, content):
    """Makes the files of a release for a server of files."""
    (folder / "works").mkdir(parents=True, exist_ok=True)
    (folder / "works" / str(version)).write_bytes(b"good")
    (folder / f"firmware-{version}.bin").write_bytes(content)
    (folder / "manifest").write_bytes(manifest(version, content, f"/firmware-{version}.bin"))


class File:
    """What the server has at a path. Where `cuts` is given, a connection is cut after so many
    bytes of content, one number for each answer; and after the first of them it may be `then`.
    """

    def __init__(self, content, etag, cuts=(), then=None):
        self.content, self.etag, self.cuts, self.then = content, etag, list(cuts), then


class Handling(Handler):
    """Answers what a device asks for its updates."""

    def do_GET(self):  # noqa: N802 (the name is http.server's)
        server = self.server
        with server.lock:
            wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
            server.asked.append((self.path, wanted, condition))
            if self.path == "/manifest":
                first = server.manifests[0]
                server.manifests = server.manifests[1:] or [first]
                return self.text(200, first)
            if found := re.fullmatch(r"/works/(\d+)", self.path):
                return self.text(404 if int(found[1]) in server.broken else 200, b"")
            if self.path not in server.files:
                return self.text(404, b"")
            return self.file(server.files[self.path], wanted, condition)

    def text(self, status, content):
        """A short answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def file(self, file, wanted, condition):
        """A file, or the rest of it, or what comes of that before the connection is cut."""
        content, start = file.content, 0
        if wanted and condition == file.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", file.etag)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        end = len(content)
        if file.cuts:
            end = min(end, start + file.cuts.pop(0))
            if file.then:
                self.server.files[self.path] = file.then
            self.close_connection = True
        self.wfile.write(content[start:end])


class Updates(Origin):
    """The server. `manifests` are given one after another, the last one again and again; what
    says that it works is not believed if its version is `broken`.
    """

    def __init__(self, manifests, files, broken=()):
        super().__init__(Handling)
        self.lock = threading.Lock()
        self.manifests, self.files, self.broken = list(manifests), dict(files), broken
        self.asked = []
