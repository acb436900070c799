//! Where the tables of a scheduler are kept: in place, or growing.

use super::heap::{Links, NIL};
use super::idle::Ring;
use crate::limits::SESSION_ITEMS;
use crate::task::output::Wish;

/// A task in the queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queued {
    /// When it was added, in microseconds.
    pub(super) arrival: u64,
    /// The how many-th task it is; 0 where there is none.
    pub(super) serial: u64,
    /// By how much it is put behind one that arrived at the same time, in microseconds.
    pub(super) delay: u32,
    /// In the heap of its origin. Where there is no task, `left` is the next such place.
    pub(super) links: Links,
    pub(super) origin: u16,
    pub(super) wish: Wish,
}

/// A connection, or a slot for one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connection {
    pub(super) state: State,
    pub(super) origin: u16,
    /// Among all that are idle. In a free slot, `older` is the next such slot.
    pub(super) in_session: Ring,
    /// Among the idle ones of its origin.
    pub(super) in_origin: Ring,
    /// Since when it is idle, in microseconds.
    pub(super) since: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Exit: `Busy`.
    Free,
    /// With a task. Exits: `Last`, `Idle`, `Free`.
    Busy,
    /// With a task, and not to be kept after it. Exit: `Free`.
    Last,
    /// Open and unused. Exits: `Busy`, `Free`.
    Idle,
}

/// What is known of an origin that is in use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// In the heap of those for which a task can be started.
    pub(super) links: Links,
    /// Root of the heap of its queued tasks.
    pub(super) queue: u16,
    /// Connections with a task.
    pub(super) busy: u16,
    /// Idle connections: how many, and the newest.
    pub(super) idle: u16,
    pub(super) newest: u16,
}

impl Queued {
    pub(super) const NONE: Self =
        Self { arrival: 0, serial: 0, delay: 0, links: Links::OUT, origin: NIL, wish: Wish::Any };
}

impl Connection {
    const FREE: Self = Self {
        state: State::Free,
        origin: NIL,
        in_session: Ring::OUT,
        in_origin: Ring::OUT,
        since: 0,
    };
}

impl Origin {
    pub(super) const UNUSED: Self =
        Self { links: Links::OUT, queue: NIL, busy: 0, idle: 0, newest: NIL };

    pub(super) const fn is_used(&self) -> bool {
        self.queue != NIL || self.busy > 0 || self.idle > 0
    }
}

/// The tables, to be changed.
#[derive(Debug)]
pub(crate) struct Tables<'a> {
    pub(super) tasks: &'a mut [Queued],
    pub(super) connections: &'a mut [Connection],
    pub(super) origins: &'a mut [Origin],
}

/// Where a scheduler keeps its tables; [`InPlace`] and `Growing`, and no others.
#[allow(private_interfaces, private_bounds, reason = "sealed: nobody else can name a table")]
pub trait Storage {
    #[doc(hidden)]
    fn tables(&mut self) -> Tables<'_>;
    #[doc(hidden)]
    fn tasks(&self) -> &[Queued];
    #[doc(hidden)]
    fn origins(&self) -> &[Origin];
    /// One more place for a task, and its number; `None` if there can be no more.
    #[doc(hidden)]
    fn add_task(&mut self) -> Option<u16>;
    /// One more slot for a connection, and its number; `None` if there can be no more.
    #[doc(hidden)]
    fn add_connection(&mut self) -> Option<u16>;
    /// Sees to it that there is an origin of this number; `false` if there cannot be.
    #[doc(hidden)]
    fn reach_origin(&mut self, origin: u16) -> bool;
}

/// Storage in place, for so many queued tasks, connections and origins.
#[derive(Debug, Clone)]
pub struct InPlace<const TASKS: usize, const CONNECTIONS: usize, const ORIGINS: usize> {
    tasks: [Queued; TASKS],
    connections: [Connection; CONNECTIONS],
    origins: [Origin; ORIGINS],
    tasks_used: u16,
    connections_used: u16,
}

impl<const T: usize, const C: usize, const O: usize> InPlace<T, C, O> {
    pub(super) const fn empty() -> Self {
        const { assert!(T <= SESSION_ITEMS, "no number for so many tasks") };
        const { assert!(C <= SESSION_ITEMS, "no number for so many connections") };
        const { assert!(O <= SESSION_ITEMS, "no number for so many origins") };
        Self {
            tasks: [Queued::NONE; T],
            connections: [Connection::FREE; C],
            origins: [Origin::UNUSED; O],
            tasks_used: 0,
            connections_used: 0,
        }
    }
}

#[allow(private_interfaces, reason = "sealed")]
impl<const T: usize, const C: usize, const O: usize> Storage for InPlace<T, C, O> {
    fn tables(&mut self) -> Tables<'_> {
        let Self { tasks, connections, origins, .. } = self;
        Tables { tasks, connections, origins }
    }

    fn tasks(&self) -> &[Queued] {
        &self.tasks
    }

    fn origins(&self) -> &[Origin] {
        &self.origins
    }

    fn add_task(&mut self) -> Option<u16> {
        let at = self.tasks_used;
        (usize::from(at) < T).then(|| self.tasks_used = at.saturating_add(1))?;
        Some(at)
    }

    fn add_connection(&mut self) -> Option<u16> {
        let at = self.connections_used;
        (usize::from(at) < C).then(|| self.connections_used = at.saturating_add(1))?;
        Some(at)
    }

    fn reach_origin(&mut self, origin: u16) -> bool {
        usize::from(origin) < O
    }
}

/// Storage on the heap that grows as it is needed, up to stated numbers.
#[cfg(feature = "alloc")]
#[derive(Debug, Clone)]
pub struct Growing {
    tasks: alloc::vec::Vec<Queued>,
    connections: alloc::vec::Vec<Connection>,
    origins: alloc::vec::Vec<Origin>,
    most_tasks: usize,
    most_connections: usize,
}

#[cfg(feature = "alloc")]
impl Growing {
    pub(super) const fn empty(tasks: usize, connections: usize) -> Self {
        const MOST: usize = SESSION_ITEMS;
        Self {
            tasks: alloc::vec::Vec::new(),
            connections: alloc::vec::Vec::new(),
            origins: alloc::vec::Vec::new(),
            most_tasks: if tasks < MOST { tasks } else { MOST },
            most_connections: if connections < MOST { connections } else { MOST },
        }
    }

    /// Adds origins up to this one. `false` if there can be no such one.
    #[inline(never)]
    fn add_origins(&mut self, origin: u16) -> bool {
        // No more are in use at once, so that numbers used again stay below.
        let most = self.most_tasks.saturating_add(self.most_connections).min(SESSION_ITEMS);
        if usize::from(origin) >= most {
            return false;
        }
        while self.origins.len() <= usize::from(origin) {
            if Self::push(&mut self.origins, most, Origin::UNUSED).is_none() {
                return false;
            }
        }
        true
    }

    /// Adds one item, unless there are `most` already or memory is short. Returns its number.
    fn push<T>(to: &mut alloc::vec::Vec<T>, most: usize, item: T) -> Option<u16> {
        let at = u16::try_from(to.len()).ok()?;
        if to.len() >= most || to.try_reserve(1).is_err() {
            return None;
        }
        to.push(item);
        Some(at)
    }
}

#[cfg(feature = "alloc")]
#[allow(private_interfaces, reason = "sealed")]
impl Storage for Growing {
    fn tables(&mut self) -> Tables<'_> {
        let Self { tasks, connections, origins, .. } = self;
        Tables { tasks, connections, origins }
    }

    fn tasks(&self) -> &[Queued] {
        &self.tasks
    }

    fn origins(&self) -> &[Origin] {
        &self.origins
    }

    fn add_task(&mut self) -> Option<u16> {
        Self::push(&mut self.tasks, self.most_tasks, Queued::NONE)
    }

    fn add_connection(&mut self) -> Option<u16> {
        Self::push(&mut self.connections, self.most_connections, Connection::FREE)
    }

    fn reach_origin(&mut self, origin: u16) -> bool {
        usize::from(origin) < self.origins.len() || self.add_origins(origin)
    }
}
