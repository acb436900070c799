//! Telemetry on a W5500-EVB-Pico: the temperature of the RP2040 itself, posted every ten seconds.

#![no_std]
#![no_main]

use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::{DhcpConfig, Stack, StackResources};
use embassy_net_wiznet::State;
use embassy_net_wiznet::chip::W5500;
use embassy_rp::adc::{self, Adc, Channel};
use embassy_rp::clocks::RoscRng;
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, SPI0};
use embassy_rp::spi::{self, Async, Spi};
use embassy_rp::{bind_interrupts, dma, watchdog};
use embassy_time::{Delay, Duration, Ticker};
use embedded_hal_bus::spi::ExclusiveDevice;
use static_cell::{ConstStaticCell, StaticCell};
use telemetry::{Memory, Notice, Sender, Settings, Source, Url, Watchdog};

bind_interrupts!(struct Interrupts {
    ADC_IRQ_FIFO => adc::InterruptHandler;
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
});

/// Where readings go: `TELEMETRY_URL=http://… cargo build --release`.
const URL: &str = match option_env!("TELEMETRY_URL") {
    Some(url) => url,
    None => "http://192.0.2.1/readings", // An address for documentation: nobody has it.
};

/// Readings that wait while there is no network: 16 bytes each, 40 minutes of them.
const QUEUE: usize = 256;

/// The time of the watchdog. The longest that this one has is 8.3 s.
const WATCHDOG: Duration = Duration::from_secs(5);

type Chip = embassy_net_wiznet::Runner<
    'static,
    W5500,
    ExclusiveDevice<Spi<'static, SPI0, Async>, Output<'static>, Delay>,
    Input<'static>,
    Output<'static>,
>;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    static STATE: StaticCell<State<4, 4>> = StaticCell::new();
    static SOCKETS: StaticCell<StackResources<3>> = StaticCell::new();

    let board = embassy_rp::init(embassy_rp::config::Config::default());
    let mut dog = watchdog::Watchdog::new(board.WATCHDOG);
    dog.pause_on_debug(true);
    dog.start(WATCHDOG);
    let mut random = RoscRng;

    // The wires between the RP2040 and the W5500 are on the board.
    let mut config = spi::Config::default();
    config.frequency = 33_000_000;
    let (clock, output, input) = (board.PIN_18, board.PIN_19, board.PIN_16);
    let (send, receive) = (board.DMA_CH0, board.DMA_CH1);
    let bus = Spi::new(board.SPI0, clock, output, input, send, receive, Interrupts, config);
    let select = Output::new(board.PIN_17, Level::High);
    let interrupt = Input::new(board.PIN_21, Pull::Up);
    let reset = Output::new(board.PIN_20, Level::High);
    let Ok(device) = ExclusiveDevice::new(bus, select, Delay);

    // Locally administered, and random: no address is programmed into this board.
    let mut address = [0; 6];
    random.fill_bytes(&mut address);
    address[0] = (address[0] & 0xfc) | 0x02;
    let state = STATE.init_with(State::new);
    let chip = embassy_net_wiznet::new(address, state, device, interrupt, reset).await;
    // The watchdog tries again.
    let Ok((driver, chip)) = chip else { defmt::panic!("no W5500 answers") };
    spawner.spawn(defmt::unwrap!(drive(chip)));

    let config = embassy_net::Config::dhcpv4(DhcpConfig::default());
    let sockets = SOCKETS.init_with(StackResources::new);
    let (stack, runner) = embassy_net::new(driver, config, sockets, random.next_u64());
    spawner.spawn(defmt::unwrap!(network(runner)));

    let sensor = Channel::new_temp_sensor(board.ADC_TEMP_SENSOR);
    let adc = Adc::new(board.ADC, Interrupts, adc::Config::default());
    let thermometer = Thermometer { adc, sensor, ticks: Ticker::every(Duration::from_secs(10)) };
    spawner.spawn(defmt::unwrap!(report(stack, thermometer, Dog(dog), random.next_u64())));
}

#[embassy_executor::task]
async fn drive(chip: Chip) -> ! {
    chip.run().await
}

#[embassy_executor::task]
async fn network(
    mut runner: embassy_net::Runner<'static, embassy_net_wiznet::Device<'static>>,
) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn report(stack: Stack<'static>, mut thermometer: Thermometer, mut dog: Dog, seed: u64) -> ! {
    static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());

    let url = defmt::unwrap!(Url::parse(URL).ok(), "TELEMETRY_URL is no URL");
    let sender = defmt::unwrap!(Sender::new("w5500-evb-pico", seed));
    let mut settings = Settings::new(url, sender, seed);
    settings.notice = |notice: Notice| defmt::info!("{}", notice);
    let memory = MEMORY.take();
    match telemetry::run::<QUEUE>(stack, memory, &settings, &mut thermometer, &mut dog).await {}
}

/// The sensor in the RP2040, whose voltage falls by 1.721 mV with each degree.
struct Thermometer {
    adc: Adc<'static, adc::Async>,
    sensor: Channel<'static>,
    ticks: Ticker,
}

impl Source for Thermometer {
    async fn read(&mut self) -> i32 {
        self.ticks.next().await;
        loop {
            if let Ok(steps) = self.adc.read(&mut self.sensor).await {
                // RP2040 datasheet §4.9.5: 27 - (V - 0.706) / 0.001721, of 3.3 V in 4096 steps.
                let microvolts = i32::from(steps) * 805_664 / 1000;
                return 27_000 - (microvolts - 706_000) * 1000 / 1721;
            }
        }
    }
}

/// The watchdog of the RP2040, which resets the board.
struct Dog(watchdog::Watchdog);

impl Watchdog for Dog {
    fn feed(&mut self) {
        self.0.feed(WATCHDOG);
    }
}

/// What waits to be sent is lost; the device is not.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}
