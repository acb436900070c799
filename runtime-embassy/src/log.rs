//! One logging macro over `log` and `defmt`; both features may be on, or neither.
//!
//! Nothing that can hold a secret is ever logged: no field values, no URLs, no content.

/// Traces one event to whichever back ends are on. Costs nothing when none is.
macro_rules! trace {
    ($($arg:expr),* $(,)?) => {{
        #[cfg(feature = "log")]
        ::log::trace!($($arg),*);
        #[cfg(feature = "defmt")]
        ::defmt::trace!($($arg),*);
        #[cfg(not(any(feature = "log", feature = "defmt")))]
        { let _ = ($(&$arg),*,); }
    }};
}
pub(crate) use trace;
