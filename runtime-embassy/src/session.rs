//! The session: what its tasks share.

use core::cell::{Cell, RefCell};
use core::fmt;

use embassy_net::Stack;
use embassy_time::Duration;
use embedded_io_async::{Read, Write};
use sortie_core::{Asks, RedirectPolicy, Request, TaskKind, TaskOptions, limits};

use crate::connection::Connection;
use crate::line::Line;
use crate::resources::Resources;
use crate::schedule::Schedule;
use crate::task::{DataTask, Failure, Response};
use crate::time::micros;
use crate::turn::{Order, Scheduled};

/// What holds for all tasks of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Config {
    /// The longest time without a byte sent or received, from the connection attempt on, of which
    /// the search for an address is part. 60 s unless set otherwise.
    pub request_timeout: Duration,
    /// The longest time for a whole task, from its start on. 7 days unless set otherwise.
    pub resource_timeout: Duration,
    /// What is done with redirects. Up to 20 are followed unless set otherwise, by tasks that bring
    /// [room for their URLs](DataTask::target); for others a redirect is an error.
    pub redirects: RedirectPolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_micros(limits::REQUEST_TIMEOUT),
            resource_timeout: Duration::from_micros(limits::RESOURCE_TIMEOUT),
            redirects: RedirectPolicy::default(),
        }
    }
}

/// Runs tasks over the connections that it owns.
///
/// There is nothing to spawn: a task is driven by whoever awaits it, and dropping that future
/// cancels it. Any number of tasks can share a session by reference; those for which there is no
/// connection wait until it is their turn, in the order in which they came unless it has a
/// [`Schedule`](Self::scheduled). A connection is kept open after an exchange and used again for
/// the same origin.
pub struct Session<'d, const CONNECTIONS: usize> {
    base: Base<'d, [Slot<'d>; CONNECTIONS]>,
}

/// A connection, and whether a task has it.
type Slot<'d> = RefCell<Connection<'d>>;

/// A session, whatever the number of its connections: what is done with this is compiled once.
pub(crate) struct Base<'d, S: ?Sized = [Slot<'d>]> {
    pub(crate) stack: Stack<'d>,
    pub(crate) config: Config,
    /// The identifier of the task that began last.
    identifier: Cell<u32>,
    line: Line,
    pub(crate) schedule: Option<&'d dyn Scheduled>,
    pub(crate) slots: S,
}

impl Base<'_> {
    /// Who decides which task is next.
    #[inline(never)]
    pub(crate) fn order(&self) -> &dyn Order {
        match self.schedule {
            Some(schedule) => schedule,
            None => &self.line,
        }
    }

    /// The number of a task that begins: from 1 on, each once.
    pub(crate) fn next_identifier(&self) -> u32 {
        let next = self.identifier.get().wrapping_add(1);
        self.identifier.set(next);
        next
    }
}

impl<'d, const CONNECTIONS: usize> Session<'d, CONNECTIONS> {
    /// A session over `stack`. The stack must have room for so many sockets.
    pub fn new<const RECEIVE: usize, const SEND: usize, const HEAD: usize>(
        stack: Stack<'d>,
        resources: &'d mut Resources<CONNECTIONS, RECEIVE, SEND, HEAD>,
        config: Config,
    ) -> Self {
        let slots = resources.buffers.each_mut();
        let slots = slots.map(|buffers| RefCell::new(Connection::new(stack, buffers)));
        let identifier = Cell::new(0);
        Self { base: Base { stack, config, identifier, line: Line::new(), schedule: None, slots } }
    }

    /// The same, with the order of `schedule` for its tasks.
    #[must_use]
    pub fn scheduled(mut self, schedule: &'d mut Schedule<CONNECTIONS>) -> Self {
        self.base.schedule = Some(schedule);
        self
    }

    pub(crate) const fn base(&self) -> &Base<'d> {
        &self.base
    }

    /// Sends `request` with `body` and receives the content of the response in `content`.
    ///
    /// The short form of [`data_task`](Self::data_task), without commands, response fields and room
    /// for the URLs of redirects.
    ///
    /// # Errors
    /// See [`Failure`]. A response of any status is a success. A redirect is one where
    /// [`Config::redirects`] says that it is delivered, else it fails with
    /// [`Limit::TargetBuffer`](sortie_core::Limit::TargetBuffer).
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset and never used again. What was received until
    /// then is at the front of `content`, without a way to tell how much.
    pub fn data<'r, 'a>(
        &'r self,
        request: &'r Request<'r>,
        body: &'r [u8],
        content: &'a mut [u8],
    ) -> impl Future<Output = Result<Response<'a>, Failure>> {
        self.data_task(request).body(body).receive(content)
    }

    /// A task that receives the content of its response in a buffer. Nothing happens before
    /// [`DataTask::receive`] is awaited.
    pub const fn data_task<'r, 'a>(&'r self, request: &'r Request<'r>) -> DataTask<'r, 'd, 'a> {
        DataTask::new(&self.base, request, TaskKind::Data)
    }

    /// A task that sends `body`. Nothing happens before [`DataTask::receive`] is awaited. Where the
    /// body is not in memory as a whole, [`from_reader`](DataTask::from_reader) takes its place.
    pub const fn upload_task<'r, 'a>(
        &'r self,
        request: &'r Request<'r>,
        body: &'r [u8],
    ) -> DataTask<'r, 'd, 'a> {
        DataTask::new(&self.base, request, TaskKind::Upload).body(body)
    }

    /// A task that writes the content of its response to a sink. Nothing happens before
    /// [`DataTask::to`] is awaited. An answer with a part of what was asked for fails it.
    pub const fn download_task<'r, 'a>(&'r self, request: &'r Request<'r>) -> DataTask<'r, 'd, 'a> {
        DataTask::new(&self.base, request, TaskKind::Download)
    }

    /// Sends `request` with what `reader` gives, by way of `stage`, and receives the content of the
    /// response in `content`: the short form of [`upload_task`](Self::upload_task) with a
    /// [reader](DataTask::from_reader).
    ///
    /// # Errors
    /// See [`ReaderTask::receive`](crate::ReaderTask::receive), and [`data`](Self::data) for
    /// redirects.
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset and never used again. What the reader gave and was
    /// not sent is lost.
    pub fn upload<'r, 'a, R: Read>(
        &'r self,
        request: &'r Request<'r>,
        reader: &'r mut R,
        stage: &'r mut [u8],
        content: &'a mut [u8],
    ) -> impl Future<Output = Result<Response<'a>, Failure>> {
        self.upload_task(request, &[]).from_reader(reader, stage).receive(content)
    }

    /// Sends `request` and writes the content of the response to `sink`. Returns how many bytes
    /// that were. The short form of [`download_task`](Self::download_task), which fails at any
    /// status but 200 to 299, so that no error page passes for the content.
    ///
    /// # Errors
    /// See [`DataTask::to`], and [`data`](Self::data) for redirects.
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset and never used again. The sink holds what was
    /// written.
    pub async fn download<W: Write>(
        &self,
        request: &Request<'_>,
        sink: &mut W,
    ) -> Result<u64, Failure> {
        let done = self.download_task(request).require_success().to(sink).await;
        done.map(|done| done.received()).map_err(|failure| failure.failure)
    }
}

impl Base<'_> {
    /// How the core's task behaves here, unless its caller says otherwise.
    pub(crate) const fn options(&self, kind: TaskKind) -> TaskOptions {
        TaskOptions {
            kind,
            request_timeout: micros(self.config.request_timeout),
            resource_timeout: micros(self.config.resource_timeout),
            body_is_replayable: true,
            redirects: self.config.redirects,
            asks: Asks { redirect: false, disposition: false, new_body: false },
            requires_success: false,
            is_resuming: false,
            earliest_begin: sortie_core::Instant::EPOCH,
            measures_heads: true,
        }
    }
}

impl<const CONNECTIONS: usize> fmt::Debug for Session<'_, CONNECTIONS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("config", &self.base.config).finish_non_exhaustive()
    }
}
