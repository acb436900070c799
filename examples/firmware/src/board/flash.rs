//! A NOR flash: a file of the host that behaves as a chip does.
//!
//! So the content outlives the run, and a loss of power is a QEMU that is killed. What is there
//! then is what the program had written by that time, to the word: each word is one write of the
//! host, in the program's order, and a sector is erased piece by piece. What a cut within a word
//! leaves is for the model of the tests to show (`tests/src/update`); a file cannot.
//!
//! On a board of your own this is the driver of its HAL, for example `embassy_stm32::flash::Flash`,
//! or a chip on SPI. Nothing in `src/bin/ota` knows the difference.

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use super::host::File;

/// Bytes of a word, which is written at once.
const WORD: usize = 4;
/// Bytes of a sector, which is erased at once.
const SECTOR: usize = 4096;
/// Bytes that are looked at, or erased, at once.
const PIECE: usize = 64;

/// What an erased byte reads as.
const ERASED: u8 = 0xff;

/// A region of the chip.
#[derive(Debug)]
pub struct Flash {
    file: File,
    from: usize,
    bytes: usize,
}

/// What a driver of a chip refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashError {
    /// No whole words, or no whole sectors.
    NotAligned,
    /// Something that is not there.
    OutOfBounds,
    /// The host did not do it.
    Host,
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::Host => NorFlashErrorKind::Other,
        }
    }
}

impl Flash {
    /// All of the chip; `None` if there is no file of this name.
    pub fn open(name: &[u8]) -> Option<Self> {
        let file = File::open(name)?;
        Some(Self { file, from: 0, bytes: file.length()? })
    }

    /// A part of the chip, in bytes; `None` unless it is of whole sectors, and there.
    pub fn part(&self, from: usize, bytes: usize) -> Option<Self> {
        let is_there = from.checked_add(bytes)? <= self.bytes;
        let is_whole = from.is_multiple_of(SECTOR) && bytes.is_multiple_of(SECTOR);
        (is_there && is_whole).then_some(Self { file: self.file, from: self.from + from, bytes })
    }

    /// Where in the file `length` bytes at `offset` are.
    fn place(&self, offset: u32, length: usize, unit: usize) -> Result<usize, FlashError> {
        let offset = offset as usize;
        if !offset.is_multiple_of(unit) || !length.is_multiple_of(unit) {
            return Err(FlashError::NotAligned);
        }
        match offset.checked_add(length) {
            Some(end) if end <= self.bytes => Ok(self.from + offset),
            Some(_) | None => Err(FlashError::OutOfBounds),
        }
    }

    /// Writes a piece: a bit that is 0 stays so until it is erased.
    fn write_piece(&self, at: usize, bytes: &[u8]) -> Option<()> {
        let mut piece = [0; PIECE];
        let piece = piece.get_mut(..bytes.len())?;
        self.file.seek(at)?;
        self.file.read(piece)?;
        for (there, byte) in piece.iter_mut().zip(bytes) {
            *there &= byte;
        }
        self.file.seek(at)?;
        piece.chunks(WORD).try_for_each(|word| self.file.write(word))
    }

    fn erase_pieces(&self, from: usize, to: usize) -> Option<()> {
        self.file.seek(from)?;
        (from..to).step_by(PIECE).try_for_each(|_| self.file.write(&[ERASED; PIECE]))
    }
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = WORD;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        let at = self.place(offset, bytes.len(), WORD)?;
        self.file.seek(at).and_then(|()| self.file.read(bytes)).ok_or(FlashError::Host)
    }

    fn capacity(&self) -> usize {
        self.bytes
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let length = to.checked_sub(from).ok_or(FlashError::OutOfBounds)? as usize;
        let at = self.place(from, length, SECTOR)?;
        self.erase_pieces(at, at + length).ok_or(FlashError::Host)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let mut at = self.place(offset, bytes.len(), WORD)?;
        for piece in bytes.chunks(PIECE) {
            self.write_piece(at, piece).ok_or(FlashError::Host)?;
            at += piece.len();
        }
        Ok(())
    }
}
