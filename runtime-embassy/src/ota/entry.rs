//! The bytes of a journal's entries.
//!
//! Numbers are unsigned, the lowest byte first.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 1 | 1: a whole state; 2: how far the image came, by the state before |
//! | 1 | 1 | version: 1 |
//! | 2 | 2 | *n*, bytes of what it says |
//! | 4 | 4 | its number: one more than any before |
//! | 8 | *n* | what it says |
//! | 8 + *n* | 8 | the first bytes of the SHA-256 of everything before |
//!
//! `FF` follows up to a whole word. How far the image came are 4 bytes. A whole state is
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 1 | the good slot: 0 or 1 |
//! | 1 | 1 | stage: 0 idle, 1 receiving, 2 staged, 3 rejected |
//! | 2 | 1 | attempts that are left, if it is staged; else 0 |
//! | 3 | 1 | 0 |
//! | 4 | 4 | bytes of the image; 0 if it is idle |
//! | 8 | 4 | bytes of it that are stored; 0 unless it is receiving |
//! | 12 | 32 | SHA-256 of the image |
//! | 44 | | resume data, as the core writes it; nothing unless it is receiving |

use sha2::{Digest, Sha256};

use super::{ImageSlot, Manifest, Stage};

const VERSION: u8 = 1;
const WHOLE: u8 = 1;
const PROGRESS: u8 = 2;

/// Before what an entry says.
const START: usize = 8;
/// Behind that.
const CHECK: usize = 8;
/// What a state is without resume data.
const STATE: usize = 44;

/// Where resume data begin in an entry.
pub(super) const RESUME: usize = START + STATE;
/// The least that an entry with a whole state takes.
pub(super) const STATE_ENTRY: usize = RESUME + CHECK;
/// What an entry with progress takes.
pub(super) const PROGRESS_ENTRY: usize = START + 4 + CHECK;

/// What a journal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) good: ImageSlot,
    pub(super) stage: Stage,
}

impl State {
    /// What an empty journal says.
    pub(super) const FIRST: Self = Self { good: ImageSlot::A, stage: Stage::Idle };
}

/// An entry that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u32,
    /// All of its bytes, without padding.
    pub(super) length: usize,
    pub(super) says: Says,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// With so many bytes of resume data.
    State(State, usize),
    Stored(u32),
}

impl Entry {
    /// The entry that `bytes` begin with; `None` if they do not begin with one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (start, rest) = bytes.split_first_chunk::<START>()?;
        let [kind, version, n0, n1, number @ ..] = *start;
        if version != VERSION {
            return None;
        }
        let says = usize::from(u16::from_le_bytes([n0, n1]));
        let (says, rest) = rest.split_at_checked(says)?;
        let length = START.checked_add(says.len())?;
        if check(bytes.get(..length)?) != *rest.first_chunk::<CHECK>()? {
            return None;
        }
        let says = match kind {
            WHOLE => {
                let (state, resume) = says.split_first_chunk::<STATE>()?;
                Says::State(read_state(state)?, resume.len())
            }
            PROGRESS => Says::Stored(u32::from_le_bytes(says.try_into().ok()?)),
            _ => return None,
        };
        let length = length.checked_add(CHECK)?;
        Some(Self { number: u32::from_le_bytes(number), length, says })
    }
}

/// Writes an entry to the front of `room`, around resume data that are there already. Returns its
/// length; `None` where there is no room for it.
pub(super) fn write_state(
    room: &mut [u8],
    number: u32,
    state: &State,
    resume: usize,
) -> Option<usize> {
    let says = STATE.checked_add(resume)?;
    let to = room.get_mut(START..RESUME)?.first_chunk_mut::<STATE>()?;
    *to = state_bytes(state);
    finish(room, WHOLE, number, says)
}

/// Writes how far the image came, likewise.
pub(super) fn write_stored(room: &mut [u8], number: u32, stored: u32) -> Option<usize> {
    *room.get_mut(START..)?.first_chunk_mut::<4>()? = stored.to_le_bytes();
    finish(room, PROGRESS, number, 4)
}

fn finish(room: &mut [u8], kind: u8, number: u32, says: usize) -> Option<usize> {
    let [n0, n1] = u16::try_from(says).ok()?.to_le_bytes();
    let [a, b, c, d] = number.to_le_bytes();
    *room.first_chunk_mut::<START>()? = [kind, VERSION, n0, n1, a, b, c, d];
    let length = START.checked_add(says)?;
    let value = check(room.get(..length)?);
    *room.get_mut(length..)?.first_chunk_mut::<CHECK>()? = value;
    length.checked_add(CHECK)
}

fn check(bytes: &[u8]) -> [u8; CHECK] {
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(bytes));
    [a, b, c, d, e, f, g, h]
}

fn state_bytes(state: &State) -> [u8; STATE] {
    let none = Manifest { length: 0, sha256: [0; 32] };
    let (stage, attempts, manifest, stored) = match state.stage {
        Stage::Idle => (0, 0, none, 0),
        Stage::Receiving { manifest, stored } => (1, 0, manifest, stored),
        Stage::Staged { manifest, attempts } => (2, attempts, manifest, 0),
        Stage::Rejected { manifest } => (3, 0, manifest, 0),
    };
    let good = match state.good {
        ImageSlot::A => 0,
        ImageSlot::B => 1,
    };
    let mut bytes = [0; STATE];
    let (start, sha256) = bytes.split_at_mut(12);
    let (start, stored_bytes) = start.split_at_mut(8);
    let (start, length) = start.split_at_mut(4);
    start.copy_from_slice(&[good, stage, attempts, 0]);
    length.copy_from_slice(&manifest.length.to_le_bytes());
    stored_bytes.copy_from_slice(&stored.to_le_bytes());
    sha256.copy_from_slice(&manifest.sha256);
    bytes
}

fn read_state(bytes: &[u8; STATE]) -> Option<State> {
    let (start, sha256) = bytes.split_first_chunk::<12>()?;
    let [good, stage, attempts, 0, l0, l1, l2, l3, stored @ ..] = *start else { return None };
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let manifest = Manifest { length, sha256: *sha256.first_chunk()? };
    let good = match good {
        0 => ImageSlot::A,
        1 => ImageSlot::B,
        _ => return None,
    };
    let stage = match stage {
        0 => Stage::Idle,
        1 => Stage::Receiving { manifest, stored: u32::from_le_bytes(stored) },
        2 => Stage::Staged { manifest, attempts },
        3 => Stage::Rejected { manifest },
        _ => return None,
    };
    Some(State { good, stage })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: Manifest = Manifest { length: 0x0102_0304, sha256: [7; 32] };

    fn stages() -> [Stage; 4] {
        [
            Stage::Idle,
            Stage::Receiving { manifest: MANIFEST, stored: 4096 },
            Stage::Staged { manifest: MANIFEST, attempts: 3 },
            Stage::Rejected { manifest: MANIFEST },
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        for (number, stage) in (1..).zip(stages()) {
            for good in [ImageSlot::A, ImageSlot::B] {
                let state = State { good, stage };
                let mut room = [0x55; 128];
                let length = write_state(&mut room, number, &state, 20).expect("room");
                let says = Says::State(state, 20);
                assert_eq!(Entry::read(&room), Some(Entry { number, length, says }));
                assert_eq!(room[RESUME..RESUME + 20], [0x55; 20]);
            }
        }
        let mut room = [0; PROGRESS_ENTRY];
        assert_eq!(write_stored(&mut room, 9, 77), Some(PROGRESS_ENTRY));
        let says = Says::Stored(77);
        assert_eq!(Entry::read(&room), Some(Entry { number: 9, length: PROGRESS_ENTRY, says }));
    }

    #[test]
    fn an_entry_with_any_bit_changed_is_none() {
        let mut room = [0xff; 128];
        let state = State { good: ImageSlot::B, stage: stages()[1] };
        let length = write_state(&mut room, 3, &state, 10).expect("room");
        for bit in 0..length * 8 {
            let mut changed = room;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Entry::read(&changed), None, "bit {bit}");
        }
        for cut in 0..length {
            assert_eq!(Entry::read(&room[..cut]), None, "{cut} bytes");
        }
    }

    #[test]
    fn too_little_room_is_told() {
        for room in 0..STATE_ENTRY + 5 {
            assert_eq!(write_state(&mut [0; 128][..room], 1, &State::FIRST, 5), None, "{room}");
        }
        for room in 0..PROGRESS_ENTRY {
            assert_eq!(write_stored(&mut [0; 128][..room], 1, 1), None, "{room}");
        }
    }
}
