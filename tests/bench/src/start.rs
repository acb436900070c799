//! Starting tasks by the scheduler of the core: what it adds to a GET on a kept connection, and
//! what a long queue adds to a start. There is no peer: none of them orders its queue.

use crate::meter::{Failure, Meter, Outcome, Row};
use sortie_core::session::scheduler::{Assign, GrowableScheduler, How, Urgency};
use sortie_core::{Instant, Wish};
use std::hint::black_box;

/// Hosts that all have as many connections as allowed.
const HOSTS: usize = 10;

/// Connections to all of them.
const BUSY: usize = HOSTS * sortie_core::limits::CONNECTIONS_PER_HOST as usize;

/// How long a queued task waits for its start, in microseconds: twice what priorities are worth,
/// so that neither arrival nor priority decides alone.
const WAIT: u64 = 60_000_000;

/// The rows of this file.
pub(crate) const ROWS: &[Row] = &[
    row("start-kept", "ours: queue a task, start it on an idle connection, keep that", 100, kept),
    row(
        "start-100",
        "ours: one connection comes back, one of 100 queued tasks starts",
        10_000,
        |m| queued(m, 100),
    ),
    row("start-10000", "ours: the same with 10,000 queued tasks", 10_000, |m| queued(m, 10_000)),
];

const fn row(
    name: &'static str,
    what: &'static str,
    iterations: usize,
    run: fn(&mut Meter) -> Outcome,
) -> Row {
    Row::in_memory(name, what, [2 * iterations, iterations], run)
}

/// What a GET on a kept connection needs of the scheduler.
fn kept(meter: &mut Meter) -> Outcome {
    let mut scheduler = GrowableScheduler::growable(1000, 256);
    let mut now = Instant::EPOCH;
    scheduler.add(now, 0, Wish::Any, Urgency::default())?;
    let (slot, How::Open) = started(&mut scheduler, now)? else {
        return Err("there is a connection already".into());
    };
    check(scheduler.keep(slot, now, 0))?;
    meter.repeat(|| {
        now = black_box(now.after(1000));
        let urgency = black_box(Urgency::default());
        scheduler.add(now, black_box(0), black_box(Wish::Any), urgency)?;
        let (slot, how) = started(&mut scheduler, now)?;
        check(how == How::Reuse)?;
        waits(&mut scheduler, now)?;
        check(scheduler.keep(black_box(slot), now, black_box(0)))?;
        waits(&mut scheduler, now)
    })
}

/// One start, and one task that takes the place of the started one in the queue.
fn queued(meter: &mut Meter, tasks: usize) -> Outcome {
    let mut scheduler = GrowableScheduler::growable(20_000, BUSY);
    let (mut now, mut random) = (Instant::EPOCH, 1);
    for _ in 0..BUSY / HOSTS {
        for host in 0..HOSTS {
            scheduler.add(now, host, Wish::Any, Urgency::default())?;
            started(&mut scheduler, now)?;
        }
    }
    for task in 0..tasks {
        now = now.after(WAIT / tasks as u64);
        scheduler.add(now, task % HOSTS, Wish::Any, urgency(&mut random))?;
    }
    waits(&mut scheduler, now)?;
    meter.repeat(|| {
        now = now.after(WAIT / tasks as u64);
        // Slots were given in turns: this one's host is that of its number.
        let given_back = next(&mut random) % BUSY;
        check(scheduler.keep(given_back, now, 0))?;
        let (slot, how) = started(&mut scheduler, now)?;
        check(slot == given_back && how == How::Reuse)?;
        waits(&mut scheduler, now)?;
        scheduler.add(now, slot % HOSTS, Wish::Any, urgency(&mut random))?;
        waits(&mut scheduler, now)
    })
}

/// A priority from 0 to 1000.
fn urgency(random: &mut u32) -> Urgency {
    Urgency { priority: (next(random) % 1001) as u16, bytes: None }
}

/// Numbers that look random, by xorshift: a few instructions, the same in all rows.
fn next(random: &mut u32) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    *random as usize
}

/// The slot in which a task starts.
fn started(scheduler: &mut GrowableScheduler, now: Instant) -> Result<(usize, How), Failure> {
    match scheduler.poll_assign(now) {
        Assign::Start { slot, how, .. } => Ok((slot, how)),
        other @ (Assign::Close { .. } | Assign::Wait { .. }) => {
            Err(format!("{other:?} instead of a start").into())
        }
    }
}

fn waits(scheduler: &mut GrowableScheduler, now: Instant) -> Outcome {
    check(matches!(scheduler.poll_assign(now), Assign::Wait { .. }))
}

fn check(holds: bool) -> Outcome {
    if holds { Ok(()) } else { Err("the scheduler did something else than the row says".into()) }
}
