//! Tasks: what a user holds.

use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use sortie_core::{ByteCounts, Misuse, TaskKind, TaskState, UrlSessionCounts};

use crate::body::Body;
use crate::changes::{Changes, TaskSnapshot};
use crate::content::Content;
use crate::error::Error;
use crate::priority::Priority;
use crate::progress::{Progress, ProgressReporting, Report, Source};
use crate::request::Request;
use crate::response::Response;
use crate::resume::ResumeData;
use crate::ride::{Ride, Until};
use crate::seat::Seated;
use crate::system::System;

/// A task: a request on its way. Created suspended; clones are the same task.
///
/// A task that is resumed runs, whether somebody awaits it or not: whoever awaits it drives it, on
/// any executor, and the session drives it while nobody does. [`wait`](Self::wait) blocks instead
/// of awaiting. Awaiting a task that was never resumed resumes it; one that was suspended later
/// waits until it is resumed. **Cancel safety:** dropping the future of a task, or a handle, loses
/// nothing and cancels nothing; another await goes on from there.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/origin.rs")); }
/// # let url = doc::origin(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]);
/// use sortie::{Session, TaskState};
///
/// let session = Session::new();
/// let task = session.task(&url)?;
/// let same = task.clone();
/// assert_eq!(same.state(), TaskState::Suspended);
///
/// task.resume(); // it runs, whatever becomes of it here
/// let (response, content) = task.wait()?;
/// assert_eq!((response.status(), content.len()), (200, 5));
/// assert_eq!((same.state(), same.counts().received), (TaskState::Completed, 5));
/// # Ok::<(), sortie::Error>(())
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

    /// What the task is for.
    #[must_use]
    pub fn kind(&self) -> TaskKind {
        self.seated.shared.core().kind()
    }

    /// The request as it was given.
    #[must_use]
    pub fn original_request(&self) -> &Request {
        &self.seated.shared.request
    }

    /// The request of the latest hop: after redirects, to where the last one led, without what
    /// was not sent there.
    #[must_use]
    pub fn current_request(&self) -> Request {
        let seat = self.seated.seat();
        let rewrite = self.seated.shared.core().rewrite();
        seat.driver.hop.current_request(rewrite)
    }

    /// The response, once its head has come.
    #[must_use]
    pub fn response(&self) -> Option<Response> {
        self.seated.seat().driver.hop.response.clone()
    }

    /// What ended the task, if something did.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        match &self.seated.seat().outcome {
            Some(Err(why)) => Some(why.clone()),
            Some(Ok(())) | None => None,
        }
    }

    /// Takes one suspend back; with the last one the task runs. Does nothing to a task that never
    /// ran and whose session was invalidated.
    pub fn resume(&self) {
        self.seated.resume();
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
        self.seated.cancel();
    }

    /// Cancels a download, and gives what it can be gone on with, if it can.
    ///
    /// Cancel safety: dropping the future leaves the task cancelled; its resume data is then in
    /// its [`error`](Self::error).
    pub async fn cancel_producing_resume_data(&self) -> Option<ResumeData> {
        self.seated.stop();
        let mut ride = Ride::new(self.seated.clone());
        poll_fn(|cx| ride.poll_until(cx, Until::Complete)).await;
        self.error().and_then(|error| error.resume_data().cloned())
    }

    /// The state, as of now.
    #[must_use]
    pub fn state(&self) -> TaskState {
        self.seated.state()
    }

    /// The bytes sent, received and expected, as of now, of the current hop.
    #[must_use]
    pub fn counts(&self) -> ByteCounts {
        *self.seated.shared.core().counts()
    }

    /// The same under URLSession's names, with -1 for unknown.
    #[must_use]
    pub fn url_session_counts(&self) -> UrlSessionCounts {
        self.counts().url_session()
    }

    /// Redirects followed so far.
    #[must_use]
    pub fn redirect_count(&self) -> u8 {
        self.seated.shared.core().redirect_count()
    }

    /// Everything that [`changes`](Self::changes) watches, as of now.
    #[must_use]
    pub fn snapshot(&self) -> TaskSnapshot {
        self.seated.snapshot()
    }

    /// Watches the task: latest wins, and the end is always seen.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes::new(self.seated.clone())
    }

    /// A handle on its progress: cancelling, pausing and resuming it acts on the task.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.seated.shared.progress.progress(|| Arc::new(Handle(self.seated.clone())))
    }

    /// How soon it gets a connection, beside others of its session.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.seated.shared.hints().priority
    }

    /// Sets the priority. Once the task has a connection it stays as it is there.
    pub fn set_priority(&self, priority: Priority) {
        self.seated.shared.set_hints(|hints| hints.priority = priority);
    }

    /// A text of the caller's, never interpreted.
    #[must_use]
    pub fn description(&self) -> Option<String> {
        self.seated.shared.hints().description.clone()
    }

    /// Sets the text.
    pub fn set_description(&self, description: Option<String>) {
        self.seated.shared.set_hints(|hints| hints.description = description);
    }

    /// The most that the caller expects to send, head included, in bytes. A hint, never enforced.
    #[must_use]
    pub fn count_of_bytes_client_expects_to_send(&self) -> Option<u64> {
        self.seated.shared.hints().expects_to_send
    }

    /// Sets that: tasks with less to move get a connection a little sooner.
    pub fn set_count_of_bytes_client_expects_to_send(&self, bytes: Option<u64>) {
        self.seated.shared.set_hints(|hints| hints.expects_to_send = bytes);
    }

    /// The most that the caller expects to receive, head included, in bytes. A hint, never
    /// enforced.
    #[must_use]
    pub fn count_of_bytes_client_expects_to_receive(&self) -> Option<u64> {
        self.seated.shared.hints().expects_to_receive
    }

    /// Sets that: tasks with less to move get a connection a little sooner.
    pub fn set_count_of_bytes_client_expects_to_receive(&self, bytes: Option<u64>) {
        self.seated.shared.set_hints(|hints| hints.expects_to_receive = bytes);
    }

    /// Whether content is wanted as it comes. If not, a [`Body`] gives it once it is
    /// whole.
    #[must_use]
    pub fn prefers_incremental_delivery(&self) -> bool {
        !self.seated.shared.hints().prefers_whole
    }

    /// Sets that; `true` if it is not set. Whole content is bounded by
    /// [`max_content`](crate::TaskBuilder::max_content).
    pub fn set_prefers_incremental_delivery(&self, incremental: bool) {
        self.seated.shared.set_hints(|hints| hints.prefers_whole = !incremental);
    }

    /// When the task may begin at the earliest, if it has to wait for that.
    #[must_use]
    pub fn earliest_begin(&self) -> Option<SystemTime> {
        let shared = &self.seated.shared;
        let at = shared.core().earliest_begin().as_micros();
        let now = shared.now().as_micros();
        let wait = at.checked_sub(now).filter(|_| at > 0)?;
        Some(SystemTime::now() + Duration::from_micros(wait))
    }

    /// Begins no earlier than this. Changes nothing once the task has asked for a connection.
    pub fn set_earliest_begin(&self, at: SystemTime) {
        let shared = &self.seated.shared;
        let wait = at.duration_since(SystemTime::now()).unwrap_or_default();
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let at = shared.now().after(micros);
        shared.core().set_earliest_begin(at);
        shared.ring();
    }

    /// Whether somebody is told and asked what the task does.
    #[must_use]
    pub fn has_delegate(&self) -> bool {
        self.seated.seat().driver.tells.sent
    }

    /// Where a download is: its destination, or its temporary file once it is whole. A temporary
    /// file is removed with the last handle of its task, unless it is moved.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        match &self.seated.seat().content {
            Content::File(download) => download.destination(),
            Content::Memory(_) => None,
        }
    }

    /// Moves the temporary file of a download that has none of its own to `destination`, and
    /// replaces what is there. Blocks while it does.
    ///
    /// # Errors
    /// [`ErrorKind::File`](crate::ErrorKind::File): the destination cannot be written, or there is
    /// no temporary file: the download is not complete, or was moved before.
    pub fn move_file(&self, destination: impl AsRef<Path>) -> Result<(), Error> {
        use crate::file::{FileError, FileErrorKind};
        let destination = destination.as_ref();
        let url = self.original_request().url();
        let temporary = match &mut self.seated.seat().content {
            Content::File(download) => download.temporary().take(),
            Content::Memory(_) => None,
        };
        let nothing = || Error::file(url, FileError::new(FileErrorKind::Misuse, destination));
        let mut temporary = temporary.ok_or_else(nothing)?;
        temporary.persist_to(destination).map_err(|why| {
            if let Content::File(download) = &mut self.seated.seat().content {
                *download.temporary() = Some(temporary);
            }
            Error::file(url, why)
        })
    }

    /// The response, and its content as it comes. Content that came before is given first; that of
    /// a download goes to its file, and the [`Body`] only tells its end.
    ///
    /// Cancel safety: dropping the future cancels the task, as dropping the [`Body`] does.
    ///
    /// # Errors
    /// What ended the task before there was a response, or
    /// [`ContentTaken`](crate::ErrorKind::ContentTaken).
    pub async fn bytes(self) -> Result<(Response, Body), Error> {
        let mut ride = Ride::alone(self.seated);
        poll_fn(|cx| ride.poll_until(cx, Until::Response)).await;
        let response = ride.response()?;
        let front = ride.take_front()?;
        Ok((response, Body::behind(front, ride)))
    }

    /// As [`bytes`](Self::bytes), blocking.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn bytes_blocking(self) -> Result<(Response, Body), Error> {
        async_io::block_on(self.bytes())
    }

    /// Blocks until the task has ended, and drives it meanwhile.
    ///
    /// # Errors
    /// As awaiting the task.
    pub fn wait(self) -> Result<(Response, Vec<u8>), Error> {
        async_io::block_on(self.into_future())
    }
}

impl ProgressReporting for Task {
    fn progress(&self) -> Progress {
        Self::progress(self)
    }
}

/// A task, as its progress acts on it.
struct Handle(Arc<Seated<System>>);

impl Source for Handle {
    fn report(&self) -> Report {
        let is_cancelled = match &self.0.seat().outcome {
            Some(Err(why)) => why.code() == sortie_core::Error::Canceled.code(),
            Some(Ok(())) | None => false,
        };
        let state = self.0.state();
        let core = self.0.shared.core();
        Report {
            send: core.counts().send_progress(),
            receive: core.counts().receive_progress(),
            combined: core.progress(),
            is_cancelled: is_cancelled || state == TaskState::Canceling,
            is_paused: state == TaskState::Suspended,
            is_finished: state == TaskState::Completed,
        }
    }

    fn cancel(&self) {
        self.0.cancel();
    }

    fn pause(&self) -> bool {
        self.0.shared.suspend_if_running().unwrap_or(false)
    }

    fn resume(&self) -> bool {
        let state = || self.0.shared.core().state();
        let was = state();
        self.0.resume();
        was == TaskState::Suspended && state() == TaskState::Running
    }
}

impl IntoFuture for Task {
    type Output = Result<(Response, Vec<u8>), Error>;
    type IntoFuture = TaskFuture;

    fn into_future(self) -> TaskFuture {
        TaskFuture::of(Ok(self))
    }
}

/// The future of a [`Task`]: the response and the content. The content of a download is in its
/// file, and none is here.
///
/// # Errors
/// What ended the task, with its URL. The content goes to the first await that ends;
/// [`ContentTaken`](crate::ErrorKind::ContentTaken) tells any other.
#[must_use = "futures do nothing unless they are awaited"]
pub struct TaskFuture {
    /// Or why there is no task.
    ride: Result<Ride<System>, Error>,
}

impl TaskFuture {
    pub(crate) fn of(task: Result<Task, Error>) -> Self {
        Self { ride: task.map(|task| Ride::new(task.seated)) }
    }
}

impl Future for TaskFuture {
    type Output = Result<(Response, Vec<u8>), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.ride {
            Ok(ride) => {
                ready!(ride.poll_until(cx, Until::Complete));
                Poll::Ready(ride.outcome())
            }
            Err(why) => Poll::Ready(Err(why.clone())),
        }
    }
}

impl fmt::Debug for TaskFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ride {
            Ok(ride) => write!(f, "TaskFuture({})", ride.seated.shared.id),
            Err(why) => write!(f, "TaskFuture({why:?})"),
        }
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

impl fmt::Display for Task {
    /// For people: its number, its description if it has one, its state and its bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.identifier())?;
        if let Some(description) = self.description() {
            write!(f, " ({description})")?;
        }
        let counts = self.counts();
        write!(f, ": {:?}, {} bytes received", self.state(), counts.received)?;
        if let Some(expected) = counts.expected_to_receive {
            write!(f, " of {expected}")?;
        }
        Ok(())
    }
}
