//! What this process holds: memory, descriptors, threads.

use std::alloc::System;
use std::fs;
use std::time::{Duration, Instant};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::Outcome;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What has not changed for so long stays as it is: idle threads of the pool for files end after
/// half a second.
const QUIET: Duration = Duration::from_millis(800);

/// It is waited for that so long at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// Resident memory, in KiB.
    pub(crate) resident: i64,
    /// What is allocated of it, in bytes.
    pub(crate) allocated: i64,
    /// Open descriptors, without the one it takes to count them.
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

impl Held {
    pub(crate) fn now() -> Outcome<Self> {
        // Exact, where `status` and `statm` may be some pages behind.
        let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
        let resident = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no Rss")?;
        let stats = ALLOCATOR.stats();
        let allocated = stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated);
        Ok(Self {
            resident: resident.parse()?,
            allocated: i64::try_from(allocated)?,
            descriptors: fs::read_dir("/proc/self/fd")?.count().saturating_sub(1),
            threads: fs::read_dir("/proc/self/task")?.count(),
        })
    }

    /// As [`now`](Self::now), once it stays so.
    pub(crate) fn settled() -> Outcome<Self> {
        let (begin, mut since) = (Instant::now(), Instant::now());
        let mut held = Self::now()?;
        while since.elapsed() < QUIET && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
            let now = Self::now()?;
            if (now.descriptors, now.threads) != (held.descriptors, held.threads) {
                since = Instant::now();
            }
            held = now;
        }
        Ok(held)
    }
}
