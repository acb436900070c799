//! The Arm MPS2 boards `mps2-an385` (Cortex-M3) and `mps2-an386` (Cortex-M4) as QEMU has them.
//!
//! They differ in the core only, so one module serves both. Everything that touches hardware is
//! here, one file per device, and so is every `unsafe` block of this crate:
//!
//! - [`lan9118`]: the Ethernet controller, as a driver for embassy-net.
//! - [`time`]: embassy-time's clock and alarms, on SysTick.
//! - [`host`]: arguments, output and exit status, by semihosting.
//! - [`stack`]: how deep the stack went.
//!
//! No description of the peripherals (PAC) is needed for one interrupt and one controller.

pub mod host;
pub mod lan9118;
mod registers;
pub mod stack;
pub mod time;

use cortex_m::Peripherals;
use cortex_m_rt::exception;

/// Starts what runs without being asked: the clock. Call it first, once.
pub fn start() {
    if let Some(peripherals) = Peripherals::take() {
        time::start(peripherals.SYST);
    }
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

/// Ends the run as failed; by default a fault would hang it.
// SAFETY: nothing of the interrupted program is touched, and it is not returned to.
#[exception]
unsafe fn HardFault(_frame: &cortex_m_rt::ExceptionFrame) -> ! {
    host::print(b"hard fault\n");
    host::exit(false)
}
