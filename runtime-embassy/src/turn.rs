//! The way of a task to a connection: into a line, by its turn into a slot, and out of it.

use core::cell::RefMut;
use core::future::poll_fn;
use core::task::{Context, Poll};

use sortie_core::session::scheduler::{How, Ticket, Urgency};
use sortie_core::{Url, Wish};

use crate::connection::{Connection, End};
use crate::reins::Reins;
use crate::session::Base;
use crate::target::Target;

/// Who decides which task is next, and on which connection: the [line](crate::line::Line) of a
/// session, or its [`Schedule`](crate::Schedule). Through this trait, so that a program without a
/// schedule does not link one.
pub(crate) trait Order {
    /// Takes a place for a task, or looks from it whether its turn has come.
    fn poll(
        &self,
        base: &Base<'_>,
        wanted: &Wanted<'_>,
        place: &mut Place,
        cx: &Context<'_>,
    ) -> Poll<(usize, How)>;

    /// A task leaves its place without a turn.
    fn leave(&self, base: &Base<'_>, place: Place);

    /// A task is done with its slot, of which this becomes.
    fn end(&self, base: &Base<'_>, slot: usize, end: End);
}

/// An order that has to be asked where connections that no task has are to be closed.
pub(crate) trait Scheduled: Order {
    /// Those are closed in order.
    fn close_idle(&self, base: &Base<'_>);
}

/// What a task wants.
pub(crate) struct Wanted<'r> {
    pub(crate) url: &'r Url<'r>,
    pub(crate) wish: Wish,
    /// Whose priority may change meanwhile.
    pub(crate) control: &'r Reins,
}

impl Wanted<'_> {
    pub(crate) fn urgency(&self) -> Urgency {
        Urgency { priority: self.control.priority(), bytes: self.control.expected() }
    }
}

/// Where a task is on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// Exits: `AtDoor`, `Queued`, `InLine`.
    New,
    /// There was no room. Exits: `Queued`, `InLine`, `Done`.
    AtDoor,
    /// In the queue of a schedule with so much priority, or in a slot that it has not seen yet.
    /// Exit: `Done`.
    Queued(Ticket, u16),
    /// In the line, with this number. Exit: `Done`.
    InLine(u16),
    /// Its turn has come, or it has given up.
    Done,
}

/// A task that wants a slot. Dropped, it gives up its place, and what it was given meanwhile.
struct Waiting<'s, 'd> {
    base: &'s Base<'d>,
    place: Place,
}

/// A slot that a task was given. Dropped, it gives the slot back.
pub(crate) struct Turn<'s, 'd> {
    base: &'s Base<'d>,
    slot: usize,
    /// What becomes of the connection.
    end: End,
}

impl<'d> Base<'d> {
    /// Waits for its turn for a connection to the origin of `target`, which becomes a
    /// [`Lease`](crate::connection::Lease) then.
    ///
    /// Dropping the future loses the place and nothing else.
    pub(crate) fn turn<'s, 'r>(
        &'s self,
        control: &'r Reins,
        wish: Wish,
        target: &'r Target<'_, '_>,
    ) -> impl Future<Output = (Turn<'s, 'd>, How)> {
        let mut waiting = Waiting { base: self, place: Place::New };
        poll_fn(move |cx| {
            let given = waiting.poll(&Wanted { url: &target.url(), wish, control }, cx);
            given.map(|(slot, how)| (Turn { base: self, slot, end: End::Reset }, how))
        })
    }

    /// The connection of a slot that no lease has.
    pub(crate) fn slot(&self, slot: usize) -> Option<RefMut<'_, Connection<'d>>> {
        self.slots.get(slot)?.try_borrow_mut().ok()
    }
}

impl Waiting<'_, '_> {
    // A method, so that a closure that calls it owns all of this: the place alone it would copy.
    fn poll(&mut self, wanted: &Wanted<'_>, cx: &Context<'_>) -> Poll<(usize, How)> {
        let given = self.base.order().poll(self.base, wanted, &mut self.place, cx);
        if given.is_ready() {
            self.place = Place::Done;
        }
        given
    }
}

impl Drop for Waiting<'_, '_> {
    fn drop(&mut self) {
        match self.place {
            Place::New | Place::Done => {}
            Place::AtDoor | Place::Queued(..) | Place::InLine(_) => {
                self.base.order().leave(self.base, self.place);
            }
        }
    }
}

impl<'s, 'd> Turn<'s, 'd> {
    /// The connection of the slot, unless it was lent already.
    pub(crate) fn connection(&self) -> Option<RefMut<'s, Connection<'d>>> {
        self.base.slot(self.slot)
    }

    /// Says what becomes of the connection at the end.
    pub(crate) const fn ends_in(&mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Turn<'_, '_> {
    #[inline(never)] // Leases end in many places.
    fn drop(&mut self) {
        self.base.order().end(self.base, self.slot, self.end);
    }
}
