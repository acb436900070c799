//! Commands from beside the task.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use embassy_futures::join::join;
use embassy_time::{Duration, Timer, with_timeout};
use sortie_core::{BodyLength, Error, Request, TaskState, Url};
use sortie_embassy::{Config, ControlBlock, Resources, Session, TaskControl};
use sortie_tests::embassy::run;
use sortie_tests::script::{Body, Origin, Part, Script, Step, What, When};

use crate::{GOOD, HELLO, agreed, answers, content, get, of_length, origin};

const URL: &str = "http://192.0.2.1/";

/// Runs a GET beside `user`, with room for 100 KB. Returns the length of the content.
fn governed(
    origins: &[Origin],
    user: impl AsyncFnOnce(TaskControl<'_>),
) -> (Result<usize, Error>, u64) {
    let run = run(GOOD, origins, async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let (mut content, request) = (vec![0; 100_000], get(URL));
        let task = session.data_task(&request).control(&mut seat).receive(&mut content);
        let (answer, ()) = join(task, user(control)).await;
        answer.map(|answer| answer.content().len()).map_err(|failure| failure.error)
    });
    (run.output, run.ended)
}

#[test]
fn a_suspend_within_the_body_holds_the_counts_until_the_task_is_resumed() {
    let body = content(50_000);
    let (result, ended) = governed(&[answers(of_length(&body))], async |control| {
        while control.counts().received < 10_000 {
            Timer::after_micros(1).await;
        }
        control.suspend().expect("one suspend");
        assert_eq!(control.state(), TaskState::Suspended);
        let held = control.counts();
        assert!(held.received < 50_000);
        for _ in 0..300 {
            Timer::after_millis(1).await;
            assert_eq!(control.counts(), held);
        }
        control.resume();
        assert_eq!(control.state(), TaskState::Running);
    });
    assert_eq!(result, Ok(50_000));
    assert!(ended > 300_000);
}

#[test]
fn suspends_nest() {
    let (result, ended) = governed(&[answers(HELLO)], async |control| {
        control.suspend().expect("few suspends");
        control.suspend().expect("few suspends");
        Timer::after_millis(1).await;
        control.resume();
        assert_eq!(control.state(), TaskState::Suspended);
        Timer::after_millis(50).await;
        control.resume();
    });
    assert_eq!(result, Ok(5));
    assert!(ended > 50_000);
}

#[test]
fn a_cancel_while_waiting_for_the_head_ends_the_task_at_once() {
    let (result, ended) = governed(&[origin([])], async |control| {
        Timer::after_millis(10).await;
        control.cancel();
        assert_eq!(control.state(), TaskState::Canceling);
    });
    assert_eq!(result, Err(Error::Canceled));
    assert!(ended < 10_100, "{ended}");
}

#[test]
fn a_cancel_ends_a_suspended_task() {
    let (result, _) = governed(&[origin([])], async |control| {
        control.suspend().expect("one suspend");
        Timer::after_millis(10).await;
        control.cancel();
    });
    assert_eq!(result, Err(Error::Canceled));
}

#[test]
fn scripted_commands_have_the_effect_that_they_have_on_the_core() {
    let whole = || Script::get().answered(of_length(&content(30_000)));
    let suspended = whole()
        .command(When::At(0), What::Resume)
        .command(When::Received(100), What::Suspend)
        .command(When::At(50_000), What::Resume);
    assert!(agreed(&suspended, GOOD).ended >= 50_000);
    let started_twice_suspended = whole()
        .command(When::At(0), What::Suspend)
        .command(When::At(10), What::Resume)
        .command(When::At(20_000), What::Resume);
    assert!(agreed(&started_twice_suspended, GOOD).ended >= 20_000);
    let canceled = Script::get()
        .origin([Step::Expect(Part::Request)])
        .command(When::At(0), What::Resume)
        .command(When::At(70_000), What::Cancel);
    assert_eq!(agreed(&canceled, GOOD).result, Err(Error::Canceled));
}

#[test]
fn commands_before_the_task_begins_are_kept_for_it() {
    let run = run(GOOD, &[answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        assert_eq!(control.state(), TaskState::Suspended);
        control.suspend().expect("one suspend");
        let (mut content, request) = ([0; 100], get(URL));
        let task = session.data_task(&request).control(&mut seat).receive(&mut content);
        let mut task = pin!(task);
        let held = with_timeout(Duration::from_millis(20), &mut task).await;
        assert!(held.is_err(), "it is suspended");
        assert_eq!(control.counts().wire_sent, 0);
        control.resume();
        assert_eq!(task.await.map(|answer| answer.status()), Ok(200));
        assert_eq!(control.state(), TaskState::Completed);
        assert_eq!(control.progress().fraction(), 1.0);
        control.cancel();
        assert_eq!(control.state(), TaskState::Completed, "a cancel after the end does nothing");
    });
    assert_eq!(run.openings(), 1);
}

#[test]
fn one_control_governs_one_task_after_another() {
    let origins = [answers(HELLO), answers(HELLO), answers(HELLO)];
    let run = run(GOOD, &origins, async |stack, _| {
        let mut resources = Resources::<2, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let (mut content, request) = ([0; 100], get(URL));
        let task = session.data_task(&request).control(&mut seat).receive(&mut content);
        assert!(with_timeout(Duration::from_micros(4), task).await.is_err());
        assert_eq!(control.state(), TaskState::Completed, "it was dropped");
        let task = session.data_task(&request).control(&mut seat).receive(&mut content);
        task.await.map(|answer| answer.status())
    });
    assert_eq!(run.output, Ok(200));
}

/// Plays a POST and suspends it just before its poll number `place`, if it comes to that; resumed
/// 3 ms later. Returns whether it came to that.
fn suspended_at(place: usize) -> bool {
    let body = content(3000);
    let head_first = of_length(&content(5000));
    let steps = [
        Step::Wait(1000),
        Step::Send(head_first[..10].into()),
        Step::Wait(1000),
        Step::Send(head_first[10..2000].into()),
        Step::Wait(1000),
        Step::Send(head_first[2000..].into()),
    ];
    let url = Url::parse(URL).expect("a URL");
    let length = BodyLength::Known(body.len() as u64);
    let request = Request::new("POST", url, &[], length).expect("a request");
    // Attempts that are given up may have been accepted.
    let origins = vec![origin(steps); 3];
    let run = run(GOOD, &origins, async |stack, _| {
        let mut resources = Resources::<1, 512>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let mut content = vec![0; 6000];
        let task = session.data_task(&request).body(&body).control(&mut seat);
        let mut task = pin!(task.receive(&mut content));
        let mut polls = 0;
        let mut resumes = pin!(Timer::after_millis(3600));
        let answer = poll_fn(|cx| {
            if polls == place {
                control.suspend().expect("one suspend");
                resumes.set(Timer::after_millis(3));
            }
            polls += 1;
            if resumes.as_mut().poll(cx).is_ready() {
                control.resume();
                resumes.set(Timer::after_millis(3600));
            }
            match task.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(answer),
                Poll::Pending => Poll::Pending,
            }
        });
        let answer = answer.await.map(|answer| answer.content().to_vec());
        (answer, polls > place)
    });
    let (answer, was_suspended) = run.output;
    assert!(answer.is_ok_and(|came| came == content(5000)), "suspended at poll {place}");
    was_suspended
}

#[test]
fn a_task_can_be_suspended_at_every_poll_and_completes_when_it_is_resumed() {
    let places = (0..).find(|place| !suspended_at(*place));
    assert!(places > Some(15), "{places:?}");
}

/// Of a body whose source is slower than the server's patience, nothing is left behind.
#[test]
fn an_upload_can_be_suspended_while_the_connection_takes_no_more() {
    let script = Script::new("POST", Body::Bytes(content(60_000)))
        .command(When::At(0), What::Resume)
        .command(When::At(5_000), What::Suspend)
        .command(When::At(60_000), What::Resume)
        .origin([
            Step::Expect(Part::Bytes(20_000)),
            Step::Wait(20_000),
            Step::Expect(Part::Request),
            Step::Send(HELLO.into()),
        ]);
    assert!(agreed(&script, GOOD).ended > 60_000);
}
