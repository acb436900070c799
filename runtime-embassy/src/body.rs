//! The content of a response as it comes.

use core::fmt;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Waker};

use embedded_io_async::{BufRead, ErrorType, Read, Write};
use sortie_core::{ByteCounts, Error, Output, ResponseHead, ResumeData, Url};

use crate::connect::Pooled;
use crate::driver::{Driver, Step};
use crate::input::copy;
use crate::reins::Governed;
use crate::stream::Wire;
use crate::task::{Alone, DataTask, Failure, Governor};

/// A response whose head came, and whose content is read as it comes, by [`Read`] or [`BufRead`].
///
/// Made by [`DataTask::open`]. Nothing moves but while something of it is awaited; meanwhile the
/// socket's buffer fills, and then the server waits. The end of the content is an empty read, and
/// only that of a whole response: one that was cut off is an error.
///
/// # Dropping
/// Cancels the task, unless all of the content was taken: its connection is reset and never used
/// again.
#[must_use = "dropping it cancels the task"]
pub struct Body<'r, 'd, 'a, C: Governor = Alone, W = Pooled<'r, 'd>> {
    // Before the driver, which gives its connection up: fields are dropped in order.
    governed: Governed<C::Block>,
    driver: Driver<'r, 'r, 'd, 'a, W>,
}

/// What is next for who takes the content.
enum Next {
    /// There is some.
    Take,
    /// All of it was taken: it is to be flushed.
    Flush,
    /// That is the end, after so many bytes.
    End(Result<u64, Failure>),
}

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, 'a, C: Governor, W: Wire<'r, 'd>> DataTask<'r, 'd, 'a, C, W> {
    /// Runs the task up to the head of the response; its content is read from what this returns.
    ///
    /// # Errors
    /// See [`receive`](DataTask::receive).
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset and never used again.
    pub fn open(self) -> impl Future<Output = Result<Body<'r, 'd, 'a, C, W>, Failure>> {
        let mut body = Body::new(self);
        async move {
            body.start();
            match body.step().await {
                Step::Done(Err(error)) => Err(body.failure(error)),
                Step::Done(Ok(())) | Step::Head | Step::Content | Step::Finish => Ok(body),
            }
        }
    }
}

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, 'a, C: Governor, W: Wire<'r, 'd>> Body<'r, 'd, 'a, C, W> {
    /// Of a task that does not run yet.
    pub(crate) fn new(task: DataTask<'r, 'd, 'a, C, W>) -> Self {
        let (driver, governor) = task.parts();
        let governed = Governed::new(governor.block());
        Self { governed, driver }
    }

    pub(crate) fn start(&mut self) {
        self.driver.start(self.governed.control());
    }

    /// The status, 200 to 999.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.driver.input().status().unwrap_or(0)
    }

    /// The head, with its fields; empty unless [memory was lent](DataTask::head) for it.
    #[must_use]
    pub fn head(&self) -> ResponseHead<'_> {
        self.driver.input().lent_head()
    }

    /// Where the content begins in the whole, in bytes: behind what was there before if the server
    /// [went on](DataTask::resume_from) there, else 0.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.driver.offset()
    }

    /// The bytes of the transfer: `delivered` of them were read, and `expected_to_receive` is the
    /// length of the whole, where that is known.
    #[must_use]
    pub fn counts(&self) -> ByteCounts {
        self.governed.control().counts()
    }

    /// The URL of the last redirect that was followed, if there was one.
    #[must_use]
    pub fn redirected_to(&self) -> Option<Url<'_>> {
        self.driver.redirected_to()
    }

    /// What the download could be gone on with if it ended here, where
    /// [memory was lent](DataTask::resume_data) for it: to be stored beside the content, so that it
    /// is there after the power was lost. Its count is that of the bytes that were read, at first
    /// 0; where more or fewer than these turn out to be stored,
    /// [`with_received`](ResumeData::with_received) corrects it.
    #[must_use]
    pub fn resume_data(&self) -> Option<ResumeData<'_>> {
        let counts = self.counts();
        self.driver.record().resume_data(counts.delivered, counts.expected_to_receive)
    }

    /// Writes all the content that is left to `sink`, and flushes it. Returns how many bytes of
    /// content there were in all. While the sink takes its time the request timer rests.
    ///
    /// # Errors
    /// See [`DataTask::receive`]. A sink that fails ends the task with [`Error::Sink`].
    ///
    /// # Dropping
    /// Loses the piece that is just written, where the sink does: it counts as not delivered.
    pub fn copy_to<S: Write>(
        &mut self,
        sink: &mut S,
    ) -> impl Future<Output = Result<u64, Failure>> {
        self.copy(sink, false)
    }

    /// As [`copy_to`](Self::copy_to); where `only_goes_on`, content that does not go behind what is
    /// there already goes nowhere.
    pub(crate) fn copy<S: Write>(
        &mut self,
        sink: &mut S,
        only_goes_on: bool,
    ) -> impl Future<Output = Result<u64, Failure>> {
        async move {
            loop {
                match self.next(only_goes_on).await {
                    Next::Take => {
                        let written = sink.write(self.driver.content());
                        let written = self.governed.control().unless_it_fails(written).await;
                        self.written(written.map(|written| written.unwrap_or(0)));
                    }
                    Next::Flush => {
                        let flushed = self.governed.control().unless_it_fails(sink.flush()).await;
                        self.end(matches!(flushed, Some(Ok(()))));
                    }
                    Next::End(result) => return result,
                }
            }
        }
    }

    // What follows is compiled once, whatever the sinks are.

    /// What is next for a sink.
    fn next(&mut self, only_goes_on: bool) -> impl Future<Output = Next> {
        async move {
            loop {
                match self.step().await {
                    Step::Head if only_goes_on && !self.driver.input().is_resumed() => {
                        self.refuse();
                    }
                    Step::Head => {}
                    Step::Content => return Next::Take,
                    Step::Finish => return Next::Flush,
                    Step::Done(Ok(())) => return Next::End(Ok(self.received())),
                    Step::Done(Err(error)) => return Next::End(Err(self.failure(error))),
                }
            }
        }
    }

    /// A sink took so many bytes; 0: it failed. `None`: the task did, while it was waited for.
    #[inline(never)]
    fn written(&mut self, count: Option<usize>) {
        match count {
            Some(count @ 1..) => self.driver.consume(self.governed.control(), count),
            Some(0) => self.refuse(),
            // What ended the task comes next.
            None => self.driver.drop_content(),
        }
    }

    /// The content cannot be stored: the task fails.
    fn refuse(&mut self) {
        let control = self.governed.control();
        control.tell(|task| task.handle_sink_failed(None));
        self.driver.drop_content();
    }

    /// What was received is stored, or is not.
    fn end(&self, is_stored: bool) {
        self.governed.control().tell(|task| match is_stored {
            true => task.handle_committed(),
            false => task.handle_sink_failed(None),
        });
    }

    /// Goes on to where there is something to be done.
    fn step(&mut self) -> impl Future<Output = Step> {
        self.driver.run(self.governed.control())
    }

    /// Goes on until there is content, or none is left.
    fn advance(&mut self) -> impl Future<Output = Result<&[u8], Failure>> {
        async move {
            loop {
                match self.step().await {
                    Step::Head => {}
                    Step::Finish => self.end(true),
                    Step::Content | Step::Done(Ok(())) => return Ok(self.driver.content()),
                    Step::Done(Err(error)) => return Err(self.failure(error)),
                }
            }
        }
    }

    /// So many bytes were read. With the last one of a message its connection is given back and the
    /// task ends, even if nobody looks for the end.
    fn taken(&mut self, count: usize) {
        let control = self.governed.control();
        self.driver.consume(control, count);
        let is_over = control.look(|task| !task.still(Output::Exchange)).unwrap_or(true);
        if is_over && self.driver.content().is_empty() {
            // It has nothing to wait for.
            let _ = pin!(self.advance()).poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Bytes of content that were taken.
    fn received(&self) -> u64 {
        let delivered = self.governed.control().look(|task| task.counts().delivered);
        delivered.unwrap_or(0).saturating_sub(self.offset())
    }

    fn failure(&self, error: Error) -> Failure {
        Failure {
            error,
            status: self.driver.input().status(),
            offset: self.offset(),
            received: self.received(),
            needed: self.driver.needed(),
        }
    }

    /// The driver, when the task has ended, and the counts of the end.
    pub(crate) fn into_parts(self) -> (Driver<'r, 'r, 'd, 'a, W>, ByteCounts) {
        let counts = self.counts();
        (self.driver, counts)
    }
}

impl<C: Governor, W> ErrorType for Body<'_, '_, '_, C, W> {
    type Error = Failure;
}

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, C: Governor, W: Wire<'r, 'd>> Read for Body<'r, 'd, '_, C, W> {
    /// Reads content. 0: all of it was read.
    ///
    /// Dropping the future loses nothing: it can be read again.
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Failure> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let count = copy(self.advance().await?, bytes);
        if count > 0 {
            self.taken(count);
        }
        Ok(count)
    }
}

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, C: Governor, W: Wire<'r, 'd>> BufRead for Body<'r, 'd, '_, C, W> {
    /// The content that is there, after waiting for some. Empty: all of it was taken.
    ///
    /// Dropping the future loses nothing.
    fn fill_buf(&mut self) -> impl Future<Output = Result<&[u8], Failure>> {
        self.advance()
    }

    fn consume(&mut self, count: usize) {
        self.taken(count);
    }
}

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, C: Governor, W: Wire<'r, 'd>> fmt::Debug for Body<'r, 'd, '_, C, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("status", &self.status())
            .field("offset", &self.offset())
            .field("received", &self.received())
            .field("outcome", &self.driver.outcome)
            .finish()
    }
}
