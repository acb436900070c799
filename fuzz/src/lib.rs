//! What the fuzz targets share.

mod choices;
mod counts;
mod pieces;

pub use choices::Choices;
pub use counts::assert_monotone;
pub use pieces::PIECES;
