//! Tasks: what a user holds, and what drives them.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use atomic_waker::AtomicWaker;
use sortie_core::{ByteCounts, Instant, Misuse, Progress, TaskOptions, TaskState};

use crate::driver::{Driver, Turn};
use crate::error::{Error, ErrorKind};
use crate::request::Request;
use crate::response::Response;
use crate::session::SessionInner;
use crate::world::{System, World};

/// Content that is set aside at once for a length that a server names: it may lie.
const TRUSTED_LENGTH: u64 = 64 * 1024;

/// The most that one read of a growing content asks for.
const LARGEST_READ: usize = 1024 * 1024;

/// What all handles of a task share.
pub(crate) struct Shared<W: World> {
    pub(crate) id: u64,
    pub(crate) session: Arc<SessionInner<W>>,
    pub(crate) request: Request,
    core: Mutex<sortie_core::Task>,
    /// Rung by commands, heard by whoever drives.
    pub(crate) bell: AtomicWaker,
    seat: Mutex<Seat<W>>,
    idle_timer: Mutex<Option<W::Timer>>,
}

/// The driver's seat: one of those who await drives, the others wait for it to be free.
struct Seat<W: World> {
    driver: Driver<W>,
    is_taken: bool,
    waiting: Vec<Waker>,
    content: Content,
    outcome: Option<Result<(), sortie_core::Error>>,
    is_told: bool,
}

/// Content as it is gathered.
#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    filled: usize,
}

impl Content {
    /// Room for more; none where no more can come.
    fn room(&mut self, counts: &ByteCounts) -> &mut [u8] {
        if self.filled == self.bytes.len() {
            let expected =
                counts.expected_to_receive.map(|all| all.saturating_sub(counts.received));
            let grown = self.filled.clamp(4096, LARGEST_READ);
            let more = match expected {
                Some(0) => return &mut [],
                Some(left) if left <= TRUSTED_LENGTH => usize::try_from(left).unwrap_or(grown),
                Some(_) => grown.max(TRUSTED_LENGTH as usize),
                None => grown,
            };
            self.bytes.resize(self.filled + more, 0);
        }
        &mut self.bytes[self.filled..]
    }

    fn take(&mut self) -> Vec<u8> {
        self.bytes.truncate(self.filled);
        std::mem::take(self).bytes
    }
}

impl<W: World> Shared<W> {
    pub(crate) fn new(
        id: u64,
        session: Arc<SessionInner<W>>,
        request: Request,
        options: TaskOptions,
    ) -> Result<Arc<Self>, Error> {
        let core = request.lend(|lent| sortie_core::Task::new(lent, options));
        let core = core.map_err(|why| Error::request(request.url(), why))?;
        let seat = Seat {
            driver: Driver::new(),
            is_taken: false,
            waiting: Vec::new(),
            content: Content::default(),
            outcome: None,
            is_told: false,
        };
        Ok(Arc::new(Self {
            id,
            session,
            request,
            core: Mutex::new(core),
            bell: AtomicWaker::new(),
            seat: Mutex::new(seat),
            idle_timer: Mutex::new(None),
        }))
    }

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

    fn seat(&self) -> MutexGuard<'_, Seat<W>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, why: sortie_core::Error) -> Error {
        Error::new(ErrorKind::Task(why), self.request.url(), None)
    }
}

impl<W: World> Drop for Shared<W> {
    /// The last handle is gone: nobody can drive the task, so that its connection is closed.
    fn drop(&mut self) {
        let driver = {
            let mut seat = self.seat();
            std::mem::replace(&mut seat.driver, Driver::new())
        };
        let mut driver = driver;
        driver.close(self);
    }
}

/// A hold on the driver's seat of a task. Dropping it lets another one drive.
pub(crate) struct Ride<W: World> {
    pub(crate) shared: Arc<Shared<W>>,
    is_driving: bool,
}

/// What a ride is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Response,
    Complete,
}

impl<W: World> Ride<W> {
    pub(crate) fn new(shared: Arc<Shared<W>>) -> Self {
        Self { shared, is_driving: false }
    }

    /// Takes the seat, or waits for it.
    fn poll_seat(&mut self, cx: &Context<'_>) -> Poll<MutexGuard<'_, Seat<W>>> {
        let mut seat = self.shared.seat();
        if !self.is_driving {
            if seat.is_taken && seat.outcome.is_none() {
                seat.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            seat.is_taken = true;
            self.is_driving = true;
            if self.shared.core().is_new() {
                self.shared.core().resume(self.shared.now());
            }
        }
        Poll::Ready(seat)
    }

    /// Drives until the response is there, or the task has ended; content is gathered.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, until: Until) -> Poll<()> {
        let shared = self.shared.clone();
        let mut seat = ready!(self.poll_seat(cx));
        loop {
            let Seat { driver, content, outcome, .. } = &mut *seat;
            if outcome.is_some() || until == Until::Response && driver.response.is_some() {
                return Poll::Ready(());
            }
            let room = match until {
                Until::Complete if driver.response.is_some() => {
                    let counts = *shared.core().counts();
                    content.room(&counts)
                }
                Until::Complete | Until::Response => &mut [],
            };
            match ready!(driver.poll(cx, &shared, room)) {
                Turn::Content(count) => content.filled += count,
                Turn::Response | Turn::Informational(_) => {}
                Turn::Complete(result) => *outcome = Some(result),
            }
        }
    }

    /// Drives until content lies in `buffer`, which is not empty, or the task has ended: then 0.
    pub(crate) fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        let shared = self.shared.clone();
        let mut seat = ready!(self.poll_seat(cx));
        loop {
            let Seat { driver, outcome, .. } = &mut *seat;
            match *outcome {
                Some(Ok(())) => return Poll::Ready(Ok(0)),
                Some(Err(why)) => return Poll::Ready(Err(shared.error(why))),
                None => {}
            }
            match ready!(driver.poll(cx, &shared, buffer)) {
                Turn::Content(count) => return Poll::Ready(Ok(count)),
                Turn::Response | Turn::Informational(_) => {}
                Turn::Complete(result) => *outcome = Some(result),
            }
        }
    }

    /// Cancels the task and closes its connection, now: nobody will drive it to its end.
    pub(crate) fn abandon(&self) {
        self.shared.cancel();
        self.shared.seat().driver.close(&self.shared);
    }

    /// The response and the content, once.
    pub(crate) fn outcome(&self) -> Result<(Response, Vec<u8>), Error> {
        let mut seat = self.shared.seat();
        match seat.outcome {
            Some(Err(why)) => Err(self.shared.error(why)),
            Some(Ok(())) | None if seat.is_told => {
                Err(Error::new(ErrorKind::ContentTaken, self.shared.request.url(), None))
            }
            Some(Ok(())) | None => {
                seat.is_told = true;
                let content = seat.content.take();
                let response = seat.driver.response.take();
                let lost = || {
                    self.shared
                        .error(sortie_core::Error::Transport(sortie_core::Transport::NoResponse))
                };
                Ok((response.ok_or_else(lost)?, content))
            }
        }
    }

    /// The head of the final response, as soon as it is there.
    pub(crate) fn response(&self) -> Result<Response, Error> {
        let seat = self.shared.seat();
        match (&seat.driver.response, seat.outcome) {
            (Some(response), _) => Ok(response.clone()),
            (None, Some(Err(why))) => Err(self.shared.error(why)),
            (None, Some(Ok(())) | None) => Err(self
                .shared
                .error(sortie_core::Error::Transport(sortie_core::Transport::NoResponse))),
        }
    }
}

impl<W: World> Drop for Ride<W> {
    fn drop(&mut self) {
        if self.is_driving {
            let mut seat = self.shared.seat();
            seat.is_taken = false;
            let waiting = std::mem::take(&mut seat.waiting);
            drop(seat);
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

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
    pub(crate) shared: Arc<Shared<System>>,
}

impl Task {
    /// A number that no other task of the session has; the first one is 1.
    #[must_use]
    pub fn identifier(&self) -> u64 {
        self.shared.id
    }

    /// The request as it was given.
    #[must_use]
    pub fn original_request(&self) -> &Request {
        &self.shared.request
    }

    /// Takes one suspend back; with the last one the task may run.
    pub fn resume(&self) {
        self.shared.resume();
    }

    /// Holds the task: no read begins until it is resumed as often as it was suspended.
    ///
    /// # Errors
    /// [`Misuse::TooManySuspends`] beyond 65,535 nested calls, of which this one is not counted.
    pub fn suspend(&self) -> Result<(), Misuse> {
        self.shared.suspend()
    }

    /// Ends the task: who awaits it gets [`Canceled`](sortie_core::Error::Canceled). Does nothing
    /// to a task that has completed.
    pub fn cancel(&self) {
        self.shared.cancel();
    }

    /// The state, as of now.
    #[must_use]
    pub fn state(&self) -> TaskState {
        self.shared.core().state()
    }

    /// The bytes sent, received and expected, as of now.
    #[must_use]
    pub fn counts(&self) -> ByteCounts {
        *self.shared.core().counts()
    }

    /// Progress of sending and receiving together, as of now.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.core().progress()
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
        TaskFuture { ride: Ride::new(self.shared) }
    }
}

/// The future of a [`Task`]: the response and the content.
///
/// # Errors
/// What ended the task, with its URL. The content goes to the first await that ends;
/// [`ErrorKind::ContentTaken`] tells any other.
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
        write!(f, "TaskFuture({})", self.ride.shared.id)
    }
}

impl PartialEq for Task {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for Task {}

impl Hash for Task {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.shared).hash(state);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({}, {:?}, {:?})", self.shared.id, self.state(), self.shared.request)
    }
}
