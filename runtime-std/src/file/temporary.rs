//! Files that go unless somebody keeps them.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::commit::{Expected, commit};
use super::error::{FileError, FileErrorKind};
use super::part::{Home, Part};
use super::place::remove;

/// How many names are tried. Each has 64 random bits, so a second one is rare.
const NAMES: usize = 16;

/// How much is copied at once.
const COPY_PIECE: usize = 256 * 1024;

/// A file in the folder for temporary files. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    /// Empty once the file is elsewhere.
    path: PathBuf,
}

impl TemporaryFile {
    /// A new file that only its owner may read, since anybody may list the folder.
    pub(super) fn create() -> Result<(Self, File), FileError> {
        let folder = std::env::temp_dir();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut tried = 0;
        loop {
            // Its keys are random, and differ for each.
            let random = RandomState::new().hash_one(tried);
            let path = folder.join(format!("sortie-{random:016x}"));
            match options.open(&path) {
                Ok(file) => return Ok((Self { path }, file)),
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists && tried < NAMES => {}
                Err(why) => return Err(FileError::opening(&path, why)),
            }
            tried += 1;
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves it to `destination`, with the permissions of a new file there. Blocks: between file
    /// systems it is copied.
    ///
    /// The destination is replaced whole or not at all. If it fails, the file is where it was.
    ///
    /// # Errors
    /// As for opening a part file, writing one and putting it in place.
    pub(crate) fn persist_to(&mut self, destination: &Path) -> Result<(), FileError> {
        // Beside the destination, as a download would be: the same rules, the same lock.
        let (mut part, _) = Part::open(destination, false, |file| file)?;
        let Home::Beside(place) = &part.home else { return Ok(()) };
        let moved = File::open(&self.path)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.path, &place.destination));
        match moved {
            Ok(()) => {
                self.path.clear();
                // What fails here leaves a file that only its owner may read: the safe side.
                let fresh = fs::metadata(&place.part).map(|made| made.permissions());
                let _ = fresh.and_then(|fresh| fs::set_permissions(&place.destination, fresh));
                place.sync_folder();
            }
            Err(why) if why.kind() == io::ErrorKind::CrossesDevices => {
                self.copy_to(&mut part)?;
                commit(&mut part, &Expected::default())?;
                let _ = remove(&self.path);
                self.path.clear();
            }
            Err(why) => {
                return Err(FileError::caused(FileErrorKind::Move, &place.destination, why));
            }
        }
        Ok(())
    }

    fn copy_to(&self, part: &mut Part<File>) -> Result<(), FileError> {
        let reading = |why| FileError::caused(FileErrorKind::Read, &self.path, why);
        let mut file = File::open(&self.path).map_err(reading)?;
        let mut buffer = vec![0; COPY_PIECE];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => part.write(&buffer[..count])?,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(reading(why)),
            }
        }
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = remove(&self.path);
        }
    }
}
