//! Watches a task: what it took, what `-v` shows of it, and when it has ended.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sortie::{
    Disposition, Error, RedirectDecision, Request, Response, Task, TaskDelegate, TaskMetrics,
    Transaction,
};

use crate::report::shown;
use crate::verbose::{self, event};

/// What is known of a task beside what it tells itself.
#[derive(Debug)]
pub(crate) struct Watch {
    is_verbose: bool,
    /// Which task it is, in front of what is shown of it; empty where there is one at a time.
    tag: String,
    created: Instant,
    seen: Mutex<Seen>,
    /// Who waits for the end, and by which number.
    waits: Option<(Sender<usize>, usize)>,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    metrics: Option<TaskMetrics>,
    first_head: Option<Duration>,
    /// The request of this hop was sent, or begun to be.
    is_sent: bool,
}

impl Watch {
    pub(crate) fn new(
        is_verbose: bool,
        tag: String,
        waits: Option<(Sender<usize>, usize)>,
    ) -> Self {
        Self { is_verbose, tag, created: Instant::now(), seen: Mutex::default(), waits }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the task took, once it has ended.
    pub(crate) fn metrics(&self) -> Option<TaskMetrics> {
        self.seen().metrics.clone()
    }

    /// From the start to the head of the last response.
    pub(crate) fn first_head(&self) -> Option<Duration> {
        self.seen().first_head
    }

    /// The task is about to start.
    pub(crate) fn starts(&self, task: &Task) {
        let request = task.original_request();
        self.tell(&format!("{} {}", request.method(), shown(request.url())), "");
    }

    /// Shows that something happened, with lines that belong to it.
    fn tell(&self, what: &str, lines: &str) {
        if self.is_verbose {
            verbose::show(&(event(&self.tag, what) + lines));
        }
    }
}

impl TaskDelegate for Watch {
    fn did_connect(&self, task: &Task, transaction: &Transaction) {
        let is_again = std::mem::replace(&mut self.seen().is_sent, true);
        if !self.is_verbose {
            return;
        }
        if is_again {
            self.tell("the request is sent once more", "");
        }
        let connection = verbose::connection(&self.tag, transaction);
        verbose::show(&(connection + &verbose::request(task)));
    }

    fn did_receive_informational_response(&self, _: &Task, response: &Response) {
        self.tell("interim response", &verbose::response(response));
    }

    fn will_redirect(
        &self,
        _: &Task,
        response: &Response,
        request: &Request,
        decision: RedirectDecision,
    ) {
        self.seen().is_sent = false;
        let to = format!("redirected: {} {}", request.method(), shown(request.url()));
        self.tell(&to, &verbose::response(response));
        decision.follow();
    }

    fn did_receive_response(&self, _: &Task, response: &Response, decision: Disposition) {
        self.seen().first_head = Some(self.created.elapsed());
        self.tell("response", &verbose::response(response));
        decision.allow();
    }

    fn did_send_body_data(&self, _: &Task, _: u64, total: u64, expected: Option<u64>) {
        if expected == Some(total) {
            self.tell(&format!("body sent: {total} bytes"), "");
        }
    }

    fn did_resume_at_offset(&self, _: &Task, offset: u64, expected: Option<u64>) {
        let of = expected.map_or_else(String::new, |expected| format!(" of {expected}"));
        self.tell(&format!("goes on behind {offset}{of} bytes"), "");
    }

    fn did_finish_downloading(&self, _: &Task, file: &std::path::Path) {
        self.tell(&format!("stored in {}", file.display()), "");
    }

    fn did_finish_collecting_metrics(&self, _: &Task, metrics: &TaskMetrics) {
        self.seen().metrics = Some(metrics.clone());
    }

    fn did_complete(&self, task: &Task, result: Result<(), Error>) {
        if let (true, Some(metrics)) = (self.is_verbose, &self.seen().metrics) {
            verbose::show(&verbose::end(&self.tag, task, metrics, result.is_ok()));
        }
        if let Some((sender, number)) = &self.waits {
            // Nobody waits any more only where the command is about to end.
            let _ = sender.send(*number);
        }
    }
}
