//! The memory of a session.

use core::fmt;

/// Memory for the connections of a [`Session`](crate::Session): `CONNECTIONS` of them, each with
/// three buffers of `BUFFER` bytes. It takes `3 * CONNECTIONS * BUFFER` bytes, all zero at first.
///
/// Of the buffers of a connection two are its socket's: one for what was received and not yet
/// taken (so that it bounds the TCP window), one for what was written and not yet acknowledged.
/// The third holds the head of a response until it is understood: a head longer than that fails as
/// [`Limit::HeadBuffer`](sortie_core::Limit::HeadBuffer), unless the task brings
/// [memory of its own](crate::DataTask::head) for it. 1024 is enough for most servers; 1536 lets a
/// full Ethernet frame arrive at once.
///
/// Meant for a static, by `StaticCell` or the like. A local does as well.
pub struct Resources<const CONNECTIONS: usize, const BUFFER: usize> {
    pub(crate) buffers: [Buffers<BUFFER>; CONNECTIONS],
}

/// The buffers of one connection.
pub(crate) struct Buffers<const BUFFER: usize> {
    pub(crate) receive: [u8; BUFFER],
    pub(crate) send: [u8; BUFFER],
    pub(crate) inbox: [u8; BUFFER],
}

impl<const CONNECTIONS: usize, const BUFFER: usize> Resources<CONNECTIONS, BUFFER> {
    /// Memory that no session uses yet.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(CONNECTIONS > 0, "a session needs a connection") };
        const { assert!(BUFFER >= 64, "a buffer has at least 64 bytes") };
        Self { buffers: [const { Buffers::new() }; CONNECTIONS] }
    }
}

impl<const BUFFER: usize> Buffers<BUFFER> {
    const fn new() -> Self {
        Self { receive: [0; BUFFER], send: [0; BUFFER], inbox: [0; BUFFER] }
    }
}

impl<const CONNECTIONS: usize, const BUFFER: usize> Default for Resources<CONNECTIONS, BUFFER> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const CONNECTIONS: usize, const BUFFER: usize> fmt::Debug for Resources<CONNECTIONS, BUFFER> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resources<{CONNECTIONS}, {BUFFER}>")
    }
}
