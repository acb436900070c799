//! Skeleton.

mod body;
mod connect;
mod connection;
mod driver;
mod error;
mod exchange;
mod request;
mod response;
mod session;
mod task;
#[allow(unreachable_pub, reason = "reachable with feature internals")]
mod world;

#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;

pub use body::Body;
pub use error::{Error, ErrorKind};
pub use request::Request;
pub use response::Response;
pub use session::{Session, SessionBuilder};
pub use sortie_core as core;
pub use sortie_core::{ByteCounts, Progress, ResponseHead, TaskState};
pub use task::{Task, TaskFuture};
