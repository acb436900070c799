//! Timers of the real world.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sortie_core::Instant;

use super::clock::Alarm;
use crate::world::Timer;

/// A timer, set lazily: it stays set to the earlier instant when it is asked for a later one, and
/// fires early then. Most requests end long before their deadline, so that a timer which lives as
/// long as its connection is hardly ever touched.
#[derive(Debug)]
pub(crate) struct SystemTimer {
    epoch: std::time::Instant,
    set: Option<(Instant, Set)>,
}

/// Who wakes at the instant.
#[derive(Debug)]
enum Set {
    Clock(Alarm),
    /// Where no thread can be had for the clock.
    Reactor(async_io::Timer),
}

impl SystemTimer {
    /// One that is not set. Instants count from `epoch`.
    pub(super) const fn new(epoch: std::time::Instant) -> Self {
        Self { epoch, set: None }
    }
}

impl Set {
    fn at(when: std::time::Instant) -> Self {
        match Alarm::set(when) {
            Some(alarm) => Self::Clock(alarm),
            None => Self::Reactor(async_io::Timer::at(when)),
        }
    }

    fn has_rung(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Clock(alarm) => alarm.has_rung(cx.waker()),
            Self::Reactor(timer) => Pin::new(timer).poll(cx).is_ready(),
        }
    }
}

impl Timer for SystemTimer {
    #[inline]
    fn poll_until(&mut self, cx: &mut Context<'_>, now: Instant, at: Instant) -> Poll<()> {
        let (instant, set) = match &mut self.set {
            Some(set) if set.0 <= at => set,
            _ => {
                // One that is set for later than that is unset first.
                self.set = None;
                let when = self.epoch + Duration::from_micros(at.as_micros());
                self.set.insert((at, Set::at(when)))
            }
        };
        if *instant > now && !set.has_rung(cx) {
            return Poll::Pending;
        }
        self.set = None;
        Poll::Ready(())
    }
}
