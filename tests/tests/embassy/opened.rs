//! Tasks over a stream that the program has opened: one in memory, and a socket of its own.
#![allow(clippy::large_futures, reason = "they are polled where they are made")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::task::{Poll, Waker};

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Duration, Instant, Timer};
use embedded_io_async::{Error as _, ErrorKind, ErrorType, Read, Write};
use sortie_core::{Error, Timer as Which, Transport};
use sortie_embassy::{
    BodyLength, Config, ControlBlock, Failure, OpenedStream, Request, Resources, Session, Url,
};
use sortie_tests::embassy::{Cable, FAR, Heap, Run, Served, run_beside, run_served};

use crate::{chunked, content, get, of_length};

const NO_RESPONSE: Error = Error::Transport(Transport::NoResponse);
const NO_TLS: Error = Error::Transport(Transport::TlsUnavailable);
const OTHER_ORIGIN: Error = Error::Transport(Transport::OtherOrigin);

fn url(text: &str) -> Url<'_> {
    Url::parse(text).unwrap()
}

/// One direction of a stream in memory. What it gives or takes is gone when that is dropped in the
/// middle: no more than the traits promise.
#[derive(Default)]
struct Pipe {
    bytes: RefCell<VecDeque<u8>>,
    has_ended: Cell<bool>,
    is_broken: Cell<bool>,
    is_full: Cell<bool>,
    is_amid: Cell<bool>,
    waker: Cell<Option<Waker>>,
    /// How often something was dropped in the middle.
    dropped: Cell<usize>,
    flushes: Cell<usize>,
}

impl Pipe {
    fn put(&self, bytes: &[u8]) {
        self.bytes.borrow_mut().extend(bytes);
        self.wake();
    }

    fn end(&self) {
        self.has_ended.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    async fn wait(&self, is_ready: impl Fn(&Self) -> bool) {
        poll_fn(|cx| {
            if is_ready(self) {
                return Poll::Ready(());
            }
            self.waker.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    async fn take(&self, space: &mut [u8]) -> usize {
        self.wait(|pipe| !pipe.bytes.borrow().is_empty() || pipe.has_ended.get()).await;
        let mut bytes = self.bytes.borrow_mut();
        let count = bytes.len().min(space.len());
        for (to, from) in space.iter_mut().zip(bytes.drain(..count)) {
            *to = from;
        }
        count
    }

    /// Two more polls, in which what was moved can be lost.
    async fn linger(&self) {
        let amid = Amid(self);
        self.is_amid.set(true);
        yield_now().await;
        yield_now().await;
        self.is_amid.set(false);
        drop(amid);
    }
}

struct Amid<'p>(&'p Pipe);

impl Drop for Amid<'_> {
    fn drop(&mut self) {
        if self.0.is_amid.take() {
            self.0.dropped.set(self.0.dropped.get() + 1);
        }
    }
}

/// The client's end of a pipe.
struct End<'p>(&'p Pipe);

impl ErrorType for End<'_> {
    type Error = ErrorKind;
}

impl Read for End<'_> {
    async fn read(&mut self, space: &mut [u8]) -> Result<usize, ErrorKind> {
        let count = self.0.take(space).await;
        self.0.linger().await;
        if self.0.is_broken.get() { Err(ErrorKind::ConnectionReset) } else { Ok(count) }
    }
}

impl Write for End<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.0.wait(|pipe| !pipe.is_full.get()).await;
        let count = bytes.len().min(100);
        self.0.linger().await;
        self.0.put(&bytes[..count]);
        if self.0.is_broken.get() { Err(ErrorKind::ConnectionReset) } else { Ok(count) }
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.flushes.set(self.0.flushes.get() + 1);
        self.0.linger().await;
        Ok(())
    }
}

/// Both directions.
#[derive(Default)]
struct Line {
    up: Pipe,
    down: Pipe,
}

impl Line {
    fn stream<'l>(&'l self, origin: &'l str) -> OpenedStream<'l, End<'l>, End<'l>> {
        OpenedStream::plaintext(url(origin), End(&self.down), End(&self.up))
    }

    /// Takes a request, and returns its first line.
    async fn request(&self) -> String {
        let mut taken = Vec::new();
        let head = loop {
            let at = taken.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(at) = at {
                break at + 4;
            }
            self.more(&mut taken).await;
        };
        let text = String::from_utf8(taken[..head].to_vec()).unwrap();
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        while taken.len() < head + length.unwrap_or(0) {
            self.more(&mut taken).await;
        }
        assert_eq!(taken.len(), head + length.unwrap_or(0));
        text.lines().next().unwrap().to_owned()
    }

    async fn more(&self, taken: &mut Vec<u8>) {
        let mut bytes = [0; 1000];
        let count = self.up.take(&mut bytes).await;
        taken.extend(&bytes[..count]);
    }

    fn dropped(&self) -> usize {
        self.up.dropped.get() + self.down.dropped.get()
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.request_timeout = Duration::from_secs(5);
    config
}

/// Runs `client` with a session and one end of a line, and `peer` at the other.
fn run_on<R>(
    line: &Line,
    peer: impl AsyncFnOnce(&Line),
    client: impl AsyncFnOnce(&Session<'_, 1>, &mut Resources<1, 500>) -> R,
) -> R {
    let run = run_beside(
        Cable::COARSE,
        async |_| {
            peer(line).await;
            pending().await
        },
        async |stack| {
            let mut own = Resources::<1, 64>::new();
            let session = Session::new(stack, &mut own, config());
            client(&session, &mut Resources::new()).await
        },
    );
    assert_eq!(run.openings(), 0, "nothing but the stream is used");
    run.output
}

/// Runs `client` with a session and a socket of its own that is connected to a server.
fn run_by_socket<R>(
    served: &Served,
    client: impl AsyncFnOnce(&Session<'_, 1>, &mut TcpSocket<'_>, &mut Resources<1, 500>) -> R,
) -> Run<R> {
    run_served(Cable::COARSE, served, async |stack| {
        let mut own = Resources::<1, 64>::new();
        let session = Session::new(stack, &mut own, config());
        let (mut receive, mut send) = ([0; 1000], [0; 1000]);
        let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
        socket.connect((FAR, 80)).await.unwrap();
        let output = client(&session, &mut socket, &mut Resources::new()).await;
        socket.abort();
        let _ = socket.flush().await;
        output
    })
}

fn error<T>(result: Result<T, Failure>) -> Option<Error> {
    result.err().map(|failure| failure.error)
}

#[test]
fn tasks_use_an_opened_stream_one_after_the_other() {
    let line = Line::default();
    let lengths = run_on(
        &line,
        async |line| {
            for count in [0, 5, 700, 30_000] {
                assert_eq!(line.request().await, format!("POST /{count} HTTP/1.1"));
                line.down.put(&of_length(&content(count)));
                assert_eq!(line.request().await, format!("POST /{count} HTTP/1.1"));
                line.down.put(&chunked(&content(count), 999));
            }
        },
        async |session, resources| {
            let (origin, mut lengths) = ("http://line.example", Vec::new());
            let stream = line.stream(origin);
            session
                .connection_over(stream, resources, async |connection| {
                    for count in [0, 5, 700, 30_000] {
                        let (text, body) = (format!("{origin}/{count}"), content(count));
                        let length = BodyLength::Known(count as u64);
                        let request = Request::new("POST", url(&text), &[], length).unwrap();
                        for _ in 0..2 {
                            let mut bytes = vec![0; 30_000];
                            let response = connection.data(&request, &body, &mut bytes).await?;
                            assert!(response.content() == content(count));
                            lengths.push(response.content().len());
                            assert!(connection.is_usable());
                        }
                    }
                    Ok::<_, Failure>(())
                })
                .await
                .map(|()| lengths)
        },
    );
    assert_eq!(lengths, Ok(vec![0, 0, 5, 5, 700, 700, 30_000, 30_000]));
    assert_eq!(line.dropped(), 0);
    // One for each request, and not for each piece.
    assert!(line.up.flushes.get() <= 16, "{}", line.up.flushes.get());
}

#[test]
fn a_stream_that_is_lent_is_the_programs_again_afterwards() {
    let served = Served::default();
    let run = run_by_socket(&served, async |session, socket, resources| {
        let origin = url("http://origin.example");
        for count in [5, 40_000] {
            let (mut reader, mut writer) = socket.split();
            let stream = OpenedStream::plaintext(origin, &mut reader, &mut writer);
            let text = format!("http://origin.example/chunked/{count}");
            let request = get(&text);
            let mut sink = Heap::default();
            let done = session
                .connection_over(stream, resources, async |connection| {
                    let done = connection.download_task(&request).to(&mut sink).await;
                    (done.map(|done| done.received()).ok(), connection.is_usable())
                })
                .await;
            assert_eq!(done, (Some(count), true));
        }
        socket.write_all(b"GET /length/1 HTTP/1.1\r\nHost: origin.example\r\n\r\n").await.unwrap();
        let mut bytes = [0; 12];
        socket.read_exact(&mut bytes).await.unwrap();
        bytes
    });
    assert_eq!((&run.output, run.openings()), (b"HTTP/1.1 200", 1));
    assert_eq!(
        *served.requests.borrow(),
        ["GET /chunked/5", "GET /chunked/40000", "GET /length/1"]
    );
}

#[test]
fn an_opened_stream_is_for_one_origin_and_stays_usable_when_another_is_refused() {
    let line = Line::default();
    let errors = run_on(
        &line,
        async |line| {
            assert_eq!(line.request().await, "GET /1 HTTP/1.1");
            line.down.put(&of_length(b"1"));
            assert_eq!(line.request().await, "GET /2 HTTP/1.1");
            line.down.put(b"HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\n");
            line.down.put(b"Content-Length: 0\r\n\r\n");
            assert_eq!(line.request().await, "GET /3 HTTP/1.1");
            line.down.put(&of_length(b"3"));
        },
        async |session, resources| {
            let stream = line.stream("http://line.example:81/any");
            session
                .connection_over(stream, resources, async |connection| {
                    let mut errors = Vec::new();
                    for text in [
                        "http://other.example:81/",
                        "http://line.example/",
                        "https://line.example:81/",
                        "http://line.example:81/1",
                        "http://other.example:81/",
                        "https://line.example:81/",
                        "http://line.example:81/2",
                        "http://LINE.example:81/3",
                    ] {
                        let (mut urls, mut bytes) = ([0; 200], [0; 10]);
                        let request = get(text);
                        let task = connection.data_task(&request).target(&mut urls);
                        errors.push(error(task.receive(&mut bytes).await));
                        assert!(connection.is_usable());
                    }
                    errors
                })
                .await
        },
    );
    let refused = Some(OTHER_ORIGIN);
    let insecure = Some(NO_TLS);
    assert_eq!(errors, [refused, refused, insecure, None, refused, insecure, refused, None]);
}

#[test]
fn who_is_led_elsewhere_is_told_so_also_where_the_server_wants_the_stream_closed() {
    let line = Line::default();
    let (failure, next) = run_on(
        &line,
        async |line| {
            assert_eq!(line.request().await, "GET / HTTP/1.1");
            line.down.put(b"HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\n");
            line.down.put(b"Connection: close\r\nContent-Length: 0\r\n\r\n");
        },
        async |session, resources| {
            let stream = line.stream("http://line.example");
            session
                .connection_over(stream, resources, async |connection| {
                    let (mut urls, mut bytes) = ([0; 200], [0; 10]);
                    let request = get("http://line.example/");
                    let task = connection.data_task(&request).target(&mut urls);
                    let failure = task.receive(&mut bytes).await.map(drop).unwrap_err();
                    assert!(!connection.is_usable());
                    (failure, error(connection.data(&request, &[], &mut bytes).await))
                })
                .await
        },
    );
    assert_eq!((failure.error, failure.kind()), (OTHER_ORIGIN, ErrorKind::InvalidInput));
    assert_eq!((failure.error.code(), next), (-1004, Some(NO_RESPONSE)));
    assert!(line.up.bytes.borrow().is_empty(), "nothing was sent to the other origin");
}

#[test]
fn what_is_to_be_secure_needs_a_stream_that_is_said_to_be() {
    let line = Line::default();
    let results = run_on(
        &line,
        async |line| {
            assert_eq!(line.request().await, "GET /secret HTTP/1.1");
            line.down.put(&of_length(b"yes"));
        },
        async |session, resources| {
            let (secret, plain) = (get("https://line.example/secret"), get("http://line.example/"));
            let mut bytes = [0; 10];
            let mut results = Vec::new();
            // Not even where the origin says so.
            let stream = line.stream("https://line.example");
            session
                .connection_over(stream, resources, async |connection| {
                    results.push(error(connection.data(&secret, &[], &mut bytes).await));
                    results.push(error(connection.data(&plain, &[], &mut bytes).await));
                })
                .await;
            assert!(line.up.bytes.borrow().is_empty());
            let origin = url("https://line.example");
            let stream = OpenedStream::secure(origin, End(&line.down), End(&line.up));
            session
                .connection_over(stream, resources, async |connection| {
                    results.push(error(connection.data(&plain, &[], &mut bytes).await));
                    results.push(error(connection.data(&secret, &[], &mut bytes).await));
                })
                .await;
            results
        },
    );
    assert_eq!(results, [Some(NO_TLS), Some(OTHER_ORIGIN), Some(OTHER_ORIGIN), None]);
}

#[test]
fn content_that_is_cut_off_ends_the_stream_with_the_task() {
    for is_reset in [false, true] {
        let line = Line::default();
        let (failure, next, is_usable) = run_on(
            &line,
            async |line| {
                line.request().await;
                line.down.put(&of_length(&content(1000))[..400]);
                Timer::after_secs(1).await;
                line.down.is_broken.set(is_reset);
                line.down.end();
            },
            async |session, resources| {
                let request = get("http://line.example/");
                let stream = line.stream("http://line.example");
                session
                    .connection_over(stream, resources, async |connection| {
                        let mut bytes = [0; 1000];
                        let cut = connection.data(&request, &[], &mut bytes).await.unwrap_err();
                        let next = error(connection.data(&request, &[], &mut bytes).await);
                        (cut, next, connection.is_usable())
                    })
                    .await
            },
        );
        assert_eq!(failure.error, Error::Transport(Transport::Lost));
        assert_eq!((failure.status, failure.received), (Some(200), 359));
        assert_eq!((next, is_usable), (Some(NO_RESPONSE), false));
        assert!(line.up.bytes.borrow().is_empty(), "nothing of the second one was sent");
    }
}

#[test]
fn a_deadline_holds_while_a_stream_takes_or_brings_nothing() {
    for takes_nothing in [false, true] {
        let line = Line::default();
        line.up.is_full.set(takes_nothing);
        let (first, took, next) = run_on(
            &line,
            async |_| (),
            async |session, resources| {
                let request = get("http://line.example/");
                let stream = line.stream("http://line.example");
                session
                    .connection_over(stream, resources, async |connection| {
                        let (start, mut bytes) = (Instant::now(), [0; 10]);
                        let first = error(connection.data(&request, &[], &mut bytes).await);
                        let took = start.elapsed().as_millis();
                        // What was being written is not written any more.
                        line.up.is_full.set(false);
                        line.up.wake();
                        let next = error(connection.data(&request, &[], &mut bytes).await);
                        Timer::after_secs(1).await;
                        (first, took, next)
                    })
                    .await
            },
        );
        assert_eq!((first, next), (Some(Error::TimedOut(Which::Request)), Some(NO_RESPONSE)));
        assert!((5_000..5_100).contains(&took), "{took}");
        assert_eq!(line.up.bytes.borrow().is_empty(), takes_nothing);
    }
}

#[test]
fn a_task_can_be_cancelled_or_dropped_while_a_read_or_a_write_goes_on() {
    for (is_cancelled, takes_nothing) in
        [(true, false), (true, true), (false, false), (false, true)]
    {
        let line = Line::default();
        line.up.is_full.set(takes_nothing);
        let (ended, took, next) = run_on(
            &line,
            async |line| {
                line.request().await;
                line.down.put(&of_length(&content(1000))[..400]);
            },
            async |session, resources| {
                let request = get("http://line.example/");
                let stream = line.stream("http://line.example");
                let mut block = ControlBlock::new();
                let (mut seat, control) = block.split();
                session
                    .connection_over(stream, resources, async |connection| {
                        let (start, mut bytes) = (Instant::now(), [0; 1000]);
                        let ended = {
                            let task = connection.data_task(&request).control(&mut seat);
                            let command = async {
                                Timer::after_secs(1).await;
                                if is_cancelled {
                                    control.cancel();
                                    pending().await
                                }
                            };
                            match select(task.receive(&mut bytes), command).await {
                                Either::First(done) => error(done),
                                Either::Second(()) => None,
                            }
                        };
                        let took = start.elapsed().as_millis();
                        line.up.is_full.set(false);
                        line.up.wake();
                        Timer::after_secs(1).await;
                        let next = error(connection.data(&request, &[], &mut bytes).await);
                        (ended, took, next)
                    })
                    .await
            },
        );
        assert_eq!(ended, is_cancelled.then_some(Error::Canceled));
        assert_eq!(next, Some(NO_RESPONSE));
        assert!((1_000..1_100).contains(&took), "{took}");
        // Nothing went up after the end.
        assert!(line.up.bytes.borrow().is_empty());
    }
}

#[test]
fn the_whole_can_be_dropped_at_any_time() {
    for millis in [0, 1, 999] {
        let line = Line::default();
        run_on(
            &line,
            async |line| {
                line.request().await;
                line.down.put(&of_length(&content(1000))[..400]);
            },
            async |session, resources| {
                let request = get("http://line.example/");
                for _ in 0..2 {
                    let stream = line.stream("http://line.example");
                    let mut bytes = [0; 1000];
                    let work = session.connection_over(stream, resources, async |connection| {
                        connection.data(&request, &[], &mut bytes).await.map(drop)
                    });
                    let ended = select(work, Timer::after_millis(millis)).await;
                    assert!(matches!(ended, Either::Second(())));
                }
            },
        );
    }
}

#[test]
fn a_read_that_a_task_does_not_wait_for_loses_nothing_of_a_stream() {
    let line = Line::default();
    let (taken, whole, reads) = run_on(
        &line,
        async |line| {
            line.request().await;
            for piece in of_length(&content(2000)).chunks(3) {
                line.down.put(piece);
                Timer::after_micros(300).await;
            }
            line.request().await;
            for piece in chunked(&content(2000), 100).chunks(3) {
                line.down.put(piece);
                Timer::after_micros(300).await;
            }
        },
        async |session, resources| {
            let request = get("http://line.example/");
            let stream = line.stream("http://line.example");
            let mut block = ControlBlock::new();
            let (mut seat, control) = block.split();
            session
                .connection_over(stream, resources, async |connection| {
                    let (mut taken, mut reads) = (Vec::<u8>::new(), 0);
                    let mut body = connection.data_task(&request).open().await?;
                    loop {
                        let mut bytes = [0; 100];
                        let read = select(body.read(&mut bytes), yield_now()).await;
                        reads += 1;
                        match read {
                            Either::First(count) => match count? {
                                0 => break,
                                count => taken.extend(&bytes[..count]),
                            },
                            Either::Second(()) => Timer::after_micros(100).await,
                        }
                    }
                    drop(body);
                    let mut bytes = [0; 2000];
                    let task = connection.data_task(&request).control(&mut seat);
                    let commands = async {
                        loop {
                            Timer::after_micros(700).await;
                            if control.suspend().is_ok() {
                                Timer::after_micros(700).await;
                                control.resume();
                            }
                        }
                    };
                    let whole = match select(task.receive(&mut bytes), commands).await {
                        Either::First(whole) => whole?.content().to_vec(),
                        Either::Second(never) => never,
                    };
                    Ok::<_, Failure>((taken, whole, reads))
                })
                .await
                .unwrap()
        },
    );
    assert!(taken == content(2000) && whole == content(2000));
    assert!(reads > 100, "{reads}");
    assert_eq!(line.dropped(), 0);
}

#[test]
fn an_early_answer_is_received_though_the_stream_takes_no_more_of_the_body() {
    let line = Line::default();
    let answer = run_on(
        &line,
        async |line| {
            Timer::after_millis(1).await;
            line.up.is_full.set(true);
            line.down.put(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
        },
        async |session, resources| {
            let length = BodyLength::Known(200_000);
            let to = url("http://line.example/");
            let request = Request::new("POST", to, &[], length).unwrap();
            let stream = line.stream("http://line.example");
            let (body, mut bytes) = (content(200_000), [0; 10]);
            session
                .connection_over(stream, resources, async |connection| {
                    let response = connection.data(&request, &body, &mut bytes).await;
                    (response.map(|response| response.status()), connection.is_usable())
                })
                .await
        },
    );
    assert_eq!(answer, (Ok(413), false));
}

#[test]
fn a_stream_that_ended_or_brought_what_nobody_asked_for_is_not_used_again() {
    for (path, second) in [("/length/5", None), ("/closed/5", Some(NO_RESPONSE))] {
        let served = Served::default();
        let run = run_by_socket(&served, async |session, socket, resources| {
            let (reader, writer) = socket.split();
            let stream = OpenedStream::plaintext(url("http://origin.example"), reader, writer);
            let first = format!("http://origin.example{path}");
            let (first, again) = (get(&first), get("http://origin.example/length/6"));
            session
                .connection_over(stream, resources, async |connection| {
                    let mut bytes = [0; 10];
                    let first = error(connection.data(&first, &[], &mut bytes).await);
                    Timer::after_secs(1).await;
                    (first, error(connection.data(&again, &[], &mut bytes).await))
                })
                .await
        });
        assert_eq!(run.output, (None, second), "{path}");
        assert_eq!(served.requests.borrow().len(), if second.is_none() { 2 } else { 1 });
    }
    for unasked in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b""] {
        let run = run_beside(
            Cable::COARSE,
            async |stack| {
                let (mut receive, mut send) = ([0; 1000], [0; 1000]);
                let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
                socket.accept(80).await.unwrap();
                let mut bytes = [0; 1000];
                let _ = socket.read(&mut bytes).await.unwrap();
                socket.write_all(&of_length(b"5")).await.unwrap();
                Timer::after_millis(500).await;
                if unasked.is_empty() {
                    socket.close();
                } else {
                    socket.write_all(unasked).await.unwrap();
                }
                let more = socket.read(&mut bytes).await;
                assert!(matches!(more, Ok(0) | Err(_)), "{more:?}");
                pending().await
            },
            async |stack| {
                let mut own = Resources::<1, 64>::new();
                let session = Session::new(stack, &mut own, config());
                let (mut receive, mut send) = ([0; 1000], [0; 1000]);
                let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
                socket.connect((FAR, 80)).await.unwrap();
                let (reader, writer) = socket.split();
                let stream = OpenedStream::plaintext(url("http://origin.example"), reader, writer);
                let request = get("http://origin.example/");
                let mut resources = Resources::<1, 500>::new();
                let both = session
                    .connection_over(stream, &mut resources, async |connection| {
                        let mut bytes = [0; 10];
                        let first = error(connection.data(&request, &[], &mut bytes).await);
                        Timer::after_secs(1).await;
                        (first, error(connection.data(&request, &[], &mut bytes).await))
                    })
                    .await;
                socket.abort();
                let _ = socket.flush().await;
                Timer::after_secs(1).await;
                both
            },
        );
        assert_eq!(run.output, (None, Some(NO_RESPONSE)));
    }
}
