//! Where the body of a request comes from: a slice, or a reader that fills a stage.

use core::cell::Cell;
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use embedded_io_async::Read;
use sortie_core::{BodyLength, Send, Task};

use crate::input::copy;
use crate::reins::report;
use crate::time::now;

/// The body of a request.
#[derive(Clone, Copy)]
pub(crate) struct Source<'r> {
    /// All of it, where it is at hand.
    slice: &'r [u8],
    /// What gives it; none gives none. A pointer, so that a program whose requests have no body
    /// links nothing of it.
    giver: Option<&'r dyn Giver>,
}

/// What gives the body of a request, or pieces of it.
pub(crate) trait Giver {
    /// See [`Source::suits`].
    fn suits(&self, slice: &[u8], length: BodyLength) -> bool;

    /// What can be had of what is due.
    fn supply(&self, due: &Send) -> Supply;

    /// See [`Source::put`].
    fn put(&self, slice: &[u8], task: &mut Task, room: &mut [u8], encoded: usize) -> usize;
}

/// What can be had of a body from some offset on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supply {
    /// Bytes.
    Bytes,
    /// Nothing now: the reader is asked.
    Awaited,
    /// Nothing more: the body ends here.
    Ended,
    /// Nothing more: the reader failed.
    Failed,
}

impl<'r> Source<'r> {
    /// None.
    pub(crate) const NOTHING: Self = Self { slice: &[], giver: None };

    /// All of it, which can be had again.
    pub(crate) const fn slice(body: &'r [u8]) -> Self {
        Self { slice: body, giver: Some(&AtHand) }
    }

    /// What a reader has brought and is not sent yet. It cannot be had again.
    pub(crate) const fn staged(stage: &'r Stage<'_>) -> Self {
        Self { slice: &[], giver: Some(stage) }
    }

    /// Whether it can be a body of this length.
    pub(crate) fn suits(&self, length: BodyLength) -> bool {
        match self.giver {
            None => matches!(length, BodyLength::None | BodyLength::Known(0)),
            Some(giver) => giver.suits(self.slice, length),
        }
    }

    /// Whether what `due` asks for can be had now.
    pub(crate) fn supply(&self, due: &Send) -> Supply {
        self.giver.map_or(Supply::Bytes, |giver| giver.supply(due))
    }

    /// Puts bytes of the body into `room`, behind the first so many, which are encoded there.
    /// Returns how many there are then.
    pub(crate) fn put(&self, task: &mut Task, room: &mut [u8], encoded: usize) -> usize {
        self.giver.map_or(encoded, |giver| giver.put(self.slice, task, room, encoded))
    }
}

/// A body of which all is there.
struct AtHand;

impl Giver for AtHand {
    fn suits(&self, slice: &[u8], length: BodyLength) -> bool {
        match length {
            BodyLength::None => slice.is_empty(),
            BodyLength::Known(length) => length == slice.len() as u64,
            BodyLength::Unknown => true,
        }
    }

    fn supply(&self, _: &Send) -> Supply {
        Supply::Bytes
    }

    fn put(&self, slice: &[u8], task: &mut Task, room: &mut [u8], encoded: usize) -> usize {
        put(task, room, encoded, |from| {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            slice.get(from..).unwrap_or_default()
        })
    }
}

/// As [`Source::put`], with what is `at_hand` from an offset on.
fn put<'b>(
    task: &mut Task,
    room: &mut [u8],
    encoded: usize,
    at_hand: impl FnOnce(u64) -> &'b [u8],
) -> usize {
    match task.io(0).send {
        Some(Send::Source { from }) => {
            report(task.handle_source(now(), at_hand(from).len()));
            encoded
        }
        // They go with what goes before them, as far as there is room.
        Some(Send::Write { from, max, .. }) => {
            let room = room.get_mut(encoded..).unwrap_or_default();
            let most = max.min(room.len());
            encoded + copy(at_hand(from), room.get_mut(..most).unwrap_or_default())
        }
        Some(Send::Encode) | None => encoded,
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.slice.len())
    }
}

/// Bytes of a body on their way from a reader to the connection, in memory that the caller lent.
///
/// The driver takes from it and [`fill`] puts into it, side by side in one future: whoever finds
/// nothing to do is polled again after the other one.
pub(crate) struct Stage<'b> {
    /// Empty while the reader has it.
    room: Cell<&'b mut [u8]>,
    has_room: bool,
    at: Cell<At>,
}

#[derive(Debug, Clone, Copy)]
struct At {
    /// Offset in the body of what is at hand.
    offset: u64,
    /// What is at hand: from here,
    from: usize,
    /// to here.
    to: usize,
    reader: Reader,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// Exit: `Asked`.
    Idle,
    /// Exits: `Idle`, `Ended`, `Failed`.
    Asked,
    Ended,
    Failed,
}

impl<'b> Stage<'b> {
    pub(crate) const fn new(room: &'b mut [u8]) -> Self {
        let has_room = !room.is_empty();
        let at = At { offset: 0, from: 0, to: 0, reader: Reader::Idle };
        Self { room: Cell::new(room), has_room, at: Cell::new(at) }
    }
}

impl Stage<'_> {
    /// What is at hand from this offset on; what is before it was sent. Asks for more where that is
    /// nothing.
    fn supply_from(&self, from: u64) -> Supply {
        let mut at = self.at.get();
        at.send_to(from);
        let supply = match at.reader {
            _ if at.from < at.to => Supply::Bytes,
            Reader::Idle | Reader::Asked => {
                at.reader = Reader::Asked;
                Supply::Awaited
            }
            Reader::Ended => Supply::Ended,
            Reader::Failed => Supply::Failed,
        };
        self.at.set(at);
        supply
    }
}

impl Giver for Stage<'_> {
    fn suits(&self, _: &[u8], length: BodyLength) -> bool {
        self.has_room && length != BodyLength::None
    }

    fn supply(&self, due: &Send) -> Supply {
        match *due {
            Send::Write { before: 0, from, max: 1.., after: 0 } => match self.supply_from(from) {
                // It is shorter than the request says.
                Supply::Ended | Supply::Failed => Supply::Failed,
                Supply::Bytes => Supply::Bytes,
                Supply::Awaited => Supply::Awaited,
            },
            Send::Source { from } => self.supply_from(from),
            Send::Write { .. } | Send::Encode => Supply::Bytes,
        }
    }

    fn put(&self, _: &[u8], task: &mut Task, room: &mut [u8], encoded: usize) -> usize {
        let mut at = self.at.get();
        let bytes = self.room.take();
        let count = put(task, room, encoded, |from| {
            at.send_to(from);
            bytes.get(at.from..at.to).unwrap_or_default()
        });
        self.room.set(bytes);
        count
    }
}

impl At {
    /// What is before this offset was sent.
    fn send_to(&mut self, offset: u64) {
        let sent = usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        self.from = self.from.saturating_add(sent).min(self.to);
        self.offset = self.offset.max(offset);
    }
}

/// Has `reader` fill `stage` whenever it is empty, for a body of `length`: of one whose length is
/// known no byte is read beyond that.
///
/// Dropping the future loses what the reader would have brought, and what is in the stage.
pub(crate) async fn fill(reader: &mut impl Read, stage: &Stage<'_>, length: BodyLength) -> ! {
    let mut left = match length {
        BodyLength::Known(length) => length,
        BodyLength::None | BodyLength::Unknown => u64::MAX,
    };
    loop {
        // Polled after the driver each time, so that nobody has to wake it.
        poll_fn(|_| match stage.at.get().reader {
            Reader::Asked => Poll::Ready(()),
            Reader::Idle | Reader::Ended | Reader::Failed => Poll::Pending,
        })
        .await;
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let room = stage.room.take();
        let most = most.min(room.len());
        let read = reader.read(room.get_mut(..most).unwrap_or_default()).await.ok();
        stage.room.set(room);
        left = left.saturating_sub(read.unwrap_or(0) as u64);
        let (to, reader) = match read {
            Some(0) => (0, Reader::Ended),
            Some(count) => (count, Reader::Idle),
            None => (0, Reader::Failed),
        };
        stage.at.set(At { from: 0, to, reader, ..stage.at.get() });
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(())
        })
        .await;
    }
}
