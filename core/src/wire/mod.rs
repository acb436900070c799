//! Bytes to messages and back (RFC 9110, RFC 9112), without the state of a transfer.

pub(crate) mod chunked;
pub(crate) mod cursor;
pub(crate) mod encode;
pub(crate) mod framing;
pub(crate) mod grammar;
pub(crate) mod head;
