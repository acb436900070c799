//! Which task starts next, and on which connection.
//!
//! A pure machine without names, sockets or a clock. The adapter numbers the origins of its tasks
//! (scheme, host and port: small numbers, used again when [`Schedule::is_origin_used`] denies
//! them) and keeps what tickets and slots stand for. One algorithm over two kinds of storage:
//! [`Scheduler`] holds so many tasks, connections and origins in place, `GrowableScheduler` gets
//! memory for them as they are needed (feature `alloc`).
//!
//! # The contract
//!
//! 1. [`Schedule::add`] queues a task that wants a connection, and gives a [`Ticket`] for it.
//!    [`Schedule::change`] and [`Schedule::remove`] take that ticket while the task is queued.
//! 2. After *any* call that changes something, and at the instant that the last
//!    [`Assign::Wait`] named, ask [`Schedule::poll_assign`] until it says `Wait`. Do what it says
//!    at once and in its order: close a connection, or give a task its slot.
//! 3. A task that is done with its connection gives it back by [`Schedule::keep`], or by
//!    [`Schedule::free`] if it was closed. One that could not be opened is reported by
//!    [`Schedule::open_failed`], which says whether the task waits for another try.
//!
//! # The order
//!
//! Tasks start in the order of `arrival + (1000 - priority) * 30 ms + hint / 1024 µs`, the last
//! capped at 1 s ([`PRIORITY_STEP`], [`HINT_DELAY`]); those of one instant in the order in which
//! they were added. So tasks of the same priority and hint are first come, first served; a task of
//! higher priority overtakes those that arrived less than 30 ms before it for each 1/1000 of
//! difference; and **nobody starves**: who is added 31 s later or more never starts before a task
//! of the same origin, nor before one of another origin that has a connection to spare. What may
//! start before a task is therefore bounded by what was added until 31 s after it.
//!
//! A task whose origin has [`CONNECTIONS_PER_HOST`] tasks on connections keeps nobody else waiting:
//! it is not looked at until one of those is done.
//!
//! # Cost
//!
//! `add`, `change`, `remove` and each step of `poll_assign` are O(log n) in the worst case, of n
//! queued tasks at one origin and of the origins that have tasks which could start; tasks that
//! could not are never touched. `keep` and `free` are O(log) of those origins. Where storage grows,
//! the copy that a grown `Vec` makes comes on top, and is amortised. [`Schedule::flush`] looks at
//! each connection once.
//!
//! ```
//! use sortie_core::session::scheduler::{Assign, How, Scheduler, Urgency};
//! use sortie_core::{Instant, Wish};
//!
//! let now = Instant::EPOCH;
//! let mut scheduler = Scheduler::<4, 2, 6>::new();
//! let sensor = 0; // the adapter's number of http://sensor.example:80
//! let ticket = scheduler.add(now, sensor, Wish::Any, Urgency::default())?;
//! let start = Assign::Start { ticket, slot: 0, how: How::Open };
//! assert_eq!(scheduler.poll_assign(now), start);
//! assert_eq!(scheduler.poll_assign(now), Assign::Wait { until: None });
//!
//! // The exchange is over, and the connection can carry another.
//! assert!(scheduler.keep(0, now, 0));
//! let idle_until = now.after(sortie_core::limits::IDLE_TIMEOUT);
//! assert_eq!(scheduler.poll_assign(now), Assign::Wait { until: Some(idle_until) });
//! # Ok::<(), sortie_core::session::scheduler::Full>(())
//! ```
//!
//! [`PRIORITY_STEP`]: crate::limits::PRIORITY_STEP
//! [`HINT_DELAY`]: crate::limits::HINT_DELAY
//! [`CONNECTIONS_PER_HOST`]: crate::limits::CONNECTIONS_PER_HOST

use core::fmt;

use super::machine::{Machine, Roots};
use crate::error::{Misuse, Transport};
use crate::limits::PRIORITY_DEFAULT;
use crate::task::output::Wish;
use crate::time::Instant;

#[cfg(feature = "alloc")]
pub use super::storage::Growing;
use super::storage::Origin;
pub use super::storage::{InPlace, Storage};

/// The next thing to do for the tasks and connections of a session.
///
/// Exhaustive, so that a new one fails to compile in every adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Assign {
    /// A task starts on a connection. It is not queued any more, and its ticket stale.
    Start {
        /// Of the task.
        ticket: Ticket,
        /// The slot of the connection: below the number of connections there can be.
        slot: usize,
        /// Whether there is a connection in it.
        how: How,
    },
    /// The idle connection in this slot is to be closed; the slot is free.
    Close {
        /// The slot.
        slot: usize,
    },
    /// Nothing to do until something changes.
    Wait {
        /// Ask again then: an idle connection is to be closed, or another may be opened after the
        /// system had no socket. `None` if neither is so.
        until: Option<Instant>,
    },
}

/// Where the connection of a task comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum How {
    /// It is open and was idle.
    Reuse,
    /// It is to be opened.
    Open,
}

/// Stands for one queued task. Once that is started or removed the ticket is stale, and never
/// means another task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ticket {
    /// Its place in the table of tasks.
    pub(super) at: u16,
    /// The how many-th task it is: 64 bits never come round.
    pub(super) serial: u64,
}

impl Ticket {
    /// The place of the task in the queue's table: below the number of tasks there can be, and that
    /// of no other queued task. Once the ticket is stale, another task may have it.
    #[must_use]
    pub const fn place(self) -> usize {
        self.at as usize
    }
}

/// How urgent a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Urgency {
    /// Priority in 1/1000, from 0 to [`PRIORITY_MOST`](crate::limits::PRIORITY_MOST), the most
    /// urgent; more counts as that.
    pub priority: u16,
    /// Bytes that the client expects to send and receive, if it said so.
    pub bytes: Option<u64>,
}

/// There is no room for the task. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Full {
    /// As many tasks are queued as can be, or memory is short.
    Tasks,
    /// The number of the origin is higher than the storage allows, or memory is short.
    Origins,
}

/// The queue and the connections of a session.
#[derive(Debug, Clone)]
pub struct Schedule<S> {
    storage: S,
    roots: Roots,
}

/// A scheduler without an allocator: for so many queued tasks, connections and origins.
///
/// As many origins as tasks and connections together are always enough.
pub type Scheduler<const TASKS: usize, const CONNECTIONS: usize, const ORIGINS: usize> =
    Schedule<InPlace<TASKS, CONNECTIONS, ORIGINS>>;

/// A scheduler that grows, up to numbers that it is made with.
#[cfg(feature = "alloc")]
pub type GrowableScheduler = Schedule<Growing>;

impl<const T: usize, const C: usize, const O: usize> Scheduler<T, C, O> {
    /// A scheduler without tasks and connections.
    ///
    /// Does not compile for more than [`SESSION_ITEMS`](crate::limits::SESSION_ITEMS) of anything:
    ///
    /// ```compile_fail,E0080
    /// # use sortie_core::session::scheduler::Scheduler;
    /// let scheduler = Scheduler::<65_536, 1, 1>::new();
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { storage: InPlace::empty(), roots: Roots::new() }
    }
}

impl<const T: usize, const C: usize, const O: usize> Default for Scheduler<T, C, O> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
impl GrowableScheduler {
    /// A scheduler without tasks and connections, for at most so many of them, and never more than
    /// [`SESSION_ITEMS`](crate::limits::SESSION_ITEMS) each. Origins have numbers below the sum.
    #[must_use]
    pub const fn growable(tasks: usize, connections: usize) -> Self {
        Self { storage: Growing::empty(tasks, connections), roots: Roots::new() }
    }
}

#[allow(private_bounds, reason = "sealed")]
impl<S: Storage> Schedule<S> {
    /// The same, with at most so many connections to one origin, at least one, instead of
    /// [`CONNECTIONS_PER_HOST`](crate::limits::CONNECTIONS_PER_HOST).
    ///
    /// Meant for a scheduler that is new: one in use heeds it for each origin with its next start.
    #[must_use]
    pub fn with_per_host(mut self, most: u16) -> Self {
        self.roots.per_host = most.max(1);
        self
    }

    /// The same, keeping connections that no task has for so many microseconds, instead of
    /// [`IDLE_TIMEOUT`](crate::limits::IDLE_TIMEOUT).
    ///
    /// Meant for a scheduler that is new: one in use heeds it for each connection with its next
    /// look at the clock.
    #[must_use]
    pub const fn with_idle_timeout(mut self, timeout: u64) -> Self {
        self.roots.idle_timeout = timeout;
        self
    }

    /// Queues a task that wants a connection to an origin. Keeps its arrival, `now`.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room for it; nothing is changed then.
    #[inline]
    pub fn add(
        &mut self,
        now: Instant,
        origin: usize,
        wish: Wish,
        urgency: Urgency,
    ) -> Result<Ticket, Full> {
        let origin = u16::try_from(origin).map_err(|_| Full::Origins)?;
        if !self.storage.reach_origin(origin) {
            return Err(Full::Origins);
        }
        if !self.roots.has_free_task() {
            let at = self.storage.add_task().ok_or(Full::Tasks)?;
            self.machine().give_task(at);
        }
        Ok(self.machine().add(now, origin, wish, urgency))
    }

    /// Changes the urgency of a queued task, which keeps its arrival: it stands where it would if
    /// it had been added so.
    ///
    /// # Errors
    ///
    /// [`Misuse::StaleTicket`] if the task is not queued; nothing is changed then.
    pub fn change(&mut self, ticket: Ticket, urgency: Urgency) -> Result<(), Misuse> {
        self.machine().change(ticket, urgency).ok_or(Misuse::StaleTicket)
    }

    /// Takes a task out of the queue: it was cancelled or suspended, or has failed.
    ///
    /// # Errors
    ///
    /// [`Misuse::StaleTicket`] if the task is not queued; nothing is changed then. Where it has
    /// been started, it has a slot to give back.
    pub fn remove(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        self.machine().remove(ticket).ok_or(Misuse::StaleTicket)
    }

    /// What to do next. Ask until [`Assign::Wait`].
    ///
    /// Connections that have been idle for [`IDLE_TIMEOUT`](crate::limits::IDLE_TIMEOUT) are
    /// closed first. Then the first task in order starts whose origin has fewer connections with
    /// tasks than allowed: on the idle connection of its origin that was used last, which the
    /// server is least likely to have closed, unless it wishes for a new one; else on a new one.
    /// For that one an idle one is closed where there is no room, or no socket: the oldest of its
    /// origin, if there are as many of those as allowed, else the oldest of all.
    #[inline]
    pub fn poll_assign(&mut self, now: Instant) -> Assign {
        if let Some(wait) = self.roots.waits(now) {
            return wait;
        }
        if !self.roots.has_free_slot()
            && let Some(slot) = self.storage.add_connection()
        {
            self.machine().give_slot(slot);
        }
        self.machine().poll_assign(now)
    }

    /// A task gives its connection back to be kept. Returns whether it is: not with `unread` bytes
    /// behind the last response, which nobody asked for and the next task would take for its
    /// answer; not after a [`flush`](Self::flush) while the task had it; and not if no task has it.
    /// If it is not kept, its slot is free, and the adapter closes it.
    #[must_use]
    #[inline]
    pub fn keep(&mut self, slot: usize, now: Instant, unread: usize) -> bool {
        u16::try_from(slot).is_ok_and(|slot| self.machine().keep(slot, now, unread))
    }

    /// A task could not open a connection in its slot, which is free from now on. Returns whether
    /// it is to be added again, with the arrival that it had: else it has failed.
    ///
    /// That is so where the system had no socket ([`Transport::NoSocket`]) and another connection
    /// of this session may leave its own. Idle ones are drained for it, and for [`SOCKET_RETRY`]
    /// there are no more connections than there were: a task starts when one is given back. Where
    /// there is none, nobody could say when a wait would end.
    ///
    /// [`SOCKET_RETRY`]: crate::limits::SOCKET_RETRY
    #[must_use]
    pub fn open_failed(&mut self, slot: usize, now: Instant, why: Transport) -> bool {
        u16::try_from(slot).is_ok_and(|slot| self.machine().open_failed(slot, now, why))
    }

    /// A connection was closed, with a task or idle: its slot is free.
    pub fn free(&mut self, slot: usize) {
        if let Ok(slot) = u16::try_from(slot) {
            self.machine().free(slot);
        }
    }

    /// Has the connections closed that are idle now: the next [`poll_assign`](Self::poll_assign)
    /// says so, before any task starts.
    pub fn drain_idle(&mut self) {
        self.machine().drain_idle();
    }

    /// Has every task that starts from now on use a connection that is opened from now on: idle
    /// ones are drained, and those that tasks have now are not kept after them.
    pub fn flush(&mut self) {
        self.machine().flush();
    }

    /// How many tasks are queued.
    #[must_use]
    pub fn queued(&self) -> usize {
        usize::from(self.roots.queued)
    }

    /// How many connections have a task.
    #[must_use]
    pub fn busy(&self) -> usize {
        usize::from(self.roots.busy)
    }

    /// How many connections are open and idle.
    #[must_use]
    pub fn idle(&self) -> usize {
        usize::from(self.roots.idle)
    }

    /// Whether a task is queued: neither started nor removed.
    #[must_use]
    pub fn is_queued(&self, ticket: Ticket) -> bool {
        let task = self.storage.tasks().get(usize::from(ticket.at));
        task.is_some_and(|task| task.serial == ticket.serial)
    }

    /// Whether a queued task or a connection has this origin. If not, its number is free for
    /// another.
    #[must_use]
    pub fn is_origin_used(&self, origin: usize) -> bool {
        let fresh = self.storage.tasks().get(usize::from(self.roots.fresh()));
        fresh.is_some_and(|task| usize::from(task.origin) == origin)
            || self.storage.origins().get(origin).is_some_and(Origin::is_used)
    }

    fn machine(&mut self) -> Machine<'_> {
        Machine { tables: self.storage.tables(), roots: &mut self.roots }
    }
}

impl Default for Urgency {
    fn default() -> Self {
        Self { priority: PRIORITY_DEFAULT, bytes: None }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tasks => "as many tasks are queued as there is room for",
            Self::Origins => "there is no room for another origin",
        })
    }
}

impl core::error::Error for Full {}

#[cfg(test)]
pub(super) mod tests;
