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
//! Skeleton.

mod error;
pub mod limits;
mod log;
mod request;
mod response;
pub mod session;
mod task;
mod time;
mod transfer;
mod url;
mod wire;

pub use error::{Error, Limit, Misuse, PeerError, Timer, Transport};
pub use request::{BodyLength, Field, Request, RequestError};
pub use response::ResponseHead;
pub use task::counts::{ByteCounts, TRANSFER_SIZE_UNKNOWN, UrlSessionCounts};
pub use task::output::{Event, Output, Wish};
pub use task::state::{TaskState, Trigger, next};
pub use task::{Advance, Broken, Progress, Task, TaskKind, TaskOptions};
pub use time::Instant;
pub use transfer::{Io, Receive, Send};
pub use url::{Scheme, Url, UrlError, UrlParts};
pub use wire::chunked::{ChunkedDecoder, Decoded, Run};
pub use wire::encode::RequestHead;
pub use wire::framing::{CloseReason, Framing};
pub use wire::head::Slot;
