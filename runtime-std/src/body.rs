//! Content as it comes.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_io::{AsyncBufRead, AsyncRead};

use crate::error::Error;
use crate::ride::{Ride, Until};
use crate::system::System;
use crate::task::Task;

/// The buffer of a body that is not read into one of the caller's, at first. It grows where reads
/// fill it.
const BUFFER: usize = 8 * 1024;

/// The most that this buffer grows to.
const LARGEST_BUFFER: usize = 64 * 1024;

/// The content of a response, read as it comes: what is not read is not taken from the connection,
/// so that a slow reader slows the server down.
///
/// Read it as you like, and mix the ways: into a buffer of yours ([`read`](Self::read),
/// `AsyncRead`), which is the cheapest; through a buffer of its own (`AsyncBufRead`), of 64 KiB at
/// most; in chunks (`Stream`) of up to as much; or all at once ([`read_all`](Self::read_all)).
/// Content that was gathered before, since the task ran before there was a body, comes first: it
/// is bounded by [`max_content`](crate::TaskBuilder::max_content), and is one chunk.
///
/// **Cancel safety:** no content is lost with a future that is dropped, whichever way it read: the
/// next read goes on behind what the last one gave. Dropping the body before all content was taken
/// cancels its task and closes the connection.
///
/// Chunks are `Vec<u8>`: they are the reader's alone, and whoever shares them makes them
/// `bytes::Bytes` without a copy, by `Bytes::from`.
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
    /// It was told, or an error was.
    is_ended: bool,
    /// Content was, or is being, gathered, because it was wanted whole.
    is_gathered: bool,
    /// What was gathered or came before, or the buffer: of it, what is given lies in `read..end`.
    held: Vec<u8>,
    read: usize,
    end: usize,
    /// How large the buffer is next.
    room: usize,
}

impl Body {
    /// Content that goes on behind `front`, which came before.
    pub(crate) const fn behind(front: Vec<u8>, ride: Ride<System>) -> Self {
        let end = front.len();
        let (is_ended, is_gathered) = (false, false);
        Self { ride, is_ended, is_gathered, held: front, read: 0, end, room: BUFFER }
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

    /// Reads all content that is left, as much as
    /// [`max_content`](crate::TaskBuilder::max_content) allows: 256 MiB if it is not said.
    ///
    /// Cancel safety: dropping the future loses no content. What it had gathered is what is read
    /// next.
    ///
    /// # Errors
    /// What ended the task, and the same at every later call: also
    /// [`Limit::ContentBuffer`](sortie_core::Limit::ContentBuffer), if there is more than allowed.
    pub async fn read_all(&mut self) -> Result<Vec<u8>, Error> {
        poll_fn(|cx| self.poll_all(cx)).await
    }

    /// As [`read_all`](Self::read_all), blocking.
    ///
    /// # Errors
    /// As [`read_all`](Self::read_all).
    pub fn read_all_blocking(&mut self) -> Result<Vec<u8>, Error> {
        async_io::block_on(self.read_all())
    }

    fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if !ready!(self.poll_held(cx))? {
            let result = ready!(self.ride.poll_content(cx, buffer));
            self.is_ended = !matches!(result, Ok(1..));
            return Poll::Ready(result);
        }
        let left = &self.held[self.read..self.end];
        let count = buffer.len().min(left.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.read += count;
        Poll::Ready(Ok(count))
    }

    /// Ready with whether the next content is what is held, none of which is the end. If not, it
    /// is to be taken as it comes.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let is_whole = self.ride.seated.shared.hints().prefers_whole;
        if is_whole {
            ready!(self.poll_complete(cx))?;
        }
        if self.read == self.end && self.is_gathered {
            self.held = self.ride.take_gathered();
            (self.read, self.end) = (0, self.held.len());
        }
        let is_held = self.read < self.end;
        self.is_ended |= is_whole && !is_held;
        Poll::Ready(Ok(is_whole || is_held))
    }

    /// Gathers content until the task has ended.
    fn poll_complete(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.is_gathered = true;
        ready!(self.ride.poll_until(cx, Until::Complete));
        match &self.ride.seated.seat().outcome {
            Some(Err(why)) => {
                self.is_ended = true;
                Poll::Ready(Err(why.clone()))
            }
            Some(Ok(())) | None => Poll::Ready(Ok(())),
        }
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Error>> {
        ready!(self.poll_complete(cx))?;
        self.is_ended = true;
        let gathered = self.ride.take_gathered();
        if self.read == self.end {
            return Poll::Ready(Ok(gathered));
        }
        let mut all = self.take_held();
        all.extend_from_slice(&gathered);
        Poll::Ready(Ok(all))
    }

    /// Ready when some content is held, or none is left.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if ready!(self.poll_held(cx))? {
            return Poll::Ready(Ok(()));
        }
        (self.read, self.end) = (0, 0);
        if self.held.capacity() > LARGEST_BUFFER {
            // It was content that came before.
            self.held = Vec::new();
        }
        self.held.resize(self.room, 0);
        let result = ready!(self.ride.poll_content(cx, &mut self.held));
        self.is_ended = !matches!(result, Ok(1..));
        self.end = result?;
        if self.end == self.room {
            self.room = (self.room * 2).min(LARGEST_BUFFER);
        }
        Poll::Ready(Ok(()))
    }

    /// What is held, without a copy where it is most of the buffer.
    fn take_held(&mut self) -> Vec<u8> {
        let (read, end) = (self.read, self.end);
        (self.read, self.end) = (0, 0);
        if read > 0 || end < self.held.len() / 2 {
            return self.held[read..end].to_vec();
        }
        let mut taken = std::mem::take(&mut self.held);
        taken.truncate(end);
        taken
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

impl AsyncBufRead for Body {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let body = self.get_mut();
        ready!(body.poll_fill(cx)).map_err(io::Error::other)?;
        Poll::Ready(Ok(&body.held[body.read..body.end]))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.read = self.end.min(self.read.saturating_add(count));
    }
}

impl Stream for Body {
    type Item = Result<Vec<u8>, Error>;

    /// An error is the last item.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.poll_fill(cx)) {
            Ok(()) if self.read == self.end => None,
            Ok(()) => Some(Ok(self.take_held())),
            Err(why) => Some(Err(why)),
        })
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        // Where all content was taken the message is complete, although nobody read its end: the
        // connection is for the next task.
        if !self.ride.ends_without_reading() {
            self.ride.abandon();
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body of {:?}", self.task())
    }
}
