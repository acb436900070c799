//! What a row is, and how it repeats what it measures.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::error::Error;
use std::net::SocketAddr;

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
    /// Iterations run before anything is counted.
    pub(crate) warm_up: usize,
    /// Iterations between the two runs whose instructions are compared.
    pub(crate) iterations: usize,
    /// Prepares everything, then hands one iteration to `Meter::repeat` or `repeat_async`.
    pub(crate) run: fn(&mut Meter) -> Outcome,
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

/// Allocations and reallocations during the counted iterations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
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

    /// Repeats an iteration that blocks or does no I/O.
    pub(crate) fn repeat(&mut self, mut once: impl FnMut() -> Outcome) -> Outcome {
        for _ in 0..self.warm_up {
            once()?;
        }
        let region = Region::new(ALLOCATOR);
        for _ in 0..self.iterations {
            once()?;
        }
        self.counted = Some(Counted::since(&region));
        Ok(())
    }

    /// Repeats an asynchronous iteration, all inside one future: nothing is spawned or moved
    /// from one iteration to the next.
    pub(crate) async fn repeat_async(&mut self, mut once: impl AsyncFnMut() -> Outcome) -> Outcome {
        for _ in 0..self.warm_up {
            once().await?;
        }
        let region = Region::new(ALLOCATOR);
        for _ in 0..self.iterations {
            once().await?;
        }
        self.counted = Some(Counted::since(&region));
        Ok(())
    }
}

impl Counted {
    fn since(region: &Region<'_, System>) -> Self {
        let change = region.change();
        Self {
            allocations: change.allocations + change.reallocations,
            bytes: change.bytes_allocated,
        }
    }
}
