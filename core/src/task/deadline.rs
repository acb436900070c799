//! The timers of a task.

use crate::error::Timer;
use crate::limits::CONTINUE_TIMEOUT;
use crate::time::Instant;

/// When something must have happened.
///
/// The request timer is an idle timer: it starts with the connection attempt, starts again with
/// every byte that moves, and rests while the task is suspended. The resource timer starts with the
/// first resume and runs on, whatever happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    request_timeout: u64,
    resource_timeout: u64,
    /// When something last moved; not set while nothing is expected to.
    active: Since,
    /// When the task was first resumed.
    started: Since,
}

/// An instant, or none, in the room of an instant: the end of time stands for none.
#[derive(Debug, Clone, Copy)]
struct Since(Instant);

impl Since {
    const NONE: Self = Self(Instant::from_micros(u64::MAX));

    fn get(self) -> Option<Instant> {
        (self.0 != Self::NONE.0).then_some(self.0)
    }
}

impl Deadlines {
    pub(crate) const fn new(request_timeout: u64, resource_timeout: u64) -> Self {
        Self { request_timeout, resource_timeout, active: Since::NONE, started: Since::NONE }
    }

    pub(crate) fn start(&mut self, now: Instant) {
        if self.started.get().is_none() {
            self.started = Since(now);
        }
    }

    /// Something moved, or is expected to from now on.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.active = Since(now);
    }

    /// The task runs again: the request timer starts anew if it ran before.
    pub(crate) fn resume(&mut self, now: Instant) {
        if self.active.get().is_some() {
            self.active = Since(now);
        }
    }

    /// Nothing is expected to move any more.
    pub(crate) fn rest(&mut self) {
        self.active = Since::NONE;
    }

    /// The earliest instant at which a timer runs out. A body is held back since `held`, if it is.
    pub(crate) fn next(&self, suspended: bool, held: Option<Instant>) -> Option<Instant> {
        let resource = self.started.get().map(|started| started.after(self.resource_timeout));
        if suspended {
            return resource;
        }
        let request = self.active.get().map(|active| active.after(self.request_timeout));
        let goes_on = held.map(|held| held.after(CONTINUE_TIMEOUT));
        let earlier = |a: Option<Instant>, b: Option<Instant>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, None) | (None, one) => one,
        };
        earlier(resource, earlier(request, goes_on))
    }

    /// Whether a body was held back long enough.
    pub(crate) fn goes_on(now: Instant, suspended: bool, held: Option<Instant>) -> bool {
        !suspended && held.is_some_and(|held| held.after(CONTINUE_TIMEOUT) <= now)
    }

    /// The timer that has run out, if any.
    pub(crate) fn expired(&self, now: Instant, suspended: bool) -> Option<Timer> {
        let over =
            |since: Since, timeout| since.get().is_some_and(|since| since.after(timeout) <= now);
        if over(self.started, self.resource_timeout) {
            Some(Timer::Resource)
        } else if !suspended && over(self.active, self.request_timeout) {
            Some(Timer::Request)
        } else {
            None
        }
    }
}
