//! What a task tells while it runs.

use core::fmt;

use sortie_core::{ByteCounts, Error, Event, Question, ResponseHead, Token, Url};

use crate::reins::Reins;
use crate::target::Target;

/// Something that happened to a task, told to its [delegate](crate::DataTask::delegate) in order.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum TaskEvent<'e> {
    /// An interim response came, other than 101. Its fields are not kept.
    InformationalResponse {
        /// Its status, 100 or 102 to 199.
        status: u16,
    },
    /// A redirect is followed.
    Redirected {
        /// The status of the response that led there: 301, 302, 303, 307 or 308.
        status: u16,
        /// The URL from now on.
        to: Url<'e>,
    },
    /// The head of the final response came. As many fields are listed as the
    /// [index](crate::DataTask::head) that was lent has entries.
    Response(ResponseHead<'e>),
    /// The server goes on where a download was cut off.
    Resumed {
        /// Where the content begins in the whole, in bytes.
        offset: u64,
        /// Bytes of the whole, where that is known.
        total: Option<u64>,
    },
    /// The body is sent again from its start, over another connection.
    BodyRestarted,
    /// A question waits for its [answer](crate::TaskControl::answer).
    Asked(Question, Token),
    /// Bytes were sent.
    Sent(ByteCounts),
    /// Bytes of content, or of a head, were received.
    Received(ByteCounts),
    /// Content was taken by the sink of a download, or by who reads it.
    Delivered(ByteCounts),
    /// The task has completed. Told once, and last; not where its future was dropped before.
    Completed(Result<(), Error>),
}

/// What became of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    Sent,
    Received,
    Delivered,
}

/// Who is told, if anybody is.
#[derive(Clone, Copy)]
pub(crate) struct Delegate<'r>(pub(crate) Option<&'r dyn Hears>);

/// Who hears of what happens. A program without delegates links nothing that is told to one.
pub(crate) trait Hears {
    /// Passes on what the task says, with the head of the response and the target.
    fn pass_on(
        &self,
        control: &Reins,
        event: Event,
        head: ResponseHead<'_>,
        target: &Target<'_, '_>,
    );

    /// Tells the counts of now.
    fn count(&self, control: &Reins, moved: Moved);

    /// Tells the end.
    fn completed(&self, result: Result<(), Error>);
}

impl<F: Fn(TaskEvent<'_>)> Hears for F {
    fn pass_on(
        &self,
        control: &Reins,
        event: Event,
        head: ResponseHead<'_>,
        target: &Target<'_, '_>,
    ) {
        self(match event {
            Event::InformationalResponse { status } => TaskEvent::InformationalResponse { status },
            Event::Response { .. } => TaskEvent::Response(head),
            Event::Redirected { status } => match target.next() {
                Some(to) => TaskEvent::Redirected { status, to },
                None => return,
            },
            Event::Resumed => {
                let counts = control.counts();
                let (offset, total) = (counts.received, counts.expected_to_receive);
                TaskEvent::Resumed { offset, total }
            }
            Event::BodyRestarted => TaskEvent::BodyRestarted,
            Event::Question(question, token) => TaskEvent::Asked(question, token),
            // The core's events may become more.
            _ => return,
        });
    }

    fn count(&self, control: &Reins, moved: Moved) {
        let counts = control.counts();
        self(match moved {
            Moved::Sent => TaskEvent::Sent(counts),
            Moved::Received => TaskEvent::Received(counts),
            Moved::Delivered => TaskEvent::Delivered(counts),
        });
    }

    fn completed(&self, result: Result<(), Error>) {
        self(TaskEvent::Completed(result));
    }
}

impl Delegate<'_> {
    pub(crate) fn count(self, control: &Reins, moved: Moved) {
        if let Some(delegate) = self.0 {
            delegate.count(control, moved);
        }
    }
}

impl fmt::Debug for Delegate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "a delegate" } else { "none" })
    }
}
