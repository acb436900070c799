//! Much at once, instead of much one after another: what is held while it is on its way.

use std::fmt;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use sortie::{Session, Task};

use crate::Outcome;
use crate::measure::Held;
use crate::origin::{LARGE, SLOW};

/// A load: one number of transfers, all at the same time.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// Transfers of a whole run.
    pub(crate) count: u64,
    pub(crate) what: &'static str,
    /// KiB that each of them may hold while it is on its way. Resident memory is meant: what the
    /// kernel holds of a socket is not counted.
    each: i64,
    /// Descriptors that the process needs, for each.
    descriptors: u64,
    /// MiB that the process may map at most, if that is less than all content together.
    memory: Option<u64>,
    run: fn(&str, u64) -> Outcome<(Held, u64)>,
}

pub(crate) const LOADS: &[Load] = &[
    Load {
        name: "slow",
        count: 5000,
        what: "downloads at once that trickle, to files and to memory in turns",
        each: 48,
        descriptors: 3,
        memory: None,
        run: slow,
    },
    Load {
        name: "readers",
        count: 64,
        what: "bodies of 24 MiB at once, of which the readers take little, in 1 GiB of memory",
        each: 160,
        descriptors: 3,
        memory: Some(1024),
        run: readers,
    },
];

impl Load {
    /// The line of a shell that sets the limits of a process with so many transfers and starts it.
    pub(crate) fn limits(&self, count: u64) -> String {
        let descriptors = 256 + count * self.descriptors;
        let memory = self.memory.map(|mib| format!("ulimit -v {} && ", mib << 10));
        let memory = memory.unwrap_or_default();
        format!("ulimit -n {descriptors} && {memory}exec \"$0\" \"$@\"")
    }

    /// Runs it, and says what was measured. Whether all of it held.
    pub(crate) fn measure(&self, url: &str, count: u64) -> Outcome<(Report, bool)> {
        // The reactor, its thread and the pool for files live as long as the process.
        (self.run)(url, 4)?;
        let before = Held::settled()?;
        // What the reactor and the allocator keep for as many again.
        (self.run)(url, count)?;
        let between = Held::settled()?;
        let begin = Instant::now();
        let (during, bytes) = (self.run)(url, count)?;
        let took = begin.elapsed();
        let after = Held::settled()?;
        let name = self.name;
        let report = Report { name, count, bytes, took, before, between, during, after };
        let held = during.resident - before.resident <= self.each * i64::try_from(count)? + 4096
            && during.descriptors >= before.descriptors + usize::try_from(count)?
            && after.descriptors <= before.descriptors
            && after.threads <= before.threads
            // What is not allocated any more is the allocator's to keep for later.
            && after.resident <= during.resident + 1024
            && after.allocated - between.allocated <= 16 * 1024;
        Ok((report, held))
    }
}

/// What was measured of a load.
#[derive(Debug)]
pub(crate) struct Report {
    name: &'static str,
    count: u64,
    bytes: u64,
    took: Duration,
    before: Held,
    /// When as many were over.
    between: Held,
    /// When every transfer had begun, and none was over.
    during: Held,
    after: Held,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, count, bytes, took, before, between, during, after } = self;
        let each = (during.resident - before.resident) as f64 / *count as f64;
        write!(
            f,
            "{name}: {count} at once, {bytes} bytes in {} s; resident {} KiB before, {} between, \
             {} during ({each:.1} each), {} after; allocated {} bytes, {}, {}, {}; \
             descriptors {}, {}, {}; threads {}, {}, {}",
            took.as_secs(),
            before.resident,
            between.resident,
            during.resident,
            after.resident,
            before.allocated,
            between.allocated,
            during.allocated,
            after.allocated,
            before.descriptors,
            during.descriptors,
            after.descriptors,
            before.threads,
            during.threads,
            after.threads,
        )
    }
}

fn session(count: u64) -> Outcome<Session> {
    let count = u16::try_from(count)?;
    Ok(Session::builder().max_connections_per_host(count).max_connections(count).build())
}

/// Tasks that nobody awaits, all of them on their way at the same time.
fn slow(url: &str, count: u64) -> Outcome<(Held, u64)> {
    let folder = std::env::temp_dir().join(format!("sortie-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let session = session(count)?;
    let url = format!("{url}/slow");
    let place = |number: u64| folder.join(number.to_string());
    let tasks = (0..count).map(|number| match number % 2 {
        0 => session.task(&url),
        _ => session.download_task(&url).to(place(number)).create(),
    });
    let tasks = tasks.collect::<Result<Vec<Task>, _>>()?;
    tasks.iter().for_each(Task::resume);
    while tasks.iter().any(|task| task.counts().received == 0) {
        if tasks.iter().any(|task| task.error().is_some()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let during = Held::now()?;
    let over = tasks.iter().filter(|task| task.state() == sortie::TaskState::Completed).count();
    let mut bytes = 0;
    for (number, task) in (0..).zip(tasks) {
        let (_, content) = task.wait()?;
        let content = if number % 2 == 0 { content } else { std::fs::read(place(number))? };
        if content != vec![b'x'; SLOW] {
            return Err(format!("{} bytes of other content came", content.len()).into());
        }
        bytes += content.len() as u64;
    }
    std::fs::remove_dir_all(&folder)?;
    if over > 0 {
        return Err(format!("{over} were over before all had begun").into());
    }
    Ok((during, bytes))
}

/// Each takes a little, and no more for two seconds; then all of it.
fn readers(url: &str, count: u64) -> Outcome<(Held, u64)> {
    let session = session(count)?;
    let url = format!("{url}/large");
    let executor = LocalExecutor::new();
    async_io::block_on(executor.run(async {
        let begun = (0..count).map(|_| {
            executor.spawn(async {
                let (_, mut body) = session.bytes(&url).await?;
                let mut piece = [0; 1024];
                let count = body.read(&mut piece).await?;
                Ok::<_, sortie::Error>((body, count))
            })
        });
        let mut bodies = Vec::new();
        for body in begun.collect::<Vec<_>>() {
            bodies.push(body.await?);
        }
        async_io::Timer::after(Duration::from_secs(2)).await;
        let during = Held::now()?;
        let whole = bodies.into_iter().map(|(mut body, mut total)| {
            executor.spawn(async move {
                let mut piece = [0; 16 * 1024];
                loop {
                    match body.read(&mut piece).await? {
                        0 => return Ok::<_, sortie::Error>(total),
                        count if piece[..count].iter().all(|byte| *byte == b'x') => total += count,
                        _ => return Ok(0),
                    }
                }
            })
        });
        let mut bytes = 0;
        for total in whole.collect::<Vec<_>>() {
            let total = total.await?;
            if total != LARGE {
                return Err(format!("{total} bytes came of {LARGE}").into());
            }
            bytes += total as u64;
        }
        Ok((during, bytes))
    }))
}
