//! A secure connection as a driver has it.

use core::cell::RefCell;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_io_async::{BufRead, Write};
use embedded_tls::{
    Aes128GcmSha256, CryptoRngCore, FlushPolicy, MaxFragmentLength, TlsConfig, TlsConnection,
    TlsContext, TlsError as Library, TlsReader, TlsWriter,
};
use sortie_core::session::scheduler::How;
use sortie_core::session::{Loan, LoanState};
use sortie_core::{CloseReason, Output, Transport, Url, Wish};

use crate::connect::open;
use crate::connection::{End, Lease, Origin, is_cut};
use crate::input::{Input, copy};
use crate::reins::Reins;
use crate::send::Outbox;
use crate::session::Base;
use crate::stream::{Incoming, Lend, Lost, Outgoing, Place, Wire, exchange};
use crate::target::Target;
use crate::time::now;
use crate::tls::port::{Below, Port};
use crate::tls::records::Filter;
use crate::tls::trust::Judge;
use crate::tls::verify::{Check, Provider};
use crate::tls::{RECORD_BYTES, Tls};

/// The most that goes into one record: it is on the stack while it is put there.
const PIECE: usize = 1024;

/// What a record takes of its buffer beside what is in it.
const FRAMING: usize = embedded_tls::TLS_RECORD_OVERHEAD + 5;

type Library13<'t, P> = TlsConnection<'t, P, Aes128GcmSha256>;

/// A connection over TLS. Made by [`Session::connection`](crate::Session::connection).
#[allow(unnameable_types, reason = "it stands in a type that is inferred")]
pub struct Secure<'c, 's, 'd, 't, R, T> {
    base: &'s Base<'d>,
    generator: &'t mut R,
    trust: &'t T,
    reads: usize,
    most: usize,
    library: Option<Library13<'t, Port<'c, 's, 'd>>>,
    below: &'c RefCell<Below<'s, 'd>>,
    inbox: &'d mut [u8],
    at: At,
    /// Bytes that are decrypted and not taken.
    left: usize,
    /// The server has said that it sends no more.
    is_ended: bool,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
enum At {
    /// It was not opened. Exits: `Used`, `Over`.
    New,
    /// A task has it. Exits: `Idle`, `Over`.
    Used,
    /// It is open, to this origin. Exits: `Used`, `Over`.
    Idle(Origin),
    /// It was closed, or broke.
    Over,
}

#[allow(private_bounds, reason = "sealed")]
impl<'c, 's, 'd, 't, R: CryptoRngCore, T: Judge> Secure<'c, 's, 'd, 't, R, T> {
    pub(crate) fn new(
        base: &'s Base<'d>,
        tls: &'t mut Tls<'_, R, T>,
        below: &'c RefCell<Below<'s, 'd>>,
    ) -> Self {
        let Tls { generator, trust, read, write } = tls;
        let (reads, most) = (read.len(), write.len().saturating_sub(FRAMING).min(PIECE));
        let mut library = TlsConnection::new(Port(below), read, write);
        // Whether the server has taken it is not to be waited for.
        library.set_flush_policy(FlushPolicy::Relaxed);
        Self {
            base,
            generator,
            trust,
            reads,
            most,
            library: Some(library),
            below,
            inbox: &mut [],
            at: At::New,
            left: 0,
            is_ended: false,
        }
    }

    /// Whether a task can use it: it was not opened yet, or is open.
    pub(crate) const fn is_usable(&self) -> bool {
        matches!(self.at, At::New | At::Idle(_))
    }

    /// What the core is to know of it, for a task to `url`.
    fn loan(&self, control: &Reins, url: &Url<'_>) -> Loan {
        // Where it leads to is forgotten with its end, and the task knows whether it was led away.
        let was_led_away = || control.look(|task| task.rewrite().leaves_origin).unwrap_or(false);
        let (state, leads_there) = match self.at {
            At::New => (LoanState::New, true),
            At::Idle(origin) => (LoanState::Idle, origin.is_of(url, self.inbox)),
            At::Used | At::Over => (LoanState::Over, !was_led_away()),
        };
        Loan { state, is_secure: true, leads_there }
    }

    /// Opens it, or looks whether it is open. Returns whether it was.
    async fn get(
        &mut self,
        control: &Reins,
        how: How,
        wish: Wish,
        target: &Target<'_, '_>,
    ) -> Result<bool, Transport> {
        match how {
            How::Open => self.open(control, wish, target).await.map(|()| false),
            How::Reuse => {
                self.at = At::Used;
                self.is_alive().then_some(true).ok_or(Transport::NoResponse)
            }
        }
    }

    async fn open(
        &mut self,
        control: &Reins,
        wish: Wish,
        target: &Target<'_, '_>,
    ) -> Result<(), Transport> {
        let (turn, how) = self.base.turn(control, wish, target).await;
        let mut lease = Lease::new(turn, how, &target.url()).ok_or(Transport::ConnectFailed)?;
        control.tell(|task| task.handle_connecting(now()));
        open(self.base.stack, &mut lease, target).await?;
        lease.swap_inbox(&mut self.inbox);
        if let Ok(mut below) = self.below.try_borrow_mut() {
            below.lease = Some(lease);
        }
        self.at = At::Used;
        let (Some(library), host) = (&mut self.library, target.url().host()) else {
            return Err(Transport::NoResponse);
        };
        shake(library, self.generator, self.trust, host, self.reads).await?;
        if let Ok(mut below) = self.below.try_borrow_mut() {
            below.filter.open();
        }
        Ok(())
    }

    /// Whether the idle connection is open and nothing came over it that belongs to nobody. What
    /// the server sent for itself is taken: a ticket, or that it closes.
    fn is_alive(&mut self) -> bool {
        let Some(library) = &mut self.library else { return false };
        let (mut reader, _) = library.split();
        let read = pin!(reader.fill_buf()).poll(&mut Context::from_waker(Waker::noop()));
        read.is_pending() && !Port(self.below).is_amid()
    }

    /// Says that nothing more comes, where there is room for that, and closes the connection.
    fn say_goodbye(&mut self, reason: CloseReason) {
        if let Some(library) = self.library.take() {
            let goodbye = pin!(library.close());
            // It writes once, and waits only where there is no room.
            let _ = goodbye.poll(&mut Context::from_waker(Waker::noop()));
        }
        self.end(Some(reason));
    }

    /// Gives the slot back: the connection is closed in order, or reset.
    fn end(&mut self, in_order: Option<CloseReason>) {
        self.library = None;
        self.at = At::Over;
        let Ok(mut below) = self.below.try_borrow_mut() else { return };
        if let Some(mut lease) = below.lease.take() {
            lease.swap_inbox(&mut self.inbox);
            lease.end(match in_order {
                Some(reason) if !is_cut(reason) => End::Close,
                Some(_) | None => End::Reset,
            });
        }
    }

    /// The work is done that it was made for.
    pub(crate) fn finish(&mut self) {
        if matches!(self.at, At::Idle(_)) {
            self.say_goodbye(CloseReason::Unwanted);
        }
    }
}

/// Goes through the handshake.
async fn shake<R: CryptoRngCore, T: Judge>(
    library: &mut Library13<'_, Port<'_, '_, '_>>,
    generator: &mut R,
    trust: &T,
    host: &str,
    reads: usize,
) -> Result<(), Transport> {
    let mut config = TlsConfig::new();
    // An address is no name (RFC 6066 §3).
    if !host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        config = config.with_server_name(host);
    }
    // The largest of four lengths that there is room for, with what encryption adds.
    config = match reads {
        RECORD_BYTES.. => config,
        4352.. => config.with_max_fragment_length(MaxFragmentLength::Bits12),
        2304.. => config.with_max_fragment_length(MaxFragmentLength::Bits11),
        1280.. => config.with_max_fragment_length(MaxFragmentLength::Bits10),
        _ => config.with_max_fragment_length(MaxFragmentLength::Bits9),
    };
    let shared = trust.shared().map(|(key, identity)| (key, [identity]));
    if let Some((key, identities)) = &shared {
        config = config.with_psk(key, identities);
    }
    let mut provider = Provider { generator, check: Check::new(trust, host) };
    let opened = library.open(TlsContext::new(&config, &mut provider)).await;
    provider.check.verdict(opened).map_err(Transport::Tls)
}

impl<'c, 's, 'r, 'd, R: CryptoRngCore, T: Judge> Wire<'r, 'd> for Secure<'c, 's, 'd, '_, R, T> {
    async fn connect(
        &mut self,
        _: &'r Base<'d>,
        control: &Reins,
        wish: Wish,
        target: &Target<'_, '_>,
    ) {
        let url = target.url();
        let got = match self.loan(control, &url).grant(wish, url.scheme()) {
            Ok(how) => self.get(control, how, wish, target).await,
            Err(why) => Err(why),
        };
        match got {
            Ok(is_reused) => control.tell(|task| task.handle_connected(now(), is_reused)),
            Err(why) => {
                // One that was not granted, or not opened, stays what it is.
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
        let port = Port(self.below);
        let parts = self.library.as_mut().map(|library| {
            let (reader, writer) = library.split();
            let (left, is_ended) = (&mut self.left, &mut self.is_ended);
            let reader = Reader { library: reader, port, left, is_ended };
            let writer = Writer { library: writer, port, most: self.most };
            (reader, writer, &mut *self.inbox)
        });
        exchange(parts, outbox, input, output)
    }

    fn inbox(&self) -> &[u8] {
        self.inbox
    }

    fn keep(&mut self, url: &Url<'_>, held: usize) {
        match held == 0 && self.left == 0 && !self.is_ended {
            true => self.at = At::Idle(Origin::new(url, self.inbox)),
            false => self.say_goodbye(CloseReason::ExcessBytes),
        }
    }

    fn close(&mut self, reason: CloseReason) {
        match is_cut(reason) {
            true => self.reset(),
            false => self.say_goodbye(reason),
        }
    }

    fn reset(&mut self) {
        self.end(None);
    }
}

impl<R: CryptoRngCore, T: Judge> Lend for Secure<'_, '_, '_, '_, R, T> {
    fn take_back(&mut self) {
        if matches!(self.at, At::Used) {
            self.reset();
        }
    }
}

impl<R, T> Drop for Secure<'_, '_, '_, '_, R, T> {
    /// Gives the slot back, with its inbox in it.
    fn drop(&mut self) {
        let Ok(mut below) = self.below.try_borrow_mut() else { return };
        if let Some(mut lease) = below.lease.take() {
            lease.swap_inbox(&mut self.inbox);
        }
    }
}

impl<R, T> fmt::Debug for Secure<'_, '_, '_, '_, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secure")
    }
}

/// What the server sends.
struct Reader<'x, 'c, 's, 'd> {
    library: TlsReader<'x, Port<'c, 's, 'd>, Aes128GcmSha256>,
    port: Port<'c, 's, 'd>,
    left: &'x mut usize,
    is_ended: &'x mut bool,
}

impl<'x, 'c: 'x, 's: 'x, 'd: 'x> Reader<'x, 'c, 's, 'd> {
    /// Ready when a read can begin: there are bytes, or the end, or an error.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match *self.left > 0 || *self.is_ended {
            true => Poll::Ready(()),
            false => self.port.poll_readable(cx),
        }
    }

    /// Reads a record, and what of it there is room for then. 0 is the end, and `None` says that
    /// nothing came, or nothing is wanted by now.
    ///
    /// Once it has begun with a record it is not dropped, unless the connection is.
    async fn read(&mut self, place: &mut impl Place) -> Result<Option<usize>, Lost> {
        if *self.is_ended {
            return Ok(Some(0));
        }
        let port = self.port;
        if port.is_amid() {
            // A read was dropped here: what it had of the record is lost, and with it the rest.
            return Err(Lost);
        }
        let read = {
            let mut filled = pin!(self.library.fill_buf());
            poll_fn(|cx| match filled.as_mut().poll(cx) {
                // That record was the server's own, a ticket: the next one is another read.
                Poll::Pending if !port.is_amid() => Poll::Ready(Ok((0, 0))),
                Poll::Pending => Poll::Pending,
                Poll::Ready(read) => Poll::Ready(read.map(|content| {
                    let space = place.space().unwrap_or_default();
                    (copy(content, space), content.len())
                })),
            })
            .await
        };
        let (count, all) = match read {
            Ok(read) => read,
            Err(Library::ConnectionClosed) => {
                *self.is_ended = true;
                return Ok(Some(0));
            }
            // Also the end of the connection, where the server did not say that it is one.
            Err(_) => return Err(Lost),
        };
        self.library.consume(count);
        *self.left = all.saturating_sub(count);
        Ok(Some(count).filter(|count| *count > 0))
    }
}

impl<'x, 'c: 'x, 's: 'x, 'd: 'x> Incoming for Reader<'x, 'c, 's, 'd> {
    async fn read_when(&mut self, place: &mut impl Place) -> Result<Option<usize>, Lost> {
        loop {
            poll_fn(|cx| match place.space() {
                None => Poll::Pending,
                Some([]) => Poll::Ready(()),
                Some(_) => self.poll_readable(cx),
            })
            .await;
            if place.space().is_none_or(|space| space.is_empty()) {
                return Ok(None);
            }
            if let Some(count) = self.read(place).await? {
                return Ok(Some(count));
            }
        }
    }
}

/// What is sent to it.
struct Writer<'x, 'c, 's, 'd> {
    library: TlsWriter<'x, Port<'c, 's, 'd>, Aes128GcmSha256>,
    port: Port<'c, 's, 'd>,
    most: usize,
}

impl<'x, 'c: 'x, 's: 'x, 'd: 'x> Writer<'x, 'c, 's, 'd> {
    /// Puts one record into the socket, which has room for it: nothing of it is waited for.
    #[inline(never)] // What it takes of the stack is not there while others go deep.
    fn put(&mut self, room: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<usize, Lost> {
        let mut piece = [0; PIECE];
        let room = piece.get_mut(..room.min(self.most)).unwrap_or_default();
        let count = fill(room);
        let bytes = room.get(..count).ok_or(Lost)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let library = &mut self.library;
        let written = pin!(async {
            library.write_all(bytes).await?;
            library.flush().await
        });
        match written.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Ok(count),
            Poll::Ready(Err(_)) | Poll::Pending => Err(Lost),
        }
    }
}

impl<'x, 'c: 'x, 's: 'x, 'd: 'x> Outgoing for Writer<'x, 'c, 's, 'd> {
    async fn write_when(
        &mut self,
        mut is_due: impl FnMut() -> bool,
        fill: impl FnMut(&mut [u8]) -> usize,
    ) -> Result<usize, Lost> {
        let room = poll_fn(|cx| match is_due() {
            true => self.port.poll_room(cx),
            false => Poll::Pending,
        });
        let room = room.await?;
        self.put(room, fill)
    }
}

impl Below<'_, '_> {
    pub(crate) const fn new() -> Self {
        Self { lease: None, filter: Filter::new() }
    }
}
