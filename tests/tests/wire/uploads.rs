//! Requests and their bodies, and answers that come before they are sent (RFC 9112 §9.5).

use sortie_core::{BodyLength, CloseReason, Error, Field, Request, Transport, Url};
use sortie_tests::bare::{Drive, play, play_all};
use sortie_tests::origin::Split;
use sortie_tests::script::{Body, Part, Script, Step, URL};
use sortie_tests::trace::{Counts, Released};

use crate::{HELLO, REUSE, assert_err, assert_ok, closed};

const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge";

fn upload(bytes: usize) -> Script {
    Script::new("POST", Body::Bytes(vec![b'x'; bytes])).field("Content-Type", "text/plain")
}

fn request(script: &Script) -> String {
    let trace = play_all(&script.clone().answered(HELLO));
    assert_ok(&trace, "hello", REUSE);
    trace.request(0)
}

/// ureq#1214: fields in the case they were given in; ureq#1017: the port in Host.
#[test]
fn a_request_is_written_as_it_was_given() {
    let mut script = Script::get().field("x-lower", "a").field("X-UPPER", "b");
    assert_eq!(
        request(&script),
        "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\nx-lower: a\r\nX-UPPER: b\r\n\r\n"
    );
    script.url = "http://192.0.2.1:8080/a/b?c=d#e".into();
    script.fields.clear();
    assert_eq!(request(&script), "GET /a/b?c=d HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n\r\n");
}

/// RUSTSEC-2017-0002, RUSTSEC-2021-0078: nothing of the caller's can end a line or frame a message.
#[test]
fn a_request_that_would_be_read_as_two_is_refused() {
    for value in ["a\r\nX: y", "a\nb", "a\rb", "a\0b"] {
        assert!(Field::new("X", value.as_bytes()).is_err(), "{value:?}");
    }
    let url = Url::parse(URL).unwrap();
    for (name, value) in [
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "4"),
        ("Content-Length", "+5"),
        ("Content-Length", "5, 5"),
    ] {
        let fields = [Field::new(name, value.as_bytes()).unwrap()];
        let request = Request::new("POST", url, &fields, BodyLength::Known(5));
        assert!(request.is_err(), "{name}: {value}");
    }
    assert!(Request::new("GET /x HTTP/1.1\r\nX:", url, &[], BodyLength::None).is_err());
    assert!(Request::new("GET", url, &[], BodyLength::Known(5)).is_err());
    assert!(Url::parse("http://a/ HTTP/1.1\r\nX: y").is_err());
}

#[test]
fn a_body_of_known_length_follows_the_head_as_it_is() {
    let script = upload(3);
    assert_eq!(
        request(&script),
        "POST / HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Type: text/plain\r\n\
         Content-Length: 3\r\n\r\nxxx"
    );
}

/// ureq-proto 0.7 takes nothing where the output is the bottleneck, and loses the last chunk where
/// it is shorter than 5 bytes; reqwless#85, reqwless#81.
#[test]
fn a_body_of_unknown_length_is_sent_in_chunks_to_the_end_whatever_the_buffer() {
    let script = Script::new("PUT", Body::pieces(["hello", " ", "world, 16 bytes."]));
    assert_eq!(
        request(&script),
        "PUT / HTTP/1.1\r\nHost: 192.0.2.1\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n1\r\n \r\n10\r\nworld, 16 bytes.\r\n0\r\n\r\n"
    );
    let empty = Script::new("PUT", Body::Pieces(Vec::new()));
    assert!(request(&empty).ends_with("\r\n\r\n0\r\n\r\n"));
}

#[test]
fn a_length_that_the_caller_knows_settles_a_body_of_unknown_length() {
    let script = Script::new("PUT", Body::pieces(["hel", "lo"])).field("Content-Length", "5");
    assert_eq!(
        request(&script),
        "PUT / HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 5\r\n\r\nhello"
    );
}

#[test]
fn an_early_refusal_stops_the_upload_and_is_read() {
    let script = upload(1000).origin([
        Step::Expect(Part::Head),
        Step::Expect(Part::Bytes(10)),
        Step::Send(TOO_LARGE.into()),
    ]);
    let trace = play_all(&script);
    assert_ok(&trace, "large", closed(CloseReason::RequestUnfinished));
    assert_eq!(trace.statuses(), [413]);
    assert_eq!(
        trace.counts,
        Counts {
            sent: 10,
            received: 5,
            expected_to_send: Some(1000),
            expected_to_receive: Some(5),
        }
    );
}

#[test]
fn an_early_refusal_stops_a_chunked_upload_anywhere() {
    let script = Script::new("POST", Body::pieces(["hello", "world"]));
    let head = request(&script).find("5\r\nhello").expect("the first chunk");
    let whole = request(&script).len();
    // Where the last chunk begins, the core may or may not have asked the source already.
    let last = whole - "0\r\n\r\n".len();
    for taken in (head..whole).filter(|taken| *taken != last) {
        let origin = [Step::Expect(Part::Bytes(taken)), Step::Send(TOO_LARGE.into())];
        let trace = play_all(&script.clone().origin(origin));
        assert_ok(&trace, "large", closed(CloseReason::RequestUnfinished));
    }
}

/// A refusal may be long, and come with its upload half-way.
#[test]
fn nothing_more_is_sent_once_an_upload_is_refused() {
    let script = upload(1000).origin([
        Step::Expect(Part::Head),
        Step::Send("HTTP/1.1 413 X\r\nContent-Length: 5\r\n\r\nla".into()),
        Step::Wait(1_000_000),
        Step::Send("rge".into()),
    ]);
    let trace = play_all(&script);
    assert_ok(&trace, "large", closed(CloseReason::RequestUnfinished));
    assert_eq!(trace.counts.sent, 0);
}

/// nodejs/node#12339, nodejs/node#38467, nodejs/node#54366: the broken pipe hid the answer.
#[test]
fn an_answer_is_read_though_writing_failed() {
    for steps in [
        vec![Step::Expect(Part::Head), Step::Send(TOO_LARGE.into()), Step::Close],
        vec![Step::Expect(Part::Bytes(100)), Step::Send(TOO_LARGE.into()), Step::Reset],
        vec![Step::Send(TOO_LARGE.into()), Step::Close],
    ] {
        let trace = play_all(&upload(1000).origin(steps));
        assert_ok(&trace, "large", closed(CloseReason::RequestUnfinished));
        assert_eq!(trace.statuses(), [413]);
    }
}

#[test]
fn an_answer_that_comes_long_after_writing_failed_is_read() {
    // The origin takes nothing more, and answers later.
    let script = upload(1000).origin([
        Step::Expect(Part::Head),
        Step::Wait(5_000_000),
        Step::Send(TOO_LARGE.into()),
        Step::Close,
    ]);
    let trace = play_all(&script);
    assert_ok(&trace, "large", closed(CloseReason::RequestUnfinished));
    assert_eq!(trace.ended, 5_000_000);
}

#[test]
fn a_connection_that_breaks_while_uploading_without_an_answer_fails_the_task() {
    for end in [Step::Close, Step::Reset] {
        let trace = play_all(&upload(1000).origin([Step::Expect(Part::Bytes(100)), end]));
        assert_err(&trace, "", Error::Transport(Transport::NoResponse));
    }
}

/// Full duplex: an answer of success does not stop the upload, its end does.
#[test]
fn a_success_that_comes_early_lets_the_upload_go_on() {
    let script = upload(1000).origin([
        Step::Expect(Part::Head),
        Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe".into()),
        Step::Expect(Part::Request),
        Step::Send("llo".into()),
    ]);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.counts.sent, 1000);
}

/// hyper#4085: the server's end is seen while the body is still open. Whether the end of the answer
/// or the broken pipe is met first is a matter of luck, and only the reason to close depends on it.
#[test]
fn an_answer_that_ends_with_the_connection_ends_the_upload_too() {
    let script = upload(1000).origin([
        Step::Expect(Part::Bytes(100)),
        Step::Send("HTTP/1.1 500 X\r\n\r\nbroken".into()),
        Step::Close,
    ]);
    for receives_first in [false, true] {
        for split in [Split::Whole, Split::Bytewise] {
            let drive = Drive { receives_first, ..Drive::split(split) };
            let trace = play(&script, drive);
            assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "broken"));
            assert!(matches!(trace.released()[..], [Released::Close(_)]));
        }
    }
}
