//! Interim responses, `Expect: 100-continue` and upgrades (RFC 9110 §15.2, §10.1.1, §7.8).

use sortie_core::{CloseReason, Error, PeerError, TaskKind, Timer, Transport};
use sortie_tests::bare::play_all;
use sortie_tests::script::{Body, Part, Script, Step, What, When};
use sortie_tests::trace::{Released, Told};

use crate::{HELLO, REUSE, answered, answered_and_closed, assert_err, assert_ok, closed};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// How long a body is held back at most.
const CONTINUE_TIMEOUT: u64 = 1_000_000;

/// An upload of 4 bytes that waits for a 100.
fn expecting() -> Script {
    Script::new("PUT", Body::Bytes(b"body".into())).field("Expect", "100-continue")
}

// Interim responses.

/// Refused by edge-http 0.8 and reqwless 0.14, taken for the answer by io-http 0.5; ureq-proto 0.7
/// refuses one with fields. ureq#1139.
#[test]
fn interim_responses_are_told_and_passed_over() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    for (interims, statuses) in [
        (CONTINUE.to_owned(), vec![100, 200]),
        ("HTTP/1.1 100 Continue\r\nX: y\r\n\r\n".into(), vec![100, 200]),
        ("HTTP/1.1 102 Processing\r\n\r\n".into(), vec![102, 200]),
        (hints.into(), vec![103, 200]),
        ("HTTP/1.1 199 X\r\n\r\n".into(), vec![199, 200]),
        ("HTTP/1.0 100\r\n\r\n".into(), vec![100, 200]),
        (format!("{CONTINUE}{hints}{CONTINUE}"), vec![100, 103, 100, 200]),
    ] {
        let trace = answered(format!("{interims}{HELLO}"));
        assert_ok(&trace, "hello", REUSE);
        assert_eq!(trace.statuses(), statuses);
        assert_eq!(trace.values("Link"), [""; 0], "fields of an interim response are its own");
    }
}

#[test]
fn an_interim_response_has_no_body_whatever_its_fields_say() {
    for fields in ["Content-Length: 5", "Transfer-Encoding: chunked", "Connection: close"] {
        let trace = answered(format!("HTTP/1.1 103 X\r\n{fields}\r\n\r\n{HELLO}"));
        assert_ok(&trace, "hello", REUSE);
    }
}

#[test]
fn an_interim_response_is_no_answer() {
    let trace = answered_and_closed(CONTINUE);
    assert_err(&trace, "", Error::Transport(Transport::Lost));
    assert_eq!(trace.statuses(), [100]);
    let trace = answered_and_closed(format!("{CONTINUE}plain text"));
    assert_err(&trace, "", Error::Peer(PeerError::NotHttp));
}

// Expect: 100-continue. hyper#3833: not honoured by the client.

#[test]
fn a_body_waits_for_100_continue() {
    let script = expecting().origin([
        Step::Expect(Part::Head),
        Step::Wait(300_000),
        Step::Send(CONTINUE.into()),
        Step::Expect(Part::Request),
        Step::Send(HELLO.into()),
    ]);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!((trace.ended, trace.statuses()), (300_000, vec![100, 200]));
    assert!(trace.request(0).ends_with("\r\n\r\nbody"));
}

#[test]
fn a_body_waits_for_100_continue_no_longer_than_its_timer() {
    let trace = play_all(&expecting().answered(HELLO));
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, CONTINUE_TIMEOUT);
    assert!(trace.request(0).ends_with("\r\n\r\nbody"));
}

/// Half an answer is no reason to wait longer.
#[test]
fn a_server_that_trickles_its_answer_does_not_hold_a_body_back() {
    let mut steps = vec![Step::Expect(Part::Head)];
    for byte in ["H", "T", "T", "P"] {
        steps.extend([Step::Send(byte.into()), Step::Wait(CONTINUE_TIMEOUT * 3 / 4)]);
    }
    steps.extend([Step::Expect(Part::Request), Step::Send(HELLO.as_bytes()[4..].into())]);
    let script = expecting().origin(steps);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, 3 * CONTINUE_TIMEOUT, "the body was ready by then");
}

#[test]
fn the_timer_of_a_waiting_body_rests_while_the_task_is_suspended() {
    let script = expecting()
        .command(When::At(0), What::Resume)
        .command(When::At(400_000), What::Suspend)
        .command(When::At(90_000_000), What::Resume)
        .answered(HELLO);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, 90_000_000 + CONTINUE_TIMEOUT);
}

/// ureq#867.
#[test]
fn a_final_answer_instead_of_100_continue_keeps_the_body_back() {
    for status in [200, 204, 401, 413, 500] {
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        let script = expecting().origin([Step::Expect(Part::Head), Step::Send(answer.into())]);
        let trace = play_all(&script);
        assert_ok(&trace, "", closed(CloseReason::RequestUnfinished));
        assert_eq!((trace.counts.sent, trace.ended), (0, 0));
        assert!(trace.request(0).ends_with("\r\n\r\n"));
    }
}

/// While the final answer is being read, the time for the body to go out has passed for good.
#[test]
fn a_refused_body_is_not_sent_while_the_answer_is_read() {
    let script = expecting().origin([
        Step::Expect(Part::Head),
        Step::Send("HTTP/1.1 413 X\r\nContent-Length: 5\r\n\r\nhe".into()),
        Step::Wait(2 * CONTINUE_TIMEOUT),
        Step::Send("llo".into()),
    ]);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", closed(CloseReason::RequestUnfinished));
    assert_eq!(trace.counts.sent, 0);
}

const NO_EXPECTATIONS: &str = "HTTP/1.1 417 X\r\nContent-Length: 5\r\n\r\nwhat?";

/// RFC 9110 §10.1.1: somebody on the way, such as a proxy of HTTP/1.0, takes no expectations.
#[test]
fn a_417_has_the_request_made_again_without_its_expectation() {
    for body in [Body::Bytes(b"body".into()), Body::pieces(["bo", "dy"])] {
        let script = Script { body, ..expecting() }
            .field("X-Other", "1")
            .origin([Step::Expect(Part::Head), Step::Send(NO_EXPECTATIONS.into())])
            .answered(HELLO);
        let trace = play_all(&script);
        assert_eq!((trace.result, trace.text().as_str()), (Ok(()), "hello"));
        assert_eq!((trace.statuses(), trace.ended), (vec![200], 0));
        assert_eq!(trace.released(), [closed(CloseReason::RequestUnfinished), REUSE]);
        let [first, second] = [trace.request(0), trace.request(1)];
        assert!(first.contains("\r\nExpect: 100-continue\r\n") && first.ends_with("\r\n\r\n"));
        assert!(!second.contains("Expect") && second.contains("\r\nX-Other: 1\r\n"), "{second}");
        assert!(second.contains("body") || second.contains("2\r\ndy\r\n"), "{second}");
    }
}

/// It is made again once, over the same connection where that can be, and with its body.
#[test]
fn a_417_to_a_body_that_went_out_without_waiting_has_it_sent_once_more() {
    let script = expecting().exchanges([NO_EXPECTATIONS, NO_EXPECTATIONS]);
    let trace = play_all(&script);
    assert_ok(&trace, "what?", REUSE);
    assert_eq!(trace.statuses(), [417], "the second one is the answer");
    assert_eq!(trace.events.first(), Some(&Told::BodyRestarted));
    let requests = trace.requests();
    assert!(requests.iter().all(|request| request.ends_with("body")) && requests.len() == 2);
}

#[test]
fn a_417_is_the_answer_where_nothing_was_expected_or_the_body_cannot_be_had_again() {
    let plain = Script::new("PUT", Body::Bytes(b"body".into())).answered(NO_EXPECTATIONS);
    let mut used_up = expecting().answered(NO_EXPECTATIONS);
    used_up.options.body_is_replayable = false;
    for script in [plain, used_up] {
        let trace = play_all(&script);
        assert_ok(&trace, "what?", REUSE);
        assert_eq!(trace.statuses(), [417]);
    }
}

#[test]
fn a_continue_that_nobody_asked_for_changes_nothing() {
    let script = Script::new("PUT", Body::Bytes(b"body".into())).origin([
        Step::Send(CONTINUE.into()),
        Step::Expect(Part::Request),
        Step::Send(format!("{CONTINUE}{HELLO}").into()),
    ]);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!((trace.counts.sent, trace.ended), (4, 0));
}

/// RFC 9110 §10.1.1: without content there is nothing to wait for.
#[test]
fn an_expectation_without_a_body_waits_for_nothing() {
    for body in [Body::None, Body::Bytes(Vec::new())] {
        let script = Script::new("PUT", body).field("Expect", "100-continue").answered(HELLO);
        let trace = play_all(&script);
        assert_ok(&trace, "hello", REUSE);
        assert_eq!(trace.ended, 0);
    }
}

#[test]
fn a_body_of_unknown_length_waits_too() {
    let script = Script::new("POST", Body::pieces(["a", "bc"]))
        .field("expect", "100-Continue")
        .answered(HELLO);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, CONTINUE_TIMEOUT);
    assert!(trace.request(0).ends_with("\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"));
}

#[test]
fn a_request_timeout_that_is_shorter_than_the_wait_for_100_continue_ends_the_task() {
    let mut script = expecting().answered(HELLO);
    script.options.request_timeout = 700_000;
    let trace = play_all(&script);
    assert_err(&trace, "", Error::TimedOut(Timer::Request));
    assert_eq!(trace.ended, 700_000);
}

// Upgrades.

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";

fn upgrading(kind: TaskKind) -> Script {
    let script = Script::get().field("Connection", "upgrade").field("Upgrade", "x");
    script.kind(kind)
}

#[test]
fn a_101_that_was_asked_for_hands_the_connection_over_with_what_came_behind_it() {
    for kind in [TaskKind::Data, TaskKind::WebSocket] {
        let response = format!("{CONTINUE}{SWITCH}next protocol");
        let trace = play_all(&upgrading(kind).answered_and_closed(response));
        assert_eq!(trace.result, Ok(()));
        assert_eq!(trace.statuses(), [100, 101]);
        assert_eq!(trace.released(), [Released::Upgraded]);
        assert_eq!((trace.content, trace.after_upgrade), (vec![], b"next protocol".to_vec()));
    }
}

/// RUSTSEC-2026-0033: an upgrade before its time.
#[test]
fn a_101_that_was_not_asked_for_is_an_error() {
    let trace = answered(format!("{SWITCH}{HELLO}"));
    assert_err(&trace, "", Error::Peer(PeerError::UnexpectedUpgrade));
    assert_eq!(trace.events, []);
}

/// RFC 9110 §7.8: nobody changes the protocol in the middle of a message.
#[test]
fn a_101_before_the_request_is_sent_is_an_error() {
    for taken in [Part::Head, Part::Bytes(40)] {
        let script = Script::new("POST", Body::Bytes(vec![b'x'; 100]))
            .field("Connection", "upgrade")
            .field("Upgrade", "x")
            .origin([Step::Expect(taken), Step::Send(SWITCH.into())]);
        assert_err(&play_all(&script), "", Error::Peer(PeerError::UnexpectedUpgrade));
    }
}

#[test]
fn an_upgrade_that_is_not_taken_up_is_an_ordinary_answer() {
    let trace = play_all(&upgrading(TaskKind::Data).answered(HELLO));
    assert_ok(&trace, "hello", REUSE);
}

#[test]
fn a_websocket_task_fails_on_any_other_answer_than_101() {
    for status in [200, 301, 401, 426] {
        let response = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\nhello");
        let trace = play_all(&upgrading(TaskKind::WebSocket).answered(response));
        assert_err(&trace, "", Error::Peer(PeerError::UpgradeRefused));
        assert_eq!(trace.statuses(), [status], "the user is told what came instead");
    }
}

#[test]
fn a_stream_task_gets_the_connection_without_a_word_of_http() {
    let origin = [Step::Send("220 ready\r\n".into()), Step::Close];
    let trace = play_all(&Script::get().kind(TaskKind::Stream).origin(origin));
    assert_eq!(trace.result, Ok(()));
    assert_eq!((trace.events, trace.after_upgrade), (vec![], b"220 ready\r\n".to_vec()));
    let connection = trace.connections.first().expect("a connection");
    assert_eq!(connection.released, Released::Upgraded);
    assert!(connection.request.is_empty());
}
