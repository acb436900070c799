//! The seam between the driver and what carries its bytes.
//!
//! Readiness comes first: a half waits until a read or a write will not wait, and begins it only
//! then. So the only futures that a command, a timer or a drop can cut short are waits, which lose
//! nothing; that is what a secure stream needs, whose reads and writes lose bytes when they are
//! dropped half-way. Those of a plain socket are waits themselves, up to the poll that moves bytes.

use core::fmt;
use core::future::Future;

use embassy_futures::select::select3;
use sortie_core::{CloseReason, Output, Receive, Url, Wish};

use crate::input::Input;
use crate::reins::Reins;
use crate::send::Outbox;
use crate::session::Base;
use crate::target::Target;

/// What a driver has its connection from, and gives it back to.
pub(crate) trait Wire<'r, 'd> {
    /// Gets a connection to the origin of `target` and reports to the task, also that there is
    /// none.
    ///
    /// Once the future is dropped, what it got is to be [reset](Self::reset).
    fn connect(
        &mut self,
        base: &'r Base<'d>,
        control: &Reins,
        wish: Wish,
        target: &Target<'_, '_>,
    ) -> impl Future<Output = ()>;

    /// Moves bytes in both directions, until the task says something else than `output` or has
    /// brought content to be taken.
    fn exchange(
        &mut self,
        outbox: Outbox<'_>,
        input: &mut Input<'_>,
        output: Output,
    ) -> impl Future<Output = ()>;

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
    fn connect(
        &mut self,
        base: &'r Base<'d>,
        control: &Reins,
        wish: Wish,
        target: &Target<'_, '_>,
    ) -> impl Future<Output = ()> {
        W::connect(self.0, base, control, wish, target)
    }

    fn exchange(
        &mut self,
        outbox: Outbox<'_>,
        input: &mut Input<'_>,
        output: Output,
    ) -> impl Future<Output = ()> {
        W::exchange(self.0, outbox, input, output)
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

/// An exchange over a connection whose halves are futures of their own.
pub(crate) async fn exchange(
    parts: Option<(impl Incoming, impl Outgoing, &mut [u8])>,
    outbox: Outbox<'_>,
    input: &mut Input<'_>,
    output: Output,
) {
    let Some((reader, writer, inbox)) = parts else {
        return outbox.control.obey(output).await;
    };
    // Every change comes by one of the three, so that all are polled again after it. The last one
    // sees what the others did.
    select3(
        send(&outbox, writer),
        receive(&outbox, input, inbox, reader),
        outbox.control.obey(output),
    )
    .await;
}

/// The send half. Waits while there is nothing to send, and never ends by itself.
async fn send(outbox: &Outbox<'_>, mut writer: impl Outgoing) -> ! {
    loop {
        let written = writer.write_when(|| outbox.is_due(), |room| outbox.fill(room)).await;
        outbox.sent(written);
    }
}

/// The receive half. Waits while nothing may be received, and ends by itself only where it has
/// brought content to be taken.
async fn receive(
    outbox: &Outbox<'_>,
    input: &mut Input<'_>,
    inbox: &mut [u8],
    mut reader: impl Incoming,
) {
    while !input.has_fresh() {
        let control = outbox.control;
        let mut inlet = Inlet { control, input, inbox, wanted: Receive::HeadAgain };
        let read = reader.read_when(&mut inlet).await;
        let wanted = inlet.wanted;
        outbox.received(input, wanted, inbox, read);
    }
}

/// Where received bytes go while the task wants some.
struct Inlet<'i, 'a> {
    control: &'i Reins,
    input: &'i mut Input<'a>,
    inbox: &'i mut [u8],
    /// What it wanted when it was asked last.
    wanted: Receive,
}

impl Place for Inlet<'_, '_> {
    fn space(&mut self) -> Option<&mut [u8]> {
        self.wanted = self.control.io(self.input.room(self.inbox)).receive?;
        Some(self.input.space(self.wanted, self.inbox))
    }
}
