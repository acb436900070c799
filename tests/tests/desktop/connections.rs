//! Which connection a request goes over, and what becomes of it.

use std::net::TcpListener;
use std::time::Duration;

use sortie::{ErrorKind, Request, Session};
use sortie_core::{Error, Transport};

use crate::{Near, Origin, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn requests_one_after_another_share_a_connection() {
    let origin = Origin::answering(&[OK; 20]);
    let session = Session::new();
    for _ in 0..20 {
        assert_eq!(session.data_blocking(&origin.url).unwrap().1, b"ok");
    }
    origin.done();
}

/// ureq#1172: `max_idle_age` took no effect.
#[test]
fn a_connection_is_closed_when_it_was_idle_for_too_long_though_the_session_does_nothing() {
    let (closed, is_closed) = gate();
    let origin = Origin::new(vec![move |near: &mut Near| {
        for _ in 0..2 {
            near.request();
            near.send(OK);
        }
        near.closed();
        closed.send(()).unwrap();
    }]);
    let session = Session::builder().idle_timeout(Duration::from_millis(30)).build();
    for _ in 0..2 {
        session.data_blocking(&origin.url).unwrap();
    }
    pass(&is_closed);
    drop(session);
    origin.done();
}

/// hyper#2136, reqwest#2021 and many others: the request that meets a closed connection fails.
#[test]
fn a_connection_that_the_server_closed_meanwhile_costs_no_request() {
    let (closed, is_closed) = gate();
    let origin = Origin::new(vec![
        Box::new(move |near: &mut Near| {
            near.request();
            near.send(OK);
            near.finish_sending();
            closed.send(()).unwrap();
        }) as Box<dyn FnOnce(&mut Near) + Send>,
        Box::new(|near: &mut Near| {
            near.request();
            near.send(OK);
        }),
    ]);
    let session = Session::new();
    session.data_blocking(&origin.url).unwrap();
    pass(&is_closed);
    assert_eq!(session.data_blocking(&origin.url).unwrap().1, b"ok");
    origin.done();
}

#[test]
fn a_request_that_is_not_idempotent_is_not_sent_twice() {
    let (closed, is_closed) = gate();
    let origin = Origin::new(vec![move |near: &mut Near| {
        near.request();
        near.send(OK);
        near.request();
        closed.send(()).unwrap();
    }]);
    let session = Session::new();
    session.data_blocking(&origin.url).unwrap();
    let post = Request::new("POST", &origin.url).unwrap().body("x").unwrap();
    let error = session.data_blocking(post).unwrap_err();
    pass(&is_closed);
    assert_eq!(error.kind(), ErrorKind::Task(Error::Transport(Transport::NoResponse)));
    origin.done();
}

/// bun#37436: bytes behind a response were taken for the answer to the next request.
#[test]
fn bytes_behind_a_response_never_answer_the_next_request() {
    let poisoned = format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON");
    let origin = Origin::new(vec![
        Box::new(move |near: &mut Near| {
            near.request();
            near.send(&poisoned);
            near.closed();
        }) as Box<dyn FnOnce(&mut Near) + Send>,
        Box::new(|near: &mut Near| {
            near.request();
            near.send(OK);
        }),
    ]);
    let session = Session::new();
    for _ in 0..2 {
        assert_eq!(session.data_blocking(&origin.url).unwrap().1, b"ok");
    }
    origin.done();
}

#[test]
fn a_second_response_that_comes_later_never_answers_the_next_request() {
    let (sent, is_sent) = gate();
    let origin = Origin::new(vec![
        Box::new(move |near: &mut Near| {
            near.request();
            near.send(OK);
            std::thread::sleep(Duration::from_millis(50));
            near.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON");
            sent.send(()).unwrap();
            near.closed();
        }) as Box<dyn FnOnce(&mut Near) + Send>,
        Box::new(|near: &mut Near| {
            near.request();
            near.send(OK);
        }),
    ]);
    let session = Session::new();
    assert_eq!(session.data_blocking(&origin.url).unwrap().1, b"ok");
    pass(&is_sent);
    assert_eq!(session.data_blocking(&origin.url).unwrap().1, b"ok");
    origin.done();
}

/// At once, when a connection is not looked at again, and behind a body that is read to its end and
/// no further. Found by the simulation.
#[test]
fn an_answer_that_came_with_the_one_before_is_not_taken_for_the_next() {
    const LENGTH: usize = 20_000;
    let long = || "x".repeat(LENGTH);
    let origin = Origin::new(vec![
        Box::new(move |near: &mut Near| {
            near.request();
            let first = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n{}", long());
            near.send(first + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON");
            near.closed();
        }) as Box<dyn FnOnce(&mut Near) + Send>,
        Box::new(|near: &mut Near| {
            near.request();
            near.send(OK);
        }),
    ]);
    let session = Session::new();
    assert_eq!(session.data_blocking(&origin.url).unwrap().1.len(), LENGTH);
    assert_eq!(session.data_blocking(&origin.url).unwrap().1, b"ok");
    origin.done();
}

#[test]
fn a_refused_connection_is_told_with_its_url() {
    let port = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}/");
    let error = Session::new().data_blocking(&url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::Transport(Transport::Refused)));
    assert_eq!((error.code(), error.failing_url()), (-1004, url.as_str()));
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_the_request_timeout() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.closed();
    }]);
    let session = Session::builder().request_timeout(Duration::from_millis(150)).build();
    let error = session.data_blocking(&origin.url).unwrap_err();
    assert_eq!(error.code(), -1001);
    origin.done();
}

#[test]
fn a_trickle_does_not_meet_the_request_timeout_but_the_resource_timeout() {
    let trickle = |near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        while near.send_if_wanted("x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let origin = Origin::new(vec![trickle]);
    let session = Session::builder()
        .request_timeout(Duration::from_secs(10))
        .resource_timeout(Duration::from_millis(300))
        .build();
    let task = session.task(&origin.url).unwrap();
    let watched = task.clone();
    assert_eq!(task.wait().unwrap_err().code(), -1001);
    assert!(watched.counts().received > 0, "what came is counted");
    drop((session, watched));
    origin.done();
}

#[test]
fn many_requests_leave_no_descriptor_behind() {
    if !crate::helpers::alone("connections::many_requests_leave_no_descriptor_behind") {
        return;
    }
    let open = || std::fs::read_dir("/proc/self/fd").map(Iterator::count).unwrap_or(0);
    let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let origin = Origin::new(
        (0..200)
            .map(|_| {
                move |near: &mut Near| {
                    near.request();
                    near.send(close);
                }
            })
            .collect(),
    );
    let session = Session::new();
    session.data_blocking(&origin.url).unwrap();
    let before = open();
    for _ in 1..200 {
        session.data_blocking(&origin.url).unwrap();
    }
    origin.done();
    assert!(open() <= before, "{} descriptors, {before} before", open());
}
