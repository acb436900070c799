//! A watchdog that is fed by progress.
//!
//! A timer that feeds it says only that timers work. So each of the two loops says what it does
//! next and how long that may take, and the watchdog is fed only while neither is late. Who hangs
//! (in a driver, in a lock, for a wake-up that was lost) is late, and the watchdog bites. An
//! executor that hangs does not come to feeding at all.

use embassy_time::{Duration, Instant};

/// What resets the board unless it is fed in time.
pub trait Watchdog {
    /// Starts its time again. The program calls this every [`FEED_EVERY`], while there is progress.
    fn feed(&mut self);
}

/// How often the watchdog is fed. Its own time should be three of these or more.
pub const FEED_EVERY: Duration = Duration::from_secs(1);

/// What a step may take beyond what it was said to: other tasks have their turn, too.
pub const SLACK: Duration = Duration::from_secs(2);

/// Who has to make progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// The loop that takes readings.
    Readings,
    /// The loop that sends them.
    Sending,
}

/// Knows how long each lane's present step may take.
#[derive(Debug, Clone)]
pub struct Watch {
    late_from: [Instant; 2],
}

impl Watch {
    /// Both lanes begin now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { late_from: [latest(now, SLACK); 2] }
    }

    /// The lane has finished a step, and begins one that may take `allowance`.
    pub fn enter(&mut self, lane: Lane, now: Instant, allowance: Duration) {
        let until = latest(latest(now, allowance), SLACK);
        match (lane, &mut self.late_from) {
            (Lane::Readings, [readings, _]) => *readings = until,
            (Lane::Sending, [_, sending]) => *sending = until,
        }
    }

    /// Whether no lane is late.
    #[must_use]
    pub fn may_feed(&self, now: Instant) -> bool {
        self.late_from.iter().all(|&late| now <= late)
    }
}

/// The end of time instead of an overflow.
fn latest(at: Instant, after: Duration) -> Instant {
    at.checked_add(after).unwrap_or(Instant::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn it_is_fed_while_both_lanes_keep_their_time() {
        let mut watch = Watch::new(at(0));
        watch.enter(Lane::Readings, at(1), MINUTE);
        watch.enter(Lane::Sending, at(1), Duration::from_secs(10));
        assert!(watch.may_feed(at(13)));
        watch.enter(Lane::Sending, at(13), MINUTE);
        assert!(watch.may_feed(at(63)));
    }

    #[test]
    fn a_lane_that_hangs_is_not_made_up_for_by_the_other() {
        for (hangs, goes_on) in [(Lane::Readings, Lane::Sending), (Lane::Sending, Lane::Readings)] {
            let mut watch = Watch::new(at(0));
            watch.enter(hangs, at(0), MINUTE);
            (0..=62).for_each(|second| watch.enter(goes_on, at(second), MINUTE));
            assert!(watch.may_feed(at(62)));
            (63..100).for_each(|second| {
                watch.enter(goes_on, at(second), MINUTE);
                assert!(!watch.may_feed(at(second)), "{hangs:?} hangs, fed at {second}");
            });
        }
    }

    #[test]
    fn a_lane_that_never_begins_is_late() {
        let mut watch = Watch::new(at(5));
        watch.enter(Lane::Readings, at(5), MINUTE);
        assert!(watch.may_feed(at(7)));
        assert!(!watch.may_feed(at(8)));
    }

    #[test]
    fn the_longest_allowance_does_not_overflow() {
        let mut watch = Watch::new(at(1));
        watch.enter(Lane::Readings, at(1), Duration::MAX);
        watch.enter(Lane::Sending, at(1), Duration::MAX);
        assert!(watch.may_feed(Instant::MAX));
    }
}
