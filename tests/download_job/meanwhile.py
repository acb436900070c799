"""Cases about somebody else, who changes files while a download is under way, or before it."""

import os
import shutil

from download_job.case import WRITE, change, named
from download_job.origin import whole
from main_job.content import content

SECONDS = 0.6  # that the content takes


def while_it_comes(case, act):
    """A run during which `act` is done once, when a quarter of the content is on the disk."""
    file = case.origin.file
    case.answer(change(whole(file), seconds=SECONDS))
    done = []

    def when():
        if not done and case.held() * 4 >= len(file.body):
            act()
            done.append(True)
        return False

    ran = case.run(when=when)
    case.expect(done, "it was over before anything could be changed")
    return ran


def spoils(case, act, words="somebody else changed"):
    """What is done fails the run, which says so. The next run is none the worse for it."""
    case.before = b"older"
    case.final.write_bytes(case.before)
    ran = while_it_comes(case, act)
    case.expect(ran.status in WRITE, f"exit status {ran.status}: {ran.said}")
    case.expect(words in ran.said, f"it is not said: {ran.said}")
    case.expect("kept" not in ran.said, f"nothing of use is kept: {ran.said}")
    if case.part.is_symlink() or case.part.is_dir():
        case.fails(WRITE)
        case.part.rmdir() if case.part.is_dir() else case.part.unlink()
    case.fetched(case.origin.file.body)


@named("part: cut while it comes")
def cut(case):
    spoils(case, lambda: os.truncate(case.part, 1000))


@named("part: emptied while it comes")
def emptied(case):
    spoils(case, lambda: os.truncate(case.part, 0))


@named("part: made longer while it comes")
def longer(case):
    def act():
        with case.part.open("ab") as part:
            part.write(b"more")

    spoils(case, act)


@named("part: removed while it comes")
def removed(case):
    spoils(case, lambda: case.part.unlink())


@named("part: replaced while it comes")
def replaced(case):
    # By the beginning of the right file, which would look right where only that is looked at.
    def act():
        other = case.folder.with_name("other")
        other.write_bytes(case.origin.file.body[:1000])
        other.rename(case.part)

    spoils(case, act)


@named("part: replaced by a link while it comes")
def linked(case):
    precious = case.folder.with_name("precious")
    precious.write_bytes(b"precious")

    def act():
        case.part.unlink()
        case.part.symlink_to(precious)

    spoils(case, act)
    case.expect(precious.read_bytes() == b"precious", "another file was written to")


@named("part: replaced by a folder while it comes")
def folder(case):
    def act():
        case.part.unlink()
        case.part.mkdir()

    spoils(case, act)


@named("folder is removed while content comes")
def folder_removed(case):
    ran = while_it_comes(case, lambda: shutil.rmtree(case.folder))
    case.expect(ran.status in WRITE, f"exit status {ran.status}: {ran.said}")
    case.expect(not case.folder.exists(), "it is there again")
    case.folder.mkdir()
    case.fetched(case.origin.file.body)


@named("file is removed or replaced while content comes")
def file_replaced(case):
    for act in (lambda: case.final.unlink(), lambda: case.final.write_bytes(b"somebody else's")):
        case.before = b"older"
        case.final.write_bytes(case.before)
        known = len(case.wrong)
        ran = while_it_comes(case, act)
        # What was done here is seen under the final name, too.
        ours = "under its final name"
        case.wrong[known:] = [words for words in case.wrong[known:] if ours not in words]
        case.expect(ran.status == 0, f"exit status {ran.status}: {ran.said}")


@named("destination becomes a folder while content comes")
def becomes_folder(case):
    ran = while_it_comes(case, lambda: case.final.mkdir())
    case.expect(ran.status in WRITE, f"exit status {ran.status}: {ran.said}")
    case.expect(case.held() == len(case.origin.file.body), f"{case.held()} bytes are kept")
    case.expect(not list(case.final.iterdir()), "there is something in the folder")
    case.final.rmdir()
    case.fetched(case.origin.file.body)
    case.expect(case.asked[0].start() == len(case.origin.file.body), "it was fetched again")


def in_the_way(case, path, make):
    """Something that is no file stands where ours would: it stays, and nothing is requested."""
    case.cut()
    path.unlink()
    make(path)
    case.fails(WRITE)
    case.expect(not case.asked, "it was asked for all the same")
    case.expect(os.path.lexists(path), "it was removed")
    path.unlink()
    case.finish(case.origin.file.body)


@named("part: a link to another file")
def part_link(case):
    precious = case.folder.with_name("precious")
    precious.write_bytes(content(100, 5))
    in_the_way(case, case.part, lambda path: path.symlink_to(precious))
    case.expect(precious.read_bytes() == content(100, 5), "another file was written to")


@named("part: a pipe")
def part_pipe(case):
    in_the_way(case, case.part, os.mkfifo)


@named("sidecar: a link to another file")
def sidecar_link(case):
    precious = case.folder.with_name("precious")
    precious.write_bytes(b"precious")
    in_the_way(case, case.sidecar, lambda path: path.symlink_to(precious))
    case.expect(precious.read_bytes() == b"precious", "another file was written to")


@named("sidecar: a pipe")
def sidecar_pipe(case):
    in_the_way(case, case.sidecar, os.mkfifo)
