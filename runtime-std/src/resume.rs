//! Resume data that owns what it is made of.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

/// What a download can be gone on with where it ended: by a cancel, an error, or a crash.
///
/// It names the URL, what shows that the content is still the same, how much is stored, and where.
/// The content itself lies beside the destination. It can be stored as bytes, or by serde
/// (feature `serde`); the bytes are versioned and checked, so that foreign or damaged ones are
/// refused.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/origin.rs")); }
/// # let url = doc::origin(&[
/// #     "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhello",
/// #     "HTTP/1.1 206 X\r\nETag: \"1\"\r\nContent-Range: bytes 5-9/10\r\n\r\nworld",
/// # ]);
/// # let name = format!("sortie-doc-resume-{}", std::process::id());
/// # let path = std::env::temp_dir().join(name);
/// # futures_lite::future::block_on(async {
/// use sortie::{ResumeData, Session};
///
/// let session = Session::new();
/// let error = session.download(&url, &path).await.unwrap_err(); // it is cut off
/// let stored = error.resume_data().expect("half of it came").to_bytes();
///
/// let data = ResumeData::from_bytes(&stored)?; // on another day
/// assert_eq!((data.received(), data.total()), (5, Some(10)));
/// session.download_task_with_resume_data(&data).await?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"helloworld");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), sortie::Error>(()) }).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ResumeData {
    /// The byte form of the core, valid.
    core: Vec<u8>,
    destination: PathBuf,
}

/// Before the length of the core's bytes: the form of this file.
const MAGIC: &[u8; 8] = b"sortie\x00\x01";

impl ResumeData {
    pub(crate) fn new(core: Vec<u8>, destination: PathBuf) -> Option<Self> {
        sortie_core::ResumeData::decode(&core).ok()?;
        Some(Self { core, destination })
    }

    fn lend<R>(&self, to: impl FnOnce(&sortie_core::ResumeData<'_>) -> R) -> Option<R> {
        sortie_core::ResumeData::decode(&self.core).ok().map(|data| to(&data))
    }

    pub(crate) fn core(&self) -> &[u8] {
        &self.core
    }

    /// The URL that is asked again: that of the task, before redirects.
    #[must_use]
    pub fn url(&self) -> String {
        self.lend(|data| data.url().to_owned()).unwrap_or_default()
    }

    /// Bytes that are stored.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.lend(|data| data.received()).unwrap_or(0)
    }

    /// Bytes in all, if that is known.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.lend(|data| data.total()).flatten()
    }

    /// Where the download goes.
    #[must_use]
    pub fn destination(&self) -> &Path {
        &self.destination
    }

    /// The byte form: 8 bytes `sortie` and the version; in 4 bytes each, little-endian, the length
    /// of the core's part and a check sum of the destination (FNV-1a); that part as
    /// [`sortie_core::resume`] describes it, with a check sum of its own; and the destination, in
    /// the encoding of the system's paths.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.core.len()).unwrap_or(u32::MAX).to_le_bytes();
        let path = self.destination.as_os_str().as_encoded_bytes();
        let sum = check_sum(path).to_le_bytes();
        [MAGIC.as_slice(), &length, &sum, &self.core, path].concat()
    }

    /// Reads the byte form.
    ///
    /// # Errors
    /// [`ErrorKind::ResumeData`]: it is foreign, of another version, or damaged. Start the
    /// download again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        use sortie_core::ResumeDataError as Why;
        let refused = |why| Error::new(ErrorKind::ResumeData(why), "", None);
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| refused(Why::Foreign))?;
        let (length, rest) = rest.split_first_chunk().ok_or_else(|| refused(Why::Truncated))?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (sum, rest) = rest.split_first_chunk().ok_or_else(|| refused(Why::Truncated))?;
        let (core, path) = rest.split_at_checked(length).ok_or_else(|| refused(Why::Truncated))?;
        sortie_core::ResumeData::decode(core).map_err(refused)?;
        if path.is_empty() || check_sum(path) != u32::from_le_bytes(*sum) {
            return Err(refused(Why::Corrupt));
        }
        let destination = path_of(path).ok_or_else(|| refused(Why::Corrupt))?;
        Ok(Self { core: core.to_owned(), destination })
    }
}

/// FNV-1a, 32 bits: shows damage, and nothing more is asked of it.
fn check_sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// A path of bytes that `to_bytes` wrote.
#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere not every text is a path")]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(std::ffi::OsStr::from_bytes(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

impl fmt::Debug for ResumeData {
    /// Without the URL, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        write!(f, "ResumeData({} of {total:?}, {:?})", self.received(), self.destination)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for ResumeData {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.to_bytes())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for ResumeData {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> serde::de::Visitor<'de> for Bytes {
            type Value = ResumeData;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the byte form of resume data")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<ResumeData, E> {
                ResumeData::from_bytes(bytes).map_err(E::custom)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut sequence: A,
            ) -> Result<ResumeData, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = sequence.next_element()? {
                    bytes.push(byte);
                }
                self.visit_bytes(&bytes)
            }
        }
        from.deserialize_bytes(Bytes)
    }
}
