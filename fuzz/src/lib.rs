//! What the fuzz targets share.

mod choices;

pub use choices::Choices;
