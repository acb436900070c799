//! The one loop that drives a task: it moves bytes, keeps time and carries answers. Every decision
//! is the core's.

use std::task::{Context, Poll, ready};

use sortie_core::{CloseReason, Instant, Output, Receive, Wish};

use crate::connect::Connector;
use crate::connection::Connection;
use crate::exchange::{Outgoing, poll_body, poll_discard, poll_head, poll_send};
use crate::hop::Hop;
use crate::metrics::Recorder;
use crate::response::Response;
use crate::shared::{Shared, poll_deadline, tell};
use crate::source::Source;
use crate::turn::{Tells, Turn};
use crate::world::{Stream, World};

/// The adapter's side of a task: what the core asks for is done here.
pub(crate) struct Driver<W: World> {
    connection: Option<Box<Connection<W>>>,
    pub(crate) connector: Connector<W>,
    pub(crate) hop: Hop,
    pub(crate) source: Source,
    /// What is told beyond content and the end.
    pub(crate) tells: Tells,
    /// Bytes of the body that were sent and not told, where they are.
    untold: u64,
    /// Present where somebody wants to have metrics.
    pub(crate) recorder: Option<Box<Recorder>>,
}

/// What came of moving bytes.
enum Moved {
    /// Something else is to be done now.
    Nothing,
    Content(usize),
}

impl<W: World> Driver<W> {
    pub(crate) fn new(hop: Hop, source: Source, tells: Tells) -> Self {
        let connector = Connector::new();
        Self { connection: None, connector, hop, source, tells, untold: 0, recorder: None }
    }

    /// Drives the task until there is something to tell, with `buffer` for content; while it is
    /// empty no content is read. Each call goes on where the last one stopped. It is `now`, and the
    /// bell rings for `cx`.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
        buffer: &mut [u8],
    ) -> Poll<Turn> {
        loop {
            if self.untold > 0 {
                return Poll::Ready(Turn::Sent(std::mem::take(&mut self.untold)));
            }
            let output = self.tells.ask(&mut shared.core(), now);
            match output {
                Output::Connect(wish) => {
                    let is_connected = ready!(self.poll_connect(cx, shared, now, wish));
                    if is_connected && self.recorder.is_some() {
                        return Poll::Ready(Turn::Connected);
                    }
                }
                Output::Prepare => return Poll::Ready(Turn::Prepare),
                Output::Exchange => match ready!(self.poll_exchange(cx, shared, now, buffer)) {
                    Moved::Nothing => {}
                    Moved::Content(count) => return Poll::Ready(Turn::Content(count)),
                },
                Output::Wait => ready!(self.poll_wait(cx, shared, now)),
                Output::Inspect => self.hop.inspect(shared, now),
                Output::Finish => return Poll::Ready(Turn::Finish),
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
                Output::Complete(result) => {
                    self.connector.end(shared, now);
                    return Poll::Ready(Turn::Complete(result));
                }
            }
        }
    }

    /// Takes an idle connection or opens one. Ready when the core has been told: with whether there
    /// is one now.
    fn poll_connect(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<W>,
        now: Instant,
        wish: Wish,
    ) -> Poll<bool> {
        self.hop.is_answered = false;
        let wanted = (wish, self.hop.target());
        let recorder = self.recorder.as_deref_mut();
        let connection = ready!(self.connector.poll(cx, shared, now, wanted, recorder));
        let is_connected = connection.is_some();
        if is_connected {
            self.connection = connection;
        }
        Poll::Ready(is_connected)
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
            let io = {
                let core = shared.core();
                if !core.still(Output::Exchange) {
                    return Poll::Ready(Moved::Nothing);
                }
                core.io(buffer.len())
            };
            let outgoing = Outgoing { hop: &self.hop, source: &mut self.source };
            let sent = poll_send(cx, shared, now, connection, outgoing, io.send);
            // Nothing has come yet behind a head that was just sent.
            let receive = if sent == Poll::Ready(0) { None } else { io.receive };
            let received = match receive {
                Some(Receive::Body { max }) if max > 0 => {
                    poll_body(cx, shared, now, connection, &mut buffer[..max])
                }
                Some(Receive::Body { .. }) | None => Poll::Pending,
                Some(Receive::Discard { max }) => poll_discard(cx, shared, now, connection, max),
                Some(Receive::Head | Receive::HeadAgain) => {
                    let again = receive == Some(Receive::HeadAgain);
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
                    if shared.session.connections.is_crowded() {
                        // Where neither may be done, the rest of a head may wait to be sent.
                        connection.rest(io.send.is_none() && io.receive.is_some());
                    }
                    // A write that fails is met again by the next write or read.
                    let _ = connection.stream.poll_flush(cx);
                    let deadline = shared.core().deadline();
                    ready!(poll_deadline(cx, shared, now, &mut connection.timer, deadline));
                }
            }
        }
    }

    /// Waits for a command, an answer or the deadline. What is in flight is given up first: the
    /// core asks for it again when it is wanted.
    fn poll_wait(&mut self, cx: &mut Context<'_>, shared: &Shared<W>, now: Instant) -> Poll<()> {
        self.connector.give_up(shared, now);
        self.connector.poll_idle(cx, shared, now, None)
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

    /// Closes the connection, or gives up what it takes to get one.
    pub(crate) fn close(&mut self, shared: &Shared<W>) {
        if self.connection.is_none() && self.connector.is_idle() {
            return;
        }
        let now = shared.now();
        if let Some(mut connection) = self.connection.take() {
            let slot = connection.slot;
            self.connector.failure = connection.failure.take();
            // Closed before its slot is given to another.
            drop(connection);
            shared.session.connections.free(now, slot);
        }
        self.connector.give_up(shared, now);
    }
}
