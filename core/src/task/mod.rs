//! The task: what the user holds, and all its decisions.

pub(crate) mod counts;
mod deadline;
mod failing;
mod input;
mod inspect;
pub(crate) mod output;
mod progress;
pub(crate) mod question;
mod stale;
pub(crate) mod state;

pub use input::{Advance, Broken};
pub use inspect::{InspectError, Inspection, RedirectPolicy};
pub use progress::Progress;
pub use question::{Answer, Asks, Question, Token};

use crate::error::{Error, Misuse};
use crate::limits;
use crate::request::{Request, RequestTraits};
use crate::time::Instant;
use crate::transfer::{Io, Receive, Transfer};
use crate::wire::framing::CloseReason;
use counts::ByteCounts;
use deadline::Deadlines;
use output::{Due, Output, Release, Tell, Wish};
use question::Asked;
use state::{Lifecycle, TaskState};

/// What a task is for. The kinds differ in what owns the connection after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TaskKind {
    /// Content to memory.
    #[default]
    Data,
    /// A body from somewhere, content to memory.
    Upload,
    /// Content to a file or another sink.
    Download,
    /// A raw connection: no HTTP at all.
    Stream,
    /// A connection that the server must switch to WebSocket.
    WebSocket,
}

/// How a task behaves, beside its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TaskOptions {
    /// What it is for.
    pub kind: TaskKind,
    /// The longest time without a byte sent or received, in microseconds.
    pub request_timeout: u64,
    /// The longest time from the first resume to the end, in microseconds.
    pub resource_timeout: u64,
    /// Whether the body can be sent again from its start. `true` for bytes and files.
    pub body_is_replayable: bool,
    /// What is done with redirects.
    pub redirects: RedirectPolicy,
    /// Which questions the host wants to be asked.
    pub asks: Asks,
    /// Whether any status but 200 to 299 fails the task, with [`Error::Status`].
    pub requires_success: bool,
    /// Whether the download goes on from what is stored: the adapter has resume data, adds `Range`
    /// and `If-Range` while [`Task::sends_range`] says so, and lends the data to `inspect`. Without
    /// effect where the request cannot be resumed; see [`Task::can_be_resumed`].
    pub is_resuming: bool,
    /// No connection is asked for before this instant; [`Instant::EPOCH`] for at once.
    pub earliest_begin: Instant,
    /// Whether a head that does not fit in the lent buffer is read to its end before it fails the
    /// task, so that [`Task::head_needs`] can say how large it is.
    pub measures_heads: bool,
}

impl Default for TaskOptions {
    fn default() -> Self {
        Self {
            kind: TaskKind::Data,
            request_timeout: limits::REQUEST_TIMEOUT,
            resource_timeout: limits::RESOURCE_TIMEOUT,
            body_is_replayable: true,
            redirects: RedirectPolicy::default(),
            asks: Asks::default(),
            requires_success: false,
            is_resuming: false,
            earliest_begin: Instant::EPOCH,
            measures_heads: false,
        }
    }
}

/// A task: lifecycle, transfers, counts and timers as one plain value.
///
/// It holds no buffer and borrows nothing. Four families of methods, and no others:
///
/// - getters: [`state`](Self::state), [`counts`](Self::counts), [`progress`](Self::progress),
///   [`deadline`](Self::deadline), [`resource_deadline`](Self::resource_deadline),
///   [`io`](Self::io), [`still`](Self::still), [`kind`](Self::kind), [`is_new`](Self::is_new),
///   [`sends_range`](Self::sends_range),
///   [`can_be_resumed`](Self::can_be_resumed), [`survives_stale`](Self::survives_stale),
///   [`pending_question`](Self::pending_question), [`failure`](Self::failure),
///   [`head_needs`](Self::head_needs);
/// - commands: [`resume`](Self::resume), [`suspend`](Self::suspend), [`cancel`](Self::cancel),
///   [`answer`](Self::answer), [`set_earliest_begin`](Self::set_earliest_begin),
///   [`set_resuming`](Self::set_resuming);
/// - input, `handle_*`, and [`encode`](Self::encode) with [`encode_behind`](Self::encode_behind),
///   which fill a lent buffer;
/// - output: [`poll_output`](Self::poll_output).
///
/// **Drain rule:** after any call that takes `&mut self`, ask `poll_output` until it gives a state
/// output, and do that. An input that was not asked for is a [`Misuse`] and changes nothing.
#[derive(Debug, Clone, Copy)]
#[repr(C)] // What is looked at most comes first: a device reaches it with short instructions.
pub struct Task {
    phase: Phase,
    due: Due,
    asked: Asked,
    lifecycle: Lifecycle,
    /// A connection is ours to release.
    is_connected: bool,
    /// Redirects followed so far.
    redirects: u8,
    stale_retries: u8,
    /// The redirect that is asked about leads to another origin.
    leaves_origin: bool,
    /// The response is the rest of a download.
    is_resumed: bool,
    transfer: Transfer,
    deadlines: Deadlines,
    counts: ByteCounts,
    request: RequestTraits,
    /// As they were given, and as they are by now.
    options: TaskOptions,
}

/// Where a task is. Variants in the order in which a task passes through them; each can also go to
/// `Failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Never resumed. Exits: `Delayed`, `Connect`.
    Created,
    /// Before its earliest begin. Exit: `Connect`.
    Delayed,
    /// Without a connection. Exits: `Prepare`, and `Upgraded` for a stream task.
    Connect(Wish),
    /// Before the head is encoded. Exit: `Exchange`.
    Prepare,
    /// On the connection. Exits: `Inspect`, `Finish`, `Upgraded`, and after a stale connection
    /// `AskBody`, `Connect`.
    Exchange,
    /// The head has to be looked into, or the host is asked about a redirect. Exits: `Exchange`,
    /// `Finish`, `Discard`, `AskBody`, `Connect`.
    Inspect,
    /// On the connection, for a body that nobody wants, of which so many bytes more are read.
    /// Exits: `AskBody`, `Connect`, `Finish`.
    Discard { left: u16, then: Then },
    /// The host is asked for the body once more. Exit: `Connect`.
    AskBody(Wish),
    /// The connection is another protocol's. Exit: `Committed`.
    Upgraded,
    /// Everything is received. Exit: `Committed`.
    Finish,
    /// Everything is stored. Exit: `Completed`.
    Committed,
    /// Exit: `Completed`.
    Failed(Error),
    /// The completion was told.
    Completed,
}

/// What follows a body that nobody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Another request: a redirect is followed, or a range was not granted.
    Connect,
    /// All of a download was there already.
    Finish,
}

impl Phase {
    /// For traces: nothing of a request or a response.
    const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Delayed => "delayed",
            Self::Connect(_) => "connect",
            Self::Prepare => "prepare",
            Self::Exchange => "exchange",
            Self::Inspect => "inspect",
            Self::Discard { .. } => "discard",
            Self::AskBody(_) => "ask for the body",
            Self::Upgraded => "upgraded",
            Self::Finish => "finish",
            Self::Committed => "committed",
            Self::Failed(_) => "failed",
            Self::Completed => "completed",
        }
    }
}

impl Task {
    /// A suspended task for `request`.
    #[must_use]
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn new(request: &Request<'_>, options: TaskOptions) -> Self {
        let mut task = Self {
            lifecycle: Lifecycle::new(),
            phase: Phase::Created,
            due: Due::default(),
            transfer: Transfer::IDLE,
            counts: ByteCounts::NONE,
            deadlines: Deadlines::NEW,
            options,
            request: *request.traits(),
            asked: Asked::default(),
            redirects: 0,
            stale_retries: 0,
            leaves_origin: false,
            is_resumed: false,
            is_connected: false,
        };
        task.start_transfer(false);
        task
    }

    // Commands.

    /// Takes one suspend back; with the last one the task runs. Starts its timers.
    pub fn resume(&mut self, now: Instant) {
        if self.lifecycle.resume() {
            self.deadlines.start(now);
            self.deadlines.resume(now);
            self.transfer.send.wait_from(now);
            if matches!(self.phase, Phase::Created) {
                self.set_phase(Phase::Delayed);
            }
            self.begin(now);
        }
    }

    /// Holds the task: no read begins, and no write beyond one that has begun. Calls nest. A
    /// connection attempt is given up, and made again after `resume`.
    ///
    /// # Errors
    /// [`Misuse::TooManySuspends`] beyond [`limits::SUSPENDS`] nested calls.
    pub fn suspend(&mut self) -> Result<(), Misuse> {
        self.lifecycle.suspend()?;
        if matches!(self.phase, Phase::Connect(_)) {
            self.deadlines.rest();
        }
        Ok(())
    }

    /// Ends the task with [`Error::Canceled`], whether it runs or not. A task that has completed
    /// or is being cancelled stays as it is.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn cancel(&mut self) {
        if self.lifecycle.cancel() {
            self.due.forget();
            self.fail(Error::Canceled);
        }
    }

    /// Asks for no connection before `at`. Changes nothing once one was asked for.
    pub fn set_earliest_begin(&mut self, at: Instant) {
        if matches!(self.phase, Phase::Created | Phase::Delayed) {
            self.options.earliest_begin = at;
        }
    }

    /// Goes on from what is stored, or not, from the next head on; see
    /// [`TaskOptions::is_resuming`]. Changes nothing once that head is being sent.
    pub fn set_resuming(&mut self, is_resuming: bool) {
        if matches!(
            self.phase,
            Phase::Created | Phase::Delayed | Phase::Connect(_) | Phase::Prepare
        ) {
            self.options.is_resuming = is_resuming;
        }
    }

    // Getters.

    /// The state.
    #[must_use]
    pub const fn state(&self) -> TaskState {
        self.lifecycle.state()
    }

    /// Whether the task has never run: who awaits it then resumes it.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        matches!(self.phase, Phase::Created)
    }

    /// What the task is for.
    #[must_use]
    pub const fn kind(&self) -> TaskKind {
        self.options.kind
    }

    /// The instant before which no connection is asked for.
    #[must_use]
    pub const fn earliest_begin(&self) -> Instant {
        self.options.earliest_begin
    }

    /// Redirects followed so far.
    #[must_use]
    pub const fn redirect_count(&self) -> u8 {
        self.redirects
    }

    /// Whether the request asks for the rest of a download: then the adapter adds `Range` and
    /// `If-Range` to the head. It stops to be so once a server did not grant it.
    #[must_use]
    pub const fn sends_range(&self) -> bool {
        self.options.is_resuming && self.request.can_be_resumed()
    }

    /// Whether a later download can go on from what this one stores: of a `GET` without a `Range`
    /// of the caller's. For any other request stored content is of no use: resuming is not done,
    /// whatever the options say.
    #[must_use]
    pub const fn can_be_resumed(&self) -> bool {
        self.request.can_be_resumed()
    }

    /// The bytes of the current transfer.
    #[must_use]
    pub const fn counts(&self) -> &ByteCounts {
        &self.counts
    }

    /// Progress of sending and receiving together. Once the task has completed, the end is
    /// reached.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        match self.lifecycle.state() {
            TaskState::Completed => self.counts.ended(),
            TaskState::Running | TaskState::Suspended | TaskState::Canceling => {
                self.counts.progress()
            }
        }
    }

    /// What the connection may be used for now, with `room` bytes for content: the same until
    /// something changes. Neither half while the task is suspended.
    #[must_use]
    pub fn io(&self, room: usize) -> Io {
        if self.due.blocks_input() || self.is_suspended() {
            return Io::NONE;
        }
        match self.phase {
            Phase::Exchange => Io {
                send: self.transfer.send.io(&self.request, self.counts.sent),
                // Content waits for the answer what becomes of it.
                receive: match self.asked.pending() {
                    None => self.transfer.receive.io(room),
                    Some(_) => None,
                },
            },
            Phase::Discard { left, .. } => {
                Io { send: None, receive: Some(Receive::Discard { max: usize::from(left) }) }
            }
            Phase::Created
            | Phase::Delayed
            | Phase::Connect(_)
            | Phase::Prepare
            | Phase::Inspect
            | Phase::AskBody(_)
            | Phase::Upgraded
            | Phase::Finish
            | Phase::Committed
            | Phase::Failed(_)
            | Phase::Completed => Io::NONE,
        }
    }

    /// Whether `output` is what the task would still say: "is what you told me still so?"
    #[must_use]
    pub fn still(&self, output: Output) -> bool {
        // What is asked most often, of every piece of content, is answered at once.
        if matches!(output, Output::Exchange) {
            return self.exchanges();
        }
        match (output, self.peek()) {
            (Output::Connect(was), Output::Connect(is)) => was == is,
            (Output::Event(was), Output::Event(is)) => was == is,
            (Output::Close(was), Output::Close(is)) => was == is,
            // Of all others a task has one at a time. It completes in one way, too.
            (was, is) => core::mem::discriminant(&was) == core::mem::discriminant(&is),
        }
    }

    // Output.

    /// The next thing to do. Said-once outputs are given once.
    pub fn poll_output(&mut self) -> Output {
        // Nearly always nothing is to be told.
        if self.due.blocks_input()
            && let Some(told) = self.peek_told()
        {
            self.told(told);
            return told;
        }
        let output = self.peek_state();
        if matches!(output, Output::Complete(_)) {
            // Before the completion is told, so that who hears of it finds the state set.
            self.lifecycle.finish();
            self.set_phase(Phase::Completed);
        }
        output
    }

    /// Something was said that is said once.
    #[inline]
    fn told(&mut self, output: Output) {
        match output {
            Output::Event(_) => self.due.told_first(),
            Output::Upgraded => {
                // From here on the connection is not ours to close.
                self.due.told_first();
                self.is_connected = false;
            }
            Output::Close(_) | Output::Reuse => self.due.release = None,
            Output::Connect(_)
            | Output::Prepare
            | Output::Exchange
            | Output::Inspect
            | Output::Finish
            | Output::Wait
            | Output::Complete(_) => {}
        }
    }

    /// On the connection, and nothing has to be said before bytes are moved. An exchange is kept
    /// while the task is suspended, with whatever is pending in it, and gated by `io`.
    #[cfg_attr(not(target_os = "none"), inline)]
    #[cfg_attr(target_os = "none", inline(never))]
    const fn exchanges(&self) -> bool {
        matches!(self.phase, Phase::Exchange | Phase::Discard { .. }) && !self.due.blocks_input()
    }

    /// What [`poll_output`](Self::poll_output) would say.
    fn peek(&self) -> Output {
        let told = match self.due.blocks_input() {
            true => self.peek_told(),
            false => None,
        };
        told.unwrap_or_else(|| self.peek_state())
    }

    /// What is to be done, with nothing to be told.
    #[cfg_attr(not(target_os = "none"), inline)]
    #[cfg_attr(target_os = "none", inline(never))]
    fn peek_state(&self) -> Output {
        let state = match self.phase {
            Phase::Failed(error) => return Output::Complete(Err(error)),
            // Kept while the task is suspended.
            Phase::Exchange | Phase::Discard { .. } if self.exchanges() => return Output::Exchange,
            Phase::Connect(wish) => Output::Connect(wish),
            Phase::Prepare => Output::Prepare,
            // What is asked must be answered before it goes on.
            Phase::Inspect | Phase::Finish if self.asked.pending().is_some() => Output::Wait,
            Phase::Inspect => Output::Inspect,
            Phase::Finish => Output::Finish,
            // As a failure: what is stored is stored, and nothing is left to be held.
            Phase::Committed => return Output::Complete(Ok(())),
            Phase::Created
            | Phase::Delayed
            | Phase::Exchange
            | Phase::Discard { .. }
            | Phase::AskBody(_)
            | Phase::Upgraded
            | Phase::Completed => Output::Wait,
        };
        if self.is_suspended() { Output::Wait } else { state }
    }

    /// What is to be told first, of what is said once.
    fn peek_told(&self) -> Option<Output> {
        // A failure ends even a suspended task, and what came before it is told before it.
        let is_heard = !self.is_suspended() || matches!(self.phase, Phase::Failed(_));
        if is_heard && let Some(told) = self.due.first(self.asked.pending()) {
            return Some(told);
        }
        // A connection is given back even while suspended.
        self.due.release.map(|release| match release {
            Release::Close(reason) => Output::Close(reason),
            Release::Reuse => Output::Reuse,
        })
    }

    // Transitions that several inputs share.

    const fn is_suspended(&self) -> bool {
        matches!(self.lifecycle.state(), TaskState::Suspended)
    }

    fn set_phase(&mut self, phase: Phase) {
        crate::log::trace!("phase {} => {}", self.phase.name(), phase.name());
        self.phase = phase;
    }

    /// Bytes moved. While an answer is owed the request timer rests all the same: part of a body
    /// may still be going out.
    fn touch(&mut self, now: Instant) {
        if self.asked.pending().is_none() {
            self.deadlines.touch(now);
        }
    }

    /// Asks for a connection, once it may.
    fn begin(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Delayed) && self.options.earliest_begin <= now {
            self.set_phase(Phase::Connect(Wish::Any));
        }
    }

    /// Ends the task with an error; the first one counts.
    #[cfg_attr(target_os = "none", inline(never))]
    fn fail(&mut self, error: Error) {
        if matches!(self.phase, Phase::Failed(_) | Phase::Completed) {
            return;
        }
        // What was not handed over yet is closed, and nobody needs to answer any more.
        self.due.untell(Tell::Upgraded);
        self.due.untell(Tell::Question);
        self.asked.clear();
        self.release(Release::Close(CloseReason::Failed));
        self.set_phase(Phase::Failed(error));
    }

    /// Gives up the connection, if there is one.
    #[cfg_attr(target_os = "none", inline(never))]
    fn release(&mut self, release: Release) {
        self.deadlines.rest();
        if self.is_connected {
            self.is_connected = false;
            self.due.release = Some(release);
        }
    }
}

/// A task fits where it is promised to fit, on every target that this is compiled for.
const _: () = assert!(size_of::<Task>() <= 256);

#[cfg(test)]
mod tests;
