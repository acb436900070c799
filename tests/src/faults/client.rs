//! A client without machines: it writes what was recorded, waits until nothing more can come, and
//! then looks at all of it with a plain [reading](super::reading). What follows from that is the
//! documentation, written down once more: which errors there are, what is made again, and what no
//! client can notice.

use std::task::Poll;

use sortie_core::{Error, PeerError, TaskKind, Timer, Transport, limits};

use super::judge::{Expected, Recording, Seen};
use super::reading::{End, Message, Reading, State, What, read};
use crate::origin::{Peer, Split};
use crate::script::{Script, Step};
use crate::trace::head_end;

/// Everything that a peer gives.
pub(super) fn drain(peer: &mut Peer, now: u64) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while let Poll::Ready(Ok(count @ 1..)) = peer.read(now, &mut buffer) {
        all.extend(&buffer[..count]);
    }
    all
}

/// What comes of `script`, of which `recording` is without a fault. The network `holds` what is
/// written.
pub(super) fn play(recording: &Recording, script: &Script, holds: bool) -> Expected {
    let mut client = Client {
        recording,
        script,
        holds,
        peers: Vec::new(),
        idle: None,
        is_stale: false,
        now: 0,
        expected: Expected {
            seen: Seen {
                result: Ok(()),
                content: Vec::new(),
                statuses: Vec::new(),
                hops: 0,
                sent: 0,
                received: 0,
                expected_to_receive: None,
                requests: Vec::new(),
                ended: None,
                wire: [0; 2],
            },
            most_sent: 0,
            may_send: false,
            is_anywhere: false,
            is_kept: false,
        },
    };
    client.expected.seen.result = client.run();
    let Client { mut expected, peers, now, .. } = client;
    expected.seen.requests = peers.iter().map(|peer| peer.request().to_vec()).collect();
    expected.seen.ended = Some(now);
    expected
}

struct Client<'r> {
    recording: &'r Recording,
    script: &'r Script,
    holds: bool,
    peers: Vec<Peer>,
    /// A connection that can be used again.
    idle: Option<usize>,
    /// A request was made again already.
    is_stale: bool,
    now: u64,
    expected: Expected,
}

/// What a connection showed.
struct Talk {
    place: usize,
    is_reused: bool,
    came: Vec<u8>,
    end: End,
    /// Bytes that were written.
    written: usize,
    /// Bytes after which there was a final answer: no more need be written.
    least: usize,
    /// Leave to send the body came together with a final answer: all of it may go out.
    goes_on: bool,
}

/// What is to be done next.
enum Next {
    /// The task ends.
    End(Result<(), Error>),
    /// The same request on a new connection.
    Again,
    /// The whole instead of the rest.
    Whole,
    /// The next request of the recording.
    Follow,
}

impl Client<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let mut requests = self.recording.requests.iter().cloned();
        let mut request = requests.next().expect("a request");
        let mut resumes = self.script.options.is_resuming;
        loop {
            let talk = self.talk(&request);
            self.count(&request, &talk);
            let reading = read(&talk.came, talk.end);
            self.expected.seen.statuses.extend(&reading.interims);
            match self.judge(&request, &talk, reading, resumes) {
                Next::End(result) => return result,
                Next::Again => self.idle = None,
                Next::Whole => {
                    resumes = false;
                    request = without_range(&request);
                }
                Next::Follow => match requests.next() {
                    Some(next) => request = next,
                    // It leads where nobody went before.
                    None => self.expected.is_anywhere = true,
                },
            }
            if self.expected.is_anywhere {
                return Ok(());
            }
        }
    }

    /// Sends a request and takes all that comes.
    fn talk(&mut self, request: &[u8]) -> Talk {
        let place = self.idle.take().unwrap_or(self.peers.len());
        let mut is_reused = place < self.peers.len();
        if !is_reused {
            let origin = &self.script.connections[place];
            is_reused = origin.is_reused;
            self.peers.push(Peer::new(origin, Split::Whole, self.now));
        }
        let head = head_end(request).expect("a whole head");
        let waits = String::from_utf8_lossy(&request[..head]).contains("\r\nExpect: ");
        let first = if waits { head } else { request.len() };
        let (mut came, mut least) = (Vec::new(), None);
        let mut written = self.write(place, &request[..first], &mut came, &mut least);
        let end = self.end(place);
        let reading = read(&came, end);
        let is_open = matches!(reading.what, What::Nothing | What::Partial);
        let has_leave = reading.interims.contains(&100);
        let is_patient = self.script.options.request_timeout > limits::CONTINUE_TIMEOUT;
        let is_late = end == End::Silent && is_patient && !has_leave;
        if waits && is_open && (has_leave || is_late) {
            if is_late {
                self.now += limits::CONTINUE_TIMEOUT;
            }
            let mut more = None;
            written += self.write(place, &request[first..], &mut came, &mut more);
            least = more.map(|more| first + more);
        }
        let goes_on = waits && !is_open && has_leave;
        let least = least.unwrap_or(written);
        self.expected.may_send |= goes_on;
        Talk { place, is_reused, came, end: self.end(place), written, least, goes_on }
    }

    /// Writes byte by byte, and reads what comes. Returns how many bytes were taken; a final answer
    /// was there after `least` of them.
    fn write(
        &mut self,
        place: usize,
        bytes: &[u8],
        came: &mut Vec<u8>,
        least: &mut Option<usize>,
    ) -> usize {
        let peer = &mut self.peers[place];
        for (count, byte) in bytes.iter().enumerate() {
            let written = peer.write(self.now, &[*byte]);
            if !matches!(written, Poll::Ready(Ok(1))) {
                came.extend(drain(peer, self.now));
                return count;
            }
            let more = drain(peer, self.now);
            came.extend(&more);
            if !more.is_empty() && least.is_none() {
                let what = read(came, End::Silent).what;
                let is_final = matches!(what, What::Message(_) | What::Refused(_));
                *least = is_final.then_some(count + 1);
            }
        }
        bytes.len()
    }

    fn end(&self, place: usize) -> End {
        match self.peers[place].end() {
            None => End::Silent,
            Some(Step::Reset) => End::Broken,
            Some(_) => End::Closed,
        }
    }

    /// The counts of a transfer that has just been.
    fn count(&mut self, request: &[u8], talk: &Talk) {
        let is_open = self.holds || talk.goes_on;
        let most = if is_open { request.len() } else { talk.written };
        let seen = &mut self.expected.seen;
        seen.wire = [most as u64, talk.came.len() as u64];
        seen.sent = content_of(request, talk.least);
        self.expected.most_sent = content_of(request, most);
        (seen.received, seen.expected_to_receive) = (0, None);
        self.expected.is_kept = false;
    }

    fn judge(&mut self, request: &[u8], talk: &Talk, reading: Reading, resumes: bool) -> Next {
        let lost = |why| Next::End(Err(Error::Transport(why)));
        match reading.what {
            What::Refused(why) => Next::End(Err(Error::Peer(why))),
            What::Nothing | What::Partial if talk.end == End::Silent => self.time_out(),
            What::Nothing => {
                let is_unsent = talk.written == 0 && !self.holds;
                let is_safe = !request.starts_with(b"POST ");
                let again = talk.is_reused && !self.is_stale && (is_unsent || is_safe);
                self.is_stale = true;
                if again { Next::Again } else { lost(Transport::NoResponse) }
            }
            What::Partial => lost(Transport::Lost),
            What::Message(message) => self.meet(request, talk, message, resumes),
        }
    }

    fn time_out(&mut self) -> Next {
        self.now += self.script.options.request_timeout;
        Next::End(Err(Error::TimedOut(Timer::Request)))
    }

    /// A whole head.
    fn meet(&mut self, request: &[u8], talk: &Talk, message: Message, resumes: bool) -> Next {
        let status = message.head.status;
        if status == 101 {
            return Next::End(Err(Error::Peer(PeerError::UnexpectedUpgrade)));
        }
        let locations = message.values("location");
        if matches!(status, 301 | 302 | 303 | 307 | 308) && !locations.is_empty() {
            return self.follow(talk, &message);
        }
        // A part in answer to a request for the whole must not pass for it.
        let is_download = self.script.options.kind == TaskKind::Download;
        let is_part = is_download && status == 206;
        if resumes {
            match self.verdict(&message) {
                Verdict::Append => {
                    let stored = self.script.resume.as_ref().expect("resume data");
                    self.expected.seen.received = stored.received;
                    self.expected.seen.statuses.push(status);
                    let message = Message { length: stored.total, ..message };
                    return self.take(talk, message);
                }
                Verdict::Again => return self.discard(talk, &message, Next::Whole),
                Verdict::Other => {
                    self.expected.seen.statuses.push(status);
                    self.expected.seen.expected_to_receive = message.length;
                    return Next::End(Err(Error::Status(status)));
                }
                Verdict::Replace => {}
            }
        }
        self.expected.seen.statuses.push(status);
        let wants_success = self.script.options.requires_success;
        self.expected.seen.expected_to_receive = message.length;
        if is_part && !has_field(request, "Range") {
            return Next::End(Err(Error::Peer(PeerError::UnaskedRange)));
        }
        if wants_success && !(200..300).contains(&status) {
            return Next::End(Err(Error::Status(status)));
        }
        self.take(talk, message)
    }

    /// The content is what was asked for.
    fn take(&mut self, talk: &Talk, message: Message) -> Next {
        let seen = &mut self.expected.seen;
        let stored = seen.received;
        // More than the range that was announced is noticed, and not delivered.
        let room = message.length.filter(|_| stored > 0).map(|total| total - stored);
        if room.is_some_and(|room| room < message.content.len() as u64) {
            let room = usize::try_from(room.unwrap_or(0)).expect("a short range");
            (seen.received, seen.expected_to_receive) = (stored + room as u64, message.length);
            seen.content = message.content[..room].to_vec();
            return Next::End(Err(Error::Peer(PeerError::RangeLength)));
        }
        seen.received += message.content.len() as u64;
        seen.expected_to_receive = message.length;
        if message.body == State::Whole {
            seen.wire[1] = message.used as u64;
        }
        let has_tag = matches!(message.values("etag").as_slice(), [tag] if is_strong(tag));
        self.expected.is_kept = has_tag && seen.received > 0;
        seen.content = message.content;
        match message.body {
            State::Whole if stored > 0 && message.length != Some(seen.received) => {
                Next::End(Err(Error::Transport(Transport::Lost)))
            }
            State::Whole => Next::End(Ok(())),
            State::Short if talk.end == End::Silent => self.time_out(),
            State::Short => Next::End(Err(Error::Transport(Transport::Lost))),
            State::Broken(why) => Next::End(Err(Error::Peer(why))),
        }
    }

    fn follow(&mut self, talk: &Talk, message: &Message) -> Next {
        let is_recorded = |text: &String| {
            let sent = self.recording.script.connections[talk.place].sent();
            String::from_utf8_lossy(&sent).contains(&format!("\r\nLocation: {text}\r\n"))
        };
        if !message.values("location").iter().all(is_recorded) {
            self.expected.is_anywhere = true;
            return Next::Follow;
        }
        // That it goes on is told before the rest of the body comes, or does not.
        self.expected.seen.hops += 1;
        self.is_stale = false;
        let next = self.discard(talk, message, Next::Follow);
        let is_elsewhere = message.values("location").iter().any(|place| place.contains("//"));
        self.idle = self.idle.filter(|_| !is_elsewhere);
        next
    }

    /// Nobody wants this content: it is read to its end only for the sake of the connection.
    fn discard(&mut self, talk: &Talk, message: &Message, then: Next) -> Next {
        let is_known = !message.is_close_delimited && message.persists;
        let is_little =
            message.length.is_none_or(|length| length <= u64::from(limits::REDIRECT_BODY_BYTES));
        if !is_known || !is_little {
            return then;
        }
        match message.body {
            State::Short if talk.end == End::Silent => return self.time_out(),
            State::Short | State::Broken(_) => {}
            State::Whole => {
                let is_quiet = talk.end == End::Silent && talk.came.len() == message.used;
                self.idle = is_quiet.then_some(talk.place);
            }
        }
        then
    }

    /// RFC 9110 §15.3.7 and §15.5.17, for the resume data of the script.
    fn verdict(&self, message: &Message) -> Verdict {
        let stored = self.script.resume.as_ref().expect("resume data");
        let total = stored.total.expect("a known total");
        let last = total - 1;
        let is_one = |name: &str, is: &dyn Fn(&str) -> bool| match message.values(name).as_slice() {
            [] => None,
            [only] => Some(is(only)),
            _ => Some(false),
        };
        let is_ours = is_one("etag", &|tag| tag == stored.validator) != Some(false);
        let length = total - stored.received;
        let range = |range: &str| {
            let numbers = range.to_ascii_lowercase();
            let numbers = numbers.strip_prefix("bytes ").unwrap_or_default();
            let (ends, all) = numbers.split_once('/').unwrap_or_default();
            let (first, end) = ends.split_once('-').unwrap_or_default();
            // Digits alone: the standard library takes a sign, too.
            let number = |text: &str| {
                let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<u64>().ok().filter(|_| is_plain)
            };
            let fits = |of: Option<u64>| of == Some(total);
            number(first) == Some(stored.received)
                && number(end).is_some_and(|end| end <= last && stored.received <= end)
                && (all == "*" || fits(number(all)))
                && number(end).is_some_and(|end| {
                    let count = end - stored.received + 1;
                    is_length(message, count) && (count == length || message.length.is_some())
                })
        };
        let fits = is_ours && is_one("content-range", &range) == Some(true);
        match message.head.status {
            200 => Verdict::Replace,
            206 if fits => Verdict::Append,
            206 | 412 | 416 => Verdict::Again,
            _ => Verdict::Other,
        }
    }
}

enum Verdict {
    Append,
    Replace,
    Again,
    Other,
}

/// Whether `Content-Length`, if it is there, says this.
fn is_length(message: &Message, count: u64) -> bool {
    let lines = message.values("content-length");
    let mut elements = lines.iter().flat_map(|line| line.split(','));
    elements.all(|element| element.trim().parse() == Ok(count))
}

/// RFC 9110 §8.8.3, without `W/`.
fn is_strong(tag: &str) -> bool {
    let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.chars().all(|c| c > ' ' && c != '"' && c != '\x7f'))
}

fn has_field(request: &[u8], name: &str) -> bool {
    String::from_utf8_lossy(request).contains(&format!("\r\n{name}: "))
}

/// The request for the whole, from that for the rest.
fn without_range(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let ours = ["Range: ", "If-Range: ", "Accept-Encoding: identity"];
    let lines = text.split_inclusive("\r\n");
    let others = lines.filter(|line| !ours.iter().any(|ours| line.starts_with(ours)));
    others.collect::<String>().into_bytes()
}

/// How many bytes of content the first `count` bytes of a request hold.
fn content_of(request: &[u8], count: usize) -> u64 {
    let head = head_end(request).expect("a whole head");
    let body = &request[head.min(count)..count];
    if !crate::trace::is_chunked(&request[..head]) {
        return body.len() as u64;
    }
    let (mut content, mut rest) = (0, body);
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        rest = &rest[line + 2..];
        content += size.min(rest.len());
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    content as u64
}
