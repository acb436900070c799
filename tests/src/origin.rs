//! A scripted origin, played. It knows no driver: whoever plays it lends the time.

use std::collections::VecDeque;
use std::io;
use std::task::Poll;

use sortie_core::ChunkedDecoder;

use crate::script::{Origin, Part, Step};
use crate::trace::{content_length, head_end, is_chunked};

/// How what an origin sends is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// As much at once as there is.
    Whole,
    /// One byte at a time.
    Bytewise,
    /// In two, behind so many bytes of what the connection carries.
    At(usize),
}

/// The far end of one connection. Wakers are not kept: who gets `Pending` looks again after a call
/// from the other direction, or when the time is [`wakes`](Self::wakes).
#[derive(Debug)]
pub struct Peer {
    steps: VecDeque<Step>,
    split: Split,
    /// Everything sent, of which the first `read` bytes were read.
    sent: Vec<u8>,
    read: usize,
    taken: Taken,
    /// When the step before the current one ended.
    since: u64,
    end: Option<Step>,
}

/// What an origin took of a request.
#[derive(Debug)]
struct Taken {
    /// All requests, joined.
    bytes: Vec<u8>,
    /// Where the current one begins.
    start: usize,
    /// The length of its head.
    head: Option<usize>,
    decoder: Option<ChunkedDecoder>,
    /// Bytes of body still due where the head gave a length.
    left: u64,
    /// Bytes still due to the current `Part::Bytes`.
    due: Option<usize>,
}

impl Peer {
    /// An origin at the start of its steps, on a connection that is there at `now`.
    #[must_use]
    pub fn new(origin: &Origin, split: Split, now: u64) -> Self {
        let mut peer = Self {
            steps: origin.steps.clone().into(),
            split,
            sent: Vec::new(),
            read: 0,
            taken: Taken::new(),
            since: now,
            end: None,
        };
        peer.advance(now);
        peer
    }

    /// Takes bytes that the client writes. `Pending` while the origin takes none.
    pub fn write(&mut self, now: u64, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.advance(now);
        let mut count = 0;
        while let (Some(byte), Some(Step::Expect(part))) = (bytes.get(count), self.steps.front()) {
            let is_enough = self.taken.take(*byte, *part);
            count += 1;
            if is_enough {
                self.end_step(now);
                self.advance(now);
            }
        }
        match self.end {
            _ if count > 0 || bytes.is_empty() => Poll::Ready(Ok(count)),
            Some(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            None => Poll::Pending,
        }
    }

    /// Gives the client bytes to read; none is the end.
    pub fn read(&mut self, now: u64, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.advance(now);
        let unread = self.sent.get(self.read..).unwrap_or_default();
        if unread.is_empty() {
            return match self.end {
                Some(Step::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Some(_) => Poll::Ready(Ok(0)),
                None => Poll::Pending,
            };
        }
        let most = match self.split {
            Split::Whole => usize::MAX,
            Split::Bytewise => 1,
            Split::At(at) if at > self.read => at - self.read,
            Split::At(_) => usize::MAX,
        };
        let count = buffer.len().min(unread.len()).min(most);
        for (to, from) in buffer.iter_mut().zip(&unread[..count]) {
            *to = *from;
        }
        self.read += count;
        Poll::Ready(Ok(count))
    }

    /// The time at which the origin does something of its own accord.
    #[must_use]
    pub fn wakes(&self) -> Option<u64> {
        match self.steps.front() {
            Some(Step::Wait(micros)) => Some(self.since + micros),
            Some(_) | None => None,
        }
    }

    /// The bytes that it took: of one request, or of several, joined.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.taken.bytes
    }

    /// Whether it does nothing more, whatever comes.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.steps.is_empty() || self.end.is_some()
    }

    /// Whether it waits for bytes of a request.
    #[must_use]
    pub fn is_expecting(&self) -> bool {
        matches!(self.steps.front(), Some(Step::Expect(_)))
    }

    /// How many bytes that it sent were not read yet.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.sent.len() - self.read
    }

    /// Goes through all steps that are done by `now`.
    pub fn advance(&mut self, now: u64) {
        while self.end.is_none() {
            match self.steps.front_mut() {
                Some(Step::Send(bytes)) => self.sent.append(bytes),
                Some(Step::Next) => self.taken.begin_next(),
                Some(Step::Expect(part)) if self.taken.has(*part) => {}
                Some(Step::Wait(micros)) if self.since + *micros <= now => self.since += *micros,
                Some(end @ (Step::Close | Step::Reset | Step::Refuse)) => {
                    self.end = Some(end.clone());
                }
                Some(Step::Expect(_) | Step::Wait(_)) | None => return,
            }
            self.end_step(self.since);
        }
    }

    fn end_step(&mut self, at: u64) {
        self.steps.pop_front();
        self.taken.due = None;
        self.since = at;
    }
}

impl Taken {
    fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, head: None, decoder: None, left: 0, due: None }
    }

    fn begin_next(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        *self = Self { start: bytes.len(), bytes, ..Self::new() };
    }

    /// Takes a byte. Returns whether `part` is complete with it.
    fn take(&mut self, byte: u8, part: Part) -> bool {
        self.bytes.push(byte);
        match (&mut self.decoder, self.head) {
            (Some(decoder), _) => {
                let run = decoder.next_run(&[byte]);
                assert!(run.is_ok(), "a malformed request: {:?}", self.text());
            }
            (None, Some(_)) => self.left = self.left.saturating_sub(1),
            (None, None) => {
                if byte == b'\n' {
                    self.end_head();
                }
            }
        }
        if let Part::Bytes(count) = part {
            let due = self.due.unwrap_or(count);
            self.due = Some(due.saturating_sub(1));
        }
        self.has(part)
    }

    fn has(&self, part: Part) -> bool {
        match part {
            Part::Head => self.head.is_some(),
            Part::Request => {
                let body_ended = match &self.decoder {
                    Some(decoder) => decoder.is_finished(),
                    None => self.left == 0,
                };
                self.head.is_some() && body_ended
            }
            Part::Bytes(count) => self.due.unwrap_or(count) == 0,
        }
    }

    fn end_head(&mut self) {
        let request = self.bytes.get(self.start..).unwrap_or_default();
        self.head = head_end(request);
        let Some(head) = self.head.and_then(|end| request.get(..end)) else {
            return;
        };
        self.left = content_length(head) as u64;
        self.decoder = is_chunked(head).then(ChunkedDecoder::new);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
