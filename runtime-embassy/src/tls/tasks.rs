//! Connections over TLS of a session.

use core::cell::RefCell;

use sortie_core::Request;

use crate::dedicated::Connection;
use crate::session::Session;
use crate::task::{Failure, Response};
use crate::tls::port::Below;
use crate::tls::{CryptoRngCore, Secure, Tls, Trust};

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
        let mut connection = Connection::new(self, wire);
        let done = work(&mut connection).await;
        connection.wire_mut().finish();
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
        let mut connection = Connection::new(self, wire);
        let done = connection.data(request, body, content).await;
        connection.wire_mut().finish();
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
        self.wire().is_usable()
    }
}
