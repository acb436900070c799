//! What a device and rustls-webpki think of a chain. `fuzz/` has this file, too.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sortie_core::TlsError;
use sortie_embassy::tls::{Clock, Roots};
use webpki::ring::ECDSA_P256_SHA256;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::der::Node;

/// The first of January 2026.
const DATE: u64 = 1_767_225_600;

#[derive(Debug)]
struct NewYear;

impl Clock for NewYear {
    fn unix_seconds(&self) -> Option<u64> {
        Some(DATE)
    }
}

/// What a client trusts, and a server shows.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub(super) roots: Vec<Vec<u8>>,
    /// From the server's own to the last one below the root.
    pub(super) shown: Vec<Vec<u8>>,
    pub(super) host: String,
}

impl Chain {
    pub(super) fn ours(&self) -> Result<[u8; 65], TlsError> {
        let [roots, shown] =
            [&self.roots, &self.shown].map(|all| all.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Roots::new(&roots, NewYear).check(&shown, &self.host)
    }

    /// The key that webpki finds.
    pub(super) fn theirs(&self) -> Result<Vec<u8>, String> {
        let [roots, shown] = [&self.roots, &self.shown].map(|all| {
            all.iter().map(|one| CertificateDer::from(one.as_slice())).collect::<Vec<_>>()
        });
        let anchors: Vec<_> =
            roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
        let own = EndEntityCert::try_from(&shown[0]).map_err(|why| why.to_string())?;
        let date = UnixTime::since_unix_epoch(Duration::from_secs(DATE));
        let purpose = KeyUsage::server_auth();
        let between = &shown[1..];
        own.verify_for_usage(&[ECDSA_P256_SHA256], &anchors, between, date, purpose, None, None)
            .map_err(|why| why.to_string())?;
        let host = ServerName::try_from(self.host.as_str()).map_err(|why| why.to_string())?;
        own.verify_is_valid_for_subject_name(&host).map_err(|why| why.to_string())?;
        let info = own.subject_public_key_info();
        Ok(info[info.len().saturating_sub(65)..].to_vec())
    }
}

/// What both think: ours, theirs. That ours accepts what theirs does not is the failure.
pub(super) fn judge(chain: &Chain, what: &dyn Fn() -> String) -> (bool, bool) {
    let (ours, theirs) = (chain.ours(), chain.theirs());
    match (&ours, &theirs) {
        (Ok(own), Ok(other)) => assert_eq!(own[..], other[..], "{}", what()),
        (Ok(_), Err(why)) => panic!("{}: only ours accepts it, and theirs not: {why}", what()),
        (Err(_), _) => {}
    }
    (ours.is_ok(), theirs.is_ok())
}

/// A certificate from what is signed, and the signature.
pub(super) fn certificate(signed: &[u8], signature: &[u8]) -> Vec<u8> {
    let signature = Node::new(3, &[&[0][..], signature].concat()).bytes();
    let algorithm = [0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    Node::new(0x30, &[signed, &algorithm, &signature].concat()).bytes()
}
