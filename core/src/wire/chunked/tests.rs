extern crate std;
use super::*;
use std::{format, string::String, vec::Vec};

/// Content, whether the body ended, bytes left over, and the error.
type Outcome = (Vec<u8>, bool, usize, Option<Error>);

fn in_place(pieces: &[&[u8]]) -> Outcome {
    let mut decoder = ChunkedDecoder::new();
    let (mut content, mut excess) = (Vec::new(), 0);
    for piece in pieces {
        let mut bytes = piece.to_vec();
        match decoder.decode_in_place(&mut bytes) {
            Ok(decoded) => {
                content.extend_from_slice(&bytes[..decoded.content]);
                excess += bytes.len() - decoded.consumed;
            }
            Err(error) => return (content, false, 0, Some(error)),
        }
        if let Some(error) = decoder.failure() {
            return (content, false, 0, Some(error));
        }
    }
    (content, decoder.is_finished(), excess, None)
}

fn as_runs(input: &[u8]) -> Outcome {
    let mut decoder = ChunkedDecoder::new();
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        match decoder.next_run(&input[at..]) {
            Ok(run) if run.consumed() == 0 => {
                return (content, decoder.is_finished(), input.len() - at, None);
            }
            Ok(run) => {
                content.extend_from_slice(&input[at + run.framing..at + run.consumed()]);
                at += run.consumed();
            }
            Err(error) => return (content, false, 0, Some(error)),
        }
    }
}

/// One outcome: as runs, in place, bytewise, at every split.
fn everywhere(input: &[u8]) -> Outcome {
    let whole = as_runs(input);
    assert_eq!(in_place(&[input]), whole);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(in_place(&bytes), whole, "bytewise {:?}", String::from_utf8_lossy(input));
    for cut in 0..input.len() {
        let (front, back) = input.split_at(cut);
        assert_eq!(in_place(&[front, back]), whole, "{cut}: {:?}", String::from_utf8_lossy(input));
    }
    whole
}

#[test]
fn chunks_extensions_and_trailers_are_decoded_at_any_cut() {
    let cases: [(&str, &str); 8] = [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n", "hello world"),
        ("00005;a=\"b;\\\"c\";d\r\nhello\r\n000;x\r\n\r\n", "hello"),
        ("5  \r\nhello\r\n0\t\r\n\r\n", "hello"),
        ("A\r\n0123456789\r\na;\r\n0123456789\r\n0\r\nT: v\r\nU:\r\n\r\n", "01234567890123456789"),
        ("4\r\n\r\n\r\n\r\n2\r\n0\r\r\n0\r\n\r\n", "\r\n\r\n0\r"),
        ("1 ;x\r\na\r\n1\t;\r\nb\r\n0\r\n\r\n", "ab"),
    ];
    for (input, content) in cases {
        let excess = format!("{input}EXCESS");
        assert_eq!(everywhere(input.as_bytes()), (content.into(), true, 0, None), "{input:?}");
        assert_eq!(as_runs(excess.as_bytes()), (content.into(), true, 6, None), "{input:?}");
    }
}

#[test]
fn an_unfinished_body_is_not_an_error_and_not_finished() {
    let input = "5;x\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for end in 0..input.len() {
        let (_, finished, _, error) = everywhere(&input.as_bytes()[..end]);
        assert_eq!((finished, error), (false, None), "{end}");
    }
}

#[test]
fn malformed_framing_is_refused_after_the_content_before_it() {
    let cases: [(&str, &str, PeerError); 24] = [
        ("\r\n", "", PeerError::ChunkSize),
        ("g\r\n", "", PeerError::ChunkSize),
        ("+5\r\n", "", PeerError::ChunkSize),
        ("-5\r\n", "", PeerError::ChunkSize),
        (" 5\r\n", "", PeerError::ChunkSize),
        ("0x5\r\n", "", PeerError::ChunkSize),
        ("5.0\r\n", "", PeerError::ChunkSize),
        ("5 5\r\n", "", PeerError::ChunkSize),
        ("5\nhello", "", PeerError::ChunkSize),
        ("5\r\r\n", "", PeerError::ChunkSize),
        ("5;a\nb\r\n", "", PeerError::ChunkSize),
        ("5;a\rb\r\n", "", PeerError::ChunkSize),
        ("5;a\0b\r\n", "", PeerError::ChunkSize),
        ("10000000000000000\r\n", "", PeerError::ChunkSize),
        ("5\r\nhello!\r\n", "hello", PeerError::ChunkEnd),
        ("5\r\nhello\n0\r\n\r\n", "hello", PeerError::ChunkEnd),
        ("5\r\nhello\r0\r\n\r\n", "hello", PeerError::ChunkEnd),
        ("5\r\nhello\r\n\r\n", "hello", PeerError::ChunkSize),
        ("0\r\n\n", "", PeerError::Trailer),
        ("0\r\n: v\r\n", "", PeerError::Trailer),
        ("0\r\nbad\r\n", "", PeerError::Trailer),
        ("0\r\nA: b\r\r\n", "", PeerError::Trailer),
        ("0\r\nA: b\0\r\n", "", PeerError::Trailer),
        ("0\r\n A: b\r\n", "", PeerError::Trailer),
    ];
    for (input, content, error) in cases {
        let want = (content.into(), false, 0, Some(Error::Peer(error)));
        assert_eq!(everywhere(input.as_bytes()), want, "{input:?}");
    }
}

/// Who has no more bytes to give hears of it, too. Found by the fuzzer.
#[test]
fn a_fault_behind_the_last_content_is_told_by_a_call_without_bytes() {
    let mut decoder = ChunkedDecoder::new();
    let mut bytes = *b"3\r\nabcd\r\n";
    assert_eq!(decoder.decode_in_place(&mut bytes), Ok(Decoded { content: 3, consumed: 6 }));
    let fault = Err(Error::Peer(PeerError::ChunkEnd));
    assert_eq!(decoder.decode_in_place(&mut []), fault);
    assert_eq!(decoder.next_run(&[]).map(Run::consumed), fault.map(|_: Decoded| 0));
}

#[test]
fn the_largest_size_is_taken_and_no_larger_one() {
    let mut decoder = ChunkedDecoder::new();
    let run = decoder.next_run(b"ffffffffffffffff\r\nab");
    assert_eq!(run, Ok(Run { framing: 18, content: 2 }));
    let after = as_runs(b"1\r\na\r\n123456789\r\nb");
    assert_eq!(after, (b"ab".to_vec(), false, 0, None), "beyond what the short way reads");
}

#[test]
fn limits_are_typed_and_met_exactly() {
    let body = |line: usize| format!("1;{}\r\na\r\n", "x".repeat(line - 4)).into_bytes();
    let line = usize::from(CHUNK_LINE_BYTES);
    assert_eq!(as_runs(&body(line)).3, None);
    assert_eq!(as_runs(&body(line + 1)).3, Some(Error::Limit(Limit::ChunkLine)));

    let per_chunk = line - usize::from(LINE_END + FREE_LINE_BYTES);
    let most = CHUNK_OVERHEAD_BYTES as usize / per_chunk;
    assert_eq!(as_runs(&body(line).repeat(most)).3, None);
    let over = as_runs(&body(line).repeat(most + 1)).3;
    assert_eq!(over, Some(Error::Limit(Limit::ChunkOverhead)));

    let trailer = |length: usize| format!("0\r\nA:{}\r\n\r\n", "x".repeat(length - 6));
    let most = usize::from(TRAILER_BYTES);
    assert!(as_runs(trailer(most).as_bytes()).1);
    let over = as_runs(trailer(most + 1).as_bytes()).3;
    assert_eq!(over, Some(Error::Limit(Limit::Trailers)));
}

#[test]
fn blocks_move_left_whatever_the_gap() {
    for gap in [1, 2, 5, 63, 64, 65, 200] {
        for length in [0, 1, 63, 64, 65, 127, 128, 300] {
            let mut bytes: Vec<u8> = (0..600).map(|n| n as u8).collect();
            let want = bytes[10 + gap..10 + gap + length].to_vec();
            move_left(&mut bytes, 10 + gap, 10, length);
            assert_eq!(bytes[10..10 + length], want, "gap {gap}, length {length}");
        }
    }
}
