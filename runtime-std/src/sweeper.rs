//! Closing idle connections when it is time, though no task comes or goes.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use sortie_core::Instant;

use crate::shared::SessionShared;
use crate::world::{Timer, World};

/// What has the connections of a session looked at when the first of them has been idle for too
/// long.
pub(crate) struct Sweeper<W: World> {
    /// `None` once the session has ended.
    timer: Option<W::Timer>,
    waker: Waker,
    /// Connections that became idle later need no other look: it is set again when it rings.
    is_set: bool,
}

/// Has a session look at its connections, unless it is gone.
struct Look<W: World>(Weak<SessionShared<W>>);

impl<W: World> Wake for Look<W> {
    fn wake(self: Arc<Self>) {
        if let Some(session) = self.0.upgrade() {
            session.connections.sweep(session.world.now());
        }
    }
}

impl<W: World> Sweeper<W> {
    pub(crate) fn new(session: Weak<SessionShared<W>>, timer: W::Timer) -> Self {
        Self { timer: Some(timer), waker: Waker::from(Arc::new(Look(session))), is_set: false }
    }

    /// An idle connection is to be closed at `until`, if there is one.
    #[inline]
    pub(crate) fn set(&mut self, now: Instant, until: Option<Instant>) {
        if !self.is_set
            && let Some(until) = until
        {
            self.set_timer(now, until);
        }
    }

    #[cold]
    fn set_timer(&mut self, now: Instant, until: Instant) {
        let Some(timer) = &mut self.timer else {
            return;
        };
        let mut cx = Context::from_waker(&self.waker);
        // One that rang says so once. If it is time by now, the next look finds that.
        self.is_set = timer.poll_until(&mut cx, now, until) == Poll::Pending
            || timer.poll_until(&mut cx, now, until) == Poll::Pending;
    }

    /// It rang.
    pub(crate) const fn rang(&mut self) {
        self.is_set = false;
    }

    /// No connection is idle any more, for good.
    pub(crate) fn stop(&mut self) {
        self.timer = None;
    }
}
