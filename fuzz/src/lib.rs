//! What the fuzz targets share.

mod choices;
mod pieces;

pub use choices::Choices;
pub use pieces::PIECES;
