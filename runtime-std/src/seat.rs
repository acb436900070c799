//! The driver's seat of a task: the driver, where its content goes, and how it ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use sortie_core::{CloseReason, Instant, Output, TaskState};

use crate::changes::TaskSnapshot;
use crate::content::{Content, Expected};
use crate::delegate::Listener;
use crate::driver::Driver;
use crate::error::{Error, ErrorKind};
use crate::file::FileError;
use crate::response::Response;
use crate::resume::ResumeData;
use crate::ride::{Goal, Ride, Rider, Until};
use crate::shared::{Shared, tell};
use crate::source::Failure;
use crate::turn::Turn;
use crate::world::World;

/// How long a task that has failed waits for its disk to put in order what is stored, in
/// microseconds: 5 s. That is one write and a look at the file; who waits longer has a disk that
/// does not answer, and is told of the failure without resume data.
const KEEP_TIMEOUT: u64 = 5_000_000;

/// A task with its driver: one allocation for both.
pub(crate) struct Seated<W: World> {
    pub(crate) shared: Shared<W>,
    seat: Mutex<Seat<W>>,
}

/// The driver's seat.
pub(crate) struct Seat<W: World> {
    pub(crate) driver: Driver<W>,
    pub(crate) content: Content,
    /// Released when it has heard of the end.
    pub(crate) listener: Option<Arc<dyn Listener<W>>>,
    /// Who drives.
    pub(crate) rider: Option<Rider>,
    pub(crate) last_rider: u32,
    /// The rider calls the user's code, with the seat unlocked: nobody takes it over now.
    pub(crate) is_calling: bool,
    /// The rider has what it came for, and waits for nothing: who reads content reads on when it
    /// likes, or never.
    pub(crate) is_parked: bool,
    /// A ride in the background drives, or waits to.
    pub(crate) has_background: bool,
    /// Wakes that ride: it may wait behind another one, and be woken by nothing else.
    pub(crate) background: Option<Waker>,
    pub(crate) waiting: Vec<Waker>,
    /// Where the session lists the task, from its begin to its end.
    pub(crate) place: Option<usize>,
    /// The session takes no new tasks, and this one had not begun.
    pub(crate) is_refused: bool,
    /// The core has ended the task; what is stored is being put in order.
    pub(crate) ending: Option<sortie_core::Error>,
    /// How long that is waited for.
    kept_until: Option<Instant>,
    pub(crate) outcome: Option<Result<(), Error>>,
    pub(crate) file_error: Option<FileError>,
    /// The content was given to somebody.
    pub(crate) is_told: bool,
}

impl<W: World> Seated<W> {
    pub(crate) fn new(
        shared: Shared<W>,
        driver: Driver<W>,
        content: Content,
        listener: Option<Arc<dyn Listener<W>>>,
    ) -> Arc<Self> {
        let seat = Seat {
            driver,
            content,
            listener,
            rider: None,
            last_rider: 0,
            is_calling: false,
            is_parked: false,
            has_background: false,
            background: None,
            waiting: Vec::new(),
            place: None,
            is_refused: false,
            ending: None,
            kept_until: None,
            outcome: None,
            file_error: None,
            is_told: false,
        };
        Arc::new(Self { shared, seat: Mutex::new(seat) })
    }

    pub(crate) fn seat(&self) -> MutexGuard<'_, Seat<W>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resumes the task; somebody drives it from then on.
    pub(crate) fn resume(self: &Arc<Self>) {
        if !self.enter() {
            return;
        }
        self.shared.resume();
        self.drive();
    }

    /// Lists the task in its session. `false`: the session is closed and the task never began.
    fn enter(self: &Arc<Self>) -> bool {
        let mut seat = self.seat();
        if seat.place.is_none() && self.shared.core().is_new() {
            seat.place = self.shared.session.live.enter(self);
            return seat.place.is_some();
        }
        true
    }

    /// Ends the task. What nobody drives is driven to its end.
    pub(crate) fn cancel(self: &Arc<Self>) {
        self.stop();
        self.drive();
    }

    /// Ends the task, which somebody drives to its end.
    pub(crate) fn stop(self: &Arc<Self>) {
        let mut seat = self.seat();
        if seat.place.is_none() && self.shared.core().is_new() {
            // Its session lasts until it has ended, so that what drives it ends, too.
            seat.place = Some(self.shared.session.live.enter_ending(self));
        }
        if seat.is_parked {
            // It need not read on for the task to end.
            seat.rider = None;
        }
        drop(seat);
        self.shared.cancel();
    }

    /// Puts a task in the background that nobody drives.
    pub(crate) fn drive(self: &Arc<Self>) {
        let mut seat = self.seat();
        let is_idle = seat.rider.is_none() && !seat.has_background && seat.outcome.is_none();
        if !is_idle || self.shared.core().is_new() {
            return;
        }
        seat.has_background = true;
        drop(seat);
        let mut ride = Ride::background(self.clone());
        self.shared
            .session
            .background
            .spawn(Box::pin(std::future::poll_fn(move |cx| ride.poll_until(cx, Until::Complete))));
    }

    /// The state. Completed is told when the outcome is there and what is stored is in order: who
    /// sees it may look at the error, and begin another download to the same place.
    pub(crate) fn state(&self) -> TaskState {
        let state = self.shared.core().state();
        if state != TaskState::Completed {
            return state;
        }
        let seat = self.seat();
        match (&seat.outcome, seat.ending) {
            (None, Some(sortie_core::Error::Canceled)) => TaskState::Canceling,
            (None, Some(_)) => TaskState::Running,
            (None, None) | (Some(_), _) => TaskState::Completed,
        }
    }

    pub(crate) fn snapshot(&self) -> TaskSnapshot {
        // Looked at first: what is seen of a completed task is final.
        let state = self.state();
        let status = {
            let seat = self.seat();
            let hop = &seat.driver.hop;
            hop.response.as_ref().filter(|_| hop.is_delivered).map(Response::status)
        };
        let priority = self.shared.hints().priority;
        let core = self.shared.core();
        TaskSnapshot {
            state,
            counts: *core.counts(),
            progress: core.progress(),
            priority,
            status,
            redirect_count: core.redirect_count(),
        }
    }
}

impl<W: World> Drop for Seated<W> {
    /// The last handle is gone: nobody can drive the task, so that its connection is closed.
    fn drop(&mut self) {
        let seat = self.seat.get_mut().unwrap_or_else(PoisonError::into_inner);
        seat.driver.close(&self.shared);
        if let Some(place) = seat.place.take() {
            self.shared.session.left(place);
        }
    }
}

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
            (Core::Transport(_), ..) => {
                Error::new(ErrorKind::Task(why), &url, self.driver.connector.failure.take())
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
        now: Instant,
        until: &mut Goal<'_>,
    ) -> Poll<Turn> {
        let Self { driver, content, file_error, .. } = self;
        if !driver.hop.is_delivered {
            return driver.poll(cx, shared, now, &mut []);
        }
        match (until, content) {
            (Goal::Response, _) => driver.poll(cx, shared, now, &mut []),
            (Goal::Content(buffer), Content::Memory(_)) => driver.poll(cx, shared, now, buffer),
            (_, Content::Memory(memory)) => {
                let left = || {
                    let core = shared.core();
                    let (expected, received) =
                        (core.counts().expected_to_receive, core.counts().received);
                    expected.map(|all| all.saturating_sub(received))
                };
                driver.poll(cx, shared, now, memory.room(left))
            }
            (_, Content::File(download)) => match download.room(cx) {
                Ok(room) => driver.poll(cx, shared, now, room),
                Err(why) => {
                    file_error.get_or_insert(why);
                    tell(shared.core().handle_sink_failed(None));
                    driver.poll(cx, shared, now, &mut [])
                }
            },
        }
    }

    /// A connection is there: the file is opened before anything is sent.
    pub(crate) fn poll_prepare(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
    ) -> Poll<()> {
        if let Content::File(download) = &mut self.content {
            let can_be_resumed = shared.core().can_be_resumed();
            let Poll::Ready(opened) = download.poll_open(cx, can_be_resumed) else {
                return self.driver.connector.poll_idle(cx, shared, now, None);
            };
            match opened {
                Ok(resume) => {
                    shared.core().set_resuming(resume.is_some());
                    self.driver.hop.resume = resume;
                }
                Err(why) => {
                    self.file_error = Some(why);
                    tell(shared.core().handle_sink_failed(None));
                    return Poll::Ready(());
                }
            }
        }
        self.driver.tells.prepare = false;
        tell(shared.core().handle_prepared(shared.now()));
        Poll::Ready(())
    }

    /// The head of the response is there: content begins, or begins again. Of one that fails the
    /// task nothing begins: what is stored stays.
    pub(crate) fn begin(&mut self, shared: &Shared<W>) {
        let download = match &mut self.content {
            Content::Memory(memory) => return memory.clear(),
            Content::File(download) => download,
        };
        let core = shared.core();
        if let Some(response) = &self.driver.hop.response
            && !core.still(Output::Close(CloseReason::Failed))
        {
            download.announce(Expected {
                response: response.clone(),
                offset: core.counts().received,
                total: core.counts().expected_to_receive,
                can_be_resumed: core.can_be_resumed(),
            });
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

    /// Everything came: it is put where it belongs. A disk that takes too long for that is not
    /// waited for: ready when the core was told so, too.
    pub(crate) fn poll_commit(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
    ) -> Poll<()> {
        let committed = match &mut self.content {
            Content::Memory(_) => Poll::Ready(Ok(())),
            Content::File(download) => {
                let length = shared.core().counts().received;
                download.poll_commit(cx, length)
            }
        };
        let Poll::Ready(committed) = committed else {
            return self.driver.connector.poll_idle(cx, shared, now, None);
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

    pub(crate) fn fail(&mut self, why: sortie_core::Error) {
        self.ending = Some(why);
        if let (Content::File(download), false) = (&mut self.content, why.keeps_content()) {
            download.drop_content();
        }
    }

    /// The core has ended the task: what is stored is put in order.
    #[inline]
    pub(crate) fn poll_ending(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
    ) -> Poll<()> {
        match self.ending {
            None => Poll::Ready(()),
            Some(why) => self.poll_failing(cx, shared, now, why),
        }
    }

    fn poll_failing(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
        why: sortie_core::Error,
    ) -> Poll<()> {
        let until = *self.kept_until.get_or_insert_with(|| now.after(KEEP_TIMEOUT));
        let resume = match &mut self.content {
            Content::Memory(_) => None,
            Content::File(download) => loop {
                if let Poll::Ready(resume) = download.poll_keep(cx) {
                    break resume;
                }
                let now = shared.now();
                if now >= until {
                    download.abandon();
                    break None;
                }
                ready!(self.driver.connector.poll_idle(cx, shared, now, Some(until)));
            },
        };
        self.driver.connector.end(shared, now);
        let error = self.error(why, resume);
        self.ending = None;
        self.end(Err(error));
        shared.changed();
        Poll::Ready(())
    }
}
