//! The way of a task to a connection: to the door, into the queue, and into a slot.

use core::cell::RefMut;
use core::future::poll_fn;
use core::task::{Context, Poll};

use sortie_core::session::scheduler::{How, Ticket, Urgency};
use sortie_core::{Url, Wish};

use crate::connection::{Connection, End, Lease};
use crate::control::ControlBlock;
use crate::queue::{Queue, fingerprint};
use crate::session::Session;
use crate::time::now;

/// A task that wants a slot. Dropped, it gives up its place, and what it was given meanwhile.
struct Place<'s, 'd, const N: usize> {
    session: &'s Session<'d, N>,
    wish: Wish,
    /// The [fingerprint] of the origin.
    origin: u32,
    /// The priority that the core knows.
    priority: u16,
    stage: Stage,
}

/// Where a task is on its way.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Exits: `AtDoor`, `Queued`.
    New,
    /// The queue was full. Exits: `Queued`, `Done`.
    AtDoor,
    /// In the queue, or in a slot that it has not seen yet. Exit: `Done`.
    Queued(Ticket),
    /// Its turn has come, or it has given up.
    Done,
}

/// A slot that a task was given. Dropped, it gives the slot back.
pub(crate) struct Turn<'s, 'd, const N: usize> {
    session: &'s Session<'d, N>,
    slot: usize,
    /// What becomes of the connection.
    end: End,
}

impl<'d, const N: usize> Session<'d, N> {
    /// Waits for its turn, in the order of the core, for a connection to the origin of `url`.
    /// `None` never comes, see [`Lease::new`].
    ///
    /// Dropping the future loses the place in the queue and nothing else.
    pub(crate) fn lease<'s, 'r>(
        &'s self,
        control: &'r ControlBlock,
        wish: Wish,
        expected_bytes: u64,
        url: Url<'r>,
    ) -> impl Future<Output = Option<Lease<'s, 'd, N>>> {
        let origin = fingerprint(&url);
        let mut place = Place { session: self, wish, origin, priority: 0, stage: Stage::New };
        async move {
            let turn = poll_fn(|cx| {
                let (priority, bytes) = (control.priority(), Some(expected_bytes));
                place.poll(cx, Urgency { priority, bytes })
            });
            let turn = turn.await;
            Lease::new(turn, &url)
        }
    }

    /// Does what the core says now.
    fn assign(&self, queue: &mut Queue<N>) {
        while let Some(closed) = queue.assign(now()) {
            if let Some(mut connection) = self.slot(closed) {
                connection.end(true);
            }
        }
    }

    /// The connection of a slot that no lease has.
    fn slot(&self, slot: usize) -> Option<RefMut<'_, Connection<'d>>> {
        self.slots.get(slot)?.try_borrow_mut().ok()
    }
}

impl<'s, 'd, const N: usize> Place<'s, 'd, N> {
    fn poll(&mut self, cx: &Context<'_>, urgency: Urgency) -> Poll<Turn<'s, 'd, N>> {
        let session = self.session;
        let Ok(mut queue) = session.queue.try_borrow_mut() else { return Poll::Pending };
        let is_changed = self.priority != urgency.priority;
        self.priority = urgency.priority;
        let ticket = match self.stage {
            Stage::Queued(ticket) if !is_changed => ticket,
            Stage::Queued(ticket) => {
                queue.change(ticket, urgency);
                ticket
            }
            Stage::New | Stage::AtDoor | Stage::Done => match self.enter(&mut queue, urgency) {
                Some(ticket) => ticket,
                None => {
                    queue.wait_at_door(cx.waker());
                    return Poll::Pending;
                }
            },
        };
        session.assign(&mut queue);
        match self.take(&mut queue, ticket) {
            Some(turn) => Poll::Ready(turn),
            None => {
                queue.wait(ticket, cx.waker());
                Poll::Pending
            }
        }
    }

    /// Takes a place in the queue, or else at the door.
    fn enter(&mut self, queue: &mut Queue<N>, urgency: Urgency) -> Option<Ticket> {
        let is_at_door = matches!(self.stage, Stage::AtDoor);
        let may_enter = is_at_door || !queue.is_door_busy();
        let ticket = may_enter.then(|| queue.add(now(), self.origin, self.wish, urgency)).flatten();
        match (ticket, is_at_door) {
            (Some(_), true) => queue.leave_door(),
            (None, false) => queue.come_to_door(),
            (Some(_), false) | (None, true) => {}
        }
        self.stage = ticket.map_or(Stage::AtDoor, Stage::Queued);
        ticket
    }

    /// The slot that it was given, if it was.
    fn take(&mut self, queue: &mut Queue<N>, ticket: Ticket) -> Option<Turn<'s, 'd, N>> {
        let (slot, how) = queue.take_granted(ticket)?;
        self.stage = Stage::Done;
        let end = match how {
            How::Reuse => End::Keep { unread: 0 },
            How::Open => End::Reset,
        };
        Some(Turn { session: self.session, slot, end })
    }
}

impl<const N: usize> Drop for Place<'_, '_, N> {
    fn drop(&mut self) {
        let session = self.session;
        let Ok(mut queue) = session.queue.try_borrow_mut() else { return };
        match self.stage {
            Stage::New | Stage::Done => {}
            Stage::AtDoor => queue.leave_door(),
            Stage::Queued(ticket) => {
                let turn = self.take(&mut queue, ticket);
                if turn.is_none() {
                    queue.remove(ticket);
                    session.assign(&mut queue);
                }
                // It asks for the queue itself.
                drop(queue);
                drop(turn);
            }
        }
    }
}

impl<'s, 'd, const N: usize> Turn<'s, 'd, N> {
    /// The connection of the slot, unless it was lent already.
    pub(crate) fn connection(&self) -> Option<RefMut<'s, Connection<'d>>> {
        self.session.slot(self.slot)
    }

    /// Says what becomes of the connection at the end. Returns what would have become of it.
    pub(crate) const fn ends_in(&mut self, end: End) -> End {
        core::mem::replace(&mut self.end, end)
    }
}

impl<const N: usize> Drop for Turn<'_, '_, N> {
    fn drop(&mut self) {
        let Ok(mut queue) = self.session.queue.try_borrow_mut() else { return };
        let is_kept = match self.end {
            End::Keep { unread } => queue.keep(self.slot, now(), unread),
            End::Reset | End::Close => {
                queue.free(self.slot);
                false
            }
        };
        if !is_kept && let Some(mut connection) = self.connection() {
            connection.end(self.end == End::Close);
        }
        self.session.assign(&mut queue);
    }
}
