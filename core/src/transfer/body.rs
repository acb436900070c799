//! Sending the body of a request: of a length that is known, or in chunks.
//!
//! The send half reaches it through a pointer that only a request with a body sets, so that a
//! program whose requests have none does not link it.

use super::send::{Send, SendHalf, Stage};
use crate::error::Misuse;
use crate::request::{BodyLength, RequestTraits};
use crate::wire::cursor::Cursor;
use crate::wire::encode::{ChunkFraming, chunk_framing};

/// Where sending is within a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyStage {
    /// A body of known length. No exit but the end.
    Sized { left: u64 },
    /// Between chunks. Exits: `Prefix`, `Last`.
    Source,
    /// Before a chunk's data. Exit: `Chunk`.
    Prefix { size: u64, from: u8 },
    /// Within a chunk's data, or in what is encoded behind it. Exits: `Suffix`, `Source`.
    Chunk { left: u64 },
    /// Behind a chunk's data, with nothing encoded. Exit: `Source`.
    Suffix { from: u8 },
    /// At the end of a chunked body. No exit but the end.
    Last { from: u8 },
}

/// What sends a body.
#[derive(Debug)]
pub(crate) struct SendsBody {
    /// Where it begins.
    pub(super) begin: fn(BodyLength) -> BodyStage,
    /// What may be written, after so many bytes of it.
    pub(super) io: fn(&SendHalf, BodyStage, u64) -> Option<Send>,
    /// Encodes what is due.
    pub(super) encode: fn(&mut SendHalf, BodyStage, &mut [u8]) -> Result<usize, Misuse>,
    /// So many bytes were written behind what was encoded. Returns how many of them are content.
    pub(super) handle_sent: fn(&mut SendHalf, BodyStage, usize) -> Result<u64, Misuse>,
    /// Writes the fields that describe it.
    pub(crate) describe: fn(&mut Cursor<'_>, &RequestTraits),
}

impl SendsBody {
    /// What sends a body of this length, if there can be one.
    #[inline]
    pub(crate) const fn of(body: BodyLength) -> Option<&'static Self> {
        const BODY: SendsBody =
            SendsBody { begin, io, encode, handle_sent, describe: RequestTraits::describe_body };
        match body {
            BodyLength::None => None,
            BodyLength::Known(_) | BodyLength::Unknown => Some(&BODY),
        }
    }
}

const fn begin(body: BodyLength) -> BodyStage {
    match body {
        BodyLength::None => BodyStage::Sized { left: 0 },
        BodyLength::Known(left) => BodyStage::Sized { left },
        BodyLength::Unknown => BodyStage::Source,
    }
}

fn io(half: &SendHalf, stage: BodyStage, sent: u64) -> Option<Send> {
    Some(match stage {
        BodyStage::Sized { left } | BodyStage::Chunk { left } => half.write(sent, left),
        _ if half.encoded > 0 => half.write(sent, 0),
        BodyStage::Prefix { .. } | BodyStage::Suffix { .. } | BodyStage::Last { .. } => {
            Send::Encode
        }
        BodyStage::Source => Send::Source { from: sent },
    })
}

fn encode(half: &mut SendHalf, stage: BodyStage, output: &mut [u8]) -> Result<usize, Misuse> {
    let (what, from) = match stage {
        BodyStage::Prefix { size, from } => (ChunkFraming::Prefix { size }, from),
        BodyStage::Suffix { from } => (ChunkFraming::Suffix, from),
        BodyStage::Last { from } => (ChunkFraming::Last, from),
        BodyStage::Sized { .. } | BodyStage::Source | BodyStage::Chunk { .. } => {
            return Err(Misuse::NotAskedFor);
        }
    };
    let (written, whole) = chunk_framing(what, usize::from(from), output);
    let from = from.saturating_add(u8::try_from(written).unwrap_or(u8::MAX));
    half.stage = match what {
        ChunkFraming::Prefix { size } if whole => Stage::Body(BodyStage::Chunk { left: size }),
        ChunkFraming::Prefix { size } => Stage::Body(BodyStage::Prefix { size, from }),
        ChunkFraming::Suffix if whole => Stage::Body(BodyStage::Source),
        ChunkFraming::Suffix => Stage::Body(BodyStage::Suffix { from }),
        ChunkFraming::Last if whole => Stage::Done,
        ChunkFraming::Last => Stage::Body(BodyStage::Last { from }),
    };
    Ok(written)
}

fn handle_sent(half: &mut SendHalf, stage: BodyStage, count: usize) -> Result<u64, Misuse> {
    let count = count as u64;
    let (content, stage) = match stage {
        BodyStage::Sized { left } => {
            let left = left.checked_sub(count).ok_or(Misuse::TooMuch)?;
            let stage = if left == 0 { None } else { Some(BodyStage::Sized { left }) };
            (count, stage)
        }
        BodyStage::Chunk { left } => {
            let behind = u64::from(half.behind);
            let content = count.min(left);
            let behind_left =
                behind.checked_sub(count.saturating_sub(content)).ok_or(Misuse::TooMuch)?;
            let left = left.saturating_sub(content);
            half.behind = u8::try_from(behind_left).unwrap_or(0);
            let stage = match (left, behind, behind_left) {
                (0, 0, _) => BodyStage::Suffix { from: 0 },
                (0, _, 0) => BodyStage::Source,
                (left, ..) => BodyStage::Chunk { left },
            };
            (content, Some(stage))
        }
        BodyStage::Source
        | BodyStage::Prefix { .. }
        | BodyStage::Suffix { .. }
        | BodyStage::Last { .. } => return Err(half.misuse()),
    };
    half.stage = stage.map_or(Stage::Done, Stage::Body);
    Ok(content)
}

impl SendHalf {
    /// Encodes what goes behind the data of the chunk, ahead of its turn. Returns the bytes written
    /// to `output`: 0 where that is not possible, and half of it is none.
    pub(crate) fn encode_behind(&mut self, output: &mut [u8]) -> usize {
        if !matches!(self.stage, Stage::Body(BodyStage::Chunk { .. })) || self.behind > 0 {
            return 0;
        }
        let (written, whole) = chunk_framing(ChunkFraming::Suffix, 0, output);
        self.behind = if whole { u8::try_from(written).unwrap_or(0) } else { 0 };
        usize::from(self.behind)
    }

    /// Takes note of `count` bytes at hand, to be one chunk; 0 is the end of the body.
    pub(crate) fn handle_source(&mut self, count: usize) -> Result<(), Misuse> {
        if !matches!(self.stage, Stage::Body(BodyStage::Source)) || self.encoded > 0 {
            return Err(Misuse::NotAskedFor);
        }
        self.stage = Stage::Body(match count {
            0 => BodyStage::Last { from: 0 },
            size => BodyStage::Prefix { size: size as u64, from: 0 },
        });
        Ok(())
    }
}
