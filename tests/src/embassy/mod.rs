//! The runner on `sortie-embassy`: two network stacks back to back in one process, in virtual
//! time.
//!
//! embassy's mock clock is one for the whole process, so that runs wait for each other.

mod executor;
mod far;
mod link;
mod memory;
mod names;
mod player;

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use embassy_net::Stack;
use embassy_time::MockDriver;

use crate::script::Origin;
use far::Far;
pub use link::{Cable, FAR, Frame};
pub use memory::{Heap, Pieces};
pub use player::{Way, lacks, play, play_by};

/// Everything that a run showed beside what its client returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run<R> {
    /// What the client returned.
    pub output: R,
    /// The frames on the cable, in their order.
    pub frames: Vec<Frame>,
    /// What each origin took, in the order of their connections.
    pub requests: Vec<Vec<u8>>,
    /// When it ended: microseconds of virtual time.
    pub ended: u64,
}

/// The far end, for a client.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'f>(&'f Far);

impl Beginning<'_> {
    /// The steps of the origin begin, on a connection that was used before.
    pub fn begin(self) {
        self.0.begin();
    }
}

impl<R> Run<R> {
    /// How many connections were asked for.
    #[must_use]
    pub fn openings(&self) -> usize {
        self.frames.iter().filter(|frame| frame.is_opening).count()
    }
}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs `client` on the near stack, to its end, with `origins` at the far one.
///
/// # Panics
/// If nothing happens any more.
pub fn run<R>(
    cable: Cable,
    origins: &[Origin],
    client: impl AsyncFnOnce(Stack<'_>, Beginning<'_>) -> R,
) -> Run<R> {
    let _guard: MutexGuard<'_, ()> = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    MockDriver::get().reset();
    let (mut near, mut far_memory) = (link::Memory::new(), link::Memory::new());
    let (near, far_end) = (near.start(2), far_memory.start(1));
    let (frames, far) = (RefCell::new(Vec::new()), Far::default());
    let beside: Vec<executor::Beside<'_>> = vec![
        Box::pin(link::keep_running(near.runner)),
        Box::pin(link::keep_running(far_end.runner)),
        Box::pin(link::carry(near.sends, far_end.receives, cable, true, &frames)),
        Box::pin(link::carry(far_end.sends, near.receives, cable, false, &frames)),
        Box::pin(far.serve(far_end.stack, origins)),
        Box::pin(names::serve(far_end.stack)),
    ];
    let output = executor::run(cable.step, client(near.stack, Beginning(&far)), beside);
    Run { output, requests: far.requests(), ended: executor::now(), frames: frames.into_inner() }
}
