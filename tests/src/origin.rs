//! A scripted origin, played. It knows no driver: whoever plays it lends the time.

use std::collections::VecDeque;
use std::io;
use std::task::Poll;

use sortie_core::ChunkedDecoder;

use crate::faults::{Passed, Side, Tamper};
use crate::script::{Origin, Part, Step};
use crate::trace::{body_length, head_end, is_chunked};

/// What an origin answers to a request that it cannot read.
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

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
    /// What stands between it and the client; it takes and holds whatever comes.
    proxy: Tamper,
    /// Whether the network has buffers of its own, as sockets have: it takes whatever is written,
    /// and an end shows to who reads.
    is_buffered: bool,
    /// Bytes that the proxy or the network has, and that were not taken yet.
    held: VecDeque<u8>,
    /// When the last of them came.
    came: u64,
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
    is_malformed: bool,
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
            proxy: Tamper::new(origin.fault),
            is_buffered: false,
            held: VecDeque::new(),
            came: now,
            since: now,
            end: None,
        };
        peer.advance(now);
        peer
    }

    /// The same behind a network that takes whatever is written, until the client reads the end.
    #[must_use]
    pub fn buffered(self) -> Self {
        Self { is_buffered: true, ..self }
    }

    /// Takes bytes that the client writes. `Pending` while the origin takes none.
    pub fn write(&mut self, now: u64, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.advance(now);
        if self.is_buffered && !self.proxy.is_there() {
            self.came = now;
            self.held.extend(bytes);
            self.advance(now);
            return Poll::Ready(Ok(bytes.len()));
        }
        let mut count = match self.proxy.is_there() {
            true => self.pass(now, bytes),
            false => 0,
        };
        let direct = if self.proxy.is_there() { &[] } else { bytes };
        while let (Some(byte), Some(Step::Expect(part))) = (direct.get(count), self.steps.front()) {
            let is_enough = self.taken.take(*byte, *part);
            assert!(!self.taken.is_malformed, "a malformed request: {:?}", self.taken.text());
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

    /// Lets bytes through the proxy, and the origin take them. Returns how many came through before
    /// an end.
    fn pass(&mut self, now: u64, bytes: &[u8]) -> usize {
        for (count, byte) in bytes.iter().enumerate() {
            if self.end.is_some() {
                return count;
            }
            match self.proxy.pass(Side::Request, *byte) {
                Passed::As(byte) => self.held.push_back(byte),
                Passed::Twice(byte) => self.held.extend([byte, byte]),
                Passed::Not => {}
                Passed::Ends(end) => {
                    self.steps.clear();
                    self.end = Some(end);
                    return count;
                }
            }
            self.advance(now);
        }
        bytes.len()
    }

    /// Takes what passed the proxy, as far as it is waited for.
    fn take_held(&mut self) -> bool {
        let (Some(byte), Some(Step::Expect(part))) = (self.held.front(), self.steps.front()) else {
            return false;
        };
        if self.taken.has(*part) {
            return false;
        }
        let is_enough = self.taken.take(*byte, *part);
        self.held.pop_front();
        if self.taken.is_malformed {
            assert!(self.proxy.is_there(), "a malformed request: {:?}", self.taken.text());
            self.steps = [Step::Send(BAD_REQUEST.to_vec()), Step::Close].into();
        } else if is_enough {
            self.end_step(self.since.max(self.came));
        }
        true
    }

    /// Sends through the proxy.
    fn send(&mut self, bytes: Vec<u8>) {
        for byte in bytes {
            match self.proxy.pass(Side::Response, byte) {
                Passed::As(byte) => self.sent.push(byte),
                Passed::Twice(byte) => self.sent.extend([byte, byte]),
                Passed::Not => {}
                Passed::Ends(end) => {
                    self.steps.clear();
                    self.end = Some(end);
                    return;
                }
            }
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

    /// How it ended the connection, if it did: by `Close` or `Reset`.
    #[must_use]
    pub fn end(&self) -> Option<&Step> {
        self.end.as_ref()
    }

    /// Goes through all steps that are done by `now`.
    pub fn advance(&mut self, now: u64) {
        while self.end.is_none() {
            if self.take_held() {
                continue;
            }
            match self.steps.front_mut() {
                Some(Step::Send(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    self.send(bytes);
                    if self.end.is_some() {
                        return;
                    }
                }
                Some(Step::Next) => self.taken.begin_next(),
                Some(Step::Expect(part)) if self.taken.has(*part) => {}
                Some(Step::Wait(micros)) if self.since + *micros <= now => self.since += *micros,
                Some(Step::Close | Step::Reset) if self.proxy.is_stalled(Side::Response) => return,
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
        Self {
            bytes: Vec::new(),
            start: 0,
            head: None,
            decoder: None,
            left: 0,
            is_malformed: false,
            due: None,
        }
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
                self.is_malformed = decoder.next_run(&[byte]).is_err();
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
        let length = body_length(head);
        self.is_malformed = length.is_none();
        self.left = length.unwrap_or(0);
        self.decoder = is_chunked(head).then(ChunkedDecoder::new);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
