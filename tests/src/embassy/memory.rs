//! Readers and sinks in memory, which may be slow and may fail.

use std::collections::VecDeque;

use embassy_time::Timer;
use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

/// What has failed on purpose.
const FAILURE: ErrorKind = ErrorKind::Other;

/// Gives pieces, each by one read or more.
#[derive(Debug, Clone, Default)]
pub struct Pieces {
    /// What is left.
    pub left: VecDeque<Vec<u8>>,
    /// How long each read takes, in microseconds.
    pub pause: u64,
    /// Whether it fails at the end.
    pub fails: bool,
}

impl Pieces {
    /// A reader of these.
    #[must_use]
    pub fn new(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        // A read of nothing would be the end.
        let left = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        Self { left, pause: 0, fails: false }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn length(&self) -> usize {
        self.left.iter().map(Vec::len).sum()
    }
}

impl ErrorType for Pieces {
    type Error = ErrorKind;
}

impl Read for Pieces {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ErrorKind> {
        if self.pause > 0 {
            Timer::after_micros(self.pause).await;
        }
        let Some(piece) = self.left.front_mut() else {
            return if self.fails { Err(FAILURE) } else { Ok(0) };
        };
        let count = piece.len().min(bytes.len());
        bytes[..count].copy_from_slice(&piece[..count]);
        piece.drain(..count);
        if piece.is_empty() {
            self.left.pop_front();
        }
        Ok(count)
    }
}

/// Takes bytes, a piece by each write.
#[derive(Debug, Clone)]
pub struct Heap {
    /// What it took.
    pub bytes: Vec<u8>,
    /// The most that one write takes, in bytes.
    pub most: usize,
    /// How long each write takes, in microseconds.
    pub pause: u64,
    /// Bytes after which it fails.
    pub limit: usize,
    /// Whether it fails when it is flushed.
    pub fails_at_the_end: bool,
    /// How often it was flushed.
    pub flushes: usize,
}

impl Default for Heap {
    fn default() -> Self {
        let (most, limit) = (usize::MAX, usize::MAX);
        Self { bytes: Vec::new(), most, pause: 0, limit, fails_at_the_end: false, flushes: 0 }
    }
}

impl ErrorType for Heap {
    type Error = ErrorKind;
}

impl Write for Heap {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        if self.pause > 0 {
            Timer::after_micros(self.pause).await;
        }
        let count = bytes.len().min(self.most).min(self.limit - self.bytes.len());
        self.bytes.extend(&bytes[..count]);
        if count == 0 { Err(FAILURE) } else { Ok(count) }
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.flushes += 1;
        if self.fails_at_the_end { Err(FAILURE) } else { Ok(()) }
    }
}
