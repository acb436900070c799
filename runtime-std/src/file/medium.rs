//! What content is written to: a file, or in tests one whose disk is full.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::place;

/// A file as far as a download needs it.
pub(crate) trait Medium: Read + Write + Seek + Send + 'static {
    /// Makes it this long.
    fn set_len(&mut self, length: u64) -> io::Result<()>;

    /// Returns when the content is on the disk, not only in memory.
    fn sync(&mut self) -> io::Result<()>;

    /// Lets the lock go, if there is one. Closing alone does so only once no process has the file:
    /// one that is being started has it for a moment, as it has all open files.
    fn unlock(&mut self) {}

    /// Is it what has this path now? Somebody may have removed it, or put another file there.
    fn is_at(&self, _: &Path) -> bool {
        true
    }
}

impl Medium for File {
    fn set_len(&mut self, length: u64) -> io::Result<()> {
        Self::set_len(self, length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn unlock(&mut self) {
        let _ = Self::unlock(self);
    }

    fn is_at(&self, path: &Path) -> bool {
        place::is_at(self, path)
    }
}
