//! Between embassy's clock and the core's microseconds.

use embassy_time::{Duration, Timer};
use sortie_core::Instant;

/// The time as the core counts it: microseconds since embassy's clock started.
#[inline(never)] // 200 bytes of flash: it is asked for in many places.
pub(crate) fn now() -> Instant {
    Instant::from_micros(embassy_time::Instant::now().as_micros())
}

/// A point of embassy's clock as the core counts it; for one that no microseconds can say, the end
/// of time.
pub(crate) fn instant(at: embassy_time::Instant) -> Instant {
    let since = at.duration_since(embassy_time::Instant::MIN);
    Instant::from_micros(micros(since))
}

/// The same point of embassy's clock; `None` where that never gets there.
pub(crate) fn clock(at: Instant) -> Option<embassy_time::Instant> {
    embassy_time::Instant::try_from_micros(at.as_micros())
}

/// A timer for `at`; `None` where embassy's clock never gets there.
///
/// A tick may be longer than a microsecond. The timer is rounded up: fired a part of a tick too
/// early it would be set again for the tick that it is in, over and over.
pub(crate) fn timer(at: Instant) -> Option<Timer> {
    let tick = clock(at)?;
    let is_early = tick.as_micros() < at.as_micros();
    let rest = Duration::from_ticks(u64::from(is_early));
    tick.checked_add(rest).map(Timer::at)
}

/// A timeout as the core counts it. What is longer than a century is for ever: embassy's own
/// conversion overflows for the longest ones.
pub(crate) fn micros(timeout: Duration) -> u64 {
    const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
    match timeout <= CENTURY {
        true => timeout.as_micros(),
        false => u64::MAX,
    }
}
