//! Validators that show that two responses have the same bytes (RFC 9110 §8.8).

use core::fmt;

use crate::limits::VALIDATOR_BYTES;
use crate::response::ResponseHead;
use crate::resume::date::http_date;
use crate::resume::lookup::{Single, single};

/// A strong validator: as long as it stays the same, so does every byte (RFC 9110 §8.8.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Validator<'a> {
    /// A strong entity tag, with its quotes.
    ETag(&'a [u8]),
    /// The text of a `Last-Modified`. A server compares dates as texts, so it is kept as it came.
    LastModified(&'a [u8]),
}

impl<'a> Validator<'a> {
    /// The strong validator of a response, if it has one.
    ///
    /// That is its entity tag, if that is strong; without any, `Last-Modified`, where `Date` is at
    /// least a second later (RFC 9110 §8.8.2.2). Beside a weak entity tag no date is taken:
    /// RFC 9110 §13.1.5 forbids to send one then. Nor is one taken in an obsolete form, which may
    /// be read and not sent (RFC 9110 §5.6.7). Nothing is made of fields that contradict
    /// themselves: more than one `ETag`, `Last-Modified` or `Date`, a malformed one, one longer
    /// than [`VALIDATOR_BYTES`].
    #[must_use]
    pub fn of(head: &ResponseHead<'a>) -> Option<Self> {
        if !head.is_listed() {
            return None;
        }
        match single(head, "etag") {
            Single::One(tag) => match EntityTag::of(tag)? {
                EntityTag::Strong => Self::parse(tag),
                EntityTag::Weak => None,
            },
            Single::Absent => last_modified(head),
            Single::Repeated => None,
        }
    }

    /// The validator of this text, as [`as_field_value`](Self::as_field_value) gives it: a strong
    /// entity tag or a date in the preferred form. `None` for anything else and for more than
    /// [`VALIDATOR_BYTES`].
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        if text.len() > VALIDATOR_BYTES {
            return None;
        }
        if text.first() == Some(&b'"') {
            return (EntityTag::of(text)? == EntityTag::Strong).then_some(Self::ETag(text));
        }
        is_preferred_date(text).then_some(Self::LastModified(text))
    }

    /// The value of `If-Range` (RFC 9110 §13.1.5).
    #[must_use]
    pub const fn as_field_value(&self) -> &'a [u8] {
        match *self {
            Self::ETag(text) | Self::LastModified(text) => text,
        }
    }

    /// Whether nothing in this head says that the representation is another one: where a field of
    /// this validator is there, it is the same, byte for byte. For entity tags this is the strong
    /// comparison (RFC 9110 §8.8.3.2).
    pub(crate) fn agrees(&self, head: &ResponseHead<'_>) -> bool {
        let name = match self {
            Self::ETag(_) => "etag",
            Self::LastModified(_) => "last-modified",
        };
        match single(head, name) {
            Single::Absent => true,
            Single::One(text) => text == self.as_field_value(),
            Single::Repeated => false,
        }
    }
}

impl fmt::Debug for Validator<'_> {
    /// The kind only: an entity tag can be made to recognise a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ETag(_) => "ETag",
            Self::LastModified(_) => "LastModified",
        })
    }
}

/// Which kind a well-formed entity tag is of (RFC 9110 §8.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EntityTag {
    Strong,
    Weak,
}

impl EntityTag {
    fn of(text: &[u8]) -> Option<Self> {
        let (kind, opaque) = match text {
            [b'W', b'/', rest @ ..] => (Self::Weak, rest),
            _ => (Self::Strong, text),
        };
        let [b'"', inside @ .., b'"'] = opaque else { return None };
        let is_etagc = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..);
        inside.iter().all(is_etagc).then_some(kind)
    }
}

/// `Last-Modified` where it is a strong validator: the response was made at least a second later,
/// so that no second change within the same second went unnoticed (RFC 9110 §8.8.2.2).
fn last_modified<'a>(head: &ResponseHead<'a>) -> Option<Validator<'a>> {
    let (Single::One(text), Single::One(date)) =
        (single(head, "last-modified"), single(head, "date"))
    else {
        return None;
    };
    let is_strong = http_date(text)? < http_date(date)?;
    if is_strong { Validator::parse(text) } else { None }
}

/// Whether it is a date in the form that may be sent: the two obsolete ones are to be read only
/// (RFC 9110 §5.6.7).
fn is_preferred_date(text: &[u8]) -> bool {
    text.get(3) == Some(&b',') && http_date(text).is_some()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::resume::lookup::tests::with_head;
    use crate::wire::head::Slot;
    use std::{format, string::String, vec::Vec};

    const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
    const CHANGED: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:36 GMT";

    /// The validator of a response with these lines, as `If-Range` would send it.
    fn found(lines: &[&str]) -> Option<String> {
        with_head(200, lines, |head| {
            let validator = Validator::of(head)?;
            assert_eq!(Validator::parse(validator.as_field_value()), Some(validator));
            Some(String::from_utf8_lossy(validator.as_field_value()).into_owned())
        })
    }

    #[test]
    fn a_strong_entity_tag_is_taken_first() {
        for tag in [r#""""#, r#""a""#, r##""!#~W/""##] {
            let line = format!("ETag: {tag}");
            assert_eq!(found(&[&line, DATE, CHANGED]).as_deref(), Some(tag));
            assert_eq!(found(&[&line]).as_deref(), Some(tag));
        }
    }

    #[test]
    fn an_entity_tag_may_have_every_byte_of_its_grammar_and_no_other() {
        for byte in 0..=255_u8 {
            let allowed = byte > b' ' && byte != b'"' && byte != 0x7f;
            let tag = [b'"', b'x', byte, b'"'];
            assert_eq!(Validator::parse(&tag).is_some(), allowed, "{byte:#x}");
        }
    }

    #[test]
    fn a_malformed_entity_tag_leaves_no_validator() {
        for tag in
            ["a", "\"a", "a\"", "\"", "\"a\"b\"", "\"a b\"", "w/\"a\"", "W/a", "\"a\", \"b\"", ""]
        {
            let line = format!("ETag: {tag}");
            assert_eq!(found(&[&line, DATE, CHANGED]), None, "{tag}");
            assert_eq!(Validator::parse(tag.as_bytes()), None, "{tag}");
        }
    }

    #[test]
    fn two_entity_tags_leave_no_validator() {
        assert_eq!(found(&["ETag: \"a\"", "ETag: \"a\"", DATE, CHANGED]), None);
    }

    #[test]
    fn a_weak_entity_tag_is_never_taken_nor_a_date_beside_it() {
        assert_eq!(found(&["ETag: W/\"a\""]), None);
        assert_eq!(Validator::parse(b"W/\"a\""), None);
        assert_eq!(found(&["ETag: W/\"a\"", DATE, CHANGED]), None);
    }

    #[test]
    fn last_modified_is_strong_a_second_before_the_date() {
        let at = |second: &str| found(&[DATE, &format!("Last-Modified: {second}")]);
        assert!(at("Sun, 06 Nov 1994 08:49:36 GMT").is_some());
        assert!(at("Sun, 06 Nov 1994 08:49:37 GMT").is_none(), "the same second");
        assert!(at("Sun, 06 Nov 1994 08:49:38 GMT").is_none(), "later");
        assert!(at("Sun, 06 Nov 1994 08:49:36").is_none(), "no date");
        assert!(at("Sun, 6 Nov 1994 08:49:36 GMT").is_none(), "no date");
    }

    /// RFC 9110 §5.6.7: they may be read, as in `Date`, and not sent.
    #[test]
    fn dates_in_obsolete_forms_are_compared_with_and_never_sent() {
        for old in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(Validator::parse(old.as_bytes()), None);
            let later = "Date: Mon, 07 Nov 1994 08:49:37 GMT";
            assert_eq!(found(&[later, &format!("Last-Modified: {old}")]), None);
            let date = format!("Date: {old}");
            assert!(found(&[&date, "Last-Modified: Sun, 06 Nov 1994 08:49:36 GMT"]).is_some());
            assert_eq!(found(&[&date, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"]), None);
        }
    }

    #[test]
    fn last_modified_alone_or_twice_is_not_strong() {
        assert_eq!(found(&[CHANGED]), None);
        assert_eq!(found(&[CHANGED, "Date: now"]), None);
        assert_eq!(found(&[CHANGED, CHANGED, DATE]), None);
        assert_eq!(found(&[CHANGED, DATE, DATE]), None);
        assert_eq!(found(&[DATE]), None);
    }

    #[test]
    fn a_validator_is_bounded() {
        let tag = |inside: usize| format!("\"{}\"", "x".repeat(inside));
        assert!(Validator::parse(tag(VALIDATOR_BYTES - 2).as_bytes()).is_some());
        assert!(Validator::parse(tag(VALIDATOR_BYTES - 1).as_bytes()).is_none());
        let line = format!("ETag: {}", tag(VALIDATOR_BYTES - 1));
        assert_eq!(found(&[&line, DATE, CHANGED]), None);
    }

    #[test]
    fn a_head_whose_index_is_too_short_has_no_validator() {
        let bytes = b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nETag: \"b\"\r\n\r\n";
        let found: Vec<bool> = (0..4)
            .map(|slots| {
                let mut index = [Slot::EMPTY; 4];
                let _ = ResponseHead::list(bytes, &mut index[..slots]);
                ResponseHead::new(bytes, &index[..slots]).is_listed()
            })
            .collect();
        assert_eq!(found, [false, false, true, true]);
        let mut index = [Slot::EMPTY; 1];
        let _ = ResponseHead::list(bytes, &mut index);
        assert_eq!(Validator::of(&ResponseHead::new(bytes, &index)), None);
    }

    #[test]
    fn debug_shows_no_value() {
        assert_eq!(format!("{:?}", Validator::ETag(b"\"secret\"")), "ETag");
    }
}
