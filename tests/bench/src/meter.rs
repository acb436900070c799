//! What a row is, and how it repeats what it measures.

use crate::origin::Serves;
use crate::process;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

/// Counts every allocation of the process, whichever thread makes it.
///
/// It costs every peer and ourselves the same six to nine instructions per allocation and its
/// release, about 1 % of the rows that allocate most. They are left in the counts.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Whatever went wrong in a row or in the table.
pub(crate) type Failure = Box<dyn Error>;

/// How a row, or one iteration of it, ends.
pub(crate) type Outcome = Result<(), Failure>;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// Group, peer and variant; also how `run` calls it.
    pub(crate) name: &'static str,
    /// What one iteration does, in a few words.
    pub(crate) what: &'static str,
    /// What is measured.
    pub(crate) kind: Kind,
    /// Whom it talks to, if it does.
    pub(crate) origin: Option<Serves>,
    /// Who allocates: Rust's allocator sees nothing of a library in C.
    pub(crate) is_foreign: bool,
    /// Iterations run before anything is counted.
    pub(crate) warm_up: usize,
    /// Iterations between the two runs whose instructions are compared.
    pub(crate) iterations: usize,
    /// Prepares everything, then hands one iteration to `Meter::repeat` or `repeat_async`.
    pub(crate) run: fn(&mut Meter) -> Outcome,
}

impl Row {
    /// A row without I/O, of so many iterations to warm up, and to count.
    pub(crate) const fn in_memory(
        name: &'static str,
        what: &'static str,
        [warm_up, iterations]: [usize; 2],
        run: fn(&mut Meter) -> Outcome,
    ) -> Self {
        let (kind, origin, is_foreign) = (Kind::Counts, None, false);
        Self { name, what, kind, origin, is_foreign, warm_up, iterations, run }
    }
}

/// What is measured of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Instructions, allocations and system calls of an iteration.
    Counts,
    /// The same, and the CPU time of so many iterations, in terms of that of another row.
    Time { floor: &'static str, iterations: usize },
    /// The memory that each iteration holds.
    Memory,
}

/// Repeats one iteration and counts what it allocates.
///
/// A run with 2 N iterations does all that a run with N does and N iterations more: preparation,
/// warm-up, start and end of the process cancel out in the difference.
#[derive(Debug)]
pub(crate) struct Meter {
    warm_up: usize,
    iterations: usize,
    most: usize,
    origin: Option<SocketAddr>,
    counted: Option<Counted>,
}

/// What was spent before the counted iterations.
#[derive(Debug)]
pub(crate) struct Before {
    region: Region<'static, System>,
    resident: u64,
    cpu_time: Duration,
}

/// What the counted iterations spent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// CPU time, on all threads.
    pub(crate) cpu_time: Duration,
    /// By how many bytes the memory in use has grown.
    pub(crate) resident: i64,
    /// How many there were.
    pub(crate) allocations: usize,
    /// How many bytes they asked for; a reallocation that grows asks for what it adds.
    pub(crate) bytes: usize,
}

impl Meter {
    /// A meter for `iterations` of `row`.
    pub(crate) fn new(row: &Row, iterations: usize, origin: Option<SocketAddr>) -> Self {
        let most = row.warm_up + 2 * row.iterations;
        Self { warm_up: row.warm_up, iterations, most, origin, counted: None }
    }

    /// Where the origin of the `get` rows listens.
    pub(crate) fn origin(&self) -> Result<SocketAddr, Failure> {
        self.origin.ok_or_else(|| "this row needs the address of an origin".into())
    }

    /// How often the longest run of the table calls an iteration, warm-up included.
    ///
    /// A row that uses its input up prepares this many copies, however short the run is: so
    /// preparing them costs both runs the same.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// What the counted iterations allocated; `None` before they ran.
    pub(crate) fn counted(&self) -> Option<Counted> {
        self.counted
    }

    /// How many iterations are to be counted.
    pub(crate) fn iterations(&self) -> usize {
        self.iterations
    }

    /// Begins to count.
    pub(crate) fn begin(&self) -> Result<Before, Failure> {
        let resident = process::resident()?;
        Ok(Before { region: Region::new(ALLOCATOR), resident, cpu_time: process::cpu_time()? })
    }

    /// Ends what `begin` began.
    pub(crate) fn end(&mut self, before: &Before) -> Outcome {
        let cpu_time = process::cpu_time()?.saturating_sub(before.cpu_time);
        let change = before.region.change();
        self.counted = Some(Counted {
            cpu_time,
            allocations: change.allocations + change.reallocations,
            bytes: change.bytes_allocated,
            resident: process::resident()? as i64 - before.resident as i64,
        });
        Ok(())
    }

    /// Repeats an iteration that blocks or does no I/O.
    pub(crate) fn repeat(&mut self, mut once: impl FnMut() -> Outcome) -> Outcome {
        self.batch(|times| (0..times).try_for_each(|_| once()))
    }

    /// Repeats an asynchronous iteration, all inside one future: nothing is spawned or moved
    /// from one iteration to the next.
    pub(crate) async fn repeat_async(&mut self, mut once: impl AsyncFnMut() -> Outcome) -> Outcome {
        let batch = self.batch_async(async |times| {
            for _ in 0..times {
                once().await?;
            }
            Ok(())
        });
        batch.await
    }

    /// As `repeat`, for what does many iterations in one go.
    pub(crate) fn batch(&mut self, mut all: impl FnMut(usize) -> Outcome) -> Outcome {
        all(self.warm_up)?;
        let before = self.begin()?;
        all(self.iterations)?;
        self.end(&before)
    }

    /// As `repeat_async`, for what does many iterations in one go.
    pub(crate) async fn batch_async(
        &mut self,
        mut all: impl AsyncFnMut(usize) -> Outcome,
    ) -> Outcome {
        all(self.warm_up).await?;
        let before = self.begin()?;
        all(self.iterations).await?;
        self.end(&before)
    }
}
