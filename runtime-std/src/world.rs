//! The seam between the driver and the world: streams, names, clock and timer.
//!
//! The driver is generic over it, so that the scripts of the tests replay on it in virtual time.
//! Poll-based, because futures of async functions in traits are not provably `Send`.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use sortie_core::{CloseReason, Instant, Scheme, TlsError, Transport, Url};

/// A connection attempt.
pub type Connecting<S> = Pin<Box<dyn Future<Output = Result<S, ConnectFailure>> + Send>>;

/// Why a connection could not be made.
#[derive(Debug)]
pub struct ConnectFailure {
    /// What the core is told.
    pub why: Transport,
    /// What it was in detail, for people: each address that was tried, or what TLS says.
    pub detail: Option<io::Error>,
}

impl From<Transport> for ConnectFailure {
    fn from(why: Transport) -> Self {
        Self { why, detail: None }
    }
}

/// What `poll_read` fails with, as the inner error, where the server ended the connection for what
/// it thinks of who the client is: our side of the handshake was over before it looked.
#[derive(Debug)]
pub struct Refused {
    /// What the core is told.
    pub why: TlsError,
    /// What it was in detail, for people.
    pub detail: io::Error,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.detail.fmt(f)
    }
}

impl std::error::Error for Refused {}

/// How a connection came to be, for metrics. Times are of the world's clock; what did not happen is
/// `None`.
#[derive(Debug, Clone, Default)]
pub struct ConnectionFacts {
    /// Begin and end of the look-up of the name.
    pub domain_lookup: Option<(Instant, Instant)>,
    /// Addresses that were tried beside the one that it leads to, and what became of each.
    pub other_addresses: Vec<(SocketAddr, String)>,
    /// Begin and end of the TLS handshake.
    pub secure_connection: Option<(Instant, Instant)>,
    /// Where it leads to.
    pub remote_address: Option<SocketAddr>,
    /// Where it comes from.
    pub local_address: Option<SocketAddr>,
    /// Such as `TLSv1.3`.
    pub tls_version: Option<&'static str>,
    /// The name of the cipher suite.
    pub tls_cipher_suite: Option<&'static str>,
    /// TLS went on with what an earlier connection agreed on.
    pub is_tls_resumed: bool,
    /// What was negotiated by ALPN, such as `http/1.1`.
    pub network_protocol: Option<&'static str>,
}

/// Where a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The scheme, which decides whether the connection is secured.
    pub scheme: Scheme,
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    pub(crate) fn of(url: Url<'_>) -> Self {
        Self { scheme: url.scheme(), host: url.host().to_owned(), port: url.port() }
    }

    pub(crate) fn serves(&self, url: Url<'_>) -> bool {
        self.port == url.port()
            && self.scheme == url.scheme()
            // Nearly always spelled the same.
            && (self.host == url.host() || self.host.eq_ignore_ascii_case(url.host()))
    }
}

/// A connection: bytes in both directions, independent of each other.
pub trait Stream: Send + 'static {
    /// Reads into `buffer`, which is not empty; 0 is an orderly end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Ready where there may be something to read, or an end: always, where that cannot be told.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }

    /// Whether no content can be read now, nor an end: what an idle connection must be.
    fn is_quiet(&mut self) -> bool;

    /// Whether the last read is known to have taken all that there was.
    fn is_drained(&self) -> bool {
        false
    }

    /// Writes some of `bytes`, which are not empty.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Writes some of `slices` in their order, of which the first one is not empty.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    /// Sends what was written and is still held back, before an answer is waited for. Ready at once
    /// where nothing ever is.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// How the connection came to be.
    fn facts(&self) -> Option<&ConnectionFacts> {
        None
    }
}

/// A timer that can be set anew.
pub trait Timer: Send + 'static {
    /// Ready once `at` is reached, or earlier: too early is harmless. It is `now` or a little
    /// later.
    fn poll_until(&mut self, cx: &mut Context<'_>, now: Instant, at: Instant) -> Poll<()>;
}

/// Everything outside the driver.
pub trait World: Send + Sync + 'static {
    /// Its connections.
    type Stream: Stream;
    /// Its timers.
    type Timer: Timer;

    /// The time.
    fn now(&self) -> Instant;

    /// A timer that is not set.
    fn timer(&self) -> Self::Timer;

    /// Opens a connection.
    fn connect(&self, endpoint: Endpoint) -> Connecting<Self::Stream>;

    /// A task is done with its connection: it is kept, or closed for this reason.
    fn released(&self, reason: Option<CloseReason>) {
        let _ = reason;
    }
}
