//! The watchdog of the boards: Arm's APB watchdog of the CMSDK.

use core::ptr;

const BASE: usize = 0x4000_8000;

/// WDOGLOAD: the cycles it counts down from. Writing it starts the count again.
const LOAD: usize = BASE;
/// WDOGCONTROL: what happens at the end of the count.
const CONTROL: usize = BASE + 0x008;
/// WDOGLOCK: the registers can be written only with the key in it.
const LOCK: usize = BASE + 0xc00;

/// [`CONTROL`]: the first end of the count interrupts, a second one without food in between resets.
const INTERRUPT_AND_RESET: u32 = 0b11;
const KEY: u32 = 0x1acc_e551;

/// Cycles of its clock in a millisecond: 25 MHz.
const CYCLES: u32 = 25_000;

/// A watchdog that runs. It barks when it was not fed for its time, and bites when it was not for
/// as long again.
#[derive(Debug)]
pub struct Dog {
    cycles: u32,
}

impl Dog {
    /// Starts it. From now on it has to be fed at least every so many milliseconds.
    pub fn start(milliseconds: u32) -> Self {
        let mut dog = Self { cycles: milliseconds.saturating_mul(CYCLES) };
        dog.feed();
        write(LOCK, KEY);
        write(CONTROL, INTERRUPT_AND_RESET);
        write(LOCK, 0);
        dog
    }

    /// Its time begins again.
    pub fn feed(&mut self) {
        write(LOCK, KEY);
        write(LOAD, self.cycles);
        write(LOCK, 0);
    }
}

fn write(address: usize, value: u32) {
    // SAFETY: one of the aligned registers above, of a device that is always there, where no Rust
    // object is. It has no access to memory, so that no value written to it can change any.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(value) }
}
