//! The send half: head, then body, framed as the request said.

use super::body::BodyStage;
use crate::error::Misuse;
use crate::request::{Expectation, RequestTraits};
use crate::time::Instant;
use crate::wire::encode::{self, RequestHead};

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
pub(super) enum Stage {
    /// `from` bytes of the head are encoded. Exits: `Continue`, `Body`, `Done`.
    Head { from: usize },
    /// The head is encoded; the body waits for 100 (Continue), `since` the head is sent, and never
    /// before. Exit: `Body`.
    Continue { since: Instant },
    /// Within the body. Exit: `Done`.
    Body(BodyStage),
    /// Everything is sent, or nothing more will be.
    Done,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct SendHalf {
    pub(super) stage: Stage,
    /// Bytes encoded into the adapter's output that go before any body, and are not written yet.
    pub(super) encoded: usize,
    /// Bytes encoded that go behind the data of the chunk, and are not written yet.
    pub(super) behind: u8,
    expects: bool,
}

impl SendHalf {
    /// Of nothing.
    pub(crate) const IDLE: Self =
        Self { stage: Stage::Done, encoded: 0, behind: 0, expects: false };

    pub(crate) fn new(request: &RequestTraits) -> Self {
        let expects = matches!(request.expect, Expectation::Sent);
        Self { stage: Stage::Head { from: 0 }, encoded: 0, behind: 0, expects }
    }

    /// What may be written, after `sent` bytes of the body.
    pub(crate) fn io(&self, traits: &RequestTraits, sent: u64) -> Option<Send> {
        match self.stage {
            Stage::Body(stage) => (traits.sender?.io)(self, stage, sent),
            _ if self.encoded > 0 => Some(self.write(sent, 0)),
            Stage::Head { .. } => Some(Send::Encode),
            Stage::Continue { .. } | Stage::Done => None,
        }
    }

    /// Bytes of the body may be written, as many as that, with what is encoded around them.
    pub(super) fn write(&self, from: u64, most: u64) -> Send {
        let max = usize::try_from(most).unwrap_or(usize::MAX);
        Send::Write { before: self.encoded, from, max, after: usize::from(self.behind) }
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
        let written = match (self.stage, traits.sender) {
            (Stage::Head { from }, _) => {
                let (written, whole) = encode::request_head(head, traits, from, output);
                match whole {
                    true if self.expects => self.stage = Stage::Continue { since: Instant::NEVER },
                    true => self.stage = body_stage(traits),
                    false => self.stage = Stage::Head { from: from.wrapping_add(written) },
                }
                written
            }
            (Stage::Body(stage), Some(body)) => (body.encode)(self, stage, output)?,
            (Stage::Body(_) | Stage::Continue { .. } | Stage::Done, _) => {
                return Err(Misuse::NotAskedFor);
            }
        };
        self.encoded = written;
        Ok(written)
    }

    /// Takes note of `count` bytes written. Returns how many of them are content.
    pub(crate) fn handle_sent(
        &mut self,
        now: Instant,
        traits: &RequestTraits,
        count: usize,
    ) -> Result<u64, Misuse> {
        match count.checked_sub(self.encoded) {
            Some(rest) if rest > 0 || self.encoded == 0 => match (self.stage, traits.sender) {
                (Stage::Body(stage), Some(body)) => {
                    let content = (body.handle_sent)(self, stage, rest)?;
                    self.encoded = 0;
                    Ok(content)
                }
                _ => Err(self.misuse()),
            },
            // Nothing but what goes before the body, as with every head that goes alone.
            _ => {
                self.encoded = self.encoded.saturating_sub(count);
                self.wait_from(now);
                Ok(0)
            }
        }
    }

    /// What it means that bytes were sent where no more may be than are encoded.
    pub(super) const fn misuse(&self) -> Misuse {
        if self.encoded > 0 { Misuse::TooMuch } else { Misuse::NotAskedFor }
    }

    /// Since when the body is held back for 100 (Continue); never, if it is not at this moment.
    pub(crate) const fn waits_since(&self) -> Instant {
        match self.stage {
            Stage::Continue { since } => since,
            Stage::Head { .. } | Stage::Body(_) | Stage::Done => Instant::NEVER,
        }
    }

    /// A body that is held back is so from now on: its head is sent, or its task is resumed.
    pub(crate) fn wait_from(&mut self, now: Instant) {
        if let (Stage::Continue { since }, 0) = (&mut self.stage, self.encoded) {
            *since = now;
        }
    }

    /// Holds the body back no longer (RFC 9110 §10.1.1).
    pub(crate) fn go_on(&mut self, traits: &RequestTraits) {
        self.expects = false;
        if matches!(self.stage, Stage::Continue { .. }) {
            self.stage = body_stage(traits);
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
fn body_stage(traits: &RequestTraits) -> Stage {
    traits.sender.map_or(Stage::Done, |sender| Stage::Body((sender.begin)(traits.body)))
}
