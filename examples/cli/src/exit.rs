//! Exit statuses: curl's numbers for curl's classes of error, since scripts know them. The table is
//! in docs/command.md, too.

use sortie::core::{Error as TaskError, PeerError, RedirectError, Transport, UrlError};
use sortie::{ErrorKind, FileErrorKind, TlsConfigurationError, TlsError};

/// The scheme is not supported.
const UNSUPPORTED_SCHEME: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// The URL is malformed.
pub(crate) const URL: u8 = 3;
/// The host has no address.
const RESOLVE: u8 = 6;
/// The connection could not be made.
const CONNECT: u8 = 7;
/// The server broke HTTP.
const PEER: u8 = 8;
/// The response is incomplete.
const PARTIAL: u8 = 18;
/// The status is 400 or more, and success was wanted.
pub(crate) const STATUS: u8 = 22;
/// The content could not be written.
pub(crate) const WRITE: u8 = 23;
/// A file to be sent could not be read.
pub(crate) const READ: u8 = 26;
/// A timer ran out.
pub(crate) const TIMEOUT: u8 = 28;
/// The server sent another range than was asked for.
pub(crate) const RANGE: u8 = 33;
/// No secure connection.
const TLS: u8 = 35;
/// What is stored of a download cannot be gone on with.
const RESUME: u8 = 36;
/// The request is not one that can be sent.
const BAD_REQUEST: u8 = 43;
/// Too many redirects.
const REDIRECTS: u8 = 47;
/// The server closed the connection without an answer.
const EMPTY: u8 = 52;
/// The body of the response is malformed.
const RECEIVE: u8 = 56;
/// Our own certificate, or its key, cannot be used.
pub(crate) const IDENTITY: u8 = 58;
/// The certificate of the server is not trusted. curl had 51 for a wrong name once; it is 60 today.
pub(crate) const UNTRUSTED: u8 = 60;
/// A limit was met.
const LIMIT: u8 = 63;
/// The body must be sent again, and cannot.
const REWIND: u8 = 65;
/// The roots that are to be trusted cannot be used.
pub(crate) const ROOTS: u8 = 77;
/// The key of the server is none of those that are pinned.
const PIN: u8 = 90;
/// Anything else.
const OTHER: u8 = 99;
/// The content has another digest than it should. curl's numbers end before, and 101 is what a
/// Rust program that fails by its own fault exits with.
const DIGEST: u8 = 102;

/// The exit status for an error.
pub(crate) fn status(error: &sortie::Error) -> u8 {
    match error.kind() {
        ErrorKind::Url(UrlError::UnsupportedScheme) => UNSUPPORTED_SCHEME,
        ErrorKind::Url(_) => URL,
        ErrorKind::Request(_) => BAD_REQUEST,
        ErrorKind::Task(error) => task_status(error),
        ErrorKind::File(kind) => file_status(kind),
        ErrorKind::ResumeData(_) => RESUME,
        ErrorKind::Tls(why) => settings_status(why),
        ErrorKind::ContentTaken | ErrorKind::SessionInvalidated | _ => OTHER,
    }
}

fn task_status(error: TaskError) -> u8 {
    match error {
        TaskError::Peer(PeerError::ChunkSize | PeerError::ChunkEnd | PeerError::Trailer) => RECEIVE,
        TaskError::Peer(PeerError::UnaskedRange | PeerError::RangeLength) => RANGE,
        TaskError::Peer(_) => PEER,
        TaskError::Limit(_) => LIMIT,
        TaskError::Transport(transport) => match transport {
            Transport::NameNotResolved => RESOLVE,
            Transport::TlsUnavailable => TLS,
            Transport::Tls(why) => tls_status(why),
            Transport::NoResponse => EMPTY,
            Transport::Lost => PARTIAL,
            Transport::Refused | Transport::Unreachable | Transport::ConnectFailed | _ => CONNECT,
        },
        TaskError::TimedOut(_) => TIMEOUT,
        TaskError::Redirect(RedirectError::TooMany) => REDIRECTS,
        TaskError::Redirect(RedirectError::Location) => URL,
        TaskError::Redirect(_) => UNSUPPORTED_SCHEME,
        TaskError::Status(_) => STATUS,
        TaskError::BodyExhausted => REWIND,
        TaskError::Sink => WRITE,
        TaskError::Source => READ,
        TaskError::Canceled | _ => OTHER,
    }
}

const fn tls_status(why: TlsError) -> u8 {
    match why {
        TlsError::Expired
        | TlsError::NotYetValid
        | TlsError::WrongName
        | TlsError::UnknownRoot
        | TlsError::SelfSigned
        | TlsError::Untrusted => UNTRUSTED,
        TlsError::KeyNotPinned => PIN,
        TlsError::ClientCertificateRequired
        | TlsError::ClientCertificateRejected
        | TlsError::Handshake
        | _ => TLS,
    }
}

const fn settings_status(why: TlsConfigurationError) -> u8 {
    use TlsConfigurationError as Why;
    match why {
        Why::NoCertificate | Why::Malformed | Why::BadCertificate => ROOTS,
        Why::NoClientCertificate
        | Why::BadClientCertificate
        | Why::NoKey
        | Why::EncryptedKey
        | Why::BadKey
        | Why::KeyMismatch
        | _ => IDENTITY,
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the others are all of writing")]
const fn file_status(kind: FileErrorKind) -> u8 {
    use FileErrorKind as Kind;
    match kind {
        Kind::NotFound | Kind::NotReadable | Kind::Read | Kind::SourceChanged => READ,
        Kind::Length { .. } => PARTIAL,
        Kind::Digest { .. } => DIGEST,
        _ => WRITE,
    }
}

/// What to do about an error, where its own text does not say it.
pub(crate) fn advice_on(error: &sortie::Error) -> &'static str {
    if let ErrorKind::Task(TaskError::Transport(Transport::Tls(why))) = error.kind() {
        return tls_advice(why);
    }
    match error.kind() == ErrorKind::Task(TaskError::Redirect(RedirectError::Downgrade)) {
        true => "look with --no-location -i",
        false => advice(status(error)),
    }
}

const fn tls_advice(why: TlsError) -> &'static str {
    match why {
        TlsError::Expired => "tell who runs the server, and check the clock here",
        TlsError::NotYetValid => "or tell who runs the server",
        TlsError::WrongName => {
            "check the host in the URL, or keep its name and go elsewhere with --resolve"
        }
        TlsError::UnknownRoot => "trust its root with --cacert FILE, if you know whose it is",
        TlsError::SelfSigned => "if it is the right one, trust it with --cacert FILE",
        TlsError::Untrusted => "look at the certificate; nothing was sent",
        TlsError::KeyNotPinned => "-v shows the key that it has",
        TlsError::ClientCertificateRequired => "name yours with --cert FILE and --key FILE",
        TlsError::ClientCertificateRejected => "check --cert, and which issuers the server takes",
        TlsError::Handshake | _ => "check the port, --tlsv1.3 and --tls-max",
    }
}

/// The same by the exit status.
pub(crate) const fn advice(status: u8) -> &'static str {
    match status {
        UNSUPPORTED_SCHEME => "only http and https are spoken here",
        URL => "check how the URL is written",
        RESOLVE => "check the name of the host, and the network",
        CONNECT => "check host and port, and that the server runs",
        PEER => "check that an HTTP server listens there",
        PARTIAL | EMPTY | RECEIVE => "try again, or tell who runs the server",
        TIMEOUT => "try again, or allow more time",
        RANGE => "ask for the whole: without --range and --continue-at, or with --no-resume",
        TLS => "no roots of the system can be used: name some with --cacert FILE",
        BAD_REQUEST => "check --request, --header and --data",
        REDIRECTS => "allow more with --max-redirs, or look with --no-location -i",
        STATUS => "check the URL and what the server expects",
        REWIND => "send a file in place of standard input",
        LIMIT => "the server sends more than is sensible: tell who runs it",
        _ => "see docs/command.md",
    }
}
