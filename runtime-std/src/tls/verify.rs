//! Which servers are trusted.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use sha2::{Digest, Sha256};
use sortie_core::TlsError;
use webpki::EndEntityCert;

use super::errors::{classify, verdict};
use super::identity::Asked;

/// A question to the program about a server.
pub(super) type Check = Arc<dyn Fn(&ServerTrust<'_>) -> TrustDecision + Send + Sync>;

/// A server that is to be trusted, or not.
pub struct ServerTrust<'a> {
    host: &'a str,
    evaluation: Result<(), TlsError>,
    leaf: &'a [u8],
    others: &'a [CertificateDer<'a>],
}

impl ServerTrust<'_> {
    /// The host of the URL: a name, or an address without brackets.
    #[must_use]
    pub const fn host(&self) -> &str {
        self.host
    }

    /// What was found without the program's help, pinned keys included.
    ///
    /// # Errors
    /// The server would not be trusted, for this reason.
    pub const fn evaluation(&self) -> Result<(), TlsError> {
        self.evaluation
    }

    /// The SHA-256 digest of the key of the server's own certificate, as
    /// [`TlsConfiguration::pinned_keys`](crate::TlsConfiguration::pinned_keys) takes it. `None` if
    /// the certificate cannot be read.
    #[must_use]
    pub fn key_digest(&self) -> Option<[u8; 32]> {
        key_digest(self.leaf)
    }

    /// The certificates that the server sent, in DER, its own first.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.leaf).chain(self.others.iter().map(AsRef::as_ref))
    }
}

impl fmt::Debug for ServerTrust<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTrust")
            .field("server", &self.host)
            .field("evaluation", &self.evaluation)
            .field("certificates", &(1 + self.others.len()))
            .finish()
    }
}

/// What the program says about a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrustDecision {
    /// As was found without the program's help.
    Default,
    /// It is trusted, whatever was found.
    Trust,
    /// It is not: the task fails with [`TlsError::Untrusted`].
    Refuse,
}

/// Judges the certificates of servers.
pub(super) struct Verifier {
    /// `None` if every certificate will do.
    base: Option<Arc<dyn ServerCertVerifier>>,
    pins: Arc<Vec<[u8; 32]>>,
    check: Option<Check>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(
        base: Option<Arc<dyn ServerCertVerifier>>,
        pins: Arc<Vec<[u8; 32]>>,
        check: Option<Check>,
        provider: &CryptoProvider,
    ) -> Self {
        Self { base, pins, check, algorithms: provider.signature_verification_algorithms }
    }

    /// What is found without the program's help.
    fn evaluate(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        if let Some(base) = &self.base {
            let verified = base.verify_server_cert(leaf, others, name, ocsp, now);
            verified.map_err(|why| match leads_nowhere(&why) && is_self_issued(leaf) {
                true => verdict(TlsError::SelfSigned, "the certificate is its own issuer"),
                false => why,
            })?;
        }
        if self.pins.is_empty()
            || key_digest(leaf.as_ref()).is_some_and(|key| self.pins.contains(&key))
        {
            return Ok(());
        }
        Err(verdict(TlsError::KeyNotPinned, "it may be somebody else, or have a new key"))
    }
}

/// Whether a certificate failed for a reason that a root cannot have: it would be trusted if it
/// were one.
#[allow(clippy::wildcard_enum_match_arm, reason = "rustls adds variants at will")]
fn leads_nowhere(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(why) = error else {
        return false;
    };
    let is_root = |other: &OtherError| {
        matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
    };
    match why {
        CertificateError::UnknownIssuer => true,
        CertificateError::Other(other) => is_root(other),
        _ => false,
    }
}

fn is_self_issued(leaf: &CertificateDer<'_>) -> bool {
    EndEntityCert::try_from(leaf).is_ok_and(|leaf| leaf.issuer() == leaf.subject())
}

/// SHA-256 of the `SubjectPublicKeyInfo`.
fn key_digest(leaf: &[u8]) -> Option<[u8; 32]> {
    let leaf = CertificateDer::from(leaf);
    let key = EndEntityCert::try_from(&leaf).ok()?.subject_public_key_info();
    Some(Sha256::digest(&key).into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = self.evaluate(leaf, others, name, ocsp, now);
        let found = match &self.check {
            None => found,
            Some(check) => {
                let evaluation = match &found {
                    Ok(()) => Ok(()),
                    Err(why) => Err(classify(why, Asked::No)),
                };
                let host = name.to_str();
                match check(&ServerTrust { host: &host, evaluation, leaf, others }) {
                    TrustDecision::Default => found,
                    TrustDecision::Trust => Ok(()),
                    TrustDecision::Refuse => {
                        Err(verdict(TlsError::Untrusted, "the program does not trust the server"))
                    }
                }
            }
        };
        found.map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, leaf, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, leaf, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}
