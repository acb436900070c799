//! The connections of a session, each in its slot for ever, and who has which.

use core::cell::RefMut;
use core::future::poll_fn;

use embassy_net::IpEndpoint;
use embassy_net::Stack;
use embassy_net::tcp::{ConnectError, TcpSocket};
use embassy_time::{Duration, with_timeout};
use sortie_core::session::Assign;
use sortie_core::{CloseReason, Transport, Url, UrlParts, Wish};

use crate::resources::Buffers;
use crate::session::Session;
use crate::time::now;

/// How long a slot that is used again waits for the reset of its last connection to leave. It
/// leaves with the next poll of the stack; only where the link is down or the driver has no room
/// does it take longer, and then the old peer finds out by itself.
const RESET_TIMEOUT: Duration = Duration::from_millis(100);

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
struct Origin {
    parts: UrlParts,
    length: usize,
}

impl<'d> Connection<'d> {
    pub(crate) fn new<const B: usize>(stack: Stack<'d>, buffers: &'d mut Buffers<B>) -> Self {
        let mut socket = TcpSocket::new(stack, &mut buffers.receive, &mut buffers.send);
        // Head and body are written one after the other and are not to wait for each other.
        socket.set_nagle_enabled(false);
        Self { socket, inbox: &mut buffers.inbox, origin: None }
    }

    /// Whether the idle connection can carry a request to `url`: it was used for the same origin,
    /// is still open, and nothing came over it that nobody asked for.
    fn serves(&self, url: &Url<'_>) -> bool {
        let same = |origin: Origin| {
            // A host that did not fit is cut off, and equal to none.
            let text = self.inbox.get(..origin.length).unwrap_or_default();
            let text = core::str::from_utf8(text).unwrap_or_default();
            Url::from_parts(text, origin.parts).same_origin(url)
        };
        self.origin.is_some_and(same)
            && self.socket.may_send()
            && self.socket.may_recv()
            && !self.socket.can_recv()
    }

    fn remember(&mut self, url: &Url<'_>) {
        let text = url.as_str().as_bytes();
        for (to, from) in self.inbox.iter_mut().zip(text) {
            *to = *from;
        }
        self.origin = Some(Origin { parts: url.parts(), length: text.len().min(self.inbox.len()) });
    }
}

/// A slot with a task. Dropped before the exchange has ended in order, the connection is reset: it
/// is never used again.
pub(crate) struct Lease<'s, 'd, const N: usize> {
    session: &'s Session<'d, N>,
    slot: usize,
    connection: RefMut<'s, Connection<'d>>,
    is_reused: bool,
    end: End,
}

/// What becomes of the connection of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Reset: the peer is to stop.
    Reset,
    /// Closed in order.
    Close,
    /// Kept idle, with so many bytes that came behind the response.
    Keep { unread: usize },
}

impl<'d, const N: usize> Session<'d, N> {
    /// Waits for a slot, as the pool assigns them.
    ///
    /// Dropping the future loses nothing but its place.
    pub(crate) async fn lease(&self, wish: Wish, url: &Url<'_>) -> Lease<'_, 'd, N> {
        let mut place = self.queue.place();
        poll_fn(|cx| place.poll(cx, || self.try_lease(wish, url))).await
    }

    fn try_lease(&self, wish: Wish, url: &Url<'_>) -> Option<Lease<'_, 'd, N>> {
        let mut pool = self.pool.try_borrow_mut().ok()?;
        while let Some(expired) = pool.poll_expired(now()) {
            if let Some(mut connection) = self.slot(expired) {
                connection.socket.close();
            }
        }
        let serves = |slot| self.slot(slot).is_some_and(|connection| connection.serves(url));
        let (slot, is_reused) = match pool.assign(now(), wish, serves) {
            Assign::Reuse(slot) => (slot, true),
            Assign::Open { slot, .. } => (slot, false),
            Assign::Wait => return None,
        };
        let Some(connection) = self.slot(slot) else {
            pool.free(slot);
            return None;
        };
        Some(Lease { session: self, slot, connection, is_reused, end: End::Reset })
    }

    /// The connection of a slot that no lease has.
    fn slot(&self, slot: usize) -> Option<RefMut<'_, Connection<'d>>> {
        self.slots.get(slot)?.try_borrow_mut().ok()
    }
}

impl<'d, const N: usize> Lease<'_, 'd, N> {
    /// Whether the connection carried an exchange before, and is open.
    pub(crate) const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// The socket, and the buffer for its input.
    pub(crate) fn parts(&mut self) -> (&mut TcpSocket<'d>, &mut [u8]) {
        let Connection { socket, inbox, .. } = &mut *self.connection;
        (socket, inbox)
    }

    /// Opens a connection in the slot, whatever was there before.
    ///
    /// Dropping the future and then the lease leaves nothing behind but a reset.
    pub(crate) async fn open(&mut self, remote: IpEndpoint) -> Result<(), Transport> {
        let socket = &mut self.connection.socket;
        // A reset that is pending would be lost with the connection that it is for.
        socket.abort();
        let _ = with_timeout(RESET_TIMEOUT, socket.flush()).await;
        socket.connect(remote).await.map_err(|error| match error {
            ConnectError::ConnectionReset => Transport::Refused,
            ConnectError::NoRoute => Transport::Unreachable,
            ConnectError::InvalidState | ConnectError::TimedOut => Transport::ConnectFailed,
        })
    }

    /// Gives the connection back, to be used for `url`'s origin again; not with bytes that came
    /// behind the response, of which `held` are in the inbox.
    pub(crate) fn keep(mut self, url: &Url<'_>, held: usize) {
        self.connection.remember(url);
        let unread = self.connection.socket.recv_queue().saturating_add(held);
        self.end = End::Keep { unread };
    }

    /// Ends the connection. In order, unless the peer may still be sending.
    pub(crate) fn close(mut self, reason: CloseReason) {
        let is_cut = matches!(
            reason,
            CloseReason::Failed | CloseReason::RequestUnfinished | CloseReason::ExcessBytes
        );
        self.end = if is_cut { End::Reset } else { End::Close };
    }
}

impl<const N: usize> Drop for Lease<'_, '_, N> {
    fn drop(&mut self) {
        let socket = &mut self.connection.socket;
        let Ok(mut pool) = self.session.pool.try_borrow_mut() else { return };
        match self.end {
            End::Keep { unread } => {
                if !pool.keep(self.slot, now(), unread) {
                    socket.abort();
                }
            }
            End::Close => {
                socket.close();
                pool.free(self.slot);
            }
            End::Reset => {
                socket.abort();
                pool.free(self.slot);
            }
        }
        self.session.queue.release();
    }
}
