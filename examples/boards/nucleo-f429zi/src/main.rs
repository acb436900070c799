//! Telemetry on a Nucleo-F429ZI: the supply voltage, posted every ten seconds.

#![no_std]
#![no_main]

use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{DhcpConfig, Stack, StackResources};
use embassy_stm32::adc::{Adc, SampleTime, VrefInt};
use embassy_stm32::eth::{self, Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::peripherals::{ADC1, ETH, ETH_SMA, IWDG, RNG};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{bind_interrupts, rcc, uid};
use embassy_time::{Duration, Ticker};
use static_cell::{ConstStaticCell, StaticCell};
use telemetry::{Memory, Notice, Sender, Settings, Source, Url, Watchdog};

bind_interrupts!(struct Interrupts {
    ETH => eth::InterruptHandler;
    HASH_RNG => rng::InterruptHandler<RNG>;
});

/// Where readings go: `TELEMETRY_URL=http://… cargo build --release`.
const URL: &str = match option_env!("TELEMETRY_URL") {
    Some(url) => url,
    None => "http://192.0.2.1/readings", // An address for documentation: nobody has it.
};

/// Readings that wait while there is no network: 16 bytes each, 80 minutes of them.
const QUEUE: usize = 512;

/// The time of the watchdog, in microseconds.
const WATCHDOG: u32 = 8_000_000;

type Driver = Ethernet<'static, ETH, GenericPhy<Sma<'static, ETH_SMA>>>;

/// 8 MHz come from the debugger's half of the board. 168 MHz for the core, and the 48 MHz that the
/// random number generator needs.
fn clocks() -> embassy_stm32::Config {
    let mut config = embassy_stm32::Config::default();
    let hertz = embassy_stm32::time::Hertz(8_000_000);
    config.rcc.hse = Some(rcc::Hse { freq: hertz, mode: rcc::HseMode::Bypass });
    config.rcc.pll_src = rcc::PllSource::HSE;
    config.rcc.pll = Some(rcc::Pll {
        prediv: rcc::PllPreDiv::DIV4,
        mul: rcc::PllMul::MUL168,
        divp: Some(rcc::PllPDiv::DIV2),
        divq: Some(rcc::PllQDiv::DIV7),
        divr: None,
    });
    config.rcc.ahb_pre = rcc::AHBPrescaler::DIV1;
    config.rcc.apb1_pre = rcc::APBPrescaler::DIV4;
    config.rcc.apb2_pre = rcc::APBPrescaler::DIV2;
    config.rcc.sys = rcc::Sysclk::PLL1_P;
    config
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    static PACKETS: StaticCell<PacketQueue<4, 4>> = StaticCell::new();
    static SOCKETS: StaticCell<StackResources<3>> = StaticCell::new();

    let board = embassy_stm32::init(clocks());
    let mut dog = IndependentWatchdog::new(board.IWDG, WATCHDOG);
    dog.unleash();
    let mut random = Rng::new(board.RNG, Interrupts);

    // Locally administered, of the chip's own number: the same at each start.
    let number = uid::uid();
    let address = [0x02, number[0], number[2], number[4], number[8], number[10]];
    let driver = Ethernet::new(
        PACKETS.init_with(PacketQueue::new),
        board.ETH,
        Interrupts,
        board.PA1,  // reference clock
        board.PA7,  // carrier sense
        board.PC4,  // receive 0
        board.PC5,  // receive 1
        board.PG13, // transmit 0
        board.PB13, // transmit 1
        board.PG11, // transmit enable
        address,
        board.ETH_SMA,
        board.PA2, // management data
        board.PC1, // management clock
    );

    let config = embassy_net::Config::dhcpv4(DhcpConfig::default());
    let sockets = SOCKETS.init_with(StackResources::new);
    let (stack, runner) = embassy_net::new(driver, config, sockets, random.next_u64());
    spawner.spawn(defmt::unwrap!(network(runner)));

    let adc = Adc::new(board.ADC1);
    let reference = adc.enable_vrefint();
    let supply = Supply { adc, reference, ticks: Ticker::every(Duration::from_secs(10)) };
    spawner.spawn(defmt::unwrap!(report(stack, supply, Dog(dog), random.next_u64())));
}

#[embassy_executor::task]
async fn network(mut runner: embassy_net::Runner<'static, Driver>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn report(stack: Stack<'static>, mut supply: Supply, mut dog: Dog, seed: u64) -> ! {
    static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());

    let url = defmt::unwrap!(Url::parse(URL).ok(), "TELEMETRY_URL is no URL");
    let sender = defmt::unwrap!(Sender::new("nucleo-f429zi", seed));
    let mut settings = Settings::new(url, sender, seed);
    settings.notice = |notice: Notice| defmt::info!("{}", notice);
    let memory = MEMORY.take();
    match telemetry::run::<QUEUE>(stack, memory, &settings, &mut supply, &mut dog).await {}
}

/// The voltage that the chip runs on, by what it makes of its internal reference.
struct Supply {
    adc: Adc<'static, ADC1>,
    reference: VrefInt,
    ticks: Ticker,
}

impl Source for Supply {
    async fn read(&mut self) -> i32 {
        self.ticks.next().await;
        let steps = self.adc.blocking_read(&mut self.reference, SampleTime::CYCLES480).max(1);
        // STM32F429 datasheet, "Embedded internal reference voltage": 1.21 V, in 4096 steps.
        1210 * 4096 / i32::from(steps)
    }
}

/// The independent watchdog, which has a clock of its own.
struct Dog(IndependentWatchdog<'static, IWDG>);

impl Watchdog for Dog {
    fn feed(&mut self) {
        self.0.pet();
    }
}

/// What waits to be sent is lost; the device is not.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}
