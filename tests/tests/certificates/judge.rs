//! What a device and rustls-webpki think of a chain. `fuzz/` has this file, too.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sortie_core::TlsError;
use sortie_embassy::tls::{Clock, Roots};
use webpki::ring::ECDSA_P256_SHA256;
use webpki::{EndEntityCert, Error as Refusal, KeyUsage, anchor_from_trusted_cert};

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
    pub(super) fn theirs(&self) -> Result<Vec<u8>, Refusal> {
        self.theirs_by(&self.shown[1..])
    }

    fn theirs_by<B: AsRef<[u8]>>(&self, between: &[B]) -> Result<Vec<u8>, Refusal> {
        let anchors: Vec<_> = self.roots.iter().map(|root| root.as_slice().into()).collect();
        let anchors: Vec<_> =
            anchors.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
        let between: Vec<_> = between.iter().map(|one| one.as_ref().into()).collect();
        let own = CertificateDer::from(self.shown[0].as_slice());
        let own = EndEntityCert::try_from(&own)?;
        let date = UnixTime::since_unix_epoch(Duration::from_secs(DATE));
        let purpose = KeyUsage::server_auth();
        own.verify_for_usage(&[ECDSA_P256_SHA256], &anchors, &between, date, purpose, None, None)?;
        let host = ServerName::try_from(self.host.as_str());
        let host = host.map_err(|_| Refusal::MalformedDnsIdentifier)?;
        own.verify_is_valid_for_subject_name(&host)?;
        let info = own.subject_public_key_info();
        Ok(info[info.len().saturating_sub(65)..].to_vec())
    }

    /// The same without what leads nowhere: in some order of some of what is between, of which a
    /// device looks at four. `way` is how far that is.
    fn theirs_without_detours<'c>(&'c self, way: &mut Vec<&'c [u8]>) -> Result<Vec<u8>, Refusal> {
        let mut found = self.theirs_by(way);
        for next in self.shown.iter().skip(1).take(4).map(Vec::as_slice) {
            if found.is_err() && !way.contains(&next) {
                way.push(next);
                found = self.theirs_without_detours(way);
                way.pop();
            }
        }
        found
    }
}

/// What both think: ours, theirs. That ours accepts what theirs does not is the failure.
pub(super) fn judge(chain: &Chain, what: &dyn Fn() -> String) -> (bool, bool) {
    let (ours, mut theirs) = (chain.ours(), chain.theirs());
    // They look at a hundred signatures, of all the ways that names allow. Ours looks at eight, but
    // goes no way on behind one that is wrong.
    if ours.is_ok() && theirs == Err(Refusal::MaximumSignatureChecksExceeded) {
        theirs = chain.theirs_without_detours(&mut Vec::new());
    }
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
