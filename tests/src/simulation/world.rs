//! The world of the desktop runtime, as the simulation has it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_io::AsyncRead;
use sortie::internals::{ConnectFailure, Connecting, Endpoint, Stream, Timer, World};
use sortie_core::{BodyLength, CloseReason, Instant, Scheme, Transport};

use super::Shared;
use super::network::Stage;
use super::plan::ORIGINS;
use super::random::{Side, bytes_of};

/// Streams, timers and the clock of one run.
#[derive(Clone)]
pub(super) struct Virtual {
    pub(super) shared: Shared,
    /// The task that has its turn: what happens meanwhile is of its doing.
    current: Arc<AtomicUsize>,
    alarms: Arc<Mutex<Alarms>>,
}

/// When which waker is woken, by timer.
#[derive(Default)]
struct Alarms {
    set: Vec<(usize, u64, Waker)>,
    timers: usize,
}

/// Whether a task was woken since its last turn.
#[derive(Debug)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) fn up() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.raise();
    }
}

impl Virtual {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { shared: shared.clone(), current: Arc::default(), alarms: Arc::default() }
    }

    pub(super) fn set_current(&self, task: usize) {
        self.current.store(task, Ordering::Relaxed);
    }

    pub(super) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those whose time has come.
    pub(super) fn ring(&self) {
        let now = self.shared.net().now;
        let mut alarms = self.alarms();
        let (due, set) =
            std::mem::take(&mut alarms.set).into_iter().partition(|(_, at, _)| *at <= now);
        alarms.set = set;
        drop(alarms);
        // With nothing locked: what is woken may act at once.
        let due: Vec<(usize, u64, Waker)> = due;
        due.into_iter().for_each(|(.., waker)| waker.wake());
    }

    pub(super) fn next_alarm(&self) -> Option<u64> {
        self.alarms().set.iter().map(|(_, at, _)| *at).min()
    }

    fn set_alarm(&self, timer: usize, at: u64, waker: &Waker) {
        let mut alarms = self.alarms();
        alarms.set.retain(|(other, ..)| *other != timer);
        alarms.set.push((timer, at, waker.clone()));
    }

    fn new_timer(&self) -> usize {
        let mut alarms = self.alarms();
        alarms.timers += 1;
        alarms.timers
    }

    /// What a task sends, as a reader gives it.
    pub(super) fn source(&self, task: usize) -> Source {
        Source { world: self.clone(), task, at: 0, timer: self.new_timer(), pauses_until: 0 }
    }
}

impl World for Virtual {
    type Stream = Wire;
    type Timer = Alarm;

    fn now(&self) -> Instant {
        Instant::from_micros(self.shared.net().now)
    }

    fn timer(&self) -> Alarm {
        Alarm { number: self.new_timer(), world: self.clone() }
    }

    fn connect(&self, endpoint: Endpoint) -> Connecting<Wire> {
        let scheme = match endpoint.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Ws | Scheme::Wss => panic!("no scheme of the plan"),
        };
        let Endpoint { host, port, .. } = &endpoint;
        let name = format!("{scheme}://{host}:{port}");
        let is_it = |origin: &&str| name == **origin || name == format!("{origin}:80");
        let origin = ORIGINS.iter().position(is_it);
        let task = self.current();
        let link = self.shared.net().connect(task, origin.expect("an origin of the plan"));
        let wire = Wire { world: self.clone(), link };
        Box::pin(Attempt { task, wire: Some(wire) })
    }

    fn released(&self, reason: Option<CloseReason>) {
        let mut net = self.shared.net();
        let task = self.current();
        if reason == Some(CloseReason::Stale) {
            net.ledger.tasks[task].stale += 1;
        }
        // One that is closed is released when it is.
        if let (None, Some(link)) = (reason, net.ledger.tasks[task].link) {
            net.give_back(link);
        }
    }
}

/// A connection attempt.
struct Attempt {
    task: usize,
    wire: Option<Wire>,
}

impl Future for Attempt {
    type Output = Result<Wire, ConnectFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let wire = self.wire.take().expect("polled after its end");
        let mut net = wire.world.shared.net();
        match net.links[wire.link].stage {
            Stage::Opening => {
                net.links[wire.link].reader = Some(cx.waker().clone());
                drop(net);
                self.wire = Some(wire);
                Poll::Pending
            }
            Stage::Open => {
                net.begin(wire.link, self.task);
                drop(net);
                Poll::Ready(Ok(wire))
            }
            Stage::Refused => {
                net.ledger.refused(self.task);
                drop(net);
                Poll::Ready(Err(Transport::Refused.into()))
            }
            Stage::Closed => unreachable!("closed by nobody"),
        }
    }
}

/// The near end of a connection.
pub(super) struct Wire {
    world: Virtual,
    link: usize,
}

impl Wire {
    /// Whoever uses an idle connection has it.
    fn take(&self) {
        let mut net = self.world.shared.net();
        if net.links[self.link].exchange.is_none() {
            net.begin(self.link, self.world.current());
        }
        assert_eq!(net.links[self.link].holder, Some(self.world.current()), "of another task");
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.world.shared.net().close(self.link);
    }
}

impl Stream for Wire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.take();
        let mut net = self.world.shared.net();
        let read = net.read(self.link, buffer);
        net.links[self.link].reader = read.is_pending().then(|| cx.waker().clone());
        read
    }

    fn is_quiet(&mut self) -> bool {
        !self.world.shared.net().is_readable(self.link)
    }

    fn is_drained(&self) -> bool {
        // A short read is short because there was no more.
        let net = self.world.shared.net();
        !net.plan.cuts && net.links[self.link].was_drained
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take();
        let mut net = self.world.shared.net();
        let written = net.write(self.link, bytes);
        net.links[self.link].writer = written.is_pending().then(|| cx.waker().clone());
        written
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.poll_write(cx, &bytes)
    }
}

/// A timer in virtual time.
pub(super) struct Alarm {
    world: Virtual,
    number: usize,
}

impl Timer for Alarm {
    fn poll_until(&mut self, cx: &mut Context<'_>, _: Instant, at: Instant) -> Poll<()> {
        let at = at.as_micros();
        if at <= self.world.shared.net().now {
            return Poll::Ready(());
        }
        self.world.set_alarm(self.number, at, cx.waker());
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.world.alarms().set.retain(|(number, ..)| *number != self.number);
    }
}

/// The body of a request from a reader that gives pieces, and has to wait for some.
pub(super) struct Source {
    world: Virtual,
    task: usize,
    at: u64,
    timer: usize,
    pauses_until: u64,
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let shared = self.world.shared.clone();
        let mut net = shared.net();
        if net.now < self.pauses_until {
            self.world.set_alarm(self.timer, self.pauses_until, cx.waker());
            net.ledger.tasks[self.task].source_until = self.pauses_until;
            return Poll::Pending;
        }
        let (task, plan) = (self.task, &net.plan.tasks[self.task]);
        let left = plan.upload - plan.lacks - self.at;
        let count = left.min(plan.piece).min(buffer.len() as u64) as usize;
        let bytes = bytes_of(task, Side::Upload, self.at, count);
        buffer[..count].copy_from_slice(&bytes);
        self.at += count as u64;
        if net.plan.tasks[task].body == BodyLength::Unknown {
            let now = net.now;
            net.ledger.touch(task, now);
        }
        let pause = net.plan.tasks[task].source_pause;
        self.pauses_until = net.now + net.random.below(2) * net.random.below(pause + 1);
        Poll::Ready(Ok(count))
    }
}
