//! How long is waited after a failure: twice as long each time, and nobody at the same moment.

use embassy_time::Duration;

/// Numbers that differ from device to device, so that a thousand of them do not come back at once.
/// Not for secrets: SplitMix64, which is three lines and takes any seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A sequence that begins at `seed`, which the board takes from its generator.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub const fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 32) as u32
    }

    /// A duration up to `most`, each of its milliseconds as likely as any other.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let most = most.as_millis().min(u64::from(u32::MAX - 1));
        // The product of two numbers of 32 bits: no division, which a Cortex-M0 does not have.
        Duration::from_millis((u64::from(self.next()) * (most + 1)) >> 32)
    }
}

/// Exponential backoff with full jitter: anything between nothing and a span that doubles with each
/// failure, up to a ceiling.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    ceiling: Duration,
    failures: u32,
}

impl Backoff {
    /// No failure so far.
    #[must_use]
    pub const fn new(base: Duration, ceiling: Duration) -> Self {
        Self { base, ceiling, failures: 0 }
    }

    /// The most that is waited after the failures so far.
    #[must_use]
    pub fn span(&self) -> Duration {
        let doubled = self.failures.checked_sub(1).and_then(|times| 1_u64.checked_shl(times));
        let span = match doubled {
            Some(factor) => self.base.as_ticks().saturating_mul(factor),
            None if self.failures == 0 => 0,
            None => u64::MAX,
        };
        self.ceiling.min(Duration::from_ticks(span))
    }

    /// Another failure. Returns how long to wait.
    pub fn after_failure(&mut self, random: &mut Random) -> Duration {
        self.failures = self.failures.saturating_add(1);
        random.up_to(self.span())
    }

    /// Another failure that waiting longer and longer does not help sooner: the ceiling at once.
    pub fn after_hopeless(&mut self, random: &mut Random) -> Duration {
        self.failures = u32::MAX;
        random.up_to(self.span())
    }

    /// It went well: the next failure is the first one again.
    pub const fn after_success(&mut self) {
        self.failures = 0;
    }

    /// The span of a first failure.
    #[must_use]
    pub const fn base(&self) -> Duration {
        self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_secs(1);
    const CEILING: Duration = Duration::from_secs(300);

    #[test]
    fn the_span_doubles_up_to_the_ceiling_and_never_overflows() {
        let mut backoff = Backoff::new(BASE, CEILING);
        let mut random = Random::new(1);
        assert_eq!(backoff.span(), Duration::from_secs(0));
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            backoff.after_failure(&mut random);
            assert_eq!(backoff.span(), Duration::from_secs(seconds));
        }
        for _ in 0..200 {
            assert!(backoff.after_failure(&mut random) <= CEILING);
            assert_eq!(backoff.span(), CEILING);
        }
        assert!(backoff.after_hopeless(&mut random) <= CEILING);
        assert!(backoff.after_failure(&mut random) <= CEILING);
        backoff.after_success();
        backoff.after_failure(&mut random);
        assert_eq!(backoff.span(), BASE);
    }

    #[test]
    fn jitter_is_full_every_part_of_the_span_is_used() {
        let mut random = Random::new(7);
        let mut quarters = [0; 4];
        for _ in 0..4000 {
            let wait = random.up_to(Duration::from_secs(100));
            assert!(wait <= Duration::from_secs(100));
            quarters[(wait.as_millis() / 25_001) as usize] += 1;
        }
        assert!(quarters.iter().all(|&count| (850..1150).contains(&count)), "{quarters:?}");
    }

    #[test]
    fn two_devices_do_not_come_back_together() {
        let waits = |seed| {
            let (mut backoff, mut random) = (Backoff::new(BASE, CEILING), Random::new(seed));
            [(); 8].map(|()| backoff.after_failure(&mut random))
        };
        let (one, other) = (waits(1), waits(2));
        assert!(one.iter().zip(&other).filter(|(one, other)| one == other).count() <= 1);
        assert_eq!(one, waits(1));
    }

    #[test]
    fn nothing_to_wait_for_is_no_wait() {
        assert_eq!(Random::new(3).up_to(Duration::from_secs(0)), Duration::from_secs(0));
    }
}
