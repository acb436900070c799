//! The memory of a session.

use core::fmt;

/// Memory for the connections of a [`Session`](crate::Session): `CONNECTIONS` of them, each with
/// three buffers, of `RECEIVE`, `SEND` and `HEAD` bytes; the last two are as large as the first
/// unless said otherwise. It takes `CONNECTIONS * (RECEIVE + SEND + HEAD)` bytes, all zero at
/// first.
///
/// Of the buffers of a connection two are its socket's: one for what was received and not yet taken
/// (so that it bounds the TCP window), one for what was written and not yet acknowledged. The third
/// holds the head of a response until it is understood: a head longer than that fails as
/// [`Limit::HeadBuffer`](sortie_core::Limit::HeadBuffer), unless the task brings
/// [memory of its own](crate::DataTask::head) for it. 1024 is enough for most servers; to receive,
/// 1536 lets a full Ethernet frame arrive at once, and what is more lets downloads run faster.
///
/// Meant for a static, by `StaticCell` or the like. A local does as well.
pub struct Resources<
    const CONNECTIONS: usize,
    const RECEIVE: usize,
    const SEND: usize = RECEIVE,
    const HEAD: usize = RECEIVE,
> {
    pub(crate) buffers: [Buffers<RECEIVE, SEND, HEAD>; CONNECTIONS],
}

/// The buffers of one connection.
pub(crate) struct Buffers<const RECEIVE: usize, const SEND: usize, const HEAD: usize> {
    pub(crate) receive: [u8; RECEIVE],
    pub(crate) send: [u8; SEND],
    pub(crate) inbox: [u8; HEAD],
}

impl<const CONNECTIONS: usize, const RECEIVE: usize, const SEND: usize, const HEAD: usize>
    Resources<CONNECTIONS, RECEIVE, SEND, HEAD>
{
    /// Memory that no session uses yet.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(CONNECTIONS > 0, "a session needs a connection") };
        const { assert!(RECEIVE >= 64, "a buffer has at least 64 bytes") };
        const { assert!(SEND >= 64, "a buffer has at least 64 bytes") };
        const { assert!(HEAD >= 64, "a buffer has at least 64 bytes") };
        Self { buffers: [const { Buffers::new() }; CONNECTIONS] }
    }
}

impl<const RECEIVE: usize, const SEND: usize, const HEAD: usize> Buffers<RECEIVE, SEND, HEAD> {
    const fn new() -> Self {
        Self { receive: [0; RECEIVE], send: [0; SEND], inbox: [0; HEAD] }
    }
}

impl<const CONNECTIONS: usize, const RECEIVE: usize, const SEND: usize, const HEAD: usize> Default
    for Resources<CONNECTIONS, RECEIVE, SEND, HEAD>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<const CONNECTIONS: usize, const RECEIVE: usize, const SEND: usize, const HEAD: usize>
    fmt::Debug for Resources<CONNECTIONS, RECEIVE, SEND, HEAD>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resources<{CONNECTIONS}, {RECEIVE}, {SEND}, {HEAD}>")
    }
}
