//! The runner on `sortie-embassy`: two network stacks back to back in one process, in virtual
//! time.
//!
//! embassy's mock clock is one for the whole process, so that runs wait for each other.

mod executor;
mod far;
mod layer;
mod link;
mod memory;
mod names;
mod player;
mod reach;
mod secure;
mod server;
mod trust;

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use embassy_net::Stack;
use embassy_time::MockDriver;

use crate::script::Origin;
use far::Far;
pub use link::{Cable, FAR, Frame};
pub use memory::{Heap, Pieces};
pub use player::{Way, play, play_and_probe, play_by, play_on};
pub use reach::{LeftOut, cable, does_not_show, is_secure, lacks, named, ports, secured};
pub use secure::play_secure;
pub use server::Served;
pub use trust::{NewYear, Numbers};

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

    /// Whether each origin that was met waits for a request, or for nothing more.
    #[must_use]
    pub fn is_quiet(self) -> bool {
        self.0.is_quiet()
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
    run_at(&[], cable, origins, client)
}

/// The same, with the origins at these ports.
fn run_at<R>(
    ports: &[u16],
    cable: Cable,
    origins: &[Origin],
    client: impl AsyncFnOnce(Stack<'_>, Beginning<'_>) -> R,
) -> Run<R> {
    run_on(&Far::at(ports), cable, origins, client)
}

/// The same with this far end.
fn run_on<R>(
    far: &Far,
    cable: Cable,
    origins: &[Origin],
    client: impl AsyncFnOnce(Stack<'_>, Beginning<'_>) -> R,
) -> Run<R> {
    let run = run_beside(
        cable,
        async |stack| far.serve(stack, origins).await,
        async |stack| client(stack, Beginning(far)).await,
    );
    Run { requests: far.requests(), ..run }
}

/// Runs `client` on the near stack, to its end, with a server at the far one that answers any
/// number of requests by their paths. What it was asked is in `served`.
///
/// # Panics
/// If nothing happens any more.
pub fn run_served<R>(
    cable: Cable,
    served: &Served,
    client: impl AsyncFnOnce(Stack<'_>) -> R,
) -> Run<R> {
    run_beside(cable, async |stack| server::serve(stack, served).await, client)
}

/// Runs `client` on the near stack, to its end, with `serve` at the far one.
///
/// # Panics
/// If nothing happens any more.
pub fn run_beside<R>(
    cable: Cable,
    serve: impl AsyncFnOnce(Stack<'_>),
    client: impl AsyncFnOnce(Stack<'_>) -> R,
) -> Run<R> {
    let _guard: MutexGuard<'_, ()> = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    MockDriver::get().reset();
    let (mut near, mut far) = (link::Memory::new(), link::Memory::new());
    let (near, far) = (near.start(2), far.start(1));
    let frames = RefCell::new(Vec::new());
    let beside: Vec<executor::Beside<'_>> = vec![
        Box::pin(link::keep_running(near.runner)),
        Box::pin(link::keep_running(far.runner)),
        Box::pin(link::carry(near.sends, far.receives, cable, true, &frames)),
        Box::pin(link::carry(far.sends, near.receives, cable, false, &frames)),
        Box::pin(serve(far.stack)),
        Box::pin(names::serve(far.stack)),
    ];
    let output = executor::run(cable.step, client(near.stack), beside);
    let (requests, ended) = (Vec::new(), executor::now());
    Run { output, requests, ended, frames: frames.into_inner() }
}
