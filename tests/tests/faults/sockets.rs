//! The cases on real sockets and files: `sortie` as users have it, and a proxy on loopback.

use std::cell::{Cell, RefCell};
use std::fs;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use futures_io::AsyncRead;
use futures_lite::future::or;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use sortie::{
    Disposition, Error, ErrorKind, Request, Response, ResumeData, Session, Task, TaskDelegate,
    UploadSource,
};
use sortie_core::{Error as Why, PeerError, TaskKind};
use sortie_tests::faults::{STORED, Seen};
use sortie_tests::origin::{Peer, Split};
use sortie_tests::script::{Body, Origin, Script, Step};

/// Where the origins are, for the client.
pub(crate) const HOME: &str = "http://origin.example/";
pub(crate) const OTHER: &str = "http://other.example/";

/// What any case takes at most: much more than any of its timers.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a case showed, and what it left on the disk.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) seen: Seen,
    /// How long it took from its first byte.
    pub(crate) took: Duration,
    pub(crate) files: Files,
}

/// What a download left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// Under the final name.
    pub(crate) whole: Option<Vec<u8>>,
    /// In the part file.
    pub(crate) part: Option<Vec<u8>>,
    /// How many bytes it can be gone on behind.
    pub(crate) resumes: Option<u64>,
    /// How many files there are in all.
    pub(crate) count: usize,
}

/// Plays a script, with a request timeout, and with `folder` for files, which it has for itself.
pub(crate) async fn play(script: &Script, timeout: Duration, folder: &Path) -> Played {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let listener = Async::new(listener).expect("a listener");
    let far = Far::default();
    let hangs = async {
        Timer::after(PATIENCE).await;
        panic!("a case hangs: {script:?}");
    };
    let near = client(script, timeout, folder, address);
    let (mut played, wire) = or(or(near, far.serve(&listener, script)), hangs).await;
    played.seen.requests = far.peers.take().iter().map(|peer| peer.request().to_vec()).collect();
    played.seen.wire = wire;
    played
}

/// The other side of the proxies.
#[derive(Default)]
struct Far {
    peers: RefCell<Vec<Peer>>,
    begun: Cell<usize>,
}

impl Far {
    /// Serves connections as they come. Never ends.
    async fn serve<R>(&self, listener: &Async<TcpListener>, script: &Script) -> R {
        if script.resume.is_some() {
            let (stream, _) = listener.accept().await.expect("a connection");
            half(stream).await.expect("the first half of a download");
        }
        let (mut origins, mut served) = (script.connections.iter(), Vec::new());
        loop {
            let Some(origin) = origins.next() else {
                return served_all(&mut served).await;
            };
            let accept = async { Some(listener.accept().await.expect("a connection").0) };
            if let Some(stream) = or(accept, served_all(&mut served)).await {
                served.push(Box::pin(self.serve_one(stream, origin)));
            }
        }
    }

    async fn serve_one(&self, mut stream: Async<TcpStream>, origin: &Origin) {
        let _ = stream.get_ref().set_nodelay(true);
        if origin.is_reused {
            let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            request(&mut stream).await.expect("a request");
            stream.write_all(ok).await.expect("a client that reads");
        }
        let place = self.begun.replace(self.begun.get() + 1);
        self.peers.borrow_mut().push(Peer::new(origin, Split::Whole, 0));
        let mut buffer = [0; 4096];
        loop {
            let (output, end) = self.output(place);
            if stream.write_all(&output).await.is_err() {
                return;
            }
            match end {
                Some(Step::Reset) => return reset(stream),
                Some(_) => return,
                None => {}
            }
            let Ok(count @ 1..) = stream.read(&mut buffer).await else { return };
            let mut peers = self.peers.borrow_mut();
            let _ = peers[place].write(0, &buffer[..count]);
        }
    }

    /// What is to be written, and how it ends then.
    fn output(&self, place: usize) -> (Vec<u8>, Option<Step>) {
        let mut peers = self.peers.borrow_mut();
        let (peer, mut output, mut buffer) = (&mut peers[place], Vec::new(), [0; 4096]);
        while let Poll::Ready(Ok(count @ 1..)) = peer.read(0, &mut buffer) {
            output.extend(&buffer[..count]);
        }
        (output, peer.end().cloned())
    }
}

/// Polls all of them, for ever; one that has ended is gone.
async fn served_all<R>(served: &mut Vec<Pin<Box<impl Future<Output = ()>>>>) -> R {
    poll_fn(|cx| {
        served.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        Poll::Pending
    })
    .await
}

/// Breaks a connection, behind all that was written.
fn reset(stream: Async<TcpStream>) {
    let at_once = Some(Duration::ZERO);
    let _ = rustix::net::sockopt::set_socket_linger(stream.get_ref(), at_once);
}

/// Takes a request without a body.
async fn request(stream: &mut Async<TcpStream>) -> io::Result<()> {
    let (mut held, mut buffer) = (Vec::new(), [0; 1024]);
    while !held.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut buffer).await?;
        held.extend(&buffer[..count]);
    }
    Ok(())
}

/// Gives what is stored of a download before it is gone on with.
async fn half(mut stream: Async<TcpStream>) -> io::Result<()> {
    request(&mut stream).await?;
    let head = "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 27\r\n\r\n";
    stream.write_all(&[head.as_bytes(), STORED].concat()).await
}

/// Notes the statuses that it is told.
struct Statuses(Arc<Mutex<Vec<u16>>>);

impl TaskDelegate for Statuses {
    fn did_receive_informational_response(&self, _: &Task, response: &Response) {
        self.0.lock().expect("no panic").push(response.status());
    }

    fn did_receive_response(&self, _: &Task, response: &Response, decision: Disposition) {
        self.0.lock().expect("no panic").push(response.status());
        decision.allow();
    }
}

async fn client(
    script: &Script,
    timeout: Duration,
    folder: &Path,
    address: SocketAddr,
) -> (Played, [u64; 2]) {
    let session = Session::builder().resolver(move |_, _| async move { Ok(vec![address]) }).build();
    if script.connections.first().is_some_and(|origin| origin.is_reused) {
        session.data(HOME).await.expect("a plain answer");
    }
    let place = folder.join("a");
    if script.resume.is_some() {
        let error = session.download(&*script.url, &place).await.expect_err("it is cut off");
        assert_eq!(error.resume_data().map(ResumeData::received), Some(STORED.len() as u64));
    }
    let statuses = Arc::new(Mutex::new(Vec::new()));
    let made = match (script.options.kind, &script.body) {
        (TaskKind::Download, _) => session.download_task(request_of(script)).to(&place),
        (_, Body::Pieces(pieces)) => {
            let reader = Pieces(pieces.clone());
            session.upload_task(request_of(script), UploadSource::reader(reader))
        }
        _ => session.data_task(request_of(script)),
    };
    let made = made.delegate(Statuses(statuses.clone())).request_timeout(timeout);
    let task = made.create().expect("a task");
    let begin = Instant::now();
    let (ended, content) = run(&task).await;
    let took = begin.elapsed();
    assert!(session.all_tasks().is_empty(), "a task is left");
    let (counts, mut statuses) = (task.counts(), statuses.lock().expect("no panic").clone());
    // Nobody is asked about a response that ends the task.
    let kind = ended.as_ref().err().map(Error::kind);
    statuses.extend(match kind {
        Some(ErrorKind::Task(Why::Status(status))) => Some(status),
        Some(ErrorKind::Task(Why::Peer(PeerError::UnaskedRange))) => Some(206),
        _ => None,
    });
    let mut files = left(folder);
    files.resumes = ended.as_ref().err().and_then(Error::resume_data).map(ResumeData::received);
    let seen = Seen {
        result: ended.map_err(|error| {
            let ErrorKind::Task(why) = error.kind() else { panic!("{error} of {script:?}") };
            why
        }),
        content,
        statuses,
        hops: usize::from(task.redirect_count()),
        sent: counts.sent,
        received: counts.received,
        expected_to_receive: counts.expected_to_receive,
        requests: Vec::new(),
        ended: None,
        wire: [0; 2],
    };
    (Played { seen, took, files }, [counts.wire_sent, counts.wire_received])
}

fn request_of(script: &Script) -> Request {
    let mut request = Request::new(&script.method, &script.url).expect("a request");
    if let Body::Bytes(bytes) = &script.body {
        request = request.body(bytes.clone()).expect("a request that takes a body");
    }
    for (name, value) in &script.fields {
        request = request.field(name, value).expect("a valid field");
    }
    request
}

/// Runs a task to its end, with all of its content that is not in a file.
async fn run(task: &Task) -> (Result<(), Error>, Vec<u8>) {
    if task.kind() == TaskKind::Download {
        return (task.clone().await.map(drop), Vec::new());
    }
    let mut content = Vec::new();
    let mut body = match task.clone().bytes().await {
        Ok((_, body)) => body,
        Err(error) => return (Err(error), content),
    };
    let mut buffer = [0; 7];
    loop {
        match body.read(&mut buffer).await {
            Ok(0) => return (Ok(()), content),
            Ok(count) => content.extend(&buffer[..count]),
            Err(error) => return (Err(error), content),
        }
    }
}

/// What is in the folder of a case.
fn left(folder: &Path) -> Files {
    let count = fs::read_dir(folder).map_or(0, Iterator::count);
    let read = |name: &str| fs::read(folder.join(name)).ok();
    Files { whole: read("a"), part: read("a.part"), resumes: None, count }
}

/// Gives one piece at a time.
struct Pieces(Vec<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.0.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let piece = self.0.remove(0);
        buffer[..piece.len()].copy_from_slice(&piece);
        Poll::Ready(Ok(piece.len()))
    }
}
