//! A file as the body of a request.

use std::fs::{self, File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::mem;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use super::desk::Desk;
use super::error::{FileError, FileErrorKind};

/// How much is read at once. Two such pieces are held: one that is sent, one that is read.
const PIECE: usize = 256 * 1024;

/// A file that is read ahead while it is sent.
///
/// Its length is promised to the server when the request begins, so it must not change. That is
/// looked at behind every piece, before the piece is given out: a changed file never ends as a
/// body of the right length that mixes the old and the new one.
pub(crate) struct FileSource {
    desk: Desk<Reader, Result<(), FileError>>,
    length: u64,
    /// What is given out.
    front: Vec<u8>,
    front_at: u64,
    failed: Option<FileError>,
}

/// The blocking side.
struct Reader {
    file: File,
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
    /// What was read last, and from where.
    piece: Vec<u8>,
    piece_at: u64,
}

impl FileSource {
    /// Opens a file to upload. Blocks for some short calls of the file system.
    ///
    /// # Errors
    /// `NotFound`, `IsFolder`, `NotAFile`, `NotReadable`, `Read`.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let refuse = |kind| Err(FileError::new(kind, path));
        let opening = |why| FileError::opening_source(path, why);
        // Looked at first: opening a pipe would wait for somebody to write.
        let there = fs::metadata(path).map_err(opening)?;
        if there.is_dir() {
            return refuse(FileErrorKind::IsFolder);
        }
        if !there.is_file() {
            return refuse(FileErrorKind::NotAFile);
        }
        let file = File::open(path).map_err(opening)?;
        let there = file.metadata().map_err(opening)?;
        let reader = Reader {
            file,
            path: path.to_owned(),
            length: there.len(),
            modified: there.modified().ok(),
            piece: Vec::new(),
            piece_at: 0,
        };
        Ok(Self {
            desk: Desk::new(reader),
            length: there.len(),
            front: Vec::new(),
            front_at: 0,
            failed: None,
        })
    }

    /// Bytes of the body: the file's length when it was opened.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// What went wrong, if something did.
    pub(crate) fn failure(&self) -> Option<FileError> {
        self.failed.clone()
    }

    /// The bytes at hand from offset `from` on; none at the end. What follows is read meanwhile.
    ///
    /// Asked for in order, every byte is read once. Any other offset is right too, such as 0 for
    /// a body that is sent again.
    ///
    /// # Errors
    /// `SourceChanged`, `Read`; then every further call has the same error.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        from: u64,
    ) -> Poll<Result<&[u8], FileError>> {
        ready!(self.poll_front(cx, from))?;
        let skip = usize::try_from(from.saturating_sub(self.front_at)).unwrap_or(usize::MAX);
        Poll::Ready(Ok(self.front.get(skip..).unwrap_or(&[])))
    }

    /// Ready when `from` is in the front, or at the end.
    fn poll_front(&mut self, cx: &mut Context<'_>, from: u64) -> Poll<Result<(), FileError>> {
        loop {
            let front_end = self.front_at + self.front.len() as u64;
            let in_front = (self.front_at..front_end).contains(&from);
            if self.failed.is_none() && (in_front || from >= self.length) {
                return Poll::Ready(Ok(()));
            }
            if let Some(Err(why)) = ready!(self.desk.poll(cx)) {
                self.failed = Some(why);
            }
            if let Some(failed) = &self.failed {
                return Poll::Ready(Err(failed.clone()));
            }
            let Some(reader) = self.desk.here() else { return Poll::Pending };
            let mut next = from;
            if reader.covers(from) {
                mem::swap(&mut self.front, &mut reader.piece);
                self.front_at = reader.piece_at;
                reader.piece.clear();
                next = self.front_at + self.front.len() as u64;
            }
            if next < self.length {
                self.desk.send(move |reader| reader.read(next));
            }
        }
    }
}

impl Reader {
    fn covers(&self, from: u64) -> bool {
        (self.piece_at..self.piece_at + self.piece.len() as u64).contains(&from)
    }

    /// Reads the piece at `from`, and checks that the file is what it was.
    fn read(&mut self, from: u64) -> Result<(), FileError> {
        let reading = |why| FileError::caused(FileErrorKind::Read, &self.path, why);
        let most = self.length.saturating_sub(from).min(PIECE as u64);
        self.piece.clear();
        self.piece_at = from;
        self.file.seek(SeekFrom::Start(from)).map_err(reading)?;
        (&self.file).take(most).read_to_end(&mut self.piece).map_err(reading)?;
        let now = self.file.metadata().map_err(reading)?;
        if self.piece.len() as u64 != most || self.is_changed(&now) {
            self.piece.clear();
            return Err(FileError::new(FileErrorKind::SourceChanged, &self.path));
        }
        Ok(())
    }

    fn is_changed(&self, now: &Metadata) -> bool {
        now.len() != self.length || now.modified().ok() != self.modified
    }
}
