#![no_std]
#![forbid(unsafe_code)]
// `[workspace.lints]` cannot be made stricter by a member, so the core's own lints stand here.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::cast_possible_truncation
    )
)]
#![deny(clippy::std_instead_of_core, clippy::alloc_instead_of_core)]
//! URLSessionTask as a pure state machine: HTTP/1.1 tasks without I/O, clock or allocator.
//!
//! A [`Task`] is created suspended; it is resumed, suspended, cancelled and watched. What it takes
//! to get from a request to its response is decided here, and nowhere else: framing, persistence,
//! the retry of a stale connection, redirects, whether a download goes on ([`resume`]), who starts
//! next ([`session`]), which address of a server is tried and when ([`Race`]), timers, counts, the
//! lifecycle. An *adapter* opens connections, moves bytes, keeps time and carries answers. `sortie`
//! and `sortie-embassy` are two of them; this crate is for those who write another, or who fuzz and
//! verify.
//!
//! **It is** `no_std`, without an allocator and `forbid(unsafe_code)`; a plain value that can sit
//! in a `static`; deterministic; bounded in everything ([`limits`]); free of panics, which the link
//! probe of the repository shows by a link that must succeed.
//!
//! **It is not** an HTTP server, HTTP/2 or a client one can use without an adapter. It opens no
//! socket, resolves no name, speaks no TLS and writes no file.
//!
//! # The contract
//!
//! ```text
//!            commands                     ┌──────────────┐  poll_output()
//!   resume · suspend · cancel · answer ─▶ │              │ ──────────────▶ what to do next
//!                                         │     Task     │  io(room)
//!   handle_connected · handle_sent        │              │ ──────────────▶ what may be written
//!   handle_head · handle_body · inspect ▶ │              │                 and read now
//!            input, with the time         └──────────────┘  deadline()
//!                                                          ──────────────▶ when to come back
//! ```
//!
//! 1. Ask [`Task::poll_output`]. It answers with a *state* ([`Output::Connect`], `Prepare`,
//!    `Exchange`, `Inspect`, `Finish`, `Wait`), the same until something changes, or with something
//!    *said once* (`Event`, `Close`, `Reuse`, `Upgraded`, `Complete`): then ask again.
//! 2. Do that, and report by `handle_*`. During an [`Output::Exchange`] ask [`Task::io`] what the
//!    connection may be used for; sending and receiving do not wait for each other. Go on until
//!    [`Task::still`] says that the exchange is over.
//!    Where a head has to be looked into, for a `Location` or a range, [`Output::Inspect`] asks for
//!    [`Task::inspect`], with room for the next URL. After [`Event::Redirected`] that one is the
//!    target.
//! 3. A [`Question`] comes as an event and is answered by [`Task::answer`], at any time later.
//!    While waiting, listen for commands, and call [`Task::handle_timeout`] at
//!    [`Task::deadline`].
//! 4. [`Output::Complete`] comes exactly once, and last.
//!
//! Memory is the caller's: each call is lent what it needs and keeps none of it. The request is the
//! same until completion. The input is what was received and not yet taken; the core says how much
//! to drop from its front. Content does not pass through the core: it lies at the front of the
//! caller's own buffer after [`Task::handle_body`], moved at most once.
//!
//! Time comes in only by [`Task::resume`], [`Task::answer`], [`Task::inspect`] and `handle_*`, as
//! microseconds since an epoch of the adapter's choice ([`Instant`]).
//!
//! # A whole exchange
//!
//! ```
//! use sortie_core::*;
//!
//! let url = Url::parse("http://sensor.example/celsius")?;
//! let fields = [field!("Accept", "text/plain")];
//! let request = Request::new("GET", url, &fields, BodyLength::None)?;
//! let mut task = Task::new(&request, TaskOptions::default());
//! assert_eq!(task.state(), TaskState::Suspended);
//! assert_eq!(task.poll_output(), Output::Wait);
//!
//! let now = Instant::EPOCH; // an adapter asks its clock
//! task.resume(now);
//! assert_eq!(task.poll_output(), Output::Connect(Wish::Any));
//! task.handle_connected(now, false)?;
//! assert_eq!(task.poll_output(), Output::Prepare);
//! task.handle_prepared(now)?;
//!
//! assert_eq!(task.poll_output(), Output::Exchange);
//! let mut output = [0; 256];
//! assert_eq!(task.io(0).send, Some(Send::Encode));
//! let length = task.encode(&RequestHead::new(&request), &mut output)?;
//! assert!(output.starts_with(b"GET /celsius HTTP/1.1\r\nHost: sensor.example\r\n"));
//! task.handle_sent(now, length)?; // the adapter wrote all of it
//!
//! let mut input = *b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n21.5";
//! let mut index = [Slot::EMPTY; 8];
//! let advance = task.handle_head(now, &mut input, false, &mut index)?;
//! assert_eq!(task.poll_output(), Output::Event(Event::Response { status: 200 }));
//! let (head, content) = input.split_at_mut(advance.head);
//! assert_eq!(ResponseHead::new(head, &index).value("content-length"), Some(&b"4"[..]));
//!
//! assert_eq!(task.io(content.len()).receive, Some(Receive::Body { max: 4 }));
//! assert_eq!(task.handle_body(now, content)?, 4);
//! assert_eq!(task.poll_output(), Output::Reuse);
//! assert_eq!(task.poll_output(), Output::Finish);
//! task.handle_committed()?;
//! assert_eq!(task.poll_output(), Output::Complete(Ok(())));
//! assert_eq!(task.state(), TaskState::Completed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! Split by who is to blame, all `Copy`: [`UrlError`] and [`RequestError`] before a task is made;
//! [`Misuse`] for calls that were not asked for, which change nothing; [`Error`] for what ends a
//! task: the peer, a limit, the transport, a timer, a redirect, the sink, the source, or a cancel.
//! Each of the latter has its URLError code. "More input is needed" is no error.
//!
//! # Features
//!
//! None is on by default; all are additive. `alloc`: a scheduler that grows
//! ([`session::scheduler`]); tasks never allocate. `defmt`: [`defmt::Format`] for the public types,
//! and traces. `log`: the same traces through `log`. Neither ever shows a URL, a field value or
//! content.
//!
//! [`defmt::Format`]: https://docs.rs/defmt

#[cfg(feature = "alloc")]
extern crate alloc;

mod error;
#[cfg(feature = "defmt")]
mod format;
pub mod limits;
mod log;
mod race;
#[cfg(test)]
mod random;
mod request;
mod response;
pub mod resume;
pub mod session;
mod task;
mod time;
mod transfer;
mod url;
mod wire;

pub use error::{Error, Limit, Misuse, PeerError, RedirectError, Timer, TlsError, Transport};
pub use race::{Race, RaceOutput};
pub use request::{BodyLength, Field, Request, RequestError, Rewrite};
pub use response::ResponseHead;
pub use resume::{
    BufferTooSmall, ContentRange, RangeFields, ResumeData, ResumeDataError, Resumption, Validator,
    Verdict, http_date, judge, repr_digest_sha256,
};
pub use task::counts::{ByteCounts, TRANSFER_SIZE_UNKNOWN, UrlSessionCounts};
pub use task::output::{Event, Output, Wish};
pub use task::state::{TaskState, Trigger, next};
pub use task::{
    Advance, Answer, Asks, Broken, InspectError, Inspection, Progress, Question, RedirectPolicy,
    Task, TaskKind, TaskOptions, Token,
};
pub use time::Instant;
pub use transfer::{Io, Receive, Send};
pub use url::{ResolveError, Resolved, Scheme, Url, UrlError, UrlParts};
pub use wire::chunked::{ChunkedDecoder, Decoded, Run};
pub use wire::encode::RequestHead;
pub use wire::framing::{CloseReason, Framing};
pub use wire::head::Slot;
