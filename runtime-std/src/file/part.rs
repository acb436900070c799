//! What a download does to its part file: everything here blocks.

use std::fs::File;
use std::io::{self, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use super::error::{FileError, FileErrorKind, Sha256Digest};
use super::medium::Medium;
use super::place::Place;
use super::temporary::TemporaryFile;

/// How much of an existing part file is hashed in one job: some milliseconds of work.
const HASH_PIECE: u64 = 4 << 20;

/// How much of it is read at once.
const HASH_READ: usize = 128 * 1024;

/// What was found of an earlier download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Bytes in the part file.
    pub(crate) length: u64,
    /// The resume record, as it was given to `begin`.
    pub(crate) record: Vec<u8>,
}

/// Where the content is.
pub(super) enum Home {
    /// Beside its destination.
    Beside(Place),
    /// In the folder for temporary files.
    Temporary(TemporaryFile),
    /// With whoever took the temporary file.
    Taken,
}

impl Home {
    /// Where content is written.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Beside(place) => &place.part,
            Self::Temporary(temporary) => temporary.path(),
            Self::Taken => Path::new(""),
        }
    }

    /// What the user knows the file by.
    pub(super) fn name(&self) -> &Path {
        match self {
            Self::Beside(place) => &place.destination,
            Self::Temporary(_) | Self::Taken => self.path(),
        }
    }
}

/// The digest of what is in the file up to `length`.
struct Hash {
    sha256: Sha256,
    length: u64,
}

/// A part file. The length of the file is always that of the content: nothing is in it that did
/// not come in order.
pub(super) struct Part<M: Medium> {
    /// Gone when the content is at its destination or removed.
    pub(super) medium: Option<M>,
    pub(super) home: Home,
    pub(super) length: u64,
    recorded: bool,
    hash: Option<Hash>,
    /// Set when all of it is to go with the last owner.
    discard: Arc<AtomicBool>,
}

impl<M: Medium> Part<M> {
    /// A part file beside its destination, and what was in it. Without a record, or if `resume` is
    /// false, that is removed.
    pub(super) fn open(
        destination: &Path,
        resume: bool,
        medium: impl FnOnce(File) -> M,
    ) -> Result<(Self, Option<Found>), FileError> {
        let place = Place::new(destination)?;
        let file = place.open_part()?;
        let length = file.metadata().map_err(|why| FileError::opening(&place.part, why))?.len();
        let record = if resume && length > 0 { place.read_record()? } else { None };
        let found = record.map(|record| Found { length, record });
        let recorded = found.is_some();
        let medium = Some(medium(file));
        let mut part = Self {
            medium,
            home: Home::Beside(place),
            length,
            recorded,
            hash: None,
            discard: Arc::default(),
        };
        if found.is_none() {
            part.start(0, None)?;
        }
        Ok((part, found))
    }

    /// A part file that has no destination yet.
    pub(super) fn temporary(medium: impl FnOnce(File) -> M) -> Result<Self, FileError> {
        let (temporary, file) = TemporaryFile::create()?;
        Ok(Self {
            medium: Some(medium(file)),
            home: Home::Temporary(temporary),
            length: 0,
            recorded: false,
            hash: None,
            discard: Arc::default(),
        })
    }

    pub(super) fn discard_flag(&self) -> Arc<AtomicBool> {
        self.discard.clone()
    }

    fn medium(&mut self) -> Result<&mut M, FileError> {
        match &mut self.medium {
            Some(medium) => Ok(medium),
            None => Err(FileError::new(FileErrorKind::Misuse, self.home.name())),
        }
    }

    /// What the path of the part leads to is the file that content was written to: else it must
    /// neither get the final name nor be gone on with.
    ///
    /// # Errors
    /// `PartChanged`.
    pub(super) fn check_home(&self) -> Result<(), FileError> {
        match self.is_home() {
            true => Ok(()),
            false => Err(FileError::new(FileErrorKind::PartChanged, self.home.name())),
        }
    }

    fn is_home(&self) -> bool {
        match (&self.home, &self.medium) {
            (Home::Beside(place), Some(medium)) => medium.is_at(&place.part),
            (Home::Beside(_) | Home::Temporary(_) | Home::Taken, _) => true,
        }
    }

    /// The file is as long as what was written to it. Somebody else may have written to it, lock or
    /// not: behind a file that was cut, content would follow a hole.
    ///
    /// # Errors
    /// `PartChanged`, and then what is there is not gone on with.
    pub(super) fn check_end(&mut self) -> Result<(), FileError> {
        let end = self.medium()?.seek(SeekFrom::End(0));
        if self.writing(end)? == self.length {
            return Ok(());
        }
        self.forget();
        Err(FileError::new(FileErrorKind::PartChanged, self.home.name()))
    }

    pub(super) fn writing<T>(&self, result: io::Result<T>) -> Result<T, FileError> {
        result.map_err(|why| FileError::writing(self.home.path(), why))
    }

    /// Content starts at `offset`; what is behind it goes.
    ///
    /// The order is what a power failure needs: at no time is a record beside content that it does
    /// not speak of.
    pub(super) fn start(&mut self, offset: u64, record: Option<&[u8]>) -> Result<(), FileError> {
        if offset > self.length {
            return Err(FileError::new(FileErrorKind::Misuse, self.home.name()));
        }
        self.check_home()?;
        if offset > 0 {
            self.check_end()?;
        }
        self.cut(offset)?;
        if offset == 0 && record.is_some() {
            let synced = self.medium()?.sync();
            self.writing(synced)?;
        }
        let Home::Beside(place) = &self.home else { return Ok(()) };
        if let Some(record) = record {
            place.write_record(record)?;
            self.recorded = true;
        } else if offset == 0 {
            // Gone for good, before there is content that it does not speak of.
            if place.remove_record()? {
                place.sync_folder();
            }
            self.recorded = false;
        }
        Ok(())
    }

    /// Makes the file this long, which is no longer than it is.
    fn cut(&mut self, length: u64) -> Result<(), FileError> {
        let cut = self.medium()?.set_len(length);
        self.writing(cut)?;
        self.length = length;
        if self.hash.as_ref().is_some_and(|hash| hash.length > length) {
            self.hash = Some(Hash { sha256: Sha256::new(), length: 0 });
        }
        Ok(())
    }

    /// Adds content. If it fails, what was written of it is content, and nothing else is there.
    pub(super) fn write(&mut self, content: &[u8]) -> Result<(), FileError> {
        // It leaves the medium at its end.
        self.check_end()?;
        let length = self.length;
        let medium = self.medium()?;
        let mut written = 0;
        let result = write_counted(medium, content, &mut written);
        self.length += written as u64;
        if let Some(hash) = &mut self.hash
            && hash.length == length
        {
            hash.sha256.update(&content[..written]);
            hash.length = self.length;
        }
        if result.is_err() {
            let length = self.length;
            if self.medium()?.set_len(length).is_err() {
                self.forget();
            }
        }
        self.writing(result)
    }

    /// The end of the file is not known to be content: it must not be resumed.
    fn forget(&mut self) {
        self.recorded = false;
        if let Home::Beside(place) = &self.home {
            let _ = place.remove_record();
        }
    }

    /// From now on the digest is wanted, or not.
    pub(super) fn want_digest(&mut self, wanted: bool) {
        match wanted {
            true if self.hash.is_none() => {
                self.hash = Some(Hash { sha256: Sha256::new(), length: 0 });
            }
            true => {}
            false => self.hash = None,
        }
    }

    /// Is there content that was not hashed, though a digest is wanted?
    pub(super) fn is_hash_behind(&self) -> bool {
        self.hash.as_ref().is_some_and(|hash| hash.length < self.length)
    }

    /// Hashes a piece of what is in the file.
    pub(super) fn catch_up(&mut self) -> Result<(), FileError> {
        let (Some(medium), Some(hash)) = (&mut self.medium, &mut self.hash) else { return Ok(()) };
        let end = self.length.min(hash.length + HASH_PIECE);
        let result = hash_to(medium, hash, end);
        self.writing(result)
    }

    /// The digest of all content. None if it was not asked for in time.
    pub(super) fn digest(&self) -> Option<Sha256Digest> {
        let hash = self.hash.as_ref().filter(|hash| hash.length == self.length)?;
        Some(Sha256Digest(hash.sha256.clone().finalize().into()))
    }

    /// Removes part and record now.
    pub(super) fn remove(&mut self) {
        match &self.home {
            Home::Beside(place) if self.is_home() => {
                // The record first: it is worth nothing without the part. The lock is held until
                // the part has gone, so that nobody begins to use it.
                let _ = place.remove_record();
                let _ = place.remove_part();
            }
            Home::Beside(place) => place.disown(),
            Home::Temporary(_) | Home::Taken => {}
        }
        if let Some(mut medium) = self.medium.take() {
            medium.unlock();
        }
    }
}

impl<M: Medium> Drop for Part<M> {
    fn drop(&mut self) {
        // Nothing goes on from a part without content or without a record.
        let kept = self.length > 0 && self.recorded && self.is_home();
        let worthless = !kept || self.discard.load(Ordering::Acquire);
        if self.medium.is_some() && worthless {
            self.remove();
        }
        if let Some(medium) = &mut self.medium {
            medium.unlock();
        }
    }
}

/// Writes all of `content` where the medium is, and counts what was written before an error.
fn write_counted(medium: &mut impl Medium, content: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < content.len() {
        match medium.write(&content[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

fn hash_to(medium: &mut impl Medium, hash: &mut Hash, end: u64) -> io::Result<()> {
    medium.seek(SeekFrom::Start(hash.length))?;
    let mut buffer = vec![0; HASH_READ];
    while hash.length < end {
        let most = usize::try_from(end - hash.length).unwrap_or(HASH_READ).min(HASH_READ);
        match medium.read(&mut buffer[..most]) {
            // Somebody made it shorter.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                hash.sha256.update(&buffer[..count]);
                hash.length += count as u64;
            }
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(())
}
