//! From a URL to a connection.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use embassy_net::dns::DnsQueryType;
use embassy_net::{IpAddress, Stack};
use sortie_core::{Transport, Url, Wish};

use crate::connection::Lease;
use crate::reins::Reins;
use crate::session::Base;
use crate::time::now;

/// Waits for a slot, and opens a connection to the origin of `url` in it unless it holds one that
/// can be used again. Reports to the task, and leaves `lease` empty where it told that there is
/// none. The priority is that of `control`, which may change meanwhile.
///
/// Dropping the future gives the place up; what is in `lease` then is the caller's to drop.
pub(crate) async fn connect<'s, 'd>(
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

async fn open(stack: Stack<'_>, lease: &mut Lease<'_, '_>, url: &Url<'_>) -> Result<(), Transport> {
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
