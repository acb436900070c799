//! Ten thousand tasks at once on one session, and as many connections as one thread holds.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_io::AsyncRead;
use sortie::{ErrorKind, Session, Task, TaskState};
use sortie_core::{Error, limits};

use crate::helpers::{Crowd, alone, descriptors, enqueue, eventually, memory, threads};

const TASKS: usize = 10_000;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a task may cost while it waits for its turn, in bytes.
const QUEUED: u64 = 2560;

/// So many tasks, of which none was answered yet: the first ones have a connection, or are about to
/// have one, and the others wait for it.
fn begun(session: &Session, url: &str) -> Vec<Task> {
    let tasks: Vec<_> = (0..TASKS).map(|_| session.task(url).unwrap()).collect();
    tasks.iter().for_each(enqueue);
    tasks
}

fn assert_nothing_is_left(session: Session) {
    drop(session);
    eventually("no thread", || threads("sortie") == 0);
    eventually("no connection", || descriptors("socket") == 0);
}

#[test]
fn all_end_well_over_as_many_connections_as_are_allowed() {
    if !alone("worlds::crowds::all_end_well_over_as_many_connections_as_are_allowed") {
        return;
    }
    let origin = Crowd::holding(OK);
    let session = Session::new();
    // What is needed once is there before it is counted.
    let first = session.task(&origin.url).unwrap();
    first.resume();
    eventually("a connection", || descriptors("socket") >= 2);
    let before = memory();
    let tasks = begun(&session, &origin.url);
    assert_eq!(session.all_tasks().len(), TASKS + 1);
    let each = memory().saturating_sub(before) / TASKS as u64;
    assert!(each <= QUEUED, "{each} bytes for a task that waits");
    origin.open();
    for task in tasks {
        assert_eq!(task.wait().unwrap().1, b"ok");
    }
    first.wait().unwrap();
    drop(session);
    let connections = origin.connections();
    assert!(connections.len() <= usize::from(limits::CONNECTIONS_PER_HOST), "{connections:?}");
    assert_eq!(connections.iter().sum::<usize>(), TASKS + 1);
    assert_nothing_is_left(Session::new());
}

#[test]
fn half_of_them_can_be_cancelled_while_they_wait() {
    if !alone("worlds::crowds::half_of_them_can_be_cancelled_while_they_wait") {
        return;
    }
    let origin = Crowd::holding(OK);
    let session = Session::new();
    let tasks = begun(&session, &origin.url);
    let first: Vec<_> = tasks.iter().take(usize::from(limits::CONNECTIONS_PER_HOST)).collect();
    eventually("the first ones are on their way", || {
        first.iter().all(|task| task.counts().wire_sent > 0)
    });
    let is_cancelled = |place: usize| place % 2 == 1 && place >= first.len();
    for (place, task) in tasks.iter().enumerate() {
        if is_cancelled(place) {
            task.cancel();
        }
    }
    // They end though no connection became free.
    for (place, task) in tasks.iter().enumerate().filter(|(place, _)| is_cancelled(*place)) {
        let error = task.clone().wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Task(Error::Canceled), "{place}");
    }
    origin.open();
    for (place, task) in tasks.iter().enumerate().filter(|(place, _)| !is_cancelled(*place)) {
        assert_eq!(task.clone().wait().unwrap().1, b"ok", "{place}");
    }
    drop(session);
    let connections = origin.connections();
    assert!(connections.len() <= usize::from(limits::CONNECTIONS_PER_HOST), "{connections:?}");
    let cancelled = (0..TASKS).filter(|place| is_cancelled(*place)).count();
    assert_eq!(connections.iter().sum::<usize>(), TASKS - cancelled);
    assert_nothing_is_left(Session::new());
}

#[test]
fn all_end_with_a_session_that_is_invalidated_and_cancelled() {
    if !alone("worlds::crowds::all_end_with_a_session_that_is_invalidated_and_cancelled") {
        return;
    }
    let origin = Crowd::holding(OK);
    let session = Session::new();
    let tasks = begun(&session, &origin.url);
    assert_eq!(session.all_tasks().len(), TASKS);
    session.invalidate_and_cancel();
    futures_lite::future::block_on(session.did_become_invalid());
    for task in &tasks {
        assert_eq!(task.state(), TaskState::Completed);
        assert_eq!(task.clone().wait().unwrap_err().code(), -999);
    }
    origin.open();
    assert!(origin.connections().len() <= usize::from(limits::CONNECTIONS_PER_HOST));
    assert_nothing_is_left(session);
}

/// What a connection needs for heads is given back while many wait for content, and is there again
/// for the next exchange.
#[test]
fn connections_on_which_many_waited_for_content_are_used_again() {
    const MANY: u16 = 150;
    let origin = Crowd::begun("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbe", "gun");
    let session = Session::builder().max_connections_per_host(MANY).build();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..2 {
        let bodies: Vec<_> = (0..MANY)
            .map(|_| {
                let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
                assert_eq!(body.read_blocking(&mut [0; 2]).unwrap(), 2);
                body
            })
            .collect();
        let bodies = bodies.into_iter().map(|mut body| {
            // Most of them wait, in the first round.
            let mut content = [0];
            let begun = match Pin::new(&mut body).poll_read(&mut cx, &mut content) {
                Poll::Ready(count) => &content[..count.unwrap()],
                Poll::Pending => &[],
            };
            (begun.to_vec(), body)
        });
        let bodies: Vec<_> = bodies.collect();
        origin.open();
        for (begun, mut body) in bodies {
            let rest = body.read_all_blocking().unwrap();
            assert_eq!([begun, rest].concat(), b"gun");
        }
    }
    drop(session);
    assert_eq!(origin.connections(), vec![2; usize::from(MANY)]);
}
