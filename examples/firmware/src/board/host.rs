//! The host, reached by semihosting: a breakpoint that QEMU (or a debug probe) takes as a call.

use cortex_m_semihosting::{debug, hio, nr};

/// The command line that the image was started with: a program name, then its arguments.
#[derive(Debug)]
pub struct Arguments {
    line: [u8; 128],
}

impl Arguments {
    /// Asks the host. So one image serves every port and path, without being built again.
    ///
    /// Empty if there is no host, or the line is too long for us.
    pub fn read() -> Self {
        let mut arguments = Self { line: [0; 128] };
        // What the call takes: where to write, and how much room is there.
        let mut block = [(&raw mut arguments.line).expose_provenance(), arguments.line.len()];
        // SAFETY: SYS_GET_CMDLINE takes a block of these two words, writes at most that many bytes
        // to that address, and the length to the second word. Both are ours, and outlive it.
        let failed = unsafe {
            let block = (&raw mut block).expose_provenance();
            cortex_m_semihosting::syscall1(nr::GET_CMDLINE, block)
        };
        if failed != 0 {
            arguments.line = [0; 128];
        }
        arguments
    }

    /// The arguments, without the program name.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        let separated = |byte: &u8| matches!(byte, b' ' | 0);
        self.line.split(separated).filter(|word| !word.is_empty()).skip(1)
    }
}

/// Reads a port number in decimal; `None` unless it is one.
pub fn port(word: &[u8]) -> Option<u16> {
    let digit = |byte: &u8| char::from(*byte).to_digit(10);
    let next = |port: u16, digit: u32| port.checked_mul(10)?.checked_add(digit as u16);
    word.iter().try_fold(0, |port, byte| next(port, digit(byte)?)).filter(|port| *port != 0)
}

/// Writes to the host's standard output.
///
/// Each call stops the whole machine until the host has answered: for a few lines at the end, not
/// for a trace. A host that cannot print is no reason to stop.
pub fn print(text: &[u8]) {
    if let Ok(mut out) = hio::hstdout() {
        let _ = out.write_all(text);
    }
}

/// Ends the run, with exit status 0 for success and 1 else.
pub fn exit(success: bool) -> ! {
    debug::exit(if success { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    loop {
        cortex_m::asm::wfi(); // No host took the call: nothing is left to do.
    }
}
