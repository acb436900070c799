//! In any order of calls: nothing panics, a misuse changes nothing, what is asked for is taken, a
//! connection is released once, and completion is said once and last.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_core::{
    Answer, Asks, BodyLength, Broken, Error, Event, InspectError, Inspection, Instant, Io, Limit,
    Misuse, Output, Question, RangeFields, Receive, RedirectPolicy, Request, RequestHead,
    ResponseHead, ResumeData, Send, Slot, Task, TaskOptions, TaskState, Token, Transport, Url,
    Validator, Wish, limits,
};
use sortie_fuzz::tables::{BROKEN, CREDENTIALS, ERRORS, KINDS, NO_SINK, REQUESTS, TIMEOUTS};
use sortie_fuzz::{Choices, PIECES, assert_monotone, assert_same, assert_told};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let (method, fields, body) = choices.of(&REQUESTS);
    let url = Url::parse("http://a/").expect("a URL");
    let request = Request::new(method, url, fields, body).expect("a request");
    let kind = choices.of(&KINDS);
    let options = TaskOptions {
        kind,
        request_timeout: choices.of(&TIMEOUTS),
        resource_timeout: choices.of(&TIMEOUTS),
        ..further_options(choices.byte(), choices.byte())
    };
    // The length of what is stored in part is known, or not.
    let total = if options.asks.redirect { None } else { Some(8) };
    let url = Url::parse(OTHER).expect("a URL");
    let other = Request::new("POST", url, CREDENTIALS, BodyLength::Known(3)).expect("a request");
    let tag = Validator::parse(b"\"v\"").expect("a validator");
    let mut player = Player {
        task: Task::new(&request, options),
        request: &request,
        other: &other,
        stored: ResumeData::new("http://a/", tag, STORED, total).expect("resume data"),
        may_resume: options.is_resuming,
        target: "http://a/".into(),
        next: String::new(),
        head: Vec::new(),
        index: [Slot::EMPTY; 8],
        tokens: Vec::new(),
        now: 0,
        held: Vec::new(),
        is_connected: false,
        is_upgraded: false,
        is_complete: false,
        calls: 0,
    };
    while !choices.is_empty() {
        player.step(&mut choices);
        player.check();
    }
    player.finish();
});

/// What comes in one byte, since most is seldom so.
fn further_options(is_replayable: u8, bits: u8) -> TaskOptions {
    let has = |bit: u8| bits & bit != 0;
    TaskOptions {
        body_is_replayable: is_replayable & 1 == 1,
        asks: Asks { redirect: has(1), disposition: has(2), new_body: has(4) },
        requires_success: has(8),
        is_resuming: has(16),
        earliest_begin: Instant::from_micros(if has(32) { 1_000_000 } else { 0 }),
        redirects: match bits >> 6 {
            0 | 1 => RedirectPolicy::default(),
            2 => RedirectPolicy::Deliver,
            _ => RedirectPolicy::Follow { most: 1, allows_downgrade: true },
        },
        ..TaskOptions::default()
    }
}

/// The request that a redirect may be followed with.
const OTHER: &str = "https://other/x?y";
/// Bytes that are stored of a download.
const STORED: u64 = 5;

/// An input, with its arguments.
#[derive(Debug, Clone)]
enum Call {
    Connecting,
    Connected(bool),
    ConnectPostponed,
    ConnectFailed,
    Prepared,
    Encode(usize),
    EncodeBehind(usize),
    Sent(usize),
    Source(usize),
    Head { full: bool, slots: usize },
    Body,
    Run,
    End,
    Broken(Broken),
    Delivered(u64),
    Committed,
    SinkFailed(Option<Limit>),
    UpgradedEnd(Result<(), Error>),
    SourceFailed,
    Inspect { room: usize, lends_stored: bool },
    Answer { back: usize, say: usize },
}

/// A task, and what an adapter knows of it.
struct Player<'a> {
    task: Task,
    request: &'a Request<'a>,
    other: &'a Request<'a>,
    stored: ResumeData<'a>,
    /// It was told at some time to go on from what is stored.
    may_resume: bool,
    /// The current URL, and the one that a redirect will make it.
    target: String,
    next: String,
    /// The last final head.
    head: Vec<u8>,
    index: [Slot; 8],
    /// Those of all questions, the last one last.
    tokens: Vec<Token>,
    now: u64,
    /// Input that was received and not taken.
    held: Vec<u8>,
    /// A connection was handed in and is not released.
    is_connected: bool,
    /// `Upgraded` was said and its end was not reported.
    is_upgraded: bool,
    /// `Complete` was said.
    is_complete: bool,
    calls: usize,
}

impl Player<'_> {
    fn step(&mut self, choices: &mut Choices<'_>) {
        self.calls += 1;
        match choices.byte() {
            0 => self.now = choices.number(),
            1 => self.task.resume(Instant::from_micros(self.now)),
            2 => self.suspend(),
            3 => self.task.cancel(),
            4 => self.timeout(),
            5 => self.poll(),
            number @ 6..=63 => {
                self.receive(choices);
                let call = any_call(number, choices);
                self.input(&call);
            }
            64 => self.task.set_earliest_begin(Instant::from_micros(choices.number())),
            65 => self.set_resuming(choices.flag()),
            127 if choices.byte() == 255 => self.suspend_often(),
            66..=127 => self.now = self.now.saturating_add(choices.number() << 16),
            128.. => self.go_along(choices),
        }
    }

    /// Some bytes arrive.
    fn receive(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() {
            known @ 0..=127 => {
                let piece = PIECES[usize::from(known) % PIECES.len()];
                self.held.extend_from_slice(piece);
            }
            length @ 128..=191 => {
                let bytes = choices.bytes(usize::from(length & 15));
                self.held.extend_from_slice(bytes);
            }
            192..=223 => self.held.clear(),
            224.. => {}
        }
    }

    /// Does what the task asks for, as an adapter would.
    fn go_along(&mut self, choices: &mut Choices<'_>) {
        let states = [
            Output::Connect(Wish::Any),
            Output::Connect(Wish::New),
            Output::Prepare,
            Output::Exchange,
            Output::Inspect,
            Output::Finish,
            Output::Wait,
        ];
        let state = states.into_iter().find(|output| self.task.still(*output));
        let call = match state {
            None => return self.poll(),
            Some(Output::Connect(_)) => Call::Connected(choices.flag()),
            Some(Output::Prepare) => Call::Prepared,
            Some(Output::Finish) => Call::Committed,
            Some(Output::Inspect) => Call::Inspect { room: 256, lends_stored: true },
            Some(_) if self.task.pending_question().is_some() && choices.flag() => {
                Call::Answer { back: 0, say: choices.size() }
            }
            Some(Output::Exchange) => match self.exchange(choices) {
                Some(call) => call,
                None => return,
            },
            Some(_) if self.is_upgraded => Call::UpgradedEnd(Ok(())),
            Some(_) => return self.task.resume(Instant::from_micros(self.now)),
        };
        self.input(&call);
    }

    fn exchange(&mut self, choices: &mut Choices<'_>) -> Option<Call> {
        let io = self.task.io(64);
        let sends = choices.flag() || io.receive.is_none();
        Some(match (io.send, io.receive) {
            (Some(Send::Encode), _) if sends => Call::Encode(64),
            (Some(Send::Write { after: 0, max, .. }), _) if sends && max > 0 && choices.flag() => {
                Call::EncodeBehind(choices.size() % 4)
            }
            (Some(Send::Write { before, max, after, .. }), _) if sends => {
                let all = before.saturating_add(max).saturating_add(after);
                Call::Sent(choices.size().min(all).max(before))
            }
            (Some(Send::Source { .. }), _) if sends => Call::Source(choices.size()),
            (_, Some(receive)) => {
                if receive != Receive::HeadAgain {
                    self.receive(choices);
                }
                match receive {
                    Receive::Head | Receive::HeadAgain => Call::Head { full: false, slots: 4 },
                    Receive::Discard { .. } => Call::Body,
                    Receive::Body { .. } if choices.flag() => Call::Body,
                    Receive::Body { .. } => Call::Run,
                }
            }
            (_, None) => {
                self.task.resume(Instant::from_micros(self.now));
                return None;
            }
        })
    }

    fn input(&mut self, call: &Call) {
        let before = self.task;
        let is_asked_for = self.asks_for(call);
        // A step that was begun is reported although the task was suspended since then; a write
        // and a sink that fails also while something has to be said.
        let is_late = match call {
            Call::Encode(_) | Call::EncodeBehind(_) => false,
            Call::Source(_) | Call::Answer { .. } => false,
            Call::Sent(_) | Call::SinkFailed(_) | Call::SourceFailed => true,
            _ => before.state() == TaskState::Suspended,
        };
        let held = self.held.clone();
        match self.make(call) {
            Ok(()) => {
                assert!(is_asked_for || is_late, "{call:?} is taken by {before:?}");
                if !matches!(call, Call::Connected(_)) {
                    assert_monotone(before.counts(), self.task.counts());
                }
            }
            Err(misuse) => {
                assert!(!is_asked_for, "{call:?} is {misuse:?} to {before:?}");
                assert!(!misuse.to_string().is_empty());
                assert_same(self.calls, &before, &self.task);
                assert_eq!(held, self.held, "{call:?}");
            }
        }
    }

    /// Whether outputs and `io` ask for this input.
    fn asks_for(&self, call: &Call) -> bool {
        let task = &self.task;
        let says = |output| task.still(output);
        let Io { send, receive } = task.io(usize::MAX);
        match call {
            Call::Connecting
            | Call::Connected(_)
            | Call::ConnectPostponed
            | Call::ConnectFailed => {
                says(Output::Connect(Wish::Any)) || says(Output::Connect(Wish::New))
            }
            Call::Prepared => says(Output::Prepare),
            Call::Encode(_) => send == Some(Send::Encode),
            Call::EncodeBehind(_) => matches!(send, Some(Send::Write { .. })),
            Call::Sent(count) => match send {
                Some(Send::Write { before, max, after, .. }) => {
                    *count <= before.saturating_add(max).saturating_add(after)
                }
                Some(Send::Encode | Send::Source { .. }) | None => false,
            },
            Call::Source(_) => matches!(send, Some(Send::Source { .. })),
            Call::Head { .. } => matches!(receive, Some(Receive::Head | Receive::HeadAgain)),
            Call::Body => matches!(receive, Some(Receive::Body { .. } | Receive::Discard { .. })),
            Call::Run => matches!(receive, Some(Receive::Body { .. })),
            Call::End | Call::Broken(_) => says(Output::Exchange),
            Call::Delivered(count) => {
                let counts = task.counts();
                *count <= counts.received - counts.delivered
            }
            Call::Committed => says(Output::Finish),
            Call::SinkFailed(_) => {
                let is_used = says(Output::Exchange) && (send.is_some() || receive.is_some());
                let discards = matches!(receive, Some(Receive::Discard { .. }));
                let waits =
                    [Output::Prepare, Output::Inspect, Output::Finish].into_iter().any(says);
                (is_used && !discards) || waits
            }
            Call::SourceFailed => send.is_some(),
            Call::Inspect { .. } => says(Output::Inspect),
            Call::Answer { back, say } => {
                let (question, _) = self.answers(*say);
                let token = self.token(*back);
                task.pending_question().is_some_and(|(q, t)| q == question && Some(t) == token)
            }
            Call::UpgradedEnd(_) => self.is_upgraded && says(Output::Wait),
        }
    }

    fn make(&mut self, call: &Call) -> Result<(), Misuse> {
        let now = Instant::from_micros(self.now);
        let task = &mut self.task;
        match *call {
            Call::Connecting => task.handle_connecting(now),
            Call::Connected(is_reused) => {
                task.handle_connected(now, is_reused)?;
                assert!(!self.is_connected, "a second connection");
                self.is_connected = true;
                Ok(())
            }
            Call::ConnectPostponed => task.handle_connect_postponed(),
            Call::ConnectFailed => task.handle_connect_failed(Transport::Refused),
            Call::Prepared => task.handle_prepared(now),
            Call::Encode(room) => {
                let range = RangeFields::new(&self.stored);
                let fields = range.fields();
                let head = RequestHead {
                    request: self.request,
                    target: Url::parse(&self.target).expect("the target is a URL"),
                    added: if task.sends_range() { &fields } else { &[] },
                };
                let written = task.encode(&head, &mut [0; 64][..room.min(64)])?;
                assert!(written <= room && (written > 0 || room == 0));
                Ok(())
            }
            Call::EncodeBehind(room) => {
                let written = task.encode_behind(&mut [0; 4][..room.min(4)])?;
                assert!(matches!(written, 0 | 2) && written <= room);
                Ok(())
            }
            Call::Sent(count) => task.handle_sent(now, count),
            Call::Source(count) => task.handle_source(now, count),
            Call::Head { full, slots } => {
                let mut index = [Slot::EMPTY; 8];
                let listed = &mut index[..slots.min(8)];
                let advance = task.handle_head(now, &mut self.held, full, listed)?;
                assert!(advance.drop == 0 || advance.head == 0);
                if advance.head > 0 {
                    (self.index, self.head) = (index, self.held[..advance.head].to_vec());
                }
                self.held.drain(..advance.drop + advance.head);
                Ok(())
            }
            Call::Body => {
                let content = task.handle_body(now, &mut self.held)?;
                assert!(content <= self.held.len());
                self.held.clear();
                Ok(())
            }
            Call::Run => {
                let run = task.handle_run(now, &self.held)?;
                self.held.drain(..run.consumed());
                Ok(())
            }
            Call::End => task.handle_end(),
            Call::Broken(which) => task.handle_broken(which),
            Call::Delivered(count) => task.handle_delivered(now, count),
            Call::Committed => task.handle_committed(),
            Call::SinkFailed(why) => task.handle_sink_failed(why),
            Call::UpgradedEnd(result) => {
                task.handle_upgraded_end(result).map(|()| self.is_upgraded = false)
            }
            Call::SourceFailed => task.handle_source_failed(),
            Call::Inspect { room, lends_stored } => self.inspect(room, lends_stored),
            Call::Answer { back, say } => self.answer(back, say),
        }
    }

    fn inspect(&mut self, room: usize, lends_stored: bool) -> Result<(), Misuse> {
        let mut next = [0; 256];
        let room = room.min(next.len());
        let before = self.task;
        let lent = Inspection {
            head: ResponseHead::new(&self.head, &self.index),
            target: Url::parse(&self.target).expect("the target is a URL"),
            next: &mut next[..room],
            resume: lends_stored.then(|| self.stored.resumption()),
        };
        match self.task.inspect(Instant::from_micros(self.now), lent) {
            Ok(None) => {}
            Ok(Some(resolved)) => {
                self.next = String::from_utf8(next[..resolved.length].to_vec()).expect("ASCII");
            }
            Err(InspectError::Misuse(misuse)) => return Err(misuse),
            Err(InspectError::BufferTooSmall { needed }) => {
                assert!(room < needed && needed <= limits::URL_BYTES);
                let error = InspectError::BufferTooSmall { needed };
                assert!(error.to_string().contains(&needed.to_string()));
                assert_same(self.calls, &before, &self.task);
            }
            Err(error) => panic!("{error}"),
        }
        Ok(())
    }

    /// All answers, by numbers.
    fn answers(&self, say: usize) -> (Question, Answer<'_>) {
        match say % 8 {
            0 => (Question::Redirect, Answer::Follow),
            1 => (Question::Disposition, Answer::Allow),
            2 => (Question::NewBody, Answer::Body),
            3 => {
                let (request, body_is_replayable) = (self.other, say % 16 < 8);
                (Question::Redirect, Answer::FollowWith { request, body_is_replayable })
            }
            4 => (Question::Redirect, Answer::Refuse),
            5 => (Question::Disposition, Answer::BecomeDownload),
            6 => (Question::Disposition, Answer::Cancel),
            _ => (Question::NewBody, Answer::NoBody),
        }
    }

    /// The token of the last question, or of one so many before it.
    fn token(&self, back: usize) -> Option<Token> {
        self.tokens.iter().rev().nth(back % 4).copied()
    }

    fn answer(&mut self, back: usize, say: usize) -> Result<(), Misuse> {
        let token = self.token(back).ok_or(Misuse::NotAskedFor)?;
        let mut task = self.task;
        let (_, answer) = self.answers(say);
        task.answer(Instant::from_micros(self.now), token, answer)?;
        if matches!(answer, Answer::FollowWith { .. }) {
            self.next = OTHER.into();
            self.request = self.other;
        }
        self.task = task;
        Ok(())
    }

    fn set_resuming(&mut self, is_resuming: bool) {
        self.task.set_resuming(is_resuming);
        self.may_resume |= is_resuming;
    }

    /// More often than can be counted.
    fn suspend_often(&mut self) {
        let is_over = matches!(self.task.state(), TaskState::Canceling | TaskState::Completed);
        let most = usize::from(limits::SUSPENDS);
        let done = (0..=most).take_while(|_| self.task.suspend().is_ok()).count();
        assert!(is_over || done <= most);
        assert_eq!(self.task.suspend().is_err(), !is_over);
        (0..done).for_each(|_| self.task.resume(Instant::from_micros(self.now)));
    }

    fn suspend(&mut self) {
        let before = self.task;
        if self.task.suspend().is_err() {
            assert_same(self.calls, &before, &self.task);
        }
    }

    /// A timer that is due does something, so that nobody waits for it again; else nothing
    /// happens.
    fn timeout(&mut self) {
        let before = self.task;
        let now = Instant::from_micros(self.now);
        self.task.handle_timeout(now);
        if before.deadline().is_none_or(|deadline| now < deadline) {
            assert_same(self.calls, &before, &self.task);
        }
        assert!(self.task.deadline().is_none_or(|deadline| now < deadline));
    }

    fn poll(&mut self) {
        let output = self.task.poll_output();
        if self.is_complete {
            assert_eq!(output, Output::Wait, "after the end");
        }
        match output {
            Output::Connect(_)
            | Output::Prepare
            | Output::Exchange
            | Output::Inspect
            | Output::Finish
            | Output::Wait => assert!(self.task.still(output), "a state is said again"),
            Output::Event(event) => self.told(event),
            Output::Close(_) => self.release(),
            Output::Reuse => {
                self.release();
                let counts = self.task.counts();
                assert_eq!(counts.expected_to_send, Some(counts.sent), "a half request");
            }
            Output::Upgraded => {
                self.release();
                self.is_upgraded = true;
            }
            Output::Complete(result) => {
                result.err().into_iter().for_each(assert_told);
                assert_eq!(self.task.failure(), None, "it is told");
                assert!(!self.is_connected, "the connection is still there");
                self.is_complete = true;
                self.is_upgraded = false;
            }
        }
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::Redirected { .. } => {
                self.target = std::mem::take(&mut self.next);
                assert!(!self.target.is_empty(), "nothing was written for the redirect");
            }
            Event::Question(question, token) => {
                assert_eq!(self.task.pending_question(), Some((question, token)));
                self.tokens.push(token);
            }
            Event::Resumed => {
                assert!(self.may_resume);
                assert_eq!(self.task.counts().received, STORED);
            }
            _ => {}
        }
    }

    fn release(&mut self) {
        assert!(self.is_connected, "there is no connection");
        self.is_connected = false;
        self.held.clear();
    }

    /// What holds between any two calls.
    fn check(&self) {
        let task = &self.task;
        let counts = task.counts();
        assert_eq!(task.state() == TaskState::Completed, self.is_complete);
        let stored = if self.may_resume { STORED } else { 0 };
        assert!(counts.delivered <= counts.received);
        assert!(counts.received <= counts.wire_received.saturating_add(stored));
        assert!(task.redirect_count() <= limits::REDIRECTS);
        if task.pending_question().is_some() {
            assert_eq!(task.io(1).receive, None, "no content before the answer");
        }
        assert!(counts.sent <= counts.wire_sent);
        if task.state() == TaskState::Suspended || !task.still(Output::Exchange) {
            assert_eq!(task.io(1), Io::NONE);
        } else if task.pending_question().is_none() {
            assert_ne!(task.io(1), Io::NONE, "an exchange without anything to do");
        }
        if self.is_complete {
            assert_eq!((task.deadline(), task.pending_question()), (None, None));
            assert!(task.still(Output::Wait));
        }
    }

    /// A task that is cancelled completes after a few words.
    fn finish(&mut self) {
        self.task.cancel();
        for _ in 0..8 {
            self.poll();
        }
        assert!(self.is_complete);
        self.check();
    }
}

fn any_call(number: u8, choices: &mut Choices<'_>) -> Call {
    match number % 20 {
        0 => Call::Connecting,
        1 => Call::Connected(choices.flag()),
        2 if choices.flag() => Call::ConnectPostponed,
        2 => Call::ConnectFailed,
        3 => Call::Prepared,
        4 => Call::Encode(usize::from(choices.byte() & 63)),
        5 => Call::Sent(choices.size()),
        6 => Call::Source(choices.size()),
        7 => Call::Head { full: choices.flag(), slots: usize::from(choices.byte() & 7) },
        8 => Call::Body,
        9 => Call::Run,
        10 => Call::End,
        11 => Call::Broken(choices.of(&BROKEN)),
        12 => Call::Delivered(choices.number()),
        13 => Call::Committed,
        14 => Call::SinkFailed(choices.of(&NO_SINK)),
        15 if choices.flag() => Call::UpgradedEnd(Err(choices.of(&ERRORS))),
        15 => Call::UpgradedEnd(Ok(())),
        16 => Call::SourceFailed,
        17 => Call::EncodeBehind(choices.size() % 4),
        18 => Call::Inspect { room: choices.size(), lends_stored: choices.flag() },
        _ => Call::Answer { back: choices.size(), say: choices.size() },
    }
}
