//! TCP over async-io's reactor.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpStream};
use std::task::{Context, Poll, ready};

use async_io::Async;

use crate::world::{ConnectionFacts, Stream};

/// TCP.
#[derive(Debug)]
pub(crate) struct Tcp {
    socket: Async<TcpStream>,
    /// The last read took everything there was: ask for readiness before the next one. It saves a
    /// read that finds nothing in every response.
    drained: bool,
    pub(crate) facts: Box<ConnectionFacts>,
}

impl Tcp {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = Async::<TcpStream>::connect(address).await?;
        // Requests are written whole; waiting to fill a segment would only delay them. Some systems
        // refuse any option where the server has closed already. What it sent before can be read.
        let _ = socket.get_ref().set_nodelay(true);
        let facts = ConnectionFacts {
            remote_address: Some(address),
            local_address: socket.get_ref().local_addr().ok(),
            ..ConnectionFacts::default()
        };
        Ok(Self { socket, drained: true, facts: Box::new(facts) })
    }

    /// Reads what is there, or fails with `WouldBlock`.
    #[cfg(feature = "tls")]
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = io::Read::read(&mut self.socket.get_ref(), buffer);
        self.drained = result.as_ref().map_or(true, |count| *count < buffer.len());
        result
    }

    /// Writes, or waits until that is possible.
    fn poll_with(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(self.socket.get_ref()) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.poll_writable(cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Stream for Tcp {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if self.drained {
                ready!(self.socket.poll_readable(cx))?;
            }
            match io::Read::read(&mut self.socket.get_ref(), buffer) {
                Ok(count) => {
                    self.drained = count < buffer.len();
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.drained = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Whatever is wrong is met again by the read.
        if self.drained && ready!(self.socket.poll_readable(cx)).is_ok() {
            self.drained = false;
        }
        Poll::Ready(())
    }

    fn is_quiet(&mut self) -> bool {
        let nothing = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.socket.get_ref().peek(&mut [0]).is_err_and(nothing)
    }

    fn is_drained(&self) -> bool {
        self.drained
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |mut socket| io::Write::write(&mut socket, bytes))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |mut socket| io::Write::write_vectored(&mut socket, slices))
    }

    fn facts(&self) -> Option<&ConnectionFacts> {
        Some(&self.facts)
    }
}
