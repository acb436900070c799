//! What tasks of one session share: its connections.

mod pool;

pub use pool::{Assign, Fixed, Pool, Slots, Storage};
#[cfg(feature = "alloc")]
pub use pool::{Growable, GrowablePool};
