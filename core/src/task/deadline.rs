//! The timers of a task.

use super::{Phase, Task, TaskOptions};
use crate::limits;
use crate::time::Instant;

/// When something must have happened.
///
/// The request timer is an idle timer: it starts with the connection attempt, starts again with
/// every byte that moves, and rests while the task is suspended, while the host or a turn is waited
/// for, and from the last byte on. The resource timer starts with the first resume and runs on,
/// whatever happens: it bounds what the request timer does not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// When something last moved; not set while nothing is expected to.
    active: Instant,
    /// When the task was first resumed.
    started: Instant,
}

impl Deadlines {
    /// None runs.
    pub(crate) const NEW: Self = Self { active: Instant::NEVER, started: Instant::NEVER };

    pub(crate) fn start(&mut self, now: Instant) {
        if self.started == Instant::NEVER {
            self.started = now;
        }
    }

    /// Something moved, or is expected to from now on.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.active = now;
    }

    /// The task runs again: the request timer starts anew if it ran before.
    pub(crate) fn resume(&mut self, now: Instant) {
        if self.active != Instant::NEVER {
            self.active = now;
        }
    }

    /// Nothing is expected to move any more.
    pub(crate) fn rest(&mut self) {
        self.active = Instant::NEVER;
    }

    /// When the resource timer runs out.
    pub(crate) const fn resource(&self, options: &TaskOptions) -> Instant {
        self.started.after(options.resource_timeout)
    }

    /// When the request timer runs out, if the task is not suspended.
    pub(crate) const fn request(&self, options: &TaskOptions) -> Instant {
        self.active.after(options.request_timeout)
    }
}

impl Task {
    /// When [`handle_timeout`](Self::handle_timeout) must be called at the latest; earlier is
    /// harmless. `None`: no timer runs.
    ///
    /// From the first resume on the resource timer runs in every state, whether the task is
    /// suspended or not, until it has failed or all of it is committed: whoever is waited for, the
    /// task ends.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let begins = match self.phase {
            Phase::Created | Phase::Committed | Phase::Failed(_) | Phase::Completed => return None,
            Phase::Delayed => self.options.earliest_begin,
            Phase::Connect(_)
            | Phase::Prepare
            | Phase::Exchange
            | Phase::Inspect
            | Phase::Discard { .. }
            | Phase::AskBody(_)
            | Phase::Upgraded
            | Phase::Finish => Instant::NEVER,
        };
        let mut next = self.deadlines.resource(&self.options);
        // Resuming it looks at the time by itself.
        if !self.is_suspended() {
            let goes_on = self.transfer.send.waits_since().after(limits::CONTINUE_TIMEOUT);
            next = next.min(begins).min(self.deadlines.request(&self.options)).min(goes_on);
        }
        Some(next).filter(|at| *at != Instant::NEVER)
    }

    /// When the resource timer runs out or ran out, whatever became of the task; `None` if it never
    /// ran. For who puts in order what the task has left, and must not do that for ever.
    #[must_use]
    pub fn resource_deadline(&self) -> Option<Instant> {
        Some(self.deadlines.resource(&self.options)).filter(|at| *at != Instant::NEVER)
    }
}
