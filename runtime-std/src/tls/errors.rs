//! What goes wrong with TLS, in our words.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription as Alert, CertificateError, InvalidMessage, OtherError};
use sortie_core::{TlsError, Transport};

use super::identity::Asked;
use super::words::plain_words;
use crate::world::{ConnectFailure, Refused};

/// Why a [`TlsConfiguration`](crate::TlsConfiguration) cannot be as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsConfigurationError {
    /// The PEM text that should have roots has no certificate.
    NoCertificate,
    /// The PEM text that should have roots is damaged.
    Malformed,
    /// One of the roots is not a certificate that can be one.
    BadCertificate,
    /// The PEM text that should have the client certificate has none.
    NoClientCertificate,
    /// The client certificate is damaged.
    BadClientCertificate,
    /// The PEM text that should have the client's key has none.
    NoKey,
    /// The client's key is protected by a passphrase.
    EncryptedKey,
    /// The client's key is damaged, or of a kind that is not supported.
    BadKey,
    /// The client's key is not the one of the client certificate.
    KeyMismatch,
}

impl TlsConfigurationError {
    pub(crate) const fn code(self) -> i32 {
        match self {
            Self::NoCertificate | Self::Malformed | Self::BadCertificate => -1200,
            Self::NoClientCertificate
            | Self::BadClientCertificate
            | Self::NoKey
            | Self::EncryptedKey
            | Self::BadKey
            | Self::KeyMismatch => -1205,
        }
    }
}

impl fmt::Display for TlsConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => {
                "no certificate among the roots: PEM text with BEGIN CERTIFICATE is expected"
            }
            Self::Malformed => "the roots are damaged: a PEM section is not whole, or not base64",
            Self::BadCertificate => "one of the roots is not an X.509 certificate that can be one",
            Self::NoClientCertificate => {
                "no client certificate: PEM text with BEGIN CERTIFICATE is expected"
            }
            Self::BadClientCertificate => "the client certificate is damaged",
            Self::NoKey => {
                "no key for the client certificate: PEM text with a PRIVATE KEY is \
                            expected"
            }
            Self::EncryptedKey => {
                "the key of the client certificate is encrypted, which is not supported: take \
                 the passphrase off first"
            }
            Self::BadKey => {
                "the key of the client certificate is damaged, or not of a supported kind: RSA, \
                 ECDSA on P-256 or P-384, Ed25519"
            }
            Self::KeyMismatch => "the key is not the one of the client certificate",
        })
    }
}

impl std::error::Error for TlsConfigurationError {}

/// A judgement about a server that rustls has no word for.
#[derive(Debug)]
struct Verdict {
    why: TlsError,
    text: &'static str,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl std::error::Error for Verdict {}

/// A judgement, in a form that passes through rustls.
pub(super) fn verdict(why: TlsError, text: &'static str) -> rustls::Error {
    let other = OtherError(Arc::new(Verdict { why, text }));
    rustls::Error::InvalidCertificate(CertificateError::Other(other))
}

fn as_verdict(error: &rustls::Error) -> Option<&Verdict> {
    let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return None;
    };
    other.0.downcast_ref()
}

/// What it is in our words.
#[allow(clippy::wildcard_enum_match_arm, reason = "rustls adds variants at will")]
pub(super) fn classify(error: &rustls::Error, asked: Asked) -> TlsError {
    match (as_verdict(error), error) {
        (Some(verdict), _) => verdict.why,
        (None, rustls::Error::InvalidCertificate(why)) => certificate(why),
        (None, rustls::Error::AlertReceived(alert)) => alerted(*alert, asked),
        (None, _) => TlsError::Handshake,
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "rustls adds variants at will")]
fn certificate(why: &CertificateError) -> TlsError {
    use CertificateError as E;
    match why {
        E::Expired | E::ExpiredContext { .. } => TlsError::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => TlsError::NotYetValid,
        E::NotValidForName | E::NotValidForNameContext { .. } => TlsError::WrongName,
        E::UnknownIssuer => TlsError::UnknownRoot,
        _ => TlsError::Untrusted,
    }
}

/// The server gave up. TLS 1.2 has no alert that says that a client certificate is missing.
#[allow(clippy::wildcard_enum_match_arm, reason = "rustls adds variants at will")]
const fn alerted(alert: Alert, asked: Asked) -> TlsError {
    match (alert, asked) {
        (Alert::CertificateRequired, Asked::No | Asked::InVain) => {
            TlsError::ClientCertificateRequired
        }
        (
            Alert::HandshakeFailure
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::AccessDenied,
            Asked::InVain,
        ) => TlsError::ClientCertificateRequired,
        (
            Alert::CertificateRequired
            | Alert::HandshakeFailure
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
            Asked::Shown,
        ) => TlsError::ClientCertificateRejected,
        _ => TlsError::Handshake,
    }
}

/// For people.
pub(super) fn detail(error: &rustls::Error) -> io::Error {
    let plain = match (as_verdict(error), error) {
        (Some(verdict), _) => Some(verdict.text.to_owned()),
        (None, rustls::Error::InvalidCertificate(why)) => plain_words(why),
        (None, rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            Some("what the server sent is not TLS".to_owned())
        }
        (None, _) => None,
    };
    match plain {
        Some(text) => io::Error::new(io::ErrorKind::InvalidData, text),
        None => io::Error::new(io::ErrorKind::InvalidData, error.clone()),
    }
}

/// The handshake failed.
pub(super) fn failure(error: &rustls::Error, asked: Asked) -> ConnectFailure {
    let why = Transport::Tls(classify(error, asked));
    ConnectFailure { why, detail: Some(detail(error)) }
}

/// The connection failed after our side of the handshake was over. With TLS 1.3, that is when the
/// server's judgement about the client certificate comes (RFC 8446 §4.4.2.4).
pub(super) fn broken(error: &rustls::Error, asked: Asked) -> io::Error {
    let (why, detail) = (classify(error, asked), detail(error));
    let is_about_us =
        TlsError::ClientCertificateRequired == why || TlsError::ClientCertificateRejected == why;
    match is_about_us {
        true => io::Error::new(detail.kind(), Refused { why, detail }),
        false => detail,
    }
}
