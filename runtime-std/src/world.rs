//! The seam between the driver and the world: streams, names, clock and timer.
//!
//! The driver is generic over it, so that the scripts of the tests replay on it in virtual time.
//! Poll-based, because futures of async functions in traits are not provably `Send`.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Async;
use sortie_core::{CloseReason, Instant, Scheme, Transport, Url};

/// A connection attempt.
pub type Connecting<S> = Pin<Box<dyn Future<Output = Result<S, Transport>> + Send>>;

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
            && self.host.eq_ignore_ascii_case(url.host())
    }
}

/// A connection: bytes in both directions, independent of each other.
pub trait Stream: Send + 'static {
    /// Reads into `buffer`, which is not empty; 0 is an orderly end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Whether nothing can be read now, not even an end: what an idle connection must be.
    fn is_quiet(&self) -> bool;

    /// Writes some of `bytes`, which are not empty.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
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

/// The real world: TCP through async-io's reactor, names through the system's resolver.
#[derive(Debug)]
pub(crate) struct System {
    epoch: std::time::Instant,
}

impl System {
    pub(crate) fn new() -> Self {
        Self { epoch: std::time::Instant::now() }
    }
}

impl World for System {
    type Stream = Tcp;
    type Timer = SystemTimer;

    fn now(&self) -> Instant {
        let elapsed = self.epoch.elapsed();
        let seconds = elapsed.as_secs().saturating_mul(1_000_000);
        Instant::from_micros(seconds).after(u64::from(elapsed.subsec_micros()))
    }

    fn timer(&self) -> SystemTimer {
        SystemTimer { epoch: self.epoch, set: None }
    }

    fn connect(&self, endpoint: Endpoint) -> Connecting<Tcp> {
        Box::pin(async move {
            if endpoint.scheme.is_secure() {
                return Err(Transport::TlsUnavailable);
            }
            let name = (endpoint.host.as_str(), endpoint.port);
            let addresses = async_net::resolve(name).await;
            let addresses = addresses.map_err(|_| Transport::NameNotResolved)?;
            let mut last = Transport::NameNotResolved;
            for address in addresses {
                match Tcp::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = connect_error(&error),
                }
            }
            Err(last)
        })
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the standard library adds kinds at will")]
fn connect_error(error: &io::Error) -> Transport {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Transport::Refused,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
            Transport::Unreachable
        }
        _ => Transport::ConnectFailed,
    }
}

/// TCP.
#[derive(Debug)]
pub(crate) struct Tcp {
    socket: Async<TcpStream>,
    /// The last read took everything there was: ask for readiness before the next one. It saves a
    /// read that finds nothing in every response.
    drained: bool,
}

impl Tcp {
    async fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = Async::<TcpStream>::connect(address).await?;
        // Requests are written whole; waiting to fill a segment would only delay them.
        socket.get_ref().set_nodelay(true)?;
        Ok(Self { socket, drained: true })
    }
}

impl Stream for Tcp {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if self.drained {
                ready!(self.socket.poll_readable(cx))?;
            }
            match io::Read::read(&mut self.socket.get_ref(), buffer) {
                Ok(count) => {
                    self.drained = count < buffer.len();
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.drained = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn is_quiet(&self) -> bool {
        let nothing = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.socket.get_ref().peek(&mut [0]).is_err_and(nothing)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match io::Write::write(&mut self.socket.get_ref(), bytes) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_writable(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// A timer of async-io, set lazily: it stays set to the earlier instant when it is asked for a
/// later one, and fires early then. Most requests end long before their deadline, so that a timer
/// which lives as long as its connection is hardly ever touched.
#[derive(Debug)]
pub(crate) struct SystemTimer {
    epoch: std::time::Instant,
    set: Option<(Instant, async_io::Timer, std::task::Waker)>,
}

impl Timer for SystemTimer {
    fn poll_until(&mut self, cx: &mut Context<'_>, now: Instant, at: Instant) -> Poll<()> {
        let timer = match &mut self.set {
            Some((set, timer, waker)) if *set <= at => {
                if waker.will_wake(cx.waker()) && *set > now {
                    return Poll::Pending;
                }
                waker.clone_from(cx.waker());
                timer
            }
            _ => {
                let when = self.epoch + Duration::from_micros(at.as_micros());
                let timer = async_io::Timer::at(when);
                &mut self.set.insert((at, timer, cx.waker().clone())).1
            }
        };
        ready!(Pin::new(timer).poll(cx));
        self.set = None;
        Poll::Ready(())
    }
}
