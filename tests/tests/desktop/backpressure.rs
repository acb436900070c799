//! Who is slow slows the other end down: what is on its way is in the kernel's buffers, which are
//! looked at, and the little that we hold.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread;

use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncRead, StreamExt, future, stream};
use sortie::{Body, Request, Session, Task, UploadSource};

use crate::helpers::eventually;
use crate::{Near, PATIENCE};

/// More than the kernel takes for one connection.
const ENDLESS: u64 = 1 << 30;

/// The most input that a connection holds, in bytes.
const INBOX: u64 = 16 * 1024;

/// The most that a body holds in its own buffer.
const BUFFER: u64 = 64 * 1024;

/// The most that is held of a reader.
const WINDOW: u64 = 256 * 1024;

/// How often nothing may change before it is taken for the end of changes.
const STILL: usize = 20;

/// Bytes of a connection in the kernel, that `from` wrote and `to` has not read, and those in the
/// other direction. Acknowledgements that are on their way count some twice, so this is rather too
/// much than too little.
fn in_kernel(from: u16, to: u16) -> (u64, u64) {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let queues = |near: u16, far: u16| {
        // There may be thousands of other connections: nothing else is parsed.
        let ends = format!(" 0100007F:{near:04X} 0100007F:{far:04X} ");
        let Some(at) = table.find(&ends) else { return (0, 0) };
        let columns = table[at + ends.len()..].split_whitespace().nth(1).unwrap();
        let (unsent, unread) = columns.split_once(':').unwrap();
        let bytes = |text| u64::from_str_radix(text, 16).unwrap();
        (bytes(unsent), bytes(unread))
    };
    let (near, far) = (queues(from, to), queues(to, from));
    (near.0 + far.1, far.0 + near.1)
}

/// The origin's end of a connection, which never blocks and counts what it moved.
struct Counting {
    stream: TcpStream,
    near: u16,
    far: u16,
    written: u64,
    read: u64,
}

impl Counting {
    fn accept(listener: &TcpListener) -> Self {
        let (stream, far) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let near = stream.local_addr().unwrap().port();
        Self { stream, near, far: far.port(), written: 0, read: 0 }
    }

    /// Bytes in the kernel to the client, and from it.
    fn in_kernel(&self) -> (u64, u64) {
        in_kernel(self.near, self.far)
    }

    /// Moves bytes until the kernel lets it move none, and nothing in it changes any more.
    fn until_still(&mut self, mut step: impl FnMut(&mut Self) -> std::io::Result<()>) {
        let mut seen = (u64::MAX, u64::MAX);
        let mut still = 0;
        while still < STILL {
            match step(self) {
                Ok(()) => still = 0,
                Err(why) if why.kind() == ErrorKind::WouldBlock => {
                    let now = self.in_kernel();
                    still = if now == seen { still + 1 } else { 0 };
                    seen = now;
                    thread::yield_now();
                }
                Err(why) => panic!("the client is gone: {why}"),
            }
        }
    }

    /// Writes until the kernel takes no more.
    fn fill(&mut self, most: u64) {
        self.until_still(|origin| {
            let left = usize::try_from(most - origin.written).unwrap().min(64 * 1024);
            assert!(left > 0, "the client takes everything");
            origin.written += origin.stream.write(&[b'x'; 64 * 1024][..left])? as u64;
            Ok(())
        });
    }

    /// Reads so much, at most.
    fn take(&mut self, most: u64) {
        let most = self.read + most;
        self.until_still(|origin| {
            let left = usize::try_from(most - origin.read).unwrap().min(64 * 1024);
            let mut buffer = vec![0; left];
            match origin.stream.read(&mut buffer) {
                _ if left == 0 => Err(ErrorKind::WouldBlock.into()),
                Ok(0) => panic!("the client closed"),
                result => {
                    origin.read += result? as u64;
                    Ok(())
                }
            }
        });
    }

    /// What of the bytes written, of which the client's user has `taken` some, is in neither
    /// kernel.
    fn held_by_client(&self, taken: u64) -> u64 {
        self.written.saturating_sub(taken + self.in_kernel().0)
    }
}

/// Begins a task and lets the origin send the head of `length` bytes of content.
fn answered(session: &Session, length: u64) -> (Counting, Task, u64) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let task = session.task(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    task.resume();
    let mut origin = Counting::accept(&listener);
    eventually("the request", || origin.stream.peek(&mut [0]).is_ok());
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    origin.stream.write_all(head.as_bytes()).unwrap();
    origin.written = head.len() as u64;
    (origin, task, head.len() as u64)
}

/// Ways to read about `want` bytes of a body. Each returns how many it got.
type Way = fn(&mut Body, usize) -> u64;

fn by_read(body: &mut Body, want: usize) -> u64 {
    body.read_blocking(&mut vec![0; want]).unwrap() as u64
}

fn by_buffer(body: &mut Body, want: usize) -> u64 {
    future::block_on(async {
        let got = body.fill_buf().await.unwrap().len().min(want);
        body.consume(got);
        got as u64
    })
}

fn by_chunk(body: &mut Body, _: usize) -> u64 {
    future::block_on(body.try_next()).unwrap().unwrap().len() as u64
}

#[test]
fn a_slow_reader_of_content_stops_the_server() {
    let ways: [(Way, u64); 3] = [(by_read, INBOX), (by_buffer, INBOX + BUFFER), (by_chunk, INBOX)];
    for (read, bound) in ways {
        let session = Session::new();
        let (mut origin, task, head) = answered(&session, ENDLESS);
        let (_, mut body) = task.clone().bytes_blocking().unwrap();
        let mut taken = head;
        for round in 0..4 {
            origin.fill(head + ENDLESS);
            let held = origin.held_by_client(taken);
            assert!(held <= bound, "{held} bytes are held in round {round}");
            assert!(origin.in_kernel().0 > 0, "content waits in the kernel");
            for _ in 0..3 {
                taken += read(&mut body, 20_000);
            }
        }
        assert!(taken > head + 4 * 1000);
        drop(body);
        let mut near = Near::new(origin.stream);
        near.stream.set_nonblocking(false).unwrap();
        near.ended();
    }
}

#[test]
fn a_suspended_task_stops_the_server_and_gets_everything_later() {
    const LENGTH: u64 = 40 << 20;
    let session = Session::new();
    let (mut origin, task, head) = answered(&session, LENGTH);
    origin.stream.write_all(&[b'x'; 1000]).unwrap();
    origin.written += 1000;
    eventually("the first bytes", || task.counts().received == 1000);
    task.suspend().unwrap();
    origin.fill(head + LENGTH);
    let (received, held) = (task.counts().received, origin.held_by_client(head + 1000));
    assert_eq!(received, 1000, "nothing is received while it is suspended");
    assert!(held <= INBOX, "{held} bytes are held");
    task.resume();
    origin.stream.set_nonblocking(false).unwrap();
    origin.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let left = usize::try_from(head + LENGTH - origin.written).unwrap();
    origin.stream.write_all(&vec![b'x'; left]).unwrap();
    assert_eq!(task.wait().unwrap().1.len() as u64, LENGTH);
}

/// Gives zeros for ever, and counts them.
struct Zeros(Arc<AtomicU64>);

impl AsyncRead for Zeros {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<std::io::Result<usize>> {
        buffer.fill(0);
        self.0.fetch_add(buffer.len() as u64, Ordering::AcqRel);
        Poll::Ready(Ok(buffer.len()))
    }
}

#[test]
fn a_slow_server_and_a_suspended_task_stop_the_source_of_an_upload() {
    const CHUNK: usize = 10_000;
    let chunks = |given: Arc<AtomicU64>| {
        stream::repeat_with(move || {
            given.fetch_add(CHUNK as u64, Ordering::AcqRel);
            Ok::<_, std::io::Error>([0; CHUNK])
        })
    };
    type Open = Box<dyn Fn(Arc<AtomicU64>) -> UploadSource>;
    let sources: [(Open, u64); 3] = [
        (Box::new(|given| UploadSource::reader(Zeros(given))), WINDOW),
        (
            Box::new(|given| {
                UploadSource::buf_reader(BufReader::with_capacity(4096, Zeros(given)))
            }),
            4096,
        ),
        (Box::new(move |given| UploadSource::stream(chunks(given))), CHUNK as u64),
    ];
    for (open, bound) in sources {
        let given = Arc::new(AtomicU64::new(0));
        let now = || given.load(Ordering::Acquire);
        let source = open(given.clone()).with_length(ENDLESS);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let post = Request::new("POST", &url).unwrap();
        let session = Session::new();
        let task = session.upload_task(post, source).create().unwrap();
        task.resume();
        let mut origin = Counting::accept(&listener);
        eventually("some of the body", || task.counts().sent > 0);
        for _ in 0..6 {
            origin.take(1_500_000);
            // Looked at first: it may only grow.
            let before = now();
            let passed = origin.read + origin.in_kernel().1;
            assert!(before <= passed + bound, "{before} were asked for, {passed} passed on");
            assert!(now() < ENDLESS, "the source is held up");
        }
        task.suspend().unwrap();
        // One piece may have been on its way to the kernel.
        origin.take(0);
        let suspended = now();
        origin.take(ENDLESS);
        assert_eq!(origin.in_kernel().1, 0, "the server has taken everything");
        assert_eq!(now(), suspended, "and the source is asked for nothing");
        task.resume();
        eventually("more of the body", || now() > suspended);
        task.cancel();
        assert_eq!(task.wait().unwrap_err().code(), -999);
    }
}
