//! A small executor in virtual time.
//!
//! A future is polled only when its waker was called, as on a device, so that a wake-up that is
//! forgotten shows as a run that stands still. embassy's mock clock goes on by one microsecond
//! after every round of polls, and on to the next timer when nobody was woken. It can only be
//! advanced step by step: long waits take steps of their own.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use embassy_time::{Duration, Instant, MockDriver};

/// A future that runs beside the one that a run is about.
pub(super) type Beside<'f> = Pin<Box<dyn Future<Output = ()> + 'f>>;

/// Steps of the clock after which a run in which nothing happens is at an end.
const LIMIT: usize = 200_000_000;

/// The current virtual time, in microseconds.
pub(super) fn now() -> u64 {
    Instant::now().as_micros()
}

/// Polls `main` to its end, and `beside` as long. While nobody is woken the clock takes steps of
/// `step` microseconds, so that timers are late by less than that.
///
/// # Panics
/// If nothing happens any more.
pub(super) fn run<R>(step: u64, main: impl Future<Output = R>, mut beside: Vec<Beside<'_>>) -> R {
    let mut main = pin!(main);
    let any = Arc::new(AtomicBool::new(true));
    let bell = Bell::new(&any);
    let bells: Vec<_> = beside.iter().map(|_| Bell::new(&any)).collect();
    loop {
        any.store(false, Ordering::Relaxed);
        if bell.was_rung() {
            let waker = Waker::from(bell.clone());
            if let Poll::Ready(result) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                return result;
            }
        }
        for (future, bell) in beside.iter_mut().zip(&bells) {
            if bell.was_rung() {
                let waker = Waker::from(bell.clone());
                let ended = future.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(ended.is_pending(), "what runs beside never ends");
            }
        }
        MockDriver::get().advance(Duration::from_micros(1));
        let (step, mut steps) = (Duration::from_micros(step), 0);
        while !any.load(Ordering::Relaxed) {
            MockDriver::get().advance(step);
            steps += 1;
            assert!(steps < LIMIT, "nothing happens any more");
        }
    }
}

/// A waker of one future.
struct Bell {
    is_rung: AtomicBool,
    any: Arc<AtomicBool>,
}

impl Bell {
    /// Rung once: every future is polled at the start.
    fn new(any: &Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self { is_rung: AtomicBool::new(true), any: any.clone() })
    }

    fn was_rung(&self) -> bool {
        self.is_rung.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.is_rung.store(true, Ordering::Relaxed);
        self.any.store(true, Ordering::Relaxed);
    }
}
