//! What the bytes of a response mean: all of them are there, and are read as plainly as possible
//! from RFC 9112, without any code of the core.

use sortie_core::PeerError;

use crate::strict::{Head, Verdict, decode};

/// How the bytes of a connection end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// In order.
    Closed,
    /// The connection is broken.
    Broken,
    /// They do not: nothing more comes.
    Silent,
}

/// A response, and what came before it.
#[derive(Debug)]
pub(super) struct Reading {
    /// The statuses of interim responses.
    pub(super) interims: Vec<u16>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// No byte of anything.
    Nothing,
    /// The end of a head is missing.
    Partial,
    /// It is no response that can be used.
    Refused(PeerError),
    Message(Message),
}

/// A response with a head that is all right.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) head: Head,
    /// The length that its head gives, if that is how its end is found.
    pub(super) length: Option<u64>,
    pub(super) content: Vec<u8>,
    pub(super) body: State,
    /// Bytes up to its end, interim responses included.
    pub(super) used: usize,
    /// Whether the connection can carry another exchange, if the body is whole.
    pub(super) persists: bool,
    pub(super) is_close_delimited: bool,
}

/// What of a body is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Whole,
    Short,
    Broken(PeerError),
}

impl Message {
    /// The values of the fields of this name.
    pub(super) fn values(&self, name: &str) -> Vec<String> {
        values(&self.head, name)
    }
}

/// Reads what came in answer to one request.
pub(super) fn read(bytes: &[u8], end: End) -> Reading {
    let (mut interims, mut at) = (Vec::new(), 0);
    loop {
        let rest = &bytes[at..];
        let what = match decode(rest) {
            Verdict::Incomplete if bytes.is_empty() => What::Nothing,
            Verdict::Incomplete => What::Partial,
            Verdict::Refused => What::Refused(why(rest)),
            Verdict::Head(head) if matches!(head.status, 100 | 102..200) => {
                interims.push(head.status);
                at += head.length;
                continue;
            }
            Verdict::Head(head) => match message(head, rest, end) {
                Ok(message) => What::Message(Message { used: at + message.used, ..message }),
                Err(why) => What::Refused(why),
            },
        };
        return Reading { interims, what };
    }
}

/// Why a head is refused: which part of it comes first.
fn why(bytes: &[u8]) -> PeerError {
    let start = b"HTTP/1.";
    if !bytes.iter().zip(start).all(|(byte, of)| byte == of) {
        return PeerError::NotHttp;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
    match decode(&[&bytes[..end], b"\r\n"].concat()) {
        Verdict::Head(_) => PeerError::FieldLine,
        Verdict::Refused | Verdict::Incomplete => PeerError::StatusLine,
    }
}

fn values(head: &Head, name: &str) -> Vec<String> {
    let named = head.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

/// The elements of the lists in all fields of this name.
fn elements(head: &Head, name: &str) -> Vec<String> {
    let lines = values(head, name);
    let all = lines.iter().flat_map(|line| line.split(','));
    all.map(|element| element.trim_matches([' ', '\t']).to_ascii_lowercase()).collect()
}

/// RFC 9112 §6.3, and §9.3.
fn message(head: Head, bytes: &[u8], end: End) -> Result<Message, PeerError> {
    let (codings, lengths) =
        (values(&head, "transfer-encoding"), elements(&head, "content-length"));
    let is_digits = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let length = lengths.first().and_then(|first| first.parse::<u64>().ok());
    let agree = lengths.iter().all(|one| is_digits(one) && one.parse().ok() == length);
    let body = &bytes[head.length..];
    let has_none = matches!(head.status, 101 | 204 | 304);
    let options = elements(&head, "connection");
    let has = |option: &str| options.iter().any(|other| other == option);
    let is_old = head.minor_version == 0;
    let is_doubtful = !codings.is_empty() && (!lengths.is_empty() || is_old);
    let mut message = Message {
        length: None,
        content: Vec::new(),
        body: State::Whole,
        used: head.length,
        persists: !is_doubtful && !has("close") && (!is_old || has("keep-alive")),
        is_close_delimited: false,
        head,
    };
    if has_none {
        message.length = Some(0);
        return Ok(message);
    }
    if !agree {
        return Err(PeerError::ContentLength);
    }
    if !codings.is_empty() {
        let mut codings = elements(&message.head, "transfer-encoding");
        codings.retain(|coding| !coding.is_empty());
        if codings != ["chunked"] {
            return Err(PeerError::TransferEncoding);
        }
        let (content, state, used) = chunks(body);
        message.used += used;
        (message.content, message.body) = (content, state);
    } else if let Some(length) = length {
        let is_whole = body.len() as u64 >= length;
        let count = if is_whole {
            usize::try_from(length).expect("no more than is there")
        } else {
            body.len()
        };
        message.content = body[..count].to_vec();
        message.body = if is_whole { State::Whole } else { State::Short };
        message.length = Some(length);
        message.used += count;
    } else {
        message.content = body.to_vec();
        message.body = if end == End::Closed { State::Whole } else { State::Short };
        message.used += body.len();
        message.persists = false;
        message.is_close_delimited = true;
    }
    Ok(message)
}

/// RFC 9112 §7.1: the content, what of the body is there, and how many bytes that takes.
fn chunks(bytes: &[u8]) -> (Vec<u8>, State, usize) {
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        let (line, length) = match line(&bytes[at..], PeerError::ChunkSize, is_size_line) {
            Ok(line) => line,
            Err(state) => return (content, state, at),
        };
        at += length;
        let digits: Vec<u8> = line.iter().copied().take_while(u8::is_ascii_hexdigit).collect();
        let digits = String::from_utf8(digits).expect("digits");
        let Ok(size) = u64::from_str_radix(&digits, 16) else {
            return (content, State::Broken(PeerError::ChunkSize), at);
        };
        if size == 0 {
            break;
        }
        let rest = &bytes[at..];
        let count = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        content.extend(&rest[..count]);
        at += count;
        let is_end = |line: &[u8]| line.is_empty();
        match line_of(&bytes[at..], PeerError::ChunkEnd, is_end, count as u64 == size) {
            Ok((_, length)) => at += length,
            Err(state) => return (content, state, at),
        }
    }
    loop {
        match line(&bytes[at..], PeerError::Trailer, is_trailer) {
            Ok((line, length)) => {
                at += length;
                if line.is_empty() {
                    return (content, State::Whole, at);
                }
            }
            Err(state) => return (content, state, at),
        }
    }
}

fn line_of(
    bytes: &[u8],
    why: PeerError,
    begins_well: fn(&[u8]) -> bool,
    is_there: bool,
) -> Result<(&[u8], usize), State> {
    if is_there { line(bytes, why, begins_well) } else { Err(State::Short) }
}

/// A line that ends in CRLF, and its length with that. It is wrong as soon as it does not begin
/// well, or its CR is followed by anything else.
fn line(
    bytes: &[u8],
    why: PeerError,
    begins_well: fn(&[u8]) -> bool,
) -> Result<(&[u8], usize), State> {
    let end = bytes.iter().position(|byte| *byte == b'\r' || *byte == b'\n');
    let text = &bytes[..end.unwrap_or(bytes.len())];
    let is_whole = end.is_some();
    // A whole line must be one: what only begins as one lacks something.
    let lacks = why == PeerError::ChunkSize && text.is_empty()
        || why == PeerError::Trailer && !text.is_empty() && !text.contains(&b':');
    if !begins_well(text) || is_whole && lacks {
        return Err(State::Broken(why));
    }
    match bytes.get(text.len()..).unwrap_or_default() {
        [] | [b'\r'] => Err(State::Short),
        [b'\r', b'\n', ..] => Ok((text, text.len() + 2)),
        _ => Err(State::Broken(why)),
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (b' '..0x7f).contains(&byte) || byte >= 0x80
}

/// `1*HEXDIG BWS [";" …]`, or a beginning of it. No more than 16 digits but zeros in front.
fn is_size_line(line: &[u8]) -> bool {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let is_small = line[..digits].iter().skip_while(|byte| **byte == b'0').count() <= 16;
    let rest = &line[digits..];
    let spaces = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let is_extended = match rest.get(spaces) {
        None => true,
        Some(byte) => *byte == b';' && rest.iter().all(|byte| is_text(*byte)),
    };
    is_small && is_extended && (digits > 0 || line.is_empty())
}

/// `token ":" …`, or a beginning of it, or nothing.
fn is_trailer(line: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    match line.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            colon > 0
                && line[..colon].iter().all(is_token)
                && line[colon..].iter().all(|byte| is_text(*byte))
        }
        None => line.iter().all(is_token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> (String, State) {
        let (content, state, _) = chunks(text.as_bytes());
        (String::from_utf8(content).expect("text"), state)
    }

    #[test]
    fn chunks_are_read_up_to_what_is_wrong_or_missing() {
        use State::{Broken, Short, Whole};
        for (text, content, state) in [
            ("5\r\nhello\r\n0\r\n\r\n", "hello", Whole),
            ("5;a=b\r\nhello\r\n0 ;x\r\nA: b\r\n\r\n", "hello", Whole),
            ("5\r\nhel", "hel", Short),
            ("5\r\nhello\r", "hello", Short),
            ("5\r\nhello\r\n0\r\n\r", "hello", Short),
            ("5\nhello", "", Broken(PeerError::ChunkSize)),
            ("g", "", Broken(PeerError::ChunkSize)),
            ("\r\n", "", Broken(PeerError::ChunkSize)),
            ("5\r\nhello!", "hello", Broken(PeerError::ChunkEnd)),
            ("0\r\nA\r\n\r\n", "", Broken(PeerError::Trailer)),
            ("0\r\n:\r\n\r\n", "", Broken(PeerError::Trailer)),
            ("12345678901234567\r\n", "", Broken(PeerError::ChunkSize)),
        ] {
            assert_eq!(body(text), (content.to_owned(), state), "{text:?}");
        }
    }

    #[test]
    fn a_response_is_read_with_what_came_before_it() {
        let bytes = b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd";
        let reading = read(bytes, End::Silent);
        assert_eq!(reading.interims, [103]);
        let What::Message(message) = reading.what else { panic!("{reading:?}") };
        assert_eq!((message.content.as_slice(), message.body), (&b"abc"[..], State::Whole));
        assert_eq!((message.used, message.persists), (bytes.len() - 1, true));
        let Reading { what, .. } = read(b"HTTP/1.1 200 OK\r\n\r\nabcd", End::Broken);
        let What::Message(message) = what else { panic!("{what:?}") };
        assert_eq!((message.body, message.persists), (State::Short, false));
    }
}
