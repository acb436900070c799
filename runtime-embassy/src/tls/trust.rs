//! Whom a secure connection is made with.

use core::fmt;

use sha2::{Digest, Sha256};
use sortie_core::TlsError;

use crate::tls::verify::{Chain, Key};
use crate::tls::x509::{Certificate, Way, key_in, key_info};

/// What a server has to show: [`Roots`], [`PinnedKeys`] or [`PreSharedKey`], and nothing else.
#[allow(private_bounds, reason = "sealed")]
pub trait Trust: Judge {}

/// What is behind [`Trust`]: a program links that of the one that it uses.
pub(crate) trait Judge {
    /// The key that the server has to prove that it has, of the certificates that it showed.
    fn judge(&self, chain: &Chain<'_>, host: &str) -> Result<Key, TlsError>;

    /// The key that both sides have, with its identity.
    fn shared(&self) -> Option<(&[u8], &[u8])> {
        None
    }
}

/// Knows the date.
pub trait Clock {
    /// Seconds since 1970 began, UTC. `None` where the date is not known yet: until it is, every
    /// certificate is refused as [`NotYetValid`](TlsError::NotYetValid).
    fn unix_seconds(&self) -> Option<u64>;
}

impl<C: Clock> Clock for &C {
    fn unix_seconds(&self) -> Option<u64> {
        C::unix_seconds(self)
    }
}

/// In the place of a [`Clock`]: the dates of certificates are **not checked**. One that has
/// expired, whose key may have been stolen since, is taken as well.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoClock;

/// What [`Roots`] have the date from: a [`Clock`], or [`NoClock`], which has none.
#[allow(private_bounds, reason = "sealed")]
pub trait Dates: Now {}

trait Now {
    /// The date; `None` where none is to be looked at.
    fn now(&self) -> Result<Option<u64>, TlsError>;
}

impl<C: Clock> Dates for C {}

impl<C: Clock> Now for C {
    fn now(&self) -> Result<Option<u64>, TlsError> {
        self.unix_seconds().map(Some).ok_or(TlsError::NotYetValid)
    }
}

impl Dates for NoClock {}

impl Now for NoClock {
    fn now(&self) -> Result<Option<u64>, TlsError> {
        Ok(None)
    }
}

/// Trusts servers whose certificate is for the host of the URL and leads to one of these roots.
///
/// Names are compared with the alternative names of the certificate alone, and addresses with its
/// addresses (RFC 9110 §4.3.4).
#[derive(Clone, Copy)]
pub struct Roots<'k, C> {
    roots: &'k [&'k [u8]],
    clock: C,
}

impl<'k, C: Dates> Roots<'k, C> {
    /// Trusts these certificates, each in DER. To what is none of them nothing leads.
    #[must_use]
    pub const fn new(roots: &'k [&'k [u8]], clock: C) -> Self {
        Self { roots, clock }
    }

    /// The key of a server that showed these certificates, if it is trusted: the very check of a
    /// handshake, for tests that compare it with another one.
    #[cfg(feature = "internals")]
    #[doc(hidden)]
    pub fn check(&self, shown: &[&[u8]], host: &str) -> Result<Key, TlsError> {
        self.judge(&Chain::of(shown.iter().copied()).ok_or(TlsError::Untrusted)?, host)
    }
}

impl<C: Dates> Trust for Roots<'_, C> {}

impl<C: Dates> Judge for Roots<'_, C> {
    fn judge(&self, chain: &Chain<'_>, host: &str) -> Result<Key, TlsError> {
        let date = self.clock.now()?;
        let own = Certificate::parse(chain.own).ok_or(TlsError::Untrusted)?;
        Way { own: &own, between: chain.between(), roots: self.roots, date }.leads()?;
        own.is_for(host)?;
        own.key().ok_or(TlsError::Untrusted)
    }
}

impl<C> fmt::Debug for Roots<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("roots", &self.roots.len()).finish_non_exhaustive()
    }
}

/// Trusts servers that have one of these keys, whatever else is in their certificates: neither
/// names nor dates are looked at.
///
/// Each is the SHA-256 digest of the `SubjectPublicKeyInfo` of the server's own certificate, as for
/// a pin on the desktop.
#[derive(Clone, Copy)]
pub struct PinnedKeys<'k>(&'k [[u8; 32]]);

impl<'k> PinnedKeys<'k> {
    /// Trusts these.
    #[must_use]
    pub const fn new(keys: &'k [[u8; 32]]) -> Self {
        Self(keys)
    }
}

impl Trust for PinnedKeys<'_> {}

impl Judge for PinnedKeys<'_> {
    fn judge(&self, chain: &Chain<'_>, _: &str) -> Result<Key, TlsError> {
        let info = key_info(chain.own).ok_or(TlsError::Untrusted)?;
        let digest: [u8; 32] = Sha256::digest(info).into();
        match self.0.contains(&digest) {
            true => key_in(info).ok_or(TlsError::Untrusted),
            false => Err(TlsError::KeyNotPinned),
        }
    }
}

impl fmt::Debug for PinnedKeys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinnedKeys({})", self.0.len())
    }
}

/// Trusts servers that know this key (RFC 8446 §2.2), which then need no certificate. The keys of
/// each connection are new all the same.
#[derive(Clone, Copy)]
pub struct PreSharedKey<'k> {
    key: &'k [u8],
    identity: &'k [u8],
}

impl<'k> PreSharedKey<'k> {
    /// Trusts who knows `key`, which the server finds by its `identity`. The identity is sent in
    /// the clear.
    ///
    /// Memory that nobody wrote to, which has zeros alone or ones alone, is no key: nobody is
    /// trusted then.
    #[must_use]
    pub const fn new(identity: &'k [u8], key: &'k [u8]) -> Self {
        Self { key, identity }
    }
}

impl Trust for PreSharedKey<'_> {}

impl Judge for PreSharedKey<'_> {
    /// It did not take the key.
    fn judge(&self, _: &Chain<'_>, _: &str) -> Result<Key, TlsError> {
        Err(TlsError::KeyNotPinned)
    }

    fn shared(&self) -> Option<(&[u8], &[u8])> {
        // One of 32 zeros is what a handshake without a key has in its place (RFC 8446 §7.1).
        let is_written = [0, 0xff].iter().all(|blank| self.key.iter().any(|byte| byte != blank));
        is_written.then_some((self.key, self.identity))
    }
}

impl fmt::Debug for PreSharedKey<'_> {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreSharedKey")
    }
}
