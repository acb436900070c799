//! Which connection a task gets where nobody is before it: for a session that has no scheduler.

use super::scheduler::How;
use crate::limits::IDLE_TIMEOUT;
use crate::task::output::Wish;
use crate::time::Instant;

/// What is known of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Standing {
    /// A task has it.
    Busy,
    /// It is not open.
    Closed,
    /// It is open, and no task has it.
    Idle {
        /// When the last one gave it back.
        since: Instant,
        /// It leads to the origin of the task, and nothing came over it that nobody asked for.
        fits: bool,
    },
}

/// Chooses a connection, by its number, for a task whose turn it is. `None` while all are busy.
///
/// An idle one that fits, unless the task wishes for a new one or it has been idle for
/// [`IDLE_TIMEOUT`], by when the server may be about to close it. Else one that is not open, else
/// the one that has been idle for longest, which the adapter closes before it opens it again.
pub fn choose(
    now: Instant,
    wish: Wish,
    connections: impl IntoIterator<Item = Standing>,
) -> Option<(usize, How)> {
    let mut best = None;
    let mut oldest = u64::MAX;
    for (number, standing) in connections.into_iter().enumerate() {
        // One that is not open comes before every instant.
        let since = match standing {
            Standing::Busy => continue,
            Standing::Closed => 0,
            Standing::Idle { since, fits } => {
                if fits && wish == Wish::Any && now < since.after(IDLE_TIMEOUT) {
                    return Some((number, How::Reuse));
                }
                since.after(1).as_micros()
            }
        };
        if best.is_none() || since < oldest {
            best = Some(number);
            oldest = since;
        }
    }
    best.map(|number| (number, How::Open))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    const fn idle(since: u64, fits: bool) -> Standing {
        Standing::Idle { since: at(since), fits }
    }

    #[test]
    fn an_idle_connection_that_fits_is_used_again() {
        let all = [Standing::Busy, Standing::Closed, idle(5, false), idle(9, true)];
        assert_eq!(choose(at(10), Wish::Any, all), Some((3, How::Reuse)));
    }

    #[test]
    fn a_closed_one_is_opened_before_an_idle_one_is_given_up() {
        let all = [idle(5, false), idle(0, true), Standing::Closed];
        assert_eq!(choose(at(10), Wish::New, [all[0], all[2]]), Some((1, How::Open)));
        assert_eq!(choose(at(10), Wish::New, [idle(5, true), idle(4, true)]), Some((1, How::Open)));
        assert_eq!(choose(at(10), Wish::Any, all), Some((1, How::Reuse)));
    }

    #[test]
    fn a_closed_one_is_opened_before_one_that_is_idle_since_the_epoch_is_given_up() {
        let all = [idle(0, false), Standing::Busy, Standing::Closed];
        assert_eq!(choose(at(0), Wish::Any, all), Some((2, How::Open)));
    }

    #[test]
    fn one_that_was_idle_for_too_long_is_not_used_again() {
        let all = [idle(0, true)];
        assert_eq!(choose(at(IDLE_TIMEOUT - 1), Wish::Any, all), Some((0, How::Reuse)));
        assert_eq!(choose(at(IDLE_TIMEOUT), Wish::Any, all), Some((0, How::Open)));
    }

    #[test]
    fn there_is_none_while_all_are_busy() {
        assert_eq!(choose(at(0), Wish::Any, [Standing::Busy; 3]), None);
        assert_eq!(choose(at(0), Wish::Any, []), None);
    }
}
