//! What is refused, on every driver with the same error: one list of servers, one of requests.

use sortie::ErrorKind;
use sortie_core::{
    BodyLength, Error, Field, Limit, PeerError, RedirectError, Request, RequestError, TaskKind,
    Timer, Transport, Url, UrlError, limits,
};
use sortie_tests::bare::{Drive, play};
use sortie_tests::embassy::{self, Cable};
use sortie_tests::origin::Split;
use sortie_tests::script::{Body, Part, Script, Step, URL, What, When};
use sortie_tests::{desktop, replay};

use crate::{HELLO, chunked};

/// The errors of a server that breaks HTTP, goes beyond a limit, or leads nowhere.
const SOURCE: &str = include_str!("../../../core/src/error.rs");

/// The ones that no server can bring about on both runtimes, and why.
const ELSEWHERE: [(&str, &str); 12] = [
    ("UpgradeRefused", "of WebSocket tasks, which neither runtime has yet"),
    ("HeadBuffer", "of a lent buffer: the desktop's grows; embassy/buffers.rs"),
    ("ContentBuffer", "of a lent buffer: the desktop's grows; embassy/buffers.rs"),
    ("TargetBuffer", "of a lent buffer: the desktop's grows; embassy/redirects.rs"),
    ("Downgrade", "from https: desktop/tls, and wire/redirects.rs for the rule"),
    ("NameNotResolved", "of names, not of servers: desktop/names.rs, embassy/connections.rs"),
    ("Unreachable", "of routes, not of servers: core/src/race/tests.rs"),
    ("ConnectFailed", "of systems, not of servers: core/src/race/tests.rs"),
    ("NoSocket", "of the desktop's system: desktop/descriptors.rs"),
    ("TlsUnavailable", "of connections without TLS: desktop/tls, embassy/connections.rs"),
    ("Tls", "of handshakes: desktop/tls, embassy/tls"),
    ("OtherOrigin", "of lent connections: embassy/opened.rs, embassy/tls"),
];

fn closed(response: &str) -> Script {
    Script::get().answered_and_closed(response)
}

fn with(fields: &str) -> Script {
    closed(&format!("HTTP/1.1 200 OK\r\n{fields}\r\nhello"))
}

fn to(location: &str) -> Script {
    closed(&format!("HTTP/1.1 302 X\r\n{location}Content-Length: 0\r\n\r\n"))
}

fn by_peer() -> Vec<(Error, Script)> {
    use PeerError as P;
    let switch = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let part = "HTTP/1.1 206 X\r\nContent-Range: bytes 5-9/10\r\n";
    let short = format!("{part}Transfer-Encoding: chunked\r\n\r\n6\r\n567890\r\n0\r\n\r\n");
    let unasked = format!("{part}Content-Length: 5\r\n\r\n56789");
    let all = [
        (P::NotHttp, closed("SSH-2.0-server\r\n")),
        (P::NotHttp, closed("HTTP/2 200 OK\r\n\r\n")),
        (P::StatusLine, closed("HTTP/1.1 2x0 OK\r\n\r\n")),
        (P::FieldLine, with("A b: c\r\n")),
        (P::FieldLine, with("no colon\r\n")),
        (P::ContentLength, with("Content-Length: 5\r\nContent-Length: 6\r\n")),
        (P::ContentLength, with("Content-Length: -5\r\n")),
        (P::ContentLength, with("Content-Length: 18446744073709551616\r\n")),
        (P::TransferEncoding, with("Transfer-Encoding: gzip, chunked\r\n")),
        (P::ChunkSize, closed(&chunked("x\r\n"))),
        (P::ChunkSize, closed(&chunked("11111111111111111\r\n"))),
        (P::ChunkEnd, closed(&chunked("5\r\nhellox\r\n0\r\n\r\n"))),
        (P::Trailer, closed(&chunked("0\r\nno colon\r\n\r\n"))),
        (P::UnexpectedUpgrade, closed(switch)),
        (P::UnaskedRange, closed(&unasked).kind(TaskKind::Download)),
        (P::RangeLength, Script::get().resumes("\"v1\"", 5, Some(10)).answered(short)),
    ];
    all.map(|(why, script)| (Error::Peer(why), script)).into()
}

fn by_limit() -> Vec<(Error, Script)> {
    let fields = "a: b\r\n".repeat(limits::HEAD_FIELDS + 1);
    let interims = "HTTP/1.1 103 X\r\n\r\n".repeat(usize::from(limits::INTERIM_RESPONSES) + 1);
    let line = "x".repeat(usize::from(limits::CHUNK_LINE_BYTES));
    let trailers = "x: y\r\n".repeat(usize::from(limits::TRAILER_BYTES) / 6 + 1);
    let extension = "x".repeat(usize::from(limits::CHUNK_LINE_BYTES) - 10);
    let chunk = format!("1;{extension}\r\nx\r\n");
    let chunks = chunk.repeat(limits::CHUNK_OVERHEAD_BYTES as usize / extension.len() + 2);
    let all = [
        (Limit::HeadBytes, with(&format!("a: {}\r\n", "x".repeat(limits::HEAD_BYTES)))),
        (Limit::HeadFields, with(&fields)),
        (Limit::InterimResponses, closed(&format!("{interims}{HELLO}"))),
        (Limit::ChunkLine, closed(&chunked(&format!("5;{line}\r\nhello\r\n0\r\n\r\n")))),
        (Limit::ChunkOverhead, closed(&chunked(&format!("{chunks}0\r\n\r\n")))),
        (Limit::Trailers, closed(&chunked(&format!("0\r\n{trailers}\r\n")))),
    ];
    all.map(|(why, script)| (Error::Limit(why), script)).into()
}

fn by_redirect() -> Vec<(Error, Script)> {
    use RedirectError as R;
    let mut few = to("Location: /again\r\n");
    few.options.redirects =
        sortie_core::RedirectPolicy::Follow { most: 0, allows_downgrade: false };
    let all = [
        (R::TooMany, few),
        (R::Scheme, to("Location: ftp://192.0.2.1/\r\n")),
        (R::Location, to("Location: http://192.0.2.1:0/\r\n")),
        (R::Location, to("Location: /a\r\nLocation: /b\r\n")),
        (R::Location, to("Location: http://other@192.0.2.1/\r\n")),
    ];
    all.map(|(why, script)| (Error::Redirect(why), script)).into()
}

fn by_transport() -> Vec<(Error, Script)> {
    use Transport as T;
    let all = [
        (T::Refused, Script::get().origin([Step::Refuse])),
        (T::NoResponse, closed("")),
        (T::Lost, closed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")),
        (T::Lost, closed(&chunked("5\r\nhello\r\n0\r\n"))),
    ];
    all.map(|(why, script)| (Error::Transport(why), script)).into()
}

/// Those without a variant each to be counted.
fn by_others() -> Vec<(Error, Script)> {
    let success = |response: &str| {
        let mut script = closed(response);
        script.options.requires_success = true;
        script
    };
    let mut silent = Script::get().origin([Step::Expect(Part::Request)]);
    (silent.options.request_timeout, silent.options.resource_timeout) = (1_000_000, 9_000_000);
    let mut slow = silent.clone();
    (slow.options.request_timeout, slow.options.resource_timeout) = (9_000_000, 1_000_000);
    let mut once = Script::new("POST", Body::pieces(["body"]));
    once.options.body_is_replayable = false;
    let again = once.answered("HTTP/1.1 307 X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    vec![
        (Error::Status(404), success("HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")),
        (Error::TimedOut(Timer::Request), silent),
        (Error::TimedOut(Timer::Resource), slow),
        (Error::BodyExhausted, again),
        (Error::Canceled, closed(HELLO).command(When::At(0), What::Cancel)),
    ]
}

#[test]
fn whatever_the_core_refuses_both_runtimes_refuse_with_the_same_error() {
    let all = [by_peer(), by_limit(), by_redirect(), by_transport(), by_others()];
    for (error, script) in all.concat() {
        let core = play(&script, Drive::default());
        assert_eq!(core.result, Err(error), "{core:?}");
        assert_eq!(desktop::lacks(&script), None, "{error:?} is met on the desktop");
        assert_eq!(embassy::lacks(&script), None, "{error:?} is met on embassy");
        assert_eq!(desktop::play(&script, Split::Bytewise).result, Err(error));
        assert_eq!(embassy::play(&script, Cable::COARSE).result, Err(error));
        // Events, content and counts as well.
        replay::agrees(&script);
    }
}

/// The variants of an enum of the core.
fn variants(name: &str) -> Vec<&'static str> {
    let begin = format!("pub enum {name} {{");
    let (_, rest) = SOURCE.split_once(&begin).expect("an enum of this name");
    let (body, _) = rest.split_once("\n}").expect("its end");
    let lines = body.lines().map(str::trim).filter_map(|line| line.strip_suffix(','));
    let names = lines.map(|line| line.split_once('(').map_or(line, |(name, _)| name));
    names.filter(|name| name.chars().all(char::is_alphanumeric)).collect()
}

#[test]
fn no_error_that_a_server_can_bring_about_is_missing_from_that_list() {
    let listed: String = [by_peer(), by_limit(), by_redirect(), by_transport()]
        .concat()
        .iter()
        .map(|(error, _)| format!("{error:?} "))
        .collect();
    for (kind, name) in [
        ("Peer", "PeerError"),
        ("Limit", "Limit"),
        ("Redirect", "RedirectError"),
        ("Transport", "Transport"),
    ] {
        let all = variants(name);
        assert!(all.len() >= 4, "{name}: {all:?}");
        for variant in all {
            let is_listed = listed.contains(&format!("{kind}({variant})"));
            let is_elsewhere = ELSEWHERE.iter().any(|(other, _)| *other == variant);
            assert_ne!(is_listed, is_elsewhere, "{name}::{variant}");
        }
    }
}

/// Why a request cannot be made.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    Url(UrlError),
    Request(RequestError),
}

/// A request as a program writes it down.
struct Asked<'a> {
    method: &'a str,
    url: &'a str,
    fields: &'a [(&'a str, &'a str)],
    body: &'a str,
}

impl Asked<'_> {
    /// As it is made for `sortie-embassy`, whose requests are the core's.
    fn for_device(&self) -> Result<(), Refused> {
        let url = Url::parse(self.url).map_err(Refused::Url)?;
        let fields = self.fields.iter().map(|(name, value)| Field::new(name, value.as_bytes()));
        let fields: Result<Vec<_>, _> = fields.collect();
        let fields = fields.map_err(Refused::Request)?;
        let length = match self.body.len() {
            0 => BodyLength::None,
            length => BodyLength::Known(length as u64),
        };
        let made = Request::new(self.method, url, &fields, length);
        made.map(drop).map_err(Refused::Request)
    }

    /// As it is made for `sortie`.
    fn for_desktop(&self) -> Result<(), Refused> {
        let made = || {
            let mut request = sortie::Request::new(self.method, self.url)?;
            if !self.body.is_empty() {
                request = request.body(self.body.to_owned())?;
            }
            for (name, value) in self.fields {
                request = request.field(name, *value)?;
            }
            Ok(())
        };
        made().map_err(|error: sortie::Error| {
            if let ErrorKind::Url(why) = error.kind() {
                return Refused::Url(why);
            }
            let ErrorKind::Request(why) = error.kind() else { panic!("{error}") };
            Refused::Request(why)
        })
    }
}

#[test]
fn a_request_that_cannot_be_made_is_refused_for_the_same_reason_on_both_runtimes() {
    let (url, long) = (URL, format!("{URL}{}", "x".repeat(limits::URL_BYTES)));
    let many = vec![("a", "b"); limits::REQUEST_FIELDS + 1];
    let get = |url| Asked { method: "GET", url, fields: &[], body: "" };
    let of = |fields| Asked { fields, ..get(url) };
    let by = |method, body| Asked { method, body, ..get(url) };
    let post = |fields| Asked { method: "POST", body: "text", ..of(fields) };
    let trace = Asked { method: "TRACE", ..of(&[("Cookie", "a=b")]) };
    let all = [
        (get(&long), Refused::Url(UrlError::TooLong)),
        (get("/a/path"), Refused::Url(UrlError::NoScheme)),
        (get("ftp://a/"), Refused::Url(UrlError::UnsupportedScheme)),
        (get("http:///a"), Refused::Url(UrlError::NoHost)),
        (get("http://a_%/"), Refused::Url(UrlError::Host)),
        (get("http://a:0/"), Refused::Url(UrlError::Port)),
        (get("http://a/ b"), Refused::Url(UrlError::Character)),
        (by("G T", ""), Refused::Request(RequestError::Method)),
        (by("CONNECT", ""), Refused::Request(RequestError::Connect)),
        (of(&[("a b", "c")]), Refused::Request(RequestError::FieldName)),
        (of(&[("a", "b\r\nc: d")]), Refused::Request(RequestError::FieldValue)),
        (by("GET", "text"), Refused::Request(RequestError::BodyNotAllowed)),
        (post(&[("Content-Length", "5")]), Refused::Request(RequestError::ContentLength)),
        (
            post(&[("Transfer-Encoding", "chunked")]),
            Refused::Request(RequestError::TransferEncoding),
        ),
        (of(&[("Host", "a"), ("host", "b")]), Refused::Request(RequestError::Host)),
        (trace, Refused::Request(RequestError::Trace)),
        (of(&many), Refused::Request(RequestError::TooManyFields)),
    ];
    for (asked, why) in all {
        let device = asked.for_device();
        let (method, url) = (asked.method, asked.url);
        assert_eq!(device, Err(why), "{method} {url} {:?}", asked.fields);
        assert_eq!(asked.for_desktop(), device, "{method} {url} {:?}", asked.fields);
    }
}
