//! What a task is made with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sortie_core::{Asks, Instant, RedirectPolicy, TaskKind, TaskOptions};

use crate::content::{Content, Memory};
use crate::delegate::{Delegating, Listener, TaskDelegate};
use crate::download::{Download, OpenSink, Plan};
use crate::driver::Driver;
use crate::error::Error;
use crate::file::Sha256Digest;
use crate::hop::Hop;
use crate::metrics::Recorder;
use crate::priority::Priority;
use crate::request::Request;
use crate::resume::ResumeData;
use crate::seat::Seated;
use crate::shared::{Hints, SessionShared};
use crate::source::{Source, UploadSource};
use crate::system::System;
use crate::task::{Task, TaskFuture};
use crate::turn::Tells;

/// Content that is kept in memory at most, where the caller says nothing: 256 MiB. A server that
/// never stops sending must not take all memory.
const MAX_CONTENT: usize = 256 << 20;

/// A task to be made: [`create`](Self::create) makes it, suspended; awaiting the builder makes it
/// and runs it.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/origin.rs")); }
/// # let url = doc::origin(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]);
/// # let name = format!("sortie-doc-builder-{}", std::process::id());
/// # let path = std::env::temp_dir().join(name);
/// # futures_lite::future::block_on(async {
/// use sortie::{Priority, Session};
///
/// let session = Session::new();
/// let task = session.download_task(&url).to(&path).priority(Priority::HIGH).create()?;
/// task.resume();
/// let (response, _) = task.await?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"hello");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), sortie::Error>(()) }).unwrap();
/// ```
#[must_use = "a task is made by create() or by awaiting it"]
pub struct TaskBuilder {
    session: Arc<SessionShared<System>>,
    request: Result<Request, Error>,
    source: Option<UploadSource>,
    plan: Option<Plan>,
    open: Option<OpenSink>,
    options: TaskOptions,
    hints: Hints,
    listener: Option<Arc<dyn Listener<System>>>,
    max_content: usize,
    earliest_begin: Option<SystemTime>,
}

impl TaskBuilder {
    pub(crate) fn new(
        session: Arc<SessionShared<System>>,
        kind: TaskKind,
        request: Result<Request, Error>,
    ) -> Self {
        let options = TaskOptions { kind, ..session.options() };
        Self {
            session,
            request,
            source: None,
            plan: None,
            open: None,
            options,
            hints: Hints::default(),
            listener: None,
            max_content: MAX_CONTENT,
            earliest_begin: None,
        }
    }

    /// A download: its content goes to a file. Named by nobody else, so that a program without
    /// downloads does not carry what they need.
    pub(crate) fn download(mut self) -> Self {
        self.plan = Some(Plan::default());
        self.open = Some(Download::open_sink);
        self.requires_success(true)
    }

    pub(crate) fn source(mut self, source: UploadSource) -> Self {
        self.source = Some(source);
        self
    }

    /// A download goes on from there, to the same destination, with a request of the caller's own:
    /// resume data holds no fields, which may be credentials. If its URL is another one than that
    /// of the resume data, the download begins anew.
    pub fn resume_data(mut self, data: &ResumeData) -> Self {
        if let Some(plan) = &mut self.plan {
            plan.destination = Some(data.destination().to_owned());
            plan.resume = Some(data.core().to_owned());
        }
        self
    }

    /// Where a download goes; to a temporary file if it is not said, see
    /// [`Task::move_file`].
    ///
    /// The content is written to a part file beside it, `NAME.part`, and moved to its place when
    /// it is whole and checked. What an earlier download of the same URL left there is gone on
    /// with, where the server can tell that the content is still the same.
    pub fn to(mut self, destination: impl Into<PathBuf>) -> Self {
        if let Some(plan) = &mut self.plan {
            plan.destination = Some(destination.into());
        }
        self
    }

    /// A download begins anew, whatever is there of an earlier one.
    pub const fn starts_over(mut self) -> Self {
        if let Some(plan) = &mut self.plan {
            plan.starts_over = true;
        }
        self
    }

    /// The content of a download must have this digest, or the task fails and keeps nothing.
    pub const fn sha256(mut self, digest: [u8; 32]) -> Self {
        if let Some(plan) = &mut self.plan {
            plan.sha256 = Some(Sha256Digest(digest));
        }
        self
    }

    /// Who is told and asked what the task does. The session holds it until the task has ended.
    pub fn delegate(self, delegate: impl TaskDelegate + 'static) -> Self {
        self.shared_delegate(Arc::new(delegate))
    }

    /// As [`delegate`](Self::delegate), for one that others hold, too.
    pub fn shared_delegate(mut self, delegate: Arc<dyn TaskDelegate>) -> Self {
        self.listener = Some(Arc::new(Delegating(delegate)));
        self
    }

    /// How soon it gets a connection, beside others of its session.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.hints.priority = priority;
        self
    }

    /// A text of the caller's, never interpreted.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.hints.description = Some(description.into());
        self
    }

    /// The task begins no earlier than this.
    pub const fn earliest_begin(mut self, at: SystemTime) -> Self {
        self.earliest_begin = Some(at);
        self
    }

    /// The longest time without a byte sent or received, instead of the session's.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request_timeout = micros(timeout);
        self
    }

    /// The longest time from the first resume to the end, instead of the session's.
    pub fn resource_timeout(mut self, timeout: Duration) -> Self {
        self.options.resource_timeout = micros(timeout);
        self
    }

    /// What is done with redirects: followed, up to 20, and never from `https` to `http`, if it is
    /// not said.
    pub const fn redirects(mut self, policy: RedirectPolicy) -> Self {
        self.options.redirects = policy;
        self
    }

    /// Whether any status but 200 to 299 fails the task, with
    /// [`Status`](sortie_core::Error::Status). Downloads do, if it is not said: an error page is
    /// not what was to be stored. Other tasks do not: any status is an answer.
    pub const fn requires_success(mut self, requires: bool) -> Self {
        self.options.requires_success = requires;
        self
    }

    /// The most that is expected to be sent, head included, in bytes. A hint, never enforced.
    pub const fn client_expects_to_send(mut self, bytes: u64) -> Self {
        self.hints.expects_to_send = Some(bytes);
        self
    }

    /// The most that is expected to be received, head included, in bytes. A hint, never enforced.
    pub const fn client_expects_to_receive(mut self, bytes: u64) -> Self {
        self.hints.expects_to_receive = Some(bytes);
        self
    }

    /// The most content that is kept in memory, in bytes: 256 MiB if it is not said. More fails the
    /// task. Content that is read as it comes, or goes to a file, is not bounded.
    pub const fn max_content(mut self, bytes: usize) -> Self {
        self.max_content = bytes;
        self
    }

    /// Makes the task, suspended.
    ///
    /// # Errors
    /// The URL or the request is not one that a task can be made for; the body cannot be read; the
    /// destination cannot be written; the session was invalidated. Nothing was sent or changed.
    pub fn create(self) -> Result<Task, Error> {
        let request = self.request?.with_additional(self.session.fields())?;
        let (source, request) = match self.source {
            Some(source) => Source::open(source, request)?,
            None => (Source::Request, request),
        };
        let content = match self.plan.zip(self.open) {
            Some((plan, open)) => {
                let sink = open(plan, request.url());
                Content::File(sink.map_err(|why| Error::file(request.url(), why))?)
            }
            None => Content::Memory(Memory::new(self.max_content)),
        };
        let asks = match self.listener {
            Some(_) => Asks { redirect: true, disposition: true, new_body: true },
            None => Asks::default(),
        };
        let options = TaskOptions {
            asks,
            body_is_replayable: source.is_replayable(),
            earliest_begin: self.earliest_begin.map_or(Instant::EPOCH, |at| {
                let wait = at.duration_since(SystemTime::now()).unwrap_or_default();
                crate::world::World::now(&self.session.world).after(micros(wait))
            }),
            ..self.options
        };
        let shared = self.session.task(request.clone(), options, self.hints)?;
        let has_delegate = self.listener.is_some();
        let is_file = matches!(content, Content::File(_));
        let tells = Tells { prepare: is_file, finish: is_file, sent: has_delegate };
        let mut driver = Driver::new(Hop::new(request, has_delegate), source, tells);
        driver.recorder = has_delegate.then(|| Box::new(Recorder::new(shared.now())));
        Ok(Task { seated: Seated::new(shared, driver, content, self.listener) })
    }
}

impl IntoFuture for TaskBuilder {
    type Output = Result<(crate::Response, Vec<u8>), Error>;
    type IntoFuture = TaskFuture;

    fn into_future(self) -> TaskFuture {
        TaskFuture::of(self.create())
    }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Debug for TaskBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskBuilder({:?}, {:?})", self.options.kind, self.request)
    }
}
