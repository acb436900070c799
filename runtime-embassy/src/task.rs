//! Data tasks: content into a buffer of the caller.

use core::fmt;

use sortie_core::{Error, Request, ResponseHead, Slot};

use crate::control::{ControlBlock, Seat};
use crate::driver::Driver;
use crate::input::Input;
use crate::session::Session;

/// A task that receives the content of its response in a buffer: what it takes, put together.
///
/// Made by [`Session::data_task`], run by [`receive`](Self::receive).
#[must_use = "a task does nothing before `receive` is awaited"]
pub struct DataTask<'r, 'd, 'a, const CONNECTIONS: usize, C = Alone> {
    session: &'r Session<'d, CONNECTIONS>,
    request: &'r Request<'r>,
    body: &'r [u8],
    /// What the response borrows from.
    head: Option<(&'a mut [u8], &'a mut [Slot])>,
    control: C,
}

/// Marks a task that nobody governs: its future holds what a [`ControlBlock`] would.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

/// Marks a task that is governed through a lent [`Seat`].
#[derive(Debug, Clone, Copy)]
pub struct Under<'c>(&'c ControlBlock);

/// A whole response: its content, and its head if memory was lent for it.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    status: u16,
    head: ResponseHead<'a>,
    content: &'a [u8],
}

/// Why a task brought no whole response, and what it brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Failure {
    /// What went wrong.
    pub error: Error,
    /// The status of the final response, if its head came.
    pub status: Option<u16>,
    /// Bytes of content that came before, at the front of the buffer that was lent for it.
    pub received: usize,
}

impl<'r, 'd, 'a, const CONNECTIONS: usize> DataTask<'r, 'd, 'a, CONNECTIONS> {
    pub(crate) const fn new(
        session: &'r Session<'d, CONNECTIONS>,
        request: &'r Request<'r>,
    ) -> Self {
        Self { session, request, body: &[], head: None, control: Alone }
    }
}

impl<'r, 'd, 'a, const CONNECTIONS: usize, C> DataTask<'r, 'd, 'a, CONNECTIONS, C> {
    /// Sends `body`. It must be as long as the request says.
    pub fn body(self, body: &'r [u8]) -> Self {
        Self { body, ..self }
    }

    /// Keeps the head of the response in `bytes`, with as many of its fields listed as `index` has
    /// entries. It must fit in `bytes`, whatever the size of the session's buffers.
    pub fn head(self, bytes: &'a mut [u8], index: &'a mut [Slot]) -> Self {
        let head = Some((bytes, index));
        Self { head, ..self }
    }

    /// Puts the task under the control of who holds the other side of `seat`.
    pub fn control<'c>(
        self,
        seat: &'c mut Seat<'_>,
    ) -> DataTask<'r, 'd, 'a, CONNECTIONS, Under<'c>> {
        let Self { session, request, body, head, control: _ } = self;
        DataTask { session, request, body, head, control: Under(seat.block) }
    }

    fn driver(self, content: &'a mut [u8]) -> Driver<'r, 'd, 'a, CONNECTIONS> {
        let input = Input::new(self.head, content);
        Driver::new(self.session, self.request, self.body, input)
    }
}

// Not `async fn`s: those would keep their arguments beside what is made of them.

impl<'a, const CONNECTIONS: usize> DataTask<'_, '_, 'a, CONNECTIONS> {
    /// Runs the task: sends the request and receives the content of the response in `content`.
    ///
    /// # Errors
    /// See [`Failure`]. A response of any status is a success, and so is a redirect.
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset and never used again. What was received until
    /// then is at the front of `content`, without a way to tell how much.
    pub fn receive(
        self,
        content: &'a mut [u8],
    ) -> impl Future<Output = Result<Response<'a>, Failure>> {
        let mut driver = self.driver(content);
        async move {
            let own = ControlBlock::new();
            let _governed = driver.begin(&own);
            let result = driver.run(&own).await;
            driver.input.finish(result)
        }
    }
}

impl<'a, const CONNECTIONS: usize> DataTask<'_, '_, 'a, CONNECTIONS, Under<'_>> {
    /// Runs the task: sends the request and receives the content of the response in `content`.
    /// While it is suspended, this waits.
    ///
    /// # Errors
    /// See [`Failure`]. A response of any status is a success, and so is a redirect.
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset and never used again. What was received until
    /// then is at the front of `content`, as much as
    /// [`TaskControl::counts`](crate::TaskControl::counts) says.
    pub fn receive(
        self,
        content: &'a mut [u8],
    ) -> impl Future<Output = Result<Response<'a>, Failure>> {
        let Under(control) = self.control;
        let mut driver = self.driver(content);
        async move {
            let _governed = driver.begin(control);
            let result = driver.run(control).await;
            driver.input.finish(result)
        }
    }
}

impl<'a> Response<'a> {
    pub(crate) const fn new(status: u16, head: ResponseHead<'a>, content: &'a [u8]) -> Self {
        Self { status, head, content }
    }

    /// The status, 200 to 999.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The head, with its fields; empty unless [memory was lent](DataTask::head) for it.
    #[must_use]
    pub const fn head(&self) -> ResponseHead<'a> {
        self.head
    }

    /// The content.
    #[must_use]
    pub const fn content(&self) -> &'a [u8] {
        self.content
    }
}

impl fmt::Debug for Response<'_> {
    /// Status, field names and length of the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("head", &self.head)
            .field("content", &self.content.len())
            .finish()
    }
}

impl<const CONNECTIONS: usize, C> fmt::Debug for DataTask<'_, '_, '_, CONNECTIONS, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataTask")
            .field("request", &self.request)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl core::error::Error for Failure {}
