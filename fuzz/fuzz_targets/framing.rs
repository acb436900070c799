//! Every way to cut the bytes of a response, and to take its content, shows the same (P4), within
//! linear work.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_core::{
    BodyLength, ByteCounts, CloseReason, Error, Event, Field, Instant, Output, Receive,
    RedirectPolicy, Request, RequestHead, ResponseHead, Send, Slot, Task, TaskOptions, TaskState,
    Url, field, limits,
};
use sortie_fuzz::{Choices, assert_monotone};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let setting = Setting::read(&mut choices);
    let mut cuts = [0; 3].map(|_| usize::from(choices.u16()));
    let response = choices.rest();
    for cut in &mut cuts {
        *cut %= response.len() + 1;
    }
    cuts.sort_unstable();
    let every: Vec<usize> = (0..response.len()).collect();

    let want = Exchange::play(setting, response, &every, Take::Runs);
    for (cuts, take) in [
        (&every[..], Take::InPlace),
        (&cuts[..], Take::Runs),
        (&cuts[..], Take::InPlace),
        (&[][..], Take::Runs),
        (&[][..], Take::InPlace),
    ] {
        let seen = Exchange::play(setting, response, cuts, take);
        want.assert_same(&seen, response.len(), cuts, take);
    }
});

const GET: [Field<'static>; 1] = [field!("Accept", "*/*")];
const UPGRADE: [Field<'static>; 2] = [field!("Upgrade", "x"), field!("Connection", "upgrade")];
const CLOSE: [Field<'static>; 1] = [field!("Connection", "close")];

/// What does not depend on how the response arrives.
#[derive(Debug, Clone, Copy)]
struct Setting {
    method: &'static str,
    fields: &'static [Field<'static>],
    is_reused: bool,
    /// Entries of the index.
    slots: usize,
    /// Bytes of input that are held at most.
    capacity: usize,
    /// Room for content.
    room: usize,
}

impl Setting {
    fn read(choices: &mut Choices<'_>) -> Self {
        let flags = choices.byte();
        Self {
            method: if flags & 1 == 0 { "GET" } else { "HEAD" },
            fields: [&GET[..], &UPGRADE, &CLOSE, &[]][usize::from(flags >> 1 & 3)],
            is_reused: flags & 8 != 0,
            slots: if flags & 16 == 0 { 300 } else { 2 },
            capacity: if flags & 32 == 0 { 70_000 } else { 200 },
            room: [4096, 1, 7, 64][usize::from(flags >> 6)],
        }
    }
}

/// How content is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    /// By `handle_body`.
    InPlace,
    /// By `handle_run`.
    Runs,
}

type Head = (u16, Vec<(String, Vec<u8>)>);

/// What the user and the connection saw of one exchange.
#[derive(Debug, Default)]
struct Seen {
    events: Vec<Event>,
    heads: Vec<Head>,
    content: Vec<u8>,
    result: Option<Result<(), Error>>,
    /// What became of the connection: `Close`, `Reuse` or `Upgraded`.
    released: Vec<Output>,
    /// The task wants another connection: the exchange would start again.
    retries: bool,
    counts: ByteCounts,
}

impl Seen {
    fn assert_same(&self, other: &Self, length: usize, cuts: &[usize], take: Take) {
        let mode = (take, if cuts.len() > 3 { &[] } else { cuts });
        assert_eq!(self.events, other.events, "events, {mode:?}");
        assert_eq!(self.heads, other.heads, "heads, {mode:?}");
        assert_eq!(self.content, other.content, "content, {mode:?}");
        assert_eq!(self.result, other.result, "result, {mode:?}");
        assert_eq!(self.retries, other.retries, "retry, {mode:?}");
        let counts = |seen: &Self| {
            let counts = seen.counts;
            (counts.sent, counts.received, counts.expected_to_receive)
        };
        assert_eq!(counts(self), counts(other), "counts, {mode:?}");
        // Bytes behind the last one of the response are seen or not, as the cuts fall.
        let released = |seen: &Self| -> Vec<Output> {
            let mut released = seen.released.clone();
            for output in &mut released {
                if *output == Output::Close(CloseReason::ExcessBytes) {
                    *output = Output::Reuse;
                }
            }
            released
        };
        assert_eq!(released(self), released(other), "connection, {mode:?}");
        // A fault may be met with more or less of the framing before it.
        if self.result == Some(Ok(())) {
            let wire = |seen: &Self| seen.counts.wire_received;
            assert_eq!(wire(self), wire(other), "wire, {mode:?}");
            assert!(wire(self) <= length as u64);
        }
    }
}

/// A response on its way: as it is cut, and what of it was received.
struct Wire<'a> {
    bytes: &'a [u8],
    cuts: &'a [usize],
    at: usize,
}

impl<'a> Wire<'a> {
    /// One read of at most `room` bytes; no bytes at the end.
    fn read(&mut self, room: usize) -> &'a [u8] {
        while self.cuts.first().is_some_and(|cut| *cut <= self.at) {
            self.cuts = &self.cuts[1..];
        }
        let end = self.cuts.first().map_or(self.bytes.len(), |cut| *cut);
        let end = end.min(self.at.saturating_add(room));
        let read = &self.bytes[self.at..end];
        self.at = end;
        read
    }
}

/// An adapter on the bare core.
struct Exchange<'a> {
    task: Task,
    setting: Setting,
    take: Take,
    wire: Wire<'a>,
    /// Received and not taken yet.
    held: Vec<u8>,
    index: Vec<Slot>,
    seen: Seen,
    /// A call was lent bytes from behind the end of the response.
    has_excess: bool,
    /// Calls that changed the task; also the time, in microseconds.
    calls: u64,
}

impl<'a> Exchange<'a> {
    fn play(setting: Setting, response: &'a [u8], cuts: &'a [usize], take: Take) -> Seen {
        let url = Url::parse("http://a/").expect("a URL");
        let request = Request::new(setting.method, url, setting.fields, BodyLength::None);
        let request = request.expect("a request");
        let mut exchange = Self {
            // What comes back is the same response, whatever its status.
            task: Task::new(
                &request,
                TaskOptions { redirects: RedirectPolicy::Deliver, ..TaskOptions::default() },
            ),
            setting,
            take,
            wire: Wire { bytes: response, cuts, at: 0 },
            held: Vec::new(),
            index: vec![Slot::EMPTY; setting.slots],
            seen: Seen::default(),
            has_excess: false,
            calls: 0,
        };
        let now = exchange.tick();
        exchange.task.resume(now);
        exchange.run(&RequestHead::new(&request));
        exchange.assert_over();
        exchange.seen.counts = *exchange.task.counts();
        exchange.seen
    }

    /// Time for the next call. Every byte is good for a few calls, however it arrives.
    fn tick(&mut self) -> Instant {
        self.calls += 1;
        let most = 64 + 8 * self.wire.bytes.len() as u64;
        assert!(self.calls <= most, "more than {most} calls");
        Instant::from_micros(self.calls)
    }

    fn run(&mut self, head: &RequestHead<'_>) {
        loop {
            let now = self.tick();
            let before = *self.task.counts();
            let output = self.task.poll_output();
            match output {
                Output::Connect(_) if !self.seen.released.is_empty() => {
                    self.seen.retries = true;
                    return;
                }
                Output::Connect(_) => {
                    let connected = self.task.handle_connected(now, self.setting.is_reused);
                    connected.expect("Connect was said");
                }
                Output::Prepare => self.task.handle_prepared(now).expect("Prepare was said"),
                Output::Exchange => self.exchange(now, head),
                Output::Finish => self.task.handle_committed().expect("Finish was said"),
                Output::Event(event) => self.seen.events.push(event),
                Output::Close(_) => self.seen.released.push(output),
                Output::Reuse => {
                    assert!(!self.has_excess, "reused with bytes that nobody asked for");
                    self.seen.released.push(output);
                }
                Output::Upgraded => {
                    self.seen.released.push(output);
                    let ended = self.task.handle_upgraded_end(Ok(()));
                    ended.expect("Upgraded was said");
                }
                Output::Complete(result) => {
                    self.seen.result = Some(result);
                    return;
                }
                Output::Inspect => panic!("nothing to look into"),
                Output::Wait => panic!("nothing to wait for"),
            }
            let counts = self.task.counts();
            assert_monotone(&before, counts);
            assert!(counts.received <= counts.wire_received, "{counts:?}");
            assert!(counts.sent <= counts.wire_sent, "{counts:?}");
        }
    }

    /// One step of the exchange: the request first, then the response.
    fn exchange(&mut self, now: Instant, head: &RequestHead<'_>) {
        let io = self.task.io(self.setting.room);
        match (io.send, io.receive) {
            (Some(Send::Encode), _) => {
                let mut output = [0; 64];
                let written = self.task.encode(head, &mut output);
                assert_ne!(written, Ok(0), "nothing is encoded");
            }
            (Some(Send::Write { before, max: 0, after: 0, .. }), _) => {
                let sent = self.task.handle_sent(now, before);
                sent.expect("so much was encoded");
            }
            (Some(Send::Write { .. } | Send::Source { .. }), _) => panic!("there is no body"),
            (None, Some(Receive::Head)) => {
                let room = self.setting.capacity - self.held.len();
                assert!(room > 0, "a head beyond a full input");
                let read = self.wire.read(room);
                self.held.extend_from_slice(read);
                match read {
                    [] => self.task.handle_end().expect("a head was asked for"),
                    [..] => self.head(now),
                }
            }
            (None, Some(Receive::HeadAgain)) => self.head(now),
            (None, Some(Receive::Body { max })) => self.body(now, max),
            (None, Some(Receive::Discard { .. })) => panic!("a body that somebody wants"),
            (None, None) => panic!("an exchange without anything to do"),
        }
    }

    fn head(&mut self, now: Instant) {
        let full = self.held.len() >= self.setting.capacity;
        let advance = self.task.handle_head(now, &mut self.held, full, &mut self.index);
        let advance = advance.expect("a head was asked for");
        assert!(advance.drop == 0 || advance.head == 0);
        let taken = advance.drop + advance.head;
        if taken > 0 {
            let head = ResponseHead::new(&self.held[..taken], &self.index);
            let fields = head.fields().map(|(name, value)| (name.into(), value.into()));
            self.seen.heads.push((head.status(), fields.collect()));
            self.held.drain(..taken);
            self.has_excess = advance.head > 0 && !self.held.is_empty() && self.is_received();
        }
    }

    fn body(&mut self, now: Instant, max: usize) {
        assert!(0 < max && max <= self.setting.room, "{max} bytes are asked for");
        let mut bytes = if self.held.is_empty() {
            self.wire.read(max).to_vec()
        } else {
            self.held.drain(..max.min(self.held.len())).collect()
        };
        if bytes.is_empty() {
            return self.task.handle_end().expect("a body was asked for");
        }
        match self.take {
            Take::InPlace => {
                let before = self.task.counts().wire_received;
                let content = self.task.handle_body(now, &mut bytes);
                let content = content.expect("a body was asked for");
                self.seen.content.extend_from_slice(&bytes[..content]);
                let taken = self.task.counts().wire_received - before;
                self.has_excess = taken < bytes.len() as u64;
            }
            Take::Runs => self.runs(&bytes),
        }
    }

    fn runs(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while self.task.still(Output::Exchange) && !rest.is_empty() {
            let now = self.tick();
            let before = *self.task.counts();
            let run = self.task.handle_run(now, rest).expect("a body was asked for");
            assert_monotone(&before, self.task.counts());
            let (taken, behind) = rest.split_at(run.consumed());
            self.seen.content.extend_from_slice(&taken[run.framing..]);
            rest = behind;
            if taken.is_empty() {
                assert!(!self.task.still(Output::Exchange), "bytes that nobody takes");
            }
        }
        self.has_excess = !rest.is_empty();
    }

    /// Whether the last byte of the response came with the call before.
    fn is_received(&self) -> bool {
        let resource = self.task.resource_deadline();
        let is_idle = self.task.deadline().is_none_or(|at| Some(at) == resource);
        self.task.io(1).receive.is_none() && is_idle
    }

    /// After the end nothing is said, asked for or taken.
    fn assert_over(&mut self) {
        assert!(self.seen.released.len() <= 1, "{:?}", self.seen.released);
        assert_eq!(self.task.counts().received, self.seen.content.len() as u64);
        if self.seen.retries {
            assert!(self.setting.is_reused && self.seen.events.is_empty());
            return;
        }
        assert!(self.task.counts().wire_sent > 0);
        assert_eq!(self.task.state(), TaskState::Completed);
        assert_eq!(self.task.deadline(), None);
        for _ in 0..3 {
            assert_eq!(self.task.poll_output(), Output::Wait);
        }
        assert_eq!(self.task.io(1), sortie_core::Io::NONE);
        assert!(self.task.handle_end().is_err());
        assert!(self.seen.heads.len() <= usize::from(limits::INTERIM_RESPONSES) + 1);
    }
}
