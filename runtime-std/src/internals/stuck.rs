//! A disk that does not answer.

use std::path::PathBuf;
use std::task::{Context, Poll};

use crate::content::{Expected, Sink};
use crate::file::{FileError, TemporaryFile};

/// What a disk never ends to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// Opening the file.
    Opening,
    /// Writing content, once there is none to be read any more.
    Writing,
    /// Putting the file in its place.
    Committing,
}

/// Takes content in memory, up to where it is stuck. It never lets a file go.
pub(super) struct StuckSink {
    at: Stuck,
    room: [u8; 64],
    temporary: Option<TemporaryFile>,
}

impl StuckSink {
    pub(super) const fn new(at: Stuck) -> Self {
        Self { at, room: [0; 64], temporary: None }
    }
}

impl Sink for StuckSink {
    fn destination(&self) -> Option<PathBuf> {
        None
    }

    fn poll_open(
        &mut self,
        _: &mut Context<'_>,
        _: bool,
    ) -> Poll<Result<Option<Vec<u8>>, FileError>> {
        match self.at {
            Stuck::Opening => Poll::Pending,
            Stuck::Writing | Stuck::Committing => Poll::Ready(Ok(None)),
        }
    }

    fn announce(&mut self, _: Expected) {}

    fn room(&mut self, _: &mut Context<'_>) -> Result<&mut [u8], FileError> {
        match self.at {
            Stuck::Writing => Ok(&mut []),
            Stuck::Opening | Stuck::Committing => Ok(&mut self.room),
        }
    }

    fn add(&mut self, _: usize) {}

    fn poll_commit(&mut self, _: &mut Context<'_>, _: u64) -> Poll<Result<(), FileError>> {
        Poll::Pending
    }

    fn drop_content(&mut self) {}

    fn poll_keep(&mut self, _: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        Poll::Pending
    }

    fn abandon(&mut self) {}

    fn temporary(&mut self) -> &mut Option<TemporaryFile> {
        &mut self.temporary
    }
}
