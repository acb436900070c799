//! `ota PORT FILE`: a device that keeps its firmware up to date, through losses of power.
//!
//! Read it from [`main`] down. It is a whole program: what stands here for a board of your own is
//! only [`board`], and what is said under *Loader*.
//!
//! # Flash
//!
//! | from | bytes | |
//! |---|---|---|
//! | 0 | 8 KiB | the journal: what boots, and how far an update is |
//! | 8 KiB | 1088 KiB | slot A: the image that the device left the factory with |
//! | 1096 KiB | 1088 KiB | slot B: room for the next one |
//!
//! FILE is a file of the host that stands for this chip, see [`board::flash`]: cut the power by
//! `kill -9` of QEMU at any moment, start it again, and it goes on. `ota.py` does that.
//!
//! # Loader
//!
//! On a device the loader is a program of its own, at the reset vector. It does what [`boot`] does,
//! and jumps to the slot. Here both are one program, which does not jump: it reads in the slot that
//! was chosen who it is, where the build of a real image would have written that down. An image is
//! `SORT`, its version, and anything.
//!
//! A real image is linked for the addresses of its slot. So the server has each release twice, one
//! for either slot, and the device asks for that of [`Journal::target`]; or the chip has two banks
//! that it exchanges; or `embassy-boot` is the loader, which copies: then there is one slot for
//! updates, and a list of what to do in [`sortie_embassy::ota`].
//!
//! # Update
//!
//! 1. [`boot`]: the journal says which image starts, and counts the starts of one on trial.
//! 2. [`confirm_or_restart`]: an image on trial finds out whether it works, the server included.
//!    If it does, it is the good one from then on. If not it restarts, and after three starts
//!    ([`TRIALS`](sortie_embassy::ota::TRIALS)) the image before is back.
//! 3. [`ask`]: the server says which [release](release) it has.
//! 4. [`update::fetch`]: the image comes to the other slot, in as many attempts as it takes, and
//!    is verified there.
//! 5. [`board::restart`], and the next start is 1.

#![no_std]
#![no_main]

mod release;
mod server;
mod update;

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_time::{Duration, Timer, with_timeout};
use sortie_embassy::ota::{ImageSlot, Journal, Stage};
use sortie_embassy::{Config, Resources, Session};
use sortie_firmware::board::flash::Flash;
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net::{self, HEAD, RECEIVE, SEND};
use sortie_firmware::{report, say};
use static_cell::StaticCell;

use release::Release;
use server::{Server, Trouble};

/// Bytes of the journal: two sectors, each of which it erases about once for 190 sectors of images.
const JOURNAL: usize = 8 << 10;
/// Bytes of a slot: whole sectors, and the most that an image can have.
const SLOT: usize = 1088 << 10;

/// How long an image on trial may take to find that it works.
const TRIAL: Duration = Duration::from_secs(60);

/// How long the server may say nothing until an attempt is given up.
const SILENCE: Duration = Duration::from_secs(10);

/// How long the device waits before it asks again, at first and at most. On a device that is to ask
/// once a day these are an hour and a day; and of each wait a random part is left out, so that a
/// thousand devices do not all come at once when the power is back in their street.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_millis(1600);

/// How often it asks in vain until this run ends, as failed. A device has no such number.
const ROUNDS: u32 = 6;

/// How long the server may take to note that a connection was closed.
const CLOSING: Duration = Duration::from_secs(3);

/// The journal and the slots, on the chip.
struct Storage {
    journal: Journal<Flash>,
    a: Flash,
    b: Flash,
}

impl Storage {
    /// Opens the chip, and reads the journal. `None`: no such chip, or a journal that cannot be
    /// read. A loader then has nothing to go by, and starts slot A.
    async fn open(file: &[u8]) -> Option<Self> {
        let chip = Flash::open(file)?;
        let journal = chip.part(0, JOURNAL)?;
        let (a, b) = (chip.part(JOURNAL, SLOT)?, chip.part(JOURNAL + SLOT, SLOT)?);
        let journal = Journal::open(journal).await.inspect_err(|error| say!("journal: {error}"));
        Some(Self { journal: journal.ok()?, a, b })
    }

    const fn slot(&mut self, slot: ImageSlot) -> &mut Flash {
        match slot {
            ImageSlot::A => &mut self.a,
            ImageSlot::B => &mut self.b,
        }
    }
}

/// The image that was started.
#[derive(Debug, Clone, Copy)]
struct Running {
    version: u32,
    on_trial: bool,
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let (Some(port), Some(file)) = (words.next(), words.next()) else { host::exit(false) };
    let Some(mut storage) = Storage::open(file).await else { host::exit(false) };
    let Some(running) = boot(&mut storage).await else { host::exit(false) };
    // From here on it is the program of the image. It knows nothing but what is in the flash.
    let Some(stack) = net::start_seeded(spawner, host::random()) else { host::exit(false) };
    stack::paint();
    let done = run(stack, &Server { port }, &mut storage, running).await;
    report::finish(done.is_some())
}

/// What the loader does: it chooses the slot to start. `None`: there is no image in it.
async fn boot(storage: &mut Storage) -> Option<Running> {
    // Where an image is on trial this writes that one attempt less is left, before it starts: an
    // image that hangs, and is ended by the watchdog, has had its attempt all the same.
    let slot = match storage.journal.boot().await {
        Ok(slot) => slot,
        Err(error) => {
            say!("journal: {error}");
            storage.journal.good()
        }
    };
    let on_trial = slot != storage.journal.good();
    let version = release::version_of(storage.slot(slot)).await;
    match (version, storage.journal.stage()) {
        (Some(version), Stage::Staged { attempts, .. }) if on_trial => {
            say!("boots {slot:?}, version {version}, on trial, {attempts} attempts left");
        }
        (Some(version), _) => say!("boots {slot:?}, version {version}"),
        (None, _) => say!("boots {slot:?}, where no image is"),
    }
    Some(Running { version: version?, on_trial })
}

/// What the image does beside its work: it keeps itself up to date. `None`: that did not succeed.
async fn run(
    stack: Stack<'static>,
    server: &Server<'_>,
    storage: &mut Storage,
    running: Running,
) -> Option<()> {
    static RESOURCES: StaticCell<Resources<1, RECEIVE, SEND, HEAD>> = StaticCell::new();

    let mut config = Config::default();
    config.request_timeout = SILENCE;
    let session = Session::new(stack, RESOURCES.init_with(Resources::new), config);
    if running.on_trial {
        confirm_or_restart(stack, &session, server, storage, running.version).await;
    }
    stack.wait_config_up().await;
    let mut wait = FIRST_WAIT;
    for _ in 0..ROUNDS {
        match round(&session, server, storage, running.version).await {
            Ok(Round::UpToDate) => {
                say!("up to date: version {}", running.version);
                return Some(());
            }
            Ok(Round::Staged) => {
                report::depth(); // To be measured: the next start knows nothing of this one.
                say!("restarts");
                session.close(CLOSING).await;
                board::restart();
            }
            // Whatever it was, the device works on as it is, and asks again.
            Err(trouble) => say!("later: {trouble:?}"),
        }
        Timer::after(wait).await;
        wait = LONGEST_WAIT.min(wait * 2);
    }
    None
}

/// The first thing that an image on trial does: it finds out whether it can do what it is for.
///
/// To reach the server belongs to that: an image that cannot could never be replaced again. But a
/// server that is away must not condemn a good image, so it is asked for as long as `TRIAL`. On a
/// device the watchdog runs before this begins, and is fed only by the device's real work.
async fn confirm_or_restart(
    stack: Stack<'static>,
    session: &Session<'_, 1>,
    server: &Server<'_>,
    storage: &mut Storage,
    version: u32,
) {
    say!("checks itself");
    let check = async {
        stack.wait_config_up().await;
        while let Err(trouble) = server.greet(session, version).await {
            say!("not reached: {trouble:?}");
            if let Trouble::Refused(_) = trouble {
                return false; // An answer, and no waiting helps.
            }
            Timer::after(FIRST_WAIT).await;
        }
        true
    };
    if with_timeout(TRIAL, check).await != Ok(true) {
        say!("does not work: restarts");
        board::restart(); // `boot` decides whether this image gets another attempt.
    }
    // One entry of the journal. Before it stands, the power may go: then that was an attempt.
    match storage.journal.confirm().await {
        Ok(()) => say!("confirmed"),
        Err(error) => {
            say!("not confirmed: {error}");
            board::restart();
        }
    }
}

/// How a round ended.
enum Round {
    /// The server has nothing newer.
    UpToDate,
    /// The next start boots what it had.
    Staged,
}

/// Asks the server once, and does what there is to do.
async fn round(
    session: &Session<'_, 1>,
    server: &Server<'_>,
    storage: &mut Storage,
    version: u32,
) -> Result<Round, Trouble> {
    let mut text = [0; release::LONGEST];
    let release = ask(session, server, &mut text).await?;
    // Older ones as well are signed: nobody is to bring back an error that was mended.
    if release.version <= version {
        return Ok(Round::UpToDate);
    }
    say!("offered version {}, {} bytes", release.version, release.image.length);
    let Storage { journal, a, b } = storage;
    let slot = match journal.target() {
        ImageSlot::A => a,
        ImageSlot::B => b,
    };
    update::fetch(session, server, journal, slot, &release).await?;
    Ok(Round::Staged)
}

/// Which release the server has. One that is not signed is not looked at.
async fn ask<'t>(
    session: &Session<'_, 1>,
    server: &Server<'_>,
    text: &'t mut [u8],
) -> Result<Release<'t>, Trouble> {
    let text = server.manifest(session, text).await?;
    let release = Release::parse(text).ok_or(Trouble::Manifest)?;
    match release.is_signed_for(&release.image.sha256) {
        true => Ok(release),
        false => Err(Trouble::Unsigned),
    }
}
