//! What the table found out, kept beside the program for the picture.

use crate::meter::{Failure, Outcome};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    /// User instructions of an iteration.
    Instructions,
    /// Allocations of an iteration.
    Allocations,
    /// Microseconds of CPU time of an iteration.
    Micros,
    /// CPU time in terms of the floor's.
    Times,
    /// KiB of memory, or of a program.
    Kib,
    /// Crates of a program.
    Crates,
}

impl Unit {
    const ALL: [Self; 6] =
        [Self::Instructions, Self::Allocations, Self::Micros, Self::Times, Self::Kib, Self::Crates];

    const fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Allocations => "allocations",
            Self::Micros => "micros",
            Self::Times => "times",
            Self::Kib => "kib",
            Self::Crates => "crates",
        }
    }
}

/// Figures by the name of their row.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<(String, Unit), f64>);

impl Figures {
    pub(crate) fn add(&mut self, row: &str, unit: Unit, value: f64) {
        self.0.insert((row.to_owned(), unit), value);
    }

    /// That of `row`.
    pub(crate) fn of(&self, row: &str, unit: Unit) -> Result<f64, Failure> {
        let value = self.0.get(&(row.to_owned(), unit)).copied();
        value.ok_or_else(|| format!("no {} of {row}: measure the whole table", unit.name()).into())
    }

    /// Keeps them, in place of those of an earlier run.
    pub(crate) fn save(&self) -> Outcome {
        let line = |((row, unit), value): (&(String, Unit), &f64)| {
            format!("{row}\t{}\t{value}\n", unit.name())
        };
        Ok(fs::write(path()?, self.0.iter().map(line).collect::<String>())?)
    }

    /// Those of the last run of the whole table.
    pub(crate) fn load() -> Result<Self, Failure> {
        let text = fs::read_to_string(path()?)
            .map_err(|why| format!("{why}: measure the whole table first"))?;
        let mut figures = Self::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [row, unit, value] = fields[..] else {
                return Err(format!("no figure: {line}").into());
            };
            let unit = Unit::ALL.into_iter().find(|known| known.name() == unit);
            figures.add(row, unit.ok_or_else(|| format!("no unit: {line}"))?, value.parse()?);
        }
        Ok(figures)
    }
}

/// Beside this program.
fn path() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?.with_file_name("sortie-bench-figures.tsv"))
}
