"""What is asked of every server: the same, whoever answers."""

import os
import random
import subprocess
import time

from main_job import content
from main_job.proxy import Proxy, up_to
from tls_job.case import named

SMALL = 1000  # bytes of a small file
MIDDLE = 1 << 20  # bytes of what comes or goes in pieces
EVERYWHERE = []  # name, function of a case and an end
PARALLEL = 3


def file(end, length=SMALL, **where):
    """The URL of a file."""
    return end.url(f"/file/{length}", **where)


@named("GET by name and by address", EVERYWHERE)
def get(case, end):
    """The certificate is for both."""
    for host in ("localhost", "127.0.0.1"):
        case.works("get", file(end, host=host), out=content.content(SMALL))


@named("HEAD", EVERYWHERE)
def head(case, end):
    """A length, and no content."""
    ran = case.works("get", "-I", file(end))
    lines = ran.out.lower().split(b"\r\n")
    case.expect(lines[0].startswith(b"http/1.1 200"), f"status line {lines[0]}")
    case.expect(b"content-length: %d" % SMALL in lines, f"no length in {lines}")
    case.expect(lines[-2:] == [b"", b""], "there is content")


@named("POST and its echo", EVERYWHERE)
def post(case, end):
    """A body goes and comes."""
    data = random.Random(1).randbytes(MIDDLE)
    (case.folder / "data").write_bytes(data)
    case.works("get", "-d", "@data", end.url("/post"), out=data)


@named("PUT with a length and in chunks", EVERYWHERE)
def put(case, end):
    """A large body arrives as it was."""
    length = case.world.large
    content.write(case.folder / "data", length)
    digest = content.digest(length).encode()
    case.works("upload", "-o", "said", "data", end.url("/put"))
    said = (case.folder / "said").read_bytes()
    case.expect(said == digest, f"arrived: {said} instead of {digest}")
    command = case.arguments("upload", "-o", "said", "-", end.url("/put"))
    with (case.folder / "data").open("rb") as data:
        ran = subprocess.run(command, stdin=data, capture_output=True, timeout=60,
                             cwd=case.folder, check=False)
    case.expect(ran.returncode == 0, f"in chunks: exit status {ran.returncode}: {ran.stderr}")
    said = (case.folder / "said").read_bytes()
    case.expect(said == digest, f"in chunks arrived: {said} instead of {digest}")


@named("a large file, byte for byte", EVERYWHERE)
def large(case, end):
    """Its SHA-256 says so."""
    length = case.world.large
    case.works("get", "-o", "file", file(end, length))
    fault = content.fault(case.folder / "file", length)
    case.expect(fault is None, f"get: {fault}")
    case.works("download", "-o", "stored", "--sha256", content.digest(length), file(end, length))
    fault = content.fault(case.folder / "stored", length)
    case.expect(fault is None, f"download: {fault}")


@named("a range", EVERYWHERE)
def part(case, end):
    """A part of a file."""
    case.works("get", "-r", "100-299", file(end), out=content.content(200, 100))


@named("content in chunks", EVERYWHERE)
def chunked(case, end):
    """Its length is not told."""
    ran = case.works("get", "-i", end.url(f"/chunked/{MIDDLE}"))
    front, _, body = ran.out.partition(b"\r\n\r\n")
    case.expect(b"transfer-encoding: chunked" in front.lower(), f"not in chunks: {front}")
    case.expect(body == content.content(MIDDLE), f"{len(body)} bytes of {MIDDLE}")


class CutOnce(Proxy):
    """Cuts the first connection, and no other."""

    def _serve(self, client):
        super()._serve(client)
        self.cut = None


@named("a download that is cut goes on", EVERYWHERE)
def resumed(case, end):
    """The connection ends without notice in the middle of a record."""
    length = case.world.large
    with CutOnce(end.port, up_to(64 << 10), length // 2) as proxy:
        url = f"https://localhost:{proxy.port}/file/{length}"
        case.fails(18, "close_notify", "download", "-o", "file", url)
        proxy.settle()
        kept = (case.folder / "file.part").stat().st_size
        case.expect(0 < kept < length, f"{kept} bytes are kept")
        ran = case.works("download", "--json", "-o", "file", url)
    for one in ran.objects():
        case.expect(one["response"]["status"] == 206, f"status {one['response']['status']}")
        received = one["count_of_bytes_received_on_the_wire"]
        case.expect(received < length - kept + 9000, f"{received} bytes came, {kept} were there")
    fault = content.fault(case.folder / "file", length)
    case.expect(fault is None, fault)


@named("three URLs, one connection", EVERYWHERE)
def kept_alive(case, end):
    """One handshake is enough."""
    arguments = ["-w", "%{num_connects} %{time_appconnect}\\n"]
    for number in range(3):
        arguments += ["-o", number, file(end, SMALL)]
    ran = case.works("get", *arguments)
    counts = [line.split() for line in ran.out.decode().splitlines()]
    case.expect([count for count, _ in counts] == ["1", "0", "0"], f"connections: {counts}")
    case.expect([float(time) > 0 for _, time in counts] == [True, False, False], f"{counts}")
    for number in range(3):
        fault = content.fault(case.folder / str(number), SMALL)
        case.expect(fault is None, fault)
    ran = case.works("get", "-v", "-o", "a", file(end), "-o", "b", file(end))
    case.expect(ran.said.count(" connected to ") == 1, ran.said)
    case.expect(ran.said.count(" used again: the connection to ") == 1, ran.said)


@named("a second connection resumes TLS", EVERYWHERE)
def tls_resumed(case, end):
    """With both versions."""
    for version in ("1.2", "1.3"):
        urls = ["-o", "a", file(end), "-o", "b", file(end)]
        ran = case.works("get", "--json", "--tls-max", version, "-H", "Connection: close", *urls)
        told = ran.transactions()
        kinds = [it["is_tls_resumed"] for it in told]
        case.expect(kinds == [False, True], f"TLS {version}: {kinds}")
        names = {it["tls_version"] for it in told}
        case.expect(names == {f"TLSv{version}"}, f"TLS {version}: {names}")
        agreed = {it["network_protocol_name"] for it in told}
        case.expect(agreed <= {None, "http/1.1"}, f"ALPN: {agreed}")
    case.works("get", "--tlsv1.3", file(end), out=content.content(SMALL))


@named("several downloads at once", EVERYWHERE)
def parallel(case, end):
    """They share connections."""
    urls = []
    for number in range(2 * PARALLEL):
        urls += ["-o", number, file(end, MIDDLE)]
    ran = case.works("download", "--json", "-j", PARALLEL, *urls)
    fresh = [it for it in ran.transactions() if not it["is_reused"]]
    case.expect(1 <= len(fresh) <= PARALLEL, f"{len(fresh)} connections")
    for number in range(2 * PARALLEL):
        fault = content.fault(case.folder / str(number), MIDDLE)
        case.expect(fault is None, fault)


@named("a redirect to https is followed, to http refused", EVERYWHERE)
def redirect(case, end):
    """A URL that was secret would travel in the open."""
    case.works("get", end.url(f"/moved?to=/file/{SMALL}"), out=content.content(SMALL))
    case.works("get", end.url(f"/moved?to={file(end)}"), out=content.content(SMALL))
    plain = f"http://127.0.0.1:{case.world.plain}/file/{SMALL}"
    words = "from https to http"
    case.fails(1, words, "get", end.url(f"/moved?to={plain}"))
    case.fails(1, words, "download", "-o", "file", end.url(f"/moved?to={plain}"))
    case.expect(not (case.folder / "file").exists(), "there is a file")


@named("a root that is not trusted, and -k", EVERYWHERE)
def roots(case, end):
    """Neither the system's roots nor other ones will do."""
    other = case.world.certificates.other_root.chain
    words = "no root that is trusted"
    case.fails(60, words, "get", file(end), roots=False)
    case.fails(60, words, "get", "--cacert", other, file(end), roots=False)
    case.fails(60, words, "download", "-o", "file", file(end), roots=False)
    case.expect(not list(case.folder.iterdir()), "there is a file")
    (case.folder / "empty").touch()
    case.fails(60, words, "upload", "empty", end.url("/put"), roots=False)
    case.works("get", "-k", file(end), roots=False, out=content.content(SMALL))
    case.works("get", "-k", "--cacert", other, file(end), roots=False)


@named("a pinned key, also with -k", EVERYWHERE)
def pins(case, end):
    """It is asked for on top of everything."""
    right, wrong = case.world.certificates.pin, case.world.certificates.other_pin
    if end.name == "httpd":
        right = case.world.certificates.rsa_pin
    words = "none of those that are pinned"
    for trust in ([], ["-k"]):
        case.works("get", *trust, "--pinnedpubkey", right, file(end), out=content.content(SMALL))
        case.works("get", *trust, "--pinnedpubkey", f"{wrong};{right}", file(end))
        case.fails(90, words, "get", *trust, "--pinnedpubkey", wrong, file(end))
    ran = case.works("get", "-v", file(end))
    case.expect(right in ran.said, "-v does not show the key")


@named("a client certificate is asked for", EVERYWHERE)
def mutual(case, end):
    """The right one gets in, none and a stranger's do not."""
    some = case.world.certificates
    url = f"https://localhost:{end.mutual}/file/{SMALL}"
    for version in ("1.2", "1.3"):
        tls = ["--tls-max", version]
        shown = ["--cert", some.client.chain, "--key", some.client.key]
        case.works("get", *tls, *shown, url, out=content.content(SMALL))
        strange = ["--cert", some.stranger.chain, "--key", some.stranger.key]
        if end.answers_strangers:
            case.fails(22, "answered 400", "get", "-f", *tls, url)
            case.fails(22, "answered 400", "get", "-f", *tls, *strange, url)
        else:
            case.fails(35, "asks for a client certificate", "get", *tls, url)
            case.fails(35, "refused the client certificate", "get", *tls, *strange, url)
    both = some.client.both()
    case.works("get", "-E", both, url, out=content.content(SMALL))


@named("http to the port of https", EVERYWHERE)
def plain_to_secure(case, end):
    """Whatever the server makes of it, it is no success."""
    ran = case.run("get", "-f", f"http://127.0.0.1:{end.port}/file/{SMALL}")
    case.expect(ran.status in (8, 18, 22, 52), f"exit status {ran.status}: {ran.said}")
    case.expect(ran.out == b"", f"wrote {ran.out[:80]}")


def prepare(folder, large_length):
    """Makes the files that servers have by themselves."""
    (folder / "file").mkdir(parents=True)
    # httpd's tag for a file of the last second is weak, and no download goes on by that.
    earlier = time.time() - 3600
    for length in (SMALL, MIDDLE, large_length):
        path = folder / "file" / str(length)
        content.write(path, length)
        os.utime(path, (earlier, earlier))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
