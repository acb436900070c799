//! The priority of a task.

use std::fmt;

/// How soon a task gets a connection, beside others of its session that wait for one: from 0.0 to
/// 1.0, kept in thousandths.
///
/// It orders those that wait; it does not slow down one that runs. A task of lower priority is not
/// starved: waiting counts for it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u16);

impl Priority {
    /// 0.25, as URLSession's.
    pub const LOW: Self = Self(250);
    /// 0.5, as URLSession's.
    pub const DEFAULT: Self = Self(500);
    /// 0.75, as URLSession's.
    pub const HIGH: Self = Self(750);

    /// The nearest priority to `value`: what is below 0.0 is 0.0, what is above 1.0 is 1.0, and
    /// what is not a number is the default.
    #[must_use]
    pub fn new(value: f32) -> Self {
        if value.is_nan() {
            return Self::DEFAULT;
        }
        // Within 0 to 1000 by the clamp.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let thousandths = (value.clamp(0.0, 1.0) * 1000.0).round() as u16;
        Self(thousandths)
    }

    /// The priority as a fraction, from 0.0 to 1.0.
    #[must_use]
    pub fn as_f32(self) -> f32 {
        f32::from(self.0) / 1000.0
    }

    /// The priority in thousandths, from 0 to 1000.
    #[must_use]
    pub const fn thousandths(self) -> u16 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_f32().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Priority;

    #[test]
    fn values_are_clamped_and_rounded_to_thousandths() {
        let cases = [(0.0, 0), (1.0, 1000), (0.5, 500), (-3.0, 0), (7.0, 1000), (0.1234, 123)];
        for (value, thousandths) in cases {
            assert_eq!(Priority::new(value).thousandths(), thousandths, "{value}");
        }
        assert_eq!(Priority::new(f32::NAN), Priority::DEFAULT);
        assert!(Priority::LOW < Priority::DEFAULT && Priority::DEFAULT < Priority::HIGH);
    }
}
