#![no_std]
//! Skeleton docs.

mod connect;
mod connection;
mod control;
mod driver;
mod input;
mod resources;
mod session;
mod stream;
mod task;
mod time;

pub use control::{ControlBlock, Seat, TaskControl};
pub use resources::Resources;
pub use session::{Config, Session};
pub use sortie_core as core;
pub use task::{DataTask, Failure, Response};
