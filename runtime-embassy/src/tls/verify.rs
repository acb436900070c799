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
use sha2::{Digest, Sha256};
use sortie_core::TlsError;

use crate::tls::trust::Judge;
use crate::tls::x509::BETWEEN;

/// A public key: a point of P-256, not compressed.
pub(crate) type Key = [u8; 65];

/// The certificates that a server showed.
pub(crate) struct Chain<'c> {
    pub(crate) own: &'c [u8],
    between: [&'c [u8]; BETWEEN],
    count: usize,
}

impl<'c> Chain<'c> {
    fn new(shown: &CertificateRef<'c>) -> Option<Self> {
        Self::of(shown.entries.iter().filter_map(|entry| match entry {
            CertificateEntryRef::X509(certificate) => Some(*certificate),
            CertificateEntryRef::RawPublicKey(_) => None,
        }))
    }

    pub(crate) fn of(mut all: impl Iterator<Item = &'c [u8]>) -> Option<Self> {
        let own = all.next()?;
        let (mut between, mut count) = ([&[][..]; BETWEEN], 0);
        for (place, certificate) in between.iter_mut().zip(all) {
            *place = certificate;
            count += 1;
        }
        Some(Self { own, between, count })
    }

    /// What it showed beside its own.
    pub(crate) fn between(&self) -> &[&'c [u8]] {
        self.between.get(..self.count).unwrap_or_default()
    }
}

/// Whether a message is signed by ECDSA with P-256 and SHA-256.
#[inline(never)] // It is deep, and called from two places.
pub(crate) fn is_signed(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
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
    fn a_shared_key_that_nobody_wrote_is_none() {
        for key in [&[0; 32][..], &[0xff; 16], &[0], &[]] {
            let shared = PreSharedKey::new(b"id", key);
            assert_eq!(
                Check::new(&shared, "host.example").verdict(Ok(())),
                Err(TlsError::Untrusted)
            );
        }
        for key in [&[0, 1][..], &[0xff, 0], &[7; 32]] {
            let shared = PreSharedKey::new(b"id", key);
            assert_eq!(Check::new(&shared, "host.example").verdict(Ok(())), Ok(()));
        }
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
}
