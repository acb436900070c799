//! Of the same bytes the user is told the same by us, by hyper and by ureq-proto, but for the
//! differences that stand here with their reasons; and where ureq-proto closes, we do.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_core::{Error, Limit, PeerError, Transport};
use sortie_fuzz::peers::{Response, Verdict, by_core, by_hyper, by_ureq};
use sortie_fuzz::{Choices, PIECES};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let bits = choices.byte();
    let method = if bits & 1 == 0 { "GET" } else { "HEAD" };
    let mut input = Vec::new();
    for _ in 0..bits >> 1 & 3 {
        input.extend(PIECES[usize::from(choices.byte()) % PIECES.len()]);
    }
    input.extend(choices.rest());

    let (ours, error, is_kept) = by_core(method, &input);
    let (ureq, is_kept_by_ureq) = by_ureq(method, &input);
    let is_agreed = ours.agrees(&ureq);
    assert!(!is_kept || !is_agreed || is_kept_by_ureq, "we alone keep the connection");
    let theirs = [(Peer::Hyper, by_hyper(method, &input)), (Peer::Ureq, ureq)];
    for (peer, theirs) in theirs {
        if !ours.agrees(&theirs) {
            let case = Case { input: &input, method, peer, ours: &ours, error, theirs: &theirs };
            case.assert_classified();
        }
    }
});

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Hyper,
    Ureq,
}

/// A difference.
struct Case<'a> {
    input: &'a [u8],
    method: &'a str,
    peer: Peer,
    ours: &'a Verdict,
    error: Option<Error>,
    theirs: &'a Verdict,
}

/// A kind of difference, and how one is known to be of that kind.
struct Class {
    /// What differs, and why we are as we are.
    reason: &'static str,
    is: fn(&Case<'_>) -> bool,
}

const CLASSES: [Class; 17] = [
    // What we take and others refuse.
    Class {
        reason: "folded field lines are joined: RFC 9112 §5.2 asks for it",
        is: |case| case.they_refuse() && case.has_line(|line| matches!(line, [b' ' | b'\t', ..])),
    },
    Class {
        reason: "a minor version other than 0 and 1 is read as 1: RFC 9110 §2.5",
        is: |case| {
            let is_other = |line: &[u8]| {
                let minor = line.strip_prefix(b"HTTP/1.").and_then(|rest| rest.first());
                minor.is_some_and(|minor| !matches!(minor, b'0' | b'1'))
            };
            case.they_refuse() && case.has_line(is_other)
        },
    },
    Class {
        reason: "256 fields are taken, by hyper 100 and by ureq-proto 128",
        is: |case| case.they_refuse() && case.heads().split(|it| *it == b'\n').count() > 100,
    },
    Class {
        reason: "an interim response may have fields, whatever they are: RFC 9110 §15.2",
        is: |case| case.is_by(Peer::Ureq) && case.they_refuse() && case.has_interim_with_fields(),
    },
    Class {
        reason: "Transfer-Encoding in HTTP/1.0 is faulty framing: chunks are taken, and the \
            connection closes (RFC 9112 §6.1). hyper refuses it, ureq-proto does not look",
        is: |case| case.our_minor_version() == Some(0) && case.has_field("transfer-encoding"),
    },
    Class {
        reason: "empty elements of a list are read over: RFC 9110 §5.6.1.2. hyper takes what is \
            behind the last comma for the last coding",
        is: |case| case.is_by(Peer::Hyper) && case.has_empty_coding(),
    },
    Class {
        reason: "a size line may be longer than 20 bytes: RFC 9112 §7.1.1",
        is: |case| {
            let is_long = |line: &[u8]| line.len() > 21;
            let mut behind = case.input[case.heads().len()..].split(|byte| *byte == b'\n');
            case.is_by(Peer::Ureq) && case.they_break() && case.is_chunked() && behind.any(is_long)
        },
    },
    Class {
        reason: "trailer fields are dropped, and only their bytes limited: hyper takes 100 fields",
        is: |case| {
            let lines = case.input[case.heads().len()..].split(|byte| *byte == b'\n');
            case.is_by(Peer::Hyper) && case.they_break() && case.is_chunked() && lines.count() > 100
        },
    },
    Class {
        reason: "no content follows a HEAD, 204 or 304, whatever its fields say: RFC 9112 §6.3",
        is: |case| {
            let is_framed = case.has_field("content-length") || case.has_field("transfer-encoding");
            case.is_by(Peer::Ureq) && case.they_refuse() && case.has_no_content() && is_framed
        },
    },
    Class {
        reason: "a length near the end of 64 bits is one, for which hyper has other uses",
        is: |case| {
            let is_lost = case.error == Some(Error::Transport(Transport::Lost));
            case.is_by(Peer::Hyper) && case.they_refuse() && is_lost && case.has_line(is_huge)
        },
    },
    // What we refuse and others take. Our error says where, and another test that it is right.
    Class {
        reason: "nothing may be before a status line, not even an empty line",
        is: |case| {
            let rest = &case.input[case.heads().len()..];
            let is_begun = [case.input, rest].iter().any(|it| matches!(it, [b'\r' | b'\n', ..]));
            case.fails_by(PeerError::NotHttp) && is_begun
        },
    },
    Class {
        reason: "a protocol that nobody asked for is not switched to: RFC 9110 §15.2.2",
        is: |case| case.fails_by(PeerError::UnexpectedUpgrade),
    },
    Class {
        reason: "a transfer coding that was not offered hides where the content ends",
        is: |case| case.fails_by(PeerError::TransferEncoding),
    },
    Class {
        reason: "a length is digits; one that is not is not saved by chunks: RFC 9112 §6.3",
        is: |case| case.fails_by(PeerError::ContentLength),
    },
    Class {
        reason: "no control characters in extensions and trailers: readers differ on what they are",
        is: |case| case.fails_by(PeerError::ChunkSize) || case.fails_by(PeerError::Trailer),
    },
    Class {
        reason: "nothing stands between a chunk and its line end: ureq-proto looks for the end",
        is: |case| case.is_by(Peer::Ureq) && case.fails_by(PeerError::ChunkEnd),
    },
    Class {
        reason: "everything has a limit",
        is: |case| matches!(case.error, Some(Error::Limit(limit)) if limit != Limit::HeadBuffer),
    },
];

/// `Content-Length` and more than hyper can count.
fn is_huge(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line).to_ascii_lowercase();
    let value = line.strip_prefix("content-length:").unwrap_or_default();
    value.split(',').any(|one| one.trim().parse::<u64>().is_ok_and(|one| one > u64::MAX - 2))
}

impl Case<'_> {
    fn assert_classified(&self) {
        if CLASSES.iter().any(|class| !class.reason.is_empty() && (class.is)(self)) {
            return;
        }
        panic!(
            "to a {} we and {:?} make something else of {:?}\nours: {:?} {:?}\ntheirs: {:?}",
            self.method,
            self.peer,
            String::from_utf8_lossy(self.input),
            self.error,
            self.ours,
            self.theirs,
        );
    }

    fn is_by(&self, peer: Peer) -> bool {
        self.peer == peer
    }

    fn they_refuse(&self) -> bool {
        *self.theirs == Verdict::Refused
    }

    fn they_break(&self) -> bool {
        matches!(self.theirs, Verdict::Broken(_))
    }

    fn fails_by(&self, why: PeerError) -> bool {
        self.error == Some(Error::Peer(why))
    }

    fn our_minor_version(&self) -> Option<u8> {
        self.ours.response().map(|response| response.minor_version)
    }

    fn has_field(&self, name: &str) -> bool {
        let has = |response: &Response| response.fields.iter().any(|field| field.0 == name);
        self.ours.response().is_some_and(has)
    }

    fn has_empty_coding(&self) -> bool {
        let is_empty =
            |value: &[u8]| value.split(|it| *it == b',').any(|it| it.trim_ascii().is_empty());
        let fields = self.ours.response().map(|response| &response.fields);
        let codings = fields.into_iter().flatten().filter(|field| field.0 == "transfer-encoding");
        codings.into_iter().any(|field| is_empty(&field.1))
    }

    fn is_chunked(&self) -> bool {
        self.has_field("transfer-encoding") && !self.has_no_content()
    }

    fn has_no_content(&self) -> bool {
        let status = self.ours.response().map(|response| response.status);
        self.method == "HEAD" || matches!(status, Some(204 | 304))
    }

    /// The heads at the front, interim ones and that of the response.
    fn heads(&self) -> &[u8] {
        let mut end = 0;
        loop {
            let rest = &self.input[end..];
            if let [b'\r' | b'\n', ..] = rest {
                return &self.input[..end];
            }
            let Some(length) = head_length(rest) else { return self.input };
            end += length;
            // `HTTP/1.1 1xx`, but for 101.
            if rest.get(9) != Some(&b'1') || rest.get(9..12) == Some(b"101") {
                return &self.input[..end];
            }
        }
    }

    fn has_line(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        self.heads().split(|byte| *byte == b'\n').any(is)
    }

    fn has_interim_with_fields(&self) -> bool {
        let is_interim = |line: &[u8]| line.get(9) == Some(&b'1') && line.starts_with(b"HTTP/1.");
        let lines: Vec<_> = self.heads().split(|byte| *byte == b'\n').collect();
        lines.windows(2).any(|two| is_interim(two[0]) && two[1].contains(&b':'))
    }
}

/// How long the head at the front is, with its empty line.
fn head_length(input: &[u8]) -> Option<usize> {
    let mut length = 0;
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            return Some(length);
        }
    }
    None
}
