//! Certificates of the tests' own, for the servers of `desktop` and of `embassy`.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(authority(name), key).unwrap())
    }

    /// Another one, which this one vouches for.
    pub(crate) fn intermediate(&self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority("intermediate");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(params, key, &self.0).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for these names and addresses.
    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_with(names, |_| ())
    }

    pub(crate) fn leaf_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        self.sign(&params(names, change), KeyPair::generate().unwrap())
    }

    /// The same with this key.
    pub(crate) fn leaf_of(&self, key: KeyPair, names: &[&str]) -> Leaf {
        self.sign(&params(names, |_| ()), key)
    }

    fn sign(&self, params: &CertificateParams, key: KeyPair) -> Leaf {
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Leaf { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }
}

fn params(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "leaf");
    change(&mut params);
    params
}

/// A certificate with its key.
pub(crate) struct Leaf {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

impl Leaf {
    pub(crate) fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (params, key) = (params(names, change), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Self { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }

    /// Shows this authority's certificate, too.
    pub(crate) fn with(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.der());
        self
    }

    pub(crate) fn key_der(&self) -> PrivateKeyDer<'static> {
        der_of(&self.key)
    }

    /// What a server does that has another key than that of its certificate.
    pub(crate) fn unchecked_config(&self, key: &KeyPair) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(der_of(key)).unwrap();
        let shown = CertifiedKey::new(self.chain.clone(), key);
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
    }
}

fn der_of(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).unwrap()
}
