//! What the fuzz targets share.

mod choices;
mod counts;
pub mod peers;
mod pieces;
pub mod tables;
mod wire;

pub use choices::{Choices, unfolded};
pub use counts::{assert_monotone, assert_same, assert_shown, assert_told};
pub use pieces::PIECES;
pub use wire::{End, Sent, Wire, pattern};
