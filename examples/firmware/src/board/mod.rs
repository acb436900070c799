//! The boards, as QEMU has them. Everything that touches hardware is here, and so is every `unsafe`
//! block of this crate.
//!
//! - `mps2`: Arm's `mps2-an385` (Cortex-M3) and `mps2-an386` (Cortex-M4).
//! - `virt`: RISC-V's `virt`.
//!
//! The target says which of them is compiled. Each brings what is used from outside under the same
//! names: [`start`], [`restart`], [`entry`], and [`ethernet`], a driver for embassy-net; and a
//! clock for embassy-time, which nobody names. Arm's have a `watchdog`, too. What they have in
//! common is beside them:
//!
//! - [`host`]: arguments, output, files and exit status, by semihosting.
//! - `flash`: one of those files as a NOR flash. Of the image `ota` alone.
//! - [`stack`]: how deep the stack went.

#[cfg(feature = "ota")]
pub mod flash;
pub mod host;
#[cfg(not(target_arch = "riscv32"))]
mod mps2;
pub mod stack;
#[cfg(target_arch = "riscv32")]
mod virt;

#[cfg(not(target_arch = "riscv32"))]
use mps2 as machine;
#[cfg(target_arch = "riscv32")]
use virt as machine;

#[cfg(not(target_arch = "riscv32"))]
pub use machine::watchdog;
pub use machine::{entry, ethernet, restart, start};
