//! From a URL to a connection.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use embassy_net::dns::DnsQueryType;
use embassy_net::{IpAddress, Stack};
use sortie_core::{CloseReason, Transport, Url, Wish};

use crate::connection::Lease;
use crate::reins::Reins;
use crate::session::Base;
use crate::stream::{Incoming, Outgoing, Wire};
use crate::time::now;

/// A connection of the session's own, while the task has one.
#[allow(unnameable_types, reason = "sealed: it stands for the usual kind of connection")]
pub struct Pooled<'s, 'd>(Option<Lease<'s, 'd>>);

impl Pooled<'_, '_> {
    pub(crate) const NONE: Self = Self(None);
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
        url: &Url<'_>,
    ) -> impl Future<Output = ()> {
        connect(base, control, wish, url, &mut self.0)
    }

    fn parts(&mut self) -> Option<(impl Incoming, impl Outgoing, &mut [u8])> {
        let (socket, inbox) = self.0.as_mut()?.parts();
        let (reader, writer) = socket.split();
        Some((reader, writer, inbox))
    }

    fn inbox(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], Lease::inbox)
    }

    fn keep(&mut self, url: &Url<'_>, held: usize) {
        if let Some(lease) = self.0.take() {
            lease.keep(url, held);
        }
    }

    fn close(&mut self, reason: CloseReason) {
        if let Some(lease) = self.0.take() {
            lease.close(reason);
        }
    }

    fn reset(&mut self) {
        self.0 = None;
    }
}

/// Waits for a slot, and opens a connection to the origin of `url` in it unless it holds one that
/// can be used again. Reports to the task, and leaves `lease` empty where it told that there is
/// none. The priority is that of `control`, which may change meanwhile.
///
/// Dropping the future gives the place up; what is in `lease` then is the caller's to drop.
async fn connect<'s, 'd>(
    base: &'s Base<'d>,
    control: &Reins,
    wish: Wish,
    url: &Url<'_>,
    lease: &mut Option<Lease<'s, 'd>>,
) {
    let opened = match url.scheme().is_secure() {
        // Never in plaintext what is to be secure.
        true => Err(Transport::TlsUnavailable),
        false => {
            *lease = base.lease(control, wish, url).await;
            match lease {
                None => Err(Transport::ConnectFailed),
                Some(lease) if lease.is_reused() => Ok(true),
                Some(lease) => {
                    control.tell(|task| task.handle_connecting(now()));
                    open(base.stack, lease, url).await.map(|()| false)
                }
            }
        }
    };
    match opened {
        Ok(is_reused) => control.tell(|task| task.handle_connected(now(), is_reused)),
        Err(why) => {
            *lease = None;
            control.tell(|task| task.handle_connect_failed(why));
        }
    }
}

/// Opens a connection to the origin of `url` in the slot.
pub(crate) async fn open(
    stack: Stack<'_>,
    lease: &mut Lease<'_, '_>,
    url: &Url<'_>,
) -> Result<(), Transport> {
    let address = resolve(stack, url.host()).await?;
    lease.open((address, url.port()).into()).await
}

/// The address of `host`, which may be one itself.
async fn resolve(stack: Stack<'_>, host: &str) -> Result<IpAddress, Transport> {
    let mut query = pin!(stack.dns_query(host, DnsQueryType::A));
    let found = poll_fn(|cx| poll_apart(query.as_mut(), cx)).await;
    let first = found.ok().and_then(|found| found.first().copied());
    first.ok_or(Transport::NameNotResolved)
}

/// Polls a future that moves large values, 600 bytes for a query, so that they are on the stack for
/// no longer than that takes.
#[inline(never)]
fn poll_apart<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    future.poll(cx)
}
