//! What a task asks of its adapter, and tells its user.

use crate::error::Error;
use crate::task::question::{Question, Token};
use crate::wire::framing::CloseReason;

/// The next thing to do for a task. A plain value: it borrows nothing.
///
/// Exhaustive, so that a new one fails to compile in every adapter. *State* outputs are given again
/// until something changes; the others are *said once*, and only to
/// [`Task::poll_output`](crate::Task::poll_output).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Output {
    /// State: take the connection that is assigned, or open one. Report `handle_connecting` when
    /// an attempt begins, then `handle_connected`, `handle_connect_failed`, or
    /// `handle_connect_postponed` if the scheduler has it wait once more.
    Connect(Wish),
    /// State: add fields to the head that is about to be sent. Report `handle_prepared`.
    Prepare,
    /// State: move bytes as [`Task::io`](crate::Task::io) says, until this changes.
    Exchange,
    /// State: lend the head of the response to [`Task::inspect`](crate::Task::inspect): a
    /// `Location` or a range has to be looked into.
    Inspect,
    /// State: everything is received. Commit it: decode to the end, sync, rename. Report
    /// `handle_committed` or `handle_sink_failed`.
    Finish,
    /// State: nothing to do until a command, an answer, or the deadline.
    Wait,
    /// Said once: pass it on.
    Event(Event),
    /// Said once: the connection is of no more use.
    Close(CloseReason),
    /// Said once: give the connection back; it can carry another exchange.
    Reuse,
    /// Said once: the connection now belongs to the next protocol, with whatever input is held.
    /// Report `handle_upgraded_end` when that is done.
    Upgraded,
    /// Said once, and last: the task has ended.
    Complete(Result<(), Error>),
}

/// What connection a task wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Wish {
    /// An idle one or a new one.
    Any,
    /// A new one: an idle one turned out to be dead.
    New,
}

/// Something that happened, for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event {
    /// An interim response came, other than 101.
    InformationalResponse {
        /// Its status, 100 or 102 to 199.
        status: u16,
    },
    /// The head of the final response came, or a 101.
    Response {
        /// Its status, 101 or 200 to 999.
        status: u16,
    },
    /// The URL that `inspect` wrote is the target from now on.
    Redirected {
        /// The status of the response that led there: 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// The server goes on where a download was cut off: content begins at the offset that
    /// `counts().received` says, of `expected_to_receive` in all.
    Resumed,
    /// The body is sent again from its start, over a new transfer.
    BodyRestarted,
    /// Asked once, and answered by [`Task::answer`](crate::Task::answer) at any time later.
    Question(Question, Token),
}

/// Said-once outputs that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Due {
    /// What is to be told, as bits: nearly always nothing, which one look shows.
    told: u8,
    /// The status that goes with it.
    status: u16,
    pub(crate) release: Option<Release>,
}

/// What is to be told. The events in the order in which they are told, then what is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tell {
    BodyRestarted = 1 << 0,
    Interim = 1 << 1,
    Redirected = 1 << 2,
    Response = 1 << 3,
    Resumed = 1 << 4,
    Question = 1 << 5,
    Upgraded = 1 << 6,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    Close(CloseReason),
    Reuse,
}

impl Due {
    pub(crate) fn tell(&mut self, what: Tell) {
        self.told |= what as u8;
    }

    /// Tells of a response, interim or final. One at a time: it keeps the next one from coming.
    pub(crate) fn tell_status(&mut self, what: Tell, status: u16) {
        self.tell(what);
        self.status = status;
    }

    pub(crate) fn untell(&mut self, what: Tell) {
        self.told &= !(what as u8);
    }

    /// Tells nothing any more. The connection is released all the same.
    pub(crate) fn forget(&mut self) {
        self.told = 0;
    }

    /// Whether something is due that keeps input from being taken.
    #[inline]
    pub(crate) const fn blocks_input(&self) -> bool {
        self.told != 0 || self.release.is_some()
    }

    /// What is to be told first, if anything. `question` is the one that is asked.
    #[inline]
    pub(crate) fn first(&self, question: Option<(Question, Token)>) -> Option<Output> {
        let status = self.status;
        // The lowest bit that is set.
        Some(Output::Event(match self.told.trailing_zeros() {
            0 => Event::BodyRestarted,
            1 => Event::InformationalResponse { status },
            2 => Event::Redirected { status },
            3 => Event::Response { status },
            4 => Event::Resumed,
            5 => {
                let (question, token) = question?;
                Event::Question(question, token)
            }
            6 => return Some(Output::Upgraded),
            _ => return None,
        }))
    }

    /// What is first was told.
    #[inline]
    pub(crate) fn told_first(&mut self) {
        self.told &= self.told.wrapping_sub(1);
    }
}
