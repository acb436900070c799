//! Firmware updates that a loss of power at any moment cannot break.
//!
//! An image is received into the slot that does not run, over as many attempts as that takes, and
//! nothing boots it before all of it was read back and found to be right. What there is, and how
//! far it came, stands in a [`Journal`]: a region of flash that says something true at any instant.
//!
//! Works on every flash with a [`NorFlash`] driver, and is no part of any task: [`Update`] is a
//! [`Write`](embedded_io_async::Write) that downloads are written to.
//!
//! ```text
//!        begin            write            verify         boot           confirm
//!   Idle ------> Receiving -----> all of it ------> Staged -----> on trial -----> Idle,
//!                  ^    |            |                 ^            |  |           it is good
//!                  +----+            v wrong           +------------+  |
//!                power lost        Idle              power lost, reset |
//!                                                                      v after 3 boots
//!                                                                   Rejected: the good one boots
//! ```
//!
//! # Update
//!
//! ```
//! use embedded_storage_async::nor_flash::NorFlash;
//! use sortie_embassy::ota::{Journal, Manifest, OtaError, Update};
//! use sortie_embassy::{BodyLength, Request, Session, Url};
//!
//! async fn update<J: NorFlash, S: NorFlash>(
//!     session: &Session<'_, 1>,
//!     journal: &mut Journal<J>,
//!     slot: &mut S, // journal.target()
//!     manifest: Manifest,
//! ) -> Result<(), OtaError> {
//!     let mut update: Update<'_, '_, _, _> = Update::open(journal, slot, manifest).await?;
//!     while !update.is_whole() {
//!         let mut stored = [0; 512];
//!         let stored = update.resume_data(&mut stored).await?;
//!         let url = Url::parse("http://192.0.2.1/image").unwrap();
//!         let request = Request::new("GET", url, &[], BodyLength::None).unwrap();
//!         let (mut urls, mut record) = ([0; 256], [0; 512]);
//!         let mut task = session.download_task(&request).target(&mut urls).require_success();
//!         task = task.resume_data(&mut record);
//!         if let Some(stored) = &stored {
//!             task = task.resume_from(stored);
//!         }
//!         // A program waits before it tries again, and longer each time.
//!         let Ok(mut body) = task.open().await else { continue };
//!         update.begin(body.offset(), body.resume_data()).await?;
//!         if body.copy_to(&mut update).await.is_err() {
//!             if let Some(error) = update.error() {
//!                 return Err(error); // The flash, or an image that is too long.
//!             }
//!         }
//!     }
//!     update.verify(|_sha256| true).await // A signature is checked here.
//! }
//! ```
//!
//! # Boot
//!
//! With slots that a loader of one's own chooses between, it asks [`Journal::boot`], and the
//! program, once it has found that it works, calls [`Journal::confirm`]. A program that does not
//! get that far [`TRIALS`] times is given up, and the one before boots.
//!
//! A whole program is the image `ota` in `examples/firmware/src/bin/ota` of the repository: loader,
//! signed releases, a self-check, and all that can go wrong. It is updated in QEMU, which is killed
//! again and again, and by servers that lie.
//!
//! ## With `embassy-boot`
//!
//! It has one partition to run from and one for updates (`DFU`), and swaps them. The slot is `DFU`;
//! which of [`ImageSlot`]'s two the journal says does not matter. When the program starts it asks
//! `FirmwareUpdater::get_state`, and looks at the [stage](Journal::stage):
//!
//! - `Swap`, staged: it is on trial. If it works: [`confirm`](Journal::confirm), *then*
//!   `mark_booted`. If not it resets, and the loader goes back to the one before.
//! - `Swap` or `Revert`, not staged: `mark_booted`, and on as with `Boot`.
//! - `Boot` or `Revert`, staged: [`boot`](Journal::boot) takes an attempt. If that is the
//!   [good](Journal::good) slot there was none left, and it goes on as it is. Else `mark_updated`,
//!   and it resets.
//! - `Boot`, not staged: it goes on with an [update](Update), or asks for one.
//!
//! Where the loader was told first that the image works, and the power was lost before the journal
//! was, the next start would swap the old image back. With 0.7 this list is a test, with the power
//! lost in every operation, the loader's included: `tests/tests/ota/embassy_boot.rs`.
//!
//! # Flash
//!
//! What is erased reads as `FF`. A word is written once between two erasures. Words that were being
//! written, and sectors that were being erased, when the power was lost may hold anything; what a
//! driver has said to be written stays. Every write is read back.
//!
//! | region | bytes |
//! |---|---|
//! | journal | two halves of whole sectors, each of which holds two entries or more |
//! | slot | the longest image, in whole sectors |
//!
//! An entry with a download is at most [`Journal`]'s `ROOM`, one without 60 bytes. A sector of the
//! slot that is full costs an entry of 20 bytes. So a journal of two sectors of 4 KiB erases one of
//! them about once for each 190 sectors of the slot that are written, and once after each start
//! that changes something.

mod entry;
mod error;
mod journal;
mod update;

use embedded_storage_async::nor_flash::NorFlash;

pub use error::OtaError;
pub use journal::Journal;
pub use update::Update;

/// How often an image that was never confirmed is booted.
pub const TRIALS: u8 = 3;

/// One of the two places for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ImageSlot {
    /// The one that a device leaves the factory with.
    A,
    /// The other one.
    B,
}

impl ImageSlot {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What is known of an image before it is received: from a signed list, or from a program's own
/// question to its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Manifest {
    /// Bytes of the image, at least 1.
    pub length: u32,
    /// SHA-256 of all of them.
    pub sha256: [u8; 32],
}

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Stage {
    /// There is none. Left by [`Update::begin`].
    Idle,
    /// An image is received. Left when it is whole and [right](Update::verify), or is not.
    Receiving {
        /// What it should be.
        manifest: Manifest,
        /// Bytes from its beginning that are in the slot.
        stored: u32,
    },
    /// An image is whole and right, and is booted on trial. Left by [`Journal::confirm`],
    /// [`Journal::withdraw`], or by [`Journal::boot`] when no attempt is left.
    Staged {
        /// What it is.
        manifest: Manifest,
        /// How often it will be booted if it does not confirm.
        attempts: u8,
    },
    /// An image was given up: it was booted as often as it may be, and never confirmed. Left by
    /// [`Update::begin`] with another image, or by [`Journal::withdraw`].
    Rejected {
        /// What it was.
        manifest: Manifest,
    },
}

/// Bytes that are read at once where they are only looked at.
const PIECE: usize = 64;

/// Memory that drivers with DMA take: aligned as a word is.
#[derive(Debug)]
#[repr(align(4))]
struct Aligned<const BYTES: usize>([u8; BYTES]);

/// `count`, rounded up to whole `unit`s.
const fn round_up(count: usize, unit: usize) -> usize {
    count.div_ceil(unit).saturating_mul(unit)
}

/// Whether `flash` reads as `expected` at `at`, which is aligned, and erased behind that up to a
/// whole word.
async fn reads_as<F: NorFlash>(flash: &mut F, at: u32, expected: &[u8]) -> Result<bool, OtaError> {
    let mut piece = Aligned([0; PIECE]);
    let mut from = at;
    for expected in expected.chunks(PIECE) {
        let length = round_up(expected.len(), F::WRITE_SIZE.min(PIECE));
        let read = piece.0.get_mut(..length).ok_or(OtaError::MISALIGNED)?;
        flash.read(from, read).await.map_err(OtaError::of)?;
        let (read, rest) = read.split_at(expected.len());
        if read != expected || rest.iter().any(|byte| *byte != ERASED) {
            return Ok(false);
        }
        from = from.saturating_add(PIECE as u32);
    }
    Ok(true)
}

/// What an erased byte reads as.
const ERASED: u8 = 0xff;
