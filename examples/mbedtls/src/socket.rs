//! A socket of the system, with the traits that mbedtls-rs wants.

use std::io;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs};

use async_io::Async;
use embedded_io_async::{ErrorType, Read, Write};
use mbedtls_rs::Split;

/// A connection over TCP, or one direction of it.
pub struct Socket<S>(S);

impl Socket<Async<TcpStream>> {
    /// Connects to the first address that `address` is.
    pub async fn connect(address: &str) -> io::Result<Self> {
        let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
        let socket = Async::<TcpStream>::connect(address).await?;
        socket.get_ref().set_nodelay(true)?;
        Ok(Self(socket))
    }
}

/// Whole, or lent to a half of it.
trait Shared {
    fn socket(&self) -> &Async<TcpStream>;
}

impl Shared for Async<TcpStream> {
    fn socket(&self) -> &Async<TcpStream> {
        self
    }
}

impl Shared for &Async<TcpStream> {
    fn socket(&self) -> &Async<TcpStream> {
        self
    }
}

impl<S> ErrorType for Socket<S> {
    type Error = io::Error;
}

#[allow(private_bounds, reason = "there are two of them")]
impl<S: Shared> Read for Socket<S> {
    async fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.0.socket().read_with(|mut socket| socket.read(space)).await
    }
}

#[allow(private_bounds, reason = "there are two of them")]
impl<S: Shared> Write for Socket<S> {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.socket().write_with(|mut socket| socket.write(bytes)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Split for Socket<Async<TcpStream>> {
    type Read<'a> = Socket<&'a Async<TcpStream>>;
    type Write<'a> = Socket<&'a Async<TcpStream>>;

    fn split(&mut self) -> (Self::Read<'_>, Self::Write<'_>) {
        (Socket(&self.0), Socket(&self.0))
    }
}
