//! Bodies that are made piece by piece while they are sent: readers and streams.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_io::{AsyncBufRead, AsyncRead};

/// What is read from a reader at once, at first.
const WINDOW: usize = 64 * 1024;

/// What is read at once from a reader that fills all it is lent: the receiver is woken once for
/// what is written at once, and that is most of what an upload costs.
const LARGEST_WINDOW: usize = 256 * 1024;

/// Chunks without bytes that are passed over before others have a look.
const EMPTY_CHUNKS: usize = 32;

/// Gives a body piece by piece.
pub(crate) trait Supply: Send {
    /// The bytes at hand, some at least; none is the end. Until they are taken it gives the same
    /// ones again.
    fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>>;

    /// So many of the bytes at hand were sent.
    fn take(&mut self, count: usize);
}

/// A reader, and what of it is at hand.
pub(crate) struct Window<R> {
    reader: Pin<Box<R>>,
    bytes: Vec<u8>,
    /// Of `bytes`, what is not sent.
    start: usize,
    end: usize,
    /// What is lent to the reader next.
    room: usize,
}

impl<R> Window<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader: Box::pin(reader), bytes: Vec::new(), start: 0, end: 0, room: WINDOW }
    }
}

impl<R: AsyncRead + Send> Supply for Window<R> {
    fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        if self.start == self.end {
            self.bytes.resize(self.room, 0);
            let count = ready!(self.reader.as_mut().poll_read(cx, &mut self.bytes))?;
            // A reader that claims more than it was lent must not make us panic.
            (self.start, self.end) = (0, count.min(self.room));
            if self.end == self.room {
                self.room = LARGEST_WINDOW.min(self.room * 2);
            }
        }
        Poll::Ready(Ok(&self.bytes[self.start..self.end]))
    }

    fn take(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }
}

/// A reader with a buffer of its own.
pub(crate) struct Buffered<R> {
    reader: Pin<Box<R>>,
}

impl<R> Buffered<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader: Box::pin(reader) }
    }
}

impl<R: AsyncBufRead + Send> Supply for Buffered<R> {
    fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.reader.as_mut().poll_fill_buf(cx)
    }

    fn take(&mut self, count: usize) {
        self.reader.as_mut().consume(count);
    }
}

/// A stream of chunks, of which one is at hand.
pub(crate) struct Chunks<S, B> {
    /// Until it ends: it must not be polled then.
    stream: Option<Pin<Box<S>>>,
    chunk: Option<B>,
    /// Of the chunk, what was sent.
    sent: usize,
}

impl<S, B: AsRef<[u8]>> Chunks<S, B> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream: Some(Box::pin(stream)), chunk: None, sent: 0 }
    }

    fn left(&self) -> &[u8] {
        let chunk = self.chunk.as_ref().map_or(&[][..], AsRef::as_ref);
        chunk.get(self.sent..).unwrap_or_default()
    }
}

impl<S, B, E> Supply for Chunks<S, B>
where
    S: Stream<Item = Result<B, E>> + Send,
    B: AsRef<[u8]> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let mut passed_over = 0;
        // A chunk without bytes is not the end, and a chunk of the chunked coding without bytes
        // would be.
        while self.left().is_empty() {
            let Some(stream) = &mut self.stream else { break };
            if passed_over == EMPTY_CHUNKS {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            passed_over += 1;
            match ready!(stream.as_mut().poll_next(cx)) {
                Some(Ok(chunk)) => (self.chunk, self.sent) = (Some(chunk), 0),
                Some(Err(why)) => {
                    self.stream = None;
                    return Poll::Ready(Err(io::Error::other(why)));
                }
                None => self.stream = None,
            }
        }
        Poll::Ready(Ok(self.left()))
    }

    fn take(&mut self, count: usize) {
        self.sent += count;
        if self.left().is_empty() {
            // It may be large.
            self.chunk = None;
        }
    }
}
