//! One request and its response on one connection: two halves that do not wait for each other
//! (RFC 9112 §9.5, RFC 9110 §7.5).

mod body;
mod receive;
mod send;

pub(crate) use body::SendsBody;
pub use receive::Receive;
pub(crate) use receive::{BodyRead, Look, ReceiveHalf};
pub use send::Send;
pub(crate) use send::SendHalf;

use crate::request::RequestTraits;
use crate::wire::framing::CloseReason;

/// What the connection may be used for at this moment; see [`Task::io`](crate::Task::io).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Io {
    /// What may be written, if anything.
    pub send: Option<Send>,
    /// What may be read, if anything.
    pub receive: Option<Receive>,
}

impl Io {
    /// Neither.
    pub const NONE: Self = Self { send: None, receive: None };
}

/// The state of one exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    pub(crate) send: SendHalf,
    pub(crate) receive: ReceiveHalf,
    /// Why the connection cannot be used again, as far as is known yet.
    pub(crate) closes: Option<CloseReason>,
    /// The connection carried an exchange before this one.
    pub(crate) is_reused: bool,
    /// The status of the final response, or 0.
    pub(crate) status: u16,
}

impl Transfer {
    /// Of no connection.
    pub(crate) const IDLE: Self = Self {
        send: SendHalf::IDLE,
        receive: ReceiveHalf::Done,
        closes: None,
        is_reused: false,
        status: 0,
    };

    pub(crate) fn new(request: &RequestTraits, is_reused: bool) -> Self {
        Self {
            send: SendHalf::new(request),
            receive: ReceiveHalf::new(),
            closes: request.close.then_some(CloseReason::ClientClose),
            is_reused,
            status: 0,
        }
    }

    /// Adds a reason not to use the connection again. The first one stays: later ones follow
    /// from it, or matter less.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn add_reason(&mut self, reason: Option<CloseReason>) {
        self.closes = self.closes.or(reason);
    }

    /// Stops sending what is not sent yet. The peer cannot tell where the request ends, so that
    /// the connection is of no further use (RFC 9112 §9.5).
    pub(crate) fn stop_sending(&mut self) {
        if !self.send.is_done() {
            self.send.stop();
            self.add_reason(Some(CloseReason::RequestUnfinished));
        }
    }
}
