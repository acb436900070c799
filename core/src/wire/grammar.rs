//! Character classes of RFC 9110 §5.6 and the few comparisons made with them.

use ascii::AsciiStr;

/// For each byte, which of the classes below it belongs to.
#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated at compile time, where a fault is an error"
)]
const CLASS: [u8; CLASSED] = {
    let mut table = [0; CLASSED];
    let mut byte = 0;
    while byte < CLASSED {
        let b = byte as u8;
        let mark = matches!(
            b,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        if mark || b.is_ascii_alphanumeric() {
            table[byte] |= TOKEN;
        }
        if b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
            )
        {
            table[byte] |= HOST;
        }
        if b == b'\t' || (b >= b' ' && b != 0x7f) {
            table[byte] |= VALUE;
        }
        if let Some(digit) = (b as char).to_digit(16) {
            table[byte] |= HEX | (digit as u8) << 4;
        } else {
            if b.is_ascii_graphic() {
                table[byte] |= VISIBLE & !HEX;
            }
            if b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.') {
                table[byte] |= SCHEME & !HEX;
            }
            if matches!(b, b':' | b'.') {
                table[byte] |= ADDRESS & !HEX;
            }
            if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'%') {
                table[byte] |= ZONE & !HEX;
            }
        }
        byte += 1;
    }
    table
};

/// How many bytes have their class in the table. A device has no room for those beyond ASCII, which
/// are all alike, and compares instead.
const CLASSED: usize = if cfg!(target_os = "none") { 128 } else { 256 };

/// tchar (RFC 9110 §5.6.2).
const TOKEN: u8 = 1;
/// field-vchar, SP or HTAB (RFC 9110 §5.5).
pub(crate) const VALUE: u8 = 2;
/// HEXDIG, in either case (RFC 5234 appendix B.1); its value stands in the upper four bits.
const HEX: u8 = 4;
/// unreserved or sub-delims (RFC 3986 §3.2.2), which a registered name consists of here.
pub(crate) const HOST: u8 = 8;
// Hexadecimal digits belong to these, too, so that the upper four bits tell of all other bytes.
/// VCHAR (RFC 5234 appendix B.1).
pub(crate) const VISIBLE: u8 = HEX | 1 << 4;
/// What a scheme consists of (RFC 3986 §3.1).
pub(crate) const SCHEME: u8 = HEX | 1 << 5;
/// What an IPv6 address consists of (RFC 3986 §3.2.2).
pub(crate) const ADDRESS: u8 = HEX | 1 << 6;
/// What its zone consists of (RFC 6874 §2).
pub(crate) const ZONE: u8 = HEX | 1 << 7;

#[allow(clippy::indexing_slicing, reason = "it was compared with the length of the table")]
const fn class(byte: u8) -> u8 {
    if (byte as usize) < CLASSED { CLASS[byte as usize] } else { VALUE }
}

/// Whether all of `bytes` are tchar, and there is at least one (RFC 9110 §5.6.2).
pub(crate) const fn is_token(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        if class(*first) & TOKEN == 0 {
            return false;
        }
        rest = tail;
    }
    !bytes.is_empty()
}

/// Whether `bytes` may stand in a field value: no CR, LF, NUL or other control (RFC 9110 §5.5).
pub(crate) const fn is_field_value(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    // Four at a time: one look at the end for four bytes.
    while let [a, b, c, d, tail @ ..] = rest {
        if class(*a) & class(*b) & class(*c) & class(*d) & VALUE == 0 {
            return false;
        }
        rest = tail;
    }
    while let [first, tail @ ..] = rest {
        if !is_field_value_byte(*first) {
            return false;
        }
        rest = tail;
    }
    true
}

/// Whether `byte` may stand in a field value (RFC 9110 §5.5).
pub(crate) const fn is_field_value_byte(byte: u8) -> bool {
    class(byte) & VALUE != 0
}

/// Whether `byte` is a tchar (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    class(byte) & TOKEN != 0
}

/// The bytes of `all` from `start` to `end`; none where these lie outside, or in no order.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn piece(all: &[u8], start: usize, end: usize) -> &[u8] {
    all.get(start..end).unwrap_or_default()
}

/// The bytes of `all` from `start` on; none where it lies outside.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn behind(all: &[u8], start: usize) -> &[u8] {
    all.get(start..).unwrap_or_default()
}

/// How many bytes that belong to `of` stand at the front of `bytes`.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn span(bytes: &[u8], of: u8) -> usize {
    bytes.iter().position(|byte| class(*byte) & of == 0).unwrap_or(bytes.len())
}

/// How many bytes stand before the first of `stops`, or in all.
#[cfg_attr(target_os = "none", inline(never))]
#[allow(
    clippy::manual_contains,
    reason = "it looks by words of memory, and is larger than all this"
)]
pub(crate) fn before(bytes: &[u8], stops: &[u8]) -> usize {
    let stop = |byte: &u8| stops.iter().any(|stop| stop == byte);
    bytes.iter().position(stop).unwrap_or(bytes.len())
}

/// The value of a hexadecimal digit.
#[inline]
pub(crate) const fn hex_digit(byte: u8) -> Option<u32> {
    let class = class(byte);
    if class & HEX != 0 { Some((class >> 4) as u32) } else { None }
}

/// Bytes as text, if all of them are ASCII.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    Some(AsciiStr::from_ascii(bytes).ok()?.as_str())
}

/// Case-insensitive equality, as field names and most tokens compare (RFC 9110 §5.1).
/// `lower` must be in lower case.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) const fn eq_ignore_case(bytes: &[u8], lower: &[u8]) -> bool {
    if bytes.len() != lower.len() {
        return false;
    }
    let (mut a, mut b) = (bytes, lower);
    while let ([x, a_rest @ ..], [y, b_rest @ ..]) = (a, b) {
        if x.to_ascii_lowercase() != *y {
            return false;
        }
        a = a_rest;
        b = b_rest;
    }
    true
}

/// How many tchar stand at the front of `bytes`.
#[inline]
pub(crate) fn token_length(bytes: &[u8]) -> usize {
    span(bytes, TOKEN)
}

/// How many bytes that may stand in a field value are at the front of `bytes`.
#[cfg(target_os = "none")]
pub(crate) fn value_length(bytes: &[u8]) -> usize {
    span(bytes, VALUE)
}

/// How many bytes that may stand in a field value are at the front of `bytes`: by eight at a time,
/// which a device has no room for.
#[cfg(not(target_os = "none"))]
#[inline]
pub(crate) fn value_length(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        let Some(place) = control_in(u64::from_le_bytes(*word)) else {
            rest = tail;
            continue;
        };
        match rest.split_at_checked(place) {
            Some((_, [b'\t', behind @ ..])) => rest = behind,
            Some((_, end)) => return bytes.len().wrapping_sub(end.len()),
            None => break,
        }
    }
    let end = rest.iter().position(|byte| !is_field_value_byte(*byte)).unwrap_or(rest.len());
    bytes.len().wrapping_sub(rest.len()).wrapping_add(end)
}

/// Which of eight bytes is the first control character, if any is; tab is one.
#[cfg(not(target_os = "none"))]
#[inline]
const fn control_in(word: u64) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    // A subtraction that borrows sets the sign of a byte: in the first one rightly, behind that
    // maybe not, and only the first is asked for.
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let delete = word ^ (ONES * 0x7f);
    let is_delete = delete.wrapping_sub(ONES) & !delete;
    match (below_space | is_delete) & (ONES * 0x80) {
        0 => None,
        signs => Some((signs.trailing_zeros() / 8) as usize),
    }
}

/// `bytes` without leading and trailing OWS (RFC 9110 §5.6.3).
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) const fn trim_ows(bytes: &[u8]) -> &[u8] {
    trim_ows_behind(trim_ows_before(bytes))
}

/// `bytes` without leading OWS.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) const fn trim_ows_before(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [b' ' | b'\t', tail @ ..] = rest {
        rest = tail;
    }
    rest
}

/// `bytes` without trailing OWS.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) const fn trim_ows_behind(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [head @ .., b' ' | b'\t'] = rest {
        rest = head;
    }
    rest
}

/// The elements of a comma-separated list, trimmed, empty ones included (RFC 9110 §5.6.1).
pub(crate) const fn elements(list: &[u8]) -> Elements<'_> {
    Elements { rest: Some(list) }
}

/// See [`elements`].
pub(crate) struct Elements<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    #[cfg_attr(not(target_os = "none"), inline)]
    #[cfg_attr(target_os = "none", inline(never))]
    fn next(&mut self) -> Option<&'a [u8]> {
        let list = self.rest.take()?;
        let end = list.iter().position(|byte| *byte == b',').unwrap_or(list.len());
        let (element, rest) = list.split_at_checked(end)?;
        self.rest = rest.get(1..);
        Some(trim_ows(element))
    }
}

/// 1*DIGIT as a `u64`; `None` for anything else and for what does not fit (RFC 9110 §8.6).
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for byte in bytes {
        if !byte.is_ascii_digit() {
            return None;
        }
        let digit = u64::from(byte.wrapping_sub(b'0'));
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_every_tchar_and_nothing_else() {
        for byte in 0..=255_u8 {
            let tchar = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_token(&[byte]), tchar, "{byte:#x}");
        }
        assert!(!is_token(b""));
    }

    #[test]
    fn field_value_refuses_exactly_the_controls_but_tab() {
        for byte in 0..=255_u8 {
            let control = (byte < 0x20 && byte != b'\t') || byte == 0x7f;
            assert_eq!(is_field_value(&[byte]), !control, "{byte:#x}");
        }
    }

    #[test]
    fn hex_digits_have_their_value_and_nothing_else_has() {
        for byte in 0..=255_u8 {
            assert_eq!(hex_digit(byte), char::from(byte).to_digit(16), "{byte:#x}");
        }
    }

    #[test]
    fn decimal_takes_digits_only_and_refuses_overflow() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal(b"0000000000000000000000000000005"), Some(5));
        for bad in [&b"18446744073709551616"[..], b"", b"+5", b"-5", b"5 ", b"0x5", b"5.0"] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn elements_are_trimmed_and_empty_ones_kept() {
        let all: [&[u8]; 3] = [b"a", b"", b"b c"];
        assert!(elements(b" a\t, ,b c ").eq(all));
    }
}
