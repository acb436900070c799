//! Tasks over a stream that the program has opened.
//!
//! A stream says nothing of readiness, and nobody knows what a read or a write of it has moved when
//! it is dropped. So neither is a part of a task: both go on beside the tasks, by way of two
//! buffers, and run to their ends. What a task waits for is a buffer.

use core::cell::Cell;
use core::fmt;
use core::future::{Future, pending, poll_fn};
use core::task::{Context, Poll};

use embassy_futures::select::{Either, Either3, select, select3};
use embassy_futures::yield_now;
use embedded_io_async::{Read, Write};
use sortie_core::session::scheduler::How;
use sortie_core::session::{Loan, LoanState};
use sortie_core::{CloseReason, Output, Transport, Url, Wish};

use crate::dedicated::Connection;
use crate::input::{Input, copy};
use crate::reins::{Bell, Reins};
use crate::resources::Resources;
use crate::send::Outbox;
use crate::session::{Base, Session};
use crate::stream::{Incoming, Lend, Lost, Outgoing, Place, Wire, exchange};
use crate::target::Target;
use crate::time::now;

/// A stream that is open to an origin: its two directions, which are read and written at the same
/// time. For [`Session::connection_over`].
///
/// They are what a socket, a serial line or a TLS library is split into. Lent (`&mut`), they are
/// the program's again afterwards.
pub struct OpenedStream<'o, R, W> {
    origin: Url<'o>,
    is_secure: bool,
    reader: R,
    writer: W,
}

impl<'o, R: Read, W: Write> OpenedStream<'o, R, W> {
    /// What is sent over it can be read on the way: for tasks with URLs of `http`. One with `https`
    /// fails as [`TlsUnavailable`](Transport::TlsUnavailable), also where `origin` has it.
    pub const fn plaintext(origin: Url<'o>, reader: R, writer: W) -> Self {
        Self { origin, is_secure: false, reader, writer }
    }

    /// It is **said to be secure**: the program has seen to it that whoever is at its end is
    /// `origin`, and that nobody between can read or change what is sent. For tasks with URLs of
    /// `https`; one with `http` fails as [`OtherOrigin`](Transport::OtherOrigin).
    pub const fn secure(origin: Url<'o>, reader: R, writer: W) -> Self {
        Self { origin, is_secure: true, reader, writer }
    }
}

impl<R, W> fmt::Debug for OpenedStream<'_, R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("OpenedStream");
        shown.field("origin", &self.origin).field("is_secure", &self.is_secure);
        shown.finish_non_exhaustive()
    }
}

/// A connection over an opened stream.
type OverStream<'c, 'o, 'b, 'd, const CONNECTIONS: usize> =
    Connection<'c, 'd, CONNECTIONS, Opened<'c, 'o, 'b>>;

impl<'d, const CONNECTIONS: usize> Session<'d, CONNECTIONS> {
    /// Runs `work` with a connection over a stream that the program has opened: that of another TLS
    /// library, a serial line, a socket with options of its own. Its tasks take none of the
    /// session's sockets; `resources` has the buffers of the connection.
    ///
    /// A read or a write of the stream that has begun runs to its end, unless the task fails, is
    /// cancelled or is dropped: then the stream may be in the middle of anything, and no task uses
    /// it again. While no task runs none is begun. A task that is refused leaves it as it is.
    /// Nothing closes the stream: that is the program's, afterwards.
    ///
    /// ```
    /// use embedded_io_async::{Read, Write};
    /// use sortie_embassy::{BodyLength, Failure, OpenedStream, Request, Resources, Session, Url};
    ///
    /// async fn report(
    ///     session: &Session<'_, 1>,
    ///     reader: impl Read, // the halves of a TLS library's connection
    ///     writer: impl Write,
    ///     resources: &mut Resources<1, 1024>,
    /// ) -> Result<(), Failure> {
    ///     let url = Url::parse("https://example.com/readings").unwrap();
    ///     let request = Request::new("GET", url, &[], BodyLength::None).unwrap();
    ///     let stream = OpenedStream::secure(url, reader, writer);
    ///     let mut content = [0; 256];
    ///     session
    ///         .connection_over(stream, resources, async |connection| {
    ///             connection.data(&request, &[], &mut content).await?;
    ///             // Over the same stream, unless the server wants it closed.
    ///             connection.data(&request, &[], &mut content).await?;
    ///             Ok(())
    ///         })
    ///         .await
    /// }
    /// ```
    ///
    /// # Dropping
    /// Cancels the task that runs, and drops the read or write that is going on.
    pub async fn connection_over<
        R: Read,
        W: Write,
        O,
        const RECEIVE: usize,
        const SEND: usize,
        const HEAD: usize,
    >(
        &self,
        stream: OpenedStream<'_, R, W>,
        resources: &mut Resources<1, RECEIVE, SEND, HEAD>,
        work: impl AsyncFnOnce(&mut OverStream<'_, '_, '_, 'd, CONNECTIONS>) -> O,
    ) -> O {
        let OpenedStream { origin, is_secure, reader, writer } = stream;
        let [buffers] = &mut resources.buffers;
        let incoming = Half::new(&mut buffers.receive);
        let outgoing = Half::new(&mut buffers.send);
        let wire = Opened {
            origin,
            is_secure,
            at: LoanState::New,
            incoming: &incoming,
            outgoing: &outgoing,
            inbox: &mut buffers.inbox,
        };
        let mut connection = Connection::new(self, wire);
        // The work first: what it asks for is done in the same poll.
        let work = work(&mut connection);
        match select3(work, incoming.fill_from(reader), outgoing.drain_to(writer)).await {
            Either3::First(done) => done,
            Either3::Second(never) | Either3::Third(never) => never,
        }
    }
}

/// The connection as a driver has it.
#[allow(unnameable_types, reason = "it stands in a type that is inferred")]
pub struct Opened<'c, 'o, 'b> {
    origin: Url<'o>,
    is_secure: bool,
    at: LoanState,
    incoming: &'c Half<'b>,
    outgoing: &'c Half<'b>,
    inbox: &'b mut [u8],
}

impl Opened<'_, '_, '_> {
    /// Whether a task can use it.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.at, LoanState::New | LoanState::Idle)
            && self.outgoing.state.get() == State::Free
    }

    /// What the core is to know of it, for a task to `url`.
    fn loan(&self, url: &Url<'_>) -> Loan {
        let leads_there = self.origin.same_origin(url);
        Loan { state: self.at, is_secure: self.is_secure, leads_there }
    }

    /// Takes it for a task. Returns whether another had it before.
    async fn get(&mut self, control: &Reins, how: How) -> Result<bool, Transport> {
        self.at = LoanState::Used;
        match how {
            How::Open => {
                control.tell(|task| task.handle_connecting(now()));
                Ok(false)
            }
            How::Reuse => match poll_fn(|cx| self.incoming.poll_silent(cx)).await {
                Ok(()) => Ok(true),
                Err(Lost) => Err(Transport::NoResponse),
            },
        }
    }

    fn end(&mut self) {
        self.at = LoanState::Over;
        self.incoming.set(State::Broken);
        self.outgoing.set(State::Broken);
    }
}

impl<'r, 'd> Wire<'r, 'd> for Opened<'_, '_, '_> {
    async fn connect(
        &mut self,
        _: &'r Base<'d>,
        control: &Reins,
        wish: Wish,
        target: &Target<'_, '_>,
    ) {
        let url = target.url();
        let got = match self.loan(&url).grant(wish, url.scheme()) {
            Ok(how) => self.get(control, how).await,
            Err(why) => Err(why),
        };
        match got {
            Ok(is_reused) => control.tell(|task| task.handle_connected(now(), is_reused)),
            Err(why) => {
                // One that was not granted stays what it is.
                self.take_back();
                control.tell(|task| task.handle_connect_failed(why));
            }
        }
    }

    fn exchange(
        &mut self,
        outbox: Outbox<'_>,
        input: &mut Input<'_>,
        output: Output,
    ) -> impl Future<Output = ()> {
        let parts = (self.at == LoanState::Used).then_some((
            self.incoming,
            self.outgoing,
            &mut *self.inbox,
        ));
        exchange(parts, outbox, input, output)
    }

    fn inbox(&self) -> &[u8] {
        self.inbox
    }

    fn keep(&mut self, _: &Url<'_>, held: usize) {
        match held == 0 && self.incoming.is_silent() && self.outgoing.is_whole() {
            true => self.at = LoanState::Idle,
            false => self.end(),
        }
    }

    fn close(&mut self, _: CloseReason) {
        self.end();
    }

    fn reset(&mut self) {
        self.end();
    }
}

impl Lend for Opened<'_, '_, '_> {
    fn take_back(&mut self) {
        if self.at == LoanState::Used {
            self.end();
        }
    }
}

impl fmt::Debug for Opened<'_, '_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("at", &self.at).finish_non_exhaustive()
    }
}

/// One direction of a stream, between a task and what moves its bytes.
struct Half<'b> {
    state: Cell<State>,
    /// Empty while bytes are moved from it or to it.
    buffer: Cell<&'b mut [u8]>,
    /// Rung for the task.
    told: Bell,
    /// Rung for what moves the bytes.
    asked: Bell,
}

/// How far a direction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The buffer is empty. Exits: `Asked`, `Broken`.
    Free,
    /// So many bytes, at its front, are to be written, or as many as that may be read. Exits:
    /// `Moving`, `Broken`.
    Asked(usize),
    /// They are being written, or waited for. Exits: all but `Asked`.
    Moving,
    /// These came. Exits: `Free`, `Broken`.
    Came { from: usize, to: usize },
    /// The end came. Exit: `Broken`.
    Ended,
    /// Nothing is moved any more.
    Broken,
}

impl<'b> Half<'b> {
    const fn new(buffer: &'b mut [u8]) -> Self {
        Self {
            state: Cell::new(State::Free),
            buffer: Cell::new(buffer),
            told: Bell::new(),
            asked: Bell::new(),
        }
    }

    /// Says how far it is, to both sides. What is broken stays so.
    fn set(&self, state: State) {
        if self.state.get() != State::Broken {
            self.state.set(state);
        }
        self.told.ring();
        self.asked.ring();
    }

    /// Looks at the buffer, while nothing is moved.
    fn with<T>(&self, f: impl FnOnce(&mut [u8]) -> T) -> T {
        let buffer = self.buffer.take();
        let seen = f(buffer);
        self.buffer.set(buffer);
        seen
    }

    /// Whether nothing came that was not taken.
    fn is_silent(&self) -> bool {
        matches!(self.state.get(), State::Free | State::Asked(_) | State::Moving)
    }

    /// Whether bytes can still be moved.
    fn is_whole(&self) -> bool {
        self.state.get() != State::Broken
    }

    /// Asks for bytes, unless some are asked for.
    fn ask(&self) {
        if self.state.get() == State::Free {
            self.set(State::Asked(self.with(|buffer| buffer.len())));
        }
    }

    /// Ready when a read has begun and waits: nothing came that belongs to nobody.
    fn poll_silent(&self, cx: &Context<'_>) -> Poll<Result<(), Lost>> {
        self.ask();
        match self.state.get() {
            State::Moving => Poll::Ready(Ok(())),
            State::Came { .. } | State::Ended | State::Broken => Poll::Ready(Err(Lost)),
            State::Free | State::Asked(_) => {
                self.told.register(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Takes bytes that came, or has some read.
    fn poll_take(&self, space: &mut [u8], cx: &Context<'_>) -> Poll<Result<usize, Lost>> {
        self.ask();
        match self.state.get() {
            State::Came { from, to } => {
                let take =
                    |buffer: &mut [u8]| copy(buffer.get(from..to).unwrap_or_default(), space);
                let count = self.with(take);
                let from = from.saturating_add(count);
                self.set(if from < to { State::Came { from, to } } else { State::Free });
                Poll::Ready(Ok(count))
            }
            State::Ended => Poll::Ready(Ok(0)),
            State::Broken => Poll::Ready(Err(Lost)),
            State::Free | State::Asked(_) | State::Moving => {
                self.told.register(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Has `fill` put bytes into the buffer once that is free, and has them written.
    fn poll_put(
        &self,
        fill: &mut impl FnMut(&mut [u8]) -> usize,
        cx: &Context<'_>,
    ) -> Poll<Result<usize, Lost>> {
        match self.state.get() {
            State::Free => {
                let count = self.with(fill);
                if count > 0 {
                    self.set(State::Asked(count));
                }
                Poll::Ready(Ok(count))
            }
            State::Broken => Poll::Ready(Err(Lost)),
            State::Asked(_) | State::Moving | State::Came { .. } | State::Ended => {
                self.told.register(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Ready when bytes are to be moved: so many.
    fn poll_asked(&self, cx: &Context<'_>) -> Poll<usize> {
        if let State::Asked(count) = self.state.get() {
            return Poll::Ready(count);
        }
        self.asked.register(cx.waker());
        Poll::Pending
    }

    /// Runs `moved` to its end. `None` where the direction breaks first.
    async fn unless_it_breaks<F: Future>(&self, moved: F) -> Option<F::Output> {
        let breaks = poll_fn(|cx| {
            self.asked.register(cx.waker());
            if self.is_whole() { Poll::Pending } else { Poll::Ready(()) }
        });
        match select(breaks, moved).await {
            Either::First(()) => None,
            Either::Second(done) => Some(done),
        }
    }

    /// Reads whenever bytes are asked for, and never ends.
    async fn fill_from(&self, mut reader: impl Read) -> ! {
        loop {
            let most = poll_fn(|cx| self.poll_asked(cx)).await;
            let buffer = self.buffer.take();
            self.set(State::Moving);
            let room = buffer.get_mut(..most).unwrap_or_default();
            let read = self.unless_it_breaks(reader.read(room)).await;
            self.buffer.set(buffer);
            match read {
                Some(Ok(0)) => self.set(State::Ended),
                Some(Ok(count)) => self.set(State::Came { from: 0, to: count.min(most) }),
                Some(Err(_)) => self.set(State::Broken),
                None => pending().await,
            }
        }
    }

    /// Writes what is asked for, and never ends.
    async fn drain_to(&self, mut writer: impl Write) -> ! {
        loop {
            let count = poll_fn(|cx| self.poll_asked(cx)).await;
            let buffer = self.buffer.take();
            self.set(State::Moving);
            let bytes = buffer.get(..count).unwrap_or_default();
            let written = self.unless_it_breaks(write_all(&mut writer, bytes)).await;
            self.buffer.set(buffer);
            match written {
                Some(Ok(())) => self.set(State::Free),
                Some(Err(Lost)) => self.set(State::Broken),
                None => pending().await,
            }
            // A socket may take a round trip for it: only where nothing more follows at once.
            yield_now().await;
            if self.state.get() == State::Free {
                match self.unless_it_breaks(writer.flush()).await {
                    Some(Ok(())) => {}
                    Some(Err(_)) => self.set(State::Broken),
                    None => pending().await,
                }
            }
        }
    }
}

async fn write_all(writer: &mut impl Write, mut bytes: &[u8]) -> Result<(), Lost> {
    while !bytes.is_empty() {
        match writer.write(bytes).await {
            Ok(0) | Err(_) => return Err(Lost),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
        }
    }
    Ok(())
}

impl Incoming for &Half<'_> {
    fn read_when(
        &mut self,
        place: &mut impl Place,
    ) -> impl Future<Output = Result<Option<usize>, Lost>> {
        poll_fn(|cx| match place.space() {
            None => Poll::Pending,
            Some([]) => Poll::Ready(Ok(None)),
            Some(space) => self.poll_take(space, cx).map_ok(Some),
        })
    }
}

impl Outgoing for &Half<'_> {
    fn write_when(
        &mut self,
        mut is_due: impl FnMut() -> bool,
        mut fill: impl FnMut(&mut [u8]) -> usize,
    ) -> impl Future<Output = Result<usize, Lost>> {
        poll_fn(move |cx| match is_due() {
            true => self.poll_put(&mut fill, cx),
            false => Poll::Pending,
        })
    }
}
