"""What is tried once: certificates of every bad kind, and ends that behave badly."""

import re
import signal
import socket
import subprocess
import time

from main_job import content
from tls_job.case import named
from tls_job.everywhere import SMALL
from tls_job.origin import ADDRESS, SHOWN

PATIENCE = 20  # seconds until something must have happened


def shown(case, kind, host="localhost"):
    """The URL where nginx shows a certificate."""
    return f"https://{host}:{case.world.ports[kind]}/file/{SMALL}"


def python(case):
    """The end on http.server."""
    return next(end for end in case.world.ends if end.name == "python")


@named("a certificate that has expired")
def expired(case):
    """With the date."""
    ran = case.fails(60, "has expired", "get", shown(case, "expired"))
    dated = re.search(r"it was valid until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", ran.said)
    case.expect(dated, f"no date: {ran.said}")
    case.works("get", "-k", shown(case, "expired"), out=content.content(SMALL))


@named("a certificate that is not valid yet")
def early(case):
    """With the date."""
    ran = case.fails(60, "not valid yet", "get", shown(case, "early"))
    case.expect(re.search(r"it is valid from \d{4}-", ran.said), f"no date: {ran.said}")


@named("a certificate for another name")
def elsewhere(case):
    """With both names."""
    ran = case.fails(60, "for another name", "get", shown(case, "elsewhere"))
    case.expect("it is for other.example.org, and the URL has localhost" in ran.said, ran.said)
    case.works("get", shown(case, "name-only"), out=content.content(SMALL))
    ran = case.fails(60, "for another name", "get", shown(case, "name-only", ADDRESS))
    case.expect(f"the URL has {ADDRESS}" in ran.said, ran.said)


@named("certificates that lead nowhere")
def nowhere(case):
    """An unknown root, none at all, one that is missing in between."""
    case.fails(60, "no root that is trusted", "get", shown(case, "foreign"))
    case.fails(60, "signed by itself", "get", shown(case, "own"))
    case.fails(60, "no root that is trusted", "get", shown(case, "by-middle"))
    case.works("get", shown(case, "chained"), out=content.content(SMALL))
    case.fails(60, "is not trusted", "get", shown(case, "purpose"))


@named("a server that is refused is asked for nothing")
def unasked(case):
    """Its log has the one request that was meant for it."""
    some = case.world.certificates
    (case.folder / "data").write_bytes(b"secret")
    url, path = {}, "/file/refused"
    for kind in ("good", "expired", "early", "elsewhere", "foreign", "own", "by-middle", "purpose"):
        url[kind] = shown(case, kind).replace(f"/file/{SMALL}", path)
    for kind in list(url)[1:]:
        secrets = ["-d", "secret", "-u", "me:secret", url[kind]]
        case.fails(60, "", "get", "--tlsv1.3", *secrets)
        # One of the certificates may not sign in 1.2: there the server ends the handshake.
        status = case.run("get", "--tls-max", "1.2", *secrets).status
        case.expect(status in (35, 60), f"{kind}: exit status {status}")
        case.fails(60, "", "upload", "data", url[kind])
        case.fails(60, "", "download", "-o", "file", url[kind])
    case.fails(90, "", "get", "--pinnedpubkey", some.other_pin, "-d", "secret", url["good"])
    case.fails(35, "", "get", "--tlsv1.3", shown(case, "1.2").replace(f"/file/{SMALL}", path))
    case.works("get", "-k", f"{url['expired']}?meant")
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and "?meant" not in case.world.log.read_text():
        time.sleep(0.02)
    lines = [line for line in case.world.log.read_text().splitlines() if path in line]
    case.expect(len(lines) == 1 and f"GET {path}?meant " in lines[0], f"it was asked: {lines}")


@named("several roots in one file")
def several_roots(case):
    """Each of them is trusted."""
    some = case.world.certificates
    both = case.folder / "roots"
    both.write_bytes(some.other_root.chain.read_bytes() + some.root.chain.read_bytes())
    for kind in ("good", "foreign"):
        case.works("get", "--cacert", both, shown(case, kind), roots=False)


@named("versions that both sides speak, or not")
def versions(case):
    """TLS 1.2 and 1.3."""
    older, newer = shown(case, "1.2"), shown(case, "1.3")
    for url in (older, newer):
        case.works("get", url, out=content.content(SMALL))
    case.works("get", "--tlsv1.2", older)
    case.fails(35, "handshake failed", "get", "--tlsv1.3", older)
    case.fails(35, "handshake failed", "get", "--tls-max", "1.2", newer)


@named("options that cannot be used")
def settings(case):
    """Each with the file that is to blame, and before anything is sent."""
    some = case.world.certificates
    url = shown(case, "good")
    missing = case.folder / "missing"
    empty = case.folder / "empty"
    empty.write_bytes(b"nothing\n")
    tries = [
        (77, "missing", ["--cacert", missing]),
        (77, "empty: no certificate among the roots", ["--cacert", empty]),
        (58, "missing", ["--cert", missing]),
        (58, "missing", ["--cert", some.client.chain, "--key", missing]),
        (58, "empty: no client certificate", ["--cert", empty]),
        (58, "client.pem: no key", ["--cert", some.client.chain]),
        (58, "good.key: the key is not the one", ["--cert", some.client.chain, "--key",
                                                  some.good.key]),
    ]
    for status, words, options in tries:
        for name in ("get", "download"):
            output = ["-o", "file"] if name == "download" else []
            case.fails(status, words, name, *output, *options, url)
        case.fails(status, words, "upload", *options, empty, url)
    for options in (["--key", some.good.key], ["--pinnedpubkey", "sha256//short"],
                    ["--tls-max", "1.1"], ["--tlsv1.3", "--tls-max", "1.2"]):
        ran = case.run("get", *options, url)
        case.expect(ran.status == 2, f"{options}: exit status {ran.status}")


@named("SNI has names, and no addresses")
def names(case):
    """RFC 6066 §3."""
    end = python(case)
    case.works("get", end.url("/name"), out=b"localhost")
    case.works("get", end.url("/name", host=ADDRESS), out=b"")


@named("--resolve and --connect-to keep the name")
def led_elsewhere(case):
    """Of the URL: for the certificate, SNI and Host."""
    end, other = python(case), "other.example.org"
    ports = case.world.ports
    there = f"https://{other}:{ports['elsewhere']}/file/{SMALL}"
    resolve = ["--resolve", f"{other}:{ports['elsewhere']}:{ADDRESS}"]
    case.works("get", *resolve, there, out=content.content(SMALL))
    case.works("download", *resolve, "-o", "file", there)
    resolve = ["--resolve", f"{other}:{end.port}:{ADDRESS}"]
    case.works("get", "-k", *resolve, f"https://{other}:{end.port}/name", out=other.encode())
    case.fails(60, "for another name", "get", *resolve, f"https://{other}:{end.port}/name")
    leads = ["--connect-to", f"{other}::{ADDRESS}:{ports['elsewhere']}"]
    case.works("get", *leads, f"https://{other}/file/{SMALL}", out=content.content(SMALL))
    leads = ["--connect-to", f"::localhost:{end.port}"]
    case.fails(60, "for another name", "get", *leads, f"https://{other}/name")
    case.fails(60, "for another name", "upload", *leads, case.world.certificates.root.chain,
               f"https://{other}/put")


@named("addresses that do not answer")
def unreached(case):
    """The next one is tried; each is told."""
    end = python(case)
    url = end.url("/name")
    refusing = "127.0.0.9"
    ran = case.works("get", "-v", "--resolve", f"localhost:{end.port}:{refusing},{ADDRESS}", url)
    case.expect(f"tried {refusing}:{end.port}: Connection refused" in ran.said, ran.said)
    case.expect(f"connected to {ADDRESS}:{end.port} " in ran.said, ran.said)
    ran = case.fails(7, "refused", "get", "--resolve",
                     f"localhost:{end.port}:{refusing},127.0.0.8", url)
    for address in (refusing, "127.0.0.8"):
        case.expect(f"{address}:{end.port}: Connection refused" in ran.said, ran.said)


@named("content that ends with the connection")
def close_delimited(case):
    """Complete with a notice of TLS, incomplete without it; what came is kept."""
    end = python(case)
    for length in (SMALL, 100 * SMALL):
        body = content.content(length)
        case.works("get", end.url(f"/close/{length}"), out=body)
        case.fails(18, "close_notify", "get", end.url(f"/cut/{length}"), out=body)
        case.fails(18, "close_notify", "get", "-o", "file", end.url(f"/cut/{length}"))
        fault = content.fault(case.folder / "file", length)
        case.expect(fault is None, f"kept: {fault}")
        case.fails(18, "close_notify", "download", "-o", "stored", end.url(f"/cut/{length}"))
        case.expect(not (case.folder / "stored").exists(), "it has its final name")


@named("https to a server without TLS")
def secure_to_plain(case):
    """The most common mistake."""
    for url in (f"https://{ADDRESS}:{case.world.plain}/file/{SMALL}", shown(case, "plain")):
        ran = case.fails(35, "handshake failed", "get", url)
        case.expect("is not TLS" in ran.said or "within the handshake" in ran.said, ran.said)


@named("a server that never answers the handshake")
def silent(case):
    """Both limits end it."""
    with socket.create_server((ADDRESS, 0)) as listener:
        url = f"https://localhost:{listener.getsockname()[1]}/"
        for limit in (["-m", "0.5"], ["--connect-timeout", "0.5"]):
            began = time.monotonic()
            case.fails(28, "", "get", *limit, url)
            case.fails(28, "", "download", "-o", "file", *limit, url)
            case.expect(time.monotonic() - began < PATIENCE, "it takes too long")


@named("a server that ends the handshake")
def hanging_up(case):
    """At once, or with garbage."""
    for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"\x15\x03\x01\x00\x02"):
        with socket.create_server((ADDRESS, 0)) as listener:
            url = f"https://localhost:{listener.getsockname()[1]}/"
            command = case.arguments("get", url)
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
                peer = listener.accept()[0]
                peer.recv(1 << 16)
                peer.sendall(answer)
                peer.close()
                out, said = run.communicate(timeout=PATIENCE)
        words = f"after {answer}: exit status {run.returncode}: {said} {out}"
        case.expect(run.returncode == 35 and out == b"", words)


@named("a status of 400 or more, with -f")
def fail(case):
    """As without TLS."""
    url = python(case).url("/nothing")
    case.works("get", url, out=b"")
    case.fails(22, "answered 404", "get", "-f", url)


@named("Ctrl-C keeps what came")
def interrupted(case):
    """And the next run would go on."""
    url = python(case).url("/slow")
    command = case.arguments("download", "-o", "file", url)
    part = case.folder / "file.part"
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=case.folder) as run:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not (part.exists() and part.stat().st_size == SHOWN):
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=PATIENCE)[1].decode()
    case.expect(run.returncode == 130, f"exit status {run.returncode}: {said}")
    case.expect(f"{SHOWN} of {2 * SHOWN} bytes are kept" in said, said)
    fault = content.fault(part, SHOWN)
    case.expect(fault is None, fault)
    command = case.arguments("get", "-o", "got", url)
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=case.folder) as run:
        got = case.folder / "got"
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not (got.exists() and got.stat().st_size == SHOWN):
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=PATIENCE)
    case.expect(run.returncode == -signal.SIGINT, f"get: exit status {run.returncode}")


@named("-v tells each event with its time, and no secret")
def verbose(case):
    """Times are in order; credentials are not shown, wherever they come from."""
    end = python(case)
    url = end.url(f"/moved?to=/file/{SMALL}").replace("//", "//me:secret@", 1)
    secrets = ["-u", "me:secret", "-b", "a=secret", "-H", "Proxy-Authorization: secret"]
    ran = case.works("get", "-v", *secrets, "-d", "body", url)
    case.expect("secret" not in ran.said, ran.said)
    for words in ("connected to 127.0.0.1:", " from 127.0.0.1:", "TLSv1.3, ", "body sent: 4 bytes",
                  "redirected: GET ", "used again", "> Authorization: (hidden)", "< HTTP/1.1 302",
                  "< HTTP/1.1 200", "complete: "):
        case.expect(words in ran.said, f"no '{words}': {ran.said}")
    events = re.findall(r"^\* +([0-9.]+) ms  ", ran.said, re.MULTILINE)
    times = list(map(float, events))
    case.expect(len(times) >= 6 and times == sorted(times), f"times: {times}")
    ran = case.fails(60, "expired", "get", "-v", shown(case, "expired"))
    case.expect("is not trusted: " in ran.said and "failed: " in ran.said, ran.said)


@named("-w tells of addresses, times and TLS")
def write_out(case):
    """What scripts ask for."""
    end = python(case)
    names = ["remote_ip", "remote_port", "local_ip", "scheme", "ssl_verify_result", "http_version",
             "num_connects", "size_download", "num_redirects", "http_code", "exitcode"]
    form = " ".join(f"%{{{name}}}" for name in names) + " %header{accept-ranges}"
    url = end.url(f"/file/{SMALL}")
    right = f"{ADDRESS} {end.port} {ADDRESS} https 0 1.1 1 {SMALL} 0 200 0 bytes"
    case.works("get", "-o", "file", "-w", form, url, out=right.encode())
    ran = case.works("get", "-k", "-o", "file", "-w", "%{ssl_verify_result}", url, roots=False)
    case.expect(ran.out == b"1", f"ssl_verify_result is {ran.out} with -k")
    times = ["namelookup", "connect", "appconnect", "pretransfer", "starttransfer", "total"]
    form = " ".join(f"%{{time_{time}}}" for time in times)
    ran = case.works("get", "-o", "file", "-w", form, url)
    told = [float(time) for time in ran.out.split()]
    case.expect(len(told) == 6 and told == sorted(told) and told[2] > 0, f"times: {told}")
