//! Questions about the fields of a head that several rules ask.

use crate::response::ResponseHead;
use crate::wire::grammar;

/// How often a field that may stand once does stand in a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Single<'a> {
    Absent,
    One(&'a [u8]),
    Repeated,
}

/// The field of this name, which is not a list (RFC 9110 §5.3).
pub(crate) fn single<'a>(head: &ResponseHead<'a>, name: &str) -> Single<'a> {
    let mut values = head.values(name);
    match (values.next(), values.next()) {
        (None, _) => Single::Absent,
        (Some(value), None) => Single::One(grammar::trim_ows(value)),
        (Some(_), Some(_)) => Single::Repeated,
    }
}

/// Whether any element of the list field of this name is `lower`, which is in lower case.
pub(crate) fn lists(head: &ResponseHead<'_>, name: &str, lower: &[u8]) -> bool {
    let mut lines = head.values(name);
    lines.any(|line| grammar::elements(line).any(|item| grammar::eq_ignore_case(item, lower)))
}

/// Whether the content is the representation as it is stored: no content coding but `identity`
/// (RFC 9110 §8.4). Bytes of a coding that is made anew for each response cannot be joined.
pub(crate) fn is_identity(head: &ResponseHead<'_>) -> bool {
    head.values("content-encoding").all(|line| {
        grammar::elements(line)
            .all(|coding| coding.is_empty() || grammar::eq_ignore_case(coding, b"identity"))
    })
}

/// `Content-Length`, where it says one thing only (RFC 9110 §8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Absent,
    Known(u64),
    Invalid,
}

pub(crate) fn content_length(head: &ResponseHead<'_>) -> Length {
    let mut found = Length::Absent;
    for element in head.values("content-length").flat_map(grammar::elements) {
        found = match (found, grammar::decimal(element)) {
            (Length::Absent, Some(length)) => Length::Known(length),
            (Length::Known(known), Some(length)) if known == length => found,
            (Length::Known(_), Some(_)) | (Length::Invalid, _) | (_, None) => Length::Invalid,
        };
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;
    use super::*;
    use crate::wire::head::Slot;
    use std::{format, string::String};

    /// Calls `with` with the head of this status and these field lines.
    pub(crate) fn with_head<T>(
        status: u16,
        lines: &[&str],
        with: impl FnOnce(&ResponseHead<'_>) -> T,
    ) -> T {
        let mut text = format!("HTTP/1.1 {status} X\r\n");
        for line in lines {
            text += line;
            text += "\r\n";
        }
        text += "\r\n";
        let mut index = [Slot::EMPTY; 16];
        assert_eq!(ResponseHead::list(text.as_bytes(), &mut index), lines.len(), "{text}");
        with(&ResponseHead::new(text.as_bytes(), &index))
    }

    fn length(lines: &[&str]) -> Length {
        with_head(200, lines, content_length)
    }

    #[test]
    fn a_length_is_known_if_all_of_them_agree() {
        assert_eq!(length(&[]), Length::Absent);
        assert_eq!(length(&["Content-Length: 5"]), Length::Known(5));
        assert_eq!(length(&["Content-Length: 5, 5", "content-length: 5"]), Length::Known(5));
        for bad in ["5, 6", "5,", "+5", "", "18446744073709551616"] {
            assert_eq!(length(&[&format!("Content-Length: {bad}")]), Length::Invalid, "{bad}");
        }
    }

    #[test]
    fn a_field_that_stands_twice_is_told_from_one_that_stands_once() {
        let etag = |lines: &[&str]| {
            with_head(200, lines, |head| match single(head, "etag") {
                Single::Absent => String::from("absent"),
                Single::One(value) => String::from_utf8_lossy(value).into_owned(),
                Single::Repeated => String::from("repeated"),
            })
        };
        assert_eq!(etag(&["Date: x"]), "absent");
        assert_eq!(etag(&["ETag: \"a\" "]), "\"a\"");
        assert_eq!(etag(&["ETag: \"a\"", "etag: \"a\""]), "repeated");
    }
}
