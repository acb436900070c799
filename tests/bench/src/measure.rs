//! Measures a row from outside: this program again, under callgrind, under strace, or as it is.

use crate::meter::{Failure, Row};
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

/// What one iteration of a row costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Instructions in user space, on all threads.
    pub(crate) instructions: f64,
    /// Allocations and reallocations.
    pub(crate) allocations: f64,
    /// Bytes they asked for.
    pub(crate) bytes: f64,
    /// System calls, on all threads; `None` where strace is not installed.
    pub(crate) syscalls: Option<f64>,
}

/// Measures `row`.
pub(crate) fn cost(row: &Row, origin: SocketAddr) -> Result<Cost, Failure> {
    let (allocations, bytes) = allocated(row, origin)?;
    let instructions = per_iteration(row, |n| instructions(row, n, origin).map(Some))?
        .ok_or("callgrind counted nothing")?;
    let syscalls = per_iteration(row, |n| syscalls(row, n, origin))?;
    Ok(Cost { instructions, allocations, bytes, syscalls })
}

/// What N iterations add to a run that has done N already.
fn per_iteration(
    row: &Row,
    count: impl Fn(usize) -> Result<Option<u64>, Failure>,
) -> Result<Option<f64>, Failure> {
    let n = row.iterations;
    let (Some(once), Some(twice)) = (count(n)?, count(2 * n)?) else {
        return Ok(None);
    };
    Ok(Some((twice as f64 - once as f64) / n as f64))
}

/// Instructions of a whole run: callgrind's total.
fn instructions(row: &Row, iterations: usize, origin: SocketAddr) -> Result<u64, Failure> {
    let tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let output = finished(&tool, row, iterations, origin)?.ok_or("valgrind is not installed")?;
    let report = String::from_utf8_lossy(&output.stderr);
    let total = report.lines().find_map(|line| line.split_once("Collected : "));
    let (_, total) = total.ok_or("callgrind reported no total")?;
    Ok(total.trim().parse()?)
}

/// System calls of a whole run: the total of strace's summary.
fn syscalls(row: &Row, iterations: usize, origin: SocketAddr) -> Result<Option<u64>, Failure> {
    let tool = ["strace", "-f", "-c", "-U", "calls,name"];
    let Some(output) = finished(&tool, row, iterations, origin)? else {
        return Ok(None);
    };
    let report = String::from_utf8_lossy(&output.stderr);
    let total = report.lines().find_map(|line| line.strip_suffix(" total"));
    let total = total.ok_or("strace reported no total")?;
    Ok(Some(total.trim().parse()?))
}

/// Allocations per iteration, which the run counts itself.
fn allocated(row: &Row, origin: SocketAddr) -> Result<(f64, f64), Failure> {
    let n = row.iterations;
    let output = finished(&[], row, n, origin)?.ok_or("this program is not there any more")?;
    let report = String::from_utf8(output.stdout)?;
    let (count, bytes) = report.trim().split_once(' ').ok_or("the run counted nothing")?;
    let each = |total: &str| Ok::<_, Failure>(total.parse::<u64>()? as f64 / n as f64);
    Ok((each(count)?, each(bytes)?))
}

/// Runs `row` under `tool`, or plainly where there is none; `None` where it is not installed.
fn finished(
    tool: &[&str],
    row: &Row,
    iterations: usize,
    origin: SocketAddr,
) -> Result<Option<Output>, Failure> {
    let program = std::env::current_exe()?;
    let mut command = match tool {
        [] => Command::new(program),
        [tool, args @ ..] => {
            let mut command = Command::new(tool);
            command.args(args).arg(program);
            command
        }
    };
    command.args(["run", row.name, &iterations.to_string(), &origin.to_string()]);
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(Some(output)),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{} failed, {}:\n{said}", row.name, output.status).into())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The origin, in a process of its own that ends with this value.
#[derive(Debug)]
pub(crate) struct Origin {
    process: Child,
    address: SocketAddr,
}

impl Origin {
    /// Starts it and waits until it listens.
    pub(crate) fn start() -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("origin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("the origin has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(Self { process, address: line.trim().parse()? })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Origin {
    /// Ends its standard input, which ends it.
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Nothing is left to do about an origin that cannot be waited for.
        let _ = self.process.wait();
    }
}
