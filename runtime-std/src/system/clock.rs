//! The alarm clock of the process: one thread, asleep, for the deadlines of all tasks.
//!
//! async-io has timers, too. While one is set, every turn of its reactor splits the tree of its
//! timers: an allocation and 650 instructions of the 10,000 that a GET takes. Deadlines hardly ever
//! fire, so that a thread which sleeps until the next one costs less than that: it is started with
//! the first deadline and ends when none is left.

use std::cmp::{Ordering as Order, Reverse};
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, Thread};
use std::time::Instant;

use atomic_waker::AtomicWaker;

/// The name of the thread.
const NAME: &str = "sortie-clock";

/// Alarms that were unset and are still listed, at least, before they are swept out.
const FEW: usize = 64;

static CLOCK: Mutex<Clock> =
    Mutex::new(Clock { alarms: BinaryHeap::new(), unset: 0, thread: None });

/// All alarms that are set, the first one first.
struct Clock {
    alarms: BinaryHeap<Reverse<Listed>>,
    /// How many of them nobody waits for any more. They stay until there are as many as others.
    unset: usize,
    /// It runs while there are alarms.
    thread: Option<Thread>,
}

/// An alarm in the list.
struct Listed {
    at: Instant,
    bell: Arc<Bell>,
}

/// What an alarm rings.
#[derive(Debug, Default)]
struct Bell {
    has_rung: AtomicBool,
    /// Nobody waits for it any more. Changed and read with the clock locked.
    is_unset: AtomicBool,
    waker: AtomicWaker,
}

/// An alarm, set to an instant. Dropping it unsets it.
#[derive(Debug)]
pub(super) struct Alarm {
    bell: Arc<Bell>,
}

impl Alarm {
    /// An alarm that rings at `at`; `None` if there can be no thread for it.
    pub(super) fn set(at: Instant) -> Option<Self> {
        let bell = Arc::new(Bell::default());
        let mut clock = lock();
        let is_first = clock.alarms.peek().is_none_or(|Reverse(first)| at < first.at);
        match &clock.thread {
            // It sleeps too long.
            Some(thread) if is_first => thread.unpark(),
            Some(_) => {}
            None => {
                let thread = thread::Builder::new().name(NAME.to_owned()).spawn(run).ok()?;
                clock.thread = Some(thread.thread().clone());
            }
        }
        clock.alarms.push(Reverse(Listed { at, bell: bell.clone() }));
        Some(Self { bell })
    }

    /// Whether it has rung. If not, it wakes `waker` when it does, and no other any more.
    pub(super) fn has_rung(&self, waker: &Waker) -> bool {
        self.bell.waker.register(waker);
        // Behind the waker: it may have rung for another one.
        self.bell.has_rung.load(Ordering::Acquire)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.bell.has_rung.load(Ordering::Acquire) {
            return;
        }
        let mut clock = lock();
        self.bell.is_unset.store(true, Ordering::Relaxed);
        clock.unset += 1;
        let listed = clock.alarms.len();
        if clock.unset >= listed || clock.unset > FEW && clock.unset * 2 > listed {
            clock.sweep();
        }
        if let (true, Some(thread)) = (clock.alarms.is_empty(), &clock.thread) {
            // To end.
            thread.unpark();
        }
    }
}

impl Clock {
    /// Strikes out the alarms that nobody waits for.
    fn sweep(&mut self) {
        self.alarms.retain(|Reverse(listed)| !listed.bell.is_unset.load(Ordering::Relaxed));
        self.unset = 0;
    }

    /// Takes what is to ring by `now`.
    fn due(&mut self, now: Instant) -> Vec<Arc<Bell>> {
        let mut due = Vec::new();
        while self.alarms.peek().is_some_and(|Reverse(first)| first.at <= now) {
            let Some(Reverse(Listed { bell, .. })) = self.alarms.pop() else {
                break;
            };
            match bell.is_unset.load(Ordering::Relaxed) {
                true => self.unset = self.unset.saturating_sub(1),
                false => due.push(bell),
            }
        }
        due
    }
}

impl Ord for Listed {
    fn cmp(&self, other: &Self) -> Order {
        self.at.cmp(&other.at)
    }
}

impl PartialOrd for Listed {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Listed {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Listed {}

fn lock() -> MutexGuard<'static, Clock> {
    // Nothing under this lock can be left half done.
    CLOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread: sleeps until the next alarm, rings it, and ends with the last one.
fn run() {
    loop {
        let mut clock = lock();
        let now = Instant::now();
        let due = clock.due(now);
        let next = clock.alarms.peek().map(|Reverse(first)| first.at);
        if next.is_none() {
            clock.thread = None;
        }
        drop(clock);
        for bell in due {
            bell.has_rung.store(true, Ordering::Release);
            bell.waker.wake();
        }
        match next {
            // An alarm that is set or unset meanwhile ends the sleep.
            Some(next) => thread::park_timeout(next.saturating_duration_since(now)),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::task::Wake;
    use std::time::Duration;

    use super::*;

    struct Told(Sender<Instant>);

    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(Instant::now());
        }
    }

    #[test]
    fn alarms_ring_in_time_whatever_their_order_and_the_thread_ends_with_them() {
        let (sender, rung) = channel();
        let waker = Waker::from(Arc::new(Told(sender)));
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let later = Alarm::set(after(60)).unwrap();
        let sooner = Alarm::set(after(20)).unwrap();
        let never = Alarm::set(after(1_000_000)).unwrap();
        for alarm in [&later, &sooner, &never] {
            assert!(!alarm.has_rung(&waker));
        }
        assert!(rung.recv_timeout(Duration::from_secs(10)).unwrap() >= after(20));
        assert!(sooner.has_rung(Waker::noop()));
        assert!(rung.recv_timeout(Duration::from_secs(10)).unwrap() >= after(60));
        assert!(later.has_rung(Waker::noop()) && !never.has_rung(Waker::noop()));
        drop((later, sooner, never));
        let limit = Instant::now() + Duration::from_secs(10);
        while lock().thread.is_some() {
            assert!(Instant::now() < limit, "the thread goes on without an alarm");
            thread::yield_now();
        }
    }

    #[test]
    fn an_alarm_that_is_past_rings_at_once() {
        let alarm = Alarm::set(Instant::now()).unwrap();
        let (sender, rung) = channel();
        let waker = Waker::from(Arc::new(Told(sender)));
        if !alarm.has_rung(&waker) {
            rung.recv_timeout(Duration::from_secs(10)).unwrap();
            assert!(alarm.has_rung(&waker));
        }
    }
}
