//! Connections and the pool that holds them while no task does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use sortie_core::session::{Assign, GrowablePool};
use sortie_core::{Instant, Url, Wish};

use crate::world::{Endpoint, Stream, World};

/// Connections that a session has at most, idle ones included.
const CONNECTIONS: usize = 256;

/// How long a connection can be idle without being looked at before its next use, in microseconds.
/// In that time hardly anything can have happened to it; a look costs a system call.
const TRUSTED_IDLE: u64 = 1000;

/// Bytes of input that a connection holds at first; it grows up to the longest head.
const INBOX: usize = 4096;

/// An open connection, with what belongs to it whichever task has it.
pub(crate) struct Connection<W: World> {
    pub(crate) slot: usize,
    pub(crate) endpoint: Endpoint,
    pub(crate) stream: W::Stream,
    pub(crate) timer: W::Timer,
    pub(crate) inbox: Inbox,
    /// Encoded bytes that wait to be written.
    pub(crate) outbox: Vec<u8>,
    /// Since when no task has it, if none has.
    idle_since: Instant,
}

impl<W: World> Connection<W> {
    pub(crate) fn new(slot: usize, endpoint: Endpoint, stream: W::Stream, world: &W) -> Box<Self> {
        Box::new(Self {
            slot,
            endpoint,
            stream,
            timer: world.timer(),
            inbox: Inbox { bytes: vec![0; INBOX], start: 0, end: 0 },
            outbox: vec![0; 1024],
            idle_since: Instant::EPOCH,
        })
    }
}

impl<W: World> Connection<W> {
    /// Whether an idle connection can carry another exchange, as far as can be seen.
    fn is_usable(&self, now: Instant) -> bool {
        now < self.idle_since.after(TRUSTED_IDLE) || self.stream.is_quiet()
    }
}

/// Bytes received and not yet taken.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
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
        if self.end == self.bytes.len() {
            let most = sortie_core::limits::HEAD_BYTES + 1;
            let length = (self.bytes.len() * 2).min(most.max(self.end + 1));
            self.bytes.resize(length, 0);
        }
        &mut self.bytes[self.end..]
    }

    pub(crate) fn add(&mut self, count: usize) {
        self.end += count;
    }

    /// Moves as much as fits to the front of `buffer`. Returns how much.
    pub(crate) fn move_to(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.bytes[self.start..self.start + count]);
        self.drop_front(count);
        count
    }
}

/// All connections of a session.
pub(crate) struct Connections<W: World> {
    shared: Mutex<Shared<W>>,
}

struct Shared<W: World> {
    pool: GrowablePool,
    /// By slot; as long as the highest slot that was ever idle.
    idle: Vec<Option<Box<Connection<W>>>>,
    /// Tasks for which there was no connection.
    waiting: Vec<Waker>,
}

impl<W: World> Shared<W> {
    fn take_idle(&mut self, slot: usize) -> Option<Box<Connection<W>>> {
        self.idle.get_mut(slot).and_then(Option::take)
    }
}

/// What a task was given.
pub(crate) enum Taken<W: World> {
    Idle(Box<Connection<W>>),
    /// A slot in which to open one.
    Slot(usize),
    /// None now: the waker is woken when one is given back.
    Wait,
}

impl<W: World> Connections<W> {
    pub(crate) fn new() -> Self {
        let pool = GrowablePool::growable(CONNECTIONS);
        Self { shared: Mutex::new(Shared { pool, idle: Vec::new(), waiting: Vec::new() }) }
    }

    pub(crate) fn take(&self, now: Instant, wish: Wish, url: Url<'_>, waker: &Waker) -> Taken<W> {
        let mut shared = self.lock();
        while let Some(slot) = shared.pool.poll_expired(now) {
            shared.take_idle(slot);
        }
        let Shared { pool, idle, .. } = &mut *shared;
        let same = |slot: usize| {
            let connection = idle.get(slot).and_then(Option::as_ref);
            connection.is_some_and(|connection| connection.endpoint.serves(url))
        };
        match pool.assign(now, wish, same) {
            Assign::Reuse(slot) => match shared.take_idle(slot) {
                Some(connection) if connection.is_usable(now) => Taken::Idle(connection),
                // Bytes that nobody asked for, or an end: a new one takes its place.
                Some(_) | None => Taken::Slot(slot),
            },
            Assign::Open { slot, .. } => {
                // An idle connection to elsewhere is closed for it.
                shared.take_idle(slot);
                Taken::Slot(slot)
            }
            Assign::Wait => {
                shared.waiting.push(waker.clone());
                Taken::Wait
            }
        }
    }

    /// Keeps a connection for the next task. `false` if it had to be closed.
    pub(crate) fn keep(&self, now: Instant, mut connection: Box<Connection<W>>) -> bool {
        connection.idle_since = now;
        let slot = connection.slot;
        let unread = connection.inbox.len();
        let mut shared = self.lock();
        let keeps = shared.pool.keep(slot, now, unread);
        if keeps {
            if shared.idle.len() <= slot {
                shared.idle.resize_with(slot + 1, || None);
            }
            shared.idle[slot] = Some(connection);
        }
        Self::wake(shared);
        keeps
    }

    pub(crate) fn free(&self, slot: usize) {
        let mut shared = self.lock();
        shared.pool.free(slot);
        Self::wake(shared);
    }

    /// Closes the connections that no task has.
    pub(crate) fn flush(&self) {
        let idle: Vec<_> = {
            let mut shared = self.lock();
            let slots = 0..shared.idle.len();
            slots.filter_map(|slot| shared.take_idle(slot)).collect()
        };
        for connection in idle {
            self.free(connection.slot);
        }
    }

    fn wake(mut shared: MutexGuard<'_, Shared<W>>) {
        if shared.waiting.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut shared.waiting);
        drop(shared);
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Shared<W>> {
        // Nothing under this lock can be left half done.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
