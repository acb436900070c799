//! Chains, and how one is changed.

use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SigningKey,
};

use super::der::{Content, Node};
use super::judge::{Chain, certificate};

pub(super) const HOST: &str = "a.origin.example";

/// Keys by the place of their owner, from the root.
pub(super) static KEYS: LazyLock<[KeyPair; 8]> =
    LazyLock::new(|| std::array::from_fn(|_| KeyPair::generate().unwrap()));

impl Chain {
    /// One with so many certificates between, each as it should be, but for `change`: it gets all
    /// from the root to the leaf.
    pub(super) fn new(between: usize, change: impl FnOnce(&mut [CertificateParams])) -> Self {
        let mut all: Vec<_> = (0..=between).map(authority).collect();
        all.push(leaf());
        change(&mut all);
        let mut made = vec![all[0].self_signed(&KEYS[0]).unwrap()];
        for place in 1..all.len() {
            let issuer = Issuer::from_params(&all[place - 1], &KEYS[place - 1]);
            made.push(all[place].signed_by(&KEYS[place], &issuer).unwrap());
        }
        let mut made: Vec<_> = made.iter().map(|made| made.der().to_vec()).collect();
        let roots = vec![made.remove(0)];
        made.reverse();
        Self { roots, shown: made, host: HOST.to_owned() }
    }

    /// The certificate of this place from the root.
    pub(super) fn certificate(&mut self, place: usize) -> &mut Vec<u8> {
        match self.shown.len().checked_sub(place) {
            Some(number) if place > 0 => &mut self.shown[number],
            _ => &mut self.roots[0],
        }
    }

    /// Changes what is signed in a certificate, and signs it again.
    pub(super) fn edit(mut self, place: usize, change: impl FnOnce(&mut Node)) -> Self {
        let mut certificate = Node::parse(self.certificate(place));
        change(&mut certificate.nodes()[0]);
        *self.certificate(place) = sign(&certificate.nodes()[0].bytes(), place);
        self
    }
}

/// A certificate from what is signed, by the owner above this place.
pub(super) fn sign(signed: &[u8], place: usize) -> Vec<u8> {
    certificate(signed, &KEYS[place.saturating_sub(1)].sign(signed).unwrap())
}

fn authority(place: usize) -> CertificateParams {
    let mut params = CertificateParams::default();
    let name = format!("authority {place}");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf() -> CertificateParams {
    let mut params = CertificateParams::new([HOST.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "leaf");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

/// The extensions in what is signed.
pub(super) fn extensions(signed: &mut Node) -> &mut Vec<Node> {
    let last = signed.nodes().last_mut().expect("extensions");
    assert_eq!(last.tag, 0xa3);
    last.nodes()[0].nodes()
}

/// The one of a kind that RFC 5280 has.
pub(super) fn extension(signed: &mut Node, kind: u8) -> &mut Node {
    let oid = Node::new(6, &[0x55, 0x1d, kind]);
    let mut all = extensions(signed).iter_mut();
    all.find_map(|one| (one.nodes()[0] == oid).then_some(one)).expect("such an extension")
}

/// Puts this in the place of its value.
pub(super) fn set_value(extension: &mut Node, value: &[u8]) {
    let last = extension.nodes().last_mut().expect("a value");
    last.content = Content::Bytes(value.to_vec());
}

/// A new one.
pub(super) fn new_extension(oid: &[u8], is_critical: bool, value: &[u8]) -> Node {
    let mut parts = vec![Node::new(6, oid)];
    if is_critical {
        parts.push(Node::new(1, &[0xff]));
    }
    parts.push(Node::new(4, value));
    Node::of(0x30, parts)
}
