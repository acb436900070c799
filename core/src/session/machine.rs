//! The decisions of a scheduler, over its tables wherever they are.

use super::heap::{self, Links, NIL, Nodes};
use super::idle::{self, Of, Ring};
use super::scheduler::{Assign, How, Ticket, Urgency};
use super::storage::{Connection, Origin, Queued, State, Tables};
use crate::error::Transport;
use crate::limits::{
    CONNECTIONS_PER_HOST, HINT_DELAY, HINT_SHIFT, IDLE_TIMEOUT, PRIORITY_MOST, PRIORITY_STEP,
    SOCKET_RETRY,
};
use crate::task::output::Wish;
use crate::time::Instant;

/// The end of time.
const NEVER: Instant = Instant::from_micros(u64::MAX);

/// What a scheduler knows beside its tables.
#[derive(Debug, Clone)]
pub(super) struct Roots {
    /// Of the task added last.
    serial: u64,
    /// Root of the heap of origins for which a task can be started, as far as they alone decide.
    ready: u16,
    /// The task added last, if it is in no heap yet. It gets there before another is added, unless
    /// it can start at once: so do most, and need no heap.
    fresh: u16,
    /// The first free place for a task.
    free_task: u16,
    /// The first free slot.
    free_slot: u16,
    /// Idle for the shortest.
    newest: u16,
    /// This idle connection and all older ones are to be closed; `NIL` for none.
    drain: u16,
    /// When the oldest idle connection is to be closed; the end of time if there is none.
    expiry: Instant,
    /// Queued tasks, and connections by their state.
    pub(super) queued: u16,
    pub(super) busy: u16,
    pub(super) idle: u16,
    pub(super) per_host: u16,
    /// Until then there are no more connections than `most_open`: there was no socket for another.
    short_until: Instant,
    most_open: u16,
    /// How long a connection may be idle, in microseconds.
    pub(super) idle_timeout: u64,
}

/// A scheduler while it is changed.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub(super) tables: Tables<'a>,
    pub(super) roots: &'a mut Roots,
}

/// A task that starts.
#[derive(Debug, Clone, Copy)]
struct Start {
    origin: u16,
    task: u16,
    how: How,
}

/// The heap of the tasks of one origin.
struct Queue<'a>(&'a mut [Queued]);

/// The heap of the origins that are ready, each as urgent as the first of its tasks.
struct Ready<'a> {
    origins: &'a mut [Origin],
    tasks: &'a [Queued],
}

impl Roots {
    pub(super) const fn new() -> Self {
        Self {
            serial: 0,
            ready: NIL,
            fresh: NIL,
            free_task: NIL,
            free_slot: NIL,
            newest: NIL,
            drain: NIL,
            expiry: NEVER,
            queued: 0,
            busy: 0,
            idle: 0,
            per_host: CONNECTIONS_PER_HOST,
            short_until: Instant::EPOCH,
            most_open: 0,
            idle_timeout: IDLE_TIMEOUT,
        }
    }

    /// What `poll_assign` says at once, without a look at the tables, if it is to wait.
    #[inline]
    pub(super) fn waits(&self, now: Instant) -> Option<Assign> {
        let nothing = self.ready == NIL && self.fresh == NIL && self.drain == NIL;
        (nothing && now < self.expiry).then(|| self.wait())
    }

    fn wait(&self) -> Assign {
        Assign::Wait { until: (self.newest != NIL).then_some(self.expiry) }
    }

    /// Whether there is no socket for another connection, as far as is known.
    fn is_short(&self, now: Instant) -> bool {
        now < self.short_until && self.busy.wrapping_add(self.idle) >= self.most_open
    }

    /// A task is not queued any more: its place is free, and its ticket stale. Returns its serial.
    fn leave(&mut self, at: u16, task: &mut Queued) -> u64 {
        self.queued = self.queued.wrapping_sub(1);
        task.links.left = core::mem::replace(&mut self.free_task, at);
        core::mem::take(&mut task.serial)
    }

    /// The task that is in no heap, or `NIL`.
    pub(super) const fn fresh(&self) -> u16 {
        self.fresh
    }

    pub(super) const fn has_free_task(&self) -> bool {
        self.free_task != NIL
    }

    pub(super) const fn has_free_slot(&self) -> bool {
        self.free_slot != NIL
    }
}

impl Machine<'_> {
    /// Makes a new place for a task a free one. There is no other.
    pub(super) const fn give_task(&mut self, at: u16) {
        self.roots.free_task = at;
    }

    /// Makes a new slot, or one that was left, a free one.
    pub(super) fn give_slot(&mut self, at: u16) {
        let next = self.roots.free_slot;
        if let Some(connection) = self.tables.connections.get_mut(usize::from(at)) {
            connection.state = State::Free;
            connection.in_session.older = next;
            self.roots.free_slot = at;
        }
    }

    /// Queues a task. There are a free place and an origin for it.
    pub(super) fn add(
        &mut self,
        now: Instant,
        origin: u16,
        wish: Wish,
        urgency: Urgency,
    ) -> Ticket {
        if self.roots.fresh != NIL {
            self.settle();
        }
        let at = self.roots.free_task;
        let serial = self.roots.serial.wrapping_add(1);
        if let Some(task) = self.tables.tasks.get_mut(usize::from(at)) {
            self.roots.free_task = task.links.left;
            self.roots.serial = serial;
            self.roots.queued = self.roots.queued.wrapping_add(1);
            self.roots.fresh = at;
            let (arrival, delay) = (now.as_micros(), delay(urgency));
            *task = Queued { arrival, serial, delay, links: Links::OUT, origin, wish };
        }
        Ticket { at, serial }
    }

    /// Puts the task added last into the heap of its origin, if it is in none.
    ///
    /// Like the other functions that are never inlined it is off the usual path, which saves and
    /// restores no registers for it.
    #[inline(never)]
    fn settle(&mut self) {
        let fresh = self.roots.fresh;
        if let Some(task) = self.tables.tasks.get(usize::from(fresh)) {
            self.roots.fresh = NIL;
            self.enqueue(task.origin, fresh);
        }
    }

    /// The task of a ticket, if it is queued.
    fn find(&self, ticket: Ticket) -> Option<Queued> {
        let task = self.tables.tasks.get(usize::from(ticket.at))?;
        (task.serial == ticket.serial).then_some(*task)
    }

    pub(super) fn change(&mut self, ticket: Ticket, urgency: Urgency) -> Option<()> {
        let origin = self.find(ticket)?.origin;
        self.settle();
        self.dequeue(origin, ticket.at);
        self.tables.tasks.get_mut(usize::from(ticket.at))?.delay = delay(urgency);
        self.enqueue(origin, ticket.at);
        Some(())
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<()> {
        let origin = self.find(ticket)?.origin;
        self.settle();
        self.dequeue(origin, ticket.at);
        self.leave(ticket.at);
        Some(())
    }

    pub(super) fn poll_assign(&mut self, now: Instant) -> Assign {
        if let Some(start) = self.start_fresh(now) {
            return start;
        }
        self.decide(now)
    }

    #[inline(never)]
    fn decide(&mut self, now: Instant) -> Assign {
        self.settle();
        let Some((slot, start)) = self.choose(now) else {
            return match self.first() {
                // There is no socket for it, and no idle connection that could leave its own.
                Some(_) => Assign::Wait { until: Some(self.roots.short_until) },
                None => self.roots.wait(),
            };
        };
        match start {
            Some(Start { how: How::Open, .. }) => self.take_slot(slot),
            Some(Start { how: How::Reuse, .. }) | None => self.unlink(slot),
        }
        match start {
            Some(start) => self.start(slot, start),
            None => {
                self.give_slot(slot);
                Assign::Close { slot: usize::from(slot) }
            }
        }
    }

    /// Starts the task added last on an idle connection, if that is what `choose` would do: no
    /// other task could start. It is the usual case, and costs half as much so.
    #[inline]
    fn start_fresh(&mut self, now: Instant) -> Option<Assign> {
        let roots = &mut *self.roots;
        let at = roots.fresh;
        let task = self.tables.tasks.get_mut(usize::from(at))?;
        let origin = self.tables.origins.get_mut(usize::from(task.origin))?;
        let slot = origin.newest;
        let connection = self.tables.connections.get_mut(usize::from(slot))?;
        let is_first = roots.ready == NIL && origin.busy < roots.per_host;
        let closes_first = roots.drain != NIL || roots.expiry <= now;
        if !is_first || closes_first || task.wish == Wish::New {
            return None;
        }
        roots.fresh = NIL;
        roots.busy = roots.busy.wrapping_add(1);
        origin.busy = origin.busy.wrapping_add(1);
        connection.state = State::Busy;
        let serial = roots.leave(at, task);
        self.unlink(slot);
        Some(Assign::Start {
            ticket: Ticket { at, serial },
            slot: usize::from(slot),
            how: How::Reuse,
        })
    }

    /// What to do next: something starts in a slot, or the connection in it is to be closed. `None`
    /// to wait.
    fn choose(&self, now: Instant) -> Option<(u16, Option<Start>)> {
        if self.roots.drain != NIL || self.is_expired(now) {
            return Some((self.oldest(), None));
        }
        let (at, task) = self.first()?;
        let origin = self.tables.origins.get(usize::from(at))?;
        let Queued { wish, .. } = *self.tables.tasks.get(usize::from(task))?;
        let start = |how| Some(Start { origin: at, task, how });
        if origin.newest != NIL && wish == Wish::Any {
            return Some((origin.newest, start(How::Reuse)));
        }
        if origin.busy.wrapping_add(origin.idle) >= self.roots.per_host {
            return Some((idle::oldest(self.tables.connections, Of::Origin, origin.newest), None));
        }
        if self.roots.has_free_slot() && !self.roots.is_short(now) {
            return Some((self.roots.free_slot, start(How::Open)));
        }
        (self.roots.newest != NIL).then(|| (self.oldest(), None))
    }

    /// The first task in order that can start, after its origin.
    fn first(&self) -> Option<(u16, u16)> {
        // All of the table is in use before somebody has to wait for it.
        if usize::from(self.roots.busy) >= self.tables.connections.len() {
            return None;
        }
        let first = self.tables.origins.get(usize::from(self.roots.ready))?;
        Some((self.roots.ready, first.queue))
    }

    /// Whether there is an idle connection that is to be closed now.
    fn is_expired(&self, now: Instant) -> bool {
        self.roots.newest != NIL && self.roots.expiry <= now
    }

    /// The connection that is idle for longest.
    fn oldest(&self) -> u16 {
        idle::oldest(self.tables.connections, Of::Session, self.roots.newest)
    }

    /// Sets when the oldest idle connection is to be closed, which has changed.
    fn set_expiry(&mut self) {
        let timeout = self.roots.idle_timeout;
        let oldest = self.tables.connections.get(usize::from(self.oldest()));
        self.roots.expiry =
            oldest.map_or(NEVER, |oldest| Instant::from_micros(oldest.since).after(timeout));
    }

    fn start(&mut self, slot: u16, start: Start) -> Assign {
        let Start { origin: at, task, how } = start;
        if let Some(connection) = self.tables.connections.get_mut(usize::from(slot)) {
            connection.state = State::Busy;
            connection.origin = at;
        }
        self.roots.busy = self.roots.busy.wrapping_add(1);
        if let Some(origin) = self.tables.origins.get_mut(usize::from(at)) {
            origin.busy = origin.busy.wrapping_add(1);
        }
        self.dequeue(at, task);
        let serial = self.leave(task);
        Assign::Start { ticket: Ticket { at: task, serial }, slot: usize::from(slot), how }
    }

    /// Takes the first free slot.
    fn take_slot(&mut self, slot: u16) {
        if let Some(connection) = self.tables.connections.get(usize::from(slot)) {
            self.roots.free_slot = connection.in_session.older;
        }
    }

    pub(super) fn keep(&mut self, slot: u16, now: Instant, unread: usize) -> bool {
        let Some(connection) = self.tables.connections.get(usize::from(slot)) else {
            return false;
        };
        let origin = connection.origin;
        if unread > 0 || connection.state != State::Busy {
            self.free(slot);
            return false;
        }
        self.roots.idle = self.roots.idle.wrapping_add(1);
        self.link(slot, now.as_micros());
        if let Some(origin) = self.tables.origins.get_mut(usize::from(origin)) {
            idle::push(self.tables.connections, Of::Origin, origin.newest, slot);
            origin.newest = slot;
            origin.idle = origin.idle.wrapping_add(1);
        }
        self.release(origin);
        true
    }

    /// Makes a connection the newest of those that are idle.
    fn link(&mut self, slot: u16, now: u64) {
        let newest = core::mem::replace(&mut self.roots.newest, slot);
        // A clock that goes back would make an older one expire later.
        let last = self.tables.connections.get(usize::from(newest));
        let since = last.map_or(now, |last| last.since.max(now));
        if newest == NIL {
            self.roots.expiry = Instant::from_micros(since).after(self.roots.idle_timeout);
        }
        if let Some(connection) = self.tables.connections.get_mut(usize::from(slot)) {
            connection.state = State::Idle;
            connection.since = since;
        }
        idle::push(self.tables.connections, Of::Session, newest, slot);
    }

    pub(super) fn free(&mut self, slot: u16) {
        let Some(&Connection { state, origin, .. }) =
            self.tables.connections.get(usize::from(slot))
        else {
            return;
        };
        match state {
            State::Free => return,
            State::Busy | State::Last => self.release(origin),
            State::Idle => self.unlink(slot),
        }
        self.give_slot(slot);
    }

    pub(super) fn open_failed(&mut self, slot: u16, now: Instant, why: Transport) -> bool {
        let connection = self.tables.connections.get(usize::from(slot));
        let is_asked =
            connection.is_some_and(|found| matches!(found.state, State::Busy | State::Last));
        self.free(slot);
        if !is_asked || why != Transport::NoSocket {
            return false;
        }
        let open = self.roots.busy.wrapping_add(self.roots.idle);
        // With nothing open the next task has a try: what it waits for could not come otherwise.
        self.roots.most_open = open.max(1);
        self.roots.short_until = now.after(SOCKET_RETRY);
        self.drain_idle();
        open > 0
    }

    pub(super) fn drain_idle(&mut self) {
        self.roots.drain = self.roots.newest;
    }

    pub(super) fn flush(&mut self) {
        self.drain_idle();
        for connection in self.tables.connections.iter_mut() {
            if connection.state == State::Busy {
                connection.state = State::Last;
            }
        }
    }

    /// A connection has no task any more.
    fn release(&mut self, at: u16) {
        self.roots.busy = self.roots.busy.wrapping_sub(1);
        if let Some(origin) = self.tables.origins.get_mut(usize::from(at)) {
            origin.busy = origin.busy.wrapping_sub(1);
        }
        self.admit(at);
    }

    /// Takes an idle connection out of both its rings.
    #[inline]
    fn unlink(&mut self, slot: u16) {
        let Some(&Connection { origin, in_session, .. }) =
            self.tables.connections.get(usize::from(slot))
        else {
            return;
        };
        self.roots.idle = self.roots.idle.wrapping_sub(1);
        if in_session.older != slot {
            self.unlink_from(slot, origin, in_session);
            return;
        }
        // The only one, in both rings.
        (self.roots.newest, self.roots.drain, self.roots.expiry) = (NIL, NIL, NEVER);
        if let Some(origin) = self.tables.origins.get_mut(usize::from(origin)) {
            (origin.newest, origin.idle) = (NIL, 0);
        }
    }

    /// Takes an idle connection out that is not the only one.
    #[inline(never)]
    fn unlink_from(&mut self, slot: u16, origin: u16, in_session: Ring) {
        let is_oldest = self.oldest() == slot;
        if self.roots.drain == slot {
            self.roots.drain = if is_oldest { NIL } else { in_session.older };
        }
        let connections = &mut *self.tables.connections;
        self.roots.newest = idle::unlink(connections, Of::Session, self.roots.newest, slot);
        if let Some(origin) = self.tables.origins.get_mut(usize::from(origin)) {
            origin.newest = idle::unlink(connections, Of::Origin, origin.newest, slot);
            origin.idle = origin.idle.wrapping_sub(1);
        }
        if is_oldest {
            self.set_expiry();
        }
    }

    /// As [`Roots::leave`].
    fn leave(&mut self, at: u16) -> u64 {
        self.tables.tasks.get_mut(usize::from(at)).map_or(0, |task| self.roots.leave(at, task))
    }

    /// Puts a task in the queue of its origin.
    fn enqueue(&mut self, origin: u16, task: u16) {
        let old = self.origin(origin).queue;
        let root = heap::insert(&mut Queue(self.tables.tasks), old, task);
        self.set_queue(origin, old, root);
    }

    /// Takes a task out of the queue of its origin.
    fn dequeue(&mut self, origin: u16, task: u16) {
        let old = self.origin(origin).queue;
        let root = heap::remove(&mut Queue(self.tables.tasks), old, task);
        self.set_queue(origin, old, root);
    }

    /// Sets the first task of an origin, which decides the place of the origin among the others.
    fn set_queue(&mut self, at: u16, old: u16, root: u16) {
        if root == old {
            return;
        }
        if let Some(origin) = self.tables.origins.get_mut(usize::from(at)) {
            origin.queue = root;
            if origin.links.rank > 0 {
                let first = self.roots.ready;
                self.roots.ready = heap::remove(&mut self.ready(), first, at);
            }
        }
        self.admit(at);
    }

    /// Makes an origin ready if it is: it has a task, and no more connections with tasks than
    /// allow for another.
    ///
    /// What else a start takes, an idle connection or room for a new one, can be had for any origin
    /// or for none: an idle connection can always be evicted.
    fn admit(&mut self, at: u16) {
        let Origin { links, queue, busy, .. } = self.origin(at);
        if links.rank == 0 && queue != NIL && busy < self.roots.per_host {
            self.insert_ready(at);
        }
    }

    #[inline(never)]
    fn insert_ready(&mut self, at: u16) {
        let first = self.roots.ready;
        self.roots.ready = heap::insert(&mut self.ready(), first, at);
    }

    fn origin(&self, at: u16) -> Origin {
        self.tables.origins.get(usize::from(at)).copied().unwrap_or(Origin::UNUSED)
    }

    fn ready(&mut self) -> Ready<'_> {
        Ready { origins: self.tables.origins, tasks: self.tables.tasks }
    }
}

/// By how much a task is put behind one that arrived at the same time, in microseconds.
fn delay(urgency: Urgency) -> u32 {
    let steps = PRIORITY_MOST.saturating_sub(urgency.priority);
    let hint = urgency.bytes.unwrap_or(0) >> HINT_SHIFT;
    let hint = u32::try_from(hint).unwrap_or(u32::MAX).min(HINT_DELAY);
    u32::from(steps).saturating_mul(PRIORITY_STEP).saturating_add(hint)
}

/// Whether the first task is to be started before the second.
fn is_before(tasks: &[Queued], a: u16, b: u16) -> bool {
    #[cfg(test)]
    super::scheduler::tests::count_comparison();
    let key = |at: u16| {
        let task = tasks.get(usize::from(at)).unwrap_or(&Queued::NONE);
        (task.arrival.saturating_add(u64::from(task.delay)), task.serial)
    };
    key(a) < key(b)
}

impl Nodes for Queue<'_> {
    fn links(&self, at: u16) -> Links {
        self.0.get(usize::from(at)).map_or(Links::OUT, |task| task.links)
    }

    fn links_mut(&mut self, at: u16) -> Option<&mut Links> {
        self.0.get_mut(usize::from(at)).map(|task| &mut task.links)
    }

    fn is_before(&self, a: u16, b: u16) -> bool {
        is_before(self.0, a, b)
    }
}

impl Nodes for Ready<'_> {
    fn links(&self, at: u16) -> Links {
        self.origins.get(usize::from(at)).map_or(Links::OUT, |origin| origin.links)
    }

    fn links_mut(&mut self, at: u16) -> Option<&mut Links> {
        self.origins.get_mut(usize::from(at)).map(|origin| &mut origin.links)
    }

    fn is_before(&self, a: u16, b: u16) -> bool {
        let first = |at: u16| self.origins.get(usize::from(at)).map_or(NIL, |origin| origin.queue);
        is_before(self.tasks, first(a), first(b))
    }
}
