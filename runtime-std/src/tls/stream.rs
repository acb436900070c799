//! A secure connection: rustls over TCP, polled.

use std::io::{self, IoSlice, Read, Write};
use std::task::{Context, Poll, Waker, ready};

use rustls::{CipherSuite, ClientConnection, HandshakeKind, ProtocolVersion};
use sortie_core::{Instant, TlsError, Transport};

use super::errors::{broken, failure};
use super::identity::{Asked, take_asked};
use crate::system::Tcp;
use crate::world::{ConnectFailure, ConnectionFacts, Stream};

/// Bytes that are read at once, at first: most handshakes and small responses fit.
const FIRST_READ: usize = 4 * 1024;

/// The most that are read at once. Reads double up to it while they come back full.
const LONGEST_READ: usize = 64 * 1024;

/// The most that is encrypted and not yet written. A full read of a file or of a user's buffer
/// goes out in one call of the system.
const HELD_BACK: usize = 64 * 1024;

/// Reads that a look at an idle connection takes at most. Servers send two session tickets, some
/// four; one that goes on and on is not idle.
const LATE_READS: usize = 16;

/// A connection that rustls secures.
#[derive(Debug)]
pub(crate) struct Secure {
    tcp: Tcp,
    tls: ClientConnection,
    inbound: Inbound,
    /// What is received after it means nothing. Content from before it is handed out first.
    failure: Option<rustls::Error>,
    /// A write failed: the other side is gone, though it may have left an answer.
    is_gone: bool,
    asked: Asked,
}

/// Bytes as they came from TCP, not yet given to rustls, which takes 4 KiB at a time.
#[derive(Debug)]
struct Inbound {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbound {
    /// The room for the next read: more than before if that was full.
    fn room(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() {
            let length = (self.bytes.len() * 2).min(LONGEST_READ);
            self.bytes.resize(length, 0);
        }
        (self.start, self.end) = (0, 0);
        &mut self.bytes
    }
}

/// Lets rustls write to a socket for a task.
struct Outbound<'a, 'b> {
    tcp: &'a mut Tcp,
    cx: &'a mut Context<'b>,
}

impl Write for Outbound<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(self.tcp.poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        or_would_block(self.tcp.poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn or_would_block(result: Poll<io::Result<usize>>) -> io::Result<usize> {
    match result {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Secure {
    pub(super) fn new(tcp: Tcp, mut tls: ClientConnection) -> Box<Self> {
        tls.set_buffer_limit(Some(HELD_BACK));
        Box::new(Self {
            tcp,
            tls,
            inbound: Inbound { bytes: vec![0; FIRST_READ], start: 0, end: 0 },
            failure: None,
            is_gone: false,
            asked: Asked::No,
        })
    }

    /// Goes through the handshake. Ready when the connection is secure and the server has been
    /// sent all that belongs to it.
    pub(super) fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectFailure>> {
        loop {
            // If that fails, the server may have said why before it closed.
            let flushed = self.poll_flush(cx);
            if let Some(why) = &self.failure {
                return Poll::Ready(Err(failure(why, self.asked)));
            }
            if !self.tls.is_handshaking() {
                return flushed.map(|_| Ok(()));
            }
            if self.feed() {
                continue;
            }
            let why = match ready!(self.poll_fill(cx)) {
                Ok(0) => io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server ended the connection within the handshake",
                ),
                Ok(_) => continue,
                Err(why) => why,
            };
            let detail = Some(why);
            let why = Transport::Tls(TlsError::Handshake);
            return Poll::Ready(Err(ConnectFailure { why, detail }));
        }
    }

    /// Notes what was agreed on, and how long that took.
    pub(super) fn note(&mut self, times: (Instant, Instant)) {
        let facts = &mut self.tcp.facts;
        facts.secure_connection = Some(times);
        facts.tls_version = self.tls.protocol_version().and_then(version_name);
        let suite = self.tls.negotiated_cipher_suite();
        facts.tls_cipher_suite = suite.and_then(|suite| suite_name(suite.suite()));
        facts.is_tls_resumed = self.tls.handshake_kind() == Some(HandshakeKind::Resumed);
        let agreed = self.tls.alpn_protocol() == Some(super::HTTP_1_1);
        facts.network_protocol = agreed.then_some("http/1.1");
    }

    /// Reads from TCP what rustls is given next. 0 is an end without notice.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = ready!(self.tcp.poll_read(cx, self.inbound.room()))?;
        self.inbound.end = count;
        Poll::Ready(Ok(count))
    }

    /// Gives rustls some of what was read. `false` if there is nothing to give.
    fn feed(&mut self) -> bool {
        let Inbound { bytes, start, end } = &mut self.inbound;
        if start == end || self.failure.is_some() {
            return false;
        }
        let taken = self.tls.read_tls(&mut &bytes[*start..*end]);
        // Nothing is taken behind the end of the connection.
        *start = match taken {
            Ok(count) if count > 0 => *start + count,
            Ok(_) | Err(_) => *end,
        };
        if let Err(why) = self.tls.process_new_packets() {
            self.failure = Some(why);
        }
        let asked = take_asked();
        if asked != Asked::No {
            self.asked = asked;
        }
        true
    }

    /// Whether there is content that nobody read, or an end.
    fn has_news(&mut self) -> bool {
        let state = self.tls.process_new_packets();
        self.is_gone
            || state.map_or(true, |state| {
                state.plaintext_bytes_to_read() > 0 || state.peer_has_closed()
            })
    }

    /// Writes what rustls has to send, as far as the socket takes it.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            if self.is_gone {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let written = self.tls.write_tls(&mut Outbound { tcp: &mut self.tcp, cx });
            match written {
                Ok(count) if count > 0 => {}
                Ok(_) => {
                    self.is_gone = true;
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(why) => {
                    self.is_gone = true;
                    return Poll::Ready(Err(why));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Stream for Secure {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut filled = 0;
        loop {
            match self.tls.reader().read(&mut buffer[filled..]) {
                Ok(count) => {
                    filled += count;
                    if count == 0 || filled == buffer.len() {
                        return Poll::Ready(Ok(filled));
                    }
                }
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) if filled > 0 => return Poll::Ready(Ok(filled)),
                Err(_) => return Poll::Ready(Err(cut())),
            }
            if self.feed() {
                continue;
            }
            if filled > 0 {
                return Poll::Ready(Ok(filled));
            }
            if let Some(why) = &self.failure {
                return Poll::Ready(Err(broken(why, self.asked)));
            }
            // Before it is waited for the server, it gets what it may be waiting for. If that
            // cannot be written, an answer may be there all the same.
            let _ = self.poll_send(cx);
            if ready!(self.poll_fill(cx))? == 0 {
                // That is how rustls hears of the end.
                self.tls.read_tls(&mut io::empty())?;
                if let Err(why) = self.tls.process_new_packets() {
                    self.failure = Some(why);
                }
            }
        }
    }

    fn is_quiet(&mut self) -> bool {
        for _ in 0..LATE_READS {
            while !self.has_news() {
                if !self.feed() {
                    break;
                }
            }
            if self.has_news() {
                return false;
            }
            match self.tcp.try_read(self.inbound.room()) {
                Ok(count) if count > 0 => self.inbound.end = count,
                Ok(_) => return false,
                Err(why) => return why.kind() == io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // Only then is there room for more: what is held back is bounded.
        ready!(self.poll_send(cx))?;
        let count = self.tls.writer().write(bytes)?;
        match self.poll_send(cx) {
            Poll::Ready(Err(why)) => Poll::Ready(Err(why)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        // One record, where they fit.
        let count = self.tls.writer().write_vectored(slices)?;
        match self.poll_send(cx) {
            Poll::Ready(Err(why)) => Poll::Ready(Err(why)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx)
    }

    fn facts(&self) -> Option<&ConnectionFacts> {
        self.tcp.facts()
    }
}

impl Drop for Secure {
    /// Says goodbye, if that goes without waiting: else the server cannot tell an end from a cut.
    fn drop(&mut self) {
        if !self.tls.is_handshaking() && self.failure.is_none() {
            self.tls.send_close_notify();
            let _ = self.poll_send(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// An end without notice: somebody in between may have made it (RFC 9112 §9.8).
fn cut() -> io::Error {
    let text = "the server ended the connection without TLS close_notify";
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "rustls adds variants at will")]
const fn version_name(version: ProtocolVersion) -> Option<&'static str> {
    match version {
        ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
        ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
        _ => None,
    }
}

/// The name that IANA lists; rustls has its own for those of TLS 1.3.
#[allow(clippy::wildcard_enum_match_arm, reason = "the others have the names that IANA lists")]
fn suite_name(suite: CipherSuite) -> Option<&'static str> {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => Some("TLS_AES_128_GCM_SHA256"),
        CipherSuite::TLS13_AES_256_GCM_SHA384 => Some("TLS_AES_256_GCM_SHA384"),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => Some("TLS_CHACHA20_POLY1305_SHA256"),
        other => other.as_str(),
    }
}
