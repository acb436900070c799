//! Who drives a task: one of those who await it, or the session's background while nobody does.

use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use sortie_core::{Event, Instant};

use crate::content::Content;
use crate::delegate::{Listener, Told};
use crate::error::{Error, ErrorKind};
use crate::response::Response;
use crate::seat::{Seat, Seated};
use crate::turn::Turn;
use crate::world::World;

/// What it is if a task ended well and nobody has its response; it does not happen.
const NO_RESPONSE: sortie_core::Error =
    sortie_core::Error::Transport(sortie_core::Transport::NoResponse);

/// Turns of the driver with the seat locked.
const TURNS: usize = 8;

/// One of those who drive, or want to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rider {
    number: u32,
    pub(crate) is_background: bool,
}

/// A hold on the driver's seat of a task. Dropping it lets another one drive.
pub(crate) struct Ride<W: World> {
    pub(crate) seated: Arc<Seated<W>>,
    rider: Option<Rider>,
    is_background: bool,
    /// Nobody else may go on when it is dropped.
    is_alone: bool,
}

/// What a ride is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    Response,
    Complete,
}

/// As [`Until`], with the buffer of whoever reads.
pub(crate) enum Goal<'a> {
    Response,
    Complete,
    Content(&'a mut [u8]),
}

impl<W: World> Ride<W> {
    /// For whoever awaits a task: when it is dropped, the task goes on without it.
    pub(crate) const fn new(seated: Arc<Seated<W>>) -> Self {
        Self { seated, rider: None, is_background: false, is_alone: false }
    }

    /// For a one-liner, whose task nobody else has: when it is dropped, the task is cancelled.
    pub(crate) const fn alone(seated: Arc<Seated<W>>) -> Self {
        Self { seated, rider: None, is_background: false, is_alone: true }
    }

    pub(crate) const fn background(seated: Arc<Seated<W>>) -> Self {
        Self { seated, rider: None, is_background: true, is_alone: false }
    }

    /// Takes the seat, or waits for it.
    fn poll_seat<'a>(
        seated: &'a Arc<Seated<W>>,
        own: &mut Option<Rider>,
        is_background: bool,
        cx: &Context<'_>,
        now: Instant,
    ) -> Poll<MutexGuard<'a, Seat<W>>> {
        let mut seat = seated.seat();
        let is_ended = seat.outcome.is_some() && !seat.is_calling;
        if own.is_some() && seat.rider == *own || is_ended {
            return Poll::Ready(seat);
        }
        let is_known = seat.background.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_background && !is_known {
            seat.background = Some(cx.waker().clone());
        }
        let is_free = match seat.rider {
            None => true,
            // Who awaits goes before the background.
            Some(rider) => rider.is_background && !is_background && !seat.is_calling,
        };
        if !is_free {
            if !seat.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                seat.waiting.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        seat.last_rider = seat.last_rider.wrapping_add(1);
        let rider = Rider { number: seat.last_rider, is_background };
        seat.rider = Some(rider);
        *own = Some(rider);
        if seat.place.is_none() && seated.shared.core().is_new() {
            seat.place = seated.shared.session.live.enter(seated);
            match seat.place {
                Some(_) => seated.shared.core().resume(now),
                None => {
                    seat.is_refused = true;
                    seated.shared.core().cancel();
                }
            }
        }
        Poll::Ready(seat)
    }

    /// Drives until the response is there, or the task has ended; content is gathered.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, until: Until) -> Poll<()> {
        let goal = match until {
            Until::Response => Goal::Response,
            Until::Complete => Goal::Complete,
        };
        self.poll_goal(cx, goal).map(|_| ())
    }

    /// Drives until content lies in `buffer`, or the task has ended: then 0. An empty `buffer`
    /// takes no content.
    pub(crate) fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Error>> {
        let count = ready!(self.poll_goal(cx, Goal::Content(buffer)));
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        Poll::Ready(match &self.seated.seat().outcome {
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(())) | None => Ok(0),
        })
    }

    fn poll_goal(&mut self, cx: &mut Context<'_>, mut goal: Goal<'_>) -> Poll<usize> {
        let Self { seated, rider, is_background, .. } = self;
        let is_background = *is_background;
        let shared = &seated.shared;
        // One look at the clock: nothing below waits, unless the user's code does.
        let mut now = shared.now();
        // The bell rings for whoever has the seat, and for nobody else.
        let mut seat = ready!(Self::poll_seat(seated, rider, is_background, cx, now));
        shared.bell.register(cx.waker());
        seat.is_parked = false;
        let mut turns: usize = 0;
        loop {
            if seat.ending.is_some() {
                ready!(seat.poll_ending(cx, shared, now));
            }
            if seat.outcome.is_some() {
                Self::hear_end(seated, seat);
                return Poll::Ready(0);
            }
            if matches!(goal, Goal::Response) && seat.driver.hop.is_delivered {
                seat.is_parked = true;
                return Poll::Ready(0);
            }
            let Poll::Ready(turn) = seat.poll_turn(cx, shared, now, &mut goal) else {
                shared.changed();
                return Poll::Pending;
            };
            match turn {
                // What a file takes does not lie in the reader's buffer.
                Turn::Content(count)
                    if matches!((&goal, &seat.content), (Goal::Content(_), Content::Memory(_))) =>
                {
                    seat.is_parked = true;
                    shared.changed();
                    return Poll::Ready(count);
                }
                Turn::Content(count) => seat.add(shared, count),
                Turn::Prepare => ready!(seat.poll_prepare(cx, shared, now)),
                Turn::Event(Event::Response { .. }) => seat.begin(shared),
                Turn::Finish => ready!(seat.poll_commit(cx, shared, now)),
                // It is told when what is stored is in order.
                Turn::Complete(Ok(())) => seat.end(Ok(())),
                Turn::Complete(Err(why)) => {
                    seat.fail(why);
                    // If it is pending, so is the next turn.
                    let _ = seat.poll_ending(cx, shared, now);
                }
                Turn::Connected | Turn::Sent(_) | Turn::Event(_) => {}
            }
            if let Some(listener) = seat.listener.clone() {
                Self::tell(seated, listener.as_ref(), seat, turn);
                now = shared.now();
                seat = ready!(Self::poll_seat(seated, rider, is_background, cx, now));
            } else {
                turns += 1;
                if turns.is_multiple_of(TURNS) {
                    // A transfer that never waits must let others have a look.
                    drop(seat);
                    seat = ready!(Self::poll_seat(seated, rider, is_background, cx, now));
                }
            }
            shared.changed();
        }
    }

    /// Tells the user's code what happened, with the seat unlocked.
    fn tell(
        seated: &Arc<Seated<W>>,
        listener: &dyn Listener<W>,
        mut seat: MutexGuard<'_, Seat<W>>,
        turn: Turn,
    ) {
        if let Some(told) = Told::of(seated, &mut seat, turn) {
            seat.is_calling = true;
            drop(seat);
            listener.hear(seated, told);
            let mut seat = seated.seat();
            seat.is_calling = false;
            seat.wake();
        }
    }

    /// Tells the user's code the end, and then the session, once.
    fn hear_end(seated: &Arc<Seated<W>>, mut seat: MutexGuard<'_, Seat<W>>) {
        let (listener, place) = (seat.listener.take(), seat.place.take());
        let result = seat.outcome.clone().unwrap_or(Ok(()));
        let metrics = seat.driver.recorder.take().map(|recorder| {
            let core = seated.shared.core();
            recorder.finish(seated.shared.now(), core.redirect_count())
        });
        // With the last task of a closed session rides are dropped, which want their seat.
        drop(seat);
        if let Some(listener) = listener {
            if let Some(metrics) = metrics {
                listener.hear(seated, Told::Metrics(metrics));
            }
            listener.hear(seated, Told::Complete(result));
        }
        if let Some(place) = place {
            seated.shared.session.left(place);
        }
    }

    /// Drives a task whose content stays in memory, and takes none: whether it has ended by that.
    pub(crate) fn ends_without_reading(&mut self) -> bool {
        let is_memory = matches!(self.seated.seat().content, Content::Memory(_));
        let mut cx = Context::from_waker(Waker::noop());
        is_memory && self.poll_content(&mut cx, &mut []).is_ready()
    }

    /// Cancels the task and closes its connection, now: nobody awaits it any more.
    pub(crate) fn abandon(&mut self) {
        self.seated.stop();
        let mut cx = Context::from_waker(Waker::noop());
        if self.poll_until(&mut cx, Until::Complete).is_pending() {
            // A write is under way; somebody must see its end.
            self.leave_seat();
            self.seated.drive();
        }
    }

    /// Lets another one drive.
    fn leave_seat(&self) {
        let mut seat = self.seated.seat();
        if self.rider.is_some() && seat.rider == self.rider {
            seat.rider = None;
            seat.wake();
            seat.wake_background();
        }
    }

    /// The response and the content, once.
    pub(crate) fn outcome(&self) -> Result<(Response, Vec<u8>), Error> {
        let mut seat = self.seated.seat();
        match &seat.outcome {
            Some(Err(why)) => Err(why.clone()),
            Some(Ok(())) | None if seat.is_told => {
                Err(Error::new(ErrorKind::ContentTaken, self.seated.shared.request.url(), None))
            }
            Some(Ok(())) | None => {
                seat.is_told = true;
                let content = match &mut seat.content {
                    Content::Memory(memory) => memory.take(),
                    Content::File(_) => Vec::new(),
                };
                let response = seat.driver.hop.response.clone();
                Ok((response.ok_or_else(|| self.no_response())?, content))
            }
        }
    }

    /// The head of the final response, as soon as it is there.
    pub(crate) fn response(&self) -> Result<Response, Error> {
        let seat = self.seated.seat();
        match (&seat.driver.hop.response, &seat.outcome) {
            (Some(response), _) if seat.driver.hop.is_delivered => Ok(response.clone()),
            (_, Some(Err(why))) => Err(why.clone()),
            (_, Some(Ok(())) | None) => Err(self.no_response()),
        }
    }

    fn no_response(&self) -> Error {
        Error::new(ErrorKind::Task(NO_RESPONSE), self.seated.shared.request.url(), None)
    }

    /// Content that was gathered before somebody reads it as it comes.
    pub(crate) fn take_front(&self) -> Result<Vec<u8>, Error> {
        if self.seated.seat().is_told {
            let url = self.seated.shared.request.url();
            return Err(Error::new(ErrorKind::ContentTaken, url, None));
        }
        // Whoever wants it whole gets it at the end.
        let is_whole = self.seated.shared.hints().prefers_whole;
        Ok(if is_whole { Vec::new() } else { self.take_gathered() })
    }

    /// Content that was gathered, taken as it is read.
    pub(crate) fn take_gathered(&self) -> Vec<u8> {
        match &mut self.seated.seat().content {
            Content::Memory(memory) => memory.take(),
            Content::File(_) => Vec::new(),
        }
    }
}

impl<W: World> Drop for Ride<W> {
    fn drop(&mut self) {
        if self.seated.seat().outcome.is_some() {
            // Nobody waits for the seat any more.
            return;
        }
        if self.is_alone {
            self.abandon();
        }
        if self.is_background {
            self.seated.seat().has_background = false;
        }
        self.leave_seat();
        let seat = self.seated.seat();
        let goes_on = seat.outcome.is_none() && !self.is_background;
        drop(seat);
        if goes_on {
            self.seated.drive();
        }
    }
}
