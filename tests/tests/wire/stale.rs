//! A connection that was used before may be dead by now (RFC 9112 §9.3.1). One retry hides that,
//! where it is safe. hyper#2136, hyper#2275, reqwest#2021, ureq#10, ureq#772, deno#32566.

use sortie_core::{CloseReason, Error, Instant, Output, Task, Transport, Wish};
use sortie_tests::bare::play_all;
use sortie_tests::script::{Body, Part, Script, Step};
use sortie_tests::trace::Trace;

use crate::{HELLO, REUSE, assert_err, closed};

const NO_RESPONSE: Error = Error::Transport(Transport::NoResponse);

/// The ways in which a used connection shows that it is dead, without a byte of an answer: at once,
/// or after it took a whole request.
fn deaths() -> [Vec<Step>; 4] {
    [
        vec![Step::Close],
        vec![Step::Reset],
        vec![Step::Expect(Part::Request), Step::Close],
        vec![Step::Expect(Part::Request), Step::Reset],
    ]
}

#[track_caller]
fn assert_retried(trace: &Trace) {
    assert_eq!(trace.result, Ok(()), "{trace:?}");
    assert_eq!(trace.text(), "hello");
    assert_eq!(trace.released(), [closed(CloseReason::Stale), REUSE]);
    assert_eq!(trace.ended, 0);
}

#[test]
fn a_request_on_a_dead_connection_is_made_again_on_a_new_one() {
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"] {
        for death in deaths() {
            let script = Script::new(method, Body::None).reused_origin(death);
            let answer = "HTTP/1.1 204 X\r\n\r\n";
            let trace = play_all(&script.answered(answer));
            assert_eq!(trace.result, Ok(()), "{method}: {trace:?}");
            assert_eq!(trace.released(), [closed(CloseReason::Stale), REUSE]);
        }
    }
}

#[test]
fn a_request_is_made_again_once() {
    for death in deaths() {
        let script = Script::get().reused_origin(death.clone()).origin(death);
        let trace = play_all(&script);
        assert_eq!(trace.result, Err(NO_RESPONSE));
        let failed = closed(CloseReason::Failed);
        assert_eq!(trace.released(), [closed(CloseReason::Stale), failed]);
    }
}

/// Even if the new connection that was wished for is a used one.
#[test]
fn a_second_dead_connection_ends_the_task_whichever_it_is() {
    let script = Script::get();
    let fields = script.checked_fields();
    let mut task = Task::new(&script.request(&fields), script.options);
    task.resume(Instant::EPOCH);
    for (wish, dead) in [
        (Wish::Any, vec![Output::Close(CloseReason::Stale), Output::Connect(Wish::New)]),
        (Wish::New, vec![Output::Close(CloseReason::Failed), Output::Complete(Err(NO_RESPONSE))]),
    ] {
        assert_eq!(task.poll_output(), Output::Connect(wish));
        task.handle_connected(Instant::EPOCH, true).unwrap();
        task.handle_prepared(Instant::EPOCH).unwrap();
        task.handle_end().unwrap();
        assert_eq!(vec![task.poll_output(), task.poll_output()], dead);
    }
}

#[test]
fn a_new_connection_that_dies_is_not_tried_again() {
    for death in deaths() {
        assert_err(&play_all(&Script::get().origin(death)), "", NO_RESPONSE);
    }
}

#[test]
fn a_connection_that_answered_a_byte_is_not_stale() {
    for answer in ["H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        for end in [Step::Close, Step::Reset] {
            let origin = [Step::Expect(Part::Request), Step::Send(answer.into()), end];
            let trace = play_all(&Script::get().reused_origin(origin));
            assert_err(&trace, "", Error::Transport(Transport::Lost));
        }
    }
}

/// Nobody knows what became of it.
#[test]
fn a_request_that_is_not_idempotent_is_not_made_again_once_a_byte_of_it_was_taken() {
    for method in ["POST", "PATCH", "Purge"] {
        for body in [Body::None, Body::Bytes(b"body".into())] {
            let script = Script::new(method, body);
            for taken in [Part::Bytes(1), Part::Head, Part::Request] {
                let origin = [Step::Expect(taken), Step::Close];
                assert_err(&play_all(&script.clone().reused_origin(origin)), "", NO_RESPONSE);
            }
        }
    }
}

/// Over a dead connection none of it went out.
#[test]
fn a_request_of_which_nothing_was_taken_is_made_again_whatever_it_is() {
    for end in [Step::Close, Step::Reset] {
        let post = Script::new("POST", Body::Bytes(b"body".into()));
        let mut once = post.clone();
        once.options.body_is_replayable = false;
        for script in [post, once] {
            let trace = play_all(&script.reused_origin([end.clone()]).answered(HELLO));
            assert_retried(&trace);
            assert_eq!(trace.request(0), "");
            assert!(trace.request(1).ends_with("body"));
        }
    }
}

#[test]
fn a_body_that_can_be_had_again_is_sent_again_from_its_start() {
    for body in [Body::Bytes(b"body".into()), Body::pieces(["bo", "dy"])] {
        for taken in [Part::Head, Part::Request] {
            let script = Script::new("PUT", body.clone())
                .reused_origin([Step::Expect(taken), Step::Close])
                .answered(HELLO);
            let trace = play_all(&script);
            assert_retried(&trace);
            assert!(trace.request(1).starts_with(&trace.request(0)));
            assert_eq!(trace.counts.sent, 4, "counts begin again");
        }
    }
}

#[test]
fn a_body_that_cannot_be_had_again_is_not_sent_in_part_twice() {
    let mut script = Script::new("PUT", Body::pieces(["bo", "dy"]));
    script.options.body_is_replayable = false;
    let untouched = [Step::Expect(Part::Head), Step::Close];
    assert_retried(&play_all(&script.clone().reused_origin(untouched).answered(HELLO)));
    let touched = [Step::Expect(Part::Request), Step::Close];
    assert_err(&play_all(&script.reused_origin(touched)), "", NO_RESPONSE);
}

/// An adapter looks before it uses an idle connection for what cannot be made again.
#[test]
fn a_task_says_whether_it_survives_a_dead_connection() {
    let survives = |method: &str, body: Body, body_is_replayable: bool| {
        let mut script = Script::new(method, body);
        script.options.body_is_replayable = body_is_replayable;
        let fields = script.checked_fields();
        Task::new(&script.request(&fields), script.options).survives_stale()
    };
    let body = || Body::Bytes(b"body".into());
    assert!(survives("GET", Body::None, false) && survives("DELETE", Body::None, false));
    assert!(survives("PUT", body(), true) && survives("PUT", Body::Bytes(Vec::new()), false));
    assert!(!survives("PUT", body(), false) && !survives("PUT", Body::pieces(["body"]), false));
    assert!(!survives("POST", Body::None, true) && !survives("PATCH", body(), true));
}

#[test]
fn a_task_that_was_retried_does_not_survive_another_dead_connection() {
    let script = Script::get();
    let fields = script.checked_fields();
    let mut task = Task::new(&script.request(&fields), script.options);
    task.resume(Instant::EPOCH);
    task.handle_connected(Instant::EPOCH, true).unwrap();
    task.handle_prepared(Instant::EPOCH).unwrap();
    assert!(task.survives_stale());
    task.handle_end().unwrap();
    assert!(!task.survives_stale());
}

/// The retry is part of the task: its time runs on. ureq#1194.
#[test]
fn the_resource_timer_runs_on_over_a_retry() {
    let mut script = Script::get()
        .reused_origin([Step::Expect(Part::Request), Step::Wait(40_000_000), Step::Close])
        .origin([Step::Expect(Part::Request)]);
    script.options.resource_timeout = 70_000_000;
    let trace = play_all(&script);
    assert_eq!(trace.result, Err(Error::TimedOut(sortie_core::Timer::Resource)));
    assert_eq!(trace.ended, 70_000_000);
}

#[test]
fn a_refused_connection_is_told_and_not_tried_again() {
    let trace = play_all(&Script::get().origin([Step::Refuse]));
    assert_eq!(trace.result, Err(Error::Transport(Transport::Refused)));
    let dead = Script::get().reused_origin([Step::Close]).origin([Step::Refuse]);
    let trace = play_all(&dead);
    assert_eq!(trace.result, Err(Error::Transport(Transport::Refused)));
}
