//! RISC-V's `virt`, with a network device of virtio in the first of its slots.
//!
//! It has no flash where a program could run: what stands for one is the start of its RAM, see
//! `memory/virt.x`.

mod plic;
mod time;
mod virtio;

use core::arch::asm;
use core::ptr;

pub use riscv_rt::entry;

use super::host;

/// A device that ends or restarts the machine, and what it is told to restart it.
const TEST_DEVICE: usize = 0x10_0000;
const RESTART: u32 = 0x7777;

/// The network driver.
pub mod ethernet {
    pub use super::virtio::{Buffers, Received, Sending, Virtio as Ethernet};
}

/// Starts what runs without being asked: the clock, and interrupts. Call it first, once.
pub fn start() {
    time::start();
    plic::start(virtio::INTERRUPT);
    // SAFETY: no critical section is open that this would end: the program begins.
    unsafe { riscv::interrupt::enable() };
}

/// Starts the board again, as its reset button does: nothing that is in RAM is kept.
pub fn restart() -> ! {
    // SAFETY: the board has this register, and nothing is read or written behind its back by it.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(TEST_DEVICE).write_volatile(RESTART) };
    loop {
        idle(); // Until it is done.
    }
}

/// Asks the host for something.
///
/// # Safety
/// `argument` is what the operation takes, and where that is an address, what is there is as the
/// operation wants it.
// SAFETY: asked of the caller, as above.
pub(super) unsafe fn call(operation: usize, argument: usize) -> usize {
    let result;
    // SAFETY: the sequence by which a debugger knows a call, uncompressed and within one page. The
    // host changes a0, and memory as the operation says, for which the caller answers. The two
    // shifts have no effect.
    unsafe {
        asm!(
            ".balign 16",
            ".option push",
            ".option norvc",
            "slli x0, x0, 0x1f",
            "ebreak",
            "srai x0, x0, 7",
            ".option pop",
            inlateout("a0") operation => result,
            in("a1") argument,
            options(nostack),
        );
    }
    result
}

/// Waits for the next interrupt.
pub(super) fn idle() {
    riscv::asm::wfi();
}

pub(super) fn stack_pointer() -> usize {
    let pointer;
    // SAFETY: it is only read.
    unsafe { asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// Takes an interrupt of a device, of which there is one.
#[riscv_rt::core_interrupt(riscv::interrupt::Interrupt::MachineExternal)]
fn external() {
    while let Some(source) = plic::claim() {
        if source == virtio::INTERRUPT {
            virtio::interrupt();
        }
        plic::complete(source);
    }
}

/// Takes what has no handler of its own. It was never enabled: going on would only repeat it.
// SAFETY: the name is the one that riscv-rt calls, and nothing else has it.
#[unsafe(export_name = "DefaultHandler")]
extern "C" fn unexpected() -> ! {
    host::print(b"unexpected interrupt\n");
    host::exit(false)
}

/// Ends the run as failed; by default an exception would hang it.
// SAFETY: the name is the one that riscv-rt calls, and nothing else has it. Nothing of the program
// is touched, and it is not returned to.
#[unsafe(export_name = "ExceptionHandler")]
extern "C" fn exception(_frame: &riscv_rt::TrapFrame) -> ! {
    host::print(b"exception\n");
    host::exit(false)
}
