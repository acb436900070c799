#![no_std]
//! Readings of a device, posted to a server: what the boards beside this crate share.
//!
//! A board brings a network stack, a [`Source`] of readings and a [`Watchdog`]; [`run`] does the
//! rest, for as long as the device has power. What is decided (what is sent when, what an answer
//! means, what is dropped) is decided in [`policy`], a machine without I/O that its tests drive in
//! virtual time.
//!
//! - [`policy`]: batches, answers, waiting. Why there are duplicates, and what is done about them.
//! - [`queue`]: a bounded queue of readings.
//! - [`backoff`]: exponential, with full jitter. [`retry_after`]: what the server asks for.
//! - [`body`]: a batch as JSON. [`watch`]: a watchdog that is fed by progress.

pub mod backoff;
pub mod body;
pub mod policy;
pub mod queue;
pub mod retry_after;
pub mod watch;

use core::cell::RefCell;
use core::convert::Infallible;

use embassy_futures::join::join3;
use embassy_futures::select::select;
use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::{ErrorType, Write};
use sortie_embassy::{BodyLength, Config, Error, Request, Resources, Session, Slot, field};

pub use crate::body::Sender;
pub use crate::policy::{Counts, Policy, Verdict};
pub use crate::watch::Watchdog;
pub use sortie_embassy::{Field, Url};

use crate::body::Label;
use crate::policy::{Machine, Output};
use crate::queue::Reading;
use crate::watch::{FEED_EVERY, Lane, Watch};

/// Bytes of the head of an answer: what a server and a proxy before it send.
const HEAD: usize = 1024;

/// Fields of a head that are looked at.
const FIELDS: usize = 32;

/// How often the sending loop looks about while there is nothing to do. Each look is a step, so
/// that a wake-up that was lost costs no more than this.
const LOOK: Duration = Duration::from_secs(10);

/// Where readings come from.
pub trait Source {
    /// Waits for the time of the next reading, takes it, and returns it in thousandths of its unit.
    fn read(&mut self) -> impl Future<Output = i32>;
}

/// What the board and its place in the world are.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Where readings are posted to.
    pub url: Url<'a>,
    /// Who posts them.
    pub sender: Sender<'a>,
    /// The field with the credentials, if there are any: Authorization, or one of the server's own.
    pub authorization: Option<Field<'a>>,
    /// The longest time from one reading to the next. A source that takes longer hangs.
    pub reading_within: Duration,
    /// The longest time without a byte from the server. 15 s.
    pub request_timeout: Duration,
    /// The longest time for one attempt. 60 s.
    pub resource_timeout: Duration,
    /// When is what sent.
    pub policy: Policy,
    /// A random number, not the same after each start: for jitter.
    pub seed: u64,
    /// Is told what came of each attempt.
    pub notice: fn(Notice),
}

impl<'a> Settings<'a> {
    /// The ones to begin with.
    #[must_use]
    pub fn new(url: Url<'a>, sender: Sender<'a>, seed: u64) -> Self {
        Self {
            url,
            sender,
            authorization: None,
            reading_within: Duration::from_secs(60),
            request_timeout: Duration::from_secs(15),
            resource_timeout: Duration::from_secs(60),
            policy: Policy::default(),
            seed,
            notice: |_| (),
        }
    }
}

/// What came of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Notice {
    /// The status of the answer, or why there was none.
    pub answer: Result<u16, Error>,
    /// What was done about it; nothing but waiting where there was no answer.
    pub verdict: Verdict,
    /// How many readings wait now.
    pub waiting: usize,
    /// What became of the others.
    pub counts: Counts,
}

/// The memory of [`run`] beside its future. Meant for a static.
pub struct Memory {
    connection: Resources<1, 1024, 1024, HEAD>,
    head: [u8; HEAD],
    body: [u8; body::ROOM],
    key: [u8; body::KEY],
}

impl Memory {
    /// As it is before the start.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connection: Resources::new(),
            head: [0; HEAD],
            body: [0; body::ROOM],
            key: [0; body::KEY],
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Memory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// Takes readings and posts them, over one connection that is kept, for ever. `QUEUE` readings wait
/// at most, in the future.
///
/// The stack needs one socket for it, and one for names.
///
/// # Dropping
/// Loses the readings that wait, as a loss of power does.
pub async fn run<const QUEUE: usize>(
    stack: Stack<'_>,
    memory: &mut Memory,
    settings: &Settings<'_>,
    source: &mut impl Source,
    watchdog: &mut impl Watchdog,
) -> Infallible {
    let shared = Shared {
        machine: RefCell::new(Machine::<QUEUE>::new(settings.policy, settings.seed)),
        watch: RefCell::new(Watch::new(Instant::now())),
        is_new: Signal::new(),
    };
    let Memory { connection, head, body, key } = memory;
    let mut config = Config::default();
    config.request_timeout = settings.request_timeout;
    config.resource_timeout = settings.resource_timeout;
    let session = Session::new(stack, connection, config);
    let mut post = Post { session: &session, settings, head, body, key, lengths: (0, 0) };
    let reading = take_readings(&shared, settings, source);
    let sending = send(&shared, stack, &mut post);
    join3(reading, sending, feed(&shared, watchdog)).await.0
}

/// What the loops share. They run in one task, and hold none of it while they wait.
struct Shared<const QUEUE: usize> {
    machine: RefCell<Machine<QUEUE>>,
    watch: RefCell<Watch>,
    /// A reading came.
    is_new: Signal<NoopRawMutex, ()>,
}

impl<const QUEUE: usize> Shared<QUEUE> {
    fn enter(&self, lane: Lane, allowance: Duration) {
        self.watch.borrow_mut().enter(lane, Instant::now(), allowance);
    }
}

async fn take_readings<const QUEUE: usize>(
    shared: &Shared<QUEUE>,
    settings: &Settings<'_>,
    source: &mut impl Source,
) -> Infallible {
    loop {
        shared.enter(Lane::Readings, settings.reading_within);
        let value = source.read().await;
        shared.machine.borrow_mut().handle_reading(Instant::now(), value);
        shared.is_new.signal(());
    }
}

async fn send<const QUEUE: usize>(
    shared: &Shared<QUEUE>,
    stack: Stack<'_>,
    post: &mut Post<'_, '_>,
) -> Infallible {
    loop {
        shared.enter(Lane::Sending, LOOK);
        let output = shared.machine.borrow_mut().poll_output(Instant::now());
        match output {
            Output::Idle => wait(shared, Instant::now() + LOOK).await,
            Output::Wait(until) => wait(shared, until.min(Instant::now() + LOOK)).await,
            // Without an address there is nothing to learn from an attempt, and no reason to wait
            // any longer once there is one.
            Output::Send(_) if !stack.is_config_up() => {
                let _ = with_timeout(LOOK, stack.wait_config_up()).await;
            }
            Output::Send(label) => {
                shared.enter(Lane::Sending, post.settings.resource_timeout);
                {
                    let machine = shared.machine.borrow();
                    post.write(&label, machine.in_hand());
                }
                let answer = post.send().await;
                let mut machine = shared.machine.borrow_mut();
                let now = Instant::now();
                let verdict = match answer {
                    Ok(Answer { status, retry_after }) => {
                        machine.handle_answer(now, status, retry_after)
                    }
                    Err(_) => {
                        machine.handle_failure(now);
                        Verdict::Later
                    }
                };
                let (waiting, counts) = (machine.waiting(), machine.counts());
                drop(machine);
                let answer = answer.map(|answer| answer.status);
                (post.settings.notice)(Notice { answer, verdict, waiting, counts });
            }
        }
    }
}

/// Until then, or until a reading comes.
async fn wait<const QUEUE: usize>(shared: &Shared<QUEUE>, until: Instant) {
    select(Timer::at(until), shared.is_new.wait()).await;
}

async fn feed<const QUEUE: usize>(
    shared: &Shared<QUEUE>,
    watchdog: &mut impl Watchdog,
) -> Infallible {
    loop {
        if shared.watch.borrow().may_feed(Instant::now()) {
            watchdog.feed();
        }
        Timer::after(FEED_EVERY).await;
    }
}

/// What an answer says that matters here.
#[derive(Clone, Copy)]
struct Answer {
    status: u16,
    retry_after: Option<Duration>,
}

/// How a batch gets to the server, and the buffers for that.
struct Post<'a, 'd> {
    session: &'a Session<'d, 1>,
    settings: &'a Settings<'a>,
    head: &'a mut [u8; HEAD],
    body: &'a mut [u8; body::ROOM],
    key: &'a mut [u8; body::KEY],
    /// Of the body and the key that were written.
    lengths: (usize, usize),
}

impl Post<'_, '_> {
    fn write<'r>(&mut self, label: &Label, readings: impl Iterator<Item = &'r Reading>) {
        let Self { settings, body, key, .. } = self;
        let body = body::write(&settings.sender, label, readings, body).len();
        let key = body::key(&settings.sender, label.number, key).len();
        self.lengths = (body, key);
    }

    /// One attempt to send what was written. The status decides, as soon as the head is there: what
    /// comes behind it is taken only so that the connection can be used again.
    async fn send(&mut self) -> Result<Answer, Error> {
        let (body, _) = self.body.split_at(self.lengths.0);
        let (key, _) = self.key.split_at(self.lengths.1);
        // unwrap: a key is made of visible characters.
        let key = Field::new("Idempotency-Key", key).unwrap();
        let json = field!("Content-Type", "application/json");
        // Where there are no credentials, a field that says what would be so without it.
        let other = self.settings.authorization.unwrap_or(field!("Accept", "*/*"));
        let fields = [json, key, other];
        let length = BodyLength::Known(body.len() as u64);
        // unwrap: POST takes a body, and three fields are fewer than the bound.
        let request = Request::new("POST", self.settings.url, &fields, length).unwrap();
        let mut index = [Slot::EMPTY; FIELDS];
        let task = self.session.data_task(&request).body(body).head(self.head, &mut index);
        let mut answer = task.open().await.map_err(|failure| failure.error)?;
        let head = answer.head();
        let retry_after = retry_after::delay(head.value("Retry-After"), head.value("Date"));
        let status = answer.status();
        let _ = answer.copy_to(&mut Nowhere).await;
        Ok(Answer { status, retry_after })
    }
}

/// Where the content of an answer goes.
struct Nowhere;

impl ErrorType for Nowhere {
    type Error = Infallible;
}

impl Write for Nowhere {
    async fn write(&mut self, content: &[u8]) -> Result<usize, Infallible> {
        Ok(content.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
