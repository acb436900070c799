//! `telemetry PORT READINGS END`: the program of `examples/boards`, on a board that QEMU emulates.
//!
//! It takes readings and posts them to the host. END is what the sensor does after so many:
//!
//! | word | the sensor |
//! |---|---|
//! | `on` | goes on, and the run ends when the server has decided about so many |
//! | `hang` | never comes back, as one whose bus is stuck |
//! | `spin` | never lets go of the processor, as a driver that waits for a bit |
//!
//! In the last two cases the watchdog resets the board, and the program begins again.
//! `telemetry.py` has the server, and judges what it saw.

#![no_std]
#![no_main]

use core::future::pending;

use embassy_executor::Spawner;
use embassy_futures::select::select;
use embassy_net::Stack;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Ticker};
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::watchdog::Dog;
use sortie_firmware::board::{self, stack};
use sortie_firmware::{net, report};
use static_cell::ConstStaticCell;
use telemetry::{Memory, Notice, Sender, Settings, Source, Url, Verdict, Watchdog};

/// Readings that wait at most.
const QUEUE: usize = 32;

/// The times here are a tenth of those of a device in the field, so that a run is short.
const PERIOD: Duration = Duration::from_millis(100);

/// Milliseconds that the watchdog waits before it barks, and again before it bites.
const WATCHDOG: u32 = 1_500;

/// How many readings the server has decided about.
static DECIDED: Signal<CriticalSectionRawMutex, u32> = Signal::new();

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let dog = Dog::start(WATCHDOG);
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::Line::new().text(b"boot").print();
    report::finish(run(stack, dog).await.is_some())
}

async fn run(stack: Stack<'static>, dog: Dog) -> Option<()> {
    static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());

    let arguments = Arguments::read();
    let mut words = arguments.words();
    let port = words.next()?;
    let readings = host::port(words.next()?)?.into();
    let mut sensor = Sensor {
        left: readings,
        taken: 0,
        end: match words.next()? {
            b"on" => End::On,
            b"hang" => End::Hang,
            b"spin" => End::Spin,
            _ => return None,
        },
        ticks: Ticker::every(PERIOD),
    };
    let mut url = [0; 48];
    let url = Url::from_ascii(net::url(port, b"/readings", &mut url)?).ok()?;
    let start = host::random();
    let mut settings = Settings::new(url, Sender::new("mps2", start)?, start);
    settings.request_timeout = Duration::from_millis(4_000);
    settings.resource_timeout = Duration::from_millis(10_000);
    settings.reading_within = PERIOD * 5;
    settings.policy.linger = PERIOD * 5;
    settings.policy.backoff = PERIOD;
    settings.policy.ceiling = PERIOD * 20;
    settings.notice = notice;
    let goes_on = matches!(sensor.end, End::On);
    let all = async { while DECIDED.wait().await < readings || !goes_on {} };
    let mut dog = Fed(dog);
    let memory = MEMORY.take();
    let posting = telemetry::run::<QUEUE>(stack, memory, &settings, &mut sensor, &mut dog);
    select(posting, all).await;
    Some(())
}

/// Prints what came of an attempt: the status, or 0, and what became of all readings.
fn notice(notice: Notice) {
    let counts = notice.counts;
    let line = report::Line::new().text(b"answer ").decimal(notice.answer.unwrap_or(0).into());
    let line = line.text(b" accepted ").decimal(counts.accepted);
    let line = line.text(b" dropped ").decimal(counts.dropped);
    line.text(b" refused ").decimal(counts.refused).print();
    // Not sooner than the server knows the counts.
    if notice.verdict == Verdict::Accepted {
        DECIDED.signal(counts.accepted + counts.dropped + counts.refused);
    }
}

#[derive(Clone, Copy)]
enum End {
    On,
    Hang,
    Spin,
}

/// Readings whose values say which they are.
struct Sensor {
    left: u32,
    taken: i32,
    end: End,
    ticks: Ticker,
}

impl Source for Sensor {
    async fn read(&mut self) -> i32 {
        if self.left == 0 {
            match self.end {
                End::On => self.left = u32::MAX,
                End::Hang => pending::<()>().await,
                End::Spin => loop {
                    core::hint::spin_loop();
                },
            }
        }
        self.ticks.next().await;
        self.left -= 1;
        self.taken += 1;
        20_000 + self.taken
    }
}

/// The board's watchdog.
struct Fed(Dog);

impl Watchdog for Fed {
    fn feed(&mut self) {
        self.0.feed();
    }
}
