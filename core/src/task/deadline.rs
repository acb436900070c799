//! The timers of a task.

use crate::time::Instant;

/// When something must have happened.
///
/// The request timer is an idle timer: it starts with the connection attempt, starts again with
/// every byte that moves, and rests while the task is suspended, while the host or a turn is waited
/// for, and from the last byte on. The resource timer starts with the first resume and runs on,
/// whatever happens: it bounds what the request timer does not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    request_timeout: u64,
    resource_timeout: u64,
    /// When something last moved; not set while nothing is expected to.
    active: Instant,
    /// When the task was first resumed.
    started: Instant,
}

impl Deadlines {
    pub(crate) const fn new(request_timeout: u64, resource_timeout: u64) -> Self {
        Self { request_timeout, resource_timeout, active: Instant::NEVER, started: Instant::NEVER }
    }

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
    pub(crate) const fn resource(&self) -> Instant {
        self.started.after(self.resource_timeout)
    }

    /// When the request timer runs out, if the task is not suspended.
    pub(crate) const fn request(&self) -> Instant {
        self.active.after(self.request_timeout)
    }
}
