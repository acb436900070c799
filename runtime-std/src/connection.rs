//! Connections and the pool that holds them while no task does.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use sortie_core::session::scheduler::{Assign, GrowableScheduler, How, Ticket, Urgency};
use sortie_core::{Instant, Transport, Url, Wish, limits};

use crate::buffers::{Inbox, Outbox};
use crate::origins::Origins;
use crate::sweeper::Sweeper;
use crate::world::{Stream, World};

/// Connections that a session has at most, idle ones included, if nothing else is said.
const CONNECTIONS: u16 = 256;

/// How long a connection can be idle without being looked at before its next use, in microseconds,
/// if its last read took all that there was. In that time hardly anything can have happened to it;
/// a look costs a system call. A read that ends with its response, since it had room for no more,
/// says nothing of what lies behind: that would be taken for the next answer.
const TRUSTED_IDLE: u64 = 1000;

/// Connections with a task, from which on each of them keeps as little memory as it can while it
/// waits. Fewer are spared to allocate it again and again.
const CROWD: usize = 128;

/// An open connection, with what belongs to it whichever task has it.
pub(crate) struct Connection<W: World> {
    pub(crate) slot: usize,
    pub(crate) stream: W::Stream,
    pub(crate) timer: W::Timer,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    /// Why it broke, in detail.
    pub(crate) failure: Option<io::Error>,
    /// Since when no task has it, if none has.
    idle_since: Instant,
}

impl<W: World> Connection<W> {
    pub(crate) fn new(slot: usize, stream: W::Stream, world: &W) -> Box<Self> {
        Box::new(Self {
            slot,
            stream,
            timer: world.timer(),
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            failure: None,
            idle_since: Instant::EPOCH,
        })
    }
}

impl<W: World> Connection<W> {
    /// One of many waits: it gives back the memory that it does not need for that. `is_sent`:
    /// nothing waits to be written.
    pub(crate) fn rest(&mut self, is_sent: bool) {
        if is_sent {
            self.outbox.rest();
        }
        self.inbox.rest();
    }

    /// Whether an idle connection can carry another exchange, as far as can be seen.
    fn is_usable(&mut self, now: Instant, look: Look) -> bool {
        let is_trusted = match look {
            Look::Always => false,
            Look::WhereItMayHaveClosed => {
                now < self.idle_since.after(TRUSTED_IDLE) && self.stream.is_drained()
            }
        };
        is_trusted || self.stream.is_quiet()
    }
}

/// How many connections a session has, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) per_host: u16,
    pub(crate) connections: u16,
    /// In microseconds.
    pub(crate) idle_timeout: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            per_host: limits::CONNECTIONS_PER_HOST,
            connections: CONNECTIONS,
            idle_timeout: limits::IDLE_TIMEOUT,
        }
    }
}

/// The connections of a session, idle or with a task, and the tasks that wait for one.
pub(crate) struct Connections<W: World> {
    state: Mutex<State<W>>,
    /// Whether as many as [`CROWD`] have a task.
    is_crowded: AtomicBool,
}

struct State<W: World> {
    schedule: GrowableScheduler,
    /// By slot, while no task has them.
    idle: Vec<Option<Box<Connection<W>>>>,
    /// The tasks that could not start at once.
    waiting: HashMap<Ticket, Waiting>,
    origins: Origins,
    sweeper: Sweeper<W>,
}

/// A task that waits for a connection.
struct Waiting {
    waker: Waker,
    /// The slot that it was given meanwhile.
    granted: Option<(usize, How)>,
}

/// When an idle connection is looked at before its next use.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Look {
    /// It must not be dead: the request could not be made again.
    Always,
    /// A dead one costs a retry; it is looked at once it was idle for [`TRUSTED_IDLE`].
    WhereItMayHaveClosed,
}

/// What a task gets that asks for a connection.
pub(crate) enum Taken<W: World> {
    /// An idle connection.
    Idle(Box<Connection<W>>),
    /// A slot in which one is to be opened.
    Slot(usize),
    /// A place in the queue: the waker is woken when it is its turn. If an instant is given, that
    /// may be then, and nobody says so: it is to ask again.
    Wait { ticket: Ticket, until: Option<Instant> },
    /// There is no room in the queue.
    Full,
}

impl<W: World> Connections<W> {
    pub(crate) fn new(room: Room, sweeper: Sweeper<W>) -> Self {
        let connections = usize::from(room.connections.max(1));
        let schedule = GrowableScheduler::growable(limits::SESSION_ITEMS, connections);
        let state = State {
            schedule: schedule.with_per_host(room.per_host).with_idle_timeout(room.idle_timeout),
            idle: Vec::new(),
            waiting: HashMap::new(),
            origins: Origins::default(),
            sweeper,
        };
        Self { state: Mutex::new(state), is_crowded: AtomicBool::new(false) }
    }

    /// Asks for a connection to the origin of `url`, as a task that `arrived` then.
    pub(crate) fn ask(
        &self,
        now: Instant,
        arrived: Instant,
        (wish, look): (Wish, Look),
        url: Url<'_>,
        urgency: Urgency,
        waker: &Waker,
    ) -> Taken<W> {
        let mut state = self.lock();
        let state = &mut *state;
        let origin = state.origins.number(url, &state.schedule);
        let Ok(ticket) = state.schedule.add(arrived, origin, wish, urgency) else {
            return Taken::Full;
        };
        match self.assign(state, now, Some(ticket)) {
            Some((slot, how)) => state.take(now, slot, how, look),
            None => {
                let waiting = Waiting { waker: waker.clone(), granted: None };
                state.waiting.insert(ticket, waiting);
                Taken::Wait { ticket, until: state.until(now) }
            }
        }
    }

    /// Asks again, after a wait.
    pub(crate) fn ask_again(
        &self,
        now: Instant,
        look: Look,
        ticket: Ticket,
        waker: &Waker,
    ) -> Taken<W> {
        let mut state = self.lock();
        self.assign(&mut state, now, None);
        let until = state.until(now);
        let Some(waiting) = state.waiting.get_mut(&ticket) else {
            return Taken::Full;
        };
        match waiting.granted {
            Some((slot, how)) => {
                state.waiting.remove(&ticket);
                state.take(now, slot, how, look)
            }
            None => {
                waiting.waker.clone_from(waker);
                Taken::Wait { ticket, until }
            }
        }
    }

    /// A task that waits is more, or less, urgent than it was.
    pub(crate) fn change(&self, now: Instant, ticket: Ticket, urgency: Urgency) {
        let mut state = self.lock();
        // A stale one has its connection: nothing is to be ordered any more.
        let _ = state.schedule.change(ticket, urgency);
        self.assign(&mut state, now, None);
    }

    /// A task waits no more, and what it was given is for others.
    pub(crate) fn leave(&self, now: Instant, ticket: Ticket) {
        let mut state = self.lock();
        match state.waiting.remove(&ticket).and_then(|waiting| waiting.granted) {
            None => {
                let _ = state.schedule.remove(ticket);
            }
            Some((slot, How::Open)) => state.schedule.free(slot),
            Some((slot, How::Reuse)) => {
                if !state.schedule.keep(slot, now, 0) {
                    state.take_idle(slot);
                }
            }
        }
        self.assign(&mut state, now, None);
    }

    /// Keeps a connection for the next task. `false` if it had to be closed.
    pub(crate) fn keep(&self, now: Instant, mut connection: Box<Connection<W>>) -> bool {
        connection.idle_since = now;
        let slot = connection.slot;
        let unread = connection.inbox.len();
        let mut state = self.lock();
        let keeps = state.schedule.keep(slot, now, unread);
        if keeps {
            if state.idle.len() <= slot {
                state.idle.resize_with(slot + 1, || None);
            }
            state.idle[slot] = Some(connection);
        }
        self.assign(&mut state, now, None);
        keeps
    }

    /// A connection could not be opened. Returns whether its task is to ask again.
    pub(crate) fn open_failed(&self, now: Instant, slot: usize, why: Transport) -> bool {
        let mut state = self.lock();
        let waits = state.schedule.open_failed(slot, now, why);
        self.assign(&mut state, now, None);
        waits
    }

    /// A connection was closed, or its attempt given up.
    pub(crate) fn free(&self, now: Instant, slot: usize) {
        let mut state = self.lock();
        state.schedule.free(slot);
        self.assign(&mut state, now, None);
    }

    /// Closes the connections that no task has; those that tasks have are not kept after them.
    pub(crate) fn flush(&self, now: Instant) {
        let mut state = self.lock();
        state.schedule.flush();
        self.assign(&mut state, now, None);
    }

    /// Closes the connections that have been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut state = self.lock();
        state.sweeper.rang();
        self.assign(&mut state, now, None);
    }

    /// The session has ended: as [`flush`](Self::flush), and nothing is idle any more.
    pub(crate) fn end(&self, now: Instant) {
        self.flush(now);
        self.lock().sweeper.stop();
    }

    /// Whether many connections have a task.
    pub(crate) fn is_crowded(&self) -> bool {
        self.is_crowded.load(Ordering::Relaxed)
    }

    /// As [`State::assign`].
    fn assign(
        &self,
        state: &mut State<W>,
        now: Instant,
        own: Option<Ticket>,
    ) -> Option<(usize, How)> {
        let granted = state.assign(now, own);
        let is_crowded = state.schedule.busy() >= CROWD;
        if is_crowded != self.is_crowded() {
            self.is_crowded.store(is_crowded, Ordering::Relaxed);
        }
        granted
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // Nothing under this lock can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: World> State<W> {
    /// Does what the schedule says. Returns what `own` was given, which waits nowhere yet.
    fn assign(&mut self, now: Instant, own: Option<Ticket>) -> Option<(usize, How)> {
        let mut granted = None;
        loop {
            match self.schedule.poll_assign(now) {
                Assign::Wait { until } => {
                    self.sweeper.set(now, until);
                    return granted;
                }
                Assign::Close { slot } => {
                    self.take_idle(slot);
                }
                Assign::Start { ticket, slot, how } if own == Some(ticket) => {
                    granted = Some((slot, how));
                }
                Assign::Start { ticket, slot, how } => match self.waiting.get_mut(&ticket) {
                    Some(waiting) => {
                        waiting.granted = Some((slot, how));
                        waiting.waker.wake_by_ref();
                    }
                    // Nobody waits with it: there is none such.
                    None => self.schedule.free(slot),
                },
            }
        }
    }

    /// When the schedule has more to say, if nothing changes: it has just said to wait, and says so
    /// again.
    fn until(&mut self, now: Instant) -> Option<Instant> {
        match self.schedule.poll_assign(now) {
            Assign::Wait { until } => until,
            Assign::Start { .. } | Assign::Close { .. } => None,
        }
    }

    fn take(&mut self, now: Instant, slot: usize, how: How, look: Look) -> Taken<W> {
        match (how, self.take_idle(slot)) {
            (How::Reuse, Some(mut connection)) => match connection.is_usable(now, look) {
                true => Taken::Idle(connection),
                // Bytes that nobody asked for, or an end: a new one takes its place.
                false => Taken::Slot(slot),
            },
            (How::Reuse | How::Open, _) => Taken::Slot(slot),
        }
    }

    fn take_idle(&mut self, slot: usize) -> Option<Box<Connection<W>>> {
        self.idle.get_mut(slot).and_then(Option::take)
    }
}
