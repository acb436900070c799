//! The proxy: what becomes of each byte that passes.

use super::{Fault, Kind, Side};
use crate::script::Step;

/// The proxy on one connection.
#[derive(Debug)]
pub(crate) struct Tamper {
    fault: Option<Fault>,
    /// Bytes that came, on the side of the fault.
    came: usize,
}

/// What becomes of a byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// It passes, as this one.
    As(u8),
    /// It passes twice.
    Twice(u8),
    /// It does not pass.
    Not,
    /// The connection ends before it.
    Ends(Step),
}

impl Tamper {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self { fault, came: 0 }
    }

    /// Whether there is a proxy at all.
    pub(crate) fn is_there(&self) -> bool {
        self.fault.is_some()
    }

    /// Whether nothing passes on this side any more, not even an end.
    pub(crate) fn is_stalled(&self, on: Side) -> bool {
        self.fault.is_some_and(|Fault { side, at, kind }| {
            side == on && kind == Kind::Stall && self.came > at
        })
    }

    pub(crate) fn pass(&mut self, on: Side, byte: u8) -> Passed {
        let Some(Fault { at, kind, .. }) = self.fault.filter(|fault| fault.side == on) else {
            return Passed::As(byte);
        };
        let place = self.came;
        self.came += 1;
        match kind {
            Kind::Stall if place >= at => Passed::Not,
            _ if place != at => Passed::As(byte),
            Kind::Close => Passed::Ends(Step::Close),
            Kind::Reset => Passed::Ends(Step::Reset),
            Kind::Flip(bit) => Passed::As(byte ^ bit),
            Kind::Replace(other) if other == byte => Passed::As(byte.wrapping_add(1)),
            Kind::Replace(other) => Passed::As(other),
            Kind::Double => Passed::Twice(byte),
            Kind::Drop | Kind::Stall => Passed::Not,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(kind: Kind) -> (Vec<u8>, Option<Step>) {
        let mut tamper = Tamper::new(Some(Fault { side: Side::Request, at: 1, kind }));
        let mut bytes = Vec::new();
        for byte in *b"abc" {
            assert_eq!(tamper.pass(Side::Response, byte), Passed::As(byte), "the other side");
            match tamper.pass(Side::Request, byte) {
                Passed::As(byte) => bytes.push(byte),
                Passed::Twice(byte) => bytes.extend([byte, byte]),
                Passed::Not => {}
                Passed::Ends(step) => return (bytes, Some(step)),
            }
        }
        (bytes, None)
    }

    #[test]
    fn one_byte_is_met_and_no_other() {
        assert_eq!(passed(Kind::Close), (b"a".to_vec(), Some(Step::Close)));
        assert_eq!(passed(Kind::Reset), (b"a".to_vec(), Some(Step::Reset)));
        assert_eq!(passed(Kind::Stall), (b"a".to_vec(), None));
        assert_eq!(passed(Kind::Flip(1)), (b"acc".to_vec(), None));
        assert_eq!(passed(Kind::Replace(b'x')), (b"axc".to_vec(), None));
        assert_eq!(passed(Kind::Replace(b'b')), (b"acc".to_vec(), None));
        assert_eq!(passed(Kind::Double), (b"abbc".to_vec(), None));
        assert_eq!(passed(Kind::Drop), (b"ac".to_vec(), None));
    }
}
