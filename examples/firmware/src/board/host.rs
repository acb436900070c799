//! The host, reached by semihosting: a breakpoint that QEMU (or a debug probe) takes as a call.

use super::machine;

/// SYS_OPEN: opens a file of the host.
const OPEN: usize = 0x01;
/// SYS_CLOSE: closes a file.
const CLOSE: usize = 0x02;
/// SYS_READ: reads from a file.
const READ: usize = 0x06;
/// SYS_WRITE: writes to a file.
const WRITE: usize = 0x05;
/// SYS_GET_CMDLINE: what the program was started with.
const GET_COMMAND_LINE: usize = 0x15;
/// SYS_EXIT: ends the run.
const EXIT: usize = 0x18;

/// The name of the host's console, for the host's C library.
const CONSOLE: &[u8; 4] = b":tt\0";
/// [`OPEN`], how: to be read, as `fopen` has it with "rb".
const TO_READ: usize = 1;
/// What [`OPEN`] says where there is no such file.
const NO_FILE: usize = usize::MAX;
/// [`OPEN`], how: to be written, as `fopen` has it with "w".
const TO_WRITE: usize = 4;
/// [`EXIT`], why: the program ended by itself. It counts as success.
const ENDED: usize = 0x20026;
/// [`EXIT`], why: an error of the program.
const FAILED: usize = 0x20023;

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
        // SAFETY: GET_COMMAND_LINE takes a block of these two words, writes at most that many bytes
        // to that address, and the length to the second word. Both are ours, and outlive it.
        let failed =
            unsafe { machine::call(GET_COMMAND_LINE, (&raw mut block).expose_provenance()) };
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
/// Each call stops the whole machine until the host has answered, and opens the console once more:
/// for a few lines, not for a trace. A host that cannot print is no reason to stop.
pub fn print(text: &[u8]) {
    let name = [CONSOLE.as_ptr().expose_provenance(), TO_WRITE, CONSOLE.len() - 1];
    // SAFETY: OPEN takes a block of these three words, and reads a name of that length, which ends
    // with a zero.
    let file = unsafe { machine::call(OPEN, (&raw const name).expose_provenance()) };
    let block = [file, text.as_ptr().expose_provenance(), text.len()];
    // SAFETY: WRITE takes a block of these three words, and reads that many bytes there.
    unsafe { machine::call(WRITE, (&raw const block).expose_provenance()) };
}

/// Reads a file of the host from its start, as much of it as there is room for. Returns how many
/// bytes that is; `None` if there is no such file.
pub fn read_file(name: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let mut ended = [0; 128];
    ended.get_mut(..name.len())?.copy_from_slice(name);
    ended.get(name.len())?; // A zero is behind it.
    let block = [(&raw const ended).expose_provenance(), TO_READ, name.len()];
    // SAFETY: OPEN takes a block of these three words, and reads a name of that length, which ends
    // with a zero.
    let file = unsafe { machine::call(OPEN, (&raw const block).expose_provenance()) };
    if file == NO_FILE {
        return None;
    }
    let block = [file, bytes.as_mut_ptr().expose_provenance(), bytes.len()];
    // SAFETY: READ takes a block of these three words, and writes at most that many bytes there.
    let left = unsafe { machine::call(READ, (&raw const block).expose_provenance()) };
    let block = [file];
    // SAFETY: CLOSE takes a block of this word.
    unsafe { machine::call(CLOSE, (&raw const block).expose_provenance()) };
    bytes.len().checked_sub(left)
}

/// Ends the run, with exit status 0 for success and 1 else.
pub fn exit(success: bool) -> ! {
    // SAFETY: EXIT takes a reason in the place of an address.
    unsafe { machine::call(EXIT, if success { ENDED } else { FAILED }) };
    loop {
        machine::idle(); // No host took the call: nothing is left to do.
    }
}
