//! Tasks, as they are put together, and those whose content goes into a buffer of the caller.

use core::fmt;

use embassy_time::Instant;
use sortie_core::limits::{PRIORITY_DEFAULT, PRIORITY_MOST};
use sortie_core::{
    Asks, Error, RedirectPolicy, Request, ResponseHead, ResumeData, Slot, TaskKind, Url,
};

use crate::connect::Pooled;
use crate::control::{ControlBlock, Seat};
use crate::driver::{Driver, Parcel};
use crate::event::{Delegate, TaskEvent};
use crate::record::Record;
use crate::reins::{Own, Reins};
use crate::send::Resuming;
use crate::session::Base;
use crate::source::Source;
use crate::stream::Wire;
use crate::time::instant;
use crate::upload::ReaderTask;

/// A task: what it takes, put together. Content goes where it is run to.
///
/// Made by [`Session::data_task`](crate::Session::data_task),
/// [`upload_task`](crate::Session::upload_task) or
/// [`download_task`](crate::Session::download_task), run by [`receive`](Self::receive) into a
/// buffer, by [`to`](Self::to) into a sink, or by [`open`](Self::open) to be read as it comes.
#[must_use = "a task does nothing before one of its futures is awaited"]
pub struct DataTask<'r, 'd, 'a, C = Alone, W = Pooled<'r, 'd>> {
    driver: Driver<'r, 'r, 'd, 'a, W>,
    control: C,
}

/// Marks a task that nobody governs: its future holds what a [`ControlBlock`] would.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

/// Marks a task that is governed through a lent [`Seat`].
#[derive(Debug, Clone, Copy)]
pub struct Under<'c>(&'c ControlBlock);

/// Where the memory behind a task's commands and properties is: in its own future, or lent.
/// Implemented by [`Alone`] and [`Under`], and by nothing else.
#[allow(private_bounds, reason = "sealed")]
pub trait Governor: Sealed {
    #[doc(hidden)]
    type Block: AsRef<Reins>;
    #[doc(hidden)]
    fn block(self) -> Self::Block;
}

trait Sealed {}

impl Sealed for Alone {}
impl Sealed for Under<'_> {}

impl Governor for Alone {
    type Block = Own;

    fn block(self) -> Own {
        Own::new()
    }
}

impl<'c> Governor for Under<'c> {
    type Block = &'c ControlBlock;

    fn block(self) -> &'c ControlBlock {
        self.0
    }
}

/// A whole response: its content, and its head if memory was lent for it.
#[derive(Clone, Copy)]
pub struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) head: ResponseHead<'a>,
    pub(crate) content: &'a [u8],
    pub(crate) offset: u64,
    pub(crate) url: Option<Url<'a>>,
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
    /// Where the bytes that came begin in the whole content: behind what was there before if the
    /// server [went on](DataTask::resume_from) there, else 0.
    pub offset: u64,
    /// Bytes of content that came before: at the front of the buffer that was lent for it, or taken
    /// by the sink of a download, or by who read it.
    pub received: u64,
    /// Where a buffer was too small ([`Error::Limit`]): how many bytes it needs, if that is known.
    /// Of a head, which is read to its end for that, and of the URLs of redirects it is; of content
    /// where the server said how long it is.
    pub needed: Option<usize>,
}

impl<'r, 'd, 'a> DataTask<'r, 'd, 'a> {
    pub(crate) const fn new(base: &'r Base<'d>, request: &'r Request<'r>, kind: TaskKind) -> Self {
        let outgoing = Parcel {
            options: base.options(kind),
            source: Source::NOTHING,
            delegate: Delegate(None),
            resume: None,
            priority: PRIORITY_DEFAULT,
            expects: [0; 2],
        };
        Self { driver: Driver::new(base, Pooled::NONE, outgoing, request), control: Alone }
    }

    /// The same over a connection that is lent.
    pub(crate) fn over<W>(self, wire: W) -> DataTask<'r, 'd, 'a, Alone, W> {
        DataTask { driver: self.driver.over(wire), control: self.control }
    }
}

impl<'r, 'd, 'a, C, W> DataTask<'r, 'd, 'a, C, W> {
    /// Sends `body`. It must be as long as the request says, or the task ends with
    /// [`Error::Source`] before it sends anything. It is sent again from its start where a redirect
    /// or a dead connection asks for that.
    pub const fn body(mut self, body: &'r [u8]) -> Self {
        self.driver.outgoing.source = Source::slice(body);
        self
    }

    /// Sends what `reader` gives, by way of `stage`, which it fills piece by piece: as many bytes
    /// as the request says, or, where it says [`BodyLength::Unknown`](sortie_core::BodyLength), all
    /// that come, in a chunk for each piece.
    pub fn from_reader<'b, R>(
        self,
        reader: &'b mut R,
        stage: &'b mut [u8],
    ) -> ReaderTask<'r, 'd, 'a, 'b, R, C, W> {
        ReaderTask { task: self, reader, stage }
    }

    /// Keeps the head of the response in `bytes`, with as many of its fields listed as `index` has
    /// entries. It must fit in `bytes`, whatever the size of the session's buffers.
    pub fn head(mut self, bytes: &'a mut [u8], index: &'a mut [Slot]) -> Self {
        self.driver.input.lend_head(bytes, index);
        self
    }

    /// Follows redirects, with the URLs in `bytes`: for one redirect there must be room for its
    /// URL, for more of them one after the other for two URLs. Without this there is room for none.
    /// A redirect for which there is no room ends the task with
    /// [`Limit::TargetBuffer`](sortie_core::Limit::TargetBuffer).
    pub fn target(mut self, bytes: &'a mut [u8]) -> Self {
        self.driver.target.lend(bytes);
        self
    }

    /// What is done with redirects, in the place of [`Config::redirects`](crate::Config).
    pub const fn redirects(mut self, policy: RedirectPolicy) -> Self {
        self.driver.outgoing.options.redirects = policy;
        self
    }

    /// Keeps in `bytes` what this download could be gone on with later, if it is cut off: 30 bytes
    /// and those of its URL and of the validator that the server sends, at most
    /// [`RESUME_DATA_BYTES`](sortie_core::limits::RESUME_DATA_BYTES). Where there is no room for
    /// that there is none.
    pub fn resume_data(mut self, bytes: &'a mut [u8]) -> Self {
        self.driver.record = Record::new(bytes);
        self
    }

    /// Tells `delegate` what happens, in order. It is called by whoever polls the task, with
    /// nothing of the task or its session locked: it may use both.
    pub const fn delegate<F: Fn(TaskEvent<'_>)>(mut self, delegate: &'r F) -> Self {
        self.driver.outgoing.delegate = Delegate(Some(delegate));
        self
    }

    /// Fails with [`Error::Status`] at any status but 200 to 299.
    pub const fn require_success(mut self) -> Self {
        self.driver.outgoing.options.requires_success = true;
        self
    }

    /// Asks for no connection before `at`. The resource timer runs meanwhile.
    pub fn earliest_begin(mut self, at: Instant) -> Self {
        self.driver.outgoing.options.earliest_begin = instant(at);
        self
    }

    /// How soon the task gets a connection, beside others of its session that wait for one: in
    /// thousandths, from 0 to 1000, the most urgent; more counts as that. 500 unless set otherwise,
    /// and 250 and 750 are URLSession's low and high.
    ///
    /// Where the session has a [`Schedule`](crate::Schedule), it orders those that wait; it does
    /// not slow down one that runs. A task of lower priority is not starved: waiting counts for it,
    /// too, and each thousandth for 30 ms of that.
    pub const fn priority(mut self, thousandths: u16) -> Self {
        self.driver.outgoing.priority =
            if thousandths < PRIORITY_MOST { thousandths } else { PRIORITY_MOST };
        self
    }

    /// The most that the client expects to send, head included, in bytes. A hint, never enforced:
    /// where the session has a [`Schedule`](crate::Schedule), of tasks that come at the same time
    /// small ones go first. Nothing more follows from more than 1 GiB.
    pub const fn client_expects_to_send(mut self, bytes: u32) -> Self {
        let [_, receive] = self.driver.outgoing.expects;
        self.driver.outgoing.expects = [bytes, receive];
        self
    }

    /// The most that the client expects to receive, head included, in bytes. A hint as
    /// [`client_expects_to_send`](Self::client_expects_to_send) is.
    pub const fn client_expects_to_receive(mut self, bytes: u32) -> Self {
        let [send, _] = self.driver.outgoing.expects;
        self.driver.outgoing.expects = [send, bytes];
        self
    }

    /// Goes on with a download that was cut off. The request must be a GET of
    /// [`ResumeData::url`], without a range of its own.
    ///
    /// Where the server goes on, the content that is received is the rest, and
    /// [`Response::offset`] says what it goes behind. Where it does not, because what it has is
    /// another version by now, the content is the whole and the offset is 0. Where all of it was
    /// there already, the status is 416, the offset is its length and the content is empty. Any
    /// other status fails with [`Error::Status`], so that what is there is not replaced by it.
    ///
    /// An answer whose head has more than 64 fields ends the task with
    /// [`Limit::HeadFields`](sortie_core::Limit::HeadFields), unless the [index](Self::head) that
    /// was lent has room for all of them.
    pub const fn resume_from(mut self, data: &'r ResumeData<'r>) -> Self {
        self.driver.outgoing.resume = Some(Resuming::new(data));
        self.driver.outgoing.options.is_resuming = true;
        // A part must not pass for the whole.
        self.driver.outgoing.options.kind = TaskKind::Download;
        self
    }

    /// Puts the task under the control of who holds the other side of `seat`.
    pub fn control<'c>(self, seat: &'c mut Seat<'_>) -> DataTask<'r, 'd, 'a, Under<'c>, W> {
        DataTask { driver: self.driver, control: Under(seat.block) }
    }

    pub(crate) fn request(&self) -> &'r Request<'r> {
        self.driver.target.request()
    }

    pub(crate) fn resumes_from(&self) -> Option<&'r ResumeData<'r>> {
        self.driver.outgoing.resume.map(|resume| resume.from.data())
    }

    /// What drives the task, and what governs it.
    pub(crate) fn parts(self) -> (Driver<'r, 'r, 'd, 'a, W>, C) {
        (self.driver, self.control)
    }
}

impl<W> DataTask<'_, '_, '_, Under<'_>, W> {
    /// Asks these questions, which [`TaskControl::answer`](crate::TaskControl::answer) answers. The
    /// task waits until then, without the request timer and with the resource timer. A question for
    /// a new body is never asked: a slice can always be had again, and what a reader gave cannot.
    pub const fn asks(mut self, asks: Asks) -> Self {
        // No body can be had but the one that was lent.
        self.driver.outgoing.options.asks = Asks { new_body: false, ..asks };
        self
    }
}

// Not `async fn`s: those would keep their arguments beside what is made of them.

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, 'a, W: Wire<'r, 'd>> DataTask<'r, 'd, 'a, Alone, W> {
    /// Runs the task: sends the request and receives the content of the response in `content`.
    ///
    /// # Errors
    /// See [`Failure`]. A response of any status is a success, unless it is a redirect that is to
    /// be [followed](DataTask::target) and cannot, or [success](DataTask::require_success) is
    /// required.
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset and never used again. What was received until
    /// then is at the front of `content`, without a way to tell how much.
    pub fn receive(
        self,
        content: &'a mut [u8],
    ) -> impl Future<Output = Result<Response<'a>, Failure>> {
        let mut driver = self.driver;
        driver.input.store_in(content);
        async move {
            let own = Own::new();
            let control = own.as_ref();
            let _governed = driver.begin(control);
            let result = driver.run(control).await;
            driver.finish(result)
        }
    }
}

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, 'a, W: Wire<'r, 'd>> DataTask<'r, 'd, 'a, Under<'_>, W> {
    /// Runs the task: sends the request and receives the content of the response in `content`.
    /// While it is suspended, this waits.
    ///
    /// # Errors
    /// See [`Failure`]. A response of any status is a success, unless it is a redirect that is to
    /// be [followed](DataTask::target) and cannot, or [success](DataTask::require_success) is
    /// required.
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset and never used again. What was received until
    /// then is at the front of `content`, as much as
    /// [`TaskControl::counts`](crate::TaskControl::counts) says.
    pub fn receive(
        self,
        content: &'a mut [u8],
    ) -> impl Future<Output = Result<Response<'a>, Failure>> {
        let Under(block) = self.control;
        let control = block.as_ref();
        let mut driver = self.driver;
        driver.input.store_in(content);
        async move {
            let _governed = driver.begin(control);
            let result = driver.run(control).await;
            driver.finish(result)
        }
    }
}

impl<'a> Response<'a> {
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

    /// Where the content begins in the whole, in bytes: behind what was there before if the server
    /// [went on](DataTask::resume_from) there, else 0.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The URL of the last redirect that was followed: where the response is from. `None` if there
    /// was no redirect.
    #[must_use]
    pub const fn redirected_to(&self) -> Option<Url<'a>> {
        self.url
    }
}

impl fmt::Debug for Response<'_> {
    /// Status, field names and length of the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("head", &self.head)
            .field("content", &self.content.len())
            .field("offset", &self.offset)
            .field("redirected_to", &self.url)
            .finish()
    }
}

impl<C, W> fmt::Debug for DataTask<'_, '_, '_, C, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataTask")
            .field("request", self.request())
            .field("body", &self.driver.outgoing.source)
            .field("resume_from", &self.resumes_from())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl core::error::Error for Failure {}
