//! What the images of this folder share: an emulated board, a TCP/IP stack on it, a report.
//!
//! Each image under `src/bin/` is one program for an Arm MPS2 board, started by QEMU with a port
//! and paths as arguments. It fetches those paths from a server on the host over real Ethernet
//! frames, prints what arrived and how much stack that took, and exits with 0 or 1. The same
//! image runs on Cortex-M3 and Cortex-M4; `run.py` builds and checks them all.
//!
//! - [`board`]: the hardware, and the only place with `unsafe`.
//! - [`net`]: embassy-net over the board's Ethernet, its address from DHCP.
//! - [`report`]: sums and lines of text without `core::fmt`.

#![no_std]

#[allow(unsafe_code)]
pub mod board;
pub mod net;
pub mod report;
#[cfg(feature = "secure")]
pub mod secure;

/// Ends the run as failed. The message is not looked at: to format it takes 12 KB of flash, and
/// sizes are what these images are for.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    board::host::print(b"panic\n");
    board::host::exit(false)
}
