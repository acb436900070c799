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
use embedded_io_async::{ReadReady, WriteReady};

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
    /// Ready when a write will not wait: there is room, or an error.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Lets `fill` put bytes at the front of the room that there is. Returns how many it put. Once
    /// begun it is not dropped, unless its connection is.
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
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.write_ready() {
            Ok(true) => Poll::Ready(()),
            // A write of nothing waits as long as the buffer is full and fails at once when the
            // connection is gone; `wait_write_ready` would wait on.
            Ok(false) | Err(_) => pin!(self.write(&[])).poll(cx).map(|_| ()),
        }
    }

    async fn write_with(&mut self, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<usize, Lost> {
        let put = |room: &mut [u8]| {
            let count = fill(room);
            (count, count)
        };
        TcpWriter::write_with(self, put).await.map_err(|_| Lost)
    }
}
