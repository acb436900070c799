//! What can be wrong with a file, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a file could not be written or read.
#[derive(Debug, Clone)]
pub(crate) struct FileError {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: FileErrorKind,
    path: PathBuf,
    source: Option<io::Error>,
}

/// A SHA-256 digest, shown in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256Digest(pub [u8; 32]);

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// The path has no file name, or one that is too long with our endings.
    BadName,
    /// The destination, or the file to upload, is a folder.
    IsFolder,
    /// There is something that is no ordinary file, such as a device or a link in the place of
    /// our part file.
    NotAFile,
    /// The destination's folder does not exist.
    NoFolder,
    /// Writing there is not allowed, or the existing destination is read-only.
    NotWritable,
    /// Another download writes to the same destination, in this process or another one.
    Busy,
    /// The disk is full, or the file is larger than the disk or a quota allows.
    Full,
    /// A file could not be written, read back or removed, for another reason.
    Write,
    /// The whole and checked content could not be moved to the destination.
    Move,
    /// The content is not as long as it should be. It is kept.
    Length {
        /// What the server promised.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// The content is not what it should be. It was removed.
    Digest {
        /// What the user or the server said.
        expected: Sha256Digest,
        /// What came.
        found: Sha256Digest,
    },
    /// The part file was removed, replaced, made longer or shorter by somebody else while content
    /// came. It is not used again.
    PartChanged,
    /// The file to upload does not exist.
    NotFound,
    /// The file to upload may not be read.
    NotReadable,
    /// The file to upload could not be read, for another reason.
    Read,
    /// The file changed while it was uploaded.
    SourceChanged,
    /// The caller broke the order of calls. The file is as it was.
    Misuse,
}

impl FileErrorKind {
    /// What happened and what to do, for a sentence that names the path in front of it.
    const fn message(self) -> &'static str {
        match self {
            Self::BadName => "cannot be the name of a file: choose another or a shorter one",
            Self::IsFolder => "is a folder: name a file in it",
            Self::NotAFile => "is not an ordinary file: move it away or choose another name",
            Self::NoFolder => "is in a folder that does not exist: create the folder first",
            Self::NotWritable => "may not be written: change its permissions or choose another",
            Self::Busy => "is being downloaded already: wait for it or choose another name",
            Self::Full => "does not fit on the disk: make room, then resume",
            Self::Write => "could not be written: check the disk, then resume",
            Self::Move => "could not be put in place: the whole content is in its part file",
            Self::Length { .. } => "is not complete: resume the download",
            Self::Digest { .. } => "came with a wrong SHA-256 and was removed: download it again",
            Self::PartChanged => {
                "lost its part file, which somebody else changed: download it again"
            }
            Self::NotFound => "does not exist: check the path",
            Self::NotReadable => "may not be read: change its permissions",
            Self::Read => "could not be read: check the disk",
            Self::SourceChanged => "changed while it was uploaded: upload it again",
            Self::Misuse => "was used after its end or beyond its length",
        }
    }

    /// The URLError code that URLSession reports for this.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::BadName | Self::NoFolder | Self::NotWritable => -3000, // cannotCreateFile
            Self::IsFolder => -1101,                                     // fileIsDirectory
            Self::NotAFile | Self::Busy => -3001,                        // cannotOpenFile
            Self::Full | Self::Write | Self::PartChanged => -3003,       // cannotWriteToFile
            Self::Move => -3005,                                         // cannotMoveFile
            Self::Length { .. } => -1005,                                // networkConnectionLost
            Self::Digest { .. } => -1015,                                // cannotDecodeRawData
            Self::NotFound => -1100,                                     // fileDoesNotExist
            Self::NotReadable => -1102,                                  // noPermissionsToReadFile
            Self::Read | Self::SourceChanged => -1021,                   // bodyStreamExhausted
            Self::Misuse => -1,                                          // unknown
        }
    }
}

impl FileError {
    pub(crate) fn new(kind: FileErrorKind, path: &Path) -> Self {
        Self { inner: Arc::new(Inner { kind, path: path.to_owned(), source: None }) }
    }

    pub(crate) fn caused(kind: FileErrorKind, path: &Path, source: io::Error) -> Self {
        Self { inner: Arc::new(Inner { kind, path: path.to_owned(), source: Some(source) }) }
    }

    /// A failure while opening something for a download.
    #[allow(clippy::wildcard_enum_match_arm, reason = "it grows, and most of it is of networks")]
    pub(crate) fn opening(path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::InvalidFilename => FileErrorKind::BadName,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FileErrorKind::NoFolder,
            io::ErrorKind::IsADirectory => FileErrorKind::NotAFile,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FileErrorKind::Full,
            _ => FileErrorKind::NotWritable,
        };
        Self::caused(kind, path, source)
    }

    /// A failure while writing.
    #[allow(clippy::wildcard_enum_match_arm, reason = "it grows, and most of it is of networks")]
    pub(crate) fn writing(path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => FileErrorKind::Full,
            _ => FileErrorKind::Write,
        };
        Self::caused(kind, path, source)
    }

    /// A failure while opening a file to upload.
    #[allow(clippy::wildcard_enum_match_arm, reason = "it grows, and most of it is of networks")]
    pub(crate) fn opening_source(path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FileErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => FileErrorKind::NotReadable,
            _ => FileErrorKind::Read,
        };
        Self::caused(kind, path, source)
    }

    /// What kind of failure it was.
    pub(crate) fn kind(&self) -> FileErrorKind {
        self.inner.kind
    }

    /// The file it was about, as the user named it, made absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.inner.path
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Quoted as Debug does, since a name may hold what a terminal would obey.
        write!(f, "{:?} {}", self.inner.path, self.inner.kind.message())?;
        if let FileErrorKind::Length { expected, found } = self.inner.kind {
            write!(f, " ({found} of {expected} bytes)")?;
        }
        if let FileErrorKind::Digest { expected, found } = self.inner.kind {
            write!(f, " (expected {expected}, found {found})")?;
        }
        match &self.inner.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_ref().map(|source| source as _)
    }
}
