//! What a task promises whatever happens, checked while a script is played.

use std::fmt::Write as _;

use sortie_core::{
    Broken, ByteCounts, CloseReason, Error, Instant, Io, Misuse, Output, Receive, Request,
    RequestHead, Send, Slot, Task, TaskState, Transport, Wish,
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
    /// The next protocol is done: nothing is waited for any more.
    Ended,
    /// None of these.
    Other,
}

/// The rules, and what is needed to know of the past to judge them.
#[derive(Debug)]
pub(crate) struct Contract {
    counts: ByteCounts,
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
            timers: Timers {
                request_timeout: script.options.request_timeout,
                resource_timeout: script.options.resource_timeout,
                expects: script.fields.iter().any(expects),
                started: None,
                active: None,
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
        match output {
            Output::Connect(_)
            | Output::Prepare
            | Output::Exchange
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
                    misuse(task, request, output);
                }
            }
            Output::Event(_) => assert!(!task.still(output), "said once: {output:?}"),
            Output::Close(CloseReason::Stale) => self.timers.active = None,
            Output::Close(_) | Output::Reuse => self.timers.is_over = true,
            Output::Upgraded => self.timers.active = None,
            Output::Complete(_) => assert_eq!(task.state(), TaskState::Completed),
        }
        output
    }

    /// The connection is used only within an exchange that is not suspended.
    fn check_io(&self, task: &Task, output: Output) {
        let is_moving = output == Output::Exchange && task.state() == TaskState::Running;
        if !is_moving {
            assert_eq!(task.io(1), Io::NONE, "on {output:?}");
        }
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
            Input::Moved => self.timers.active = Some(now),
            Input::Connected => {
                self.timers.active = Some(now);
                self.last = Some(Output::Prepare);
                self.counts = ByteCounts {
                    expected_to_send: self.counts.expected_to_send,
                    ..ByteCounts::default()
                };
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
        assert!(is.delivered <= is.received && is.received <= is.wire_received);
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
    pub(crate) fn is_over(task: &mut Task, result: Result<(), Error>, request: &Request<'_>) {
        let before = format!("{task:?}");
        for _ in 0..3 {
            assert_eq!(task.poll_output(), Output::Wait, "after {result:?}");
        }
        task.resume(Instant::EPOCH);
        task.cancel();
        assert_eq!(task.suspend(), Ok(()));
        task.handle_timeout(Instant::from_micros(u64::MAX));
        assert_eq!(format!("{task:?}"), before, "nothing changes any more");
        assert_eq!(task.state(), TaskState::Completed);
        assert_eq!((task.deadline(), task.io(1)), (None, Io::NONE));
        misuse(task, request, Output::Wait);
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
            Output::Wait if self.is_over => None,
            Output::Finish => None,
            Output::Connect(_)
            | Output::Prepare
            | Output::Exchange
            | Output::Wait
            | Output::Event(_)
            | Output::Close(_)
            | Output::Reuse
            | Output::Upgraded
            | Output::Complete(_) => [resource, request].into_iter().flatten().min(),
        };
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

const STATES: [Output; 6] = [
    Output::Connect(Wish::Any),
    Output::Connect(Wish::New),
    Output::Prepare,
    Output::Exchange,
    Output::Finish,
    Output::Wait,
];

/// Makes every call that `output` does not ask for, and checks that each is refused and changes
/// nothing.
fn misuse(task: &Task, request: &Request<'_>, output: Output) {
    let is_suspended = task.state() == TaskState::Suspended;
    let mut before = String::new();
    let _ = write!(before, "{task:?}");
    let wrong = |name: &str, call: &mut dyn FnMut(&mut Task) -> Result<(), Misuse>| {
        let mut copy = *task;
        let result = call(&mut copy);
        assert!(result.is_err(), "{name} is not asked for on {output:?}: {before}");
        assert_eq!(format!("{copy:?}"), before, "{name} on {output:?} changed something");
    };
    let now = Instant::from_micros(1 << 40);
    // A suspended task hides which state it is in, and takes what was begun before.
    if is_suspended {
        return;
    }
    if !matches!(output, Output::Connect(_)) {
        wrong("connecting", &mut |task| task.handle_connecting(now));
        wrong("connected", &mut |task| task.handle_connected(now, false));
        wrong("connect_failed", &mut |task| task.handle_connect_failed(Transport::Refused));
    }
    if output != Output::Prepare {
        wrong("prepared", &mut |task| task.handle_prepared(now));
    }
    if output != Output::Finish {
        wrong("committed", &mut |task| task.handle_committed());
    }
    if !matches!(output, Output::Exchange | Output::Finish) {
        wrong("sink_failed", &mut |task| task.handle_sink_failed(None));
    }
    if output != Output::Wait {
        wrong("upgraded_end", &mut |task| task.handle_upgraded_end(Ok(())));
    }
    let undelivered = task.counts().received - task.counts().delivered;
    wrong("delivered", &mut |task| task.handle_delivered(now, undelivered + 1));
    if output != Output::Exchange {
        wrong("end", &mut |task| task.handle_end());
        wrong("broken", &mut |task| task.handle_broken(Broken::Sending));
        wrong("broken", &mut |task| task.handle_broken(Broken::Receiving));
    }
    let Io { send, receive } = task.io(1);
    let head = RequestHead::new(request);
    if send != Some(Send::Encode) {
        wrong("encode", &mut |task| task.encode(&head, &mut [0; 8]).map(|_| ()));
    }
    if !matches!(send, Some(Send::Source { .. })) {
        wrong("source", &mut |task| task.handle_source(now, 1));
    }
    let too_much = match send {
        Some(Send::Encoded { left }) => left.checked_add(1),
        Some(Send::Body { max, .. }) => max.checked_add(1),
        Some(Send::Encode | Send::Source { .. }) | None => Some(1),
    };
    if let Some(count) = too_much {
        wrong("sent", &mut |task| task.handle_sent(now, count));
    }
    if !matches!(receive, Some(Receive::Head | Receive::HeadAgain)) {
        let mut input = *b"HTTP/1.1 200 OK\r\n\r\n";
        let mut index = [Slot::EMPTY; 1];
        wrong("head", &mut |task| task.handle_head(now, &mut input, false, &mut index).map(|_| ()));
    }
    if !matches!(receive, Some(Receive::Body { .. })) {
        wrong("body", &mut |task| task.handle_body(now, &mut [b'x']).map(|_| ()));
        wrong("run", &mut |task| task.handle_run(now, b"x").map(|_| ()));
    }
}
