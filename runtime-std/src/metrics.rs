//! What a task took: one record for every request and response on a connection.

use std::net::SocketAddr;
use std::time::Duration;

use sortie_core::{ByteCounts, Instant};

use crate::world::ConnectionFacts;

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
    /// When the look-up of the name began; `None` for an address, and on a reused connection.
    pub domain_lookup_start: Option<Duration>,
    /// When the addresses were there.
    pub domain_lookup_end: Option<Duration>,
    /// When the attempt to connect began, the look-up included; `None` on a reused connection.
    pub connect_start: Option<Duration>,
    /// When the TLS handshake began; `None` without TLS, and on a reused connection.
    pub secure_connection_start: Option<Duration>,
    /// When the connection was secure.
    pub secure_connection_end: Option<Duration>,
    /// When the connection was there; `None` if it never was, or was reused.
    pub connect_end: Option<Duration>,
    /// When the request began to be sent; `None` if it never was.
    pub request_start: Option<Duration>,
    /// When the connection was given back or closed.
    pub response_end: Option<Duration>,
    /// Addresses of the host that were tried before the connection was there, and what became of
    /// each, in words.
    pub other_addresses: Vec<(SocketAddr, String)>,
    /// Where the connection leads to; `None` if there was none.
    pub remote_address: Option<SocketAddr>,
    /// Where it comes from.
    pub local_address: Option<SocketAddr>,
    /// The version of TLS, such as `TLSv1.3`; `None` without TLS.
    pub tls_version: Option<&'static str>,
    /// The cipher suite of TLS.
    pub tls_cipher_suite: Option<&'static str>,
    /// TLS went on with what an earlier connection to the server had agreed on, which saves a look
    /// at its certificate.
    pub is_tls_resumed: bool,
    /// What ALPN chose, if it did.
    pub network_protocol_name: Option<&'static str>,
    /// Bytes sent and received, as content and on the wire.
    pub counts: ByteCounts,
}

/// Something that happened to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Connecting,
    Connected,
    Reused,
    /// There was no socket: the attempt is as if it had not been.
    Postponed,
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
        Duration::from_micros(self.created.until(now))
    }

    pub(crate) fn note(
        &mut self,
        moment: Moment,
        now: Instant,
        url: &str,
        facts: Option<&ConnectionFacts>,
    ) {
        let at = Some(self.since(now));
        match moment {
            Moment::Connecting | Moment::Reused => {
                let transaction = Transaction { url: url.to_owned(), ..Transaction::default() };
                self.transactions.push(transaction);
            }
            Moment::Postponed => drop(self.transactions.pop()),
            Moment::Connected => {}
        }
        let Some(last) = self.transactions.last_mut() else {
            return;
        };
        match moment {
            Moment::Connecting => last.connect_start = at,
            Moment::Connected => (last.connect_end, last.request_start) = (at, at),
            Moment::Reused => (last.is_reused, last.request_start) = (true, at),
            Moment::Postponed => return,
        }
        if let Some(facts) = facts {
            self.add(moment, facts);
        }
    }

    /// What the connection says of itself.
    fn add(&mut self, moment: Moment, facts: &ConnectionFacts) {
        let since = |at| self.since(at);
        let lookup = facts.domain_lookup.map(|(start, end)| (since(start), since(end)));
        let secure = facts.secure_connection.map(|(start, end)| (since(start), since(end)));
        let Some(last) = self.transactions.last_mut() else {
            return;
        };
        if moment == Moment::Connected {
            (last.domain_lookup_start, last.domain_lookup_end) = lookup.unzip();
            (last.secure_connection_start, last.secure_connection_end) = secure.unzip();
            // The look at the clock that led here was before the last step of the connection's.
            let end = last.connect_end.max(last.domain_lookup_end).max(last.secure_connection_end);
            (last.connect_end, last.request_start) = (end, end);
            last.other_addresses.clone_from(&facts.other_addresses);
        }
        last.remote_address = facts.remote_address;
        last.local_address = facts.local_address;
        last.tls_version = facts.tls_version;
        last.tls_cipher_suite = facts.tls_cipher_suite;
        last.is_tls_resumed = facts.is_tls_resumed;
        last.network_protocol_name = facts.network_protocol;
    }

    /// The exchange that was noted last.
    pub(crate) fn last(&self) -> Option<&Transaction> {
        self.transactions.last()
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
