//! What a connection holds of what is sent and received.

use sortie_core::limits;

/// Bytes of input that a connection holds at first. Most responses to a program are small, and
/// thousands of connections may wait for one.
const INBOX: usize = 1024;

/// Bytes of input up to which it grows where reads fill it. A head can be longer.
const LARGE_INBOX: usize = 16 * 1024;

/// Room for what is encoded: a head that is longer goes in several pieces.
const OUTBOX: usize = 1024;

/// Encoded bytes that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// None before the first use, and after a [`rest`](Self::rest).
    bytes: Vec<u8>,
    end: usize,
}

impl Outbox {
    /// Room for what is encoded anew.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes.resize(OUTBOX, 0);
        }
        &mut self.bytes
    }

    /// So many bytes were encoded.
    pub(crate) const fn set(&mut self, end: usize) {
        self.end = end;
    }

    /// Nothing that was encoded is needed any more: keeps no memory.
    pub(crate) fn rest(&mut self) {
        *self = Self::default();
    }

    /// The last `count` bytes that were encoded.
    pub(crate) fn last(&self, count: usize) -> &[u8] {
        &self.bytes[self.end - count..self.end]
    }
}

/// Bytes received and not yet taken.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// None before the first use, and after a [`rest`](Self::rest).
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read took all the room there was: more would have saved another one.
    was_filled: bool,
}

impl Inbox {
    pub(crate) fn held(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn drop_front(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Keeps no memory if nothing is held.
    pub(crate) fn rest(&mut self) {
        if self.len() == 0 {
            *self = Self::default();
        }
    }

    /// Whether there is memory.
    pub(crate) const fn has_room(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Room behind what is held, some at least: it grows, up to one byte more than the longest
    /// head, so that a longer one is seen to be too long.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.was_filled && self.end == 0 && self.bytes.len() < LARGE_INBOX {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        if self.end == self.bytes.len() {
            let most = limits::HEAD_BYTES + 1;
            let length = (self.bytes.len() * 2).max(INBOX).min(most.max(self.end + 1));
            self.bytes.resize(length, 0);
        }
        &mut self.bytes[self.end..]
    }

    pub(crate) fn add(&mut self, count: usize) {
        self.end += count;
        self.was_filled = self.end == self.bytes.len();
    }

    /// Moves as much as fits to the front of `buffer`. Returns how much.
    pub(crate) fn move_to(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.bytes[self.start..self.start + count]);
        self.drop_front(count);
        count
    }
}
