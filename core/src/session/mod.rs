//! What tasks of one session share: its connections, and the queue for them.

mod heap;
mod idle;
mod machine;
mod pool;
pub mod scheduler;
mod storage;

pub use pool::{Assign, Fixed, Pool, Slots, Storage};
#[cfg(feature = "alloc")]
pub use pool::{Growable, GrowablePool};
