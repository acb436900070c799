//! Files on their way to a server.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, SystemTime};

use super::super::source::FileSource;
use super::*;

fn chunk(source: &mut FileSource, from: u64) -> Result<Vec<u8>, FileError> {
    block_on(poll_fn(|cx| source.poll_chunk(cx, from).map_ok(<[u8]>::to_vec)))
}

/// Reads to the end, taking no more than `most` of what is at hand.
fn read(source: &mut FileSource, most: usize) -> Result<Vec<u8>, FileError> {
    let mut whole = Vec::new();
    loop {
        let mut chunk = chunk(source, whole.len() as u64)?;
        if chunk.is_empty() {
            return Ok(whole);
        }
        chunk.truncate(most);
        whole.extend_from_slice(&chunk);
    }
}

fn open_kind(path: &Path) -> FileErrorKind {
    match FileSource::open(path) {
        Ok(_) => panic!("{} could be opened", path.display()),
        Err(why) => why.kind(),
    }
}

#[test]
fn a_file_is_read_whole_in_any_steps() {
    let folder = Folder::new();
    for length in [0, 1, 256 * 1024, 600_000] {
        let whole = content(length);
        folder.write("name", &whole);
        for most in [usize::MAX, 50_000] {
            let mut source = FileSource::open(&folder.at("name")).unwrap();
            assert_eq!(source.length(), length as u64);
            assert!(read(&mut source, most).unwrap() == whole, "{length} bytes by {most}");
        }
    }
}

#[test]
fn a_body_can_be_sent_again_from_any_offset() {
    let folder = Folder::new();
    let whole = content(900_000);
    folder.write("name", &whole);
    let mut source = FileSource::open(&folder.at("name")).unwrap();
    for from in [0, 300_000, 0, 899_999, 5, 600_000, 0, 900_000, 900_001] {
        let chunk = chunk(&mut source, from as u64).unwrap();
        let rest = whole.get(from..).unwrap_or(&[]);
        assert_eq!(chunk.is_empty(), rest.is_empty());
        assert!(rest.starts_with(&chunk), "from {from}");
    }
    assert!(read(&mut source, usize::MAX).unwrap() == whole);
}

#[test]
fn futures_may_be_dropped_after_every_poll() {
    let folder = Folder::new();
    let whole = content(900_000);
    folder.write("name", &whole);
    let mut source = FileSource::open(&folder.at("name")).unwrap();
    let mut got = Vec::new();
    while got.len() < whole.len() {
        let from = got.len() as u64;
        let chunk =
            with_dropped_futures(|cx| source.poll_chunk(cx, from).map_ok(<[u8]>::to_vec)).unwrap();
        got.extend_from_slice(&chunk);
    }
    assert!(got == whole);
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = Folder::new();
    folder.write("file", "");
    assert_eq!(open_kind(&folder.path), FileErrorKind::IsFolder);
    assert_eq!(open_kind(&folder.at("file/name")), FileErrorKind::NotFound);
    let Err(why) = FileSource::open(&folder.at("missing")) else { panic!("opened") };
    assert_eq!((why.kind(), why.kind().code()), (FileErrorKind::NotFound, -1100));
    assert_eq!(why.path(), folder.at("missing"));
    #[cfg(unix)]
    assert_eq!(open_kind(Path::new("/dev/zero")), FileErrorKind::NotAFile);
}

/// Sends the first piece, lets `change` happen, and sends the rest.
fn changed(change: impl FnOnce(&Path)) -> (Result<Vec<u8>, FileError>, FileSource, Folder) {
    let folder = Folder::new();
    folder.write("name", content(2_000_000));
    let old = SystemTime::now() - Duration::from_secs(60);
    let file = File::options().write(true).open(folder.at("name")).unwrap();
    file.set_modified(old).unwrap();
    let mut source = FileSource::open(&folder.at("name")).unwrap();
    chunk(&mut source, 0).unwrap();
    change(&folder.at("name"));
    (read(&mut source, usize::MAX), source, folder)
}

#[test]
fn an_unchanged_file_is_read_to_its_end() {
    let (result, _, _folder) = changed(|_| {});
    assert!(result.unwrap() == content(2_000_000));
}

#[test]
fn a_file_that_changed_is_not_sent_to_its_end() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 3] = [
        ("shorter", |path| {
            File::options().write(true).open(path).unwrap().set_len(1_999_999).unwrap();
        }),
        ("longer", |path| {
            let mut file = File::options().append(true).open(path).unwrap();
            file.write_all(b"more").unwrap();
        }),
        ("written over", |path| {
            let mut file = File::options().write(true).open(path).unwrap();
            file.write_all(b"other").unwrap();
        }),
    ];
    for (what, change) in changes {
        let (result, mut source, _folder) = changed(change);
        let why = result.unwrap_err();
        assert_eq!(why.kind(), FileErrorKind::SourceChanged, "{what}");
        // Once wrong it stays wrong, from the start too.
        assert_eq!(chunk(&mut source, 0).unwrap_err().kind(), why.kind(), "{what}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_was_replaced_is_sent_as_it_was() {
    let (result, _, _folder) = changed(|path| {
        let other = path.with_file_name("other");
        fs::write(&other, "other").unwrap();
        fs::rename(other, path).unwrap();
    });
    assert!(result.unwrap() == content(2_000_000));
}
