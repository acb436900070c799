//! Certificates of the tests' own, for servers of desktops and of devices.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, SupportedProtocolVersion};

const MADE: &str = "a certificate that can be made";
const SPOKEN: &str = "versions that the provider speaks";

/// A certificate authority.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    /// One of this name, which vouches for itself: a root.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(CertifiedIssuer::self_signed(authority(name), key()).expect(MADE))
    }

    /// Another one, which this one vouches for.
    #[must_use]
    pub fn intermediate(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority("intermediate");
        change(&mut params);
        Self(CertifiedIssuer::signed_by(params, key(), &self.0).expect(MADE))
    }

    /// Its certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// The same, in its binary form.
    #[must_use]
    pub fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for these names and addresses.
    #[must_use]
    pub fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_with(names, |_| ())
    }

    /// The same with something changed.
    #[must_use]
    pub fn leaf_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        self.sign(&params(names, change), key())
    }

    /// The same with this key.
    #[must_use]
    pub fn leaf_of(&self, key: KeyPair, names: &[&str]) -> Leaf {
        self.sign(&params(names, |_| ()), key)
    }

    fn sign(&self, params: &CertificateParams, key: KeyPair) -> Leaf {
        let certificate = params.signed_by(&key, &self.0).expect(MADE);
        Leaf { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }
}

fn params(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names and addresses");
    params.distinguished_name.push(DnType::CommonName, "leaf");
    change(&mut params);
    params
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Leaf {
    /// It, and those behind it that are shown with it.
    pub chain: Vec<CertificateDer<'static>>,
    /// It alone.
    pub pem: String,
    /// Of the server.
    pub key: KeyPair,
}

impl Leaf {
    /// For which nobody vouches but itself.
    #[must_use]
    pub fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (params, key) = (params(names, change), key());
        let certificate = params.self_signed(&key).expect(MADE);
        Self { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }

    /// Shows this authority's certificate, too.
    #[must_use]
    pub fn with(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.der());
        self
    }

    /// The key, in its binary form.
    #[must_use]
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        der_of(&self.key)
    }

    /// What a server does with it in these versions of TLS.
    #[must_use]
    pub fn serving(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(versions).expect(SPOKEN).with_no_client_auth();
        builder.with_single_cert(self.chain.clone(), self.key_der()).expect("a key that fits")
    }

    /// What a server does that has another key than that of its certificate.
    #[must_use]
    pub fn unchecked_config(&self, key: &KeyPair) -> ServerConfig {
        let provider = Arc::new(default_provider());
        let key = provider.key_provider.load_private_key(der_of(key)).expect("a key");
        let shown = CertifiedKey::new(self.chain.clone(), key);
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect(SPOKEN)
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn der_of(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).expect("a key")
}
