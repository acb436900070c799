//! Content and bodies in every form: buffered, in chunks, whole; none is lost.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures_lite::io::{BufReader, Cursor};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, StreamExt, future, stream};
use sortie::{Body, ErrorKind, Request, Session, UploadSource};
use sortie_core::{Error, Limit, Transport};

use crate::helpers::{answer, eventually, script};
use crate::{Near, Origin, PATIENCE, gate, pass};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst";
const LARGE: usize = 700_001;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| ((n * 31) >> 5) as u8).collect()
}

/// An origin that sends `content` and takes another request on the same connection.
fn large_and_then_small() -> Origin {
    Origin::new(vec![|near: &mut Near| {
        near.request();
        near.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
        near.send(content(LARGE));
        near.request();
        near.send(OK);
    }])
}

fn then_small(session: &Session, origin: Origin) {
    assert_eq!(session.data_blocking(&origin.url).unwrap().1, b"ok");
    origin.done();
}

#[test]
fn content_is_read_through_the_bodys_own_buffer() {
    let origin = large_and_then_small();
    let session = Session::new();
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    let mut got = Vec::new();
    future::block_on(async {
        loop {
            let piece = body.fill_buf().await.unwrap();
            assert!(piece.len() <= 64 * 1024);
            if piece.is_empty() {
                break;
            }
            let most = piece.len().min(50_000);
            got.extend_from_slice(&piece[..most]);
            body.consume(most);
        }
        assert!(body.fill_buf().await.unwrap().is_empty(), "the end stays the end");
    });
    assert!(got == content(LARGE));
    then_small(&session, origin);
}

#[test]
fn lines_are_read_from_content() {
    let origin = Origin::answering(&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\na\nb\r\n4\r\nc\n\nd\r\n0\r\n\r\n"]);
    let (_, body) = Session::new().bytes_blocking(&origin.url).unwrap();
    let lines: Vec<String> = future::block_on(body.lines().try_collect()).unwrap();
    assert_eq!(lines, ["a", "bc", "", "d"]);
    origin.done();
}

#[test]
fn content_is_read_in_chunks() {
    let origin = large_and_then_small();
    let session = Session::new();
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    let mut got = Vec::new();
    while let Some(chunk) = future::block_on(body.try_next()).unwrap() {
        assert!(!chunk.is_empty() && chunk.len() <= 64 * 1024);
        got.extend(chunk);
    }
    assert!(future::block_on(body.next()).is_none(), "the end stays the end");
    assert!(got == content(LARGE));
    then_small(&session, origin);
}

#[test]
fn content_is_read_all_at_once() {
    let origin = large_and_then_small();
    let session = Session::new();
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    assert!(body.read_all_blocking().unwrap() == content(LARGE));
    assert!(body.read_all_blocking().unwrap().is_empty());
    then_small(&session, origin);
}

#[test]
fn ways_to_read_can_be_mixed() {
    let origin = large_and_then_small();
    let session = Session::new();
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    let got = future::block_on(async {
        let mut got = vec![0; 10];
        body.read_exact(&mut got).await.unwrap();
        for _ in 0..3 {
            got.push(body.fill_buf().await.unwrap()[0]);
            body.consume(1);
            got.extend(body.next().await.unwrap().unwrap());
            let mut some = [0; 1000];
            let count = body.read(&mut some).await.unwrap();
            got.extend_from_slice(&some[..count]);
        }
        got.push(body.fill_buf().await.unwrap()[0]);
        body.consume(1);
        got.extend(body.read_all().await.unwrap());
        got
    });
    assert!(got == content(LARGE));
    then_small(&session, origin);
}

/// Polls a future that waits for more until `is_so`, and drops it.
fn drop_while_pending<F: Future>(future: F, is_so: impl Fn() -> bool) {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    let begin = Instant::now();
    loop {
        assert!(future.as_mut().poll(&mut cx).is_pending());
        if is_so() {
            return;
        }
        assert!(begin.elapsed() < PATIENCE);
    }
}

#[test]
fn no_content_is_lost_with_a_future_that_is_dropped() {
    let (go, is_go) = gate();
    let origin = Origin::new(vec![script(move |near| {
        near.request();
        near.send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n");
        pass(&is_go);
        near.send("first");
        pass(&is_go);
        near.send("1234567");
    })]);
    let (_, mut body) = Session::new().bytes_blocking(&origin.url).unwrap();
    let task = body.task();
    drop_while_pending(body.fill_buf(), || true);
    drop_while_pending(body.next(), || true);
    drop_while_pending(body.read(&mut [0; 9]), || true);
    go.send(()).unwrap();
    drop_while_pending(body.read_all(), || task.counts().received == 5);
    let piece = future::block_on(async {
        let piece = body.fill_buf().await.unwrap().to_vec();
        body.consume(2);
        piece
    });
    assert_eq!(piece, b"first");
    drop_while_pending(body.read_all(), || true);
    go.send(()).unwrap();
    assert_eq!(future::block_on(body.next()).unwrap().unwrap(), b"rst");
    assert_eq!(future::block_on(body.read_all()).unwrap(), b"1234567");
    origin.done();
}

#[test]
fn content_that_came_before_the_body_comes_first_whichever_way_it_is_read() {
    type Way = fn(Body) -> Vec<u8>;
    let ways: [Way; 3] = [
        |mut body| body.read_all_blocking().unwrap(),
        |mut body| {
            future::block_on(body.try_fold(Vec::new(), |all, chunk| Ok([all, chunk].concat())))
                .unwrap()
        },
        |body| {
            let mut all = Vec::new();
            future::block_on(BufReader::new(body).read_to_end(&mut all)).unwrap();
            all
        },
    ];
    for way in ways {
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
        eventually("the first half", || task.counts().received == 5);
        let (_, body) = task.bytes_blocking().unwrap();
        go.send(()).unwrap();
        assert_eq!(way(body), b"firstlater");
        origin.done();
    }
}

#[test]
fn content_that_is_wanted_whole_is_one_chunk() {
    let origin = large_and_then_small();
    let session = Session::new();
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    body.task().set_prefers_incremental_delivery(false);
    assert!(future::block_on(body.next()).unwrap().unwrap() == content(LARGE));
    assert!(future::block_on(body.next()).is_none());
    then_small(&session, origin);
}

#[test]
fn all_content_is_bounded_by_what_the_task_allows() {
    let origin = Origin::new(vec![
        script(|near| {
            near.request();
            near.send("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n");
            let _ = near.send_if_wanted([b'x'; 2000]);
            near.ended();
        }),
        answer(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}", "x".repeat(1000))),
    ]);
    let session = Session::new();
    let open = || {
        let task = session.data_task(&*origin.url).max_content(1000).create().unwrap();
        task.bytes_blocking().unwrap().1
    };
    let mut body = open();
    let over = ErrorKind::Task(Error::Limit(Limit::ContentBuffer));
    assert_eq!(body.read_all_blocking().unwrap_err().kind(), over);
    assert_eq!(body.read_all_blocking().unwrap_err().kind(), over);
    drop(body);
    assert_eq!(open().read_all_blocking().unwrap().len(), 1000);
    origin.done();
}

#[test]
fn content_that_is_cut_off_ends_with_one_error_behind_what_came() {
    let origin = Origin::new(vec![answer(HALF), answer(HALF)]);
    let session = Session::new();
    let lost = ErrorKind::Task(Error::Transport(Transport::Lost));
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    assert_eq!(future::block_on(body.next()).unwrap().unwrap(), b"first");
    assert_eq!(future::block_on(body.next()).unwrap().unwrap_err().kind(), lost);
    assert!(future::block_on(body.next()).is_none());
    assert_eq!(body.read_all_blocking().unwrap_err().kind(), lost);
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    let mut all = Vec::new();
    let error = future::block_on(body.read_to_end_of(&mut all));
    assert_eq!((all.as_slice(), error.kind()), (&b"first"[..], io::ErrorKind::Other));
    let inner = error.get_ref().unwrap().downcast_ref::<sortie::Error>().unwrap();
    assert_eq!(inner.kind(), lost);
    origin.done();
}

/// Reads through `AsyncBufRead` until an error.
trait UntilError {
    async fn read_to_end_of(&mut self, all: &mut Vec<u8>) -> io::Error;
}

impl UntilError for Body {
    async fn read_to_end_of(&mut self, all: &mut Vec<u8>) -> io::Error {
        loop {
            let count = match self.fill_buf().await {
                Ok(piece) => {
                    assert!(!piece.is_empty(), "no end without an error");
                    all.extend_from_slice(piece);
                    piece.len()
                }
                Err(why) => return why,
            };
            self.consume(count);
        }
    }
}

/// The message is complete: only its end was not read.
#[test]
fn a_body_whose_content_was_taken_leaves_its_connection_for_the_next() {
    let origin = large_and_then_small();
    let session = Session::new();
    let (_, mut body) = session.bytes_blocking(&origin.url).unwrap();
    let mut got = vec![0; LARGE];
    future::block_on(body.read_exact(&mut got)).unwrap();
    let task = body.task();
    drop(body);
    assert!(task.error().is_none(), "{:?}", task.error());
    then_small(&session, origin);
}

fn chunked(want: &'static [u8]) -> impl FnOnce(&mut Near) + Send {
    move |near: &mut Near| {
        let head = near.request();
        assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n"), "{head}");
        assert_eq!(near.chunked(), want);
        near.send(OK);
    }
}

fn sized(want: &'static [u8]) -> impl FnOnce(&mut Near) + Send {
    move |near: &mut Near| {
        let head = near.request();
        let length = format!("\r\nContent-Length: {}\r\n", want.len());
        assert!(head.contains(&length) && !head.contains("Transfer-Encoding"), "{head}");
        assert_eq!(near.exactly(want.len()), want);
        near.send(OK);
    }
}

fn upload(url: &str, source: UploadSource) -> Result<Vec<u8>, sortie::Error> {
    let post = Request::new("POST", url).unwrap();
    Ok(Session::new().upload_task(post, source).create()?.wait()?.1)
}

/// A chunk of the chunked coding without bytes would be the end.
#[test]
fn a_stream_is_sent_in_order_and_empty_chunks_are_passed_over() {
    let mut chunks = vec!["", "one, ", "", "two, "];
    chunks.extend([""; 100]);
    chunks.extend(["three", ""]);
    let source = || UploadSource::stream(stream::iter(chunks.clone()).map(Ok::<_, io::Error>));
    let origin = Origin::new(vec![
        Box::new(chunked(b"one, two, three")) as Box<dyn FnOnce(&mut Near) + Send>,
        Box::new(sized(b"one, two, three")),
        Box::new(sized(b"one, two")),
        Box::new(chunked(b"")),
    ]);
    assert_eq!(upload(&origin.url, source()).unwrap(), b"ok");
    assert_eq!(upload(&origin.url, source().with_length(15)).unwrap(), b"ok");
    assert_eq!(upload(&origin.url, source().with_length(8)).unwrap(), b"ok");
    let nothing = stream::empty::<Result<Vec<u8>, io::Error>>();
    assert_eq!(upload(&origin.url, UploadSource::stream(nothing)).unwrap(), b"ok");
    origin.done();
}

#[test]
fn a_reader_with_a_buffer_of_its_own_is_sent() {
    let text = b"from a buffer that is smaller than this";
    let reader = || UploadSource::buf_reader(BufReader::with_capacity(7, Cursor::new(text)));
    let origin = Origin::new(vec![
        Box::new(chunked(text)) as Box<dyn FnOnce(&mut Near) + Send>,
        Box::new(sized(text)),
    ]);
    assert_eq!(upload(&origin.url, reader()).unwrap(), b"ok");
    assert_eq!(upload(&origin.url, reader().with_length(39)).unwrap(), b"ok");
    origin.done();
}

#[test]
fn a_stream_that_fails_is_the_cause_of_the_error_and_is_asked_no_more() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.ended();
    }]);
    let chunks = [Ok("begun"), Err("the tape is torn")];
    let mut rest = chunks.into_iter();
    let source = UploadSource::stream(stream::poll_fn(move |_| {
        Poll::Ready(Some(rest.next().expect("nothing is asked for behind an error")))
    }));
    let error = upload(&origin.url, source).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Task(Error::Source));
    assert!(error.to_string().contains("the tape is torn"), "{error}");
    origin.done();
}

#[test]
fn a_stream_that_ends_too_early_fails_the_task() {
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        near.ended();
    }]);
    let chunks = stream::iter(["short"]).map(Ok::<_, io::Error>);
    let source = UploadSource::stream(chunks).with_length(6);
    assert_eq!(upload(&origin.url, source).unwrap_err().kind(), ErrorKind::Task(Error::Source));
    origin.done();
}

/// What one session receives another one sends.
#[test]
fn content_of_one_task_is_the_body_of_another() {
    type Way = fn(Body) -> UploadSource;
    let ways: [Way; 3] = [UploadSource::reader, UploadSource::buf_reader, UploadSource::stream];
    for way in ways {
        let from = large_and_then_small();
        let to = Origin::new(vec![|near: &mut Near| {
            near.request();
            assert!(near.chunked() == content(LARGE));
            near.send(OK);
        }]);
        let session = Session::new();
        let (_, body) = session.bytes_blocking(&from.url).unwrap();
        assert_eq!(upload(&to.url, way(body)).unwrap(), b"ok");
        to.done();
        then_small(&session, from);
    }
}

/// A reader that breaks its promise breaks nothing of ours.
#[test]
fn a_reader_that_claims_more_than_it_was_lent_does_no_harm() {
    struct Liar(usize);
    impl futures_lite::AsyncRead for Liar {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.0 += 1;
            Poll::Ready(Ok(if self.0 == 1 { buffer.len() + 1 } else { 0 }))
        }
    }
    let origin = Origin::new(vec![|near: &mut Near| {
        near.request();
        assert_eq!(near.chunked().len(), 64 * 1024);
        near.send(OK);
    }]);
    assert_eq!(upload(&origin.url, UploadSource::reader(Liar(0))).unwrap(), b"ok");
    origin.done();
}
