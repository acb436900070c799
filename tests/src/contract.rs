//! What a task promises whatever happens, checked while a script is played.

use std::fmt::Write as _;

use sortie_core::{
    Answer, Broken, ByteCounts, CloseReason, Error, Event, Inspection, Instant, Io, Output,
    Question, Receive, Request, RequestHead, ResponseHead, Send, Slot, Task, TaskState, TlsError,
    Token, Transport, Wish,
};

use crate::script::{Script, What};

/// A limit of time that the core has by itself: how long a body waits for `100 (Continue)`.
const CONTINUE_TIMEOUT: u64 = sortie_core::limits::CONTINUE_TIMEOUT;

/// What an input means to the timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// Something moved: the request timer starts again.
    Moved,
    /// The same, and a new transfer begins.
    Connected,
    /// The head was looked into.
    Inspected,
    /// The next protocol is done: nothing is waited for any more.
    Ended,
    /// None of these.
    Other,
}

/// The rules, and what is needed to know of the past to judge them.
#[derive(Debug)]
pub(crate) struct Contract {
    counts: ByteCounts,
    /// Content that was there before the current transfer.
    offset: u64,
    /// What a resumed download goes on from.
    stored: Option<u64>,
    /// Redirects that were followed before the current request.
    redirects: u8,
    /// The current request asks for a range.
    sent_range: bool,
    /// The last question that was answered.
    answered: Option<Token>,
    timers: Timers,
    /// The state output that was said last, other than `Wait`.
    last: Option<Output>,
    polls: usize,
}

/// The timers once more, from what the documentation says of them.
#[derive(Debug)]
struct Timers {
    request_timeout: u64,
    resource_timeout: u64,
    expects: bool,
    started: Option<u64>,
    active: Option<u64>,
    /// A connection was asked for.
    has_begun: bool,
    /// The response is complete, or the task has failed.
    is_over: bool,
}

impl Contract {
    pub(crate) fn new(script: &Script) -> Self {
        let expects = |(name, _): &(String, String)| name.eq_ignore_ascii_case("expect");
        Self {
            counts: ByteCounts {
                expected_to_send: match script.body.length() {
                    sortie_core::BodyLength::None => Some(0),
                    sortie_core::BodyLength::Known(length) => Some(length),
                    sortie_core::BodyLength::Unknown => None,
                },
                ..ByteCounts::default()
            },
            offset: 0,
            stored: script.resume.as_ref().map(|stored| stored.received),
            redirects: 0,
            sent_range: false,
            answered: None,
            timers: Timers {
                request_timeout: script.options.request_timeout,
                resource_timeout: script.options.resource_timeout,
                expects: script.fields.iter().any(expects),
                started: None,
                active: None,
                has_begun: false,
                is_over: false,
            },
            last: None,
            polls: 0,
        }
    }

    /// Asks for the next output and checks what must hold around it.
    pub(crate) fn poll(&mut self, task: &mut Task, request: &Request<'_>, now: u64) -> Output {
        let output = task.poll_output();
        self.polls += 1;
        self.timers.has_begun |= matches!(output, Output::Connect(_));
        match output {
            Output::Connect(_)
            | Output::Prepare
            | Output::Exchange
            | Output::Inspect
            | Output::Finish
            | Output::Wait => {
                assert!(task.still(output), "a state is still so: {output:?}");
                assert_eq!(task.poll_output(), output, "and said again");
                for other in STATES.into_iter().filter(|other| *other != output) {
                    assert!(!task.still(other), "{output:?} and {other:?} at once");
                }
                if output != Output::Wait {
                    self.last = Some(output);
                }
                self.check_io(task, output);
                self.timers.check(task, output, now);
                // Now and then: often at first, seldom in a long run.
                let seldom = if self.polls < 200 { 5 } else { 997 };
                if self.polls.is_multiple_of(seldom) {
                    self.misuse(task, request, output);
                }
            }
            Output::Event(event) => {
                assert!(!task.still(output), "said once: {output:?}");
                if matches!(event, Event::Question(..)) {
                    assert_eq!(task.io(1).receive, None, "no content before the answer");
                    self.timers.active = None;
                }
            }
            Output::Close(CloseReason::Stale) => self.timers.active = None,
            Output::Close(_) | Output::Reuse => {
                self.timers.active = None;
                // A request that asked for a range, and was not granted it, is made again.
                let asks_again = self.sent_range && !task.sends_range();
                let goes_on = asks_again || task.redirect_count() > self.redirects;
                self.timers.is_over = !goes_on;
            }
            Output::Upgraded => self.timers.active = None,
            Output::Complete(_) => assert_eq!(task.state(), TaskState::Completed),
        }
        output
    }

    /// The connection is used only within an exchange that is not suspended.
    fn check_io(&self, task: &Task, output: Output) {
        let is_moving = output == Output::Exchange && task.state() == TaskState::Running;
        let io = task.io(1);
        if !is_moving {
            assert_eq!(io, Io::NONE, "on {output:?}");
        }
        if task.pending_question().is_some() {
            assert_eq!(io.receive, None, "no content before the answer");
        }
        if let Some(Receive::Discard { max }) = io.receive {
            assert!(max > 0 && io.send.is_none(), "{io:?}");
        }
    }

    /// After an answer to `question`.
    pub(crate) fn answered(&mut self, task: &Task, question: Question, token: Token, now: u64) {
        self.answered = Some(token);
        // What moves again has its whole time; what connects has it from the attempt on.
        let moves = question != Question::NewBody && !self.timers.is_over;
        self.timers.active = (moves && task.pending_question().is_none()).then_some(now);
    }

    /// After a command.
    pub(crate) fn commanded(&mut self, was: TaskState, task: &Task, what: What, now: u64) {
        match what {
            What::Resume if was == TaskState::Suspended && task.state() == TaskState::Running => {
                self.timers.started = self.timers.started.or(Some(now));
                self.timers.active = self.timers.active.map(|_| now);
            }
            What::Suspend if task.state() == TaskState::Suspended => {
                assert_eq!(task.io(1), Io::NONE, "no traffic while suspended");
                if matches!(self.last, Some(Output::Connect(_))) {
                    // The attempt is given up, and the timer starts with the next.
                    self.timers.active = None;
                }
            }
            What::Cancel => {
                assert!(matches!(task.state(), TaskState::Canceling | TaskState::Completed))
            }
            What::Resume | What::Suspend => {}
        }
    }

    /// After an input.
    pub(crate) fn took(&mut self, task: &Task, input: Input, now: u64) {
        match input {
            // What still goes out while an answer is owed does not make the timer run.
            Input::Moved if task.pending_question().is_some() => {}
            Input::Moved => self.timers.active = Some(now),
            Input::Connected => {
                self.timers.active = Some(now);
                self.last = Some(Output::Prepare);
                self.offset = 0;
                self.redirects = task.redirect_count();
                self.sent_range = task.sends_range();
                self.timers.is_over = false;
                self.counts = ByteCounts {
                    expected_to_send: self.counts.expected_to_send,
                    ..ByteCounts::default()
                };
            }
            Input::Inspected => {
                // Before it no content is taken: what is there now is what was stored.
                assert_eq!(self.counts.received, 0);
                self.offset = task.counts().received;
                assert!(self.offset == 0 || Some(self.offset) == self.stored);
                assert_eq!(task.counts().delivered, self.offset);
                self.counts.received = self.offset;
            }
            Input::Ended => self.timers.is_over = true,
            Input::Other => {}
        }
        let (was, is) = (self.counts, *task.counts());
        assert!(
            was.sent <= is.sent
                && was.received <= is.received
                && was.delivered <= is.delivered
                && was.wire_sent <= is.wire_sent
                && was.wire_received <= is.wire_received,
            "counts only grow: {was:?} => {is:?}"
        );
        assert!(is.delivered <= is.received);
        assert!(self.offset <= is.received && is.received - self.offset <= is.wire_received);
        assert!(is.sent <= is.wire_sent);
        if let Some(expected) = is.expected_to_receive {
            assert!(is.received <= expected, "{is:?}");
        }
        self.counts = ByteCounts { expected_to_send: was.expected_to_send, ..is };
    }

    /// Tells the task the time, and checks that it does nothing before its deadline.
    pub(crate) fn timeout(task: &mut Task, now: u64) {
        let is_early = task.deadline().is_none_or(|at| at.as_micros() > now);
        let before = format!("{task:?}");
        task.handle_timeout(Instant::from_micros(now));
        if is_early {
            assert_eq!(format!("{task:?}"), before, "too early is harmless");
        } else {
            assert_ne!(format!("{task:?}"), before, "a deadline is never passed over");
        }
    }

    /// After the completion: nothing follows, and nothing is taken.
    pub(crate) fn is_over(
        &self,
        task: &mut Task,
        result: Result<(), Error>,
        request: &Request<'_>,
    ) {
        let before = format!("{task:?}");
        for _ in 0..3 {
            assert_eq!(task.poll_output(), Output::Wait, "after {result:?}");
        }
        task.resume(Instant::EPOCH);
        task.cancel();
        assert_eq!(task.suspend(), Ok(()));
        task.handle_timeout(Instant::from_micros(u64::MAX));
        task.set_earliest_begin(Instant::from_micros(1));
        assert_eq!(format!("{task:?}"), before, "nothing changes any more");
        assert_eq!(task.state(), TaskState::Completed);
        assert_eq!((task.deadline(), task.io(1)), (None, Io::NONE));
        assert_eq!(task.pending_question(), None);
        self.misuse(task, request, Output::Wait);
    }
}

impl Timers {
    /// The deadline is where the documentation says.
    fn check(&self, task: &Task, output: Output, now: u64) {
        let resource = self.started.map(|at| at.saturating_add(self.resource_timeout));
        let rests = task.state() == TaskState::Suspended;
        let idle = self.active.filter(|_| !rests);
        let request = idle.map(|at| at.saturating_add(self.request_timeout));
        let expected = match output {
            // Who stores what came is not waited for without end, nor is an answer.
            Output::Wait if self.is_over => resource,
            Output::Finish => resource,
            Output::Wait if !self.has_begun && self.started.is_some() && !rests => {
                let begin = task.earliest_begin().as_micros();
                Some(resource.map_or(begin, |resource| resource.min(begin)))
            }
            Output::Connect(_)
            | Output::Prepare
            | Output::Exchange
            | Output::Inspect
            | Output::Wait
            | Output::Event(_)
            | Output::Close(_)
            | Output::Reuse
            | Output::Upgraded
            | Output::Complete(_) => [resource, request].into_iter().flatten().min(),
        };
        // The end of time never comes.
        let expected = expected.filter(|at| *at < u64::MAX);
        let deadline = task.deadline().map(Instant::as_micros);
        // A body that waits for 100 (Continue) may only bring it forward, to within its own limit.
        let continues = idle.map(|at| at + CONTINUE_TIMEOUT).filter(|_| self.expects);
        let is_earlier = deadline.is_some() && deadline <= continues && deadline < expected;
        assert!(
            deadline == expected || is_earlier,
            "{output:?} at {now}: the deadline is {deadline:?}, not {expected:?}; {self:?}"
        );
    }
}

const STATES: [Output; 7] = [
    Output::Connect(Wish::Any),
    Output::Connect(Wish::New),
    Output::Prepare,
    Output::Exchange,
    Output::Inspect,
    Output::Finish,
    Output::Wait,
];

/// A call that is wrong, under a name, on a copy of a task.
struct Wrong<'t> {
    task: &'t Task,
    output: Output,
    before: String,
}

impl Wrong<'_> {
    /// It is refused and changes nothing.
    fn call<E>(&self, name: &str, call: &mut dyn FnMut(&mut Task) -> Result<(), E>) {
        let mut copy = *self.task;
        let (output, before) = (self.output, &self.before);
        assert!(call(&mut copy).is_err(), "{name} is not asked for on {output:?}: {before}");
        assert_eq!(&format!("{copy:?}"), before, "{name} on {output:?} changed something");
    }
}

const LATER: Instant = Instant::from_micros(1 << 40);

impl Contract {
    /// Makes every call that `output` does not ask for, and checks that each is refused and
    /// changes nothing.
    fn misuse(&self, task: &Task, request: &Request<'_>, output: Output) {
        let mut before = String::new();
        let _ = write!(before, "{task:?}");
        let wrong = Wrong { task, output, before };
        self.wrong_answers(task, request, &wrong);
        // A suspended task hides which state it is in, and takes what was begun before.
        if task.state() != TaskState::Suspended {
            wrong_states(task, request, output, &wrong);
            wrong_moves(task, request, &wrong);
        }
    }

    /// Answers to what is not asked, or not any more.
    fn wrong_answers(&self, task: &Task, request: &Request<'_>, wrong: &Wrong<'_>) {
        let pending = task.pending_question();
        if let Some(token) = self.answered {
            for (_, answer) in answers(request) {
                wrong.call("answer again", &mut |task| task.answer(LATER, token, answer));
            }
        }
        if let Some((question, token)) = pending {
            for (to, answer) in answers(request).into_iter().filter(|(to, _)| *to != question) {
                let name = format!("answer to {to:?}");
                wrong.call(&name, &mut |task| task.answer(LATER, token, answer));
            }
        }
    }
}

fn answers<'r>(request: &'r Request<'r>) -> [(Question, Answer<'r>); 8] {
    [
        (Question::Redirect, Answer::Follow),
        (Question::Redirect, Answer::FollowWith { request, body_is_replayable: true }),
        (Question::Redirect, Answer::Refuse),
        (Question::Disposition, Answer::Allow),
        (Question::Disposition, Answer::BecomeDownload),
        (Question::Disposition, Answer::Cancel),
        (Question::NewBody, Answer::Body),
        (Question::NewBody, Answer::NoBody),
    ]
}

/// Reports of what was not asked for.
fn wrong_states(task: &Task, request: &Request<'_>, output: Output, wrong: &Wrong<'_>) {
    if !matches!(output, Output::Connect(_)) {
        wrong.call("connecting", &mut |task| task.handle_connecting(LATER));
        wrong.call("connected", &mut |task| task.handle_connected(LATER, false));
        wrong.call("connect_postponed", &mut Task::handle_connect_postponed);
        wrong.call("connect_failed", &mut |task| task.handle_connect_failed(Transport::Refused));
    }
    if output != Output::Prepare {
        wrong.call("prepared", &mut |task| task.handle_prepared(LATER));
    }
    if output != Output::Inspect {
        wrong.call("inspect", &mut |task| inspect(task, request));
    }
    if output != Output::Finish {
        wrong.call("committed", &mut |task| task.handle_committed());
    }
    // What waits for an answer may be exchanging, inspecting or finishing.
    let is_asked = task.pending_question().is_some();
    let is_discarding = matches!(task.io(1).receive, Some(Receive::Discard { .. }));
    let has_sink =
        matches!(output, Output::Prepare | Output::Exchange | Output::Inspect | Output::Finish);
    if is_discarding || !(has_sink || is_asked) {
        wrong.call("sink_failed", &mut |task| task.handle_sink_failed(None));
    }
    if output != Output::Exchange || is_discarding {
        wrong.call("source_failed", &mut Task::handle_source_failed);
    }
    if output != Output::Wait || is_asked {
        wrong.call("upgraded_end", &mut |task| task.handle_upgraded_end(Ok(())));
    }
    let undelivered = task.counts().received - task.counts().delivered;
    wrong.call("delivered", &mut |task| task.handle_delivered(LATER, undelivered + 1));
    if output != Output::Exchange {
        wrong.call("end", &mut Task::handle_end);
        wrong.call("broken", &mut |task| task.handle_broken(Broken::Sending));
        wrong.call("broken", &mut |task| task.handle_broken(Broken::Receiving));
        let refused = Broken::Refused(TlsError::ClientCertificateRequired);
        wrong.call("refused", &mut |task| task.handle_broken(refused));
    }
}

fn inspect(task: &mut Task, request: &Request<'_>) -> Result<(), sortie_core::InspectError> {
    let head = b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n";
    let mut index = [Slot::EMPTY; 4];
    assert_eq!(ResponseHead::list(head, &mut index), 1);
    let mut next = [0; sortie_core::limits::URL_BYTES];
    let lent = Inspection {
        head: ResponseHead::new(head, &index),
        target: request.url(),
        next: &mut next,
        resume: None,
    };
    task.inspect(LATER, lent).map(|_| ())
}

/// Bytes moved where `io` does not say so.
fn wrong_moves(task: &Task, request: &Request<'_>, wrong: &Wrong<'_>) {
    let Io { send, receive } = task.io(1);
    let head = RequestHead::new(request);
    if send != Some(Send::Encode) {
        wrong.call("encode", &mut |task| task.encode(&head, &mut [0; 8]).map(|_| ()));
    }
    if !matches!(send, Some(Send::Source { .. })) {
        wrong.call("source", &mut |task| task.handle_source(LATER, 1));
    }
    let too_much = match send {
        Some(Send::Write { before, max, after, .. }) => {
            before.checked_add(max).and_then(|most| most.checked_add(after)?.checked_add(1))
        }
        Some(Send::Encode | Send::Source { .. }) | None => Some(1),
    };
    if let Some(count) = too_much {
        wrong.call("sent", &mut |task| task.handle_sent(LATER, count));
    }
    if !matches!(receive, Some(Receive::Head | Receive::HeadAgain)) {
        let mut input = *b"HTTP/1.1 200 OK\r\n\r\n";
        let mut index = [Slot::EMPTY; 1];
        wrong.call("head", &mut |task| {
            task.handle_head(LATER, &mut input, false, &mut index).map(|_| ())
        });
    }
    if !matches!(receive, Some(Receive::Body { .. } | Receive::Discard { .. })) {
        wrong.call("body", &mut |task| task.handle_body(LATER, &mut [b'x']).map(|_| ()));
    }
    if !matches!(receive, Some(Receive::Body { .. })) {
        wrong.call("run", &mut |task| task.handle_run(LATER, b"x").map(|_| ()));
    }
}
