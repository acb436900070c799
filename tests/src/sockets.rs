//! The runner on `sortie` as its users have it: a script played by origins on loopback, in real
//! time.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use sortie::{ErrorKind, RedirectDecision, Request, Response, Session, Task, TaskDelegate};
use sortie_core::TaskState;

use crate::origin::{Peer, Split};
use crate::script::{Body, Origin, Script, Step};
use crate::trace::{Connection, Counts, Released, Told, Trace};

/// How long anything may take: what hangs ends with a timeout, which is seen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked behind the script, to see over which connection it goes.
const PROBE: &str = "http://192.0.2.1/probe";

/// And the answer.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a run showed.
#[derive(Debug)]
pub struct Shown {
    /// What the task showed. What became of its connections is not seen from there, nor is time.
    pub trace: Trace,
    /// Whether another request went over a connection that was there.
    pub is_reused: bool,
}

/// Plays a script of one task that nobody disturbs. Every host leads to the origins.
///
/// # Panics
/// If the script is at fault.
#[must_use]
pub fn play(script: &Script, split: Split) -> Trace {
    run(script, split, false).trace
}

/// The same, and one request more in the same session, when the origins have come to their ends.
///
/// # Panics
/// If the script is at fault, if an origin does not come to its end, or if the second request gets
/// another answer than its own.
#[must_use]
pub fn play_and_probe(script: &Script, split: Split) -> Shown {
    run(script, split, true)
}

fn run(script: &Script, split: Split, probes: bool) -> Shown {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("a port").port();
    let world = World::default();
    let (ended, ends) = channel();
    thread::scope(|scope| {
        let world = &world;
        let serving = scope.spawn(move || serve(scope, &listener, script, split, world, &ended));
        let session = Session::builder()
            .request_timeout(PATIENCE)
            .connect_to((None, None), (Some("127.0.0.1"), Some(port)))
            .build();
        let (trace, opened) = client(script, &session, world);
        if probes {
            quiet(&ends, opened, script);
            let probe = session.data_blocking(PROBE).expect("an answer of its own");
            assert_eq!(probe.1, b"ok", "another response than that to the request");
        }
        // What is idle is closed, and whoever waits for a connection gets one.
        drop(session);
        world.lock().is_over = true;
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
        serving.join().expect("the origins");
        Shown { trace, is_reused: world.lock().is_reused }
    })
}

/// Waits until each origin that was met did all that it does by itself. A connection that is kept
/// is left alone for a while then: a client that asks again at once may do so without a look.
fn quiet(ends: &Receiver<()>, opened: usize, script: &Script) {
    for _ in 0..opened.min(script.connections.len()) {
        ends.recv_timeout(PATIENCE).expect("an origin that comes to its end");
    }
    thread::sleep(Duration::from_millis(3));
}

/// What origins have seen.
#[derive(Default)]
struct World {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By connection.
    requests: Vec<Vec<u8>>,
    is_reused: bool,
    is_over: bool,
    task: Option<Task>,
}

impl World {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits until the client has read so many bytes, or reads no more. A reset may take with it
    /// what was not read yet.
    fn until_read(&self, bytes: u64) {
        let task = self.lock().task.clone().expect("a task that asked");
        let start = Instant::now();
        while task.counts().wire_received < bytes && task.state() != TaskState::Completed {
            assert!(start.elapsed() < PATIENCE, "the client reads nothing");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

// The client.

/// What the delegate was told.
#[derive(Default)]
struct Record {
    events: Mutex<Vec<Told>>,
    content: Mutex<Vec<u8>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Noting(Arc<Record>);

impl TaskDelegate for Noting {
    fn did_receive_informational_response(&self, _: &Task, response: &Response) {
        lock(&self.0.events).push(Told::Informational(response.status()));
    }

    fn will_redirect(
        &self,
        _: &Task,
        response: &Response,
        request: &Request,
        decision: RedirectDecision,
    ) {
        let (status, to) = (response.status(), request.url().to_owned());
        lock(&self.0.events).push(Told::Redirected { status, to });
        decision.follow();
    }

    fn did_receive_response(&self, _: &Task, response: &Response, decision: sortie::Disposition) {
        lock(&self.0.events).push(Told::response(&response.head()));
        decision.allow();
    }

    fn did_receive_data(&self, _: &Task, data: &[u8]) {
        lock(&self.0.content).extend_from_slice(data);
    }
}

/// Runs the task. Returns what it showed, and how many connections it opened.
fn client(script: &Script, session: &Session, world: &World) -> (Trace, usize) {
    let mut request = Request::new(&script.method, &script.url).expect("a valid request");
    if let Body::Bytes(bytes) = &script.body {
        request = request.body(bytes.clone()).expect("a request that takes a body");
    }
    for (name, value) in &script.fields {
        request = request.field(name, value).expect("a valid field");
    }
    let record = Arc::<Record>::default();
    let task = session.data_task(request).delegate(Noting(record.clone()));
    let task = task.create().expect("a valid task");
    world.lock().task = Some(task.clone());
    let result = task.clone().wait().map(drop).map_err(|error| {
        let ErrorKind::Task(why) = error.kind() else {
            panic!("no failure of the task: {error}");
        };
        why
    });
    let requests = world.lock().requests.clone();
    let trace = Trace {
        events: std::mem::take(&mut lock(&record.events)),
        content: std::mem::take(&mut lock(&record.content)),
        after_upgrade: Vec::new(),
        result,
        counts: Counts::from(&task.counts()),
        connections: requests.iter().map(|request| connection(request)).collect(),
        ended: 0,
    };
    (trace, requests.len())
}

/// A connection that carried this. Where it leads is what the request says of it.
fn connection(request: &[u8]) -> Connection {
    let text = String::from_utf8_lossy(request);
    let host = text.lines().find_map(|line| line.strip_prefix("Host: ")).unwrap_or_default();
    let (host, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let to = format!("http {host} {port}");
    Connection { to, request: request.to_vec(), released: Released::NotOpened }
}

/// A trace of another driver without what is not seen here.
#[must_use]
pub fn comparable(trace: Trace) -> Trace {
    let mut trace = trace.normalized().timeless();
    trace.events.retain(|told| *told != Told::BodyRestarted);
    for connection in &mut trace.connections {
        connection.released = Released::NotOpened;
    }
    trace
}

// The origins.

/// Takes connections until it is over, and plays the origins of the script on the first of them.
fn serve<'s>(
    scope: &'s Scope<'s, '_>,
    listener: &TcpListener,
    script: &'s Script,
    split: Split,
    world: &'s World,
    ended: &Sender<()>,
) {
    for place in 0.. {
        let (stream, _) = listener.accept().expect("a connection");
        if world.lock().is_over {
            return;
        }
        stream.set_nodelay(true).expect("an open connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("an open connection");
        match script.connections.get(place) {
            Some(origin) => {
                world.lock().requests.push(Vec::new());
                let far = Far { stream, world, place, ended: ended.clone() };
                scope.spawn(move || far.play(origin, split));
            }
            None => drop(scope.spawn(move || answer_probe(stream))),
        }
    }
}

/// A connection beyond the script's.
fn answer_probe(mut stream: TcpStream) {
    let mut held = Vec::new();
    while !held.ends_with(b"\r\n\r\n") {
        let mut bytes = [0; 1024];
        match stream.read(&mut bytes) {
            Ok(count @ 1..) => held.extend(&bytes[..count]),
            Ok(_) | Err(_) => return,
        }
    }
    let _ = stream.write_all(ANSWER);
    drain(&mut stream);
}

/// The origin's end of a connection.
struct Far<'w> {
    stream: TcpStream,
    world: &'w World,
    place: usize,
    ended: Sender<()>,
}

impl Far<'_> {
    fn play(mut self, origin: &Origin, split: Split) {
        let mut peeked = origin.steps.contains(&Step::Reset).then_some(0);
        let start = Instant::now();
        let now = || u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (mut peer, mut written) = (Peer::new(origin, split, 0), 0);
        let rest = loop {
            let mut bytes = vec![0; 64 * 1024];
            match peer.read(now(), &mut bytes) {
                Poll::Ready(Ok(0)) => {
                    let _ = self.stream.shutdown(Shutdown::Write);
                    break None;
                }
                // What was only peeked at is unread: closing resets the connection.
                Poll::Ready(Err(_)) => {
                    self.world.until_read(written);
                    break None;
                }
                Poll::Ready(Ok(count)) => {
                    if self.stream.write_all(&bytes[..count]).is_err() {
                        break None;
                    }
                    written += count as u64;
                    continue;
                }
                Poll::Pending => {}
            }
            if let Some(wakes) = peer.wakes() {
                thread::sleep(Duration::from_micros(wakes.saturating_sub(now())));
                continue;
            }
            if peer.is_done() {
                break Some(Vec::new());
            }
            let Ok(taken) = self.take(&mut peeked, &mut peer, now()) else {
                break None;
            };
            self.world.lock().requests[self.place] = peer.request().to_vec();
            if let Some(rest) = taken {
                break Some(rest);
            }
        };
        let _ = self.ended.send(());
        if peeked.is_some() {
            return;
        }
        match rest {
            Some(rest) => self.probe(rest),
            None => drain(&mut self.stream),
        }
    }

    /// Lets the origin take bytes of the request. Returns those that it does not want, if there are
    /// any. With `peeked`, bytes are looked at only, of which it has had so many.
    fn take(
        &mut self,
        peeked: &mut Option<usize>,
        peer: &mut Peer,
        now: u64,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; 64 * 1024];
        let count = match peeked {
            None => self.stream.read(&mut bytes)?,
            Some(_) => self.stream.peek(&mut bytes)?,
        };
        let had = peeked.unwrap_or(0);
        match count {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if count == had => thread::sleep(Duration::from_micros(200)),
            _ => {}
        }
        let mut rest = &bytes[had..count];
        while let (false, Poll::Ready(Ok(count @ 1..))) = (rest.is_empty(), peer.write(now, rest)) {
            rest = &rest[count..];
        }
        if let Some(had) = peeked {
            *had = count;
        }
        Ok((!rest.is_empty()).then(|| rest.to_vec()))
    }

    /// Takes another request, and answers it.
    fn probe(&mut self, mut held: Vec<u8>) {
        while !held.ends_with(b"\r\n\r\n") {
            let mut bytes = [0; 1024];
            match self.stream.read(&mut bytes) {
                Ok(count @ 1..) => held.extend(&bytes[..count]),
                Ok(_) | Err(_) => return,
            }
        }
        self.world.lock().is_reused = true;
        let _ = self.stream.write_all(ANSWER);
        drain(&mut self.stream);
    }
}

/// Reads until the client closes.
fn drain(stream: &mut TcpStream) {
    let mut bytes = [0; 16 * 1024];
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
}
