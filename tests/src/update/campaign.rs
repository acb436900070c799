//! Lives of a device.

use super::device::{Device, Ended, Layout};
use super::flash::{Cut, Debris, Operation};
use crate::simulation::random::Random;

/// A chip, and the images that come to it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How it is divided.
    pub layout: Layout,
    /// The first is what it has; the others come one after another.
    pub images: Vec<Vec<u8>>,
    /// Bytes that come at once.
    pub piece: usize,
}

/// More starts than a life with one cut has.
const STARTS: usize = 40;

/// An image that can be told from every other one.
#[must_use]
pub fn image(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..bytes).map(|_| random.next() as u8).collect()
}

/// Starts a device until it is up to date. Returns how many starts that took.
fn live<const WRITE: usize, const ERASE: usize, const BLOCK: usize>(
    device: &Device<WRITE, ERASE, BLOCK>,
    newest: usize,
) -> usize {
    for starts in 1..=STARTS {
        match device.start(newest, true) {
            Ended::UpToDate => return starts,
            Ended::NoPower | Ended::Restart => {}
            Ended::GivenUp => panic!("an image that works was given up"),
        }
    }
    panic!("it never gets there");
}

fn device<const WRITE: usize, const ERASE: usize, const BLOCK: usize>(
    plan: &Plan,
) -> Device<WRITE, ERASE, BLOCK> {
    Device::new(plan.layout, &plan.images, plan.piece)
}

/// All updates of a plan, with the power on. Returns every write and erasure.
fn undisturbed<const WRITE: usize, const ERASE: usize, const BLOCK: usize>(
    plan: &Plan,
) -> Vec<Operation> {
    let device = device::<WRITE, ERASE, BLOCK>(plan);
    for newest in 1..plan.images.len() {
        assert_eq!(live(&device, newest), 2, "one start to update, one to confirm");
    }
    device.flash().done()
}

/// Where the power is lost in an operation: before it, at every `step`th byte of it, and when all
/// of it is done. An erasure is cut in each of its sectors.
fn places(operation: Operation, erase: usize, step: usize) -> Vec<usize> {
    let mut places: Vec<usize> = match operation {
        Operation::Write(bytes) => (0..bytes).step_by(step).collect(),
        Operation::Erase(bytes) => (0..bytes).step_by(erase).collect(),
    };
    places.push(operation.bytes());
    places
}

/// Cuts the power once, at every write and erase, and at every `step`th byte of a write, and lets
/// the device go on. Returns how many lives that were.
///
/// # Panics
/// If a bad image is booted, the good one is lost, or the device does not get there.
pub fn every_cut<const WRITE: usize, const ERASE: usize, const BLOCK: usize>(
    plan: &Plan,
    step: usize,
) -> u64 {
    let mut lives = 0;
    for (operation, number) in undisturbed::<WRITE, ERASE, BLOCK>(plan).into_iter().zip(0..) {
        for bytes in places(operation, ERASE, step) {
            for debris in Debris::ALL {
                let device = device::<WRITE, ERASE, BLOCK>(plan);
                device.flash().cut(Cut { operation: number, bytes, debris });
                for newest in 1..plan.images.len() {
                    live(&device, newest);
                }
                lives += 1;
            }
        }
    }
    lives
}

/// Cuts the power again and again, at random, in an update by `seed`; then leaves it on. Returns
/// how many cuts there were.
///
/// # Panics
/// As [`every_cut`].
pub fn many_cuts<const WRITE: usize, const ERASE: usize, const BLOCK: usize>(
    plan: &Plan,
    seed: u64,
) -> u64 {
    let mut random = Random::new(seed);
    let device = device::<WRITE, ERASE, BLOCK>(plan);
    let whole = undisturbed::<WRITE, ERASE, BLOCK>(plan).len() as u64;
    let mut cuts = 0;
    for _ in 0..random.below(30) {
        let operation = device.flash().done().len() as u64 + random.length(whole / 2);
        let bytes = random.index(BLOCK + 1);
        let debris = match random.below(3) {
            0 => Debris::Old,
            1 => Debris::New,
            _ => Debris::Random(random.next()),
        };
        device.flash().cut(Cut { operation, bytes, debris });
        cuts += 1;
        match device.start(1, random.percent(90)) {
            Ended::NoPower | Ended::Restart => {}
            // Losses of power during trials count as trials.
            Ended::UpToDate | Ended::GivenUp => break,
        }
    }
    device.flash().cut(Cut { operation: u64::MAX, bytes: 0, debris: Debris::Old });
    for _ in 0..STARTS {
        match device.start(1, true) {
            Ended::UpToDate | Ended::GivenUp => return cuts,
            Ended::NoPower | Ended::Restart => {}
        }
    }
    panic!("seed {seed}: it never gets there");
}
