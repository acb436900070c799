//! This process and the machine: cores, descriptors, memory and time.

use crate::meter::{Failure, Outcome};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::time::Duration;

/// Who runs on which core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is measured: the first core.
    Client,
    /// What it talks to: the last one.
    Origin,
}

/// Keeps this process on one core, where there are several: neither side moves, and neither takes
/// the other's time.
pub(crate) fn pin(side: Side) -> Outcome {
    let allowed = sched_getaffinity(None)?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let (Some(first), Some(last)) = (cores.first(), cores.last()) else {
        return Err("there is no core to run on".into());
    };
    let mut set = CpuSet::new();
    set.set(if side == Side::Client { *first } else { *last });
    Ok(sched_setaffinity(None, &set)?)
}

/// Allows this process as many descriptors as the system lets it have.
pub(crate) fn allow_descriptors() -> Outcome {
    let most = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?)
}

/// CPU time of all threads of this process so far, in user space and in the kernel.
pub(crate) fn cpu_time() -> Result<Duration, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let micros = micros(usage.user_time()) + micros(usage.system_time());
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

/// Bytes of memory that this process has in use.
pub(crate) fn resident() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no VmRSS")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}
