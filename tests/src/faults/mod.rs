//! A proxy that fails on purpose, and what must come of it.
//!
//! It stands between a client and a scripted [`Origin`](crate::script::Origin), and does one thing
//! wrong at one byte of what passes: it cuts, stalls or corrupts. Each of the `exchanges` is
//! played with every fault at every byte of both directions, and the `judge` says what must come
//! of it:
//!
//! - `tamper`: the proxy;
//! - `exchanges`: what is played;
//! - `reading`: what the bytes of a response mean, read as plainly as possible;
//! - `judge`: what must come of a case, by `client`, which reads everything there is, and only
//!   then thinks;
//! - `on_streams`: the cases on the bare core, on the desktop driver, and on embassy.
//!
//! The cases on real sockets are in `tests/tests/faults`, with the same judge.

mod client;
mod exchanges;
mod judge;
mod on_streams;
mod reading;
mod tamper;

pub use exchanges::{Exchange, STORED, WHOLE, exchanges};
pub use judge::{Class, Expected, Recording, Seen};
pub use on_streams::{Tally, on_core, on_desktop, on_embassy, record, report};
pub(crate) use tamper::{Passed, Tamper};

/// One thing that goes wrong on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// In which direction.
    pub side: Side,
    /// At which byte of that direction, over all exchanges of the connection.
    pub at: usize,
    /// What.
    pub kind: Kind,
}

/// A direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// From the client to the origin.
    Request,
    /// From the origin to the client.
    Response,
}

/// What happens to a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The connection is closed before it, both ways.
    Close,
    /// The connection is broken before it.
    Reset,
    /// It does not pass, and nothing behind it does.
    Stall,
    /// This bit of it is another one.
    Flip(u8),
    /// Another byte comes in its place: this one, or the next where it is this one already.
    Replace(u8),
    /// It comes twice.
    Double,
    /// It does not come.
    Drop,
}

/// What comes in the place of a byte: what ends lines, what separates, digits, and beyond ASCII.
const OTHERS: [u8; 8] = [0, b'\n', b' ', b'0', b'z', 0xff, b'\r', b':'];

impl Kind {
    /// Every kind once, with another bit and another byte at each place.
    #[must_use]
    pub fn some(at: usize) -> Vec<Self> {
        let (bit, byte) = (1 << (at % 8), OTHERS[at % OTHERS.len()]);
        let corrupts = [Self::Flip(bit), Self::Replace(byte), Self::Double, Self::Drop];
        [Self::Close, Self::Reset, Self::Stall].into_iter().chain(corrupts).collect()
    }

    /// Every kind, with every bit and every other byte.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let flips = (0..8).map(|bit| Self::Flip(1 << bit));
        let others = OTHERS.into_iter().map(Self::Replace);
        let plain = [Self::Close, Self::Reset, Self::Stall, Self::Double, Self::Drop];
        plain.into_iter().chain(flips).chain(others).collect()
    }
}
