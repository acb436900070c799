//! Waiting for a task to change.

use core::future::poll_fn;
use core::task::Poll;

use sortie_core::{ByteCounts, Error, TaskState};

use crate::control::TaskControl;

/// What can be seen of a task at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Snapshot {
    /// Its [identifier](TaskControl::identifier).
    pub identifier: u32,
    /// Its state.
    pub state: TaskState,
    /// The bytes of its current transfer.
    pub counts: ByteCounts,
    /// Redirects that were followed.
    pub redirect_count: u8,
    /// Its priority, in thousandths.
    pub priority: u16,
    /// The status of the final response, once its head came.
    pub status: Option<u16>,
    /// How it ended, once it has.
    pub outcome: Option<Result<(), Error>>,
}

/// The changes of one task, to be awaited one after the other; made by [`TaskControl::changes`].
///
/// Who is slow sees the latest and none of those before it; the end is always seen. Several can
/// watch at once. Watching costs no memory but this, and a task that nobody watches nothing.
#[derive(Debug, Clone)]
pub struct Changes<'c> {
    control: TaskControl<'c>,
    /// What was seen last.
    seen: Option<Snapshot>,
}

impl<'c> TaskControl<'c> {
    /// What can be seen of the task now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            identifier: self.identifier(),
            state: self.state(),
            counts: self.counts(),
            redirect_count: self.redirect_count(),
            priority: self.priority(),
            status: self.status(),
            outcome: self.outcome(),
        }
    }

    /// The changes of the task from now on, its present state first. Before the first task begins
    /// they are those of the task that will.
    #[must_use]
    pub const fn changes(&self) -> Changes<'c> {
        Changes { control: *self, seen: None }
    }
}

impl Changes<'_> {
    /// What was seen last.
    #[cfg(feature = "defmt")]
    pub(crate) const fn seen(&self) -> Option<Snapshot> {
        self.seen
    }

    /// Waits until the task is otherwise than it was when this was asked last: how it is by now.
    /// `None` once the end was seen. Where the block behind it was lent to another task meanwhile,
    /// the last that is seen of this one is its end, with the counts that were seen before it.
    ///
    /// If several wait they wake each other: slower, and nothing worse.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Snapshot> {
        poll_fn(|cx| {
            let block = self.control.block;
            let now = self.control.snapshot();
            let next = match self.seen {
                Some(seen) if seen.outcome.is_some() => return Poll::Ready(None),
                // Another task: this one has ended.
                Some(seen) if seen.identifier != now.identifier && seen.identifier != 0 => {
                    let outcome = block.0.facts.outcome_of(seen.identifier);
                    let outcome = Some(outcome.unwrap_or(Err(Error::Canceled)));
                    Snapshot { state: TaskState::Completed, outcome, ..seen }
                }
                Some(seen) if seen == now => {
                    block.0.facts.changing.register(cx.waker());
                    return Poll::Pending;
                }
                Some(_) | None => now,
            };
            self.seen = Some(next);
            Poll::Ready(Some(next))
        })
        .await
    }
}
