//! Requests as they are sent, responses as they come.

use sortie::{ErrorKind, Request, Session};
use sortie_core::{Error, Limit, PeerError, Transport};

use crate::{Near, Origin};

#[test]
fn content_is_whole_however_its_end_is_marked() {
    let long = "x".repeat(300_000);
    let chunked: String = long
        .as_bytes()
        .chunks(1000)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    let responses = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{long}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
    ];
    let origin = Origin::answering(&responses.each_ref().map(String::as_str));
    let session = Session::new();
    for _ in responses {
        let (response, content) = session.data_blocking(&origin.url).unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(content.len(), long.len());
        assert!(content == long.as_bytes());
    }
    origin.done();
}

#[test]
fn a_request_has_the_fields_that_were_set_and_ours_where_they_were_not() {
    let origin = Origin::new(vec![|near: &mut Near| {
        let first = near.request();
        assert!(first.starts_with("GET / HTTP/1.1\r\nHost: 127.0.0.1:"), "{first}");
        assert!(first.contains("\r\nUser-Agent: sortie/"), "{first}");
        assert!(first.contains("\r\nAccept: */*\r\n"), "{first}");
        // Nothing of who asks, where from and in which language.
        let names = first.lines().filter_map(|line| line.split_once(':')).map(|line| line.0);
        assert_eq!(names.collect::<Vec<_>>(), ["Host", "User-Agent", "Accept"]);
        near.send("HTTP/1.1 204 No Content\r\n\r\n");
        let second = near.request();
        assert!(second.contains("\r\nUser-Agent: mine\r\n"), "{second}");
        assert_eq!(second.matches("User-Agent").count(), 1, "{second}");
        assert!(second.starts_with("PURGE / HTTP/1.1\r\n"), "{second}");
        near.send("HTTP/1.1 204 No Content\r\n\r\n");
    }]);
    let session = Session::new();
    session.data_blocking(&origin.url).unwrap();
    let request = Request::new("PURGE", &origin.url).unwrap().field("User-Agent", "mine").unwrap();
    session.data_blocking(request).unwrap();
    origin.done();
}

#[test]
fn a_large_body_is_sent_whole() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    let want = body.clone();
    let origin = Origin::new(vec![move |near: &mut Near| {
        let head = near.request();
        assert!(head.contains("\r\nContent-Length: 3000000\r\n"), "{head}");
        assert!(near.body(3_000_000) == want);
        near.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    }]);
    let request = Request::new("PUT", &origin.url).unwrap().body(body).unwrap();
    let session = Session::new();
    let task = session.task(request).unwrap();
    let watched = task.clone();
    assert_eq!(task.wait().unwrap().0.status(), 201);
    let counts = watched.counts();
    assert_eq!((counts.sent, counts.expected_to_send), (3_000_000, Some(3_000_000)));
    origin.done();
}

/// A server that refuses a body answers early and reads no more. nodejs/node#12339 and others lose
/// the answer when their writes fail.
#[test]
fn an_early_refusal_is_read_although_the_body_is_still_being_sent() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!");
        near.finish_sending();
    }]);
    let request = Request::new("POST", &origin.url).unwrap().body(vec![0; 64 << 20]).unwrap();
    let (response, content) = Session::new().data_blocking(request).unwrap();
    assert_eq!((response.status(), content.as_slice()), (413, &b"no!"[..]));
    origin.done();
}

#[test]
fn fields_are_found_by_name_without_case_and_folded_ones_joined() {
    let origin = Origin::answering(&[
        "HTTP/1.1 200 Fine\r\nX-A: 1\r\nx-a: 2\r\nFold: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    ]);
    let (response, _) = Session::new().data_blocking(&origin.url).unwrap();
    assert_eq!(response.field("x-A"), Some("1"));
    assert_eq!(response.field("fold"), Some("a   b"));
    assert_eq!(response.field("missing"), None);
    assert_eq!(response.head().reason(), b"Fine");
    let names: Vec<&str> = response.fields().map(|(name, _)| name).collect();
    assert_eq!(names, ["X-A", "x-a", "Fold", "Content-Length"]);
    origin.done();
}

#[test]
fn long_heads_are_read_up_to_the_limit_and_refused_beyond() {
    let head = |length| format!("HTTP/1.1 204 No\r\nX: {}\r\n\r\n", "y".repeat(length));
    let origin = Origin::new(vec![move |near: &mut Near| {
        near.request();
        near.send(head(60_000));
        near.request();
        let _ = near.send_if_wanted(head(70_000));
    }]);
    let session = Session::new();
    let (response, _) = session.data_blocking(&origin.url).unwrap();
    assert_eq!(response.field("X").map(str::len), Some(60_000));
    let error = session.data_blocking(&origin.url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::Limit(Limit::HeadBytes)));
    origin.done();
}

#[test]
fn errors_tell_what_happened_and_where() {
    let origin = Origin::new(vec![
        |near: &mut Near| {
            near.request();
            near.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        },
        |near: &mut Near| {
            near.request();
            near.send("220 mail.example ESMTP\r\n");
            near.closed();
        },
        |near: &mut Near| {
            near.request();
        },
    ]);
    let session = Session::new();
    let lost = session.data_blocking(&origin.url).unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Task(Error::Transport(Transport::Lost)));
    assert_eq!((lost.code(), lost.failing_url()), (-1005, origin.url.as_str()));
    let garbage = session.data_blocking(&origin.url).unwrap_err();
    assert_eq!(garbage.kind(), ErrorKind::Task(Error::Peer(PeerError::NotHttp)));
    let silent = session.data_blocking(&origin.url).unwrap_err();
    assert_eq!(silent.kind(), ErrorKind::Task(Error::Transport(Transport::NoResponse)));
    assert!(silent.to_string().contains("without an answer"), "{silent}");
    origin.done();
}

#[test]
fn a_password_in_the_url_is_not_shown() {
    let session = Session::new();
    let error = session.data_blocking("http://user:secret@127.0.0.1:1/").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
}

#[test]
fn bad_requests_are_refused_before_anything_is_opened() {
    let refused = |url: &str| Request::get(url).unwrap_err().code();
    assert_eq!(refused("127.0.0.1/"), -1002);
    assert_eq!(refused("ftp://127.0.0.1/"), -1002);
    assert_eq!(refused("http://127.0.0.1:99999/"), -1000);
    let get = || Request::get("http://127.0.0.1/").unwrap();
    assert!(get().field("X", "a\r\nY: b").is_err());
    assert!(get().field("X Y", "a").is_err());
    assert_eq!(get().body("x").unwrap_err().code(), -1103);
}
