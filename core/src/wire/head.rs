//! Finding and reading the head of a response (RFC 9112 §4, §5).
//!
//! A head is parsed at once when it looks whole. If it is not, its end is looked for from where
//! the last look stopped, and it is judged only when it is there: so errors do not depend on how
//! the bytes were cut, each byte is scanned once, and a head is parsed at most twice.

use core::fmt;

use crate::error::{Error, Limit, PeerError};
use crate::limits::{HEAD_BATCH, HEAD_BYTES, HEAD_FIELDS};
use crate::wire::framing::HeadFacts;
use crate::wire::grammar;
use crate::wire::parse::{Lines, field_lines};

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

impl fmt::Debug for WholeHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WholeHead({} bytes, {} fields)", self.length, self.fields)
    }
}

/// How far the end of a head has been looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct HeadScan {
    /// No head ends in the first so many bytes.
    looked: u16,
    /// The parse of an incomplete head was tried; it is not tried again.
    tried: bool,
}

impl HeadScan {
    /// Looks for a whole head at the front of `input`. `Ok(None)` means more input is needed.
    ///
    /// `full` says that `input` cannot grow. Folded lines are joined in place (RFC 9112 §5.2).
    pub(crate) fn look(
        &mut self,
        input: &mut [u8],
        full: bool,
        index: &mut [Slot],
    ) -> Result<Option<WholeHead>, Error> {
        begins_as_http(input)?;
        if !self.tried {
            self.tried = true;
            if let Ok(Some(head)) = read(input, index) {
                return Ok(Some(head));
            }
        }
        match find_end(input, usize::from(self.looked)) {
            End::At(end) => {
                let head = input.get_mut(..end).unwrap_or_default();
                if end > HEAD_BYTES {
                    return Err(Error::Limit(Limit::HeadBytes));
                }
                join_folded_lines(head);
                match read(head, index)? {
                    Some(head) => Ok(Some(head)),
                    None => Err(Error::Peer(PeerError::FieldLine)),
                }
            }
            End::NotBefore(_) if input.len() >= HEAD_BYTES => Err(Error::Limit(Limit::HeadBytes)),
            End::NotBefore(_) if full => Err(Error::Limit(Limit::HeadBuffer)),
            End::NotBefore(looked) => {
                self.looked = u16::try_from(looked).unwrap_or(u16::MAX);
                Ok(None)
            }
        }
    }
}

/// Lists the fields of a whole head whose folded lines are joined. Returns how many there are.
pub(crate) fn list(head: &[u8], index: &mut [Slot]) -> usize {
    read(head, index).ok().flatten().map_or(0, |head| usize::from(head.fields))
}

/// The values of the field lines of this name, which is in lower case, in a head that was read
/// before. It walks over the lines and needs no index, so that none is overlooked.
pub(crate) fn values<'a>(head: &'a [u8], lower: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let _status_line = lines.next();
    core::iter::from_fn(move || {
        lines.find_map(|line| {
            let (name, value) = line.split_at_checked(lower.len())?;
            let value = value.strip_prefix(b":")?;
            let named = grammar::eq_ignore_case(name, lower);
            named.then(|| grammar::trim_ows(value.strip_suffix(b"\r").unwrap_or(value)))
        })
    })
}

/// Refuses what is not HTTP/1.x with its first wrong byte, so that a server that speaks first, or
/// something else, is told apart at once.
fn begins_as_http(input: &[u8]) -> Result<(), Error> {
    const START: &[u8] = b"HTTP/1.";
    match input.get(..START.len()) {
        Some(START) => Ok(()),
        None if START.starts_with(input) => Ok(()),
        Some(_) | None => Err(Error::Peer(PeerError::NotHttp)),
    }
}

/// A status-line: the length of its line, minor version and status; `None` if its end is not there
/// (RFC 9112 §4). A line that ends in LF alone is taken (RFC 9112 §2.2).
fn status_line(input: &[u8]) -> Result<Option<(usize, u8, u16)>, Error> {
    const MALFORMED: Error = Error::Peer(PeerError::StatusLine);
    let Some((start, rest)) = input.split_first_chunk::<12>() else {
        return Ok(None);
    };
    let [_, _, _, _, _, _, _, minor, b' ', a, b, c] = *start else {
        return Err(MALFORMED);
    };
    let is_number = minor.is_ascii_digit() && (b'1'..=b'9').contains(&a);
    if !is_number || !b.is_ascii_digit() || !c.is_ascii_digit() {
        return Err(MALFORMED);
    }
    let digit = |byte: u8| u16::from(byte.wrapping_sub(b'0'));
    let status = digit(a).wrapping_mul(100).wrapping_add(digit(b).wrapping_mul(10));
    let status = status.wrapping_add(digit(c));
    // The reason phrase may be missing, and its space with it, as some servers do.
    let Some(end) = rest.iter().position(|byte| !grammar::is_field_value_byte(*byte)) else {
        return Ok(None);
    };
    let (reason, tail) = rest.split_at_checked(end).unwrap_or_default();
    if !matches!(reason, [] | [b' ', ..]) {
        return Err(MALFORMED);
    }
    let line_end = match tail {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        [b'\r'] => return Ok(None),
        _ => return Err(MALFORMED),
    };
    let length = start.len().wrapping_add(end).wrapping_add(line_end);
    Ok(Some((length, minor.wrapping_sub(b'0'), status)))
}

/// Reads a head without folded lines. `Ok(None)` means its end is not there.
fn read(input: &[u8], index: &mut [Slot]) -> Result<Option<WholeHead>, Error> {
    let Some((start, minor, status)) = status_line(input)? else {
        return Ok(None);
    };
    let mut facts = HeadFacts::new(status, minor);
    let mut fields: usize = 0;
    let mut at = start;
    loop {
        let mut batch = [httparse::EMPTY_HEADER; HEAD_BATCH];
        let rest = input.get(at..).unwrap_or_default();
        let found = field_lines(rest, &mut batch);
        let count = match found {
            Lines::Partial => return Ok(None),
            Lines::Malformed => return Err(Error::Peer(PeerError::FieldLine)),
            Lines::All { count, .. } => count,
            Lines::Batch => HEAD_BATCH,
        };
        let slots = index.get_mut(fields..).unwrap_or_default();
        let last = take(batch.get(..count).unwrap_or(&batch), input, slots, &mut facts);
        fields = fields.wrapping_add(count);
        match found {
            Lines::All { length, .. } => {
                let length = at.wrapping_add(length);
                if length > HEAD_BYTES {
                    return Err(Error::Limit(Limit::HeadBytes));
                }
                if fields > HEAD_FIELDS {
                    return Err(Error::Limit(Limit::HeadFields));
                }
                end_index(index, fields);
                return Ok(Some(WholeHead { length: low(length), fields: low(fields), facts }));
            }
            // Go on behind the line of the last field.
            Lines::Batch | Lines::Partial | Lines::Malformed => {
                let rest = input.get(last..).unwrap_or_default();
                let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                at = last.wrapping_add(line).wrapping_add(1);
            }
        }
        if fields > HEAD_FIELDS {
            return Err(Error::Limit(Limit::HeadFields));
        }
    }
}

/// Notes the fields of one batch. Returns where the value of the last one ends.
#[inline]
fn take(
    batch: &[httparse::Header<'_>],
    input: &[u8],
    index: &mut [Slot],
    facts: &mut HeadFacts,
) -> usize {
    let base = input.as_ptr() as usize;
    let mut slots = index.iter_mut();
    let mut last = 0;
    for field in batch {
        let (name, value) = (field.name.as_bytes(), field.value);
        facts.add(name, value);
        let name_start = (name.as_ptr() as usize).wrapping_sub(base);
        let value_start = (value.as_ptr() as usize).wrapping_sub(base);
        last = value_start.wrapping_add(value.len());
        if let Some(slot) = slots.next() {
            *slot = Slot {
                name_start: low(name_start),
                name_end: low(name_start.wrapping_add(name.len())),
                value_start: low(value_start),
                value_end: low(last),
            };
        }
    }
    last
}

/// Marks the end of a list that is shorter than the index.
fn end_index(index: &mut [Slot], fields: usize) {
    if let Some(slot) = index.get_mut(fields) {
        *slot = Slot::EMPTY;
    }
}

/// The low 16 bits of an offset. Offsets of a head that is delivered are below `HEAD_BYTES`; a
/// longer one is refused after it was read.
#[allow(clippy::cast_possible_truncation, reason = "the low bits are what is meant")]
const fn low(offset: usize) -> u16 {
    offset as u16
}

enum End {
    /// A head ends before this offset.
    At(usize),
    /// None ends before this offset; look on from here.
    NotBefore(usize),
}

/// Looks for an empty line from `from` on.
fn find_end(input: &[u8], from: usize) -> End {
    let mut at = from;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        let Some(line) = rest.iter().position(|byte| *byte == b'\n') else {
            return End::NotBefore(input.len());
        };
        let next = at.wrapping_add(line).wrapping_add(1);
        match input.get(next..) {
            Some([b'\n', ..]) => return End::At(next.wrapping_add(1)),
            Some([b'\r', b'\n', ..]) => return End::At(next.wrapping_add(2)),
            Some([] | [b'\r']) | None => return End::NotBefore(next.wrapping_sub(1)),
            Some(_) => at = next,
        }
    }
}

/// Joins lines that begin with white space to the one before: the line end becomes spaces, so that
/// no byte moves (RFC 9112 §5.2). White space right after the status-line is left to be refused.
fn join_folded_lines(head: &mut [u8]) {
    let status = head.iter().position(|byte| *byte == b'\n');
    let fields = status.and_then(|at| head.get_mut(at.wrapping_add(1)..)).unwrap_or_default();
    let mut at = 0;
    loop {
        let rest = fields.get(at..).unwrap_or_default();
        let Some(line) = rest.iter().position(|byte| *byte == b'\n') else {
            return;
        };
        let end = at.wrapping_add(line);
        at = end.wrapping_add(1);
        if matches!(fields.get(at), Some(b' ' | b'\t')) {
            if let Some(byte) = fields.get_mut(end) {
                *byte = b' ';
            }
            if let Some(byte @ b'\r') = end.checked_sub(1).and_then(|cr| fields.get_mut(cr)) {
                *byte = b' ';
            }
        }
    }
}

#[cfg(test)]
mod tests;
