//! Where records begin and end in what a server sends (RFC 8446 §5), and which of them may come.
//!
//! embedded-tls takes an alert or a message of the handshake that is not encrypted at any time, so
//! that whoever can put bytes on the way could end a connection as if the server had, and panics at
//! some that no server sends. Hence this filter before it. It knows of the borders as well: a read
//! that is dropped at one loses nothing.

/// Bytes of a record's header.
const HEADER: usize = 5;

/// Around what is encrypted: one byte for its type and 16 to prove it.
const SEALED: usize = 17;

/// The most that a record holds (RFC 8446 §5.1), and the most where it is encrypted (§5.2).
const PLAIN_MOST: usize = 1 << 14;
const SEALED_MOST: usize = PLAIN_MOST + 256;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The server's hello is to come, or an alert. Exit: `Handshake`.
    Hello,
    /// The rest of the handshake, encrypted but for what changes nothing. Exit: `Open`.
    Handshake,
    /// Everything is encrypted.
    Open,
}

/// A record came that may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unexpected;

/// What came so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter {
    phase: Phase,
    header: [u8; HEADER],
    /// Bytes of the header that came.
    begun: usize,
    /// Bytes of the record that are to come behind it.
    left: usize,
}

impl Filter {
    pub(crate) const fn new() -> Self {
        Self { phase: Phase::Hello, header: [0; HEADER], begun: 0, left: 0 }
    }

    /// The handshake is done.
    pub(crate) const fn open(&mut self) {
        self.phase = Phase::Open;
    }

    /// Whether part of a record came, and not all of it.
    pub(crate) const fn is_amid(&self) -> bool {
        self.begun > 0 || self.left > 0
    }

    /// Takes note of bytes that came.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Unexpected> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let [byte, rest @ ..] = bytes else { break };
                bytes = rest;
                if let Some(place) = self.header.get_mut(self.begun) {
                    *place = *byte;
                }
                self.begun += 1;
                if self.begun == HEADER {
                    self.begun = 0;
                    self.left = self.begin()?;
                }
            } else {
                let count = self.left.min(bytes.len());
                bytes = bytes.get(count..).unwrap_or_default();
                self.left -= count;
            }
        }
        Ok(())
    }

    /// A header is whole. Returns the length of its record.
    fn begin(&mut self) -> Result<usize, Unexpected> {
        let [kind, _, _, high, low] = self.header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let is_fitting = match (self.phase, kind) {
            (Phase::Hello, HANDSHAKE) => {
                self.phase = Phase::Handshake;
                (1..=PLAIN_MOST).contains(&length)
            }
            (Phase::Hello, ALERT) => length == 2,
            (Phase::Handshake, CHANGE_CIPHER_SPEC) => length == 1,
            (Phase::Handshake | Phase::Open, APPLICATION_DATA) => {
                (SEALED..=SEALED_MOST).contains(&length)
            }
            _ => false,
        };
        if is_fitting { Ok(length) } else { Err(Unexpected) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = &[22, 3, 3, 0, 2, 0, 0];
    const SEALED_RECORD: [u8; 22] = {
        let mut record = [0; 22];
        record[0] = 23;
        record[4] = 17;
        record
    };

    fn after_hello() -> Filter {
        let mut filter = Filter::new();
        filter.pass(HELLO).unwrap();
        filter
    }

    #[test]
    fn a_border_is_where_a_record_has_ended() {
        let mut filter = Filter::new();
        for (at, byte) in HELLO.iter().enumerate() {
            assert_eq!(filter.is_amid(), at > 0);
            filter.pass(&[*byte]).unwrap();
        }
        assert!(!filter.is_amid());
        let mut twice = SEALED_RECORD.to_vec();
        twice.extend(SEALED_RECORD);
        for cut in 0..twice.len() {
            let mut filter = after_hello();
            filter.pass(&twice[..cut]).unwrap();
            assert_eq!(filter.is_amid(), cut % SEALED_RECORD.len() > 0);
            filter.pass(&twice[cut..]).unwrap();
            assert!(!filter.is_amid());
        }
    }

    #[test]
    fn once_keys_are_agreed_on_nothing_counts_that_is_not_encrypted() {
        let close_notify = [21, 3, 3, 0, 2, 1, 0];
        assert_eq!(Filter::new().pass(&close_notify), Ok(()));
        assert_eq!(after_hello().pass(&close_notify), Err(Unexpected));
        assert_eq!(after_hello().pass(HELLO), Err(Unexpected));
        let change = [20, 3, 3, 0, 1, 1];
        assert_eq!(after_hello().pass(&change), Ok(()));
        let mut open = after_hello();
        open.open();
        for record in [&close_notify[..], HELLO, &change] {
            assert_eq!(open.clone().pass(record), Err(Unexpected));
        }
        assert_eq!(open.pass(&SEALED_RECORD), Ok(()));
    }

    #[test]
    fn a_record_is_neither_empty_nor_too_long() {
        assert_eq!(after_hello().pass(&[23, 3, 3, 0, 16]), Err(Unexpected));
        assert_eq!(after_hello().pass(&[23, 3, 3, 0x41, 0]), Ok(()));
        assert_eq!(after_hello().pass(&[23, 3, 3, 0x41, 1]), Err(Unexpected));
        assert_eq!(Filter::new().pass(&[22, 3, 3, 0, 0]), Err(Unexpected));
        assert_eq!(Filter::new().pass(b"HTTP/"), Err(Unexpected));
    }
}
