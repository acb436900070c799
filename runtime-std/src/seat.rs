//! The driver's seat: what a turn of the driver does to content, and how a task ends.

use std::task::{Context, Poll, Waker, ready};

use sortie_core::{CloseReason, Output};

use crate::content::Content;
use crate::driver::Turn;
use crate::error::{Error, ErrorKind};
use crate::resume::ResumeData;
use crate::ride::{Goal, Seat};
use crate::shared::{Shared, tell};
use crate::source::Failure;
use crate::world::World;

impl<W: World> Seat<W> {
    /// The error for what the core says, with the causes that the core does not know.
    pub(crate) fn error(&mut self, why: sortie_core::Error, resume: Option<Vec<u8>>) -> Error {
        use sortie_core::Error as Core;
        let url = self.driver.hop.target().as_str().to_owned();
        if self.is_refused {
            return Error::new(ErrorKind::SessionInvalidated, &url, None);
        }
        let error = match (why, self.file_error.take(), self.driver.source.failure()) {
            (Core::Sink, Some(file), _) => Error::file(&url, file),
            (Core::Source, _, Some(Failure::File(file))) => Error::file(&url, file),
            (Core::Source, _, Some(Failure::Reader(cause))) => {
                Error::new(ErrorKind::Task(why), &url, Some(cause))
            }
            _ => Error::new(ErrorKind::Task(why), &url, None),
        };
        error.with_resume_data(resume.and_then(|bytes| {
            let destination = match &self.content {
                Content::File(download) => download.destination(),
                Content::Memory(_) => None,
            };
            ResumeData::new(bytes, destination?)
        }))
    }

    /// The task has ended: those who wait for the seat are told.
    pub(crate) fn end(&mut self, result: Result<(), Error>) {
        self.outcome = Some(result);
        self.wake();
        self.wake_background();
    }

    pub(crate) fn wake(&mut self) {
        std::mem::take(&mut self.waiting).into_iter().for_each(Waker::wake);
    }

    pub(crate) fn wake_background(&mut self) {
        if let Some(waker) = self.background.take() {
            waker.wake();
        }
    }

    /// One turn of the driver, with what the content has room for.
    pub(crate) fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        until: &mut Goal<'_>,
    ) -> Poll<Turn> {
        let Self { driver, content, file_error, .. } = self;
        if !driver.hop.is_delivered {
            return driver.poll(cx, shared, &mut []);
        }
        match (until, content) {
            (Goal::Response, _) => driver.poll(cx, shared, &mut []),
            (Goal::Content(buffer), Content::Memory(_)) => driver.poll(cx, shared, buffer),
            (_, Content::Memory(memory)) => {
                let counts = *shared.core().counts();
                driver.poll(cx, shared, memory.room(&counts))
            }
            (_, Content::File(download)) => match download.room(cx) {
                Ok(room) => driver.poll(cx, shared, room),
                Err(why) => {
                    file_error.get_or_insert(why);
                    tell(shared.core().handle_sink_failed(None));
                    driver.poll(cx, shared, &mut [])
                }
            },
        }
    }

    /// A connection is there: the file is opened before anything is sent.
    pub(crate) fn prepare(&mut self, shared: &Shared<W>) {
        if let Content::File(download) = &mut self.content {
            match download.open() {
                Ok(resume) => {
                    shared.core().set_resuming(resume.is_some());
                    self.driver.hop.resume = resume;
                }
                Err(why) => {
                    self.file_error = Some(why);
                    return tell(shared.core().handle_sink_failed(None));
                }
            }
        }
        self.driver.tells.prepare = false;
        tell(shared.core().handle_prepared(shared.now()));
    }

    /// The head of the response is there: content begins, or begins again. Of one that fails the
    /// task nothing begins: what is stored stays.
    pub(crate) fn begin(&mut self, shared: &Shared<W>) {
        if shared.core().still(Output::Close(CloseReason::Failed)) {
            return;
        }
        let counts = *shared.core().counts();
        match (&mut self.content, &self.driver.hop.response) {
            (Content::File(download), Some(response)) => {
                download.begin(response, counts.received, counts.expected_to_receive);
            }
            (Content::Memory(memory), _) => memory.clear(),
            (Content::File(_), None) => {}
        }
    }

    /// Content came, for whom it is gathered.
    pub(crate) fn add(&mut self, shared: &Shared<W>, count: usize) {
        match &mut self.content {
            Content::Memory(memory) => {
                memory.add(count);
                if memory.is_over() {
                    let why = Some(sortie_core::Limit::ContentBuffer);
                    tell(shared.core().handle_sink_failed(why));
                }
            }
            Content::File(download) => download.add(count),
        }
    }

    /// Everything came: it is put where it belongs.
    pub(crate) fn poll_commit(&mut self, cx: &mut Context<'_>, shared: &Shared<W>) -> Poll<()> {
        let committed = match &mut self.content {
            Content::Memory(_) => Ok(()),
            Content::File(download) => {
                let length = shared.core().counts().received;
                ready!(download.poll_commit(cx, length))
            }
        };
        match committed {
            Ok(()) => tell(shared.core().handle_committed()),
            Err(why) => {
                self.file_error = Some(why);
                tell(shared.core().handle_sink_failed(None));
            }
        }
        Poll::Ready(())
    }

    /// The core has ended the task: what is stored is put in order.
    pub(crate) fn poll_ending(&mut self, cx: &mut Context<'_>, shared: &Shared<W>) -> Poll<()> {
        if let Some(why) = self.ending {
            let resume = match &mut self.content {
                Content::Memory(_) => None,
                Content::File(download) => ready!(download.poll_keep(cx)),
            };
            let error = self.error(why, resume);
            self.ending = None;
            self.end(Err(error));
            shared.changed();
        }
        Poll::Ready(())
    }
}
