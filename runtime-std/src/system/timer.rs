//! Timers of async-io.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sortie_core::Instant;

use crate::world::Timer;

/// A timer of async-io, set lazily: it stays set to the earlier instant when it is asked for a
/// later one, and fires early then. Most requests end long before their deadline, so that a timer
/// which lives as long as its connection is hardly ever touched.
#[derive(Debug)]
pub(crate) struct SystemTimer {
    pub(super) epoch: std::time::Instant,
    pub(super) set: Option<(Instant, async_io::Timer, std::task::Waker)>,
}

impl Timer for SystemTimer {
    fn poll_until(&mut self, cx: &mut Context<'_>, now: Instant, at: Instant) -> Poll<()> {
        let timer = match &mut self.set {
            Some((set, timer, waker)) if *set <= at => {
                if waker.will_wake(cx.waker()) && *set > now {
                    return Poll::Pending;
                }
                waker.clone_from(cx.waker());
                timer
            }
            _ => {
                let when = self.epoch + Duration::from_micros(at.as_micros());
                let timer = async_io::Timer::at(when);
                &mut self.set.insert((at, timer, cx.waker().clone())).1
            }
        };
        ready!(Pin::new(timer).poll(cx));
        self.set = None;
        Poll::Ready(())
    }
}
