//! Which connection a task gets, and which connections are kept.

use crate::limits::IDLE_TIMEOUT;
use crate::task::output::Wish;
use crate::time::Instant;

/// The connection a task gets. Slots are numbers below the capacity of the pool; the adapter keeps
/// what they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Assign {
    /// The idle connection in this slot.
    Reuse(usize),
    /// A new connection, to be opened in this slot.
    Open {
        /// The slot.
        slot: usize,
        /// It holds an idle connection, to be closed first.
        evicts: bool,
    },
    /// None until another task gives one back: all slots are in use.
    Wait,
}

/// The connections of a session, each with one task or idle.
///
/// A pure machine: it knows neither addresses nor sockets. Whether two tasks have the same origin
/// is asked of the adapter by a predicate, so that no name is stored and nothing can collide. One
/// algorithm over two kinds of storage: [`Pool`] holds so many slots in place, `GrowablePool` gets
/// them from the heap as they are needed (feature `alloc`).
#[derive(Debug, Clone, Default)]
pub struct Slots<S> {
    storage: S,
}

/// A pool of at most `N` connections, without an allocator.
pub type Pool<const N: usize> = Slots<Fixed<N>>;

/// A pool that grows, up to a number that it is made with.
#[cfg(feature = "alloc")]
pub type GrowablePool = Slots<Growable>;

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Exit: `Busy`.
    Free,
    /// With a task. Exits: `Idle`, `Free`.
    Busy,
    /// Open and unused since then. Exits: `Busy`, `Free`.
    Idle(Instant),
}

/// Where the slots of a pool are kept; [`Fixed`] and `Growable`, and no others.
#[allow(private_interfaces, private_bounds, reason = "sealed: nobody else can name a slot")]
pub trait Storage {
    /// The slots that were ever used: sessions with few connections look at few.
    #[doc(hidden)]
    fn used(&self) -> &[Slot];
    /// The same, to be changed.
    #[doc(hidden)]
    fn used_mut(&mut self) -> &mut [Slot];
    /// One more slot, free, and its number; `None` if there can be no more.
    #[doc(hidden)]
    fn add(&mut self) -> Option<usize>;
}

/// Storage for `N` slots, in place.
#[derive(Debug, Clone)]
pub struct Fixed<const N: usize> {
    slots: [Slot; N],
    used: usize,
}

#[allow(private_interfaces, reason = "sealed")]
impl<const N: usize> Storage for Fixed<N> {
    fn used(&self) -> &[Slot] {
        self.slots.get(..self.used).unwrap_or_default()
    }

    fn used_mut(&mut self) -> &mut [Slot] {
        self.slots.get_mut(..self.used).unwrap_or_default()
    }

    fn add(&mut self) -> Option<usize> {
        let at = self.used;
        *self.slots.get_mut(at)? = Slot::Free;
        self.used = at.saturating_add(1);
        Some(at)
    }
}

/// Storage on the heap, for a stated number of slots at most.
#[cfg(feature = "alloc")]
#[derive(Debug, Clone)]
pub struct Growable {
    slots: alloc::vec::Vec<Slot>,
    most: usize,
}

#[cfg(feature = "alloc")]
#[allow(private_interfaces, reason = "sealed")]
impl Storage for Growable {
    fn used(&self) -> &[Slot] {
        &self.slots
    }

    fn used_mut(&mut self) -> &mut [Slot] {
        &mut self.slots
    }

    fn add(&mut self) -> Option<usize> {
        let at = self.slots.len();
        (at < self.most).then(|| self.slots.push(Slot::Free))?;
        Some(at)
    }
}

#[cfg(feature = "alloc")]
impl GrowablePool {
    /// A pool without connections, for at most `most` of them.
    #[must_use]
    pub const fn growable(most: usize) -> Self {
        Self { storage: Growable { slots: alloc::vec::Vec::new(), most } }
    }
}

impl<const N: usize> Default for Fixed<N> {
    fn default() -> Self {
        Self { slots: [Slot::Free; N], used: 0 }
    }
}

impl<const N: usize> Pool<N> {
    /// A pool without connections.
    #[must_use]
    pub const fn new() -> Self {
        Self { storage: Fixed { slots: [Slot::Free; N], used: 0 } }
    }
}

impl<S: Storage> Slots<S> {
    /// Picks a connection for a task: of the idle ones to the same origin the one used last, which
    /// the server is least likely to have closed; else a free slot; else the slot of the
    /// connection that is idle for longest.
    pub fn assign(
        &mut self,
        now: Instant,
        wish: Wish,
        mut same_origin: impl FnMut(usize) -> bool,
    ) -> Assign {
        let mut newest: Option<(Instant, usize)> = None;
        let mut oldest: Option<(Instant, usize)> = None;
        let mut free = None;
        for (at, slot) in self.storage.used().iter().enumerate() {
            match *slot {
                Slot::Busy => {}
                Slot::Free => free = Some(at),
                Slot::Idle(since) => {
                    if oldest.is_none_or(|(oldest, _)| since < oldest) {
                        oldest = Some((since, at));
                    }
                    let usable = wish == Wish::Any && now < since.after(IDLE_TIMEOUT);
                    let newer = newest.is_none_or(|(newest, _)| since >= newest);
                    if usable && newer && same_origin(at) {
                        newest = Some((since, at));
                    }
                }
            }
        }
        if let Some((_, slot)) = newest {
            self.set(slot, Slot::Busy);
            return Assign::Reuse(slot);
        }
        match (free.or_else(|| self.storage.add()), oldest) {
            (Some(slot), _) => {
                self.set(slot, Slot::Busy);
                Assign::Open { slot, evicts: false }
            }
            (None, Some((_, slot))) => {
                self.set(slot, Slot::Busy);
                Assign::Open { slot, evicts: true }
            }
            (None, None) => Assign::Wait,
        }
    }

    /// A task gives its connection back to be kept. Returns whether it is: not with `unread` bytes
    /// behind the last response, which nobody asked for and the next task would take for its
    /// answer. If not, the adapter closes it.
    #[must_use]
    pub fn keep(&mut self, slot: usize, now: Instant, unread: usize) -> bool {
        let keeps = unread == 0 && self.storage.used().get(slot) == Some(&Slot::Busy);
        self.set(slot, if keeps { Slot::Idle(now) } else { Slot::Free });
        keeps
    }

    /// A connection was closed, or could not be opened: its slot is free.
    pub fn free(&mut self, slot: usize) {
        self.set(slot, Slot::Free);
    }

    /// A connection that was idle for too long: its slot is free now, and the adapter closes it.
    /// Ask until `None`.
    pub fn poll_expired(&mut self, now: Instant) -> Option<usize> {
        let expired = |slot: &Slot| match *slot {
            Slot::Idle(since) => since.after(IDLE_TIMEOUT) <= now,
            Slot::Free | Slot::Busy => false,
        };
        let slot = self.storage.used().iter().position(expired)?;
        self.set(slot, Slot::Free);
        Some(slot)
    }

    /// How many connections are open and idle.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.storage.used().iter().filter(|slot| matches!(slot, Slot::Idle(_))).count()
    }

    fn set(&mut self, slot: usize, state: Slot) {
        if let Some(entry) = self.storage.used_mut().get_mut(slot) {
            *entry = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    /// A pool of three whose slots have been used for these origins.
    fn used() -> (Pool<3>, [u8; 3]) {
        let mut pool = Pool::new();
        for slot in 0..3 {
            let open = Assign::Open { slot, evicts: false };
            assert_eq!(pool.assign(at(0), Wish::Any, |_| true), open);
        }
        assert_eq!(pool.assign(at(0), Wish::Any, |_| true), Assign::Wait);
        for slot in 0..3 {
            assert!(pool.keep(slot, at(slot as u64), 0));
        }
        (pool, [b'a', b'b', b'a'])
    }

    #[test]
    fn the_connection_used_last_is_taken_and_the_one_idle_for_longest_is_evicted() {
        let (mut pool, origins) = used();
        assert_eq!(pool.assign(at(9), Wish::Any, |s| origins[s] == b'a'), Assign::Reuse(2));
        assert_eq!(pool.assign(at(9), Wish::Any, |s| origins[s] == b'a'), Assign::Reuse(0));
        let evicts = Assign::Open { slot: 1, evicts: true };
        assert_eq!(pool.assign(at(9), Wish::Any, |s| origins[s] == b'a'), evicts);
    }

    #[test]
    fn a_wish_for_a_new_connection_takes_no_idle_one() {
        let (mut pool, _) = used();
        pool.free(1);
        let open = Assign::Open { slot: 1, evicts: false };
        assert_eq!(pool.assign(at(9), Wish::New, |_| true), open);
        let evicts = Assign::Open { slot: 0, evicts: true };
        assert_eq!(pool.assign(at(9), Wish::New, |_| true), evicts);
    }

    #[test]
    fn unread_bytes_keep_a_connection_from_being_kept() {
        let (mut pool, _) = used();
        assert_eq!(pool.assign(at(9), Wish::Any, |_| true), Assign::Reuse(2));
        assert!(!pool.keep(2, at(9), 1));
        assert_eq!(pool.idle(), 2);
        assert!(!pool.keep(2, at(9), 0), "a slot that no task has");
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn a_growable_pool_grows_to_its_number_and_no_further() {
        let mut pool = GrowablePool::growable(100);
        for slot in 0..100 {
            let open = Assign::Open { slot, evicts: false };
            assert_eq!(pool.assign(at(0), Wish::Any, |_| true), open);
        }
        assert_eq!(pool.assign(at(0), Wish::Any, |_| true), Assign::Wait);
        pool.free(42);
        let open = Assign::Open { slot: 42, evicts: false };
        assert_eq!(pool.assign(at(0), Wish::Any, |_| true), open);
    }

    #[test]
    fn idle_connections_expire_at_the_very_microsecond() {
        let (mut pool, _) = used();
        assert_eq!(pool.poll_expired(at(IDLE_TIMEOUT - 1)), None);
        assert_eq!(pool.poll_expired(at(IDLE_TIMEOUT)), Some(0));
        assert_eq!(pool.poll_expired(at(IDLE_TIMEOUT)), None);
        let expired = at(IDLE_TIMEOUT + 1);
        assert_eq!(
            pool.assign(expired, Wish::Any, |slot| slot == 1),
            Assign::Open { slot: 0, evicts: false }
        );
    }
}
