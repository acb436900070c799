//! Where received bytes go: heads to an inbox, content to the caller's buffer, or to the inbox for
//! who takes it as it comes.

use sortie_core::{Error, Event, Limit, Receive, ResponseHead, Slot, Task, Url};

use crate::reins::report;
use crate::task::{Failure, Response};
use crate::time::now;

/// Room for content from which on a read goes straight to it. With less, framing would be read in
/// crumbs: then reads go to the slot's inbox, and what content they bring is copied.
const DIRECT: usize = 64;

/// The buffers that a task's caller lent, and how far they are filled.
pub(crate) struct Input<'r> {
    /// For the head, instead of the inbox of the slot.
    lent: Option<&'r mut [u8]>,
    index: &'r mut [Slot],
    content: &'r mut [u8],
    /// How content gets to that buffer. Without it content stays in the inbox, to be taken from
    /// there. A pointer, so that a program that takes all content as it comes does not link it.
    store: Option<&'static Store>,
    at: Fill,
}

/// What it takes to receive content in the caller's buffer.
struct Store {
    /// See [`Input::room`].
    room: fn(&Input<'_>, &[u8]) -> usize,
    /// See [`Input::space`].
    space: for<'s> fn(&'s mut Input<'_>, usize, &'s mut [u8]) -> &'s mut [u8],
    /// See [`Input::take`].
    take: fn(&mut Input<'_>, &mut Task, &mut [u8], usize),
}

const STORE: Store = Store { room, space, take };

/// How far the buffers are filled, in bytes.
#[derive(Debug, Clone, Copy)]
struct Fill {
    /// Held in the inbox.
    held: usize,
    /// Of these, taken: the head, and then what followed it.
    taken: usize,
    /// Of these, the final head.
    head: usize,
    /// Content in the caller's buffer.
    stored: usize,
    /// Content in the inbox that is to be taken: from here,
    fresh: usize,
    /// to here,
    fresh_end: usize,
    /// and this is the inbox that the head is in.
    is_beside_head: bool,
    /// Bytes that a lent buffer has to have, where it was too small and that is known; else 0.
    needed: usize,
    /// Of the final response, or 0.
    status: u16,
    /// The content is the rest of what was cut off before.
    is_resumed: bool,
}

impl Fill {
    /// Nothing came.
    const START: Self = Self {
        held: 0,
        taken: 0,
        head: 0,
        stored: 0,
        fresh: 0,
        fresh_end: 0,
        is_beside_head: false,
        needed: 0,
        status: 0,
        is_resumed: false,
    };
}

impl<'r> Input<'r> {
    /// Nothing is lent, and content is handed on as it comes.
    pub(crate) const fn new() -> Self {
        Self { lent: None, index: &mut [], content: &mut [], store: None, at: Fill::START }
    }

    /// Keeps the head in memory that is lent.
    pub(crate) fn lend_head(&mut self, bytes: &'r mut [u8], index: &'r mut [Slot]) {
        self.lent = Some(bytes);
        self.index = index;
    }

    /// Stores content in a buffer that is lent.
    pub(crate) fn store_in(&mut self, content: &'r mut [u8]) {
        self.content = content;
        self.store = Some(&STORE);
    }

    /// Whether content is handed on.
    pub(crate) const fn hands_on(&self) -> bool {
        self.store.is_none()
    }

    /// Whether there is content to be taken.
    pub(crate) const fn has_fresh(&self) -> bool {
        self.at.fresh < self.at.fresh_end
    }

    /// The content that is to be taken, with the inbox of the slot being `own`.
    pub(crate) fn fresh<'s>(&'s self, own: &'s [u8]) -> &'s [u8] {
        let inbox = match self.at.is_beside_head {
            true => self.lent.as_deref().unwrap_or(own),
            false => own,
        };
        inbox.get(self.at.fresh..self.at.fresh_end).unwrap_or_default()
    }

    /// So many bytes of that were taken. Returns how many there were.
    pub(crate) fn consume(&mut self, count: usize) -> usize {
        let left = self.at.fresh_end.saturating_sub(self.at.fresh);
        let count = count.min(left);
        self.at.fresh += count;
        count
    }

    /// Bytes that a lent buffer has to have, where it was too small and that is known; else 0.
    pub(crate) const fn needed(&self) -> usize {
        self.at.needed
    }

    /// The status of the final response, if its head came.
    pub(crate) fn status(&self) -> Option<u16> {
        Some(self.at.status).filter(|status| *status != 0)
    }

    /// Whether the content is the rest of what was cut off before.
    pub(crate) const fn is_resumed(&self) -> bool {
        self.at.is_resumed
    }

    /// The head of the final response in the memory that was lent for it.
    pub(crate) fn lent_head(&self) -> ResponseHead<'_> {
        self.head(&[])
    }

    /// Starts again, for a new connection.
    pub(crate) fn restart(&mut self) {
        self.at = Fill::START;
    }

    /// Notes what the task says that happened.
    pub(crate) fn note(&mut self, event: Event) {
        if let Event::Response { status } = event {
            self.at.status = status;
        }
        self.at.is_resumed |= event == Event::Resumed;
    }

    /// The head of the final response, with the inbox of the slot being `own`.
    pub(crate) fn head<'s>(&'s self, own: &'s [u8]) -> ResponseHead<'s> {
        let inbox = self.lent.as_deref().unwrap_or(own);
        ResponseHead::new(inbox.get(..self.at.head).unwrap_or_default(), self.index)
    }

    /// Bytes that are held and belong to no response.
    pub(crate) const fn unread(&self) -> usize {
        self.at.held.saturating_sub(self.at.taken)
    }

    /// The most that one read of a body may bring, with the inbox of the slot being `own`.
    pub(crate) fn room(&self, own: &[u8]) -> usize {
        self.store.map_or(own.len(), |store| (store.room)(self, own))
    }

    /// Where to read `wanted` to. Empty where enough is held, so that nothing is to be read.
    pub(crate) fn space<'s>(&'s mut self, wanted: Receive, own: &'s mut [u8]) -> &'s mut [u8] {
        let max = match (wanted, self.store) {
            (Receive::HeadAgain, _) => return &mut [],
            (Receive::Head, _) => {
                let inbox = self.lent.as_deref_mut().unwrap_or(own);
                return inbox.get_mut(self.at.held..).unwrap_or_default();
            }
            _ if self.unread() > 0 => return &mut [],
            (Receive::Body { max }, Some(store)) => return (store.space)(self, max, own),
            (Receive::Body { max } | Receive::Discard { max }, _) => max,
        };
        first(own, max)
    }

    /// Hands what is held, and `count` bytes that were read, to the task.
    #[inline(never)] // What it takes of the stack is not there while others go deep.
    pub(crate) fn take(&mut self, task: &mut Task, wanted: Receive, own: &mut [u8], count: usize) {
        let is_wanted = match (wanted, self.store) {
            (Receive::Head | Receive::HeadAgain, _) => return self.take_head(task, own, count),
            (Receive::Body { .. }, Some(store)) => return (store.take)(self, task, own, count),
            (Receive::Body { .. }, None) => true,
            (Receive::Discard { .. }, _) => false,
        };
        let (is_beside_head, from) = (self.unread() > 0, self.at.taken);
        let (bytes, from) = match is_beside_head {
            true => (self.take_held(own), from),
            false => (first(own, count), 0),
        };
        // Of what nobody wants there is no content.
        let length = task.handle_body(now(), bytes).unwrap_or(0);
        if is_wanted {
            self.at.fresh = from;
            self.at.fresh_end = from + length;
            self.at.is_beside_head = is_beside_head;
        } else {
            self.at.needed = task.head_needs().map_or(0, usize::from);
        }
    }

    /// What is held behind the head, which is taken by that.
    fn take_held<'s>(&'s mut self, own: &'s mut [u8]) -> &'s mut [u8] {
        let from = self.at.taken;
        self.at.taken = self.at.held;
        let inbox = self.lent.as_deref_mut().unwrap_or(own);
        inbox.get_mut(from..self.at.held).unwrap_or_default()
    }

    fn take_head(&mut self, task: &mut Task, own: &mut [u8], count: usize) {
        let inbox = self.lent.as_deref_mut().unwrap_or(own);
        self.at.held += count;
        let full = self.at.held >= inbox.len();
        let held = inbox.get_mut(..self.at.held).unwrap_or_default();
        let Ok(advance) = task.handle_head(now(), held, full, self.index) else {
            return;
        };
        if advance.drop > 0 {
            held.copy_within(advance.drop.min(held.len()).., 0);
            self.at.held = self.at.held.saturating_sub(advance.drop);
        }
        self.at.head = advance.head;
        self.at.taken = advance.head;
    }

    fn content_room(&self) -> usize {
        self.content.len().saturating_sub(self.at.stored)
    }

    /// What the task brought: after redirects from `url`, for which `needed` bytes have to be there
    /// if there were fewer, and going on behind `stored` bytes if the server went on there.
    pub(crate) fn finish(
        self,
        result: Result<(), Error>,
        stored: u64,
        needed: usize,
        url: Option<Url<'r>>,
    ) -> Result<Response<'r>, Failure> {
        let Self { lent, index, content, store: _, at } = self;
        let offset = if at.is_resumed { stored } else { 0 };
        if let Err(error) = result {
            return Err(Failure {
                error,
                status: Some(at.status).filter(|status| *status != 0),
                offset,
                received: at.stored as u64,
                needed: Some(at.needed.max(needed)).filter(|needed| *needed > 0),
            });
        }
        let lent: &[u8] = lent.unwrap_or_default();
        let head = lent.get(..at.head).unwrap_or_default();
        let content: &[u8] = content;
        let content = content.get(..at.stored).unwrap_or_default();
        let head = ResponseHead::new(head, index);
        Ok(Response { status: at.status, head, content, offset, url })
    }
}

/// The first bytes, so many at most.
fn first(bytes: &mut [u8], most: usize) -> &mut [u8] {
    let most = most.min(bytes.len());
    bytes.get_mut(..most).unwrap_or_default()
}

// Content in the caller's buffer.

/// See [`Input::room`].
fn room(input: &Input<'_>, own: &[u8]) -> usize {
    match input.content_room() {
        room if room >= DIRECT => room,
        _ => own.len(),
    }
}

/// See [`Input::space`].
fn space<'s>(input: &'s mut Input<'_>, max: usize, own: &'s mut [u8]) -> &'s mut [u8] {
    match input.content_room() >= DIRECT {
        true => first(input.content.get_mut(input.at.stored..).unwrap_or_default(), max),
        false => first(own, max),
    }
}

/// See [`Input::take`].
fn take(input: &mut Input<'_>, task: &mut Task, own: &mut [u8], count: usize) {
    let is_held = input.unread() > 0;
    if !is_held && input.content_room() >= DIRECT {
        let bytes = first(input.content.get_mut(input.at.stored..).unwrap_or_default(), count);
        let length = task.handle_body(now(), bytes).unwrap_or(0);
        return delivered(input, task, length, length);
    }
    let from = if is_held { input.at.taken } else { 0 };
    let to = if is_held { input.at.held } else { count };
    input.at.taken = input.at.held;
    let buffer = match is_held {
        true => input.lent.as_deref_mut().unwrap_or(own),
        false => own,
    };
    let bytes = buffer.get_mut(from..to).unwrap_or_default();
    let length = task.handle_body(now(), bytes).unwrap_or(0);
    let room = input.content.get_mut(input.at.stored..).unwrap_or_default();
    let stored = copy(bytes.get(..length).unwrap_or_default(), room);
    delivered(input, task, length, stored);
}

/// Of `length` bytes of content, `stored` found room.
fn delivered(input: &mut Input<'_>, task: &mut Task, length: usize, stored: usize) {
    input.at.stored += stored;
    report(task.handle_delivered(now(), stored as u64));
    if stored < length {
        let whole = task.counts().expected_to_receive;
        input.at.needed = whole.and_then(|whole| usize::try_from(whole).ok()).unwrap_or(0);
        report(task.handle_sink_failed(Some(Limit::ContentBuffer)));
    }
}

/// Copies as much as there is room for. Returns how many bytes that is.
pub(crate) fn copy(bytes: &[u8], room: &mut [u8]) -> usize {
    for (to, from) in room.iter_mut().zip(bytes) {
        *to = *from;
    }
    bytes.len().min(room.len())
}
