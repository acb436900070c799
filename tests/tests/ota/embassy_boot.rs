//! Updates with `embassy-boot` as the loader: one slot to run from, one for updates, and it swaps
//! them.
//!
//! Our sink brings the image to its `DFU` partition, and our journal says how far that is and how
//! often the image was tried; its `FirmwareUpdater` reads the image again, and asks the loader to
//! swap. What a program does when it starts is [`Device::program`].

use std::cell::Cell;

use embassy_boot::{
    BootError, BootLoader, BootLoaderConfig, FirmwareUpdater, FirmwareUpdaterConfig,
    FirmwareUpdaterError, State,
};
use embassy_futures::block_on;
use embedded_io_async::Write;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use embedded_storage_async::nor_flash::NorFlash as AsyncNorFlash;
use embedded_storage_async::nor_flash::ReadNorFlash as AsyncReadNorFlash;
use sha2::Sha256;
use sortie_embassy::ota::{Journal, OtaError, Stage, TRIALS, Update};
use sortie_tests::update::campaign::image;
use sortie_tests::update::device::manifest;
use sortie_tests::update::flash::{Cut, Debris, NoPower, Nor, Operation};

const WORD: usize = 4;
const PAGE: usize = 1024;
type Chip = Nor<WORD, PAGE>;

/// The partitions, in pages: one page more for updates than for what runs, as the loader wants it.
const ACTIVE: usize = 4;
const DFU: usize = 5;
const STATE: usize = 1;
const JOURNAL: usize = 2;

/// More starts than a life with one cut has.
const STARTS: usize = 20;

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    NoPower,
    /// It asked for a reset.
    Reset,
    /// The newest image runs, and loader and journal know it.
    UpToDate,
    /// The newest image was given up; the one before runs.
    GivenUp,
}

/// Whatever failed: there is no power.
#[derive(Debug)]
struct Failed;

impl From<OtaError> for Failed {
    fn from(_: OtaError) -> Self {
        Self
    }
}

impl From<FirmwareUpdaterError> for Failed {
    fn from(_: FirmwareUpdaterError) -> Self {
        Self
    }
}

struct Device {
    chip: Chip,
    old: Vec<u8>,
    new: Vec<u8>,
    /// Whether the new image finds that it works.
    works: bool,
    /// How often the new image was started, and how many bytes were received.
    trials: Cell<u32>,
    received: Cell<usize>,
}

impl Device {
    fn new(works: bool) -> Self {
        let (old, new) = (image(1, 3000), image(2, 3500));
        let chip = Chip::new((ACTIVE + DFU + STATE + JOURNAL) * PAGE);
        chip.part(0, ACTIVE * PAGE).fill(&old);
        chip.part((ACTIVE + DFU) * PAGE, STATE * PAGE).fill(&[]);
        let (trials, received) = (Cell::new(0), Cell::new(0));
        Self { chip, old, new, works, trials, received }
    }

    fn active(&self) -> Chip {
        self.chip.part(0, ACTIVE * PAGE)
    }

    fn dfu(&self) -> Chip {
        self.chip.part(ACTIVE * PAGE, DFU * PAGE)
    }

    /// embassy-boot may write a word of it again that was being written when the power was lost.
    fn state(&self) -> Chip {
        self.chip.part((ACTIVE + DFU) * PAGE, STATE * PAGE).forgiving()
    }

    fn journal(&self) -> Chip {
        self.chip.part((ACTIVE + DFU + STATE) * PAGE, JOURNAL * PAGE)
    }

    /// The power comes: the loader, then the program that it leaves in the active partition.
    fn start(&self) -> Ended {
        self.chip.start();
        if self.load().is_err() {
            assert!(!self.chip.has_power(), "the loader failed with power");
            return Ended::NoPower;
        }
        let active = self.active().content();
        let is_new = active.starts_with(&self.new);
        assert!(is_new || active.starts_with(&self.old), "a bad image is booted");
        block_on(self.program(is_new)).unwrap_or_else(|Failed| {
            assert!(!self.chip.has_power(), "the program failed with power");
            Ended::NoPower
        })
    }

    fn load(&self) -> Result<(), BootError> {
        let [active, dfu, state] = [self.active(), self.dfu(), self.state()].map(Blocking);
        let mut loader = BootLoader::new(BootLoaderConfig { active, dfu, state });
        loader.prepare_boot(&mut [0; 64]).map(|_| ())
    }

    /// What a program does about updates when it starts.
    ///
    /// The journal is told first that the image works, then the loader. If the power is lost in
    /// between, the loader goes back to the image before, and the download is done again. The other
    /// way round the journal would still call for an image that runs already, and to swap once more
    /// would bring the old one back.
    async fn program(&self, is_new: bool) -> Result<Ended, Failed> {
        let mut journal: Journal<_, 256> = Journal::open(self.journal()).await?;
        let mut word = [0; WORD];
        let config = FirmwareUpdaterConfig { dfu: self.dfu(), state: self.state() };
        let mut updater = FirmwareUpdater::new(config, &mut word);
        match (updater.get_state().await?, journal.stage()) {
            // On trial.
            (State::Swap, Stage::Staged { .. }) => {
                assert!(is_new, "the old image is on trial");
                self.trials.set(self.trials.get() + 1);
                if !self.works {
                    return Ok(Ended::Reset);
                }
                journal.confirm().await?;
                updater.mark_booted().await?;
                return Ok(Ended::UpToDate);
            }
            // It was not asked to swap yet, or it went back after a trial.
            (State::Boot | State::Revert | State::DfuDetach, Stage::Staged { .. }) => {
                return self.swap(&mut journal, &mut updater).await;
            }
            (
                State::Swap | State::Revert,
                Stage::Idle | Stage::Receiving { .. } | Stage::Rejected { .. },
            ) => updater.mark_booted().await?,
            (State::Boot | State::DfuDetach, _) => {}
        }
        if is_new {
            return Ok(Ended::UpToDate);
        }
        self.receive(&mut journal).await
    }

    /// Asks the loader for a trial, if the image is still there and has attempts left.
    async fn swap(
        &self,
        journal: &mut Journal<Chip, 256>,
        updater: &mut FirmwareUpdater<'_, Chip, Chip>,
    ) -> Result<Ended, Failed> {
        let Stage::Staged { manifest, .. } = journal.stage() else { return Ok(Ended::Reset) };
        let mut sha256 = [0; 32];
        updater.hash::<Sha256>(manifest.length, &mut [0; 64], &mut sha256).await?;
        assert_eq!(sha256, manifest.sha256, "what is staged is not in the partition");
        if journal.boot().await? == journal.good() {
            updater.mark_booted().await?;
            return Ok(Ended::GivenUp);
        }
        updater.mark_updated().await?;
        Ok(Ended::Reset)
    }

    /// Receives the new image to the partition for updates.
    async fn receive(&self, journal: &mut Journal<Chip, 256>) -> Result<Ended, Failed> {
        let mut dfu = self.dfu();
        let opened = Update::open(journal, &mut dfu, manifest(&self.new)).await;
        let mut update: Update<'_, '_, _, _, 256, 64> = match opened {
            Err(OtaError::Rejected) => return Ok(Ended::GivenUp),
            opened => opened?,
        };
        if !update.is_whole() {
            let from = update.stored();
            update.begin(u64::from(from), None).await?;
            let rest = &self.new[from as usize..];
            self.received.set(self.received.get() + rest.len());
            update.write_all(rest).await?;
        }
        update.verify(|_| true).await?;
        Ok(Ended::Reset)
    }

    /// Starts it until nothing changes any more. Returns how that ended, and after how many starts.
    fn live(&self) -> (Ended, usize) {
        for starts in 1..=STARTS {
            match self.start() {
                Ended::NoPower | Ended::Reset => {}
                ended @ (Ended::UpToDate | Ended::GivenUp) => return (ended, starts),
            }
        }
        panic!("it never gets there");
    }

    fn stage(&self) -> Stage {
        let journal: Result<Journal<_, 256>, _> = block_on(Journal::open(self.journal()));
        journal.expect("power").stage()
    }
}

/// A chip for who waits.
struct Blocking(Chip);

impl ErrorType for Blocking {
    type Error = NoPower;
}

impl ReadNorFlash for Blocking {
    const READ_SIZE: usize = Chip::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NoPower> {
        block_on(self.0.read(offset, bytes))
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl NorFlash for Blocking {
    const WRITE_SIZE: usize = Chip::WRITE_SIZE;
    const ERASE_SIZE: usize = Chip::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NoPower> {
        block_on(self.0.erase(from, to))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NoPower> {
        block_on(self.0.write(offset, bytes))
    }
}

#[test]
fn an_image_is_received_swapped_in_by_the_loader_and_confirmed() {
    let device = Device::new(true);
    // To receive it, to ask for the swap, and to confirm.
    assert_eq!(device.live(), (Ended::UpToDate, 3));
    assert_eq!((device.trials.get(), device.stage()), (1, Stage::Idle));
    assert!(device.active().content().starts_with(&device.new));
    assert!(device.dfu().content()[PAGE..].starts_with(&device.old), "the one before is kept");
    assert_eq!(device.live(), (Ended::UpToDate, 1), "and it stays");
}

#[test]
fn an_image_that_never_confirms_is_swapped_back_and_given_up_after_its_trials() {
    let device = Device::new(false);
    assert_eq!(device.live().0, Ended::GivenUp);
    assert_eq!(device.trials.get(), u32::from(TRIALS));
    assert_eq!(device.received.get(), device.new.len(), "it is received once");
    assert_eq!(device.stage(), Stage::Rejected { manifest: manifest(&device.new) });
    assert!(device.active().content().starts_with(&device.old));
    assert_eq!(device.live(), (Ended::GivenUp, 1), "and it stays");
}

/// How the power is lost in an operation: where, and what is found there then. The loader takes a
/// word to be written at once: its progress and its state are such words.
fn cuts(operation: Operation, step: usize) -> Vec<(usize, Debris)> {
    let all = operation.bytes();
    let at = |bytes| Debris::ALL.map(|debris| (bytes, debris));
    match operation {
        Operation::Write(WORD) => vec![(0, Debris::Old), (all, Debris::Old)],
        Operation::Write(_) => {
            let within = (1..all).step_by(step).flat_map(at);
            within.chain([(0, Debris::Old), (all, Debris::Old)]).collect()
        }
        Operation::Erase(_) => at(0).into_iter().chain([(all, Debris::Old)]).collect(),
    }
}

/// Loses the power once, everywhere; `step` bytes are between two places in a write. Returns how
/// many lives that were.
fn everywhere(works: bool, step: usize) -> u32 {
    let undisturbed = Device::new(works);
    let (ended, _) = undisturbed.live();
    let mut lives = 0;
    for (operation, number) in undisturbed.chip.done().into_iter().zip(0..) {
        for (bytes, debris) in cuts(operation, step) {
            let device = Device::new(works);
            device.chip.cut(Cut { operation: number, bytes, debris });
            assert_eq!(device.live().0, ended, "{number}: {bytes} of {operation:?}, {debris:?}");
            let runs = if works { &device.new } else { &device.old };
            assert!(device.active().content().starts_with(runs));
            assert_eq!(device.stage(), undisturbed.stage());
            lives += 1;
        }
    }
    lives
}

/// In the download, in the mark, in every page that is swapped, in the confirmation.
#[test]
fn wherever_the_power_is_lost_a_good_image_boots_and_the_update_goes_on() {
    let lives = everywhere(true, 21);
    assert!(lives > 1000, "{lives}");
}

/// The same on the way back.
#[test]
fn wherever_the_power_is_lost_the_image_before_comes_back() {
    let lives = everywhere(false, 64);
    assert!(lives > 1000, "{lives}");
}
