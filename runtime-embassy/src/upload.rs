//! Upload tasks whose body comes from a reader.

use core::fmt;
use core::future::Future;

use embassy_futures::select::{Either, select};
use embedded_io_async::Read;

use crate::connect::Pooled;
use crate::source::{Source, Stage, fill};
use crate::stream::Wire;
use crate::task::{Alone, DataTask, Failure, Governor, Response};

/// An upload task whose body comes from a reader.
///
/// Made by [`DataTask::from_reader`], run by [`receive`](Self::receive).
#[must_use = "a task does nothing before `receive` is awaited"]
pub struct ReaderTask<'r, 'd, 'a, 'b, R, C = Alone, W = Pooled<'r, 'd>> {
    pub(crate) task: DataTask<'r, 'd, 'a, C, W>,
    pub(crate) reader: &'b mut R,
    pub(crate) stage: &'b mut [u8],
}

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, 'a, R: Read, C: Governor, W: Wire<'r, 'd>> ReaderTask<'r, 'd, 'a, '_, R, C, W> {
    /// Runs the task: sends the request with what the reader gives as its body, and receives the
    /// content of the response in `content`. An answer that comes early is received while the
    /// reader is waited for.
    ///
    /// # Errors
    /// See [`DataTask::receive`]. A reader that fails, or that ends before as many bytes as the
    /// request says, ends the task with [`Error::Source`](sortie_core::Error::Source), and so does
    /// a stage of no bytes. Where the body is to be sent again and part of it was sent already, the
    /// task fails: with [`Error::BodyExhausted`](sortie_core::Error::BodyExhausted) at a redirect,
    /// as [`Transport`](sortie_core::Transport) has it at a dead connection. The reader counts as
    /// idle time: one that takes longer than the
    /// [request timeout](crate::Config::request_timeout) ends the task.
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset and never used again. What the reader gave and was
    /// not sent is lost, and where reading is not cancel safe so is what it was about to give. What
    /// was received is at the front of `content`.
    pub fn receive(
        self,
        content: &'a mut [u8],
    ) -> impl Future<Output = Result<Response<'a>, Failure>> {
        let Self { task, reader, stage } = self;
        async move {
            let length = task.request().body();
            let stage = Stage::new(&mut *stage);
            let (mut driver, governor) = task.parts();
            driver.outgoing.source = Source::staged(&stage);
            driver.outgoing.options.body_is_replayable = false;
            driver.input.store_in(content);
            let block = governor.block();
            let control = block.as_ref();
            let _governed = driver.begin(control);
            let run = driver.run(control);
            let result = match select(run, fill(reader, &stage, length)).await {
                Either::First(result) => result,
                Either::Second(never) => never,
            };
            driver.finish(result)
        }
    }
}

impl<R, C, W> fmt::Debug for ReaderTask<'_, '_, '_, '_, R, C, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReaderTask")
            .field("task", &self.task)
            .field("stage", &self.stage.len())
            .finish_non_exhaustive()
    }
}
