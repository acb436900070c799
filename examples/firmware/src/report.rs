//! What an image says about its run: without `core::fmt`, except for [`say`](say()).

use core::fmt::{self, Write as _};

use embedded_io_async::BufRead;

use crate::board::{host, stack};

/// Prints what arrived for one path: its length and hash, for the host to compare.
pub fn body(path: &[u8], length: u32, hash: Fnv) {
    Line::new().text(path).text(b" ").decimal(length).text(b" ").hex(hash.value()).print();
}

/// Prints how long the last fetch took, in milliseconds of the board.
pub fn took(milliseconds: u64) {
    Line::new().text(b"time ").decimal(milliseconds as u32).print();
}

/// Prints how deep the stack went, and ends the run.
pub fn finish(success: bool) -> ! {
    depth();
    host::exit(success)
}

/// Prints how deep the stack went until now.
pub fn depth() {
    Line::new().text(b"stack ").decimal(stack::peak()).print();
}

/// The 32-bit FNV-1a hash of bytes that come in pieces. Not for security: it tells the host
/// that the right bytes arrived in the right order.
#[derive(Clone, Copy, Debug)]
pub struct Fnv(u32);

impl Fnv {
    /// The hash of no bytes.
    pub const fn new() -> Self {
        Self(0x811c_9dc5)
    }

    /// Goes on with the next piece.
    pub fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }

    /// The hash of all pieces so far.
    pub const fn value(self) -> u32 {
        self.0
    }
}

impl Default for Fnv {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes all that comes of a body; returns its length and hash.
pub async fn read(body: &mut impl BufRead) -> Option<(u32, Fnv)> {
    let (mut length, mut hash) = (0, Fnv::new());
    loop {
        let content = body.fill_buf().await.ok()?;
        if content.is_empty() {
            return Some((length, hash));
        }
        hash.add(content);
        let count = content.len();
        length += count as u32;
        body.consume(count);
    }
}

/// One line of text, built piece by piece; what does not fit is left out.
#[derive(Debug)]
pub struct Line {
    bytes: [u8; 80],
    len: usize,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self { bytes: [0; 80], len: 0 }
    }

    /// Appends text.
    pub fn text(mut self, text: &[u8]) -> Self {
        for (free, byte) in self.bytes.iter_mut().skip(self.len).zip(text) {
            *free = *byte;
            self.len += 1;
        }
        self
    }

    /// Appends a number in decimal.
    pub fn decimal(self, number: u32) -> Self {
        self.digits::<10>(number, 1)
    }

    /// Appends a number in hexadecimal, always with eight digits.
    pub fn hex(self, number: u32) -> Self {
        self.digits::<16>(number, 8)
    }

    fn digits<const BASE: u32>(self, mut number: u32, at_least: usize) -> Self {
        let mut digits = [b'0'; 10];
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            if number == 0 && used >= at_least {
                break;
            }
            let value = (number % BASE) as u8;
            *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
            number /= BASE;
            used += 1;
        }
        self.text(digits.split_at(digits.len() - used).1)
    }

    /// Sends the line to the host.
    pub fn print(self) {
        let line = self.text(b"\n");
        host::print(line.bytes.split_at(line.len).0);
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

/// Prints a line, as `format_args` takes it: see [`say`](say()).
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::report::say(format_args!($($text)*)) };
}

/// Prints a line by `core::fmt`, in images whose size is not compared: it takes 12 KB of flash.
pub fn say(text: fmt::Arguments<'_>) {
    let mut line = Formatted { bytes: [0; 256], length: 0 };
    // It never fails: what does not fit is left out.
    let _ = line.write_fmt(text);
    let _ = line.write_str("\n");
    host::print(line.bytes.get(..line.length).unwrap_or_default());
}

struct Formatted {
    bytes: [u8; 256],
    length: usize,
}

impl fmt::Write for Formatted {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (free, byte) in self.bytes.iter_mut().skip(self.length).zip(text.bytes()) {
            *free = byte;
            self.length += 1;
        }
        Ok(())
    }
}
