//! Every bound of the core: its name, its value and why it is that value.
//!
//! A peer can make nothing grow beyond these. Exceeding one ends the task with
//! [`Error::Limit`](crate::Error::Limit), naming the [`Limit`](crate::Limit) that was met.
//! Buffers that the caller lends may be smaller: then the buffer is the bound
//! ([`Limit::HeadBuffer`](crate::Limit::HeadBuffer)).

/// Bytes of one response head, the empty line included.
///
/// Offsets of fields are `u16`, so that an index entry takes 8 bytes. Servers refuse request
/// heads of 8 to 16 KiB and browsers take response heads of 256 KiB; nothing legitimate needs
/// more than this.
pub const HEAD_BYTES: usize = u16::MAX as usize;

/// Field lines of one response head. Browsers and servers stop at 100 to 256.
pub const HEAD_FIELDS: usize = 256;

/// Interim (1xx) responses before the final one. A server that sends 102 every few seconds during
/// a long job stays far below; an endless run of them is an attack on the request timeout.
pub const INTERIM_RESPONSES: u8 = 64;

/// Bytes of one chunk-size line with its extensions, the line end included.
/// Extensions are ignored (RFC 9112 §7.1.1), so they may cost next to nothing.
pub const CHUNK_LINE_BYTES: u16 = 4096;

/// Bytes of chunk-size lines that one message may spend on extensions and leading zeros beyond 24
/// a chunk, in all. It stops a peer that wraps each byte of content in kilobytes of extension.
pub const CHUNK_OVERHEAD_BYTES: u32 = 64 * 1024;

/// Bytes of a trailer section, the empty line included.
pub const TRAILER_BYTES: u16 = 16 * 1024;

/// Bytes of a URL. RFC 9110 §4.1 recommends to support at least 8,000.
pub const URL_BYTES: usize = 8192;

/// Fields of one request. Those that an adapter adds to its head are the adapter's to bound.
pub const REQUEST_FIELDS: usize = 256;

/// Nested `suspend` calls that are counted. Further ones change nothing and are told as
/// [`Misuse::TooManySuspends`](crate::Misuse::TooManySuspends).
pub const SUSPENDS: u16 = u16::MAX;

/// Retries on a new connection after a reused one turned out to be dead (RFC 9112 §9.3.1).
pub const STALE_RETRIES: u8 = 1;

/// Redirects that a task follows where it is not told otherwise: 20, as URLSession.
pub const REDIRECTS: u8 = 20;

/// Bytes of the body of a redirect, framing included, that are read so that the connection can be
/// used again. Such a body is a sentence or two for people; a longer one costs more than a new
/// connection.
pub const REDIRECT_BODY_BYTES: u16 = 16 * 1024;

/// Request (idle) timeout in microseconds where the caller names none: 60 s, as URLSession.
pub const REQUEST_TIMEOUT: u64 = 60_000_000;

/// Resource timeout in microseconds where the caller names none: 7 days, as URLSession.
pub const RESOURCE_TIMEOUT: u64 = 604_800_000_000;

/// How long a request body is held back for `100 (Continue)`, in microseconds. RFC 9110 §10.1.1
/// forbids to wait indefinitely; 1 s is what the widespread clients wait.
pub const CONTINUE_TIMEOUT: u64 = 1_000_000;

/// How long an unused connection is kept, in microseconds: 60 s. Many servers close theirs after
/// 60 to 75 s, and a request on a connection that is just being closed costs a retry.
pub const IDLE_TIMEOUT: u64 = 60_000_000;

/// Bytes of a validator that is kept to resume a download. Entity tags are hashes or counters of
/// some ten bytes; a server that sends more than this can be downloaded from, not resumed.
pub const VALIDATOR_BYTES: usize = 256;

/// Bytes of resume data at most: a URL, a validator and 30 more.
pub const RESUME_DATA_BYTES: usize = 26 + URL_BYTES + VALIDATOR_BYTES + 4;

/// Connections to one origin with a task, where the adapter names no other number: 6, as
/// URLSession and the browsers. More would take the bandwidth of others; RFC 9112 §9.4 asks to be
/// conservative.
pub const CONNECTIONS_PER_HOST: u16 = 6;

/// How long a session opens no more connections than it has, after the system had no socket for
/// another one, in microseconds: 1 s. Whoever else holds sockets may have closed some by then, and
/// a look costs one call of the system for each connection that could be opened.
pub const SOCKET_RETRY: u64 = 1_000_000;

/// How long an address is given to connect before the next one is tried beside it, in microseconds:
/// 250 ms, as RFC 8305 §5 recommends. Most connections are there by then: a server sees one.
pub const ATTEMPT_DELAY: u64 = 250_000;

/// The least that an adapter can set for it, in microseconds: 10 ms. RFC 8305 §8 forbids less,
/// which would crowd a network that is congested.
pub const ATTEMPT_DELAY_LEAST: u64 = 10_000;

/// The most that an adapter can set for it, in microseconds: 2 s, as RFC 8305 §8 recommends. Nobody
/// waits longer for the second address.
pub const ATTEMPT_DELAY_MOST: u64 = 2_000_000;

/// Addresses of the family of the first one that are tried before the first of the other family: 1,
/// as RFC 8305 §4 recommends. More would be a favour to a family of which the first address does
/// not answer.
pub const FIRST_FAMILY_COUNT: u8 = 1;

/// Addresses of a server that are tried at most, of both families together. With all of them silent
/// the last begins after 4 s; a name that has more has them to spread its load, and one that has
/// thousands is made to keep us busy.
pub const RACE_ADDRESSES: usize = 16;

/// The highest priority. Priorities are integers of 1/1000, because the core has no floats.
pub const PRIORITY_MOST: u16 = 1000;

/// The priority of a task for which nobody named one: the 0.5 of URLSession.
pub const PRIORITY_DEFAULT: u16 = 500;

/// What 1/1000 of priority is worth, in microseconds of waiting. From 0 to 1000 it makes 30 s: a
/// task of the lowest priority waits that long for others to be urgent, and then for nobody. That
/// is shorter than [`REQUEST_TIMEOUT`], by which people give up.
pub const PRIORITY_STEP: u32 = 30_000;

/// Bytes of a task's hint that are worth 1 µs of waiting, as a power of two: 1 KiB. About 8 Gbit/s:
/// no link is slower to move them, so that the hint orders what arrives together and no more.
pub const HINT_SHIFT: u32 = 10;

/// What a hint is worth at most, in microseconds of waiting: 1 s. A large transfer lets small ones
/// pass that were added right after it; it is not held back for the sake of its size.
pub const HINT_DELAY: u32 = 1_000_000;

/// Queued tasks, connections, and origins of one session, each: their numbers have 16 bits, so that
/// a device pays for no more. The rest of a longer list waits with whoever makes it.
pub const SESSION_ITEMS: usize = u16::MAX as usize;
