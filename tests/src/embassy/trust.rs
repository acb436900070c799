//! What a device looks at servers with.

use sortie_embassy::tls::Clock;
use sortie_embassy::tls::rand_core::{CryptoRng, Error as NoNumbers, RngCore};

/// Numbers that nobody would take for random: the same in each run.
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// From their beginning.
    pub const FIRST: Self = Self(7);
}

impl CryptoRng for Numbers {}

impl RngCore for Numbers {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

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

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), NoNumbers> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// The first of January 2026.
#[derive(Debug, Clone, Copy)]
pub struct NewYear;

impl Clock for NewYear {
    fn unix_seconds(&self) -> Option<u64> {
        Some(1_767_225_600)
    }
}
