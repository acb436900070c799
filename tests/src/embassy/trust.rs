//! Servers that somebody vouches for, and what a device looks at them with.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ServerConfig, SupportedProtocolVersion};
use sortie_embassy::tls::Clock;
use sortie_embassy::tls::rand_core::{CryptoRng, Error as NoNumbers, RngCore};

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
    pub fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for these names and addresses.
    #[must_use]
    pub fn leaf(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        self.sign(&params(names, change), key())
    }

    /// The same with this key.
    #[must_use]
    pub fn leaf_of(&self, key: KeyPair, names: &[&str]) -> Leaf {
        self.sign(&params(names, |_| ()), key)
    }

    fn sign(&self, params: &CertificateParams, key: KeyPair) -> Leaf {
        let certificate = params.signed_by(&key, &self.0).expect(MADE);
        Leaf { chain: vec![certificate.der().clone()], key }
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
    /// Of the server.
    pub key: KeyPair,
}

impl Leaf {
    /// For which nobody vouches but itself.
    #[must_use]
    pub fn self_signed(names: &[&str]) -> Self {
        let (params, key) = (params(names, |_| ()), key());
        let certificate = params.self_signed(&key).expect(MADE);
        Self { chain: vec![certificate.der().clone()], key }
    }

    /// Shows this authority's certificate, too.
    #[must_use]
    pub fn with(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.der());
        self
    }

    /// What a server does that has another key than that of its certificate.
    #[must_use]
    pub fn unchecked_config(&self, key: &KeyPair) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(private(key)).expect("a key");
        let shown = CertifiedKey::new(self.chain.clone(), key);
        ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect(SPOKEN)
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
    }

    /// What a server does that has it.
    #[must_use]
    pub fn config(&self) -> ServerConfig {
        self.config_of(&[&TLS13])
    }

    /// The same with these versions of TLS.
    #[must_use]
    pub fn config_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(versions).expect(SPOKEN).with_no_client_auth();
        builder.with_single_cert(self.chain.clone(), private(&self.key)).expect("a key that fits")
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).expect("a key")
}

/// Numbers that nobody would take for random: the same in each run.
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// From their beginning.
    pub const FIRST: Self = Self(7);
}

impl CryptoRng for Numbers {}

impl RngCore for Numbers {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = (self.next_u64() >> 56) as u8;
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), NoNumbers> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// The first of January 2026.
#[derive(Debug, Clone, Copy)]
pub struct NewYear;

impl Clock for NewYear {
    fn unix_seconds(&self) -> Option<u64> {
        Some(1_767_225_600)
    }
}
