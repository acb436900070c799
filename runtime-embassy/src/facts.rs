//! What a [`TaskControl`] tells of its task beside state, counts and progress.

use core::cell::Cell;
use core::fmt;

use embassy_time::Instant;
use sortie_core::Error;
#[cfg(feature = "internals")]
use sortie_core::Output;

use crate::control::TaskControl;
use crate::reins::{Before, Bell};
use crate::time::{clock, instant};

/// What is known of a task that the core does not keep.
pub(crate) struct Facts {
    /// Commands given before the first task began.
    pub(crate) before: Cell<Before>,
    /// 0 before the first task.
    identifier: Cell<u32>,
    /// Of the final response, or 0.
    status: Cell<u16>,
    /// How the task ended, if it has; before that how the last one did, with its identifier.
    outcome: Cell<(u32, Option<Result<(), Error>>)>,
    description: Cell<&'static str>,
    /// Rung at every change that can be seen.
    pub(crate) changing: Bell,
    /// Rung at every question.
    pub(crate) asking: Bell,
    #[cfg(feature = "internals")]
    pub(crate) watcher: Cell<Option<fn(Output)>>,
    #[cfg(feature = "internals")]
    pub(crate) follower: Cell<Option<fn(&str)>>,
}

impl Facts {
    pub(crate) const fn new() -> Self {
        Self {
            before: Cell::new(Before::NOTHING),
            identifier: Cell::new(0),
            status: Cell::new(0),
            outcome: Cell::new((0, None)),
            description: Cell::new(""),
            changing: Bell::new(),
            asking: Bell::new(),
            #[cfg(feature = "internals")]
            watcher: Cell::new(None),
            #[cfg(feature = "internals")]
            follower: Cell::new(None),
        }
    }

    /// How the task with this identifier ended, if it has and none after it did.
    pub(crate) fn outcome_of(&self, identifier: u32) -> Option<Result<(), Error>> {
        let (of, outcome) = self.outcome.get();
        outcome.filter(|_| of == identifier)
    }

    /// A task begins. Returns the commands that were given before.
    pub(crate) fn begin(&self, identifier: u32) -> Before {
        self.identifier.set(identifier);
        self.status.set(0);
        self.before.take()
    }

    /// Something may be otherwise than it was.
    pub(crate) fn changed(&self) {
        self.changing.ring();
    }

    /// A question is asked.
    pub(crate) fn asked(&self) {
        self.asking.ring();
    }

    /// The final response came.
    pub(crate) fn answered(&self, status: u16) {
        self.status.set(status);
        self.changed();
    }

    /// The task has ended. Only the first end counts.
    pub(crate) fn ended(&self, result: Result<(), Error>) {
        let identifier = self.identifier.get();
        // One that was dropped before it began is none.
        if identifier != 0 && self.outcome_of(identifier).is_none() {
            self.outcome.set((identifier, Some(result)));
        }
        self.changed();
    }

    /// What the task says.
    #[cfg(feature = "internals")]
    pub(crate) fn said(&self, output: Output) {
        if let Some(watcher) = self.watcher.get() {
            watcher(output);
        }
    }

    /// It is redirected to this URL.
    #[cfg(feature = "internals")]
    pub(crate) fn redirected(&self, to: &str) {
        if let Some(follower) = self.follower.get() {
            follower(to);
        }
    }
}

impl TaskControl<'_> {
    /// The number of the task, unique in its session: from 1 on, each once. 0 before the first task
    /// begins.
    #[must_use]
    pub fn identifier(&self) -> u32 {
        self.block.0.facts.identifier.get()
    }

    /// The status of the final response, once its head came.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        Some(self.block.0.facts.status.get()).filter(|status| *status != 0)
    }

    /// What ended the task, if it has failed. One whose future was dropped was cancelled.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        self.outcome().and_then(Result::err)
    }

    /// How the task ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<(), Error>> {
        self.block.0.facts.outcome_of(self.identifier())
    }

    /// A text of the caller's, never looked at here; empty unless one was set.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.block.0.facts.description.get()
    }

    /// Sets the text that [`description`](Self::description) gives. It stays for the tasks after
    /// this one.
    pub fn set_description(&self, text: &'static str) {
        self.block.0.facts.description.set(text);
    }

    /// The most that the client expects to send, in bytes, if it said so.
    #[must_use]
    pub fn client_expects_to_send(&self) -> Option<u32> {
        let [send, _] = self.block.0.expects.get();
        Some(send).filter(|bytes| *bytes > 0)
    }

    /// The most that the client expects to receive, in bytes, if it said so.
    #[must_use]
    pub fn client_expects_to_receive(&self) -> Option<u32> {
        let [_, receive] = self.block.0.expects.get();
        Some(receive).filter(|bytes| *bytes > 0)
    }

    /// Sets the most that the client expects to send and to receive, heads included, in bytes; 0
    /// says nothing. A task that waits for a connection already stays where it is.
    pub fn set_client_expects(&self, send: u32, receive: u32) {
        self.block.0.expects.set([send, receive]);
        self.block.command(|_| {}, |before| before.is_hinted = true);
    }

    /// When the task may begin, if that was said; `None` before the first task.
    #[must_use]
    pub fn earliest_begin(&self) -> Option<Instant> {
        let at = self.block.look(|task| task.earliest_begin())?;
        clock(at).filter(|at| *at > Instant::MIN)
    }

    /// Asks for no connection before `at`. Changes nothing once one was asked for, and nothing
    /// before the task begins: until then the [builder](crate::DataTask::earliest_begin) is told.
    pub fn set_earliest_begin(&self, at: Instant) {
        self.block.command(|task| task.set_earliest_begin(instant(at)), |_| {});
    }
}

impl PartialEq for TaskControl<'_> {
    /// Whether both govern through the same block.
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.block, other.block)
    }
}

impl Eq for TaskControl<'_> {}

impl fmt::Display for TaskControl<'_> {
    /// For people: identifier, description and state; nothing that could be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} {:?} {:?}", self.identifier(), self.description(), self.state())
    }
}
