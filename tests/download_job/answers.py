"""Cases whose origin misbehaves, or changes, between two runs."""

import random
from email.utils import formatdate
from time import time

from download_job.case import CUT, HTTP, change, named
from download_job.origin import File, Origin, Reply, STRONG, beyond, honest, part, whole
from main_job.content import content

OTHER = 12_345  # where in the content the other version begins


def versions(case, length=None, **fields):
    """Puts another version on the origin, and returns the old one and it."""
    old = case.origin.file
    new = File(content(length or len(old.body), OTHER), **{"etag": '"b"', **fields})
    case.versions.append(new.body)
    case.origin.file = new
    return old, new


@named("continued")
def continued(case):
    start = case.cut()
    case.fetched(case.origin.file.body)
    case.ranged(start, '"a"')
    case.expect(len(case.asked) == 1, f"{len(case.asked)} requests instead of one")


@named("cut in the head")
def cut_in_head(case):
    head = whole(case.origin.file).head()
    case.answer(lambda _: CutHead(200, body=head[: len(head) // 2]))
    case.fails(None)
    case.fetched(case.origin.file.body)


class CutHead(Reply):
    """Sends its body as the head, and closes."""

    def head(self):
        """The beginning of a head."""
        return self.body

    def __init__(self, status, body):
        super().__init__(status, body=body, sent=0)


@named("changed: 200")
def changed(case):
    start = case.cut()
    _, new = versions(case)
    case.fetched(new.body)
    case.ranged(start, '"a"')
    case.expect(len(case.asked) == 1, "the new file is asked for again")


@named("changed: 200, shorter than the part")
def changed_shorter(case):
    start = case.cut()
    _, new = versions(case, start // 2)
    case.fetched(new.body)


@named("changed: 200, cut, continued")
def changed_cut(case):
    case.cut()
    _, new = versions(case)
    half = len(new.body) // 2
    case.answer(change(whole(new), sent=half))
    case.fails(CUT)
    case.expect(case.held() == half, f"{case.held()} bytes are kept of {half}")
    case.fetched(new.body)
    case.ranged(half, '"b"')


@named("ranges ignored: 200")
def ignored(case):
    case.cut()
    case.answer(whole(case.origin.file))
    case.fetched(case.origin.file.body)


def misplaced(case, shift):
    """206 from another place than was asked for."""
    file = case.origin.file
    start = case.cut()
    case.trial(part(file, start + shift), file.body)


@named("206: starts earlier")
def earlier(case):
    misplaced(case, -1000)


@named("206: starts later")
def later(case):
    misplaced(case, 1000)


@named("206: another total")
def other_total(case):
    file = case.origin.file
    start = case.cut()
    case.trial(part(file, start, total=len(file.body) + 5), file.body)


@named("206: another total, and as long")
def other_total_longer(case):
    file = case.origin.file
    start = case.cut()
    longer = File(file.body + b"other")
    case.trial(part(longer, start), file.body)


@named("206: unknown total, wrong length")
def unknown_total(case):
    file = case.origin.file
    start = case.cut()
    short = part(file, start, end=len(file.body) - 10)
    fields = [("Content-Range", f"bytes {start}-{len(file.body) - 11}/*"), *file.validators()]
    case.trial(change(short, fields=fields), file.body)


@named("206: the whole file")
def whole_as_206(case):
    file = case.origin.file
    case.cut()
    case.trial(part(file, 0), file.body)


def whole_behind(case, framing):
    """206 that says it is the range asked for, but brings the whole file."""
    file = case.origin.file
    start = case.cut()
    case.trial(change(part(file, start), body=file.body, framing=framing), file.body)


@named("206: the whole file behind the right Content-Range")
def whole_behind_length(case):
    whole_behind(case, "length")


@named("206: the same in chunks")
def whole_behind_chunks(case):
    whole_behind(case, "chunked")


@named("206: the same until the connection closes")
def whole_behind_close(case):
    whole_behind(case, "close")


@named("206: content shorter than Content-Range")
def shorter(case):
    file = case.origin.file
    start = case.cut()
    reply = part(file, start)
    case.trial(change(reply, body=reply.body[: len(reply.body) // 2]), file.body)


@named("206: the same in chunks, shorter")
def shorter_chunks(case):
    file = case.origin.file
    start = case.cut()
    reply = part(file, start, framing="chunked")
    case.trial(change(reply, body=reply.body[: len(reply.body) // 2]), file.body)


@named("206: cut")
def partial_cut(case):
    file = case.origin.file
    start = case.cut()
    case.answer(part(file, start, sent=1000))
    case.fails(CUT)
    case.expect(case.held() == start + 1000, f"{case.held()} bytes, not {start + 1000}")
    case.fetched(file.body)
    case.ranged(start + 1000, '"a"')


@named("206: less than the rest, rightly said")
def less(case):
    file = case.origin.file
    start = case.cut()
    case.trial(part(file, start, end=start + 1000), file.body)


@named("206: another ETag")
def other_etag(case):
    start = case.cut()
    _, new = versions(case)
    case.trial(part(new, start), new.body)


@named("206: another Last-Modified")
def other_date(case):
    case.origin.file = dated(case.origin.file, STRONG)
    start = case.cut()
    _, new = versions(case, etag=None, modified=formatdate(time() - 60, usegmt=True))
    case.trial(part(new, start), new.body)


@named("206: gzip")
def gzip(case):
    file = case.origin.file
    start = case.cut()
    reply = part(file, start)
    coded = bytes(byte ^ 0x55 for byte in reply.body)
    fields = [*reply.fields, ("Content-Encoding", "gzip")]
    case.trial(change(reply, fields=fields, body=coded), file.body)
    for request in case.origin.requests:
        accepted = request.get("accept-encoding")
        case.expect(accepted in (None, "identity"), f"Accept-Encoding is {accepted}")


@named("206: multipart/byteranges")
def multipart(case):
    file = case.origin.file
    start = case.cut()
    reply = part(file, start)
    (_, ranged), *fields = reply.fields
    head = f"--x\r\nContent-Range: {ranged}\r\n\r\n".encode()
    fields.append(("Content-Type", "multipart/byteranges; boundary=x"))
    body = head + reply.body + b"\r\n--x--\r\n"
    case.trial(Reply(206, fields, body), file.body)


@named("206: no Content-Range")
def no_content_range(case):
    file = case.origin.file
    case.cut()
    case.trial(Reply(206, file.validators(), file.body), file.body)


@named("206: another unit, or none that can be read")
def other_unit(case):
    file = case.origin.file
    start = case.cut()
    total = len(file.body)
    for said in (f"lines {start}-{total - 1}/{total}", f"bytes {start}-/{total}", "bytes */*"):
        fields = [("Content-Range", said), *file.validators()]
        case.answer(Reply(206, fields, content(total - start, OTHER)))
    # Each may cost a run; the judge is the file at the end.
    for _ in range(3):
        if case.run(right=file.body).status == 0:
            return
    case.origin.answers.clear()
    case.finish(file.body)


@named("206 to the first request")
def unasked(case):
    file = case.origin.file
    case.trial(part(file, 1000), file.body)


@named("416: all of it is there")
def all_there(case):
    file = case.origin.file
    reply = change(whole(file), framing="chunked")
    case.cut(reply=reply, at=len(file.body))
    case.fetched(file.body)


@named("416: another total")
def other_total_416(case):
    start = case.cut()
    _, new = versions(case, start // 2)
    case.trial(beyond(len(new.body)), new.body)


@named("416: what is there is said to be all")
def all_said(case):
    file = case.origin.file
    start = case.cut()
    case.trial(beyond(start), file.body)


@named("416: no total")
def no_total_416(case):
    file = case.origin.file
    case.cut()
    case.trial(Reply(416), file.body)


def restarted(case, file=None, date=None):
    """Without a strong validator nothing can be continued: the next run begins anew."""
    file = file or case.origin.file
    case.origin.file = file
    case.cut(reply=change(whole(file), date=date), kept=False)
    case.fetched(file.body)
    case.unranged()


@named("no validator")
def no_validator(case):
    restarted(case, File(case.origin.file.body, None))


@named("weak ETag alone")
def weak(case):
    restarted(case, File(case.origin.file.body, 'W/"a"'))


def dated(file, seconds, etag=None):
    """The file, modified so many seconds ago."""
    return File(file.body, etag, formatdate(time() - seconds, usegmt=True))


@named("weak ETag and strong Last-Modified")
def weak_and_date(case):
    # RFC 9110 §13.1.5: a date only where there is no entity tag.
    restarted(case, dated(case.origin.file, STRONG, 'W/"a"'))


@named("Last-Modified is Date")
def date_is_weak(case):
    # RFC 9110 §8.8.2.2: a date of the same second tells nothing.
    file = dated(case.origin.file, 5)
    restarted(case, file, file.modified)


@named("strong Last-Modified")
def date_is_strong(case):
    file = case.origin.file = dated(case.origin.file, STRONG)
    start = case.cut()
    case.fetched(file.body)
    case.ranged(start, file.modified)


@named("Accept-Ranges: none")
def no_ranges(case):
    file = case.origin.file
    restarted(case, File(file.body, fields=(("Accept-Ranges", "none"),)))


def refused(case, status):
    """The second run is refused. What was there still is, and the third one continues."""
    file = case.origin.file
    start = case.cut()
    fields = [("ETag", '"error"'), ("Content-Type", "text/plain")]
    case.answer(Reply(status, fields, b"an error, not the file"))
    case.fails(HTTP)
    case.expect(case.held() == start, f"{case.held()} bytes are kept of {start}")
    case.fetched(file.body)
    case.ranged(start, '"a"')


@named("404")
def not_found(case):
    refused(case, 404)


@named("500")
def server_error(case):
    refused(case, 500)


@named("503")
def unavailable(case):
    refused(case, 503)


@named("404 to the first request")
def not_found_first(case):
    file = case.origin.file
    case.answer(Reply(404, [], b"an error, not the file"))
    case.fails(HTTP)
    names = sorted(path.name for path in case.folder.iterdir())
    case.expect(case.held() == 0, f"the error is kept: {names}")
    case.fetched(file.body)


@named("redirect to another path")
def redirected(case):
    file = case.origin.file
    case.cut()
    case.answer(Reply(302, [("Location", "/moved/file")]))
    case.fetched(file.body)


@named("redirect to another port")
def redirected_away(case):
    file = case.origin.file
    case.cut()
    with Origin(file) as other:
        case.answer(Reply(302, [("Location", other.url("/moved"))]))
        case.fetched(file.body)


@named("resets without end")
def dribble(case):
    file = case.origin.file
    chance = random.Random("dribble")
    most = len(file.body) * 2 // case.options.resets

    def a_little(request):
        reply = honest(file, request)
        return change(reply, sent=chance.randint(0, min(most, len(reply.body))), resets=True)

    held = 0
    for _ in range(case.options.resets):
        case.answer(a_little)
        if case.run().status == 0:
            break
        first = case.asked[0]
        case.expect((first.start() or 0) == held, f"Range {first.get('range')}, not {held}-")
        case.expect(case.held() >= held, f"{case.held()} bytes are kept of {held}")
        held = case.held()
    case.origin.answers.clear()
    if case.statuses[-1] != 0:
        case.fetched(file.body)
    case.expect(held > 0, "no run brought anything")
