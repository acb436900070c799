//! Resume data of a download, kept in memory of the caller's while it runs.

use sortie_core::limits::RESUME_DATA_BYTES;
use sortie_core::{Event, Request, ResponseHead, ResumeData, Slot};

use crate::reins::Reins;

/// Fields of a head that are listed here: resume data is made only of a head whose fields are all
/// seen. It takes 512 bytes of stack.
const FIELDS: usize = 64;

/// Writes resume data: of the head of a response if there is one, else `stored` itself. Returns its
/// length; 0 where there is none, or no room for it.
type Write = fn(&mut [u8], &Request<'_>, Option<&ResponseHead<'_>>, Option<&ResumeData<'_>>) -> u16;

/// See [`Record::note`].
type Note =
    fn(&mut Record<'_>, &Reins, Event, &Request<'_>, &ResponseHead<'_>, Option<&ResumeData<'_>>);

/// Resume data in its byte form, and whether it is about what is received now.
pub(crate) struct Record<'a> {
    room: &'a mut [u8],
    length: u16,
    /// What is delivered now counts for it; else what it says itself.
    is_current: bool,
    /// A pointer, so that a program without downloads carries nothing of it.
    means: Option<&'static Means>,
}

/// What it takes to keep resume data.
struct Means {
    write: Write,
    note: Note,
}

const MEANS: Means = Means { write, note };

impl<'a> Record<'a> {
    /// None is kept.
    pub(crate) const fn none() -> Self {
        Self { room: &mut [], length: 0, is_current: false, means: None }
    }

    /// It is kept in `room`.
    pub(crate) fn new(room: &'a mut [u8]) -> Self {
        Self { room, length: 0, is_current: false, means: Some(&MEANS) }
    }

    /// Until a response comes, it is what the download goes on from.
    pub(crate) fn begin(&mut self, request: &Request<'_>, stored: Option<&ResumeData<'_>>) {
        if let Some(means) = self.means {
            self.length = (means.write)(self.room, request, None, stored);
        }
    }

    /// Notes what the task says that happened, with the head of the response.
    pub(crate) fn note(
        &mut self,
        control: &Reins,
        event: Event,
        request: &Request<'_>,
        head: &ResponseHead<'_>,
        stored: Option<&ResumeData<'_>>,
    ) {
        if let Some(means) = self.means {
            (means.note)(self, control, event, request, head, stored);
        }
    }

    /// The resume data of a download of which so many bytes were delivered and so many are known to
    /// be the whole. `None` where it cannot be gone on with, or nothing is there.
    fn of(
        bytes: &[u8],
        is_current: bool,
        delivered: u64,
        total: Option<u64>,
    ) -> Option<ResumeData<'_>> {
        let data = ResumeData::decode(bytes).ok()?;
        if is_current { data.with_received(delivered, total) } else { Some(data) }
    }

    /// As that, of now. Of a response whose head came and nothing else as well: whoever keeps it
    /// beside the content writes it once, before the content.
    pub(crate) fn resume_data(&self, delivered: u64, total: Option<u64>) -> Option<ResumeData<'_>> {
        let bytes = self.room.get(..self.length.into())?;
        Self::of(bytes, self.is_current, delivered, total)
    }

    /// As that, of the end; `None` if there is nothing to go on behind. Where what was received is
    /// not what it was said to be, what was there before counts.
    pub(crate) fn into_resume_data(
        self,
        delivered: u64,
        total: Option<u64>,
        keeps_content: bool,
    ) -> Option<ResumeData<'a>> {
        let bytes: &'a [u8] = self.room;
        let bytes = bytes.get(..self.length.into())?;
        let data = Self::of(bytes, self.is_current && keeps_content, delivered, total);
        data.filter(|data| data.received() > 0)
    }
}

#[inline(never)] // The index is on the stack, which should not be so deep anywhere else.
fn write(
    room: &mut [u8],
    request: &Request<'_>,
    head: Option<&ResponseHead<'_>>,
    stored: Option<&ResumeData<'_>>,
) -> u16 {
    let mut index = [Slot::EMPTY; FIELDS];
    let url = request.url();
    let made = head.map(|head| {
        let _ = ResponseHead::list(head.as_bytes(), &mut index);
        ResponseHead::new(head.as_bytes(), &index)
    });
    let made = match &made {
        Some(head) => ResumeData::of(url.as_str(), head, 0),
        None => stored.copied(),
    };
    let length = made.and_then(|data| data.encode(room).ok());
    length.and_then(|length| u16::try_from(length).ok()).unwrap_or(0)
}

const _: () = assert!(RESUME_DATA_BYTES <= u16::MAX as usize);

fn note(
    record: &mut Record<'_>,
    control: &Reins,
    event: Event,
    request: &Request<'_>,
    head: &ResponseHead<'_>,
    stored: Option<&ResumeData<'_>>,
) {
    let is_success = matches!(event, Event::Response { status: 200..=299 });
    if !is_success && event != Event::Resumed {
        return;
    }
    let head = Some(head).filter(|_| is_success);
    let can_be_resumed = control.with(|task| task.can_be_resumed()).unwrap_or(false);
    record.is_current = true;
    record.length = match can_be_resumed {
        true => write(record.room, request, head, stored),
        false => 0,
    };
}
