//! From a URL to a connection.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use embassy_net::Stack;
use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::ConnectError;
use sortie_core::session::scheduler::How;
use sortie_core::{CloseReason, Output, Transport, Url, Wish};

use crate::connection::{End, Lease, is_cut};
use crate::input::Input;
use crate::reins::Reins;
use crate::send::Outbox;
use crate::session::Base;
use crate::stream::{Lost, Wire};
use crate::target::Target;
use crate::time::now;
use crate::turn::Turn;

/// A connection of the session's own, while the task has one.
#[allow(unnameable_types, reason = "sealed: it stands for the usual kind of connection")]
pub struct Pooled<'s, 'd>(Option<Lease<'s, 'd>>);

impl<'s, 'd> Pooled<'s, 'd> {
    pub(crate) const NONE: Self = Self(None);

    /// Takes the slot whose turn it is.
    #[inline(never)] // What it moves is many instructions, and here they are few.
    fn take(&mut self, turn: Turn<'s, 'd>, how: How, url: &Url<'_>) {
        self.0 = Lease::new(turn, how, url);
    }

    /// Gives the slot back, if there is one.
    #[inline(never)] // It is asked for in many places.
    fn end(&mut self, end: End) {
        if let Some(lease) = self.0.take() {
            lease.end(end);
        }
    }
}

impl fmt::Debug for Pooled<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pooled").field(&self.0.is_some()).finish()
    }
}

impl<'s, 'd> Wire<'s, 'd> for Pooled<'s, 'd> {
    fn connect(
        &mut self,
        base: &'s Base<'d>,
        control: &Reins,
        wish: Wish,
        target: &Target<'_, '_>,
    ) -> impl Future<Output = ()> {
        connect(base, control, wish, target, self)
    }

    fn exchange(
        &mut self,
        outbox: Outbox<'_>,
        input: &mut Input<'_>,
        output: Output,
    ) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            // A task that waits may have none. One in an exchange has one, or its timers end it.
            if let Some(lease) = &mut self.0
                && poll_exchange(lease, &outbox, input, cx).is_ready()
            {
                return Poll::Ready(());
            }
            outbox.control.poll_other(output, cx)
        })
    }

    #[inline(never)] // It is asked for in many places.
    fn inbox(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], Lease::inbox)
    }

    fn keep(&mut self, url: &Url<'_>, held: usize) {
        let unread = self.0.as_mut().map_or(0, |lease| lease.remember(url, held));
        self.end(End::Keep { unread });
    }

    fn close(&mut self, reason: CloseReason) {
        // In order, unless the peer may still be sending.
        self.end(if is_cut(reason) { End::Reset } else { End::Close });
    }

    fn reset(&mut self) {
        self.end(End::Reset);
    }
}

/// Moves bytes in both directions, as far as that can be done now. Ready if there is content to be
/// taken.
///
/// What a socket has to read and to write keeps nothing between two polls. It is made anew for
/// each, so that the task's future has no room and no state for it.
#[inline(never)] // What it takes of the stack is not there while a connection is opened.
fn poll_exchange(
    lease: &mut Lease<'_, '_>,
    outbox: &Outbox<'_>,
    input: &mut Input<'_>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let (socket, inbox) = lease.parts();
    while outbox.is_due() {
        let put = |room: &mut [u8]| {
            let count = outbox.fill(room);
            (count, count)
        };
        match pin!(socket.write_with(put)).poll(cx) {
            Poll::Ready(written) => outbox.sent(written.map_err(|_| Lost)),
            Poll::Pending => break,
        }
    }
    while !input.has_fresh() {
        let Some(wanted) = outbox.control.io(input.room(inbox)).receive else {
            return Poll::Pending;
        };
        let read = match input.space(wanted, inbox) {
            [] => Ok(None),
            space => match pin!(socket.read(space)).poll(cx) {
                Poll::Ready(read) => read.map(Some).map_err(|_| Lost),
                Poll::Pending => return Poll::Pending,
            },
        };
        outbox.received(input, wanted, inbox, read);
    }
    Poll::Ready(())
}

/// Waits for a slot, and opens a connection to the origin of `target` in it unless it holds one
/// that can be used again. Reports to the task, and leaves `pooled` empty where it told that there
/// is none. The priority is that of `control`, which may change meanwhile.
///
/// Dropping the future gives the place up; what is in `pooled` then is the caller's to drop.
fn connect<'s, 'd>(
    base: &'s Base<'d>,
    control: &Reins,
    wish: Wish,
    target: &Target<'_, '_>,
    pooled: &mut Pooled<'s, 'd>,
) -> impl Future<Output = ()> {
    async move {
        // Not within the match, which would keep all of the URL.
        let is_secure = target.url().scheme().is_secure();
        let opened = match is_secure {
            // Never in plaintext what is to be secure.
            true => Err(Transport::TlsUnavailable),
            false => {
                let (turn, how) = base.turn(control, wish, target).await;
                pooled.take(turn, how, &target.url());
                match &mut pooled.0 {
                    None => Err(Transport::ConnectFailed),
                    Some(lease) if lease.is_reused() => Ok(true),
                    Some(lease) => {
                        control.tell(|task| task.handle_connecting(now()));
                        open(base.stack, lease, target).await.map(|()| false)
                    }
                }
            }
        };
        match opened {
            Ok(is_reused) => control.tell(|task| task.handle_connected(now(), is_reused)),
            Err(why) => {
                pooled.reset();
                control.tell(|task| task.handle_connect_failed(why));
            }
        }
    }
}

/// Opens a connection to the origin of `target` in the slot, whatever was there before.
///
/// Dropping the future and then the lease leaves nothing behind but a reset.
pub(crate) fn open(
    stack: Stack<'_>,
    lease: &mut Lease<'_, '_>,
    target: &Target<'_, '_>,
) -> impl Future<Output = Result<(), Transport>> {
    async move {
        let found = {
            // The host may be an address itself.
            let mut query = pin!(stack.dns_query(target.url().host(), DnsQueryType::A));
            poll_fn(|cx| poll_apart(query.as_mut(), cx)).await
        };
        let first = found.ok().and_then(|found| found.first().copied());
        let address = first.ok_or(Transport::NameNotResolved)?;
        // A reset that is pending would be lost with the connection that it is for.
        let until = lease.reset();
        poll_fn(|cx| lease.poll_reset(until, cx)).await;
        let port = target.url().port();
        let (socket, _) = lease.parts();
        socket.connect((address, port)).await.map_err(|error| match error {
            ConnectError::ConnectionReset => Transport::Refused,
            ConnectError::NoRoute => Transport::Unreachable,
            ConnectError::InvalidState | ConnectError::TimedOut => Transport::ConnectFailed,
        })
    }
}

/// Polls a future that moves large values, 600 bytes for a query, so that they are on the stack for
/// no longer than that takes.
#[inline(never)]
fn poll_apart<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    future.poll(cx)
}
