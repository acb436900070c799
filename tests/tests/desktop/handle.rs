//! Every line of a task's handle.

use std::collections::HashSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use sortie::{
    Body, Changes, Priority, Progress, ProgressReporting, Request, Session, Task, TaskBuilder,
    TaskFuture, TaskKind, TaskSnapshot, TaskState,
};

use crate::helpers::{answer, eventually, script};
use crate::{Near, Origin, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst";

#[test]
fn handles_can_be_sent_and_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Session>();
    shared::<Task>();
    shared::<Changes>();
    shared::<Progress>();
    shared::<TaskSnapshot>();
    shared::<Body>();
    shared::<TaskFuture>();
    shared::<sortie::ResumeData>();
    shared::<sortie::Error>();
    shared::<sortie::RedirectDecision>();
    shared::<sortie::Disposition>();
    shared::<sortie::NewBody>();
    shared::<sortie::SessionConfiguration>();
    shared::<sortie::TlsConfiguration>();
    shared::<sortie::TaskMetrics>();
    shared::<sortie::JsonError>();
    shared::<Request>();
    shared::<sortie::Response>();
    // They may hold a reader or a stream, which need not be shared.
    sent::<TaskBuilder>();
    sent::<sortie::UploadSource>();
    let session = Session::new();
    fn is_sent(future: impl Send) {
        drop(future);
    }
    is_sent(session.data("http://127.0.0.1/"));
    is_sent(session.bytes("http://127.0.0.1/"));
    is_sent(session.download("http://127.0.0.1/", "never"));
    is_sent(session.upload("http://127.0.0.1/", "text"));
    is_sent(session.json::<Vec<String>>("http://127.0.0.1/"));
    is_sent(session.task("http://127.0.0.1/").unwrap().json::<u8>());
    is_sent(session.data_task("http://127.0.0.1/").json::<u8>());
    fn reads(mut body: Body) {
        is_sent(body.read(&mut []));
        is_sent(body.read_all());
        is_sent(body.json::<u8>());
        is_sent(futures_lite::StreamExt::next(&mut body));
    }
    let _ = reads;
}

#[test]
fn a_handle_is_its_task() {
    let session = Session::new();
    let make = || session.task("http://u:secret@127.0.0.1:1/p?q=token").unwrap();
    let (task, other) = (make(), make());
    assert_eq!(task, task.clone());
    assert_ne!(task, other);
    assert_eq!([task.clone(), task.clone(), other.clone()].iter().collect::<HashSet<_>>().len(), 2);
    assert_eq!((task.identifier(), other.identifier()), (1, 2));
    assert_eq!(Session::new().task("http://127.0.0.1/").unwrap().identifier(), 1);
    let shown = format!("{task:?} {task}");
    assert!(shown.contains("Suspended") && shown.contains("127.0.0.1:1"), "{shown}");
    assert!(!shown.contains("secret") && !shown.contains("token"), "{shown}");
}

#[test]
fn what_the_user_says_about_a_task_is_kept() {
    let session = Session::new();
    let task = session
        .data_task("http://127.0.0.1:1/")
        .description("one")
        .priority(Priority::HIGH)
        .client_expects_to_send(10)
        .client_expects_to_receive(20)
        .create()
        .unwrap();
    assert_eq!((task.description().as_deref(), task.priority()), (Some("one"), Priority::HIGH));
    assert_eq!(task.count_of_bytes_client_expects_to_send(), Some(10));
    assert_eq!(task.count_of_bytes_client_expects_to_receive(), Some(20));
    assert!(task.prefers_incremental_delivery() && !task.has_delegate());
    assert_eq!((task.kind(), task.file(), task.earliest_begin()), (TaskKind::Data, None, None));
    assert!(task.to_string().contains("task 1 (one)"), "{task}");
    task.set_description(None);
    task.set_priority(Priority::LOW);
    task.set_count_of_bytes_client_expects_to_send(None);
    task.set_count_of_bytes_client_expects_to_receive(Some(30));
    task.set_prefers_incremental_delivery(false);
    assert_eq!((task.description(), task.priority()), (None, Priority::LOW));
    assert_eq!(task.count_of_bytes_client_expects_to_send(), None);
    assert_eq!(task.count_of_bytes_client_expects_to_receive(), Some(30));
    assert!(!task.prefers_incremental_delivery());
    assert_eq!(task.snapshot().priority, Priority::LOW);
}

#[test]
fn counts_are_of_the_content_and_unknown_until_they_are_known() {
    let (go, is_go) = gate();
    let (half, is_half) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.body(4);
        near.send(HALF);
        half.send(()).unwrap();
        pass(&is_go);
        near.send("later");
    })]);
    let session = Session::new();
    let post = Request::new("POST", &origin.url).unwrap().body("body").unwrap();
    let task = session.task(post).unwrap();
    let counts = task.url_session_counts();
    assert_eq!((counts.count_of_bytes_sent, counts.count_of_bytes_expected_to_send), (0, 4));
    assert_eq!(counts.count_of_bytes_expected_to_receive, -1);
    task.resume();
    pass(&is_half);
    eventually("the first half", || task.counts().received == 5);
    let counts = task.counts();
    assert_eq!((counts.sent, counts.expected_to_send), (4, Some(4)));
    assert_eq!(counts.expected_to_receive, Some(10));
    assert!(counts.wire_received > 5 && counts.wire_sent > 4);
    let progress = task.progress();
    assert_eq!((progress.send().completed, progress.send().total), (4, Some(4)));
    assert_eq!((progress.receive().completed, progress.receive().total), (5, Some(10)));
    assert_eq!((progress.combined().completed, progress.combined().total), (9, Some(14)));
    assert_eq!((progress.completed_units(), progress.total_units()), (9, Some(14)));
    go.send(()).unwrap();
    assert_eq!(task.clone().wait().unwrap().1, b"firstlater");
    assert_eq!(task.url_session_counts().count_of_bytes_received, 10);
    assert!((progress.fraction() - 1.0).abs() < f64::EPSILON && progress.is_finished());
    origin.done();
}

#[test]
fn response_and_error_are_there_once_they_are() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
    })]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    assert!(task.response().is_none() && task.error().is_none());
    task.resume();
    eventually("the head", || task.response().is_some());
    assert!(task.error().is_none());
    assert_eq!(task.response().unwrap().status(), 200);
    go.send(()).unwrap();
    let error = task.clone().wait().unwrap_err();
    assert_eq!((error.code(), error.failing_url()), (-1005, origin.url.as_str()));
    assert_eq!(task.error().unwrap().code(), -1005);
    assert_eq!(task.response().unwrap().status(), 200, "what came is kept");
    origin.done();
}

#[test]
fn commands_after_the_end_change_nothing() {
    let origin = Origin::answering(&[OK]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    task.clone().wait().unwrap();
    task.cancel();
    task.resume();
    task.suspend().unwrap();
    task.progress().cancel();
    assert_eq!((task.state(), task.error().is_none()), (TaskState::Completed, true));
    assert!(!task.progress().is_cancelled());
    origin.done();
}

#[test]
fn nested_suspends_are_bounded_and_counted() {
    let session = Session::new();
    let task = session.task("http://127.0.0.1:1/").unwrap();
    let refused = (0..70_000).filter(|_| task.suspend().is_err()).count();
    assert!(refused > 0 && refused < 70_000);
    assert_eq!(task.state(), TaskState::Suspended);
}

#[test]
fn a_tasks_progress_acts_on_the_task() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.closed();
    })]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    let progress = task.progress();
    assert_eq!(progress, ProgressReporting::progress(&task));
    assert!(progress.is_paused());
    progress.resume();
    eventually("the first half", || task.counts().received == 5);
    progress.pause();
    assert_eq!(task.state(), TaskState::Suspended);
    progress.pause();
    progress.resume();
    assert_eq!(task.state(), TaskState::Running, "pausing twice counts once");
    go.send(()).unwrap();
    progress.cancel();
    assert_eq!(task.clone().wait().unwrap_err().code(), -999);
    assert!(progress.is_cancelled() && progress.is_finished());
    origin.done();
}

#[test]
fn tasks_are_children_of_a_progress() {
    let origin = Origin::new(vec![answer(OK)]);
    let session = Session::new();
    let whole = Progress::new(10);
    let (done, never) = (session.task(&origin.url).unwrap(), session.task(&origin.url).unwrap());
    whole.add_child(&done, 6).unwrap();
    whole.add_child(&never, 4).unwrap();
    assert!(whole.add_child(&done, 1).is_err());
    done.clone().wait().unwrap();
    assert!((whole.fraction() - 0.6).abs() < 1e-9, "{whole:?}");
    assert_eq!((whole.completed_units(), whole.receive().completed), (6, 2));
    whole.cancel();
    assert_eq!(done.state(), TaskState::Completed);
    assert_eq!(never.wait().unwrap_err().code(), -999);
    origin.done();
}

#[test]
fn a_watch_sees_the_latest_and_always_the_end() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
    })]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    let mut changes = task.changes();
    let first = changes.next_blocking().unwrap();
    assert_eq!((first.state, first.status), (TaskState::Suspended, None));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(changes.poll_next(&mut cx).is_pending(), "nothing has changed");
    task.resume();
    let mut seen = vec![first];
    while seen.last().is_none_or(|snapshot| snapshot.counts.received < 5) {
        seen.push(changes.next_blocking().unwrap());
    }
    go.send(()).unwrap();
    while let Some(snapshot) = changes.next_blocking() {
        seen.push(snapshot);
    }
    let last = seen.last().unwrap();
    assert_eq!((last.state, last.counts.received), (TaskState::Completed, 10));
    assert_eq!((last.status, last.redirect_count), (Some(200), 0));
    assert!(seen.windows(2).all(|two| two[0] != two[1]), "only changes are seen");
    assert!(seen.windows(2).all(|two| two[0].counts.received <= two[1].counts.received));
    assert!(changes.next_blocking().is_none(), "the end stays the end");
    origin.done();
}

#[test]
fn a_watch_sees_commands_and_priority() {
    let session = Session::new();
    let task = session.task("http://127.0.0.1:1/").unwrap();
    let mut changes = task.changes();
    changes.next_blocking().unwrap();
    let same = task.clone();
    let waiting = thread::spawn(move || (changes.next_blocking(), changes));
    same.set_priority(Priority::HIGH);
    let (seen, mut changes) = waiting.join().unwrap();
    assert_eq!(seen.unwrap().priority, Priority::HIGH);
    task.cancel();
    let mut last = None;
    while let Some(snapshot) = changes.next_blocking() {
        last = Some(snapshot.state);
    }
    assert_eq!(last, Some(TaskState::Completed));
}

#[test]
fn two_watches_of_a_task_both_see_the_end() {
    let origin = Origin::new(vec![answer(OK)]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    let watching: Vec<_> = (0..3)
        .map(|_| task.changes())
        .map(|mut changes| {
            thread::spawn(move || {
                let mut last = None;
                while let Some(snapshot) = changes.next_blocking() {
                    last = Some(snapshot);
                }
                last.unwrap().state
            })
        })
        .collect();
    task.resume();
    drop(task);
    for watching in watching {
        assert_eq!(watching.join().unwrap(), TaskState::Completed);
    }
    origin.done();
}

#[test]
fn the_end_is_seen_after_a_body_or_a_one_liner_was_dropped() {
    let origin = Origin::new(vec![
        script(|near| {
            near.request();
            near.send(HALF);
            near.closed();
        }),
        script(|near| {
            near.request();
            near.send(HALF);
            near.closed();
        }),
    ]);
    let session = Session::new();
    let (_, body) = session.bytes_blocking(&origin.url).unwrap();
    let mut changes = body.task().changes();
    assert_eq!(changes.next_blocking().unwrap().state, TaskState::Running);
    drop(body);
    assert_eq!(changes.next_blocking().unwrap().state, TaskState::Completed);
    assert!(changes.next_blocking().is_none());
    {
        let mut future = pin!(session.data(&origin.url));
        let mut cx = Context::from_waker(Waker::noop());
        let begin = Instant::now();
        let mut task = None;
        while task.as_ref().is_none_or(|task: &Task| task.counts().received < 5) {
            assert!(begin.elapsed() < crate::PATIENCE);
            assert!(future.as_mut().poll(&mut cx).is_pending());
            task = session.all_tasks().pop();
        }
        changes = task.unwrap().changes();
    }
    assert_eq!(changes.next_blocking().unwrap().state, TaskState::Completed);
    origin.done();
}

#[test]
fn a_watch_allocates_nothing_for_a_change() {
    let session = Session::new();
    let task = session.task("http://127.0.0.1:1/").unwrap();
    let mut changes = task.changes();
    let mut cx = Context::from_waker(Waker::noop());
    let look = |changes: &mut Changes, cx: &mut Context<'_>, priority: f32| {
        task.set_priority(Priority::new(priority));
        let Poll::Ready(Some(seen)) = changes.poll_next(cx) else { panic!("a change is seen") };
        assert_eq!(seen.priority, Priority::new(priority));
        assert!(changes.poll_next(cx).is_pending());
    };
    look(&mut changes, &mut cx, 0.1);
    let info = allocation_counter::measure(|| {
        for number in 1..1000_u16 {
            look(&mut changes, &mut cx, f32::from(number) / 1000.0);
            task.suspend().unwrap();
            assert!(changes.poll_next(&mut cx).is_pending(), "it was suspended before");
        }
    });
    assert_eq!(info.count_total, 0, "{info:?}");
}

#[test]
fn a_body_that_is_wanted_whole_is_given_once_it_is_whole() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
    })]);
    let session = Session::new();
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    let task = body.task();
    task.set_prefers_incremental_delivery(false);
    let mut buffer = [0; 7];
    {
        let mut reading = pin!(body.read(&mut buffer));
        let mut cx = Context::from_waker(Waker::noop());
        let begin = Instant::now();
        while task.counts().received < 5 {
            assert!(reading.as_mut().poll(&mut cx).is_pending());
            assert!(begin.elapsed() < crate::PATIENCE);
        }
        assert!(reading.as_mut().poll(&mut cx).is_pending());
    }
    go.send(()).unwrap();
    assert_eq!(body.read_blocking(&mut buffer).unwrap(), 7);
    assert_eq!(&buffer, b"firstla");
    assert_eq!(body.read_blocking(&mut buffer).unwrap(), 3);
    assert_eq!(body.read_blocking(&mut buffer).unwrap(), 0);
    origin.done();
}

/// Nothing is lost when the wish changes while content comes.
#[test]
fn a_body_may_be_wanted_whole_and_then_as_it_comes() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
    })]);
    let session = Session::new();
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    let task = body.task();
    task.set_prefers_incremental_delivery(false);
    let mut buffer = [0; 100];
    {
        let mut reading = pin!(body.read(&mut buffer));
        let mut cx = Context::from_waker(Waker::noop());
        let begin = Instant::now();
        while task.counts().received < 5 {
            assert!(reading.as_mut().poll(&mut cx).is_pending());
            assert!(begin.elapsed() < crate::PATIENCE);
        }
    }
    task.set_prefers_incremental_delivery(true);
    go.send(()).unwrap();
    let mut content: Vec<u8> = Vec::new();
    while let count @ 1.. = body.read_blocking(&mut buffer).unwrap() {
        content.extend(&buffer[..count]);
    }
    assert_eq!(content, b"firstlater");
    origin.done();
}

#[test]
fn more_content_than_the_limit_fails_the_task_and_as_much_does_not() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for response in [OK, chunked] {
        let origin = Origin::new(vec![answer(response), answer(response)]);
        let at_most = |bytes| {
            let session = Session::new();
            session.data_task(&origin.url).max_content(bytes).create().unwrap().wait()
        };
        assert_eq!(at_most(2).unwrap().1, b"ok");
        let error = at_most(1).unwrap_err();
        let limit = sortie_core::Error::Limit(sortie_core::Limit::ContentBuffer);
        assert_eq!(error.kind(), sortie::ErrorKind::Task(limit));
        origin.done();
    }
}

#[test]
fn a_task_begins_no_earlier_than_it_may() {
    let origin = Origin::new(vec![answer(OK)]);
    let session = Session::new();
    let at = SystemTime::now() + Duration::from_millis(150);
    let task = session.data_task(&origin.url).earliest_begin(at).create().unwrap();
    let told = task.earliest_begin().unwrap();
    let off = told.duration_since(at).or_else(|why| Ok::<_, ()>(why.duration())).unwrap();
    assert!(off < Duration::from_millis(50), "{off:?}");
    task.resume();
    assert_eq!(task.state(), TaskState::Running);
    assert_eq!(task.clone().wait().unwrap().1, b"ok");
    assert!(SystemTime::now() >= at);
    assert_eq!(task.earliest_begin(), None);
    origin.done();
}

#[test]
fn a_task_that_waits_to_begin_can_be_told_to_begin_now() {
    let origin = Origin::new(vec![answer(OK)]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    task.set_earliest_begin(SystemTime::now() + Duration::from_secs(3600));
    task.resume();
    assert!(task.earliest_begin().is_some());
    let begin = Instant::now();
    task.set_earliest_begin(SystemTime::now());
    assert_eq!(task.wait().unwrap().1, b"ok");
    assert!(begin.elapsed() < crate::PATIENCE);
    origin.done();
}

#[test]
fn a_future_of_a_task_is_unpinned_and_shows_its_task() {
    let session = Session::new();
    let task = session.task("http://127.0.0.1:1/").unwrap();
    let mut future = task.into_future();
    assert_eq!(format!("{future:?}"), "TaskFuture(1)");
    let refused = futures_lite::future::block_on(Pin::new(&mut future));
    assert_eq!(refused.unwrap_err().code(), -1004);
}

#[test]
fn a_builder_that_is_awaited_makes_and_runs_its_task() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send(OK);
    }]);
    let session = Session::new();
    let run = async { session.data_task(&origin.url).await };
    assert_eq!(futures_lite::future::block_on(run).unwrap().1, b"ok");
    let bad = async { session.data_task("gopher://127.0.0.1/").await };
    assert_eq!(futures_lite::future::block_on(bad).unwrap_err().code(), -1002);
    origin.done();
}
