//! Progress, derived from the counts.

use super::counts::ByteCounts;

/// How far something is: `completed` of `total` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Progress {
    /// Bytes done.
    pub completed: u64,
    /// Bytes to do; `None` while unknown.
    pub total: Option<u64>,
}

impl Progress {
    /// Whether the total is unknown, so that no fraction can be told.
    #[must_use]
    pub const fn is_indeterminate(&self) -> bool {
        self.total.is_none()
    }

    /// The part that is done, from 0 to 1; 1 where there is nothing to do, 0 while the total is
    /// unknown; never NaN. The only floating point of the core, and outside its machines.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a fraction for display")]
    pub fn fraction(&self) -> f64 {
        match self.total {
            None => 0.0,
            Some(0) => 1.0,
            Some(total) => self.completed.min(total) as f64 / total as f64,
        }
    }

    /// What is left to do, in bytes; `None` while the total is unknown.
    #[must_use]
    pub const fn left(&self) -> Option<u64> {
        match self.total {
            Some(total) => Some(total.saturating_sub(self.completed)),
            None => None,
        }
    }
}

impl ByteCounts {
    /// Progress of what is sent.
    #[must_use]
    pub const fn send_progress(&self) -> Progress {
        Progress { completed: self.sent, total: self.expected_to_send }
    }

    /// Progress of what is received.
    #[must_use]
    pub const fn receive_progress(&self) -> Progress {
        Progress { completed: self.received, total: self.expected_to_receive }
    }

    /// Both as one, as URLSession has it: indeterminate until both totals are known.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        let total = match (self.expected_to_send, self.expected_to_receive) {
            (Some(send), Some(receive)) => Some(send.saturating_add(receive)),
            (None, _) | (_, None) => None,
        };
        Progress { completed: self.sent.saturating_add(self.received), total }
    }

    /// Progress of a task that has ended: the total is reached, whatever was expected.
    #[must_use]
    pub const fn ended(&self) -> Progress {
        let progress = self.progress();
        let total = match progress.total {
            Some(total) if total > 0 => total,
            Some(_) | None => match progress.completed {
                0 => 1,
                completed => completed,
            },
        };
        Progress { completed: total, total: Some(total) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_vector_of_urlsession_holds() {
        let mut counts = ByteCounts::start(Some(3));
        counts.add_sent(100, 3);
        counts.add_received(150, 11);
        let view = counts.url_session();
        assert_eq!(view.count_of_bytes_expected_to_send, 3);
        assert_eq!(view.count_of_bytes_sent, 3);
        assert_eq!(view.count_of_bytes_expected_to_receive, -1);
        assert_eq!(view.count_of_bytes_received, 11);
    }

    #[test]
    fn combined_progress_is_indeterminate_until_both_totals_are_known() {
        let mut counts = ByteCounts::start(Some(10));
        counts.add_sent(10, 10);
        assert!(counts.progress().is_indeterminate());
        assert_eq!(counts.send_progress().fraction(), 1.0);
        counts.expected_to_receive = Some(30);
        counts.add_received(10, 10);
        assert_eq!(counts.progress(), Progress { completed: 20, total: Some(40) });
        assert_eq!(counts.progress().fraction(), 0.5);
        assert_eq!(counts.receive_progress().left(), Some(20));
    }

    #[test]
    fn a_fraction_is_never_nan_and_never_above_one() {
        assert_eq!(Progress { completed: 0, total: Some(0) }.fraction(), 1.0);
        assert_eq!(Progress { completed: 5, total: None }.fraction(), 0.0);
        assert_eq!(Progress { completed: 9, total: Some(3) }.fraction(), 1.0);
    }

    #[test]
    fn an_ended_task_has_reached_its_total() {
        assert_eq!(ByteCounts::default().ended(), Progress { completed: 1, total: Some(1) });
        let mut counts = ByteCounts::start(Some(0));
        counts.add_received(7, 7);
        assert_eq!(counts.ended(), Progress { completed: 7, total: Some(7) });
    }

    #[test]
    fn counts_saturate_instead_of_wrapping() {
        let mut counts = ByteCounts { received: u64::MAX - 1, ..ByteCounts::default() };
        counts.add_received(5, 5);
        assert_eq!(counts.received, u64::MAX);
        assert_eq!(counts.url_session().count_of_bytes_received, i64::MAX);
        assert!(!ByteCounts::default().add_delivered(1), "not more than was received");
    }
}
