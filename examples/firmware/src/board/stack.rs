//! How deep the stack went.
//!
//! The unused part of the stack is painted with one value; later, the lowest word that has
//! another value marks the deepest point reached. Interrupts use the same stack and are counted.

use core::ptr;

use super::machine::stack_pointer;

/// A value that programs seldom store, and never in long runs.
const PAINT: u32 = 0xcccc_cccc;

/// Bytes below the stack pointer that are left alone: the way back of [`paint`], which may be saved
/// behind the look at the pointer. An unoptimised build calls functions to write a word, too.
const MARGIN: usize = if cfg!(debug_assertions) { 256 } else { 32 };

unsafe extern "C" {
    /// The lowest word of the stack: the end of the static variables. Placed by link.x, under a
    /// different name on each architecture.
    #[cfg_attr(target_arch = "riscv32", link_name = "__estack")]
    static _stack_end: u32;
    /// One past the highest word, where the stack pointer starts. Placed by link.x.
    static _stack_start: u32;
}

/// Paints the stack below the caller.
///
/// Called once start-up is over, so that [`peak`] is about the program's work and not about the
/// large values that are moved into place before it.
#[inline(never)]
pub fn paint() {
    let end = stack_pointer().saturating_sub(MARGIN);
    let mut at = lowest();
    while at < end {
        // SAFETY: an aligned word of RAM from the end of the statics up to the stack pointer.
        // No Rust object is there: frames in use are above, and an interrupt that comes
        // between two words has given its frame back before the next one is written.
        unsafe { ptr::with_exposed_provenance_mut::<u32>(at).write_volatile(PAINT) };
        at += size_of::<u32>();
    }
}

/// Bytes of stack in use by the caller and those who called it.
#[inline(always)]
pub fn used() -> u32 {
    (&raw const _stack_start).addr().saturating_sub(stack_pointer()) as u32
}

/// The most bytes of stack in use at any moment since [`paint`]. If it is all there is, the stack
/// may have run over.
pub fn peak() -> u32 {
    let highest = (&raw const _stack_start).addr();
    let mut at = lowest();
    while at < highest {
        // SAFETY: an aligned word of the stack's RAM. It is only read, and a volatile read takes
        // whatever an interrupt may put there meanwhile.
        let word = unsafe { ptr::with_exposed_provenance::<u32>(at).read_volatile() };
        if word != PAINT {
            break;
        }
        at += size_of::<u32>();
    }
    (highest - at) as u32
}

fn lowest() -> usize {
    (&raw const _stack_end).addr()
}
