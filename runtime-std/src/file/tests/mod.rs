//! Every rule of files, in folders of their own.

mod commit;
mod full;
mod open;
mod resume;
mod source;
mod temporary;
mod write;

use std::fs;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use futures_lite::future::block_on;
use sha2::{Digest, Sha256};

use super::error::{FileError, FileErrorKind, Sha256Digest};
use super::medium::Medium;
use super::part::Found;
use super::writer::{PartFile, Start};

/// A folder that goes with its test.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("sortie-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self { path }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.at(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).unwrap()
    }

    /// The names in it, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.path).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// As a crash would leave it now.
    fn copy(&self) -> Self {
        let copy = Self::new();
        for name in self.names() {
            fs::copy(self.at(&name), copy.at(&name)).unwrap();
        }
        copy
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.path).unwrap();
    }
}

fn start(offset: u64, record: &[u8]) -> Start {
    Start { offset, record: Some(record.to_vec()), sha256: None }
}

fn sha256(content: &[u8]) -> Sha256Digest {
    Sha256Digest(Sha256::digest(content).into())
}

/// Content whose bytes tell where they are.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn open(destination: &Path, resume: bool) -> (PartFile, Option<Found>) {
    PartFile::open(destination, resume).unwrap()
}

fn open_kind(destination: &Path) -> FileErrorKind {
    match PartFile::open(destination, true) {
        Ok(_) => panic!("{} could be opened", destination.display()),
        Err(why) => why.kind(),
    }
}

fn flush<M: Medium>(part: &mut PartFile<M>) -> Result<(), FileError> {
    block_on(poll_fn(|cx| part.poll_flush(cx)))
}

fn push<M: Medium>(part: &mut PartFile<M>, content: &[u8]) -> Result<(), FileError> {
    let mut buffer = content.to_vec();
    block_on(poll_fn(|cx| part.poll_push(cx, &mut buffer)))
}

fn commit<M: Medium>(part: &mut PartFile<M>, length: Option<u64>) -> Result<(), FileError> {
    block_on(poll_fn(|cx| part.poll_commit(cx, length)))
}

/// Polls as a caller whose future was dropped after its poll, before another took its place: the
/// first one's waker is lost.
fn with_dropped_futures<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    block_on(poll_fn(|cx| match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => poll(cx),
        done => done,
    }))
}
