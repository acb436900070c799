//! Cut anywhere, taken as runs or in place, a chunked body gives the content, the end and the error
//! that a plain reader of whole lines gives.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_core::{ChunkedDecoder, Error, Limit, PeerError, limits};
use sortie_fuzz::{Choices, unfolded};

/// What became of a body.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It ended behind so many bytes.
    Finished(usize),
    /// More is to come.
    Partial,
    Failed(Error),
}

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let cuts = [choices.u16(), choices.u16(), choices.u16()].map(usize::from);
    let input = unfolded(choices.rest());
    let want = read(&input);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &input[ends[0]..ends[1]]).collect();
    // Byte by byte, or where rows are long by a number of bytes that is in step with nothing.
    let bytewise: Vec<&[u8]> = input.chunks(if input.len() < 2048 { 1 } else { 61 }).collect();
    for pieces in [&pieces, &vec![input.as_slice()], &bytewise] {
        assert_eq!(by_runs(pieces), want, "as runs, {pieces:?}");
        assert_eq!(in_place(pieces), want, "in place, {pieces:?}");
    }
});

fn by_runs(pieces: &[&[u8]]) -> (Vec<u8>, End) {
    let (mut decoder, mut content, mut all) = (ChunkedDecoder::default(), Vec::new(), 0);
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let run = match decoder.next_run(rest) {
                Ok(run) => run,
                Err(why) => {
                    assert_eq!(decoder.next_run(b"0\r\n\r\n"), Err(why), "it stays so");
                    return (content, End::Failed(why));
                }
            };
            content.extend(&rest[run.framing..run.consumed()]);
            all += run.consumed();
            rest = &rest[run.consumed()..];
            if run.consumed() == 0 {
                break;
            }
        }
        if decoder.is_finished() {
            return (content, End::Finished(all));
        }
        assert!(rest.is_empty(), "a body that goes on takes everything");
    }
    (content, End::Partial)
}

fn in_place(pieces: &[&[u8]]) -> (Vec<u8>, End) {
    let (mut decoder, mut content, mut all) = (ChunkedDecoder::new(), Vec::new(), 0);
    for piece in pieces {
        let mut bytes = piece.to_vec();
        match decoder.decode_in_place(&mut bytes) {
            Ok(decoded) => {
                content.extend(&bytes[..decoded.content]);
                all += decoded.consumed;
            }
            Err(why) => return (content, End::Failed(why)),
        }
        if decoder.is_finished() {
            return (content, End::Finished(all));
        }
        // A fault behind content is told by the next call.
        if let Err(why) = decoder.decode_in_place(&mut []) {
            return (content, End::Failed(why));
        }
    }
    (content, End::Partial)
}

// The other reader: it has all of the body before it, and looks at it line by line.

fn read(input: &[u8]) -> (Vec<u8>, End) {
    let (mut content, mut at, mut overhead) = (Vec::new(), 0, 0);
    let end = loop {
        let size = match size_line(&input[at..], &mut overhead) {
            Ok((size, length)) => {
                at += length;
                size
            }
            Err(end) => break end,
        };
        if size == 0 {
            break trailers(&input[at..])
                .map_or_else(|end| end, |length| End::Finished(at + length));
        }
        let rest = &input[at..];
        let data = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        content.extend(&rest[..data]);
        at += data;
        match &rest[data..] {
            [b'\r', b'\n', ..] => at += 2,
            [] | [b'\r'] => break End::Partial,
            [..] => break End::Failed(Error::Peer(PeerError::ChunkEnd)),
        }
    };
    (content, end)
}

/// A size and the length of its line, of what `rest` begins with.
fn size_line(rest: &[u8], overhead: &mut usize) -> Result<(u64, usize), End> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let zeros = rest[..digits].iter().take_while(|byte| **byte == b'0').count();
    let spaces = rest[digits..].iter().take_while(|byte| is_space(**byte)).count();
    let mut end = digits + spaces;
    if rest.get(end) == Some(&b';') {
        end += 1 + rest[end + 1..].iter().take_while(|byte| is_value(**byte)).count();
    }
    // The first byte that may not stand where it does, and the first one that is too many.
    let wrong = match digits {
        // 16 digits other than leading zeros are what 64 bits hold.
        _ if digits - zeros > 16 => Some(zeros + 16),
        0 if !rest.is_empty() => Some(0),
        _ => match &rest[end..] {
            [] | [b'\r'] | [b'\r', b'\n', ..] => None,
            [b'\r', ..] => Some(end + 1),
            [..] => Some(end),
        },
    };
    let most = usize::from(limits::CHUNK_LINE_BYTES) - 2;
    let long = (end > most).then_some(most);
    match (wrong, long) {
        (Some(wrong), Some(long)) if long < wrong => return Err(too(Limit::ChunkLine)),
        (Some(_), _) => return Err(End::Failed(Error::Peer(PeerError::ChunkSize))),
        (None, Some(_)) => return Err(too(Limit::ChunkLine)),
        (None, None) => {}
    }
    if rest.len() < end + 2 {
        return Err(End::Partial);
    }
    *overhead += end.saturating_sub(24);
    if *overhead > limits::CHUNK_OVERHEAD_BYTES as usize {
        return Err(too(Limit::ChunkOverhead));
    }
    let text = std::str::from_utf8(&rest[zeros..digits]).expect("digits");
    Ok((
        if text.is_empty() { 0 } else { u64::from_str_radix(text, 16).expect("16 digits") },
        end + 2,
    ))
}

/// The length of the trailer section.
fn trailers(rest: &[u8]) -> Result<usize, End> {
    let most = usize::from(limits::TRAILER_BYTES);
    let (mut at, mut wrong) = (0, None);
    let length = loop {
        let line = &rest[at..];
        match line {
            [b'\r', b'\n', ..] => break Some(at + 2),
            [] | [b'\r'] => break None,
            [b'\r', ..] => wrong = Some(at + 1),
            [..] => {
                let name = line.iter().take_while(|byte| is_token(**byte)).count();
                let value = line.get(name + 1..).unwrap_or_default();
                let end = name + 1 + value.iter().take_while(|byte| is_value(**byte)).count();
                wrong = match (line.get(name), line.get(end..).unwrap_or_default()) {
                    (None, _) => None,
                    (Some(b':'), _) if name == 0 => Some(at),
                    (Some(b':'), [] | [b'\r']) => None,
                    (Some(b':'), [b'\r', b'\n', ..]) => {
                        at += end + 2;
                        continue;
                    }
                    (Some(b':'), [b'\r', ..]) => Some(at + end + 1),
                    (Some(b':'), [..]) => Some(at + end),
                    (Some(_), _) => Some(at + name),
                };
            }
        }
        break None;
    };
    // Each byte that may stand where it does is counted.
    if wrong.or(length).unwrap_or(rest.len()) > most {
        return Err(too(Limit::Trailers));
    }
    match (wrong, length) {
        (Some(_), _) => Err(End::Failed(Error::Peer(PeerError::Trailer))),
        (None, Some(length)) => Ok(length),
        (None, None) => Err(End::Partial),
    }
}

fn too(limit: Limit) -> End {
    End::Failed(Error::Limit(limit))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// VCHAR, obs-text, space and tab: RFC 9110 §5.5.
fn is_value(byte: u8) -> bool {
    is_space(byte) || byte > 0x20 && byte != 0x7f
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
