//! Getting a connection: an idle one, or a new one in a slot of the pool, when it is the task's
//! turn.

use std::io;
use std::task::{Context, Poll, ready};

use sortie_core::session::scheduler::Ticket;
use sortie_core::{Instant, Transport, Url, Wish};

use crate::connection::{Connection, Look, Taken};
use crate::metrics::{Moment, Recorder};
use crate::shared::{Shared, poll_deadline, tell};
use crate::world::{Connecting, ConnectionFacts, Endpoint, Stream, World};

/// What it takes to get a connection.
pub(crate) struct Connector<W: World> {
    /// On the heap: most tasks need none, and every task would be larger.
    attempt: Option<Box<Attempt<W>>>,
    place: Place,
    /// While the task has no connection. On the heap: most tasks need none.
    timer: Option<Box<W::Timer>>,
    /// Why the last attempt failed, or the last connection broke, in detail.
    pub(crate) failure: Option<io::Error>,
}

/// Whether the task waits for its turn.
#[derive(Clone, Copy)]
enum Place {
    /// It does not: it has not asked, or has what it asked for.
    Out,
    Queued {
        ticket: Ticket,
        arrived: Instant,
    },
    /// There was no socket for it: it is to be queued again, where it was.
    Postponed {
        arrived: Instant,
    },
}

/// A connection attempt, in a slot of the pool.
struct Attempt<W: World> {
    slot: usize,
    /// When the task asked for a connection.
    arrived: Instant,
    future: Connecting<W::Stream>,
    timer: W::Timer,
}

impl<W: World> Connector<W> {
    pub(crate) const fn new() -> Self {
        Self { attempt: None, place: Place::Out, timer: None, failure: None }
    }

    /// Takes an idle connection or opens one. Ready when the core has been told: with the
    /// connection, if there is one.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
        (wish, url): (Wish, Url<'_>),
        recorder: Option<&mut Recorder>,
    ) -> Poll<Option<Box<Connection<W>>>> {
        let record = |moment, facts: Option<&ConnectionFacts>| {
            if let Some(recorder) = recorder {
                recorder.note(moment, now, url.as_str(), facts);
            }
        };
        let Some(attempt) = &mut self.attempt else {
            return match ready!(self.poll_turn(cx, shared, now, wish, url)) {
                Some((Taken::Idle(connection), _)) => {
                    record(Moment::Reused, connection.stream.facts());
                    self.failure = None;
                    tell(shared.core().handle_connected(now, true));
                    Poll::Ready(Some(connection))
                }
                Some((Taken::Slot(slot), arrived)) => {
                    let world = &shared.session.world;
                    let future = world.connect(Endpoint::of(url));
                    let attempt = Attempt { slot, arrived, future, timer: world.timer() };
                    self.attempt = Some(Box::new(attempt));
                    record(Moment::Connecting, None);
                    tell(shared.core().handle_connecting(now));
                    // The core is asked again, and the attempt polled.
                    Poll::Ready(None)
                }
                Some((Taken::Full | Taken::Wait { .. }, _)) => {
                    tell(shared.core().handle_connect_failed(Transport::ConnectFailed));
                    Poll::Ready(None)
                }
                None => Poll::Ready(None),
            };
        };
        let Poll::Ready(result) = attempt.future.as_mut().poll(cx) else {
            let deadline = shared.core().deadline();
            return poll_deadline(cx, shared, now, &mut attempt.timer, deadline).map(|()| None);
        };
        let (slot, arrived) = (attempt.slot, attempt.arrived);
        self.attempt = None;
        Poll::Ready(match result {
            Ok(stream) => {
                record(Moment::Connected, stream.facts());
                self.failure = None;
                tell(shared.core().handle_connected(now, false));
                Some(Connection::new(slot, stream, &shared.session.world))
            }
            Err(failure) => {
                self.failure = failure.detail;
                if shared.session.connections.open_failed(now, slot, failure.why) {
                    self.place = Place::Postponed { arrived };
                    record(Moment::Postponed, None);
                    tell(shared.core().handle_connect_postponed());
                } else {
                    tell(shared.core().handle_connect_failed(failure.why));
                }
                None
            }
        })
    }

    /// Waits for its turn. Ready with what it gets, and when it came for it; with `None` to look
    /// again, because a timer ran out.
    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
        wish: Wish,
        url: Url<'_>,
    ) -> Poll<Option<(Taken<W>, Instant)>> {
        let connections = &shared.session.connections;
        let look = match shared.core().survives_stale() {
            true => Look::WhereItMayHaveClosed,
            false => Look::Always,
        };
        let (arrived, ticket) = match self.place {
            Place::Out => (now, None),
            Place::Postponed { arrived } => (arrived, None),
            Place::Queued { ticket, arrived } => (arrived, Some(ticket)),
        };
        let taken = match ticket {
            // It was woken, and `now` may be from before that.
            Some(ticket) => connections.ask_again(shared.now(), look, ticket, cx.waker()),
            None => {
                let wish = (wish, look);
                connections.ask(now, arrived, wish, url, shared.urgency(), cx.waker())
            }
        };
        if let Taken::Wait { ticket, until } = taken {
            if !matches!(self.place, Place::Queued { .. }) {
                self.place = Place::Queued { ticket, arrived };
                shared.hints().ticket = Some(ticket);
            }
            return self.poll_idle(cx, shared, now, until).map(|()| None);
        }
        if !matches!(self.place, Place::Out) {
            self.leave_queue(shared);
        }
        Poll::Ready(Some((taken, arrived)))
    }

    fn leave_queue(&mut self, shared: &Shared<W>) -> Option<Ticket> {
        match std::mem::replace(&mut self.place, Place::Out) {
            Place::Queued { ticket, .. } => {
                shared.hints().ticket = None;
                Some(ticket)
            }
            Place::Postponed { .. } | Place::Out => None,
        }
    }

    /// Waits without a connection, at most until `until`. Ready then, or when a timer of the task
    /// ran out; the core has been told.
    pub(crate) fn poll_idle(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
        until: Option<Instant>,
    ) -> Poll<()> {
        // Told early, the core says that nothing has run out.
        let deadline = shared.core().deadline().into_iter().chain(until).min();
        let timer = self.timer.get_or_insert_with(|| Box::new(shared.session.world.timer()));
        poll_deadline(cx, shared, now, timer, deadline)
    }

    /// The task has ended, and its handles may be kept for long: no alarm is, for its sake.
    pub(crate) fn end(&mut self, shared: &Shared<W>, now: Instant) {
        self.give_up(shared, now);
        self.timer = None;
    }

    /// Whether there is nothing to give up.
    pub(crate) const fn is_idle(&self) -> bool {
        self.attempt.is_none() && !matches!(self.place, Place::Queued { .. })
    }

    /// Gives up the place in the queue, or the attempt: the core asks again when it wants one.
    pub(crate) fn give_up(&mut self, shared: &Shared<W>, now: Instant) {
        if let Some(ticket) = self.leave_queue(shared) {
            shared.session.connections.leave(now, ticket);
        }
        if let Some(attempt) = self.attempt.take() {
            let slot = attempt.slot;
            // Closed before its slot is given to another.
            drop(attempt);
            shared.session.connections.free(now, slot);
        }
    }
}
