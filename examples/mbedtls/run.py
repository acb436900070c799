#!/usr/bin/env python3
"""Runs the example against a TLS server on loopback: tasks over one connection, and what is refused.

    examples/mbedtls/run.py        builds it, which takes clang, libclang and cmake; then runs it
"""

import http.server
import os
import pathlib
import ssl
import subprocess
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
NAME = "device.example"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with as many bytes as the path says, and keeps the connection open."""

    protocol_version = "HTTP/1.1"
    seen = []

    def do_GET(self):
        self.seen.append((self.client_address, self.path))
        content = b"x" * int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that refuses the certificate is no fault of the server."""


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder, name):
    """A root, and a certificate from it for NAME."""
    key, root, der = (folder / f"{name}.{end}" for end in ("key", "pem", "der"))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", key, "-out", root, "-subj", f"/CN={name}",
            "-days", "2", "-addext", "keyUsage=critical,keyCertSign")
    openssl("x509", "-in", root, "-outform", "der", "-out", der)
    own, request, leaf = (folder / f"{name}-leaf.{end}" for end in ("key", "csr", "pem"))
    openssl("req", *curve, "-keyout", own, "-out", request, "-subj", "/CN=leaf",
            "-addext", f"subjectAltName=DNS:{NAME}")
    openssl("x509", "-req", "-in", request, "-CA", root, "-CAkey", key, "-CAcreateserial",
            "-days", "2", "-copy_extensions", "copy", "-out", leaf)
    return der, own, leaf


def serve(key, leaf, versions):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, key)
    context.minimum_version = context.maximum_version = versions
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=HERE, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))
    program = target / "debug" / "over-mbedtls"

    def run(server, root, *urls):
        address = f"127.0.0.1:{server.server_port}"
        done = subprocess.run([program, address, root, *urls], capture_output=True, text=True,
                              timeout=60, check=False)
        return done.returncode, done.stdout.split("\n")[:-1], done.stderr

    with tempfile.TemporaryDirectory() as folder:
        root, key, leaf = authority(pathlib.Path(folder), "trusted")
        other, _, _ = authority(pathlib.Path(folder), "other")
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            server = serve(key, leaf, version)
            urls = [f"https://{NAME}/{count}" for count in (5, 100_000, 0, 700)]

            Handler.seen.clear()
            status, lines, errors = run(server, root, *urls)
            assert (status, lines) == (0, ["200 5", "200 100000", "200 0", "200 700"]), errors
            assert len({client for client, _ in Handler.seen}) == 1, "one connection"

            Handler.seen.clear()
            status, lines, errors = run(server, other, urls[0])
            assert status != 0 and not lines and not Handler.seen, errors
            status, lines, errors = run(server, root, "https://else.example/5")
            assert status != 0 and not lines and not Handler.seen, errors
            status, lines, errors = run(server, root, f"http://{NAME}/5")
            assert status != 0 and not lines and not Handler.seen, errors
            assert "OtherOrigin" in errors, errors
            status, lines, errors = run(server, root, urls[0], "https://else.example/5")
            assert status != 0 and lines == ["200 5"] and len(Handler.seen) == 1, errors
            assert "OtherOrigin" in errors, errors
            server.shutdown()
            server.server_close()
            print(f"{version.name}: four tasks over one connection; a wrong root, a wrong name, "
                  "plaintext and another origin refused")


if __name__ == "__main__":
    main()
