//! Content as it comes.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::AsyncRead;

use crate::error::Error;
use crate::ride::{Ride, Until};
use crate::system::System;
use crate::task::Task;

/// The content of a response, read as it comes: what is not read is not taken from the connection.
///
/// Dropping it before the end cancels its task and closes the connection.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/origin.rs")); }
/// # let url = doc::origin(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]);
/// # futures_lite::future::block_on(async {
/// let session = sortie::Session::new();
/// let (response, mut body) = session.bytes(&url).await?;
/// let (mut buffer, mut content) = ([0; 4096], Vec::new());
/// loop {
///     match body.read(&mut buffer).await? {
///         0 => break, // the end of a complete message
///         count => content.extend_from_slice(&buffer[..count]),
///     }
/// }
/// assert_eq!(content, b"hello");
/// # Ok::<(), sortie::Error>(()) }).unwrap();
/// ```
pub struct Body {
    ride: Ride<System>,
    is_ended: bool,
    /// Content was, or is being, gathered, because it was wanted whole.
    is_gathered: bool,
    /// Of what was gathered, or came before: what is given, and how much of it was read.
    held: Vec<u8>,
    read: usize,
}

impl Body {
    /// Content that goes on behind `front`, which came before.
    pub(crate) const fn behind(front: Vec<u8>, ride: Ride<System>) -> Self {
        Self { ride, is_ended: false, is_gathered: false, held: front, read: 0 }
    }

    /// The task that the content belongs to.
    #[must_use]
    pub fn task(&self) -> Task {
        Task { seated: self.ride.seated.clone() }
    }

    /// Reads some content into `buffer`. 0 is the end, of a complete message only.
    ///
    /// Cancel safety: dropping the future loses no content.
    ///
    /// # Errors
    /// What ended the task, and the same at every later call.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        poll_fn(|cx| self.poll(cx, buffer)).await
    }

    /// As [`read`](Self::read), blocking.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_blocking(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        async_io::block_on(self.read(buffer))
    }

    fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let is_whole = self.ride.seated.shared.hints().prefers_whole;
        let is_held = self.read < self.held.len();
        let result = match is_whole || is_held || self.is_gathered {
            true => ready!(self.poll_gathered(cx, buffer, is_whole)),
            false => ready!(self.ride.poll_content(cx, buffer)),
        };
        self.is_ended = !matches!(result, Ok(1..));
        Poll::Ready(result)
    }

    /// Content is wanted once it is whole, or was.
    fn poll_gathered(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        is_whole: bool,
    ) -> Poll<Result<usize, Error>> {
        self.is_gathered = true;
        if is_whole {
            ready!(self.ride.poll_until(cx, Until::Complete));
            if let Some(Err(why)) = &self.ride.seated.seat().outcome {
                return Poll::Ready(Err(why.clone()));
            }
        }
        if self.read == self.held.len() {
            (self.held, self.read) = (self.ride.take_gathered(), 0);
        }
        let left = &self.held[self.read..];
        if left.is_empty() && !is_whole {
            return self.ride.poll_content(cx, buffer);
        }
        let count = buffer.len().min(left.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.read += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, buffer).map_err(io::Error::other)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.is_ended {
            self.ride.abandon();
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body of {:?}", self.task())
    }
}
