//! When the process may open no more descriptors.

use std::collections::HashSet;
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, poll_once, zip};
use sortie::{Error, ErrorKind, Session, SessionConfiguration, Task, Transaction};
use sortie_core::Transport;

use crate::helpers::{Crowd, Log, Noting, alone_within, script};
use crate::{Near, Origin, PATIENCE};

/// The number of the error: the process has too many open files.
const EMFILE: i32 = 24;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a process may open in these tests: some for itself, and about 25 connections.
const FEW: u16 = 40;

/// An origin in the process that has no such limit.
fn crowd() -> (String, Crowd) {
    let crowd = Crowd::answering(OK);
    (crowd.url.clone(), crowd)
}

/// Opens all descriptors that are left but so many.
fn use_up_all_but(left: usize) -> Vec<File> {
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    assert!(files.len() > left, "only {} were left", files.len());
    files.truncate(files.len() - left);
    files
}

/// A session that has begun to use what every session does: the reactor has descriptors of its own.
fn warmed_up(configuration: SessionConfiguration, url: &str) -> Session {
    let session = configuration.build();
    session.data_blocking(url).unwrap();
    session
}

fn no_socket() -> ErrorKind {
    ErrorKind::Task(sortie_core::Error::Transport(Transport::NoSocket))
}

fn start(session: &Session, url: &str) -> (Task, Log, Arc<Noting>) {
    let noting = Arc::new(Noting::default());
    let task = session.data_task(url).shared_delegate(noting.clone());
    // So that a fault ends the test.
    let task = task.resource_timeout(PATIENCE).create().unwrap();
    task.resume();
    (task, noting.log(), noting)
}

/// What a task took, on the one connection that it had.
fn transaction(noting: &Noting) -> Transaction {
    noting.log.wait_for("metrics");
    let metrics = noting.metrics.lock().unwrap().take().expect("metrics");
    let [transaction] = <[_; 1]>::try_from(metrics.transactions).expect("one: no attempt counts");
    transaction
}

#[test]
fn more_tasks_than_descriptors_all_succeed() {
    const NAME: &str = "descriptors::more_tasks_than_descriptors_all_succeed";
    let Some(url) = alone_within(NAME, FEW, crowd) else { return };
    for per_host in [200, 30] {
        let session = Session::builder().max_connections_per_host(per_host).build();
        let started: Vec<_> = (0..200).map(|_| start(&session, &url)).collect();
        let mut ends = HashSet::new();
        for (task, _, noting) in started {
            assert_eq!(task.wait().unwrap_or_else(|why| panic!("{why}")).1, b"ok");
            ends.insert(transaction(&noting).local_address);
        }
        assert!((10..usize::from(FEW)).contains(&ends.len()), "{} connections", ends.len());
    }
}

#[test]
fn a_task_that_waits_for_a_descriptor_keeps_its_place() {
    let (order, told) = channel();
    let record = move |near: &mut Near| {
        for _ in 0..2 {
            let head = near.request();
            order.send(head[..6].to_owned()).unwrap();
            near.send(OK);
        }
    };
    let origin = Origin::new(vec![
        script(|near: &mut Near| {
            near.request();
            near.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
            near.ended();
        }),
        script(record),
    ]);
    let (address, look_ups) = (origin.address(), AtomicUsize::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = is_over.clone();
    // The second look-up finds no descriptor, which takes it some time.
    let session = Session::builder()
        .max_connections(2)
        .resolver(move |_, _| {
            let fails = look_ups.fetch_add(1, Ordering::AcqRel) == 1;
            let ends = ends.clone();
            poll_fn(move |_| match (fails, ends.load(Ordering::Acquire)) {
                (false, _) => Poll::Ready(Ok(vec![address])),
                (true, false) => Poll::Pending,
                (true, true) => Poll::Ready(Err(io::Error::from_raw_os_error(EMFILE))),
            })
        })
        .build();
    let (holder, log, _) = start(&session, "http://a.example/");
    log.wait_for("response");
    let mut first = session.task("http://a.example/1").unwrap().into_future();
    let mut second = session.task("http://a.example/2").unwrap().into_future();
    // The second waits behind the first one, which is then sent back.
    assert!(block_on(poll_once(&mut first)).is_none());
    assert!(block_on(poll_once(&mut second)).is_none());
    is_over.store(true, Ordering::Release);
    assert!(block_on(poll_once(&mut first)).is_none());
    holder.cancel();
    let (first, second) = block_on(zip(first, second));
    assert_eq!([first.unwrap().1, second.unwrap().1], [b"ok", b"ok"]);
    assert_eq!([told.recv().unwrap(), told.recv().unwrap()], ["GET /1", "GET /2"]);
    origin.done();
}

#[test]
fn without_another_connection_a_task_fails_and_the_next_one_can_succeed() {
    const NAME: &str =
        "descriptors::without_another_connection_a_task_fails_and_the_next_one_can_succeed";
    let Some(url) = alone_within(NAME, FEW, crowd) else { return };
    let session = warmed_up(Session::builder(), &url);
    session.flush();
    let files = use_up_all_but(0);
    let begin = Instant::now();
    let tasks: Vec<_> = (0..10).map(|_| start(&session, &url)).collect();
    for (task, ..) in tasks {
        let error = task.wait().unwrap_err();
        assert_eq!((error.kind(), error.code()), (no_socket(), -1004));
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let shown = format!(
            "the system has no socket for another connection: close files, or raise its limit \
             ({address}: Too many open files): {url}"
        );
        assert_eq!(error.to_string(), shown);
    }
    assert!(begin.elapsed() < PATIENCE / 2, "no reason to wait");
    drop(files);
    assert_eq!(session.data_blocking(&url).unwrap().1, b"ok");
}

/// An origin whose second connection is held until its client lets go of it, and one that answers.
fn holding() -> (String, (Origin, Crowd)) {
    let held = Origin::new(vec![script(|near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        near.ended();
    })]);
    let crowd = Crowd::answering(OK);
    (format!("{} {}", held.url, crowd.url), (held, crowd))
}

#[test]
fn a_task_waits_for_a_descriptor_of_its_session_and_meets_no_timeout_meanwhile() {
    const NAME: &str =
        "descriptors::a_task_waits_for_a_descriptor_of_its_session_and_meets_no_timeout_meanwhile";
    let Some(urls) = alone_within(NAME, FEW, holding) else { return };
    let (held, url) = urls.split_once(' ').unwrap();
    let session = warmed_up(Session::builder(), url);
    session.flush();
    let (holder, log, _) = start(&session, held);
    log.wait_for("response");
    let _files = use_up_all_but(0);
    let timeout = Duration::from_millis(200);
    let waiting = session.data_task(url).request_timeout(timeout).create().unwrap();
    waiting.resume();
    // Three times its timeout: it is not the server that makes it wait.
    std::thread::sleep(timeout * 3);
    assert_eq!(waiting.state(), sortie::TaskState::Running);
    holder.cancel();
    assert_eq!(waiting.wait().unwrap_or_else(|why: Error| panic!("{why}")).1, b"ok");
}

#[test]
fn a_task_that_waits_sees_that_others_have_closed_descriptors() {
    const NAME: &str = "descriptors::a_task_that_waits_sees_that_others_have_closed_descriptors";
    let Some(urls) = alone_within(NAME, FEW, holding) else { return };
    let (held, url) = urls.split_once(' ').unwrap();
    let session = warmed_up(Session::builder(), url);
    session.flush();
    let (holder, log, _) = start(&session, held);
    log.wait_for("response");
    let files = use_up_all_but(0);
    let (waiting, ..) = start(&session, url);
    std::thread::sleep(Duration::from_millis(50));
    drop(files);
    assert_eq!(waiting.wait().unwrap_or_else(|why| panic!("{why}")).1, b"ok");
    assert_eq!(holder.state(), sortie::TaskState::Running, "nothing of the session has ended");
    holder.cancel();
}

#[test]
fn an_idle_connection_is_closed_for_a_task_that_has_no_descriptor() {
    const NAME: &str =
        "descriptors::an_idle_connection_is_closed_for_a_task_that_has_no_descriptor";
    let two = || {
        let (first, second) = (crowd(), crowd());
        (format!("{} {}", first.0, second.0), (first.1, second.1))
    };
    let Some(urls) = alone_within(NAME, FEW, two) else { return };
    let (first, second) = urls.split_once(' ').unwrap();
    let session = warmed_up(Session::builder(), first);
    let _files = use_up_all_but(0);
    for url in [second, first, second] {
        let (task, _, noting) = start(&session, url);
        assert_eq!(task.wait().unwrap_or_else(|why| panic!("{why}")).1, b"ok");
        assert!(!transaction(&noting).is_reused);
    }
}

/// The system's resolver opens files and sockets, and may say that the name is unknown.
#[test]
fn a_resolver_without_a_descriptor_does_not_mean_that_the_name_is_unknown() {
    const NAME: &str =
        "descriptors::a_resolver_without_a_descriptor_does_not_mean_that_the_name_is_unknown";
    let Some(url) = alone_within(NAME, FEW, crowd) else { return };
    let session = warmed_up(Session::builder(), &url);
    session.flush();
    let named = url.replace("127.0.0.1", "localhost");
    let files = use_up_all_but(0);
    assert_eq!(session.data_blocking(&named).unwrap_err().kind(), no_socket());
    drop(files);
    assert_eq!(session.data_blocking(&named).unwrap().1, b"ok");
}
