//! The scheduler against a model that keeps lists and looks through them.

extern crate std;

mod model;
mod random;

use core::cell::Cell;
use std::vec::Vec;

use super::*;
use crate::limits::{
    CONNECTIONS_PER_HOST, IDLE_TIMEOUT, PRIORITY_MOST, PRIORITY_STEP, SOCKET_RETRY,
};
use crate::random::Random;

std::thread_local! {
    static COMPARISONS: Cell<u64> = const { Cell::new(0) };
}

/// Called for each comparison of two queued tasks.
pub(in crate::session) fn count_comparison() {
    COMPARISONS.set(COMPARISONS.get() + 1);
}

const fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

const SECOND: u64 = 1_000_000;

fn priority(priority: u16) -> Urgency {
    Urgency { priority, bytes: None }
}

fn bytes(bytes: u64) -> Urgency {
    Urgency { bytes: Some(bytes), ..Urgency::default() }
}

impl<S: Storage> Schedule<S> {
    /// Adds a task of default urgency.
    fn queue(&mut self, now: u64, origin: usize) -> Ticket {
        self.add(at(now), origin, Wish::Any, Urgency::default()).unwrap()
    }

    /// What starts next; nothing is to be closed, and something starts.
    fn next(&mut self, now: u64) -> (Ticket, usize, How) {
        match self.poll_assign(at(now)) {
            Assign::Start { ticket, slot, how } => (ticket, slot, how),
            other @ (Assign::Close { .. } | Assign::Wait { .. }) => {
                panic!("{other:?} instead of a start")
            }
        }
    }

    fn assert_waits(&mut self, now: u64) {
        let assign = self.poll_assign(at(now));
        assert!(matches!(assign, Assign::Wait { .. }), "{assign:?} instead of waiting");
    }

    /// All that start one after the other at one host with one connection.
    fn drain_order(&mut self, now: u64) -> Vec<Ticket> {
        let mut order = Vec::new();
        while self.queued() > 0 {
            let (ticket, slot, _) = self.next(now);
            order.push(ticket);
            self.assert_waits(now);
            assert!(self.keep(slot, at(now), 0));
        }
        order
    }
}

fn narrow<const TASKS: usize>() -> Scheduler<TASKS, 1, 2> {
    Scheduler::new().with_per_host(1)
}

// The order

#[test]
fn tasks_of_equal_urgency_start_in_the_order_in_which_they_were_added() {
    let mut scheduler = narrow::<100>();
    let added: Vec<_> = (0..100).map(|i| scheduler.queue(7 + i / 10, 0)).collect();
    assert_eq!(scheduler.drain_order(50), added);
}

#[test]
fn the_first_of_several_origins_is_served_first() {
    let mut scheduler = narrow::<4>();
    let late = scheduler.queue(9, 0);
    let early = scheduler.queue(8, 1);
    assert_eq!(scheduler.next(9).0, early);
    scheduler.free(0);
    assert_eq!(scheduler.next(9).0, late);
}

#[test]
fn a_higher_priority_overtakes_those_that_arrived_less_than_its_steps_before() {
    let steps = 250 * u64::from(PRIORITY_STEP);
    let mut scheduler = narrow::<4>();
    let low = scheduler.add(at(0), 0, Wish::Any, priority(500)).unwrap();
    let overtaking = scheduler.add(at(steps - 1), 0, Wish::Any, priority(750)).unwrap();
    let too_late = scheduler.add(at(steps), 0, Wish::Any, priority(750)).unwrap();
    assert_eq!(scheduler.drain_order(steps), [overtaking, low, too_late]);
}

#[test]
fn nobody_waits_for_tasks_that_are_added_31_seconds_later() {
    let mut scheduler = narrow::<64>();
    let urgent = priority(PRIORITY_MOST);
    let victim = Urgency { priority: 0, bytes: Some(u64::MAX) };
    let mut now = 0;
    scheduler.add(at(now), 0, Wish::Any, urgent).unwrap();
    let victim = scheduler.add(at(now), 0, Wish::Any, victim).unwrap();
    // For ever more urgent tasks than can be served: one a second is, and two are added.
    loop {
        let (ticket, slot, _) = scheduler.next(now);
        if ticket == victim {
            break;
        }
        now += SECOND;
        assert!(scheduler.keep(slot, at(now), 0));
        if now < 31 * SECOND {
            scheduler.add(at(now), 0, Wish::Any, urgent).unwrap();
        }
        scheduler.add(at(now), 0, Wish::Any, urgent).unwrap();
    }
    // 1 at first, 2 in each of 30 seconds, at 1 a second; of those at 31 s none.
    assert_eq!(now, 61 * SECOND);
    assert_eq!(scheduler.queued(), 31);
}

#[test]
fn a_large_transfer_lets_small_ones_pass_that_arrive_within_its_delay_and_no_others() {
    let mut scheduler = narrow::<8>();
    let large = scheduler.add(at(0), 0, Wish::Any, bytes(1 << 20)).unwrap();
    let huge = scheduler.add(at(0), 0, Wish::Any, bytes(u64::MAX)).unwrap();
    let small = scheduler.queue(1023, 0);
    let later = scheduler.queue(1024, 0);
    let latest = scheduler.queue(SECOND, 0);
    assert_eq!(scheduler.drain_order(SECOND), [small, large, later, huge, latest]);
}

#[test]
fn a_changed_urgency_counts_from_the_arrival() {
    let mut scheduler = narrow::<8>();
    let [a, b, c] = [1, 2, 3].map(|now| scheduler.queue(now, 0));
    scheduler.change(b, priority(501)).unwrap();
    scheduler.change(a, priority(499)).unwrap();
    assert_eq!(scheduler.clone().drain_order(9), [b, c, a]);
    scheduler.change(a, priority(500)).unwrap();
    scheduler.change(b, priority(500)).unwrap();
    assert_eq!(scheduler.drain_order(9), [a, b, c]);
}

#[test]
fn a_change_can_bring_another_origin_to_the_front() {
    let mut scheduler = narrow::<4>();
    let first = scheduler.queue(1, 0);
    let second = scheduler.queue(2, 1);
    scheduler.change(second, priority(PRIORITY_MOST)).unwrap();
    assert_eq!(scheduler.next(9).0, second);
    scheduler.free(0);
    assert_eq!(scheduler.next(9).0, first);
}

#[test]
fn a_removed_task_never_starts() {
    let mut scheduler = narrow::<8>();
    let [a, b, c] = [1, 2, 3].map(|now| scheduler.queue(now, 0));
    scheduler.remove(a).unwrap();
    scheduler.remove(c).unwrap();
    assert_eq!(scheduler.drain_order(9), [b]);
}

#[test]
fn a_priority_that_is_too_high_counts_as_the_highest() {
    let mut scheduler = narrow::<8>();
    let most = scheduler.add(at(0), 0, Wish::Any, priority(PRIORITY_MOST)).unwrap();
    let more = scheduler.add(at(0), 0, Wish::Any, priority(u16::MAX)).unwrap();
    assert_eq!(scheduler.drain_order(0), [most, more]);
}

#[test]
fn the_end_of_time_keeps_the_order_of_arrival() {
    let mut scheduler = narrow::<8>();
    let added = [0, 1, 2].map(|_| scheduler.queue(u64::MAX, 0));
    assert_eq!(scheduler.drain_order(u64::MAX - 1), added);
}

// Tickets and capacity

#[test]
fn a_stale_ticket_is_refused_and_acts_on_no_other_task() {
    let mut scheduler = narrow::<1>();
    let started = scheduler.queue(0, 0);
    assert!(scheduler.is_queued(started));
    assert_eq!(scheduler.next(0).0, started);
    let removed = scheduler.queue(0, 0);
    scheduler.remove(removed).unwrap();
    let queued = scheduler.queue(0, 0);
    for stale in [started, removed] {
        assert!(!scheduler.is_queued(stale));
        assert_eq!(scheduler.remove(stale), Err(Misuse::StaleTicket));
        assert_eq!(scheduler.change(stale, priority(0)), Err(Misuse::StaleTicket));
    }
    scheduler.free(0);
    assert_eq!(scheduler.next(0).0, queued);
}

#[test]
fn what_there_is_no_room_for_is_refused_and_changes_nothing() {
    let mut scheduler = Scheduler::<2, 1, 2>::new();
    let add = |scheduler: &mut Scheduler<2, 1, 2>, origin| {
        scheduler.add(at(0), origin, Wish::Any, priority(PRIORITY_MOST))
    };
    let first = scheduler.queue(0, 0);
    for origin in [2, usize::from(u16::MAX), usize::MAX] {
        assert_eq!(add(&mut scheduler, origin), Err(Full::Origins));
        assert!(!scheduler.is_origin_used(origin));
    }
    scheduler.queue(0, 0);
    assert_eq!(add(&mut scheduler, 1), Err(Full::Tasks));
    assert_eq!(scheduler.queued(), 2);
    assert!(!scheduler.is_origin_used(1));
    assert_eq!(scheduler.next(0).0, first);
    add(&mut scheduler, 1).unwrap();
}

#[cfg(feature = "alloc")]
#[test]
fn a_growable_scheduler_grows_to_its_numbers_and_no_further() {
    let mut scheduler = GrowableScheduler::growable(300, 100).with_per_host(200);
    for _ in 0..100 {
        scheduler.queue(0, 7);
        scheduler.next(0);
    }
    for _ in 0..300 {
        scheduler.queue(0, 7);
    }
    scheduler.assert_waits(0);
    assert_eq!(scheduler.add(at(0), 7, Wish::Any, priority(0)), Err(Full::Tasks));
    assert_eq!(scheduler.add(at(0), 400, Wish::Any, priority(0)), Err(Full::Origins));
    scheduler.free(42);
    let (_, slot, how) = scheduler.next(0);
    assert_eq!((slot, how), (42, How::Open));
}

#[test]
fn an_origin_is_used_while_a_task_or_a_connection_has_it() {
    let mut scheduler = narrow::<2>();
    assert!(!scheduler.is_origin_used(1));
    let task = scheduler.queue(0, 1);
    assert!(scheduler.is_origin_used(1));
    scheduler.remove(task).unwrap();
    assert!(!scheduler.is_origin_used(1));
    scheduler.queue(0, 1);
    scheduler.next(0);
    assert!(scheduler.is_origin_used(1));
    assert!(scheduler.keep(0, at(0), 0));
    assert!(scheduler.is_origin_used(1));
    scheduler.free(0);
    assert!(!scheduler.is_origin_used(1));
}

// Connections

/// A scheduler of three connections that are idle since the instants 0, 1 and 2, at these origins.
fn idle_at(origins: [usize; 3]) -> Scheduler<8, 3, 4> {
    let mut scheduler = Scheduler::new();
    for (slot, origin) in origins.into_iter().enumerate() {
        scheduler.queue(0, origin);
        let (_, opened, how) = scheduler.next(0);
        assert_eq!((opened, how), (slot, How::Open));
    }
    for slot in 0..3 {
        assert!(scheduler.keep(slot, at(slot as u64), 0));
    }
    assert_eq!((scheduler.busy(), scheduler.idle()), (0, 3));
    scheduler
}

#[test]
fn the_idle_connection_used_last_is_taken_and_the_one_idle_for_longest_is_evicted() {
    let mut scheduler = idle_at([0, 1, 0]);
    for slot in [2, 0] {
        scheduler.queue(9, 0);
        let (_, reused, how) = scheduler.next(9);
        assert_eq!((reused, how), (slot, How::Reuse));
    }
    scheduler.queue(9, 0);
    assert_eq!(scheduler.poll_assign(at(9)), Assign::Close { slot: 1 });
    let (_, slot, how) = scheduler.next(9);
    assert_eq!((slot, how), (1, How::Open));
    scheduler.queue(9, 0);
    scheduler.assert_waits(9);
}

#[test]
fn a_wish_for_a_new_connection_takes_no_idle_one() {
    let mut scheduler = idle_at([0, 1, 0]);
    scheduler.free(1);
    for slot in [1, 0] {
        scheduler.add(at(9), 0, Wish::New, Urgency::default()).unwrap();
        if slot == 0 {
            assert_eq!(scheduler.poll_assign(at(9)), Assign::Close { slot });
        }
        let (_, opened, how) = scheduler.next(9);
        assert_eq!((opened, how), (slot, How::Open));
    }
}

#[test]
fn a_wish_for_a_new_connection_at_a_host_that_has_all_idle_evicts_the_oldest_of_that_host() {
    let mut scheduler = idle_at([1, 0, 0]);
    scheduler.roots.per_host = 2;
    scheduler.add(at(9), 0, Wish::New, Urgency::default()).unwrap();
    assert_eq!(scheduler.poll_assign(at(9)), Assign::Close { slot: 1 });
    let (_, slot, how) = scheduler.next(9);
    assert_eq!((slot, how), (1, How::Open));
}

#[test]
fn a_host_gets_no_more_connections_than_allowed_and_keeps_no_other_waiting() {
    let mut scheduler = Scheduler::<16, 16, 2>::new();
    let most = usize::from(CONNECTIONS_PER_HOST);
    for _ in 0..=most {
        scheduler.queue(0, 0);
    }
    let other = scheduler.queue(9, 1);
    for _ in 0..most {
        scheduler.next(9);
    }
    assert_eq!(scheduler.next(9).0, other);
    scheduler.assert_waits(9);
    assert_eq!((scheduler.busy(), scheduler.queued()), (most + 1, 1));
    assert!(scheduler.keep(3, at(9), 0));
    let (_, slot, how) = scheduler.next(9);
    assert_eq!((slot, how), (3, How::Reuse));
}

#[test]
fn unread_bytes_keep_a_connection_from_being_kept() {
    let mut scheduler = idle_at([0, 0, 0]);
    scheduler.queue(9, 0);
    assert_eq!(scheduler.next(9).1, 2);
    assert!(!scheduler.keep(2, at(9), 1));
    assert_eq!((scheduler.busy(), scheduler.idle()), (0, 2));
    assert!(!scheduler.keep(2, at(9), 0), "a slot that no task has");
    assert!(!scheduler.keep(1, at(9), 0), "an idle connection is closed then");
    assert!(!scheduler.keep(usize::MAX, at(9), 0), "no slot");
    assert_eq!((scheduler.busy(), scheduler.idle()), (0, 1));
}

#[test]
fn idle_connections_expire_at_the_very_microsecond() {
    let mut scheduler = idle_at([0, 1, 0]);
    let until = |micros| Assign::Wait { until: Some(at(micros)) };
    assert_eq!(scheduler.poll_assign(at(IDLE_TIMEOUT - 1)), until(IDLE_TIMEOUT));
    assert_eq!(scheduler.poll_assign(at(IDLE_TIMEOUT)), Assign::Close { slot: 0 });
    assert_eq!(scheduler.poll_assign(at(IDLE_TIMEOUT)), until(IDLE_TIMEOUT + 1));
    scheduler.queue(IDLE_TIMEOUT + 1, 1);
    assert_eq!(scheduler.poll_assign(at(IDLE_TIMEOUT + 1)), Assign::Close { slot: 1 });
    assert_eq!(scheduler.next(IDLE_TIMEOUT + 1).2, How::Open);
    assert_eq!(scheduler.poll_assign(at(IDLE_TIMEOUT + 2)), Assign::Close { slot: 2 });
    assert_eq!(scheduler.poll_assign(at(IDLE_TIMEOUT + 2)), Assign::Wait { until: None });
}

#[test]
fn draining_closes_what_is_idle_and_nothing_that_becomes_idle_later() {
    let mut scheduler = idle_at([0, 1, 0]);
    scheduler.queue(9, 1);
    assert_eq!(scheduler.next(9).1, 1);
    scheduler.drain_idle();
    assert!(scheduler.keep(1, at(9), 0));
    scheduler.free(2);
    scheduler.queue(9, 1);
    assert_eq!(scheduler.poll_assign(at(9)), Assign::Close { slot: 0 });
    let (_, slot, how) = scheduler.next(9);
    assert_eq!((slot, how), (1, How::Reuse));
}

#[test]
fn a_flush_keeps_connections_that_tasks_have_from_being_used_again() {
    let mut scheduler = idle_at([0, 1, 0]);
    scheduler.queue(9, 0);
    assert_eq!(scheduler.next(9).1, 2);
    scheduler.flush();
    assert_eq!(scheduler.poll_assign(at(9)), Assign::Close { slot: 0 });
    assert_eq!(scheduler.poll_assign(at(9)), Assign::Close { slot: 1 });
    scheduler.assert_waits(9);
    assert!(!scheduler.keep(2, at(9), 0));
    scheduler.queue(9, 0);
    let (_, slot, how) = scheduler.next(9);
    assert_eq!(how, How::Open);
    assert!(scheduler.keep(slot, at(9), 0));
}

// Without a socket

/// A scheduler whose first three tasks are opening connections, at these origins.
fn opening(origins: [usize; 3]) -> Scheduler<8, 4, 4> {
    let mut scheduler = Scheduler::new();
    for origin in origins {
        scheduler.queue(0, origin);
        assert_eq!(scheduler.next(0).2, How::Open);
    }
    scheduler
}

#[test]
fn a_task_without_a_socket_starts_when_a_connection_is_given_back() {
    let mut scheduler = opening([0, 0, 1]);
    assert!(scheduler.open_failed(0, at(5), Transport::NoSocket));
    let again = scheduler.add(at(0), 0, Wish::Any, Urgency::default()).unwrap();
    let later = scheduler.queue(1, 1);
    let until = Some(at(5).after(SOCKET_RETRY));
    assert_eq!(scheduler.poll_assign(at(6)), Assign::Wait { until });

    // A connection of its own origin carries it.
    assert!(scheduler.keep(1, at(7), 0));
    let carried = Assign::Start { ticket: again, slot: 1, how: How::Reuse };
    assert_eq!(scheduler.poll_assign(at(7)), carried);
    scheduler.assert_waits(7);
    // One that is closed leaves its socket to the next, and to nobody else.
    scheduler.queue(8, 2);
    scheduler.free(2);
    let (ticket, _, how) = scheduler.next(8);
    assert_eq!((ticket, how), (later, How::Open));
    scheduler.assert_waits(8);
}

#[test]
fn an_idle_connection_is_closed_for_a_task_without_a_socket() {
    let mut scheduler = idle_at([0, 1, 1]);
    scheduler.queue(9, 2);
    assert_eq!(scheduler.poll_assign(at(9)), Assign::Close { slot: 0 });
    let (_, slot, how) = scheduler.next(9);
    assert_eq!((slot, how), (0, How::Open));
    // All of them: the process needs what they hold.
    assert!(scheduler.open_failed(slot, at(9), Transport::NoSocket));
    scheduler.queue(9, 2);
    for slot in [1, 2] {
        assert_eq!(scheduler.poll_assign(at(9)), Assign::Close { slot });
    }
    assert_eq!(scheduler.next(9).2, How::Open);
    scheduler.assert_waits(9);

    // And one that becomes idle, while another origin has none.
    let mut scheduler = opening([0, 0, 0]);
    assert!(scheduler.open_failed(2, at(9), Transport::NoSocket));
    scheduler.queue(9, 1);
    scheduler.assert_waits(9);
    assert!(scheduler.keep(0, at(9), 0));
    assert_eq!(scheduler.poll_assign(at(9)), Assign::Close { slot: 0 });
    assert_eq!(scheduler.next(9).2, How::Open);
}

#[test]
fn a_task_without_a_socket_fails_where_no_connection_could_leave_its_own() {
    let mut scheduler = opening([0, 0, 1]);
    assert!(scheduler.open_failed(0, at(5), Transport::NoSocket));
    assert!(scheduler.open_failed(2, at(5), Transport::NoSocket));
    assert!(!scheduler.open_failed(1, at(5), Transport::NoSocket), "the last one");
    // Those that are left try it one after the other, and fail each.
    for _ in 0..3 {
        scheduler.queue(6, 0);
    }
    for _ in 0..3 {
        let (_, slot, how) = scheduler.next(6);
        assert_eq!(how, How::Open);
        scheduler.assert_waits(6);
        assert!(!scheduler.open_failed(slot, at(6), Transport::NoSocket));
    }
    assert_eq!((scheduler.busy(), scheduler.queued()), (0, 0));
}

#[test]
fn after_a_while_more_connections_are_opened_again() {
    let mut scheduler = opening([0, 0, 0]);
    assert!(scheduler.open_failed(2, at(5), Transport::NoSocket));
    scheduler.queue(6, 0);
    let retry = at(5).after(SOCKET_RETRY);
    let before = Instant::from_micros(retry.as_micros() - 1);
    assert_eq!(scheduler.poll_assign(before), Assign::Wait { until: Some(retry) });
    assert_eq!(scheduler.next(retry.as_micros()).2, How::Open);
}

#[test]
fn a_connection_that_could_not_be_opened_for_another_reason_leaves_its_slot_and_no_more() {
    let mut scheduler = opening([0, 0, 1]);
    assert!(!scheduler.open_failed(0, at(5), Transport::Refused));
    assert!(!scheduler.open_failed(0, at(5), Transport::NoSocket), "a slot that no task has");
    assert!(!scheduler.open_failed(usize::MAX, at(5), Transport::NoSocket), "no slot");
    assert_eq!(scheduler.busy(), 2);
    scheduler.queue(6, 0);
    scheduler.queue(6, 0);
    assert_eq!([scheduler.next(6).2, scheduler.next(6).2], [How::Open, How::Open]);
}

// Cost

/// The most comparisons that a task takes from being added to being started, in a steady state of
/// so many queued tasks, each of which waits for a minute or so. Priorities are random, up to
/// `spread` from the highest.
fn most_comparisons(queued: usize, origins: u64, spread: u64) -> u64 {
    let mut scheduler = Scheduler::<10_001, 6, 64>::new();
    let mut random = Random(1);
    let mut most = 0;
    for task in 0..2 * queued {
        let now = task as u64 * (60 * SECOND / queued as u64);
        let origin = random.below(origins) as usize;
        let urgency = priority(PRIORITY_MOST - random.below(spread + 1) as u16);
        let before = COMPARISONS.get();
        scheduler.add(at(now), origin, Wish::Any, urgency).unwrap();
        if scheduler.queued() > queued && scheduler.busy() == 6 {
            scheduler.free(random.below(6) as usize);
        }
        while matches!(scheduler.poll_assign(at(now)), Assign::Start { .. }) {}
        most = most.max(COMPARISONS.get() - before);
    }
    most
}

#[test]
fn no_start_takes_more_comparisons_than_two_heaps_of_logarithmic_height_do() {
    for queued in [1, 100, 10_000] {
        for (origins, spread) in [(1, 0), (1, 1000), (64, 0), (64, 1000)] {
            // Spines of a heap: one is gone down to add, two to take out. The heap of origins is
            // changed by both.
            let spine = |nodes: u64| u64::from((nodes + 1).ilog2());
            let bound = 3 * spine(queued + 1) + if origins > 1 { 8 * spine(origins) } else { 0 };
            let most = most_comparisons(queued as usize, origins, spread);
            assert!(most <= bound, "{queued} queued, {origins} origins: {most}, not {bound}");
        }
    }
}

#[test]
fn a_full_host_with_10_000_tasks_costs_another_host_nothing() {
    let mut scheduler = Scheduler::<10_100, 8, 2>::new();
    for _ in 0..10_000 {
        scheduler.queue(0, 0);
    }
    for _ in 0..CONNECTIONS_PER_HOST {
        scheduler.next(0);
    }
    let before = COMPARISONS.get();
    for now in 0..100 {
        let ticket = scheduler.queue(now, 1);
        let (started, slot, _) = scheduler.next(now);
        assert_eq!(started, ticket);
        scheduler.assert_waits(now);
        assert!(scheduler.keep(slot, at(now), 0));
    }
    assert_eq!(COMPARISONS.get(), before);
}

#[test]
fn a_scheduler_of_a_device_is_small() {
    assert!(size_of::<Scheduler<4, 2, 6>>() <= 400, "{}", size_of::<Scheduler<4, 2, 6>>());
}

#[test]
fn connections_are_kept_as_long_as_the_adapter_says() {
    let mut scheduler = Scheduler::<4, 4, 4>::new().with_idle_timeout(5);
    scheduler.add(at(0), 0, Wish::Any, Urgency::default()).unwrap();
    let Assign::Start { slot, .. } = scheduler.poll_assign(at(0)) else { panic!() };
    assert!(scheduler.keep(slot, at(10), 0));
    assert_eq!(scheduler.poll_assign(at(14)), Assign::Wait { until: Some(at(15)) });
    assert_eq!(scheduler.poll_assign(at(15)), Assign::Close { slot });
}
