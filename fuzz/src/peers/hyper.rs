//! hyper's client, polled by hand over memory.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};

use super::{Verdict, of_http};

/// Answers a request, whatever it is, and ends.
struct Wire<'a> {
    input: &'a [u8],
    is_asked: bool,
}

/// No content.
struct Nothing;

/// What hyper makes of it.
///
/// # Panics
/// If it waits for what does not come.
#[must_use]
pub fn by_hyper(method: &str, input: &[u8]) -> Verdict {
    let cx = &mut Context::from_waker(Waker::noop());
    let wire = Wire { input, is_asked: false };
    let shake = pin!(http1::handshake::<_, Nothing>(wire));
    let Poll::Ready(Ok((mut sender, connection))) = shake.poll(cx) else {
        panic!("nothing to wait for");
    };
    let mut connection = pin!(connection);
    let request = Request::builder().method(method).uri("/").header("host", "a").body(Nothing);
    let mut answer = pin!(sender.send_request(request.expect("a request")));
    let mut is_over = false;
    let mut turn = |cx: &mut Context<'_>| {
        is_over = is_over || connection.as_mut().poll(cx).is_ready();
    };
    let mut response = None;
    for _ in 0..MOST_TURNS {
        turn(cx);
        match answer.as_mut().poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Err(_)) => return Verdict::Refused,
            Poll::Ready(Ok(head)) => {
                response = Some(head);
                break;
            }
        }
    }
    let response = response.expect("hyper waits for the head");
    let mut seen = of_http(&response);
    let mut body = pin!(response.into_body());
    for _ in 0..MOST_TURNS {
        turn(cx);
        match body.as_mut().poll_frame(cx) {
            Poll::Pending => {}
            Poll::Ready(None) => return Verdict::Whole(seen),
            Poll::Ready(Some(Err(_))) => return Verdict::Broken(seen),
            Poll::Ready(Some(Ok(frame))) => {
                seen.content.extend(frame.into_data().unwrap_or_default());
            }
        }
    }
    panic!("hyper waits for content");
}

const MOST_TURNS: usize = 10_000;

impl Read for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_asked {
            return Poll::Pending;
        }
        let count = self.input.len().min(buffer.remaining());
        let (read, rest) = self.input.split_at(count);
        buffer.put_slice(read);
        self.input = rest;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_asked = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}
