//! The counts of a task (URLSession's `countOfBytes…`).

use sortie_core::{
    BodyLength, ByteCounts, Instant, Io, Receive, Request, RequestHead, Slot, Task, TaskOptions,
    Url,
};
use sortie_tests::bare::play_all;
use sortie_tests::script::{Body, Script, URL};
use sortie_tests::trace::Counts;

use crate::{HELLO, answered, answered_and_closed, chunked, head_answered};

const NOW: Instant = Instant::EPOCH;

const fn received(received: u64, expected_to_receive: Option<u64>) -> Counts {
    Counts { sent: 0, received, expected_to_send: Some(0), expected_to_receive }
}

#[test]
fn a_length_is_what_is_expected() {
    assert_eq!(answered(HELLO).counts, received(5, Some(5)));
    let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(answered(empty).counts, received(0, Some(0)));
}

#[test]
fn nothing_is_expected_where_no_body_can_come() {
    assert_eq!(head_answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").counts, {
        received(0, Some(0))
    });
    for status in [204, 304] {
        let trace = answered(format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n"));
        assert_eq!(trace.counts, received(0, Some(0)));
    }
}

#[test]
fn what_the_head_does_not_tell_is_unknown() {
    let body = chunked("5;x=y\r\nhello\r\n0\r\nX: trailer\r\n\r\n");
    assert_eq!(answered(body).counts, received(5, None));
    let close = answered_and_closed("HTTP/1.1 200 OK\r\n\r\nhello");
    assert_eq!(close.counts, received(5, None));
}

/// What is received is counted as it comes; what it is decoded to, nobody has said.
#[test]
fn a_content_coding_makes_the_expected_count_unknown() {
    let coded = |coding| {
        let fields = format!("Content-Encoding: {coding}\r\nContent-Length: 5");
        answered(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nhello")).counts
    };
    for coding in ["gzip", "identity, br", "x-unknown"] {
        assert_eq!(coded(coding), received(5, None), "{coding}");
    }
    for coding in ["identity", "Identity", ""] {
        assert_eq!(coded(coding), received(5, Some(5)), "{coding}");
    }
}

/// The reference vector of URLSession: 3 bytes up, 11 bytes down in chunks.
#[test]
fn a_post_counts_content_in_both_directions() {
    let script = Script::new("POST", Body::Bytes(b"abc".into()));
    let trace = play_all(&script.answered(chunked("6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n")));
    assert_eq!(
        trace.counts,
        Counts { sent: 3, received: 11, expected_to_send: Some(3), expected_to_receive: None }
    );
}

#[test]
fn a_body_of_unknown_length_is_expected_once_it_has_ended() {
    let script = Script::new("PUT", Body::pieces(["hello", " world"])).answered(HELLO);
    let counts = play_all(&script).counts;
    assert_eq!((counts.sent, counts.expected_to_send), (11, Some(11)));
}

#[test]
fn nothing_is_known_of_the_answer_before_its_head() {
    let url = Url::parse(URL).unwrap();
    let start = |method, body| {
        let request = Request::new(method, url, &[], body).unwrap();
        *Task::new(&request, TaskOptions::default()).counts()
    };
    let empty = ByteCounts::default();
    assert_eq!(start("GET", BodyLength::None), ByteCounts { expected_to_send: Some(0), ..empty });
    assert_eq!(start("PUT", BodyLength::Known(7)).expected_to_send, Some(7));
    assert_eq!(start("PUT", BodyLength::Unknown), empty);
}

/// A task within the exchange, after the head `head`.
fn after_head(head: &[u8]) -> Task {
    let request = Request::new("GET", Url::parse(URL).unwrap(), &[], BodyLength::None).unwrap();
    let mut task = Task::new(&request, TaskOptions::default());
    task.resume(NOW);
    task.handle_connecting(NOW).unwrap();
    task.handle_connected(NOW, false).unwrap();
    task.handle_prepared(NOW).unwrap();
    let count = task.encode(&RequestHead::new(&request), &mut [0; 256]).unwrap();
    task.handle_sent(NOW, count).unwrap();
    let advance = task.handle_head(NOW, &mut head.to_vec(), false, &mut [Slot::EMPTY; 4]);
    assert_eq!(advance.unwrap().head, head.len());
    let _ = task.poll_output();
    task
}

/// hyper#4055, reqwless: lengths beyond what a 32-bit `usize` holds.
#[test]
fn lengths_are_64_bits_wide() {
    for length in [u64::from(u32::MAX), u64::from(u32::MAX) + 2, u64::MAX] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let mut task = after_head(head.as_bytes());
        assert_eq!(task.counts().expected_to_receive, Some(length));
        for count in 1..=3 {
            assert_eq!(task.handle_body(NOW, &mut [b'x']), Ok(1));
            assert_eq!(task.counts().received, count);
            assert_eq!(task.progress().left(), Some(length - count));
        }
        let Io { receive, .. } = task.io(4096);
        assert_eq!(receive, Some(Receive::Body { max: 4096 }));
    }
}

#[test]
fn wire_counts_hold_heads_and_framing() {
    let body = b"5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n";
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for takes_runs in [false, true] {
        let mut task = after_head(head);
        assert_eq!(task.counts().wire_received, head.len() as u64);
        if takes_runs {
            let mut rest = &body[..];
            while !rest.is_empty() {
                let run = task.handle_run(NOW, rest).unwrap();
                rest = &rest[run.consumed()..];
            }
        } else {
            assert_eq!(task.handle_body(NOW, &mut body.to_vec()), Ok(5));
        }
        let counts = *task.counts();
        assert_eq!(counts.wire_received, (head.len() + body.len()) as u64);
        assert_eq!((counts.received, counts.delivered), (5, 0));
        let request = "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n";
        assert_eq!((counts.wire_sent, counts.sent), (request.len() as u64, 0));
    }
}

/// Bytes behind the end are nobody's: counted neither as content nor on the wire, so that counts
/// do not depend on how the bytes were cut.
#[test]
fn bytes_behind_the_end_are_not_counted() {
    let chunks =
        (&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], "5\r\nhello\r\n0\r\n\r\n");
    let length = (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"[..], "hello");
    for (head, body) in [chunks, length] {
        let whole = (head.len() + body.len()) as u64;
        let mut task = after_head(head);
        let mut bytes = format!("{body}excess").into_bytes();
        assert_eq!(task.handle_body(NOW, &mut bytes), Ok(5));
        assert_eq!((task.counts().received, task.counts().wire_received), (5, whole));
    }
}
