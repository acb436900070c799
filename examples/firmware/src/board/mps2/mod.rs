//! The Arm MPS2 boards.
//!
//! They differ in the core only, so one module serves both, with one file per device. No
//! description of the peripherals (PAC) is needed for one interrupt and one controller.

mod lan9118;
mod registers;
mod time;
pub mod watchdog;

use cortex_m::Peripherals;
use cortex_m::peripheral::SCB;
pub use cortex_m_rt::entry;
use cortex_m_rt::exception;

use super::host;

/// The network driver.
pub mod ethernet {
    pub use super::lan9118::{Buffers, Lan9118 as Ethernet, Received, Sending};
}

/// Starts what runs without being asked: the clock. Call it first, once.
pub fn start() {
    if let Some(peripherals) = Peripherals::take() {
        time::start(peripherals.SYST);
    }
}

/// Starts the board again, as its reset button does: nothing that is in RAM is kept.
pub fn restart() -> ! {
    SCB::sys_reset()
}

/// Asks the host for something.
///
/// # Safety
/// `argument` is what the operation takes, and where that is an address, what is there is as the
/// operation wants it.
// SAFETY: asked of the caller, as above.
pub(super) unsafe fn call(operation: usize, argument: usize) -> usize {
    // SAFETY: the caller's.
    unsafe { cortex_m_semihosting::syscall1(operation, argument) }
}

/// Waits for the next interrupt.
pub(super) fn idle() {
    cortex_m::asm::wfi();
}

#[cfg(target_os = "none")]
pub(super) fn stack_pointer() -> usize {
    cortex_m::register::msp::read() as usize
}

/// The board's code is only linted on the host, never run there.
#[cfg(not(target_os = "none"))]
pub(super) fn stack_pointer() -> usize {
    0
}

/// Takes every interrupt that has no vector of its own.
///
/// Without a PAC no device interrupt has one, so the one that is used is told apart by number.
/// Any other was never enabled: going on would only repeat it.
// SAFETY: the attribute asks for `unsafe`, as a handler may run in the middle of anything. This
// one touches what `lan9118::interrupt` may touch, and else ends the run.
#[exception]
unsafe fn DefaultHandler(irqn: i16) {
    if irqn == lan9118::INTERRUPT {
        lan9118::interrupt();
    } else {
        host::print(b"unexpected interrupt\n");
        host::exit(false);
    }
}

/// The watchdog was not fed. It resets the board if it is not for as long again.
// SAFETY: nothing of the interrupted program is touched.
#[exception]
unsafe fn NonMaskableInt() {
    host::print(b"the watchdog barks\n");
}

/// Ends the run as failed; by default a fault would hang it.
// SAFETY: nothing of the interrupted program is touched, and it is not returned to.
#[exception]
unsafe fn HardFault(_frame: &cortex_m_rt::ExceptionFrame) -> ! {
    host::print(b"hard fault\n");
    host::exit(false)
}
