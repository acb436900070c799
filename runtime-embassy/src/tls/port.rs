//! The socket below a secure connection, which its two directions share.

use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};

use embassy_net::tcp::TcpSocket;
use embedded_io_async::{ErrorKind, ErrorType, Read, ReadReady, Write};

use crate::connection::Lease;
use crate::stream::Lost;
use crate::tls::records::Filter;

/// What one encrypted record takes beside what is in it: its header, its type, and a proof.
const OVERHEAD: usize = 22;

/// Bytes from which on a record is worth its overhead, where the socket has room for so many.
const WORTHWHILE: usize = 256;

/// The slot of a connection, while it has one, and what came over it.
pub(crate) struct Below<'s, 'd> {
    pub(crate) lease: Option<Lease<'s, 'd>>,
    pub(crate) filter: Filter,
}

/// The socket, for whoever reads or writes: nobody holds it while he waits.
#[derive(Clone, Copy)]
pub(crate) struct Port<'c, 's, 'd>(pub(crate) &'c RefCell<Below<'s, 'd>>);

impl<'d> Port<'_, '_, 'd> {
    fn with<T>(
        &self,
        f: impl FnOnce(&mut TcpSocket<'d>, &mut Filter) -> Poll<Result<T, ErrorKind>>,
    ) -> Poll<Result<T, ErrorKind>> {
        let Ok(mut below) = self.0.try_borrow_mut() else {
            return Poll::Ready(Err(ErrorKind::Other));
        };
        let Below { lease: Some(lease), filter } = &mut *below else {
            return Poll::Ready(Err(ErrorKind::NotConnected));
        };
        f(lease.parts().0, filter)
    }

    /// Whether part of a record was read, and not all of it.
    pub(crate) fn is_amid(&self) -> bool {
        self.0.try_borrow().is_ok_and(|below| below.filter.is_amid())
    }

    /// Ready when there are bytes of a record, or the end, or an error.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let ready = self.with(|socket, _| {
            let (mut reader, _) = socket.split();
            match reader.read_ready() {
                Ok(true) => Poll::Ready(Ok(())),
                Ok(false) | Err(_) => pin!(reader.wait_read_ready()).poll(cx).map(Ok),
            }
        });
        ready.map(drop)
    }

    /// Ready when the socket has room for a record that is worth it: with the length of what can
    /// be in it.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<usize, Lost>> {
        let room = self.with(|socket, _| {
            let capacity = socket.send_capacity();
            let wanted = (WORTHWHILE + OVERHEAD).min(capacity);
            if capacity.saturating_sub(socket.send_queue()) < wanted {
                // Woken whenever the peer has taken some.
                let _ = pin!(socket.flush()).poll(cx);
            }
            let room = capacity.saturating_sub(socket.send_queue());
            match room {
                _ if capacity <= OVERHEAD => Poll::Ready(Err(ErrorKind::OutOfMemory)),
                _ if !socket.may_send() => Poll::Ready(Err(ErrorKind::ConnectionReset)),
                room if room >= wanted => Poll::Ready(Ok(room.saturating_sub(OVERHEAD))),
                _ => Poll::Pending,
            }
        });
        room.map(|room| room.map_err(|_| Lost))
    }
}

impl ErrorType for Port<'_, '_, '_> {
    type Error = ErrorKind;
}

impl Read for Port<'_, '_, '_> {
    async fn read(&mut self, space: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|cx| {
            self.with(|socket, filter| {
                let read = pin!(socket.read(space)).poll(cx);
                read.map(|read| {
                    let count = read.map_err(|_| ErrorKind::ConnectionReset)?;
                    let came = space.get(..count).unwrap_or_default();
                    filter.pass(came).map_err(|_| ErrorKind::InvalidData)?;
                    Ok(count)
                })
            })
        })
        .await
    }
}

impl Write for Port<'_, '_, '_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        poll_fn(|cx| {
            self.with(|socket, _| {
                let written = pin!(socket.write(bytes)).poll(cx);
                written.map(|written| written.map_err(|_| ErrorKind::ConnectionReset))
            })
        })
        .await
    }

    /// What was written leaves by itself.
    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
