//! The digest that a server gives of a whole representation (RFC 9530 §3).

use crate::response::ResponseHead;
use crate::resume::structured::{Value, dictionary};
use crate::wire::grammar;

/// The SHA-256 of the whole representation, from `Repr-Digest` (RFC 9530 §3).
///
/// It is about the whole also where the content is a part of it, as in a 206. Where the content is
/// coded, it is about the coded bytes.
///
/// `None` if there is none. Several lines are one dictionary, of which the last member of a key
/// counts; if anything in it is malformed, all of it is as if it were not there (RFC 8941 §4.2).
/// So is a digest that is not 32 bytes in base64.
#[must_use]
pub fn repr_digest_sha256(head: &ResponseHead<'_>) -> Option<[u8; 32]> {
    if !head.is_listed() {
        return None;
    }
    let mut found = None;
    for line in head.values("repr-digest") {
        dictionary(grammar::trim_ows(line), |key, value| {
            if key == b"sha-256" {
                found = match value {
                    Value::Bytes(text) => base64(text),
                    Value::Other => None,
                };
            }
        })?;
    }
    found
}

/// 32 bytes from 43 characters of base64 and their padding. Padding may be missing, and its bits
/// are not looked at: RFC 8941 §4.2.7 asks for that.
fn base64(text: &[u8]) -> Option<[u8; 32]> {
    let (digits, padding) = text.split_first_chunk::<43>()?;
    if !matches!(padding, [] | [b'=']) {
        return None;
    }
    let mut bytes = [0; 32];
    for (three, four) in bytes.chunks_mut(3).zip(digits.chunks(4)) {
        let mut bits: u32 = 0;
        for digit in four {
            bits = bits << 6 | base64_digit(*digit)?;
        }
        // The last group has three characters for two bytes.
        if four.len() == 3 {
            bits <<= 6;
        }
        let [_, group @ ..] = bits.to_be_bytes();
        for (to, from) in three.iter_mut().zip(group) {
            *to = from;
        }
    }
    Some(bytes)
}

fn base64_digit(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::resume::lookup::tests::with_head;
    use std::{format, string::String};

    fn found(lines: &[&str]) -> Option<[u8; 32]> {
        with_head(206, lines, repr_digest_sha256)
    }

    /// SHA-256 of `{"hello": "world"}` and a line feed, the content of RFC 9530 appendix B.
    const HELLO: ([u8; 32], &str) = (
        [
            0x44, 0xaf, 0xf4, 0xab, 0x2d, 0x7c, 0x32, 0x50, 0x52, 0x56, 0x75, 0xa0, 0x8f, 0x0c,
            0xfa, 0x95, 0x91, 0x16, 0x8c, 0xff, 0xe5, 0x17, 0x91, 0xc5, 0xf5, 0xbb, 0xc4, 0x17,
            0xc1, 0x5a, 0x6c, 0x38,
        ],
        "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=",
    );
    /// SHA-256 of nothing.
    const EMPTY: ([u8; 32], &str) = (
        [
            0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f,
            0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b,
            0x78, 0x52, 0xb8, 0x55,
        ],
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    );

    #[test]
    fn the_digest_of_the_field_is_found() {
        for (bytes, text) in [HELLO, EMPTY] {
            for line in [
                format!("Repr-Digest: sha-256=:{text}:"),
                format!("repr-digest:   sha-256=:{text}:;p=1;q"),
                format!("Repr-Digest: sha-512=:YQ==:, sha-256=:{text}:, md5=:AA==:"),
                format!("Repr-Digest: x=1, y=(1 2);z, sha-256=:{text}:"),
                format!("Repr-Digest: sha-256=:{}:", text.trim_end_matches('=')),
            ] {
                assert_eq!(found(&[&line]), Some(bytes), "{line}");
            }
        }
    }

    #[test]
    fn the_last_member_of_a_key_counts_over_all_lines() {
        let [hello, empty] =
            [HELLO, EMPTY].map(|(_, text)| format!("Repr-Digest: sha-256=:{text}:"));
        assert_eq!(found(&[&hello, &empty]), Some(EMPTY.0));
        assert_eq!(found(&[&empty, &hello]), Some(HELLO.0));
        assert_eq!(found(&[&hello, "Repr-Digest: sha-512=:YQ==:"]), Some(HELLO.0));
        let both = format!("{hello}, sha-256=:{}:", EMPTY.1);
        assert_eq!(found(&[&both]), Some(EMPTY.0));
        assert_eq!(found(&[&hello, "Repr-Digest: sha-256=:YQ==:"]), None);
        assert_eq!(found(&[&hello, "Repr-Digest: sha-256"]), None);
    }

    #[test]
    fn one_malformed_line_undoes_the_field() {
        let hello = format!("Repr-Digest: sha-256=:{}:", HELLO.1);
        for bad in ["", "sha-512=:", "SHA-512=:YQ==:", "a,", "=1", "sha-512=YQ=="] {
            let bad = format!("Repr-Digest: {bad}");
            assert_eq!(found(&[&hello, &bad]), None, "{bad}");
            assert_eq!(found(&[&bad, &hello]), None, "{bad}");
        }
        assert_eq!(found(&[&format!("{hello},")]), None);
    }

    #[test]
    fn another_field_another_key_and_another_form_are_no_digest() {
        let (_, text) = HELLO;
        for line in [
            format!("Content-Digest: sha-256=:{text}:"),
            format!("Digest: SHA-256={text}"),
            format!("Repr-Digest: sha-512=:{text}:"),
            format!("Repr-Digest: sha-256={text}"),
            format!("Repr-Digest: sha-256=\"{text}\""),
            format!("Repr-Digest: sha-256=:{text}=:"),
            format!("Repr-Digest: sha-256=:A{text}:"),
            format!("Repr-Digest: sha-256=:{}:", &text[1..]),
            format!("Repr-Digest: sha-256=:={}:", &text[1..]),
            format!("Repr-Digest: sha-256=(:{text}:)"),
            String::from("Repr-Digest: sha-256=::"),
        ] {
            assert_eq!(found(&[&line]), None, "{line}");
        }
        assert_eq!(found(&[]), None);
    }
}
