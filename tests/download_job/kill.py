"""Many SIGKILLs over one large download from nginx, whose log tells what was asked for."""

import random
import signal
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from download_job.case import SLACK, named
from download_job.client import Watch, run
from download_job.origin import File
from main_job import content, servers

MIB = 1 << 20
PEAK = 32 * MIB  # what the command may have resident, however much it fetches
RUN_SECONDS = 120
LASTS = 6  # seconds that nginx takes for the file: a kill should land in the middle
SLOWEST = 16  # MiB/s, where that would be less
EARLY = 0.03  # seconds in which an early kill falls
LATE = 0.03  # seconds in which one falls when the part is complete
TRIES = 2  # for each of these: it may be too late
STEP = 0.002  # seconds after a step in which a kill falls
MARK = "/mark"
SETTLE = 0.3  # seconds for nginx to notice the last kill
LOG = """\
log_format ranges '$connection $uri $status $bytes_sent "$http_range" "$http_if_range"';
    access_log "{path}" ranges;"""


class Line(NamedTuple):
    """One request in the log."""

    connection: int  # in the order in which they were accepted
    path: str
    status: int
    sent: int
    range: str
    condition: str


def read_log(path):
    """The requests of each run, in their order; each run is followed by a mark."""
    lines = []
    for line in path.read_text().splitlines():
        told, ranged, _, condition, _ = line.split('"')
        connection, path, status, sent = told.split()
        lines.append(Line(int(connection), path, int(status), int(sent), ranged, condition))
    runs = [[]]
    for line in sorted(lines, key=lambda line: line.connection):
        if line.path == MARK:
            runs.append([])
        else:
            runs[-1].append(line)
    return runs[:-1]


def mark(port):
    """Asks for something else: what is accepted later belongs to the next run.

    A killed run may leave a connection that is not yet accepted; they come out in their order.
    """
    client = HTTPConnection(servers.ADDRESS, port, timeout=servers.SECONDS)
    client.request("GET", MARK)
    client.getresponse().read()
    client.close()


def moments(case):
    """When to kill: functions that come true at the moment.

    Most fall when the part has grown so far; some soon after the start, before there is a byte;
    the last ones when it is complete, while it is brought to the disk and gets its name.
    """
    chance = random.Random("kill")
    length, kills = case.options.large, case.options.kills
    early = max(1, kills // 7)
    late = max(1, kills // 10)

    def after(seconds):
        due = []

        def is_due():
            if not due:
                due.append(time.monotonic() + seconds)
            return time.monotonic() >= due[0]

        return is_due

    def grown(size):
        return lambda: case.held() >= size

    def complete(is_due):
        return lambda: case.held() >= length and is_due()

    sizes = sorted(chance.randrange(1, length) for _ in range(kills - early - late))
    some = [grown(size) for size in sizes]
    for _ in range(early):
        some.insert(chance.randrange(len(some) + 1), after(chance.uniform(0, EARLY)))
    return some + [complete(after(chance.uniform(0, LATE))) for _ in range(late * TRIES)]


@named("kill: nginx")
def nginx(case):
    folder = case.folder.with_name("served")
    folder.mkdir()
    length = case.options.large
    content.write(folder / "file", length)
    log = case.folder.with_name("access.log")
    rate = max(SLOWEST, length // MIB // LASTS)
    settings = {"http": LOG.format(path=log), "server": f"limit_rate {rate}m;"}
    with servers.nginx(folder, case.folder.with_name("nginx"), **settings) as port:
        found, peak = kill_and_continue(case, port)
        time.sleep(SETTLE)
    fault = content.fault(case.final, length)
    case.expect(fault is None, fault)
    names = sorted(path.name for path in case.folder.iterdir())
    left = [case.sidecar.name] if case.statuses[-1] != 0 else []
    case.expect(set(names) - set(left) == {case.name}, f"there are {names}")
    case.expect(peak < PEAK, f"{peak} bytes resident")
    asked = read_log(log)
    judge(case, found, asked, tag_of(folder / "file"))
    killed = sum(status == -signal.SIGKILL for status in case.statuses)
    sent = sum(line.sent for lines in asked for line in lines)
    case.note = f"{killed} kills, {sent / length:.2f} times the file sent, {peak >> 20} MiB peak"
    case.expect(killed * 10 >= case.options.kills * 9, f"only {killed} kills landed")


def tag_of(path: Path):
    """The ETag that nginx makes."""
    status = path.stat()
    return f'"{int(status.st_mtime):x}-{status.st_size:x}"'


def kill_and_continue(case, port):
    """Gives what each run found of the part, and the most that one had resident."""
    found, peak, killed = [], 0, 0
    url = f"http://{servers.ADDRESS}:{port}/file"
    for when in [*moments(case), None]:
        if case.final.exists():  # the last kill was a little too late
            fault = content.fault(case.final, case.options.large)
            case.expect(fault is None, fault)
            case.final.unlink()
        if killed == case.options.kills:
            when = None
        found.append(case.held())
        with Watch(case.folder, case.name) as watch:
            ran = run(case.arguments(url=url), RUN_SECONDS, watch, when)
        mark(port)
        case.statuses.append(ran.status)
        case.wrong += watch.wrong
        peak = max(peak, ran.peak)
        case.expect(ran.status in (0, -signal.SIGKILL), f"exit status {ran.status}: {ran.said}")
        killed += ran.status == -signal.SIGKILL
        if when is None:
            break
    case.expect(case.final.exists(), "the last run does not come to the end")
    return found, peak


def judge(case, found, asked, etag):
    """Did each run continue where the one before it was killed?"""
    case.expect(any(asked), "nothing was asked for")
    case.expect(len(asked) == len(found), f"{len(asked)} runs in the log of {len(found)}")
    for number, (held, lines) in enumerate(zip(found, asked), 1):
        place = f"run {number}, {held} bytes held"
        fault = range_fault(lines[0], held, case.options.large, etag) if lines else None
        if fault:
            case.wrong.append(f"{place}: {fault}")
        if len(lines) > 1:
            case.wrong.append(f"{place}: {len(lines)} requests instead of one")


def range_fault(line, held, length, etag):
    """What is wrong about a request for the rest, with so many bytes held; None if nothing."""
    if line.range == "-":
        return "no Range" if held > SLACK else None
    start = line.range.removeprefix("bytes=").removesuffix("-")
    if not start.isdecimal() or not held - SLACK <= int(start) <= held:
        return f"Range {line.range}"
    if line.condition.replace("\\x22", '"') != etag:
        return f"If-Range {line.condition} instead of {etag}"
    wanted = 416 if int(start) == length else 206
    return None if line.status in (wanted, 499) else f"answered with {line.status}"


@named("kill: at every stage of a small file")
def small(case):
    # The moments are spread over the time of a whole run, so that some fall between the steps
    # that make part and sidecar, and those that give the file its name.
    file = case.origin.file = File(content.content(200_000))
    case.versions = [file.body]
    chance = random.Random("small")
    whole_run = case.fetched(file.body).seconds
    landed, tries = 0, case.options.kills * 4
    for _ in range(tries):
        case.final.unlink(missing_ok=True)
        due = time.monotonic() + chance.uniform(0, whole_run)
        landed += case.run(when=lambda due=due: time.monotonic() >= due).signalled
    case.final.unlink(missing_ok=True)
    case.fetched(file.body)
    case.expect(landed * 10 >= tries, "too few kills landed")
    case.note = f"{landed} kills of {tries}"
    case.statuses = case.statuses[-1:]


@named("kill: behind every step")
def steps(case):
    # A step makes, renames or removes a file of the folder: part, sidecar, what a sidecar is
    # before it has its name, the file. After each of them, or a moment later, the run is killed.
    file = case.origin.file = File(content.content(100_000))
    case.versions = [file.body]
    chance = random.Random("steps")
    case.fetched(file.body)
    known = case.watch.steps
    case.expect(known >= 4, f"only {known} steps")
    landed = {}
    for number in range(case.options.kills):
        case.final.unlink(missing_ok=True)
        wanted, pause = number % known + 1, chance.choice((0, chance.uniform(0, STEP)))
        due = []

        def is_due(wanted=wanted, pause=pause, due=due):
            if case.watch.steps >= wanted and not due:
                due.append(time.monotonic() + pause)
            return due and time.monotonic() >= due[0]

        if case.run(when=is_due).signalled:
            landed[wanted] = landed.get(wanted, 0) + 1
        # What the kill left is gone on with, or begun anew: by every other run at once, else by
        # one that may be killed, too.
        if number % 2:
            case.final.unlink(missing_ok=True)
            case.fetched(file.body)
    case.final.unlink(missing_ok=True)
    case.fetched(file.body)
    case.expect(len(landed) >= known - 2, f"kills landed behind steps {sorted(landed)} of {known}")
    case.note = f"{sum(landed.values())} kills behind {len(landed)} of {known} steps"
    case.statuses = case.statuses[-1:]
