//! What an update refuses, and what that leaves.

use embassy_futures::{block_on, poll_once};
use embedded_io_async::Write;
use sortie_embassy::ota::{ImageSlot, Journal, Manifest, OtaError, Stage, TRIALS, Update};
use sortie_tests::update::campaign::image;
use sortie_tests::update::device::manifest;
use sortie_tests::update::flash::Nor;

type Chip = Nor<8, 256>;
type SmallJournal = Journal<Chip, 256>;
type SmallUpdate<'j, 's> = Update<'j, 's, Chip, Chip, 256, 64>;

async fn journal(chip: &Chip) -> SmallJournal {
    Journal::open(chip.clone()).await.expect("power and room")
}

/// An update to this image.
async fn opened<'j, 's>(
    journal: &'j mut SmallJournal,
    slot: &'s mut Chip,
    image: &[u8],
) -> SmallUpdate<'j, 's> {
    Update::open(journal, slot, manifest(image)).await.expect("room")
}

/// Receives `bytes`, all of them.
async fn receive(update: &mut SmallUpdate<'_, '_>, bytes: &[u8]) -> Result<(), OtaError> {
    update.begin(0, None).await?;
    update.write_all(bytes).await
}

#[test]
fn an_image_that_is_not_the_one_of_the_manifest_is_given_up() {
    block_on(async {
        let (chip, mut slot) = (Chip::new(1024), Chip::new(1024));
        let mut journal = journal(&chip).await;
        let (right, mut wrong) = (image(1, 600), image(1, 600));
        wrong[599] ^= 1;
        let mut update = opened(&mut journal, &mut slot, &right).await;
        receive(&mut update, &wrong).await.expect("as long as it should be");
        let ended = update.verify(|_| panic!("nothing to check")).await;
        assert_eq!(ended, Err(OtaError::Digest));
        assert_eq!((journal.good(), journal.stage()), (ImageSlot::A, Stage::Idle));
    });
}

#[test]
fn an_image_that_the_program_refuses_is_given_up() {
    block_on(async {
        let (chip, mut slot) = (Chip::new(1024), Chip::new(1024));
        let mut journal = journal(&chip).await;
        let right = image(1, 600);
        let mut update = opened(&mut journal, &mut slot, &right).await;
        receive(&mut update, &right).await.expect("room");
        let ended = update.verify(|sha256| *sha256 != manifest(&right).sha256).await;
        assert_eq!(ended, Err(OtaError::Refused));
        assert_eq!(journal.stage(), Stage::Idle);
        assert_eq!(journal.boot().await, Ok(ImageSlot::A));
    });
}

#[test]
fn an_image_that_is_too_long_or_too_short_is_never_staged() {
    block_on(async {
        let (chip, mut slot) = (Chip::new(1024), Chip::new(1024));
        let mut journal = journal(&chip).await;
        let right = image(1, 600);
        let mut update = opened(&mut journal, &mut slot, &right).await;
        let long = receive(&mut update, &image(1, 601)).await;
        assert_eq!((long, update.error()), (Err(OtaError::TooLong), Some(OtaError::TooLong)));
        receive(&mut update, &right[..599]).await.expect("a part of it");
        assert!(!update.is_whole());
        assert_eq!(update.verify(|_| true).await, Err(OtaError::Incomplete { missing: 24 }));
        assert!(matches!(journal.stage(), Stage::Receiving { stored: 512, .. }));
    });
}

#[test]
fn content_that_begins_elsewhere_or_was_not_begun_is_refused_and_changes_nothing() {
    block_on(async {
        let (chip, mut slot) = (Chip::new(1024), Chip::new(1024));
        let mut journal = journal(&chip).await;
        let right = image(1, 600);
        let mut update = opened(&mut journal, &mut slot, &right).await;
        assert_eq!(update.write(&right).await, Err(OtaError::NotBegun));
        assert_eq!(update.begin(256, None).await, Err(OtaError::Offset { stored: 0 }));
        assert!(chip.done().is_empty(), "nothing was written");
        receive(&mut update, &right[..256]).await.expect("room");
        assert_eq!(update.begin(255, None).await, Err(OtaError::Offset { stored: 256 }));
        assert_eq!(update.begin(256, None).await, Ok(()));
    });
}

#[test]
fn regions_that_are_too_small_are_told_with_what_they_need() {
    block_on(async {
        let small: Result<SmallJournal, _> = Journal::open(Chip::new(768)).await;
        assert_eq!(small.map(|_| ()), Err(OtaError::Region { needed: 1024 }));
        let (chip, mut slot) = (Chip::new(1024), Chip::new(512));
        let mut journal = journal(&chip).await;
        for length in [0, 513] {
            let manifest = Manifest { length, sha256: [0; 32] };
            let update: Result<SmallUpdate<'_, '_>, _> =
                Update::open(&mut journal, &mut slot, manifest).await;
            let needed = if length == 0 { 256 } else { 768 };
            assert_eq!(update.map(|_| ()), Err(OtaError::Region { needed }));
        }
    });
}

#[test]
fn a_write_that_was_dropped_ends_the_update_until_it_is_opened_again() {
    block_on(async {
        let (chip, slot) = (Chip::new(1024), Chip::new(1024));
        let mut slot = Slow(slot);
        let mut journal = journal(&chip).await;
        let right = image(1, 600);
        let mut update: Update<'_, '_, _, _, 256, 64> =
            Update::open(&mut journal, &mut slot, manifest(&right)).await.expect("room");
        update.begin(0, None).await.expect("power");
        assert!(poll_once(update.write_all(&right)).is_pending());
        assert_eq!(update.write(&right).await, Err(OtaError::Interrupted));
        assert_eq!(update.begin(0, None).await, Err(OtaError::Interrupted));
        let mut slot = slot.0;
        let mut update = opened(&mut journal, &mut slot, &right).await;
        assert_eq!(update.stored(), 0);
        receive(&mut update, &right).await.expect("room");
        assert_eq!(update.verify(|_| true).await, Ok(()));
    });
}

#[test]
fn an_image_that_never_confirms_is_given_up_and_not_taken_again() {
    block_on(async {
        let (chip, mut slot) = (Chip::new(1024), Chip::new(1024));
        let right = image(1, 600);
        let mut first = journal(&chip).await;
        let mut update = opened(&mut first, &mut slot, &right).await;
        receive(&mut update, &right).await.expect("room");
        update.verify(|_| true).await.expect("it is right");
        for _ in 0..TRIALS {
            let mut journal = journal(&chip).await;
            assert_eq!(journal.boot().await, Ok(ImageSlot::B));
            let on_trial: Result<SmallUpdate<'_, '_>, _> =
                Update::open(&mut journal, &mut slot, manifest(&right)).await;
            assert_eq!(on_trial.map(|_| ()), Err(OtaError::OnTrial));
        }
        let mut last = journal(&chip).await;
        assert_eq!(last.boot().await, Ok(ImageSlot::A));
        assert_eq!(last.stage(), Stage::Rejected { manifest: manifest(&right) });
        let again: Result<SmallUpdate<'_, '_>, _> =
            Update::open(&mut last, &mut slot, manifest(&right)).await;
        assert_eq!(again.map(|_| ()), Err(OtaError::Rejected));
        let other = image(2, 600);
        let mut update: SmallUpdate<'_, '_> =
            Update::open(&mut last, &mut slot, manifest(&other)).await.expect("another one");
        receive(&mut update, &other).await.expect("room");
        update.verify(|_| true).await.expect("it is right");
        assert_eq!(last.boot().await, Ok(ImageSlot::B));
        last.confirm().await.expect("power");
        assert_eq!((journal(&chip).await.good(), last.target()), (ImageSlot::B, ImageSlot::A));
    });
}

#[test]
fn a_sector_that_does_not_keep_what_is_written_is_told() {
    block_on(async {
        let (chip, slot) = (Chip::new(1024), Chip::new(1024));
        let mut slot = Worn { chip: slot, at: 320 };
        let mut journal = journal(&chip).await;
        let right = image(1, 600);
        let mut update: Update<'_, '_, _, _, 256, 64> =
            Update::open(&mut journal, &mut slot, manifest(&right)).await.expect("room");
        update.begin(0, None).await.expect("power");
        let failed = update.write_all(&right).await;
        assert_eq!(failed, Err(OtaError::ReadBack { offset: 320 }));
        assert_eq!(update.error(), failed.err());
    });
}

mod odd {
    //! Chips that are slow, or worn.

    use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
    use sortie_tests::update::flash::NoPower;

    use super::Chip;

    /// Its writes take a while.
    pub(super) struct Slow(pub(super) Chip);

    impl ErrorType for Slow {
        type Error = NoPower;
    }

    impl ReadNorFlash for Slow {
        const READ_SIZE: usize = Chip::READ_SIZE;

        async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NoPower> {
            self.0.read(offset, bytes).await
        }

        fn capacity(&self) -> usize {
            self.0.capacity()
        }
    }

    impl NorFlash for Slow {
        const WRITE_SIZE: usize = Chip::WRITE_SIZE;
        const ERASE_SIZE: usize = Chip::ERASE_SIZE;

        async fn erase(&mut self, from: u32, to: u32) -> Result<(), NoPower> {
            self.0.erase(from, to).await
        }

        async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NoPower> {
            self.0.write(offset, bytes).await?;
            embassy_futures::yield_now().await;
            Ok(())
        }
    }

    /// A byte of it is always 0.
    pub(super) struct Worn {
        pub(super) chip: Chip,
        pub(super) at: u32,
    }

    impl ErrorType for Worn {
        type Error = NoPower;
    }

    impl ReadNorFlash for Worn {
        const READ_SIZE: usize = Chip::READ_SIZE;

        async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NoPower> {
            self.chip.read(offset, bytes).await?;
            if let Some(byte) =
                self.at.checked_sub(offset).and_then(|at| bytes.get_mut(at as usize))
            {
                *byte = 0;
            }
            Ok(())
        }

        fn capacity(&self) -> usize {
            self.chip.capacity()
        }
    }

    impl NorFlash for Worn {
        const WRITE_SIZE: usize = Chip::WRITE_SIZE;
        const ERASE_SIZE: usize = Chip::ERASE_SIZE;

        async fn erase(&mut self, from: u32, to: u32) -> Result<(), NoPower> {
            self.chip.erase(from, to).await
        }

        async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NoPower> {
            self.chip.write(offset, bytes).await
        }
    }
}

use odd::{Slow, Worn};
