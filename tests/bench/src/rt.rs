//! hyper's reads and writes on the sockets of async-io. For tokio, hyper brings its own.
//!
//! Without `unsafe` a cursor can be filled by a copy or after zeroing all of it. For the short
//! responses of the rows a copy is much the cheaper: some tens of instructions.

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io;
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A socket of async-io.
#[derive(Debug)]
pub(crate) struct OnAsyncIo {
    /// The socket.
    pub(crate) stream: Async<TcpStream>,
    /// What a read fills first.
    pub(crate) input: Box<[u8]>,
}

impl Read for OnAsyncIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, input } = self.get_mut();
        let room = buffer.remaining().min(input.len());
        let n = ready!(Pin::new(stream).poll_read(cx, &mut input[..room]))?;
        buffer.put_slice(&input[..n]);
        Poll::Ready(Ok(()))
    }
}

impl Write for OnAsyncIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}
