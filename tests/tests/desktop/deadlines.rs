//! Deadlines of sessions and of tasks: in real time with wide bounds, and in virtual time to the
//! microsecond.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_io::AsyncRead;
use sortie::internals::Stuck;
use sortie::{ErrorKind, Session, UploadSource};
use sortie_core::{Error, Timer};
use sortie_tests::desktop::play_stuck;
use sortie_tests::script::Script;

use crate::helpers::{Folder, answer, script};
use crate::{Near, Origin, PATIENCE};

const SHORT: Duration = Duration::from_millis(120);
const LONG: Duration = Duration::from_secs(600);

fn silent() -> Origin {
    Origin::new(vec![|near: &mut Near| {
        near.request();
        near.closed();
    }])
}

#[test]
fn a_task_may_be_more_patient_than_its_session() {
    let origin = Origin::new(vec![script(|near| {
        near.request();
        std::thread::sleep(SHORT * 2);
        near.send("HTTP/1.1 204 No\r\n\r\n");
    })]);
    let session = Session::builder().request_timeout(SHORT).resource_timeout(SHORT).build();
    let task = session.data_task(&origin.url).request_timeout(LONG).resource_timeout(LONG);
    assert_eq!(task.create().unwrap().wait().unwrap().0.status(), 204);
    origin.done();
}

#[test]
fn a_task_may_be_less_patient_than_its_session() {
    let session = Session::new();
    let begin = Instant::now();
    for timer in [Timer::Request, Timer::Resource] {
        let origin = silent();
        let task = session.data_task(&origin.url);
        let task = match timer {
            Timer::Resource => task.resource_timeout(SHORT),
            Timer::Request | _ => task.request_timeout(SHORT),
        };
        let error = task.create().unwrap().wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Task(Error::TimedOut(timer)));
        assert_eq!((error.code(), error.failing_url()), (-1001, origin.url.as_str()));
        origin.done();
    }
    assert!(begin.elapsed() >= SHORT * 2 && begin.elapsed() < PATIENCE);
}

#[test]
fn a_task_meets_its_deadline_though_there_is_always_more_to_read() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
        // Which the client need not take.
        let _ = near.send_if_wanted(vec![b'.'; LENGTH - 1]);
    }]);
    let session = Session::new();
    let task = session.data_task(&origin.url).resource_timeout(SHORT).create().unwrap();
    let (_, mut body) = task.bytes_blocking().unwrap();
    // Slower than what comes: it never waits.
    let error = loop {
        if let Err(error) = body.read_blocking(&mut [0]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Task(Error::TimedOut(Timer::Resource)));
    origin.done();
}

#[test]
fn a_task_that_nobody_awaits_meets_its_deadline_too() {
    let origin = silent();
    let session = Session::builder().request_timeout(SHORT).build();
    let task = session.task(&origin.url).unwrap();
    task.resume();
    let mut changes = task.changes();
    while changes.next_blocking().is_some() {}
    assert_eq!(task.error().unwrap().code(), -1001);
    origin.done();
}

#[test]
fn the_resource_timer_runs_while_a_task_is_suspended_and_the_request_timer_does_not() {
    let origin = Origin::new(vec![script(|near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        near.closed();
    })]);
    let session = Session::new();
    let task = session.data_task(&origin.url).request_timeout(SHORT).resource_timeout(SHORT * 4);
    let task = task.create().unwrap();
    let begin = Instant::now();
    task.resume();
    crate::helpers::eventually("content", || task.counts().received == 5);
    task.suspend().unwrap();
    let error = task.wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::TimedOut(Timer::Resource)));
    assert!(begin.elapsed() >= SHORT * 4);
    origin.done();
}

/// 5 s are left for what is stored to be put in order, where the disk answers.
const KEPT: u64 = 5_000_000;

fn stuck(at: Stuck, resource: u64) -> (ErrorKind, u64) {
    let mut script = Script::get().answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    script.options.request_timeout = 7_000_000;
    script.options.resource_timeout = resource;
    play_stuck(&script, at, None)
}

#[test]
fn a_disk_that_does_not_answer_keeps_no_task_beyond_its_deadlines() {
    let timed_out = |timer| ErrorKind::Task(Error::TimedOut(timer));
    for at in [Stuck::Opening, Stuck::Writing, Stuck::Committing] {
        let (error, ended) = stuck(at, 3_000_000);
        assert_eq!((error, ended), (timed_out(Timer::Resource), 3_000_000 + KEPT), "{at:?}");
    }
    // While the server is owed something, or owes something, the request timer runs, too.
    for at in [Stuck::Opening, Stuck::Writing] {
        let (error, ended) = stuck(at, 60_000_000);
        assert_eq!((error, ended), (timed_out(Timer::Request), 7_000_000 + KEPT), "{at:?}");
    }
    let (error, ended) = stuck(Stuck::Committing, 60_000_000);
    assert_eq!((error, ended), (timed_out(Timer::Resource), 60_000_000 + KEPT));
}

#[test]
fn a_cancelled_task_does_not_wait_for_a_disk_that_does_not_answer() {
    let script = Script::get().answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    for at in [Stuck::Opening, Stuck::Writing, Stuck::Committing] {
        let (error, ended) = play_stuck(&script, at, Some(1_000_000));
        assert_eq!((error, ended), (ErrorKind::Task(Error::Canceled), 1_000_000 + KEPT), "{at:?}");
    }
}

/// Nothing is read ahead of a reader, so that the server waits: not without end.
#[test]
fn a_reader_that_brings_no_body_is_waited_for_as_long_as_a_silent_server() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.closed();
    }]);
    let session = Session::builder().request_timeout(SHORT).build();
    let source = UploadSource::reader(Never);
    let error = session.upload_task(&origin.url, source).create().unwrap().wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::TimedOut(Timer::Request)));
    origin.done();
}

struct Never;

impl AsyncRead for Never {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Pending
    }
}

#[test]
fn only_success_may_be_asked_for() {
    let page = "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\npage";
    let origin = Origin::new(vec![
        answer(page),
        answer("HTTP/1.1 299 Yes\r\nContent-Length: 0\r\n\r\n"),
        answer(page),
    ]);
    let session = Session::new();
    let run = |requires| {
        session.flush();
        session.data_task(&origin.url).requires_success(requires).create().unwrap().wait()
    };
    assert_eq!(run(true).unwrap_err().kind(), ErrorKind::Task(Error::Status(500)));
    assert_eq!(run(true).unwrap().0.status(), 299);
    assert_eq!(run(false).unwrap().1, b"page");
    origin.done();
}

#[test]
fn a_download_that_times_out_can_be_gone_on_with() {
    let folder = Folder::new();
    let origin = Origin::new(vec![script(|near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 10\r\n\r\nfirst");
        near.closed();
    })]);
    let session = Session::builder().request_timeout(SHORT).build();
    let task = session.download_task(&origin.url).to(folder.path("a")).create().unwrap();
    let error = task.wait().unwrap_err();
    assert_eq!((error.code(), error.resume_data().map(|data| data.received())), (-1001, Some(5)));
    origin.done();
}
