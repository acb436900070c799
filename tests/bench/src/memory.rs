//! A connection that lives in memory, for hyper, which brings its own reads and writes.

use hyper::rt::{Read, ReadBufCursor, Write};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// How much is copied at once.
///
/// A socket read is copied by the kernel and costs no user instruction; here the copy cannot be
/// avoided. Whole pieces would be copied by `rep movsb`, which callgrind counts once per byte and
/// which would add a million instructions to each MiB. Slices this small are copied by vector
/// loads, at a tenth of that.
const SLICE: usize = 1024;

/// Answers each request head with the same response head, and the first one, where there is a
/// body, with that body over and over, without end.
#[derive(Debug)]
pub(crate) struct Wire {
    request_len: usize,
    head: &'static [u8],
    body: Vec<u8>,
    piece: usize,
    written: usize,
    head_left: usize,
    body_at: usize,
    reader: Option<Waker>,
}

impl Wire {
    /// A wire that takes request heads of `request_len` bytes and answers with `head`.
    pub(crate) fn heads(request_len: usize, head: &'static [u8]) -> Self {
        Self::endless(request_len, head, Vec::new(), usize::MAX)
    }

    /// The same, and after the head `body` without end; a read gets at most up to the next
    /// multiple of `piece`.
    pub(crate) fn endless(
        request_len: usize,
        head: &'static [u8],
        body: Vec<u8>,
        piece: usize,
    ) -> Self {
        let (written, head_left, body_at) = (0, 0, 0);
        Self { request_len, head, body, piece, written, head_left, body_at, reader: None }
    }

    /// The bytes that the next read gets, at most `room` of them.
    fn next(&mut self, room: usize) -> &[u8] {
        if self.head_left > 0 {
            let from = self.head.len() - self.head_left;
            let n = room.min(self.head_left);
            self.head_left -= n;
            return &self.head[from..from + n];
        }
        let from = self.body_at;
        let to_end = self.body.len() - from;
        let to_boundary = self.piece - from % self.piece;
        let n = room.min(to_end).min(to_boundary);
        self.body_at = if n == to_end { 0 } else { from + n };
        &self.body[from..from + n]
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let answered = wire.written >= wire.request_len;
        if wire.head_left == 0 && (wire.body.is_empty() || !answered) {
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        for slice in wire.next(buffer.remaining()).chunks(SLICE) {
            buffer.put_slice(slice);
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        wire.written += bytes.len();
        if !wire.written.is_multiple_of(wire.request_len) {
            return Poll::Ready(Err(io::Error::other("a request head of another length")));
        }
        wire.head_left = wire.head.len();
        if let Some(reader) = wire.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
