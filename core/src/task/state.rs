//! The lifecycle of a task: the only place where its state changes.
//!
//! ```text
//!            resume                     last byte stored
//! Suspended ────────▶ Running ───────────────────────────▶ Completed
//!     ▲  │              │  │                                  ▲
//!     └──┼── suspend ───┘  └── cancel ──▶ Canceling ──────────┤
//!        └── cancel ────────────────────▶    ╵                │
//!        └── failure, timeout ────────────────────────────────┘
//! ```
//!
//! Calls of `suspend` nest: creation counts as one, each `resume` takes one back, and the task runs
//! at none. Surplus calls of `resume` are not banked.

use crate::error::Misuse;
use crate::limits;

/// The state of a task. Raw values are those of URLSessionTask.State.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum TaskState {
    /// It makes progress, or waits for its turn, a connection or its earliest begin.
    Running = 0,
    /// It makes none until it is resumed. New tasks are suspended.
    Suspended = 1,
    /// It was cancelled and its completion is yet to be told.
    Canceling = 2,
    /// Its completion was told. Nothing follows.
    Completed = 3,
}

/// What makes the state of a task change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Trigger {
    /// `resume` took back the last suspend.
    Resume,
    /// `suspend`.
    Suspend,
    /// `cancel`.
    Cancel,
    /// The task succeeded or failed.
    Finish,
}

/// The state that follows; `None` where the trigger changes nothing.
///
/// | on \ in | Suspended | Running | Canceling | Completed |
/// |---|---|---|---|---|
/// | Resume | Running | – | – | – |
/// | Suspend | – | Suspended | – | – |
/// | Cancel | Canceling | Canceling | – | – |
/// | Finish | Completed | Completed | Completed | – |
#[must_use]
pub const fn next(state: TaskState, on: Trigger) -> Option<TaskState> {
    use {TaskState as S, Trigger as T};
    match (state, on) {
        (S::Suspended, T::Resume) => Some(S::Running),
        (S::Running, T::Suspend) => Some(S::Suspended),
        (S::Suspended | S::Running, T::Cancel) => Some(S::Canceling),
        (S::Suspended | S::Running | S::Canceling, T::Finish) => Some(S::Completed),
        (S::Suspended, T::Suspend) | (S::Running, T::Resume) => None,
        (S::Canceling, T::Resume | T::Suspend | T::Cancel) => None,
        (S::Completed, T::Resume | T::Suspend | T::Cancel | T::Finish) => None,
    }
}

/// State and suspend count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifecycle {
    state: TaskState,
    /// How many calls of `resume` it takes to run; 0 in every other state than `Suspended`.
    suspends: u16,
}

impl Lifecycle {
    pub(crate) const fn new() -> Self {
        Self { state: TaskState::Suspended, suspends: 1 }
    }

    pub(crate) const fn state(&self) -> TaskState {
        self.state
    }

    /// Takes one suspend back. Returns whether the task begins to run with it.
    pub(crate) fn resume(&mut self) -> bool {
        self.suspends = self.suspends.saturating_sub(1);
        self.suspends == 0 && self.apply(Trigger::Resume)
    }

    /// Adds a suspend. Returns whether the task stops running with it.
    pub(crate) fn suspend(&mut self) -> Result<bool, Misuse> {
        match self.state {
            TaskState::Suspended if self.suspends == limits::SUSPENDS => {
                return Err(Misuse::TooManySuspends);
            }
            TaskState::Suspended => self.suspends = self.suspends.saturating_add(1),
            TaskState::Running => self.suspends = 1,
            TaskState::Canceling | TaskState::Completed => {}
        }
        Ok(self.apply(Trigger::Suspend))
    }

    /// Returns whether the task begins to be cancelled with it.
    pub(crate) fn cancel(&mut self) -> bool {
        self.apply(Trigger::Cancel)
    }

    pub(crate) fn finish(&mut self) -> bool {
        self.apply(Trigger::Finish)
    }

    fn apply(&mut self, on: Trigger) -> bool {
        let Some(state) = next(self.state, on) else {
            return false;
        };
        crate::log::trace!("task {:?} => {:?}", self.state, state);
        self.state = state;
        if state != TaskState::Suspended {
            self.suspends = 0;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules of URLSessionTask once more, by counting instead of by table.
    struct Model {
        resumes_needed: u32,
        cancelled: bool,
        completed: bool,
    }

    impl Model {
        fn state(&self) -> TaskState {
            if self.completed {
                TaskState::Completed
            } else if self.cancelled {
                TaskState::Canceling
            } else if self.resumes_needed > 0 {
                TaskState::Suspended
            } else {
                TaskState::Running
            }
        }

        fn call(&mut self, call: u32) {
            let ended = self.cancelled || self.completed;
            match call {
                0 if !ended => self.resumes_needed = self.resumes_needed.saturating_sub(1),
                1 if !ended => self.resumes_needed += 1,
                2 if !ended => self.cancelled = true,
                3 => self.completed = true,
                _ => {}
            }
        }
    }

    #[test]
    fn every_sequence_of_up_to_8_calls_agrees_with_the_model() {
        for sequence in 0..4_u32.pow(8) {
            let mut lifecycle = Lifecycle::new();
            let mut model = Model { resumes_needed: 1, cancelled: false, completed: false };
            for place in 0..8 {
                let call = sequence / 4_u32.pow(place) % 4;
                let before = lifecycle.state();
                let changed = match call {
                    0 => lifecycle.resume(),
                    1 => lifecycle.suspend().unwrap(),
                    2 => lifecycle.cancel(),
                    _ => lifecycle.finish(),
                };
                model.call(call);
                assert_eq!(lifecycle.state(), model.state(), "{sequence} at {place}");
                assert_eq!(changed, before != lifecycle.state(), "{sequence} at {place}");
            }
        }
    }

    #[test]
    fn raw_values_are_those_of_urlsession() {
        use TaskState::{Canceling, Completed, Running, Suspended};
        assert_eq!([Running, Suspended, Canceling, Completed].map(|s| s as u8), [0, 1, 2, 3]);
    }

    #[test]
    fn the_count_of_suspends_is_bounded_and_says_so() {
        let mut lifecycle = Lifecycle::new();
        for _ in 1..limits::SUSPENDS {
            assert_eq!(lifecycle.suspend(), Ok(false));
        }
        assert_eq!(lifecycle.suspend(), Err(Misuse::TooManySuspends));
        for _ in 1..limits::SUSPENDS {
            assert!(!lifecycle.resume());
        }
        assert!(lifecycle.resume());
    }

    #[test]
    fn the_documented_table_is_the_table() {
        use {TaskState as S, Trigger as T};
        let columns = [S::Suspended, S::Running, S::Canceling, S::Completed];
        let rows = [
            (T::Resume, [Some(S::Running), None, None, None]),
            (T::Suspend, [None, Some(S::Suspended), None, None]),
            (T::Cancel, [Some(S::Canceling), Some(S::Canceling), None, None]),
            (T::Finish, [Some(S::Completed), Some(S::Completed), Some(S::Completed), None]),
        ];
        for (trigger, results) in rows {
            for (state, result) in columns.into_iter().zip(results) {
                assert_eq!(next(state, trigger), result, "{state:?} on {trigger:?}");
            }
        }
    }
}
