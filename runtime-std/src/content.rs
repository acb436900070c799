//! Where the content of a task goes.

use std::path::PathBuf;
use std::task::{Context, Poll};

use crate::file::{FileError, TemporaryFile};
use crate::response::Response;

/// Content that is set aside at once for a length that a server names: it may lie.
const TRUSTED_LENGTH: u64 = 16 * 1024;

/// The most that one read of a growing content asks for.
const LARGEST_READ: usize = 1024 * 1024;

/// Where the content of a task goes.
pub(crate) enum Content {
    Memory(Memory),
    /// By a trait, so that a program without downloads does not carry what they need.
    File(Box<dyn Sink>),
}

/// What takes content that does not stay in memory: a [`Download`](crate::download::Download).
pub(crate) trait Sink: Send {
    /// Where the content goes, as far as that is known.
    fn destination(&self) -> Option<PathBuf>;

    /// Opens what the content goes to. Ready with what is to be resumed, in the core's byte form,
    /// if the request `can_be_resumed`.
    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
        can_be_resumed: bool,
    ) -> Poll<Result<Option<Vec<u8>>, FileError>>;

    /// Content is to come.
    fn announce(&mut self, expected: Expected);

    /// Room for content; none while what is there waits to be written.
    fn room(&mut self, cx: &mut Context<'_>) -> Result<&mut [u8], FileError>;

    /// So many bytes of content lie in the room.
    fn add(&mut self, count: usize);

    /// Writes what is left, checks it and puts it in its place.
    fn poll_commit(&mut self, cx: &mut Context<'_>, length: u64) -> Poll<Result<(), FileError>>;

    /// The content of the current response is not what it was said to be.
    fn drop_content(&mut self);

    /// Writes what came before the task ended, and lets the file go: its resume data, if another
    /// download can go on from it.
    fn poll_keep(&mut self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>>;

    /// Lets the file go as it is: what is under way ends without anybody's waiting.
    fn abandon(&mut self);

    /// The temporary file in which the content is, if it is in one.
    fn temporary(&mut self) -> &mut Option<TemporaryFile>;
}

/// A response whose content is to come.
pub(crate) struct Expected {
    pub(crate) response: Response,
    /// Where it begins, in bytes of the whole.
    pub(crate) offset: u64,
    /// The bytes of the whole, if they are known.
    pub(crate) total: Option<u64>,
    /// Whether a later download can go on from it.
    pub(crate) can_be_resumed: bool,
}

/// Content as it is gathered.
pub(crate) struct Memory {
    bytes: Vec<u8>,
    filled: usize,
    limit: usize,
}

impl Memory {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), filled: 0, limit }
    }

    /// Room for more, of which so much is `left` to come, if that is known; none where no more can
    /// come, or the limit is met.
    pub(crate) fn room(&mut self, left: impl FnOnce() -> Option<u64>) -> &mut [u8] {
        if self.filled == self.bytes.len() {
            let grown = self.filled.clamp(4096, LARGEST_READ);
            let more = match left() {
                Some(0) => return &mut [],
                Some(left) if left <= TRUSTED_LENGTH => usize::try_from(left).unwrap_or(grown),
                Some(_) => grown.max(TRUSTED_LENGTH as usize),
                None => grown,
            };
            // One byte beyond the limit, so that it is seen to be met.
            let most = self.limit.saturating_add(1);
            self.bytes.resize(self.filled.saturating_add(more).min(most), 0);
        }
        &mut self.bytes[self.filled..]
    }

    /// Whether there is more than the limit allows.
    pub(crate) const fn is_over(&self) -> bool {
        self.filled > self.limit
    }

    pub(crate) fn add(&mut self, count: usize) {
        self.filled += count;
    }

    /// What came in the last `count` bytes.
    pub(crate) fn last(&self, count: usize) -> &[u8] {
        &self.bytes[self.filled - count..self.filled]
    }

    /// Content is dropped: the transfer begins again.
    pub(crate) const fn clear(&mut self) {
        self.filled = 0;
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.bytes.truncate(self.filled);
        self.filled = 0;
        std::mem::take(&mut self.bytes)
    }
}
