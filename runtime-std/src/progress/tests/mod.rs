//! The rules of a tree of progress, one test each; then random trees, and threads.

mod commands;
mod fractions;
mod random;
mod tasks;
mod threads;
mod trees;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Progress, ProgressError, ProgressReporting, ProgressValue, Report, Slot, Source};

const CLOSE: f64 = 1e-12;

fn by_hand(completed: u64, total: impl Into<Option<u64>>) -> Progress {
    let progress = Progress::new(0);
    progress.set_total_units(total.into()).unwrap();
    progress.set_completed_units(completed).unwrap();
    progress
}

fn value(completed: u64, total: impl Into<Option<u64>>) -> ProgressValue {
    ProgressValue { completed, total: total.into() }
}

#[track_caller]
fn assert_close(fraction: f64, expected: f64) {
    assert!((fraction - expected).abs() < CLOSE, "{fraction} is not {expected}");
}

/// A task as far as progress sees it. Its lock is as a task's own: asking it while it is held by
/// the same thread would hang.
struct FakeTask {
    report: Mutex<Report>,
    suspends: AtomicUsize,
    /// What happens elsewhere just before the next pause arrives.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    slot: Slot,
}

impl FakeTask {
    /// A task that runs.
    fn new(send: ProgressValue, receive: ProgressValue) -> Arc<Self> {
        let total = send.total.zip(receive.total).map(|(send, receive)| send + receive);
        let combined = value(send.completed + receive.completed, total);
        let report = Report { send, receive, combined, ..Report::default() };
        Arc::new(Self {
            report: Mutex::new(report),
            suspends: AtomicUsize::new(0),
            meanwhile: Mutex::default(),
            slot: Slot::new(),
        })
    }

    fn receiving(completed: u64, total: impl Into<Option<u64>>) -> Arc<Self> {
        Self::new(value(0, 0), value(completed, total))
    }

    fn now(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self) {
        let mut now = self.now();
        let all = now.combined.completed.max(1);
        now.combined = value(all, all);
        now.is_finished = true;
        now.is_paused = false;
    }
}

impl Source for FakeTask {
    fn report(&self) -> Report {
        *self.now()
    }

    fn cancel(&self) {
        let mut now = self.now();
        if !now.is_finished {
            now.is_cancelled = true;
        }
    }

    fn pause(&self) -> bool {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        meanwhile.into_iter().for_each(|happens| happens());
        let mut now = self.now();
        let paused = !now.is_finished && !now.is_paused;
        if paused {
            now.is_paused = true;
            self.suspends.fetch_add(1, Ordering::Relaxed);
        }
        paused
    }

    fn resume(&self) -> bool {
        let mut now = self.now();
        let resumed = now.is_paused;
        now.is_paused = false;
        resumed
    }
}

impl ProgressReporting for Arc<FakeTask> {
    fn progress(&self) -> Progress {
        self.slot.progress(|| self.clone())
    }
}

/// A list to which handlers add.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<&'static str>>>);

impl Told {
    fn teller(&self, what: &'static str) -> impl Fn() + Send + Sync + 'static {
        let told = self.clone();
        move || told.0.lock().unwrap().push(what)
    }

    /// What was told since this was last asked.
    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn watch(&self, progress: &Progress, names: [&'static str; 3]) {
        progress.on_cancel(self.teller(names[0]));
        progress.on_pause(self.teller(names[1]));
        progress.on_resume(self.teller(names[2]));
    }
}
