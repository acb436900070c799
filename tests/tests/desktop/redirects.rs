//! Redirects: where they lead, what goes with them, and when they end.

use sortie::{ErrorKind, RedirectPolicy, Request, Session, TlsConfiguration};
use sortie_core::{Error, RedirectError, TlsError, Transport};

use crate::helpers::{answer, script};
use crate::{Near, Origin};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn found(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

#[test]
fn the_current_request_is_where_the_last_redirect_led() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.exactly(4);
        near.send(found("/a/b?c=d#e"));
        let head = near.request();
        assert!(head.starts_with("GET /a/b?c=d HTTP/1.1\r\n"), "{head}");
        assert!(!head.contains("Content-Type") && head.contains("X-Kept: 1"), "{head}");
        near.send(OK);
    }]);
    let request = Request::new("POST", &origin.url)
        .and_then(|request| request.field("Content-Type", "text/plain"))
        .and_then(|request| request.field("X-Kept", "1"))
        .and_then(|request| request.body("body"))
        .unwrap();
    let session = Session::new();
    let task = session.task(request).unwrap();
    assert_eq!(task.current_request().url(), origin.url);
    assert_eq!(task.clone().wait().unwrap().1, b"ok");
    let (original, current) = (task.original_request(), task.current_request());
    assert_eq!((original.method(), original.url()), ("POST", origin.url.as_str()));
    assert_eq!(current.method(), "GET");
    assert!(current.url().starts_with(&format!("{}a/b?c=d", origin.url)), "{}", current.url());
    let names: Vec<_> = current.fields().map(|(name, _)| name).collect();
    assert_eq!(names, ["X-Kept"]);
    assert_eq!(task.redirect_count(), 1);
    origin.done();
}

#[test]
fn credentials_do_not_leave_their_origin_and_do_not_come_back() {
    let first = Origin::new(vec![
        script(|near| {
            assert!(near.request().contains("\r\nAuthorization: secret\r\n"));
            near.send(found("/same"));
            let head = near.request();
            assert!(head.contains("\r\nAuthorization: secret\r\n"), "{head}");
            let url = head.lines().find_map(|line| line.strip_prefix("X-Next: ")).unwrap();
            near.send(found(url));
        }),
        script(|near| {
            let head = near.request();
            assert!(!head.contains("Authorization") && !head.contains("Cookie"), "{head}");
            near.send(OK);
        }),
    ]);
    let back = format!("{}back", first.url);
    let second = Origin::new(vec![script(move |near| {
        let head = near.request();
        assert!(!head.contains("Authorization") && !head.contains("Cookie"), "{head}");
        near.send(found(&back));
    })]);
    let request = Request::get(&first.url)
        .and_then(|request| request.field("Authorization", "secret"))
        .and_then(|request| request.field("Cookie", "a=b"))
        .and_then(|request| request.field("X-Next", &second.url))
        .unwrap();
    let session = Session::new();
    let task = session.task(request).unwrap();
    // Idle connections would be used again: the origin wants to see a new one.
    let same = task.clone();
    let session_too = session.clone();
    let watching = std::thread::spawn(move || {
        let mut changes = same.changes();
        while let Some(snapshot) = changes.next_blocking() {
            if snapshot.redirect_count == 2 {
                session_too.flush();
            }
        }
    });
    assert_eq!(task.clone().wait().unwrap().1, b"ok");
    watching.join().unwrap();
    assert_eq!(task.redirect_count(), 3);
    let names: Vec<_> = task.current_request().fields().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["X-Next"]);
    first.done();
    second.done();
}

/// An origin that redirects so often, each time to the next number.
fn chain(length: usize) -> Origin {
    Origin::new(vec![move |near: &mut Near| {
        for number in 0..length {
            near.request();
            near.send(found(&format!("/{number}")));
        }
        near.request();
        let _ = near.send_if_wanted(OK);
    }])
}

#[test]
fn twenty_redirects_are_followed() {
    let origin = chain(20);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    assert_eq!(task.clone().wait().unwrap().1, b"ok");
    assert_eq!(task.redirect_count(), 20);
    assert_eq!(task.current_request().url(), format!("{}19", origin.url));
    origin.done();
}

#[test]
fn the_twenty_first_redirect_fails_the_task() {
    let origin = Origin::new(vec![|near: &mut Near| {
        for _ in 0..21 {
            near.request();
            near.send(found("/again"));
        }
        near.closed();
    }]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    let error = task.clone().wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::Redirect(RedirectError::TooMany)));
    assert_eq!((error.code(), task.redirect_count()), (-1007, 20));
    assert_eq!(error.failing_url(), format!("{}again", origin.url));
    origin.done();
}

#[test]
fn tasks_and_sessions_say_what_becomes_of_redirects() {
    let found = "HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 2\r\n\r\nno";
    let origin = Origin::new(vec![answer(found), answer(found)]);
    let session = Session::builder().redirects(RedirectPolicy::Deliver).build();
    let (response, content) = session.data_blocking(&origin.url).unwrap();
    assert_eq!((response.status(), content.as_slice()), (302, &b"no"[..]));
    session.flush();
    let policy = RedirectPolicy::Follow { most: 0, allows_downgrade: false };
    let task = session.data_task(&origin.url).redirects(policy).create().unwrap();
    assert_eq!(task.wait().unwrap_err().code(), -1007);
    origin.done();
}

#[test]
fn a_redirect_to_where_nobody_is_fails_with_that_url() {
    let origin = Origin::new(vec![answer(found("http://127.0.0.1:1/x"))]);
    let session = Session::new();
    let task = session.task(&origin.url).unwrap();
    let error = task.clone().wait().unwrap_err();
    assert_eq!((error.code(), error.failing_url()), (-1004, "http://127.0.0.1:1/x"));
    assert_eq!(task.redirect_count(), 1);
    origin.done();
}

#[test]
fn a_redirect_to_another_scheme_is_refused() {
    let origin = Origin::new(vec![answer(found("ftp://127.0.0.1/x"))]);
    let error = Session::new().data_blocking(&origin.url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::Redirect(RedirectError::Scheme)));
    origin.done();
}

#[test]
fn a_redirect_to_https_is_never_sent_in_plaintext() {
    let target = Origin::new(vec![|near: &mut Near| {
        assert_eq!(near.exactly(1), [22], "a record of the handshake");
        near.finish_sending();
        near.ended();
    }]);
    let to = target.url.replace("http://", "https://");
    let origin = Origin::new(vec![answer(found(&to))]);
    let error = Session::builder()
        .tls(TlsConfiguration::new().accept_any_certificate())
        .build()
        .data_blocking(&origin.url)
        .unwrap_err();
    let why = Error::Transport(Transport::Tls(TlsError::Handshake));
    assert_eq!(error.kind(), ErrorKind::Task(why));
    origin.done();
    target.done();
}

#[test]
fn a_long_location_is_followed() {
    // RFC 9110 §4.1 asks for 8,000 bytes at least.
    let path = format!("/{}", "p".repeat(8000));
    let (to, want) = (found(&path), format!("GET {path} "));
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send(to);
        assert!(near.request().starts_with(&want));
        near.send(OK);
    })]);
    assert_eq!(Session::new().data_blocking(&origin.url).unwrap().1, b"ok");
    origin.done();
}
