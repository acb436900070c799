//! Who drives a task: one of those who await it, while the others wait for the seat.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use sortie_core::ByteCounts;

use crate::driver::{Driver, Turn};
use crate::error::{Error, ErrorKind};
use crate::response::Response;
use crate::shared::Shared;
use crate::world::World;

/// What it is if a task ended well and nobody has its response; it does not happen.
const NO_RESPONSE: sortie_core::Error =
    sortie_core::Error::Transport(sortie_core::Transport::NoResponse);

/// Content that is set aside at once for a length that a server names: it may lie.
const TRUSTED_LENGTH: u64 = 64 * 1024;

/// The most that one read of a growing content asks for.
const LARGEST_READ: usize = 1024 * 1024;

/// A task with its driver: one allocation for both.
pub(crate) struct Seated<W: World> {
    pub(crate) shared: Shared<W>,
    seat: Mutex<Seat<W>>,
}

impl<W: World> Seated<W> {
    pub(crate) fn new(shared: Shared<W>) -> Arc<Self> {
        let seat = Seat {
            driver: Driver::new(),
            is_taken: false,
            waiting: Vec::new(),
            content: Content::default(),
            outcome: None,
            is_told: false,
        };
        Arc::new(Self { shared, seat: Mutex::new(seat) })
    }

    fn seat(&self) -> MutexGuard<'_, Seat<W>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: World> Drop for Seated<W> {
    /// The last handle is gone: nobody can drive the task, so that its connection is closed.
    fn drop(&mut self) {
        let seat = self.seat.get_mut().unwrap_or_else(PoisonError::into_inner);
        seat.driver.close(&self.shared);
    }
}

/// The driver's seat: one of those who await drives, the others wait for it to be free.
struct Seat<W: World> {
    driver: Driver<W>,
    is_taken: bool,
    waiting: Vec<Waker>,
    content: Content,
    outcome: Option<Result<(), sortie_core::Error>>,
    is_told: bool,
}

/// Content as it is gathered.
#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    filled: usize,
}

impl Content {
    /// Room for more; none where no more can come.
    fn room(&mut self, counts: &ByteCounts) -> &mut [u8] {
        if self.filled == self.bytes.len() {
            let expected =
                counts.expected_to_receive.map(|all| all.saturating_sub(counts.received));
            let grown = self.filled.clamp(4096, LARGEST_READ);
            let more = match expected {
                Some(0) => return &mut [],
                Some(left) if left <= TRUSTED_LENGTH => usize::try_from(left).unwrap_or(grown),
                Some(_) => grown.max(TRUSTED_LENGTH as usize),
                None => grown,
            };
            self.bytes.resize(self.filled + more, 0);
        }
        &mut self.bytes[self.filled..]
    }

    fn take(&mut self) -> Vec<u8> {
        self.bytes.truncate(self.filled);
        std::mem::take(self).bytes
    }
}

impl<W: World> Seat<W> {
    /// The task has ended: those who wait for the seat are told, whether the driver's future is
    /// dropped or kept.
    fn end(&mut self, result: Result<(), sortie_core::Error>) {
        self.outcome = Some(result);
        std::mem::take(&mut self.waiting).into_iter().for_each(Waker::wake);
    }
}

/// A hold on the driver's seat of a task. Dropping it lets another one drive.
pub(crate) struct Ride<W: World> {
    pub(crate) seated: Arc<Seated<W>>,
    is_driving: bool,
}

/// What a ride is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Response,
    Complete,
}

impl<W: World> Ride<W> {
    pub(crate) fn new(seated: Arc<Seated<W>>) -> Self {
        Self { seated, is_driving: false }
    }

    /// Takes the seat, or waits for it.
    fn poll_seat(&mut self, cx: &Context<'_>) -> Poll<MutexGuard<'_, Seat<W>>> {
        let mut seat = self.seated.seat();
        if !self.is_driving {
            if seat.is_taken && seat.outcome.is_none() {
                if !seat.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    seat.waiting.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
            seat.is_taken = true;
            self.is_driving = true;
            if self.seated.shared.core().is_new() {
                self.seated.shared.core().resume(self.seated.shared.now());
            }
        }
        Poll::Ready(seat)
    }

    /// Drives until the response is there, or the task has ended; content is gathered.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, until: Until) -> Poll<()> {
        let seated = self.seated.clone();
        let shared = &seated.shared;
        let mut seat = ready!(self.poll_seat(cx));
        loop {
            let Seat { driver, content, outcome, .. } = &mut *seat;
            if outcome.is_some() || until == Until::Response && driver.response.is_some() {
                return Poll::Ready(());
            }
            let room = match until {
                Until::Complete if driver.response.is_some() => {
                    let counts = *shared.core().counts();
                    content.room(&counts)
                }
                Until::Complete | Until::Response => &mut [],
            };
            match ready!(driver.poll(cx, shared, room)) {
                Turn::Content(count) => content.filled += count,
                Turn::Response | Turn::Informational(_) => {}
                Turn::Complete(result) => seat.end(result),
            }
        }
    }

    /// Drives until content lies in `buffer`, which is not empty, or the task has ended: then 0.
    pub(crate) fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        let seated = self.seated.clone();
        let shared = &seated.shared;
        let mut seat = ready!(self.poll_seat(cx));
        loop {
            let Seat { driver, outcome, .. } = &mut *seat;
            match *outcome {
                Some(Ok(())) => return Poll::Ready(Ok(0)),
                Some(Err(why)) => return Poll::Ready(Err(shared.error(why))),
                None => {}
            }
            match ready!(driver.poll(cx, shared, buffer)) {
                Turn::Content(count) => return Poll::Ready(Ok(count)),
                Turn::Response | Turn::Informational(_) => {}
                Turn::Complete(result) => seat.end(result),
            }
        }
    }

    /// Cancels the task and closes its connection, now: nobody will drive it to its end.
    pub(crate) fn abandon(&self) {
        self.seated.shared.cancel();
        self.seated.seat().driver.close(&self.seated.shared);
    }

    /// The response and the content, once.
    pub(crate) fn outcome(&self) -> Result<(Response, Vec<u8>), Error> {
        let mut seat = self.seated.seat();
        match seat.outcome {
            Some(Err(why)) => Err(self.seated.shared.error(why)),
            Some(Ok(())) | None if seat.is_told => {
                Err(Error::new(ErrorKind::ContentTaken, self.seated.shared.request.url(), None))
            }
            Some(Ok(())) | None => {
                seat.is_told = true;
                let content = seat.content.take();
                let response = seat.driver.response.take();
                let none = || self.seated.shared.error(NO_RESPONSE);
                Ok((response.ok_or_else(none)?, content))
            }
        }
    }

    /// The head of the final response, as soon as it is there.
    pub(crate) fn response(&self) -> Result<Response, Error> {
        let seat = self.seated.seat();
        match (&seat.driver.response, seat.outcome) {
            (Some(response), _) => Ok(response.clone()),
            (None, Some(Err(why))) => Err(self.seated.shared.error(why)),
            (None, Some(Ok(())) | None) => Err(self.seated.shared.error(NO_RESPONSE)),
        }
    }
}

impl<W: World> Drop for Ride<W> {
    fn drop(&mut self) {
        if self.is_driving {
            let mut seat = self.seated.seat();
            seat.is_taken = false;
            let waiting = std::mem::take(&mut seat.waiting);
            drop(seat);
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}
