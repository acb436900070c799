//! What the behaviour tests share.
//!
//! - [`script`]: one task and the origins that it meets, written down once;
//! - [`origin`]: such an origin, played;
//! - [`faults`]: a proxy that cuts, stalls and corrupts what passes, and what must come of it;
//! - [`strict`]: a second decoder of response heads, to compare the core's with;
//! - [`trace`]: what can be seen of a run, to be compared;
//! - [`bare`]: the runner on the core alone;
//! - [`desktop`]: the runner on `sortie`'s driver, over in-memory streams;
//! - [`sockets`]: the runner on `sortie` itself, over loopback, in real time;
//! - [`embassy`]: the runner on `sortie-embassy`, over two network stacks;
//! - [`replay`]: one script on all three, compared;
//! - [`simulation`]: many tasks, origins and a network from one seed;
//! - [`update`]: firmware that updates itself while power comes and goes.

pub mod authority;
pub mod bare;
mod contract;
pub mod desktop;
pub mod embassy;
pub mod faults;
pub mod origin;
pub mod replay;
pub mod script;
pub mod simulation;
pub mod sockets;
pub mod strict;
pub mod trace;
pub mod update;

/// The document for people who come from reqwless: its code compiles, theirs and ours.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-reqwless.md")]
#[derive(Debug)]
pub struct FromReqwless;
