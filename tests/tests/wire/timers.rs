//! The request timer, which is an idle timer, and the resource timer, to the microsecond.

use sortie_core::{
    BodyLength, Error, Event, Instant, Misuse, Output, Request, RequestHead, Task, TaskOptions,
    Timer, Transport, Url, Wish,
};
use sortie_tests::bare::{Drive, play, play_all};
use sortie_tests::origin::Split;
use sortie_tests::script::{Body, Part, Script, Step, URL, What, When};

use crate::{HELLO, REUSE, assert_err, assert_ok};

const SECOND: u64 = 1_000_000;
const IDLE: Error = Error::TimedOut(Timer::Request);
const TOTAL: Error = Error::TimedOut(Timer::Resource);

/// The start of an answer, of which 5 bytes of content are still to come.
const START: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

/// A GET with timeouts in seconds.
fn timed(request: u64, resource: u64) -> Script {
    with_timeouts(Script::get(), request, resource)
}

fn with_timeouts(mut script: Script, request: u64, resource: u64) -> Script {
    script.options.request_timeout = request * SECOND;
    script.options.resource_timeout = resource * SECOND;
    script
}

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_the_request_timeout() {
    let trace = play_all(&timed(7, 100).origin([Step::Expect(Part::Request)]));
    assert_err(&trace, "", IDLE);
    assert_eq!(trace.ended, 7 * SECOND);
    assert_eq!(IDLE.code(), -1001);
}

#[test]
fn the_defaults_are_those_of_urlsession() {
    let trace = play_all(&Script::get().origin([Step::Expect(Part::Request)]));
    assert_err(&trace, "", IDLE);
    assert_eq!(trace.ended, 60 * SECOND);
    let options = TaskOptions::default();
    assert_eq!(options.resource_timeout, 7 * 24 * 3600 * SECOND);
}

/// At the last microsecond it is in time, one later it is not.
#[test]
fn an_answer_is_in_time_up_to_the_timeout() {
    let origin = |wait| {
        let steps = [Step::Expect(Part::Request), Step::Wait(wait), Step::Send(HELLO.into())];
        play_all(&timed(7, 100).origin(steps))
    };
    assert_ok(&origin(7 * SECOND - 1), "hello", REUSE);
    // An answer at the very microsecond of the timeout may be seen before it or after it.
    assert_err(&origin(7 * SECOND + 1), "", IDLE);
}

/// ureq#700, ureq#1194, reqwest#724: bytes that move, in either direction, start it again.
#[test]
fn every_byte_starts_the_request_timer_again() {
    let mut steps = vec![Step::Expect(Part::Request)];
    for byte in HELLO.bytes() {
        steps.extend([Step::Wait(6 * SECOND), Step::Send(vec![byte])]);
    }
    let trace = play_all(&timed(7, 100_000).origin(steps));
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, HELLO.len() as u64 * 6 * SECOND);
}

#[test]
fn bytes_of_an_upload_start_the_request_timer_again() {
    let mut steps = vec![Step::Expect(Part::Head)];
    for _ in 0..20 {
        steps.extend([Step::Wait(6 * SECOND), Step::Expect(Part::Bytes(5))]);
    }
    steps.push(Step::Send(HELLO.into()));
    let upload = with_timeouts(Script::new("PUT", Body::Bytes(vec![b'x'; 100])), 7, 1000);
    let trace = play_all(&upload.clone().origin(steps));
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, 120 * SECOND);

    let stuck = [Step::Expect(Part::Head), Step::Wait(6 * SECOND), Step::Expect(Part::Bytes(5))];
    let trace = play_all(&upload.origin(stuck));
    assert_err(&trace, "", IDLE);
    assert_eq!((trace.ended, trace.counts.sent), (13 * SECOND, 5));
}

#[test]
fn a_body_that_stops_half_way_is_given_up_and_what_came_is_kept() {
    let steps = [Step::Send(format!("{START}hel").into())];
    let trace = play_all(&timed(7, 100).origin(steps));
    assert_err(&trace, "hel", IDLE);
    assert_eq!(trace.ended, 7 * SECOND);
}

/// ureq#707, ureq#1022: one time for everything, from the first resume.
#[test]
fn the_resource_timer_bounds_the_whole_task() {
    let head = Step::Send("HTTP/1.1 200 OK\r\n\r\n".into());
    let mut steps = vec![Step::Wait(SECOND / 2), head];
    for _ in 0..100 {
        steps.extend([Step::Wait(SECOND), Step::Send("x".into())]);
    }
    let trace = play_all(&timed(7, 50).origin(steps));
    assert_err(&trace, &"x".repeat(49), TOTAL);
    assert_eq!(trace.ended, 50 * SECOND);
}

#[test]
fn the_resource_timer_starts_with_the_first_resume_and_runs_on_while_suspended() {
    let script = timed(7, 50)
        .command(When::At(1000 * SECOND), What::Resume)
        .command(When::At(1001 * SECOND), What::Suspend)
        .command(When::At(1040 * SECOND), What::Resume)
        .command(When::At(1041 * SECOND), What::Suspend)
        .command(When::At(2000 * SECOND), What::Resume)
        .origin([Step::Expect(Part::Request)]);
    let trace = play_all(&script);
    assert_err(&trace, "", TOTAL);
    assert_eq!(trace.ended, 1050 * SECOND);
}

#[test]
fn the_request_timer_rests_while_suspended_and_starts_anew() {
    let script = timed(7, 10_000)
        .command(When::At(0), What::Resume)
        .command(When::At(5 * SECOND), What::Suspend)
        .command(When::At(500 * SECOND), What::Resume)
        .origin([Step::Expect(Part::Request)]);
    let trace = play_all(&script);
    assert_err(&trace, "", IDLE);
    assert_eq!(trace.ended, 507 * SECOND);
}

#[test]
fn bytes_that_came_while_suspended_are_read_after_it() {
    let script = timed(7, 10_000)
        .command(When::At(0), What::Resume)
        .command(When::At(SECOND), What::Suspend)
        .command(When::At(500 * SECOND), What::Resume)
        .origin([Step::Expect(Part::Request), Step::Wait(2 * SECOND), Step::Send(HELLO.into())]);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, 500 * SECOND);
}

/// A server that loses patience meanwhile is the server's affair: what it sent counts.
#[test]
fn a_connection_that_was_closed_while_suspended_fails_the_task_after_it() {
    let script = timed(7, 10_000)
        .command(When::At(0), What::Resume)
        .command(When::Received(3), What::Suspend)
        .command(When::At(500 * SECOND), What::Resume)
        .origin([Step::Send(format!("{START}hel").into()), Step::Wait(SECOND), Step::Close]);
    let trace = play_all(&script);
    assert_err(&trace, "hel", Error::Transport(Transport::Lost));
    assert_eq!(trace.ended, 500 * SECOND);
}

#[test]
fn if_both_timers_run_out_at_once_it_is_the_resource_timer() {
    let trace = play_all(&timed(7, 7).origin([Step::Expect(Part::Request)]));
    assert_err(&trace, "", TOTAL);
}

#[test]
fn the_longest_timeouts_do_not_overflow() {
    let mut script = Script::get();
    script.options.request_timeout = u64::MAX;
    script.options.resource_timeout = u64::MAX;
    for begin in [0, u64::MAX / 2] {
        let script = script.clone().command(When::At(begin), What::Resume).origin([
            Step::Expect(Part::Request),
            Step::Wait(SECOND),
            Step::Send(HELLO.into()),
        ]);
        let trace = play_all(&script);
        assert_ok(&trace, "hello", REUSE);
    }
}

#[test]
fn the_request_timer_rests_once_everything_is_received() {
    let script = timed(7, 501)
        .command(When::At(0), What::Resume)
        .command(When::Received(5), What::Suspend)
        .command(When::At(500 * SECOND), What::Resume)
        .answered(HELLO);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, 500 * SECOND);
}

/// What is wholly received is not told late: nobody waits longer than he said, for whomever.
#[test]
fn the_resource_timer_runs_on_once_everything_is_received() {
    let script = timed(7, 50)
        .command(When::At(0), What::Resume)
        .command(When::Received(5), What::Suspend)
        .command(When::At(500 * SECOND), What::Resume)
        .answered(HELLO);
    // Whether a user is that quick is luck where a driver goes on by itself.
    let trace = play(&script, Drive::split(Split::Bytewise));
    assert_eq!((trace.result, trace.ended), (Err(TOTAL), 50 * SECOND));
    // The connection is another task's by then.
    assert_eq!((trace.text().as_str(), trace.released()), ("hello", vec![REUSE]));
}

#[test]
fn an_upgraded_connection_has_the_resource_timer_only() {
    let upgrade = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let script = timed(7, 50).field("Connection", "upgrade").field("Upgrade", "x");
    let trace = play_all(&script.answered(upgrade));
    assert_eq!((trace.result, trace.ended), (Err(TOTAL), 50 * SECOND));
}

// What only an adapter sees, on the task itself.

fn task() -> Task {
    let url = Url::parse(URL).unwrap();
    let request = Request::new("GET", url, &[], BodyLength::None).unwrap();
    Task::new(&request, TaskOptions::default())
}

const REQUEST: u64 = sortie_core::limits::REQUEST_TIMEOUT;
const RESOURCE: u64 = sortie_core::limits::RESOURCE_TIMEOUT;

#[test]
fn waiting_for_a_turn_costs_the_request_timer_nothing() {
    let mut task = task();
    assert_eq!(task.deadline(), None, "nothing runs before the first resume");
    task.resume(at(5));
    assert_eq!(task.poll_output(), Output::Connect(Wish::Any));
    assert_eq!(task.deadline(), Some(at(5 + RESOURCE)));
    task.handle_timeout(at(5 + 10 * REQUEST));
    assert_eq!(task.poll_output(), Output::Connect(Wish::Any));
    task.handle_connecting(at(5 + 10 * REQUEST)).unwrap();
    assert_eq!(task.deadline(), Some(at(5 + 11 * REQUEST)));
}

#[test]
fn a_connection_attempt_is_bounded_by_the_request_timer() {
    let mut task = task();
    task.resume(at(0));
    task.handle_connecting(at(3)).unwrap();
    task.handle_timeout(at(3 + REQUEST - 1));
    assert_eq!(task.poll_output(), Output::Connect(Wish::Any));
    task.handle_timeout(at(3 + REQUEST));
    assert_eq!(task.poll_output(), Output::Complete(Err(IDLE)));
}

/// The attempt is given up, so that the task waits for a turn again after it.
#[test]
fn a_suspend_during_a_connection_attempt_stops_the_request_timer_until_the_next_attempt() {
    let mut task = task();
    task.resume(at(0));
    task.handle_connecting(at(1)).unwrap();
    task.suspend().unwrap();
    assert_eq!(task.poll_output(), Output::Wait);
    task.resume(at(2));
    assert_eq!(task.poll_output(), Output::Connect(Wish::Any));
    assert_eq!(task.deadline(), Some(at(RESOURCE)));
}

/// A task of which all was received at 3 µs, and the connection given back.
fn received() -> Task {
    let mut task = task();
    task.resume(at(0));
    task.handle_connected(at(1), false).unwrap();
    task.handle_prepared(at(2)).unwrap();
    let mut room = [0; 200];
    let url = Url::parse(URL).unwrap();
    let request = Request::new("GET", url, &[], BodyLength::None).unwrap();
    let count = task.encode(&RequestHead::new(&request), &mut room).unwrap();
    task.handle_sent(at(2), count).unwrap();
    let mut input = *b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let _ = task.handle_head(at(3), &mut input, false, &mut []).unwrap();
    assert_eq!(task.poll_output(), Output::Event(Event::Response { status: 200 }));
    assert_eq!(task.poll_output(), Output::Reuse);
    assert_eq!(task.poll_output(), Output::Finish);
    task
}

#[test]
fn a_sink_that_never_says_that_all_is_stored_ends_the_task_with_the_resource_timeout() {
    let mut task = received();
    assert_eq!(task.deadline(), Some(at(RESOURCE)));
    task.handle_timeout(at(RESOURCE - 1));
    assert_eq!(task.poll_output(), Output::Finish);
    task.handle_timeout(at(RESOURCE));
    assert_eq!(task.poll_output(), Output::Complete(Err(TOTAL)));
    assert_eq!(task.handle_committed(), Err(Misuse::NotAskedFor), "too late");
    // Who puts in order what is left knows how long ago that was.
    assert_eq!((task.deadline(), task.resource_deadline()), (None, Some(at(RESOURCE))));
}

/// What is stored is there: no timer and no suspend makes it otherwise.
#[test]
fn what_was_committed_succeeds_whatever_time_it_is_and_though_it_is_suspended() {
    let mut task = received();
    task.suspend().unwrap();
    assert_eq!(task.poll_output(), Output::Wait);
    task.handle_committed().unwrap();
    task.handle_timeout(at(RESOURCE));
    assert_eq!(task.deadline(), None);
    assert_eq!(task.poll_output(), Output::Complete(Ok(())));
}

/// A consumer may take longer than a server may be silent.
#[test]
fn content_that_is_taken_late_starts_the_request_timer_again() {
    let mut task = task();
    task.resume(at(0));
    task.handle_connecting(at(0)).unwrap();
    task.handle_connected(at(0), false).unwrap();
    task.handle_prepared(at(0)).unwrap();
    let mut input = *b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let _ = task.handle_head(at(0), &mut input, false, &mut []).unwrap();
    let _ = task.poll_output();
    assert_eq!(task.handle_body(at(0), &mut b"hel".to_vec()), Ok(3));
    assert_eq!(task.deadline(), Some(at(REQUEST)));
    task.handle_delivered(at(REQUEST - 1), 3).unwrap();
    assert_eq!(task.deadline(), Some(at(2 * REQUEST - 1)));
}
