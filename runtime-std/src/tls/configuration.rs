//! What a session does about TLS.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::SupportedProtocolVersion;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls_platform_verifier::Verifier as PlatformVerifier;

use super::identity::Identity;
use super::pem;
use super::verify::{Check, ServerTrust, TrustDecision, Verifier};
use crate::error::Error;

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// Whom a session trusts, and who it says it is, on secure connections.
///
/// If nothing is set, a server is trusted whose certificate is for the host of the URL, is valid
/// now, and leads to a root that the system trusts. The system's roots are loaded when the session
/// makes its first secure connection.
///
/// ```
/// use sortie::{ErrorKind, SessionConfiguration, TlsConfiguration, TlsConfigurationError};
///
/// let tls = TlsConfiguration::new().minimum_version(sortie::TlsVersion::Tls13);
/// let session = SessionConfiguration::new().tls(tls).build();
///
/// let error = TlsConfiguration::new().trusted_roots_pem(b"not PEM").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Tls(TlsConfigurationError::NoCertificate));
/// # drop(session);
/// ```
///
/// A server with a certificate of the company's own, which asks for one of the client:
///
/// ```no_run
/// let tls = sortie::TlsConfiguration::new()
///     .additional_roots_pem(&std::fs::read("company.pem")?)?
///     .client_certificate_pem(&std::fs::read("me.pem")?, &std::fs::read("me.key")?)?;
/// let session = sortie::SessionConfiguration::new().tls(tls).build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TlsConfiguration {
    /// Instead of the system's.
    own_roots: Option<Arc<Vec<CertificateDer<'static>>>>,
    /// Beside them.
    additional_roots: Arc<Vec<CertificateDer<'static>>>,
    /// Sorted out by [`Verifier`].
    pins: Arc<Vec<[u8; 32]>>,
    client: Option<Arc<CertifiedKey>>,
    accepts_any: bool,
    check: Option<Check>,
    minimum: TlsVersion,
    maximum: TlsVersion,
}

impl TlsConfiguration {
    /// The system's roots, TLS 1.2 and 1.3, no client certificate.
    #[must_use]
    pub fn new() -> Self {
        Self {
            own_roots: None,
            additional_roots: Arc::default(),
            pins: Arc::default(),
            client: None,
            accepts_any: false,
            check: None,
            minimum: TlsVersion::Tls12,
            maximum: TlsVersion::Tls13,
        }
    }

    /// Trusts the certificates of this PEM text instead of the system's roots, which are not
    /// loaded. Called again, it adds to them. What is not a certificate is passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Tls`](crate::ErrorKind::Tls): there is no certificate in it, or one that cannot
    /// be a root.
    pub fn trusted_roots_pem(mut self, pem: &[u8]) -> Result<Self, Error> {
        let roots = pem::roots(pem)?;
        Arc::make_mut(self.own_roots.get_or_insert_default()).extend(roots);
        Ok(self)
    }

    /// Trusts the certificates of this PEM text beside the others. Called again, it adds to them.
    /// What is not a certificate is passed over.
    ///
    /// # Errors
    /// As [`trusted_roots_pem`](Self::trusted_roots_pem).
    pub fn additional_roots_pem(mut self, pem: &[u8]) -> Result<Self, Error> {
        let roots = pem::roots(pem)?;
        Arc::make_mut(&mut self.additional_roots).extend(roots);
        Ok(self)
    }

    /// Only trusts servers whose key is one of these: each is the SHA-256 digest of the
    /// `SubjectPublicKeyInfo` of the server's own certificate. That comes on top of what else is
    /// asked of a certificate, also of [`accept_any_certificate`](Self::accept_any_certificate).
    /// An empty set asks nothing.
    #[must_use]
    pub fn pinned_keys(mut self, keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        self.pins = Arc::new(keys.into_iter().collect());
        self
    }

    /// Shows this certificate to servers that ask for one: its chain, the own certificate first,
    /// and its key, both as PEM text. They may be the same text.
    ///
    /// # Errors
    /// [`ErrorKind::Tls`](crate::ErrorKind::Tls): one of them is missing, the key is encrypted or
    /// of an unknown kind, or they do not belong together.
    pub fn client_certificate_pem(mut self, chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        self.client = Some(Arc::new(pem::identity(chain, key)?));
        Ok(self)
    }

    /// **Dangerous**: trusts every certificate, also of somebody who stands between this program
    /// and the server and reads along. For tests, and for servers whose key is
    /// [pinned](Self::pinned_keys). That the server has the key of its certificate is still
    /// checked.
    #[must_use]
    pub const fn accept_any_certificate(mut self) -> Self {
        self.accepts_any = true;
        self
    }

    /// Asks `check` about every server that is to be trusted, with what was found by then. It runs
    /// in the handshake: it should not wait for anything. A connection that resumes an earlier
    /// one's session does not ask again.
    #[must_use]
    pub fn server_trust(
        mut self,
        check: impl Fn(&ServerTrust<'_>) -> TrustDecision + Send + Sync + 'static,
    ) -> Self {
        self.check = Some(Arc::new(check));
        self
    }

    /// The oldest version that is spoken: 1.2 if not set. If it is newer than the maximum, no
    /// secure connection can be made.
    #[must_use]
    pub const fn minimum_version(mut self, version: TlsVersion) -> Self {
        self.minimum = version;
        self
    }

    /// The newest version that is spoken: 1.3 if not set.
    #[must_use]
    pub const fn maximum_version(mut self, version: TlsVersion) -> Self {
        self.maximum = version;
        self
    }

    /// Whether the system's roots are to be loaded.
    pub(super) const fn needs_platform(&self) -> bool {
        self.own_roots.is_none() && !self.accepts_any
    }

    pub(super) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let all = [(TlsVersion::Tls13, &TLS13), (TlsVersion::Tls12, &TLS12)];
        let wanted = self.minimum..=self.maximum;
        let chosen = all.into_iter().filter(|(version, _)| wanted.contains(version));
        chosen.map(|(_, version)| version).collect()
    }

    pub(super) fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Verifier, rustls::Error> {
        let additional = self.additional_roots.iter().cloned();
        let base: Option<Arc<dyn ServerCertVerifier>> = match &self.own_roots {
            _ if self.accepts_any => None,
            Some(own) => {
                let mut roots = RootCertStore::empty();
                for root in own.iter().cloned().chain(additional) {
                    roots.add(root)?;
                }
                let builder =
                    WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
                Some(builder.build().map_err(|why| rustls::Error::General(why.to_string()))?)
            }
            None => {
                let roots = PlatformVerifier::new_with_extra_roots(additional, provider.clone())?;
                Some(Arc::new(roots))
            }
        };
        Ok(Verifier::new(base, self.pins.clone(), self.check.clone(), provider))
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::new(self.client.clone())
    }
}

impl Default for TlsConfiguration {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TlsConfiguration {
    /// Without the client's key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfiguration")
            .field("own_roots", &self.own_roots.as_ref().map(|roots| roots.len()))
            .field("additional_roots", &self.additional_roots.len())
            .field("pinned_keys", &self.pins.len())
            .field("has_client_certificate", &self.client.is_some())
            .field("accepts_any", &self.accepts_any)
            .field("has_server_trust", &self.check.is_some())
            .field("minimum", &self.minimum)
            .field("maximum", &self.maximum)
            .finish()
    }
}
