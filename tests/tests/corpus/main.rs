//! Exchanges as data, judged on the bare core and on both runtimes, in memory and on sockets: each
//! whole, bytewise and cut in many places.
//!
//! `tests/data/responses.txt` is our own set, `tests/data/corpus` what others ran into. What is
//! done otherwise than a case expects stands in `tests/data/corpus-choices.txt`, for the core, both
//! runtimes and the command, and what otherwise than it recommends, where it leaves a choice, in
//! `docs/choices.md`.

mod cases;
mod choices;
mod cut;
mod judge;
mod redirects;
mod responses;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Writes past the capture of the test harness: what was run is always to be seen.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs all `jobs`, so many at a time; what they return, in their order.
fn each<J: Sync, R: Send>(jobs: &[J], at_once: usize, run: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else {
                        return;
                    };
                    let result = run(job);
                    done.lock().expect("no job panics").push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no job panics");
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
