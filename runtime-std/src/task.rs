//! Tasks: what a user holds.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use sortie_core::{ByteCounts, Misuse, Progress as ProgressValue, TaskState};

use crate::error::Error;
use crate::request::Request;
use crate::response::Response;
use crate::ride::{Ride, Seated, Until};
use crate::world::System;

/// A task: a request on its way. Created suspended; clones are the same task.
///
/// It is a future: whoever awaits it drives it, on any executor; [`wait`](Self::wait) blocks
/// instead. Awaiting a task that was never resumed resumes it; one that was suspended later waits
/// until it is resumed. **Cancel safety:** dropping the future of a task, or a handle, loses
/// nothing and cancels nothing; another await goes on from there. When the last handle is dropped,
/// nobody is left to drive the task, and its connection is closed.
///
/// ```no_run
/// # fn main() -> Result<(), sortie::Error> {
/// let session = sortie::Session::new();
/// let task = session.task("http://127.0.0.1/")?;
/// task.resume();
/// let (response, content) = task.wait()?;
/// println!("{} and {} bytes", response.status(), content.len());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Task {
    pub(crate) seated: Arc<Seated<System>>,
}

impl Task {
    /// A number that no other task of the session has; the first one is 1.
    #[must_use]
    pub fn identifier(&self) -> u64 {
        self.seated.shared.id
    }

    /// The request as it was given.
    #[must_use]
    pub fn original_request(&self) -> &Request {
        &self.seated.shared.request
    }

    /// Takes one suspend back; with the last one the task may run.
    pub fn resume(&self) {
        self.seated.shared.resume();
    }

    /// Holds the task: no read begins until it is resumed as often as it was suspended.
    ///
    /// # Errors
    /// [`Misuse::TooManySuspends`] beyond 65,535 nested calls, of which this one is not counted.
    pub fn suspend(&self) -> Result<(), Misuse> {
        self.seated.shared.suspend()
    }

    /// Ends the task: who awaits it gets [`Canceled`](sortie_core::Error::Canceled). Does nothing
    /// to a task that has completed.
    pub fn cancel(&self) {
        self.seated.shared.cancel();
    }

    /// The state, as of now.
    #[must_use]
    pub fn state(&self) -> TaskState {
        self.seated.shared.core().state()
    }

    /// The bytes sent, received and expected, as of now.
    #[must_use]
    pub fn counts(&self) -> ByteCounts {
        *self.seated.shared.core().counts()
    }

    /// Progress of sending and receiving together, as of now.
    #[must_use]
    pub fn progress(&self) -> ProgressValue {
        self.seated.shared.core().progress()
    }

    /// Blocks until the task has ended, and drives it meanwhile.
    ///
    /// # Errors
    /// As awaiting the task.
    pub fn wait(self) -> Result<(Response, Vec<u8>), Error> {
        async_io::block_on(self.into_future())
    }
}

impl IntoFuture for Task {
    type Output = Result<(Response, Vec<u8>), Error>;
    type IntoFuture = TaskFuture;

    fn into_future(self) -> TaskFuture {
        TaskFuture { ride: Ride::new(self.seated) }
    }
}

/// The future of a [`Task`]: the response and the content.
///
/// # Errors
/// What ended the task, with its URL. The content goes to the first await that ends;
/// [`ContentTaken`](crate::ErrorKind::ContentTaken) tells any other.
#[must_use = "a task makes progress only while it is awaited"]
pub struct TaskFuture {
    ride: Ride<System>,
}

impl Future for TaskFuture {
    type Output = Result<(Response, Vec<u8>), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.ride.poll_until(cx, Until::Complete));
        Poll::Ready(self.ride.outcome())
    }
}

impl fmt::Debug for TaskFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskFuture({})", self.ride.seated.shared.id)
    }
}

impl PartialEq for Task {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.seated, &other.seated)
    }
}

impl Eq for Task {}

impl Hash for Task {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.seated).hash(state);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Task({}, {:?}, {:?})",
            self.seated.shared.id,
            self.state(),
            self.seated.shared.request
        )
    }
}
