//! The send half: head, then body, framed as the request said.

use crate::error::Misuse;
use crate::request::{BodyLength, Expectation, RequestTraits};
use crate::time::Instant;
use crate::wire::encode::{self, ChunkFraming, RequestHead};

/// What the adapter may write now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Send {
    /// Lend `output` to [`Task::encode`](crate::Task::encode): head or chunk framing is due.
    Encode,
    /// Write what follows, in this order, all at once or as much of it as goes, and report the
    /// number of bytes by `handle_sent`. One of the three at least is not 0; who writes them one by
    /// one takes the first one that is not.
    Write {
        /// The last so many bytes that `encode` gave,
        before: usize,
        /// then bytes of the body from this offset on,
        from: u64,
        /// this many at most,
        max: usize,
        /// and behind that many, the last so many bytes that `encode_behind` gave.
        after: usize,
    },
    /// Report by `handle_source` how many bytes of the body, from offset `from` on, are at hand in
    /// one piece; 0 says that the body ends here. Asked only where its length is unknown.
    Source {
        /// Offset into the body, in bytes.
        from: u64,
    },
}

/// Where sending is. Variants in the order of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `from` bytes of the head are encoded. Exits: `Continue`, `Sized`, `Source`, `Done`.
    Head { from: usize },
    /// The head is encoded; the body waits for 100 (Continue), `since` the head is sent. Exits:
    /// `Sized`, `Source`, `Done`.
    Continue { since: Option<Instant> },
    /// A body of known length. Exit: `Done`.
    Sized { left: u64 },
    /// Between chunks. Exits: `Prefix`, `Last`.
    Source,
    /// Before a chunk's data. Exit: `Chunk`.
    Prefix { size: u64, from: usize },
    /// Within a chunk's data, or in what is encoded behind it. Exits: `Suffix`, `Source`.
    Chunk { left: u64 },
    /// Behind a chunk's data, with nothing encoded. Exit: `Source`.
    Suffix { from: usize },
    /// At the end of a chunked body. Exit: `Done`.
    Last { from: usize },
    /// Everything is sent, or nothing more will be.
    Done,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct SendHalf {
    stage: Stage,
    /// Bytes encoded into the adapter's output that go before any body, and are not written yet.
    encoded: usize,
    /// Bytes encoded that go behind the data of the chunk, and are not written yet.
    behind: u8,
    expects: bool,
}

impl SendHalf {
    pub(crate) fn new(request: &RequestTraits) -> Self {
        Self {
            stage: Stage::Head { from: 0 },
            encoded: 0,
            behind: 0,
            expects: matches!(request.expect, Expectation::Sent),
        }
    }

    /// What may be written, after `sent` bytes of the body.
    pub(crate) fn io(&self, sent: u64) -> Option<Send> {
        let write = |left: u64| Send::Write {
            before: self.encoded,
            from: sent,
            max: usize::try_from(left).unwrap_or(usize::MAX),
            after: usize::from(self.behind),
        };
        match self.stage {
            Stage::Sized { left } | Stage::Chunk { left } => Some(write(left)),
            _ if self.encoded > 0 => Some(write(0)),
            Stage::Head { .. }
            | Stage::Prefix { .. }
            | Stage::Suffix { .. }
            | Stage::Last { .. } => Some(Send::Encode),
            Stage::Source => Some(Send::Source { from: sent }),
            Stage::Continue { .. } | Stage::Done => None,
        }
    }

    /// Encodes what is due. Returns the bytes written to `output`.
    pub(crate) fn encode(
        &mut self,
        head: &RequestHead<'_>,
        traits: &RequestTraits,
        output: &mut [u8],
    ) -> Result<usize, Misuse> {
        if self.encoded > 0 {
            return Err(Misuse::NotAskedFor);
        }
        let written = match self.stage {
            Stage::Head { from } => {
                let (written, whole) = encode::request_head(head, traits, from, output);
                self.stage = match whole {
                    true if self.expects => Stage::Continue { since: None },
                    true => body_stage(traits.body),
                    false => Stage::Head { from: from.saturating_add(written) },
                };
                written
            }
            Stage::Prefix { size, from } => {
                let what = ChunkFraming::Prefix { size };
                let (written, whole) = encode::chunk_framing(what, from, output);
                self.stage = match whole {
                    true => Stage::Chunk { left: size },
                    false => Stage::Prefix { size, from: from.saturating_add(written) },
                };
                written
            }
            Stage::Suffix { from } => {
                let (written, whole) = encode::chunk_framing(ChunkFraming::Suffix, from, output);
                self.stage = match whole {
                    true => Stage::Source,
                    false => Stage::Suffix { from: from.saturating_add(written) },
                };
                written
            }
            Stage::Last { from } => {
                let (written, whole) = encode::chunk_framing(ChunkFraming::Last, from, output);
                self.stage = match whole {
                    true => Stage::Done,
                    false => Stage::Last { from: from.saturating_add(written) },
                };
                written
            }
            Stage::Continue { .. }
            | Stage::Sized { .. }
            | Stage::Source
            | Stage::Chunk { .. }
            | Stage::Done => return Err(Misuse::NotAskedFor),
        };
        self.encoded = written;
        Ok(written)
    }

    /// Encodes what goes behind the data of the chunk, ahead of its turn. Returns the bytes written
    /// to `output`: 0 where that is not possible, and half of it is none.
    pub(crate) fn encode_behind(&mut self, output: &mut [u8]) -> usize {
        if !matches!(self.stage, Stage::Chunk { .. }) || self.behind > 0 {
            return 0;
        }
        let (written, whole) = encode::chunk_framing(ChunkFraming::Suffix, 0, output);
        self.behind = if whole { u8::try_from(written).unwrap_or(0) } else { 0 };
        usize::from(self.behind)
    }

    /// Takes note of `count` bytes written. Returns how many of them are content.
    pub(crate) fn handle_sent(&mut self, now: Instant, count: usize) -> Result<u64, Misuse> {
        match count.checked_sub(self.encoded) {
            Some(rest) if rest > 0 || self.encoded == 0 => self.sent_body(now, rest),
            // Nothing but what goes before the body, as with every head that goes alone.
            _ => {
                self.encoded = self.encoded.saturating_sub(count);
                self.wait_from(now);
                Ok(0)
            }
        }
    }

    /// All that was encoded before the body is written, and `count` bytes more.
    fn sent_body(&mut self, now: Instant, count: usize) -> Result<u64, Misuse> {
        let count = count as u64;
        let behind = u64::from(self.behind);
        let (content, stage) = match self.stage {
            Stage::Sized { left } => {
                let left = left.checked_sub(count).ok_or(Misuse::TooMuch)?;
                (count, if left == 0 { Stage::Done } else { Stage::Sized { left } })
            }
            Stage::Chunk { left } => {
                let content = count.min(left);
                let behind_left =
                    behind.checked_sub(count.saturating_sub(content)).ok_or(Misuse::TooMuch)?;
                let left = left.saturating_sub(content);
                self.behind = u8::try_from(behind_left).unwrap_or(0);
                let stage = match (left, behind, behind_left) {
                    (0, 0, _) => Stage::Suffix { from: 0 },
                    (0, _, 0) => Stage::Source,
                    (left, ..) => Stage::Chunk { left },
                };
                (content, stage)
            }
            _ if self.encoded > 0 => return Err(Misuse::TooMuch),
            Stage::Head { .. }
            | Stage::Continue { .. }
            | Stage::Source
            | Stage::Prefix { .. }
            | Stage::Suffix { .. }
            | Stage::Last { .. }
            | Stage::Done => return Err(Misuse::NotAskedFor),
        };
        self.encoded = 0;
        self.stage = stage;
        self.wait_from(now);
        Ok(content)
    }

    /// Takes note of `count` bytes at hand, to be one chunk; 0 is the end of the body.
    pub(crate) fn handle_source(&mut self, count: usize) -> Result<(), Misuse> {
        if !matches!(self.stage, Stage::Source) || self.encoded > 0 {
            return Err(Misuse::NotAskedFor);
        }
        self.stage = match count {
            0 => Stage::Last { from: 0 },
            size => Stage::Prefix { size: size as u64, from: 0 },
        };
        Ok(())
    }

    /// Since when the body is held back for 100 (Continue), if it is at this moment.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        match self.stage {
            Stage::Continue { since } => since,
            Stage::Head { .. }
            | Stage::Sized { .. }
            | Stage::Source
            | Stage::Prefix { .. }
            | Stage::Chunk { .. }
            | Stage::Suffix { .. }
            | Stage::Last { .. }
            | Stage::Done => None,
        }
    }

    /// A body that is held back is so from now on: its head is sent, or its task is resumed.
    pub(crate) fn wait_from(&mut self, now: Instant) {
        if let (Stage::Continue { since }, 0) = (&mut self.stage, self.encoded) {
            *since = Some(now);
        }
    }

    /// Holds the body back no longer (RFC 9110 §10.1.1).
    pub(crate) fn go_on(&mut self, body: BodyLength) {
        self.expects = false;
        if matches!(self.stage, Stage::Continue { .. }) {
            self.stage = body_stage(body);
        }
    }

    pub(crate) fn stop(&mut self) {
        self.stage = Stage::Done;
        self.encoded = 0;
        self.behind = 0;
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done) && self.encoded == 0
    }
}

/// Where sending goes on behind the head.
fn body_stage(body: BodyLength) -> Stage {
    match body {
        BodyLength::None | BodyLength::Known(0) => Stage::Done,
        BodyLength::Known(left) => Stage::Sized { left },
        BodyLength::Unknown => Stage::Source,
    }
}
