//! Waiting for a connection while all are taken.

use core::cell::{Cell, RefCell};
use core::task::{Context, Poll};

use embassy_sync::waitqueue::MultiWakerRegistration;

/// Tasks that wait and are woken without waking each other. Where more wait they do so in turn:
/// slower, and nothing worse.
const WAKERS: usize = 4;

/// Those who wait. A connection that is given back while somebody waits is theirs: who comes later
/// waits too, so that a task that makes one request after another does not keep the others out.
pub(crate) struct Queue {
    bell: RefCell<MultiWakerRegistration<WAKERS>>,
    waiting: Cell<usize>,
    /// A connection was given back for those who wait.
    is_promised: Cell<bool>,
}

/// A place in the queue, taken with the first poll that has to wait.
pub(crate) struct Place<'q> {
    queue: &'q Queue,
    is_taken: bool,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self {
            bell: RefCell::new(MultiWakerRegistration::new()),
            waiting: Cell::new(0),
            is_promised: Cell::new(false),
        }
    }

    /// A place, not taken yet.
    pub(crate) const fn place(&self) -> Place<'_> {
        Place { queue: self, is_taken: false }
    }

    /// A connection was given back.
    pub(crate) fn release(&self) {
        self.is_promised.set(self.waiting.get() > 0);
        self.wake();
    }

    fn wake(&self) {
        if let Ok(mut bell) = self.bell.try_borrow_mut() {
            bell.wake();
        }
    }
}

impl Place<'_> {
    /// Tries `take`, unless it is the turn of others. Waits while there is nothing to take.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        take: impl FnOnce() -> Option<T>,
    ) -> Poll<T> {
        let queue = self.queue;
        if (self.is_taken || !queue.is_promised.get())
            && let Some(taken) = take()
        {
            return Poll::Ready(taken);
        }
        if !self.is_taken {
            self.is_taken = true;
            queue.waiting.set(queue.waiting.get() + 1);
        }
        if let Ok(mut bell) = queue.bell.try_borrow_mut() {
            bell.register(cx.waker());
        }
        Poll::Pending
    }
}

impl Drop for Place<'_> {
    /// Served, or given up: what was promised is there for the others.
    fn drop(&mut self) {
        if self.is_taken {
            let queue = self.queue;
            queue.waiting.set(queue.waiting.get().saturating_sub(1));
            queue.is_promised.set(false);
            queue.wake();
        }
    }
}
