//! The runner on the desktop driver: a script played over in-memory streams, in virtual time.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_io::AsyncRead;
use sortie::internals::{Connecting, Endpoint, Session, Stream, Stuck, Task, Timer, Turn, World};
use sortie::{ErrorKind, Request, UploadSource};
use sortie_core::{Answer, CloseReason, Error, Event, Instant, TaskKind, Transport};

use crate::origin::{Peer, Split};
use crate::script::{Body, Edited, Origin, Reply, Say, Script, What, When};
use crate::trace::{Connection, Counts, Released, Told, Trace};

/// Room for content, as the runner on the core alone has it.
const ROOM: usize = 16 * 1024;

/// Why the desktop runtime cannot play a script; `None` if it can.
#[must_use]
pub fn lacks(script: &Script) -> Option<&'static str> {
    let upgrades = script.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("upgrade"));
    let has_length =
        script.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match script.options.kind {
        _ if has_length && matches!(script.body, Body::Pieces(_)) => {
            Some("a length in a field: it is said with the reader")
        }
        TaskKind::Stream | TaskKind::WebSocket => Some("a task kind that it does not have"),
        TaskKind::Data | TaskKind::Upload | TaskKind::Download if upgrades => {
            Some("a connection handed over to the user")
        }
        TaskKind::Data | TaskKind::Upload | TaskKind::Download => None,
    }
}

/// `script` with the fields that the desktop runtime adds to every request.
#[must_use]
pub fn dressed(script: &Script) -> Script {
    let mut script = script.clone();
    dress(&mut script.fields);
    for reply in &mut script.replies {
        if let Say::FollowWith(edited) = &mut reply.say {
            dress(&mut edited.fields);
        }
    }
    script
}

fn dress(fields: &mut Vec<(String, String)>) {
    let mut ours = vec![
        ("User-Agent".to_owned(), concat!("sortie/", env!("CARGO_PKG_VERSION")).to_owned()),
        ("Accept".to_owned(), "*/*".to_owned()),
    ];
    ours.retain(|(name, _)| !fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
    ours.append(fields);
    *fields = ours;
}

/// Plays `script` to its end.
///
/// # Panics
/// If the desktop runtime [`lacks`] something for it, or if nothing can happen any more.
#[must_use]
pub fn play(script: &Script, split: Split) -> Trace {
    assert_eq!(lacks(script), None);
    let world = Virtual::new(script, split);
    let session = Session::new(world.clone(), script.options);
    if script.connections.first().is_some_and(|origin| origin.is_reused) {
        world.warm_up(&session);
    }
    let request = request(&script.method, &script.url, &script.fields, &script.body);
    let mut task = session.upload(request, source(&script.body)).expect("a valid request");
    if let Some(data) = script.resume_data() {
        let mut bytes = vec![0; data.encoded_length()];
        data.encode(&mut bytes).expect("room for it");
        task.set_resume_data(bytes);
    }
    let mut runner = Runner {
        task,
        script,
        world,
        next_command: 0,
        replies: script.replies.iter(),
        owed: None,
        events: Vec::new(),
        content: Vec::new(),
    };
    let result = runner.run();
    runner.trace(result)
}

/// Plays `script` as a download to a disk that gets stuck, with a cancel at that instant. Returns
/// how it ended, and when.
///
/// # Panics
/// If it succeeds, or nothing can happen any more.
#[must_use]
pub fn play_stuck(script: &Script, at: Stuck, cancel_at: Option<u64>) -> (ErrorKind, u64) {
    let world = Virtual::new(script, Split::Whole);
    let session = Session::new(world.clone(), script.options);
    let request = request(&script.method, &script.url, &script.fields, &script.body);
    let task = session.stuck(request, at).expect("a valid request");
    let mut awaiting = task.awaited(false);
    let mut cx = Context::from_waker(Waker::noop());
    let mut cancel_at = cancel_at;
    loop {
        if cancel_at.take_if(|at| *at <= world.state().now).is_some() {
            task.cancel();
        }
        match awaiting.poll(&mut cx) {
            Poll::Ready(Err(why)) => return (why.kind(), world.state().now),
            Poll::Ready(Ok(_)) => panic!("what is stuck succeeds"),
            Poll::Pending => world.pass([cancel_at]),
        }
    }
}

fn request(method: &str, url: &str, fields: &[(String, String)], body: &Body) -> Request {
    let mut request = Request::new(method, url).expect("a valid request");
    // Before the fields: a length among them must be that of the body.
    if let Body::Bytes(bytes) = body {
        request = request.body(bytes.clone()).expect("a request that takes a body");
    }
    for (name, value) in fields {
        request = request.field(name, value).expect("a valid field");
    }
    request
}

/// What a body of unknown length is read from, if it is one.
fn source(body: &Body) -> Option<UploadSource> {
    match body {
        Body::None | Body::Bytes(_) => None,
        Body::Pieces(pieces) => Some(UploadSource::reader(Pieces(pieces.clone().into()))),
    }
}

/// A reader that gives one piece at a time.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Some(mut piece) = self.0.pop_front() else {
            return Poll::Ready(Ok(0));
        };
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        let rest = piece.split_off(count);
        if !rest.is_empty() {
            self.0.push_front(rest);
        }
        Poll::Ready(Ok(count))
    }
}

struct Runner<'s> {
    script: &'s Script,
    world: Virtual,
    task: Task<Virtual>,
    next_command: usize,
    /// The answers that are left.
    replies: std::slice::Iter<'s, Reply>,
    /// The one to the question that waits, and when it is given.
    owed: Option<(u64, &'s Say)>,
    events: Vec<Told>,
    content: Vec<u8>,
}

impl<'s> Runner<'s> {
    fn run(&mut self) -> Result<(), Error> {
        if self.script.commands.is_empty() {
            self.task.resume();
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut buffer = vec![0; ROOM];
        loop {
            self.obey();
            self.answer();
            match self.task.poll(&mut cx, &mut buffer) {
                Poll::Ready(Turn::Content(count)) => self.content.extend(&buffer[..count]),
                Poll::Ready(Turn::Event(event)) => self.hear(event),
                Poll::Ready(Turn::Complete(result)) => return result,
                Poll::Ready(Turn::Connected | Turn::Sent(_) | Turn::Prepare | Turn::Finish) => {
                    unreachable!("nobody asked to be told")
                }
                Poll::Pending => self.wait(),
            }
        }
    }

    fn hear(&mut self, event: Event) {
        let counts = self.task.counts();
        self.events.push(match event {
            Event::InformationalResponse { status } => Told::Informational(status),
            Event::Response { .. } => {
                let response = self.task.response().expect("the response that was told");
                Told::response(&response.head())
            }
            Event::Redirected { status } => {
                Told::Redirected { status, to: self.task.target().to_owned() }
            }
            Event::Resumed => {
                Told::Resumed { offset: counts.received, total: counts.expected_to_receive }
            }
            Event::BodyRestarted => {
                if let Some(source) = source(&self.script.body) {
                    self.task.set_source(source).expect("a reader");
                }
                Told::BodyRestarted
            }
            Event::Question(question, _) => {
                let now = self.world.state().now;
                self.owed = self.replies.next().map(|reply| (now + reply.after, &reply.say));
                Told::Asked(question)
            }
            other => panic!("an event that scripts do not know: {other:?}"),
        });
    }

    /// Gives the answer that is due.
    fn answer(&mut self) {
        let now = self.world.state().now;
        let Some((_, say)) = self.owed.take_if(|(at, _)| *at <= now) else {
            return;
        };
        let answer = match say {
            Say::Follow => Answer::Follow,
            Say::FollowWith(edited) => {
                let Edited { method, url, fields, body } = edited;
                let request = request(method, url, fields, body);
                // The task may have ended meanwhile.
                let _ = self.task.follow_with(request);
                return;
            }
            Say::Refuse => Answer::Refuse,
            Say::Allow => Answer::Allow,
            Say::BecomeDownload => Answer::BecomeDownload,
            Say::Cancel => Answer::Cancel,
            Say::Body => {
                if let Some(source) = source(&self.script.body) {
                    self.task.set_source(source).expect("a reader");
                }
                Answer::Body
            }
            Say::NoBody => Answer::NoBody,
        };
        let _ = self.task.answer(answer);
    }

    /// Gives every command that is due.
    fn obey(&mut self) {
        while let Some(command) = self.script.commands.get(self.next_command) {
            let is_due = match command.when {
                When::At(at) => at <= self.world.state().now,
                When::Received(count) => self.task.counts().received >= count,
            };
            if !is_due {
                return;
            }
            self.next_command += 1;
            match command.what {
                What::Resume => self.task.resume(),
                What::Suspend => self.task.suspend().expect("few suspends"),
                What::Cancel => self.task.cancel(),
            }
        }
    }

    /// Lets time pass until the next thing can happen.
    fn wait(&self) {
        let command = self.script.commands.get(self.next_command);
        let command = command.and_then(|command| match command.when {
            When::At(at) => Some(at),
            When::Received(_) => None,
        });
        self.world.pass([command, self.owed.map(|(at, _)| at)]);
    }

    fn trace(self, result: Result<(), Error>) -> Trace {
        let counts = Counts::from(&self.task.counts());
        let mut state = self.world.state();
        let taken: Vec<_> = state
            .peers
            .iter()
            .map(|peer| peer.as_ref().map(|peer| peer.request().to_vec()).unwrap_or_default())
            .collect();
        for (connection, request) in state.connections.iter_mut().zip(taken) {
            connection.request = request;
        }
        Trace {
            events: self.events,
            content: self.content,
            after_upgrade: Vec::new(),
            result,
            counts,
            connections: state.connections.clone(),
            ended: state.now,
        }
    }
}

/// A world of scripted origins and virtual time.
#[derive(Clone)]
struct Virtual {
    state: Arc<Mutex<State>>,
}

struct State {
    now: u64,
    split: Split,
    origins: Vec<Origin>,
    /// The far end of each connection, in the order in which they were opened.
    peers: Vec<Option<Peer>>,
    connections: Vec<Connection>,
    /// The connection that a task has.
    current: usize,
    /// The earliest instant for which a timer waits.
    timer: Option<u64>,
}

impl Virtual {
    fn new(script: &Script, split: Split) -> Self {
        let state = State {
            now: 0,
            split,
            origins: script.connections.clone(),
            peers: Vec::new(),
            connections: Vec::new(),
            current: 0,
            timer: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass until the first of these, of the timers, and of what peers do.
    fn pass<const N: usize>(&self, others: [Option<u64>; N]) {
        let mut state = self.state();
        let timer = state.timer.take();
        let peer = state.peers.iter().flatten().filter_map(Peer::wakes).min();
        let next = [timer, peer].into_iter().chain(others).flatten().min();
        let next = next.expect("something that can still happen");
        state.now = state.now.max(next);
        let now = state.now;
        state.peers.iter_mut().flatten().for_each(|peer| peer.advance(now));
    }

    /// Leaves the first connection idle in the pool, with its scripted origin at the far end.
    fn warm_up(&self, session: &Session<Self>) {
        let first = self.state().origins.first().cloned().expect("a first origin");
        let script = Script::get().answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        self.state().origins[0] = script.connections[0].clone();
        let request = request("GET", &script.url, &[], &Body::None);
        let mut task = session.task(request).expect("a valid request");
        task.resume();
        let mut cx = Context::from_waker(Waker::noop());
        while task.poll(&mut cx, &mut [0]) != Poll::Ready(Turn::Complete(Ok(()))) {}
        let mut state = self.state();
        let peer = Peer::new(&first, state.split, 0);
        state.peers[0] = Some(peer);
        state.connections[0].released = Released::NotOpened;
        state.timer = None;
    }
}

impl World for Virtual {
    type Stream = Wire;
    type Timer = Alarm;

    fn now(&self) -> Instant {
        Instant::from_micros(self.state().now)
    }

    fn timer(&self) -> Alarm {
        Alarm { world: self.clone() }
    }

    fn connect(&self, endpoint: Endpoint) -> Connecting<Wire> {
        let mut state = self.state();
        let place = state.peers.len();
        let origin = state.origins.get(place).cloned().expect("an origin for the connection");
        state.connections.push(Connection {
            to: format!("{:?} {} {}", endpoint.scheme, endpoint.host, endpoint.port).to_lowercase(),
            request: Vec::new(),
            released: Released::NotOpened,
        });
        state.current = place;
        if origin.refuses() {
            state.peers.push(None);
            return Box::pin(std::future::ready(Err(Transport::Refused.into())));
        }
        let peer = Peer::new(&origin, state.split, state.now);
        state.peers.push(Some(peer));
        Box::pin(std::future::ready(Ok(Wire { world: self.clone(), place })))
    }

    fn released(&self, reason: Option<CloseReason>) {
        let mut state = self.state();
        let current = state.current;
        let connection = &mut state.connections[current];
        assert_eq!(connection.released, Released::NotOpened, "released twice");
        connection.released = reason.map_or(Released::Reuse, Released::Close);
    }
}

/// The near end of a connection.
struct Wire {
    world: Virtual,
    place: usize,
}

impl Stream for Wire {
    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.world.state();
        let now = state.now;
        state.peers[self.place].as_mut().expect("an open connection").read(now, buffer)
    }

    fn is_quiet(&mut self) -> bool {
        // Scripted origins begin when a task has the connection.
        true
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.world.state();
        let now = state.now;
        // Whoever writes has the connection, for the first time or again.
        state.current = self.place;
        state.connections[self.place].released = Released::NotOpened;
        state.peers[self.place].as_mut().expect("an open connection").write(now, bytes)
    }
}

/// A timer in virtual time.
struct Alarm {
    world: Virtual,
}

impl Timer for Alarm {
    fn poll_until(&mut self, _: &mut Context<'_>, _: Instant, at: Instant) -> Poll<()> {
        let mut state = self.world.state();
        let at = at.as_micros();
        if at <= state.now {
            return Poll::Ready(());
        }
        state.timer = Some(state.timer.map_or(at, |timer| timer.min(at)));
        Poll::Pending
    }
}
