//! The driver over any [`World`], for the tests of this workspace: no part of the interface.

use std::sync::Arc;
use std::task::{Context, Poll};

use sortie_core::{ByteCounts, Misuse, TaskOptions, TaskState};

pub use crate::driver::Turn;
pub use crate::world::{Connecting, Endpoint, Stream, Timer, World};

use crate::driver::Driver;
use crate::shared::{SessionShared, Shared};
use crate::{Error, Request, Response};

/// A session in a world of the test's own.
#[allow(missing_debug_implementations, reason = "for tests only")]
pub struct Session<W: World> {
    inner: Arc<SessionShared<W>>,
}

impl<W: World> Session<W> {
    /// A session whose tasks have these options.
    pub fn new(world: W, options: TaskOptions) -> Self {
        Self { inner: SessionShared::new(world, options) }
    }

    /// A suspended task.
    ///
    /// # Errors
    /// The request is not one that a task can be made for.
    pub fn task(&self, request: Request) -> Result<Task<W>, Error> {
        Ok(Task { shared: self.inner.task(request)?, driver: Driver::new() })
    }
}

/// A task with its driver in the open.
#[allow(missing_debug_implementations, reason = "for tests only")]
pub struct Task<W: World> {
    shared: Shared<W>,
    driver: Driver<W>,
}

impl<W: World> Task<W> {
    /// As [`crate::Task::resume`].
    pub fn resume(&self) {
        self.shared.resume();
    }

    /// As [`crate::Task::suspend`].
    ///
    /// # Errors
    /// As [`crate::Task::suspend`].
    pub fn suspend(&self) -> Result<(), Misuse> {
        self.shared.suspend()
    }

    /// As [`crate::Task::cancel`].
    pub fn cancel(&self) {
        self.shared.cancel();
    }

    /// As [`crate::Task::state`].
    #[must_use]
    pub fn state(&self) -> TaskState {
        self.shared.core().state()
    }

    /// As [`crate::Task::counts`].
    #[must_use]
    pub fn counts(&self) -> ByteCounts {
        *self.shared.core().counts()
    }

    /// The response, once its head came.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.driver.response.as_ref()
    }

    /// Drives until there is something to tell.
    pub fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Turn> {
        self.driver.poll(cx, &self.shared, buffer)
    }
}

impl<W: World> Drop for Task<W> {
    fn drop(&mut self) {
        self.driver.close(&self.shared);
    }
}
