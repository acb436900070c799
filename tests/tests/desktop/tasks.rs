//! Tasks as their users hold them.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use sortie::{ErrorKind, Session, TaskState};
use sortie_core::Error;

use crate::{Near, Origin, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_task_is_created_suspended_and_sends_nothing_until_it_is_resumed() {
    let origin = Origin::answering(&[OK]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    assert_eq!((task.state(), task.identifier()), (TaskState::Suspended, 1));
    assert_eq!(session.task(&origin.url).unwrap().identifier(), 2);
    task.resume();
    assert_eq!(task.state(), TaskState::Running);
    let watched = task.clone();
    assert_eq!(watched, task);
    assert_eq!(task.wait().unwrap().1, b"ok");
    assert_eq!(watched.state(), TaskState::Completed);
    assert_eq!(watched.progress().fraction(), 1.0);
    origin.done();
}

#[test]
fn a_suspended_task_takes_no_content_and_goes_on_where_it_was() {
    let (go, gate) = gate();
    let (half, is_half) = crate::gate();
    let origin = Origin::new(vec![move |near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        half.send(()).unwrap();
        pass(&gate);
        near.send("later");
    }]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    let watched = task.clone();
    let driving = thread::spawn(move || task.wait());
    pass(&is_half);
    while watched.counts().received < 5 {
        thread::yield_now();
    }
    watched.suspend().unwrap();
    go.send(()).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert_eq!((watched.state(), watched.counts().received), (TaskState::Suspended, 5));
    watched.resume();
    assert_eq!(driving.join().unwrap().unwrap().1, b"firstlater");
    origin.done();
}

#[test]
fn a_task_that_is_suspended_twice_needs_two_resumes() {
    let origin = Origin::answering(&[OK]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    task.suspend().unwrap();
    task.resume();
    assert_eq!(task.state(), TaskState::Suspended);
    task.resume();
    assert_eq!(task.state(), TaskState::Running);
    assert_eq!(task.wait().unwrap().1, b"ok");
    origin.done();
}

#[test]
fn a_cancel_from_elsewhere_ends_a_wait_at_once_and_closes_the_connection() {
    let (asked, is_asked) = gate();
    let origin = Origin::new(vec![move |near: &mut Near| {
        near.request();
        asked.send(()).unwrap();
        near.closed();
    }]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    let same = task.clone();
    let driving = thread::spawn(move || task.wait());
    pass(&is_asked);
    same.cancel();
    let error = driving.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::Canceled));
    assert_eq!((error.code(), same.state()), (-999, TaskState::Completed));
    origin.done();
}

#[test]
fn a_cancel_ends_a_task_whose_content_nobody_reads() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        near.closed();
    }]);
    let session = Session::new();
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    assert_eq!(body.read_blocking(&mut [0; 5]).unwrap(), 5);
    let task = body.task();
    session.invalidate_and_cancel();
    // Without a read of the body, which is still there.
    futures_lite::future::block_on(session.did_become_invalid());
    assert_eq!(task.state(), TaskState::Completed);
    assert_eq!(body.read_blocking(&mut [0; 5]).unwrap_err().code(), -999);
    origin.done();
}

#[test]
fn a_task_that_was_never_resumed_can_be_cancelled() {
    let session = Session::new();
    let task = session.task("http://127.0.0.1:1/").unwrap();
    task.cancel();
    // The session's thread may have ended it by now.
    assert!(matches!(task.state(), TaskState::Canceling | TaskState::Completed));
    task.resume();
    assert_eq!(task.wait().unwrap_err().code(), -999);
}

#[test]
fn dropping_the_future_of_a_task_loses_nothing() {
    let (go, gate) = gate();
    let origin = Origin::new(vec![move |near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        pass(&gate);
        near.send("later");
    }]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    let until_half = async {
        let mut future = pin!(task.clone().into_future());
        std::future::poll_fn(|cx| {
            assert!(future.as_mut().poll(cx).is_pending());
            match task.counts().received {
                5 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    };
    futures_lite::future::block_on(until_half);
    go.send(()).unwrap();
    assert_eq!(task.wait().unwrap().1, b"firstlater");
    origin.done();
}

#[test]
fn dropping_a_one_liner_closes_its_connection() {
    let (asked, is_asked) = gate();
    let origin = Origin::new(vec![move |near: &mut Near| {
        near.request();
        asked.send(()).unwrap();
        near.closed();
    }]);
    let session = Session::new();
    {
        let mut future = pin!(session.data(&origin.url));
        let mut cx = Context::from_waker(Waker::noop());
        while is_asked.try_recv().is_err() {
            assert!(future.as_mut().poll(&mut cx).is_pending());
        }
    }
    origin.done();
}

#[test]
fn dropping_a_body_before_its_end_closes_its_connection() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome");
        near.closed();
    }]);
    let session = Session::new();
    let (response, mut body) = session.bytes_blocking(&origin.url).unwrap();
    assert_eq!(response.status(), 200);
    let mut buffer = [0; 100];
    assert_eq!(body.read_blocking(&mut buffer).unwrap(), 4);
    let task = body.task();
    drop(body);
    origin.done();
    assert_ne!(task.state(), TaskState::Running);
}

#[test]
fn a_body_that_was_read_to_its_end_leaves_its_connection_for_the_next() {
    let origin = Origin::answering(&[OK, OK]);
    let session = Session::new();
    for _ in 0..2 {
        let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
        let mut content = Vec::new();
        let mut buffer = [0; 1];
        while let 1.. = body.read_blocking(&mut buffer).unwrap() {
            content.push(buffer[0]);
        }
        assert_eq!(content, b"ok");
        assert_eq!(body.read_blocking(&mut buffer).unwrap(), 0, "the end stays the end");
    }
    origin.done();
}

#[test]
fn an_incomplete_body_ends_with_an_error_after_what_came() {
    let origin = Origin::answering(&["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"]);
    let session = Session::new();
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    let mut buffer = [0; 100];
    assert_eq!(body.read_blocking(&mut buffer).unwrap(), 5);
    assert_eq!(body.read_blocking(&mut buffer).unwrap_err().code(), -1005);
    assert_eq!(body.read_blocking(&mut buffer).unwrap_err().code(), -1005);
    origin.done();
}

#[test]
fn of_two_who_await_one_gets_the_content_and_both_are_told_the_end() {
    let origin = Origin::answering(&[OK]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    let threads: Vec<_> =
        (0..4).map(|_| task.clone()).map(|t| thread::spawn(|| t.wait())).collect();
    let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let contents = results.iter().filter(|result| matches!(result, Ok((_, c)) if c == b"ok"));
    assert_eq!(contents.count(), 1);
    let errors = results.iter().filter_map(|result| result.as_ref().err());
    let taken = errors.filter(|error| error.kind() == ErrorKind::ContentTaken);
    assert_eq!(taken.count(), 3);
    origin.done();
}

#[test]
fn tasks_run_side_by_side_on_one_thread_and_on_many() {
    let origin = Origin::new(
        (0..8)
            .map(|_| {
                |near: &mut Near| {
                    near.request();
                    near.send(OK);
                }
            })
            .collect(),
    );
    let session = Session::new();
    let together = async {
        let (a, b) = futures_lite::future::zip(
            futures_lite::future::zip(session.data(&origin.url), session.data(&origin.url)),
            futures_lite::future::zip(session.data(&origin.url), session.data(&origin.url)),
        )
        .await;
        [a.0, a.1, b.0, b.1].map(|result| result.unwrap().1)
    };
    assert_eq!(futures_lite::future::block_on(together), [b"ok"; 4]);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (session, url) = (Session::new(), origin.url.clone());
            thread::spawn(move || session.data_blocking(&url).unwrap().1)
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), b"ok");
    }
    origin.done();
}

#[test]
fn what_users_hold_can_be_sent_and_shared_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Session>();
    check::<sortie::Task>();
    check::<sortie::Request>();
    check::<sortie::Response>();
    check::<sortie::Error>();
    fn check_send<T: Send + 'static>() {}
    check_send::<sortie::TaskFuture>();
    check_send::<sortie::Body>();
}
