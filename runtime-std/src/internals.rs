//! The driver over any [`World`], for the tests of this workspace: no part of the interface.

use std::sync::Arc;
use std::task::{Context, Poll};

use sortie_core::{Answer, ByteCounts, Misuse, TaskOptions, TaskState};

pub use crate::turn::Turn;
pub use crate::world::{
    ConnectFailure, Connecting, ConnectionFacts, Endpoint, Stream, Timer, World,
};

use crate::background::Background;
use crate::connection::Room;
use crate::driver::Driver;
use crate::hop::Hop;
use crate::shared::{Hints, SessionShared, Shared};
use crate::source::Source;
use crate::turn::Tells;
use crate::{Error, Request, Response, UploadSource};

/// A session in a world of the test's own.
#[allow(missing_debug_implementations, reason = "for tests only")]
pub struct Session<W: World> {
    inner: Arc<SessionShared<W>>,
}

impl<W: World> Session<W> {
    /// A session whose tasks have these options.
    pub fn new(world: W, options: TaskOptions) -> Self {
        let background = Background::Spawner(Arc::new(|_| ()));
        Self { inner: SessionShared::new(world, options, background, Room::default(), Vec::new()) }
    }

    /// A suspended task.
    ///
    /// # Errors
    /// The request is not one that a task can be made for.
    pub fn task(&self, request: Request) -> Result<Task<W>, Error> {
        self.upload(request, None)
    }

    /// A suspended task with a body from elsewhere.
    ///
    /// # Errors
    /// The request is not one that a task can be made for.
    pub fn upload(&self, request: Request, source: Option<UploadSource>) -> Result<Task<W>, Error> {
        let (source, request) = match source {
            Some(source) => Source::open(source, request)?,
            None => (Source::Request, request),
        };
        let shared = self.inner.task(request.clone(), self.inner.options(), Hints::default())?;
        let driver = Driver::new(Hop::new(request, false), source, Tells::default());
        Ok(Task { shared, driver })
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
        self.driver.hop.response.as_ref()
    }

    /// The current URL.
    #[must_use]
    pub fn target(&self) -> &str {
        self.driver.hop.target().as_str()
    }

    /// What the download goes on from, in the core's byte form.
    pub fn set_resume_data(&mut self, data: Vec<u8>) {
        self.driver.hop.resume = Some(data);
        self.shared.core().set_resuming(true);
    }

    /// Answers the question that waits.
    ///
    /// # Errors
    /// None waits, or another one.
    pub fn answer(&self, answer: Answer<'_>) -> Result<(), Misuse> {
        let pending = self.shared.core().pending_question();
        let (_, token) = pending.ok_or(Misuse::NotAskedFor)?;
        let answered = self.shared.core().answer(self.shared.now(), token, answer);
        self.shared.ring();
        answered
    }

    /// Answers that a redirect is followed with this request.
    ///
    /// # Errors
    /// No redirect is asked about.
    pub fn follow_with(&mut self, request: Request) -> Result<(), Misuse> {
        self.driver.hop.edited = Some(request.clone());
        self.driver.source = Source::Request;
        let answered = request
            .lend(|request| self.answer(Answer::FollowWith { request, body_is_replayable: true }));
        answered.unwrap_or(Err(Misuse::NotAskedFor))
    }

    /// The body comes from here, from its start.
    ///
    /// # Errors
    /// It is a file that cannot be read.
    pub fn set_source(&mut self, source: UploadSource) -> Result<(), Error> {
        let (source, _) = Source::open(source, self.driver.hop.request().clone())?;
        self.driver.source = source;
        Ok(())
    }

    /// Drives until there is something to tell.
    pub fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Turn> {
        self.shared.bell.register(cx.waker());
        let now = self.shared.now();
        self.driver.poll(cx, &self.shared, now, buffer)
    }
}

impl<W: World> Drop for Task<W> {
    fn drop(&mut self) {
        self.driver.close(&self.shared);
    }
}
