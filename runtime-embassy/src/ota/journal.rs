//! A region of flash that says, at any instant, how far an update is.
//!
//! Entries are appended to one half of it until the half is full. Then the other half is erased
//! and begins with the whole state; until that entry stands, the first half is what counts. So at
//! every instant the entry with the highest number is whole, and says what was true last.
//!
//! The first entry after a start goes to the other half, too, as does the one behind a write that
//! was not waited for: when the power is lost as a word begins to be written, that word may read as
//! erased and yet not be written again.

use embedded_storage_async::nor_flash::NorFlash;
use sortie_core::ResumeData;

use super::entry::{self, Entry, PROGRESS_ENTRY, RESUME, STATE_ENTRY, Says, State};
use super::{Aligned, ERASED, ImageSlot, Manifest, OtaError, PIECE, Stage, TRIALS};
use super::{reads_as, round_up};

/// What is kept of updates through losses of power: in `F`, all of which belongs to it.
///
/// `ROOM` bytes of RAM hold one entry at a time, and so bound the resume data that can be kept: 60
/// less, so 452 as it is, which is a URL and a validator of 422 bytes together. Resume data that
/// are longer are not kept: then a download that was cut off by a loss of power begins anew.
///
/// # Dropping futures
/// Each function here may be dropped while it is awaited. Then what it would have written stands in
/// the journal, or what was there before; the next one finds its way.
#[derive(Debug)]
pub struct Journal<F, const ROOM: usize = 512> {
    flash: F,
    room: Aligned<ROOM>,
    state: State,
    /// Of the last entry that was written, or may have been.
    number: u32,
    half: Half,
    /// Where the next entry goes, in its half.
    at: u32,
    /// Whether it is sure that nothing was written there since it was erased.
    can_append: bool,
    /// The entry with the whole state, in the same half.
    whole: Whole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

/// An entry with the whole state.
#[derive(Debug, Clone, Copy)]
struct Whole {
    at: u32,
    /// Bytes of resume data in it.
    resume: usize,
}

/// What is found in a half.
#[derive(Clone, Copy)]
struct Found {
    state: State,
    number: u32,
    at: u32,
    whole: Whole,
}

impl<F: NorFlash, const ROOM: usize> Journal<F, ROOM> {
    /// Reads what stands in `flash`: if nothing does, as when it is new, image A is good and there
    /// is no update. Writes nothing.
    ///
    /// # Errors
    /// [`OtaError::Region`] if a half of it does not hold two entries of `ROOM` bytes;
    /// [`OtaError::Flash`].
    pub async fn open(flash: F) -> Result<Self, OtaError> {
        const {
            assert!(F::ERASE_SIZE.is_multiple_of(F::WRITE_SIZE), "sectors are whole words");
            assert!(F::WRITE_SIZE.is_multiple_of(F::READ_SIZE), "what is written can be read");
            assert!(
                PIECE.is_multiple_of(F::WRITE_SIZE),
                "words of more than 64 bytes are not known"
            );
            assert!(ROOM.is_multiple_of(F::WRITE_SIZE), "ROOM has whole words");
            assert!(ROOM >= STATE_ENTRY + PROGRESS_ENTRY, "ROOM is too small for an entry");
        }
        let room = Aligned([ERASED; ROOM]);
        let whole = Whole { at: 0, resume: 0 };
        let (state, half) = (State::FIRST, Half::Second);
        let mut journal =
            Self { flash, room, state, number: 0, half, at: 0, can_append: false, whole };
        let needed = round_up(ROOM.saturating_mul(2), F::ERASE_SIZE);
        if (journal.half_bytes() as usize) < needed {
            return Err(OtaError::Region { needed: (needed as u32).saturating_mul(2) });
        }
        for half in [Half::First, Half::Second] {
            if let Some(found) = journal.scan(half).await?
                && found.number > journal.number
            {
                let Found { state, number, at, whole } = found;
                (journal.state, journal.number, journal.half) = (state, number, half);
                (journal.at, journal.whole) = (at, whole);
            }
        }
        Ok(journal)
    }

    /// How far the update is.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.state.stage
    }

    /// The slot whose image is known to work.
    #[must_use]
    pub const fn good(&self) -> ImageSlot {
        self.state.good
    }

    /// The slot that updates go to.
    #[must_use]
    pub const fn target(&self) -> ImageSlot {
        self.state.good.other()
    }

    /// For the loader: which slot is booted now. Where that is the one on trial, one of its
    /// attempts is taken from it first; where none is left, it is given up.
    ///
    /// # Errors
    /// [`OtaError::Flash`] or [`OtaError::ReadBack`]; then [`good`](Self::good) is what to boot.
    pub async fn boot(&mut self) -> Result<ImageSlot, OtaError> {
        let Stage::Staged { manifest, attempts } = self.state.stage else {
            return Ok(self.state.good);
        };
        let Some(attempts) = attempts.checked_sub(1) else {
            self.enter(Stage::Rejected { manifest }).await?;
            return Ok(self.state.good);
        };
        self.enter(Stage::Staged { manifest, attempts }).await?;
        Ok(self.target())
    }

    /// For the program: it works. If its image was on trial, that is the good one now.
    ///
    /// To be called only by an image that was booted on trial; one that was not would declare the
    /// other to be good.
    ///
    /// # Errors
    /// [`OtaError::Flash`] or [`OtaError::ReadBack`]: it is still on trial.
    pub async fn confirm(&mut self) -> Result<(), OtaError> {
        match self.state.stage {
            Stage::Staged { .. } => {
                self.save(State { good: self.target(), stage: Stage::Idle }, Resume::None).await
            }
            Stage::Idle | Stage::Receiving { .. } | Stage::Rejected { .. } => Ok(()),
        }
    }

    /// Gives up whatever is received, staged, or known to be rejected.
    ///
    /// # Errors
    /// [`OtaError::Flash`] or [`OtaError::ReadBack`]: nothing changed.
    pub async fn withdraw(&mut self) -> Result<(), OtaError> {
        match self.state.stage {
            Stage::Idle => Ok(()),
            Stage::Receiving { .. } | Stage::Staged { .. } | Stage::Rejected { .. } => {
                self.enter(Stage::Idle).await
            }
        }
    }

    /// The flash, for something else.
    pub fn into_flash(self) -> F {
        self.flash
    }

    /// An image is whole and right.
    pub(super) async fn stage_it(&mut self, manifest: Manifest) -> Result<(), OtaError> {
        self.enter(Stage::Staged { manifest, attempts: TRIALS }).await
    }

    /// Nothing of an image is stored yet; `data` is what its download can be gone on with.
    pub(super) async fn begin(
        &mut self,
        manifest: Manifest,
        data: Option<ResumeData<'_>>,
    ) -> Result<(), OtaError> {
        let stage = Stage::Receiving { manifest, stored: 0 };
        let state = State { good: self.state.good, stage };
        self.save(state, data.map_or(Resume::None, Resume::New)).await
    }

    /// So many bytes of the image are stored.
    pub(super) async fn stored(&mut self, stored: u32) -> Result<(), OtaError> {
        let Stage::Receiving { manifest, .. } = self.state.stage else { return Ok(()) };
        let state = State { stage: Stage::Receiving { manifest, stored }, ..self.state };
        let number = self.next_number();
        let length = entry::write_stored(&mut self.room.0, number, stored);
        if self.append(length).await?.is_some() {
            self.state = state;
            return Ok(());
        }
        self.save(state, Resume::Kept).await
    }

    /// What the download can be gone on with, in `bytes`; `None` if nothing is kept.
    pub(super) async fn resume_data<'b>(
        &mut self,
        bytes: &'b mut [u8],
        stored: u32,
    ) -> Result<Option<ResumeData<'b>>, OtaError> {
        let kept = self.load_resume(self.whole).await?;
        let resume = self.room.0.get(RESUME..).and_then(|rest| rest.get(..kept));
        let (Some(resume), Some(bytes)) = (resume, bytes.get_mut(..kept)) else {
            return Ok(None);
        };
        bytes.copy_from_slice(resume);
        let data = ResumeData::decode(bytes).ok();
        Ok(data.and_then(|data| data.with_received(u64::from(stored), None)))
    }

    async fn enter(&mut self, stage: Stage) -> Result<(), OtaError> {
        self.save(State { good: self.state.good, stage }, Resume::None).await
    }

    /// Writes the whole state: behind the last entry, or else to the other half.
    async fn save(&mut self, state: State, resume: Resume<'_>) -> Result<(), OtaError> {
        let resume = match resume {
            Resume::None => 0,
            Resume::Kept => self.load_resume(self.whole).await?,
            Resume::New(data) => {
                let room = self.room.0.get_mut(RESUME..).unwrap_or_default();
                let (fits, end) = (data.encoded_length(), STATE_ENTRY - RESUME);
                match fits.saturating_add(end) <= room.len() {
                    true => data.encode(room).unwrap_or(0),
                    false => 0,
                }
            }
        };
        let number = self.next_number();
        let length = entry::write_state(&mut self.room.0, number, &state, resume);
        let at = match self.append(length).await? {
            Some(at) => at,
            None => self.turn_over(length).await?,
        };
        (self.state, self.whole) = (state, Whole { at, resume });
        Ok(())
    }

    /// Writes the entry in `room` behind the last one. Returns where; `None` if that cannot be
    /// done: there is no room, or what is there may have been written, or does not keep what is.
    async fn append(&mut self, length: Option<usize>) -> Result<Option<u32>, OtaError> {
        let length = length.ok_or(OtaError::Region { needed: ROOM as u32 })?;
        let at = self.at;
        let end = at.saturating_add(round_up(length, F::WRITE_SIZE) as u32);
        if !self.can_append || end > self.half_bytes() {
            return Ok(None);
        }
        self.can_append = false;
        let from = self.base(self.half).saturating_add(at);
        if !self.write(from, length).await? {
            return Ok(None);
        }
        (self.at, self.can_append) = (end, true);
        Ok(Some(at))
    }

    /// Erases the other half, and begins it with the entry in `room`.
    async fn turn_over(&mut self, length: Option<usize>) -> Result<u32, OtaError> {
        let length = length.ok_or(OtaError::Region { needed: ROOM as u32 })?;
        let half = match self.half {
            Half::First => Half::Second,
            Half::Second => Half::First,
        };
        let from = self.base(half);
        let end = from.saturating_add(self.half_bytes());
        self.flash.erase(from, end).await.map_err(OtaError::of)?;
        if !self.write(from, length).await? {
            return Err(OtaError::ReadBack { offset: from });
        }
        (self.half, self.at) = (half, round_up(length, F::WRITE_SIZE) as u32);
        self.can_append = true;
        Ok(0)
    }

    /// Writes the entry in `room`, and says whether it is there then.
    async fn write(&mut self, from: u32, length: usize) -> Result<bool, OtaError> {
        let padded = round_up(length, F::WRITE_SIZE);
        let padding = self.room.0.get_mut(length..padded).ok_or(OtaError::MISALIGNED)?;
        padding.fill(ERASED);
        let bytes = self.room.0.get(..padded).ok_or(OtaError::MISALIGNED)?;
        self.flash.write(from, bytes).await.map_err(OtaError::of)?;
        reads_as(&mut self.flash, from, bytes).await
    }

    /// A number that no entry has, not even one whose write was dropped.
    const fn next_number(&mut self) -> u32 {
        self.number = self.number.saturating_add(1);
        self.number
    }

    /// Puts the resume data of an entry to where they are in the next one. Returns their length.
    async fn load_resume(&mut self, whole: Whole) -> Result<usize, OtaError> {
        if whole.resume == 0 {
            return Ok(0);
        }
        self.read(self.half, whole.at).await?;
        Ok(whole.resume)
    }

    /// Reads what stands at `at` in a half, as far as `room` and the half go.
    async fn read(&mut self, half: Half, at: u32) -> Result<&[u8], OtaError> {
        let left = self.half_bytes().saturating_sub(at);
        let from = self.base(half).saturating_add(at);
        let length = ROOM.min(left as usize);
        let room = self.room.0.get_mut(..length).unwrap_or_default();
        self.flash.read(from, room).await.map_err(OtaError::of)?;
        Ok(room)
    }

    /// The last state in a half, if there is one.
    async fn scan(&mut self, half: Half) -> Result<Option<Found>, OtaError> {
        let mut found: Option<Found> = None;
        let mut at = 0;
        while at < self.half_bytes() {
            let Some(entry) = Entry::read(self.read(half, at).await?) else { break };
            // Behind the last entry lies what the half held before, if an erasure was cut short.
            if found.as_ref().is_some_and(|found| found.number >= entry.number) {
                break;
            }
            let next = at.saturating_add(round_up(entry.length, F::WRITE_SIZE) as u32);
            let number = entry.number;
            found = Some(match (entry.says, found) {
                (Says::State(state, resume), _) => {
                    Found { state, number, at: next, whole: Whole { at, resume } }
                }
                (Says::Stored(stored), Some(found)) => {
                    let Stage::Receiving { manifest, .. } = found.state.stage else {
                        return Ok(Some(found));
                    };
                    let stage = Stage::Receiving { manifest, stored };
                    let state = State { stage, ..found.state };
                    Found { state, number, at: next, ..found }
                }
                (Says::Stored(_), None) => break,
            });
            at = next;
        }
        Ok(found)
    }

    /// Where a half begins.
    fn base(&self, half: Half) -> u32 {
        match half {
            Half::First => 0,
            Half::Second => self.half_bytes(),
        }
    }

    /// Whole sectors.
    fn half_bytes(&self) -> u32 {
        let sectors = self.flash.capacity() / F::ERASE_SIZE / 2;
        u32::try_from(sectors.saturating_mul(F::ERASE_SIZE)).unwrap_or(0)
    }
}

/// Resume data for an entry.
enum Resume<'a> {
    None,
    /// What is in the last one.
    Kept,
    New(ResumeData<'a>),
}
