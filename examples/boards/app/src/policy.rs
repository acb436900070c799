//! What is sent when, and what comes of each answer: a machine without I/O and without a clock.
//!
//! ```text
//!            reading               due                 an answer, or none
//!  (nothing) ───────▶ (collecting) ───▶ Send(batch) ──┬─▶ accepted: removed
//!                                           ▲         ├─▶ refused: removed, and counted
//!                                           │         ├─▶ too large: half of it is next
//!                                           └─────────┴── anything else: the same, later
//! ```
//!
//! **Nothing is lost that was not answered.** A batch stays in hand until an answer decides about
//! it. When the queue is full meanwhile, the oldest reading behind the batch is dropped, and
//! counted, and the server is told the count.
//!
//! **Why there are duplicates.** Where an answer does not arrive, nobody here can know whether the
//! server has stored the batch: the connection may have broken before the request came, or after it
//! was stored. To send it again may store it twice; not to send it again may lose it. It is sent
//! again, byte for byte the same, under the same `Idempotency-Key`; a server that remembers the
//! keys of a day stores each batch once. What was changed has another key: the halves of a batch
//! that was too large.

use embassy_time::{Duration, Instant};

use crate::backoff::{Backoff, Random};
use crate::body::Label;
use crate::queue::{BATCH, Queue, Reading};

/// The times of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long the oldest reading waits for others to fill a batch with. 60 s.
    pub linger: Duration,
    /// The longest wait after a first failure; it doubles with each further one. 1 s.
    pub backoff: Duration,
    /// The longest wait after any number of failures. 5 min.
    pub ceiling: Duration,
    /// The longest wait that a server can ask for. An hour: a wrong Retry-After must not silence a
    /// device that hangs on a mast.
    pub longest_retry_after: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(60),
            backoff: Duration::from_secs(1),
            ceiling: Duration::from_secs(300),
            longest_retry_after: Duration::from_secs(3600),
        }
    }
}

/// What is done about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// The server has the batch.
    Accepted,
    /// The server has it not, and may take it later.
    Later,
    /// The server takes nothing from this device until somebody has put that right: its key has
    /// expired, say. The readings are good, and stay.
    Barred,
    /// The server takes less at once.
    TooLarge,
    /// The server will never take this batch: it is dropped, and counted.
    Refused,
}

/// What a status means for a batch.
#[must_use]
pub const fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Accepted,
        401 | 403 | 407 => Verdict::Barred,
        413 => Verdict::TooLarge,
        // Timeout, conflict with the first attempt that is still stored, misdirected, locked, too
        // early, too many: RFC 9110 §15.5, RFC 4918, RFC 8470, RFC 6585 say to try again.
        408 | 409 | 421 | 423 | 425 | 429 => Verdict::Later,
        400..=499 => Verdict::Refused,
        _ => Verdict::Later,
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Nothing, before a reading comes.
    Idle,
    /// Nothing, before then, or a reading that fills a batch.
    Wait(Instant),
    /// Send what is [in hand](Machine::in_hand), and report what came of it.
    Send(Label),
}

/// What became of all readings so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counts {
    /// Readings that the server has.
    pub accepted: u32,
    /// Readings that were the oldest when there was no more room.
    pub dropped: u32,
    /// Readings of batches that the server refused.
    pub refused: u32,
    /// Attempts after which the batch was kept.
    pub failures: u32,
}

/// Decides what is sent when. `QUEUE` readings wait at most.
#[derive(Debug)]
pub struct Machine<const QUEUE: usize> {
    policy: Policy,
    queue: Queue<QUEUE>,
    backoff: Backoff,
    random: Random,
    /// Nothing is sent before.
    not_before: Option<Instant>,
    label: Label,
    counts: Counts,
}

impl<const QUEUE: usize> Machine<QUEUE> {
    /// Nothing to send. `seed` is a random number.
    #[must_use]
    pub const fn new(policy: Policy, seed: u64) -> Self {
        Self {
            policy,
            queue: Queue::new(),
            backoff: Backoff::new(policy.backoff, policy.ceiling),
            random: Random::new(seed),
            not_before: None,
            label: Label { number: 0, dropped: 0, refused: 0 },
            counts: Counts { accepted: 0, dropped: 0, refused: 0, failures: 0 },
        }
    }

    /// A reading was taken.
    pub fn handle_reading(&mut self, now: Instant, value: i32) {
        let has_dropped = self.queue.push(now, value);
        self.counts.dropped = self.counts.dropped.saturating_add(u32::from(has_dropped));
    }

    /// An answer came to what was sent. `retry_after` is for how long the server wants no other.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        status: u16,
        retry_after: Option<Duration>,
    ) -> Verdict {
        let verdict = verdict(status);
        match verdict {
            Verdict::Accepted => {
                let count = self.remove_in_hand();
                self.counts.accepted = self.counts.accepted.saturating_add(count);
                self.backoff.after_success();
                self.not_before = None;
            }
            Verdict::Later => {
                let wait = self.backoff.after_failure(&mut self.random);
                self.keep(now, wait, retry_after);
            }
            Verdict::Barred => {
                let wait = self.backoff.after_hopeless(&mut self.random);
                self.keep(now, wait, retry_after);
            }
            Verdict::TooLarge if self.queue.halve() => {
                self.begin_label();
                self.not_before = None;
            }
            Verdict::TooLarge | Verdict::Refused => {
                let count = self.remove_in_hand();
                self.counts.refused = self.counts.refused.saturating_add(count);
                // A server that refuses one batch is likely to refuse the next.
                let wait = self.backoff.after_failure(&mut self.random);
                self.not_before = now.checked_add(wait);
            }
        }
        verdict
    }

    /// No answer came, for whatever reason.
    pub fn handle_failure(&mut self, now: Instant) {
        let wait = self.backoff.after_failure(&mut self.random);
        self.keep(now, wait, None);
    }

    /// What to do next. Says the same until something is handled or time passes.
    pub fn poll_output(&mut self, now: Instant) -> Output {
        if !self.queue.is_in_hand() {
            let Some(oldest) = self.queue.oldest() else { return Output::Idle };
            let due = oldest.checked_add(self.policy.linger).unwrap_or(Instant::MAX);
            let is_full = self.queue.len() >= BATCH;
            let from = if is_full { Instant::MIN } else { due };
            let from = from.max(self.not_before.unwrap_or(Instant::MIN));
            if now < from {
                return Output::Wait(from);
            }
            self.queue.take_in_hand();
            self.begin_label();
        }
        match self.not_before {
            Some(from) if now < from => Output::Wait(from),
            Some(_) | None => Output::Send(self.label),
        }
    }

    /// What is sent: the same for each attempt.
    pub fn in_hand(&self) -> impl Iterator<Item = &Reading> {
        self.queue.in_hand()
    }

    /// How many readings wait, those in hand with them.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What became of all readings so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What is in hand now was not sent before: it has a number, and a key, of its own.
    const fn begin_label(&mut self) {
        let number = self.label.number.wrapping_add(1);
        let Counts { dropped, refused, .. } = self.counts;
        self.label = Label { number, dropped, refused };
    }

    fn remove_in_hand(&mut self) -> u32 {
        u32::try_from(self.queue.remove_in_hand()).unwrap_or(u32::MAX)
    }

    /// The batch stays in hand. A server's word is kept to, but not for ever; and not to the
    /// millisecond, since it may have said the same to everybody.
    fn keep(&mut self, now: Instant, wait: Duration, retry_after: Option<Duration>) {
        self.counts.failures = self.counts.failures.saturating_add(1);
        let asked = retry_after.map(|asked| {
            let jitter = self.random.up_to(self.backoff.base());
            asked.min(self.policy.longest_retry_after) + jitter
        });
        let wait = asked.map_or(wait, |asked| asked.max(wait));
        self.not_before = now.checked_add(wait);
    }
}

#[cfg(test)]
mod tests;
