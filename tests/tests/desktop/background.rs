//! Who drives a task: those who await it, on any executor, and the session while nobody does.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use sortie::{Session, TaskState};

use crate::helpers::{Folder, alone, answer, descriptors, eventually, script, session_threads};
use crate::{Origin, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst";

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_task_is_awaited_on_any_executor() {
    let origin = Origin::new((0..3).map(|_| answer(OK)).collect());
    let session = Session::new();
    let task = || session.task(&origin.url).unwrap();
    session.flush();
    let smol = futures_lite::future::block_on(async { task().await });
    assert_eq!(smol.unwrap().1, b"ok");
    session.flush();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(async { task().await }).unwrap().1, b"ok");
    session.flush();
    assert_eq!(task().wait().unwrap().1, b"ok");
    origin.done();
}

#[test]
fn who_awaits_drives_and_no_thread_is_started() {
    if !alone("background::who_awaits_drives_and_no_thread_is_started") {
        return;
    }
    let origin = Origin::answering(&[OK, OK, OK]);
    let session = Session::new();
    session.task(&origin.url).unwrap().wait().unwrap();
    session.data_blocking(&origin.url).unwrap();
    let task = session.task(&origin.url).unwrap();
    futures_lite::future::block_on(task.into_future()).unwrap();
    assert_eq!(session_threads(), 0);
    origin.done();
}

#[test]
fn a_task_that_nobody_awaits_runs_on_the_sessions_thread_which_ends_with_it() {
    let name =
        "background::a_task_that_nobody_awaits_runs_on_the_sessions_thread_which_ends_with_it";
    if !alone(name) {
        return;
    }
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
        near.closed();
    })]);
    let session = Session::new();
    let before = descriptors("socket");
    let task = session.task(&origin.url).unwrap();
    task.resume();
    eventually("content", || task.counts().received == 5);
    eventually("one thread", || session_threads() == 1);
    drop(session);
    assert_eq!((session_threads(), task.state()), (1, TaskState::Running));
    go.send(()).unwrap();
    eventually("the end", || task.state() == TaskState::Completed);
    eventually("no thread", || session_threads() == 0);
    assert_eq!(task.wait().unwrap().1, b"firstlater", "it is kept for whoever awaits");
    origin.done();
    assert!(descriptors("socket") < before, "the listener is gone, too");
}

#[test]
fn a_thread_that_was_started_ends_with_the_last_handle_of_the_session() {
    let name = "background::a_thread_that_was_started_ends_with_the_last_handle_of_the_session";
    if !alone(name) {
        return;
    }
    let origin = Origin::answering(&[OK, OK]);
    let session = Session::new();
    for _ in 0..2 {
        let task = session.task(&origin.url).unwrap();
        task.resume();
        eventually("the end", || task.state() == TaskState::Completed);
    }
    eventually("one thread for all", || session_threads() == 1);
    let same = session.clone();
    drop(session);
    assert_eq!(session_threads(), 1);
    drop(same);
    eventually("no thread", || session_threads() == 0);
    origin.done();
}

/// A command to a task that never ran starts nothing that stays.
#[test]
fn cancelling_a_new_task_of_a_closed_session_leaves_no_thread() {
    let name = "background::cancelling_a_new_task_of_a_closed_session_leaves_no_thread";
    if !alone(name) {
        return;
    }
    let session = Session::new();
    let task = session.task("http://127.0.0.1:1/").unwrap();
    drop(session);
    task.cancel();
    eventually("the end", || task.state() == TaskState::Completed);
    eventually("no thread", || session_threads() == 0);
    assert_eq!(task.wait().unwrap_err().code(), -999);
}

#[test]
fn an_await_takes_over_from_the_background_while_content_comes() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
    })]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    task.resume();
    eventually("content", || task.counts().received == 5);
    let mut future = pin!(task.clone().into_future());
    assert!(poll_once(future.as_mut()).is_pending());
    go.send(()).unwrap();
    assert_eq!(futures_lite::future::block_on(future).unwrap().1, b"firstlater");
    origin.done();
}

#[test]
fn the_background_goes_on_where_a_dropped_await_was() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
    })]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    {
        let mut future = pin!(task.clone().into_future());
        while task.counts().received < 5 {
            assert!(poll_once(future.as_mut()).is_pending());
        }
    }
    go.send(()).unwrap();
    eventually("the end", || task.state() == TaskState::Completed);
    assert_eq!(task.wait().unwrap().1, b"firstlater");
    origin.done();
}

/// The background was driving, an await took over and was dropped while nothing moved.
#[test]
fn the_background_goes_on_after_an_await_of_a_suspended_task_was_dropped() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
    })]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    task.resume();
    eventually("content", || task.counts().received == 5);
    task.suspend().unwrap();
    // The background has seen it: what it waits for now is a command.
    thread::sleep(std::time::Duration::from_millis(20));
    {
        let mut future = pin!(task.clone().into_future());
        assert!(poll_once(future.as_mut()).is_pending());
    }
    task.resume();
    go.send(()).unwrap();
    eventually("the end", || task.state() == TaskState::Completed);
    origin.done();
}

#[test]
fn of_two_who_await_the_other_goes_on_when_one_is_dropped() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
    })]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    let mut other = pin!(task.clone().into_future());
    {
        let mut future = pin!(task.clone().into_future());
        while task.counts().received < 5 {
            assert!(poll_once(future.as_mut()).is_pending());
            assert!(poll_once(other.as_mut()).is_pending());
        }
    }
    go.send(()).unwrap();
    assert_eq!(futures_lite::future::block_on(other).unwrap().1, b"firstlater");
    origin.done();
}

#[test]
fn many_awaits_that_come_and_go_lose_nothing() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 200001\r\n\r\n");
        for _ in 0..200 {
            near.send([b'x'; 1000]);
            thread::yield_now();
        }
        pass(&is_go);
        near.send("!");
    })]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    task.resume();
    let racing: Vec<_> = (0..4)
        .map(|_| task.clone())
        .map(|task| {
            thread::spawn(move || {
                while task.counts().received < 200_000 {
                    let mut future = pin!(task.clone().into_future());
                    for _ in 0..3 {
                        assert!(poll_once(future.as_mut()).is_pending());
                    }
                }
            })
        })
        .collect();
    racing.into_iter().for_each(|thread| thread.join().unwrap());
    go.send(()).unwrap();
    let content = task.wait().unwrap().1;
    assert!(content.len() == 200_001 && content.ends_with(b"x!"));
    origin.done();
}

#[test]
fn a_spawner_of_the_users_drives_instead_of_a_thread() {
    if !alone("background::a_spawner_of_the_users_drives_instead_of_a_thread") {
        return;
    }
    let origin = Origin::answering(&[OK]);
    let executor = Arc::new(async_executor::Executor::new());
    let spawner = executor.clone();
    let session = Session::builder().spawner(move |drive| spawner.spawn(drive).detach()).build();
    let task = session.task(&origin.url).unwrap();
    task.resume();
    let mut changes = task.changes();
    let seen = futures_lite::future::block_on(executor.run(async {
        while let Some(snapshot) = changes.next().await {
            if snapshot.state == TaskState::Completed {
                return true;
            }
        }
        false
    }));
    assert!(seen && executor.is_empty());
    assert_eq!(session_threads(), 0);
    assert_eq!(task.wait().unwrap().1, b"ok");
    origin.done();
}

#[test]
fn no_file_and_no_socket_is_left_of_a_session_that_was_dropped() {
    if !alone("background::no_file_and_no_socket_is_left_of_a_session_that_was_dropped") {
        return;
    }
    let folder = Folder::new();
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
        near.closed();
    })]);
    let session = Session::new();
    let task = session.download_task(&origin.url).to(folder.path("a")).create().unwrap();
    task.resume();
    eventually("content", || task.counts().received == 5);
    drop(session);
    go.send(()).unwrap();
    origin.done();
    eventually("no thread", || session_threads() == 0);
    assert_eq!(task.state(), TaskState::Completed);
    assert_eq!((folder.names(), descriptors("socket")), (vec!["a".to_owned()], 0));
    assert_eq!(descriptors("sortie-desktop"), 0);
    task.wait().unwrap();
}
