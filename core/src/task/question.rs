//! Questions to the host: asked by an event, answered at any time later.

use super::{Phase, Task, TaskKind};
use crate::error::{Error, Misuse, PeerError};
use crate::request::{Expectation, Request};
use crate::task::output::{Tell, Wish};
use crate::time::Instant;

/// What the host is asked. Each is asked only of a task whose options say so
/// ([`Asks`]); otherwise the answer is the first one named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Question {
    /// Shall this redirect be followed? [`Answer::Follow`], `FollowWith` another request, or
    /// `Refuse`: then the 3xx and its body are the result.
    Redirect,
    /// What becomes of the content? [`Answer::Allow`], `BecomeDownload` or `Cancel`. No content is
    /// read before.
    Disposition,
    /// The request is sent again: can its body be had again, from its start? [`Answer::NoBody`],
    /// which fails the task with [`Error::BodyExhausted`], or `Body`.
    NewBody,
}

impl Question {
    const fn takes(self, answer: &Answer<'_>) -> bool {
        match answer {
            Answer::Follow | Answer::FollowWith { .. } | Answer::Refuse => {
                matches!(self, Self::Redirect)
            }
            Answer::Allow | Answer::BecomeDownload | Answer::Cancel => {
                matches!(self, Self::Disposition)
            }
            Answer::Body | Answer::NoBody => matches!(self, Self::NewBody),
        }
    }
}

/// Names a question, once: an answer to any other is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Token(u16);

/// An answer to a [`Question`].
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Answer<'a> {
    /// Follow the redirect to the URL that `inspect` wrote.
    Follow,
    /// Follow it with another request instead.
    FollowWith {
        /// It is lent from now on, as it is: to its own URL, with all its fields.
        request: &'a Request<'a>,
        /// Whether its body can be had from its start, now and later: all of it, if it is not that
        /// of the request before.
        body_is_replayable: bool,
    },
    /// Do not follow: the response is the result, with its body.
    Refuse,
    /// Take the content as the task was made to.
    Allow,
    /// Take the content as a download does. A 206 that was not asked for then fails the task with
    /// [`PeerError::UnaskedRange`]: a part must not pass for the whole.
    BecomeDownload,
    /// Take no content: the task ends with [`Error::Canceled`].
    Cancel,
    /// The body can be read again from its start.
    Body,
    /// It cannot.
    NoBody,
}

/// Which questions the host wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Asks {
    /// [`Question::Redirect`].
    pub redirect: bool,
    /// [`Question::Disposition`].
    pub disposition: bool,
    /// [`Question::NewBody`].
    pub new_body: bool,
}

/// The question that waits for its answer, if one does, and how many were asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pending: Option<Question>,
    count: u16,
}

impl Asked {
    pub(crate) fn ask(&mut self, question: Question) {
        self.count = self.count.wrapping_add(1);
        self.pending = Some(question);
    }

    pub(crate) const fn pending(&self) -> Option<(Question, Token)> {
        match self.pending {
            Some(question) => Some((question, Token(self.count))),
            None => None,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.pending = None;
    }
}

impl Task {
    /// The question that waits for its answer. Meanwhile the request timer rests and the resource
    /// timer runs.
    #[must_use]
    pub const fn pending_question(&self) -> Option<(Question, Token)> {
        self.asked.pending()
    }

    /// Answers a question. The request timer starts again.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] if `token` names another question than the one that waits, or the
    /// answer is to another one.
    pub fn answer(&mut self, now: Instant, token: Token, answer: Answer<'_>) -> Result<(), Misuse> {
        match self.asked.pending() {
            Some((question, asked)) if asked == token && question.takes(&answer) => {}
            Some(_) | None => return Err(Misuse::NotAskedFor),
        }
        // What is answered before it was told needs not be asked any more.
        self.asked.clear();
        self.due.untell(Tell::Question);
        match answer {
            Answer::Follow => self.follow(),
            Answer::FollowWith { request, body_is_replayable } => {
                self.follow_with(request, body_is_replayable);
            }
            Answer::Refuse => self.refuse(),
            Answer::Allow => {}
            Answer::BecomeDownload => self.become_download(),
            Answer::Cancel => self.cancel(),
            Answer::Body => self.send_again(),
            Answer::NoBody => self.fail(Error::BodyExhausted),
        }
        let moves = matches!(self.phase, Phase::Exchange | Phase::Discard { .. });
        if moves && self.asked.pending().is_none() {
            self.deadlines.touch(now);
        }
        Ok(())
    }

    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn ask(&mut self, question: Question) {
        self.deadlines.rest();
        self.asked.ask(question);
        self.due.tell(Tell::Question);
    }

    /// The content is stored: as of any download, a part must not pass for the whole.
    fn become_download(&mut self) {
        self.options.kind = TaskKind::Download;
        if self.is_part_for_whole() {
            self.fail(Error::Peer(PeerError::UnaskedRange));
        }
    }

    /// The request goes out again, over any connection or, after a stale one, a new one.
    fn send_again(&mut self) {
        if let Phase::AskBody(wish) = self.phase {
            self.set_phase(Phase::Connect(wish));
        }
    }

    /// Somebody on the way takes no expectations: the request is made again without, if its body
    /// can be had (RFC 9110 §10.1.1).
    pub(super) fn drops_expectation(&mut self) -> bool {
        let has_body =
            self.counts.sent == 0 || self.options.body_is_replayable || self.options.asks.new_body;
        let drops = has_body && self.request.expect == Expectation::Sent;
        if drops {
            self.request.expect = Expectation::Dropped;
        }
        drops
    }

    /// Goes for another connection, with the body as it is or, if it was begun and cannot be
    /// sent again by itself, after asking for it.
    pub(super) fn reconnect(&mut self, wish: Wish) {
        let is_used_up = self.counts.sent > 0 && !self.options.body_is_replayable;
        if !(self.request.has_body() && is_used_up) {
            self.set_phase(Phase::Connect(wish));
        } else if self.options.asks.new_body {
            self.set_phase(Phase::AskBody(wish));
            self.ask(Question::NewBody);
        } else {
            self.fail(Error::BodyExhausted);
        }
    }
}
