//! The interrupt controller (PLIC): which device calls.

use core::ptr;

/// Where the controller is.
const BASE: usize = 0x0c00_0000;
/// A priority for each source, in words.
const PRIORITY: usize = BASE;
/// A bit for each source that the first hart takes in machine mode.
const ENABLE: usize = BASE + 0x2000;
/// Only what has more priority than this calls.
const THRESHOLD: usize = BASE + 0x20_0000;
/// Reading takes the source that calls, writing it back lets it call again.
const CLAIM: usize = BASE + 0x20_0004;

/// Lets one source call, which is below 32.
pub(super) fn start(source: u32) {
    write(PRIORITY + source as usize * size_of::<u32>(), 1);
    write(ENABLE, 1 << source);
    write(THRESHOLD, 0);
    // SAFETY: the handler may run from here on. It shares nothing with code that it may interrupt
    // but a waker, which is made for that, and registers that only it uses.
    unsafe { riscv::register::mie::set_mext() };
}

/// The source that calls, if one does.
pub(super) fn claim() -> Option<u32> {
    let address = ptr::with_exposed_provenance::<u32>(CLAIM);
    // SAFETY: an aligned register of a device that is always there, where no Rust object is.
    let source = unsafe { address.read_volatile() };
    (source != 0).then_some(source)
}

/// Lets a source call again.
pub(super) fn complete(source: u32) {
    write(CLAIM, source);
}

fn write(address: usize, value: u32) {
    let address = ptr::with_exposed_provenance_mut::<u32>(address);
    // SAFETY: an aligned register of a device that is always there, where no Rust object is; the
    // controller has no access to memory.
    unsafe { address.write_volatile(value) }
}
