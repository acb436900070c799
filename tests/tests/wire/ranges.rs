//! Downloads that go on from what is stored (RFC 9110 §14, §15.3.7): what is asked for, and what
//! each answer means. jizhi0v0/duo-updater#225, circlefin/arc-node#325, rust-lang/rustup#4710,
//! nextcloud/updater#671, xroche/httrack#428.

use sortie_core::{CloseReason, Error, PeerError, Question, RedirectPolicy, TaskKind, Transport};
use sortie_tests::bare::play_all;
use sortie_tests::script::{Body, Say, Script};
use sortie_tests::trace::{Told, Trace};

use crate::{HELLO, REUSE, closed};

const TAG: &str = "\"v1\"";

/// 5 of 10 bytes are stored.
fn resuming() -> Script {
    Script::get().resumes(TAG, 5, Some(10))
}

/// A 206 with this range and content, framed by its length.
fn part(range: &str, content: &str) -> String {
    let length = content.len();
    format!("HTTP/1.1 206 X\r\nContent-Range: {range}\r\nContent-Length: {length}\r\n\r\n{content}")
}

fn whole(content: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len())
}

fn resumed(offset: u64, total: u64) -> Told {
    Told::Resumed { offset, total: Some(total) }
}

/// The whole was asked for and delivered by the second request.
#[track_caller]
fn assert_begun_again(trace: &Trace) {
    assert_eq!(trace.result, Ok(()), "{trace:?}");
    assert_eq!((trace.text().as_str(), trace.statuses()), ("0123456789", vec![200]));
    assert_eq!(trace.counts.received, 10);
    let requests = trace.requests();
    assert!(requests[0].contains("\r\nRange: bytes=5-\r\n"));
    assert!(!requests[1].contains("Range"), "{}", requests[1]);
    assert!(!trace.events.iter().any(|told| matches!(told, Told::Resumed { .. })));
}

#[test]
fn the_rest_is_asked_for_under_the_condition_that_nothing_changed() {
    for validator in [TAG, "Sun, 06 Nov 1994 08:49:37 GMT"] {
        let script = Script::get().field("X", "y").resumes(validator, 5, Some(10));
        let trace = play_all(&script.answered(part("bytes 5-9/10", "56789")));
        let fields = format!(
            "X: y\r\nRange: bytes=5-\r\nIf-Range: {validator}\r\nAccept-Encoding: identity\r\n\r\n"
        );
        assert!(trace.request(0).ends_with(&fields), "{}", trace.request(0));
    }
}

#[test]
fn a_206_is_appended_and_counts_start_at_the_offset() {
    for total in [Some(10), None] {
        let script = Script::get().resumes(TAG, 5, total);
        let trace = play_all(&script.answered(part("bytes 5-9/10", "56789")));
        assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "56789"));
        assert_eq!(trace.statuses(), [206]);
        assert_eq!(trace.events[1], resumed(5, 10));
        assert_eq!((trace.counts.received, trace.counts.expected_to_receive), (10, Some(10)));
        assert_eq!(trace.released(), [REUSE]);
    }
}

#[test]
fn a_206_may_be_chunked_or_end_with_the_connection() {
    let start = "HTTP/1.1 206 X\r\nContent-Range: bytes 5-9/10\r\n";
    let chunked =
        format!("{start}Transfer-Encoding: chunked\r\n\r\n3\r\n567\r\n2\r\n89\r\n0\r\n\r\n");
    let trace = play_all(&resuming().answered(chunked));
    assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "56789"));
    assert_eq!(trace.released(), [REUSE]);
    let trace = play_all(&resuming().answered_and_closed(format!("{start}\r\n56789")));
    assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "56789"));
    assert_eq!(trace.released(), [closed(CloseReason::CloseDelimited)]);
}

/// Appending any of these would spoil what is stored.
#[test]
fn a_206_that_does_not_fit_starts_anew_without_a_range() {
    let five = "56789";
    let extra = |field: &str| {
        part("bytes 5-9/10", five).replacen("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"), 1)
    };
    for response in [
        part("bytes 0-9/10", "0123456789"),
        part("bytes 4-9/10", "456789"),
        part("bytes 6-9/10", "6789"),
        part("bytes 5-9/11", five),
        part("bytes 5-9/9", five),
        part("bytes 5-8/10", five),
        part("bytes 5-9/10", "0123456789"),
        part("items 5-9/10", five),
        part("bytes 9-5/10", five),
        part("bytes */10", five),
        part("5-9/10", five),
        part("", five),
        whole(five).replace("200", "206"),
        extra("Content-Range: bytes 5-9/10"),
        extra("ETag: \"v2\""),
        extra("Content-Encoding: gzip"),
        extra("Content-Type: multipart/byteranges; boundary=x"),
    ] {
        let trace = play_all(&resuming().exchanges([&response, &whole("0123456789")]));
        assert_begun_again(&trace);
        assert_eq!(trace.released(), [REUSE], "{response}");
    }
}

#[test]
fn a_206_of_an_unknown_total_starts_anew_where_none_is_known() {
    let script = Script::get().resumes(TAG, 5, None);
    let trace = play_all(&script.exchanges([&part("bytes 5-9/*", "56789"), &whole("0123456789")]));
    assert_begun_again(&trace);
    // Where it is known the server needs not say it.
    let trace = play_all(&resuming().answered(part("bytes 5-9/*", "56789")));
    assert_eq!((trace.result, &trace.events[1]), (Ok(()), &resumed(5, 10)));
}

/// Once: whatever the server says to that is the answer.
#[test]
fn it_starts_anew_once() {
    let bad = part("bytes 0-9/10", "0123456789");
    let trace = play_all(&resuming().exchanges([&bad, &bad]));
    assert_eq!(trace.result, Err(Error::Peer(PeerError::UnaskedRange)));
    assert_eq!((trace.requests().len(), trace.text().as_str()), (2, ""));
}

#[test]
fn a_200_replaces_what_is_stored() {
    let trace = play_all(&resuming().answered(whole("another whole")));
    assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "another whole"));
    assert_eq!((trace.events.len(), trace.counts.received), (1, 13), "nothing is resumed");
    assert_eq!(trace.requests().len(), 1);
}

#[test]
fn a_416_of_what_is_stored_is_the_end() {
    let done = "HTTP/1.1 416 X\r\nContent-Range: bytes */10\r\nContent-Length: 4\r\n\r\nover";
    for total in [Some(10), None] {
        let trace = play_all(&Script::get().resumes(TAG, 10, total).answered(done));
        assert_eq!((trace.result, trace.text().as_str()), (Ok(()), ""));
        assert_eq!(trace.events[1..], [resumed(10, 10)]);
        assert_eq!((trace.counts.received, trace.counts.expected_to_receive), (10, Some(10)));
        assert_eq!((trace.statuses(), trace.released()), (vec![416], vec![REUSE]));
    }
    // Success is what it is, though the status is none.
    let mut strict = Script::get().resumes(TAG, 10, None).answered(done);
    strict.options.requires_success = true;
    assert_eq!(play_all(&strict).result, Ok(()));
}

#[test]
fn a_416_of_anything_else_starts_anew() {
    for range in ["bytes */9", "bytes */11", "bytes 5-9/10", "", "items */5"] {
        let response =
            format!("HTTP/1.1 416 X\r\nContent-Range: {range}\r\nContent-Length: 4\r\n\r\nover");
        let trace = play_all(&resuming().exchanges([&response, &whole("0123456789")]));
        assert_begun_again(&trace);
    }
    let bare = "HTTP/1.1 416 X\r\nContent-Length: 0\r\n\r\n";
    assert_begun_again(&play_all(&resuming().exchanges([bare, &whole("0123456789")])));
    let failed = "HTTP/1.1 412 X\r\nContent-Length: 0\r\n\r\n";
    assert_begun_again(&play_all(&resuming().exchanges([failed, &whole("0123456789")])));
}

/// The body of the refused part is too long, or has no end: another connection.
#[test]
fn it_starts_anew_on_another_connection_where_the_body_is_not_worth_reading() {
    let long = part("bytes 0-19999/20000", &"x".repeat(20_000));
    let trace = play_all(&resuming().answered(long).answered(whole("0123456789")));
    assert_begun_again(&trace);
    assert_eq!(trace.released(), [closed(CloseReason::Unwanted), REUSE]);
    let endless = "HTTP/1.1 206 X\r\n\r\n01234";
    let script = resuming().answered_and_closed(endless).answered(whole("0123456789"));
    assert_begun_again(&play_all(&script));
}

#[test]
fn any_other_status_keeps_what_is_stored() {
    for status in [201, 204, 300, 304, 401, 404, 429, 500, 503] {
        let response = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\nerror");
        let trace = play_all(&resuming().answered(response));
        assert_eq!((trace.result, trace.text().as_str()), (Err(Error::Status(status)), ""));
        assert_eq!(trace.statuses(), [status]);
    }
}

/// A redirect that is not followed is no more than an error page either.
#[test]
fn a_redirect_that_is_not_followed_keeps_what_is_stored() {
    let redirect = "HTTP/1.1 302 X\r\nLocation: /there\r\nContent-Length: 5\r\n\r\nmoved";
    let refused = resuming().asks(Question::Redirect).reply(0, Say::Refuse).answered(redirect);
    let mut delivered = resuming().answered(redirect);
    delivered.options.redirects = RedirectPolicy::Deliver;
    let nowhere = resuming().answered(redirect.replace("Location", "Elsewhere"));
    for script in [refused, delivered, nowhere] {
        let trace = play_all(&script);
        assert_eq!((trace.result, trace.text().as_str()), (Err(Error::Status(302)), ""));
    }
}

#[test]
fn a_redirect_is_followed_with_the_range() {
    let redirect = "HTTP/1.1 302 X\r\nLocation: //192.0.2.2/\r\nContent-Length: 0\r\n\r\n";
    let script = resuming().answered(redirect).answered(part("bytes 5-9/10", "56789"));
    let trace = play_all(&script);
    assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "56789"));
    assert!(trace.requests().iter().all(|request| request.contains("\r\nRange: bytes=5-\r\n")));
    assert_eq!(trace.events[2], resumed(5, 10));
}

#[test]
fn a_stale_connection_does_not_lose_the_range() {
    use sortie_tests::script::Step;
    let script = resuming().reused_origin([Step::Close]).answered(part("bytes 5-9/10", "56789"));
    let trace = play_all(&script);
    assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "56789"));
    assert!(trace.request(1).contains("\r\nRange: bytes=5-\r\n"));
}

/// The head announced more than the message has. What came is stored, and can be gone on from.
#[test]
fn a_206_that_is_cut_short_fails_the_task_with_what_came() {
    let lost = Error::Transport(Transport::Lost);
    let start = "HTTP/1.1 206 X\r\nContent-Range: bytes 5-9/10\r\n";
    for rest in [
        "Content-Length: 5\r\n\r\n567",
        "Transfer-Encoding: chunked\r\n\r\n3\r\n567\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\n567\r\n",
        "\r\n567",
    ] {
        let trace = play_all(&resuming().answered_and_closed(format!("{start}{rest}")));
        assert_eq!((trace.result, trace.text().as_str()), (Err(lost), "567"), "{rest:?}");
        assert_eq!((trace.counts.received, trace.counts.expected_to_receive), (8, Some(10)));
    }
}

/// A server may give less than was asked for; the task is not complete with it.
#[test]
fn a_206_of_less_than_the_rest_leaves_the_task_incomplete() {
    let trace = play_all(&resuming().answered(part("bytes 5-7/10", "567")));
    assert_eq!(trace.result, Err(Error::Transport(Transport::Lost)));
    assert_eq!((trace.text().as_str(), trace.counts.received), ("567", 8));
}

#[test]
fn a_206_that_goes_on_behind_its_range_fails_the_task_and_the_rest_is_dropped() {
    let start = "HTTP/1.1 206 X\r\nContent-Range: bytes 5-9/10\r\n";
    for rest in [
        "Transfer-Encoding: chunked\r\n\r\n5\r\n56789\r\n1\r\nX\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n7\r\n56789XX\r\n0\r\n\r\n",
        "\r\n56789X",
    ] {
        let trace = play_all(&resuming().answered_and_closed(format!("{start}{rest}")));
        assert_eq!(trace.result, Err(Error::Peer(PeerError::RangeLength)), "{rest:?}");
        assert_eq!((trace.text().as_str(), trace.counts.received), ("56789", 10));
    }
}

/// Nothing would tell where the part ends, and what follows it could pass for the rest.
#[test]
fn a_206_of_less_than_the_rest_without_a_length_starts_anew() {
    let start = "HTTP/1.1 206 X\r\nContent-Range: bytes 5-7/10\r\n";
    let chunked = format!("{start}Transfer-Encoding: chunked\r\n\r\n5\r\n567XX\r\n0\r\n\r\n");
    assert_begun_again(&play_all(&resuming().exchanges([&chunked, &whole("0123456789")])));
    let endless = resuming().answered_and_closed(format!("{start}\r\n567XX"));
    assert_begun_again(&play_all(&endless.answered(whole("0123456789"))));
}

// Without resume data.

#[test]
fn a_part_that_nobody_asked_for_fails_a_download() {
    let response = part("bytes 0-4/10", "01234");
    let trace = play_all(&Script::get().kind(TaskKind::Download).answered(response.clone()));
    let error = Error::Peer(PeerError::UnaskedRange);
    assert_eq!((trace.result, trace.text().as_str()), (Err(error), ""));
    assert_eq!(error.code(), -1011);
    // Whoever takes it to memory sees the status, and who asked for it wants it.
    let trace = play_all(&Script::get().answered(response.clone()));
    assert_eq!((trace.result, trace.statuses()), (Ok(()), vec![206]));
    let asked = Script::get().kind(TaskKind::Download).field("Range", "bytes=0-4");
    let trace = play_all(&asked.answered(response));
    assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "01234"));
}

#[test]
fn content_that_goes_on_can_be_asked_about() {
    let script = resuming().asks(Question::Disposition).reply(9, Say::Allow);
    let trace = play_all(&script.answered(part("bytes 5-9/10", "56789")));
    assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "56789"));
    assert_eq!(trace.events[1..], [resumed(5, 10), Told::Asked(Question::Disposition)]);
    let plain = play_all(&Script::get().answered(HELLO));
    assert_eq!(plain.events.len(), 1);
}

/// A range is defined for GET only (RFC 9110 §14.2), and one that the caller asked for is not the
/// whole: the options do not change that.
#[test]
fn only_a_get_without_a_range_of_its_own_goes_on_from_what_is_stored() {
    for method in ["POST", "HEAD", "PUT", "DELETE"] {
        let script = Script::new(method, Body::None).resumes(TAG, 5, Some(10));
        let trace = play_all(&script.answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!((trace.result, trace.statuses()), (Ok(()), vec![200]), "{method}");
        assert!(!trace.request(0).contains("Range"), "{}", trace.request(0));
    }
    let trace =
        play_all(&resuming().field("Range", "bytes=2-3").answered(part("bytes 2-3/10", "23")));
    assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "23"));
    assert!(!trace.request(0).contains("If-Range"), "{}", trace.request(0));
    assert!(!trace.events.iter().any(|told| matches!(told, Told::Resumed { .. })));
}

/// RFC 9110 §13.1.5: a condition on a range is sent with a range only, and never twice.
#[test]
fn a_condition_without_a_range_is_not_sent() {
    let plain = Script::get().field("If-Range", "\"own\"").field("X-Other", "1");
    let trace = play_all(&plain.answered(whole("0123456789")));
    assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "0123456789"));
    assert!(!trace.request(0).contains("Range") && trace.request(0).contains("X-Other: 1"));
    let trace = play_all(&resuming().field("If-Range", "\"own\"").answered(whole("0123456789")));
    let request = trace.request(0);
    assert_eq!(request.matches("\r\nIf-Range: ").count(), 1, "{request}");
    assert!(request.contains(&format!("\r\nIf-Range: {TAG}\r\n")), "{request}");
    let mut unasked = Script::get().field("If-Range", "\"own\"").kind(TaskKind::Download);
    unasked = unasked.answered(part("bytes 2-3/10", "23"));
    let refused = Err(Error::Peer(PeerError::UnaskedRange));
    assert_eq!(play_all(&unasked).result, refused, "a part must not pass for the whole");
    let own = Script::get().field("If-Range", "\"own\"").field("Range", "bytes=2-3");
    let trace = play_all(&own.answered(part("bytes 2-3/10", "23")));
    assert!(trace.request(0).contains("\r\nIf-Range: \"own\"\r\nRange: bytes=2-3\r\n"));
}

/// What a POST leads to is not what its record would be asked for by.
#[test]
fn a_post_that_a_redirect_makes_a_get_goes_on_from_nothing() {
    let script = Script::new("POST", Body::Bytes(b"body".into())).resumes(TAG, 5, Some(10));
    let moved = "HTTP/1.1 303 X\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n";
    let trace = play_all(&script.exchanges([moved, &whole("0123456789")]));
    assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "0123456789"));
    let requests = trace.requests();
    assert!(requests[1].starts_with("GET /there "), "{requests:?}");
    assert!(requests.iter().all(|head| !head.contains("Range")), "{requests:?}");
}
