"""Cases about the client's side: digests, destinations, what was kept, signals."""

import base64
import hashlib
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from download_job.answers import versions
from download_job.case import CUT, RUN_SECONDS, SLACK, WRITE, Skipped, change, named
from download_job.client import Watch, ended, run, start
from download_job.origin import File, Reply, whole
from main_job.content import content

OTHERS = 4  # files beside the first, of one call
STARTED = 10  # seconds for a namespace to be made


def sha256(body):
    """As --sha256 takes it."""
    return hashlib.sha256(body).hexdigest()


def with_digest(file, of):
    """The file with a Repr-Digest, which is right if `of` is its body."""
    coded = base64.b64encode(hashlib.sha256(of).digest()).decode()
    return File(file.body, file.etag, None, (("Repr-Digest", f"sha-256=:{coded}:"),))


@named("Repr-Digest: right")
def repr_digest(case):
    file = case.origin.file = with_digest(case.origin.file, case.origin.file.body)
    case.fetched(file.body)


@named("Repr-Digest: right, continued")
def repr_digest_continued(case):
    file = case.origin.file = with_digest(case.origin.file, case.origin.file.body)
    case.cut()
    case.fetched(file.body)


@named("Repr-Digest: wrong")
def repr_digest_wrong(case):
    file = case.origin.file
    case.origin.file = with_digest(file, b"")
    case.fails(None)
    case.origin.file = file
    case.finish(file.body)


@named("Repr-Digest: wrong, continued")
def repr_digest_wrong_continued(case):
    file = case.origin.file
    case.origin.file = with_digest(file, b"")
    case.cut()
    case.fails(None)
    case.origin.file = file
    case.finish(file.body)


@named("Repr-Digest: unknown algorithm")
def repr_digest_unknown(case):
    file = case.origin.file
    case.origin.file = File(file.body, fields=(("Repr-Digest", "sha-1024=:AAAA:, x=?1"),))
    case.fetched(file.body)


@named("--sha256: right")
def digest(case):
    body = case.origin.file.body
    case.fetched(body, "--sha256", sha256(body))


@named("--sha256: right, continued")
def digest_continued(case):
    body = case.origin.file.body
    start = case.cut("--sha256", sha256(body))
    case.fetched(body, "--sha256", sha256(body))
    case.ranged(start, '"a"')


@named("--sha256: wrong")
def digest_wrong(case):
    body = case.origin.file.body
    case.fails(None, "--sha256", sha256(b""))
    case.expect(case.statuses[-1] not in {18, 22, 23, 28, 33, 56}, "its status has a meaning")
    case.finish(body, "--sha256", sha256(body))


@named("--sha256: wrong, continued")
def digest_wrong_continued(case):
    body = case.origin.file.body
    case.cut()
    case.fails(None, "--sha256", sha256(b""))
    case.finish(body, "--sha256", sha256(body))


@named("--sha256: not a digest")
def digest_malformed(case):
    case.fails({2}, "--sha256", "12zz")
    case.expect(not case.asked, "it was asked for all the same")


@named("--no-resume")
def no_resume(case):
    case.cut()
    case.fetched(case.origin.file.body, "--no-resume")
    case.unranged()


@named("-s: nothing is said")
def silent(case):
    case.answer(Reply(404, [], b"an error"))
    ran = case.fails({22}, "-s")
    case.expect(not ran.said, f"said: {ran.said}")
    case.answer(Reply(404, [], b"an error"))
    ran = case.fails({22})
    case.expect("404" in ran.said, f"without -s the status is not said: {ran.said}")


@named("-d: several files")
def several(case):
    body = case.origin.file.body
    names = [f"f{number}" for number in range(OTHERS)]
    for number, name in enumerate(names):
        case.origin.files[f"/{name}"] = File(content(len(body), number))
    urls = [case.origin.url(f"/{name}") for name in names]
    inside = case.folder / "inside"
    inside.mkdir()
    arguments = [*case.options.command, "download", "-d", inside, "-j", "2", *urls]
    for cut in (True, False):
        if cut:
            for _ in names:
                case.answer(lambda request: cut_at_half(case, request))
        status = run(arguments, RUN_SECONDS).status
        case.statuses.append(status)
        case.expect((status == 0) != cut, f"exit status {status}")
    for number, name in enumerate(names):
        path = inside / name
        right = path.is_file() and path.read_bytes() == content(len(body), number)
        case.expect(right, f"{name} is not right")
    found = sorted(path.name for path in inside.iterdir())
    case.expect(found == names, f"there are {found}")
    ranged = [request for request in case.origin.requests if request.get("range")]
    case.expect(len(ranged) == OTHERS, f"{len(ranged)} files are continued of {OTHERS}")


def cut_at_half(case, request):
    """The first half of the file asked for."""
    file = case.origin.files[request.target]
    return change(whole(file), sent=len(file.body) // 2)


@named("-d: one of several fails")
def one_of_several(case):
    case.answer(lambda request: Reply(404) if request.target == "/no" else whole(case.origin.file))
    case.answer(lambda request: Reply(404) if request.target == "/no" else whole(case.origin.file))
    inside = case.folder / "inside"
    inside.mkdir()
    urls = [case.origin.url("/no"), case.origin.url("/yes")]
    command = [*case.options.command, "download", "-d", inside, *urls]
    status = run(command, RUN_SECONDS).status
    case.statuses.append(status)
    case.expect(status == 22, f"exit status {status} instead of 22")
    names = sorted(path.name for path in inside.iterdir())
    right = names == ["yes"] and (inside / "yes").read_bytes() == case.origin.file.body
    case.expect(right, f"there are {names}")


@named("name from the URL")
def named_by_url(case):
    case.name = "named.bin"
    url = case.origin.url("/folder/named.bin?query")
    case.fetched(case.origin.file.body, to=False, cwd=case.folder, url=url)


@named("a name that leaves the folder")
def traversal(case):
    inside = case.folder / "inside"
    inside.mkdir()
    for target in ("/..%2Foutside", "/%2e%2e", "/x/..", "/"):
        command = [*case.options.command, "download", "-d", inside, case.origin.url(target)]
        status = run(command, RUN_SECONDS, cwd=inside).status
        case.statuses.append(status)
        case.expect(status >= 0 and status != 101, f"{target}: exit status {status}")
    names = sorted(path.name for path in case.folder.iterdir())
    case.expect(names == ["inside"], f"beside the folder there are now {names}")


@named("an older file is there")
def older(case):
    case.before = b"older"
    case.final.write_bytes(case.before)
    case.cut()
    case.fetched(case.origin.file.body)


@named("destination is a folder")
def is_folder(case):
    case.final.mkdir()
    case.fails(WRITE)
    names = sorted(path.name for path in case.folder.rglob("*"))
    case.expect(names == [case.name], f"there are {names}")


@named("folder is missing")
def no_folder(case):
    missing = case.folder / "missing"
    case.seen_folder = missing
    case.fails(WRITE)
    case.expect(not missing.exists(), "it was made")


@named("folder is read-only")
def read_only(case):
    with disk(case, "1m"):
        inside(case, "mount -o remount,ro,size=1m tmpfs /mnt")
        case.fails(WRITE)
        inside(case, f"mount -o remount,rw,size={len(case.origin.file.body) * 2} /mnt")
        case.fetched(case.origin.file.body)


@named("disk is full")
def full(case):
    body = case.origin.file.body
    with disk(case, len(body) // 2):
        case.fails(WRITE)
        held = case.held()
        case.note = f"{held} bytes kept"
        case.expect(held > 0, "nothing is kept")
        inside(case, f"mount -o remount,size={len(body) * 2} tmpfs /mnt")
        case.fetched(body)
        case.ranged(held, '"a"')


@contextmanager
def disk(case, size):
    """A disk of so many bytes for the folder, in a namespace of its own."""
    script = f"mount -t tmpfs -o size={size} tmpfs /mnt && echo up && read -r end"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        raise Skipped("there is no unshare or nsenter")
    with subprocess.Popen(["unshare", "-rm", "sh", "-c", script], **pipes) as holder:
        try:
            ready = select.select([holder.stdout], [], [], STARTED)[0]
            if not ready or holder.stdout.readline() != b"up\n":
                raise Skipped("no mount in a user namespace of its own")
            folder, case.folder = case.folder, Path("/proc", str(holder.pid), "root", "mnt")
            case.seen_folder = Path("/mnt")
            case.prefix = ["nsenter", "--preserve-credentials", "-U", "-m", "-t", holder.pid]
            try:
                yield
            finally:
                case.folder = folder
        finally:
            holder.kill()


def inside(case, script):
    """Runs a script in the namespace of the disk."""
    enter = [*map(str, case.prefix), "sh", "-c", script]
    subprocess.run(enter, check=True, timeout=STARTED)


@named("two at once")
def two_at_once(case):
    body = case.origin.file.body
    slow = change(whole(case.origin.file), seconds=0.6)
    case.answer(slow)
    case.answer(slow)
    with Watch(case.folder, case.name) as watch, tempfile.TemporaryFile() as output:
        both = [start(case.arguments(), output) for _ in range(2)]
        case.statuses += [ended(process, RUN_SECONDS) for process in both]
        watch.read()
    case.wrong += watch.wrong
    case.expect(0 in case.statuses, "none of them comes to the end")
    right = case.final.is_file() and case.final.read_bytes() == body
    case.expect(right, "the file is not right")
    names = sorted(path.name for path in case.folder.iterdir())
    case.expect(names == [case.name], f"they leave {names}")


def spoiled(case, change_sidecar):
    """The sidecar is not what it was. All that can be asked for is a right file."""
    case.cut()
    change_sidecar(case.sidecar)
    case.fetched(case.origin.file.body)


@named("sidecar: garbage")
def sidecar_garbage(case):
    spoiled(case, lambda sidecar: sidecar.write_bytes(content(500, 77)))


@named("sidecar: empty")
def sidecar_empty(case):
    spoiled(case, lambda sidecar: sidecar.write_bytes(b""))
    case.unranged()


@named("sidecar: cut at every tenth")
def sidecar_cut(case):
    case.cut()
    kept, known = case.part.read_bytes(), case.sidecar.read_bytes()
    for tenth in range(10):
        case.part.write_bytes(kept)
        case.sidecar.write_bytes(known[: len(known) * tenth // 10])
        case.fetched(case.origin.file.body)
        case.final.unlink(missing_ok=True)


@named("sidecar: one bit flipped, at many places")
def sidecar_flipped(case):
    case.cut()
    kept, known = case.part.read_bytes(), case.sidecar.read_bytes()
    step = max(1, len(known) // 24)
    for at in range(0, len(known), step):
        case.part.write_bytes(kept)
        flipped = bytes([known[at] ^ 1])
        case.sidecar.write_bytes(known[:at] + flipped + known[at + 1 :])
        case.finish(case.origin.file.body)
        case.final.unlink(missing_ok=True)


@named("sidecar: large")
def sidecar_large(case):
    spoiled(case, lambda sidecar: sidecar.write_bytes(b"{" * (8 << 20)))


@named("sidecar: a folder")
def sidecar_folder(case):
    case.cut()
    case.sidecar.unlink()
    case.sidecar.mkdir()
    case.run()
    shutil.rmtree(case.sidecar, ignore_errors=True)
    if case.statuses[-1] != 0:
        case.finish(case.origin.file.body)


@named("sidecar: missing")
def sidecar_missing(case):
    spoiled(case, lambda sidecar: sidecar.unlink())
    case.unranged()


@named("sidecar: of another URL with the same ETag")
def sidecar_foreign(case):
    case.cut()
    _, new = versions(case, etag='"a"')
    case.fetched(new.body, url=case.origin.url("/other"))


@named("sidecar: of another part")
def sidecar_swapped(case):
    case.cut()
    known = case.sidecar.read_bytes()
    case.final.with_name("file.part").unlink()
    case.sidecar.unlink()
    _, new = versions(case)
    case.origin.files["/other"] = new
    case.name = "other"
    case.answer(change(whole(new), sent=len(new.body) // 3))
    case.fails(CUT, url=case.origin.url("/other"))
    case.sidecar.write_bytes(known)
    case.fetched(new.body, url=case.origin.url("/other"))


@named("part: longer than the file")
def part_longer(case):
    body = case.origin.file.body
    case.cut()
    with case.part.open("ab") as part:
        part.write(content(len(body), 99))
    case.finish(body)


@named("part: as long as the file, but wrong behind what came")
def part_filled(case):
    # As after a loss of power: the length is there, the bytes are not. Only a digest can tell,
    # or a sidecar that knows how far the part was safe.
    body = case.origin.file.body
    start = case.cut("--sha256", sha256(body))
    with case.part.open("ab") as part:
        part.write(bytes(len(body) - start))
    case.versions.append(body[:start] + bytes(len(body) - start))
    case.finish(body, "--sha256", sha256(body))


@named("part: shorter than it was")
def part_shorter(case):
    start = case.cut()
    os.truncate(case.part, start // 2)
    case.fetched(case.origin.file.body)


@named("part: changed, with --sha256")
def part_changed(case):
    body = case.origin.file.body
    start = case.cut()
    with case.part.open("r+b") as part:
        part.write(b"changed")
    case.versions.append(b"changed" + body[7:])
    case.finish(body, "--sha256", sha256(body))


@named("part: missing")
def part_missing(case):
    case.cut()
    case.part.unlink()
    case.fetched(case.origin.file.body)
    case.unranged()


def interrupted(case, number, statuses):
    """A signal while nothing comes. Gives how much came before, and how much is kept."""
    file = case.origin.file
    sent = len(file.body) * 3 // 5
    case.answer(change(whole(file), sent=sent, holds=True))
    since = []

    def is_held():
        if case.origin.held.is_set() and not since:
            since.append(time.monotonic())
        return since and time.monotonic() > since[0] + 0.3

    ran = case.run(when=is_held, number=number)
    case.expect(ran.signalled, "it ended before the signal")
    case.expect(ran.status in statuses, f"exit status {ran.status}")
    case.expect(ran.seconds < 5, f"it took {ran.seconds:.1f} s")
    case.note = f"{case.held():,} of {sent:,} bytes kept"
    return sent, case.held()


def stopped(case, number, statuses):
    """A signal that can be heeded: what came is kept, and continued from."""
    _, held = interrupted(case, number, statuses)
    case.expect(held > 0 and case.sidecar.is_file(), "part or sidecar is not kept")
    case.fetched(case.origin.file.body)
    case.ranged(held, '"a"')


@named("Ctrl-C")
def ctrl_c(case):
    stopped(case, signal.SIGINT, {130, -signal.SIGINT})


@named("SIGTERM")
def terminated(case):
    stopped(case, signal.SIGTERM, {143, -signal.SIGTERM})


@named("SIGKILL while nothing comes")
def killed(case):
    sent, held = interrupted(case, signal.SIGKILL, {-signal.SIGKILL})
    case.expect(held >= sent - SLACK, f"{held} bytes are kept of {sent}")
    case.fetched(case.origin.file.body)
