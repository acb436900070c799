//! Sessions: what tasks share.

use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;

use sortie_core::{TaskKind, TaskState};

use crate::body::Body;
use crate::builder::TaskBuilder;
use crate::configuration::SessionConfiguration;
use crate::error::Error;
use crate::request::Request;
use crate::response::Response;
use crate::resume::ResumeData;
use crate::ride::{Ride, Until};
use crate::shared::SessionShared;
use crate::source::UploadSource;
use crate::system::System;
use crate::task::Task;
use crate::world::World;

/// A session: the connections and settings that its tasks share. Cheap to clone.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/origin.rs")); }
/// # let url = doc::origin(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]);
/// # futures_lite::future::block_on(async {
/// let session = sortie::Session::new();
/// let (response, content) = session.data(&url).await?; // or data_blocking(&url)?
/// assert_eq!((response.status(), content.as_slice()), (200, &b"hello"[..]));
/// # Ok::<(), sortie::Error>(()) }).unwrap();
/// ```
///
/// Tasks that begin run to their end whether somebody awaits them or not: what nobody awaits is
/// driven by one thread that the session starts at need, or by a spawner of the user's. Dropping
/// the last handle is [`finish_tasks_and_invalidate`](Self::finish_tasks_and_invalidate).
///
/// Connections are kept for the tasks to come. One that no task had for 60 s is closed
/// ([`idle_timeout`](SessionConfiguration::idle_timeout)).
#[derive(Clone)]
pub struct Session {
    owner: Arc<Owner>,
}

/// All handles of a session together.
struct Owner {
    inner: Arc<SessionShared<System>>,
    /// What it was made with.
    configuration: SessionConfiguration,
    /// It is that of the process, and lasts as long.
    is_shared: bool,
    description: Mutex<Option<String>>,
}

impl Owner {
    /// Takes no new tasks.
    fn close(&self) {
        if !self.is_shared {
            self.inner.close();
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session with the defaults of URLSession.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A session to be configured: [`SessionConfiguration::new`].
    #[must_use]
    pub fn builder() -> SessionConfiguration {
        SessionConfiguration::new()
    }

    /// The session that the whole process shares, with the defaults of URLSession. It is made when
    /// it is first asked for and lasts as long as the process: it cannot be invalidated, neither by
    /// the calls for that, which do nothing to it, nor by dropping its handles.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), sortie::Error> {
    /// let (response, _) = sortie::Session::shared().data("http://127.0.0.1:8080/").await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn shared() -> Self {
        static SHARED: OnceLock<Session> = OnceLock::new();
        SHARED.get_or_init(|| SessionConfiguration::new().make(true)).clone()
    }

    /// A session that leaves nothing on the disk: see
    /// [`SessionConfiguration::ephemeral`](SessionConfiguration::ephemeral).
    #[must_use]
    pub fn ephemeral() -> Self {
        SessionConfiguration::ephemeral().build()
    }

    pub(crate) fn of(
        inner: Arc<SessionShared<System>>,
        configuration: SessionConfiguration,
        is_shared: bool,
    ) -> Self {
        let description = Mutex::new(None);
        Self { owner: Arc::new(Owner { inner, configuration, is_shared, description }) }
    }

    /// A copy of what the session was made with: to make another one like it. The session itself
    /// does not change any more.
    #[must_use]
    pub fn configuration(&self) -> SessionConfiguration {
        self.owner.configuration.clone()
    }

    /// A text of the caller's, never interpreted; it is that of all handles.
    #[must_use]
    pub fn description(&self) -> Option<String> {
        // A text is never half set.
        self.owner.description.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the text.
    pub fn set_description(&self, description: Option<String>) {
        *self.owner.description.lock().unwrap_or_else(PoisonError::into_inner) = description;
    }

    /// A suspended data task for a request, or for a `GET` of a URL.
    ///
    /// # Errors
    /// The URL or the request is not one that a task can be made for.
    pub fn task<R>(&self, request: R) -> Result<Task, Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        self.data_task(request).create()
    }

    /// A data task to be made: its content goes to memory.
    pub fn data_task<R>(&self, request: R) -> TaskBuilder
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        self.build_task(TaskKind::Data, request)
    }

    /// An upload task to be made: its body comes from `source`, and what body the request had is
    /// not sent. A request that is given as a URL is a `POST`.
    ///
    /// If the server answers before the body is sent, with a status of 300 or above, the rest is
    /// not sent and the answer is the result.
    pub fn upload_task<R>(&self, request: R, source: impl Into<UploadSource>) -> TaskBuilder
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        let request = request.try_into().map_err(Into::into).map(Request::for_upload);
        TaskBuilder::new(self.owner.inner.clone(), TaskKind::Upload, request).source(source.into())
    }

    /// A download task to be made: its content goes to a file.
    pub fn download_task<R>(&self, request: R) -> TaskBuilder
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        self.build_task(TaskKind::Download, request).download()
    }

    /// A download task that goes on where another one ended. If its part file is gone, or the
    /// server has other content by now, it begins anew.
    pub fn download_task_with_resume_data(&self, data: &ResumeData) -> TaskBuilder {
        self.download_task(&data.url()).resume_data(data)
    }

    fn build_task<R>(&self, kind: TaskKind, request: R) -> TaskBuilder
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        TaskBuilder::new(self.owner.inner.clone(), kind, request.try_into().map_err(Into::into))
    }

    /// The tasks that run, or were suspended after they ran. Tasks that never ran are not listed.
    #[must_use]
    pub fn all_tasks(&self) -> Vec<Task> {
        let all = self.owner.inner.live.all().into_iter().map(|seated| Task { seated });
        all.filter(|task| matches!(task.state(), TaskState::Running | TaskState::Suspended))
            .collect()
    }

    /// Takes no new tasks. Those that began run to their end; then nothing of the session is left:
    /// no thread, no connection, no file. A task that was never resumed does not begin any more.
    /// Does nothing to the [`shared`](Self::shared) session.
    pub fn finish_tasks_and_invalidate(&self) {
        self.owner.close();
    }

    /// As [`finish_tasks_and_invalidate`](Self::finish_tasks_and_invalidate), and cancels those
    /// that began. Does nothing to the [`shared`](Self::shared) session, whose tasks are not only
    /// the caller's.
    pub fn invalidate_and_cancel(&self) {
        if self.owner.is_shared {
            return;
        }
        self.owner.close();
        // The last ones first: none that waits gets a connection from one that had it.
        for task in self.all_tasks().into_iter().rev() {
            task.cancel();
        }
    }

    /// Waits until the session was invalidated and its last task has ended: for ever, if it is the
    /// [`shared`](Self::shared) one.
    ///
    /// Cancel safety: dropping the future changes nothing.
    pub async fn did_become_invalid(&self) {
        poll_fn(|cx| match self.owner.inner.live.poll_ended(cx.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Closes the connections that no task has: later tasks open new ones.
    pub fn flush(&self) {
        let inner = &self.owner.inner;
        inner.connections.flush(inner.world.now());
    }

    /// Forgets what was learned of servers: their connections, as [`flush`](Self::flush) does, and
    /// what was agreed on with them by TLS. Later tasks begin with full handshakes, and with the
    /// roots that the system trusts by then. The session has no cookies, caches or credentials yet
    /// that it could forget, too.
    pub fn reset(&self) {
        self.owner.inner.world.forget();
        self.flush();
    }

    /// Downloads to a file: the response, once the whole content is in its place. See
    /// [`download_task`](Self::download_task).
    ///
    /// Cancel safety: dropping the future cancels the task; what came is kept beside the
    /// destination, and the next download to there goes on from it.
    ///
    /// # Errors
    /// What was wrong with the request or the destination, or ended the task; any status but 200 to
    /// 299.
    pub async fn download<R>(
        &self,
        request: R,
        destination: impl Into<PathBuf>,
    ) -> Result<Response, Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        let task = self.download_task(request).to(destination).create()?;
        let mut ride = Ride::alone(task.seated);
        poll_fn(|cx| ride.poll_until(cx, Until::Complete)).await;
        ride.outcome().map(|(response, _)| response)
    }

    /// Uploads: the response and its whole content. See [`upload_task`](Self::upload_task).
    ///
    /// Cancel safety: dropping the future cancels the task.
    ///
    /// # Errors
    /// What was wrong with the request or the source, or ended the task.
    pub async fn upload<R>(
        &self,
        request: R,
        source: impl Into<UploadSource>,
    ) -> Result<(Response, Vec<u8>), Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        let task = self.upload_task(request, source).create()?;
        let mut ride = Ride::alone(task.seated);
        poll_fn(|cx| ride.poll_until(cx, Until::Complete)).await;
        ride.outcome()
    }

    /// Fetches a request, or a URL: the response and its whole content.
    ///
    /// Any status is a success: it is the server's answer. Cancel safety: dropping the future
    /// cancels the task and closes its connection.
    ///
    /// # Errors
    /// What was wrong with the request, or ended the task.
    pub async fn data<R>(&self, request: R) -> Result<(Response, Vec<u8>), Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        let mut ride = self.ride(request)?;
        poll_fn(|cx| ride.poll_until(cx, Until::Complete)).await;
        ride.outcome()
    }

    /// Fetches a request, or a URL: the response and its content as it comes.
    ///
    /// Cancel safety: dropping the future cancels the task, as dropping the [`Body`] does.
    ///
    /// # Errors
    /// As [`data`](Self::data), up to the head of the response.
    pub async fn bytes<R>(&self, request: R) -> Result<(Response, Body), Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        self.task(request)?.bytes().await
    }

    /// As [`data`](Self::data), blocking.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub fn data_blocking<R>(&self, request: R) -> Result<(Response, Vec<u8>), Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        async_io::block_on(self.data(request))
    }

    /// As [`bytes`](Self::bytes), blocking.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn bytes_blocking<R>(&self, request: R) -> Result<(Response, Body), Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        async_io::block_on(self.bytes(request))
    }

    fn ride<R>(&self, request: R) -> Result<Ride<System>, Error>
    where
        R: TryInto<Request, Error: Into<Error>>,
    {
        Ok(Ride::alone(self.task(request)?.seated))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?})", self.owner.inner.options())
    }
}
