//! Errors, split by who is to blame: the caller, the peer, a limit, the transport, the clock.
//!
//! All are `Copy` and free of text on the heap. [`Error::code`] is the URLError code that
//! URLSession would report. A [`Misuse`] changes nothing; every other error ends the task, and what
//! was received until then stays counted and delivered.

use core::fmt;

/// Why a task failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// The server broke HTTP/1.1.
    Peer(PeerError),
    /// A bound of [`limits`](crate::limits), or of a lent buffer, was met.
    Limit(Limit),
    /// The connection could not be made, or broke.
    Transport(Transport),
    /// A timer of the task ran out.
    TimedOut(Timer),
    /// A redirect cannot be followed (RFC 9110 §15.4).
    Redirect(RedirectError),
    /// The server answered with this status, and only success was asked for.
    Status(u16),
    /// The request has to be sent again and its body cannot be had again.
    BodyExhausted,
    /// What was received could not be stored: the sink failed.
    Sink,
    /// The body of the request could not be read, or was not as long as it was said to be.
    Source,
    /// The task was cancelled.
    Canceled,
}

/// The caller broke the contract. The call changed nothing; the task goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Misuse {
    /// The input was not asked for: look at `poll_output` and `io` first.
    NotAskedFor,
    /// More bytes were reported than the task allowed for this call.
    TooMuch,
    /// [`SUSPENDS`](crate::limits::SUSPENDS) calls of `suspend` are already counted.
    TooManySuspends,
    /// The ticket is of a task that is not queued: it was started or removed.
    StaleTicket,
}

/// How the server broke HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PeerError {
    /// The answer does not begin with `HTTP/1.`: not HTTP, or a version we do not speak.
    NotHttp,
    /// The status-line is malformed (RFC 9112 §4).
    StatusLine,
    /// A field line of the head is malformed (RFC 9112 §5).
    FieldLine,
    /// `Content-Length` is malformed or contradicts itself (RFC 9112 §6.3).
    ContentLength,
    /// `Transfer-Encoding` is other than `chunked` alone, which is all that we ask for.
    TransferEncoding,
    /// A chunk-size line is malformed (RFC 9112 §7.1).
    ChunkSize,
    /// Chunk data is not followed by CRLF (RFC 9112 §7.1).
    ChunkEnd,
    /// A trailer field line is malformed (RFC 9112 §7.1.2).
    Trailer,
    /// `101 (Switching Protocols)` to a request that did not ask for it (RFC 9110 §15.2.2).
    UnexpectedUpgrade,
    /// A WebSocket handshake was answered with another status than 101.
    UpgradeRefused,
    /// `206 (Partial Content)` to a download that did not ask for a part (RFC 9110 §15.3.7).
    UnaskedRange,
    /// More, or less, content than the range that was announced.
    RangeLength,
}

/// Why a redirect cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RedirectError {
    /// One more than the task follows, 20 if it is not told otherwise.
    TooMany,
    /// `Location` leads to a scheme that a task does not speak.
    Scheme,
    /// `Location` is not a URL, or there are two that differ.
    Location,
    /// It leads from `https` to `http`, which must be allowed first.
    Downgrade,
}

/// Which bound was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Limit {
    /// [`HEAD_BYTES`](crate::limits::HEAD_BYTES).
    HeadBytes,
    /// The lent input buffer is full and the head is not whole: lend a larger one.
    HeadBuffer,
    /// [`HEAD_FIELDS`](crate::limits::HEAD_FIELDS).
    HeadFields,
    /// [`INTERIM_RESPONSES`](crate::limits::INTERIM_RESPONSES).
    InterimResponses,
    /// [`CHUNK_LINE_BYTES`](crate::limits::CHUNK_LINE_BYTES).
    ChunkLine,
    /// [`CHUNK_OVERHEAD_BYTES`](crate::limits::CHUNK_OVERHEAD_BYTES).
    ChunkOverhead,
    /// [`TRAILER_BYTES`](crate::limits::TRAILER_BYTES).
    Trailers,
    /// The caller's buffer for content is full: lend a larger one.
    ContentBuffer,
    /// The buffer lent for the URL of a redirect is too small: lend a larger one.
    TargetBuffer,
}

/// What happened to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Transport {
    /// The name has no address.
    NameNotResolved,
    /// The server refused the connection.
    Refused,
    /// No route to the server.
    Unreachable,
    /// The connection could not be made, for another reason.
    ConnectFailed,
    /// There was no socket for the connection: the system has no descriptor left, or the device no
    /// socket. Told only where no connection of the session could end and leave its socket, see
    /// [`Schedule::open_failed`](crate::session::scheduler::Schedule::open_failed).
    NoSocket,
    /// The scheme needs a secure connection and the adapter has none to offer.
    TlsUnavailable,
    /// The connection could not be secured.
    Tls(TlsError),
    /// The task was lent a connection that leads to another origin than its URL, or than the one
    /// that a redirect led to, see [`Loan`](crate::session::Loan). Nothing was sent there.
    OtherOrigin,
    /// The connection ended before the first byte of a response.
    NoResponse,
    /// The connection ended within the head, or within a body whose end it did not mark
    /// (RFC 9112 §8).
    Lost,
}

/// Why a connection could not be secured. Nothing of the request was sent, but for the two that
/// are about a client certificate: with TLS 1.3 it may have been, and the server did not take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet; or the clock is wrong.
    NotYetValid,
    /// The certificate is for other names than the one that was asked for.
    WrongName,
    /// The certificate leads to no root that is trusted.
    UnknownRoot,
    /// The certificate is signed by itself, and is not trusted as it is.
    SelfSigned,
    /// The certificate is not trusted for another reason: a revocation, a purpose, a signature.
    Untrusted,
    /// The key of the server is none of those that are pinned.
    KeyNotPinned,
    /// The server wants a client certificate and there is none.
    ClientCertificateRequired,
    /// The server does not take the client certificate.
    ClientCertificateRejected,
    /// The handshake failed: no TLS on the other side, or none that fits.
    Handshake,
}

/// Which timer ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Timer {
    /// The request timeout: nothing was sent or received for so long.
    Request,
    /// The resource timeout: the whole task took so long.
    Resource,
}

impl Error {
    /// The URLError code that URLSession reports for this, such as -1001.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::Canceled => -999,
            Self::TimedOut(Timer::Request | Timer::Resource) => -1001,
            Self::Transport(transport) => transport.code(),
            Self::Redirect(why) => why.code(),
            Self::BodyExhausted => -1021,
            Self::Source => -2000,
            Self::Status(_) | Self::Peer(PeerError::UpgradeRefused) => -1011,
            Self::Peer(PeerError::UnaskedRange | PeerError::RangeLength) => -1011,
            Self::Peer(PeerError::ChunkSize | PeerError::ChunkEnd | PeerError::Trailer) => -1015,
            Self::Peer(
                PeerError::NotHttp
                | PeerError::StatusLine
                | PeerError::FieldLine
                | PeerError::ContentLength
                | PeerError::TransferEncoding
                | PeerError::UnexpectedUpgrade,
            ) => -1017,
            Self::Limit(Limit::ContentBuffer) => -1103,
            Self::Limit(
                Limit::HeadBytes
                | Limit::HeadBuffer
                | Limit::HeadFields
                | Limit::InterimResponses
                | Limit::ChunkLine
                | Limit::ChunkOverhead
                | Limit::Trailers
                | Limit::TargetBuffer,
            ) => -1017,
            Self::Sink => -3003,
        }
    }
}

impl Error {
    /// Whether the content of the response in which the task ended is what it was said to be, as
    /// far as it came. If not, a download drops it, and keeps what was stored before it.
    #[must_use]
    pub const fn keeps_content(self) -> bool {
        !matches!(self, Self::Peer(PeerError::RangeLength))
    }
}

impl RedirectError {
    const fn code(self) -> i32 {
        match self {
            Self::TooMany => -1007,
            Self::Scheme => -1002,
            Self::Location => -1010,
            Self::Downgrade => -1022,
        }
    }
}

impl Transport {
    const fn code(self) -> i32 {
        match self {
            Self::NameNotResolved => -1003,
            Self::Refused | Self::Unreachable | Self::ConnectFailed => -1004,
            Self::NoSocket | Self::OtherOrigin => -1004,
            Self::TlsUnavailable => -1200,
            Self::Tls(why) => why.code(),
            Self::NoResponse | Self::Lost => -1005,
        }
    }
}

impl TlsError {
    const fn code(self) -> i32 {
        match self {
            Self::Handshake => -1200,
            Self::Expired => -1201,
            Self::WrongName | Self::SelfSigned | Self::Untrusted | Self::KeyNotPinned => -1202,
            Self::UnknownRoot => -1203,
            Self::NotYetValid => -1204,
            Self::ClientCertificateRejected => -1205,
            Self::ClientCertificateRequired => -1206,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => peer.fmt(f),
            Self::Limit(limit) => limit.fmt(f),
            Self::Transport(transport) => transport.fmt(f),
            Self::TimedOut(timer) => timer.fmt(f),
            Self::Redirect(redirect) => redirect.fmt(f),
            Self::Status(status) => {
                write!(f, "the server answered {status}, where only success will do")
            }
            Self::BodyExhausted => f.write_str(
                "the request must be sent again, and its body was from a source that is used up",
            ),
            Self::Sink => f.write_str("the received content could not be stored"),
            Self::Source => f.write_str("the body of the request could not be read as announced"),
            Self::Canceled => f.write_str("cancelled"),
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAskedFor => "the task did not ask for this input now: poll its output first",
            Self::TooMuch => "more bytes were reported than the task allowed",
            Self::TooManySuspends => "the count of suspends is at its limit",
            Self::StaleTicket => "the ticket is of a task that is not queued any more",
        })
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => "the server did not answer in HTTP/1.1",
            Self::StatusLine => "the status line of the response is malformed",
            Self::FieldLine => "a header field of the response is malformed",
            Self::ContentLength => "the length of the response is malformed or contradicts itself",
            Self::TransferEncoding => "the response has a transfer coding other than chunked",
            Self::ChunkSize => "a chunk size of the response is malformed",
            Self::ChunkEnd => "a chunk of the response is longer than its size",
            Self::Trailer => "a trailer field of the response is malformed",
            Self::UnexpectedUpgrade => "the server switched protocols without being asked",
            Self::UpgradeRefused => "the server refused the WebSocket handshake",
            Self::UnaskedRange => "the server sent a part where the whole was asked for",
            Self::RangeLength => "the server sent another range than it announced",
        })
    }
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "too many redirects: the server may be sending us in circles",
            Self::Scheme => "the server redirects to a scheme that is not supported",
            Self::Location => "the server redirects to something that is not a URL",
            Self::Downgrade => "the server redirects from https to http, which is not allowed",
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeadBytes => "the header section of the response is too long",
            Self::HeadBuffer => "the header section does not fit in the buffer lent for it",
            Self::HeadFields => "the response has too many header fields",
            Self::InterimResponses => "the server sent too many interim responses",
            Self::ChunkLine => "a chunk-size line of the response is too long",
            Self::ChunkOverhead => "the chunk extensions of the response are too long in all",
            Self::Trailers => "the trailer section of the response is too long",
            Self::ContentBuffer => "the content does not fit in the buffer lent for it",
            Self::TargetBuffer => "the URL of a redirect does not fit in the buffer lent for it",
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls(why) => return why.fmt(f),
            Self::NameNotResolved => "the host name could not be resolved",
            Self::Refused => "the server refused the connection",
            Self::Unreachable => "the server cannot be reached",
            Self::ConnectFailed => "the connection could not be made",
            Self::NoSocket => {
                "the system has no socket for another connection: close files, or raise its limit"
            }
            Self::TlsUnavailable => "a secure connection was asked for and TLS is not available",
            Self::OtherOrigin => {
                "the connection leads to another origin than the URL: use one for its scheme, host \
                 and port"
            }
            Self::NoResponse => "the server closed the connection without an answer",
            Self::Lost => "the connection was lost before the response was complete",
        })
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the certificate of the server has expired",
            Self::NotYetValid => "the certificate of the server is not valid yet: check the clock",
            Self::WrongName => "the certificate of the server is for another name",
            Self::UnknownRoot => "the certificate of the server leads to no root that is trusted",
            Self::SelfSigned => "the certificate of the server is signed by itself",
            Self::Untrusted => "the certificate of the server is not trusted",
            Self::KeyNotPinned => "the key of the server is none of those that are pinned",
            Self::ClientCertificateRequired => "the server asks for a client certificate",
            Self::ClientCertificateRejected => "the server refused the client certificate",
            Self::Handshake => "the TLS handshake failed",
        })
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "timed out: nothing was sent or received for too long",
            Self::Resource => "timed out: the whole transfer took too long",
        })
    }
}

impl core::error::Error for Error {}
impl core::error::Error for Misuse {}
impl core::error::Error for PeerError {}
impl core::error::Error for RedirectError {}
impl core::error::Error for Limit {}
impl core::error::Error for Transport {}
impl core::error::Error for TlsError {}
impl core::error::Error for Timer {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_failure_of_the_transport_says_what_it_is_and_has_a_code_of_url_session() {
        let all = [
            (Transport::NameNotResolved, -1003, "could not be resolved"),
            (Transport::Refused, -1004, "refused"),
            (Transport::Unreachable, -1004, "cannot be reached"),
            (Transport::ConnectFailed, -1004, "could not be made"),
            (Transport::NoSocket, -1004, "close files, or raise its limit"),
            (Transport::TlsUnavailable, -1200, "TLS is not available"),
            (Transport::Tls(TlsError::NotYetValid), -1204, "check the clock"),
            (Transport::OtherOrigin, -1004, "URL: use one for its scheme, host and port"),
            (Transport::NoResponse, -1005, "without an answer"),
            (Transport::Lost, -1005, "was lost before"),
        ];
        for (why, code, text) in all {
            let error = Error::Transport(why);
            assert_eq!(error.code(), code, "{why:?}");
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
