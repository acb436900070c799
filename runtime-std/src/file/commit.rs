//! The last steps of a download: from a part file to the destination.

use super::error::{FileError, FileErrorKind, Sha256Digest};
use super::medium::Medium;
use super::part::{Home, Part};

/// What the content must be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expected {
    pub(super) length: Option<u64>,
    /// What the user said, and what the server said.
    pub(super) digests: [Option<Sha256Digest>; 2],
}

pub(super) type Step<M> = fn(&mut Part<M>, &Expected) -> Result<(), FileError>;

/// The steps, in an order in which a crash between any two leaves the old destination or the whole
/// new one: content is on the disk before it has the name, and the record, without which a part
/// cannot be resumed, goes when there is nothing left to resume.
pub(super) const fn steps<M: Medium>() -> [Step<M>; 5] {
    [check_length, check_digests, sync, put_in_place, forget_record]
}

/// Takes all steps. A failed one is the last.
pub(super) fn commit<M: Medium>(part: &mut Part<M>, expected: &Expected) -> Result<(), FileError> {
    if part.medium.is_none() {
        return Err(FileError::new(FileErrorKind::Misuse, part.home.name()));
    }
    steps().into_iter().try_for_each(|step| step(part, expected))
}

/// The file is looked at too: somebody else may have written to it, lock or not.
fn check_length<M: Medium>(part: &mut Part<M>, expected: &Expected) -> Result<(), FileError> {
    part.check_end()?;
    match expected.length {
        Some(expected) if expected != part.length => {
            let kind = FileErrorKind::Length { expected, found: part.length };
            Err(FileError::new(kind, part.home.name()))
        }
        Some(_) | None => Ok(()),
    }
}

/// Wrong content is removed: no later attempt could make it right.
fn check_digests<M: Medium>(part: &mut Part<M>, expected: &Expected) -> Result<(), FileError> {
    for expected in expected.digests.into_iter().flatten() {
        let Some(found) = part.digest() else {
            return Err(FileError::new(FileErrorKind::Misuse, part.home.name()));
        };
        if expected != found {
            let kind = FileErrorKind::Digest { expected, found };
            let error = FileError::new(kind, part.home.name());
            part.remove();
            return Err(error);
        }
    }
    Ok(())
}

fn sync<M: Medium>(part: &mut Part<M>, _: &Expected) -> Result<(), FileError> {
    // What is temporary need not outlive a power failure.
    if let (Home::Beside(_), Some(medium)) = (&part.home, &mut part.medium) {
        let synced = medium.sync();
        part.writing(synced)?;
    }
    Ok(())
}

fn put_in_place<M: Medium>(part: &mut Part<M>, _: &Expected) -> Result<(), FileError> {
    if let Home::Beside(place) = &part.home {
        // What is moved is what has the name: it must be what was written, checked and synced.
        part.check_home()?;
        place.move_part()?;
        place.sync_folder();
    }
    part.medium = None;
    Ok(())
}

fn forget_record<M: Medium>(part: &mut Part<M>, _: &Expected) -> Result<(), FileError> {
    if let Home::Beside(place) = &part.home {
        // The download is whole: a record that stays is removed by the next one.
        let _ = place.remove_record();
    }
    Ok(())
}
