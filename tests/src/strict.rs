//! A second decoder of response heads, for comparing: written from RFC 9112 §2 to §5 as plainly
//! as possible, slow, and without any code of the core.
//!
//! It takes what the core means to take: HTTP/1 of any minor version, line ends of CRLF or LF
//! (RFC 9112 §2.2), a status-line without reason (RFC 9112 §4), and folded lines, joined by as
//! many spaces as their line end had bytes (RFC 9112 §5.2).

use sortie_core::limits::{HEAD_BYTES, HEAD_FIELDS};
use sortie_core::{
    BodyLength, Instant, Output, Request, ResponseHead, Slot, Task, TaskOptions, Url,
};

/// What a decoder makes of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A whole head, and it is well-formed.
    Head(Head),
    /// Its end is not there yet.
    Incomplete,
    /// It is malformed, or over a limit.
    Refused,
}

/// The parts of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its bytes, the empty line included.
    pub length: usize,
    /// The digit behind `HTTP/1.`.
    pub minor_version: u8,
    /// The status code.
    pub status: u16,
    /// The reason phrase, without the space around it.
    pub reason: Vec<u8>,
    /// Names and values of the field lines, in their order.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Decodes the head at the front of `input`.
#[must_use]
pub fn decode(input: &[u8]) -> Verdict {
    let version = b"HTTP/1.";
    let known = version.len().min(input.len());
    if input[..known] != version[..known] {
        return Verdict::Refused;
    }
    let Some((lines, length)) = split_lines(input) else {
        return match input.len() >= HEAD_BYTES {
            true => Verdict::Refused,
            false => Verdict::Incomplete,
        };
    };
    if length > HEAD_BYTES {
        return Verdict::Refused;
    }
    decode_lines(&lines, length).map_or(Verdict::Refused, Verdict::Head)
}

/// One line: what it says, and how many bytes its end has.
struct Line {
    text: Vec<u8>,
    end: usize,
}

/// The lines before the empty one, and the bytes of all together; `None` without an empty line.
fn split_lines(input: &[u8]) -> Option<(Vec<Line>, usize)> {
    let mut lines = Vec::new();
    let mut text = Vec::new();
    for (at, byte) in input.iter().enumerate() {
        if *byte != b'\n' {
            text.push(*byte);
            continue;
        }
        let mut end = 1;
        if text.last() == Some(&b'\r') {
            text.pop();
            end = 2;
        }
        if text.is_empty() {
            return Some((lines, at + 1));
        }
        let text = std::mem::take(&mut text);
        lines.push(Line { text, end });
    }
    None
}

fn decode_lines(lines: &[Line], length: usize) -> Option<Head> {
    let (status_line, field_lines) = lines.split_first()?;
    let (minor_version, status, reason) = decode_status_line(&status_line.text)?;
    let mut fields = Vec::new();
    for line in unfold(field_lines)? {
        fields.push(decode_field_line(&line)?);
    }
    if fields.len() > HEAD_FIELDS {
        return None;
    }
    Some(Head { length, minor_version, status, reason, fields })
}

/// Appends each line that begins with white space to the one before (RFC 9112 §5.2); `None` if
/// there is none before it.
fn unfold(lines: &[Line]) -> Option<Vec<Vec<u8>>> {
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let mut end = 0;
    for line in lines {
        if is_space(line.text[0]) {
            let before = joined.last_mut()?;
            before.extend(vec![b' '; end]);
            before.extend(&line.text);
        } else {
            joined.push(line.text.clone());
        }
        end = line.end;
    }
    Some(joined)
}

/// `HTTP-version SP status-code [SP [reason-phrase]]` (RFC 9112 §4).
fn decode_status_line(line: &[u8]) -> Option<(u8, u16, Vec<u8>)> {
    let minor = *line.get(7)?;
    let digits = line.get(9..12)?;
    let reason = line.get(12..)?;
    let is_number = minor.is_ascii_digit() && digits.iter().all(u8::is_ascii_digit);
    if !is_number || line[8] != b' ' {
        return None;
    }
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    if status < 100 || !reason.iter().all(|byte| is_text(*byte)) {
        return None;
    }
    if !reason.is_empty() && reason[0] != b' ' {
        return None;
    }
    Some((minor - b'0', status, trim(reason)))
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 §5).
fn decode_field_line(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let well_formed = !name.is_empty()
        && name.iter().all(|byte| is_token(*byte))
        && value.iter().all(|byte| is_text(*byte));
    well_formed.then(|| (name.to_vec(), trim(value)))
}

/// SP or HTAB (RFC 9110 §5.6.3).
fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// SP, HTAB, VCHAR or obs-text (RFC 9110 §5.5).
fn is_text(byte: u8) -> bool {
    is_space(byte) || (0x21..=0x7e).contains(&byte) || byte >= 0x80
}

/// tchar (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn trim(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    while text.last().is_some_and(|byte| is_space(*byte)) {
        text.pop();
    }
    while text.first().is_some_and(|byte| is_space(*byte)) {
        text.remove(0);
    }
    text
}

/// What the core makes of `input`, when its first `cut` bytes come before the others.
///
/// # Panics
/// If the core does not take the input at all.
#[must_use]
pub fn by_core(input: &[u8], cut: usize) -> Verdict {
    let url = Url::parse("http://a/").expect("a URL");
    let request = Request::new("GET", url, &[], BodyLength::None).expect("a request");
    let now = Instant::EPOCH;
    let mut task = Task::new(&request, TaskOptions::default());
    task.resume(now);
    task.handle_connected(now, false).expect("it was resumed");
    task.handle_prepared(now).expect("it is connected");

    let mut held = input.to_vec();
    let mut index = vec![Slot::EMPTY; HEAD_FIELDS + 1];
    for end in [cut.min(input.len()), input.len()] {
        let advance = task
            .handle_head(now, &mut held[..end], false, &mut index)
            .expect("the head comes next");
        let length = advance.drop + advance.head;
        if length > 0 {
            return Verdict::Head(read(&ResponseHead::new(&held[..length], &index)));
        }
        if !task.still(Output::Exchange) {
            return Verdict::Refused;
        }
    }
    Verdict::Incomplete
}

fn read(head: &ResponseHead<'_>) -> Head {
    let fields = head.fields().map(|(name, value)| (name.into(), value.into()));
    Head {
        length: head.as_bytes().len(),
        minor_version: head.minor_version(),
        status: head.status(),
        reason: head.reason().into(),
        fields: fields.collect(),
    }
}
