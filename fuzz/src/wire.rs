//! A connection: what an origin gives, and what it was sent.

use sortie_core::Broken;

use crate::tables::BROKEN;
use crate::{Choices, PIECES};

/// A connection, with what an adapter holds for it.
#[derive(Debug)]
pub struct Wire {
    /// What the origin gives, and was not read yet.
    pub incoming: Vec<u8>,
    /// What comes behind that.
    pub end: End,
    /// Whether bytes can still be written.
    pub takes: bool,
    /// Read, and not taken yet.
    pub held: Vec<u8>,
    /// Bytes of responses that were taken.
    pub taken: u64,
    /// Encoded before the body, and not written yet.
    pub before: Vec<u8>,
    /// Encoded behind the data of the chunk, and not written yet.
    pub after: Vec<u8>,
    /// All that was written.
    pub written: Vec<u8>,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order.
    Orderly,
    /// It breaks.
    Broken(Broken),
    /// Not at all.
    Silent,
}

impl End {
    pub fn of(choices: &mut Choices<'_>) -> Self {
        match choices.byte() % 4 {
            0 => Self::Orderly,
            1 => Self::Silent,
            2 => Self::Broken(Broken::Receiving),
            _ => Self::Broken(BROKEN[2]),
        }
    }
}

impl Wire {
    /// A connection to an origin that answers with a few pieces, known ones or any bytes.
    pub fn of(choices: &mut Choices<'_>) -> Self {
        let mut incoming = Vec::new();
        let count = choices.byte() % 8;
        for _ in 0..count {
            match choices.byte() {
                known @ 0..=127 => {
                    incoming.extend(PIECES[usize::from(known) % PIECES.len()]);
                }
                length => incoming.extend(choices.bytes(usize::from(length & 63))),
            }
        }
        Self {
            incoming,
            end: if count == 0 { End::Orderly } else { End::of(choices) },
            takes: true,
            held: Vec::new(),
            taken: 0,
            before: Vec::new(),
            after: Vec::new(),
            written: Vec::new(),
        }
    }

    /// Reads up to so many bytes. `false`: there is none.
    pub fn read(&mut self, most: usize) -> bool {
        let count = most.min(self.incoming.len());
        self.held.extend(self.incoming.drain(..count));
        count > 0
    }

    /// So many of the bytes that are held are dealt with.
    pub fn take(&mut self, count: usize) {
        self.held.drain(..count);
        self.taken += count as u64;
    }

    /// Writes so many bytes of what is encoded, `content` of the body from an offset on, and what
    /// goes behind that.
    pub fn write(&mut self, count: usize, from: u64, content: usize) {
        let before = count.min(self.before.len());
        self.written.extend(self.before.drain(..before));
        let body = (count - before).min(content);
        self.written.extend((from..).take(body).map(pattern));
        let after = count - before - body;
        self.written.extend(self.after.drain(..after));
    }
}

/// The byte of the body at an offset.
#[must_use]
pub fn pattern(at: u64) -> u8 {
    // Neither a line end nor a digit, and no short period.
    b'a' + u8::try_from((at ^ at >> 5) % 26).expect("below 26")
}

/// What an origin makes of the bytes that it was sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// Content, without its framing.
    pub content: Vec<u8>,
    /// The request has ended, and with it the bytes.
    pub is_whole: bool,
}

impl Sent {
    /// # Panics
    /// If the bytes are not what a request begins with.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Self::default();
        };
        let (head, body) = bytes.split_at(end + 4);
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let mut lines = head.trim_end().split("\r\n");
        let start: Vec<&str> = lines.next().expect("one line at least").split(' ').collect();
        assert!(matches!(start[..], [_, _, "http/1.1"]), "{head}");
        let fields: Vec<_> = lines.map(|line| line.split_once(": ").expect("a field")).collect();
        let values = |name: &str| -> Vec<&str> {
            fields.iter().filter(|field| field.0 == name).map(|field| field.1).collect()
        };
        assert_eq!(values("host").len(), 1, "{head}");
        match (&values("content-length")[..], &values("transfer-encoding")[..]) {
            ([], []) => {
                assert!(body.is_empty(), "content that nobody announced: {body:?}");
                Self { content: Vec::new(), is_whole: true }
            }
            ([length], []) => {
                let length: u64 = length.parse().expect("a length");
                assert!(body.len() as u64 <= length, "more than {length}: {body:?}");
                Self { content: body.to_vec(), is_whole: body.len() as u64 == length }
            }
            ([], ["chunked"]) => Self::chunked(body),
            other => panic!("{other:?}"),
        }
    }

    fn chunked(mut body: &[u8]) -> Self {
        let mut sent = Self::default();
        while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&body[..end]).expect("a size");
            let size = usize::from_str_radix(size, 16).expect("a size");
            body = &body[end + 2..];
            if size == 0 {
                assert!(b"\r\n".starts_with(body), "{body:?} behind the last chunk");
                sent.is_whole = body == b"\r\n";
                break;
            }
            let (data, rest) = body.split_at(size.min(body.len()));
            sent.content.extend(data);
            assert!(rest.starts_with(b"\r\n") || b"\r\n".starts_with(rest), "{rest:?}");
            body = rest.get(2..).unwrap_or_default();
        }
        sent
    }
}
