//! Watches a task: what it took, its requests and heads for `-v`, and when it has ended.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sortie::{
    Error, RedirectDecision, Request, Response, Task, TaskDelegate, TaskMetrics, Transaction,
};

use crate::report::shown;

/// Fields whose values are secrets. They are not shown.
const SECRETS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// In place of what is not shown.
pub(crate) const HIDDEN: &str = "(hidden)";

/// What is known of a task beside what it tells itself.
#[derive(Debug)]
pub(crate) struct Watch {
    is_verbose: bool,
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
    /// The request of this hop was shown.
    is_told: bool,
}

impl Watch {
    pub(crate) fn new(is_verbose: bool, waits: Option<(Sender<usize>, usize)>) -> Self {
        Self { is_verbose, created: Instant::now(), seen: Mutex::default(), waits }
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

    /// Shows the request of this hop, once, and the head of a response.
    fn tell(&self, task: &Task, response: Option<&Response>) {
        if !self.is_verbose {
            return;
        }
        let mut seen = self.seen();
        let mut text = String::new();
        if !std::mem::replace(&mut seen.is_told, true) {
            request_lines(&mut text, &task.current_request(), task);
        }
        if let Some(response) = response {
            response_lines(&mut text, response);
        }
        eprint!("{text}");
    }
}

impl TaskDelegate for Watch {
    fn did_receive_informational_response(&self, task: &Task, response: &Response) {
        self.tell(task, Some(response));
    }

    fn will_redirect(
        &self,
        task: &Task,
        response: &Response,
        request: &Request,
        decision: RedirectDecision,
    ) {
        self.tell(task, Some(response));
        self.seen().is_told = false;
        if self.is_verbose {
            eprintln!("* follows to {}", shown(request.url()));
        }
        decision.follow();
    }

    fn did_receive_response(
        &self,
        task: &Task,
        response: &Response,
        decision: sortie::Disposition,
    ) {
        self.seen().first_head = Some(self.created.elapsed());
        self.tell(task, Some(response));
        decision.allow();
    }

    fn did_resume_at_offset(&self, _: &Task, offset: u64, expected: Option<u64>) {
        if self.is_verbose {
            let of = expected.map_or_else(String::new, |expected| format!(" of {expected}"));
            eprintln!("* goes on behind {offset}{of} bytes");
        }
    }

    fn did_finish_collecting_metrics(&self, task: &Task, metrics: &TaskMetrics) {
        if self.is_verbose {
            let sent = |it: &Transaction| it.request_start.is_some();
            if metrics.transactions.last().is_some_and(sent) {
                self.tell(task, None);
            }
            metrics.transactions.iter().for_each(|it| eprintln!("{}", transaction_line(it)));
        }
        self.seen().metrics = Some(metrics.clone());
    }

    fn did_complete(&self, _: &Task, _: Result<(), Error>) {
        if let Some((sender, number)) = &self.waits {
            // Nobody waits any more only where the command is about to end.
            let _ = sender.send(*number);
        }
    }
}

/// The request as it is sent, but for what resuming adds.
fn request_lines(text: &mut String, request: &Request, task: &Task) {
    use sortie::core::Url;
    let (path, authority) = match Url::parse(request.url()) {
        Ok(url) => (url.path_and_query(), url.authority()),
        Err(_) => (request.url(), ""),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    *text += &format!("> {} {slash}{path} HTTP/1.1\n", request.method());
    let has = |name: &str| request.fields().any(|(it, _)| it.eq_ignore_ascii_case(name));
    if !has("host") {
        *text += &format!("> Host: {authority}\n");
    }
    if !has("user-agent") {
        *text += concat!("> User-Agent: sortie/", env!("CARGO_PKG_VERSION"), "\n");
    }
    if !has("accept") {
        *text += "> Accept: */*\n";
    }
    for (name, value) in request.fields() {
        *text += &format!("> {name}: {}\n", value_shown(name, value));
    }
    match task.counts().expected_to_send {
        Some(0) => {}
        Some(length) => *text += &format!("> Content-Length: {length}\n"),
        None => *text += "> Transfer-Encoding: chunked\n",
    }
    *text += ">\n";
}

fn response_lines(text: &mut String, response: &Response) {
    let head = response.head();
    let reason = String::from_utf8_lossy(head.reason());
    *text += &format!("< HTTP/1.{} {} {reason}\n", head.minor_version(), head.status());
    for (name, value) in response.fields() {
        *text += &format!("< {name}: {}\n", value_shown(name, value));
    }
    *text += "<\n";
}

/// The value of a field as it can be shown.
pub(crate) fn value_shown(name: &str, value: &[u8]) -> String {
    if SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name)) {
        return HIDDEN.to_owned();
    }
    let text = String::from_utf8_lossy(value);
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn transaction_line(it: &Transaction) -> String {
    let connection = match (it.is_reused, it.connect_start.zip(it.connect_end)) {
        (true, _) => "connection used again".to_owned(),
        (false, Some((start, end))) => {
            format!("connected in {:.1} ms", milliseconds(end.saturating_sub(start)))
        }
        (false, None) => "not connected".to_owned(),
    };
    let status = it.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let exchange =
        it.request_start.zip(it.response_end).map_or_else(String::new, |(start, end)| {
            format!(", {:.1} ms for the exchange", milliseconds(end.saturating_sub(start)))
        });
    let (sent, received) = (it.counts.wire_sent, it.counts.wire_received);
    let url = shown(&it.url);
    format!("* {url}: {status}, {connection}{exchange}, {sent} bytes sent, {received} received")
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
