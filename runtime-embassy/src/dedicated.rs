//! One connection for several tasks, and nobody else's.

use core::fmt;
use core::future::Future;

use sortie_core::Request;

use crate::opened::Opened;
use crate::session::Session;
use crate::stream::{Lend, Lent, Wire};
use crate::task::{Alone, DataTask, Failure, Response};

/// A connection that tasks use one after the other. Made by [`Session::connection_over`], and with
/// the feature `tls` by `Session::connection`.
///
/// One over TLS is opened by the first task, to the origin of its URL, within the timeouts of that
/// task; what keeps it from being opened is an error of that task. The next tasks use it on, if
/// their URLs are of the same origin, for as long as the server keeps it open. A task that comes
/// after its end fails as [`NoResponse`], and one that leads elsewhere, also by a redirect, as
/// [`OtherOrigin`]: nothing of it is sent, and a connection that is open stays so.
///
/// [`NoResponse`]: sortie_core::Transport::NoResponse
/// [`OtherOrigin`]: sortie_core::Transport::OtherOrigin
pub struct Connection<'c, 'd, const CONNECTIONS: usize, W> {
    session: &'c Session<'d, CONNECTIONS>,
    wire: W,
}

impl<'c, 'd, const CONNECTIONS: usize, W> Connection<'c, 'd, CONNECTIONS, W> {
    pub(crate) const fn new(session: &'c Session<'d, CONNECTIONS>, wire: W) -> Self {
        Self { session, wire }
    }

    #[cfg(feature = "tls")]
    pub(crate) const fn wire(&self) -> &W {
        &self.wire
    }

    #[cfg(feature = "tls")]
    pub(crate) const fn wire_mut(&mut self) -> &mut W {
        &mut self.wire
    }
}

impl<const CONNECTIONS: usize> Connection<'_, '_, CONNECTIONS, Opened<'_, '_, '_>> {
    /// Whether a task can use it: none did yet, or the last one ended in order. The server may have
    /// closed it since. Afterwards it says whether the stream is between two exchanges.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.wire.is_usable()
    }
}

#[allow(private_bounds, reason = "sealed")]
impl<'c, 'd, const CONNECTIONS: usize, W: Wire<'c, 'd> + Lend> Connection<'c, 'd, CONNECTIONS, W> {
    /// Sends `request` with `body` and receives the content of the response in `content`.
    ///
    /// # Errors
    /// See [`Session::data`].
    ///
    /// # Dropping
    /// Cancels the task: the connection is reset.
    pub fn data<'r, 'a>(
        &'r mut self,
        request: &'r Request<'r>,
        body: &'r [u8],
        content: &'a mut [u8],
    ) -> impl Future<Output = Result<Response<'a>, Failure>>
    where
        Lent<'r, W>: Wire<'r, 'd>,
    {
        self.data_task(request).body(body).receive(content)
    }

    /// A task as [`Session::data_task`], over this connection.
    pub fn data_task<'r, 'a>(
        &'r mut self,
        request: &'r Request<'r>,
    ) -> DataTask<'r, 'd, 'a, Alone, Lent<'r, W>> {
        self.session.data_task(request).over(Lent::new(&mut self.wire))
    }

    /// A task as [`Session::upload_task`], over this connection.
    pub fn upload_task<'r, 'a>(
        &'r mut self,
        request: &'r Request<'r>,
        body: &'r [u8],
    ) -> DataTask<'r, 'd, 'a, Alone, Lent<'r, W>> {
        self.session.upload_task(request, body).over(Lent::new(&mut self.wire))
    }

    /// A task as [`Session::download_task`], over this connection.
    pub fn download_task<'r, 'a>(
        &'r mut self,
        request: &'r Request<'r>,
    ) -> DataTask<'r, 'd, 'a, Alone, Lent<'r, W>> {
        self.session.download_task(request).over(Lent::new(&mut self.wire))
    }
}

impl<const CONNECTIONS: usize, W> fmt::Debug for Connection<'_, '_, CONNECTIONS, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection<{CONNECTIONS}>")
    }
}
