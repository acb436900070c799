//! The far end of a connection: it reads requests, holds them against the plan, and answers.

use sortie_core::BodyLength;

use super::incoming::Incoming;
use super::ledger::Answer;
use super::network::{Event, Net, Packet, Stage};
use super::plan::{End, Frame, MILLI, ORIGINS, Range, Reply, When};
use super::random::{Side, bytes_of};
use super::texts::{EDITED, KEPT};

#[derive(Debug)]
pub(super) struct Server {
    pub(super) refuses: bool,
    /// It has closed the connection, or the client has.
    is_gone: bool,
    /// The exchange that it is in.
    exchange: Option<usize>,
    /// Requests that were begun.
    served: usize,
    incoming: Incoming,
    is_answered: bool,
    /// Takes no more bytes.
    is_full: bool,
}

impl Server {
    pub(super) fn new(refuses: bool) -> Self {
        Self {
            refuses,
            is_gone: false,
            exchange: None,
            served: 0,
            incoming: Incoming::new(),
            is_answered: false,
            is_full: false,
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.is_gone = true;
    }
}

/// An answer, composed.
struct Message {
    bytes: Vec<u8>,
    head: u64,
    content: u64,
}

impl Net {
    /// Bytes of an exchange arrive at the origin.
    pub(super) fn serve(&mut self, link: usize, exchange: usize, bytes: &[u8]) {
        let task = self.ledger.exchanges[exchange].task;
        let reply = self.ledger.reply_of(&self.plan, exchange);
        for byte in bytes {
            let server = &mut self.links[link].server;
            if server.is_gone {
                // Nobody listens any more.
                let last = server.exchange.filter(|last| *last != exchange);
                let last = last.and_then(|last| self.ledger.exchanges[last].answer.as_ref());
                let is_told = last.is_some_and(|answer| answer.closes);
                assert!(!is_told, "{exchange} over a connection that is to be closed: {last:?}");
                self.links[link].unsent -= 1;
                if self.links[link].stage == Stage::Open {
                    self.send_down(link, self.now, Packet::Reset);
                }
                continue;
            }
            let takes = reply.takes.filter(|_| server.exchange == Some(exchange));
            server.is_full |= takes.is_some_and(|most| server.incoming.count >= most);
            if server.is_full {
                // It stays under way, and takes the room of others.
                continue;
            }
            if server.exchange != Some(exchange) {
                self.next_request(link, exchange);
            }
            let server = &mut self.links[link].server;
            let offset = server.incoming.content;
            if let Some(content) = server.incoming.take(*byte) {
                let is = super::random::byte_of(task, Side::Upload, offset);
                assert_eq!(content, is, "byte {offset} of the body of task {task}");
            }
            let count = server.incoming.count;
            self.links[link].unsent -= 1;
            self.ledger.exchanges[exchange].seen = count;
            if reply.kills_at == Some(count) {
                self.note(|| format!("origin resets {link} at byte {count} of {exchange}"));
                self.reset(link);
                continue;
            }
            self.progress(link, exchange, &reply);
        }
    }

    /// A request begins. The one before must be over, and its connection one to go on with.
    fn next_request(&mut self, link: usize, exchange: usize) {
        let server = &mut self.links[link].server;
        if let Some(last) = server.exchange {
            assert!(server.incoming.is_done(), "{exchange} within the request of {last}");
            let answer = self.ledger.exchanges[last].answer.as_ref();
            let answer = answer.expect("an answer before the next request");
            assert!(
                !answer.closes,
                "{exchange} over a connection that is to be closed: {answer:?}"
            );
            assert!(!answer.has_excess, "{exchange} behind bytes that nobody asked for");
        }
        server.exchange = Some(exchange);
        server.served += 1;
        server.incoming = Incoming::new();
        server.is_answered = false;
    }

    /// A byte more of a request was taken.
    fn progress(&mut self, link: usize, exchange: usize, reply: &Reply) {
        let server = &self.links[link].server;
        let incoming = &server.incoming;
        let is_head = incoming.head == incoming.count;
        if incoming.head == 0 || server.is_answered && !incoming.is_done() {
            return;
        }
        if is_head {
            self.check_head(link, exchange);
            self.send_interims(link, exchange, reply);
        }
        let incoming = &self.links[link].server.incoming;
        let is_time = match reply.when {
            _ if incoming.is_done() => true,
            When::Head => true,
            When::Body(count) => incoming.content >= count,
            When::Request => false,
        };
        if incoming.is_done() {
            self.ledger.exchanges[exchange].is_request_seen = true;
            self.check_body(link, exchange);
        }
        if is_time && !self.links[link].server.is_answered {
            self.links[link].server.is_answered = true;
            self.answer(link, exchange, reply);
        }
    }

    /// The head is what the plan and the redirects so far make it, and names no secret of others.
    fn check_head(&self, link: usize, exchange: usize) {
        let incoming = &self.links[link].server.incoming;
        let it = &self.ledger.exchanges[exchange];
        let task = &self.plan.tasks[it.task];
        assert_eq!(incoming.target, format!("/t{}/h{}", it.task, it.hop), "{exchange}");
        assert_eq!(incoming.method, if it.becomes_get { "GET" } else { task.method });
        let origin = ORIGINS[self.links[link].origin];
        let authority = origin.split_once("://").map(|(_, rest)| rest.trim_end_matches(":443"));
        assert_eq!(incoming.value("host"), authority);
        let custom = if it.is_edited { EDITED } else { KEPT };
        assert_eq!(incoming.value("x-custom"), Some(custom), "{exchange}");
        for secret in ["authorization", "cookie", "proxy-authorization"] {
            let is_ours = task.has_credentials && !it.is_elsewhere;
            assert_eq!(incoming.value(secret).is_some(), is_ours, "{secret} of {exchange}");
        }
        let has_body = !it.becomes_get && task.body != BodyLength::None;
        assert_eq!(incoming.value("content-type").is_some(), has_body, "{exchange}");
        // Without content nothing is expected (RFC 9110 §10.1.1).
        let has_content = !matches!(task.body, BodyLength::None | BodyLength::Known(0));
        let expects = task.expects && has_content && !it.becomes_get;
        assert_eq!(incoming.value("expect").is_some(), expects, "{exchange}");
        assert_eq!(incoming.value("connection").is_some(), task.says_close, "{exchange}");
        let range = task.stored.filter(|_| it.asks_range).map(|stored| format!("bytes={stored}-"));
        assert_eq!(incoming.value("range"), range.as_deref(), "{exchange}");
        let tag = range.map(|_| tag(it.task));
        assert_eq!(incoming.value("if-range"), tag.as_deref(), "{exchange}");
    }

    fn check_body(&self, link: usize, exchange: usize) {
        let it = &self.ledger.exchanges[exchange];
        let task = &self.plan.tasks[it.task];
        let length = if it.becomes_get { 0 } else { task.upload };
        assert_eq!(self.links[link].server.incoming.content, length, "the body of {exchange}");
    }

    fn send_interims(&mut self, link: usize, exchange: usize, reply: &Reply) {
        let task = &self.plan.tasks[self.ledger.exchanges[exchange].task];
        let expects = task.expects && task.upload > 0;
        let mut interims: Vec<(u64, u16)> =
            reply.interims.iter().map(|status| (0, *status)).collect();
        if let Some(after) = reply.goes_on.filter(|_| expects) {
            interims.push((after, 100));
        }
        for (after, status) in interims {
            let head = format!("HTTP/1.1 {status} X\r\nLink: x\r\n\r\n").into_bytes();
            let it = &mut self.ledger.exchanges[exchange];
            it.sent += head.len() as u64;
            if status == 100 {
                it.continues_at = it.continues_at.or(Some(it.sent));
            }
            self.send_cut(link, exchange, self.now + after, head);
        }
    }

    /// Sends bytes in pieces. Returns when the last one leaves.
    fn send_cut(&mut self, link: usize, exchange: usize, mut at: u64, bytes: Vec<u8>) -> u64 {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let count = match self.random.below(4) {
                0 => 1 + self.random.index(rest.len()),
                1 => 1 + self.random.index(rest.len().min(20)),
                _ => rest.len(),
            };
            let (piece, left) = rest.split_at(count);
            self.send_down(link, at, Packet::Bytes(exchange, piece.to_vec()));
            at += self.random.below(2) * self.random.below(self.plan.latency + 1);
            rest = left;
        }
        at
    }

    fn answer(&mut self, link: usize, exchange: usize, reply: &Reply) {
        let (message, answer) = self.compose(exchange, reply);
        let closes = answer.closes;
        let (has_excess, is_close_delimited) = (answer.has_excess, answer.is_close_delimited);
        self.note(|| format!("origin answers {exchange}: {answer:?}"));
        let it = &mut self.ledger.exchanges[exchange];
        it.sent += answer.length;
        it.answer = Some(answer);
        let mut at = self.now + reply.thinks;
        let mut bytes = message.bytes;
        let all = bytes.len() as u64;
        let end = match reply.end {
            End::Whole | End::WholeAndClose => None,
            End::CloseAt(place) if place < all => Some((place, Some(Packet::End))),
            End::ResetAt(place) if place < all => Some((place, Some(Packet::Reset))),
            End::SilentFrom(place) if place < all => Some((place, None)),
            End::CloseAt(_) | End::ResetAt(_) | End::SilentFrom(_) => None,
        };
        if let Some((place, _)) = end {
            bytes.truncate(place as usize);
        } else if has_excess {
            bytes.extend(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nBAD");
        }
        // What nobody asked for comes in one piece with what is before, so that it can be seen.
        let mut stalls = if has_excess { Vec::new() } else { reply.stalls.clone() };
        stalls.sort_unstable();
        let mut done = 0;
        for (place, pause) in stalls {
            let rest = bytes.split_off((place as usize).saturating_sub(done).min(bytes.len()));
            done += bytes.len();
            at = self.send_cut(link, exchange, at, bytes) + pause;
            bytes = rest;
        }
        if has_excess {
            self.send_down(link, at, Packet::Bytes(exchange, bytes));
        } else {
            at = self.send_cut(link, exchange, at, bytes);
        }
        match end {
            Some((_, Some(packet))) => {
                self.send_down(link, at, packet);
                self.links[link].server.hang_up();
            }
            Some((_, None)) => {}
            None if closes || reply.end == End::WholeAndClose => {
                // Where the head says so, nobody may count on seeing it.
                let lingers = if closes && !is_close_delimited { reply.lingers } else { 0 };
                self.send_down(link, at + lingers, Packet::End);
                self.links[link].server.hang_up();
            }
            None if reply.keeps == u64::MAX => {}
            None => {
                let last = self.links[link].down_last.max(at);
                let served = self.links[link].server.served;
                self.at(last + reply.keeps, Event::Tired(link, served));
            }
        }
    }

    /// An origin closes a connection on which nothing came since it served so many requests.
    pub(super) fn tire(&mut self, link: usize, served: usize) {
        let server = &mut self.links[link].server;
        if server.is_gone || server.served != served || !server.incoming.is_done() {
            return;
        }
        server.hang_up();
        self.note(|| format!("origin closes idle {link}"));
        self.send_down(link, self.now, Packet::End);
    }

    /// What is answered: the status, and from where to where in the whole the content is.
    fn part(&self, exchange: usize, reply: &Reply) -> (u16, u64, u64) {
        let it = &self.ledger.exchanges[exchange];
        let stored = self.plan.tasks[it.task].stored;
        let stored = stored.filter(|_| it.asks_range && reply.status == 200);
        let whole = (reply.status, 0, reply.length);
        match (stored, reply.range) {
            (None, _) | (_, Range::Ignored) => whole,
            (Some(stored), _) if stored >= reply.length => (416, 0, 0),
            (Some(0), Range::Shifted) => whole,
            (Some(stored), Range::Shifted) => (206, stored - 1, reply.length),
            // An empty part cannot be named.
            (Some(stored), Range::Short) if reply.length - stored < 2 => whole,
            (Some(stored), Range::Short) => (206, stored, stored + (reply.length - stored) / 2),
            (Some(stored), Range::Honored) => (206, stored, reply.length),
        }
    }

    fn head(&self, exchange: usize, reply: &Reply, frame: Frame) -> String {
        let it = &self.ledger.exchanges[exchange];
        let (status, start, stop) = self.part(exchange, reply);
        let whole = reply.length;
        let version = u8::from(!reply.is_http10);
        let mut head = format!(
            "HTTP/1.{version} {status} Reason\r\nX-Exchange: {exchange}\r\nETag: {}\r\n",
            tag(it.task)
        );
        if status == 206 {
            head += &format!("Content-Range: bytes {start}-{}/{whole}\r\n", stop - 1);
        } else if status == 416 {
            head += &format!("Content-Range: bytes */{whole}\r\n");
        }
        if matches!(status, 301..=303 | 307 | 308) {
            head += &format!("Location: {}\r\n", self.location(it.task, it.hop));
        }
        if reply.says_close {
            head += "Connection: close\r\n";
        } else if reply.says_keep_alive {
            head += "Connection: keep-alive\r\n";
        }
        head += &match frame {
            Frame::Length => format!("Content-Length: {}\r\n", stop - start),
            Frame::Chunked | Frame::Broken(_) => "Transfer-Encoding: chunked\r\n".to_owned(),
            Frame::Close => String::new(),
        };
        head + "\r\n"
    }

    fn compose(&self, exchange: usize, reply: &Reply) -> (Message, Answer) {
        let it = &self.ledger.exchanges[exchange];
        let task = &self.plan.tasks[it.task];
        let (status, start, stop) = self.part(exchange, reply);
        let is_bodiless = matches!(status, 204 | 304) || task.method == "HEAD" && !it.becomes_get;
        let frame = match reply.frame {
            Frame::Chunked | Frame::Broken(_) if reply.is_http10 => Frame::Length,
            frame @ (Frame::Length | Frame::Chunked | Frame::Close | Frame::Broken(_)) => frame,
        };
        let head = self.head(exchange, reply, frame);
        let mut message = Message { head: head.len() as u64, bytes: head.into_bytes(), content: 0 };
        if !is_bodiless {
            let content = bytes_of(it.task, Side::Answer(it.hop), start, (stop - start) as usize);
            message.add_body(&content, frame);
        }
        let persists = !reply.says_close
            && !task.says_close
            && (!reply.is_http10 || reply.says_keep_alive)
            && (is_bodiless || frame != Frame::Close);
        let answer = Answer {
            status,
            start,
            stop,
            content: message.content,
            whole: reply.length,
            head: it.sent + message.head,
            length: message.bytes.len() as u64,
            is_close_delimited: !is_bodiless && frame == Frame::Close,
            broken_behind: match frame {
                Frame::Broken(place) if !is_bodiless => Some(place.min(stop - start)),
                Frame::Length | Frame::Chunked | Frame::Close | Frame::Broken(_) => None,
            },
            closes: !persists,
            has_excess: reply.has_excess && persists,
            announced: matches!(frame, Frame::Length).then_some(stop - start),
            is_bodiless,
            end: reply.end,
        };
        (message, answer)
    }

    /// Where the next hop is, in one of the ways in which that can be said.
    fn location(&self, task: usize, hop: usize) -> String {
        let hops = &self.plan.tasks[task].hops;
        let Some(next) = hops.get(hop + 1) else {
            return "/nowhere".to_owned();
        };
        let path = format!("/t{task}/h{}", hop + 1);
        match (task + hop) % 3 {
            0 if next.origin == hops[hop].origin => path,
            1 if next.origin == hops[hop].origin => format!("h{}", hop + 1),
            _ => ORIGINS[next.origin].to_owned() + &path,
        }
    }
}

impl Message {
    fn add_body(&mut self, content: &[u8], frame: Frame) {
        match frame {
            Frame::Length | Frame::Close => self.bytes.extend(content),
            Frame::Chunked => {
                self.add_chunks(content);
                self.bytes.extend(b"0\r\nX-Trailer: x\r\n\r\n");
            }
            Frame::Broken(place) => {
                let good = &content[..(place as usize).min(content.len())];
                self.add_chunks(good);
                self.bytes.extend(b"xyz\r\n0\r\n\r\n");
                self.content = good.len() as u64;
                return;
            }
        }
        self.content = content.len() as u64;
    }

    /// Chunks of sizes that depend on the content.
    fn add_chunks(&mut self, mut content: &[u8]) {
        while let Some(first) = content.first() {
            let size = match first % 4 {
                0 => 1,
                1 => 10,
                2 => 700,
                _ => content.len(),
            };
            let (chunk, rest) = content.split_at(size.min(content.len()));
            let extension = if first % 5 == 0 { ";a=b" } else { "" };
            self.bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
            self.bytes.extend(chunk);
            self.bytes.extend(b"\r\n");
            content = rest;
        }
    }
}

/// What names the content of a task.
pub(super) fn tag(task: usize) -> String {
    format!("\"v{task}\"")
}

/// The URL of a hop.
pub(super) fn url(task: usize, hop: usize, origin: usize) -> String {
    format!("{}/t{task}/h{hop}", ORIGINS[origin])
}

/// How long a body waits for leave, as the documentation says.
pub(super) const CONTINUE: u64 = 1000 * MILLI;
