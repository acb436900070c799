//! The timers of a task.

use crate::error::Timer;
use crate::limits::CONTINUE_TIMEOUT;
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

/// The end of time stands for none: whatever is added to it, it stays that.
pub(crate) const NEVER: Instant = Instant::from_micros(u64::MAX);

impl Deadlines {
    pub(crate) const fn new(request_timeout: u64, resource_timeout: u64) -> Self {
        Self { request_timeout, resource_timeout, active: NEVER, started: NEVER }
    }

    pub(crate) fn start(&mut self, now: Instant) {
        if self.started == NEVER {
            self.started = now;
        }
    }

    /// Something moved, or is expected to from now on.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.active = now;
    }

    /// The task runs again: the request timer starts anew if it ran before.
    pub(crate) fn resume(&mut self, now: Instant) {
        if self.active != NEVER {
            self.active = now;
        }
    }

    /// Nothing is expected to move any more.
    pub(crate) fn rest(&mut self) {
        self.active = NEVER;
    }

    /// When the resource timer runs out.
    pub(crate) const fn resource(&self) -> Instant {
        self.started.after(self.resource_timeout)
    }

    /// The earliest instant at which a timer runs out. A body is held back since `held`, if it is.
    pub(crate) fn next(&self, suspended: bool, held: Option<Instant>) -> Instant {
        let resource = self.resource();
        if suspended {
            return resource;
        }
        let request = self.active.after(self.request_timeout);
        let goes_on = held.map_or(NEVER, |held| held.after(CONTINUE_TIMEOUT));
        resource.min(request).min(goes_on)
    }

    /// Whether a body was held back long enough.
    pub(crate) fn goes_on(now: Instant, suspended: bool, held: Option<Instant>) -> bool {
        !suspended && held.is_some_and(|held| held.after(CONTINUE_TIMEOUT) <= now)
    }

    /// The timer that has run out, if any.
    pub(crate) fn expired(&self, now: Instant, suspended: bool) -> Option<Timer> {
        if self.resource() <= now {
            Some(Timer::Resource)
        } else if !suspended && self.active.after(self.request_timeout) <= now {
            Some(Timer::Request)
        } else {
            None
        }
    }
}
