//! The driver over any [`World`], for the tests of this workspace: no part of the interface.

mod stuck;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use sortie_core::session::scheduler::Urgency;
use sortie_core::{Answer, ByteCounts, Instant, Misuse, TaskOptions, TaskState};

pub use self::stuck::Stuck;
pub use crate::turn::Turn;
pub use crate::world::{
    ConnectFailure, Connecting, ConnectionFacts, Endpoint, Stream, Timer, World,
};

use crate::background::Background;
use crate::connection::Room;
use crate::content::{Content, Memory};
use crate::driver::Driver;
use crate::hop::Hop;
use crate::priority::Priority;
use crate::ride::{Ride, Until};
use crate::seat::Seated;
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

    /// A session with at most so many connections to a host, and in all, which are kept for so many
    /// microseconds while they are idle. What nobody awaits is driven by what `spawner` is given.
    pub fn bounded(
        world: W,
        (per_host, connections, idle_timeout): (u16, u16, u64),
        spawner: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        let room = Room { per_host, connections, idle_timeout };
        let background = Background::Spawner(Arc::new(spawner));
        let options = TaskOptions::default();
        Self { inner: SessionShared::new(world, options, background, room, Vec::new()) }
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
        self.upload_with(request, source, self.inner.options(), Urgency::default())
    }

    /// As that, with options of its own, and this urgent.
    ///
    /// # Errors
    /// The request is not one that a task can be made for.
    pub fn upload_with(
        &self,
        request: Request,
        source: Option<UploadSource>,
        options: TaskOptions,
        urgency: Urgency,
    ) -> Result<Task<W>, Error> {
        let (shared, driver) = self.parts(request, source, options, urgency)?;
        Ok(Task { shared, driver })
    }

    /// The same, as its users hold it.
    ///
    /// # Errors
    /// The request is not one that a task can be made for.
    pub fn held(
        &self,
        request: Request,
        source: Option<UploadSource>,
        options: TaskOptions,
        urgency: Urgency,
    ) -> Result<Held<W>, Error> {
        let (shared, driver) = self.parts(request, source, options, urgency)?;
        let content = Content::Memory(Memory::new(usize::MAX));
        Ok(Held { seated: Seated::new(shared, driver, content, None) })
    }

    /// A download to a disk that gets stuck.
    ///
    /// # Errors
    /// The request is not one that a task can be made for.
    pub fn stuck(&self, request: Request, at: Stuck) -> Result<Held<W>, Error> {
        let options = self.inner.options();
        let (shared, mut driver) = self.parts(request, None, options, Urgency::default())?;
        driver.tells = Tells { prepare: true, finish: true, sent: false };
        let content = Content::File(Box::new(stuck::StuckSink::new(at)));
        Ok(Held { seated: Seated::new(shared, driver, content, None) })
    }

    /// As [`crate::Session::flush`].
    pub fn flush(&self) {
        self.inner.connections.flush(self.inner.world.now());
    }

    fn parts(
        &self,
        request: Request,
        source: Option<UploadSource>,
        options: TaskOptions,
        urgency: Urgency,
    ) -> Result<(Shared<W>, Driver<W>), Error> {
        let (source, request) = match source {
            Some(source) => Source::open(source, request)?,
            None => (Source::Request, request),
        };
        let hints = Hints {
            priority: priority(urgency.priority),
            expects_to_receive: urgency.bytes,
            ..Hints::default()
        };
        let shared = self.inner.task(request.clone(), options, hints)?;
        let driver = Driver::new(Hop::new(request, false), source, Tells::default());
        Ok((shared, driver))
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

    /// As [`crate::Task::set_priority`], in 1/1000.
    pub fn set_priority(&self, thousandths: u16) {
        self.shared.set_hints(|hints| hints.priority = priority(thousandths));
    }

    /// As [`crate::Task::set_earliest_begin`]. Returns what holds then.
    pub fn set_earliest_begin(&self, at: Instant) -> Instant {
        self.shared.core().set_earliest_begin(at);
        self.shared.ring();
        self.shared.core().earliest_begin()
    }

    /// Has [`Turn::Finish`] told, to be answered by [`finish`](Self::finish).
    pub fn tell_finish(&mut self) {
        self.driver.tells.finish = true;
    }

    /// What was received is stored, or cannot be.
    ///
    /// # Errors
    /// It was not asked for.
    pub fn finish(&self, is_stored: bool) -> Result<(), Misuse> {
        match is_stored {
            true => self.shared.core().handle_committed(),
            false => self.shared.core().handle_sink_failed(None),
        }
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

fn priority(thousandths: u16) -> Priority {
    Priority::new(f32::from(thousandths) / 1000.0)
}

impl<W: World> Drop for Task<W> {
    fn drop(&mut self) {
        self.driver.close(&self.shared);
    }
}

/// A task as its users hold it: whoever awaits it drives it, and the session while nobody does.
#[allow(missing_debug_implementations, reason = "for tests only")]
pub struct Held<W: World> {
    seated: Arc<Seated<W>>,
}

impl<W: World> Held<W> {
    /// As [`crate::Task::resume`].
    pub fn resume(&self) {
        self.seated.resume();
    }

    /// As [`crate::Task::suspend`].
    ///
    /// # Errors
    /// As [`crate::Task::suspend`].
    pub fn suspend(&self) -> Result<(), Misuse> {
        self.seated.shared.suspend()
    }

    /// As [`crate::Task::cancel`].
    pub fn cancel(&self) {
        self.seated.cancel();
    }

    /// As [`crate::Task::state`].
    #[must_use]
    pub fn state(&self) -> TaskState {
        self.seated.state()
    }

    /// As [`crate::Task::counts`].
    #[must_use]
    pub fn counts(&self) -> ByteCounts {
        *self.seated.shared.core().counts()
    }

    /// As [`crate::Task::set_priority`], in 1/1000.
    pub fn set_priority(&self, thousandths: u16) {
        self.seated.shared.set_hints(|hints| hints.priority = priority(thousandths));
    }

    /// As [`crate::Task::set_earliest_begin`]. Returns what holds then.
    pub fn set_earliest_begin(&self, at: Instant) -> Instant {
        self.seated.shared.core().set_earliest_begin(at);
        self.seated.shared.ring();
        self.seated.shared.core().earliest_begin()
    }

    /// Whether the task never ran.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.seated.shared.core().is_new()
    }

    /// Somebody who awaits it, or, with `alone`, whose it is alone: dropping that cancels it.
    #[must_use]
    pub fn awaited(&self, alone: bool) -> Await<W> {
        let seated = self.seated.clone();
        Await { ride: if alone { Ride::alone(seated) } else { Ride::new(seated) } }
    }
}

/// Somebody who awaits a task.
#[allow(missing_debug_implementations, reason = "for tests only")]
pub struct Await<W: World> {
    ride: Ride<W>,
}

impl<W: World> Await<W> {
    /// As the future of [`crate::Task`].
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Response, Vec<u8>), Error>> {
        ready!(self.ride.poll_until(cx, Until::Complete));
        Poll::Ready(self.ride.outcome())
    }
}
