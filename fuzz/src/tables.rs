//! What the tasks of the targets are made with.

use sortie_core::{
    BodyLength, Broken, Error, Field, Limit, PeerError, TaskKind, Timer, TlsError, Transport, field,
};

const NONE: &[Field<'static>] = &[];
const EXPECT: &[Field<'static>] = &[field!("Expect", "100-continue")];
const UPGRADE: &[Field<'static>] = &[field!("Upgrade", "x")];
/// Fields that must not leave their origin.
pub const CREDENTIALS: &[Field<'static>] = &[field!("Authorization", "x")];
const CLOSE: &[Field<'static>] = &[field!("Connection", "close")];

/// Method, fields and body of a request.
pub const REQUESTS: [(&str, &[Field<'static>], BodyLength); 8] = [
    ("GET", NONE, BodyLength::None),
    ("POST", NONE, BodyLength::Known(5)),
    ("PUT", EXPECT, BodyLength::Unknown),
    ("GET", UPGRADE, BodyLength::None),
    ("HEAD", CLOSE, BodyLength::None),
    ("POST", EXPECT, BodyLength::Known(u64::MAX)),
    ("POST", NONE, BodyLength::Unknown),
    ("PUT", NONE, BodyLength::Known(0)),
];

/// All kinds of tasks.
pub const KINDS: [TaskKind; 5] =
    [TaskKind::Data, TaskKind::Upload, TaskKind::Download, TaskKind::Stream, TaskKind::WebSocket];

/// Timeouts in microseconds: usual, none, short, at once.
pub const TIMEOUTS: [u64; 4] = [60_000_000, u64::MAX, 1_500_000, 0];

/// How a connection breaks.
pub const BROKEN: [Broken; 3] =
    [Broken::Sending, Broken::Receiving, Broken::Refused(TlsError::ClientCertificateRequired)];

/// How another protocol ends.
pub const ERRORS: [Error; 4] = [
    Error::Canceled,
    Error::Sink,
    Error::TimedOut(Timer::Request),
    Error::Peer(PeerError::UpgradeRefused),
];

/// Why there is no connection.
pub const NO_CONNECTION: [Transport; 18] = [
    Transport::Unreachable,
    Transport::Refused,
    Transport::NameNotResolved,
    Transport::ConnectFailed,
    Transport::NoSocket,
    Transport::TlsUnavailable,
    Transport::NoResponse,
    Transport::Tls(TlsError::Expired),
    Transport::Tls(TlsError::NotYetValid),
    Transport::Tls(TlsError::WrongName),
    Transport::Tls(TlsError::UnknownRoot),
    Transport::Tls(TlsError::SelfSigned),
    Transport::Tls(TlsError::Untrusted),
    Transport::Tls(TlsError::KeyNotPinned),
    Transport::Tls(TlsError::ClientCertificateRequired),
    Transport::Tls(TlsError::ClientCertificateRejected),
    Transport::Tls(TlsError::Handshake),
    Transport::OtherOrigin,
];

/// Why content cannot be stored.
pub const NO_SINK: [Option<Limit>; 3] =
    [None, Some(Limit::ContentBuffer), Some(Limit::TargetBuffer)];
