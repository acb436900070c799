//! The one loop that drives a task: it moves bytes, keeps time and carries answers. Every decision
//! is the core's.

use std::task::{Context, Poll, ready};

use sortie_core::{CloseReason, Event, Instant, Output, Receive, Wish};

use crate::connect::{Attempt, Begun};
use crate::connection::Connection;
use crate::exchange::{Outgoing, poll_body, poll_discard, poll_head, poll_send};
use crate::hop::Hop;
use crate::metrics::{Moment, Recorder};
use crate::response::Response;
use crate::shared::{Shared, tell};
use crate::source::Source;
use crate::world::{Timer, World};

/// The adapter's side of a task: what the core asks for is done here.
pub(crate) struct Driver<W: World> {
    connection: Option<Box<Connection<W>>>,
    connecting: Option<Attempt<W>>,
    pub(crate) hop: Hop,
    pub(crate) source: Source,
    /// What is told beyond content and the end.
    pub(crate) tells: Tells,
    /// Bytes of the body that were sent and not told, where they are.
    untold: u64,
    /// Present where somebody wants to have metrics.
    pub(crate) recorder: Option<Box<Recorder>>,
}

/// What the driver stops for, beside content, events and the end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tells {
    /// [`Turn::Prepare`]: there is a file to be opened before anything is sent.
    pub(crate) prepare: bool,
    /// [`Turn::Sent`]: somebody watches what is sent.
    pub(crate) sent: bool,
}

/// Why the driver returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "reachable with feature internals")]
pub enum Turn {
    /// Content lies at the front of the buffer: so many bytes.
    Content(usize),
    /// So many bytes of the body were sent.
    Sent(u64),
    /// A connection is there: before the head is sent, what it needs is to be made ready and
    /// reported by `handle_prepared`.
    Prepare,
    /// Something happened, or is asked.
    Event(Event),
    /// Everything is received: it is to be committed and reported.
    Finish,
    /// The task has ended.
    Complete(Result<(), sortie_core::Error>),
}

/// What came of moving bytes.
enum Moved {
    /// Something else is to be done now.
    Nothing,
    Content(usize),
}

impl<W: World> Driver<W> {
    pub(crate) fn new(hop: Hop, source: Source, tells: Tells) -> Self {
        Self { connection: None, connecting: None, hop, source, tells, untold: 0, recorder: None }
    }

    /// Drives the task until there is something to tell, with `buffer` for content; while it is
    /// empty no content is read. Each call goes on where the last one stopped.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        buffer: &mut [u8],
    ) -> Poll<Turn> {
        shared.bell.register(cx.waker());
        // One look at the clock: nothing below waits.
        let now = shared.now();
        loop {
            if self.untold > 0 {
                return Poll::Ready(Turn::Sent(std::mem::take(&mut self.untold)));
            }
            let output = shared.core().poll_output();
            match output {
                Output::Connect(wish) => ready!(self.poll_connect(cx, shared, now, wish)),
                Output::Prepare if self.tells.prepare => return Poll::Ready(Turn::Prepare),
                Output::Prepare => tell(shared.core().handle_prepared(now)),
                Output::Exchange => match ready!(self.poll_exchange(cx, shared, now, buffer)) {
                    Moved::Nothing => {}
                    Moved::Content(count) => return Poll::Ready(Turn::Content(count)),
                },
                Output::Inspect => self.hop.inspect(shared, now),
                Output::Finish => return Poll::Ready(Turn::Finish),
                Output::Wait => ready!(self.poll_wait(cx, shared, now)),
                Output::Event(event) => {
                    self.hop.note(shared, event);
                    return Poll::Ready(Turn::Event(event));
                }
                Output::Close(reason) => {
                    self.release(shared, now);
                    shared.session.world.released(Some(reason));
                    self.close(shared);
                }
                Output::Reuse => {
                    self.release(shared, now);
                    self.reuse(shared, now);
                }
                Output::Upgraded => {
                    // Nobody can ask for the connection yet: who asked by a field of the request
                    // gets the 101 and the end of it.
                    self.close(shared);
                    tell(shared.core().handle_upgraded_end(Ok(())));
                }
                Output::Complete(result) => return Poll::Ready(Turn::Complete(result)),
            }
        }
    }

    /// Takes an idle connection or opens one. Ready when the core has been told.
    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
        wish: Wish,
    ) -> Poll<()> {
        if self.connecting.is_none() {
            match Attempt::begin(cx, shared, self.hop.target(), now, wish) {
                Begun::Wait => return self.poll_wait(cx, shared, now),
                Begun::Idle(connection) => {
                    self.connection = Some(connection);
                    self.record(Moment::Reused, now);
                    tell(shared.core().handle_connected(now, true));
                    return Poll::Ready(());
                }
                Begun::Opening(attempt) => {
                    self.record(Moment::Connecting, now);
                    tell(shared.core().handle_connecting(now));
                    self.connecting = Some(attempt);
                }
            }
        }
        let Some(attempt) = &mut self.connecting else {
            return Poll::Ready(());
        };
        let Poll::Ready(result) = attempt.poll(cx, shared, self.hop.target()) else {
            let deadline = shared.core().deadline();
            return poll_deadline(cx, shared, now, &mut attempt.timer, deadline);
        };
        self.connecting = None;
        let told = match result {
            Ok(connection) => {
                self.connection = Some(connection);
                self.record(Moment::Connected, now);
                shared.core().handle_connected(now, false)
            }
            Err(why) => shared.core().handle_connect_failed(why),
        };
        tell(told);
        Poll::Ready(())
    }

    /// Moves bytes in both directions. Ready when the core has something else to say, or there is
    /// something to tell.
    fn poll_exchange(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
        buffer: &mut [u8],
    ) -> Poll<Moved> {
        let Some(connection) = self.connection.as_deref_mut() else {
            return Poll::Ready(Moved::Nothing);
        };
        loop {
            let (io, deadline) = {
                let core = shared.core();
                if !core.still(Output::Exchange) {
                    return Poll::Ready(Moved::Nothing);
                }
                (core.io(buffer.len()), core.deadline())
            };
            let outgoing = Outgoing { hop: &self.hop, source: &mut self.source };
            let sent = poll_send(cx, shared, now, connection, outgoing, io.send);
            let received = match io.receive {
                Some(Receive::Body { max }) if max > 0 => {
                    poll_body(cx, shared, now, connection, &mut buffer[..max])
                }
                Some(Receive::Body { .. }) | None => Poll::Pending,
                Some(Receive::Discard { max }) => poll_discard(cx, shared, now, connection, max),
                Some(Receive::Head | Receive::HeadAgain) => {
                    let again = io.receive == Some(Receive::HeadAgain);
                    poll_head(cx, shared, now, connection, again, &mut self.hop)
                }
            };
            if let (Poll::Ready(count), true) = (sent, self.tells.sent) {
                self.untold += count;
            }
            match (sent, received) {
                (_, Poll::Ready(content)) if content > 0 => {
                    return Poll::Ready(Moved::Content(content));
                }
                (Poll::Ready(_), _) if self.untold > 0 => return Poll::Ready(Moved::Nothing),
                (Poll::Ready(_), _) | (_, Poll::Ready(_)) => {}
                (Poll::Pending, Poll::Pending) => {
                    ready!(poll_deadline(cx, shared, now, &mut connection.timer, deadline));
                }
            }
        }
    }

    /// Waits for a command, an answer or the deadline. What is in flight is given up first: the
    /// core asks for it again when it is wanted.
    fn poll_wait(&mut self, cx: &mut Context<'_>, shared: &Shared<W>, now: Instant) -> Poll<()> {
        let deadline = shared.core().deadline();
        if let Some(attempt) = self.connecting.take() {
            attempt.give_up(shared);
        }
        let mut timer = shared.idle_timer();
        poll_deadline(
            cx,
            shared,
            now,
            timer.get_or_insert_with(|| shared.session.world.timer()),
            deadline,
        )
    }

    fn record(&mut self, moment: Moment, now: Instant) {
        self.hop.is_answered = false;
        if let Some(recorder) = &mut self.recorder {
            recorder.note(moment, now, self.hop.target().as_str());
        }
    }

    /// An exchange is over, one way or the other.
    fn release(&mut self, shared: &Shared<W>, now: Instant) {
        if let Some(recorder) = &mut self.recorder {
            let answer = self.hop.response.as_ref().filter(|_| self.hop.is_answered);
            let status = answer.map(Response::status);
            recorder.end(now, status, *shared.core().counts());
        }
    }

    fn reuse(&mut self, shared: &Shared<W>, now: Instant) {
        if let Some(connection) = self.connection.take() {
            let keeps = shared.session.connections.keep(now, connection);
            let reason = (!keeps).then_some(CloseReason::ExcessBytes);
            shared.session.world.released(reason);
        }
    }

    /// Closes the connection, or gives up the attempt to make one.
    pub(crate) fn close(&mut self, shared: &Shared<W>) {
        if let Some(connection) = self.connection.take() {
            shared.session.connections.free(connection.slot);
        }
        if let Some(attempt) = self.connecting.take() {
            attempt.give_up(shared);
        }
    }
}

/// Ready when a timer of the task ran out; the core has been told.
fn poll_deadline<W: World>(
    cx: &mut Context<'_>,
    shared: &Shared<W>,
    now: Instant,
    timer: &mut W::Timer,
    deadline: Option<Instant>,
) -> Poll<()> {
    let Some(deadline) = deadline else {
        return Poll::Pending;
    };
    ready!(timer.poll_until(cx, now, deadline));
    shared.core().handle_timeout(shared.now());
    Poll::Ready(())
}
