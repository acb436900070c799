//! A mode, run and judged.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sortie::Session;

use crate::Outcome;
use crate::measure::Held;
use crate::modes::Mode;

/// How much more memory may be resident at the end than after a tenth of all requests, in KiB: what
/// an allocator keeps for later moves by some hundred.
const RESIDENT: i64 = 1024;

/// How much more may be allocated then, in bytes. A table or a queue may have grown once more; of
/// 5,000 requests each may leave 3 bytes, of a million none.
const ALLOCATED: i64 = 16 * 1024;

/// Connections of the session: as many as tasks that run at once in any mode.
pub(crate) const AT_ONCE: u16 = 64;

/// What a mode works with.
pub(crate) struct Client {
    pub(crate) session: Session,
    pub(crate) url: String,
    /// A folder of its own, for files.
    pub(crate) folder: PathBuf,
}

impl Client {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.url)
    }
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Report {
    name: &'static str,
    count: u64,
    took: Duration,
    /// Before there was a session, but with what the process keeps for all of them.
    before: Held,
    /// After a tenth of the requests, with nothing on its way and no connection.
    early: Held,
    /// After all of them, likewise.
    late: Held,
    /// Without the session.
    after: Held,
}

impl Report {
    /// Whether everything is where it was.
    pub(crate) const fn holds(&self) -> bool {
        self.late.resident - self.early.resident <= RESIDENT
            && self.late.allocated - self.early.allocated <= ALLOCATED
            && self.late.descriptors <= self.early.descriptors
            && self.late.threads <= self.early.threads
            && self.after.descriptors <= self.before.descriptors
            && self.after.threads <= self.before.threads
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, count, took, before, early, late, after } = self;
        let verdict = if self.holds() { "held" } else { "NOT HELD" };
        write!(
            f,
            "{name}: {count} in {} s; resident {} KiB after a tenth, {:+} KiB at the end; \
             allocated {} bytes, {:+} bytes; descriptors {}, {}, {}, {}; threads {}, {}, {}, {}: \
             {verdict}",
            took.as_secs(),
            early.resident,
            late.resident - early.resident,
            early.allocated,
            late.allocated - early.allocated,
            before.descriptors,
            early.descriptors,
            late.descriptors,
            after.descriptors,
            before.threads,
            early.threads,
            late.threads,
            after.threads,
        )
    }
}

/// Runs `count` requests of a mode through one session.
pub(crate) fn soak(mode: &Mode, url: &str, count: u64) -> Outcome<Report> {
    let folder = std::env::temp_dir().join(format!("sortie-soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    // The reactor, its thread and the pool for files live as long as the process.
    let url = url.to_owned();
    let mut client = Client { session: session(), url, folder };
    (mode.run)(&client, 10)?;
    client.session = session();
    let before = Held::settled()?;
    let begin = Instant::now();
    (mode.run)(&client, count / 10)?;
    let early = rest(&client)?;
    (mode.run)(&client, count - count / 10)?;
    let late = rest(&client)?;
    let took = begin.elapsed();
    let Client { session, folder, .. } = client;
    drop(session);
    let after = Held::settled()?;
    let left = std::fs::read_dir(&folder)?.count();
    std::fs::remove_dir_all(&folder)?;
    if left > 0 {
        return Err(format!("{left} files are left").into());
    }
    Ok(Report { name: mode.name, count, took, before, early, late, after })
}

fn session() -> Session {
    Session::builder().max_connections_per_host(AT_ONCE).build()
}

/// What is held while the session rests, without idle connections.
fn rest(client: &Client) -> Outcome<Held> {
    client.session.flush();
    Held::settled()
}
