//! Between embassy's clock and the core's microseconds.

use core::future::Future;
use core::pin::pin;
use core::task::Context;

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

/// Has the task of `cx` woken at `at`, if embassy's clock ever gets there.
///
/// A tick may be longer than a microsecond. It is rounded up: woken a part of a tick too early the
/// task would ask for the tick that it is in, over and over.
#[inline(never)]
pub(crate) fn wake_at(at: Instant, cx: &mut Context<'_>) {
    let Some(tick) = clock(at) else { return };
    let is_early = tick.as_micros() < at.as_micros();
    let rest = Duration::from_ticks(u64::from(is_early));
    if let Some(tick) = tick.checked_add(rest) {
        // The first poll asks to be woken; a later one is not needed.
        let _ = pin!(Timer::at(tick)).poll(cx);
    }
}

/// A timeout as the core counts it. What is longer than a century is for ever: embassy's own
/// conversion overflows for the longest ones.
#[inline(never)] // It is asked for in more than one place.
pub(crate) const fn micros(timeout: Duration) -> u64 {
    const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
    match timeout.as_ticks() <= CENTURY.as_ticks() {
        true => timeout.as_micros(),
        false => u64::MAX,
    }
}
