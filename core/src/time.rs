//! Time as the core sees it: microseconds since an epoch that the adapter chose.

/// A point in time: microseconds since an epoch of the adapter's choice.
///
/// The core has no clock. Adapters convert from theirs and hand the result in with every
/// `handle_*` call; 64 bits of microseconds last for half a million years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

impl Instant {
    /// The epoch itself.
    pub const EPOCH: Self = Self(0);

    /// The end of time stands for never: whatever is added to it, it stays that.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The instant that is `micros` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The instant `micros` microseconds later; the end of time instead of an overflow.
    #[must_use]
    #[cfg_attr(target_os = "none", inline(never))]
    pub const fn after(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds from here to `later`; 0 if that is not later.
    #[must_use]
    pub const fn until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }
}
