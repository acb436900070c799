//! What a request says of itself and of its connection (RFC 9110 §7, §9.3, §10; RFC 9112 §3).

use sortie_core::{BodyLength, Field, Request, RequestError, Url};
use sortie_tests::bare::play_all;
use sortie_tests::script::{Body, Script, URL};

use crate::{HELLO, REUSE, assert_ok};

/// What the origin took of the one request.
fn request(script: Script) -> String {
    let is_head = script.method == "HEAD";
    let trace = play_all(&script.answered(HELLO));
    match is_head {
        // The rest is behind the end of its answer.
        true => assert_eq!(trace.result, Ok(())),
        false => assert_ok(&trace, "hello", REUSE),
    }
    trace.request(0)
}

fn refused(method: &str, fields: &[(&str, &str)], body: BodyLength) -> Option<RequestError> {
    let fields: Vec<Field<'_>> = fields
        .iter()
        .map(|(name, value)| Field::new(name, value.as_bytes()).expect("a valid field"))
        .collect();
    Request::new(method, Url::parse(URL).expect("a valid URL"), &fields, body).err()
}

/// RFC 9110 §7.2: also where it is the caller's, and wherever it stands there.
#[test]
fn host_is_the_first_field_whoever_sets_it() {
    let script = Script::get().field("A", "1").field("B", "2");
    let host = |script: &Script| request(script.clone()).lines().nth(1).map(str::to_owned);
    assert_eq!(host(&script).as_deref(), Some("Host: 192.0.2.1"));
    let own = script.field("host", "virtual.example").field("C", "3");
    assert_eq!(
        request(own),
        "GET / HTTP/1.1\r\nhost: virtual.example\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"
    );
}

/// RFC 9112 §3.2.1: the origin form only, of an absolute path, for every method.
#[test]
fn the_target_is_a_path_and_a_query_whatever_the_method() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "Purge"] {
        for (url, target) in [
            ("http://192.0.2.1", "/"),
            ("http://192.0.2.1?q", "/?q"),
            ("http://user:secret@192.0.2.1/a?b#c", "/a?b"),
            ("http://192.0.2.1#c", "/"),
        ] {
            let script = Script { url: url.into(), ..Script::new(method, Body::None) };
            let request = request(script);
            assert!(
                request.starts_with(&format!("{method} {target} HTTP/1.1\r\nHost: 192.0.2.1\r\n"))
            );
            assert!(!request.contains("secret") && !request.contains('#'), "{request}");
        }
    }
    let connect = refused("CONNECT", &[], BodyLength::None);
    assert_eq!(connect, Some(RequestError::Connect));
}

/// RFC 9110 §7.6.1, §7.8, §10.1.4: what is about this connection alone is listed, once.
#[test]
fn connection_lists_the_fields_that_are_about_this_connection_alone() {
    let connection = |fields: &[(&str, &str)]| {
        let script =
            fields.iter().fold(Script::get(), |script, (name, value)| script.field(name, value));
        let request = request(script);
        let lines = request.lines().filter_map(|line| line.strip_prefix("Connection: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(connection(&[]), [""; 0]);
    assert_eq!(connection(&[("Upgrade", "x")]), ["Upgrade"]);
    assert_eq!(connection(&[("TE", "trailers")]), ["TE"]);
    assert_eq!(connection(&[("te", "trailers"), ("upgrade", "x")]), ["Upgrade", "TE"]);
    let listed = [("Upgrade", "x"), ("TE", "trailers"), ("Connection", "te , UPGRADE")];
    assert_eq!(connection(&listed), ["te , UPGRADE"]);
    let half = [("Connection", "upgrade"), ("Upgrade", "x"), ("TE", "trailers")];
    assert_eq!(connection(&half), ["upgrade", "TE"]);
}

/// RFC 9112 §7.4.
#[test]
fn chunked_is_not_offered() {
    for value in ["chunked", "trailers, CHUNKED", "gzip;q=0.5, chunked ;q=0.1"] {
        let refused = refused("GET", &[("TE", value)], BodyLength::None);
        assert_eq!(refused, Some(RequestError::TransferEncoding), "{value}");
    }
    assert_eq!(refused("GET", &[("TE", "trailers, xchunked")], BodyLength::None), None);
}

/// RFC 9110 §8.6.
#[test]
fn no_content_is_announced_where_the_method_expects_some_and_nowhere_else() {
    for body in [Body::None, Body::Bytes(Vec::new())] {
        for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"] {
            let request = request(Script::new(method, body.clone()));
            let lower = request.to_ascii_lowercase();
            assert!(!lower.contains("\r\ncontent-"), "{request}");
            assert!(!lower.contains("\r\ntransfer-"), "{request}");
        }
        for method in ["POST", "PUT", "PATCH"] {
            let request = request(Script::new(method, body.clone()));
            assert!(request.ends_with("\r\nContent-Length: 0\r\n\r\n"), "{request}");
        }
    }
}

/// RFC 9110 §9.3.1, §9.3.2, §9.3.8.
#[test]
fn get_head_and_trace_have_no_content() {
    for method in ["GET", "HEAD", "TRACE"] {
        for body in [BodyLength::Known(1), BodyLength::Unknown] {
            assert_eq!(refused(method, &[], body), Some(RequestError::BodyNotAllowed));
        }
    }
}

/// RFC 9110 §9.3.7.
#[test]
fn content_of_options_has_a_type() {
    let body = || Body::Bytes(b"{}".into());
    let ours = request(Script::new("OPTIONS", body()));
    assert!(ours.contains("\r\nContent-Type: application/octet-stream\r\n"), "{ours}");
    let own = request(Script::new("OPTIONS", body()).field("content-type", "application/json"));
    assert!(!own.contains("octet-stream") && own.contains("content-type: application/json"));
    let other = request(Script::new("PUT", body()));
    assert!(!other.contains("Content-Type"), "what it is nobody knows: {other}");
}

/// RFC 9110 §9.3.8: the answer repeats the request, to whoever can read it.
#[test]
fn trace_takes_no_credentials() {
    for name in ["Authorization", "cookie", "Proxy-Authorization"] {
        let refused = refused("TRACE", &[("A", "b"), (name, "secret")], BodyLength::None);
        assert_eq!(refused, Some(RequestError::Trace), "{name}");
    }
    assert_eq!(refused("TRACE", &[("Max-Forwards", "1")], BodyLength::None), None);
}

/// RFC 9110 §10.1.1. A body of unknown length may turn out to be empty: then it is content all the
/// same, of no bytes.
#[test]
fn an_expectation_is_sent_with_content_only() {
    for body in [Body::None, Body::Bytes(Vec::new())] {
        let request = request(Script::new("PUT", body).field("Expect", "100-Continue"));
        assert!(!request.contains("Expect"), "{request}");
    }
    for body in [Body::Bytes(b"x".into()), Body::Pieces(Vec::new())] {
        let request = request(Script::new("PUT", body).field("Expect", "100-continue"));
        assert!(request.contains("\r\nExpect: 100-continue\r\n"), "{request}");
    }
}

/// RFC 9110 §5.6.3, RFC 9112 §5: one space behind the colon, none before it, none around.
#[test]
fn a_field_line_has_one_space_and_no_more() {
    let request = request(Script::get().field("A", " \t b  c\t ").field("Empty", "  "));
    assert_eq!(request, "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\nA: b  c\r\nEmpty: \r\n\r\n");
}

/// RFC 9110 §6.2: the version is that of what we speak, also to a server that answers with less.
#[test]
fn every_request_is_of_http_1_1() {
    let old =
        "HTTP/1.0 302 X\r\nLocation: /x\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    let trace = play_all(&Script::get().exchanges([old, HELLO]));
    assert_ok(&trace, "hello", REUSE);
    for request in trace.requests() {
        assert!(request.lines().next().is_some_and(|line| line.ends_with(" HTTP/1.1")));
    }
}
