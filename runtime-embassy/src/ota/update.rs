//! An image on its way into a slot.

use embedded_io_async::{ErrorType, Write};
use embedded_storage_async::nor_flash::NorFlash;
use sha2::{Digest, Sha256};
use sortie_core::ResumeData;

use super::{Aligned, ERASED, Journal, Manifest, OtaError, PIECE, Stage};
use super::{reads_as, round_up};

/// An image that is received into a slot: the sink of a download.
///
/// `BLOCK` bytes are written at a time: whole words, and a sector is whole blocks. The journal is
/// told of each sector that is full, so a loss of power costs a sector at most.
///
/// # Dropping
/// Dropping it loses what came since the last full sector. So does dropping the future of a write,
/// after which every further write is [`OtaError::Interrupted`].
#[derive(Debug)]
pub struct Update<'j, 's, J, S, const ROOM: usize = 512, const BLOCK: usize = 256> {
    journal: &'j mut Journal<J, ROOM>,
    slot: &'s mut S,
    manifest: Manifest,
    /// Bytes of the image that are in the slot.
    stored: u32,
    /// Bytes behind them, in `block`.
    filled: usize,
    block: Aligned<BLOCK>,
    phase: Phase,
    error: Option<OtaError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It is not said yet where the content begins.
    Opened,
    /// Content is taken.
    Receiving,
    /// A write goes on, or was dropped.
    Writing,
}

impl<'j, 's, J: NorFlash, S: NorFlash, const ROOM: usize, const BLOCK: usize>
    Update<'j, 's, J, S, ROOM, BLOCK>
{
    /// An update to the image of `manifest` in `slot`, all of which belongs to it and which is the
    /// [target](Journal::target) of the journal. What is stored of this image is gone on with;
    /// what is stored of another one will be written over. Writes nothing.
    ///
    /// # Errors
    /// [`OtaError::OnTrial`] if an image is staged, [`OtaError::Rejected`] if it is this one that
    /// was given up, [`OtaError::Region`] if the slot is too small.
    pub async fn open(
        journal: &'j mut Journal<J, ROOM>,
        slot: &'s mut S,
        manifest: Manifest,
    ) -> Result<Self, OtaError> {
        const {
            assert!(S::WRITE_SIZE.is_multiple_of(S::READ_SIZE), "what is written can be read");
            assert!(
                PIECE.is_multiple_of(S::WRITE_SIZE),
                "words of more than 64 bytes are not known"
            );
            assert!(BLOCK > 0 && BLOCK.is_multiple_of(S::WRITE_SIZE), "a block is whole words");
            assert!(S::ERASE_SIZE.is_multiple_of(BLOCK), "a sector is whole blocks");
        }
        let sectors = round_up(manifest.length.max(1) as usize, S::ERASE_SIZE);
        if slot.capacity() < sectors || manifest.length == 0 {
            return Err(OtaError::Region { needed: sectors as u32 });
        }
        let can_go_on =
            |stored: u32| stored == manifest.length || stored.is_multiple_of(S::ERASE_SIZE as u32);
        let stored = match journal.stage() {
            Stage::Staged { .. } => return Err(OtaError::OnTrial),
            Stage::Rejected { manifest: rejected } if rejected == manifest => {
                return Err(OtaError::Rejected);
            }
            Stage::Receiving { manifest: of, stored } if of == manifest && can_go_on(stored) => {
                stored.min(manifest.length)
            }
            Stage::Idle | Stage::Receiving { .. } | Stage::Rejected { .. } => 0,
        };
        let (block, phase) = (Aligned([ERASED; BLOCK]), Phase::Opened);
        Ok(Self { journal, slot, manifest, stored, filled: 0, block, phase, error: None })
    }

    /// Bytes of the image that are in the slot, or about to be written there.
    #[must_use]
    pub fn stored(&self) -> u32 {
        self.stored.saturating_add(self.filled as u32)
    }

    /// Whether all of the image is stored: it can be [verified](Self::verify).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.stored == self.manifest.length
    }

    /// Why the last write failed, which a task tells only as
    /// [`Error::Sink`](sortie_core::Error::Sink). `None`: it did not.
    #[must_use]
    pub const fn error(&self) -> Option<OtaError> {
        self.error
    }

    /// What a download of the rest of the image can be [begun](crate::DataTask::resume_from) with;
    /// it borrows `room`, of which it takes as many bytes as [`ResumeData::encode`] wrote. `None`:
    /// it begins at the start, since nothing is stored or `room` is too small.
    ///
    /// # Errors
    /// [`OtaError::Flash`].
    pub async fn resume_data<'b>(
        &mut self,
        room: &'b mut [u8],
    ) -> Result<Option<ResumeData<'b>>, OtaError> {
        if self.stored == 0 || self.is_whole() {
            return Ok(None);
        }
        self.journal.resume_data(room, self.stored).await
    }

    /// Content comes that begins at `offset` of the image: behind what is
    /// [stored](Self::stored), or at its start, where what is stored is given up. `data` is what it
    /// can be gone on with later, as [`Body::resume_data`](crate::Body::resume_data) has it.
    ///
    /// # Errors
    /// [`OtaError::Offset`]; [`OtaError::Flash`] or [`OtaError::ReadBack`] of the journal.
    pub async fn begin(
        &mut self,
        offset: u64,
        data: Option<ResumeData<'_>>,
    ) -> Result<(), OtaError> {
        // What a connection that broke left in the block is not stored, and will come again.
        if self.phase == Phase::Writing {
            return Err(OtaError::Interrupted);
        }
        let goes_on = offset == u64::from(self.stored) && offset > 0;
        if offset != 0 && !goes_on {
            return Err(OtaError::Offset { stored: self.stored });
        }
        self.phase = Phase::Writing;
        if !goes_on {
            self.journal.begin(self.manifest, data).await?;
            self.stored = 0;
        }
        (self.filled, self.phase, self.error) = (0, Phase::Receiving, None);
        Ok(())
    }

    /// Reads the whole image back and stages it, if it is that of the manifest and `check` takes
    /// its SHA-256: that is where a program verifies a signature of it.
    ///
    /// # Errors
    /// [`OtaError::Incomplete`], and nothing was changed. [`OtaError::Digest`] or
    /// [`OtaError::Refused`], and the image is given up. [`OtaError::Flash`] or
    /// [`OtaError::ReadBack`]: it can be tried again by [opening](Self::open) the update anew.
    pub async fn verify(self, check: impl FnOnce(&[u8; 32]) -> bool) -> Result<(), OtaError> {
        if !self.is_whole() {
            let missing = self.manifest.length.saturating_sub(self.stored);
            return Err(OtaError::Incomplete { missing });
        }
        let sha256 = sha256(self.slot, self.manifest.length).await?;
        let refused = match sha256 == self.manifest.sha256 {
            false => Some(OtaError::Digest),
            true if !check(&sha256) => Some(OtaError::Refused),
            true => None,
        };
        if let Some(error) = refused {
            self.journal.withdraw().await?;
            return Err(error);
        }
        self.journal.stage_it(self.manifest).await
    }

    /// Takes some of `bytes`, at least one.
    async fn take(&mut self, bytes: &[u8]) -> Result<usize, OtaError> {
        match self.phase {
            Phase::Opened => return Err(OtaError::NotBegun),
            Phase::Writing => return Err(OtaError::Interrupted),
            Phase::Receiving => {}
        }
        let left = self.manifest.length.saturating_sub(self.stored()) as usize;
        if left == 0 && !bytes.is_empty() {
            return Err(OtaError::TooLong);
        }
        let room = self.block.0.get_mut(self.filled..).unwrap_or_default();
        let count = room.len().min(bytes.len()).min(left);
        let (Some(room), Some(bytes)) = (room.get_mut(..count), bytes.get(..count)) else {
            return Ok(0);
        };
        room.copy_from_slice(bytes);
        self.filled = self.filled.saturating_add(count);
        if self.filled == BLOCK || count == left {
            self.store().await?;
        }
        Ok(count)
    }

    /// Writes the block, and tells the journal where a sector or the image ends.
    async fn store(&mut self) -> Result<(), OtaError> {
        self.phase = Phase::Writing; // Until all of it is done: see `Dropping`.
        let (at, sector) = (self.stored, S::ERASE_SIZE as u32);
        if at.is_multiple_of(sector) {
            self.slot.erase(at, at.saturating_add(sector)).await.map_err(OtaError::of)?;
        }
        let padded = round_up(self.filled, S::WRITE_SIZE);
        let (bytes, padding) = self.block.0.split_at_mut(self.filled);
        padding.fill(ERASED);
        let bytes = bytes.len();
        let written = self.block.0.get(..padded).ok_or(OtaError::MISALIGNED)?;
        self.slot.write(at, written).await.map_err(OtaError::of)?;
        if !reads_as(self.slot, at, written).await? {
            return Err(OtaError::ReadBack { offset: at });
        }
        self.stored = at.saturating_add(bytes as u32);
        self.filled = 0;
        if self.stored.is_multiple_of(sector) || self.is_whole() {
            self.journal.stored(self.stored).await?;
        }
        self.phase = Phase::Receiving;
        Ok(())
    }
}

impl<J, S, const ROOM: usize, const BLOCK: usize> ErrorType for Update<'_, '_, J, S, ROOM, BLOCK> {
    type Error = OtaError;
}

impl<J: NorFlash, S: NorFlash, const ROOM: usize, const BLOCK: usize> Write
    for Update<'_, '_, J, S, ROOM, BLOCK>
{
    /// Takes some of `bytes`, at least one. What it took is in the flash when a block is full, or
    /// the image is whole.
    ///
    /// Dropping the future: every further write is [`OtaError::Interrupted`].
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, OtaError> {
        let taken = self.take(bytes).await;
        if let Err(error) = taken {
            self.error = Some(error);
        }
        taken
    }

    /// Does nothing: an image that is whole is in the flash, and of one that is not only whole
    /// blocks can be.
    async fn flush(&mut self) -> Result<(), OtaError> {
        Ok(())
    }
}

/// SHA-256 of the first `length` bytes in `slot`.
async fn sha256<S: NorFlash>(slot: &mut S, length: u32) -> Result<[u8; 32], OtaError> {
    let mut hash = Sha256::new();
    let mut piece = Aligned([0; PIECE]);
    let mut at = 0_u32;
    while at < length {
        let count = (length.saturating_sub(at) as usize).min(PIECE);
        let read = round_up(count, S::READ_SIZE);
        let bytes = piece.0.get_mut(..read).ok_or(OtaError::MISALIGNED)?;
        slot.read(at, bytes).await.map_err(OtaError::of)?;
        hash.update(bytes.get(..count).unwrap_or_default());
        at = at.saturating_add(count as u32);
    }
    Ok(hash.finalize().into())
}
