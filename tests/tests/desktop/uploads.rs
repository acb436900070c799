//! Uploads: bodies from memory, files and readers, and answers that come before their end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::AsyncRead;
use futures_lite::io::Cursor;
use sortie::{ErrorKind, FileErrorKind, Request, Session, TaskKind, UploadSource};
use sortie_core::Error;

use crate::helpers::{Folder, script};
use crate::{Near, Origin};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LARGE: usize = 3_000_000;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| ((n * 31) >> 5) as u8).collect()
}

/// Takes a body of known length.
fn takes(want: Vec<u8>) -> impl FnOnce(&mut Near) + Send {
    move |near: &mut Near| {
        let head = near.request();
        assert!(head.starts_with("POST / "), "{head}");
        let length = format!("\r\nContent-Length: {}\r\n", want.len());
        assert!(head.contains(&length) && !head.contains("Transfer-Encoding"), "{head}");
        assert!(near.exactly(want.len()) == want);
        near.send(OK);
    }
}

fn post(url: &str) -> Request {
    Request::new("POST", url).unwrap()
}

#[test]
fn bytes_are_sent() {
    let origin = Origin::new(vec![takes(content(LARGE))]);
    let session = Session::new();
    let task = session.upload_task(post(&origin.url), content(LARGE)).create().unwrap();
    assert_eq!((task.kind(), task.counts().expected_to_send), (TaskKind::Upload, Some(3_000_000)));
    assert_eq!(task.clone().wait().unwrap().1, b"ok");
    assert_eq!(task.counts().sent, 3_000_000);
    origin.done();
}

#[test]
fn a_url_alone_is_posted() {
    let origin = Origin::new(vec![takes(b"text".to_vec()), takes(b"text".to_vec())]);
    let session = Session::new();
    let upload = session.upload(&origin.url, "text");
    assert_eq!(futures_lite::future::block_on(upload).unwrap().1, b"ok");
    session.flush();
    let task = session.upload_task(&*origin.url, "text").create().unwrap();
    assert_eq!(task.original_request().method(), "POST");
    task.wait().unwrap();
    origin.done();
}

#[test]
fn a_file_is_sent() {
    let folder = Folder::new();
    let path = folder.path("body");
    std::fs::write(&path, content(LARGE)).unwrap();
    let origin = Origin::new(vec![takes(content(LARGE))]);
    let session = Session::new();
    let source = UploadSource::file(&path);
    let task = session.upload_task(post(&origin.url), source).create().unwrap();
    assert_eq!(task.wait().unwrap().1, b"ok");
    origin.done();
}

#[test]
fn an_empty_file_is_sent() {
    let folder = Folder::new();
    let path = folder.path("body");
    std::fs::write(&path, "").unwrap();
    let origin = Origin::new(vec![takes(Vec::new())]);
    let session = Session::new();
    let source = UploadSource::file(&path);
    session.upload_task(post(&origin.url), source).create().unwrap().wait().unwrap();
    origin.done();
}

#[test]
fn a_file_that_cannot_be_read_is_refused_when_the_task_is_made() {
    let folder = Folder::new();
    let session = Session::new();
    let refused = |path| {
        let task = session.upload_task(post("http://127.0.0.1:1/"), UploadSource::file(path));
        task.create().unwrap_err().kind()
    };
    assert_eq!(refused(folder.path("missing")), ErrorKind::File(FileErrorKind::NotFound));
    assert_eq!(refused(folder.path("")), ErrorKind::File(FileErrorKind::IsFolder));
}

#[test]
fn a_reader_of_unknown_length_is_sent_chunked() {
    let origin = Origin::new(vec![|near: &mut Near| {
        let head = near.request();
        assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n"), "{head}");
        assert!(!head.contains("Content-Length"), "{head}");
        assert!(near.chunked() == content(LARGE));
        near.send(OK);
    }]);
    let session = Session::new();
    let source = UploadSource::reader(Cursor::new(content(LARGE)));
    let task = session.upload_task(post(&origin.url), source).create().unwrap();
    assert_eq!(task.counts().expected_to_send, None);
    assert_eq!(task.clone().wait().unwrap().1, b"ok");
    assert_eq!(task.counts().sent, 3_000_000);
    origin.done();
}

#[test]
fn an_empty_reader_is_sent() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        assert!(near.chunked().is_empty());
        near.send(OK);
    }]);
    let session = Session::new();
    let source = UploadSource::reader(Cursor::new(Vec::new()));
    let task = session.upload_task(post(&origin.url), source).create().unwrap();
    assert_eq!(task.wait().unwrap().1, b"ok");
    origin.done();
}

#[test]
fn a_reader_of_known_length_is_sent_with_it_and_no_further() {
    let origin = Origin::new(vec![takes(content(1000))]);
    let session = Session::new();
    let source = UploadSource::sized_reader(Cursor::new(content(5000)), 1000);
    let task = session.upload_task(post(&origin.url), source).create().unwrap();
    assert_eq!(task.wait().unwrap().1, b"ok");
    origin.done();
}

/// The server must not take what came for the whole.
#[test]
fn a_reader_that_ends_too_early_fails_the_task_and_closes_its_connection() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.exactly(900);
        near.closed();
    }]);
    let session = Session::new();
    let source = UploadSource::sized_reader(Cursor::new(content(900)), 1000);
    let task = session.upload_task(post(&origin.url), source).create().unwrap();
    assert_eq!(task.wait().unwrap_err().kind(), ErrorKind::Task(Error::Source));
    origin.done();
}

/// Gives some bytes and then an error.
struct Broken(usize);

impl AsyncRead for Broken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let count = self.0.min(buffer.len());
        self.0 -= count;
        Poll::Ready(match count {
            0 => Err(io::Error::other("the tape is torn")),
            _ => Ok(count),
        })
    }
}

#[test]
fn a_reader_that_fails_is_the_cause_of_the_error() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.ended();
    }]);
    let session = Session::new();
    let source = UploadSource::reader(Broken(100));
    let error =
        session.upload_task(post(&origin.url), source).create().unwrap().wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::Source));
    assert!(error.to_string().contains("the tape is torn"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    origin.done();
}

#[test]
fn a_file_that_changes_before_it_is_sent_fails_the_task() {
    for text in ["short", "much longer than it was before"] {
        let folder = Folder::new();
        let path = folder.path("body");
        std::fs::write(&path, content(20)).unwrap();
        let origin = Origin::new(vec![|near: &mut Near| {
            near.request();
            near.ended();
        }]);
        let session = Session::new();
        let task = session.upload_task(post(&origin.url), UploadSource::file(&path));
        let task = task.create().unwrap();
        std::fs::write(&path, text).unwrap();
        let error = task.wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::File(FileErrorKind::SourceChanged), "{error}");
        assert_eq!(error.path(), Some(&*path));
        origin.done();
    }
}

#[test]
fn a_refusal_that_comes_while_the_body_is_sent_is_the_answer() {
    for is_chunked in [false, true] {
        let origin = Origin::new(vec![|near: &mut Near| {
            near.request();
            near.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!");
            near.finish_sending();
        }]);
        let session = Session::new();
        let body = Cursor::new(vec![0; 32 << 20]);
        let source = match is_chunked {
            true => UploadSource::reader(body),
            false => UploadSource::sized_reader(body, 32 << 20),
        };
        let task = session.upload_task(post(&origin.url), source).create().unwrap();
        let (response, content) = task.clone().wait().unwrap();
        assert_eq!((response.status(), content.as_slice()), (413, &b"no!"[..]));
        assert!(task.counts().sent < 32 << 20);
        origin.done();
    }
}

#[test]
fn a_body_waits_for_the_server_that_was_asked_first() {
    let request = |url: &str| post(url).field("Expect", "100-continue").unwrap();
    let origin = Origin::new(vec![
        script(|near| {
            near.request();
            assert!(near.held.is_empty(), "no body came with the head");
            near.send("HTTP/1.1 100 Continue\r\n\r\n");
            assert_eq!(near.exactly(4), b"body");
            near.send(OK);
        }),
        script(|near| {
            near.request();
            near.send("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
            near.closed();
        }),
        script(|near| {
            near.request();
            near.send("HTTP/1.1 417 No expectations\r\nContent-Length: 0\r\n\r\n");
            near.closed();
        }),
        script(|near| {
            assert!(!near.request().contains("Expect"), "it is not asked again");
            assert_eq!(near.exactly(4), b"body");
            near.send(OK);
        }),
    ]);
    let session = Session::new();
    let upload = || {
        let task = session.upload_task(request(&origin.url), "body").create().unwrap();
        let status = task.clone().wait().unwrap().0.status();
        session.flush();
        (status, task.counts().sent)
    };
    assert_eq!(upload(), (200, 4));
    assert_eq!(upload(), (413, 0));
    assert_eq!(upload(), (200, 4), "a 417 is about the expectation, not about the body");
    origin.done();
}

#[test]
fn a_body_that_can_be_sent_again_follows_a_307() {
    let folder = Folder::new();
    let path = folder.path("body");
    std::fs::write(&path, "the body").unwrap();
    for source in [UploadSource::file(&path), UploadSource::from("the body")] {
        let origin = Origin::new(vec![|near: &mut Near| {
            near.request();
            assert_eq!(near.exactly(8), b"the body");
            near.send("HTTP/1.1 307 Elsewhere\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
            assert!(near.request().starts_with("POST /b "));
            assert_eq!(near.exactly(8), b"the body");
            near.send(OK);
        }]);
        let session = Session::new();
        let task = session.upload_task(post(&origin.url), source).create().unwrap();
        assert_eq!(task.clone().wait().unwrap().1, b"ok");
        assert_eq!((task.counts().sent, task.redirect_count()), (8, 1));
        origin.done();
    }
}

#[test]
fn the_source_takes_the_place_of_a_body_that_the_request_has() {
    let origin = Origin::new(vec![takes(b"source".to_vec())]);
    let session = Session::new();
    let request = post(&origin.url).body("request").unwrap();
    session.upload_task(request, "source").create().unwrap().wait().unwrap();
    origin.done();
}
