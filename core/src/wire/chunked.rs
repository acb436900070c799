//! Decoding the chunked transfer coding (RFC 9112 §7.1), as runs or in place.

use crate::error::{Error, Limit, PeerError};
use crate::limits::{CHUNK_LINE_BYTES, CHUNK_OVERHEAD_BYTES, TRAILER_BYTES};
use crate::wire::grammar;

/// Bytes of a size line, without its end, that cost nothing: 16 digits and a little more.
const FREE_LINE_BYTES: u16 = 24;

/// Bytes of a line end.
const LINE_END: u16 = 2;

/// Decodes a chunked body, in whatever pieces it comes.
///
/// Extensions are read over, trailer fields are checked and dropped: both are ours to ignore
/// (RFC 9112 §7.1.1, §7.1.2), and limited. Line ends are CRLF only: a decoder that takes a lone LF
/// here can be made to disagree with the one before it.
///
/// ```
/// use sortie_core::ChunkedDecoder;
/// let mut decoder = ChunkedDecoder::new();
/// let mut bytes = *b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
/// let decoded = decoder.decode_in_place(&mut bytes).unwrap();
/// assert_eq!(&bytes[..decoded.content], b"hello world");
/// assert!(decoder.is_finished());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ChunkedDecoder {
    state: State,
    /// In `Data`, bytes left of the chunk; before it, its size as far as it was read.
    left: u64,
    /// Bytes of the size line so far, without its end, or of the trailer section.
    line: u16,
    overhead: u32,
}

/// Where the decoder is; in the order of the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
enum State {
    /// Before the first digit of a size. Exits: `Size`.
    SizeStart,
    /// After a digit. Exits: `SizeSpace`, `Extension`, `SizeLf`.
    Size,
    /// White space after a size (BWS, RFC 9112 §7.1.1). Exits: `Extension`, `SizeLf`.
    SizeSpace,
    /// Within extensions. Exit: `SizeLf`.
    Extension,
    /// After the CR of a size line. Exits: `Data`, `TrailerStart`.
    SizeLf,
    /// After chunk data. Exit: `DataLf`.
    DataCr,
    /// After the CR behind chunk data. Exit: `SizeStart`.
    DataLf,
    /// At the start of a trailer line. Exits: `TrailerName`, `EndLf`.
    TrailerStart,
    /// Within a trailer's name. Exit: `TrailerValue`.
    TrailerName,
    /// Within a trailer's value. Exit: `TrailerLf`.
    TrailerValue,
    /// After the CR of a trailer line. Exit: `TrailerStart`.
    TrailerLf,
    /// After the CR of the empty line. Exit: `Finished`.
    EndLf,
    /// Within chunk data. Exit: `DataCr`.
    Data,
    /// Behind the last byte of the body.
    Finished,
    /// A size line is malformed. What was malformed stays so.
    BadSize,
    /// No line end is behind chunk data.
    BadEnd,
    /// A trailer field is malformed.
    BadTrailer,
    /// A size line is too long,
    LongLine,
    /// all of them are,
    LongLines,
    /// or the trailer section.
    LongTrailers,
}

/// What a byte of framing is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// Of a size; or a tchar.
    Digit,
    /// Another tchar.
    Token,
    Colon,
    Semicolon,
    /// White space.
    Blank,
    /// Another byte that may stand in a field value.
    Value,
    Cr,
    Lf,
    Other,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Digit,
        Self::Token,
        Self::Colon,
        Self::Semicolon,
        Self::Blank,
        Self::Value,
        Self::Cr,
        Self::Lf,
        Self::Other,
    ];
    const COUNT: usize = Self::ALL.len();

    fn of(byte: u8) -> Self {
        match byte {
            b'\r' => Self::Cr,
            b'\n' => Self::Lf,
            b' ' | b'\t' => Self::Blank,
            b':' => Self::Colon,
            b';' => Self::Semicolon,
            _ if grammar::hex_digit(byte).is_some() => Self::Digit,
            _ if grammar::is_token_byte(byte) => Self::Token,
            _ if grammar::is_field_value_byte(byte) => Self::Value,
            _ => Self::Other,
        }
    }
}

/// What follows a byte of this kind, by state and kind: a table is smaller than the code for it.
#[allow(clippy::indexing_slicing, reason = "evaluated at compile time, where a fault is an error")]
const NEXT: [State; State::FRAMING.len() * Kind::COUNT] = {
    let mut table = [State::BadSize; State::FRAMING.len() * Kind::COUNT];
    let mut at = 0;
    while at < table.len() {
        table[at] = State::FRAMING[at / Kind::COUNT].next(Kind::ALL[at % Kind::COUNT]);
        at += 1;
    }
    table
};

impl State {
    /// Those that take a byte of framing, in their order.
    const FRAMING: [Self; 12] = [
        Self::SizeStart,
        Self::Size,
        Self::SizeSpace,
        Self::Extension,
        Self::SizeLf,
        Self::DataCr,
        Self::DataLf,
        Self::TrailerStart,
        Self::TrailerName,
        Self::TrailerValue,
        Self::TrailerLf,
        Self::EndLf,
    ];

    const fn takes_framing(self) -> bool {
        (self as usize) < Self::FRAMING.len()
    }

    /// What follows this. Behind a size line comes `Data`, if the size is not 0.
    const fn next(self, kind: Kind) -> Self {
        use Kind::{Blank, Colon, Cr, Digit, Lf, Semicolon, Token, Value};
        let is_value = matches!(kind, Digit | Token | Colon | Semicolon | Blank | Value);
        match (self, kind) {
            (Self::SizeStart | Self::Size, Digit) => Self::Size,
            (Self::Size | Self::SizeSpace, Blank) => Self::SizeSpace,
            (Self::Size | Self::SizeSpace, Semicolon) => Self::Extension,
            (Self::Size | Self::SizeSpace | Self::Extension, Cr) => Self::SizeLf,
            // A quoted string cannot hold CR or LF, so that quoting does not matter here.
            (Self::Extension, _) if is_value => Self::Extension,
            (Self::SizeLf, Lf) => Self::Data,
            (
                Self::SizeStart
                | Self::Size
                | Self::SizeSpace
                | Self::Extension
                | Self::SizeLf
                | Self::BadSize
                | Self::LongLine
                | Self::LongLines,
                _,
            ) => Self::BadSize,
            (Self::DataCr, Cr) => Self::DataLf,
            (Self::DataLf, Lf) => Self::SizeStart,
            (Self::DataCr | Self::DataLf | Self::Data | Self::BadEnd, _) => Self::BadEnd,
            (Self::TrailerStart, Cr) => Self::EndLf,
            (Self::TrailerStart | Self::TrailerName, Digit | Token) => Self::TrailerName,
            (Self::TrailerName, Colon) => Self::TrailerValue,
            (Self::TrailerValue, Cr) => Self::TrailerLf,
            (Self::TrailerValue, _) if is_value => Self::TrailerValue,
            (Self::TrailerLf, Lf) => Self::TrailerStart,
            (Self::EndLf, Lf) => Self::Finished,
            (
                Self::TrailerStart
                | Self::TrailerName
                | Self::TrailerValue
                | Self::TrailerLf
                | Self::EndLf
                | Self::Finished
                | Self::BadTrailer
                | Self::LongTrailers,
                _,
            ) => Self::BadTrailer,
        }
    }
}

/// The next run of a lent buffer: `framing` bytes to pass over, then `content` bytes of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct Run {
    /// Bytes of framing at the front.
    pub framing: usize,
    /// Bytes of content behind them.
    pub content: usize,
}

impl Run {
    /// Bytes of the buffer that are dealt with.
    #[must_use]
    pub const fn consumed(self) -> usize {
        self.framing.wrapping_add(self.content)
    }
}

/// What [`ChunkedDecoder::decode_in_place`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct Decoded {
    /// Bytes of content, now at the front of the buffer.
    pub content: usize,
    /// Bytes of the buffer that belonged to the body: less than its length only if the body ended.
    pub consumed: usize,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// A decoder at the start of a body.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::SizeStart, left: 0, line: 0, overhead: 0 }
    }

    /// Whether the body has ended. Bytes behind it are not part of it.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    /// The next run at the front of `input`. A run that consumes nothing means that the input is
    /// used up, or that the body has ended.
    ///
    /// # Errors
    /// [`Error::Peer`] or [`Error::Limit`] where the coding is malformed; the same at every later
    /// call. Content before the fault was in earlier runs.
    pub fn next_run(&mut self, input: &[u8]) -> Result<Run, Error> {
        let rest = match self.state {
            // On a device the code of it would weigh more than the time.
            _ if cfg!(target_os = "none") => return self.next_run_by_steps(input),
            State::Data => input,
            State::DataCr => match self.next_size(input) {
                Some(rest) => rest,
                None => return self.next_run_by_steps(input),
            },
            State::SizeStart
            | State::Size
            | State::SizeSpace
            | State::Extension
            | State::SizeLf
            | State::DataLf
            | State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLf
            | State::EndLf
            | State::Finished
            | State::BadSize
            | State::BadEnd
            | State::BadTrailer
            | State::LongLine
            | State::LongLines
            | State::LongTrailers => return self.next_run_by_steps(input),
        };
        Ok(self.take_data(input, rest))
    }

    /// The next run, where the framing at its front is not the usual, or not all there.
    #[inline(never)]
    fn next_run_by_steps(&mut self, input: &[u8]) -> Result<Run, Error> {
        let mut rest = input;
        while self.state.takes_framing() {
            let [byte, tail @ ..] = rest else { break };
            self.step(*byte);
            rest = tail;
        }
        if matches!(self.state, State::Data) {
            return Ok(self.take_data(input, rest));
        }
        // Told even where no byte follows.
        match self.failure() {
            None => Ok(Run { framing: input.len().wrapping_sub(rest.len()), content: 0 }),
            Some(error) => Err(error),
        }
    }

    /// The run whose content begins with `rest`, at the end of `input`.
    #[inline]
    fn take_data(&mut self, input: &[u8], rest: &[u8]) -> Run {
        let content = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
        self.left = self.left.wrapping_sub(content as u64);
        self.state = if self.left == 0 { State::DataCr } else { State::Data };
        Run { framing: input.len().wrapping_sub(rest.len()), content }
    }

    /// Moves all content of `bytes` to their front.
    ///
    /// # Errors
    /// As [`next_run`](Self::next_run): but a fault behind some content is told by the next call,
    /// so that no content is lost and errors do not depend on how the bytes were cut.
    pub fn decode_in_place(&mut self, bytes: &mut [u8]) -> Result<Decoded, Error> {
        let mut done = Decoded::default();
        loop {
            let run = match self.next_run(bytes.get(done.consumed..).unwrap_or_default()) {
                Ok(run) => run,
                Err(error) if done.content == 0 => return Err(error),
                Err(_) => return Ok(done),
            };
            if run.consumed() == 0 {
                return Ok(done);
            }
            let from = done.consumed.wrapping_add(run.framing);
            move_left(bytes, from, done.content, run.content);
            done.content = done.content.wrapping_add(run.content);
            done.consumed = done.consumed.wrapping_add(run.consumed());
        }
    }

    /// The error that the decoder met, if any.
    pub(crate) const fn failure(&self) -> Option<Error> {
        Some(match self.state {
            State::BadSize => Error::Peer(PeerError::ChunkSize),
            State::BadEnd => Error::Peer(PeerError::ChunkEnd),
            State::BadTrailer => Error::Peer(PeerError::Trailer),
            State::LongLine => Error::Limit(Limit::ChunkLine),
            State::LongLines => Error::Limit(Limit::ChunkOverhead),
            State::LongTrailers => Error::Limit(Limit::Trailers),
            State::SizeStart
            | State::Size
            | State::SizeSpace
            | State::Extension
            | State::SizeLf
            | State::DataCr
            | State::DataLf
            | State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLf
            | State::EndLf
            | State::Data
            | State::Finished => return None,
        })
    }

    /// Reads the line end behind a chunk and a plain size line, when they stand whole at the front:
    /// what nearly every chunk has. `None` leaves anything else to [`step`](Self::step).
    #[inline]
    fn next_size<'a>(&mut self, input: &'a [u8]) -> Option<&'a [u8]> {
        // Two line ends and up to 7 digits, so that the size fits whatever they are.
        let [b'\r', b'\n', digits @ ..] = input.first_chunk::<11>()? else { return None };
        let mut size: u32 = 0;
        let mut count: usize = 0;
        for byte in digits {
            let Some(digit) = grammar::hex_digit(*byte) else { break };
            size = size << 4 | digit;
            count = count.wrapping_add(1);
        }
        match digits.get(count..)? {
            [b'\r', b'\n', ..] if size != 0 => {}
            _ => return None,
        }
        self.left = u64::from(size);
        input.get(count.wrapping_add(4)..)
    }

    /// Takes one byte of framing.
    fn step(&mut self, byte: u8) {
        let before = self.state;
        let place =
            (before as usize).wrapping_mul(Kind::COUNT).wrapping_add(Kind::of(byte) as usize);
        self.state = NEXT.get(place).copied().unwrap_or(State::BadSize);
        if matches!(self.state, State::Size) {
            self.add_digit(byte, matches!(before, State::SizeStart));
        }
        match self.state {
            State::Size | State::SizeSpace | State::Extension => {
                self.count(CHUNK_LINE_BYTES.saturating_sub(LINE_END), State::LongLine);
            }
            State::Data => self.end_size_line(),
            State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLf
            | State::EndLf
            | State::Finished => self.count(TRAILER_BYTES, State::LongTrailers),
            State::SizeStart
            | State::SizeLf
            | State::DataCr
            | State::DataLf
            | State::BadSize
            | State::BadEnd
            | State::BadTrailer
            | State::LongLine
            | State::LongLines
            | State::LongTrailers => {}
        }
    }

    fn add_digit(&mut self, byte: u8, is_first: bool) {
        if is_first {
            self.left = 0;
            self.line = 0;
        }
        if self.left >> 60 != 0 {
            self.state = State::BadSize;
        }
        self.left = self.left << 4 | u64::from(grammar::hex_digit(byte).unwrap_or(0));
    }

    /// Counts a byte of a size line or of the trailer section against its limit.
    fn count(&mut self, most: u16, too_long: State) {
        self.line = self.line.saturating_add(1);
        if self.line > most {
            self.state = too_long;
        }
    }

    fn end_size_line(&mut self) {
        let extra = self.line.saturating_sub(FREE_LINE_BYTES);
        self.overhead = self.overhead.saturating_add(u32::from(extra));
        self.line = 0;
        self.state = if self.overhead > CHUNK_OVERHEAD_BYTES {
            State::LongLines
        } else if self.left == 0 {
            State::TrailerStart
        } else {
            State::Data
        };
    }
}

/// Moves `bytes[from..from + length]` to `to`, which is not behind `from`.
///
/// By blocks that are read whole before they are written, since the two may overlap.
/// `copy_within` would keep a panic in the image, whatever guards it.
#[inline]
fn move_left(bytes: &mut [u8], from: usize, to: usize, length: usize) {
    let gap = from.wrapping_sub(to);
    if gap == 0 {
        return;
    }
    let rest = bytes.get_mut(to..from.wrapping_add(length)).unwrap_or_default();
    // On a device the code of it would weigh more than the time.
    #[cfg(not(target_os = "none"))]
    let rest = move_blocks::<128>(rest, gap);
    let rest = move_blocks::<8>(rest, gap);
    move_blocks::<1>(rest, gap);
}

/// Moves everything behind the first `gap` bytes to the front, by whole blocks. Returns the rest.
#[inline]
fn move_blocks<const BLOCK: usize>(mut rest: &mut [u8], gap: usize) -> &mut [u8] {
    while let Some(block) = rest.get(gap..).and_then(|from| from.first_chunk::<BLOCK>()).copied() {
        let Some((to, tail)) = core::mem::take(&mut rest).split_first_chunk_mut::<BLOCK>() else {
            break;
        };
        *to = block;
        rest = tail;
    }
    rest
}

#[cfg(test)]
mod tests;
