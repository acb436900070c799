//! Where a task goes: to the URL of its request, or to that of a redirect, in memory that was lent
//! for it.

use sortie_core::limits;
use sortie_core::{
    Event, InspectError, Inspection, Limit, Misuse, Request, ResponseHead, Resumption, Slot, Task,
    Url,
};

use crate::time::now;

/// Fields of a head that are listed where a download is gone on with and the caller's index does
/// not have them all. Servers send some ten; more than this end the task, unless the caller lends a
/// larger index. It takes 512 bytes of stack.
const FIELDS: usize = 64;

/// The URL that a task is at, and the one that it may go to.
pub(crate) struct Target<'r, 'a> {
    request: &'r Request<'r>,
    /// The current URL, if it is not that of the request, and behind it the next one.
    room: &'a mut [u8],
    // A URL has `limits::URL_BYTES` at most, so that two fit in a `u16`.
    /// Bytes of the current URL in `room`; 0 if it is that of the request.
    current: u16,
    next: Next,
    /// Bytes that `room` has to have, where it was too small; else 0.
    needed: u16,
}

/// Where a redirect leads: to a URL of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There was none.
    Nowhere,
    /// It may be followed. Exits: `Followed`, `Nowhere`.
    Proposed(u16),
    /// It is followed, as soon as the connection to the current URL is given back. Exit: `Nowhere`.
    Followed(u16),
}

impl<'r, 'a> Target<'r, 'a> {
    /// To the URL of the request, and nowhere else.
    pub(crate) const fn new(request: &'r Request<'r>) -> Self {
        Self { request, room: &mut [], current: 0, next: Next::Nowhere, needed: 0 }
    }

    /// Redirects may be followed, with their URLs in `room`.
    pub(crate) fn lend(&mut self, room: &'a mut [u8]) {
        self.room = room;
    }

    pub(crate) const fn request(&self) -> &'r Request<'r> {
        self.request
    }

    /// The current URL.
    #[inline(never)]
    pub(crate) fn url(&self) -> Url<'_> {
        redirected(self.room, self.current).unwrap_or_else(|| self.request.url())
    }

    /// The URL of the last redirect that was followed.
    pub(crate) fn redirected(&self) -> Option<Url<'_>> {
        redirected(self.room, self.current)
    }

    /// The same, for as long as its memory was lent.
    pub(crate) fn into_redirected(self) -> Option<Url<'a>> {
        redirected(self.room, self.current)
    }

    /// Bytes that the memory for URLs has to have, where it was too small; else 0.
    pub(crate) fn needed(&self) -> usize {
        self.needed.into()
    }

    /// Notes what the task says that happened.
    pub(crate) const fn note(&mut self, event: Event) {
        if let (Event::Redirected { .. }, Next::Proposed(next)) = (event, self.next) {
            self.next = Next::Followed(next);
        }
    }

    /// The URL that is gone to next.
    pub(crate) fn next(&self) -> Option<Url<'_>> {
        let Next::Followed(length) = self.next else { return None };
        redirected(self.room.get(self.current.into()..)?, length)
    }

    /// Before a connection is asked for: the URL of a redirect that is followed is the current one.
    /// Not before, because the connection that is given back until then leads to the last one.
    pub(crate) fn go_on(&mut self) {
        let Next::Followed(length) = self.next else { return };
        let start = usize::from(self.current);
        let end = start.saturating_add(length.into());
        if end <= self.room.len() {
            self.room.copy_within(start..end, 0);
            self.current = length;
        }
        self.next = Next::Nowhere;
    }

    /// Shows the head of the response to the task, which may find a redirect in it.
    pub(crate) fn inspect(
        &mut self,
        task: &mut Task,
        head: ResponseHead<'_>,
        resume: Option<Resumption<'_>>,
    ) -> Result<(), Misuse> {
        let Some((text, next)) = self.room.split_at_mut_checked(self.current.into()) else {
            return Ok(());
        };
        let target = redirected(text, self.current).unwrap_or_else(|| self.request.url());
        match task.inspect(now(), Inspection { head, target, next, resume }) {
            Ok(found) => {
                self.next =
                    found.map_or(Next::Nowhere, |found| Next::Proposed(short(found.length)));
                Ok(())
            }
            Err(InspectError::Misuse(misuse)) => Err(misuse),
            Err(InspectError::BufferTooSmall { needed }) => {
                self.needed = self.current.saturating_add(short(needed));
                task.handle_sink_failed(Some(Limit::TargetBuffer))
            }
            // The core may come to refuse more.
            Err(_) => task.handle_sink_failed(Some(Limit::TargetBuffer)),
        }
    }
}

/// As [`Target::inspect`], for a task that goes on with a download: no field may be overlooked.
#[inline(never)] // The index is on the stack, which should not be so deep anywhere else.
pub(crate) fn inspect_listed(
    target: &mut Target<'_, '_>,
    task: &mut Task,
    head: ResponseHead<'_>,
    resume: Resumption<'_>,
) -> Result<(), Misuse> {
    let mut index = [Slot::EMPTY; FIELDS];
    let count = ResponseHead::list(head.as_bytes(), &mut index);
    let head = match count {
        0..=FIELDS => ResponseHead::new(head.as_bytes(), &index),
        _ if head.fields().count() == count => head,
        _ => return task.handle_sink_failed(Some(Limit::HeadFields)),
    };
    target.inspect(task, head, Some(resume))
}

/// The URL of `length` bytes at the front of `room`, where the core wrote it: what it wrote parses.
/// `None` if there is none. To parse it again now and then costs less than the RAM for its parts.
#[inline(never)] // It is asked for in more than one place.
fn redirected(room: &[u8], length: u16) -> Option<Url<'_>> {
    Url::from_ascii(room.get(..length.into())?).ok()
}

/// The length of a URL.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

const _: () = assert!(2 * limits::URL_BYTES <= u16::MAX as usize);
