//! `sortie demo`: a download that is suspended, resumed, cut off, gone on with and verified, from
//! an origin of its own on loopback.
//!
//! Each line has at most 40 columns, so that it fits everywhere.

mod origin;

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use sortie::{Session, Task, TaskState};

use crate::bars::{Bars, FRAME};

/// Bytes after which the task is suspended.
const SUSPENDED_AT: u64 = 6 << 20;

/// How long it stays so.
const SUSPENDED_FOR: Duration = Duration::from_millis(1500);

/// More than all of it takes.
const LIMIT: Duration = Duration::from_secs(18);

type Shown = Result<(), Box<dyn Error>>;

pub(crate) fn run() -> ExitCode {
    let folder = Folder(std::env::temp_dir().join(format!("sortie-demo-{}", std::process::id())));
    match fs::create_dir(&folder.0).map_err(Into::into).and_then(|()| show(&folder.0)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sortie: demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Removed with all that is in it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing depends on it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn show(folder: &Path) -> Shown {
    let began = Instant::now();
    let file = folder.join("file");
    let url = format!("http://{}/file", origin::start()?);
    let session = Session::builder().resource_timeout(LIMIT).build();
    let mut stage = Stage::new();
    stage.say("origin", &url);
    stage.say("content", &format!("{} of random bytes", mebibytes(origin::LENGTH)));

    let task = session.download_task(&url).to(&file).create()?;
    stage.say("created", &state(&task));
    task.resume();
    stage.say("resumed", &state(&task));
    stage.watch(&task, |task| task.counts().received >= SUSPENDED_AT);
    suspended(&mut stage, &task)?;
    task.resume();
    stage.say("resumed", &state(&task));
    stage.watch(&task, |_| false);

    let Err(error) = task.clone().wait() else {
        return Err("the origin should have cut the connection".into());
    };
    stage.say("cut off", &state(&task));
    stage.say("error", &format!("connection lost ({})", error.code()));
    let data = error.resume_data().ok_or("there is no resume data")?;
    let stored = data.received();
    stage.say("resume data", &format!("{} are stored", mebibytes(stored)));

    let task = session.download_task_with_resume_data(data).sha256(origin::SHA256).create()?;
    stage.say("new task", &state(&task));
    task.resume();
    stage.watch(&task, |task| task.counts().received >= stored);
    stage.say("goes on", &format!("behind {}", mebibytes(stored)));
    stage.watch(&task, |_| false);
    let (response, _) = task.clone().wait()?;
    stage.say("completed", &format!("{} with {}", state(&task), response.status()));
    verified(&stage, &file)?;
    stage.say("done", &format!("in {:.1} s", began.elapsed().as_secs_f64()));
    Ok(())
}

/// Nothing comes while the task is suspended.
fn suspended(stage: &mut Stage, task: &Task) -> Shown {
    task.suspend()?;
    stage.say("suspended", &state(task));
    // A read that was under way may still bring something.
    stage.rest(FRAME);
    let before = task.counts().received;
    stage.rest(SUSPENDED_FOR);
    let more = task.counts().received - before;
    stage.say("held", &format!("{:.1} s, {more} bytes came", SUSPENDED_FOR.as_secs_f64()));
    match more {
        0 => Ok(()),
        _ => Err("content came while the task was suspended".into()),
    }
}

/// The library compared the digest; here the bytes themselves are compared, too.
fn verified(stage: &Stage, file: &Path) -> Shown {
    let digits: String = origin::SHA256.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    stage.say("SHA-256", &format!("{digits}... is right"));
    if fs::read(file)? != origin::content(0, origin::LENGTH) {
        return Err("the file is not what the origin sent".into());
    }
    stage.say("bytes", "as the origin sent them");
    Ok(())
}

/// A task's state and bytes.
fn state(task: &Task) -> String {
    let word = match task.state() {
        TaskState::Suspended => "suspended",
        TaskState::Running => "running",
        TaskState::Canceling => "canceling",
        TaskState::Completed => "completed",
    };
    format!("{word}, {}", mebibytes(task.counts().received))
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// Where it is shown: lines, and a bar where there is a terminal.
struct Stage {
    bars: Option<(Bars, ProgressBar)>,
}

impl Stage {
    fn new() -> Self {
        let bars = Bars::new().map(|bars| {
            let bar = bars.add("file");
            (bars, bar)
        });
        Self { bars }
    }

    /// One line, of at most 40 columns.
    fn say(&self, what: &str, text: &str) {
        let line = format!("{what:<12}{text}");
        match &self.bars {
            Some((bars, _)) => bars.line(&line),
            // Who reads no further misses the rest.
            None => _ = writeln!(io::stdout(), "{line}"),
        }
    }

    /// Shows the task until `until` is so, or it has ended.
    fn watch(&mut self, task: &Task, until: impl Fn(&Task) -> bool) {
        while task.state() != TaskState::Completed && !until(task) {
            self.set(task);
            self.rest(FRAME);
        }
        self.set(task);
    }

    fn set(&self, task: &Task) {
        if let Some((bars, bar)) = &self.bars {
            let counts = task.counts();
            bars.set(bar, counts.received, counts.expected_to_receive);
        }
    }

    fn rest(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if let Some((bars, _)) = &mut self.bars {
                bars.show();
            }
            thread::sleep(left.min(FRAME / 4));
        }
    }
}
