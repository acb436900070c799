//! Watching a task: a watch, not a log. The latest state is what is seen.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use sortie_core::{ByteCounts, Progress as ProgressValue, TaskState};

use crate::priority::Priority;
use crate::seat::Seated;
use crate::system::System;

/// Who waits for a task to change.
#[derive(Default)]
pub(crate) struct Watch {
    is_watched: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Watch {
    /// Something changed. Costs a load where nobody watches.
    pub(crate) fn changed(&self) {
        if self.is_watched.load(Ordering::Acquire) && self.is_watched.swap(false, Ordering::AcqRel)
        {
            let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            // Drained, not taken: the room stays for the next ones.
            wakers.drain(..).for_each(Waker::wake);
        }
    }

    fn register(&self, waker: &Waker) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|waiting| waiting.will_wake(waker)) {
            wakers.push(waker.clone());
        }
        self.is_watched.store(true, Ordering::Release);
    }
}

/// A task at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskSnapshot {
    /// Its state.
    pub state: TaskState,
    /// The bytes of its current transfer.
    pub counts: ByteCounts,
    /// Progress of sending and receiving together.
    pub progress: ProgressValue,
    /// Its priority.
    pub priority: Priority,
    /// The status of the response, once there is one.
    pub status: Option<u16>,
    /// Redirects followed so far.
    pub redirect_count: u8,
}

/// The changes of a task: see [`Task::changes`](crate::Task::changes).
///
/// Latest wins: what changes between two looks is seen once. The last one seen is always the one in
/// which the task is [`Completed`](TaskState::Completed). Nothing is allocated for a change.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/origin.rs")); }
/// # let url = doc::origin(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]);
/// use sortie::{Session, TaskState};
///
/// let session = Session::new();
/// let task = session.task(&url)?;
/// let mut changes = task.changes();
/// task.resume(); // the session drives it
/// let mut last = None;
/// while let Some(now) = changes.next_blocking() {
///     last = Some((now.state, now.counts.received));
/// }
/// assert_eq!(last, Some((TaskState::Completed, 5)));
/// # Ok::<(), sortie::Error>(())
/// ```
pub struct Changes {
    seated: Arc<Seated<System>>,
    last: Option<TaskSnapshot>,
}

impl Changes {
    pub(crate) const fn new(seated: Arc<Seated<System>>) -> Self {
        Self { seated, last: None }
    }

    /// The task as it is, once that is not what was seen last; the first time at once. `None` after
    /// the one in which it is completed.
    ///
    /// It does not drive the task. Cancel safety: dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<TaskSnapshot> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), blocking.
    pub fn next_blocking(&mut self) -> Option<TaskSnapshot> {
        async_io::block_on(self.next())
    }

    /// As [`next`](Self::next), polled.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<TaskSnapshot>> {
        if self.last.is_some_and(|last| last.state == TaskState::Completed) {
            return Poll::Ready(None);
        }
        // First registered, then looked: a change in between is not missed.
        self.seated.shared.watch.register(cx.waker());
        let now = self.seated.snapshot();
        if self.last == Some(now) {
            return Poll::Pending;
        }
        self.last = Some(now);
        Poll::Ready(Some(now))
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({})", self.seated.shared.id)
    }
}
