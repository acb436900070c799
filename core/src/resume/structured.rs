//! Dictionaries of structured fields (RFC 8941 §3.2, §4.2.2): whether one is well formed, and where
//! the values of its members are. No value is kept but that of a byte sequence.
//!
//! Each function takes what it reads from the front of `rest`, and is `None` where the RFC says to
//! fail parsing.

use crate::wire::grammar;

/// The value of a member, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A byte sequence, in base64, without its colons.
    Bytes(&'a [u8]),
    /// Anything else.
    Other,
}

/// Reads one field line and calls `member` with key and value of each member, in their order.
pub(crate) fn dictionary<'a>(
    line: &'a [u8],
    mut member: impl FnMut(&'a [u8], Value<'a>),
) -> Option<()> {
    let mut rest = line;
    skip_spaces(&mut rest);
    loop {
        let name = key(&mut rest)?;
        let value = if take(&mut rest, b'=') { item_or_list(&mut rest)? } else { Value::Other };
        parameters(&mut rest)?;
        member(name, value);
        skip_ows(&mut rest);
        if rest.is_empty() {
            return Some(());
        }
        if !take(&mut rest, b',') {
            return None;
        }
        skip_ows(&mut rest);
    }
}

fn item_or_list<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    if !take(rest, b'(') {
        return bare_item(rest);
    }
    loop {
        skip_spaces(rest);
        if take(rest, b')') {
            return Some(Value::Other);
        }
        bare_item(rest)?;
        parameters(rest)?;
        if !matches!(rest.first(), Some(b' ' | b')')) {
            return None;
        }
    }
}

/// §4.2.3.2
fn parameters(rest: &mut &[u8]) -> Option<()> {
    while take(rest, b';') {
        skip_spaces(rest);
        key(rest)?;
        if take(rest, b'=') {
            bare_item(rest)?;
        }
    }
    Some(())
}

/// §4.2.3.3
fn key<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if !matches!(rest.first(), Some(b'a'..=b'z' | b'*')) {
        return None;
    }
    let inside = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*');
    Some(take_while(rest, inside))
}

/// §4.2.3.1
fn bare_item<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    match rest.first()? {
        b':' => byte_sequence(rest).map(Value::Bytes),
        b'"' => string(rest).map(|()| Value::Other),
        b'?' => boolean(rest).map(|()| Value::Other),
        b'-' | b'0'..=b'9' => number(rest).map(|()| Value::Other),
        b'a'..=b'z' | b'A'..=b'Z' | b'*' => {
            let inside = |b: u8| grammar::is_token_byte(b) || matches!(b, b':' | b'/');
            take_while(rest, inside);
            Some(Value::Other)
        }
        _ => None,
    }
}

/// §4.2.4
fn number(rest: &mut &[u8]) -> Option<()> {
    let digit = |b: u8| b.is_ascii_digit();
    take(rest, b'-');
    let whole = take_while(rest, digit).len();
    if !take(rest, b'.') {
        return (1..=15).contains(&whole).then_some(());
    }
    let fraction = take_while(rest, digit).len();
    ((1..=12).contains(&whole) && (1..=3).contains(&fraction)).then_some(())
}

/// §4.2.5
fn string(rest: &mut &[u8]) -> Option<()> {
    take(rest, b'"');
    loop {
        let (first, tail) = rest.split_first()?;
        *rest = tail;
        match first {
            b'"' => return Some(()),
            b'\\' if take(rest, b'"') || take(rest, b'\\') => {}
            b'\\' => return None,
            b' '..=b'~' => {}
            _ => return None,
        }
    }
}

/// §4.2.7
fn byte_sequence<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    take(rest, b':');
    let inside = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let text = take_while(rest, inside);
    take(rest, b':').then_some(text)
}

/// §4.2.8
fn boolean(rest: &mut &[u8]) -> Option<()> {
    take(rest, b'?');
    (take(rest, b'0') || take(rest, b'1')).then_some(())
}

/// Takes this byte, if it comes next.
fn take(rest: &mut &[u8], byte: u8) -> bool {
    match rest.split_first() {
        Some((first, tail)) if *first == byte => {
            *rest = tail;
            true
        }
        Some(_) | None => false,
    }
}

fn take_while<'a>(rest: &mut &'a [u8], inside: impl Fn(u8) -> bool) -> &'a [u8] {
    let end = rest.iter().position(|byte| !inside(*byte)).unwrap_or(rest.len());
    let (taken, tail) = rest.split_at_checked(end).unwrap_or_default();
    *rest = tail;
    taken
}

fn skip_spaces(rest: &mut &[u8]) {
    take_while(rest, |byte| byte == b' ');
}

fn skip_ows(rest: &mut &[u8]) {
    take_while(rest, |byte| matches!(byte, b' ' | b'\t'));
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{string::String, vec::Vec};

    /// The members as `key` or `key:base64`.
    fn members(line: &str) -> Option<Vec<String>> {
        let mut found = Vec::new();
        dictionary(line.as_bytes(), |key, value| {
            let mut text = String::from_utf8(key.to_vec()).unwrap();
            if let Value::Bytes(bytes) = value {
                text.push(':');
                text += core::str::from_utf8(bytes).unwrap();
            }
            found.push(text);
        })?;
        Some(found)
    }

    #[test]
    fn every_kind_of_member_is_passed_over_to_the_next() {
        for value in [
            "",
            "=1",
            "=-1",
            "=123456789012345",
            "=123456789012.123",
            "=?0",
            "=?1",
            "=token",
            "=*a:/!#",
            "=Q",
            "=\"\"",
            "=\"a, \\\" \\\\ ;b=:c:\"",
            "=()",
            "=(  )",
            "=(1 2)",
            "=( \"a\";x  ?1;y=2 )",
            "=(:YQ==:)",
            ";p",
            ";p;q=1;  r=\"s\"",
            "=1;p",
            "=(1);p=t",
        ] {
            let line = std::format!("a{value} \t,\t b=:YQ==:;p=1, *c_-.*0");
            let want = ["a", "b:YQ==", "*c_-.*0"].map(String::from).to_vec();
            assert_eq!(members(&line), Some(want), "{line}");
        }
    }

    #[test]
    fn what_the_rfc_fails_is_none() {
        for line in [
            "",
            " ",
            ",",
            "a,",
            "a,,b",
            ",a",
            "a b",
            "A",
            "1",
            "-a",
            "a=",
            "a =1",
            "a= 1",
            "a=-",
            "a=--1",
            "a=+1",
            "a=1.",
            "a=.1",
            "a=1.1234",
            "a=1234567890123.1",
            "a=1234567890123456",
            "a=?2",
            "a=?",
            "a=\"",
            "a=\"b",
            "a=\"\\b\"",
            "a=\"\u{e4}\"",
            "a=:",
            "a=:b",
            "a=:b c:",
            "a=:b_:",
            "a=(",
            "a=(1",
            "a=(1,2)",
            "a=(1\t2)",
            "a=((1))",
            "a=(\"a\"\"b\")",
            "a=);",
            "a;",
            "a;P",
            "a;p=",
            "a;p=(1)",
            "a=1 ;p",
            "a=@1",
        ] {
            assert_eq!(members(line), None, "{line}");
        }
    }
}
