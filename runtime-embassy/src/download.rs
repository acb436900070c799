//! Download tasks: content to a sink of the caller's.

use core::fmt;
use core::future::Future;

use embedded_io_async::Write;
use sortie_core::{ResponseHead, ResumeData, Url};

use crate::body::Body;
use crate::driver::Step;
use crate::stream::Wire;
use crate::task::{DataTask, Failure, Governor, Response};

/// A download that is whole, and in its sink.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Downloaded<'a> {
    response: Response<'a>,
    received: u64,
}

/// Why a download is not whole, and what it can be gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct DownloadFailure<'a> {
    /// What went wrong.
    pub failure: Failure,
    /// What it can be [gone on with](DataTask::resume_from), where
    /// [memory was lent](DataTask::resume_data) for that and the server makes it possible. Its byte
    /// form, to be stored, is that of [`ResumeData::encode`].
    pub resume_data: Option<ResumeData<'a>>,
}

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, 'a, C: Governor, W: Wire<'r, 'd>> DataTask<'r, 'd, 'a, C, W> {
    /// Runs the task: sends the request, writes the content of the response to `sink` as it comes,
    /// and flushes it at the end. While the sink takes its time the request timer rests.
    ///
    /// A download that is [gone on with](Self::resume_from) writes the rest. Where the server does
    /// not go on, because what it has is another version by now, nothing is written and the task
    /// fails with [`Error::Sink`](sortie_core::Error::Sink), [`offset`](Failure::offset) 0: a sink
    /// that can be emptied is one for [`open`](Self::open), which tells in time.
    ///
    /// # Errors
    /// See [`receive`](DataTask::receive); a response of any status is a success here, too, and so
    /// an error page is written, unless [success](Self::require_success) is required. A sink that
    /// fails ends the task with [`Error::Sink`](sortie_core::Error::Sink).
    ///
    /// # Dropping
    /// Cancels the task: its connection is reset and never used again. The sink holds what was
    /// written; what is lost with the write that just went on, the sink knows.
    // Not an `async fn`: that would keep the task beside the body that is made of it.
    pub fn to<S: Write>(
        self,
        sink: &mut S,
    ) -> impl Future<Output = Result<Downloaded<'a>, DownloadFailure<'a>>> {
        let only_goes_on = self.resumes_from().is_some();
        let mut body = Body::new(self);
        async move {
            body.start();
            let result = body.copy(sink, only_goes_on).await;
            body.into_downloaded(result)
        }
    }
}

#[allow(private_bounds, reason = "sealed")]
impl<'r, 'd, 'a, C: Governor, W: Wire<'r, 'd>> Body<'r, 'd, 'a, C, W> {
    /// What became of a download.
    #[inline(never)] // Compiled once, whatever the sinks are.
    fn into_downloaded(
        self,
        result: Result<u64, Failure>,
    ) -> Result<Downloaded<'a>, DownloadFailure<'a>> {
        let (driver, counts) = self.into_parts();
        match result {
            Ok(received) => {
                let step = Step::Done(Ok(()));
                let response = driver.finish(step).map_err(DownloadFailure::from)?;
                Ok(Downloaded { response, received })
            }
            Err(failure) => {
                let keeps = failure.error.keeps_content();
                let (delivered, total) = (counts.delivered, counts.expected_to_receive);
                let resume_data = driver.into_record().into_resume_data(delivered, total, keeps);
                Err(DownloadFailure { failure, resume_data })
            }
        }
    }
}

impl<'a> Downloaded<'a> {
    /// The status, 200 to 999.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.response.status()
    }

    /// The head, with its fields; empty unless [memory was lent](DataTask::head) for it.
    #[must_use]
    pub const fn head(&self) -> ResponseHead<'a> {
        self.response.head()
    }

    /// Where the content begins in the whole, in bytes: behind what was there before if the
    /// download was [gone on with](DataTask::resume_from), else 0.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.response.offset()
    }

    /// Bytes that the sink took.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// The URL of the last redirect that was followed, if there was one.
    #[must_use]
    pub const fn redirected_to(&self) -> Option<Url<'a>> {
        self.response.redirected_to()
    }
}

impl From<Failure> for DownloadFailure<'_> {
    fn from(failure: Failure) -> Self {
        Self { failure, resume_data: None }
    }
}

impl From<DownloadFailure<'_>> for Failure {
    fn from(failure: DownloadFailure<'_>) -> Self {
        failure.failure
    }
}

impl fmt::Display for DownloadFailure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl core::error::Error for DownloadFailure<'_> {}
