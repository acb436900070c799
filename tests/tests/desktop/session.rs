//! Sessions: their tasks, and what is left of them.

use sortie::{ErrorKind, Session, TaskState};

use crate::helpers::{
    Crowd, Noting, alone, answer, descriptors, eventually, script, session_threads,
};
use crate::{Origin, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst";

#[test]
fn tasks_that_began_and_have_not_ended_are_listed() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![
        answer(OK),
        script(move |near| {
            near.request();
            near.send(HALF);
            pass(&is_go);
            near.send("later");
        }),
    ]);
    let session = Session::new();
    let never = session.task(&origin.url).unwrap();
    let ended = session.task(&origin.url).unwrap();
    ended.clone().wait().unwrap();
    let running = session.task(&origin.url).unwrap();
    assert!(session.all_tasks().is_empty());
    session.flush();
    running.resume();
    assert_eq!(session.all_tasks(), std::slice::from_ref(&running));
    eventually("content", || running.counts().received == 5);
    running.suspend().unwrap();
    assert_eq!(session.all_tasks(), std::slice::from_ref(&running));
    running.resume();
    go.send(()).unwrap();
    running.clone().wait().unwrap();
    eventually("none is listed", || session.all_tasks().is_empty());
    drop(never);
    origin.done();
}

#[test]
fn a_cancelled_task_is_not_listed() {
    let session = Session::new();
    let task = session.task("http://127.0.0.1:1/").unwrap();
    task.cancel();
    assert!(session.all_tasks().is_empty());
    let _ = task.wait();
}

#[test]
fn an_invalidated_session_takes_no_new_tasks() {
    let session = Session::new();
    let never = session.task("http://127.0.0.1:1/").unwrap();
    let builder = session.data_task("http://127.0.0.1:1/");
    session.finish_tasks_and_invalidate();
    let error = session.task("http://127.0.0.1:1/").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionInvalidated);
    assert_eq!(builder.create().unwrap_err().kind(), ErrorKind::SessionInvalidated);
    never.resume();
    assert_eq!(never.state(), TaskState::Suspended);
    futures_lite::future::block_on(session.did_become_invalid());
}

/// Whoever awaits it is told, and so is whoever watches it.
#[test]
fn a_new_task_of_an_invalidated_session_ends_when_it_is_awaited() {
    let session = Session::new();
    let delegate = Noting::default();
    let log = delegate.log();
    let task = session.data_task("http://127.0.0.1:1/").delegate(delegate).create().unwrap();
    let mut changes = task.changes();
    changes.next_blocking().unwrap();
    session.finish_tasks_and_invalidate();
    let error = task.clone().wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionInvalidated);
    assert_eq!(task.error().unwrap().kind(), ErrorKind::SessionInvalidated);
    assert_eq!(task.state(), TaskState::Completed);
    let mut last = None;
    while let Some(snapshot) = changes.next_blocking() {
        last = Some(snapshot.state);
    }
    assert_eq!(last, Some(TaskState::Completed));
    assert_eq!(log.calls(), ["metrics", "complete -999"]);
}

#[test]
fn dropping_a_session_lets_its_tasks_end_well() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(HALF);
        pass(&is_go);
        near.send("later");
        near.closed();
    })]);
    let session = Session::new();
    let (task, never) = (session.task(&origin.url).unwrap(), session.task(&origin.url).unwrap());
    task.resume();
    eventually("content", || task.counts().received == 5);
    drop(session);
    never.resume();
    assert_eq!((task.state(), never.state()), (TaskState::Running, TaskState::Suspended));
    go.send(()).unwrap();
    assert_eq!(task.wait().unwrap().1, b"firstlater");
    origin.done();
}

#[test]
fn invalidating_and_cancelling_ends_every_task_and_then_the_session() {
    let (asked, is_asked) = gate();
    let origin = Origin::new(
        (0..2)
            .map(|_| {
                let asked = asked.clone();
                script(move |near| {
                    near.request();
                    asked.send(()).unwrap();
                    near.closed();
                })
            })
            .collect(),
    );
    let session = Session::new();
    let first = session.task(&origin.url).unwrap();
    first.resume();
    pass(&is_asked);
    session.invalidate_and_cancel();
    assert_ne!(first.state(), TaskState::Running);
    futures_lite::future::block_on(session.did_become_invalid());
    assert_eq!(first.state(), TaskState::Completed);
    assert_eq!(first.wait().unwrap_err().code(), -999);
    let other = Session::new();
    let second = other.task(&origin.url).unwrap();
    second.resume();
    pass(&is_asked);
    second.cancel();
    assert_eq!(second.wait().unwrap_err().code(), -999);
    origin.done();
}

#[test]
fn a_session_is_invalid_once_its_last_task_has_ended() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        pass(&is_go);
        near.send(OK);
        near.closed();
    })]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    task.resume();
    session.finish_tasks_and_invalidate();
    let waiting = session.clone();
    let waiting = std::thread::spawn(move || {
        futures_lite::future::block_on(waiting.did_become_invalid());
    });
    assert!(!waiting.is_finished());
    go.send(()).unwrap();
    waiting.join().unwrap();
    assert_eq!(task.state(), TaskState::Completed);
    origin.done();
}

#[test]
fn a_flush_closes_the_connections_that_no_task_has() {
    let origin = Origin::new(vec![
        script(|near| {
            near.request();
            near.send(OK);
            near.closed();
        }),
        answer(OK),
    ]);
    let session = Session::new();
    session.data_blocking(&origin.url).unwrap();
    session.flush();
    session.data_blocking(&origin.url).unwrap();
    origin.done();
}

#[test]
fn a_thousand_tasks_at_once_all_end_well_and_leave_nothing() {
    const TASKS: usize = 1000;
    if !alone("session::a_thousand_tasks_at_once_all_end_well_and_leave_nothing") {
        return;
    }
    let origin = Crowd::answering(OK);
    let session = Session::new();
    let tasks: Vec<_> = (0..TASKS).map(|_| session.task(&origin.url).unwrap()).collect();
    tasks.iter().for_each(sortie::Task::resume);
    assert!(session.all_tasks().len() <= TASKS);
    for task in &tasks {
        eventually("the end", || task.state() == TaskState::Completed);
    }
    eventually("one thread", || session_threads() == 1);
    for task in tasks {
        assert_eq!(task.wait().unwrap().1, b"ok");
    }
    drop(session);
    eventually("no thread", || session_threads() == 0);
    assert_eq!(origin.done(), TASKS);
    assert_eq!(descriptors("socket"), 0);
}

#[test]
fn a_hundred_tasks_that_are_awaited_together_all_end_well() {
    let origin = Crowd::answering(OK);
    let session = Session::new();
    let executor = async_executor::LocalExecutor::new();
    let tasks: Vec<_> = (0..100)
        .map(|_| executor.spawn(session.task(&origin.url).unwrap().into_future()))
        .collect();
    futures_lite::future::block_on(executor.run(async {
        for task in tasks {
            assert_eq!(task.await.unwrap().1, b"ok");
        }
    }));
    drop(session);
    assert_eq!(origin.done(), 100);
}
