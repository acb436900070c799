//! Exit statuses: curl's numbers for curl's classes of error, since scripts know them.

use sortie::ErrorKind;
use sortie::core::{Error as TaskError, PeerError, Transport, UrlError};

/// The scheme is not supported.
const UNSUPPORTED_SCHEME: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// The URL is malformed.
const URL: u8 = 3;
/// The host has no address.
const RESOLVE: u8 = 6;
/// The connection could not be made.
const CONNECT: u8 = 7;
/// The server broke HTTP.
const PEER: u8 = 8;
/// The response is incomplete.
const PARTIAL: u8 = 18;
/// The content could not be written.
pub(crate) const WRITE: u8 = 23;
/// A file to be sent could not be read.
pub(crate) const READ: u8 = 26;
/// A timer ran out.
const TIMEOUT: u8 = 28;
/// No secure connection.
const TLS: u8 = 35;
/// The request is not one that can be sent.
const BAD_REQUEST: u8 = 43;
/// The server closed the connection without an answer.
const EMPTY: u8 = 52;
/// The body of the response is malformed.
const RECEIVE: u8 = 56;
/// A limit was met.
const LIMIT: u8 = 63;
/// Anything else.
const OTHER: u8 = 99;

/// The exit status for an error.
pub(crate) fn status(error: &sortie::Error) -> u8 {
    match error.kind() {
        ErrorKind::Url(UrlError::UnsupportedScheme) => UNSUPPORTED_SCHEME,
        ErrorKind::Url(_) => URL,
        ErrorKind::Request(_) => BAD_REQUEST,
        ErrorKind::Task(error) => task_status(error),
        ErrorKind::ContentTaken | _ => OTHER,
    }
}

fn task_status(error: TaskError) -> u8 {
    match error {
        TaskError::Peer(PeerError::ChunkSize | PeerError::ChunkEnd | PeerError::Trailer) => RECEIVE,
        TaskError::Peer(_) => PEER,
        TaskError::Limit(_) => LIMIT,
        TaskError::Transport(transport) => match transport {
            Transport::NameNotResolved => RESOLVE,
            Transport::TlsUnavailable => TLS,
            Transport::NoResponse => EMPTY,
            Transport::Lost => PARTIAL,
            Transport::Refused | Transport::Unreachable | Transport::ConnectFailed | _ => CONNECT,
        },
        TaskError::TimedOut(_) => TIMEOUT,
        TaskError::Sink => WRITE,
        TaskError::Canceled | _ => OTHER,
    }
}
