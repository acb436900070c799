//! What can be seen of a task from beside it, and what it tells.

use std::cell::RefCell;

use embassy_futures::join::{join, join3};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use sortie_core::{BodyLength, Error, Request, Slot, TaskState, Transport, Url};
use sortie_embassy::{Config, ControlBlock, Resources, Session, TaskControl, TaskEvent};
use sortie_tests::embassy::{Heap, Served, run, run_served};
use sortie_tests::script::{Origin, Step};

use crate::{GOOD, HELLO, answers, content, get, of_length, origin, session};

const A: &str = "http://192.0.2.1/a";

/// Runs a GET beside `user`. Returns what it returned.
fn watched<R>(origins: &[Origin], user: impl AsyncFnOnce(TaskControl<'_>) -> R) -> R {
    let run = run(GOOD, origins, async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let (mut content, request) = (vec![0; 100_000], get(A));
        let task = session.data_task(&request).control(&mut seat).receive(&mut content);
        join(task, user(control)).await.1
    });
    run.output
}

#[test]
fn tasks_of_a_session_are_numbered_from_1() {
    let run = run_served(GOOD, &Served::default(), async |stack| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let (mut one, mut two) = (ControlBlock::new(), ControlBlock::new());
        let ((mut seat, first), (mut other, second)) = (one.split(), two.split());
        let request = get(A);
        assert_eq!(first.identifier(), 0, "before it begins");
        let mut room = [[0; 10]; 2];
        let [a, b] = &mut room;
        let first_task = session.data_task(&request).control(&mut seat).receive(a);
        let second_task = session.data_task(&request).control(&mut other).receive(b);
        let _ = join(first_task, second_task).await;
        let seen = (first.identifier(), second.identifier());
        let _ = session.data_task(&request).control(&mut seat).receive(&mut [0; 10]).await;
        (seen, first.identifier())
    });
    assert_eq!(run.output, ((1, 2), 3));
}

#[test]
fn response_and_error_are_there_once_they_are() {
    let cut = origin([
        Step::Wait(1000),
        Step::Send("HTTP/1.1 503 Not Now\r\nContent-Length: 5\r\n\r\nx".into()),
        Step::Wait(1000),
        Step::Close,
    ]);
    let lost = Error::Transport(Transport::Lost);
    watched(&[cut], async |control| {
        assert_eq!((control.status(), control.error(), control.outcome()), (None, None, None));
        while control.status().is_none() {
            Timer::after_micros(10).await;
        }
        assert_eq!((control.status(), control.error()), (Some(503), None));
        while control.error().is_none() {
            Timer::after_micros(10).await;
        }
        assert_eq!(control.outcome(), Some(Err(lost)));
        assert_eq!(control.state(), TaskState::Completed);
    });
}

#[test]
fn what_the_user_says_about_a_task_is_kept() {
    let run = run(GOOD, &[answers(HELLO)], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        control.set_description("the hourly report");
        let (mut content, request) = ([0; 10], get(A));
        let at = Instant::from_millis(20);
        let task = session
            .data_task(&request)
            .client_expects_to_send(100)
            .client_expects_to_receive(5000)
            .priority(700)
            .earliest_begin(at)
            .control(&mut seat)
            .receive(&mut content);
        let user = async {
            Timer::after_millis(10).await;
            assert_eq!(control.earliest_begin(), Some(at));
            assert_eq!(control.client_expects_to_send(), Some(100));
            assert_eq!(control.client_expects_to_receive(), Some(5000));
            assert_eq!(control.priority(), 700);
            control.set_client_expects(0, 7);
            assert_eq!(control.client_expects_to_send(), None);
            assert_eq!(control.client_expects_to_receive(), Some(7));
            control.set_earliest_begin(Instant::from_millis(40));
        };
        let (ended, ()) = join(task, user).await;
        assert_eq!(control.to_string(), "task 1 \"the hourly report\" Completed");
        (ended.is_ok(), control.description())
    });
    assert_eq!(run.output, (true, "the hourly report"));
    assert!(run.ended >= 40_000, "it was moved: {}", run.ended);
}

#[test]
fn a_handle_is_its_block() {
    let (mut one, mut two) = (ControlBlock::new(), ControlBlock::new());
    let ((_, first), (_, second)) = (one.split(), two.split());
    let copy = first;
    assert_eq!(copy, first);
    assert_ne!(copy, second);
    assert_eq!(first.earliest_begin(), None);
    assert!(format!("{first:?}").contains("Suspended"));
}

#[test]
fn a_watch_sees_the_latest_and_always_the_end() {
    let body = of_length(&content(50_000));
    let seen = watched(&[answers(body)], async |control| {
        let (mut changes, mut slow) = (control.changes(), control.changes());
        let quick = async {
            let mut seen = Vec::new();
            while let Some(now) = changes.next().await {
                seen.push(now);
            }
            seen
        };
        let slow = async {
            let mut seen = Vec::new();
            while let Some(now) = slow.next().await {
                seen.push(now);
                Timer::after_millis(100).await;
            }
            seen
        };
        join(quick, slow).await
    });
    let (quick, slow) = seen;
    assert_eq!((quick[0].state, quick[0].counts.wire_sent), (TaskState::Running, 0));
    assert!(quick.is_sorted_by_key(|now| now.counts.received) && quick.len() > 10);
    assert!(quick.windows(2).all(|pair| pair[0] != pair[1]), "changes only");
    for seen in [&quick, &slow] {
        let last = seen.last().expect("the end");
        assert_eq!((last.outcome, last.status), (Some(Ok(())), Some(200)));
        assert_eq!((last.state, last.counts.received), (TaskState::Completed, 50_000));
    }
    assert_eq!(slow.len(), 2, "the first, and the latest: {slow:?}");
}

#[test]
fn the_end_is_seen_where_another_task_began_meanwhile() {
    let cut = origin([Step::Close]);
    let run = run(GOOD, &[cut, answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let request = get(A);
        let mut changes = control.changes();
        let mut first = async || loop {
            let now = changes.next().await.expect("it has not ended");
            if now.state == TaskState::Running {
                break now.identifier;
            }
        };
        let task = session.data_task(&request).control(&mut seat).receive(&mut []);
        let (_, first) = join(task, first()).await;
        let mut room = [0; 10];
        let second = session.data_task(&request).control(&mut seat).receive(&mut room).await;
        let end = changes.next().await;
        let last = end.map(|end| (end.identifier == first, end.outcome));
        (second.is_ok(), last, changes.next().await.is_none())
    });
    // The second has ended by then: of the first it is known only that it did not go on.
    let canceled = Some((true, Some(Err(Error::Canceled))));
    assert_eq!(run.output, (true, canceled, true));
}

#[test]
fn a_task_whose_future_is_dropped_is_seen_to_end() {
    let run = run(GOOD, &[origin([])], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let request = get(A);
        let task = session.data_task(&request).control(&mut seat).receive(&mut []);
        let watcher = async {
            let mut changes = control.changes();
            let mut last = None;
            while let Some(now) = changes.next().await {
                last = now.outcome;
            }
            last
        };
        join(with_timeout(Duration::from_millis(5), task), watcher).await.1
    });
    assert_eq!(run.output, Some(Err(Error::Canceled)));
}

#[test]
fn a_task_that_never_began_has_not_ended() {
    let run = run(GOOD, &[], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let request = get(A);
        drop(session.data_task(&request).control(&mut seat).open());
        (control.outcome(), control.state(), control.identifier())
    });
    assert_eq!(run.output, (None, TaskState::Suspended, 0));
}

/// What a delegate is told, in short.
fn short(event: TaskEvent<'_>) -> Option<String> {
    Some(match event {
        TaskEvent::InformationalResponse { status } => format!("{status}"),
        TaskEvent::Redirected { status, to } => format!("{status} to {}", to.as_str()),
        TaskEvent::Response(head) => {
            let length = head.value("content-length").unwrap_or_default();
            format!("{} of {}", head.status(), String::from_utf8_lossy(length))
        }
        TaskEvent::Resumed { offset, total } => format!("resumed at {offset} of {total:?}"),
        TaskEvent::BodyRestarted => "again".into(),
        TaskEvent::Sent(counts) if counts.sent > 0 => format!("sent {}", counts.sent),
        TaskEvent::Received(counts) if counts.received > 0 => {
            format!("received {}", counts.received)
        }
        TaskEvent::Delivered(counts) => format!("delivered {}", counts.delivered),
        TaskEvent::Completed(result) => format!("{result:?}"),
        TaskEvent::Asked(..) | TaskEvent::Sent(_) | TaskEvent::Received(_) | _ => return None,
    })
}

#[test]
fn a_delegate_is_told_everything_in_order() {
    let moved = "HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 307 There\r\nLocation: /b\r\n\
                 Content-Length: 2\r\n\r\nup";
    let steps = [
        Step::Send(moved.into()),
        Step::Next,
        Step::Expect(sortie_tests::script::Part::Request),
        Step::Send(HELLO.into()),
    ];
    let run = run(GOOD, &[origin(steps)], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let told = RefCell::new(Vec::new());
        let delegate = |event: TaskEvent<'_>| told.borrow_mut().extend(short(event));
        let url = Url::parse(A).expect("a URL");
        let request = Request::new("PUT", url, &[], BodyLength::Known(3)).expect("a request");
        let (mut bytes, mut index, mut target) = ([0; 256], [Slot::EMPTY; 8], [0; 100]);
        let task = session
            .download_task(&request)
            .body(b"abc")
            .head(&mut bytes, &mut index)
            .target(&mut target)
            .delegate(&delegate);
        let done = task.to(&mut Heap::default()).await.expect("a download");
        let url = done.redirected_to().map(|url| url.as_str().to_owned());
        (told.into_inner(), url, done.head().fields().count())
    });
    let (told, url, fields) = run.output;
    let expected = [
        "sent 3",
        "102",
        "307 to http://192.0.2.1/b",
        "again",
        "sent 3",
        "200 of 5",
        "received 5",
        "delivered 5",
        "Ok(())",
    ];
    assert_eq!(told, expected);
    assert_eq!((url.as_deref(), fields), (Some("http://192.0.2.1/b"), 1));
}

#[test]
fn a_delegate_may_command_its_task() {
    let run = run(GOOD, &[answers(of_length(&content(5000)))], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let delegate = |event: TaskEvent<'_>| {
            if let TaskEvent::Response(_) = event {
                control.cancel();
            }
        };
        let (request, mut room) = (get(A), [0; 5000]);
        let task = session.data_task(&request).delegate(&delegate).control(&mut seat);
        let failure = task.receive(&mut room).await.expect_err("it was cancelled");
        (failure.error, failure.status, failure.received)
    });
    assert_eq!(run.output, (Error::Canceled, Some(200), 0));
}

#[test]
fn several_watch_one_task_beside_it() {
    let ends = watched(&[answers(HELLO)], async |control| {
        let end = async || {
            let (mut changes, mut last) = (control.changes(), None);
            while let Some(now) = changes.next().await {
                last = now.outcome;
            }
            last
        };
        join3(end(), end(), end()).await
    });
    assert_eq!(ends, (Some(Ok(())), Some(Ok(())), Some(Ok(()))));
}
