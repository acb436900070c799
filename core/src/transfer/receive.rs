//! The receive half: head, then body, framed as the head said.

use crate::error::{Error, Limit, Transport};
use crate::limits::{HEAD_BYTES, INTERIM_RESPONSES};
use crate::wire::chunked::{ChunkedDecoder, Decoded, Run};
use crate::wire::framing::Framing;
use crate::wire::head::{HeadScan, LineEnd, Slot, WholeHead};

/// What the adapter may read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Receive {
    /// Read behind the input already held, then lend all of it to `handle_head`.
    Head,
    /// Lend the input already held to `handle_head` again, without reading: an interim response
    /// was taken from its front and more follows.
    HeadAgain,
    /// Take bytes of the input already held, or else read, at most `max`; then hand them to
    /// `handle_body` or `handle_run`.
    Body {
        /// The most that may be taken, in bytes: the room that was named, or less.
        max: usize,
    },
    /// As `Body`, but nobody wants what comes: it is read so that the connection can be used
    /// again. Take the input already held, or else read where there is room, at most `max`; then
    /// hand it to `handle_body`, which gives no content.
    Discard {
        /// The most that may be taken, in bytes; not 0.
        max: usize,
    },
}

impl Receive {
    /// How many bytes are to be read at most before the input is lent, where `held` bytes of it are
    /// there and not taken. 0 for none: those come first, or there is no room for more.
    #[must_use]
    pub const fn reads(self, held: usize) -> usize {
        match self {
            Self::Head => usize::MAX,
            Self::HeadAgain => 0,
            Self::Body { .. } | Self::Discard { .. } if held > 0 => 0,
            Self::Body { max } | Self::Discard { max } => max,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ReceiveHalf {
    /// Before the final head. Exits: all others.
    Head { scan: HeadScan, interims: u8, again: bool, touched: bool },
    /// Within a head that is larger than the buffer lent for it, of which so many bytes were seen.
    /// Its end is looked for to tell how large; then the task fails. No exit.
    Oversized { length: u16, at: LineEnd, is_whole: bool },
    /// Within a body of known length, not 0. Exit: `Done`.
    Length { left: u64 },
    /// Within a chunked body. Exit: `Done`.
    Chunked(ChunkedDecoder),
    /// Within a body that ends with the connection. Exit: `Done`.
    Close,
    /// Behind the last byte.
    Done,
}

/// What a look at the input found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Partial,
    Interim,
    /// A final response, or 101.
    Final,
}

/// What was done with bytes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyRead {
    /// Bytes of content, at the front of the buffer.
    pub(crate) content: usize,
    /// Bytes that belonged to the body, framing included.
    pub(crate) consumed: usize,
    /// Bytes behind the end of the body.
    pub(crate) excess: bool,
    /// The error met behind that content.
    pub(crate) failure: Option<Error>,
}

impl ReceiveHalf {
    pub(crate) fn new() -> Self {
        let scan = HeadScan::default();
        Self::Head { scan, interims: 0, again: false, touched: false }
    }

    pub(crate) fn io(&self, room: usize) -> Option<Receive> {
        match self {
            Self::Head { again: true, .. } => Some(Receive::HeadAgain),
            Self::Head { again: false, .. } => Some(Receive::Head),
            Self::Length { left } => {
                let max = usize::try_from(*left).unwrap_or(usize::MAX).min(room);
                Some(Receive::Body { max })
            }
            Self::Chunked(_) | Self::Close => Some(Receive::Body { max: room }),
            Self::Oversized { .. } => Some(Receive::Discard { max: usize::MAX }),
            Self::Done => None,
        }
    }

    /// The head is larger than the buffer of so many bytes that was looked at.
    pub(crate) fn measure(&mut self, length: usize) {
        let at = match self {
            Self::Head { scan, .. } => scan.ends_with(),
            Self::Oversized { .. }
            | Self::Length { .. }
            | Self::Chunked(_)
            | Self::Close
            | Self::Done => LineEnd::default(),
        };
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        *self = Self::Oversized { length, at, is_whole: false };
    }

    /// Whether a head is measured.
    pub(crate) const fn is_oversized(&self) -> bool {
        matches!(self, Self::Oversized { .. })
    }

    /// How large a head is that did not fit, once that is known.
    pub(crate) const fn head_needs(&self) -> Option<u16> {
        match self {
            Self::Oversized { length, is_whole: true, .. } => Some(*length),
            Self::Oversized { is_whole: false, .. }
            | Self::Head { .. }
            | Self::Length { .. }
            | Self::Chunked(_)
            | Self::Close
            | Self::Done => None,
        }
    }

    /// Looks for a head, and tells of it in `head`. `None` where the head was there before.
    pub(crate) fn look(
        &mut self,
        input: &mut [u8],
        full: bool,
        index: &mut [Slot],
        head: &mut WholeHead,
    ) -> Option<Result<Look, Error>> {
        let Self::Head { scan, interims, again, touched } = self else {
            return None;
        };
        *again = false;
        *touched |= !input.is_empty();
        match scan.look(input, full, index, head) {
            Ok(true) => {}
            Ok(false) => return Some(Ok(Look::Partial)),
            Err(error) => return Some(Err(error)),
        }
        // 101 ends the exchange; every other 1xx is followed by another head
        // (RFC 9110 §15.2).
        if !matches!(head.facts.status, 100 | 102..=199) {
            return Some(Ok(Look::Final));
        }
        *interims = interims.saturating_add(1);
        if *interims > INTERIM_RESPONSES {
            return Some(Err(Error::Limit(Limit::InterimResponses)));
        }
        *scan = HeadScan::default();
        *again = input.len() > usize::from(head.length);
        Some(Ok(Look::Interim))
    }

    /// Goes from the head to the body.
    pub(crate) fn begin_body(&mut self, framing: Framing) {
        *self = match framing {
            Framing::None | Framing::Length(0) => Self::Done,
            Framing::Length(left) => Self::Length { left },
            Framing::Chunked => Self::Chunked(ChunkedDecoder::new()),
            Framing::Close => Self::Close,
        };
    }

    /// Takes bytes of the body and moves their content to the front. `None` where no body is due.
    pub(crate) fn read_body(&mut self, bytes: &mut [u8]) -> Option<BodyRead> {
        match self {
            Self::Head { .. } | Self::Done => None,
            Self::Oversized { length, at, is_whole } => {
                let end = at.find(bytes);
                let consumed = end.unwrap_or(bytes.len());
                let seen = usize::from(*length).saturating_add(consumed);
                *length = u16::try_from(seen).unwrap_or(u16::MAX);
                *is_whole = end.is_some() && seen <= HEAD_BYTES;
                let failure = match (end, seen) {
                    (_, HEAD_BYTES..) if !*is_whole => Some(Error::Limit(Limit::HeadBytes)),
                    (Some(_), _) => Some(Error::Limit(Limit::HeadBuffer)),
                    (None, _) => None,
                };
                Some(BodyRead { content: 0, consumed, excess: false, failure })
            }
            Self::Length { .. } | Self::Close => {
                let content = self.take_plain(bytes.len());
                let excess = content < bytes.len();
                Some(BodyRead { content, consumed: content, excess, failure: None })
            }
            Self::Chunked(decoder) => {
                let (decoded, mut failure) = match decoder.decode_in_place(bytes) {
                    Ok(decoded) => (decoded, decoder.failure()),
                    Err(error) => (Decoded::default(), Some(error)),
                };
                let finished = decoder.is_finished();
                if finished {
                    failure = None;
                    *self = Self::Done;
                }
                let excess = finished && decoded.consumed < bytes.len();
                let Decoded { content, consumed } = decoded;
                Some(BodyRead { content, consumed, excess, failure })
            }
        }
    }

    /// Takes the next run of the body. `Err(None)` where no body is due.
    #[inline]
    pub(crate) fn read_run(&mut self, bytes: &[u8]) -> Result<Run, Option<Error>> {
        match self {
            Self::Head { .. } | Self::Oversized { .. } | Self::Done => Err(None),
            Self::Length { .. } | Self::Close => {
                Ok(Run { framing: 0, content: self.take_plain(bytes.len()) })
            }
            Self::Chunked(decoder) => {
                let run = decoder.next_run(bytes).map_err(Some)?;
                // The end of the body is framing: no content comes with it.
                if run.content == 0 && decoder.is_finished() {
                    *self = Self::Done;
                }
                Ok(run)
            }
        }
    }

    /// How many of `count` bytes are content, where nothing but content can come.
    fn take_plain(&mut self, count: usize) -> usize {
        let Self::Length { left } = self else {
            return count;
        };
        let content = usize::try_from(*left).unwrap_or(usize::MAX).min(count);
        *left = left.wrapping_sub(content as u64);
        if *left == 0 {
            *self = Self::Done;
        }
        content
    }

    /// The connection ended in order. `Ok` where that is how the message ends (RFC 9112 §8).
    pub(crate) fn end(&mut self) -> Result<(), Transport> {
        match self {
            Self::Close => {
                *self = Self::Done;
                Ok(())
            }
            Self::Done => Ok(()),
            Self::Head { .. } | Self::Oversized { .. } | Self::Length { .. } | Self::Chunked(_) => {
                Err(self.lost())
            }
        }
    }

    /// What it means that the connection is gone.
    pub(crate) const fn lost(&self) -> Transport {
        match self {
            Self::Head { touched: false, .. } => Transport::NoResponse,
            Self::Head { touched: true, .. }
            | Self::Oversized { .. }
            | Self::Length { .. }
            | Self::Chunked(_)
            | Self::Close
            | Self::Done => Transport::Lost,
        }
    }

    /// Whether no byte of a response came.
    pub(crate) const fn is_untouched(&self) -> bool {
        matches!(self.lost(), Transport::NoResponse)
    }

    /// Whether what is left of the body may be no more than `bytes`.
    pub(crate) fn is_within(&self, bytes: u16) -> bool {
        match self {
            Self::Length { left } => *left <= u64::from(bytes),
            Self::Chunked(_) | Self::Done => true,
            Self::Head { .. } | Self::Oversized { .. } | Self::Close => false,
        }
    }

    /// Whether the head told how long the body is.
    pub(crate) const fn has_length(&self) -> bool {
        matches!(self, Self::Length { .. } | Self::Done)
    }

    pub(crate) const fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}
