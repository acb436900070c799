//! Large bodies in both directions, byte by byte what was sent.

use std::thread;
use std::time::Duration;

use sortie::{Request, Session};

use super::server::{OK, Server, Serves, good, script, session, trusting};
use crate::helpers::eventually;
use crate::{gate, pass};

const LARGE: usize = 5_000_001;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| ((n * 31) >> 5) as u8).collect()
}

#[test]
fn a_large_upload_arrives_whole() {
    let server = Server::new(
        good().config(),
        vec![script(|peer| {
            let head = peer.request();
            assert!(head.contains(&format!("Content-Length: {LARGE}\r\n")), "{head}");
            assert!(peer.exactly(LARGE) == content(LARGE));
            peer.send(OK);
        })],
    );
    let session = session(trusting());
    let post = Request::new("POST", &server.url()).unwrap();
    let task = session.upload_task(post, content(LARGE)).create().unwrap();
    assert_eq!(task.clone().wait().unwrap().1, b"ok");
    assert_eq!(task.counts().sent, LARGE as u64);
    server.done();
}

#[test]
fn a_large_upload_in_chunks_arrives_whole() {
    let server = Server::new(
        good().config(),
        vec![script(|peer| {
            let head = peer.request();
            assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
            assert!(peer.chunked() == content(LARGE));
            peer.send(OK);
        })],
    );
    let session = session(trusting());
    let post = Request::new("POST", &server.url()).unwrap();
    let body = futures_lite::io::Cursor::new(content(LARGE));
    let source = sortie::UploadSource::reader(body);
    let task = session.upload_task(post, source).create().unwrap();
    assert_eq!(task.wait().unwrap().1, b"ok");
    server.done();
}

/// One record for all, and many small ones.
#[test]
fn a_large_download_arrives_whole() {
    for piece in [usize::MAX, 1000, 16 * 1024 + 1] {
        let server = Server::new(
            good().config(),
            vec![script(move |peer| {
                peer.request();
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
                for piece in content(LARGE).chunks(piece) {
                    peer.send(piece);
                }
            })],
        );
        let (_, got) = session(trusting()).data_blocking(&server.url()).unwrap();
        assert!(got == content(LARGE), "{piece}");
        server.done();
    }
}

#[test]
fn a_download_is_read_in_small_pieces() {
    let server = Server::new(
        good().config(),
        vec![script(|peer| {
            peer.request();
            peer.send("HTTP/1.1 200 OK\r\n\r\n");
            peer.send(content(300_000));
            peer.close();
        })],
    );
    let (_, mut body) = session(trusting()).bytes_blocking(&server.url()).unwrap();
    let mut got = Vec::new();
    futures_lite::future::block_on(async {
        let mut buffer = [0; 77];
        loop {
            match body.read(&mut buffer).await.unwrap() {
                0 => break,
                count => got.extend_from_slice(&buffer[..count]),
            }
        }
    });
    assert!(got == content(300_000));
    server.done();
}

/// An upload whose server reads nothing stops: what waits to be sent is bounded.
#[test]
fn an_upload_waits_for_a_server_that_does_not_read() {
    const ALL: usize = 64 << 20;
    let (go, may_go) = gate();
    let server = Server::new(
        good().config(),
        vec![script(move |peer| {
            peer.request();
            pass(&may_go);
        })],
    );
    let session = session(trusting());
    let post = Request::new("POST", &server.url()).unwrap();
    let task = session.upload_task(post, vec![7; ALL]).create().unwrap();
    task.resume();
    let stands = || {
        let before = task.counts().sent;
        thread::sleep(Duration::from_millis(50));
        before > 0 && task.counts().sent == before
    };
    eventually("the upload stands still", stands);
    assert!(task.counts().sent < (ALL as u64) * 3 / 4, "{:?}", task.counts());
    task.cancel();
    go.send(()).unwrap();
    assert_eq!(task.wait().unwrap_err().code(), -999);
    server.done();
}

/// A server that answers before it has read the body, and then goes on to read it.
#[test]
fn an_answer_is_read_while_a_body_is_still_sent() {
    let server = Server::new(
        good().config(),
        vec![script(|peer| {
            peer.request();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
            assert!(peer.exactly(LARGE) == content(LARGE));
            peer.send("k");
        })],
    );
    let session: Session = session(trusting());
    let post = Request::new("POST", &server.url()).unwrap();
    let task = session.upload_task(post, content(LARGE)).create().unwrap();
    assert_eq!(task.wait().unwrap().1, b"ok");
    server.done();
}
