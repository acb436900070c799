//! Certificates and keys as the user gives them.

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::errors::TlsConfigurationError as Why;
use super::provider;
use crate::error::{Error, ErrorKind};

/// What stands in a key that a passphrase protects: as PKCS #8, and as OpenSSL wrote it before.
const ENCRYPTED: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

fn error(why: Why) -> Error {
    Error::new(ErrorKind::Tls(why), "", None)
}

/// The certificates in `pem`, or the first error if there is none, the second one if it is damaged.
fn certificates(pem: &[u8], errors: [Why; 2]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let [none, damaged] = errors;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(error(none)),
        Ok(found) => Ok(found),
        Err(_) => Err(error(damaged)),
    }
}

/// Certificates that can be roots.
pub(super) fn roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = certificates(pem, [Why::NoCertificate, Why::Malformed])?;
    let mut store = RootCertStore::empty();
    for root in &found {
        store.add(root.clone()).map_err(|_| error(Why::BadCertificate))?;
    }
    Ok(found)
}

/// A client certificate with its key.
pub(super) fn identity(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, Error> {
    let chain = certificates(chain, [Why::NoClientCertificate, Why::BadClientCertificate])?;
    let key = match PrivateKeyDer::from_pem_slice(key) {
        Ok(key) => key,
        Err(_) if ENCRYPTED.iter().any(|mark| contains(key, mark)) => {
            return Err(error(Why::EncryptedKey));
        }
        Err(PemError::NoItemsFound) => return Err(error(Why::NoKey)),
        Err(_) => return Err(error(Why::BadKey)),
    };
    let provider = provider();
    let signer = provider.key_provider.load_private_key(key).map_err(|_| error(Why::BadKey))?;
    let identity = CertifiedKey::new(chain, signer);
    match identity.keys_match() {
        Ok(()) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(_)) => Err(error(Why::KeyMismatch)),
        Err(_) => Err(error(Why::BadClientCertificate)),
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}
