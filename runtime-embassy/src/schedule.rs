//! The order of the core's scheduler, for a session that is to have more than a line.

use core::cell::{RefCell, RefMut};
use core::fmt;
use core::task::{Context, Poll};

use sortie_core::limits::CONNECTIONS_PER_HOST;
use sortie_core::session::scheduler::How;

use crate::connection::End;
use crate::queue::{Queue, fingerprint};
use crate::session::Base;
use crate::time::now;
use crate::turn::{Order, Place, Scheduled, Wanted};

/// Gives a [`Session`](crate::Session) the order of a desktop's: see
/// [`scheduler`](sortie_core::session::scheduler). Without it tasks are served in the order in
/// which they come.
///
/// By it tasks of higher [priority](crate::DataTask::priority) go before others and small ones
/// before large ones, nobody starves, and no origin takes all connections. It takes 5 KB of flash,
/// which a program that never makes one does not link.
///
/// Meant for a static, beside the session's [`Resources`](crate::Resources); 632 bytes
/// for one connection.
pub struct Schedule<const CONNECTIONS: usize> {
    queue: RefCell<Queue<CONNECTIONS>>,
}

impl<const CONNECTIONS: usize> Schedule<CONNECTIONS> {
    /// A schedule that no session has yet, with at most
    /// [`CONNECTIONS_PER_HOST`] connections to one origin at a time.
    #[must_use]
    pub fn new() -> Self {
        Self::with_max_connections_per_host(CONNECTIONS_PER_HOST)
    }

    /// A schedule with at most so many connections to one origin with a task, at least one: other
    /// tasks to it wait meanwhile, and leave the rest of the connections to others.
    #[must_use]
    pub fn with_max_connections_per_host(most: u16) -> Self {
        Self { queue: RefCell::new(Queue::new(most)) }
    }
}

impl<const CONNECTIONS: usize> Default for Schedule<CONNECTIONS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const CONNECTIONS: usize> fmt::Debug for Schedule<CONNECTIONS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule<{CONNECTIONS}>")
    }
}

/// Does what the core says now.
fn assign<const N: usize>(base: &Base<'_>, queue: &mut Queue<N>) {
    while let Some(closed) = queue.assign(now()) {
        if let Some(mut connection) = base.slot(closed) {
            connection.end(true);
        }
    }
}

/// Gives a slot back to the core. None is ever without a socket, so that nothing is reported by
/// `open_failed`: a session takes its sockets when it is made, or is not made; each stays with its
/// slot for ever and is opened again from any state; and a look-up for which the stack has no query
/// left waits for one, within the deadlines of its task. Says whether the connection is kept.
fn give_back<const N: usize>(
    base: &Base<'_>,
    mut queue: RefMut<'_, Queue<N>>,
    slot: usize,
    end: End,
) {
    let is_kept = match end {
        End::Keep { unread } => queue.keep(slot, now(), unread),
        End::Reset | End::Close => {
            queue.free(slot);
            false
        }
    };
    if let (false, Some(mut connection)) = (is_kept, base.slot(slot)) {
        connection.end(end == End::Close);
    }
    assign(base, &mut queue);
}

impl<const N: usize> Order for Schedule<N> {
    fn poll(
        &self,
        base: &Base<'_>,
        wanted: &Wanted<'_>,
        place: &mut Place,
        cx: &Context<'_>,
    ) -> Poll<(usize, How)> {
        let Ok(mut queue) = self.queue.try_borrow_mut() else { return Poll::Pending };
        let urgency = wanted.urgency();
        let ticket = match *place {
            Place::Queued(ticket, priority) => {
                if priority != urgency.priority {
                    queue.change(ticket, urgency);
                }
                Some(ticket)
            }
            Place::New | Place::AtDoor | Place::InLine(_) | Place::Done => {
                let is_at_door = matches!(place, Place::AtDoor);
                let may_enter = is_at_door || !queue.is_door_busy();
                let origin = fingerprint(wanted.url);
                let ticket = match may_enter {
                    true => queue.add(now(), origin, wanted.wish, urgency),
                    false => None,
                };
                match (ticket, is_at_door) {
                    (Some(_), true) => queue.leave_door(),
                    (None, false) => queue.come_to_door(),
                    (Some(_), false) | (None, true) => {}
                }
                ticket
            }
        };
        let Some(ticket) = ticket else {
            *place = Place::AtDoor;
            queue.wait_at_door(cx.waker());
            return Poll::Pending;
        };
        *place = Place::Queued(ticket, urgency.priority);
        assign(base, &mut queue);
        match queue.take_granted(ticket) {
            Some(granted) => Poll::Ready(granted),
            None => {
                queue.wait(ticket, cx.waker());
                Poll::Pending
            }
        }
    }

    fn leave(&self, base: &Base<'_>, place: Place) {
        let Ok(mut queue) = self.queue.try_borrow_mut() else { return };
        match place {
            Place::New | Place::InLine(_) | Place::Done => {}
            Place::AtDoor => queue.leave_door(),
            Place::Queued(ticket, _) => match queue.take_granted(ticket) {
                Some((slot, How::Reuse)) => give_back(base, queue, slot, End::Keep { unread: 0 }),
                Some((slot, How::Open)) => give_back(base, queue, slot, End::Reset),
                None => {
                    queue.remove(ticket);
                    assign(base, &mut queue);
                }
            },
        }
    }

    fn end(&self, base: &Base<'_>, slot: usize, end: End) {
        if let Ok(queue) = self.queue.try_borrow_mut() {
            give_back(base, queue, slot, end);
        }
    }
}

impl<const N: usize> Scheduled for Schedule<N> {
    fn close_idle(&self, base: &Base<'_>) {
        if let Ok(mut queue) = self.queue.try_borrow_mut() {
            queue.drain_idle();
            assign(base, &mut queue);
        }
    }
}
