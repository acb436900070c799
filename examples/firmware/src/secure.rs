//! What secure connections need beside a network: random numbers and the date.

use embassy_time::Instant;
use rand_core::{CryptoRng, Error, RngCore};

/// Numbers from a seed that the host gives: an emulated board has no generator.
///
/// **Not for a device.** Who knows the seed knows all keys. A device takes the generator of its
/// chip, or seeds one of cryptographic strength from that at each start.
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// From a seed in decimal.
    pub fn new(seed: &[u8]) -> Self {
        Self(number(seed))
    }
}

impl RngCore for Numbers {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// SplitMix64.
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = (self.next_u64() >> 56) as u8;
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// What embedded-tls asks for; see above for what it is not.
impl CryptoRng for Numbers {}

/// The date: the host's at the start, and what has passed since.
#[derive(Clone, Copy, Debug)]
pub struct Calendar(u64);

impl Calendar {
    /// From the seconds since 1970 began, in decimal.
    pub fn new(seconds: &[u8]) -> Self {
        Self(number(seconds))
    }

    /// Seconds since 1970 began.
    pub fn seconds(&self) -> u64 {
        self.0 + Instant::now().as_secs()
    }
}

#[cfg(any(feature = "tls", feature = "tls-job"))]
impl sortie_embassy::tls::Clock for Calendar {
    fn unix_seconds(&self) -> Option<u64> {
        Some(self.seconds())
    }
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0u64, |number, digit| {
        number.wrapping_mul(10).wrapping_add(u64::from(digit.wrapping_sub(b'0')))
    })
}
