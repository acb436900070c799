//! The connections of a session, each in its slot for ever, and who has which.

use core::cell::RefMut;
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net::Stack;
use embassy_net::tcp::{Error, State, TcpSocket};
use embassy_time::Duration;
use sortie_core::session::Standing;
use sortie_core::session::scheduler::How;
use sortie_core::{CloseReason, Instant, Url, UrlParts};

use crate::resources::Buffers;
use crate::time::{now, wake_at};
use crate::turn::Turn;

/// How long a slot that is used again, or a session that is closed, waits for a reset to leave. It
/// leaves with the next poll of the stack; only where the link is down or the driver has no room
/// does it take longer, and then the old peer finds out by itself.
pub(crate) const RESET_TIMEOUT: Duration = Duration::from_millis(100);

/// One slot: a socket that is opened again and again, and the input of its current exchange.
pub(crate) struct Connection<'d> {
    socket: TcpSocket<'d>,
    /// While the connection is idle, the start of the URL that it was used for.
    inbox: &'d mut [u8],
    /// Whose connection it is, while it is idle.
    origin: Option<Origin>,
}

/// The URL at the start of the inbox of an idle connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    parts: UrlParts,
    length: usize,
    /// When it was given back.
    since: Instant,
}

impl Origin {
    /// Of `url`, from now on, in the inbox of its connection.
    pub(crate) fn new(url: &Url<'_>, inbox: &mut [u8]) -> Self {
        let text = url.as_bytes();
        for (to, from) in inbox.iter_mut().zip(text) {
            *to = *from;
        }
        let length = text.len().min(inbox.len());
        Self { parts: url.parts(), length, since: now() }
    }

    /// Whether it is the one of `url`, with the inbox that it was put in.
    pub(crate) fn is_of(&self, url: &Url<'_>, inbox: &[u8]) -> bool {
        // A host that did not fit is cut off, and equal to none.
        let text = inbox.get(..self.length).unwrap_or_default();
        self.parts.is_same_origin(text, url)
    }
}

impl<'d> Connection<'d> {
    #[inline(never)] // What it moves is not to be on the stack of who makes a session.
    pub(crate) fn new<const R: usize, const S: usize, const H: usize>(
        stack: Stack<'d>,
        buffers: &'d mut Buffers<R, S, H>,
    ) -> Self {
        let mut socket = TcpSocket::new(stack, &mut buffers.receive, &mut buffers.send);
        // Head and body are written one after the other and are not to wait for each other.
        socket.set_nagle_enabled(false);
        Self { socket, inbox: &mut buffers.inbox, origin: None }
    }

    /// Whether the idle connection can carry a request to `url`: it was used for the same origin,
    /// is still open, and nothing came over it that nobody asked for.
    fn serves(&self, url: &Url<'_>) -> bool {
        self.origin.is_some_and(|origin| origin.is_of(url, self.inbox))
            && self.socket.state() == State::Established
            && !self.socket.can_recv()
    }

    /// What the core is to know of it, for a task to `url`, while no lease has it.
    pub(crate) fn standing(&self, url: &Url<'_>) -> Standing {
        match self.origin {
            Some(Origin { since, .. }) => Standing::Idle { since, fits: self.serves(url) },
            None => Standing::Closed,
        }
    }

    /// Whether it is open with no task: asked only while no lease has it.
    pub(crate) const fn is_idle(&self) -> bool {
        self.origin.is_some()
    }

    /// Ends the connection, if there is one: it is closed in order, or else reset.
    #[inline(never)] // It is asked for in more than one place.
    pub(crate) fn end(&mut self, in_order: bool) {
        self.origin = None;
        match in_order {
            true => self.socket.close(),
            false => self.socket.abort(),
        }
    }

    /// Whether it was ended from here, and the peer may not know it yet: it was closed and not from
    /// there, or its reset has not left.
    pub(crate) fn is_closing(&self) -> bool {
        match self.socket.state() {
            State::FinWait1 | State::Closing | State::LastAck => true,
            State::Closed => self.socket.remote_endpoint().is_some(),
            State::Listen
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait2
            | State::CloseWait
            | State::TimeWait => false,
        }
    }

    /// Waits until what was sent, and the end of it, is acknowledged, or the reset has left.
    ///
    /// Dropping the future loses nothing.
    pub(crate) fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        self.socket.flush()
    }

    fn remember(&mut self, url: &Url<'_>) {
        self.origin = Some(Origin::new(url, self.inbox));
    }
}

/// A slot with a task. Dropped before the exchange has ended in order, the connection is reset: it
/// is never used again.
pub(crate) struct Lease<'s, 'd> {
    // Before the turn, which looks at the connection when it ends: fields are dropped in order.
    connection: RefMut<'s, Connection<'d>>,
    turn: Turn<'s, 'd>,
    is_reused: bool,
}

/// What becomes of the connection of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Reset: the peer is to stop.
    Reset,
    /// Closed in order.
    Close,
    /// Kept idle, with so many bytes that came behind the response.
    Keep { unread: usize },
}

impl<'s, 'd> Lease<'s, 'd> {
    /// The slot whose turn it is, for a task to `url`. An idle connection in it is used again if it
    /// can be. `None` if another task has the slot: the core gives none to two.
    pub(crate) fn new(turn: Turn<'s, 'd>, how: How, url: &Url<'_>) -> Option<Self> {
        let connection = turn.connection()?;
        let is_reused = how == How::Reuse && connection.serves(url);
        Some(Self { connection, turn, is_reused })
    }

    /// Whether the connection carried an exchange before, and is open.
    pub(crate) const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// The socket, and the buffer for its input.
    pub(crate) fn parts(&mut self) -> (&mut TcpSocket<'d>, &mut [u8]) {
        let Connection { socket, inbox, .. } = &mut *self.connection;
        (socket, inbox)
    }

    /// The buffer for its input.
    pub(crate) fn inbox(&self) -> &[u8] {
        self.connection.inbox
    }

    /// Takes that buffer out, or puts it back before the lease ends.
    #[cfg(feature = "tls")]
    pub(crate) fn swap_inbox(&mut self, other: &mut &'d mut [u8]) {
        core::mem::swap(&mut self.connection.inbox, other);
    }

    /// Resets the connection that the slot may have. Returns until when that is waited for.
    pub(crate) fn reset(&mut self) -> Instant {
        self.connection.end(false);
        now().after(RESET_TIMEOUT.as_micros())
    }

    /// Ready when the reset has left, or has had its time.
    pub(crate) fn poll_reset(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match pin!(self.connection.flush()).poll(cx) {
            Poll::Pending if now() < until => {
                wake_at(until, cx);
                Poll::Pending
            }
            Poll::Pending | Poll::Ready(_) => Poll::Ready(()),
        }
    }

    /// Remembers that the connection can be used for `url`'s origin again. Returns how many bytes
    /// came behind the response, of which `held` are in the inbox.
    pub(crate) fn remember(&mut self, url: &Url<'_>, held: usize) -> usize {
        self.connection.remember(url);
        self.connection.socket.recv_queue().saturating_add(held)
    }

    /// Gives the slot back. This becomes of the connection.
    pub(crate) fn end(mut self, end: End) {
        self.turn.ends_in(end);
    }
}

/// Whether the peer may still be sending where a connection is closed for this.
pub(crate) const fn is_cut(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::Failed | CloseReason::RequestUnfinished | CloseReason::ExcessBytes
    )
}
