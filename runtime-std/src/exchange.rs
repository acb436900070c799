//! The two halves of an exchange on one connection: bytes moved as the core's `io` says.

use std::task::{Context, Poll, ready};

use sortie_core::{Broken, Instant, RequestHead, Send};

use crate::connection::Connection;
use crate::response::Response;
use crate::shared::{Shared, tell};
use crate::world::{Stream, World};

/// Sends what may be sent. Ready when something happened.
pub(crate) fn poll_send<W: World>(
    cx: &mut Context<'_>,
    shared: &Shared<W>,
    now: Instant,
    connection: &mut Connection<W>,
    send: Option<Send>,
) -> Poll<()> {
    let Connection { stream, outbox, .. } = connection;
    let bytes = match send {
        None => return Poll::Pending,
        Some(Send::Encode) => {
            outbox.resize(outbox.capacity(), 0);
            let encoded = shared.request.lend(|request| {
                shared.core().encode(&RequestHead::new(request), outbox).unwrap_or(0)
            });
            outbox.truncate(encoded.unwrap_or(0));
            return Poll::Ready(());
        }
        Some(Send::Source { from }) => {
            let count = shared.request.body_from(from).len();
            tell(shared.core().handle_source(now, count));
            return Poll::Ready(());
        }
        Some(Send::Encoded { left }) => &outbox[outbox.len() - left..],
        Some(Send::Body { from, max }) => {
            let body = shared.request.body_from(from);
            &body[..body.len().min(max)]
        }
    };
    match ready!(stream.poll_write(cx, bytes)) {
        Ok(count) if count > 0 => tell(shared.core().handle_sent(now, count)),
        Ok(_) | Err(_) => tell(shared.core().handle_broken(Broken::Sending)),
    }
    Poll::Ready(())
}

/// Reads and takes heads. Ready when something happened.
pub(crate) fn poll_head<W: World>(
    cx: &mut Context<'_>,
    shared: &Shared<W>,
    now: Instant,
    connection: &mut Connection<W>,
    again: bool,
    response: &mut Option<Response>,
) -> Poll<usize> {
    let Connection { stream, inbox, .. } = connection;
    if !again {
        match ready!(stream.poll_read(cx, inbox.room())) {
            Ok(0) => tell(shared.core().handle_end()),
            Ok(count) => inbox.add(count),
            Err(_) => tell(shared.core().handle_broken(Broken::Receiving)),
        }
    }
    if let Ok(advance) = shared.core().handle_head(now, inbox.held(), false, &mut []) {
        inbox.drop_front(advance.drop);
        if advance.head > 0 {
            *response = Some(Response::new(&inbox.held()[..advance.head]));
            inbox.drop_front(advance.head);
        }
    }
    Poll::Ready(0)
}

/// Reads content into `buffer`, what is held first. Ready with its length when something happened.
pub(crate) fn poll_body<W: World>(
    cx: &mut Context<'_>,
    shared: &Shared<W>,
    now: Instant,
    connection: &mut Connection<W>,
    buffer: &mut [u8],
) -> Poll<usize> {
    let Connection { stream, inbox, .. } = connection;
    let count = match inbox.move_to(buffer) {
        0 => match ready!(stream.poll_read(cx, buffer)) {
            Ok(0) => {
                tell(shared.core().handle_end());
                return Poll::Ready(0);
            }
            Ok(count) => count,
            Err(_) => {
                tell(shared.core().handle_broken(Broken::Receiving));
                return Poll::Ready(0);
            }
        },
        count => count,
    };
    let mut core = shared.core();
    let content = core.handle_body(now, &mut buffer[..count]).unwrap_or(0);
    tell(core.handle_delivered(now, content as u64));
    Poll::Ready(content)
}
