//! What a scheduler is held against: lists, which are looked through. Shared with the fuzz target
//! `scheduler`.

use std::vec::Vec;

use super::*;

/// A queued task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    pub(super) ticket: Ticket,
    pub(super) origin: usize,
    pub(super) arrival: u64,
    pub(super) wish: Wish,
    pub(super) urgency: Urgency,
}

impl Task {
    /// What the order is by; of equal ones the one that was added first comes first.
    fn key(&self) -> u64 {
        let behind = 1000 - u64::from(self.urgency.priority.min(1000));
        let hint = (self.urgency.bytes.unwrap_or(0) / 1024).min(1_000_000);
        self.arrival.saturating_add(behind * 30_000 + hint)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Free,
    Busy { origin: usize, is_last: bool },
    Idle { origin: usize, since: u64, is_drained: bool },
}

/// What is expected of a scheduler.
pub(super) struct Model {
    /// In the order in which they were added.
    pub(super) tasks: Vec<Task>,
    pub(super) slots: Vec<Slot>,
    /// Slots of idle connections, oldest first.
    pub(super) idle: Vec<usize>,
    pub(super) per_host: usize,
    pub(super) idle_timeout: u64,
    /// Until then there are no more connections than so many.
    pub(super) short: (u64, usize),
}

impl Model {
    pub(super) fn find(&self, ticket: Ticket) -> Option<usize> {
        self.tasks.iter().position(|task| task.ticket == ticket)
    }

    fn idle_since(&self, slot: usize) -> (usize, u64, bool) {
        match self.slots[slot] {
            Slot::Idle { origin, since, is_drained } => (origin, since, is_drained),
            other @ (Slot::Free | Slot::Busy { .. }) => panic!("{other:?} is not idle"),
        }
    }

    fn idle_at(&self, origin: usize) -> impl Iterator<Item = usize> {
        self.idle.iter().copied().filter(move |slot| self.idle_since(*slot).0 == origin)
    }

    pub(super) fn busy_at(&self, at: usize) -> usize {
        let here = |slot: &&Slot| matches!(slot, Slot::Busy { origin, .. } if *origin == at);
        self.slots.iter().filter(here).count()
    }

    pub(super) fn busy(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Busy { .. })).count()
    }

    fn open(&self) -> usize {
        self.busy() + self.idle.len()
    }

    pub(super) fn is_origin_used(&self, origin: usize) -> bool {
        self.tasks.iter().any(|task| task.origin == origin)
            || self.busy_at(origin) > 0
            || self.idle_at(origin).next().is_some()
    }

    /// When the connection that is idle for longest is to be closed.
    fn expiry(&self) -> Option<u64> {
        let oldest = *self.idle.first()?;
        Some(self.idle_since(oldest).1.saturating_add(self.idle_timeout))
    }

    /// The task to start, if there may be one.
    fn first(&self) -> Option<Task> {
        let can = |task: &&Task| self.busy_at(task.origin) < self.per_host;
        let first = self.tasks.iter().filter(can).min_by_key(|task| task.key())?;
        (self.busy() < self.slots.len()).then_some(*first)
    }

    /// Holds what a scheduler says against what it should, and does it.
    pub(super) fn check(&mut self, said: Assign, now: u64) {
        let is_drained = self.idle.iter().any(|slot| self.idle_since(*slot).2);
        let expiry = self.expiry();
        if is_drained || expiry.is_some_and(|expiry| expiry <= now) {
            return self.close(said, self.idle[0]);
        }
        let Some(task) = self.first() else {
            let until = expiry.map(Instant::from_micros);
            return assert_eq!(said, Assign::Wait { until });
        };
        let newest_here = self.idle_at(task.origin).last();
        if let (Wish::Any, Some(newest)) = (task.wish, newest_here) {
            return self.start(said, task, How::Reuse, |slot| slot == newest);
        }
        let here = self.busy_at(task.origin) + self.idle_at(task.origin).count();
        if here >= self.per_host {
            let oldest = self.idle_at(task.origin).next().expect("it could start");
            return self.close(said, oldest);
        }
        let is_short = now < self.short.0 && self.open() >= self.short.1;
        if self.open() < self.slots.len() && !is_short {
            let free: Vec<bool> = self.slots.iter().map(|slot| *slot == Slot::Free).collect();
            return self.start(said, task, How::Open, |slot| free[slot]);
        }
        match self.idle.first() {
            Some(oldest) => self.close(said, *oldest),
            None => {
                let until = Some(Instant::from_micros(self.short.0));
                assert_eq!(said, Assign::Wait { until });
            }
        }
    }

    fn start(&mut self, said: Assign, task: Task, how: How, fits: impl Fn(usize) -> bool) {
        let Assign::Start { ticket, slot, how: is } = said else {
            panic!("{said:?} instead of a start of {task:?}");
        };
        assert_eq!((ticket, is), (task.ticket, how));
        assert!(fits(slot), "slot {slot} for {task:?}");
        self.idle.retain(|idle| *idle != slot);
        self.tasks.retain(|queued| queued.ticket != ticket);
        self.slots[slot] = Slot::Busy { origin: task.origin, is_last: false };
    }

    fn close(&mut self, said: Assign, slot: usize) {
        assert_eq!(said, Assign::Close { slot });
        self.free(slot);
    }

    pub(super) fn free(&mut self, slot: usize) {
        if let Some(state) = self.slots.get_mut(slot) {
            *state = Slot::Free;
            self.idle.retain(|idle| *idle != slot);
        }
    }

    pub(super) fn open_failed(&mut self, slot: usize, now: u64, why: Transport) -> bool {
        let is_busy = matches!(self.slots.get(slot), Some(Slot::Busy { .. }));
        self.free(slot);
        if !is_busy || why != Transport::NoSocket {
            return false;
        }
        self.short = (now.saturating_add(1_000_000), self.open().max(1));
        self.drain_idle();
        self.open() > 0
    }

    pub(super) fn keep(&mut self, slot: usize, now: u64, unread: usize) -> bool {
        match self.slots.get(slot) {
            Some(Slot::Busy { origin, is_last: false }) if unread == 0 => {
                // The clock may go back; the order of those that are idle does not.
                let last = self.idle.last().map_or(0, |last| self.idle_since(*last).1);
                let (origin, since) = (*origin, now.max(last));
                self.idle.push(slot);
                self.slots[slot] = Slot::Idle { origin, since, is_drained: false };
                true
            }
            _ => {
                self.free(slot);
                false
            }
        }
    }

    pub(super) fn drain_idle(&mut self) {
        for slot in &mut self.slots {
            if let Slot::Idle { is_drained, .. } = slot {
                *is_drained = true;
            }
        }
    }

    pub(super) fn flush(&mut self) {
        self.drain_idle();
        for slot in &mut self.slots {
            if let Slot::Busy { is_last, .. } = slot {
                *is_last = true;
            }
        }
    }
}
