//! The part file of a download, polled.

use std::fs::File;
use std::mem;
use std::path::Path;
#[cfg(test)]
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
#[cfg(test)]
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use super::commit::{Expected, commit};
use super::desk::Desk;
use super::error::{FileError, Sha256Digest};
use super::medium::Medium;
use super::part::{Found, Home, Part};
use super::place::Place;
use super::temporary::TemporaryFile;

/// How the content of one response begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    /// Where in the file: 0, or no more than what is in it. What is behind goes.
    pub(crate) offset: u64,
    /// The resume record from now on. Without one, a new beginning has none and can not be
    /// resumed later, and a continued file keeps the one it has.
    pub(crate) record: Option<Vec<u8>>,
    /// The digest of the whole file that the server promises.
    pub(crate) sha256: Option<Sha256Digest>,
}

/// What a job of a part file did.
enum Done {
    /// This buffer was written, or what of it could be.
    Write(Vec<u8>),
    Start,
    Hash,
    Commit,
}

/// A file that a download writes.
///
/// Each `poll_*` says with `Pending` that it wants to be polled again when the waker was woken.
/// Its future may be dropped at any time: nothing that was pushed is lost.
///
/// After an error the file holds what was content before it, and every further call has the same
/// error, until [`PartFile::begin`].
///
/// Dropping it keeps part and record, so that another can go on, and the lock until the write that
/// is under way ends: poll [`PartFile::poll_flush`] first where somebody opens it at once. A part
/// without content or without a record is removed: nobody could go on. Dropped while a commit is
/// under way, the commit happens or not, but never by half.
pub(crate) struct PartFile<M: Medium = File> {
    desk: Desk<Part<M>, (Done, Result<(), FileError>)>,
    start: Option<Start>,
    /// Handed out for the next full one.
    spare: Vec<u8>,
    /// The user's and the server's.
    digests: [Option<Sha256Digest>; 2],
    failed: Option<FileError>,
    committed: bool,
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests discard so far"))]
    discard: Arc<AtomicBool>,
}

impl PartFile {
    /// Opens the part file for `destination`, before anything is requested. With `resume`, what is
    /// there of an earlier download and its record are kept and told; else they are removed.
    ///
    /// Blocks for some short calls of the file system.
    ///
    /// # Errors
    /// `BadName`, `IsFolder`, `NotAFile`, `NoFolder`, `NotWritable`, `Busy`, `Full`, `Write`.
    pub(crate) fn open(
        destination: &Path,
        resume: bool,
    ) -> Result<(Self, Option<Found>), FileError> {
        Self::open_with(destination, resume, |file| file)
    }

    /// A file for a download without a destination, in the folder for temporary files. Taken with
    /// [`PartFile::into_temporary`] when it is whole.
    ///
    /// # Errors
    /// The folder may not be written, does not exist or is full.
    pub(crate) fn temporary() -> Result<Self, FileError> {
        Ok(Self::new(Part::temporary(|file| file)?))
    }
}

impl PartFile {
    /// What can be told to be wrong with a destination without touching anything.
    ///
    /// # Errors
    /// `BadName`, `IsFolder`, `NotAFile`, `NoFolder`, `NotWritable`.
    pub(crate) fn check(destination: &Path) -> Result<(), FileError> {
        Place::new(destination).map(|_| ())
    }
}

impl<M: Medium> PartFile<M> {
    pub(super) fn open_with(
        destination: &Path,
        resume: bool,
        medium: impl FnOnce(File) -> M,
    ) -> Result<(Self, Option<Found>), FileError> {
        let (part, found) = Part::open(destination, resume, medium)?;
        Ok((Self::new(part), found))
    }

    fn new(part: Part<M>) -> Self {
        let discard = part.discard_flag();
        Self {
            desk: Desk::new(part),
            start: None,
            spare: Vec::new(),
            digests: [None; 2],
            failed: None,
            committed: false,
            discard,
        }
    }

    /// The content must have this digest. Best said before it comes: later, what is there is read
    /// again.
    pub(crate) const fn expect_sha256(&mut self, digest: Sha256Digest) {
        self.digests[0] = Some(digest);
    }

    /// The content of a response begins. It takes effect, and may fail, in the next `poll_*`; what
    /// failed before is forgotten, and what was pushed before is written first.
    ///
    /// The record is on the disk before the first byte of the content.
    ///
    /// # Errors of the next poll
    /// `Misuse`: the offset is beyond what is in the file, or the file was committed. `Full` and
    /// `Write`.
    pub(crate) fn begin(&mut self, start: Start) {
        self.digests[1] = start.sha256;
        self.start = Some(start);
    }

    /// Ready when nothing is under way: all that was pushed is written, though it may not be on
    /// the disk yet, and the start is done. Then [`PartFile::length`] is known.
    ///
    /// # Errors
    /// `Full`, `Write`, `Misuse`, of this or an earlier call.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), FileError>> {
        loop {
            if let Some((done, result)) = ready!(self.desk.poll(cx)) {
                self.take_in(done, result);
            }
            if let Some(start) = self.start.take() {
                self.send(Done::Start, move |part| {
                    part.start(start.offset, start.record.as_deref())
                });
                continue;
            }
            if let Some(failed) = &self.failed {
                return Poll::Ready(Err(failed.clone()));
            }
            let wanted = self.digests.iter().any(Option::is_some);
            let Some(part) = self.desk.here() else { return Poll::Pending };
            part.want_digest(wanted);
            if !part.is_hash_behind() {
                return Poll::Ready(Ok(()));
            }
            self.send(Done::Hash, Part::catch_up);
        }
    }

    /// Takes the content in `buffer` and gives an empty buffer for it, once the content before it
    /// is written. When it is ready, the write is under way while the caller fills the next.
    ///
    /// # Errors
    /// As [`PartFile::poll_flush`]. The buffer is as it was, and its content not in the file.
    pub(crate) fn poll_push(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<Result<(), FileError>> {
        ready!(self.poll_flush(cx))?;
        if buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut spare = mem::take(&mut self.spare);
        // The first one is made here: as large as the other of the pair.
        spare.reserve(buffer.capacity());
        let content = mem::replace(buffer, spare);
        self.desk.send(move |part| {
            let result = part.write(&content);
            (Done::Write(content), result)
        });
        Poll::Ready(Ok(()))
    }

    /// Checks the content and puts it in the place of the destination. Ready when it is there, and
    /// on the disk. Polled again after success, it is ready again.
    ///
    /// # Errors
    /// `Length`: it is kept, and a `begin` may go on. `Digest`: part and record are removed.
    /// `Write` and `Move`: it is kept. In all of them the destination is what it was.
    pub(crate) fn poll_commit(
        &mut self,
        cx: &mut Context<'_>,
        expected_length: Option<u64>,
    ) -> Poll<Result<(), FileError>> {
        ready!(self.poll_flush(cx))?;
        if !self.committed {
            let expected = Expected { length: expected_length, digests: self.digests };
            self.send(Done::Commit, move |part| commit(part, &expected));
            ready!(self.poll_flush(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether a commit was seen to have succeeded.
    pub(crate) const fn is_committed(&self) -> bool {
        self.committed
    }

    /// How much content is in the file. None while something is under way or about to begin.
    pub(crate) fn length(&mut self) -> Option<u64> {
        let part = self.desk.here().filter(|_| self.start.is_none());
        part.map(|part| part.length)
    }

    /// Where the content is written. Known at once, unless something is under way.
    #[cfg(test)]
    pub(crate) fn path(&mut self) -> Option<PathBuf> {
        self.desk.here().map(|part| part.home.path().to_owned())
    }

    /// Removes part and record, also after an error: at once when nothing is under way, which
    /// blocks as long as removing a file does, else when that ended. What is at its destination
    /// stays.
    #[cfg(test)]
    pub(crate) fn discard(self) {
        self.discard.store(true, Ordering::Release);
    }

    /// The temporary file, when the commit is done and there was no destination.
    pub(crate) fn into_temporary(mut self) -> Option<TemporaryFile> {
        let part = self.desk.here().filter(|_| self.committed)?;
        match mem::replace(&mut part.home, Home::Taken) {
            Home::Temporary(temporary) => Some(temporary),
            Home::Beside(_) | Home::Taken => None,
        }
    }

    fn send(
        &mut self,
        done: Done,
        job: impl FnOnce(&mut Part<M>) -> Result<(), FileError> + Send + 'static,
    ) {
        self.desk.send(move |part| (done, job(part)));
    }

    fn take_in(&mut self, done: Done, result: Result<(), FileError>) {
        match done {
            Done::Write(mut buffer) => {
                buffer.clear();
                self.spare = buffer;
            }
            Done::Commit => self.committed = result.is_ok(),
            Done::Start | Done::Hash => {}
        }
        self.failed = result.err();
    }
}
