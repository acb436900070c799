//! Answers to the questions of a task.

use sortie_core::{Answer, Field, Question, Request, Token};

use super::Runner;
use crate::script::{Edited, Reply, Say, Script};
use crate::trace::Told;

/// The fields of the requests with which questions are answered: what those borrow.
pub(super) struct Edits<'s>(Vec<Option<(&'s Edited, Vec<Field<'s>>)>>);

impl<'s> Edits<'s> {
    pub(super) fn of(script: &'s Script) -> Self {
        let edited = |reply: &'s Reply| match &reply.say {
            Say::FollowWith(edited) => Some((edited, edited.checked_fields())),
            Say::Follow
            | Say::Refuse
            | Say::Allow
            | Say::BecomeDownload
            | Say::Cancel
            | Say::Body
            | Say::NoBody => None,
        };
        Self(script.replies.iter().map(edited).collect())
    }

    /// For each reply the request that it puts in the place of another one.
    pub(super) fn requests(&'s self) -> Vec<Option<Request<'s>>> {
        let request = |edit: &'s Option<(&'s Edited, Vec<Field<'s>>)>| {
            edit.as_ref().map(|(edited, fields)| edited.request(fields))
        };
        self.0.iter().map(request).collect()
    }
}

/// A question that the user will answer.
pub(super) struct Pending<'s> {
    token: Token,
    pub(super) at: u64,
    reply: &'s Reply,
    edited: Option<&'s Request<'s>>,
}

impl Runner<'_> {
    /// Answers the question, if it is time.
    pub(super) fn reply(&mut self) {
        let Some(pending) = self.pending.take_if(|pending| pending.at <= self.now) else {
            return;
        };
        // The task may have ended meanwhile: then nobody needs to answer.
        let Some((question, _)) = self.task.pending_question() else {
            return;
        };
        let answer = match &pending.reply.say {
            Say::Follow => Answer::Follow,
            Say::FollowWith(_) => Answer::FollowWith {
                request: pending.edited.expect("the request of this answer"),
                body_is_replayable: true,
            },
            Say::Refuse => Answer::Refuse,
            Say::Allow => Answer::Allow,
            Say::BecomeDownload => Answer::BecomeDownload,
            Say::Cancel => Answer::Cancel,
            Say::Body => Answer::Body,
            Say::NoBody => Answer::NoBody,
        };
        let result = self.task.answer(self.at(), pending.token, answer);
        assert_eq!(result, Ok(()), "{:?} of {:?}", pending.reply, self.task);
        self.contract.answered(&self.task, question, pending.token, self.now);
        if let (Say::FollowWith(edited), Some(request)) = (&pending.reply.say, pending.edited) {
            self.request = request;
            self.body = &edited.body;
            self.next.clone_from(&edited.url);
        }
    }

    pub(super) fn ask(&mut self, question: Question, token: Token) {
        assert_eq!(self.task.pending_question(), Some((question, token)));
        self.events.push(Told::Asked(question));
        let edited = self.edited.get(self.asked).and_then(Option::as_ref);
        let reply = self.script.replies.get(self.asked);
        self.asked += 1;
        self.pending =
            reply.map(|reply| Pending { token, at: self.now + reply.after, reply, edited });
    }
}
