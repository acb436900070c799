//! Random calls on both storages beside a model that keeps lists and looks through them.

use std::vec::Vec;

use super::super::super::heap::NIL;
use super::model::{Model, Slot, Task};
use super::*;
use crate::random::Random;

/// Looks through the heaps: every queued task is in that of its origin, in order and leftist.
fn check_heaps<S: Storage>(scheduler: &mut Schedule<S>) {
    let mut queued = 0;
    let machine = scheduler.machine();
    let (tasks, origins) = (&*machine.tables.tasks, &*machine.tables.origins);
    for (number, origin) in origins.iter().enumerate() {
        let mut next = std::vec![(origin.queue, NIL)];
        while let Some((at, parent)) = next.pop() {
            let Some(task) = tasks.get(usize::from(at)) else { continue };
            queued += 1;
            let rank = |at: u16| tasks.get(usize::from(at)).map_or(0, |task| task.links.rank);
            let links = task.links;
            assert_eq!((usize::from(task.origin), links.parent), (number, parent));
            assert!(rank(links.left) >= rank(links.right));
            assert_eq!(links.rank, rank(links.right) + 1);
            if let Some(parent) = tasks.get(usize::from(parent)) {
                let key = |task: &super::super::super::storage::Queued| {
                    (task.arrival + u64::from(task.delay), task.serial)
                };
                assert!(key(parent) < key(task));
            }
            next.extend([(links.left, at), (links.right, at)]);
        }
        let is_ready = origin.queue != NIL && origin.busy < machine.roots.per_host;
        assert_eq!(origin.links.rank > 0, is_ready);
    }
    let fresh = usize::from(scheduler.roots.fresh() != NIL);
    assert_eq!(queued + fresh, scheduler.queued());
}

/// A scheduler and its model, and what is done to them.
struct Pair<S> {
    scheduler: Schedule<S>,
    model: Model,
    random: Random,
    now: u64,
    origins: usize,
    most_tasks: usize,
    /// All that were ever given, the last ones of them.
    tickets: Vec<Ticket>,
    /// All that was said.
    said: Vec<Assign>,
}

impl<S: Storage> Pair<S> {
    fn new(scheduler: Schedule<S>, sizes: [usize; 3], per_host: u16, seed: u64) -> Self {
        let [most_tasks, connections, origins] = sizes;
        Self {
            scheduler: scheduler.with_per_host(per_host),
            model: Model {
                tasks: Vec::new(),
                slots: std::vec![Slot::Free; connections],
                idle: Vec::new(),
                per_host: usize::from(per_host),
                idle_timeout: IDLE_TIMEOUT,
                short: (0, 0),
            },
            random: Random(seed),
            now: 100 * SECOND,
            origins,
            most_tasks,
            tickets: Vec::new(),
            said: Vec::new(),
        }
    }

    fn urgency(&mut self) -> Urgency {
        let priority = match self.random.below(3) {
            0 => 500,
            1 => self.random.below(5) as u16 * 250,
            _ => self.random.below(1100) as u16,
        };
        let most = 1 << self.random.below(40);
        let bytes = (self.random.below(2) == 0).then(|| self.random.below(most));
        Urgency { priority, bytes }
    }

    fn ticket(&mut self) -> Option<Ticket> {
        let given = self.tickets.len() as u64;
        (given > 0).then(|| self.tickets[self.random.below(given) as usize])
    }

    fn add(&mut self) {
        let origin = self.random.below(self.origins as u64) as usize;
        let wish = if self.random.below(8) == 0 { Wish::New } else { Wish::Any };
        let (arrival, urgency) = (self.now, self.urgency());
        let added = self.scheduler.add(at(arrival), origin, wish, urgency);
        if self.model.tasks.len() == self.most_tasks {
            assert_eq!(added, Err(Full::Tasks));
            return;
        }
        let ticket = added.unwrap();
        assert!(!self.tickets.contains(&ticket));
        self.model.tasks.push(Task { ticket, origin, arrival, wish, urgency });
        if self.tickets.len() > 2 * self.most_tasks {
            self.tickets.remove(0);
        }
        self.tickets.push(ticket);
    }

    fn change_or_remove(&mut self, changes: bool) {
        let Some(ticket) = self.ticket() else { return };
        let urgency = self.urgency();
        let at = self.model.find(ticket);
        assert_eq!(self.scheduler.is_queued(ticket), at.is_some());
        let done = if changes {
            self.scheduler.change(ticket, urgency)
        } else {
            self.scheduler.remove(ticket)
        };
        assert_eq!(done, at.map(|_| ()).ok_or(Misuse::StaleTicket));
        match (at, changes) {
            (Some(at), true) => self.model.tasks[at].urgency = urgency,
            (Some(at), false) => drop(self.model.tasks.remove(at)),
            (None, _) => {}
        }
    }

    fn give_back(&mut self) {
        // Now and then a slot that there is not.
        let slot = self.random.below(self.model.slots.len() as u64 + 1) as usize;
        let is_busy = matches!(self.model.slots.get(slot), Some(Slot::Busy { .. }));
        if self.random.below(8) == 0 {
            let why = if self.random.below(2) == 0 { Transport::NoSocket } else { Transport::Lost };
            let again = self.scheduler.open_failed(slot, at(self.now), why);
            assert_eq!(again, self.model.open_failed(slot, self.now, why));
        } else if self.random.below(8) == 0 {
            self.scheduler.free(slot);
            self.model.free(slot);
        } else if is_busy || self.random.below(16) == 0 {
            let unread = usize::from(self.random.below(8) == 0);
            let kept = self.scheduler.keep(slot, at(self.now), unread);
            assert_eq!(kept, self.model.keep(slot, self.now, unread));
        }
    }

    fn poll(&mut self) -> bool {
        let said = self.scheduler.poll_assign(at(self.now));
        self.model.check(said, self.now);
        self.said.push(said);
        !matches!(said, Assign::Wait { .. })
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..30 => self.add(),
            30..38 => self.change_or_remove(true),
            38..46 => self.change_or_remove(false),
            46..70 => self.give_back(),
            // The drain rule is broken at times: nothing but the order of events changes.
            70..75 => drop(self.poll()),
            75..90 => while self.poll() {},
            90..97 => self.now += self.random.below(SECOND / 10),
            97 => self.now += self.random.below(IDLE_TIMEOUT),
            98 => self.now -= self.random.below(SECOND),
            _ => match self.random.below(4) {
                0 => {
                    self.scheduler.flush();
                    self.model.flush();
                }
                _ => {
                    self.scheduler.drain_idle();
                    self.model.drain_idle();
                }
            },
        }
        assert_eq!(self.scheduler.queued(), self.model.tasks.len());
        assert_eq!(self.scheduler.busy(), self.model.busy());
        assert_eq!(self.scheduler.idle(), self.model.idle.len());
    }

    fn run(mut self, steps: usize) -> Vec<Assign> {
        for step in 0..steps {
            self.step();
            if step % 16 == 0 {
                check_heaps(&mut self.scheduler);
                for origin in 0..self.origins {
                    let is_used = self.model.is_origin_used(origin);
                    assert_eq!(self.scheduler.is_origin_used(origin), is_used);
                }
            }
        }
        self.said
    }
}

fn agrees<const T: usize, const C: usize, const O: usize>(per_host: u16, steps: usize) {
    for seed in 0..4 {
        let pair = Pair::new(Scheduler::<T, C, O>::new(), [T, C, O], per_host, seed);
        let said = pair.run(steps);
        let starts = said.iter().filter(|said| matches!(said, Assign::Start { .. })).count();
        assert!(starts > steps / 50, "only {starts} starts");
        #[cfg(feature = "alloc")]
        {
            let growable = GrowableScheduler::growable(T, C);
            assert!(Pair::new(growable, [T, C, O], per_host, seed).run(steps) == said);
        }
    }
}

#[test]
fn both_storages_agree_with_the_model() {
    agrees::<1, 1, 1>(1, 4000);
    agrees::<4, 2, 6>(6, 4000);
    agrees::<4, 2, 6>(1, 4000);
    agrees::<16, 8, 3>(3, 4000);
    agrees::<64, 8, 24>(2, 4000);
    agrees::<300, 20, 40>(6, 4000);
    agrees::<300, 20, 2>(6, 4000);
}
