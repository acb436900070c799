//! Measures a row from outside: this program again, under callgrind, under strace, or as it is.

use crate::meter::{Failure, Row};
use crate::origin::{Origin, Serves};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

/// What one iteration of a row costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Instructions in user space, on all threads.
    pub(crate) instructions: f64,
    /// Allocations and reallocations.
    pub(crate) allocations: f64,
    /// Bytes they asked for.
    pub(crate) bytes: f64,
    /// System calls, on all threads.
    pub(crate) syscalls: Syscalls,
}

/// System calls of an iteration, where they can be counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Syscalls {
    /// So many.
    Counted(f64),
    /// Counting them would change them.
    NotCounted,
    /// strace is not installed.
    NoStrace,
}

impl Syscalls {
    /// How many, if that is known.
    pub(crate) const fn known(self) -> Option<f64> {
        match self {
            Self::Counted(count) => Some(count),
            Self::NotCounted | Self::NoStrace => None,
        }
    }
}

/// What the counted iterations of a plain run spent, as the run itself says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    allocations: f64,
    bytes: f64,
    /// Nanoseconds of CPU time.
    pub(crate) cpu_time: f64,
    /// Bytes of memory.
    pub(crate) resident: f64,
}

/// One origin of each kind.
#[derive(Debug)]
pub(crate) struct Origins {
    answers: Origin,
    blocks: Origin,
}

impl Origins {
    /// Starts them.
    pub(crate) fn start() -> Result<Self, Failure> {
        Ok(Self {
            answers: Origin::start(Serves::Answers)?,
            blocks: Origin::start(Serves::Blocks)?,
        })
    }

    fn address(&self, serves: Serves) -> SocketAddr {
        match serves {
            Serves::Answers => self.answers.address(),
            Serves::Blocks => self.blocks.address(),
        }
    }
}

/// Measures `row`.
pub(crate) fn cost(row: &Row, origins: &Origins) -> Result<Cost, Failure> {
    let per_iteration = |count: &dyn Fn(usize) -> Result<f64, Failure>| {
        // What N iterations add to a run that has done N already.
        Ok::<_, Failure>(
            (count(2 * row.iterations)? - count(row.iterations)?) / row.iterations as f64,
        )
    };
    let each = |total: f64| total / row.iterations as f64;
    let (allocations, bytes) = if row.is_foreign {
        (
            per_iteration(&|n| Ok(foreign_allocations(row, n, origins)?.0))?,
            per_iteration(&|n| Ok(foreign_allocations(row, n, origins)?.1))?,
        )
    } else {
        let spent = spent(row, row.iterations, origins)?;
        (each(spent.allocations), each(spent.bytes))
    };
    // Over loopback chance has a part in it: the middle one of three.
    let times = if row.origin == Some(Serves::Answers) { 3 } else { 1 };
    let mut counts = Vec::new();
    for _ in 0..times {
        counts.push(per_iteration(&|n| instructions(row, n, origins))?);
    }
    let instructions = median(counts);
    // How often a client has to wait for long content is strace's doing: it slows only the client.
    let syscalls = match row.origin {
        Some(Serves::Blocks) => Syscalls::NotCounted,
        Some(Serves::Answers) | None if !has_strace() => Syscalls::NoStrace,
        Some(Serves::Answers) | None => {
            Syscalls::Counted(per_iteration(&|n| syscalls(row, n, origins))?)
        }
    };
    Ok(Cost { instructions, allocations, bytes, syscalls })
}

/// The middle one.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// A plain run.
pub(crate) fn spent(row: &Row, iterations: usize, origins: &Origins) -> Result<Spent, Failure> {
    let output = finished(&[], row, iterations, origins)?;
    let report = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = report.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [allocations, bytes, cpu_time, resident] = numbers[..] else {
        return Err("the run counted nothing".into());
    };
    Ok(Spent { allocations, bytes, cpu_time, resident })
}

/// Instructions of a whole run: callgrind's total.
fn instructions(row: &Row, iterations: usize, origins: &Origins) -> Result<f64, Failure> {
    let tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let output = finished(&tool, row, iterations, origins)?;
    number_behind(&output, "Collected : ")
}

/// Allocations of a whole run and their bytes, whoever makes them: memcheck's total.
fn foreign_allocations(
    row: &Row,
    iterations: usize,
    origins: &Origins,
) -> Result<(f64, f64), Failure> {
    let tool = ["valgrind", "--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"];
    let output = finished(&tool, row, iterations, origins)?;
    Ok((number_behind(&output, "total heap usage: ")?, number_behind(&output, " frees, ")?))
}

/// System calls of a whole run: the total of strace's summary.
fn syscalls(row: &Row, iterations: usize, origins: &Origins) -> Result<f64, Failure> {
    let tool = ["strace", "-f", "-c", "-U", "calls,name"];
    let output = finished(&tool, row, iterations, origins)?;
    let report = String::from_utf8_lossy(&output.stderr);
    let total = report.lines().find_map(|line| line.strip_suffix(" total"));
    Ok(total.ok_or("strace reported no total")?.trim().parse()?)
}

fn has_strace() -> bool {
    Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success())
}

/// The number that a tool has printed behind `words`.
fn number_behind(output: &Output, words: &str) -> Result<f64, Failure> {
    let report = String::from_utf8_lossy(&output.stderr);
    let behind = report.split_once(words).ok_or_else(|| format!("no `{words}` was reported"))?.1;
    let digits = behind.chars().take_while(|c| c.is_ascii_digit() || *c == ',');
    Ok(digits.filter(char::is_ascii_digit).collect::<String>().parse()?)
}

/// Runs `row` under `tool`, or plainly where there is none.
fn finished(
    tool: &[&str],
    row: &Row,
    iterations: usize,
    origins: &Origins,
) -> Result<Output, Failure> {
    let program = std::env::current_exe()?;
    let mut command = match tool {
        [] => Command::new(program),
        [tool, args @ ..] => {
            let mut command = Command::new(tool);
            command.args(args).arg(program);
            command
        }
    };
    command.args(["run", row.name, &iterations.to_string()]);
    if let Some(serves) = row.origin {
        command.arg(origins.address(serves).to_string());
    }
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(output),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{} failed, {}:\n{said}", row.name, output.status).into())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(format!("{} is not installed", tool.first().unwrap_or(&"this program")).into())
        }
        Err(error) => Err(error.into()),
    }
}
