//! What a session's tasks share, and what all handles of a task share with its driver.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomic_waker::AtomicWaker;
use sortie_core::{Instant, Misuse, TaskOptions};

use crate::connection::Connections;
use crate::error::{Error, ErrorKind};
use crate::request::Request;
use crate::world::World;

/// The inside of a session.
pub(crate) struct SessionShared<W: World> {
    pub(crate) world: W,
    pub(crate) connections: Connections<W>,
    options: TaskOptions,
    last_id: AtomicU64,
}

impl<W: World> SessionShared<W> {
    pub(crate) fn new(world: W, options: TaskOptions) -> Arc<Self> {
        let connections = Connections::new();
        Arc::new(Self { world, connections, options, last_id: AtomicU64::new(0) })
    }

    pub(crate) const fn options(&self) -> TaskOptions {
        self.options
    }

    /// What a new, suspended task shares.
    pub(crate) fn task(self: &Arc<Self>, request: Request) -> Result<Shared<W>, Error> {
        let core = request.lend(|lent| sortie_core::Task::new(lent, self.options));
        let core = core.map_err(|why| Error::request(request.url(), why))?;
        Ok(Shared {
            id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1,
            session: self.clone(),
            request,
            core: Mutex::new(core),
            bell: AtomicWaker::new(),
            idle_timer: Mutex::new(None),
        })
    }
}

/// A task as its handles and its driver see it.
pub(crate) struct Shared<W: World> {
    pub(crate) id: u64,
    pub(crate) session: Arc<SessionShared<W>>,
    pub(crate) request: Request,
    core: Mutex<sortie_core::Task>,
    /// Rung by commands, heard by whoever drives.
    pub(crate) bell: AtomicWaker,
    idle_timer: Mutex<Option<W::Timer>>,
}

impl<W: World> Shared<W> {
    pub(crate) fn core(&self) -> MutexGuard<'_, sortie_core::Task> {
        // The core leaves nothing half done.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Instant {
        self.session.world.now()
    }

    /// The timer for when the task has no connection.
    pub(crate) fn idle_timer(&self) -> MutexGuard<'_, Option<W::Timer>> {
        self.idle_timer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn resume(&self) {
        self.core().resume(self.now());
        self.bell.wake();
    }

    pub(crate) fn suspend(&self) -> Result<(), Misuse> {
        let suspended = self.core().suspend();
        self.bell.wake();
        suspended
    }

    pub(crate) fn cancel(&self) {
        self.core().cancel();
        self.bell.wake();
    }

    pub(crate) fn error(&self, why: sortie_core::Error) -> Error {
        Error::new(ErrorKind::Task(why), self.request.url(), None)
    }
}

/// Reports something to the core. A command from another thread may have come in between, so that
/// it is no longer asked for: then the core has refused it and nothing is to be done.
pub(crate) fn tell(outcome: Result<(), Misuse>) {
    let _ = outcome;
}
