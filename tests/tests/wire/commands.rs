//! `resume`, `suspend` and `cancel` at every step of an exchange.

use sortie_core::{CloseReason, Error, Instant, Output, Question, TaskKind, TaskState, Timer};
use sortie_tests::bare::{Drive, Interrupt, play, play_all, play_counting};
use sortie_tests::origin::Split;
use sortie_tests::script::{Body, Command, Part, Say, Script, Step, What, When};
use sortie_tests::trace::Released;

use crate::{HELLO, REUSE, assert_ok, chunked, closed};

const SECOND: u64 = 1_000_000;
const TOTAL: Error = Error::TimedOut(Timer::Resource);

/// Exchanges of every kind.
fn exchanges() -> Vec<Script> {
    let interim = "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let chunks = chunked("5\r\nhello\r\n6;x\r\n world\r\n0\r\nX: y\r\n\r\n");
    let refusal = "HTTP/1.1 413 X\r\nContent-Length: 5\r\n\r\nlarge";
    let switch = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nnext";
    let pieces = Body::pieces(["abc", "defgh"]);
    let upgrade = Script::get().field("Connection", "upgrade").field("Upgrade", "x");
    vec![
        Script::get().answered(format!("{interim}{chunks}")),
        Script::get().answered_and_closed("HTTP/1.1 200 OK\r\n\r\nhello"),
        Script::get().answered("HTTP/1.1 204 X\r\n\r\n"),
        Script::new("PUT", pieces.clone()).field("Expect", "100-continue").origin([
            Step::Expect(Part::Head),
            Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".into()),
            Step::Expect(Part::Request),
            Step::Send(HELLO.into()),
        ]),
        Script::new("POST", pieces).origin([
            Step::Expect(Part::Head),
            Step::Expect(Part::Bytes(7)),
            Step::Send(refusal.into()),
        ]),
        Script::get().reused_origin([Step::Expect(Part::Request), Step::Close]).answered(HELLO),
        upgrade.clone().kind(TaskKind::WebSocket).answered_and_closed(switch),
        Script::get().kind(TaskKind::Stream).origin([Step::Send(b"raw".into()), Step::Close]),
    ]
    .into_iter()
    .chain(longer_exchanges())
    .collect()
}

/// Exchanges of several requests, with questions and what is stored. No connection carries two: it
/// would not be kept over a long suspension.
fn longer_exchanges() -> Vec<Script> {
    let moved = |length: usize| {
        format!(
            "HTTP/1.1 307 X\r\nLocation: //192.0.2.2/\r\nContent-Length: {length}\r\n\r\n{}",
            "moved".repeat(length / 5)
        )
    };
    let part = "HTTP/1.1 206 X\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n56789";
    let other =
        part.replace("5-9/10", "0-4/10").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let mut stream = Script::new("POST", Body::pieces(["abc", "defgh"]));
    stream.options.body_is_replayable = false;
    let mut delayed = Script::get();
    delayed.options.earliest_begin = Instant::from_micros(5 * SECOND);
    vec![
        Script::get().answered(moved(0)).answered(HELLO),
        Script::get()
            .asks(Question::Redirect)
            .asks(Question::Disposition)
            .reply(0, Say::Follow)
            .reply(0, Say::Allow)
            .answered(moved(10))
            .answered(HELLO),
        Script::get().asks(Question::Redirect).reply(0, Say::Refuse).answered(moved(5)),
        stream.asks(Question::NewBody).reply(0, Say::Body).answered(moved(0)).answered(HELLO),
        Script::get().resumes("\"v1\"", 5, Some(10)).answered(part),
        Script::get().resumes("\"v1\"", 5, Some(10)).answered(other).answered(HELLO),
        delayed.answered(HELLO),
    ]
}

/// Every way of playing `script` with `what` done at some step, and the number of that step.
fn interrupted(what: What, resumed_after: u64) -> impl Fn(&Script) -> Vec<Drive> {
    move |script| {
        let mut drives = Vec::new();
        for split in [Split::Whole, Split::Bytewise] {
            let drive = Drive::split(split);
            let (_, steps) = play_counting(script, drive);
            drives.extend((1..steps).map(|step| Drive {
                interrupt: Some(Interrupt { step, what, resumed_after }),
                ..drive
            }));
        }
        drives
    }
}

#[test]
fn a_task_can_be_cancelled_at_any_step() {
    for script in exchanges() {
        let whole = play(&script, Drive::default());
        for drive in interrupted(What::Cancel, 0)(&script) {
            let trace = play(&script, drive);
            assert_eq!(trace.result, Err(Error::Canceled), "{drive:?}");
            assert!(whole.content.starts_with(&trace.content), "what came is kept");
            assert!(whole.events.starts_with(&trace.events));
            for released in trace.released() {
                assert_ne!(released, Released::NotOpened, "{drive:?}: a connection is left over");
            }
        }
    }
}

#[test]
fn a_task_can_be_suspended_at_any_step_for_longer_than_the_request_timeout() {
    for script in exchanges() {
        let whole = play(&script, Drive::default()).normalized().timeless();
        for drive in interrupted(What::Suspend, 1000 * SECOND)(&script) {
            let trace = play(&script, drive).normalized().timeless();
            assert_eq!(trace, whole, "{drive:?}");
        }
    }
}

/// Only what is wholly received by then is safe from the resource timer.
#[test]
fn a_task_that_is_suspended_at_any_step_ends_by_its_resource_timeout() {
    for mut script in exchanges() {
        script.options.resource_timeout = 100 * SECOND;
        let whole = play(&script, Drive::default());
        for drive in interrupted(What::Suspend, 1000 * SECOND)(&script) {
            let trace = play(&script, drive);
            match trace.result {
                Ok(()) => assert_eq!(trace.timeless(), whole.clone().timeless(), "{drive:?}"),
                Err(error) => {
                    assert_eq!((error, trace.ended), (TOTAL, 100 * SECOND), "{drive:?}");
                    for released in trace.released() {
                        assert_ne!(released, Released::NotOpened, "{drive:?}: left over");
                    }
                }
            }
        }
    }
}

/// An origin that takes a request and gives each of these a second after what was before.
fn slowly(pieces: &[&str]) -> Vec<Step> {
    let piece = |piece: &&str| [Step::Wait(SECOND), Step::Send(piece.as_bytes().into())];
    [Step::Expect(Part::Request)].into_iter().chain(pieces.iter().flat_map(piece)).collect()
}

/// Exchanges in which something happens each second, for less than seven.
fn slow_exchanges() -> Vec<Script> {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let moved = "HTTP/1.1 307 X\r\nLocation: //192.0.2.2/\r\nContent-Length: 2\r\n\r\nm";
    let mut part = Script::get().resumes("\"v1\"", 5, Some(10)).origin(slowly(&[
        "HTTP/1.1 206 X\r\nContent-Range: bytes 5-9/10\r\n",
        "Content-Length: 5\r\n\r\n56",
        "789",
    ]));
    part.options.requires_success = true;
    let coded = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5";
    let mut all = vec![
        Script::get().origin(slowly(&[
            "HTTP/1.1 103 X\r\n\r\n",
            &head[..20],
            &head[20..],
            "he",
            "llo",
        ])),
        Script::get().origin(slowly(&[coded, ";x\r\nhel", "lo\r", "\n0\r\n", "X: y\r\n\r\n"])),
        Script::get().origin(slowly(&[moved, "o"])).origin(slowly(&[head, "hello"])),
        Script::new("PUT", Body::pieces(["abc", "defgh"])).field("Expect", "100-continue").origin(
            [
                vec![Step::Expect(Part::Head), Step::Wait(SECOND / 4)],
                vec![Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".into())],
                slowly(&[head, "hello"]),
            ]
            .concat(),
        ),
        part,
    ];
    for script in &mut all {
        script.options.request_timeout = 10 * SECOND;
        script.commands.push(Command { when: When::At(0), what: What::Resume });
    }
    all
}

/// The middle of each second of them.
const MOMENTS: [u64; 6] =
    [SECOND / 2, 3 * SECOND / 2, 5 * SECOND / 2, 7 * SECOND / 2, 9 * SECOND / 2, 11 * SECOND / 2];

/// The same on every driver: the other tests of steps are of the core, where each step can be met.
#[test]
fn a_task_can_be_cancelled_at_any_moment_on_every_driver() {
    for script in slow_exchanges() {
        let whole = play_all(&script);
        for at in MOMENTS.into_iter().take_while(|at| *at < whole.ended) {
            let trace = play_all(&script.clone().command(When::At(at), What::Cancel));
            assert_eq!((trace.result, trace.ended), (Err(Error::Canceled), at));
            assert!(whole.content.starts_with(&trace.content), "what came is kept");
            assert!(whole.events.starts_with(&trace.events));
        }
    }
}

#[test]
fn a_task_can_be_suspended_at_any_moment_on_every_driver() {
    for script in slow_exchanges() {
        let whole = play_all(&script);
        for at in MOMENTS.into_iter().take_while(|at| *at < whole.ended) {
            let script = script.clone().command(When::At(at), What::Suspend);
            let again = script.clone().command(When::At(at + 20 * SECOND), What::Resume);
            let trace = play_all(&again);
            assert!(trace.ended >= at + 20 * SECOND, "not while it is suspended: {trace:?}");
            assert_eq!(trace.timeless(), whole.clone().timeless(), "suspended at {at}");

            let mut never = script;
            never.options.resource_timeout = 12 * SECOND;
            let trace = play_all(&never);
            assert_eq!((trace.result, trace.ended), (Err(TOTAL), 12 * SECOND), "at {at}");
        }
    }
}

#[test]
fn a_suspended_task_can_be_cancelled_and_completes_at_once() {
    let script = Script::get()
        .command(When::At(0), What::Resume)
        .command(When::At(SECOND), What::Suspend)
        .command(When::At(2 * SECOND), What::Cancel)
        .origin([Step::Expect(Part::Request)]);
    let trace = play_all(&script);
    assert_eq!((trace.result, trace.ended), (Err(Error::Canceled), 2 * SECOND));
    assert_eq!(trace.released(), [closed(CloseReason::Failed)]);
    assert_eq!(Error::Canceled.code(), -999);
}

#[test]
fn a_task_that_was_never_resumed_does_nothing_and_can_be_cancelled() {
    let trace = play_all(&Script::get().command(When::At(7), What::Cancel));
    assert_eq!((trace.result, trace.ended), (Err(Error::Canceled), 7));
    assert_eq!((trace.connections, trace.events), (vec![], vec![]));
}

#[test]
fn suspends_nest() {
    let script = Script::get()
        .command(When::At(0), What::Resume)
        .command(When::Received(2), What::Suspend)
        .command(When::Received(2), What::Suspend)
        .command(When::At(10 * SECOND), What::Resume)
        .command(When::At(20 * SECOND), What::Resume)
        .origin(slowly(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", "llo"]));
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, 20 * SECOND);
}

#[test]
fn a_suspend_before_the_first_resume_takes_another_resume() {
    let script = Script::get()
        .command(When::At(0), What::Suspend)
        .command(When::At(SECOND), What::Resume)
        .command(When::At(2 * SECOND), What::Resume)
        .answered(HELLO);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, 2 * SECOND);
}

#[test]
fn surplus_resumes_are_not_banked() {
    let script = Script::get()
        .command(When::At(0), What::Resume)
        .command(When::At(0), What::Resume)
        .command(When::At(0), What::Resume)
        .command(When::At(SECOND), What::Suspend)
        .command(When::At(5 * SECOND), What::Resume)
        .origin([Step::Expect(Part::Request), Step::Wait(2 * SECOND), Step::Send(HELLO.into())]);
    let trace = play_all(&script);
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, 5 * SECOND);
}

/// isahc#97, isahc#295, ureq#1211: a request in flight can be interrupted; states are told at
/// once.
#[test]
fn states_change_synchronously() {
    let script = Script::get();
    let fields = script.checked_fields();
    let request = script.request(&fields);
    let mut task = sortie_core::Task::new(&request, script.options);
    assert_eq!(task.state(), TaskState::Suspended);
    task.resume(Instant::EPOCH);
    assert_eq!(task.state(), TaskState::Running);
    task.suspend().unwrap();
    assert_eq!(task.state(), TaskState::Suspended);
    task.cancel();
    assert_eq!(task.state(), TaskState::Canceling);
    task.resume(Instant::EPOCH);
    task.suspend().unwrap();
    task.cancel();
    assert_eq!(task.state(), TaskState::Canceling, "it only completes");
    assert_eq!(task.poll_output(), Output::Complete(Err(Error::Canceled)));
    assert_eq!(task.state(), TaskState::Completed);
}
