//! The seam between the driver and what carries its bytes.
//!
//! Readiness comes first: a half waits until a read or a write will not wait, and begins it only
//! then. So the only futures that a command, a timer or a drop can cut short are waits, which lose
//! nothing; that is what a secure stream needs, whose reads and writes lose bytes when they are
//! dropped half-way. Those of a plain socket are waits themselves, up to the poll that moves bytes.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use embassy_net::tcp::{TcpReader, TcpWriter};
use sortie_core::{CloseReason, Url, Wish};

use crate::reins::Reins;
use crate::session::Base;

/// What a driver has its connection from, and gives it back to.
pub(crate) trait Wire<'r, 'd> {
    /// Gets a connection to the origin of `url` and reports to the task: also that there is none.
    ///
    /// Once the future is dropped, what it got is to be [reset](Self::reset).
    async fn connect(&mut self, base: &'r Base<'d>, control: &Reins, wish: Wish, url: &Url<'_>);

    /// Both directions of the connection and the buffer for its input, if there is one.
    fn parts(&mut self) -> Option<(impl Incoming, impl Outgoing, &mut [u8])>;

    /// The buffer for the input of the connection; empty if there is none.
    fn inbox(&self) -> &[u8];

    /// Gives the connection back, to be used for `url`'s origin again; not with bytes that came
    /// behind the response, of which `held` are in the inbox.
    fn keep(&mut self, url: &Url<'_>, held: usize);

    /// Ends the connection. In order, unless the peer may still be sending.
    fn close(&mut self, reason: CloseReason);

    /// Ends the connection, and it may be in the middle of anything.
    fn reset(&mut self);
}

/// A connection that tasks are lent.
pub(crate) trait Lend {
    /// The task is gone: a connection that it left in the middle of anything is reset.
    fn take_back(&mut self);
}

/// A connection that a task is lent: it stays with who lends it.
#[allow(unnameable_types, reason = "it stands in a type that is inferred")]
#[allow(private_bounds, reason = "sealed")]
pub struct Lent<'r, W: Lend>(&'r mut W);

#[allow(private_bounds, reason = "sealed")]
impl<'r, W: Lend> Lent<'r, W> {
    pub(crate) const fn new(wire: &'r mut W) -> Self {
        Self(wire)
    }
}

impl<W: Lend> Drop for Lent<'_, W> {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

impl<W: Lend> fmt::Debug for Lent<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lent")
    }
}

impl<'r, 'd, W: Wire<'r, 'd> + Lend> Wire<'r, 'd> for Lent<'_, W> {
    async fn connect(&mut self, base: &'r Base<'d>, control: &Reins, wish: Wish, url: &Url<'_>) {
        W::connect(self.0, base, control, wish, url).await;
    }

    fn parts(&mut self) -> Option<(impl Incoming, impl Outgoing, &mut [u8])> {
        W::parts(self.0)
    }

    fn inbox(&self) -> &[u8] {
        W::inbox(self.0)
    }

    fn keep(&mut self, url: &Url<'_>, held: usize) {
        W::keep(self.0, url, held);
    }

    fn close(&mut self, reason: CloseReason) {
        W::close(self.0, reason);
    }

    fn reset(&mut self) {
        W::reset(self.0);
    }
}

/// The connection is broken in this direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// What bytes are read from.
pub(crate) trait Incoming {
    /// Reads to where `place` says, once it says so and a read will not wait. `None` where nothing
    /// is to be read. 0 is the end of the connection. From when bytes are taken on it is not
    /// dropped, unless its connection is.
    async fn read_when(&mut self, place: &mut impl Place) -> Result<Option<usize>, Lost>;
}

/// Where bytes are read to.
pub(crate) trait Place {
    /// Room for what is read, while something may be; empty where enough is there. Asked again
    /// with each poll, until bytes are taken.
    fn space(&mut self) -> Option<&mut [u8]>;
}

/// What bytes are written to.
pub(crate) trait Outgoing {
    /// Waits until something is due and there is room, and lets `fill` put bytes at the front of
    /// it. Returns how many it put. From when it calls `fill` on it is not dropped, unless its
    /// connection is.
    async fn write_when(
        &mut self,
        is_due: impl FnMut() -> bool,
        fill: impl FnMut(&mut [u8]) -> usize,
    ) -> Result<usize, Lost>;
}

impl Incoming for TcpReader<'_> {
    // What a socket has to read and to write keeps nothing between two polls. It is made anew for
    // each, so that the task's future has no room and no state for it.
    fn read_when(
        &mut self,
        place: &mut impl Place,
    ) -> impl Future<Output = Result<Option<usize>, Lost>> {
        poll_fn(|cx| match place.space() {
            None => Poll::Pending,
            Some([]) => Poll::Ready(Ok(None)),
            Some(space) => {
                pin!(TcpReader::read(self, space)).poll(cx).map_ok(Some).map_err(|_| Lost)
            }
        })
    }
}

impl Outgoing for TcpWriter<'_> {
    fn write_when(
        &mut self,
        mut is_due: impl FnMut() -> bool,
        mut fill: impl FnMut(&mut [u8]) -> usize,
    ) -> impl Future<Output = Result<usize, Lost>> {
        poll_fn(move |cx| {
            if !is_due() {
                return Poll::Pending;
            }
            let put = |room: &mut [u8]| {
                let count = fill(room);
                (count, count)
            };
            pin!(TcpWriter::write_with(self, put)).poll(cx).map_err(|_| Lost)
        })
    }
}
