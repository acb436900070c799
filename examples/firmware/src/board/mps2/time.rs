//! embassy-time's clock and alarms, on SysTick.
//!
//! A tick every millisecond, counted by its interrupt. A device on a battery would program the
//! next alarm instead and sleep until then; SysTick has 24 bits, which is 0.67 s at this board's
//! clock, so that needs another timer, and this image needs to be small and exact instead.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use embassy_sync::blocking_mutex::CriticalSectionMutex;
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

/// The system clock of both boards.
const CLOCK_HZ: u32 = 25_000_000;

struct State {
    now: Cell<u64>,
    /// When the first alarm is due; the queue is not looked at before.
    due: Cell<u64>,
    queue: RefCell<Queue>,
}

impl State {
    /// Wakes whoever is due, and notes who is next.
    fn advance(&self) {
        self.due.set(self.queue.borrow_mut().next_expiration(self.now.get()));
    }
}

struct Ticks(CriticalSectionMutex<State>);

embassy_time_driver::time_driver_impl!(static TICKS: Ticks = Ticks(CriticalSectionMutex::new(State {
    now: Cell::new(0),
    due: Cell::new(u64::MAX),
    queue: RefCell::new(Queue::new()),
})));

impl Driver for Ticks {
    fn now(&self) -> u64 {
        self.0.lock(|state| state.now.get())
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        self.0.lock(|state| {
            let sooner = state.queue.borrow_mut().schedule_wake(at, waker);
            if sooner {
                state.advance();
            }
        });
    }
}

/// Starts the clock.
pub(super) fn start(mut timer: SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CLOCK_HZ / TICK_HZ as u32 - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}

#[exception]
fn SysTick() {
    TICKS.0.lock(|state| {
        state.now.set(state.now.get() + 1);
        if state.now.get() >= state.due.get() {
            state.advance();
        }
    });
}
