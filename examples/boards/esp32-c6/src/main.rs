//! Telemetry on an ESP32-C6 over Wi-Fi: the temperature of the chip, posted every ten seconds.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::{DhcpConfig, Stack, StackResources};
use embassy_time::{Duration, Ticker, Timer};
use esp_hal::peripherals::TIMG1;
use esp_hal::ram;
use esp_hal::rng::Rng;
use esp_hal::timer::timg::{MwdtStage, TimerGroup, Wdt};
use esp_hal::tsens::{self, TemperatureSensor};
use esp_println::println;
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{AuthenticationMethodConfig, Config, Interface, WifiController};
use static_cell::{ConstStaticCell, StaticCell};
use telemetry::{Memory, Notice, Sender, Settings, Source, Url, Watchdog};

esp_bootloader_esp_idf::esp_app_desc!();

/// Where readings go: `TELEMETRY_URL=http://… cargo build --release`.
const URL: &str = match option_env!("TELEMETRY_URL") {
    Some(url) => url,
    None => "http://192.0.2.1/readings", // An address for documentation: nobody has it.
};

/// The network, and its password. Both are in the image: whoever has that has them.
const NAME: &str = match option_env!("WIFI_NAME") {
    Some(name) => name,
    None => "none",
};
const PASSWORD: Option<&str> = option_env!("WIFI_PASSWORD");

/// Readings that wait while there is no network: 16 bytes each, 80 minutes of them.
const QUEUE: usize = 512;

/// The time of the watchdog.
const WATCHDOG: esp_hal::time::Duration = esp_hal::time::Duration::from_secs(8);

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    static SOCKETS: StaticCell<StackResources<3>> = StaticCell::new();

    let board = esp_hal::init(esp_hal::Config::default());
    // For the radio alone: nothing of ours allocates.
    esp_alloc::heap_allocator!(#[ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: 36 * 1024);
    let timers = TimerGroup::new(board.TIMG0);
    esp_rtos::start(timers.timer0, board.FROM_CPU_INTR0);

    let mut dog = TimerGroup::new(board.TIMG1).wdt;
    dog.set_timeout(MwdtStage::Stage0, WATCHDOG);
    dog.enable();

    // Random once the radio runs: its noise is the source.
    let controller = WifiController::new(board.WIFI, Default::default());
    // The watchdog, and with it the panic handler, is what there is to try again with.
    let Ok(controller) = controller else { panic!("the radio does not start") };
    let random = Rng::new();
    let seed = || u64::from(random.random()) << 32 | u64::from(random.random());

    let config = embassy_net::Config::dhcpv4(DhcpConfig::default());
    let sockets = SOCKETS.init_with(StackResources::new);
    let (stack, runner) = embassy_net::new(Interface::station(), config, sockets, seed());
    let sensor = TemperatureSensor::new(board.TSENS, tsens::Config::default());
    let Ok(sensor) = sensor else { panic!("the sensor does not start") };
    let thermometer = Thermometer { sensor, ticks: Ticker::every(Duration::from_secs(10)) };
    spawner.spawn(connect(controller).unwrap()); // unwrap: each task is spawned once.
    spawner.spawn(network(runner).unwrap()); // unwrap: the same.
    spawner.spawn(report(stack, thermometer, Dog(dog), seed()).unwrap()); // unwrap: the same.
}

/// Joins the network, and joins it again whenever it was lost.
#[embassy_executor::task]
async fn connect(mut controller: WifiController<'static>) -> ! {
    // unwrap: the name and the password are as long as those of a network can be.
    let mut station = StationConfig::default().with_ssid(NAME.try_into().unwrap());
    if let Some(password) = PASSWORD {
        let password = password.try_into().unwrap(); // unwrap: see above.
        station = station.with_authentication(AuthenticationMethodConfig::Wpa2Personal(password));
    }
    if let Err(error) = controller.set_config(&Config::Station(station)) {
        println!("Wi-Fi is not configured: {error:?}");
    }
    loop {
        match controller.connect_async().await {
            Ok(_) => {
                println!("Wi-Fi joined");
                let _ = controller.wait_for_disconnect_async().await;
            }
            Err(error) => println!("Wi-Fi not joined: {error:?}"),
        }
        Timer::after(Duration::from_secs(5)).await;
    }
}

#[embassy_executor::task]
async fn network(mut runner: embassy_net::Runner<'static, Interface>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn report(stack: Stack<'static>, mut thermometer: Thermometer, mut dog: Dog, seed: u64) -> ! {
    static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory::new());

    let url = Url::parse(URL).unwrap(); // unwrap: else TELEMETRY_URL is no URL.
    // unwrap: the name has letters, digits and a hyphen.
    let sender = Sender::new("esp32-c6", seed).unwrap();
    let mut settings = Settings::new(url, sender, seed);
    settings.notice = |notice: Notice| println!("{notice:?}");
    let memory = MEMORY.take();
    match telemetry::run::<QUEUE>(stack, memory, &settings, &mut thermometer, &mut dog).await {}
}

/// The sensor in the chip.
struct Thermometer {
    sensor: TemperatureSensor<'static>,
    ticks: Ticker,
}

impl Source for Thermometer {
    async fn read(&mut self) -> i32 {
        self.ticks.next().await;
        (self.sensor.get_temperature().to_celsius() * 1000.0) as i32
    }
}

/// The watchdog of the second timer group, which resets the chip.
struct Dog(Wdt<TIMG1<'static>>);

impl Watchdog for Dog {
    fn feed(&mut self) {
        self.0.feed();
    }
}

/// What waits to be sent is lost; the device is not.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    esp_hal::system::software_reset()
}
