//! What the server says that it has.
//!
//! The text of a release has these lines, in this order; numbers are decimal, the rest is hex:
//!
//! ```text
//! version 2
//! length 1048699
//! sha256 9f86d081…
//! path /firmware-2.bin
//! signature 3f1c…
//! ```
//!
//! What is signed is [`signed`]: who controls the server, or the way to it, cannot make a device
//! take an image of his own. He can only keep it from being updated.

use ed25519_dalek::{Signature, VerifyingKey};
use embedded_storage_async::nor_flash::ReadNorFlash;
use sortie_embassy::ota::Manifest;
use sortie_firmware::board::flash::Flash;

/// The longest text, in bytes.
pub(crate) const LONGEST: usize = 512;

/// Whose signature an image must have. This is the key of the tests: with its secret half, which
/// `releases.py` has, anybody can sign. Put your own here, and keep the other half off the server.
const KEY: [u8; 32] = [
    0xaa, 0x17, 0x17, 0x73, 0x65, 0x2b, 0x00, 0xe4, 0x9e, 0xca, 0x46, 0x28, 0x33, 0xbb, 0xed, 0xff,
    0xb2, 0xd8, 0xe0, 0x4f, 0xe9, 0xe8, 0xd3, 0xe6, 0xd6, 0xa4, 0x23, 0xc3, 0x7b, 0x74, 0x1d, 0x03,
];

/// How an image begins.
const MAGIC: [u8; 4] = *b"SORT";

/// A release, as its text has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Release<'t> {
    pub(crate) version: u32,
    /// What the image in the slot has to be.
    pub(crate) image: Manifest,
    /// Where it is, on the same server.
    pub(crate) path: &'t str,
    signature: [u8; 64],
}

impl<'t> Release<'t> {
    /// `None` unless the text is one.
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let mut lines = text.lines();
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let version = value("version")?.parse().ok()?;
        let length = value("length")?.parse().ok()?;
        let sha256 = hex(value("sha256")?)?;
        let path = value("path").filter(|path| path.starts_with('/'))?;
        let signature = hex(value("signature")?)?;
        Some(Self { version, image: Manifest { length, sha256 }, path, signature })
    }

    /// Whether an image of this SHA-256 was signed to be this release.
    ///
    /// Asked twice: before anything is written, with the SHA-256 of the text, and with that of what
    /// was read back from the slot, before it is marked.
    pub(crate) fn is_signed_for(&self, sha256: &[u8; 32]) -> bool {
        let signature = Signature::from_bytes(&self.signature);
        let key = VerifyingKey::from_bytes(&KEY);
        let signed = signed(self.version, self.image.length, sha256);
        key.is_ok_and(|key| key.verify_strict(&signed, &signature).is_ok())
    }
}

/// What is signed. It says what it is about, so that a signature of something else is none of this.
fn signed(version: u32, length: u32, sha256: &[u8; 32]) -> [u8; 48] {
    let mut bytes = [0; 48];
    let mut rest = bytes.as_mut_slice();
    for part in [b"firmware".as_slice(), &version.to_le_bytes(), &length.to_le_bytes(), sha256] {
        let (room, behind) = rest.split_at_mut(part.len());
        room.copy_from_slice(part);
        rest = behind;
    }
    bytes
}

/// As many bytes as there should be.
fn hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = [0; BYTES];
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != BYTES {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? * 16 + digit(*low)?) as u8;
    }
    Some(bytes)
}

/// The version of the image in a slot; `None` if there is none.
pub(crate) async fn version_of(slot: &mut Flash) -> Option<u32> {
    let mut start = [0; 8];
    slot.read(0, &mut start).await.ok()?;
    let (magic, version) = start.split_first_chunk::<4>()?;
    (*magic == MAGIC).then_some(u32::from_le_bytes(version.try_into().ok()?))
}
