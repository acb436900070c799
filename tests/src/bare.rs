//! The runner without an adapter: a script played on [`Task`] itself, in virtual time.
//!
//! It does what an adapter does, with every choice an adapter has as a parameter, and checks at
//! each step that the task keeps its contract.

use std::collections::VecDeque;
use std::io;
use std::task::Poll;

use sortie_core::session::{Assign, Pool};
use sortie_core::{
    Advance, Answer, Broken, CloseReason, Error, Event, Field, InspectError, Inspection, Instant,
    Io, Limit, Misuse, Output, Question, RangeFields, Receive, Request, RequestHead, ResponseHead,
    ResumeData, Send, Slot, Task, TaskState, Token, Transport, Url, UrlParts, Wish, limits,
};

use crate::contract::{Contract, Input};
use crate::origin::{Peer, Split};
use crate::script::{Body, Command, Edited, Origin, Reply, Say, Script, What, When};
use crate::trace::{Connection, Counts, Released, Told, Trace, destination};

/// How a script is played: what an adapter may do one way or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drive {
    /// How received bytes are cut.
    pub split: Split,
    /// Whether the receive half goes before the send half.
    pub receives_first: bool,
    /// Whether content is taken as runs, or else moved to the front.
    pub takes_runs: bool,
    /// Bytes of input that are held at most.
    pub input: usize,
    /// Room for content.
    pub room: usize,
    /// Room for what is encoded.
    pub output: usize,
    /// Entries of the index.
    pub index: usize,
    /// Room for the URL of a redirect.
    pub target: usize,
    /// Whether a larger room for it is lent where one is needed.
    pub target_grows: bool,
    /// A command that is given at a certain step.
    pub interrupt: Option<Interrupt>,
}

/// Something that the user does at a certain step of the run, not at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupt {
    /// The step: places between two calls are counted, and places between I/O and its report.
    pub step: usize,
    /// What is done.
    pub what: What,
    /// After a suspend: when it is taken back, in microseconds.
    pub resumed_after: u64,
}

impl Default for Drive {
    fn default() -> Self {
        Self {
            split: Split::Whole,
            receives_first: false,
            takes_runs: false,
            input: 128 * 1024,
            room: 16 * 1024,
            output: 1024,
            index: 320,
            target: limits::URL_BYTES,
            target_grows: true,
            interrupt: None,
        }
    }
}

impl Drive {
    /// Cut like this.
    #[must_use]
    pub fn split(split: Split) -> Self {
        Self { split, ..Self::default() }
    }
}

/// Plays `script` to its end.
///
/// # Panics
/// If the task breaks its contract, if the script is at fault, or if nothing can happen any more.
#[must_use]
pub fn play(script: &Script, drive: Drive) -> Trace {
    play_counting(script, drive).0
}

/// Plays `script` to its end, and tells how many steps that took: the places at which an
/// [`Interrupt`] can be.
///
/// # Panics
/// As [`play`].
#[must_use]
pub fn play_counting(script: &Script, drive: Drive) -> (Trace, usize) {
    let fields = script.checked_fields();
    let request = script.request(&fields);
    let edited = Edits::of(script);
    let edited = edited.requests();
    let mut runner = Runner::new(script, &request, &edited, drive);
    let result = runner.run();
    runner.contract.is_over(&mut runner.task, result, &request);
    let hops = runner.events.iter().filter(|told| matches!(told, Told::Redirected { .. }));
    assert_eq!(hops.count(), usize::from(runner.task.redirect_count()));
    let trace = Trace {
        events: runner.events,
        content: runner.content,
        after_upgrade: runner.after_upgrade,
        result,
        counts: Counts::from(runner.task.counts()),
        connections: runner.connections,
        ended: runner.now,
    };
    (trace, runner.steps)
}

/// Plays `script` with what the origins send whole, bytewise and cut at every place, with either
/// half first, with content as runs and in place, and in the smallest buffers, and checks that all
/// of that shows the same, and the other drivers too. Returns what the first run showed.
///
/// # Panics
/// As [`play`], and if two runs differ.
#[must_use]
pub fn play_all(script: &Script) -> Trace {
    let whole = play(script, Drive::default());
    let same = whole.clone().normalized();
    for drive in drives(script) {
        let trace = play(script, drive).normalized();
        assert_eq!(trace, same, "{drive:?} differs from the whole");
    }
    crate::replay::agrees(script);
    whole
}

/// A response of more bytes than this is not cut everywhere.
const MANY: usize = 2048;

/// The ways of [`play_all`].
fn drives(script: &Script) -> Vec<Drive> {
    let whole = Drive::default();
    let smallest = Drive { room: 1, output: 1, target: 0, ..whole };
    let responses: Vec<_> = script.connections.iter().map(Origin::sent).collect();
    let is_long = responses.iter().any(|response| response.len() > MANY);
    let mut drives = Vec::new();
    for (takes_runs, receives_first) in [(false, false), (true, true), (false, true), (true, false)]
    {
        for drive in [whole, smallest, Drive::split(Split::Bytewise)] {
            if !is_long || takes_runs == receives_first {
                drives.push(Drive { takes_runs, receives_first, ..drive });
            }
        }
    }
    let cuts = responses.iter().flat_map(|response| places(response));
    drives.extend(cuts.map(|place| Drive {
        takes_runs: place % 2 == 0,
        receives_first: place % 3 == 0,
        ..Drive::split(Split::At(place))
    }));
    drives
}

/// Where to cut `bytes` in two: everywhere, or if they are many, around the first and the last line
/// ends, around the longest head, and at each eighth.
fn places(bytes: &[u8]) -> Vec<usize> {
    const ENDS: usize = 16;
    const AROUND: usize = 2;
    if bytes.len() <= MANY {
        return (1..bytes.len()).collect();
    }
    let ends = (1..bytes.len()).filter(|at| bytes.get(at - 1) == Some(&b'\n'));
    let mut edges: Vec<usize> = ends.clone().take(ENDS).chain(ends.rev().take(ENDS)).collect();
    edges.push(limits::HEAD_BYTES);
    let around = |at: usize| at.saturating_sub(AROUND)..=at + AROUND;
    let eighths = (1..8).map(|eighth| bytes.len() / 8 * eighth);
    let mut places: Vec<usize> = edges.into_iter().flat_map(around).chain(eighths).collect();
    places.retain(|at| (1..bytes.len()).contains(at));
    places.sort_unstable();
    places.dedup();
    places
}

/// The fields of the requests with which questions are answered: what those borrow.
struct Edits<'s>(Vec<Option<(&'s Edited, Vec<Field<'s>>)>>);

impl<'s> Edits<'s> {
    fn of(script: &'s Script) -> Self {
        let edited = |reply: &'s Reply| match &reply.say {
            Say::FollowWith(edited) => Some((edited, edited.checked_fields())),
            Say::Follow
            | Say::Refuse
            | Say::Allow
            | Say::BecomeDownload
            | Say::Cancel
            | Say::Body
            | Say::NoBody => None,
        };
        Self(script.replies.iter().map(edited).collect())
    }

    /// For each reply the request that it puts in the place of another one.
    fn requests(&'s self) -> Vec<Option<Request<'s>>> {
        let request = |edit: &'s Option<(&'s Edited, Vec<Field<'s>>)>| {
            edit.as_ref().map(|(edited, fields)| edited.request(fields))
        };
        self.0.iter().map(request).collect()
    }
}

/// A question that the user will answer.
struct Pending<'s> {
    token: Token,
    at: u64,
    reply: &'s Reply,
    edited: Option<&'s Request<'s>>,
}

/// A connection that no task uses.
struct Idle {
    place: usize,
    since: u64,
    peer: Peer,
}

struct Runner<'s> {
    script: &'s Script,
    request: &'s Request<'s>,
    edited: &'s [Option<Request<'s>>],
    drive: Drive,
    task: Task,
    contract: Contract,
    now: u64,
    steps: usize,
    commands: VecDeque<Command>,
    /// How many questions were asked.
    asked: usize,
    pending: Option<Pending<'s>>,
    /// The current URL, and the one that a redirect will make it.
    target: String,
    next: String,
    resume: Option<ResumeData<'s>>,
    /// The place of the current connection.
    place: usize,
    peer: Option<Peer>,
    idle: Vec<Idle>,
    is_upgraded: bool,
    input: Vec<u8>,
    index: Vec<Slot>,
    /// The last bytes that were encoded.
    encoded: Vec<u8>,
    body: &'s Body,
    head: Vec<u8>,
    final_head: Option<Told>,
    events: Vec<Told>,
    content: Vec<u8>,
    after_upgrade: Vec<u8>,
    connections: Vec<Connection>,
}

impl<'s> Runner<'s> {
    fn new(
        script: &'s Script,
        request: &'s Request<'s>,
        edited: &'s [Option<Request<'s>>],
        drive: Drive,
    ) -> Self {
        let mut commands: VecDeque<_> = script.commands.clone().into();
        if commands.is_empty() {
            commands.push_back(Command { when: When::At(0), what: What::Resume });
        }
        Self {
            script,
            request,
            edited,
            drive,
            task: Task::new(request, script.options),
            contract: Contract::new(script),
            now: 0,
            steps: 0,
            commands,
            asked: 0,
            pending: None,
            target: script.url.clone(),
            next: String::new(),
            resume: script.resume_data(),
            place: 0,
            peer: None,
            idle: Vec::new(),
            is_upgraded: false,
            input: Vec::new(),
            index: vec![Slot::EMPTY; drive.index],
            encoded: Vec::new(),
            body: &script.body,
            head: Vec::new(),
            final_head: None,
            events: Vec::new(),
            content: Vec::new(),
            after_upgrade: Vec::new(),
            connections: Vec::new(),
        }
    }

    fn at(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    fn run(&mut self) -> Result<(), Error> {
        loop {
            self.obey();
            match self.contract.poll(&mut self.task, self.request, self.now) {
                Output::Connect(wish) => self.connect(wish),
                Output::Prepare => {
                    let result = self.task.handle_prepared(self.at());
                    self.reported(result, Input::Moved);
                }
                Output::Exchange => self.exchange(),
                Output::Inspect => self.inspect(),
                Output::Finish => {
                    let result = self.task.handle_committed();
                    self.reported(result, Input::Other);
                }
                Output::Wait => self.wait_or_go_on(),
                Output::Event(event) => self.tell(event),
                Output::Close(reason) => self.release(Released::Close(reason)),
                Output::Reuse => self.give_back(),
                Output::Upgraded => {
                    self.is_upgraded = true;
                    self.after_upgrade.append(&mut self.input);
                    self.note(Released::Upgraded);
                }
                Output::Complete(result) => return result,
            }
        }
    }

    // Commands.

    /// Gives every command that is due. Called at each place where one can come from outside.
    fn obey(&mut self) {
        let interrupt = self.drive.interrupt.filter(|i| i.step == self.steps);
        self.steps += 1;
        while let Some(command) = self.commands.front().copied() {
            let is_due = match command.when {
                When::At(at) => at <= self.now,
                When::Received(count) => self.task.counts().received >= count,
            };
            if !is_due {
                break;
            }
            self.commands.pop_front();
            self.command(command.what);
        }
        self.reply();
        if let Some(interrupt) = interrupt {
            self.command(interrupt.what);
            if interrupt.what == What::Suspend {
                self.commands.push_front(Command {
                    when: When::At(self.now + interrupt.resumed_after),
                    what: What::Resume,
                });
            }
        }
    }

    fn command(&mut self, what: What) {
        let was = self.task.state();
        match what {
            What::Resume => self.task.resume(self.at()),
            What::Suspend => self.task.suspend().expect("few suspends"),
            What::Cancel => self.task.cancel(),
        }
        self.contract.commanded(was, &self.task, what, self.now);
    }

    /// Answers the question, if it is time.
    fn reply(&mut self) {
        let Some(pending) = self.pending.take_if(|pending| pending.at <= self.now) else {
            return;
        };
        if self.task.pending_question().is_none() {
            // The task ended meanwhile: nobody needs to answer.
            return;
        }
        let answer = match &pending.reply.say {
            Say::Follow => Answer::Follow,
            Say::FollowWith(_) => {
                Answer::FollowWith(pending.edited.expect("the request of this answer"))
            }
            Say::Refuse => Answer::Refuse,
            Say::Allow => Answer::Allow,
            Say::BecomeDownload => Answer::BecomeDownload,
            Say::Cancel => Answer::Cancel,
            Say::Body => Answer::Body,
            Say::NoBody => Answer::NoBody,
        };
        let result = self.task.answer(self.at(), pending.token, answer);
        assert_eq!(result, Ok(()), "{:?} of {:?}", pending.reply, self.task);
        self.contract.answered(&self.task, pending.token, self.now);
        if let (Say::FollowWith(edited), Some(request)) = (&pending.reply.say, pending.edited) {
            self.request = request;
            self.body = &edited.body;
            self.next.clone_from(&edited.url);
        }
    }

    // Connections.

    /// Takes an idle connection to the current origin.
    fn take_idle(&mut self, wish: Wish) -> bool {
        let to = destination(Url::parse(&self.target).expect("a target is a URL"));
        let (now, connections) = (self.now, &self.connections);
        let fits = |idle: &Idle| {
            connections[idle.place].to == to && now - idle.since < limits::IDLE_TIMEOUT
        };
        let found = self.idle.iter().position(fits).filter(|_| wish == Wish::Any);
        let Some(found) = found else {
            return false;
        };
        let Idle { place, peer, .. } = self.idle.remove(found);
        (self.place, self.peer) = (place, Some(peer));
        self.connections[place].released = Released::NotOpened;
        self.begin_exchange(true);
        true
    }

    fn begin_exchange(&mut self, is_reused: bool) {
        self.input.clear();
        self.encoded.clear();
        let result = self.task.handle_connected(self.at(), is_reused);
        self.reported(result, Input::Connected);
    }

    fn connect(&mut self, wish: Wish) {
        if self.take_idle(wish) {
            return;
        }
        let place = self.connections.len();
        let Some(origin) = self.script.connections.get(place) else {
            panic!("the script has no connection {place}; events: {:?}", self.events);
        };
        assert!(!origin.is_reused || wish == Wish::Any, "a new connection is wished for");
        let result = self.task.handle_connecting(self.at());
        self.reported(result, Input::Moved);
        self.obey();
        if !self.task.still(Output::Connect(wish)) {
            // The attempt is given up; what follows may ask for it again.
            return;
        }
        self.place = place;
        self.connections.push(Connection {
            to: destination(Url::parse(&self.target).expect("a target is a URL")),
            request: Vec::new(),
            released: Released::NotOpened,
        });
        if origin.refuses() {
            let result = self.task.handle_connect_failed(Transport::Refused);
            self.reported(result, Input::Other);
            return;
        }
        self.peer = Some(Peer::new(origin, self.drive.split, self.now));
        self.begin_exchange(origin.is_reused);
    }

    fn release(&mut self, how: Released) {
        self.note(how);
        self.peer = None;
        self.input.clear();
    }

    /// The pool looks at what was read behind the response.
    fn give_back(&mut self) {
        let mut pool = Pool::<1>::new();
        let assigned = pool.assign(self.at(), Wish::New, |_| false);
        assert!(matches!(assigned, Assign::Open { slot: 0, .. }));
        match pool.keep(0, self.at(), self.input.len()) {
            true => {
                self.note(Released::Reuse);
                let peer = self.peer.take().expect("a connection to give back");
                self.idle.push(Idle { place: self.place, since: self.now, peer });
            }
            false => self.release(Released::Close(CloseReason::ExcessBytes)),
        }
    }

    /// Notes what became of the current connection, once.
    fn note(&mut self, how: Released) {
        let peer = self.peer.as_ref().expect("a connection to release");
        let connection = self.connections.get_mut(self.place).expect("it was opened");
        assert_eq!(connection.released, Released::NotOpened, "released twice");
        connection.request = peer.request().to_vec();
        connection.released = how;
    }

    // The head.

    /// Lends the head, and room for the URL of a redirect.
    fn inspect(&mut self) {
        let mut room = self.drive.target;
        loop {
            let mut next = vec![0; room];
            let before = format!("{:?}", self.task);
            let result = self.task.inspect(
                self.at(),
                Inspection {
                    head: ResponseHead::new(&self.head, &self.index),
                    target: Url::parse(&self.target).expect("a target is a URL"),
                    next: &mut next,
                    resume: self.resume.as_ref(),
                },
            );
            match result {
                Ok(resolved) => {
                    if let Some(resolved) = resolved {
                        next.truncate(resolved.length);
                        self.next = String::from_utf8(next).expect("a URL is ASCII");
                        let parts = UrlParts::parse(&self.next);
                        assert_eq!(parts, Ok(resolved.parts), "{}", self.next);
                    }
                    return self.contract.took(&self.task, Input::Inspected, self.now);
                }
                Err(InspectError::BufferTooSmall { needed }) => {
                    assert_eq!(format!("{:?}", self.task), before, "nothing changed");
                    assert!(room < needed && needed <= limits::URL_BYTES);
                    if !self.drive.target_grows {
                        let why = Some(Limit::TargetBuffer);
                        let result = self.task.handle_sink_failed(why);
                        return self.reported(result, Input::Other);
                    }
                    room = needed;
                }
                Err(error) => panic!("{error}: {:?}", self.task),
            }
        }
    }

    // The exchange.

    /// Does one thing that the connection may be used for, or else lets time pass.
    fn exchange(&mut self) {
        let Io { send, receive } = self.task.io(self.drive.room);
        let moved = match self.drive.receives_first {
            true => self.receive(receive) || self.send(send),
            false => self.send(send) || self.receive(receive),
        };
        if !moved {
            self.wait();
        }
    }

    fn send(&mut self, what: Option<Send>) -> bool {
        match what {
            None => return false,
            Some(Send::Encode) => {
                let mut output = vec![0; self.drive.output];
                let range = self.resume.filter(|_| self.task.sends_range());
                let range = range.as_ref().map(RangeFields::new);
                let added = range.as_ref().map(RangeFields::fields);
                let head = RequestHead {
                    request: self.request,
                    target: Url::parse(&self.target).expect("a target is a URL"),
                    added: added.as_ref().map_or(&[], |fields| fields),
                };
                let result = self.task.encode(&head, &mut output);
                let count = self.reported(result, Input::Other);
                assert!(count > 0, "something is encoded where there is room");
                output.truncate(count);
                self.encoded = output;
            }
            Some(Send::Encoded { left }) => {
                let from = self.encoded.len().checked_sub(left);
                let bytes = self.encoded.split_off(from.expect("no more than was encoded"));
                let moved = self.write(&bytes);
                self.encoded = bytes;
                return moved;
            }
            Some(Send::Body { from, max }) => {
                assert!(max > 0, "there is something to write");
                let body = self.body.bytes();
                let rest = body.get(usize::try_from(from).expect("a small body")..);
                let rest = rest.expect("the body is that long");
                let bytes = rest.get(..max).unwrap_or(rest).to_vec();
                return self.write(&bytes);
            }
            Some(Send::Source { from }) => {
                let count = self.body.at_hand(from);
                let result = self.task.handle_source(self.at(), count);
                self.reported(result, Input::Moved);
            }
        }
        true
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        let now = self.now;
        let peer = self.peer.as_mut().expect("a connection to write to");
        let Poll::Ready(written) = peer.write(now, bytes) else {
            return false;
        };
        self.obey();
        match written {
            Ok(count) => {
                let result = self.task.handle_sent(self.at(), count);
                self.reported(result, Input::Moved);
            }
            Err(_) => {
                let result = self.task.handle_broken(Broken::Sending);
                self.reported(result, Input::Other);
            }
        }
        true
    }

    fn receive(&mut self, what: Option<Receive>) -> bool {
        match what {
            None => false,
            Some(Receive::HeadAgain) => {
                self.head();
                true
            }
            Some(Receive::Head) => {
                let room = self.drive.input.saturating_sub(self.input.len());
                assert!(room > 0, "a full buffer is refused, not asked for more");
                let Some(bytes) = self.read(room) else {
                    return false;
                };
                self.input.extend(&bytes);
                if !bytes.is_empty() {
                    self.head();
                }
                true
            }
            Some(Receive::Body { max }) => {
                assert!(max <= self.drive.room, "no more than there is room for");
                if self.input.is_empty() {
                    let Some(bytes) = self.read(max) else {
                        return false;
                    };
                    if !bytes.is_empty() {
                        self.take_body(bytes);
                    }
                } else {
                    let held = self.input.split_off(max.min(self.input.len()));
                    let bytes = std::mem::replace(&mut self.input, held);
                    self.obey();
                    self.take_body(bytes);
                }
                true
            }
            Some(Receive::Discard { max }) => {
                assert!(max > 0, "something is to be read");
                let bytes = if self.input.is_empty() {
                    let Some(bytes) = self.read(max.min(self.drive.room)) else {
                        return false;
                    };
                    bytes
                } else {
                    let held = self.input.split_off(max.min(self.input.len()));
                    let bytes = std::mem::replace(&mut self.input, held);
                    self.obey();
                    bytes
                };
                if !bytes.is_empty() {
                    self.discard(bytes);
                }
                true
            }
        }
    }

    fn discard(&mut self, mut bytes: Vec<u8>) {
        let before = self.task.counts().received;
        let result = self.task.handle_body(self.at(), &mut bytes);
        assert_eq!(self.reported(result, Input::Moved), 0, "nobody wants it");
        assert_eq!(self.task.counts().received, before, "it is not counted");
    }

    /// Reads, and reports an end. `None`: nothing is there. An empty read was reported.
    fn read(&mut self, room: usize) -> Option<Vec<u8>> {
        let now = self.now;
        let peer = self.peer.as_mut().expect("a connection to read from");
        let mut bytes = vec![0; room.min(peer.unread().max(1))];
        let Poll::Ready(read) = peer.read(now, &mut bytes) else {
            return None;
        };
        self.obey();
        bytes.truncate(self.report_end(read));
        Some(bytes)
    }

    fn report_end(&mut self, read: io::Result<usize>) -> usize {
        let result = match read {
            Ok(0) => self.task.handle_end(),
            Ok(count) => return count,
            Err(_) => self.task.handle_broken(Broken::Receiving),
        };
        self.reported(result, Input::Other);
        0
    }

    fn head(&mut self) {
        let full = self.input.len() == self.drive.input;
        let now = self.at();
        let result = self.task.handle_head(now, &mut self.input, full, &mut self.index);
        let Advance { drop, head } = self.reported(result, Input::Moved);
        assert!(drop == 0 || head == 0, "one head at a time");
        if head > 0 {
            let bytes = self.input.get(..head).expect("within the input");
            self.head = bytes.to_vec();
            self.final_head = Some(Told::response(&ResponseHead::new(bytes, &self.index)));
        }
        self.input.drain(..drop + head);
    }

    fn take_body(&mut self, mut bytes: Vec<u8>) {
        let mut content = Vec::new();
        if self.drive.takes_runs {
            let mut rest = bytes.as_slice();
            loop {
                let result = self.task.handle_run(self.at(), rest);
                let run = self.reported(result, Input::Moved);
                content.extend(&rest[run.framing..run.consumed()]);
                rest = &rest[run.consumed()..];
                let goes_on = matches!(self.task.io(1).receive, Some(Receive::Body { .. }));
                if run.consumed() == 0 || !goes_on {
                    break;
                }
            }
        } else {
            let result = self.task.handle_body(self.at(), &mut bytes);
            let count = self.reported(result, Input::Moved);
            bytes.truncate(count);
            content = bytes;
        }
        self.content.extend(&content);
        if !content.is_empty() {
            let result = self.task.handle_delivered(self.at(), content.len() as u64);
            self.reported(result, Input::Moved);
        }
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::InformationalResponse { status } => {
                self.events.push(Told::Informational(status));
            }
            Event::Response { status } => {
                let head = self.final_head.take().expect("a head was read");
                let is_its = matches!(&head, Told::Response { status: of, .. } if *of == status);
                assert!(is_its, "{head:?} is not of status {status}");
                self.events.push(head);
            }
            Event::Redirected { status } => {
                self.target = std::mem::take(&mut self.next);
                assert!(!self.target.is_empty(), "a target was written");
                self.events.push(Told::Redirected { status, to: self.target.clone() });
            }
            Event::Resumed => {
                let counts = self.task.counts();
                let (offset, total) = (counts.received, counts.expected_to_receive);
                self.events.push(Told::Resumed { offset, total });
            }
            Event::BodyRestarted => self.events.push(Told::BodyRestarted),
            Event::Question(question, token) => self.ask(question, token),
            _ => panic!("an event that is not known here: {event:?}"),
        }
    }

    fn ask(&mut self, question: Question, token: Token) {
        assert_eq!(self.task.pending_question(), Some((question, token)));
        self.events.push(Told::Asked(question));
        let edited = self.edited.get(self.asked).and_then(Option::as_ref);
        let reply = self.script.replies.get(self.asked);
        self.asked += 1;
        self.pending =
            reply.map(|reply| Pending { token, at: self.now + reply.after, reply, edited });
    }

    // Waiting.

    fn wait_or_go_on(&mut self) {
        if !self.is_upgraded || self.task.state() != TaskState::Running {
            return self.wait();
        }
        // The next protocol: it takes all that comes, until the origin closes.
        let mut bytes = vec![0; 1024];
        let now = self.now;
        let peer = self.peer.as_mut().expect("the connection that was handed over");
        let Poll::Ready(read) = peer.read(now, &mut bytes) else {
            return self.wait();
        };
        let result = match read {
            Ok(0) => self.task.handle_upgraded_end(Ok(())),
            Ok(count) => return self.after_upgrade.extend(&bytes[..count]),
            Err(_) => {
                let lost = Err(Error::Transport(Transport::Lost));
                self.task.handle_upgraded_end(lost)
            }
        };
        self.reported(result, Input::Ended);
    }

    /// Lets time pass until the next thing can happen.
    fn wait(&mut self) {
        let deadline = self.task.deadline().map(Instant::as_micros);
        let command = self.commands.front().and_then(|command| match command.when {
            When::At(at) => Some(at),
            When::Received(_) => None,
        });
        let peer = self.peer.as_ref().and_then(Peer::wakes);
        let reply = self.pending.as_ref().map(|pending| pending.at);
        let Some(next) = [deadline, command, reply, peer].into_iter().flatten().min() else {
            panic!("nothing can happen any more: {:?}", self.task);
        };
        // One microsecond before, to see that it is too early then.
        if next > self.now + 1 {
            self.now = next - 1;
            Contract::timeout(&mut self.task, self.now);
        }
        self.now = self.now.max(next);
        if let Some(peer) = &mut self.peer {
            peer.advance(self.now);
        }
        Contract::timeout(&mut self.task, self.now);
    }

    /// The result of an input. It was asked for; only a task that a command ended between the I/O
    /// and its report may refuse it.
    fn reported<T: Default>(&mut self, result: Result<T, Misuse>, input: Input) -> T {
        let result = result.or_else(|misuse| match self.task.state() {
            TaskState::Canceling => Ok(T::default()),
            TaskState::Running | TaskState::Suspended | TaskState::Completed => Err(misuse),
        });
        let value = result.unwrap_or_else(|misuse| panic!("{misuse}: {:?}", self.task));
        self.contract.took(&self.task, input, self.now);
        value
    }
}
