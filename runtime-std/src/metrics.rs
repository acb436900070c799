//! What a task took: one record for every request and response on a connection.

use std::time::Duration;

use sortie_core::{ByteCounts, Instant};

/// What a task took, from its creation to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskMetrics {
    /// From the creation of the task to its end.
    pub duration: Duration,
    /// Redirects that were followed.
    pub redirect_count: u8,
    /// One for every connection that the task had, in their order: each redirect and each retry
    /// has its own.
    pub transactions: Vec<Transaction>,
}

/// One request and its response. Times are counted from the creation of the task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Transaction {
    /// Where it went.
    pub url: String,
    /// The status of its response, if one came.
    pub status: Option<u16>,
    /// The connection had carried an exchange before.
    pub is_reused: bool,
    /// When the attempt to connect began; `None` on a reused connection.
    pub connect_start: Option<Duration>,
    /// When the connection was there; `None` if it never was, or was reused.
    pub connect_end: Option<Duration>,
    /// When the request began to be sent; `None` if it never was.
    pub request_start: Option<Duration>,
    /// When the connection was given back or closed.
    pub response_end: Option<Duration>,
    /// Bytes sent and received, as content and on the wire.
    pub counts: ByteCounts,
}

/// Something that happened to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Connecting,
    Connected,
    Reused,
}

/// Metrics as they are gathered.
pub(crate) struct Recorder {
    created: Instant,
    transactions: Vec<Transaction>,
}

impl Recorder {
    pub(crate) const fn new(created: Instant) -> Self {
        Self { created, transactions: Vec::new() }
    }

    fn since(&self, now: Instant) -> Duration {
        Duration::from_micros(now.as_micros().saturating_sub(self.created.as_micros()))
    }

    pub(crate) fn note(&mut self, moment: Moment, now: Instant, url: &str) {
        let at = Some(self.since(now));
        if moment != Moment::Connected {
            self.transactions.push(Transaction { url: url.to_owned(), ..Transaction::default() });
        }
        let Some(last) = self.transactions.last_mut() else {
            return;
        };
        match moment {
            Moment::Connecting => last.connect_start = at,
            Moment::Connected => (last.connect_end, last.request_start) = (at, at),
            Moment::Reused => (last.is_reused, last.request_start) = (true, at),
        }
    }

    pub(crate) fn end(&mut self, now: Instant, status: Option<u16>, counts: ByteCounts) {
        let at = Some(self.since(now));
        if let Some(last) = self.transactions.last_mut() {
            (last.response_end, last.status, last.counts) = (at, status, counts);
        }
    }

    pub(crate) fn finish(self, now: Instant, redirect_count: u8) -> TaskMetrics {
        let duration = self.since(now);
        TaskMetrics { duration, redirect_count, transactions: self.transactions }
    }
}
