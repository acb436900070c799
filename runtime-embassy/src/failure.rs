//! Failures of tasks as embedded-io tells them.

use embedded_io_async::ErrorKind;
use sortie_core::{Error, Transport};

use crate::task::Failure;

impl embedded_io_async::Error for Failure {
    fn kind(&self) -> ErrorKind {
        match self.error {
            Error::Canceled => ErrorKind::Interrupted,
            Error::TimedOut(_) => ErrorKind::TimedOut,
            Error::Limit(_) => ErrorKind::OutOfMemory,
            Error::Transport(Transport::Refused) => ErrorKind::ConnectionRefused,
            Error::Transport(Transport::NoResponse | Transport::Lost) => ErrorKind::ConnectionReset,
            Error::Transport(Transport::NameNotResolved | Transport::Unreachable) => {
                ErrorKind::AddrNotAvailable
            }
            Error::Transport(Transport::TlsUnavailable) => ErrorKind::Unsupported,
            Error::Transport(Transport::OtherOrigin) => ErrorKind::InvalidInput,
            Error::Peer(_) | Error::Redirect(_) => ErrorKind::InvalidData,
            Error::Sink => ErrorKind::WriteZero,
            // Those that have no counterpart there.
            Error::Transport(Transport::ConnectFailed | Transport::Tls(_))
            | Error::Status(_)
            | Error::BodyExhausted
            | Error::Source => ErrorKind::Other,
            // Those that the core does not have yet.
            Error::Transport(_) | _ => ErrorKind::Other,
        }
    }
}
