//! The host, reached by semihosting: a breakpoint that QEMU (or a debug probe) takes as a call.

use super::machine;

/// SYS_OPEN: opens a file of the host.
const OPEN: usize = 0x01;
/// SYS_WRITE: writes to a file.
const WRITE: usize = 0x05;
/// SYS_READ: reads from a file.
const READ: usize = 0x06;
/// SYS_SEEK: goes to a place in a file.
const SEEK: usize = 0x0a;
/// SYS_FLEN: how long a file is.
const LENGTH: usize = 0x0c;
/// SYS_ELAPSED: nanoseconds of the host since the run began.
const ELAPSED: usize = 0x30;
/// SYS_GET_CMDLINE: what the program was started with.
const GET_COMMAND_LINE: usize = 0x15;
/// SYS_EXIT: ends the run.
const EXIT: usize = 0x18;

/// The name of the host's console, for the host's C library.
const CONSOLE: &[u8; 4] = b":tt\0";
/// [`OPEN`], how: to be read, as `fopen` has it with "rb".
const TO_READ: usize = 1;
/// [`OPEN`], how: to be written, as `fopen` has it with "w".
const TO_WRITE: usize = 4;
/// [`OPEN`], how: to be read and changed in place, as `fopen` has it with "r+b".
const TO_CHANGE: usize = 3;
/// The longest name of a file, with a zero behind it.
const NAME: usize = 128;
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

/// Something that no other start of the board had: how long the host has run us, in nanoseconds. It
/// stands for the random number generator that a device has.
pub fn random() -> u64 {
    let mut elapsed = 0_u64;
    // SAFETY: ELAPSED takes the address of 64 bits, and writes them.
    unsafe { machine::call(ELAPSED, (&raw mut elapsed).expose_provenance()) };
    // Numbers that are close to each other are far from each other then.
    elapsed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A file of the host, which is there already. Never closed: the run ends with it.
#[derive(Debug, Clone, Copy)]
pub struct File {
    handle: usize,
}

impl File {
    /// Opens a file to be read and changed in place; `None` if that cannot be done.
    pub fn open(name: &[u8]) -> Option<Self> {
        Self::open_as(name, TO_CHANGE)
    }

    fn open_as(name: &[u8], how: usize) -> Option<Self> {
        let mut ended = [0; NAME];
        ended.get_mut(..NAME - 1)?.get_mut(..name.len())?.copy_from_slice(name);
        let block = [ended.as_ptr().expose_provenance(), how, name.len()];
        // SAFETY: OPEN takes a block of these three words, and reads a name of that length, which
        // ends with a zero.
        let handle = unsafe { machine::call(OPEN, (&raw const block).expose_provenance()) };
        (handle != usize::MAX).then_some(Self { handle })
    }

    /// How many bytes it has; `None` if the host does not say.
    pub fn length(self) -> Option<usize> {
        let block = [self.handle];
        // SAFETY: LENGTH takes a block of this word.
        let length = unsafe { machine::call(LENGTH, (&raw const block).expose_provenance()) };
        (length != usize::MAX).then_some(length)
    }

    /// Goes to that byte of it, where the next read or write begins.
    pub fn seek(self, at: usize) -> Option<()> {
        let block = [self.handle, at];
        // SAFETY: SEEK takes a block of these two words.
        let failed = unsafe { machine::call(SEEK, (&raw const block).expose_provenance()) };
        (failed == 0).then_some(())
    }

    /// Reads what comes next; `None` unless there are as many bytes.
    pub fn read(self, bytes: &mut [u8]) -> Option<()> {
        let block = [self.handle, bytes.as_mut_ptr().expose_provenance(), bytes.len()];
        // SAFETY: READ takes a block of these three words, and writes at most that many bytes
        // there, which are lent to us.
        let missing = unsafe { machine::call(READ, (&raw const block).expose_provenance()) };
        (missing == 0).then_some(())
    }

    /// Writes to what comes next. The host has all of it when this returns: QEMU makes one system
    /// call of it, and keeps nothing back.
    pub fn write(self, bytes: &[u8]) -> Option<()> {
        let block = [self.handle, bytes.as_ptr().expose_provenance(), bytes.len()];
        // SAFETY: WRITE takes a block of these three words, and reads that many bytes there.
        let missing = unsafe { machine::call(WRITE, (&raw const block).expose_provenance()) };
        (missing == 0).then_some(())
    }
}

/// Reads a file of the host from its start, as much of it as there is room for. Returns how many
/// bytes that is; `None` if there is no such file.
pub fn read_file(name: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let file = File::open_as(name, TO_READ)?;
    let length = file.length()?.min(bytes.len());
    file.read(bytes.get_mut(..length)?)?;
    Some(length)
}

/// Ends the run, with exit status 0 for success and 1 else.
pub fn exit(success: bool) -> ! {
    // SAFETY: EXIT takes a reason in the place of an address.
    unsafe { machine::call(EXIT, if success { ENDED } else { FAILED }) };
    loop {
        machine::idle(); // No host took the call: nothing is left to do.
    }
}
