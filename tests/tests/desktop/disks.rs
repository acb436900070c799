//! Downloads and a disk that is full, cannot be written, or is changed by somebody else meanwhile:
//! the final name stands for what was there before, or for the whole of what came.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};

use sortie::{Error, ErrorKind, FileErrorKind, Session, Task};

use crate::helpers::{Folder, alone_on_disk, answer, eventually, read, script};
use crate::{Near, Origin, gate, pass};

const LENGTH: usize = 1 << 20;
const SHORT: &str = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 10\r\n\r\nfirst";

fn content() -> Vec<u8> {
    (0..LENGTH as u32).map(|n| ((n * 7) >> 3) as u8).collect()
}

/// Answers a request with `content`, or with the rest of it that is asked for, and tells where that
/// begins.
fn serve(near: &mut Near, content: &[u8], asked: &Sender<Option<usize>>) {
    // A client that may not write has a connection by then, and leaves it without a request.
    if near.stream.peek(&mut [0]).is_ok_and(|count| count == 0) {
        return;
    }
    let head = near.request();
    let range = head.lines().find_map(|line| line.strip_prefix("Range: bytes=")?.strip_suffix('-'));
    let from = range.map(|from| from.parse().unwrap());
    let (length, at) = (content.len(), from.unwrap_or(0));
    let range = format!("Content-Range: bytes {at}-{}/{length}\r\n", length.saturating_sub(1));
    let head = match from {
        None => "200 OK\r\n".to_owned(),
        Some(at) if at >= length => format!("416 Beyond\r\nContent-Range: bytes */{length}\r\n"),
        Some(_) => format!("206 Partial Content\r\n{range}"),
    };
    let rest = content.get(at..).unwrap_or_default();
    let length = rest.len();
    let head = format!("HTTP/1.1 {head}ETag: \"1\"\r\nContent-Length: {length}\r\n\r\n");
    asked.send(from).unwrap();
    // A client whose disk is full takes no more.
    let _ = near.send_if_wanted([head.as_bytes(), rest].concat());
}

/// An origin of so many connections with one request each, and where each request begins.
fn ranged(content: &[u8], connections: usize) -> (Origin, Receiver<Option<usize>>) {
    let (asked, told) = channel();
    let one = |_| {
        let (content, asked) = (content.to_vec(), asked.clone());
        script(move |near: &mut Near| serve(near, &content, &asked))
    };
    (Origin::new((0..connections).map(one).collect()), told)
}

/// In a session of its own, so on a connection of its own.
fn download(url: &str, to: &Path) -> Result<(), Error> {
    Session::new().download_task(url).to(to).create()?.wait().map(drop)
}

fn kind(error: &Error) -> FileErrorKind {
    let ErrorKind::File(kind) = error.kind() else {
        panic!("not an error of a file: {error}");
    };
    kind
}

/// Leaves so much room on a disk. What takes the rest is the file `filler`.
fn fill(disk: &Path, room: usize) {
    use std::io::Write;
    let mut filler = fs::File::create(disk.join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    let length = filler.metadata().unwrap().len();
    filler.set_len(length - room as u64).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_disk_that_fills_up_keeps_what_fits_and_the_download_goes_on_when_there_is_room() {
    let name = "disks::a_disk_that_fills_up_keeps_what_fits_and_the_download_goes_on_when_there_is_\
                room";
    let Some(disk) = alone_on_disk(name, 4 << 20) else { return };
    let to = disk.join("file");
    fs::write(&to, "old").unwrap();
    fill(&disk, LENGTH / 2);
    let (origin, asked) = ranged(&content(), 3);
    let mut kept = 0;
    // The second time nothing fits any more, and nothing is lost by trying.
    for from in [false, true] {
        let error = download(&origin.url, &to).unwrap_err();
        assert_eq!(kind(&error), FileErrorKind::Full);
        assert!(error.to_string().contains("make room, then resume"), "{error}");
        assert_eq!(asked.recv().unwrap(), from.then_some(kept));
        let part = read(disk.join("file.part"));
        assert!(part.len() > LENGTH / 4 && part.len() < LENGTH, "{} bytes", part.len());
        assert!(part.len() >= kept && content().starts_with(&part));
        kept = part.len();
        assert_eq!(error.resume_data().map(sortie::ResumeData::received), Some(kept as u64));
        assert_eq!(read(&to), b"old");
    }
    fs::remove_file(disk.join("filler")).unwrap();
    download(&origin.url, &to).unwrap();
    assert_eq!(asked.recv().unwrap(), Some(kept));
    assert!(read(&to) == content());
    assert_eq!(names(&disk), ["file"]);
    origin.done();
}

#[test]
fn a_disk_without_room_for_the_record_is_full_before_anything_is_stored() {
    let name = "disks::a_disk_without_room_for_the_record_is_full_before_anything_is_stored";
    let Some(disk) = alone_on_disk(name, 1 << 20) else { return };
    fill(&disk, 0);
    let (origin, _asked) = ranged(&content(), 1);
    let error = download(&origin.url, &disk.join("file")).unwrap_err();
    assert_eq!(kind(&error), FileErrorKind::Full);
    assert!(error.resume_data().is_none_or(|data| data.received() == 0));
    assert_eq!(names(&disk), ["filler"]);
    origin.done();
}

#[test]
fn a_read_only_folder_is_refused_before_anything_is_requested() {
    let name = "disks::a_read_only_folder_is_refused_before_anything_is_requested";
    let Some(disk) = alone_on_disk(name, 4 << 20) else { return };
    let to = disk.join("file");
    fs::write(&to, "old").unwrap();
    let remount = |how: &str| {
        let options = format!("remount,{how},size=4m");
        let done = Command::new("mount").args(["-o", &options]).arg(&disk).status().unwrap();
        assert!(done.success());
    };
    remount("ro");
    let (origin, asked) = ranged(&content(), 2);
    let error = download(&origin.url, &to).unwrap_err();
    assert_eq!(kind(&error), FileErrorKind::NotWritable);
    assert!(error.path().is_some_and(|path| path.starts_with(&disk)), "{error}");
    assert!(asked.try_recv().is_err(), "it was requested");
    assert_eq!((read(&to), names(&disk)), (b"old".to_vec(), vec!["file".to_owned()]));
    remount("rw");
    download(&origin.url, &to).unwrap();
    assert!(read(&to) == content());
    origin.done();
}

/// A limit of the user's instead of the disk's.
#[test]
fn a_file_that_becomes_larger_than_is_allowed_is_told_as_a_full_disk() {
    let name = "disks::a_file_that_becomes_larger_than_is_allowed_is_told_as_a_full_disk";
    if std::env::var_os("SORTIE_TESTS_LIMITED").is_none() {
        // In blocks of 512 or 1,024 bytes, whichever the shell counts.
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 256 && exec \"$0\" \"$@\""]);
        shell.arg(std::env::current_exe().unwrap()).env("SORTIE_TESTS_LIMITED", "1");
        let ran = shell.args(["--exact", name, "--nocapture"]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let folder = Folder::new();
    let (origin, _asked) = ranged(&content(), 1);
    let error = download(&origin.url, &folder.path("file")).unwrap_err();
    assert_eq!(kind(&error), FileErrorKind::Full);
    assert_eq!(folder.names(), ["file.part", "file.part.resume"]);
    assert!(content().starts_with(&read(folder.path("file.part"))));
    origin.done();
}

/// A download that has the beginning on the disk, and gets the rest when the gate is passed.
fn begun(to: &Path, change: impl FnOnce(&Path)) -> (Result<(), Error>, Task) {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(SHORT);
        pass(&is_go);
        let _ = near.send_if_wanted("later");
    })]);
    let session = Session::new();
    let task = session.download_task(&origin.url).to(to).create().unwrap();
    task.resume();
    let part = to.with_extension("part");
    eventually("content on the disk", || fs::read(&part).is_ok_and(|part| part == b"first"));
    change(&part);
    go.send(()).unwrap();
    let result = task.clone().wait().map(drop);
    origin.done();
    (result, task)
}

/// What somebody else does to a part.
type Change = (&'static str, fn(&Path));

#[test]
fn a_part_that_is_changed_by_somebody_else_while_it_comes_does_not_get_the_final_name() {
    let changes: [Change; 7] = [
        ("cut", |part| fs::OpenOptions::new().write(true).open(part).unwrap().set_len(2).unwrap()),
        ("emptied", |part| fs::write(part, "").unwrap()),
        ("made longer", |part| fs::write(part, "first and more").unwrap()),
        ("removed", |part| fs::remove_file(part).unwrap()),
        ("replaced by a file", |part| {
            fs::write(part.with_extension("x"), "first").unwrap();
            fs::rename(part.with_extension("x"), part).unwrap();
        }),
        ("replaced by a link", |part| {
            fs::rename(part, part.with_extension("x")).unwrap();
            symlink(part.with_extension("x"), part).unwrap();
        }),
        ("replaced by a folder", |part| {
            fs::remove_file(part).unwrap();
            fs::create_dir(part).unwrap();
        }),
    ];
    for (what, change) in changes {
        let folder = Folder::new();
        let to = folder.path("a");
        fs::write(&to, "old").unwrap();
        let (result, _) = begun(&to, change);
        let error = result.expect_err(what);
        assert_eq!(kind(&error), FileErrorKind::PartChanged, "{what}");
        assert!(error.resume_data().is_none(), "{what}: what is there is not what came");
        assert_eq!(read(&to), b"old", "{what}");
        // Whatever was left, the next download is whole or says what is in its way.
        let (origin, _asked) = ranged(b"firstlater", 1);
        match download(&origin.url, &to) {
            Ok(()) => {
                assert_eq!(read(&to), b"firstlater", "{what}");
                origin.done();
            }
            Err(error) => {
                assert_eq!(kind(&error), FileErrorKind::NotAFile, "{what}: {error}");
                assert_eq!(read(&to), b"old", "{what}");
            }
        }
    }
}

#[test]
fn a_part_that_is_cut_in_the_middle_of_much_content_is_not_gone_on_with() {
    let folder = Folder::new();
    let to = folder.path("a");
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        let head = format!("HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: {LENGTH}\r\n\r\n");
        near.send([head.as_bytes(), b"first"].concat());
        pass(&is_go);
        let _ = near.send_if_wanted(&content()[5..]);
    })]);
    let session = Session::new();
    let task = session.download_task(&origin.url).to(&to).create().unwrap();
    task.resume();
    let part = folder.path("a.part");
    eventually("content on the disk", || fs::read(&part).is_ok_and(|part| part == b"first"));
    fs::write(&part, "fi").unwrap();
    go.send(()).unwrap();
    let error = task.wait().unwrap_err();
    assert_eq!(kind(&error), FileErrorKind::PartChanged);
    assert!(error.resume_data().is_none());
    assert_eq!(folder.names(), [""; 0]);
    origin.done();
}

#[test]
fn a_folder_that_is_removed_while_content_comes_fails_the_download() {
    let folder = Folder::new();
    fs::create_dir(folder.path("sub")).unwrap();
    let sub = folder.path("sub");
    let (result, _) = begun(&folder.path("sub/a"), |_| fs::remove_dir_all(sub).unwrap());
    assert_eq!(kind(&result.unwrap_err()), FileErrorKind::PartChanged);
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_file_that_is_removed_or_replaced_meanwhile_gives_way_to_what_came() {
    let changes: [fn(&Path); 3] = [
        |_| (),
        |part| fs::remove_file(part.with_extension("")).unwrap(),
        |part| fs::write(part.with_extension(""), "of somebody else").unwrap(),
    ];
    for change in changes {
        let folder = Folder::new();
        let to = folder.path("a");
        fs::write(&to, "old").unwrap();
        begun(&to, change).0.unwrap();
        assert_eq!((read(&to), folder.names()), (b"firstlater".to_vec(), vec!["a".to_owned()]));
    }
}

#[test]
fn a_destination_that_becomes_a_folder_keeps_the_whole_content_to_go_on_with() {
    let folder = Folder::new();
    let to = folder.path("a");
    let (origin, asked) = ranged(b"firstlater", 2);
    let session = Session::new();
    let task = session.download_task(&origin.url).to(&to).create().unwrap();
    fs::create_dir(&to).unwrap();
    let error = task.wait().unwrap_err();
    // Refused when the part file is opened, since it was there by then: nothing was requested.
    assert_eq!(kind(&error), FileErrorKind::IsFolder);
    assert_eq!((asked.try_recv().ok(), folder.names()), (None, vec!["a".to_owned()]));
    fs::remove_dir(&to).unwrap();

    let (result, _) = begun(&to, |part| fs::create_dir(part.with_extension("")).unwrap());
    let error = result.unwrap_err();
    assert_eq!(kind(&error), FileErrorKind::Move);
    assert!(error.to_string().contains("the whole content is in its part file"), "{error}");
    assert_eq!(error.resume_data().map(sortie::ResumeData::received), Some(10));
    assert_eq!(read(folder.path("a.part")), b"firstlater");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
    drop((session, origin));
}

#[test]
fn two_sessions_that_download_to_one_place_do_not_mix() {
    let folder = Folder::new();
    let to = folder.path("a");
    let (other, asked) = ranged(b"other", 2);
    begun(&to, |_| {
        let error = download(&other.url, &to).unwrap_err();
        assert_eq!(kind(&error), FileErrorKind::Busy);
        assert!(error.to_string().contains("wait for it or choose another name"), "{error}");
    })
    .0
    .unwrap();
    assert_eq!(read(&to), b"firstlater");
    assert!(asked.try_recv().is_err(), "it was requested");
    download(&other.url, &to).unwrap();
    assert_eq!((read(&to), folder.names()), (b"other".to_vec(), vec!["a".to_owned()]));
    other.done();
}

/// A download that was cut after `first`, and what was changed before the next one.
fn tampered(change: impl FnOnce(&Folder), sha256: Option<[u8; 32]>) -> (Vec<Option<usize>>, Got) {
    let folder = Folder::new();
    let to = folder.path("a");
    let (told, asked) = channel();
    let mut scripts = vec![answer(SHORT)];
    for _ in 0..2 {
        let told = told.clone();
        scripts.push(script(move |near| serve(near, b"firstlater", &told)));
    }
    let origin = Origin::new(scripts);
    let error = download(&origin.url, &to).unwrap_err();
    assert_eq!(error.resume_data().map(sortie::ResumeData::received), Some(5));
    assert_eq!(read(folder.path("a.part")), b"first");
    change(&folder);
    let again = || {
        let session = Session::new();
        let builder = session.download_task(&origin.url).to(&to);
        let builder = match sha256 {
            Some(digest) => builder.sha256(digest),
            None => builder,
        };
        builder.create().unwrap().wait().map(drop)
    };
    let result = again().or_else(|error| {
        // Content of which a digest was wrong is gone, and the next attempt begins anew.
        let is_digest = matches!(error.kind(), ErrorKind::File(FileErrorKind::Digest { .. }));
        if is_digest { again() } else { Err(error) }
    });
    let result = result.map_err(|error| kind(&error));
    let content = to.exists().then(|| read(&to));
    (asked.try_iter().collect(), (result, content, folder.names()))
}

type Got = (Result<(), FileErrorKind>, Option<Vec<u8>>, Vec<String>);

fn right() -> Got {
    (Ok(()), Some(b"firstlater".to_vec()), vec!["a".to_owned()])
}

#[test]
fn a_part_that_was_tampered_with_is_gone_on_with_only_where_the_file_comes_out_right() {
    let part = |folder: &Folder| folder.path("a.part");
    assert_eq!(tampered(|_| (), None), (vec![Some(5)], right()));
    let cut = |folder: &Folder| fs::write(part(folder), "fir").unwrap();
    assert_eq!(tampered(cut, None), (vec![Some(3)], right()));
    let emptied = |folder: &Folder| fs::write(part(folder), "").unwrap();
    assert_eq!(tampered(emptied, None), (vec![None], right()));
    let longer = |folder: &Folder| fs::write(part(folder), "firstlater and more").unwrap();
    assert_eq!(tampered(longer, None), (vec![None], right()));
    let removed = |folder: &Folder| fs::remove_file(part(folder)).unwrap();
    assert_eq!(tampered(removed, None), (vec![None], right()));
    // Other bytes only a digest can tell.
    let other = |folder: &Folder| fs::write(part(folder), "wrong").unwrap();
    assert_eq!(tampered(other, Some(SHA256)), (vec![Some(5), None], right()));
}

/// SHA-256 of `firstlater`.
const SHA256: [u8; 32] = [
    0xf3, 0x86, 0xd5, 0x2b, 0x39, 0xcc, 0x79, 0x4e, 0x33, 0xca, 0x01, 0x62, 0xa3, 0x97, 0xcf, 0x30,
    0x37, 0x84, 0x2c, 0x7a, 0x9a, 0x7e, 0x35, 0x13, 0x45, 0xd6, 0xf3, 0xe5, 0x4e, 0xe9, 0xdf, 0x68,
];

#[test]
fn what_stands_in_the_place_of_a_part_or_its_record_and_is_no_file_is_not_touched() {
    for name in ["a.part", "a.part.resume"] {
        let changes: [fn(&Path, &Path); 3] = [
            |at, precious| symlink(precious, at).unwrap(),
            |at, _| fs::create_dir(at).unwrap(),
            |at, _| assert!(Command::new("mkfifo").arg(at).status().unwrap().success()),
        ];
        for change in changes {
            let (asked, (result, content, names)) = tampered(
                |folder| {
                    fs::write(folder.path("precious"), "precious").unwrap();
                    fs::remove_file(folder.path(name)).unwrap();
                    change(&folder.path(name), &folder.path("precious"));
                },
                None,
            );
            assert_eq!(result, Err(FileErrorKind::NotAFile), "{name}");
            assert_eq!((asked, content), (vec![], None), "{name}: nothing was requested");
            assert_eq!(names, ["a.part", "a.part.resume", "precious"]);
        }
    }
}

#[test]
fn a_record_of_another_url_is_not_used() {
    let swap = |folder: &Folder| {
        let origin = Origin::new(vec![answer(SHORT)]);
        download(&origin.url, &folder.path("b")).unwrap_err();
        origin.done();
        fs::rename(folder.path("b.part.resume"), folder.path("a.part.resume")).unwrap();
        fs::remove_file(folder.path("b.part")).unwrap();
    };
    assert_eq!(tampered(swap, None), (vec![None], right()));
}
