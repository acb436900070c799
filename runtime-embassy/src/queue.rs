//! Whose turn it is, and on which connection: the core decides, and what its numbers stand for is
//! kept here.

use core::task::Waker;

use embassy_sync::waitqueue::MultiWakerRegistration;
use sortie_core::session::scheduler::{Assign, How, Scheduler, Ticket, Urgency};
use sortie_core::{Instant, Url, Wish};

/// Tasks that wait for a connection in the order of the core. Each place takes 40 bytes of RAM;
/// the future of its task takes ten times that. More tasks wait at the door, in no order: none is
/// refused.
pub(crate) const QUEUED: usize = 8;

/// Origins that are told apart at once, among the tasks that wait and the connections. Where there
/// are more some share a number, and with it the limit of connections to one host; no connection,
/// because what one is open to is looked at before it is used.
const ORIGINS: usize = 8;

/// Tasks that wait at the door and are woken without waking each other. Where more wait they do so
/// in turn: slower, and nothing worse.
const AT_DOOR: usize = 4;

/// The queue and the slots of a session.
pub(crate) struct Queue<const N: usize> {
    schedule: Scheduler<QUEUED, N, ORIGINS>,
    /// By number, the fingerprint of the origin that it stands for, or stood for last.
    origins: [u32; ORIGINS],
    /// By place of a ticket, who waits with it.
    wakers: [Option<Waker>; QUEUED],
    /// By slot, who was given it and has not seen that yet.
    granted: [Option<(Ticket, How)>; N],
    door: MultiWakerRegistration<AT_DOOR>,
    at_door: usize,
}

impl<const N: usize> Queue<N> {
    pub(crate) fn new(per_host: u16) -> Self {
        Self {
            schedule: Scheduler::new().with_per_host(per_host),
            origins: [0; ORIGINS],
            wakers: [const { None }; QUEUED],
            granted: [None; N],
            door: MultiWakerRegistration::new(),
            at_door: 0,
        }
    }

    /// Whether tasks wait at the door: who comes now waits with them, so that a task that makes one
    /// request after another does not keep them out.
    pub(crate) const fn is_door_busy(&self) -> bool {
        self.at_door > 0
    }

    /// A task comes to the door.
    pub(crate) const fn come_to_door(&mut self) {
        self.at_door = self.at_door.saturating_add(1);
    }

    /// A task at the door waits there until it may try again.
    pub(crate) fn wait_at_door(&mut self, waker: &Waker) {
        self.door.register(waker);
    }

    /// A task has left the door, into the queue or for good. There may be room for the next.
    pub(crate) fn leave_door(&mut self) {
        self.at_door = self.at_door.saturating_sub(1);
        self.door.wake();
    }

    /// Queues a task, for the origin of a [fingerprint]. `None` if there is no room.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        origin: u32,
        wish: Wish,
        urgency: Urgency,
    ) -> Option<Ticket> {
        let origin = self.number(origin);
        self.schedule.add(now, origin, wish, urgency).ok()
    }

    /// A task that waits is more, or less, urgent than it was.
    pub(crate) fn change(&mut self, ticket: Ticket, urgency: Urgency) {
        // A stale one has its slot: nothing is to be ordered any more.
        let _ = self.schedule.change(ticket, urgency);
    }

    /// A queued task waits for its turn.
    pub(crate) fn wait(&mut self, ticket: Ticket, waker: &Waker) {
        if let Some(place) = self.wakers.get_mut(ticket.place()) {
            match place {
                Some(old) => old.clone_from(waker),
                None => *place = Some(waker.clone()),
            }
        }
    }

    /// A task that was not given a slot waits no more.
    pub(crate) fn remove(&mut self, ticket: Ticket) {
        if self.schedule.remove(ticket).is_ok() {
            self.take_waker(ticket);
            self.door.wake();
        }
    }

    /// The slot that a task was given, once.
    pub(crate) fn take_granted(&mut self, ticket: Ticket) -> Option<(usize, How)> {
        self.granted.iter_mut().enumerate().find_map(|(slot, granted)| {
            let (_, how) = granted.take_if(|(owner, _)| *owner == ticket)?;
            Some((slot, how))
        })
    }

    /// Has tasks start as the core says. Returns the slot of a connection that is to be closed
    /// before more can be said.
    pub(crate) fn assign(&mut self, now: Instant) -> Option<usize> {
        loop {
            match self.schedule.poll_assign(now) {
                Assign::Start { ticket, slot, how } => self.grant(ticket, slot, how),
                Assign::Close { slot } => return Some(slot),
                // Nothing runs here by itself: what is idle for too long is closed with the next
                // call, and keeps nobody waiting until then.
                Assign::Wait { until: _ } => return None,
            }
        }
    }

    fn grant(&mut self, ticket: Ticket, slot: usize, how: How) {
        if let Some(granted) = self.granted.get_mut(slot) {
            *granted = Some((ticket, how));
        }
        if let Some(waker) = self.take_waker(ticket) {
            waker.wake();
        }
        self.door.wake();
    }

    /// A task gives its connection back to be kept. Returns whether it is.
    pub(crate) fn keep(&mut self, slot: usize, now: Instant, unread: usize) -> bool {
        self.schedule.keep(slot, now, unread)
    }

    /// Has the connections closed that are idle, with the next [`assign`](Self::assign).
    pub(crate) fn drain_idle(&mut self) {
        self.schedule.drain_idle();
    }

    /// A task has closed its connection, or has opened none.
    pub(crate) fn free(&mut self, slot: usize) {
        self.schedule.free(slot);
    }

    fn take_waker(&mut self, ticket: Ticket) -> Option<Waker> {
        self.wakers.get_mut(ticket.place()).and_then(Option::take)
    }

    /// The number of an origin.
    fn number(&mut self, origin: u32) -> usize {
        if let Some(number) = self.origins.iter().position(|other| *other == origin) {
            return number;
        }
        let schedule = &self.schedule;
        let mut numbers = self.origins.iter_mut().enumerate();
        match numbers.find(|(number, _)| !schedule.is_origin_used(*number)) {
            Some((number, free)) => {
                *free = origin;
                number
            }
            None => origin as usize % ORIGINS,
        }
    }
}

/// A number for scheme, host and port of a URL (FNV-1a). The names themselves stay where they are,
/// in the requests: there is no room for them here. Two origins can have the same fingerprint, by
/// chance or by design; what comes of it is said at [`ORIGINS`].
pub(crate) fn fingerprint(url: &Url<'_>) -> u32 {
    let host = url.host().bytes().map(|byte| byte.to_ascii_lowercase());
    let scheme = url.scheme() as u8;
    let bytes = host.chain(url.port().to_be_bytes()).chain([scheme]);
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
