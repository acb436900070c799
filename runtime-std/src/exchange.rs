//! The two halves of an exchange on one connection: bytes moved as the core's `io` says.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use sortie_core::{Broken, Instant, Send};

use crate::connection::Connection;
use crate::hop::Hop;
use crate::response::Response;
use crate::shared::{Shared, tell};
use crate::source::Source;
use crate::world::{Refused, Stream, World};

/// What is sent.
pub(crate) struct Outgoing<'a> {
    pub(crate) hop: &'a Hop,
    pub(crate) source: &'a mut Source,
}

/// Sends what may be sent. Ready with the number of bytes of the body that were sent, when
/// something happened.
pub(crate) fn poll_send<W: World>(
    cx: &mut Context<'_>,
    shared: &Shared<W>,
    now: Instant,
    connection: &mut Connection<W>,
    outgoing: Outgoing<'_>,
    send: Option<Send>,
) -> Poll<u64> {
    let Connection { stream, outbox, .. } = connection;
    let Outgoing { hop, source } = outgoing;
    // What is encoded is written in the same step.
    let send = match send {
        Some(Send::Encode) => {
            let mut core = shared.core();
            let sends_range = core.sends_range();
            let room = outbox.room();
            let encoded = hop.lend_head(sends_range, |head| core.encode(head, room).unwrap_or(0));
            let encoded = encoded.unwrap_or(0);
            if encoded == 0 {
                return Poll::Ready(0);
            }
            let behind = core.encode_behind(&mut room[encoded..]).unwrap_or(0);
            outbox.set(encoded + behind);
            core.io(0).send
        }
        other => other,
    };
    let (before, from, max, after) = match send {
        None | Some(Send::Encode) => return Poll::Pending,
        Some(Send::Source { from }) => {
            match ready!(source.poll_bytes(cx, hop.request(), from)) {
                Some(bytes) => tell(shared.core().handle_source(now, bytes.len())),
                None => tell(shared.core().handle_source_failed()),
            }
            return Poll::Ready(0);
        }
        Some(Send::Write { before, from, max, after }) => (before, from, max, after),
    };
    let body = match max {
        0 => &[],
        _ => match source.poll_bytes(cx, hop.request(), from) {
            Poll::Ready(Some(bytes)) if !bytes.is_empty() => &bytes[..bytes.len().min(max)],
            // What is encoded goes all the same.
            _ if before > 0 => &[],
            Poll::Pending => return Poll::Pending,
            // It ended before the length that was promised.
            Poll::Ready(_) => {
                tell(shared.core().handle_source_failed());
                return Poll::Ready(0);
            }
        },
    };
    let (front, behind) = outbox.last(before + after).split_at(before);
    let behind = if body.len() == max { behind } else { &[] };
    let written = match (front, body, behind) {
        (alone, [], []) | ([], alone, []) | ([], [], alone) => stream.poll_write(cx, alone),
        _ => stream.poll_write_vectored(cx, &[front, body, behind].map(IoSlice::new)),
    };
    match ready!(written) {
        Ok(count) if count > 0 => {
            tell(shared.core().handle_sent(now, count));
            Poll::Ready(count.saturating_sub(before).min(body.len()) as u64)
        }
        Ok(_) | Err(_) => {
            tell(shared.core().handle_broken(Broken::Sending));
            Poll::Ready(0)
        }
    }
}

/// A read failed: the core is told, and the details are kept for people.
fn broken<W: World>(shared: &Shared<W>, failure: &mut Option<io::Error>, why: io::Error) {
    let refused = why.get_ref().and_then(|inner| inner.downcast_ref::<Refused>());
    let which = refused.map_or(Broken::Receiving, |refused| Broken::Refused(refused.why));
    *failure = Some(why);
    tell(shared.core().handle_broken(which));
}

/// Reads and takes heads. Ready when something happened.
pub(crate) fn poll_head<W: World>(
    cx: &mut Context<'_>,
    shared: &Shared<W>,
    now: Instant,
    connection: &mut Connection<W>,
    again: bool,
    hop: &mut Hop,
) -> Poll<usize> {
    let Connection { stream, inbox, failure, .. } = connection;
    if !again {
        if !inbox.has_room() {
            // Memory for it is there when it is.
            ready!(stream.poll_readable(cx));
        }
        match ready!(stream.poll_read(cx, inbox.room())) {
            Ok(0) => tell(shared.core().handle_end()),
            Ok(count) => inbox.add(count),
            Err(why) => broken(shared, failure, why),
        }
    }
    if let Ok(advance) = shared.core().handle_head(now, inbox.held(), false, &mut []) {
        if hop.keeps_interim && advance.drop > 0 {
            hop.interim = Some(Response::new(&inbox.held()[..advance.drop]));
        }
        inbox.drop_front(advance.drop);
        if advance.head > 0 {
            hop.response = Some(Response::new(&inbox.held()[..advance.head]));
            hop.is_answered = true;
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
    let Connection { stream, inbox, failure, .. } = connection;
    let count = match inbox.move_to(buffer) {
        0 => match ready!(stream.poll_read(cx, buffer)) {
            Ok(0) => {
                tell(shared.core().handle_end());
                return Poll::Ready(0);
            }
            Ok(count) => count,
            Err(why) => {
                broken(shared, failure, why);
                return Poll::Ready(0);
            }
        },
        count => count,
    };
    let mut core = shared.core();
    let content = core.handle_body(now, &mut buffer[..count]).unwrap_or(0);
    tell(core.handle_delivered(now, content as u64));
    // Where there is always something to read, nobody waits for the timer.
    if core.deadline().is_some_and(|deadline| deadline <= now) {
        core.handle_timeout(now);
    }
    Poll::Ready(content)
}

/// Reads some of a body that nobody wants. Ready when something happened.
pub(crate) fn poll_discard<W: World>(
    cx: &mut Context<'_>,
    shared: &Shared<W>,
    now: Instant,
    connection: &mut Connection<W>,
    max: usize,
) -> Poll<usize> {
    let Connection { stream, inbox, failure, .. } = connection;
    if inbox.len() == 0 {
        let room = inbox.room();
        let most = room.len().min(max);
        match ready!(stream.poll_read(cx, &mut room[..most])) {
            Ok(0) => tell(shared.core().handle_end()),
            Ok(count) => inbox.add(count),
            Err(why) => broken(shared, failure, why),
        }
    }
    let count = inbox.len().min(max);
    if count > 0 {
        let _ = shared.core().handle_body(now, &mut inbox.held()[..count]);
        inbox.drop_front(count);
    }
    Poll::Ready(0)
}
