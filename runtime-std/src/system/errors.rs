//! What errors of the system mean to the core.

use std::io;

use sortie_core::Transport;

/// Numbers of errors that say that there is no socket: of the process, of the system, and no memory
/// for one. The standard library has no names for them.
const NO_SOCKET: &[i32] = match () {
    () if cfg!(windows) => &[10024, 10055],
    // EMFILE and ENFILE are the same everywhere, ENOBUFS is not.
    () if cfg!(any(target_os = "linux", target_os = "android")) => &[24, 23, 105],
    () => &[24, 23, 55],
};

/// Whether there was no socket for another connection.
pub(super) fn is_without_socket(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| NO_SOCKET.contains(&number))
}

/// Why a connection could not be made.
#[allow(clippy::wildcard_enum_match_arm, reason = "the standard library adds kinds at will")]
pub(super) fn connect_error(error: &io::Error) -> Transport {
    use io::ErrorKind as Kind;
    match error.kind() {
        _ if is_without_socket(error) => Transport::NoSocket,
        Kind::ConnectionRefused => Transport::Refused,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
            Transport::Unreachable
        }
        _ => Transport::ConnectFailed,
    }
}

/// What `error` says, without the number that the standard library puts behind it.
pub(super) fn text(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let (Some(_), Some(end)) = (error.raw_os_error(), text.rfind(" (os error ")) {
        text.truncate(end);
    }
    text
}
