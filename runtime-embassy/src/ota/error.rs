//! Why an update does not go on.

use core::fmt;

use embedded_io_async::ErrorKind;
use embedded_storage_async::nor_flash::{NorFlashError, NorFlashErrorKind};

/// Why an update does not go on. Whatever it is, the image that is good stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OtaError {
    /// The driver of the flash refused a read, a write or an erasure.
    Flash(#[cfg_attr(feature = "defmt", defmt(Debug2Format))] NorFlashErrorKind),
    /// The flash does not read as it was written: this sector is worn out or protected. Nothing
    /// was lost but what was just received; the same again may or may not work.
    ReadBack {
        /// Where in its region, in bytes.
        offset: u32,
    },
    /// A region is too small: its sectors are, or there are too few of them.
    Region {
        /// So many bytes are needed.
        needed: u32,
    },
    /// The image is longer than it was said to be: the server has another one, or its manifest is
    /// not that of this image.
    TooLong,
    /// Content begins neither at the start nor where what is stored ends. Nothing was changed.
    Offset {
        /// How many bytes are stored.
        stored: u32,
    },
    /// Not all of the image was received yet. Nothing was changed.
    Incomplete {
        /// So many bytes are missing.
        missing: u32,
    },
    /// The image is not the one that the manifest is about. What was received is given up.
    Digest,
    /// The image is the one of the manifest, and the program's own check refused it. What was
    /// received is given up.
    Refused,
    /// An image is staged or on trial: confirm or withdraw it first. Nothing was changed.
    OnTrial,
    /// This image was given up after its trials. Nothing was changed; withdraw that to try again.
    Rejected,
    /// The future of a write was dropped, so what is in the flash there is not known. Open the
    /// update again: it goes on behind the last full sector.
    Interrupted,
    /// Content was written before it was [begun](crate::ota::Update::begin). Nothing was changed.
    NotBegun,
}

impl OtaError {
    pub(super) const MISALIGNED: Self = Self::Flash(NorFlashErrorKind::NotAligned);

    pub(super) fn of<E: NorFlashError>(error: E) -> Self {
        Self::Flash(error.kind())
    }
}

impl fmt::Display for OtaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(kind) => write!(f, "the flash failed: {kind}"),
            Self::ReadBack { offset } => {
                write!(f, "the flash does not keep what is written at {offset}: replace it")
            }
            Self::Region { needed } => {
                write!(f, "the region of flash is too small: {needed} bytes are needed")
            }
            Self::TooLong => f.write_str("the image is longer than its manifest says: ask again"),
            Self::Offset { stored } => {
                write!(f, "the content goes on elsewhere: {stored} bytes are stored")
            }
            Self::Incomplete { missing } => {
                write!(f, "{missing} bytes of the image are missing: go on with the download")
            }
            Self::Digest => {
                f.write_str("this is not the image of the manifest: ask for both again")
            }
            Self::Refused => f.write_str("the image was refused by the program's own check"),
            Self::OnTrial => f.write_str("an image is on trial: confirm or withdraw it first"),
            Self::Rejected => f.write_str("this image failed its trials: publish another one"),
            Self::Interrupted => f.write_str("a write was dropped: open the update again"),
            Self::NotBegun => f.write_str("say where the content begins before it is written"),
        }
    }
}

impl core::error::Error for OtaError {}

impl embedded_io_async::Error for OtaError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLong | Self::Digest | Self::Refused | Self::Rejected => ErrorKind::InvalidData,
            Self::Region { .. } => ErrorKind::OutOfMemory,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Offset { .. } | Self::Incomplete { .. } | Self::NotBegun | Self::OnTrial => {
                ErrorKind::InvalidInput
            }
            Self::Flash(_) | Self::ReadBack { .. } => ErrorKind::Other,
        }
    }
}
