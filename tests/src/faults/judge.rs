//! What must come of an exchange with one fault, and whether it did.

use std::fmt;

use sortie_core::Error;

use super::client::{self, drain};
use super::{Fault, Side};
use crate::origin::{Peer, Split};
use crate::script::Script;

/// An exchange as it goes without a fault.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The task and its origins.
    pub script: Script,
    /// The requests, in their order.
    pub requests: Vec<Vec<u8>>,
    /// What came of them.
    pub seen: Seen,
    /// For each connection, the bytes that passed it, in both directions.
    pub lengths: Vec<[usize; 2]>,
}

/// What can be seen of a task that has ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// How it ended.
    pub result: Result<(), Error>,
    /// The content that was delivered.
    pub content: Vec<u8>,
    /// The statuses of all responses that were told.
    pub statuses: Vec<u16>,
    /// How many redirects were followed.
    pub hops: usize,
    /// Content sent.
    pub sent: u64,
    /// Content received, with what was stored before.
    pub received: u64,
    /// Content that was expected.
    pub expected_to_receive: Option<u64>,
    /// What the origins took, each.
    pub requests: Vec<Vec<u8>>,
    /// The time at which it ended, where time is exact.
    pub ended: Option<u64>,
    /// Bytes sent and received in all, in the last exchange.
    pub wire: [u64; 2],
}

/// What must come of a case.
#[derive(Debug, Clone)]
pub struct Expected {
    /// As it must be. What was sent is the least; a network may take more before it breaks.
    pub seen: Seen,
    /// The most that can have been sent.
    pub most_sent: u64,
    /// The last origin may have taken more than that.
    pub may_send: bool,
    /// A URL was corrupted on its way: it leads anywhere, or nowhere.
    pub is_anywhere: bool,
    /// Whether a download can go on behind what came, if it fails: there is some, and an entity tag
    /// with which to ask for the rest.
    pub is_kept: bool,
}

/// What a fault did, as far as the client is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Nothing that is delivered differs.
    Harmless,
    /// HTTP cannot tell: exactly what came is delivered as a success.
    Undetected,
    /// The task fails, and says why.
    Failed,
}

impl Recording {
    /// Of what was seen without a fault, in which the last origin of the script was not needed if
    /// there are more than were seen.
    ///
    /// # Panics
    /// If it did not succeed.
    #[must_use]
    pub fn new(script: &Script, requests: Vec<Vec<u8>>, seen: Seen) -> Self {
        assert_eq!(seen.result, Ok(()), "an exchange to record succeeds");
        let length = |(place, taken): (usize, &Vec<u8>)| {
            let mut peer = Peer::new(&script.connections[place], Split::Whole, 0);
            let _ = peer.write(0, taken);
            [taken.len(), drain(&mut peer, 0).len()]
        };
        let lengths = seen.requests.iter().enumerate().map(length).collect();
        Self { script: script.clone(), requests, seen, lengths }
    }

    /// Every place at which something can go wrong: connection, direction and byte.
    pub fn places(&self) -> impl Iterator<Item = (usize, Side, usize)> {
        let sides = |(connection, lengths): (usize, &[usize; 2])| {
            let [sent, received] = *lengths;
            let sent = (0..sent).map(move |at| (connection, Side::Request, at));
            sent.chain((0..received).map(move |at| (connection, Side::Response, at)))
        };
        self.lengths.iter().enumerate().flat_map(sides)
    }

    /// The script with a fault on one of its connections.
    #[must_use]
    pub fn with(&self, connection: usize, fault: Fault) -> Script {
        let mut script = self.script.clone();
        script.connections[connection].fault = Some(fault);
        script
    }

    /// What must come of it. The network `holds` what is written: that nobody takes it shows later.
    #[must_use]
    pub fn judge(&self, connection: usize, fault: Fault, holds: bool) -> Expected {
        let script = self.with(connection, fault);
        client::play(self, &script, holds)
    }

    /// What became of a case.
    #[must_use]
    pub fn class(&self, seen: &Seen) -> Class {
        let of = |seen: &Seen| {
            (seen.content.clone(), seen.statuses.clone(), seen.hops, seen.requests.clone())
        };
        match seen.result {
            Err(_) => Class::Failed,
            Ok(()) if of(seen) == of(&self.seen) => Class::Harmless,
            Ok(()) => Class::Undetected,
        }
    }
}

impl Expected {
    /// Whether that is what came of the case of this name; if not, what differs.
    ///
    /// # Errors
    /// A text about it.
    pub fn check(&self, name: &str, seen: &Seen) -> Result<(), String> {
        let expected = &self.seen;
        if self.is_anywhere {
            let is_allowed = matches!(
                seen.result,
                Ok(()) | Err(Error::Redirect(_) | Error::Transport(_) | Error::TimedOut(_))
            );
            let result = seen.result;
            return if is_allowed {
                Ok(())
            } else {
                Err(format!("{name}: it ends with {result:?}"))
            };
        }
        let is_sent = (expected.sent..=self.most_sent).contains(&seen.sent);
        let is_late = seen.ended.is_some() && seen.ended != expected.ended;
        // All of what was taken is counted; of what was refused, no more than came.
        let [wire_sent, wire_received] = seen.wire;
        let is_counted = match seen.result {
            Ok(()) => {
                let is_sent = expected.sent < self.most_sent || wire_sent == expected.wire[0];
                is_sent && wire_received == expected.wire[1]
            }
            Err(_) => wire_sent <= expected.wire[0] && wire_received <= expected.wire[1],
        };
        let differs = [
            ("result", seen.result != expected.result),
            ("content", seen.content != expected.content),
            ("statuses", seen.statuses != expected.statuses),
            ("redirects", seen.hops != expected.hops),
            ("bytes sent", !is_sent),
            ("bytes received", seen.received != expected.received),
            ("expected bytes", seen.expected_to_receive != expected.expected_to_receive),
            ("requests", !self.are_requests(&seen.requests)),
            ("end", is_late),
            ("bytes on the wire", !is_counted),
        ];
        let names: Vec<_> =
            differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
        if names.is_empty() {
            return Ok(());
        }
        let (most, names) = (self.most_sent, names.join(", "));
        Err(format!(
            "{name}: {names}\n  must be {expected:?}, at most {most} sent\n  and is {seen:?}"
        ))
    }
}

impl Expected {
    fn are_requests(&self, taken: &[Vec<u8>]) -> bool {
        let expected = &self.seen.requests;
        let is = |(taken, of): (&Vec<u8>, &Vec<u8>)| {
            taken == of || self.may_send && taken.starts_with(of)
        };
        taken.len() == expected.len() && taken.iter().zip(expected).all(is)
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let requests: Vec<_> = self.requests.iter().map(|request| text(request)).collect();
        write!(
            f,
            "{:?} of {:?} \"{}\", {} redirects, sent {}, received {} of {:?}, wire {:?}, at {:?}, \
             {requests:?}",
            self.result,
            self.statuses,
            text(&self.content),
            self.hops,
            self.sent,
            self.received,
            self.expected_to_receive,
            self.wire,
            self.ended,
        )
    }
}
