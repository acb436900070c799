//! What the fuzz targets share.

mod choices;
mod counts;
mod pieces;
pub mod tables;

pub use choices::Choices;
pub use counts::assert_monotone;
pub use pieces::PIECES;
