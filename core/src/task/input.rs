//! Everything that comes into a task: the `handle_*` family.

use super::counts::ByteCounts;
use super::output::{Release, Tell};
use super::{Phase, Task, TaskKind, Then};
use crate::error::{Error, Limit, Misuse, PeerError, Timer, TlsError, Transport};
use crate::request::BodyLength;
use crate::time::Instant;
use crate::transfer::{BodyRead, Look, Send, Transfer};
use crate::wire::chunked::Run;
use crate::wire::encode::RequestHead;
use crate::wire::framing::{CloseReason, Framing};
use crate::wire::head::{Slot, WholeHead};

/// What to do with the input after [`Task::handle_head`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct Advance {
    /// Bytes to drop from the front of the input: an interim response, which `index` lists until
    /// then; or all of it, of a head that is [measured](super::TaskOptions::measures_heads).
    pub drop: usize,
    /// Bytes of the head of the final response, at the front of the input; what follows is body.
    /// 0 while it is not whole.
    pub head: usize,
}

/// Which direction of a connection is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Broken {
    /// A write failed. An answer may still be there to be read.
    Sending,
    /// A read failed: not an orderly end, which is [`Task::handle_end`].
    Receiving,
    /// A read failed because the server ended the secure connection, and said why. With TLS 1.3 it
    /// judges the client's certificate only when the client believes that all is well, and may have
    /// sent its request (RFC 8446 §4.4.2.4).
    Refused(TlsError),
}

impl Task {
    // Connection.

    /// A connection attempt begins: the request timer starts. Not while waiting for a turn.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `Connect` is asked for.
    pub fn handle_connecting(&mut self, now: Instant) -> Result<(), Misuse> {
        self.wants_connection()?;
        self.deadlines.touch(now);
        Ok(())
    }

    /// A connection is there: a new one, or one that carried an exchange before (`is_reused`).
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `Connect` is asked for.
    pub fn handle_connected(&mut self, now: Instant, is_reused: bool) -> Result<(), Misuse> {
        self.wants_connection()?;
        self.deadlines.touch(now);
        self.is_connected = true;
        if self.counts.sent > 0 && self.request.body != BodyLength::None {
            self.due.tell(Tell::BodyRestarted);
        }
        self.is_resumed = false;
        self.start_transfer(is_reused);
        if self.options.kind == TaskKind::Stream {
            self.upgrade();
        } else {
            self.set_phase(Phase::Prepare);
        }
        Ok(())
    }

    /// There was no socket for a connection, and the task waits for its turn again: the request
    /// timer rests until `handle_connecting`.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `Connect` is asked for.
    pub fn handle_connect_postponed(&mut self) -> Result<(), Misuse> {
        self.wants_connection()?;
        self.deadlines.rest();
        Ok(())
    }

    /// No connection can be had.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `Connect` is asked for.
    pub fn handle_connect_failed(&mut self, why: Transport) -> Result<(), Misuse> {
        self.wants_connection()?;
        self.fail(Error::Transport(why));
        Ok(())
    }

    /// The fields to add are known: the exchange begins.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `Prepare` is asked for.
    pub fn handle_prepared(&mut self, now: Instant) -> Result<(), Misuse> {
        // That a body begins anew is told first.
        if !matches!(self.phase, Phase::Prepare) || self.due.blocks_input() {
            return Err(Misuse::NotAskedFor);
        }
        self.deadlines.touch(now);
        self.set_phase(Phase::Exchange);
        Ok(())
    }

    // Sending.

    /// Writes what is due of head or chunk framing into `output`. Returns the number of bytes
    /// written: at least 1 unless `output` is empty, in which case it must be asked again.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `io` says [`Send::Encode`].
    pub fn encode(&mut self, head: &RequestHead<'_>, output: &mut [u8]) -> Result<usize, Misuse> {
        self.takes_input()?;
        if self.is_suspended() {
            return Err(Misuse::NotAskedFor);
        }
        self.transfer.send.encode(head, &self.request, output)
    }

    /// Writes what goes behind the data of the chunk into `output`, ahead of its turn, so that
    /// prefix, data and this can be written at once. Returns the number of bytes written: 0 where
    /// nothing is due, or `output` is too small for all of it; then it is encoded later.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `io` says [`Send::Write`].
    pub fn encode_behind(&mut self, output: &mut [u8]) -> Result<usize, Misuse> {
        self.takes_input()?;
        if self.is_suspended() {
            return Err(Misuse::NotAskedFor);
        }
        match self.transfer.send.io(&self.request, self.counts.sent) {
            Some(Send::Write { .. }) => Ok(self.transfer.send.encode_behind(output)),
            Some(Send::Encode | Send::Source { .. }) | None => Err(Misuse::NotAskedFor),
        }
    }

    /// `count` bytes were written to the connection, of what `io` last allowed.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] if nothing may be sent, [`Misuse::TooMuch`] if `count` is more than
    /// was allowed. A write that was begun before the task was suspended is reported all the same.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn handle_sent(&mut self, now: Instant, count: usize) -> Result<(), Misuse> {
        if !matches!(self.phase, Phase::Exchange) {
            return Err(Misuse::NotAskedFor);
        }
        let content = self.transfer.send.handle_sent(now, &self.request, count)?;
        self.counts.add_sent(count, content);
        self.touch(now);
        Ok(())
    }

    /// `count` bytes of the body are at hand in one piece; 0: the body ends here.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `io` says [`Send::Source`].
    pub fn handle_source(&mut self, now: Instant, count: usize) -> Result<(), Misuse> {
        self.takes_input()?;
        if self.is_suspended() {
            return Err(Misuse::NotAskedFor);
        }
        self.transfer.send.handle_source(count)?;
        if count == 0 {
            self.counts.expected_to_send = Some(self.counts.sent);
        }
        self.touch(now);
        Ok(())
    }

    // Receiving.

    /// Looks for the head of a response in `input`: all bytes received and not yet taken, of which
    /// nothing was dropped. `full`: they cannot become more. Where heads are
    /// [measured](super::TaskOptions::measures_heads) what does not fit is dropped, and the rest
    /// discarded. Lists the fields in `index` as far as it goes. Folded field lines are joined in
    /// place.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `io` says [`Receive::Head`](crate::Receive) or `HeadAgain`. A
    /// malformed head is no error of this call: it ends the task.
    pub fn handle_head(
        &mut self,
        now: Instant,
        input: &mut [u8],
        full: bool,
        index: &mut [Slot],
    ) -> Result<Advance, Misuse> {
        self.takes_input()?;
        let mut head = WholeHead::EMPTY;
        let look = self.transfer.receive.look(input, full, index, &mut head);
        let look = look.ok_or(Misuse::NotAskedFor)?;
        self.deadlines.touch(now);
        match look {
            Err(Error::Limit(Limit::HeadBuffer)) if self.options.measures_heads => {
                self.transfer.stop_sending();
                self.transfer.receive.measure(input.len());
                self.counts.add_received(input.len(), 0);
                Ok(Advance { drop: input.len(), head: 0 })
            }
            Err(error) => {
                self.fail(error);
                Ok(Advance::default())
            }
            Ok(Look::Partial) => Ok(Advance::default()),
            Ok(Look::Interim) => {
                self.counts.add_received(usize::from(head.length), 0);
                self.due.tell_status(Tell::Interim, head.facts.status);
                if head.facts.status == 100 {
                    // RFC 9110 §15.2.1.
                    self.transfer.send.go_on(&self.request);
                }
                Ok(Advance { drop: usize::from(head.length), head: 0 })
            }
            Ok(Look::Final) => {
                self.counts.add_received(usize::from(head.length), 0);
                self.begin_response(&head, input.len());
                Ok(Advance { drop: 0, head: usize::from(head.length) })
            }
        }
    }

    /// Takes `bytes` of the body, no more than `io` allowed unless they were held already. Content
    /// is moved to their front. Returns its length; bytes behind the end of the body are dropped,
    /// and the connection with them.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `io` says [`Receive::Body`](crate::Receive). Malformed
    /// framing is no error of this call: it ends the task, after the content before it.
    pub fn handle_body(&mut self, now: Instant, bytes: &mut [u8]) -> Result<usize, Misuse> {
        self.takes_content()?;
        let read = self.transfer.receive.read_body(bytes).ok_or(Misuse::NotAskedFor)?;
        self.deadlines.touch(now);
        if let Phase::Discard { left, then } = self.phase {
            self.discarded(read, left, then);
            return Ok(0);
        }
        self.counts.add_received(read.consumed, read.content);
        if let Some(excess) = self.excess_of_range() {
            self.fail(Error::Peer(PeerError::RangeLength));
            return Ok(read.content.saturating_sub(excess));
        }
        if let Some(error) = read.failure {
            self.fail(error);
        } else if self.transfer.receive.is_done() {
            self.end_message(read.excess);
        }
        Ok(read.content)
    }

    /// Some of a body that nobody wants was read.
    fn discarded(&mut self, read: BodyRead, left: u16, then: Then) {
        self.counts.add_received(read.consumed, 0);
        let left = usize::from(left).saturating_sub(read.consumed);
        if self.transfer.receive.is_done() {
            self.end_discard(then, read.excess.then_some(CloseReason::ExcessBytes));
        } else if read.failure.is_some() || left == 0 {
            self.end_discard(then, Some(CloseReason::Unwanted));
        } else {
            self.phase = Phase::Discard { left: u16::try_from(left).unwrap_or(u16::MAX), then };
        }
    }

    /// How much more came than the range that was announced; it is not counted.
    fn excess_of_range(&mut self) -> Option<usize> {
        let expected = self.counts.expected_to_receive.filter(|_| self.is_resumed)?;
        let excess = self.counts.received.checked_sub(expected).filter(|excess| *excess > 0)?;
        self.counts.received = expected;
        Some(usize::try_from(excess).unwrap_or(usize::MAX))
    }

    /// As [`handle_body`](Self::handle_body), for who takes slices: nothing is moved. Returns the
    /// next run of `bytes`; call again with the rest until a run consumes nothing, or the exchange
    /// is over.
    ///
    /// # Errors
    /// As [`handle_body`](Self::handle_body).
    pub fn handle_run(&mut self, now: Instant, bytes: &[u8]) -> Result<Run, Misuse> {
        self.takes_input()?;
        if self.asked.pending().is_some() {
            return Err(Misuse::NotAskedFor);
        }
        match self.transfer.receive.read_run(bytes) {
            Ok(mut run) => {
                self.counts.add_received(run.consumed(), run.content);
                self.deadlines.touch(now);
                if let Some(excess) = self.excess_of_range() {
                    self.fail(Error::Peer(PeerError::RangeLength));
                    run.content = run.content.saturating_sub(excess);
                    return Ok(run);
                }
                if self.transfer.receive.is_done() {
                    self.end_message(run.consumed() < bytes.len());
                }
                Ok(run)
            }
            Err(Some(error)) => {
                self.fail(error);
                Ok(Run::default())
            }
            Err(None) => Err(Misuse::NotAskedFor),
        }
    }

    /// The server ended the connection in order.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `io` allows reading, or writing.
    pub fn handle_end(&mut self) -> Result<(), Misuse> {
        self.takes_any_input()?;
        if let Phase::Discard { then, .. } = self.phase {
            self.end_discard(then, Some(CloseReason::Unwanted));
            return Ok(());
        }
        match self.transfer.receive.end() {
            Ok(()) => self.end_message(false),
            Err(why) => self.lose(why),
        }
        Ok(())
    }

    /// The connection broke. After a failed write an answer is still read, if there is one: a
    /// server that refuses a body sends its answer and closes (RFC 9112 §9.6).
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `io` allows reading, or writing.
    pub fn handle_broken(&mut self, which: Broken) -> Result<(), Misuse> {
        self.takes_any_input()?;
        if let Phase::Discard { then, .. } = self.phase {
            self.end_discard(then, Some(CloseReason::Unwanted));
            return Ok(());
        }
        match which {
            Broken::Sending => {
                self.transfer.stop_sending();
                self.transfer.add_reason(Some(CloseReason::RequestUnfinished));
            }
            Broken::Receiving => self.lose(self.transfer.receive.lost()),
            // Not so once it has begun to answer. A new connection would fare no better.
            Broken::Refused(why) => match self.transfer.receive.is_untouched() {
                true => self.fail(Error::Transport(Transport::Tls(why))),
                false => self.lose(Transport::Lost),
            },
        }
        Ok(())
    }

    // Content.

    /// The consumer took `count` bytes of content. Restarts the request timer, which must not run
    /// out because a consumer is slow.
    ///
    /// # Errors
    /// [`Misuse::TooMuch`] if that is more than was received.
    pub fn handle_delivered(&mut self, now: Instant, count: u64) -> Result<(), Misuse> {
        if !self.counts.add_delivered(count) {
            return Err(Misuse::TooMuch);
        }
        self.deadlines.resume(now);
        Ok(())
    }

    /// What was received is stored. The task succeeds.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `Finish` was asked for.
    pub fn handle_committed(&mut self) -> Result<(), Misuse> {
        let waits = self.due.blocks_input() || self.asked.pending().is_some();
        if !matches!(self.phase, Phase::Finish) || waits {
            return Err(Misuse::NotAskedFor);
        }
        self.set_phase(Phase::Committed);
        Ok(())
    }

    /// What was received cannot be stored: the task fails, with `why` where a limit was met.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] before there is a connection, and after everything is committed.
    pub fn handle_sink_failed(&mut self, why: Option<Limit>) -> Result<(), Misuse> {
        let has_sink =
            matches!(self.phase, Phase::Prepare | Phase::Exchange | Phase::Inspect | Phase::Finish);
        if !has_sink || self.transfer.receive.is_oversized() {
            return Err(Misuse::NotAskedFor);
        }
        self.fail(why.map_or(Error::Sink, Error::Limit));
        Ok(())
    }

    /// The body of the request cannot be read, or is not as long as it was said to be: the task
    /// fails.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless the request is being sent.
    pub fn handle_source_failed(&mut self) -> Result<(), Misuse> {
        if !matches!(self.phase, Phase::Exchange) || self.transfer.send.is_done() {
            return Err(Misuse::NotAskedFor);
        }
        self.fail(Error::Source);
        Ok(())
    }

    /// The protocol that took over the connection is done with it.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] unless `Upgraded` was said.
    pub fn handle_upgraded_end(&mut self, result: Result<(), Error>) -> Result<(), Misuse> {
        if !matches!(self.phase, Phase::Upgraded) || self.due.blocks_input() {
            return Err(Misuse::NotAskedFor);
        }
        match result {
            Ok(()) => self.set_phase(Phase::Committed),
            Err(error) => self.fail(error),
        }
        Ok(())
    }

    // Time.

    /// It is `now`. Ends the task if a timer has run out, else changes nothing: too early is
    /// harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_none_or(|at| now < at) {
            return;
        }
        // One of those that `deadline` looks at.
        if self.deadlines.resource(&self.options) <= now {
            self.fail(Error::TimedOut(Timer::Resource));
        } else if matches!(self.phase, Phase::Delayed) {
            self.begin(now);
        } else if self.deadlines.request(&self.options) <= now {
            self.fail(Error::TimedOut(Timer::Request));
        } else {
            self.transfer.send.go_on(&self.request);
        }
    }

    // Transitions.

    /// Nothing of the request is sent, over a connection that carried an exchange or did not.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn start_transfer(&mut self, is_reused: bool) {
        self.transfer = Transfer::new(&self.request, is_reused);
        let expected_to_send = match self.request.body {
            BodyLength::None => Some(0),
            BodyLength::Known(length) => Some(length),
            BodyLength::Unknown => None,
        };
        self.counts = ByteCounts::start(expected_to_send);
    }

    /// Without a connection, and nothing has to be said of the one before.
    fn wants_connection(&self) -> Result<(), Misuse> {
        match matches!(self.phase, Phase::Connect(_)) && !self.due.blocks_input() {
            true => Ok(()),
            false => Err(Misuse::NotAskedFor),
        }
    }

    /// In an exchange, and nothing has to be said before more input is taken.
    fn takes_input(&self) -> Result<(), Misuse> {
        match matches!(self.phase, Phase::Exchange) && !self.due.blocks_input() {
            true => Ok(()),
            false => Err(Misuse::NotAskedFor),
        }
    }

    /// In an exchange, or past it for a body that nobody wants.
    fn takes_any_input(&self) -> Result<(), Misuse> {
        match matches!(self.phase, Phase::Discard { .. }) && !self.due.blocks_input() {
            true => Ok(()),
            false => self.takes_input(),
        }
    }

    /// As that, and it was said what becomes of content.
    fn takes_content(&self) -> Result<(), Misuse> {
        match self.asked.pending() {
            None => self.takes_any_input(),
            Some(_) => Err(Misuse::NotAskedFor),
        }
    }

    /// The final head came, in an input of `held` bytes.
    fn begin_response(&mut self, head: &WholeHead, held: usize) {
        let facts = &head.facts;
        self.transfer.status = facts.status;
        if facts.status == 101 {
            self.due.tell_status(Tell::Response, facts.status);
            // RFC 9110 §7.8, §15.2.2: only in answer to Upgrade, and not within a request.
            return match self.request.upgrades() && self.transfer.send.is_done() {
                true => self.upgrade(),
                false => self.refuse_response(PeerError::UnexpectedUpgrade),
            };
        }
        if self.options.kind == TaskKind::WebSocket {
            self.due.tell_status(Tell::Response, facts.status);
            return self.fail(Error::Peer(PeerError::UpgradeRefused));
        }
        let framing = match facts.framing(self.request.is_head) {
            Ok(framing) => framing,
            Err(error) => return self.refuse_response(error),
        };
        self.counts.expected_to_receive = match framing {
            Framing::None | Framing::Length(0) => Some(0),
            Framing::Length(length) if !facts.is_coded => Some(length),
            Framing::Length(_) | Framing::Chunked | Framing::Close => None,
        };
        self.transfer.add_reason(facts.closes(framing));
        self.transfer.receive.begin_body(framing);
        // A final answer other than success, before the request is sent: the server does not want
        // the rest (RFC 9112 §9.5). Any final answer is one instead of 100 (RFC 9110 §10.1.1).
        if facts.status >= 300 || self.transfer.send.waits_since() != Instant::NEVER {
            self.transfer.stop_sending();
        }
        if self.transfer.receive.is_done() && held > usize::from(head.length) {
            self.transfer.add_reason(Some(CloseReason::ExcessBytes));
        }
        if facts.status == 417 && self.drops_expectation() {
            self.discard(Then::Connect);
        } else if self.sends_range() || self.may_follow(facts.status) {
            self.set_phase(Phase::Inspect);
        } else {
            self.deliver();
        }
    }

    /// The head cannot be trusted: the user gets no response.
    fn refuse_response(&mut self, error: PeerError) {
        self.due.untell(Tell::Response);
        self.fail(Error::Peer(error));
    }

    fn upgrade(&mut self) {
        self.deadlines.rest();
        self.due.tell(Tell::Upgraded);
        self.set_phase(Phase::Upgraded);
    }

    /// The last byte of the response came.
    pub(super) fn end_message(&mut self, excess: bool) {
        if self.is_resumed && self.counts.expected_to_receive != Some(self.counts.received) {
            // A part of what was asked for: the rest can be asked for again.
            return self.fail(Error::Transport(Transport::Lost));
        }
        self.transfer.stop_sending();
        self.transfer.add_reason(excess.then_some(CloseReason::ExcessBytes));
        self.release(match self.transfer.closes {
            Some(reason) => Release::Close(reason),
            None => Release::Reuse,
        });
        self.set_phase(Phase::Finish);
    }
}
