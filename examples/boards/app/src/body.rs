//! A batch as JSON, without `core::fmt` and without an allocator.

use crate::queue::{BATCH, Reading};

/// The longest name of a device.
pub const NAME: usize = 32;

/// Room that every batch fits into: what stands around the readings, and them.
pub const ROOM: usize = 115 + NAME + BATCH * 68;

/// Room for the key of every batch: quotes, name, start and number.
pub const KEY: usize = NAME + 2 + 16 + 2 + 10;

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender<'a> {
    name: &'a str,
    start: u64,
}

impl<'a> Sender<'a> {
    /// A device of this name, which has just started: `start` is a random number that no other
    /// start of it had, so that keys are never used twice. `None` where the name is empty, too
    /// long, or has anything but letters, digits, `-`, `.` and `_`, which JSON and fields take as
    /// they are.
    #[must_use]
    pub fn new(name: &'a str, start: u64) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_name = (1..=NAME).contains(&name.len()) && name.bytes().all(is_plain);
        is_name.then_some(Self { name, start })
    }
}

/// What a batch is beside its readings. The same each time that the batch is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Label {
    /// Counted since the device started.
    pub number: u32,
    /// Readings that had to be dropped until then, because the queue was full.
    pub dropped: u32,
    /// Readings that the server refused for good until then.
    pub refused: u32,
}

/// Writes the batch to `room`, which every batch fits into, and returns it.
pub fn write<'r, 'b>(
    sender: &Sender<'_>,
    label: &Label,
    readings: impl Iterator<Item = &'r Reading>,
    room: &'b mut [u8; ROOM],
) -> &'b [u8] {
    let mut text = Text { room, length: 0 };
    text.put(b"{\"device\":\"").put(sender.name.as_bytes());
    text.put(b"\",\"start\":\"").hexadecimal(sender.start);
    text.put(b"\",\"batch\":").decimal(label.number.into());
    text.put(b",\"dropped\":").decimal(label.dropped.into());
    text.put(b",\"refused\":").decimal(label.refused.into());
    text.put(b",\"readings\":[");
    for (index, reading) in readings.enumerate() {
        text.put(if index == 0 { b"{\"number\":" } else { b",{\"number\":" });
        text.decimal(reading.number.into());
        text.put(b",\"at\":").decimal(reading.at.as_millis());
        text.put(b",\"value\":");
        text.put(if reading.value < 0 { b"-" } else { b"" });
        text.decimal(reading.value.unsigned_abs().into()).put(b"}");
    }
    text.put(b"]}").written()
}

/// Writes the value of Idempotency-Key: one for each batch, the same for each attempt to send it.
pub fn key<'b>(sender: &Sender<'_>, number: u32, room: &'b mut [u8; KEY]) -> &'b [u8] {
    let mut text = Text { room, length: 0 };
    text.put(b"\"").put(sender.name.as_bytes()).put(b"-").hexadecimal(sender.start);
    text.put(b"-").decimal(number.into()).put(b"\"").written()
}

/// Text that grows in a buffer.
struct Text<'b> {
    room: &'b mut [u8],
    length: usize,
}

impl<'b> Text<'b> {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        for (free, byte) in self.room.iter_mut().skip(self.length).zip(bytes) {
            *free = *byte;
            self.length += 1;
        }
        self
    }

    fn decimal(&mut self, mut number: u64) -> &mut Self {
        let mut digits = [b'0'; 20];
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            used += 1;
            if number == 0 {
                break;
            }
        }
        self.put(digits.split_at(digits.len() - used).1)
    }

    fn hexadecimal(&mut self, number: u64) -> &mut Self {
        for nibble in (0..16).rev().map(|place| (number >> (place * 4)) as u8 & 15) {
            self.put(&[if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }]);
        }
        self
    }

    fn written(&mut self) -> &'b [u8] {
        let (written, _) = core::mem::take(&mut self.room).split_at(self.length);
        written
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::String;

    use embassy_time::Instant;

    use super::*;

    fn text(readings: &[Reading], label: Label) -> String {
        let mut room = [0; ROOM];
        let sender = Sender::new("pico-1", 0x0123_4567_89ab_cdef).unwrap();
        let bytes = write(&sender, &label, readings.iter(), &mut room);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_batch_is_json() {
        let readings = [
            Reading { number: 0, at: Instant::from_millis(0), value: 21_500 },
            Reading { number: 1, at: Instant::from_millis(60_000), value: -1 },
        ];
        let label = Label { number: 7, dropped: 3, refused: 0 };
        assert_eq!(
            text(&readings, label),
            "{\"device\":\"pico-1\",\"start\":\"0123456789abcdef\",\"batch\":7,\"dropped\":3,\
             \"refused\":0,\"readings\":[{\"number\":0,\"at\":0,\"value\":21500},\
             {\"number\":1,\"at\":60000,\"value\":-1}]}"
        );
    }

    #[test]
    fn the_longest_batch_has_room_and_so_has_its_key() {
        let last = Reading { number: u32::MAX, at: Instant::MAX, value: i32::MIN };
        let label = Label { number: u32::MAX, dropped: u32::MAX, refused: u32::MAX };
        let name = "x".repeat(NAME);
        let sender = Sender::new(&name, u64::MAX).unwrap();
        let mut room = [0; ROOM];
        let written = write(&sender, &label, [last; BATCH].iter(), &mut room);
        assert!(written.ends_with(b"\"value\":-2147483648}]}"), "it is cut");
        // The longest time has 17 digits here, and 20 where a tick is a millisecond.
        assert!(ROOM - written.len() <= 1 + BATCH * 3, "there is room that is never used");
        let mut room = [0; KEY];
        let key = key(&sender, u32::MAX, &mut room);
        assert!(key.ends_with(b"-ffffffffffffffff-4294967295\""), "it is cut");
        assert_eq!(key.len(), KEY);
    }

    #[test]
    fn a_name_that_json_or_a_field_would_not_take_is_refused() {
        for name in ["", "a b", "a\"b", "a\\b", "a\r\nb", "\u{e4}", &"x".repeat(NAME + 1)] {
            assert_eq!(Sender::new(name, 0), None, "{name:?}");
        }
    }
}
