//! Decisions read from the fuzzer's bytes.

/// Decisions read from the front of some bytes. When these are used up, every decision is the
/// first one, so that any input is a valid one and a shorter one is a simpler one.
#[derive(Debug, Clone)]
pub struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that was not read yet.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *first
    }

    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below 4.
    pub fn two(&mut self) -> usize {
        usize::from(self.byte() & 3)
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// One of `all`, which is not empty.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    /// Up to `most` bytes.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let length = most.min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes
    }

    /// A number: mostly a small one, sometimes one at the end of what is possible.
    pub fn number(&mut self) -> u64 {
        const EDGES: [u64; 6] = [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 32, 1 << 31, 1 << 16];
        match self.byte() {
            small @ 0..=199 => u64::from(small),
            200..=247 => u64::from(self.u16()),
            edge => EDGES[usize::from(edge) % EDGES.len()],
        }
    }

    /// The same, as a size.
    pub fn size(&mut self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX)
    }
}

/// The input, in which 0xff and a byte stand for a long row of one byte: limits are far away.
#[must_use]
pub fn unfolded(mut input: &[u8]) -> Vec<u8> {
    let mut unfolded = Vec::new();
    while let Some((first, rest)) = input.split_first() {
        input = rest;
        match (first, rest.split_first()) {
            (0xff, Some((row, rest))) if unfolded.len() < 1 << 17 => {
                unfolded.extend([*row; 1 << 11]);
                input = rest;
            }
            (first, _) => unfolded.push(*first),
        }
    }
    unfolded
}
