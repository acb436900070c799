//! What is known of a failure before it is told.

use super::{Phase, Task};
use crate::error::Error;

impl Task {
    /// Bytes of the head that did not fit in the buffer lent for it, once its end was seen; see
    /// [`TaskOptions::measures_heads`](crate::TaskOptions::measures_heads).
    #[must_use]
    pub const fn head_needs(&self) -> Option<u16> {
        self.transfer.receive.head_needs()
    }

    /// What the task fails with, from when that is certain until
    /// [`Output::Complete`](crate::Output::Complete) is told: for who has to give up something else
    /// that takes its time.
    #[must_use]
    pub const fn failure(&self) -> Option<Error> {
        match self.phase {
            Phase::Failed(error) => Some(error),
            Phase::Created
            | Phase::Delayed
            | Phase::Connect(_)
            | Phase::Prepare
            | Phase::Exchange
            | Phase::Inspect
            | Phase::Discard { .. }
            | Phase::AskBody(_)
            | Phase::Upgraded
            | Phase::Finish
            | Phase::Committed
            | Phase::Completed => None,
        }
    }
}
