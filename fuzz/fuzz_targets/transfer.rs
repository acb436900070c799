//! A whole task over connections that give any bytes, to an adapter that moves as few of them as it
//! likes, comes early, late and out of turn: there is always something to do or to wait for, a
//! refusal changes nothing, each count is what went over, and completion is said once and soon.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_core::{
    Answer, Asks, BodyLength, Broken, ByteCounts, CloseReason, Error, Event, InspectError,
    Inspection, Instant, Io, Limit, Misuse, Output, Question, RangeFields, Receive, Request,
    RequestHead, ResponseHead, ResumeData, Send, Slot, Task, TaskOptions, TaskState, Transport,
    Url, Validator, Wish, limits,
};
use sortie_fuzz::tables::{BROKEN, KINDS, NO_CONNECTION, NO_SINK, REQUESTS, TIMEOUTS};
use sortie_fuzz::{Choices, End, Sent, Wire, assert_same, assert_shown, assert_told, pattern};

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let (method, fields, body) = choices.of(&REQUESTS);
    let url = Url::parse("http://a/").expect("a URL");
    let request = Request::new(method, url, fields, body).expect("a request");
    let bits = choices.byte();
    let kind = choices.byte();
    let options = TaskOptions {
        kind: KINDS[usize::from(kind) % KINDS.len()],
        request_timeout: choices.of(&TIMEOUTS),
        resource_timeout: choices.of(&TIMEOUTS),
        asks: Asks { redirect: bits & 1 > 0, disposition: bits & 2 > 0, new_body: bits & 4 > 0 },
        body_is_replayable: bits & 8 > 0,
        requires_success: bits & 16 > 0,
        is_resuming: bits & 32 > 0,
        measures_heads: bits & 64 > 0,
        ..TaskOptions::default()
    };
    let tag = Validator::parse(b"\"v\"").expect("a validator");
    let mut driver = Driver {
        capacity: if bits & 128 > 0 { 64 } else { 4096 },
        // What the source has, whatever was said of it.
        body: match body {
            BodyLength::None => 0,
            BodyLength::Known(length) if length < 512 => length,
            BodyLength::Known(_) | BodyLength::Unknown => u64::from(choices.byte()) * 2,
        },
        choices,
        task: Task::new(&request, options),
        request: &request,
        stored: ResumeData::new("http://a/", tag, STORED, if kind < 128 { Some(8) } else { None })
            .expect("resume data"),
        target: "http://a/".into(),
        next: String::new(),
        now: 0,
        wire: None,
        head: Vec::new(),
        index: [Slot::EMPTY; 16],
        offset: 0,
        content: 0,
        is_upgraded: false,
        turns: 0,
        turns_left: None,
    };
    assert!(driver.task.is_new() && driver.task.kind() == options.kind);
    driver.task.resume(Instant::EPOCH);
    assert!(!driver.task.is_new());
    assert_eq!(driver.task.can_be_resumed(), method == "GET");
    while driver.turn() {}
    driver.is_over();
});

/// Bytes that are stored of a download.
const STORED: u64 = 5;

/// An adapter, with all that it keeps for a task.
struct Driver<'a> {
    choices: Choices<'a>,
    task: Task,
    request: &'a Request<'a>,
    stored: ResumeData<'a>,
    /// Bytes of input that are held at most.
    capacity: usize,
    /// Bytes of the body of the request.
    body: u64,
    target: String,
    next: String,
    now: u64,
    /// The connection, from `Connect` to its release.
    wire: Option<Wire>,
    /// The last final head.
    head: Vec<u8>,
    index: [Slot; 16],
    /// Content of the current transfer: what was there before, and what came.
    offset: u64,
    content: u64,
    is_upgraded: bool,
    turns: usize,
    /// Once nothing is left to choose: it has to come to its end within so many turns.
    turns_left: Option<u32>,
}

impl Driver<'_> {
    /// Does the next thing. `false`: the task has completed.
    fn turn(&mut self) -> bool {
        self.turns += 1;
        if self.choices.is_empty() {
            let left = self.turns_left.unwrap_or_else(|| self.most_turns());
            self.turns_left = Some(left.checked_sub(1).expect("it comes to no end"));
        } else {
            self.disturb();
        }
        match self.task.poll_output() {
            Output::Connect(wish) => self.connect(wish),
            Output::Prepare => self.task.handle_prepared(self.time()).expect("Prepare was said"),
            Output::Exchange => self.exchange(),
            Output::Inspect => self.inspect(),
            Output::Finish => self.commit(),
            Output::Wait => self.wait(),
            Output::Event(event) => self.told(event),
            Output::Close(reason) => {
                // What was to be closed before may be so while the task fails.
                assert!(reason != CloseReason::Failed || self.task.failure().is_some());
                self.release(false);
            }
            Output::Reuse => self.release(true),
            Output::Upgraded => {
                self.release(false);
                self.is_upgraded = true;
            }
            Output::Complete(result) => {
                self.completed(result);
                return false;
            }
        }
        self.check();
        true
    }

    /// Every byte is good for a few turns, and so is every state of a task.
    fn most_turns(&self) -> u32 {
        let bytes = self.wire.as_ref().map_or(0, |wire| wire.incoming.len() + wire.held.len());
        200 + 8 * u32::try_from(bytes).expect("a few pieces")
    }

    fn time(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    /// What nobody asked for.
    fn disturb(&mut self) {
        match self.choices.byte() {
            0..=175 => {}
            176..=191 => {
                self.now = self.now.saturating_add(self.choices.number());
                self.task.handle_timeout(self.time());
            }
            192..=199 => drop(self.task.suspend()),
            200..=203 => self.task.resume(self.time()),
            204 => self.task.cancel(),
            205..=212 => {
                self.now = self.now.saturating_add(self.choices.number() << 17);
                self.task.handle_timeout(self.time());
            }
            213..=218 => {
                if let Some(wire) = &mut self.wire {
                    wire.incoming.clear();
                    wire.end = End::of(&mut self.choices);
                }
            }
            219..=222 => {
                if let Some(wire) = &mut self.wire {
                    wire.takes = false;
                }
            }
            223..=226 => self.task.set_resuming(self.choices.flag()),
            227 => self.task.set_earliest_begin(Instant::from_micros(self.choices.number())),
            228..=235 => {
                let count = self.choices.number();
                let counts = *self.task.counts();
                let fits = count <= counts.received - counts.delivered;
                let told = self.task.handle_delivered(self.time(), count);
                assert_eq!(told.is_ok(), fits, "{count} of {counts:?}");
            }
            236.. => self.out_of_turn(),
        }
    }

    /// A call that may not be asked for, on a copy. If it is refused, nothing has changed.
    fn out_of_turn(&mut self) {
        let mut copy = self.task;
        let (now, size) = (self.time(), self.choices.size());
        let mut bytes = [b'x'; 8];
        let mut index = [Slot::EMPTY; 2];
        let head = RequestHead::new(self.request);
        let refused = match self.choices.byte() % 19 {
            0 => copy.handle_connecting(now).err(),
            1 => copy.handle_connected(now, size & 1 > 0).err(),
            2 => copy.handle_connect_failed(Transport::Refused).err(),
            3 => copy.handle_connect_postponed().err(),
            4 => copy.handle_prepared(now).err(),
            5 => copy.encode(&head, &mut bytes).err(),
            6 => copy.encode_behind(&mut bytes).err(),
            7 => copy.handle_sent(now, size).err(),
            8 => copy.handle_source(now, size).err(),
            9 => copy.handle_head(now, &mut bytes, size & 1 > 0, &mut index).err(),
            10 => copy.handle_body(now, &mut bytes).err(),
            11 => copy.handle_run(now, &bytes).err(),
            12 => copy.handle_end().err(),
            13 => copy.handle_broken(BROKEN[size % BROKEN.len()]).err(),
            14 => copy.handle_committed().err(),
            15 => copy.handle_sink_failed(None).err(),
            16 => copy.handle_source_failed().err(),
            17 => copy.handle_upgraded_end(Err(Error::Canceled)).err(),
            _ => copy.suspend().err(),
        };
        if let Some(Misuse::NotAskedFor | Misuse::TooMuch | Misuse::TooManySuspends) = refused {
            assert_same(self.turns, &self.task, &copy);
        } else {
            assert_eq!(refused, None);
        }
    }

    fn connect(&mut self, wish: Wish) {
        assert!(self.wire.is_none(), "a second connection");
        let (now, task) = (self.time(), &mut self.task);
        let done = match self.choices.byte() {
            byte @ 0..=223 => {
                let is_reused = byte & 1 > 0 && wish == Wish::Any;
                self.wire = Some(Wire::of(&mut self.choices));
                (self.offset, self.content) = (0, 0);
                task.handle_connected(now, is_reused)
            }
            224..=231 => task.handle_connect_postponed(),
            232..=247 => task.handle_connecting(now),
            248.. => task.handle_connect_failed(self.choices.of(&NO_CONNECTION)),
        };
        done.expect("Connect was said");
    }

    /// One step of either half.
    fn exchange(&mut self) {
        let Io { send, receive } = self.task.io([64, 1, 7, 4096][self.choices.two()]);
        match (send, receive) {
            (None, None) if self.task.state() == TaskState::Suspended => self.go_on(),
            (None, None) => self.answer_what_is_asked(),
            (Some(send), None) => self.send(send),
            (None, Some(receive)) => self.receive(receive, None),
            (Some(send), Some(receive)) if self.choices.flag() => self.receive(receive, Some(send)),
            (Some(send), Some(_)) => self.send(send),
        }
    }

    fn go_on(&mut self) {
        self.now = self.now.saturating_add(1);
        self.task.resume(self.time());
    }

    fn wire(&mut self) -> &mut Wire {
        self.wire.as_mut().expect("there is a connection")
    }

    fn send(&mut self, send: Send) {
        match send {
            Send::Encode => self.encode(),
            Send::Write { before, from, max, after } => self.write(before, from, max, after),
            Send::Source { from } => {
                assert_eq!(from, self.task.counts().sent);
                let left = self.body.checked_sub(from).expect("no more than there is");
                let count = left.min(u64::from(self.choices.byte().wrapping_sub(1)).max(1));
                let count = usize::try_from(count).expect("a byte");
                self.task.handle_source(self.time(), count).expect("Source was said");
            }
        }
    }

    fn encode(&mut self) {
        let mut room = [0; 256];
        let room = &mut room[..[256, 1, 64, 0][self.choices.two()]];
        let range = RangeFields::new(&self.stored);
        let fields = range.fields();
        let head = RequestHead {
            request: self.request,
            target: Url::parse(&self.target).expect("the target is a URL"),
            added: if self.task.sends_range() { &fields } else { &[] },
        };
        let written = self.task.encode(&head, room).expect("Encode was said");
        assert!(room.is_empty() || written > 0, "nothing is encoded");
        let encoded = room[..written].to_vec();
        let wire = self.wire();
        assert!(wire.before.is_empty() && wire.after.is_empty(), "it is not written yet");
        wire.before = encoded;
    }

    fn write(&mut self, before: usize, from: u64, max: usize, after: usize) {
        let now = self.time();
        let choice = self.choices.byte();
        let wire = self.wire.as_mut().expect("there is a connection");
        assert_eq!((before, after), (wire.before.len(), wire.after.len()));
        assert_eq!(from, self.task.counts().sent);
        assert!(before > 0 || max > 0 || after > 0, "nothing to write");
        if !wire.takes {
            self.task.handle_broken(Broken::Sending).expect("Write was said");
            assert_eq!(self.task.io(1).send, None, "it is broken");
            return;
        }
        if choice & 3 == 3 && max > 0 && after == 0 {
            let mut room = [0; 4];
            let room = &mut room[..usize::from(choice >> 2 & 3)];
            let written = self.task.encode_behind(room).expect("Write was said");
            wire.after = room[..written].to_vec();
            if written > 0 {
                return;
            }
        }
        let content = max.min(64).min(usize::try_from(self.body - from).expect("some bytes"));
        if max > 0 && content == 0 && before == 0 {
            // The body is shorter than was said.
            return self.task.handle_source_failed().expect("Write was said");
        }
        let all_of_it = content == max;
        let count = before + content + if all_of_it { after } else { 0 };
        let count = if choice >= 64 { count.min(usize::from(choice - 63)) } else { count };
        wire.write(count, from, content);
        self.task.handle_sent(now, count).expect("so much may be written");
    }

    /// Reads, if need be, or does something else while nothing comes.
    fn receive(&mut self, receive: Receive, send: Option<Send>) {
        let held = self.wire().held.len();
        let room = match receive {
            Receive::HeadAgain => return self.take_head(),
            Receive::Head => {
                let room = self.capacity.checked_sub(held);
                room.filter(|room| *room > 0).expect("a head beyond a full input")
            }
            Receive::Body { max } | Receive::Discard { max } => {
                assert!(max > 0, "nothing may be read");
                match receive.reads(held) {
                    0 => return self.take_body(max, receive),
                    room => room,
                }
            }
        };
        assert!(room <= receive.reads(held));
        let most = match self.choices.byte() {
            0..=127 => room,
            fewer => room.min(usize::from(fewer - 127)),
        };
        if !self.wire().read(most) {
            return self.nothing_comes(send);
        }
        match receive {
            Receive::Head | Receive::HeadAgain => self.take_head(),
            Receive::Body { max } | Receive::Discard { max } => self.take_body(max, receive),
        }
    }

    fn nothing_comes(&mut self, send: Option<Send>) {
        let survives = self.task.survives_stale() || self.task.counts().sent == 0;
        let told = match (self.wire().end, send) {
            (End::Orderly, _) => self.task.handle_end(),
            (End::Broken(which), _) => self.task.handle_broken(which),
            (End::Silent, Some(send)) => return self.send(send),
            (End::Silent, None) => return self.let_time_pass(),
        };
        told.expect("it was read from");
        if self.task.still(Output::Close(CloseReason::Stale)) {
            assert!(survives, "it is made again although it could not be");
        }
    }

    fn take_head(&mut self) {
        let (now, capacity) = (self.time(), self.capacity);
        let wire = self.wire.as_mut().expect("there is a connection");
        let full = wire.held.len() == capacity;
        let mut index = [Slot::EMPTY; 16];
        let advance = self.task.handle_head(now, &mut wire.held, full, &mut index);
        let advance = advance.expect("Head was said");
        assert!(advance.drop == 0 || advance.head == 0);
        if advance.head > 0 {
            (self.index, self.head) = (index, wire.held[..advance.head].to_vec());
        }
        wire.take(advance.drop + advance.head);
    }

    fn take_body(&mut self, max: usize, receive: Receive) {
        let now = self.time();
        let by_runs = matches!(receive, Receive::Body { .. }) && self.choices.flag();
        let wire = self.wire.as_mut().expect("there is a connection");
        if by_runs {
            let run = self.task.handle_run(now, &wire.held).expect("Body was said");
            self.content += run.content as u64;
            let taken = self.task.counts().wire_received - wire.taken;
            assert!(run.consumed() as u64 <= taken && taken <= wire.held.len() as u64);
            wire.take(usize::try_from(taken).expect("as much as was held"));
            return;
        }
        let lent = max.min(wire.held.len());
        let content = self.task.handle_body(now, &mut wire.held[..lent]).expect("Body was said");
        self.content += content as u64;
        let taken = self.task.counts().wire_received - wire.taken;
        assert!(content as u64 <= taken && taken <= lent as u64);
        assert!(taken == lent as u64 || !self.task.still(Output::Exchange), "not all is taken");
        wire.take(usize::try_from(taken).expect("as much as was lent"));
    }

    fn inspect(&mut self) {
        let mut room = [0; 512];
        let room = &mut room[..[512, 3, 0, 20][self.choices.two()]];
        let length = room.len();
        let before = self.task;
        let lent = Inspection {
            head: ResponseHead::new(&self.head, &self.index),
            target: Url::parse(&self.target).expect("the target is a URL"),
            next: room,
            resume: Some(self.stored.resumption()),
        };
        match self.task.inspect(Instant::from_micros(self.now), lent) {
            Ok(None) => {}
            Ok(Some(resolved)) => {
                let next = room[..resolved.length].to_vec();
                self.next = String::from_utf8(next).expect("ASCII");
            }
            Err(InspectError::BufferTooSmall { needed }) => {
                assert!(length < needed && needed <= limits::URL_BYTES);
                assert_same(self.turns, &before, &self.task);
                if length == 512 {
                    let told = self.task.handle_sink_failed(None);
                    told.expect("an adapter that cannot follow gives up");
                }
            }
            Err(error) => panic!("Inspect was said: {error}"),
        }
        // A range that is granted goes on from what is stored.
        if self.offset == 0 && self.task.counts().received == STORED {
            self.offset = STORED;
        }
    }

    fn commit(&mut self) {
        let counts = *self.task.counts();
        let left = counts.received - counts.delivered;
        self.task.handle_delivered(self.time(), left).expect("no more than came");
        let done = match self.choices.byte() {
            0..=239 => self.task.handle_committed(),
            240.. => self.task.handle_sink_failed(self.choices.of(&NO_SINK)),
        };
        done.expect("Finish was said");
    }

    fn wait(&mut self) {
        if self.task.state() == TaskState::Suspended {
            self.go_on();
        } else if self.is_upgraded {
            self.is_upgraded = false;
            self.task.handle_upgraded_end(Ok(())).expect("Upgraded was said");
        } else if self.task.pending_question().is_some() {
            self.answer_what_is_asked();
        } else {
            self.let_time_pass();
        }
    }

    /// Nothing but the time can go on: until the deadline, which has a meaning.
    fn let_time_pass(&mut self) {
        let Some(deadline) = self.task.deadline() else {
            // Nobody said how long is too long.
            return self.task.cancel();
        };
        self.now = self.now.max(deadline.as_micros());
        self.task.handle_timeout(self.time());
        assert_eq!(self.time().until(deadline), 0);
        let next = self.task.deadline();
        assert!(next.is_none_or(|next| self.time() < next), "{next:?} is passed over");
    }

    fn answer_what_is_asked(&mut self) {
        let (question, token) = self.task.pending_question().expect("something is waited for");
        let answers: &[Answer<'_>] = match question {
            Question::Redirect => &[Answer::Follow, Answer::Refuse],
            Question::Disposition => &[Answer::Allow, Answer::BecomeDownload, Answer::Cancel],
            Question::NewBody => &[Answer::Body, Answer::NoBody],
        };
        let answer = self.choices.of(answers);
        self.task.answer(self.time(), token, answer).expect("it was asked");
        assert!(self.task.answer(self.time(), token, answer).is_err(), "answered twice");
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::Redirected { .. } => self.target = std::mem::take(&mut self.next),
            Event::Resumed => assert_eq!(self.offset, STORED),
            Event::Response { status } => assert!((101..=999).contains(&status)),
            _ => {}
        }
    }

    /// What went over the connection is a request, and what is counted.
    fn release(&mut self, is_kept: bool) {
        let wire = self.wire.take().expect("there is a connection");
        let sent = Sent::of(&wire.written);
        let counts = self.task.counts();
        assert_eq!(counts.wire_sent, wire.written.len() as u64);
        assert_eq!(counts.sent, sent.content.len() as u64, "{sent:?}");
        assert!(sent.content.iter().zip(0..).all(|(byte, at)| *byte == pattern(at)), "{sent:?}");
        if is_kept {
            assert!(sent.is_whole, "half a request: {sent:?}");
            assert_eq!(counts.expected_to_send, Some(counts.sent));
        }
    }

    /// What holds between any two turns.
    fn check(&self) {
        let counts: &ByteCounts = self.task.counts();
        assert!(counts.delivered <= counts.received && counts.sent <= counts.wire_sent);
        assert!(counts.expected_to_receive.is_none_or(|all| counts.received <= all), "{counts:?}");
        if let Some(wire) = &self.wire {
            assert_eq!(counts.wire_sent, wire.written.len() as u64);
            assert_eq!(counts.wire_received, wire.taken);
            assert_eq!(counts.received, self.offset + self.content);
        }
    }

    fn completed(&mut self, result: Result<(), Error>) {
        assert!(self.wire.is_none(), "the connection is still there");
        let counts = self.task.counts();
        assert_shown(counts);
        result.err().into_iter().for_each(assert_told);
        if let Some(needed) = self.task.head_needs() {
            assert_eq!(result, Err(Error::Limit(Limit::HeadBuffer)));
            assert!(usize::from(needed) > self.capacity);
        }
        if let (Ok(()), Some(all)) = (result, counts.expected_to_receive) {
            assert!(counts.received == all || self.request.method() == "HEAD", "{counts:?}");
        }
    }

    fn is_over(&mut self) {
        assert_eq!(self.task.state(), TaskState::Completed);
        self.task.resume(self.time());
        self.task.cancel();
        self.task.handle_timeout(Instant::from_micros(u64::MAX));
        for _ in 0..3 {
            assert_eq!(self.task.poll_output(), Output::Wait, "after the end");
        }
        assert_eq!((self.task.deadline(), self.task.io(1)), (None, Io::NONE));
        assert_eq!(self.task.progress().fraction(), 1.0);
    }
}
