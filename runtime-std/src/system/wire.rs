//! A connection of the real world, secured or not.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use super::tcp::Tcp;
#[cfg(feature = "tls")]
use crate::tls::Secure;
use crate::world::{ConnectionFacts, Stream};

/// A connection.
#[derive(Debug)]
pub(crate) enum Wire {
    /// For `http`.
    Plain(Tcp),
    /// For `https`.
    #[cfg(feature = "tls")]
    Secure(Box<Secure>),
}

impl Stream for Wire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => tcp.poll_read(cx, buffer),
            #[cfg(feature = "tls")]
            Self::Secure(tls) => tls.poll_read(cx, buffer),
        }
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(tcp) => tcp.poll_readable(cx),
            #[cfg(feature = "tls")]
            Self::Secure(tls) => tls.poll_readable(cx),
        }
    }

    fn is_quiet(&mut self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_quiet(),
            #[cfg(feature = "tls")]
            Self::Secure(tls) => tls.is_quiet(),
        }
    }

    fn is_drained(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_drained(),
            #[cfg(feature = "tls")]
            Self::Secure(tls) => tls.is_drained(),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => tcp.poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Secure(tls) => tls.poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => tcp.poll_write_vectored(cx, slices),
            #[cfg(feature = "tls")]
            Self::Secure(tls) => tls.poll_write_vectored(cx, slices),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Secure(tls) => tls.poll_flush(cx),
        }
    }

    fn facts(&self) -> Option<&ConnectionFacts> {
        match self {
            Self::Plain(tcp) => tcp.facts(),
            #[cfg(feature = "tls")]
            Self::Secure(tls) => tls.facts(),
        }
    }
}
