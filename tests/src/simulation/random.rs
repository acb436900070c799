//! Numbers that look random; the same for the same seed.

/// splitmix64.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Numbers of another stream, so that one more drawn here changes nothing there.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Less than `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// As that, for an index or a length.
    pub(crate) fn index(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True so often in a hundred.
    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    /// A length whose magnitude is random, up to `most`: short ones are as likely as long ones.
    pub(crate) fn length(&mut self, most: u64) -> u64 {
        let bits = 64 - most.leading_zeros();
        let bits = self.below(u64::from(bits) + 1);
        self.below(1 << bits).min(most)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a body is about: every byte of it tells whose it is, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// What a task sends.
    Upload,
    /// What the origin of a hop answers.
    Answer(usize),
}

/// The byte at `offset` of a body of `task`.
pub(crate) fn byte_of(task: usize, side: Side, offset: u64) -> u8 {
    let side = match side {
        Side::Upload => 0,
        Side::Answer(hop) => hop as u64 + 1,
    };
    let block = mix((task as u64) << 48 ^ side << 40 ^ (offset / 8));
    block.to_le_bytes()[(offset % 8) as usize]
}

/// Bytes of a body of `task`, from `offset` on.
pub(crate) fn bytes_of(task: usize, side: Side, offset: u64, count: usize) -> Vec<u8> {
    (offset..offset + count as u64).map(|at| byte_of(task, side, at)).collect()
}
