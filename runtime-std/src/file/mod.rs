//! Files of tasks: where a download goes, and where an upload comes from.
//!
//! Nothing here knows of tasks or connections. All of it is polled: what touches a disk runs on
//! the pool of [`blocking`], one job at a time for each file, and whatever is under way lives in
//! the struct. So a future that polls these may be dropped at any time, and another may go on.
//!
//! ```text
//! NAME              the destination: untouched until the download is whole and checked
//! NAME.part         the content so far, locked by the download that writes it
//! NAME.part.resume  the resume record, there before the first byte it speaks of
//! ```

mod commit;
mod desk;
mod error;
mod medium;
mod part;
mod place;
mod source;
mod temporary;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use error::FileError;
pub use error::{FileErrorKind, Sha256Digest};
pub(crate) use part::Found;
pub(crate) use source::FileSource;
pub(crate) use temporary::TemporaryFile;
pub(crate) use writer::{PartFile, Start};
