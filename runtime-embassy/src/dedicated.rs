//! One connection for several tasks, and nobody else's.

use core::cell::RefCell;
use core::fmt;
use core::future::Future;

use sortie_core::Request;

use crate::session::Session;
use crate::stream::Wire;
use crate::task::{Alone, DataTask, Failure, Response};
use crate::tls::port::Below;
use crate::tls::{CryptoRngCore, Secure, Tls, Trust};

/// A connection that tasks use one after the other. Made by [`Session::connection`].
///
/// It is opened by the first task, to the origin of its URL, within the timeouts of that task; what
/// keeps it from being opened is an error of that task. The next tasks use it on, if their URLs are
/// of the same origin, for as long as the server keeps it open; a task that comes after its end, or
/// leads elsewhere, also by a redirect, fails as
/// [`NoResponse`](sortie_core::Transport::NoResponse), and nothing of it is sent.
pub struct Connection<'c, 'd, const CONNECTIONS: usize, W> {
    session: &'c Session<'d, CONNECTIONS>,
    wire: W,
}

/// A connection over TLS.
type OverTls<'c, 's, 'd, 't, const CONNECTIONS: usize, R, T> =
    Connection<'s, 'd, CONNECTIONS, Secure<'c, 's, 'd, 't, R, T>>;

impl<'d, const CONNECTIONS: usize> Session<'d, CONNECTIONS> {
    /// Runs `work` with a secure connection of its own: it takes one of the session's sockets when
    /// its first task begins, and gives it back when `work` has ended. The server is told by
    /// close_notify then, unless a task has left it in the middle of something.
    ///
    /// # Dropping
    /// Cancels the task that runs. The connection is reset.
    pub async fn connection<R: CryptoRngCore, T: Trust, O>(
        &self,
        tls: &mut Tls<'_, R, T>,
        work: impl AsyncFnOnce(&mut OverTls<'_, '_, 'd, '_, CONNECTIONS, R, T>) -> O,
    ) -> O {
        let below = RefCell::new(Below::new());
        let wire = Secure::new(self.base(), tls, &below);
        let mut connection = Connection { session: self, wire };
        let done = work(&mut connection).await;
        connection.wire.finish();
        done
    }

    /// Sends `request` with `body` over a secure connection of its own, and receives the content of
    /// the response in `content`: a [`connection`](Self::connection) with one task.
    ///
    /// # Errors
    /// See [`data`](Self::data).
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset.
    pub async fn secure_data<'a, R: CryptoRngCore, T: Trust>(
        &self,
        tls: &mut Tls<'_, R, T>,
        request: &Request<'_>,
        body: &[u8],
        content: &'a mut [u8],
    ) -> Result<Response<'a>, Failure> {
        let below = RefCell::new(Below::new());
        let wire = Secure::new(self.base(), tls, &below);
        let mut connection = Connection { session: self, wire };
        let done = connection.data(request, body, content).await;
        connection.wire.finish();
        done
    }
}

impl<const CONNECTIONS: usize, R: CryptoRngCore, T: Trust>
    Connection<'_, '_, CONNECTIONS, Secure<'_, '_, '_, '_, R, T>>
{
    /// Whether a task can use it: it was not opened yet, or was open when the last task ended. The
    /// server may have closed it since.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        self.wire.is_usable()
    }
}

#[allow(private_bounds, reason = "sealed")]
impl<'c, 'd, const CONNECTIONS: usize, W: Wire<'c, 'd>> Connection<'c, 'd, CONNECTIONS, W> {
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
        &'r mut W: Wire<'r, 'd>,
    {
        self.data_task(request).body(body).receive(content)
    }

    /// A task as [`Session::data_task`], over this connection.
    pub fn data_task<'r, 'a>(
        &'r mut self,
        request: &'r Request<'r>,
    ) -> DataTask<'r, 'd, 'a, CONNECTIONS, Alone, &'r mut W> {
        self.session.data_task(request).over(&mut self.wire)
    }

    /// A task as [`Session::upload_task`], over this connection.
    pub fn upload_task<'r, 'a>(
        &'r mut self,
        request: &'r Request<'r>,
        body: &'r [u8],
    ) -> DataTask<'r, 'd, 'a, CONNECTIONS, Alone, &'r mut W> {
        self.session.upload_task(request, body).over(&mut self.wire)
    }

    /// A task as [`Session::download_task`], over this connection.
    pub fn download_task<'r, 'a>(
        &'r mut self,
        request: &'r Request<'r>,
    ) -> DataTask<'r, 'd, 'a, CONNECTIONS, Alone, &'r mut W> {
        self.session.download_task(request).over(&mut self.wire)
    }
}

impl<const CONNECTIONS: usize, W> fmt::Debug for Connection<'_, '_, CONNECTIONS, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection<{CONNECTIONS}>")
    }
}
