//! The seam between the driver and what carries its bytes.
//!
//! Readiness comes first: a half waits until a read or a write will not wait, and begins it only
//! then. So the only futures that a command, a timer or a drop can cut short are waits, which lose
//! nothing; that is what a secure stream needs, whose reads and writes lose bytes when they are
//! dropped half-way.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net::tcp::{TcpReader, TcpWriter};
use embedded_io_async::ReadReady;
use sortie_core::{CloseReason, Url, Wish};

use crate::reins::Reins;
use crate::session::Base;

/// What a driver has its connection from, and gives it back to.
pub(crate) trait Wire<'r, 'd> {
    /// Gets a connection to the origin of `url` and reports to the task: also that there is none.
    ///
    /// Once the future is dropped, what it got is to be [reset](Self::reset).
    async fn connect(&mut self, base: &'r Base<'d>, control: &Reins, wish: Wish, url: &Url<'_>);

    /// Both directions of the connection and the buffer for its input, if there is one.
    fn parts(&mut self) -> Option<(impl Incoming, impl Outgoing, &mut [u8])>;

    /// The buffer for the input of the connection; empty if there is none.
    fn inbox(&self) -> &[u8];

    /// Gives the connection back, to be used for `url`'s origin again; not with bytes that came
    /// behind the response, of which `held` are in the inbox.
    fn keep(&mut self, url: &Url<'_>, held: usize);

    /// Ends the connection. In order, unless the peer may still be sending.
    fn close(&mut self, reason: CloseReason);

    /// Ends the connection, and it may be in the middle of anything.
    fn reset(&mut self);
}

/// A connection that is lent: it stays with who lends it.
impl<'r, 'd, W: Wire<'r, 'd>> Wire<'r, 'd> for &mut W {
    async fn connect(&mut self, base: &'r Base<'d>, control: &Reins, wish: Wish, url: &Url<'_>) {
        W::connect(self, base, control, wish, url).await;
    }

    fn parts(&mut self) -> Option<(impl Incoming, impl Outgoing, &mut [u8])> {
        W::parts(self)
    }

    fn inbox(&self) -> &[u8] {
        W::inbox(self)
    }

    fn keep(&mut self, url: &Url<'_>, held: usize) {
        W::keep(self, url, held);
    }

    fn close(&mut self, reason: CloseReason) {
        W::close(self, reason);
    }

    fn reset(&mut self) {
        W::reset(self);
    }
}

/// The connection is broken in this direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// What bytes are read from.
pub(crate) trait Incoming {
    /// Ready when a read will not wait: there are bytes, or the end, or an error.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Reads into `space`, which is not empty. 0 is the end of the connection. Once begun it is
    /// not dropped, unless its connection is.
    async fn read(&mut self, space: &mut [u8]) -> Result<usize, Lost>;
}

/// What bytes are written to.
pub(crate) trait Outgoing {
    /// Waits until there is room, and lets `fill` put bytes at the front of it. Returns how many it
    /// put. From when it calls `fill` on it is not dropped, unless its connection is.
    async fn write_with(&mut self, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<usize, Lost>;
}

impl Incoming for TcpReader<'_> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // `wait_read_ready` alone would wait on after the end of the connection.
        match self.read_ready() {
            Ok(true) => Poll::Ready(()),
            Ok(false) | Err(_) => pin!(self.wait_read_ready()).poll(cx),
        }
    }

    async fn read(&mut self, space: &mut [u8]) -> Result<usize, Lost> {
        TcpReader::read(self, space).await.map_err(|_| Lost)
    }
}

impl Outgoing for TcpWriter<'_> {
    async fn write_with(&mut self, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<usize, Lost> {
        let put = |room: &mut [u8]| {
            let count = fill(room);
            (count, count)
        };
        TcpWriter::write_with(self, put).await.map_err(|_| Lost)
    }
}
