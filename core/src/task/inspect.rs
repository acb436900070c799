//! Looking into a head beyond its framing: redirects (RFC 9110 §15.4), and the ranges of resumed
//! downloads (RFC 9110 §14, §15.3.7).

use core::fmt;

use super::output::{Release, Tell, Wish};
use super::question::Question;
use super::{Phase, Task, TaskKind, Then};
use crate::error::{Error, Misuse, PeerError, RedirectError};
use crate::limits;
use crate::request::{Ranges, Request, Rewrite};
use crate::response::ResponseHead;
use crate::resume::{ResumeData, Resumption, Verdict, judge};
use crate::time::Instant;
use crate::url::{ResolveError, Resolved, Url, UrlError, UrlParts};
use crate::wire::framing::CloseReason;
use crate::wire::head::values;

/// What is lent to [`Task::inspect`].
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Inspection<'a> {
    /// The head that `handle_head` found; listed, if `resume` is lent.
    pub head: ResponseHead<'a>,
    /// The current URL: that of the request, or of the last redirect.
    pub target: Url<'a>,
    /// Room for the URL of a redirect, which becomes the target with
    /// [`Event::Redirected`](crate::Event::Redirected). Not the room in which `target` lies.
    pub next: &'a mut [u8],
    /// What the download goes on from, if `sends_range` said so.
    pub resume: Option<Resumption<'a>>,
}

/// Why a head was not inspected. The call changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum InspectError {
    /// It was not asked for.
    Misuse(Misuse),
    /// The URL of the redirect needs a buffer of so many bytes. Who has none tells so by
    /// `handle_sink_failed(Some(Limit::TargetBuffer))`.
    BufferTooSmall {
        /// Bytes; at most [`limits::URL_BYTES`].
        needed: usize,
    },
}

impl fmt::Display for InspectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misuse(misuse) => misuse.fmt(f),
            Self::BufferTooSmall { needed } => {
                write!(f, "the URL of the redirect needs a buffer of {needed} bytes")
            }
        }
    }
}

impl core::error::Error for InspectError {}

/// What a task does with redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RedirectPolicy {
    /// Deliver them as any other response.
    Deliver,
    /// Follow them.
    Follow {
        /// The most that are followed; one more fails the task.
        most: u8,
        /// Whether one may lead from `https` to `http`.
        allows_downgrade: bool,
    },
}

impl Default for RedirectPolicy {
    fn default() -> Self {
        Self::Follow { most: limits::REDIRECTS, allows_downgrade: false }
    }
}

impl Task {
    /// Looks into the head of the response. Where it is a redirect that is, or may be, followed:
    /// the URL that was written into `next`.
    ///
    /// # Errors
    /// [`InspectError`]. A redirect that cannot be followed, and a status that was not asked for,
    /// are no errors of this call: they end the task.
    pub fn inspect(
        &mut self,
        now: Instant,
        lent: Inspection<'_>,
    ) -> Result<Option<Resolved>, InspectError> {
        let waits = self.due.blocks_input() || self.asked.pending().is_some();
        if !matches!(self.phase, Phase::Inspect) || waits {
            return Err(InspectError::Misuse(Misuse::NotAskedFor));
        }
        let mut locations = values(lent.head.as_bytes(), b"location");
        let may_follow = self.may_follow(self.transfer.status);
        let Some(location) = locations.next().filter(|_| may_follow) else {
            self.deliver_or_judge(now, &lent);
            return Ok(None);
        };
        // Two that differ: each part of a chain of proxies may believe another one.
        let found = match locations.all(|other| other == location) {
            true => lent.target.resolve(location, lent.next),
            false => Err(ResolveError::Url(UrlError::Host)),
        };
        let why = match found {
            Ok(resolved) => match self.redirect(&lent.target, lent.next, &resolved.parts) {
                Ok(()) => return Ok(Some(resolved)),
                Err(why) => why,
            },
            Err(ResolveError::Url(UrlError::UnsupportedScheme)) => RedirectError::Scheme,
            Err(ResolveError::Url(_)) => RedirectError::Location,
            Err(ResolveError::BufferTooSmall { needed }) => {
                return Err(InspectError::BufferTooSmall { needed });
            }
        };
        self.fail(Error::Redirect(why));
        Ok(None)
    }

    /// Whether a response of this status may be a redirect that is followed. 300 needs a choice,
    /// 304 is about a cache, 305 and 306 are gone (RFC 9110 §15.4): these are delivered.
    pub(super) const fn may_follow(&self, status: u16) -> bool {
        matches!(status, 301 | 302 | 303 | 307 | 308)
            && matches!(self.options.redirects, RedirectPolicy::Follow { .. })
    }

    /// Decides on a redirect from `from` to a URL in `next`.
    fn redirect(
        &mut self,
        from: &Url<'_>,
        next: &[u8],
        to: &UrlParts,
    ) -> Result<(), RedirectError> {
        let RedirectPolicy::Follow { most, allows_downgrade } = self.options.redirects else {
            return Ok(());
        };
        if to.brings_user(next, from) {
            // It is likely to hide where it leads (RFC 9110 §4.2.4).
            Err(RedirectError::Location)
        } else if !to.scheme().is_http() {
            Err(RedirectError::Scheme)
        } else if self.redirects >= most {
            Err(RedirectError::TooMany)
        } else if from.scheme().is_secure() && !to.scheme().is_secure() && !allows_downgrade {
            Err(RedirectError::Downgrade)
        } else {
            self.leaves_origin = !to.is_same_origin(next, from);
            match self.options.asks.redirect {
                true => self.ask(Question::Redirect),
                false => self.follow(),
            }
            Ok(())
        }
    }

    /// Follows the redirect: the next hop's request differs as RFC 9110 §15.4 and the fetch
    /// standard have it.
    pub(super) fn follow(&mut self) {
        let Rewrite { becomes_get, leaves_origin } = self.rewrite();
        if becomes_get {
            self.request.become_get();
        }
        if leaves_origin {
            self.request.go_elsewhere();
        }
        self.go_on_elsewhere(self.transfer.status);
    }

    /// What the redirects so far make of the request, with the one that is asked about.
    #[must_use]
    pub const fn rewrite(&self) -> Rewrite {
        let is_asked = matches!(self.phase, Phase::Inspect);
        let becomes_get = match self.transfer.status {
            // Only POST, as everybody does; RFC 9110 §15.4.2 and §15.4.3 allow it.
            301 | 302 => self.request.is_post,
            // HEAD stays HEAD (RFC 9110 §15.4.4).
            303 => !self.request.is_head,
            _ => false,
        };
        Rewrite {
            becomes_get: self.request.is_rewritten || is_asked && becomes_get,
            leaves_origin: self.request.is_elsewhere || is_asked && self.leaves_origin,
        }
    }

    /// Follows the redirect with a request of the host's own.
    pub(super) fn follow_with(&mut self, request: &Request<'_>, body_is_replayable: bool) {
        self.request = *request.traits();
        self.options.body_is_replayable = body_is_replayable;
        self.go_on_elsewhere(self.transfer.status);
    }

    fn go_on_elsewhere(&mut self, status: u16) {
        self.redirects = self.redirects.saturating_add(1);
        self.stale_retries = 0;
        self.due.tell_status(Tell::Redirected, status);
        self.discard(Then::Connect);
    }

    /// Reads what is left of the body, if that is little, so that the connection can be used
    /// again.
    pub(super) fn discard(&mut self, then: Then) {
        self.transfer.stop_sending();
        if then == Then::Connect {
            // What was announced is not to be received: progress waits for the next head.
            self.counts.expected_to_receive = None;
        }
        let left = limits::REDIRECT_BODY_BYTES;
        if self.transfer.receive.is_done() {
            self.end_discard(then, None);
        } else if self.transfer.closes.is_none() && self.transfer.receive.is_within(left) {
            self.set_phase(Phase::Discard { left, then });
        } else {
            self.end_discard(then, Some(CloseReason::Unwanted));
        }
    }

    /// Enough was discarded: the connection is closed for `reason`, if there is one.
    pub(super) fn end_discard(&mut self, then: Then, reason: Option<CloseReason>) {
        self.transfer.add_reason(reason);
        self.release(match self.transfer.closes {
            Some(reason) => Release::Close(reason),
            None => Release::Reuse,
        });
        match then {
            Then::Connect => self.reconnect(Wish::Any),
            Then::Finish => self.set_phase(Phase::Finish),
        }
    }

    /// The response is the result: not a redirect that is followed.
    fn deliver_or_judge(&mut self, now: Instant, lent: &Inspection<'_>) {
        match lent.resume.filter(|_| self.sends_range()) {
            Some(resume) => resume.judge(self, &lent.head),
            None => self.deliver(),
        }
        self.deadlines.resume(now);
    }

    /// The redirect is the result. For what is stored of a download it is no more than an error
    /// page.
    pub(super) fn refuse(&mut self) {
        if self.sends_range() {
            self.keep_stored();
        } else {
            self.deliver();
        }
    }

    /// What is stored is worth more than an error page.
    fn keep_stored(&mut self) {
        self.due.tell_status(Tell::Response, self.transfer.status);
        self.fail(Error::Status(self.transfer.status));
    }

    /// The user gets the response, unless only success will do.
    pub(super) fn deliver(&mut self) {
        let status = self.transfer.status;
        self.due.tell_status(Tell::Response, status);
        match status {
            // A part must not pass for the whole.
            _ if self.is_part_for_whole() => {
                return self.fail(Error::Peer(PeerError::UnaskedRange));
            }
            200..=299 => {}
            _ if self.options.requires_success => return self.fail(Error::Status(status)),
            _ => {}
        }
        if self.options.asks.disposition {
            self.ask(Question::Disposition);
        }
        if matches!(self.phase, Phase::Inspect) {
            self.set_phase(Phase::Exchange);
        }
        if self.transfer.receive.is_done() {
            self.end_message(false);
        }
    }

    /// Whether a part came (206) to a download that asked for none.
    pub(super) fn is_part_for_whole(&self) -> bool {
        self.transfer.status == 206
            && self.options.kind == TaskKind::Download
            && self.request.range != Ranges::Part
            && !self.is_resumed
    }

    /// Whether more than the range up to `last` would be noticed: by the length of the message, or
    /// because the range ends with the content.
    fn is_bounded(&self, last: u64, total: u64) -> bool {
        last.checked_add(1) == Some(total) || self.transfer.receive.has_length()
    }

    /// The response to a request for the rest. Called through a [`Resumption`] and by nobody else.
    pub(crate) fn judge(&mut self, resume: &ResumeData<'_>, head: &ResponseHead<'_>) {
        match judge(resume, head) {
            Verdict::Append { total: Some(total), last } if self.is_bounded(last, total) => {
                self.counts.resume_at(resume.received(), total);
                self.is_resumed = true;
                self.due.tell(Tell::Resumed);
                self.deliver();
            }
            Verdict::Replace => self.deliver(),
            Verdict::Done => {
                self.counts.resume_at(resume.received(), resume.received());
                self.due.tell_status(Tell::Response, self.transfer.status);
                self.due.tell(Tell::Resumed);
                self.discard(Then::Finish);
            }
            // Without a total nobody could tell when all is there.
            Verdict::Append { .. } | Verdict::Again => {
                self.options.is_resuming = false;
                self.discard(Then::Connect);
            }
            Verdict::Other => self.keep_stored(),
        }
    }
}
