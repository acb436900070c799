//! Updates of firmware under losses of power: a flash, a device with two slots, and a server.
//!
//! - [`flash`]: a chip that is strict about how it is used, and loses power where it is told to;
//! - [`device`]: what runs on it from one start to the next, and what must be true then;
//! - [`campaign`]: lives of such a device, cut at every point or at random ones.

pub mod campaign;
pub mod device;
pub mod flash;
