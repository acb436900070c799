//! What may be said about TLS.

use std::path::PathBuf;

use sortie::TlsVersion;

use super::Items;

/// In front of the digest of a pinned key.
const SHA256: &str = "sha256//";

/// Whom to trust, and who we are.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    pub(crate) roots: Option<PathBuf>,
    pub(crate) accepts_any: bool,
    pub(crate) certificate: Option<PathBuf>,
    /// If it is not in the file of the certificate.
    pub(crate) key: Option<PathBuf>,
    pub(crate) minimum: Option<TlsVersion>,
    pub(crate) maximum: Option<TlsVersion>,
    pub(crate) pins: Vec<[u8; 32]>,
}

impl Tls {
    /// Takes an option about TLS. `false` if it is none.
    pub(super) fn take(&mut self, name: &str, items: &mut Items) -> Result<bool, lexopt::Error> {
        match name {
            "--cacert" => self.roots = Some(items.value()?.into()),
            "-k" | "--insecure" => self.accepts_any = true,
            "-E" | "--cert" => self.certificate = Some(items.value()?.into()),
            "--key" => self.key = Some(items.value()?.into()),
            "--tlsv1.2" => self.minimum = Some(TlsVersion::Tls12),
            "--tlsv1.3" => self.minimum = Some(TlsVersion::Tls13),
            "--tls-max" => self.maximum = Some(maximum(&items.text()?)?),
            "--pinnedpubkey" => self.pins = pins(&items.text()?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether it fits together.
    pub(super) fn check(&self) -> Result<(), lexopt::Error> {
        if self.key.is_some() && self.certificate.is_none() {
            return Err("--key needs --cert".into());
        }
        match (self.minimum, self.maximum) {
            (Some(minimum), Some(maximum)) if minimum > maximum => {
                Err("--tls-max is older than what --tlsv1.3 asks for".into())
            }
            (Some(_) | None, _) => Ok(()),
        }
    }
}

fn maximum(text: &str) -> Result<TlsVersion, lexopt::Error> {
    match text {
        "1.2" => Ok(TlsVersion::Tls12),
        "1.3" | "default" => Ok(TlsVersion::Tls13),
        _ => Err("--tls-max is 1.2 or 1.3: what is older is not safe".into()),
    }
}

/// The digests in `sha256//BASE64;sha256//BASE64`.
fn pins(text: &str) -> Result<Vec<[u8; 32]>, lexopt::Error> {
    let wrong = "--pinnedpubkey is of the form 'sha256//BASE64;sha256//BASE64'";
    let pin = |text: &str| text.strip_prefix(SHA256).and_then(digest);
    text.split(';').map(|text| pin(text).ok_or_else(|| wrong.into())).collect()
}

/// 32 bytes of Base64: 43 letters, and one of padding (RFC 4648 §4).
fn digest(text: &str) -> Option<[u8; 32]> {
    let letters = text.strip_suffix('=')?.as_bytes();
    let mut digest = [0; 32];
    let (mut bits, mut count, mut at) = (0, 0, 0);
    for letter in letters {
        bits = bits << 6 | value(*letter)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            *digest.get_mut(at)? = (bits >> count & 0xff) as u8;
            (bits, at) = (bits & ((1 << count) - 1), at + 1);
        }
    }
    // What is left over are two bits of padding, which say nothing (RFC 4648 §3.5).
    (at == digest.len() && letters.len() == 43 && bits == 0).then_some(digest)
}

fn value(letter: u8) -> Option<u32> {
    Some(match letter {
        b'A'..=b'Z' => u32::from(letter - b'A'),
        b'a'..=b'z' => u32::from(letter - b'a') + 26,
        b'0'..=b'9' => u32::from(letter - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// A pin as it is written.
pub(crate) fn pin(digest: [u8; 32]) -> String {
    format!("{SHA256}{}", super::base64(&digest))
}

#[cfg(test)]
mod tests {
    use sortie::TlsVersion;

    use super::{Tls, pin, pins};

    #[test]
    fn pins_are_read_as_they_are_written() {
        let digests = [[0; 32], [0xff; 32], *b"0123456789abcdef0123456789abcdef"];
        let text = digests.map(pin).join(";");
        assert_eq!(pins(&text).unwrap(), digests);
        for digest in digests {
            assert_eq!(pins(&pin(digest)).unwrap(), [digest]);
        }
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        let right = pin([7; 32]);
        let cases = [
            String::new(),
            "key.pem".to_owned(),
            right.replace("sha256//", "sha1//"),
            right.replace('=', ""),
            format!("{right};"),
            right.replacen('B', "BB", 1),
            right.replacen('B', "", 1),
            right.replacen('B', "-", 1),
            right.replace("c=", "d="),
        ];
        for text in cases {
            assert!(pins(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let key_alone = Tls { key: Some("key".into()), ..Tls::default() };
        assert!(key_alone.check().is_err());
        let bounds = |minimum, maximum| Tls { minimum, maximum, ..Tls::default() };
        let (older, newer) = (Some(TlsVersion::Tls12), Some(TlsVersion::Tls13));
        assert!(bounds(newer, older).check().is_err());
        assert!(bounds(older, newer).check().is_ok());
        assert!(bounds(newer, None).check().is_ok());
    }
}
