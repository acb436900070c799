//! What the driver tells, and what it does not stop for.

use sortie_core::{Event, Instant, Output, Task};

use crate::shared::tell;

/// What the driver stops for, beside content, events and the end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tells {
    /// [`Turn::Prepare`]: there is a file to be opened before anything is sent.
    pub(crate) prepare: bool,
    /// [`Turn::Finish`]: what is received is not yet where it belongs.
    pub(crate) finish: bool,
    /// [`Turn::Sent`]: somebody watches what is sent.
    pub(crate) sent: bool,
}

impl Tells {
    /// What the core says. What nobody has to do anything for is reported at once: every lock
    /// costs.
    pub(crate) fn ask(self, core: &mut Task, now: Instant) -> Output {
        loop {
            let output = core.poll_output();
            if matches!(output, Output::Prepare) && !self.prepare {
                tell(core.handle_prepared(now));
            } else if matches!(output, Output::Finish) && !self.finish {
                tell(core.handle_committed());
            } else {
                return output;
            }
        }
    }
}

/// Why the driver returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "reachable with feature internals")]
pub enum Turn {
    /// Content lies at the front of the buffer: so many bytes.
    Content(usize),
    /// So many bytes of the body were sent.
    Sent(u64),
    /// There is a connection, where somebody gathers metrics.
    Connected,
    /// A connection is there: before the head is sent, what it needs is to be made ready and
    /// reported by `handle_prepared`.
    Prepare,
    /// Something happened, or is asked.
    Event(Event),
    /// Everything is received: it is to be committed and reported.
    Finish,
    /// The task has ended.
    Complete(Result<(), sortie_core::Error>),
}
