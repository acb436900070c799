//! What all commands do with a task: make it as the options say, watch it, tell how it ended.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use blocking::Unblock;
use sortie::{Request, Task, TaskBuilder, TaskState, UploadSource};

use crate::args::Common;
use crate::json;
use crate::report::Failure;
use crate::watch::Watch;
use crate::write_out::{self, Facts};

/// What is read ahead of standard input.
const AHEAD: usize = 256 * 1024;

/// How often it is looked whether a task is connected.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// The request, with the fields that were asked for.
pub(crate) fn request(common: &Common, method: &str, url: &str) -> Result<Request, Failure> {
    let mut request = Request::new(method, url)?;
    for (name, value) in &common.fields {
        request = request.field(name, value)?;
    }
    Ok(request)
}

/// Where the body of an upload comes from.
pub(crate) fn source(path: &Path) -> UploadSource {
    match path == Path::new("-") {
        true => UploadSource::reader(Unblock::with_capacity(AHEAD, io::stdin())),
        false => UploadSource::file(path),
    }
}

/// What all tasks are told.
pub(crate) fn configured(mut builder: TaskBuilder, common: &Common) -> TaskBuilder {
    builder = builder.redirects(common.redirects);
    match common.max_time {
        Some(limit) => builder.resource_timeout(limit),
        None => builder,
    }
}

/// Tells how a task ended: `--json`, `--write-out`, and a message about a failure.
pub(crate) fn told(
    common: &Common,
    task: Option<&Task>,
    watch: Option<&Watch>,
    failure: Option<&Failure>,
    say: impl FnOnce(&str),
) {
    let metrics = || watch.and_then(Watch::metrics);
    if let (Some(failure), true) = (failure, common.speaks()) {
        say(&format!("sortie: ({}) {}", failure.status(), failure.message()));
    }
    let Some(task) = task else {
        return;
    };
    if common.json {
        eprintln!("{}", json::task(task, failure, metrics()));
    }
    if let Some(format) = &common.write_out {
        let first_head = watch.and_then(Watch::first_head);
        let accepts_any = common.tls.accepts_any;
        let facts = Facts { task, failure, metrics: metrics(), first_head, accepts_any };
        let text = write_out::text(format, &facts);
        let mut out = io::stdout().lock();
        // The task is told of; who has no standard output does not read this.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// Looks whether a task gets its connection in time.
#[derive(Debug)]
pub(crate) struct Connecting {
    limit: Duration,
    /// Of the current hop.
    redirects: u8,
    since: Instant,
    is_over: bool,
}

impl Connecting {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, redirects: 0, since: Instant::now(), is_over: false }
    }

    /// Cancels the task if it is late.
    pub(crate) fn look(&mut self, task: &Task) {
        if !self.is_over && self.is_late(task) {
            self.is_over = true;
            task.cancel();
        }
    }

    fn is_late(&mut self, task: &Task) -> bool {
        let now = task.snapshot();
        if now.redirect_count != self.redirects {
            (self.redirects, self.since) = (now.redirect_count, Instant::now());
        }
        let is_waiting = now.counts.wire_sent == 0 && now.state == TaskState::Running;
        is_waiting && self.since.elapsed() >= self.limit
    }

    /// Whether the task was cancelled for being late.
    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
    }
}

/// The same by a thread, for who waits for the task itself.
#[derive(Debug)]
pub(crate) struct Guard {
    is_over: Arc<AtomicBool>,
    /// Dropped with the guard, which ends the thread.
    _until: Sender<()>,
}

impl Guard {
    pub(crate) fn new(task: &Task, limit: Duration) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (until, is_dropped): (_, Receiver<()>) = channel();
        let (task, over) = (task.clone(), is_over.clone());
        std::thread::spawn(move || {
            let mut connecting = Connecting::new(limit);
            while is_dropped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if connecting.is_late(&task) {
                    // Before the cancel, which the flag explains.
                    over.store(true, Ordering::Release);
                    return task.cancel();
                }
            }
        });
        Self { is_over, _until: until }
    }

    /// Whether the task was cancelled for being late.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}
