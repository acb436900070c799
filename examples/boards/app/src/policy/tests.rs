//! The machine in virtual time: nothing here sleeps.

extern crate std;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

fn seconds(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count))
}

/// A machine with a full batch that is about to be sent at 100 s.
fn sending() -> Machine<64> {
    let mut machine = Machine::new(Policy::default(), 1);
    (0..BATCH as u64).for_each(|second| machine.handle_reading(at(second), 20_000));
    assert!(matches!(machine.poll_output(at(100)), Output::Send(_)));
    machine
}

fn numbers(machine: &Machine<64>) -> Vec<u32> {
    machine.in_hand().map(|reading| reading.number).collect()
}

/// When the machine would send again.
fn next(machine: &mut Machine<64>, now: Instant) -> Instant {
    match machine.poll_output(now) {
        Output::Wait(until) => until,
        Output::Send(_) => now,
        Output::Idle => panic!("there is nothing to send"),
    }
}

#[test]
fn a_reading_waits_for_others_but_not_for_ever() {
    let mut machine = Machine::<64>::new(Policy::default(), 1);
    assert_eq!(machine.poll_output(at(0)), Output::Idle);
    machine.handle_reading(at(5), 1);
    machine.handle_reading(at(15), 2);
    assert_eq!(machine.poll_output(at(20)), Output::Wait(at(65)));
    assert!(matches!(machine.poll_output(at(65)), Output::Send(_)));
    assert_eq!(numbers(&machine), [0, 1]);
}

#[test]
fn a_full_batch_does_not_wait() {
    let mut machine = Machine::<64>::new(Policy::default(), 1);
    (0..BATCH).for_each(|_| machine.handle_reading(at(5), 1));
    assert!(matches!(machine.poll_output(at(5)), Output::Send(_)));
}

#[test]
fn what_was_accepted_is_gone_and_the_next_batch_has_another_label() {
    let mut machine = sending();
    let Output::Send(first) = machine.poll_output(at(100)) else { panic!() };
    assert_eq!(machine.handle_answer(at(101), 201, None), Verdict::Accepted);
    assert_eq!((machine.waiting(), machine.counts().accepted), (0, 16));
    machine.handle_reading(at(101), 1);
    let Output::Send(second) = machine.poll_output(at(161)) else { panic!() };
    assert_ne!(first.number, second.number);
}

#[test]
fn a_batch_without_an_answer_is_sent_again_as_it_was() {
    let mut machine = sending();
    let first = machine.poll_output(at(100));
    let content = numbers(&machine);
    let mut now = at(100);
    for _ in 0..20 {
        machine.handle_failure(now);
        machine.handle_reading(now, 1);
        now = next(&mut machine, now);
        assert_eq!(machine.poll_output(now), first);
        assert_eq!(numbers(&machine), content);
    }
    assert_eq!(machine.counts().failures, 20);
}

#[test]
fn waiting_grows_to_its_ceiling_and_is_short_again_after_a_success() {
    let mut machine = sending();
    let mut longest = Duration::from_secs(0);
    let mut now = at(100);
    for failure in 0..40_u32 {
        machine.handle_failure(now);
        let wait = next(&mut machine, now) - now;
        let span = Duration::from_secs(1 << failure.min(9)).min(Duration::from_secs(300));
        assert!(wait <= span, "{wait:?} after {failure} failures");
        longest = longest.max(wait);
        now += wait;
    }
    assert!(longest > Duration::from_secs(200), "{longest:?} is the longest of 40 waits");
    machine.handle_answer(now, 200, None);
    (0..BATCH).for_each(|_| machine.handle_reading(now, 1));
    assert!(matches!(machine.poll_output(now), Output::Send(_)));
    machine.handle_failure(now);
    assert!(next(&mut machine, now) - now <= SECOND);
}

#[test]
fn retry_after_is_kept_to_and_not_by_everybody_at_once() {
    let mut waits = BTreeSet::new();
    for seed in 0..50 {
        let mut machine = sending();
        machine.random = Random::new(seed);
        assert_eq!(machine.handle_answer(at(100), 503, seconds(120)), Verdict::Later);
        let from = next(&mut machine, at(100));
        assert!((at(220)..=at(221)).contains(&from), "{from:?}");
        assert_eq!(machine.poll_output(at(219)), Output::Wait(from));
        assert!(matches!(machine.poll_output(from), Output::Send(_)));
        waits.insert(from);
    }
    assert!(waits.len() > 30, "{} of 50 devices come at a moment of their own", waits.len());
}

#[test]
fn retry_after_is_bounded() {
    let mut machine = sending();
    machine.handle_answer(at(100), 429, seconds(86_400));
    assert!(next(&mut machine, at(100)) <= at(3701));
}

#[test]
fn a_server_that_says_now_again_and_again_is_still_left_alone() {
    let mut machine = sending();
    let mut now = at(100);
    for _ in 0..12 {
        machine.handle_answer(now, 503, seconds(0));
        now = next(&mut machine, now);
    }
    assert!(now > at(300), "twelve attempts until {now:?}");
}

#[test]
fn what_will_never_succeed_is_dropped_and_counted() {
    for status in [400, 404, 405, 410, 411, 414, 415, 422, 426, 431, 451, 499] {
        let mut machine = sending();
        assert_eq!(machine.handle_answer(at(100), status, None), Verdict::Refused, "{status}");
        assert_eq!((machine.waiting(), machine.counts().refused), (0, 16), "{status}");
        // The server is told with the next batch.
        machine.handle_reading(at(100), 1);
        let now = next(&mut machine, at(100));
        let Output::Send(label) = machine.poll_output(now) else { panic!() };
        assert_eq!(label.refused, 16);
    }
}

#[test]
fn what_may_succeed_later_is_kept() {
    for status in [300, 304, 408, 409, 421, 423, 425, 429, 500, 501, 502, 503, 504, 511, 599, 999] {
        let mut machine = sending();
        assert_eq!(machine.handle_answer(at(100), status, None), Verdict::Later, "{status}");
        assert_eq!((machine.waiting(), machine.counts().failures), (16, 1), "{status}");
    }
}

#[test]
fn without_credentials_nothing_is_lost_and_the_server_is_asked_rarely() {
    for status in [401, 403, 407] {
        let mut machine = sending();
        let mut total = Duration::from_secs(0);
        let mut now = at(100);
        for _ in 0..20 {
            assert_eq!(machine.handle_answer(now, status, None), Verdict::Barred);
            let until = next(&mut machine, now);
            total += until - now;
            now = until;
        }
        assert_eq!(machine.waiting(), 16);
        assert!(total > Duration::from_secs(20 * 100), "{total:?} for twenty attempts");
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_a_single_reading_is_refused() {
    let mut machine = sending();
    let mut keys = BTreeSet::new();
    for expected in [16, 8, 4, 2, 1] {
        let Output::Send(label) = machine.poll_output(at(100)) else { panic!() };
        assert!(keys.insert(label.number), "another content has another key");
        assert_eq!(machine.in_hand().count(), expected);
        assert_eq!(machine.handle_answer(at(100), 413, None), Verdict::TooLarge);
    }
    assert_eq!((machine.waiting(), machine.counts().refused), (15, 1));
}

#[test]
fn the_oldest_is_dropped_when_there_is_no_room_and_the_server_is_told() {
    let mut machine = sending();
    machine.handle_failure(at(100));
    (0..60).for_each(|_| machine.handle_reading(at(101), 1));
    assert_eq!((machine.waiting(), machine.counts().dropped), (64, 12));
    let now = next(&mut machine, at(101));
    // It is the same batch as before: what it says is not changed.
    let Output::Send(label) = machine.poll_output(now) else { panic!() };
    assert_eq!((label.dropped, numbers(&machine)), (0, (0..16).collect()));
    machine.handle_answer(now, 200, None);
    let Output::Send(label) = machine.poll_output(now) else { panic!() };
    assert_eq!((label.dropped, numbers(&machine)), (12, (28..44).collect()));
}

/// What a server has stored: batches by their key, and what an honest one does on a key it knows.
#[derive(Default)]
struct Server {
    batches: BTreeMap<u32, Vec<u32>>,
    duplicates: u32,
}

impl Server {
    fn store(&mut self, key: u32, content: Vec<u32>) {
        if let Some(stored) = self.batches.insert(key, content.clone()) {
            assert_eq!(stored, content, "one key for two contents");
            self.duplicates += 1;
        }
    }
}

/// Readings at any rate, a server that answers anything or nothing, having stored the batch or not:
/// each reading ends up stored once, or was counted as dropped or refused.
#[test]
fn whatever_the_server_does_each_reading_is_stored_once_or_counted() {
    let mut duplicates = 0;
    let (mut dropped, mut refused) = (0, 0);
    for seed in 0..500 {
        let mut random = Random::new(seed ^ 0x5eed);
        let mut machine = Machine::<64>::new(Policy::default(), seed);
        let mut server = Server::default();
        let halves = seed % 2 == 0;
        let (mut now, mut taken, mut lost) = (at(0), 0_u32, BTreeSet::new());
        for step in 0..600 {
            if step < 400 {
                let burst = random.next() % 9;
                (0..burst).for_each(|_| machine.handle_reading(now, 1));
                taken += burst;
            }
            match machine.poll_output(now) {
                Output::Idle => now += SECOND,
                Output::Wait(until) => {
                    now = if step < 400 { until.min(now + SECOND * 20) } else { until };
                }
                Output::Send(label) => {
                    let content = numbers(&machine);
                    now += random.up_to(SECOND * 30);
                    // In the end it is well again.
                    match if step < 400 { random.next() % 8 } else { 0 } {
                        0 | 1 => {
                            server.store(label.number, content);
                            machine.handle_answer(now, 200, None);
                        }
                        2 => {
                            server.store(label.number, content); // and the answer is lost
                            machine.handle_failure(now);
                        }
                        3 => machine.handle_failure(now),
                        4 => drop(machine.handle_answer(now, 503, seconds(3))),
                        5 => drop(machine.handle_answer(now, 429, None)),
                        6 if halves => {
                            let verdict = machine.handle_answer(now, 413, None);
                            assert_eq!(verdict, Verdict::TooLarge);
                            if content.len() == 1 {
                                lost.extend(content);
                            }
                        }
                        _ => {
                            machine.handle_answer(now, 422, None);
                            lost.extend(content);
                        }
                    }
                }
            }
        }
        let counts = machine.counts();
        assert_eq!((machine.waiting(), counts.refused as usize), (0, lost.len()), "seed {seed}");
        // A batch whose answer was lost may be refused or halved at the next attempt: then it was
        // stored under its first key.
        let stored: BTreeSet<_> = server.batches.values().flatten().copied().collect();
        let missing = taken as usize - stored.union(&lost).count();
        // A half that goes back to the queue may be dropped there, though it was stored before.
        assert!(missing <= counts.dropped as usize, "seed {seed}: one is missing and not counted");
        assert!(halves || missing == counts.dropped as usize, "seed {seed}");
        assert!(counts.accepted as usize <= stored.len(), "seed {seed}");
        duplicates += server.duplicates;
        dropped += counts.dropped;
        refused += counts.refused;
    }
    assert!(duplicates > 500 && dropped > 500 && refused > 500, "all of it happened");
}
