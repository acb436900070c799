//! A device that updates itself, from one start to the next.

use embassy_futures::block_on;
use embedded_io_async::Write;
use sha2::{Digest, Sha256};
use sortie_core::{ResumeData, Validator};
use sortie_embassy::ota::{ImageSlot, Journal, Manifest, OtaError, Stage, Update};

use super::flash::Nor;

const URL: &str = "http://192.0.2.1/image";

/// Bytes of RAM for an entry of the journal.
pub const ROOM: usize = 256;

/// How a chip is divided.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Bytes of the journal.
    pub journal: usize,
    /// Bytes of each slot.
    pub slot: usize,
}

/// A device: its flash, and what it was made with.
#[derive(Debug)]
pub struct Device<const WRITE: usize, const ERASE: usize, const BLOCK: usize> {
    flash: Nor<WRITE, ERASE>,
    layout: Layout,
    /// Every image that may ever be booted, the first one in slot A.
    images: Vec<Vec<u8>>,
    /// Bytes that the server sends in one piece.
    piece: usize,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The power was lost.
    NoPower,
    /// The program asked for a restart: an image is staged.
    Restart,
    /// The newest image runs, and is confirmed.
    UpToDate,
    /// The newest image was given up, and an older one runs.
    GivenUp,
}

/// What an image claims to be.
#[must_use]
pub fn manifest(image: &[u8]) -> Manifest {
    Manifest { length: image.len() as u32, sha256: Sha256::digest(image).into() }
}

impl<const WRITE: usize, const ERASE: usize, const BLOCK: usize> Device<WRITE, ERASE, BLOCK> {
    /// A new one that holds the first image.
    #[must_use]
    pub fn new(layout: Layout, images: &[Vec<u8>], piece: usize) -> Self {
        let flash = Nor::new(layout.journal + 2 * layout.slot);
        flash.part(layout.journal, layout.slot).fill(&images[0]);
        Self { flash, layout, images: images.to_vec(), piece }
    }

    /// All of its flash.
    #[must_use]
    pub const fn flash(&self) -> &Nor<WRITE, ERASE> {
        &self.flash
    }

    fn journal(&self) -> Nor<WRITE, ERASE> {
        self.flash.part(0, self.layout.journal)
    }

    /// A slot.
    #[must_use]
    pub fn slot(&self, slot: ImageSlot) -> Nor<WRITE, ERASE> {
        let number = match slot {
            ImageSlot::A => 0,
            ImageSlot::B => 1,
        };
        self.flash.part(self.layout.journal + number * self.layout.slot, self.layout.slot)
    }

    /// The number of the image that is whole in a slot.
    fn image_in(&self, slot: ImageSlot) -> Option<usize> {
        let content = self.slot(slot).content();
        self.images.iter().position(|image| content.starts_with(image))
    }

    /// The power comes; the loader chooses an image, and that runs until it restarts, is up to
    /// date, or the power goes. `confirms`: images that were updated to find that they work.
    ///
    /// # Panics
    /// If an image is booted that is none, or the good image is lost.
    pub fn start(&self, newest: usize, confirms: bool) -> Ended {
        self.flash.start();
        let ended = block_on(self.run(newest, confirms));
        match ended {
            Ok(ended) => ended,
            Err(error) => {
                assert!(!self.flash.has_power(), "with power: {error}");
                Ended::NoPower
            }
        }
    }

    async fn run(&self, newest: usize, confirms: bool) -> Result<Ended, OtaError> {
        let mut journal: Journal<_, ROOM> = Journal::open(self.journal()).await?;
        let good = journal.good();
        assert!(self.image_in(good).is_some(), "the good image is lost: {:?}", journal.stage());
        let booted = journal.boot().await?;
        let Some(running) = self.image_in(booted) else {
            panic!("a bad image is booted: {booted:?}, {:?}", journal.stage());
        };
        if running == newest {
            if confirms {
                journal.confirm().await?;
                assert_eq!((journal.good(), journal.stage()), (booted, Stage::Idle));
                return Ok(Ended::UpToDate);
            }
            return Ok(Ended::Restart);
        }
        assert_eq!(booted, good, "an old image is on trial");
        self.update(&mut journal, newest).await
    }

    async fn update(
        &self,
        journal: &mut Journal<Nor<WRITE, ERASE>, ROOM>,
        newest: usize,
    ) -> Result<Ended, OtaError> {
        let image = &self.images[newest];
        let before = match journal.stage() {
            Stage::Receiving { stored, .. } => stored,
            Stage::Idle | Stage::Staged { .. } | Stage::Rejected { .. } => 0,
        };
        let mut slot = self.slot(journal.target());
        let update: Result<Update<'_, '_, _, _, ROOM, BLOCK>, _> =
            Update::open(journal, &mut slot, manifest(image)).await;
        let mut update = match update {
            Ok(update) => update,
            Err(OtaError::Rejected) => return Ok(Ended::GivenUp),
            Err(error) => return Err(error),
        };
        assert_eq!(update.stored(), before, "what was stored is not gone on with");
        if !update.is_whole() {
            self.download(&mut update, image).await?;
        }
        update.verify(|sha256| *sha256 == manifest(image).sha256).await?;
        Ok(Ended::Restart)
    }

    /// The server sends what is asked for.
    async fn download(
        &self,
        update: &mut Update<'_, '_, Nor<WRITE, ERASE>, Nor<WRITE, ERASE>, ROOM, BLOCK>,
        image: &[u8],
    ) -> Result<(), OtaError> {
        let mut room = [0; ROOM];
        let data = update.resume_data(&mut room).await?;
        let from = data.map_or(0, |data| {
            assert_eq!((data.url(), data.received()), (URL, u64::from(update.stored())));
            data.received()
        });
        assert!(from > 0 || update.stored() == 0, "it begins anew, though it need not");
        let validator = Validator::parse(b"\"v1\"").expect("an entity tag");
        let total = Some(image.len() as u64);
        let data = ResumeData::new(URL, validator, from, total).expect("they fit");
        update.begin(from, Some(data)).await?;
        for piece in image[from as usize..].chunks(self.piece) {
            update.write_all(piece).await?;
        }
        update.flush().await
    }
}
