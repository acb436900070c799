//! What a server showed in the handshake, and whether it is trusted.
//!
//! embedded-tls goes on where a server shows no certificate at all, or does not prove that it has
//! the key of the one that it showed. So what was shown is noted here, and
//! [looked at](Check::verdict) before anything is sent.

use embedded_tls::{
    Aes128GcmSha256, CertificateEntryRef, CertificateRef, CertificateVerifyRef, CryptoProvider,
    CryptoRngCore, SignatureScheme, TlsError as Library, TlsVerifier,
};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName,
    SignatureVerificationAlgorithm, UnixTime, alg_id,
};
use sha2::{Digest, Sha256};
use sortie_core::TlsError;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::tls::trust::Judge;

/// Certificates between that of the server and a root. More that it shows are not looked at.
const BETWEEN: usize = 4;

/// A public key: a point of P-256, not compressed.
pub(crate) type Key = [u8; 65];

/// What a `SubjectPublicKeyInfo` with such a key begins with (RFC 5480 §2).
const KEY_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The certificates that a server showed.
pub(crate) struct Chain<'c> {
    own: CertificateDer<'c>,
    between: [CertificateDer<'c>; BETWEEN],
    count: usize,
}

impl<'c> Chain<'c> {
    fn new(shown: &CertificateRef<'c>) -> Option<Self> {
        let mut all = shown.entries.iter().filter_map(|entry| match entry {
            CertificateEntryRef::X509(certificate) => Some(CertificateDer::from(*certificate)),
            CertificateEntryRef::RawPublicKey(_) => None,
        });
        let own = all.next()?;
        let mut between = [const { CertificateDer::from_slice(&[]) }; BETWEEN];
        let mut count = 0;
        for (place, certificate) in between.iter_mut().zip(all) {
            *place = certificate;
            count += 1;
        }
        Some(Self { own, between, count })
    }

    /// Whether it leads from a certificate for `host` to one of the roots, at this date if one is
    /// to be looked at.
    pub(crate) fn leads_to(
        &self,
        roots: &[&[u8]],
        date: Option<u64>,
        host: &str,
    ) -> Result<(), TlsError> {
        let own = EndEntityCert::try_from(&self.own).map_err(|why| classify(&why))?;
        let mut result = Err(TlsError::UnknownRoot);
        for root in roots {
            match self.leads_to_one(&own, root, date) {
                Ok(()) => {
                    result = Ok(());
                    break;
                }
                Err(webpki::Error::UnknownIssuer) => {}
                Err(why) => result = Err(classify(&why)),
            }
        }
        match result {
            Err(TlsError::UnknownRoot) if own.issuer() == own.subject() => {
                return Err(TlsError::SelfSigned);
            }
            result => result?,
        }
        let name = ServerName::try_from(host).map_err(|_| TlsError::WrongName)?;
        own.verify_is_valid_for_subject_name(&name).map_err(|why| classify(&why))
    }

    /// The same to one root, without the name. Where no date is to be looked at there has to have
    /// been one at which all were valid: it is searched from the beginning on.
    fn leads_to_one(
        &self,
        own: &EndEntityCert<'_>,
        root: &[u8],
        date: Option<u64>,
    ) -> Result<(), webpki::Error> {
        let root = CertificateDer::from(root);
        let anchor = [anchor_from_trusted_cert(&root)?];
        let between = self.between.get(..self.count).unwrap_or_default();
        let mut at = date.unwrap_or(0);
        loop {
            let time = UnixTime::since_unix_epoch(core::time::Duration::from_secs(at));
            let usage = KeyUsage::server_auth();
            match own.verify_for_usage(&[&P256], &anchor, between, time, usage, None, None) {
                Err(webpki::Error::CertNotValidYet { not_before, .. })
                    if date.is_none() && not_before.as_secs() > at =>
                {
                    at = not_before.as_secs();
                }
                result => return result.map(drop),
            }
        }
    }

    /// The `SubjectPublicKeyInfo` of the server's own certificate, with its tag and length.
    pub(crate) fn public_key_info(&self) -> Result<&[u8], TlsError> {
        public_key_info(&self.own).ok_or(TlsError::Untrusted)
    }

    /// The key in it.
    pub(crate) fn key(&self) -> Result<Key, TlsError> {
        let key = self.public_key_info()?.strip_prefix(&KEY_INFO);
        key.and_then(|key| key.try_into().ok()).ok_or(TlsError::Untrusted)
    }
}

/// In our words, as on the desktop.
#[allow(clippy::wildcard_enum_match_arm, reason = "there are many, and may be more")]
const fn classify(why: &webpki::Error) -> TlsError {
    use webpki::Error as E;
    match why {
        E::CertExpired { .. } | E::InvalidCertValidity => TlsError::Expired,
        E::CertNotValidYet { .. } => TlsError::NotYetValid,
        E::CertNotValidForName(_) => TlsError::WrongName,
        E::UnknownIssuer => TlsError::UnknownRoot,
        _ => TlsError::Untrusted,
    }
}

/// Where a certificate has the key of its owner (RFC 5280 §4.1): behind six other values.
fn public_key_info(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (SEQUENCE, inside, _) = value(certificate)? else { return None };
    let (SEQUENCE, mut rest, _) = value(inside)? else { return None };
    if rest.first() == Some(&VERSION) {
        (_, _, rest) = value(rest)?;
    }
    // Serial number, algorithm, issuer, validity, subject.
    for _ in 0..5 {
        (_, _, rest) = value(rest)?;
    }
    let (SEQUENCE, _, behind) = value(rest)? else { return None };
    rest.get(..rest.len().checked_sub(behind.len())?)
}

/// The tag and the content of the first value in DER (X.690 §8.1), and what is behind it.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, first, rest @ ..] = bytes else { return None };
    let (length, rest) = match (first, rest) {
        (0..=0x7f, rest) => (usize::from(*first), rest),
        (0x81, [length, rest @ ..]) => (usize::from(*length), rest),
        (0x82, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((*tag, content, behind))
}

/// ECDSA with P-256 and SHA-256.
#[derive(Debug)]
struct P256;

impl SignatureVerificationAlgorithm for P256 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        is_signed(public_key, message, signature).then_some(()).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}

#[inline(never)] // It is deep, and called from two places.
fn is_signed(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = VerifyingKey::from_sec1_bytes(key);
    let signature = Signature::from_der(signature);
    matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(message, &signature).is_ok())
}

/// How far the server is in showing who it is.
enum Shown {
    /// Nothing yet. Exit: `Key`.
    Nothing,
    /// A certificate with this key, which is trusted; and the digest of all that was said until
    /// then. Exit: `Proof`.
    Key(Key, [u8; 32]),
    /// That it has the key.
    Proof,
}

/// Looks at what a server shows.
pub(crate) struct Check<'p, T> {
    trust: &'p T,
    host: &'p str,
    shown: Shown,
    refused: Option<TlsError>,
}

impl<'p, T: Judge> Check<'p, T> {
    pub(crate) const fn new(trust: &'p T, host: &'p str) -> Self {
        Self { trust, host, shown: Shown::Nothing, refused: None }
    }

    /// What is to be thought of the server after a handshake that ended so.
    pub(crate) fn verdict(&self, handshake: Result<(), Library>) -> Result<(), TlsError> {
        match (self.refused, handshake, &self.shown) {
            (Some(why), _, _) => Err(why),
            (None, Err(why), _) => Err(failed(why)),
            (None, Ok(()), Shown::Proof) => Ok(()),
            // The keys of the connection came from the one that both know.
            (None, Ok(()), Shown::Nothing) if self.trust.shared().is_some() => Ok(()),
            (None, Ok(()), Shown::Nothing | Shown::Key(..)) => Err(TlsError::Untrusted),
        }
    }

    fn refuse(&mut self, why: TlsError) -> Result<(), Library> {
        self.refused = Some(why);
        Err(Library::InvalidCertificate)
    }
}

/// A handshake failed that nobody refused here.
#[allow(clippy::wildcard_enum_match_arm, reason = "the others say no more than that it failed")]
fn failed(why: Library) -> TlsError {
    use embedded_tls::alert::AlertDescription as Alert;
    match why {
        Library::HandshakeAborted(_, Alert::CertificateRequired) => {
            TlsError::ClientCertificateRequired
        }
        _ => TlsError::Handshake,
    }
}

impl<T: Judge> TlsVerifier<Aes128GcmSha256> for Check<'_, T> {
    fn set_hostname_verification(&mut self, _: &str) -> Result<(), Library> {
        Ok(())
    }

    fn verify_certificate(
        &mut self,
        transcript: &Sha256,
        shown: CertificateRef<'_>,
    ) -> Result<(), Library> {
        let (Shown::Nothing, Some(chain)) = (&self.shown, Chain::new(&shown)) else {
            return self.refuse(TlsError::Untrusted);
        };
        match self.trust.judge(&chain, self.host) {
            Ok(key) => {
                self.shown = Shown::Key(key, transcript.clone().finalize().into());
                Ok(())
            }
            Err(why) => self.refuse(why),
        }
    }

    fn verify_signature(&mut self, proof: CertificateVerifyRef<'_>) -> Result<(), Library> {
        const CONTEXT: &[u8; 34] = b"TLS 1.3, server CertificateVerify\0";
        let Shown::Key(key, transcript) = &self.shown else {
            return self.refuse(TlsError::Untrusted);
        };
        // RFC 8446 §4.4.3.
        let mut message = [b' '; 64 + CONTEXT.len() + 32];
        let (_, rest) = message.split_at_mut(64);
        for (to, from) in rest.iter_mut().zip(CONTEXT.iter().chain(transcript)) {
            *to = *from;
        }
        let is_known = proof.signature_scheme == SignatureScheme::EcdsaSecp256r1Sha256;
        if !is_known || !is_signed(key, &message, proof.signature) {
            return self.refuse(TlsError::Untrusted);
        }
        self.shown = Shown::Proof;
        Ok(())
    }
}

/// What embedded-tls asks for in a handshake.
pub(crate) struct Provider<'p, R, T> {
    pub(crate) generator: &'p mut R,
    pub(crate) check: Check<'p, T>,
}

impl<R: CryptoRngCore, T: Judge> CryptoProvider for Provider<'_, R, T> {
    type CipherSuite = Aes128GcmSha256;
    // Nothing is signed: the client has no certificate.
    type Signature = [u8; 0];

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut *self.generator
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Aes128GcmSha256>, Library> {
        Ok(&mut self.check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::trust::{PinnedKeys, PreSharedKey};

    #[test]
    fn a_handshake_in_which_nothing_was_proved_is_not_trusted() {
        let pins = PinnedKeys::new(&[]);
        let mut check = Check::new(&pins, "host.example");
        assert_eq!(check.verdict(Ok(())), Err(TlsError::Untrusted));
        check.shown = Shown::Key([4; 65], [0; 32]);
        assert_eq!(check.verdict(Ok(())), Err(TlsError::Untrusted));
        check.shown = Shown::Proof;
        assert_eq!(check.verdict(Ok(())), Ok(()));
        let refused = check.verify_certificate(&Sha256::new(), CertificateRef::with_context(&[]));
        assert!(refused.is_err(), "one certificate is enough");
        assert_eq!(check.verdict(Ok(())), Err(TlsError::Untrusted));
        // Who knows the key of both has proved it by that.
        let shared = PreSharedKey::new(b"id", b"key");
        assert_eq!(Check::new(&shared, "host.example").verdict(Ok(())), Ok(()));
    }

    #[test]
    fn a_proof_without_a_certificate_is_none() {
        let pins = PinnedKeys::new(&[]);
        let mut check = Check::new(&pins, "host.example");
        let scheme = SignatureScheme::EcdsaSecp256r1Sha256;
        let proof = CertificateVerifyRef { signature_scheme: scheme, signature: &[0; 70] };
        assert!(check.verify_signature(proof).is_err());
        assert_eq!(check.verdict(Ok(())), Err(TlsError::Untrusted));
    }

    #[test]
    fn a_key_is_found_behind_six_values_and_nowhere_else() {
        let key = [&[0x30, 3][..], &[1, 2, 3]].concat();
        let six = |inside: &[u8]| {
            let values = [&[0xa0, 0][..], &[2, 0, 0x30, 0, 0x30, 0, 0x30, 0, 0x30, 0], inside];
            let inside = values.concat();
            let inside = [&[0x30, inside.len() as u8][..], &inside].concat();
            [&[0x30, 0x81, inside.len() as u8][..], &inside].concat()
        };
        assert_eq!(public_key_info(&six(&key)), Some(&key[..]));
        assert_eq!(public_key_info(&six(&[4, 0])), None);
        let whole = six(&key);
        for length in 0..whole.len() {
            assert_eq!(public_key_info(&whole[..length]), None);
        }
    }
}
