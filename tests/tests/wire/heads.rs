//! Response heads (RFC 9112 §4, §5).

use sortie_core::{Error, PeerError, Transport};
use sortie_tests::bare::{Drive, play, play_all};
use sortie_tests::origin::Split;
use sortie_tests::script::{Script, Step};

use crate::{HELLO, REUSE, answered, answered_and_closed, assert_err, assert_ok};

fn with_fields(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello")
}

#[test]
fn fields_are_told_in_their_order_and_as_they_came() {
    let trace = answered(with_fields("x-A: 1\r\nX-a:2\r\nEmpty:\r\nX-Obs: \u{e9} b \t \r\n"));
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.values("X-A"), ["1", "2"]);
    assert_eq!(trace.values("empty"), [""]);
    assert_eq!(trace.values("x-obs"), ["\u{e9} b"]);
}

#[test]
fn a_reason_may_be_anything_printable_or_missing() {
    for line in ["200 OK", "200 ", "200", "200 a:b\tc \u{e4}", "200  "] {
        let response = format!("HTTP/1.1 {line}\r\nContent-Length: 5\r\n\r\nhello");
        assert_ok(&answered(response), "hello", REUSE);
    }
}

/// Line feeds alone are taken in a head, as RFC 9112 §2.2 allows.
#[test]
fn a_head_may_have_line_feeds_alone() {
    let response = "HTTP/1.1 200 OK\nX: y\nContent-Length: 5\n\nhello";
    assert_ok(&answered(response), "hello", REUSE);
}

#[test]
fn folded_lines_are_joined() {
    let trace = answered(with_fields("X: just\r\n some\r\n\t folding\r\nY:\r\n  \r\n z\r\n"));
    assert_ok(&trace, "hello", REUSE);
    let joined: Vec<String> = ["X", "Y"]
        .iter()
        .flat_map(|name| trace.values(name))
        .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(joined, ["just some folding", "z"]);
}

/// A folded framing field means what the joined value means, to everybody.
#[test]
fn a_folded_length_or_coding_is_judged_joined() {
    let trace = answered("HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello");
    assert_ok(&trace, "hello", REUSE);
    let folded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n  abc\r\n\r\n0\r\n\r\n";
    let trace = answered_and_closed(folded);
    assert_err(&trace, "", Error::Peer(PeerError::TransferEncoding));
}

#[test]
fn a_malformed_field_line_is_an_error() {
    for line in [
        "Name : x\r\n",
        "Na me: x\r\n",
        "no colon\r\n",
        ": x\r\n",
        "N\u{e4}me: x\r\n",
        "Name: a\0b\r\n",
        "Name: a\rb\r\n",
        "Name: a\x7fb\r\n",
        "Name: a\x0bb\r\n",
        "Name: a\r\r\n",
        "Name\r: a\r\n",
    ] {
        let trace = answered_and_closed(with_fields(line));
        assert_err(&trace, "", Error::Peer(PeerError::FieldLine));
        assert_eq!(trace.events, [], "{line:?}");
    }
    let folded = "HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 5\r\n\r\nhello";
    let trace = answered_and_closed(folded);
    assert_err(&trace, "", Error::Peer(PeerError::FieldLine));
}

#[test]
fn a_malformed_status_line_is_an_error() {
    for line in [
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 \t200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.11 200 OK",
        "HTTP/1.x 200 OK",
        "HTTP/1.1200 OK",
    ] {
        let trace = answered_and_closed(format!("{line}\r\nContent-Length: 5\r\n\r\nhello"));
        assert_err(&trace, "", Error::Peer(PeerError::StatusLine));
    }
}

/// What is no HTTP at all is known by its first wrong byte: such a server may wait for us.
#[test]
fn an_answer_that_is_not_http_1_is_refused_at_once() {
    for answer in ["220 mail ESMTP", "\r\nHTTP/1.1 200 OK\r\n\r\n", " HTTP/1.1 200 OK\r\n\r\n"] {
        let trace = answered(answer);
        assert_err(&trace, "", Error::Peer(PeerError::NotHttp));
        assert_eq!(trace.ended, 0);
    }
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/11.1", "http/1.1", "ICY", "HT\0TP/1.1"] {
        let trace = answered(format!("{version} 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
        assert_err(&trace, "", Error::Peer(PeerError::NotHttp));
    }
}

#[test]
fn a_later_minor_version_is_read_as_1_1() {
    for version in ["HTTP/1.2", "HTTP/1.9"] {
        let response = format!("{version} 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        assert_ok(&answered(response), "hello", REUSE);
    }
}

#[test]
fn any_status_of_three_digits_is_told() {
    for status in [200, 226, 299, 300, 401, 403, 407, 408, 418, 421, 425, 429, 503, 599, 600, 999] {
        let response = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\nhello");
        let trace = answered(response);
        assert_ok(&trace, "hello", REUSE);
        assert_eq!(trace.statuses(), [status]);
    }
}

/// Redirects are followed elsewhere; here their answer is an answer.
#[test]
fn no_answer_and_half_a_head_are_told_apart() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let nothing = answered_and_closed("");
    assert_err(&nothing, "", Error::Transport(Transport::NoResponse));
    for end in 1..head.len() {
        let trace = answered_and_closed(&head.as_bytes()[..end]);
        assert_err(&trace, "", Error::Transport(Transport::Lost));
        assert_eq!(trace.events, []);
    }
    let reset = Script::get().origin([Step::Send(b"HTTP/1.1 200 OK\r\nA".into()), Step::Reset]);
    assert_err(&play_all(&reset), "", Error::Transport(Transport::Lost));
}

/// hyper#3764, hyper#3811: a head in many pieces.
#[test]
fn a_head_of_many_fields_is_read_in_any_pieces() {
    let fields: String = (0..100).map(|n| format!("X-Field-{n}: value {n}\r\n")).collect();
    let trace = answered(with_fields(&fields));
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.values("x-field-99"), ["value 99"]);
}

/// Who has no room for an index still gets the body.
#[test]
fn framing_does_not_depend_on_the_index() {
    for response in [
        HELLO.to_owned(),
        with_fields("A: b\r\nC: d\r\n"),
        crate::chunked("5\r\nhello\r\n0\r\n\r\n"),
    ] {
        for index in [0, 1, 2] {
            for split in [Split::Whole, Split::Bytewise] {
                let script = Script::get().answered(response.as_str());
                let drive = Drive { index, ..Drive::split(split) };
                assert_ok(&play(&script, drive), "hello", REUSE);
            }
        }
    }
}
