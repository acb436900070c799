//! A NOR flash that loses power in the middle of an operation.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use crate::simulation::random::Random;

/// When the power is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// In which write or erasure, counted from 0 since the chip was made.
    pub operation: u64,
    /// After how many bytes of it: as many as it has means that it was done, and nobody was told.
    pub bytes: usize,
    /// What is found in the words that were just written, or in a sector that was just erased.
    pub debris: Debris,
}

/// What a cut leaves in words of which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debris {
    /// What was there before.
    Old,
    /// What was to be written.
    New,
    /// Anything, by this seed.
    Random(u64),
}

impl Debris {
    /// One of each kind.
    pub const ALL: [Self; 3] = [Self::Old, Self::New, Self::Random(1)];
}

/// A write or an erasure that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Of so many bytes.
    Write(usize),
    /// Of so many.
    Erase(usize),
}

impl Operation {
    /// Bytes that it is about.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Write(bytes) | Self::Erase(bytes) => bytes,
        }
    }
}

#[derive(Debug)]
struct Chip {
    bytes: Vec<u8>,
    /// Words that were written since they were erased.
    used: Vec<bool>,
    done: Vec<Operation>,
    cut: Option<Cut>,
    has_power: bool,
}

/// A region of a chip. Words of `WRITE` bytes, sectors of `ERASE`.
///
/// A word that is written twice between two erasures, or something that is not aligned, is a fault
/// of who does that: the test ends there.
#[derive(Debug, Clone)]
pub struct Nor<const WRITE: usize, const ERASE: usize> {
    chip: Rc<RefCell<Chip>>,
    from: usize,
    bytes: usize,
    /// Whether a word may be written again.
    is_forgiving: bool,
}

/// The power is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPower;

impl NorFlashError for NoPower {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const WRITE: usize, const ERASE: usize> Nor<WRITE, ERASE> {
    /// A chip of so many bytes that holds what nobody wrote.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let mut random = Random::new(7);
        let chip = Chip {
            bytes: (0..bytes).map(|_| random.next() as u8).collect(),
            used: vec![true; bytes / WRITE],
            done: Vec::new(),
            cut: None,
            has_power: true,
        };
        Self { chip: Rc::new(RefCell::new(chip)), from: 0, bytes, is_forgiving: false }
    }

    /// A part of it, in bytes.
    ///
    /// # Panics
    /// Unless it is of whole sectors.
    #[must_use]
    pub fn part(&self, from: usize, bytes: usize) -> Self {
        assert!(from.is_multiple_of(ERASE) && bytes.is_multiple_of(ERASE), "unaligned part");
        assert!(from + bytes <= self.bytes, "part beyond the end");
        Self { from: self.from + from, bytes, ..self.clone() }
    }

    /// The same, for who writes a word again: bits that are 0 stay so. Some chips allow that.
    #[must_use]
    pub fn forgiving(&self) -> Self {
        Self { is_forgiving: true, ..self.clone() }
    }

    /// The power will be lost there.
    pub fn cut(&self, cut: Cut) {
        self.chip.borrow_mut().cut = Some(cut);
    }

    /// Whether there is power.
    #[must_use]
    pub fn has_power(&self) -> bool {
        self.chip.borrow().has_power
    }

    /// The power comes back.
    pub fn start(&self) {
        self.chip.borrow_mut().has_power = true;
    }

    /// What was done so far.
    #[must_use]
    pub fn done(&self) -> Vec<Operation> {
        self.chip.borrow().done.clone()
    }

    /// What it holds.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        self.chip.borrow().bytes[self.from..self.from + self.bytes].to_vec()
    }

    /// Puts `bytes` to the start of it, as a factory does.
    pub fn fill(&self, bytes: &[u8]) {
        let mut chip = self.chip.borrow_mut();
        chip.bytes[self.from..self.from + self.bytes].fill(0xff);
        chip.bytes[self.from..self.from + bytes.len()].copy_from_slice(bytes);
    }
}

impl Chip {
    /// Notes an operation; how far it gets, if the power is lost in it.
    fn begin(&mut self, operation: Operation) -> Result<Option<Cut>, NoPower> {
        if !self.has_power {
            return Err(NoPower);
        }
        let number = self.done.len() as u64;
        self.done.push(operation);
        let cut = self.cut.filter(|cut| cut.operation == number);
        if cut.is_some() {
            (self.cut, self.has_power) = (None, false);
        }
        Ok(cut)
    }

    fn spoil(&mut self, from: usize, new: &[u8], debris: Debris) {
        let range = from..from + new.len();
        match debris {
            Debris::Old => {}
            Debris::New => self.bytes[range].copy_from_slice(new),
            Debris::Random(seed) => {
                let mut random = Random::new(seed ^ from as u64);
                self.bytes[range].fill_with(|| random.next() as u8);
            }
        }
    }
}

impl<const WRITE: usize, const ERASE: usize> ErrorType for Nor<WRITE, ERASE> {
    type Error = NoPower;
}

impl<const WRITE: usize, const ERASE: usize> ReadNorFlash for Nor<WRITE, ERASE> {
    const READ_SIZE: usize = WRITE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NoPower> {
        let offset = offset as usize;
        assert!(
            offset.is_multiple_of(WRITE) && bytes.len().is_multiple_of(WRITE),
            "unaligned read"
        );
        assert!(offset + bytes.len() <= self.bytes, "read beyond the end");
        let chip = self.chip.borrow();
        if !chip.has_power {
            return Err(NoPower);
        }
        let from = self.from + offset;
        bytes.copy_from_slice(&chip.bytes[from..from + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes
    }
}

impl<const WRITE: usize, const ERASE: usize> NorFlash for Nor<WRITE, ERASE> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NoPower> {
        let (from, to) = (from as usize, to as usize);
        assert!(from.is_multiple_of(ERASE) && to.is_multiple_of(ERASE), "unaligned erasure");
        assert!(from <= to && to <= self.bytes, "erasure beyond the end");
        let (from, to) = (self.from + from, self.from + to);
        let mut chip = self.chip.borrow_mut();
        let cut = chip.begin(Operation::Erase(to - from))?;
        let done = cut.map_or(to, |cut| (from + cut.bytes).min(to));
        chip.bytes[from..done].fill(0xff);
        chip.used[from / WRITE..done / WRITE].fill(false);
        let Some(cut) = cut else { return Ok(()) };
        // The sector that was being erased may hold anything, and has to be erased again.
        let sector = done / ERASE * ERASE;
        if done < to {
            chip.spoil(sector, &[0xff; ERASE], cut.debris);
            chip.used[sector / WRITE..(sector + ERASE) / WRITE].fill(true);
        }
        Err(NoPower)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NoPower> {
        let offset = offset as usize;
        assert!(
            offset.is_multiple_of(WRITE) && bytes.len().is_multiple_of(WRITE),
            "unaligned write"
        );
        assert!(offset + bytes.len() <= self.bytes, "write beyond the end");
        let from = self.from + offset;
        let mut chip = self.chip.borrow_mut();
        let cut = chip.begin(Operation::Write(bytes.len()))?;
        let done = cut.map_or(bytes.len(), |cut| cut.bytes.min(bytes.len()));
        let end = from + done.next_multiple_of(WRITE);
        for word in from / WRITE..end / WRITE {
            let is_new = !chip.used[word] || self.is_forgiving;
            assert!(is_new, "the word at {} is written twice", word * WRITE);
            chip.used[word] = true;
        }
        let whole = done / WRITE * WRITE;
        for (there, byte) in chip.bytes[from..from + whole].iter_mut().zip(bytes) {
            *there = if self.is_forgiving { *there & byte } else { *byte };
        }
        let Some(cut) = cut else { return Ok(()) };
        if whole < done {
            chip.spoil(from + whole, &bytes[whole..whole + WRITE], cut.debris);
        }
        Err(NoPower)
    }
}
