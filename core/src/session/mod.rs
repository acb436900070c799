//! What tasks of one session share: its connections.

mod pool;

pub use pool::{Assign, Pool};
