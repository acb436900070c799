//! The names a download uses, and what may stand there before it begins.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::error::{FileError, FileErrorKind};

/// The longest resume record that is read back. What a session writes is a URL and a validator,
/// and both come out of heads that are far smaller.
const MAX_RECORD: u64 = 256 * 1024;

/// How often a part file is opened again that was moved away before its lock was ours.
const LOCK_ATTEMPTS: usize = 16;

/// A destination and the names beside it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(super) destination: PathBuf,
    pub(super) part: PathBuf,
    record: PathBuf,
    new_record: PathBuf,
}

/// Opens for reading and writing, and creates. What is in it stays.
fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options
}

impl Place {
    /// The names for `destination`, when a file may be put there.
    ///
    /// A link is replaced, not followed; but not when it leads to what is no file.
    ///
    /// # Errors
    /// `BadName`, `IsFolder`, `NotAFile`, `NoFolder`, `NotWritable`.
    pub(crate) fn new(destination: &Path) -> Result<Self, FileError> {
        use FileErrorKind as Kind;
        let refuse = |kind| Err(FileError::new(kind, destination));
        let absolute = match std::path::absolute(destination) {
            Ok(absolute) => absolute,
            Err(why) => return Err(FileError::caused(Kind::BadName, destination, why)),
        };
        // A name with a separator behind it is meant to be a folder, also when nothing is there.
        let ends = destination.as_os_str().as_encoded_bytes().last();
        if ends.is_some_and(|last| std::path::is_separator(char::from(*last))) {
            return refuse(Kind::IsFolder);
        }
        match fs::metadata(&absolute) {
            Ok(there) if there.is_dir() => return refuse(Kind::IsFolder),
            Ok(there) if !there.is_file() => return refuse(Kind::NotAFile),
            Ok(there) if there.permissions().readonly() => return refuse(Kind::NotWritable),
            // If it cannot be looked at, the part file cannot be made, which says why.
            Ok(_) | Err(_) => {}
        }
        let Some(name) = absolute.file_name() else { return refuse(Kind::BadName) };
        let beside = |ending: &str| {
            let mut name = name.to_owned();
            name.push(OsStr::new(ending));
            absolute.with_file_name(name)
        };
        let place = Self {
            part: beside(".part"),
            record: beside(".part.resume"),
            new_record: beside(".part.resume.new"),
            destination: absolute.clone(),
        };
        place.check_folder()?;
        Ok(place)
    }

    /// Is there a folder, and is there room in a name for our longest ending?
    fn check_folder(&self) -> Result<(), FileError> {
        let refuse = |why| Err(FileError::opening(&self.destination, why));
        match fs::metadata(self.folder()) {
            Ok(folder) if folder.is_dir() => {}
            Ok(_) => return Err(FileError::new(FileErrorKind::NoFolder, &self.destination)),
            Err(why) => return refuse(why),
        }
        match fs::symlink_metadata(&self.new_record) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => refuse(why),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn folder(&self) -> &Path {
        // An absolute path with a file name has a folder above it.
        self.destination.parent().unwrap_or(&self.destination)
    }

    /// Opens the part file and locks it.
    ///
    /// # Errors
    /// `Busy`, `NotAFile`, `NotWritable` and whatever else opening meets.
    pub(crate) fn open_part(&self) -> Result<File, FileError> {
        for _ in 0..LOCK_ATTEMPTS {
            // Opened, a link would lead to a file that is not ours, and a pipe would hang.
            if fs::symlink_metadata(&self.part).is_ok_and(|there| !there.is_file()) {
                return Err(FileError::new(FileErrorKind::NotAFile, &self.part));
            }
            let file = open_options().open(&self.part);
            let file = file.map_err(|why| FileError::opening(&self.part, why))?;
            if let Some(file) = self.claim(file)? {
                return Ok(file);
            }
        }
        Err(FileError::new(FileErrorKind::Busy, &self.destination))
    }

    /// Locks an open part file. None if it is not the part file any more: before the lock was ours,
    /// its last owner may have moved it to the destination.
    ///
    /// # Errors
    /// `Busy`.
    pub(super) fn claim(&self, file: File) -> Result<Option<File>, FileError> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FileError::new(FileErrorKind::Busy, &self.destination));
            }
            // Some network file systems have no locks. Better a download without.
            Err(TryLockError::Error(_)) => {}
        }
        Ok(is_at(&file, &self.part).then_some(file))
    }

    /// The resume record, if there is one of a plausible length.
    ///
    /// # Errors
    /// It cannot be read, or is no file.
    pub(crate) fn read_record(&self) -> Result<Option<Vec<u8>>, FileError> {
        // Opened, a link would lead to a file that is not ours, and a pipe would hang.
        if fs::symlink_metadata(&self.record).is_ok_and(|there| !there.is_file()) {
            return Err(FileError::new(FileErrorKind::NotAFile, &self.record));
        }
        let file = match File::open(&self.record) {
            Ok(file) => file,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(FileError::opening(&self.record, why)),
        };
        let mut record = Vec::new();
        let read = file.take(MAX_RECORD + 1).read_to_end(&mut record);
        let read = read.map_err(|why| FileError::opening(&self.record, why))?;
        let plausible = read > 0 && read as u64 <= MAX_RECORD;
        Ok(plausible.then_some(record))
    }

    /// Puts a record in the place of the last one, whole or not at all, and on the disk.
    ///
    /// # Errors
    /// As for writing.
    pub(super) fn write_record(&self, record: &[u8]) -> Result<(), FileError> {
        let write = || {
            remove(&self.new_record)?;
            let mut file =
                OpenOptions::new().write(true).create_new(true).open(&self.new_record)?;
            file.write_all(record)?;
            file.sync_all()?;
            fs::rename(&self.new_record, &self.record)
        };
        if let Err(why) = write() {
            let _ = remove(&self.new_record);
            return Err(FileError::writing(&self.record, why));
        }
        self.sync_folder();
        Ok(())
    }

    /// Removes the record, and what a crash left of writing one. Says whether there was a record.
    ///
    /// # Errors
    /// As for writing.
    pub(super) fn remove_record(&self) -> Result<bool, FileError> {
        let removed = remove(&self.new_record).and_then(|_| remove(&self.record));
        removed.map_err(|why| FileError::writing(&self.record, why))
    }

    /// Removes the part file.
    ///
    /// # Errors
    /// As for writing.
    pub(super) fn remove_part(&self) -> Result<(), FileError> {
        remove(&self.part).map(drop).map_err(|why| FileError::writing(&self.part, why))
    }

    /// Another file stands where our part was. The record does not speak of it, unless it belongs
    /// to a download that holds this other file.
    pub(super) fn disown(&self) {
        if fs::symlink_metadata(&self.part).is_ok_and(|there| there.is_file())
            && let Ok(file) = File::open(&self.part)
            && let Ok(Some(_held)) = self.claim(file)
        {
            let _ = self.remove_record();
        }
    }

    /// Puts the part file in the place of the destination.
    ///
    /// # Errors
    /// `Move`.
    pub(super) fn move_part(&self) -> Result<(), FileError> {
        fs::rename(&self.part, &self.destination)
            .map_err(|why| FileError::caused(FileErrorKind::Move, &self.destination, why))
    }

    /// Brings the names of the folder to the disk.
    ///
    /// Not every file system can, and only Unix opens folders. Without it, the names of before may
    /// come back after a power failure: then there is still the old file or the new one, whole.
    pub(super) fn sync_folder(&self) {
        if cfg!(unix) {
            let _ = File::open(self.folder()).and_then(|folder| folder.sync_all());
        }
    }
}

/// Removes a file, and says whether there was one.
pub(super) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(why),
    }
}

/// Is this open file the one that has this path now?
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => is_same(&ours, &there),
        (Ok(_) | Err(_), _) => false,
    }
}

#[cfg(unix)]
fn is_same(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Without numbers of files, by what two files hardly share.
#[cfg(not(unix))]
fn is_same(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    let marks = |of: &fs::Metadata| (of.is_file(), of.len(), of.created().ok(), of.modified().ok());
    marks(a) == marks(b)
}
