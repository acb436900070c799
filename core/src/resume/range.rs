//! `Range` as we send it, `Content-Range` as it comes back (RFC 9110 §14).

use core::fmt;

use crate::request::Field;
use crate::resume::data::ResumeData;
use crate::resume::validator::Validator;
use crate::wire::cursor::Cursor;
use crate::wire::grammar::{self, decimal, eq_ignore_case};

/// `bytes=`, a `u64` and `-`.
const RANGE_BYTES: usize = 27;

/// The fields that ask for the rest of a download: `Range`, `If-Range` and `Accept-Encoding`.
///
/// Holds their values, so that [`fields`](Self::fields) can lend them to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RangeFields<'a> {
    range: [u8; RANGE_BYTES],
    length: usize,
    validator: Validator<'a>,
}

impl<'a> RangeFields<'a> {
    /// The fields for everything from [`ResumeData::received`] on, provided that the
    /// representation is still the same one.
    #[must_use]
    pub fn new(data: &ResumeData<'a>) -> Self {
        let mut range = [0; RANGE_BYTES];
        let mut out = Cursor::new(&mut range, 0);
        out.put(b"bytes=");
        out.put_decimal(data.received());
        out.put(b"-");
        let (length, _) = out.finish(0);
        Self { range, length, validator: data.validator() }
    }

    /// The value of `Range`: `bytes=N-` (RFC 9110 §14.1.2).
    #[must_use]
    pub fn range(&self) -> &[u8] {
        self.range.get(..self.length).unwrap_or_default()
    }

    /// `Range`, `If-Range` and `Accept-Encoding: identity`, to be added to the request. It must not
    /// have other fields of these names.
    ///
    /// A content coding is not wanted because its bytes may differ from one response to the next.
    #[must_use]
    pub fn fields(&self) -> [Field<'_>; 3] {
        // Both values were made or checked here: digits, an entity tag, a date.
        [
            Field::of_checked("Range", self.range()),
            Field::of_checked("If-Range", self.validator.as_field_value()),
            Field::of_checked("Accept-Encoding", b"identity"),
        ]
    }
}

impl fmt::Debug for RangeFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RangeFields(")?;
        f.write_str(grammar::text(self.range()).unwrap_or_default())?;
        f.write_str(")")
    }
}

/// What `Content-Range` says of a range of bytes (RFC 9110 §14.4). Positions count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ContentRange {
    /// The content is the bytes `first` to `last`, both included, of a representation of `total`
    /// bytes, or of one whose length is not known yet.
    Bytes {
        /// The position of the first byte.
        first: u64,
        /// The position of the last byte; not below `first`, and below `total`.
        last: u64,
        /// The length of the whole representation; `None` where the server says `*`.
        total: Option<u64>,
    },
    /// The wanted range does not overlap the representation, which has `total` bytes. Comes with
    /// status 416.
    Unsatisfied {
        /// The length of the whole representation.
        total: u64,
    },
}

impl ContentRange {
    /// Reads the value of one `Content-Range` field. `None` for another unit than bytes, for what
    /// the grammar or RFC 9110 §14.4 forbids, and for numbers beyond `u64`.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (unit, rest) = value.split_first_chunk::<6>()?;
        if !eq_ignore_case(unit, b"bytes ") {
            return None;
        }
        let slash = rest.iter().position(|byte| *byte == b'/')?;
        let (range, total) = rest.split_at_checked(slash)?;
        let total = total.get(1..)?;
        if range == b"*" {
            return Some(Self::Unsatisfied { total: decimal(total)? });
        }
        let hyphen = range.iter().position(|byte| *byte == b'-')?;
        let (first, last) = range.split_at_checked(hyphen)?;
        let (first, last) = (decimal(first)?, decimal(last.get(1..)?)?);
        let total = if total == b"*" { None } else { Some(decimal(total)?) };
        // A range that ends with the last u64 is of a representation that nobody can count.
        let is_valid = first <= last && last < total.unwrap_or(u64::MAX);
        is_valid.then_some(Self::Bytes { first, last, total })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;

    fn bytes(first: u64, last: u64, total: Option<u64>) -> Option<ContentRange> {
        Some(ContentRange::Bytes { first, last, total })
    }

    #[test]
    fn ranges_and_totals_are_read() {
        const MAX: u64 = u64::MAX;
        let parse = |text: &str| ContentRange::parse(text.as_bytes());
        assert_eq!(parse("bytes 0-0/1"), bytes(0, 0, Some(1)));
        assert_eq!(parse("bytes 42-1233/1234"), bytes(42, 1233, Some(1234)));
        assert_eq!(parse("bytes 42-1233/*"), bytes(42, 1233, None));
        assert_eq!(parse("BYTES 1-2/3"), bytes(1, 2, Some(3)));
        assert_eq!(parse("bytes 01-002/0003"), bytes(1, 2, Some(3)));
        assert_eq!(parse(&format!("bytes 5-{}/{MAX}", MAX - 1)), bytes(5, MAX - 1, Some(MAX)));
        assert_eq!(parse("bytes */1234"), Some(ContentRange::Unsatisfied { total: 1234 }));
        assert_eq!(parse("bytes */0"), Some(ContentRange::Unsatisfied { total: 0 }));
    }

    #[test]
    fn what_the_grammar_or_the_order_of_the_numbers_forbids_is_none() {
        for text in [
            "",
            "bytes",
            "bytes ",
            "bytes 0-0",
            "bytes 0-0/",
            "bytes 0-0/0",
            "bytes 5-4/10",
            "bytes 5-10/10",
            "bytes 0-18446744073709551615/*",
            "bytes 0-18446744073709551616/*",
            "bytes 0-1/18446744073709551616",
            "bytes */*",
            "bytes */",
            "bytes *-1/2",
            "bytes -1/2",
            "bytes 0-/2",
            "bytes  0-1/2",
            "bytes 0 -1/2",
            "bytes 0-1 /2",
            "bytes 0-1/ 2",
            "bytes 0-1/2 ",
            "bytes 0-1/2, bytes 0-1/2",
            "bytes 0-1-1/2",
            "bytes 0-1/2/2",
            "bytes +0-1/2",
            "bytes=0-1/2",
            "bytes\t0-1/2",
            "items 0-1/2",
            "0-1/2",
        ] {
            assert_eq!(ContentRange::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_fields_ask_for_the_rest_of_the_same_representation() {
        for (received, want) in
            [(0, "bytes=0-"), (1000, "bytes=1000-"), (u64::MAX, "bytes=18446744073709551615-")]
        {
            let tag = Validator::ETag(b"\"a!b\xff\"");
            let data = ResumeData::new("http://a/", tag, received, None).unwrap();
            let fields = RangeFields::new(&data);
            let fields = fields.fields();
            let all = fields.map(|field| Field::new(field.name(), field.value()));
            assert_eq!(all, fields.map(Ok), "they pass the checks they were not put to");
            assert_eq!(fields[0].value(), want.as_bytes());
            assert_eq!(fields[1].value(), b"\"a!b\xff\"");
            assert_eq!(fields.map(|field| field.name()), ["Range", "If-Range", "Accept-Encoding"]);
        }
    }
}
