//! What a delegate decides: redirects, what becomes of content, and bodies that are sent again.

use std::future::Future;
use std::sync::mpsc::channel;
use std::task::{Context, Waker};
use std::thread;

use sortie::{Request, Session, TaskState, UploadSource};

use crate::delegate::{OK, calls, moved, post};
use crate::helpers::{Folder, Noting, eventually, read};
use crate::{Near, Origin, PATIENCE};

#[test]
fn a_redirect_that_is_refused_is_the_result_with_its_body() {
    let origin = Origin::answering(&[&moved(302, "/a")]);
    let delegate = Noting {
        on_redirect: Some(Box::new(|decision, _| decision.refuse())),
        ..Noting::default()
    };
    let log = delegate.log();
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    let (response, content) = task.clone().wait().unwrap();
    assert_eq!((response.status(), content.as_slice()), (302, &b"moved"[..]));
    assert_eq!(task.redirect_count(), 0);
    let want = ["redirect 302 GET /a", "response 302", "data", "metrics", "complete"];
    assert_eq!(log.calls(), calls(&want));
    origin.done();
}

#[test]
fn a_redirect_can_be_edited() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send(moved(302, "/a"));
        let edited = near.request();
        assert!(edited.starts_with("PUT /elsewhere HTTP/1.1\r\n"), "{edited}");
        assert!(edited.contains("\r\nX-Mine: 1\r\n"), "{edited}");
        assert_eq!(near.body(3), b"new");
        near.send(OK);
    }]);
    let to = format!("{}elsewhere", origin.url);
    let want = to.clone();
    let delegate = Noting {
        on_redirect: Some(Box::new(move |decision, shown| {
            assert!(shown.url().ends_with("/a"));
            let edited = Request::new("PUT", &to).unwrap().field("X-Mine", "1").unwrap();
            decision.follow_with(edited.body("new").unwrap());
        })),
        ..Noting::default()
    };
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    assert_eq!(task.clone().wait().unwrap().1, b"ok");
    assert_eq!((task.current_request().url(), task.current_request().method()), (&*want, "PUT"));
    assert_eq!(task.original_request().url(), origin.url);
    assert_eq!(task.redirect_count(), 1);
    origin.done();
}

#[test]
fn a_redirect_can_be_decided_later_from_another_thread() {
    let origin = Origin::answering(&[&moved(302, "/a"), OK]);
    let (later, decisions) = channel();
    let later = std::sync::Mutex::new(later);
    let delegate = Noting {
        on_redirect: Some(Box::new(move |decision, _| {
            later.lock().unwrap().send(decision).unwrap();
        })),
        ..Noting::default()
    };
    let log = delegate.log();
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    task.resume();
    let decision = decisions.recv_timeout(PATIENCE).unwrap();
    assert_eq!(task.state(), TaskState::Running);
    assert_eq!(log.calls(), calls(&["redirect 302 GET /a"]));
    thread::spawn(move || decision.follow()).join().unwrap();
    assert_eq!(task.wait().unwrap().1, b"ok");
    origin.done();
}

/// An await took the task over while it waited for the answer, and was dropped.
#[test]
fn a_task_goes_on_after_an_answer_whoever_looked_meanwhile() {
    let origin = Origin::answering(&[&moved(302, "/a"), OK]);
    let (later, decisions) = channel();
    let later = std::sync::Mutex::new(later);
    let delegate = Noting {
        on_redirect: Some(Box::new(move |decision, _| {
            later.lock().unwrap().send(decision).unwrap();
        })),
        ..Noting::default()
    };
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    task.resume();
    let decision = decisions.recv_timeout(PATIENCE).unwrap();
    // The background has nothing to do but to wait.
    thread::sleep(std::time::Duration::from_millis(20));
    {
        let mut future = std::pin::pin!(task.clone().into_future());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_pending());
    }
    decision.follow();
    eventually("the end", || task.state() == TaskState::Completed);
    origin.done();
}

#[test]
fn a_decision_that_is_dropped_takes_the_default() {
    let origin = Origin::answering(&[&moved(302, "/a"), OK]);
    let delegate = Noting {
        on_redirect: Some(Box::new(|decision, _| drop(decision))),
        on_response: Some(Box::new(drop)),
        ..Noting::default()
    };
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    assert_eq!(task.wait().unwrap().1, b"ok");
    origin.done();
}

#[test]
fn a_task_that_waits_for_an_answer_can_be_cancelled_and_the_answer_is_late() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send(moved(302, "/a"));
        near.closed();
    }]);
    let (later, decisions) = channel();
    let later = std::sync::Mutex::new(later);
    let delegate = Noting {
        on_redirect: Some(Box::new(move |decision, _| {
            later.lock().unwrap().send(decision).unwrap();
        })),
        ..Noting::default()
    };
    let log = delegate.log();
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    task.resume();
    let decision = decisions.recv_timeout(PATIENCE).unwrap();
    task.cancel();
    assert_eq!(task.wait().unwrap_err().code(), -999);
    decision.follow();
    // By the session's thread, maybe, which drove the task before.
    log.wait_for("complete");
    assert_eq!(log.calls(), calls(&["redirect 302 GET /a", "metrics", "complete -999"]));
    origin.done();
}

#[test]
fn content_can_be_declined() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome");
        near.closed();
    }]);
    let delegate = Noting { on_response: Some(Box::new(|d| d.cancel())), ..Noting::default() };
    let log = delegate.log();
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    assert_eq!(task.clone().wait().unwrap_err().code(), -999);
    assert_eq!(task.counts().received, 0);
    assert_eq!(log.calls(), calls(&["response 200", "metrics", "complete -999"]));
    origin.done();
}

#[test]
fn no_content_is_taken_until_its_disposition_is_decided() {
    let origin = Origin::answering(&[OK]);
    let (later, decisions) = channel();
    let later = std::sync::Mutex::new(later);
    let delegate = Noting {
        on_response: Some(Box::new(move |d| later.lock().unwrap().send(d).unwrap())),
        ..Noting::default()
    };
    let log = delegate.log();
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    task.resume();
    let decision = decisions.recv_timeout(PATIENCE).unwrap();
    assert_eq!((log.calls(), task.counts().received), (calls(&["response 200"]), 0));
    decision.allow();
    assert_eq!(task.wait().unwrap().1, b"ok");
    origin.done();
}

#[test]
fn content_can_become_a_download() {
    let folder = Folder::new();
    let to = folder.path("content");
    let origin = Origin::answering(&[OK]);
    let place = to.clone();
    let delegate = Noting {
        on_response: Some(Box::new(move |d| d.become_download(&place).unwrap())),
        ..Noting::default()
    };
    let log = delegate.log();
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    let (response, content) = task.clone().wait().unwrap();
    assert_eq!((response.status(), content.len()), (200, 0));
    assert_eq!((task.file(), read(&to)), (Some(to), b"ok".to_vec()));
    let want = ["response 200", "wrote", "finished", "metrics", "complete"];
    assert_eq!(log.calls(), calls(&want));
    assert_eq!(folder.names(), ["content"]);
    origin.done();
}

#[test]
fn content_that_cannot_become_a_download_is_taken_as_before() {
    let folder = Folder::new();
    let place = folder.path("missing/content");
    let origin = Origin::answering(&[OK]);
    let delegate = Noting {
        on_response: Some(Box::new(move |d| {
            assert_eq!(d.become_download(&place).unwrap_err().code(), -3000);
        })),
        ..Noting::default()
    };
    let session = Session::new();
    let task = session.data_task(&origin.url).delegate(delegate).create().unwrap();
    assert_eq!(task.wait().unwrap().1, b"ok");
    origin.done();
}

/// Takes two bodies; the first one is answered by a 307.
fn body_is_sent_twice(near: &mut Near) {
    near.request();
    assert_eq!(near.chunked(), b"the body");
    near.send(moved(307, "/again"));
    assert!(near.request().starts_with("POST /again "));
    assert_eq!(near.chunked(), b"the body");
    near.send(OK);
}

fn reader(text: &'static str) -> UploadSource {
    UploadSource::reader(futures_lite::io::Cursor::new(text))
}

#[test]
fn a_reader_that_must_be_sent_again_is_asked_for_anew() {
    let origin = Origin::new(vec![body_is_sent_twice]);
    let delegate = Noting {
        on_body: Some(Box::new(|decision| decision.provide(reader("the body")).unwrap())),
        ..Noting::default()
    };
    let log = delegate.log();
    let session = Session::new();
    let task = session.upload_task(post(&origin.url), reader("the body")).delegate(delegate);
    assert_eq!(task.create().unwrap().wait().unwrap().1, b"ok");
    let calls = log.calls();
    let want = ["sent", "redirect 307 POST /again", "new body", "sent", "response 200", "data"];
    assert_eq!(calls[..6], want);
    origin.done();
}

#[test]
fn a_reader_that_cannot_be_had_again_fails_the_task() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.chunked();
        near.send(moved(307, "/again"));
    }]);
    for has_delegate in [true, false].into_iter().take(1) {
        let session = Session::new();
        let mut task = session.upload_task(post(&origin.url), reader("the body"));
        if has_delegate {
            task = task.delegate(Noting::default());
        }
        let error = task.create().unwrap().wait().unwrap_err();
        assert_eq!(error.code(), -1021);
    }
    origin.done();
}

/// A redirect that is edited into a request with a body of its own needs no other one.
#[test]
fn a_reader_is_not_asked_for_when_the_edited_request_needs_it_not() {
    for has_body in [false, true] {
        let origin = Origin::new(vec![move |near: &mut Near| {
            near.request();
            near.chunked();
            near.send(moved(307, "/again"));
            let head = near.request();
            if has_body {
                assert!(head.contains("\r\nContent-Length: 3\r\n"), "{head}");
                assert_eq!(near.body(3), b"own");
            } else {
                assert!(head.starts_with("GET /again "), "{head}");
            }
            near.send(OK);
        }]);
        let delegate = Noting {
            on_redirect: Some(Box::new(move |decision, shown| {
                decision.follow_with(match has_body {
                    true => post(shown.url()).body("own").unwrap(),
                    false => Request::get(shown.url()).unwrap(),
                });
            })),
            ..Noting::default()
        };
        let log = delegate.log();
        let session = Session::new();
        let task = session.upload_task(post(&origin.url), reader("the body")).delegate(delegate);
        assert_eq!(task.create().unwrap().wait().unwrap().1, b"ok");
        assert!(!log.calls().contains(&"new body".to_owned()), "{:?}", log.calls());
        origin.done();
    }
}
