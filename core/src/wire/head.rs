//! Finding and reading the head of a response (RFC 9112 §4, §5).
//!
//! A head is parsed at once when it looks whole. If it is not, its end is looked for from where
//! the last look stopped, and it is judged only when it is there: so errors do not depend on how
//! the bytes were cut, each byte is scanned once, and a head is parsed at most twice.

use core::fmt;

use crate::error::{Error, Limit, PeerError};
use crate::limits::{HEAD_BYTES, HEAD_FIELDS};
use crate::wire::framing::HeadFacts;
use crate::wire::grammar;

/// Where one field line lies in a head: four `u16` offsets.
///
/// The caller lends an array of these, of any length: fields beyond it are taken into account but
/// not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Slot {
    name_start: u16,
    name_end: u16,
    value_start: u16,
    value_end: u16,
}

impl Slot {
    /// An entry that lists no field.
    pub const EMPTY: Self = Self { name_start: 0, name_end: 0, value_start: 0, value_end: 0 };

    pub(crate) fn name<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        head.get(usize::from(self.name_start)..usize::from(self.name_end)).unwrap_or_default()
    }

    pub(crate) fn value<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        head.get(usize::from(self.value_start)..usize::from(self.value_end)).unwrap_or_default()
    }

    /// What stands behind the value.
    pub(crate) fn after<'a>(&self, head: &'a [u8]) -> &'a [u8] {
        head.get(usize::from(self.value_end)..).unwrap_or_default()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.name_end == 0
    }
}

/// A whole head at the front of the input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct WholeHead {
    /// Its bytes, the empty line included.
    pub(crate) length: u16,
    /// Its field lines.
    pub(crate) fields: u16,
    pub(crate) facts: HeadFacts,
}

impl WholeHead {
    /// Before one is found.
    pub(crate) const EMPTY: Self = Self { length: 0, fields: 0, facts: HeadFacts::new(0, 0) };
}

impl fmt::Debug for WholeHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WholeHead({} bytes, {} fields)", self.length, self.fields)
    }
}

/// How far the end of a head has been looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct HeadScan {
    /// In so many bytes.
    looked: u16,
    /// What these end with.
    at: LineEnd,
    /// The parse of an incomplete head was tried; it is not tried again.
    tried: bool,
}

/// How far the empty line at the end of a head was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LineEnd {
    /// Within a line.
    #[default]
    Within,
    /// Behind a line end.
    Behind,
    /// Behind that and a CR.
    Half,
}

impl HeadScan {
    /// Looks for a whole head at the front of `input`, and tells of it in `head`. `Ok(false)` means
    /// that more input is needed.
    ///
    /// `full` says that `input` cannot grow. Folded lines are joined in place (RFC 9112 §5.2).
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn look(
        &mut self,
        input: &mut [u8],
        full: bool,
        index: &mut [Slot],
        head: &mut WholeHead,
    ) -> Result<bool, Error> {
        begins_as_http(input)?;
        if !self.tried {
            self.tried = true;
            if read(input, index, head).is_ok() {
                return Ok(true);
            }
        }
        let looked = usize::from(self.looked);
        if let Some(end) = self.at.find(input.get(looked..).unwrap_or_default()) {
            let end = looked.wrapping_add(end);
            if end > HEAD_BYTES {
                return Err(Error::Limit(Limit::HeadBytes));
            }
            let input = input.get_mut(..end).unwrap_or_default();
            join_folded_lines(input);
            return read(input, index, head).map(|()| true);
        }
        if input.len() >= HEAD_BYTES {
            return Err(Error::Limit(Limit::HeadBytes));
        }
        self.looked = low(input.len());
        if full { Err(Error::Limit(Limit::HeadBuffer)) } else { Ok(false) }
    }

    /// What the bytes that were looked at end with.
    pub(crate) const fn ends_with(&self) -> LineEnd {
        self.at
    }
}

impl LineEnd {
    /// Looks for the end of a head in what follows. `Some`: it ends behind so many of `bytes`.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        for (place, byte) in bytes.iter().enumerate() {
            *self = match (*self, *byte) {
                (Self::Behind | Self::Half, b'\n') => return Some(place.wrapping_add(1)),
                (Self::Within, b'\n') => Self::Behind,
                (Self::Behind, b'\r') => Self::Half,
                (Self::Within | Self::Behind | Self::Half, _) => Self::Within,
            };
        }
        None
    }
}

/// Lists the fields of a whole head whose folded lines are joined. Returns how many there are.
pub(crate) fn list(head: &[u8], index: &mut [Slot]) -> usize {
    let mut whole = WholeHead::EMPTY;
    if read(head, index, &mut whole).is_err() {
        // What was listed before the head turned out not to be whole is no list of it.
        index.fill(Slot::EMPTY);
        return 0;
    }
    usize::from(whole.fields)
}

/// The values of the field lines of this name, which is in lower case, in a head that was read
/// before. It walks over the lines and needs no index, so that none is overlooked.
pub(crate) fn values<'a>(head: &'a [u8], lower: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = rest_of_line(head).map_or(&[][..], |(_, rest)| rest);
    core::iter::from_fn(move || {
        loop {
            let line = field_line(rest)?;
            rest = line.behind;
            if grammar::eq_ignore_case(line.name, lower) {
                return Some(line.value);
            }
        }
    })
}

/// Refuses what is not HTTP/1.x with its first wrong byte, so that a server that speaks first, or
/// something else, is told apart at once.
fn begins_as_http(input: &[u8]) -> Result<(), Error> {
    match input.iter().zip(b"HTTP/1.").all(|(is, wanted)| is == wanted) {
        true => Ok(()),
        false => Err(Error::Peer(PeerError::NotHttp)),
    }
}

/// A status-line: its minor version, its status and what stands behind it (RFC 9112 §4). A line
/// that ends in LF alone is taken (RFC 9112 §2.2).
fn status_line(input: &[u8]) -> Option<(u8, u16, &[u8])> {
    let (start, rest) = input.split_first_chunk::<12>()?;
    let [_, _, _, _, _, _, _, minor, b' ', a, b, c] = *start else {
        return None;
    };
    let is_number = minor.is_ascii_digit() && (b'1'..=b'9').contains(&a);
    if !is_number || !b.is_ascii_digit() || !c.is_ascii_digit() {
        return None;
    }
    let digit = |byte: u8| u16::from(byte.wrapping_sub(b'0'));
    let status = digit(a).wrapping_mul(100).wrapping_add(digit(b).wrapping_mul(10));
    let status = status.wrapping_add(digit(c));
    // The reason phrase may be missing, and its space with it, as some servers do.
    let (reason, rest) = rest_of_line(rest)?;
    matches!(reason, [] | [b' ', ..]).then_some((minor.wrapping_sub(b'0'), status, rest))
}

/// The text up to the end of a line, and what stands behind that end. `None` if the text has a
/// control character, or the end is not there.
#[cfg_attr(target_os = "none", inline(never))]
fn rest_of_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (text, end) = bytes.split_at_checked(grammar::value_length(bytes))?;
    match end {
        [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => Some((text, rest)),
        _ => None,
    }
}

/// A field line, and what stands behind it.
struct FieldLine<'a> {
    name: &'a [u8],
    value: &'a [u8],
    /// From the value on.
    from_value: &'a [u8],
    behind: &'a [u8],
}

/// The field line at the front of `bytes` (RFC 9112 §5). `None` for the empty line, for what is
/// malformed and for what has no end.
#[cfg_attr(target_os = "none", inline(never))]
fn field_line(bytes: &[u8]) -> Option<FieldLine<'_>> {
    let (name, rest) = bytes.split_at_checked(grammar::token_length(bytes))?;
    // No white space stands before the colon (RFC 9112 §5.1).
    let ([_, ..], [b':', value @ ..]) = (name, rest) else { return None };
    let from_value = grammar::trim_ows_before(value);
    let (value, behind) = rest_of_line(from_value)?;
    Some(FieldLine { name, value: grammar::trim_ows_behind(value), from_value, behind })
}

/// Reads a head without folded lines. An error if any of it is malformed, or its end is not there:
/// which of the two is not told apart.
fn read(input: &[u8], index: &mut [Slot], head: &mut WholeHead) -> Result<(), Error> {
    let line = status_line(input).ok_or(Error::Peer(PeerError::StatusLine))?;
    let (minor, status, mut rest) = line;
    let mut facts = HeadFacts::new(status, minor);
    let mut slots = index.iter_mut();
    let mut fields: usize = 0;
    // How far something is from the start of the head, by what stands from there on.
    let place = |from: &[u8]| low(input.len().wrapping_sub(from.len()));
    while let Some(line) = field_line(rest) {
        facts.add(line.name, line.value);
        if fields == HEAD_FIELDS {
            return Err(Error::Limit(Limit::HeadFields));
        }
        fields = fields.wrapping_add(1);
        if let Some(slot) = slots.next() {
            let (name_start, value_start) = (place(rest), place(line.from_value));
            *slot = Slot {
                name_start,
                name_end: name_start.wrapping_add(low(line.name.len())),
                value_start,
                value_end: value_start.wrapping_add(low(line.value.len())),
            };
        }
        rest = line.behind;
    }
    let Some(([], behind)) = rest_of_line(rest) else {
        return Err(Error::Peer(PeerError::FieldLine));
    };
    // Marks the end of a list that is shorter than the index.
    if let Some(slot) = slots.next() {
        *slot = Slot::EMPTY;
    }
    let length = input.len().wrapping_sub(behind.len());
    if length > HEAD_BYTES {
        return Err(Error::Limit(Limit::HeadBytes));
    }
    *head = WholeHead { length: low(length), fields: low(fields), facts };
    Ok(())
}

/// The low 16 bits of an offset. Offsets of a head that is delivered are below `HEAD_BYTES`; a
/// longer one is refused after it was read.
#[allow(clippy::cast_possible_truncation, reason = "the low bits are what is meant")]
const fn low(offset: usize) -> u16 {
    offset as u16
}

/// Joins lines that begin with white space to the one before: the line end becomes spaces, so that
/// no byte moves (RFC 9112 §5.2). White space right after the status-line is left to be refused.
fn join_folded_lines(head: &mut [u8]) {
    let status = head.iter().position(|byte| *byte == b'\n');
    let mut rest = status.and_then(|at| head.get_mut(at.wrapping_add(1)..)).unwrap_or_default();
    loop {
        match rest {
            [cr @ b'\r', lf @ b'\n', b' ' | b'\t', ..] => (*cr, *lf) = (b' ', b' '),
            [lf @ b'\n', b' ' | b'\t', ..] => *lf = b' ',
            _ => {}
        }
        let [_, tail @ ..] = rest else { return };
        rest = tail;
    }
}

#[cfg(test)]
mod tests;
