//! Writing the head of a request, and the framing of a chunked body.

use crate::request::{BodyLength, ContentType, Field, Known, Request, RequestTraits};
use crate::url::{Url, without_zone};
use crate::wire::cursor::Cursor;

/// The caller's fields that are about this connection alone, as bits: they have to be listed in
/// `Connection` (RFC 9110 §7.6.1).
pub(crate) mod options {
    pub(crate) const UPGRADE: u8 = 1;
    pub(crate) const TE: u8 = 2;
}

/// What a request head is made of: the same for every call until the head is sent.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RequestHead<'a> {
    /// The request as the caller made it.
    pub request: &'a Request<'a>,
    /// The current URL: that of the request, until a redirect changes it.
    pub target: Url<'a>,
    /// Fields that the adapter adds in answer to `Output::Prepare`, such as `Cookie`. Only fields
    /// that leave framing and routing alone are taken; others are passed over.
    pub added: &'a [Field<'a>],
}

impl<'a> RequestHead<'a> {
    /// The head of `request` to its own URL, with nothing added.
    #[must_use]
    pub const fn new(request: &'a Request<'a>) -> Self {
        Self { request, target: request.url(), added: &[] }
    }
}

/// Writes the bytes `from..` of the head into `output`, as far as there is room. Returns the number
/// of bytes written and whether the head ends with them.
///
/// `traits` are the request's own, or what redirects have made of them.
pub(crate) fn request_head(
    head: &RequestHead<'_>,
    traits: &RequestTraits,
    from: usize,
    output: &mut [u8],
) -> (usize, bool) {
    let request = head.request;
    let method = if traits.is_rewritten { "GET" } else { request.method() };
    let mut out = Cursor::new(output, from);
    // Origin form; an empty path is sent as "/" (RFC 9112 §3.2.1).
    let target = head.target.target_bytes();
    let space: &[u8] = if target.first() == Some(&b'/') { b" " } else { b" /" };
    out.put_all(&[method.as_bytes(), space, target]);
    // Host comes first, where servers look for it (RFC 9112 §3.2, RFC 9110 §7.2).
    let host = head.target.authority_bytes();
    if traits.has_host {
        out.put(b" HTTP/1.1\r\n");
        put_fields(&mut out, request.fields(), !Known::Host.bit());
    } else {
        // A zone means something on this machine only, and is not sent (RFC 6874 §4).
        let [host, port] = match host {
            [b'[', ..] => without_zone(host),
            _ => [host, b""],
        };
        out.put_all(&[b" HTTP/1.1\r\nHost: ", host, port, b"\r\n"]);
    }
    // Nearly every request is sent as it was made; a device has no room for a loop of its own.
    let dropped = traits.dropped();
    if !cfg!(target_os = "none") && dropped == 0 && !traits.has_host {
        request.fields().iter().for_each(|field| put_field(&mut out, field));
    } else {
        put_fields(&mut out, request.fields(), dropped | Known::Host.bit());
    }
    // What is about this connection alone is listed (RFC 9110 §7.6.1).
    let unlisted = traits.options & !traits.listed;
    if unlisted & options::UPGRADE != 0 {
        out.put(b"Connection: Upgrade\r\n");
    }
    if unlisted & options::TE != 0 {
        out.put(b"Connection: TE\r\n");
    }
    for field in head.added {
        if is_addable(field.known()) {
            put_field(&mut out, field);
        }
    }
    match traits.sender {
        Some(sender) => (sender.describe)(&mut out, traits),
        // RFC 9110 §8.6: a POST or the like without a body says so.
        None if !traits.says_zero || traits.has_length => {}
        None => out.put(b"Content-Length: 0\r\n"),
    }
    out.put(b"\r\n");
    out.finish(from)
}

impl RequestTraits {
    /// Whether there is a body, and not one of no bytes.
    pub(crate) const fn has_body(&self) -> bool {
        self.sender.is_some()
    }

    /// Writes the fields that describe a body.
    pub(crate) fn describe_body(out: &mut Cursor<'_>, traits: &Self) {
        match traits.body {
            BodyLength::Known(length) if !traits.has_length => {
                out.put(b"Content-Length: ");
                out.put_decimal(length);
                out.put(b"\r\n");
            }
            BodyLength::None | BodyLength::Known(_) => {}
            BodyLength::Unknown => out.put(b"Transfer-Encoding: chunked\r\n"),
        }
        let kind: Option<&[u8]> = match traits.content_type {
            ContentType::Open => None,
            ContentType::Form => Some(b"x-www-form-urlencoded"),
            ContentType::Octets => Some(b"octet-stream"),
        };
        if let Some(kind) = kind {
            out.put_all(&[b"Content-Type: application/", kind, b"\r\n"]);
        }
    }
}

/// Writes those of the caller's fields that are not `dropped`.
#[cfg_attr(target_os = "none", inline(never))]
fn put_fields(out: &mut Cursor<'_>, fields: &[Field<'_>], dropped: u16) {
    let kept = fields.iter().filter(|field| dropped & field.known().bit() == 0);
    kept.for_each(|field| put_field(out, field));
}

/// Whether an adapter may add such a field: framing and routing are not its to change.
const fn is_addable(known: Known) -> bool {
    match known {
        Known::Other
        | Known::ContentType
        | Known::Content
        | Known::Credential
        | Known::Range
        | Known::IfRange => true,
        Known::Host
        | Known::ContentLength
        | Known::TransferEncoding
        | Known::Connection
        | Known::Te
        | Known::Expect
        | Known::Upgrade => false,
    }
}

fn put_field(out: &mut Cursor<'_>, field: &Field<'_>) {
    out.put_all(&[field.name().as_bytes(), b": ", field.value(), b"\r\n"]);
}

/// What frames a chunk (RFC 9112 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkFraming {
    /// The size line before `size` bytes of chunk data; `size` is not 0.
    Prefix { size: u64 },
    /// The line end after the chunk data.
    Suffix,
    /// The last chunk and an empty trailer section.
    Last,
}

/// Writes the bytes `from..` of a chunk's framing, as [`request_head`] does.
pub(crate) fn chunk_framing(what: ChunkFraming, from: usize, output: &mut [u8]) -> (usize, bool) {
    let mut out = Cursor::new(output, from);
    match what {
        ChunkFraming::Prefix { size } => {
            out.put_hex(size);
            out.put(b"\r\n");
        }
        ChunkFraming::Suffix => out.put(b"\r\n"),
        ChunkFraming::Last => out.put(b"0\r\n\r\n"),
    }
    out.finish(from)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::field;
    use std::{string::String, vec, vec::Vec};

    fn written(method: &str, url: &str, fields: &[Field<'_>], body: BodyLength) -> String {
        let request = Request::new(method, Url::parse(url).unwrap(), fields, body).unwrap();
        let mut output = [0; 1024];
        let (length, whole) =
            request_head(&RequestHead::new(&request), request.traits(), 0, &mut output);
        assert!(whole);
        String::from_utf8(output[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_get_has_request_line_host_and_fields_in_order() {
        let fields = [field!("Accept", "*/*"), field!("X-Two", "2")];
        assert_eq!(
            written("GET", "http://u:p@a.example:81/x?y#z", &fields, BodyLength::None),
            "GET /x?y HTTP/1.1\r\nHost: a.example:81\r\nAccept: */*\r\nX-Two: 2\r\n\r\n"
        );
    }

    #[test]
    fn an_empty_path_is_a_slash_and_a_default_port_is_left_out() {
        let start = |url| written("GET", url, &[], BodyLength::None);
        assert_eq!(start("http://a:80"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(start("http://[::1]?q"), "GET /?q HTTP/1.1\r\nHost: [::1]\r\n\r\n");
    }

    #[test]
    fn a_zone_stays_on_this_machine() {
        let start = |url| written("GET", url, &[], BodyLength::None);
        for (url, host) in [
            ("http://[fe80::1%25eth0]/", "[fe80::1]"),
            ("http://[fe80::1%25eth0]:81/", "[fe80::1]:81"),
            ("http://[::1]:81/%25", "[::1]:81"),
        ] {
            assert!(start(url).ends_with(&std::format!("Host: {host}\r\n\r\n")), "{url}");
        }
    }

    #[test]
    fn the_length_of_a_body_is_said_in_one_way() {
        let typed = [field!("Content-Type", "text/plain")];
        let post =
            |fields: &[Field<'_>], body| written("POST", "http://a/", fields, body).split_off(26);
        let known = BodyLength::Known(12);
        assert_eq!(post(&typed, known), "Content-Type: text/plain\r\nContent-Length: 12\r\n\r\n");
        assert_eq!(
            post(&typed, BodyLength::Unknown),
            "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        assert_eq!(post(&[], BodyLength::None), "Content-Length: 0\r\n\r\n");
        let own = [field!("Content-Type", "a/b"), field!("content-length", "12")];
        assert_eq!(post(&own, known), "Content-Type: a/b\r\ncontent-length: 12\r\n\r\n");
        assert!(post(&[], known).contains("Content-Type: application/x-www-form-urlencoded\r\n"));
    }

    #[test]
    fn a_host_of_the_callers_replaces_ours() {
        let fields = [field!("Host", "other")];
        let head = written("GET", "http://a/", &fields, BodyLength::None);
        assert_eq!(head, "GET / HTTP/1.1\r\nHost: other\r\n\r\n");
    }

    #[test]
    fn added_fields_cannot_change_framing_or_routing() {
        let request =
            Request::new("GET", Url::parse("http://a/").unwrap(), &[], BodyLength::None).unwrap();
        let added = [field!("Cookie", "a=b"), field!("Host", "x"), field!("Content-Length", "1")];
        let head = RequestHead { added: &added, ..RequestHead::new(&request) };
        let mut output = [0; 256];
        let (length, _) = request_head(&head, request.traits(), 0, &mut output);
        assert_eq!(&output[..length], b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\n\r\n");
    }

    #[test]
    fn the_head_can_stop_anywhere_and_go_on() {
        let fields = [field!("Accept", "*/*")];
        let request = Request::new(
            "PUT",
            Url::parse("http://a/p").unwrap(),
            &fields,
            BodyLength::Known(1_234_567_890),
        )
        .unwrap();
        let head = RequestHead::new(&request);
        let mut whole = [0; 256];
        let (length, _) = request_head(&head, request.traits(), 0, &mut whole);
        for room in 1..=length {
            let (mut all, mut done) = (Vec::new(), false);
            while !done {
                let mut output = vec![0; room];
                let (written, end) = request_head(&head, request.traits(), all.len(), &mut output);
                all.extend_from_slice(&output[..written]);
                done = end;
            }
            assert_eq!(all, &whole[..length], "room of {room}");
        }
    }
}
