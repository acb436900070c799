//! The runner without an adapter: a script played on [`Task`] itself, in virtual time.
//!
//! It does what an adapter does, with every choice an adapter has as a parameter, and checks at
//! each step that the task keeps its contract.

mod connect;
mod exchange;
mod inspect;
mod reply;

use std::collections::VecDeque;
use std::task::Poll;

use sortie_core::{
    Error, Event, Instant, Misuse, Output, Request, ResumeData, Slot, Task, TaskState, Transport,
    limits,
};

use self::reply::{Edits, Pending};
use crate::contract::{Contract, Input};
use crate::origin::{Peer, Split};
use crate::script::{Body, Command, Origin, Script, What, When};
use crate::trace::{Connection, Counts, Released, Told, Trace};

/// How a script is played: what an adapter may do one way or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drive {
    /// How received bytes are cut.
    pub split: Split,
    /// Whether the receive half goes before the send half.
    pub receives_first: bool,
    /// Whether content is taken as runs, or else moved to the front.
    pub takes_runs: bool,
    /// Whether head, content and what is around it are written at once, or else piece by piece.
    pub gathers: bool,
    /// Whether the network takes whatever is written, as that of a device does.
    pub is_buffered: bool,
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
            gathers: false,
            is_buffered: false,
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
    // A task that is cancelled may keep the last one to itself.
    let untold = usize::from(runner.task.redirect_count()) - hops.count();
    assert!(untold == 0 || result == Err(Error::Canceled));
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
                let gathers = takes_runs != receives_first;
                drives.push(Drive { takes_runs, receives_first, gathers, ..drive });
            }
        }
    }
    let cuts = responses.iter().flat_map(|response| places(response));
    drives.extend(cuts.map(|place| Drive {
        takes_runs: place % 2 == 0,
        receives_first: place % 3 == 0,
        gathers: place % 5 < 2,
        ..Drive::split(Split::At(place))
    }));
    drives
}

/// Where to cut `bytes` in two: everywhere, or if they are many, around the first and the last line
/// ends, around the longest head, and at each eighth.
#[must_use]
pub fn places(bytes: &[u8]) -> Vec<usize> {
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
    /// And those encoded ahead, which go behind a chunk's data.
    behind: Vec<u8>,
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
            behind: Vec::new(),
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
