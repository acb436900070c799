//! embassy-time's clock and alarms, on the machine timer of the hart (CLINT).
//!
//! It counts by itself and calls when the next alarm is due: nothing runs in between.

use core::cell::RefCell;
use core::ptr;
use core::task::Waker;

use embassy_sync::blocking_mutex::CriticalSectionMutex;
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

/// The timer counts to this, and calls.
const COMPARE: usize = 0x0200_4000;
/// The timer.
const COUNT: usize = 0x0200_bff8;
/// What the timer counts in a tick: its clock is 10 MHz.
const COUNT_PER_TICK: u64 = 10_000_000 / TICK_HZ;

struct Timer(CriticalSectionMutex<RefCell<Queue>>);

embassy_time_driver::time_driver_impl!(static TIMER: Timer = Timer(CriticalSectionMutex::new(
    RefCell::new(Queue::new())
)));

impl Driver for Timer {
    fn now(&self) -> u64 {
        count() / COUNT_PER_TICK
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        self.0.lock(|queue| {
            let mut queue = queue.borrow_mut();
            if queue.schedule_wake(at, waker) {
                self.advance(&mut queue);
            }
        });
    }
}

impl Timer {
    /// Wakes whoever is due, and calls again when the next one is. One that is due by then calls at
    /// once.
    fn advance(&self, queue: &mut Queue) {
        let next = queue.next_expiration(self.now());
        set_compare(next.saturating_mul(COUNT_PER_TICK));
    }
}

/// Starts the alarms; the timer runs since the board does.
pub(super) fn start() {
    set_compare(u64::MAX);
    // SAFETY: the handler may run from here on. What it shares is behind a critical section.
    unsafe { riscv::register::mie::set_mtimer() };
}

#[riscv_rt::core_interrupt(riscv::interrupt::Interrupt::MachineTimer)]
fn alarm() {
    TIMER.0.lock(|queue| TIMER.advance(&mut queue.borrow_mut()));
}

/// The timer, whose two halves are not read at once.
fn count() -> u64 {
    loop {
        let high = read(COUNT + 4);
        let low = read(COUNT);
        if read(COUNT + 4) == high {
            return u64::from(high) << 32 | u64::from(low);
        }
    }
}

/// Sets when the timer calls, without a moment at which it would too early.
fn set_compare(at: u64) {
    write(COMPARE, u32::MAX);
    write(COMPARE + 4, (at >> 32) as u32);
    write(COMPARE, at as u32);
}

fn read(address: usize) -> u32 {
    let address = ptr::with_exposed_provenance::<u32>(address);
    // SAFETY: an aligned register of a device that is always there, where no Rust object is.
    unsafe { address.read_volatile() }
}

fn write(address: usize, value: u32) {
    let address = ptr::with_exposed_provenance_mut::<u32>(address);
    // SAFETY: as in `read`; the timer has no access to memory.
    unsafe { address.write_volatile(value) }
}
