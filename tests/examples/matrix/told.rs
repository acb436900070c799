//! What a task tells while it runs, in order.

use std::sync::{Arc, Mutex};

use sortie::{Response, Task, TaskDelegate, TaskMetrics, Transaction};

/// A delegate that keeps what it is told.
#[derive(Clone, Default)]
pub(crate) struct Told {
    notes: Arc<Mutex<Vec<String>>>,
    transactions: Arc<Mutex<Vec<Transaction>>>,
    /// A download is suspended as soon as some of it is stored.
    stops: bool,
}

impl Told {
    pub(crate) fn stopping() -> Self {
        Self { stops: true, ..Self::default() }
    }

    /// What happened, each as often as it is not the same as before.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.lock().unwrap().clone();
        notes.dedup();
        notes
    }

    /// What all of its tasks took.
    pub(crate) fn transactions(&self) -> Vec<Transaction> {
        self.transactions.lock().unwrap().clone()
    }

    /// Connections that were made for its tasks.
    pub(crate) fn connections(&self) -> usize {
        self.transactions().iter().filter(|one| !one.is_reused).count()
    }

    fn note(&self, note: impl Into<String>) {
        self.notes.lock().unwrap().push(note.into());
    }
}

impl TaskDelegate for Told {
    fn did_receive_informational_response(&self, _: &Task, response: &Response) {
        self.note(response.status().to_string());
    }

    fn did_send_body_data(&self, _: &Task, _: u64, _: u64, _: Option<u64>) {
        self.note("sent");
    }

    fn did_write_data(&self, task: &Task, _: u64, _: u64, _: Option<u64>) {
        self.note("wrote");
        if self.stops {
            // It may have been suspended a moment ago.
            let _ = task.suspend();
        }
    }

    fn did_resume_at_offset(&self, _: &Task, offset: u64, _: Option<u64>) {
        self.note(format!("resumed at {offset}"));
    }

    fn did_finish_collecting_metrics(&self, _: &Task, metrics: &TaskMetrics) {
        self.transactions.lock().unwrap().extend(metrics.transactions.iter().cloned());
    }
}
