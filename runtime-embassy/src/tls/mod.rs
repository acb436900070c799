//! Connections over TLS 1.3, without an allocator.
//!
//! [`Tls`] says whom to trust, has the generator of random numbers, and lends the memory of one
//! secure connection. [`Session::connection`](crate::Session::connection) opens one with it, runs
//! tasks over it one after the other, and closes it;
//! [`Session::secure_data`](crate::Session::secure_data) does that for a single task. Any other
//! task with a URL of `https` fails as
//! [`TlsUnavailable`](sortie_core::Transport::TlsUnavailable), and nothing is sent.
//!
//! ```
//! use sortie_embassy::tls::{Clock, Records, Roots, Tls};
//! use sortie_embassy::{BodyLength, Failure, Request, Session, Url};
//! # use sortie_embassy::tls::CryptoRngCore;
//!
//! /// Set by SNTP, or a clock with a battery.
//! struct Calendar;
//!
//! impl Clock for Calendar {
//!     fn unix_seconds(&self) -> Option<u64> {
//! #       Some(0)
//!         // …
//!     }
//! }
//!
//! // The certificates of roots, in DER.
//! static ROOTS: &[&[u8]] = &[/* include_bytes!("root.der") */];
//!
//! async fn report(
//!     session: &Session<'_, 1>,
//!     generator: impl CryptoRngCore, // of the chip
//!     records: &mut Records,         // 18 KiB, in a static
//! ) -> Result<(), Failure> {
//!     let mut tls = Tls::new(generator, Roots::new(ROOTS, Calendar), records);
//!     let url = Url::parse("https://example.com/readings").unwrap();
//!     let request = Request::new("GET", url, &[], BodyLength::None).unwrap();
//!     let mut content = [0; 256];
//!     session
//!         .connection(&mut tls, async |connection| {
//!             connection.data(&request, &[], &mut content).await?;
//!             // Over the same connection, unless the server closed it.
//!             connection.data(&request, &[], &mut content).await?;
//!             Ok(())
//!         })
//!         .await
//! }
//! ```
//!
//! # What is checked
//!
//! | trust | the server has to show | dates |
//! |---|---|---|
//! | [`Roots`] with a [`Clock`] | a certificate for the host of the URL, from a root | yes |
//! | [`Roots`] with [`NoClock`] | the same | **no** |
//! | [`PinnedKeys`] | that it has one of these keys | – |
//! | [`PreSharedKey`] | that it knows the key | – |
//!
//! A server that shows less is refused with a [`TlsError`](sortie_core::TlsError) before a byte of
//! the request is sent. Keys and signatures are ECDSA with P-256 and SHA-256, in the certificate of
//! the server and in all above it. Of each the dates, the purpose, and who may vouch are looked at;
//! one with constraints of names, or a critical extension that is not known, is refused. Whether a
//! certificate was revoked is not asked.
//!
//! # Random numbers
//!
//! Each connection takes fresh ones from the generator that [`Tls`] holds. It has to be one for
//! keys: of the hardware, or seeded by it at each start. One with a seed that is always the same
//! makes every key public.
//!
//! # Dropping
//!
//! A read that has begun runs to the end of its record, also while the task is suspended, which
//! takes nothing of it meanwhile; only what ends the task ends it. A read of a
//! [`Body`](crate::Body) that is dropped within a record breaks the connection: the next one fails
//! as [`Lost`](sortie_core::Transport::Lost).
//!
//! # Not supported
//!
//! - TLS 1.2; other keys than P-256 and other suites than AES-128-GCM; HelloRetryRequest.
//! - Certificates of the client, resumption of sessions, and early data.
//! - A message of the handshake in more than one record: a chain of certificates has to fit in one,
//!   which is 16 KiB, or less where the [records](Records) are smaller.
//! - A change of keys in a connection: it ends there.

use core::fmt;

pub(crate) mod port;
mod records;
mod secure;
mod tasks;
pub(crate) mod trust;
mod verify;
mod x509;

pub use rand_core::{self, CryptoRngCore};
pub use secure::Secure;
pub use trust::{Clock, Dates, NoClock, PinnedKeys, PreSharedKey, Roots, Trust};

/// The longest record that a server may send (RFC 8446 §5.2): 2^14 bytes and what goes around them.
pub const RECORD_BYTES: usize = 16_640;

/// Memory for the records of one secure connection at a time: `READ` bytes for what comes, `WRITE`
/// for what is sent. Meant for a static.
///
/// `READ` is [`RECORD_BYTES`] unless the server is known to send less. With fewer it is asked to by
/// `max_fragment_length` (RFC 6066 §4), and one that does not heed that breaks the connection.
/// `WRITE` is the size of a request's pieces and 133 bytes of framing; at least 512.
pub struct Records<const READ: usize = RECORD_BYTES, const WRITE: usize = 1157> {
    read: [u8; READ],
    write: [u8; WRITE],
}

impl<const READ: usize, const WRITE: usize> Records<READ, WRITE> {
    /// Memory that no connection has.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(READ >= 1024 && WRITE >= 512, "records are longer than that") };
        Self { read: [0; READ], write: [0; WRITE] }
    }
}

impl<const READ: usize, const WRITE: usize> Default for Records<READ, WRITE> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const READ: usize, const WRITE: usize> fmt::Debug for Records<READ, WRITE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records<{READ}, {WRITE}>")
    }
}

/// What secure connections are made with: one at a time.
pub struct Tls<'t, R, T> {
    generator: R,
    trust: T,
    read: &'t mut [u8],
    write: &'t mut [u8],
}

impl<'t, R: CryptoRngCore, T: Trust> Tls<'t, R, T> {
    /// Trusts as `trust` says, and takes random numbers from `generator`: see the
    /// [module](self#random-numbers).
    pub fn new<const READ: usize, const WRITE: usize>(
        generator: R,
        trust: T,
        records: &'t mut Records<READ, WRITE>,
    ) -> Self {
        Self { generator, trust, read: &mut records.read, write: &mut records.write }
    }
}

impl<R, T> fmt::Debug for Tls<'_, R, T> {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("read", &self.read.len()).finish_non_exhaustive()
    }
}
