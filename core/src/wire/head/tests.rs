extern crate std;
use super::*;
use crate::wire::framing::Framing;
use std::{format, string::String, vec, vec::Vec};

type Fields = Vec<(String, String)>;

/// Looks at growing prefixes that end at `cuts` and then at the whole.
fn look(text: &[u8], cuts: &[usize]) -> Result<Option<(usize, u16, Fields)>, Error> {
    let mut scan = HeadScan::default();
    let mut input = text.to_vec();
    let mut index = vec![Slot::EMPTY; 200];
    let mut head = WholeHead::EMPTY;
    for end in cuts.iter().copied().chain([text.len()]) {
        if scan.look(&mut input[..end], false, &mut index, &mut head)? {
            let length = usize::from(head.length);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let slots = index.iter().take_while(|slot| !slot.is_empty());
            let fields = slots.map(|s| (text(s.name(&input)), text(s.value(&input)))).collect();
            return Ok(Some((length, head.facts.status, fields)));
        }
    }
    Ok(None)
}

/// The same outcome whole, bytewise and at every split.
fn everywhere(text: &[u8]) -> Result<Option<(usize, u16, Fields)>, Error> {
    let whole = look(text, &[]);
    let every: Vec<usize> = (0..text.len()).collect();
    assert_eq!(look(text, &every), whole, "bytewise: {:?}", String::from_utf8_lossy(text));
    for cut in every {
        assert_eq!(look(text, &[cut]), whole, "cut at {cut}: {:?}", String::from_utf8_lossy(text));
    }
    whole
}

fn fields(list: &[(&str, &str)]) -> Fields {
    list.iter().map(|(n, v)| (String::from(*n), String::from(*v))).collect()
}

#[test]
fn a_head_is_found_with_its_fields_at_any_cut() {
    let text = b"HTTP/1.1 200 OK\r\nA: 1\r\nB:2\r\nEmpty:\r\nC: \t x y \t\r\n\r\nbody";
    let want = fields(&[("A", "1"), ("B", "2"), ("Empty", ""), ("C", "x y")]);
    assert_eq!(everywhere(text), Ok(Some((text.len() - 4, 200, want))));
    assert_eq!(everywhere(b"HTTP/1.0 404\r\n\r\n"), Ok(Some((16, 404, fields(&[])))));
    assert_eq!(everywhere(b"HTTP/1.9 999 \n\n"), Ok(Some((15, 999, fields(&[])))));
}

#[test]
fn an_incomplete_head_is_not_an_error() {
    for text in ["", "H", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nA: 1\r\n\r", "HTTP/1.1 200 OK\r\nA b"]
    {
        assert_eq!(everywhere(text.as_bytes()), Ok(None), "{text:?}");
    }
}

#[test]
fn folded_lines_are_joined_by_spaces() {
    let text = b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\t c\r\nY: \r\n \r\nZ: 1\n 2\r\n\r\n";
    let want = fields(&[("X", "a   b  \t c"), ("Y", ""), ("Z", "1  2")]);
    assert_eq!(everywhere(text).unwrap().unwrap().2, want);
}

#[test]
fn what_is_not_http_1_is_refused_with_its_first_wrong_byte() {
    for text in
        ["220 mail", "\r\nHTTP/1.1 200", "HTTP/2.0 ", "HTTP/11", "http/1.1", " HTTP", "HTTQ"]
    {
        let refused = Err(Error::Peer(PeerError::NotHttp));
        assert_eq!(everywhere(text.as_bytes()), refused, "{text:?}");
    }
}

#[test]
fn malformed_status_lines_and_fields_are_refused() {
    for line in [
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 -12 OK",
        "HTTP/1.x 200",
        "HTTP/1.1 200OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 OK\r",
        "HTTP/1.12 200",
        "HTTP/1.1 000 OK",
    ] {
        let text = format!("{line}\r\nA: b\r\n\r\n");
        let refused = Err(Error::Peer(PeerError::StatusLine));
        assert_eq!(everywhere(text.as_bytes()), refused, "{line:?}");
    }
    for line in [
        "A b", ": b", "A : b", " A: b", "A\0: b", "A: b\0", "A: b\rc", "A: b\r", "A(: b",
        "A: \x7f", "\tA: b", "Ä: b",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{line}\r\nB: c\r\n\r\n");
        let refused = Err(Error::Peer(PeerError::FieldLine));
        assert_eq!(everywhere(text.as_bytes()), refused, "{line:?}");
    }
}

#[test]
fn many_fields_and_those_beyond_the_index_still_frame() {
    const MANY: usize = 100;
    let mut text = String::from("HTTP/1.1 200 OK\r\n");
    for n in 0..MANY {
        text += &format!("X-{n}: {n} \r\n");
    }
    text += "Content-Length: 77\r\n\r\n";
    let (length, _, found) = look(text.as_bytes(), &[]).unwrap().unwrap();
    assert_eq!((length, found.len()), (text.len(), MANY + 1));
    assert_eq!(found[50], (String::from("X-50"), String::from("50")));
    let mut head = WholeHead::EMPTY;
    let mut input = text.into_bytes();
    assert_eq!(HeadScan::default().look(&mut input, false, &mut [], &mut head), Ok(true));
    assert_eq!(head.facts.framing(false), Ok(Framing::Length(77)));
}

#[test]
fn limits_are_typed_and_met_exactly() {
    let head = |fields: usize, pad: usize| {
        let mut text = String::from("HTTP/1.1 200 OK\r\n") + &"A: b\r\n".repeat(fields);
        text += &format!("P: {}\r\n\r\n", "p".repeat(pad));
        text.into_bytes()
    };
    assert!(look(&head(HEAD_FIELDS - 1, 1), &[]).is_ok());
    assert_eq!(look(&head(HEAD_FIELDS, 1), &[]), Err(Error::Limit(Limit::HeadFields)));
    let longest = HEAD_BYTES - head(0, 0).len();
    assert!(matches!(look(&head(0, longest), &[]), Ok(Some((HEAD_BYTES, ..)))));
    assert_eq!(look(&head(0, longest + 1), &[100]), Err(Error::Limit(Limit::HeadBytes)));
    assert_eq!(look(&head(0, longest + 1), &[]), Err(Error::Limit(Limit::HeadBytes)));
    let mut input = *b"HTTP/1.1 200 OK\r\nA:";
    let full = HeadScan::default().look(&mut input, true, &mut [], &mut { WholeHead::EMPTY });
    assert_eq!(full, Err(Error::Limit(Limit::HeadBuffer)));
}
