//! Why resume data is refused.

use core::fmt;

/// Why bytes are not resume data, or parts do not make any. Whatever it is, the way out is the
/// same: to start the download again, without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ResumeDataError {
    /// They do not begin as resume data does: they are something else.
    Foreign,
    /// They are of a version that this one does not know.
    Version,
    /// Bytes are missing at the end.
    Truncated,
    /// They were changed, or something follows them.
    Corrupt,
    /// The URL is not one of `http` or `https`.
    Url,
    /// The validator is neither a strong entity tag nor a date, or longer than
    /// [`VALIDATOR_BYTES`](crate::limits::VALIDATOR_BYTES).
    Validator,
    /// More bytes are stored than there are in all.
    Received,
}

impl ResumeDataError {
    /// The URLError code that URLSession reports for resume data it cannot use.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::Foreign
            | Self::Version
            | Self::Truncated
            | Self::Corrupt
            | Self::Url
            | Self::Validator
            | Self::Received => -1002,
        }
    }
}

impl fmt::Display for ResumeDataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "this is not resume data: start the download again",
            Self::Version => {
                "the resume data was written by another version: start the download again"
            }
            Self::Truncated => "the end of the resume data is missing: start the download again",
            Self::Corrupt => "the resume data is damaged: start the download again",
            Self::Url => {
                "the URL in the resume data cannot be downloaded: start the download again"
            }
            Self::Validator => {
                "the resume data does not tell one state of the file from another: \
                 start the download again"
            }
            Self::Received => {
                "the resume data counts more bytes than the file has: start the download again"
            }
        })
    }
}

impl core::error::Error for ResumeDataError {}

/// The lent buffer is too small; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BufferTooSmall {
    /// So many bytes are needed.
    pub needed: usize,
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the buffer is too small: {} bytes are needed", self.needed)
    }
}

impl core::error::Error for BufferTooSmall {}
