//! The deterministic simulation, for many seeds: see `sortie_tests::simulation`.
//!
//! A seed that fails says how it is run alone. For longer runs:
//! `SORTIE_SEED=FIRST SORTIE_SEEDS=COUNT cargo test --release -p sortie-tests --test simulation`;
//! with `SORTIE_SECONDS` it stops then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sortie_tests::simulation::{Client, run};

/// Seeds of every run of the tests.
const SEEDS: u64 = 2000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// What came of many seeds.
#[derive(Debug, Default)]
struct Found {
    run: AtomicU64,
    failed: AtomicU64,
}

/// Runs these seeds, on as many threads as there are processors, until it is time to stop.
fn run_all(first: u64, count: u64, until: Option<Instant>) -> Found {
    let (next, found) = (AtomicU64::new(first), Found::default());
    let work = || {
        while until.is_none_or(|until| Instant::now() < until) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            for client in Client::ALL {
                // A single seed tells what happened.
                let result = catch_unwind(AssertUnwindSafe(|| run(seed, client, count == 1)));
                if result.is_err() {
                    found.failed.fetch_add(1, Ordering::Relaxed);
                    eprintln!(
                        "{client:?} fails; again alone: \
                         SORTIE_SEED={seed} cargo test -p sortie-tests --test simulation"
                    );
                }
            }
            found.run.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    found
}

#[test]
fn whatever_network_origins_and_users_do_tasks_end_once_and_rightly() {
    let first = number("SORTIE_SEED");
    let default = if first.is_some() { 1 } else { SEEDS };
    let count = number("SORTIE_SEEDS").unwrap_or(default);
    let seconds = number("SORTIE_SECONDS").map(Duration::from_secs);
    let first = first.unwrap_or(0);
    let found = run_all(first, count, seconds.map(|seconds| Instant::now() + seconds));
    let (run, failed) = (found.run.into_inner(), found.failed.into_inner());
    let clients = Client::ALL.len();
    assert_eq!(failed, 0, "of {run} seeds from {first} on, on {clients} clients each");
    println!("{run} seeds from {first} on, each on {clients} clients, nothing found");
}

/// Everything that a run does follows from its seed.
#[test]
fn a_seed_gives_the_same_run_again() {
    for seed in 0..20 {
        for client in Client::ALL {
            let log = run(seed, client, true);
            assert!(!log.is_empty(), "seed {seed}: nothing happened");
            assert_eq!(run(seed, client, true), log, "seed {seed} on {client:?}");
        }
    }
}
