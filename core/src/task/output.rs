//! What a task asks of its adapter, and tells its user.

use crate::error::Error;
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
    /// an attempt begins, then `handle_connected` or `handle_connect_failed`.
    Connect(Wish),
    /// State: add fields to the head that is about to be sent. Report `handle_prepared`.
    Prepare,
    /// State: move bytes as [`Task::io`](crate::Task::io) says, until this changes.
    Exchange,
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
}

/// Said-once outputs that are due, in the order in which they are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Due {
    /// Status of an interim response, or 0.
    pub(crate) interim: u16,
    /// Status of the final response, or 0.
    pub(crate) response: u16,
    pub(crate) upgraded: bool,
    pub(crate) release: Option<Release>,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    Close(CloseReason),
    Reuse,
}

impl Due {
    /// Whether something is due that keeps input from being taken.
    pub(crate) const fn blocks_input(&self) -> bool {
        self.interim != 0 || self.response != 0 || self.upgraded || self.release.is_some()
    }
}
