//! Ctrl-C and SIGTERM: the first one is heard, the second one ends the command at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Signals, and the exit status that a shell gives them.
const HEEDED: [(i32, u8); 2] = [(SIGINT, 130), (SIGTERM, 143)];

/// What was heard.
#[derive(Debug)]
pub(crate) struct Signals {
    status: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        let (status, was_heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for (signal, code) in HEEDED {
            // In this order: the first signal finds the flag unset, and sets it.
            flag::register_conditional_shutdown(signal, code.into(), was_heard.clone())?;
            flag::register_usize(signal, status.clone(), code.into())?;
            flag::register(signal, was_heard.clone())?;
        }
        Ok(Self { status })
    }

    /// The exit status for the signal that came, if one did.
    pub(crate) fn status(&self) -> Option<u8> {
        u8::try_from(self.status.load(Ordering::Acquire)).ok().filter(|status| *status != 0)
    }
}
