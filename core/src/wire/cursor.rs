//! Writing a message piecewise into whatever room there is.

/// Writes the bytes `from..` of a message that is produced in pieces, as far as `output` has room.
///
/// The message is the concatenation of all [`put`](Self::put) calls. What lies before `from` was
/// written by an earlier call and is skipped; what does not fit is left for a later one. The cost
/// of coming back is one comparison a piece, not a byte.
pub(crate) struct Cursor<'a> {
    skip: usize,
    room: &'a mut [u8],
    /// The room that there was at first.
    length: usize,
    total: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(output: &'a mut [u8], from: usize) -> Self {
        let length = output.len();
        Self { skip: from, room: output, length, total: 0 }
    }

    /// Appends one piece of the message.
    #[cfg_attr(not(target_os = "none"), inline)]
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn put(&mut self, piece: &[u8]) {
        self.total = self.total.saturating_add(piece.len());
        if self.skip == 0 && piece.len() <= self.room.len() {
            self.copy(piece);
        } else {
            self.put_part(piece);
        }
    }

    /// The rare case of a piece that was written in part, or that fits only in part.
    #[cold]
    fn put_part(&mut self, piece: &[u8]) {
        let Some(rest) = piece.get(self.skip..) else {
            self.skip = self.skip.saturating_sub(piece.len());
            return;
        };
        self.skip = 0;
        self.copy(rest.get(..self.room.len()).unwrap_or(rest));
    }

    /// Appends some pieces: the same as one after another, with one look at the room for all.
    #[cfg_attr(not(target_os = "none"), inline)]
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn put_all(&mut self, pieces: &[&[u8]]) {
        let length = pieces.iter().fold(0, |sum: usize, piece| sum.saturating_add(piece.len()));
        // On a device the code of it would weigh more than the time.
        if !cfg!(target_os = "none") && self.skip == 0 && length <= self.room.len() {
            self.total = self.total.saturating_add(length);
            let room = core::mem::take(&mut self.room);
            self.room = pieces.iter().fold(room, |room, piece| copied(room, piece));
        } else {
            pieces.iter().for_each(|piece| self.put(piece));
        }
    }

    /// `piece` is not longer than the room.
    #[inline]
    fn copy(&mut self, piece: &[u8]) {
        let room = core::mem::take(&mut self.room);
        self.room = copied(room, piece);
    }

    /// Appends `value` in decimal. By doubling what is there for each bit: that needs no division,
    /// which a Cortex-M0 has not, and no table.
    pub(crate) fn put_decimal(&mut self, value: u64) {
        // The last digit first.
        let mut digits = [b'0'; 20];
        let mut used = 1;
        for bit in (0..u64::BITS).rev() {
            let mut carry = u8::from(value >> bit & 1 != 0);
            for digit in digits.iter_mut().take(used) {
                let double = (*digit & 15) << 1 | carry;
                carry = u8::from(double >= 10);
                *digit = b'0' | if double >= 10 { double.wrapping_sub(10) } else { double };
            }
            if carry != 0 {
                if let Some(digit) = digits.get_mut(used) {
                    *digit = b'1';
                }
                used = used.wrapping_add(1);
            }
        }
        for digit in digits.iter().take(used).rev() {
            self.put(&[*digit]);
        }
    }

    /// Appends `value` in hexadecimal, without leading zeros (RFC 9112 §7.1).
    pub(crate) fn put_hex(&mut self, value: u64) {
        let mut leading = true;
        for shift in (0..16).rev() {
            let nibble = u8::try_from((value >> (shift * 4)) & 15).unwrap_or(0);
            leading = leading && nibble == 0 && shift != 0;
            if !leading {
                let base = if nibble < 10 { b'0' } else { b'a' - 10 };
                self.put(&[base.wrapping_add(nibble)]);
            }
        }
    }

    /// Bytes written to `output`, and whether they reach to the end of the message.
    pub(crate) fn finish(self, from: usize) -> (usize, bool) {
        let written = self.length.saturating_sub(self.room.len());
        (written, from.saturating_add(written) >= self.total)
    }
}

/// Copies `piece`, which is not longer, to the front of `room`. Returns the rest.
///
/// A zip instead of `copy_from_slice`, whose length check stays in the image at `opt-level = "s"`
/// and with it a panic; both compile to `memcpy`.
#[inline]
fn copied<'a>(room: &'a mut [u8], piece: &[u8]) -> &'a mut [u8] {
    let Some((front, rest)) = room.split_at_mut_checked(piece.len()) else {
        return &mut [];
    };
    for (to, from) in front.iter_mut().zip(piece) {
        *to = *from;
    }
    rest
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{format, vec, vec::Vec};

    fn message(output: &mut [u8], from: usize) -> (usize, bool) {
        let mut cursor = Cursor::new(output, from);
        cursor.put(b"POST ");
        cursor.put_decimal(1_020_304);
        cursor.put(b"");
        cursor.put_hex(0x1a0f);
        cursor.finish(from)
    }

    #[test]
    fn any_sequence_of_rooms_gives_the_same_message() {
        for room in 1..20 {
            let (mut all, mut done) = (Vec::new(), false);
            while !done {
                let mut output = vec![0; room];
                let (written, end) = message(&mut output, all.len());
                all.extend_from_slice(&output[..written]);
                done = end;
            }
            assert_eq!(all, b"POST 10203041a0f", "room of {room}");
        }
    }

    #[test]
    fn numbers_have_no_leading_zeros_and_do_not_overflow() {
        for value in [0, 1, 9, 10, 15, 16, 255, 4096, u64::from(u32::MAX), u64::MAX] {
            let mut output = [0; 64];
            let mut cursor = Cursor::new(&mut output, 0);
            cursor.put_decimal(value);
            cursor.put(b" ");
            cursor.put_hex(value);
            let (written, _) = cursor.finish(0);
            assert_eq!(output[..written], *format!("{value} {value:x}").as_bytes());
        }
    }
}
