//! The earliest begin, timeouts of single tasks, and timers over several hops.

use sortie_core::{Error, Instant, Output, Question, Task, TaskState, Timer, Wish};
use sortie_tests::bare::play_all;
use sortie_tests::script::{Part, Say, Script, Step, What, When};

use crate::{HELLO, REUSE, assert_ok};

const SECOND: u64 = 1_000_000;
const IDLE: Error = Error::TimedOut(Timer::Request);
const TOTAL: Error = Error::TimedOut(Timer::Resource);

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

/// A GET that begins no earlier than at this second.
fn delayed(seconds: u64) -> Script {
    let mut script = Script::get();
    script.options.earliest_begin = at(seconds * SECOND);
    script
}

fn to(location: &str) -> String {
    format!("HTTP/1.1 302 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

// The earliest begin.

#[test]
fn a_task_waits_for_its_earliest_begin() {
    let trace = play_all(&delayed(300).answered(HELLO));
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, 300 * SECOND);
}

#[test]
fn a_task_that_is_resumed_after_it_begins_at_once() {
    let script = delayed(10).command(When::At(20 * SECOND), What::Resume).answered(HELLO);
    assert_eq!(play_all(&script).ended, 20 * SECOND);
}

#[test]
fn the_request_timer_begins_with_the_attempt_and_the_resource_timer_with_the_resume() {
    let silent = [Step::Expect(Part::Request)];
    let trace = play_all(&delayed(300).origin(silent.clone()));
    assert_eq!((trace.result, trace.ended), (Err(IDLE), 360 * SECOND));
    let mut script = delayed(300).origin(silent);
    script.options.resource_timeout = 100 * SECOND;
    let trace = play_all(&script);
    assert_eq!((trace.result, trace.ended), (Err(TOTAL), 100 * SECOND));
    assert_eq!(trace.released(), [], "nothing was connected to");
}

#[test]
fn a_task_that_is_suspended_over_its_earliest_begin_begins_when_it_is_resumed() {
    let script = delayed(10)
        .command(When::At(0), What::Resume)
        .command(When::At(5 * SECOND), What::Suspend)
        .command(When::At(30 * SECOND), What::Resume)
        .answered(HELLO);
    assert_eq!(play_all(&script).ended, 30 * SECOND);
    let early = delayed(10)
        .command(When::At(0), What::Resume)
        .command(When::At(2 * SECOND), What::Suspend)
        .command(When::At(5 * SECOND), What::Resume)
        .answered(HELLO);
    assert_eq!(play_all(&early).ended, 10 * SECOND);
}

#[test]
fn a_task_that_waits_for_it_can_be_cancelled() {
    let script =
        delayed(10).command(When::At(0), What::Resume).command(When::At(5 * SECOND), What::Cancel);
    let trace = play_all(&script);
    assert_eq!((trace.result, trace.ended), (Err(Error::Canceled), 5 * SECOND));
}

/// It holds for the task, not for each request of it.
#[test]
fn a_later_hop_does_not_wait_for_it() {
    let trace = play_all(&delayed(10).exchanges([&to("/a"), &to("/b"), HELLO]));
    assert_eq!((trace.result, trace.ended), (Ok(()), 10 * SECOND));
}

fn task(script: &Script) -> Task {
    let fields = script.checked_fields();
    Task::new(&script.request(&fields), script.options)
}

#[test]
fn a_task_that_waits_for_it_is_running_and_can_be_told_another() {
    let mut task = task(&delayed(10));
    assert_eq!(task.deadline(), None, "it was not resumed");
    task.resume(at(0));
    assert_eq!(task.state(), TaskState::Running);
    assert_eq!((task.poll_output(), task.deadline()), (Output::Wait, Some(at(10 * SECOND))));
    task.set_earliest_begin(at(20 * SECOND));
    task.handle_timeout(at(10 * SECOND));
    assert_eq!((task.poll_output(), task.deadline()), (Output::Wait, Some(at(20 * SECOND))));
    task.set_earliest_begin(at(5 * SECOND));
    assert_eq!(task.earliest_begin(), at(5 * SECOND));
    assert_eq!(task.deadline(), Some(at(5 * SECOND)), "it is over already");
    task.handle_timeout(at(10 * SECOND));
    assert_eq!(task.poll_output(), Output::Connect(Wish::Any));
    task.set_earliest_begin(at(30 * SECOND));
    assert_eq!(task.earliest_begin(), at(5 * SECOND), "too late");
    assert_eq!(task.poll_output(), Output::Connect(Wish::Any));
}

/// Who suspends a task does not have to hurry to put it off.
#[test]
fn a_suspended_task_can_be_put_off_after_its_earliest_begin_has_passed() {
    let mut task = task(&delayed(10));
    task.resume(at(0));
    task.suspend().unwrap();
    assert_eq!(task.deadline(), Some(at(sortie_core::limits::RESOURCE_TIMEOUT)));
    task.handle_timeout(at(15 * SECOND));
    task.set_earliest_begin(at(20 * SECOND));
    task.resume(at(16 * SECOND));
    assert_eq!((task.poll_output(), task.deadline()), (Output::Wait, Some(at(20 * SECOND))));
}

// Timeouts.

/// Not the session's: zachlatta/freeflow#253.
#[test]
fn each_task_has_its_own_timeouts() {
    for (request, resource, error, ended) in
        [(3, 100, IDLE, 3), (500, 100, TOTAL, 100), (7, 7, TOTAL, 7), (90, 1_000, IDLE, 90)]
    {
        let mut script = Script::get().origin([Step::Expect(Part::Request)]);
        script.options.request_timeout = request * SECOND;
        script.options.resource_timeout = resource * SECOND;
        let trace = play_all(&script);
        assert_eq!((trace.result, trace.ended), (Err(error), ended * SECOND));
    }
}

/// A chain whose hops take 50 seconds each.
fn slow_chain() -> Script {
    let mut steps = Vec::new();
    for hop in 0..10 {
        let response = if hop < 9 { to(&format!("/{hop}")) } else { HELLO.into() };
        steps.push(Step::Expect(Part::Request));
        steps.extend([Step::Wait(50 * SECOND), Step::Send(response.into()), Step::Next]);
    }
    Script::get().origin(steps)
}

#[test]
fn each_hop_has_the_whole_request_timeout() {
    let trace = play_all(&slow_chain());
    assert_eq!((trace.result, trace.ended), (Ok(()), 500 * SECOND));
    let mut script = slow_chain();
    script.options.request_timeout = 49 * SECOND;
    let trace = play_all(&script);
    assert_eq!((trace.result, trace.ended), (Err(IDLE), 49 * SECOND));
}

#[test]
fn the_resource_timeout_spans_all_hops() {
    let mut script = slow_chain();
    script.options.resource_timeout = 210 * SECOND;
    let trace = play_all(&script);
    assert_eq!((trace.result, trace.ended), (Err(TOTAL), 210 * SECOND));
    assert_eq!(trace.hops().len(), 4);
}

/// A redirect whose body does not come is no reason to wait for ever.
#[test]
fn a_body_that_nobody_wants_is_waited_for_as_any_other() {
    let start = "HTTP/1.1 302 X\r\nLocation: /a\r\nContent-Length: 9\r\n\r\nmoved";
    let trace = play_all(&Script::get().answered(start));
    assert_eq!((trace.result, trace.ended), (Err(IDLE), 60 * SECOND));
    assert_eq!(trace.text(), "");
}

/// A question and a suspension at the same time, in either order.
#[test]
fn the_request_timer_rests_while_either_a_question_or_a_suspension_lasts() {
    for (resumed, replied) in [(100, 300), (300, 100)] {
        let script = Script::get()
            .asks(Question::Disposition)
            .command(When::At(0), What::Resume)
            .command(When::At(SECOND), What::Suspend)
            .command(When::At(resumed * SECOND), What::Resume)
            .reply(replied * SECOND, Say::Allow)
            .answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
        let trace = play_all(&script);
        assert_eq!((trace.result, trace.text().as_str()), (Err(IDLE), "hel"));
        assert_eq!(trace.ended, 360 * SECOND);
    }
}
