//! CPU time, the row's in terms of its floor's: for what happens in the kernel, where no
//! instructions can be counted.

use crate::measure::{Origins, median, spent};
use crate::meter::{Failure, Kind, Row};

/// What the rows with one floor cost.
#[derive(Debug)]
pub(crate) struct Timed {
    /// The row.
    pub(crate) name: &'static str,
    /// Nanoseconds of CPU time of an iteration: the middle one of all runs.
    pub(crate) median: f64,
    /// The least of them.
    pub(crate) least: f64,
    /// Times the floor, in the same round of runs: the middle one of all rounds.
    pub(crate) ratio: f64,
    /// The least time in terms of the floor's least.
    pub(crate) ratio_of_least: f64,
}

/// How long and how often is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds, in each of which every row runs once.
    pub(crate) rounds: usize,
    /// The iterations of a run are divided by it.
    pub(crate) divisor: usize,
}

impl Effort {
    /// What is published.
    pub(crate) const WHOLE: Self = Self { rounds: 7, divisor: 1 };

    /// For a first look.
    pub(crate) const QUICK: Self = Self { rounds: 3, divisor: 16 };
}

/// Measures all `rows`, which have one floor among them, in turns: what disturbs the machine for
/// a while disturbs all of them.
pub(crate) fn times(
    rows: &[&'static Row],
    origins: &Origins,
    effort: Effort,
) -> Result<Vec<Timed>, Failure> {
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let mut round = Vec::new();
        for row in rows {
            let Kind::Time { iterations, .. } = row.kind else {
                return Err(format!("{} has no time", row.name).into());
            };
            let iterations = iterations / effort.divisor;
            round.push(spent(row, iterations, origins)?.cpu_time / iterations as f64);
        }
        rounds.push(round);
    }
    let floor = rows
        .iter()
        .position(|row| matches!(row.kind, Kind::Time { floor, .. } if floor == row.name))
        .ok_or("rows without their floor")?;
    let least = |at: usize| rounds.iter().map(|round| round[at]).fold(f64::INFINITY, f64::min);
    let timed = |(at, row): (usize, &&'static Row)| Timed {
        name: row.name,
        median: median(rounds.iter().map(|round| round[at]).collect()),
        least: least(at),
        ratio: median(rounds.iter().map(|round| round[at] / round[floor]).collect()),
        ratio_of_least: least(at) / least(floor),
    };
    Ok(rows.iter().enumerate().map(timed).collect())
}
