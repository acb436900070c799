//! Connections and the pool that holds them while no task does.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use sortie_core::session::scheduler::{Assign, GrowableScheduler, How, Ticket, Urgency};
use sortie_core::{Instant, Url, Wish, limits};

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

/// Bytes of input that a connection holds at first. Most responses to a program are small, and
/// thousands of connections may wait for one.
const INBOX: usize = 1024;

/// Bytes of input up to which it grows where reads fill it. A head can be longer.
const LARGE_INBOX: usize = 16 * 1024;

/// Room for what is encoded: a head that is longer goes in several pieces.
const OUTBOX: usize = 1024;

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
            inbox: Inbox { bytes: vec![0; INBOX], start: 0, end: 0, was_filled: false },
            outbox: Outbox { bytes: vec![0; OUTBOX].into(), end: 0 },
            failure: None,
            idle_since: Instant::EPOCH,
        })
    }
}

impl<W: World> Connection<W> {
    /// Whether an idle connection can carry another exchange, as far as can be seen.
    fn is_usable(&mut self, now: Instant) -> bool {
        let is_trusted = now < self.idle_since.after(TRUSTED_IDLE) && self.stream.is_drained();
        is_trusted || self.stream.is_quiet()
    }
}

/// Encoded bytes that wait to be written.
#[derive(Debug)]
pub(crate) struct Outbox {
    bytes: Box<[u8]>,
    end: usize,
}

impl Outbox {
    /// Room for what is encoded anew.
    pub(crate) const fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// So many bytes were encoded.
    pub(crate) const fn set(&mut self, end: usize) {
        self.end = end;
    }

    /// The last `count` bytes that were encoded.
    pub(crate) fn last(&self, count: usize) -> &[u8] {
        &self.bytes[self.end - count..self.end]
    }
}

/// Bytes received and not yet taken.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// The last read took all the room there was: more would have saved another one.
    was_filled: bool,
}

impl Inbox {
    pub(crate) fn held(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn drop_front(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room behind what is held, some at least: it grows, up to one byte more than the longest
    /// head, so that a longer one is seen to be too long.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.was_filled && self.end == 0 && self.bytes.len() < LARGE_INBOX {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        if self.end == self.bytes.len() {
            let most = limits::HEAD_BYTES + 1;
            let length = (self.bytes.len() * 2).min(most.max(self.end + 1));
            self.bytes.resize(length, 0);
        }
        &mut self.bytes[self.end..]
    }

    pub(crate) fn add(&mut self, count: usize) {
        self.end += count;
        self.was_filled = self.end == self.bytes.len();
    }

    /// Moves as much as fits to the front of `buffer`. Returns how much.
    pub(crate) fn move_to(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.bytes[self.start..self.start + count]);
        self.drop_front(count);
        count
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

/// What a task gets that asks for a connection.
pub(crate) enum Taken<W: World> {
    /// An idle connection.
    Idle(Box<Connection<W>>),
    /// A slot in which one is to be opened.
    Slot(usize),
    /// A place in the queue: the waker is woken when it is its turn.
    Wait(Ticket),
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
        Self { state: Mutex::new(state) }
    }

    /// Asks for a connection to the origin of `url`.
    pub(crate) fn ask(
        &self,
        now: Instant,
        wish: Wish,
        url: Url<'_>,
        urgency: Urgency,
        waker: &Waker,
    ) -> Taken<W> {
        let mut state = self.lock();
        let state = &mut *state;
        let origin = state.origins.number(url, &state.schedule);
        let Ok(ticket) = state.schedule.add(now, origin, wish, urgency) else {
            return Taken::Full;
        };
        match state.assign(now, Some(ticket)) {
            Some((slot, how)) => state.take(now, slot, how),
            None => {
                let waiting = Waiting { waker: waker.clone(), granted: None };
                state.waiting.insert(ticket, waiting);
                Taken::Wait(ticket)
            }
        }
    }

    /// Asks again, after a wait.
    pub(crate) fn ask_again(&self, now: Instant, ticket: Ticket, waker: &Waker) -> Taken<W> {
        let mut state = self.lock();
        let Some(waiting) = state.waiting.get_mut(&ticket) else {
            return Taken::Full;
        };
        match waiting.granted {
            Some((slot, how)) => {
                state.waiting.remove(&ticket);
                state.take(now, slot, how)
            }
            None => {
                waiting.waker.clone_from(waker);
                Taken::Wait(ticket)
            }
        }
    }

    /// A task that waits is more, or less, urgent than it was.
    pub(crate) fn change(&self, now: Instant, ticket: Ticket, urgency: Urgency) {
        let mut state = self.lock();
        // A stale one has its connection: nothing is to be ordered any more.
        let _ = state.schedule.change(ticket, urgency);
        state.assign(now, None);
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
        state.assign(now, None);
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
        state.assign(now, None);
        keeps
    }

    /// A connection was closed, or could not be opened.
    pub(crate) fn free(&self, now: Instant, slot: usize) {
        let mut state = self.lock();
        state.schedule.free(slot);
        state.assign(now, None);
    }

    /// Closes the connections that no task has; those that tasks have are not kept after them.
    pub(crate) fn flush(&self, now: Instant) {
        let mut state = self.lock();
        state.schedule.flush();
        state.assign(now, None);
    }

    /// Closes the connections that have been idle for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut state = self.lock();
        state.sweeper.rang();
        state.assign(now, None);
    }

    /// The session has ended: as [`flush`](Self::flush), and nothing is idle any more.
    pub(crate) fn end(&self, now: Instant) {
        self.flush(now);
        self.lock().sweeper.stop();
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

    fn take(&mut self, now: Instant, slot: usize, how: How) -> Taken<W> {
        match (how, self.take_idle(slot)) {
            (How::Reuse, Some(mut connection)) => match connection.is_usable(now) {
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
