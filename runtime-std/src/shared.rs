//! What a session's tasks share, and what all handles of a task share with its driver.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use atomic_waker::AtomicWaker;
use sortie_core::session::scheduler::{Ticket, Urgency};
use sortie_core::{Instant, Misuse, TaskOptions, TaskState};

use crate::background::Background;
use crate::changes::Watch;
use crate::connection::{Connections, Room};
use crate::error::{Error, ErrorKind};
use crate::live::Live;
use crate::priority::Priority;
use crate::progress::Slot;
use crate::request::Request;
use crate::sweeper::Sweeper;
use crate::world::{Timer, World};

/// The inside of a session.
pub(crate) struct SessionShared<W: World> {
    pub(crate) world: W,
    pub(crate) connections: Connections<W>,
    pub(crate) background: Background,
    pub(crate) live: Live<W>,
    options: TaskOptions,
    /// Added to every request that has none of the name.
    fields: Vec<(String, Vec<u8>)>,
    last_id: AtomicU64,
}

impl<W: World> SessionShared<W> {
    pub(crate) fn new(
        world: W,
        options: TaskOptions,
        background: Background,
        room: Room,
        fields: Vec<(String, Vec<u8>)>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|session| Self {
            connections: Connections::new(room, Sweeper::new(session.clone(), world.timer())),
            world,
            background,
            live: Live::new(),
            options,
            fields,
            last_id: AtomicU64::new(0),
        })
    }

    pub(crate) const fn options(&self) -> TaskOptions {
        self.options
    }

    pub(crate) fn fields(&self) -> &[(String, Vec<u8>)] {
        &self.fields
    }

    /// A task that began has ended. With the last one of a closed session everything ends.
    pub(crate) fn left(&self, place: usize) {
        if self.live.leave(place) {
            self.end();
        }
    }

    /// Takes no new task; when those that began have ended, so does everything else.
    pub(crate) fn close(&self) {
        if self.live.close() {
            self.end();
        }
    }

    /// No thread and no connection is left.
    fn end(&self) {
        self.background.stop();
        self.connections.end(self.world.now());
    }

    /// What a new, suspended task shares.
    pub(crate) fn task(
        self: &Arc<Self>,
        request: Request,
        options: TaskOptions,
        hints: Hints,
    ) -> Result<Shared<W>, Error> {
        if !self.live.is_open() {
            return Err(Error::new(ErrorKind::SessionInvalidated, request.url(), None));
        }
        let core = request.lend(|lent| sortie_core::Task::new(lent, options));
        let core = core.map_err(|why| Error::request(request.url(), why))?;
        Ok(Shared {
            id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1,
            session: self.clone(),
            request,
            core: Mutex::new(core),
            bell: AtomicWaker::new(),
            hints: Mutex::new(hints),
            watch: Watch::default(),
            progress: Slot::new(),
        })
    }
}

/// What the user says about a task beside its request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints {
    pub(crate) description: Option<String>,
    pub(crate) priority: Priority,
    pub(crate) expects_to_send: Option<u64>,
    pub(crate) expects_to_receive: Option<u64>,
    pub(crate) prefers_whole: bool,
    /// While the task waits for a connection.
    pub(crate) ticket: Option<Ticket>,
}

impl Hints {
    /// How urgent that makes the task. Both hints together are what is to be moved.
    fn urgency(&self) -> Urgency {
        let bytes = match (self.expects_to_send, self.expects_to_receive) {
            (None, None) => None,
            (send, receive) => Some(send.unwrap_or(0).saturating_add(receive.unwrap_or(0))),
        };
        Urgency { priority: self.priority.thousandths(), bytes }
    }
}

/// A task as its handles and its driver see it.
pub(crate) struct Shared<W: World> {
    pub(crate) id: u64,
    pub(crate) session: Arc<SessionShared<W>>,
    /// The original request.
    pub(crate) request: Request,
    core: Mutex<sortie_core::Task>,
    /// Rung by commands, heard by whoever drives.
    pub(crate) bell: AtomicWaker,
    hints: Mutex<Hints>,
    pub(crate) watch: Watch,
    pub(crate) progress: Slot,
}

impl<W: World> Shared<W> {
    pub(crate) fn core(&self) -> MutexGuard<'_, sortie_core::Task> {
        // The core leaves nothing half done.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hints(&self) -> MutexGuard<'_, Hints> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Instant {
        self.session.world.now()
    }

    pub(crate) fn resume(&self) {
        self.core().resume(self.now());
        self.ring();
    }

    pub(crate) fn suspend(&self) -> Result<(), Misuse> {
        let suspended = self.core().suspend();
        self.ring();
        suspended
    }

    /// Suspends, for a progress handle: only if the task runs.
    pub(crate) fn suspend_if_running(&self) -> Result<bool, Misuse> {
        let mut core = self.core();
        let runs = core.state() == TaskState::Running;
        if runs {
            core.suspend()?;
        }
        drop(core);
        self.ring();
        Ok(runs)
    }

    pub(crate) fn cancel(&self) {
        self.core().cancel();
        self.ring();
    }

    pub(crate) fn urgency(&self) -> Urgency {
        self.hints().urgency()
    }

    /// Changes hints. A task that waits for a connection is moved in its queue.
    pub(crate) fn set_hints(&self, change: impl FnOnce(&mut Hints)) {
        let (ticket, urgency) = {
            let mut hints = self.hints();
            change(&mut hints);
            (hints.ticket, hints.urgency())
        };
        if let Some(ticket) = ticket {
            self.session.connections.change(self.now(), ticket, urgency);
        }
        self.ring();
    }

    /// Something changed that the driver must see, and whoever watches may.
    pub(crate) fn ring(&self) {
        self.bell.wake();
        self.changed();
    }

    /// Something changed that whoever watches may want to see.
    pub(crate) fn changed(&self) {
        self.watch.changed();
    }
}

/// Reports something to the core. A command from another thread may have come in between, so that
/// it is no longer asked for: then the core has refused it and nothing is to be done.
pub(crate) fn tell(outcome: Result<(), Misuse>) {
    let _ = outcome;
}

/// Ready when a timer of the task ran out; the core has been told.
pub(crate) fn poll_deadline<W: World>(
    cx: &mut Context<'_>,
    shared: &Shared<W>,
    now: Instant,
    timer: &mut W::Timer,
    deadline: Option<Instant>,
) -> Poll<()> {
    let Some(deadline) = deadline else {
        return Poll::Pending;
    };
    ready!(timer.poll_until(cx, now, deadline));
    shared.core().handle_timeout(shared.now());
    Poll::Ready(())
}
