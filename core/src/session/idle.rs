//! Rings of idle connections: all of a session, and those of each origin.
//!
//! A ring is known by its newest connection, and that one's `newer` is the oldest: both ends are at
//! hand, and any connection leaves at no cost.

use super::heap::NIL;
use super::storage::Connection;

/// The neighbours of a connection. Alone in a ring, it is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ring {
    pub(super) older: u16,
    pub(super) newer: u16,
}

/// Which ring of a connection is meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    Session,
    Origin,
}

impl Ring {
    /// Of a connection that is not idle.
    pub(super) const OUT: Self = Self { older: NIL, newer: NIL };
}

pub(super) fn ring(connections: &[Connection], of: Of, at: u16) -> Ring {
    let connection = connections.get(usize::from(at));
    connection.map_or(Ring::OUT, |connection| match of {
        Of::Session => connection.in_session,
        Of::Origin => connection.in_origin,
    })
}

fn set(connections: &mut [Connection], of: Of, at: u16, change: impl FnOnce(&mut Ring)) {
    if let Some(connection) = connections.get_mut(usize::from(at)) {
        change(match of {
            Of::Session => &mut connection.in_session,
            Of::Origin => &mut connection.in_origin,
        });
    }
}

/// The oldest of a ring, or `NIL`.
pub(super) fn oldest(connections: &[Connection], of: Of, newest: u16) -> u16 {
    ring(connections, of, newest).newer
}

/// Adds a connection, which is the newest from now on.
pub(super) fn push(connections: &mut [Connection], of: Of, newest: u16, at: u16) {
    if newest == NIL {
        set(connections, of, at, |ring| *ring = Ring { older: at, newer: at });
        return;
    }
    let oldest = oldest(connections, of, newest);
    set(connections, of, at, |ring| *ring = Ring { older: newest, newer: oldest });
    set(connections, of, newest, |ring| ring.newer = at);
    set(connections, of, oldest, |ring| ring.older = at);
}

/// Takes a connection out. Returns the newest that is left, or `NIL`.
pub(super) fn unlink(connections: &mut [Connection], of: Of, newest: u16, at: u16) -> u16 {
    let Ring { older, newer } = ring(connections, of, at);
    if older == at {
        return NIL;
    }
    set(connections, of, older, |ring| ring.newer = newer);
    set(connections, of, newer, |ring| ring.older = older);
    if newest == at { older } else { newest }
}
