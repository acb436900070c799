//! The network: connections on which bytes take their time, in pieces, and may never arrive.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::task::{Poll, Waker};

use super::ledger::Ledger;
use super::origin::Server;
use super::plan::{ORIGINS, Plan};
use super::random::Random;

/// Something that happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A connection attempt has come to its end.
    Connected(usize),
    /// Something arrives at the origin.
    Up(usize),
    /// Something arrives at the client.
    Down(usize),
    /// An origin is tired of an idle connection, after so many requests.
    Tired(usize, usize),
    /// The user does something: this command of this task.
    User(usize, usize),
    /// The user answers a question of this task: the how many-th.
    Answer(usize, usize),
}

/// What is under way.
#[derive(Debug)]
pub(super) enum Packet {
    /// Bytes of this exchange.
    Bytes(usize, Vec<u8>),
    End,
    Reset,
}

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Orderly,
    Reset,
}

/// One connection, from the attempt on.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) origin: usize,
    /// The task that has it.
    pub(super) holder: Option<usize>,
    /// What is exchanged over it at this moment.
    pub(super) exchange: Option<usize>,
    /// It was there when the session was flushed, first then.
    pub(super) flushed: Option<u64>,
    /// Exchanges that were begun on it.
    pub(super) exchanges: usize,
    pub(super) stage: Stage,
    up: VecDeque<(u64, Packet)>,
    pub(super) down: VecDeque<(u64, Packet)>,
    /// Bytes under way to the origin, or not taken by it.
    pub(super) unsent: usize,
    /// When the last packet of each direction arrives.
    up_last: u64,
    pub(super) down_last: u64,
    /// What arrived and was not read.
    unread: VecDeque<u8>,
    /// The last read had room for more than there was.
    pub(super) was_drained: bool,
    pub(super) ended: Option<Ended>,
    /// A read has told the client so, or a write.
    pub(super) is_end_seen: bool,
    /// A reset takes with it what was not read.
    reset_discards: bool,
    pub(super) server: Server,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Opening,
    Refused,
    Open,
    /// By the client.
    Closed,
}

/// Everything outside of the client, and what is known about it.
#[derive(Debug)]
pub(super) struct Net {
    pub(super) plan: Plan,
    pub(super) now: u64,
    pub(super) random: Random,
    pub(super) links: Vec<Link>,
    pub(super) ledger: Ledger,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    serial: u64,
    /// What happened, for people; kept only for a run that is looked at.
    pub(super) log: Option<Vec<String>>,
}

impl Net {
    pub(super) fn new(seed: u64, is_logged: bool) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random.fork());
        let ledger = Ledger::new(&plan);
        let mut net = Self {
            now: 1,
            random,
            links: Vec::new(),
            ledger,
            events: BinaryHeap::new(),
            serial: 0,
            log: is_logged.then(Vec::new),
            plan,
        };
        for task in 0..net.plan.tasks.len() {
            for command in 0..net.plan.tasks[task].commands.len() {
                let at = net.plan.tasks[task].commands[command].0;
                net.at(net.now + at, Event::User(task, command));
            }
        }
        net
    }

    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{:>12} {}", self.now, text()));
        }
    }

    pub(super) fn at(&mut self, at: u64, event: Event) {
        self.serial += 1;
        self.events.push(Reverse((at, self.serial, event)));
    }

    /// When the next event is.
    pub(super) fn next_event(&self) -> Option<u64> {
        self.events.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next event that is due.
    pub(super) fn due(&mut self) -> Option<Event> {
        let Reverse((at, _, event)) = *self.events.peek()?;
        if at > self.now {
            return None;
        }
        self.events.pop();
        Some(event)
    }

    /// What the network does by itself.
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Connected(link) => self.connected(link),
            Event::Up(link) => self.arrive_up(link),
            Event::Down(link) => self.arrive_down(link),
            Event::Tired(link, exchanges) => self.tire(link, exchanges),
            Event::User(..) | Event::Answer(..) => unreachable!("not the network's"),
        }
    }

    fn way(&mut self) -> u64 {
        self.random.below(self.plan.latency + 1)
    }

    // The client's side.

    /// A connection attempt of `task`. Its end is an event.
    pub(super) fn connect(&mut self, task: usize, origin: usize) -> usize {
        let link = self.links.len();
        let open = |link: &&Link| matches!(link.stage, Stage::Opening | Stage::Open);
        let all = self.links.iter().filter(open).count();
        let here = self.links.iter().filter(open).filter(|link| link.origin == origin).count();
        assert!(all < usize::from(self.plan.connections), "{all} connections and another one");
        assert!(here < usize::from(self.plan.per_host), "{here} to {} and one", ORIGINS[origin]);
        let refuses = self.ledger.reply(&self.plan, task).refuses;
        self.links.push(Link {
            origin,
            holder: Some(task),
            exchange: None,
            flushed: None,
            exchanges: 0,
            stage: Stage::Opening,
            up: VecDeque::new(),
            down: VecDeque::new(),
            unsent: 0,
            up_last: 0,
            down_last: 0,
            unread: VecDeque::new(),
            was_drained: false,
            ended: None,
            is_end_seen: false,
            reset_discards: self.random.percent(50),
            server: Server::new(refuses),
            reader: None,
            writer: None,
        });
        let way = self.way();
        self.at(self.now + way, Event::Connected(link));
        self.ledger.started(task, origin, self.now);
        self.ledger.connecting(task, link, self.now);
        self.note(|| format!("task {task} connects to {} over {link}", ORIGINS[origin]));
        link
    }

    fn connected(&mut self, link: usize) {
        let it = &mut self.links[link];
        if it.stage == Stage::Opening {
            it.stage = if it.server.refuses { Stage::Refused } else { Stage::Open };
            wake(&mut it.reader);
        }
    }

    /// Begins an exchange of `task` on a connection that it has got.
    pub(super) fn begin(&mut self, link: usize, task: usize) {
        let it = &mut self.links[link];
        assert_eq!(it.stage, Stage::Open, "connection {link}");
        if it.holder.is_none() {
            // Whoever was given it before the flush may not have looked yet.
            let is_usable = it.flushed.is_none_or(|at| at == self.now);
            assert!(is_usable, "connection {link} is used after a flush");
            self.ledger.started(task, it.origin, self.now);
        }
        let exchange = self.ledger.begin(task, link, self.now, it.exchanges > 0);
        it.holder = Some(task);
        it.exchange = Some(exchange);
        it.exchanges += 1;
        let origin = it.origin;
        assert_eq!(origin, self.ledger.origin(&self.plan, task), "task {task} at another origin");
        self.note(|| format!("task {task} begins exchange {exchange} on {link}"));
    }

    /// The exchange is over and the connection is nobody's.
    pub(super) fn give_back(&mut self, link: usize) {
        let it = &mut self.links[link];
        let task = it.holder.take().expect("a task had it");
        it.exchange = None;
        self.ledger.released(&self.plan, task);
        self.note(|| format!("task {task} gives {link} back"));
    }

    pub(super) fn close(&mut self, link: usize) {
        let it = &mut self.links[link];
        if it.stage == Stage::Closed {
            return;
        }
        it.stage = Stage::Closed;
        it.exchange = None;
        let holder = it.holder.take();
        if let Some(task) = holder {
            self.ledger.released(&self.plan, task);
        }
        let last = self.links[link].up_last.max(self.now) + self.way();
        self.links[link].up.push_back((last, Packet::End));
        self.at(last, Event::Up(link));
        self.note(|| format!("{link} is closed, of {holder:?}"));
    }

    /// What is open now is not used again by other tasks.
    pub(super) fn flushed(&mut self) {
        for link in self.links.iter_mut().filter(|link| link.stage != Stage::Closed) {
            link.flushed = link.flushed.or(Some(self.now));
        }
    }

    /// Nobody holds a task any more: it is gone, and its connection with it.
    pub(super) fn dropped(&mut self, task: usize) {
        let watch = &mut self.ledger.tasks[task];
        assert_eq!(watch.link, None, "task {task} is gone, and not its connection");
        watch.result = Some(Err(sortie_core::Error::Canceled));
        watch.question = None;
    }

    /// Whether a read would give something, be it an end.
    pub(super) fn is_readable(&self, link: usize) -> bool {
        !self.links[link].unread.is_empty() || self.links[link].ended.is_some()
    }

    pub(super) fn room(&self, link: usize) -> usize {
        let it = &self.links[link];
        match it.ended {
            // A write fails at once.
            Some(Ended::Reset) => 1,
            Some(Ended::Orderly) | None => self.plan.window.saturating_sub(it.unsent),
        }
    }

    pub(super) fn read(&mut self, link: usize, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        assert!(!buffer.is_empty(), "a read without room");
        let it = &mut self.links[link];
        assert_eq!(it.stage, Stage::Open, "a read on {link}");
        let mut most = buffer.len().min(it.unread.len());
        if most == 0 {
            let Some(ended) = it.ended else {
                return Poll::Pending;
            };
            it.is_end_seen = true;
            self.note(|| format!("{link} is at its end: {ended:?}"));
            return Poll::Ready(match ended {
                Ended::Orderly => Ok(0),
                Ended::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            });
        }
        if self.plan.cuts {
            most = 1 + self.random.index(most);
        }
        for (to, from) in buffer.iter_mut().zip(it.unread.drain(..most)) {
            *to = from;
        }
        it.was_drained = most < buffer.len();
        let task = it.holder.expect("whoever reads has it");
        self.ledger.read(task, most as u64, self.now);
        self.note(|| format!("task {task} reads {most} from {link}"));
        Poll::Ready(Ok(most))
    }

    pub(super) fn write(&mut self, link: usize, bytes: &[u8]) -> Poll<io::Result<usize>> {
        assert!(!bytes.is_empty(), "a write of nothing");
        let it = &mut self.links[link];
        assert_eq!(it.stage, Stage::Open, "a write on {link}");
        if it.ended == Some(Ended::Reset) {
            it.is_end_seen = true;
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let mut most = bytes.len().min(self.plan.window.saturating_sub(it.unsent));
        if most == 0 {
            return Poll::Pending;
        }
        if self.plan.cuts {
            most = 1 + self.random.index(most);
        }
        let way = self.way();
        let it = &mut self.links[link];
        let exchange = it.exchange.expect("an exchange that was begun");
        let task = it.holder.expect("whoever writes has it");
        it.unsent += most;
        let arrival = it.up_last.max(self.now + way);
        it.up_last = arrival;
        it.up.push_back((arrival, Packet::Bytes(exchange, bytes[..most].to_vec())));
        self.at(arrival, Event::Up(link));
        self.ledger.wrote(&self.plan, task, &bytes[..most], self.now);
        self.note(|| format!("task {task} writes {most} to {link}"));
        Poll::Ready(Ok(most))
    }

    // The way.

    fn arrive_down(&mut self, link: usize) {
        let now = self.now;
        let it = &mut self.links[link];
        while let Some(packet) = arrived(&mut it.down, now) {
            match packet {
                // Nothing follows an end but a reset, and nothing that.
                Packet::Bytes(..) | Packet::End if it.ended.is_some() => {}
                Packet::Bytes(_, bytes) => it.unread.extend(bytes),
                Packet::End => it.ended = Some(Ended::Orderly),
                Packet::Reset => {
                    it.ended = Some(Ended::Reset);
                    if it.reset_discards {
                        it.unread.clear();
                    }
                }
            }
        }
        wake(&mut it.reader);
        wake(&mut it.writer);
    }

    fn arrive_up(&mut self, link: usize) {
        let now = self.now;
        while let Some(packet) = arrived(&mut self.links[link].up, now) {
            match packet {
                Packet::Bytes(exchange, bytes) => self.serve(link, exchange, &bytes),
                Packet::End | Packet::Reset => self.links[link].server.hang_up(),
            }
        }
        wake(&mut self.links[link].writer);
    }

    /// Sends `packet` to the client, no earlier than `at`. Returns when it leaves.
    pub(super) fn send_down(&mut self, link: usize, at: u64, packet: Packet) {
        let way = self.way();
        let it = &mut self.links[link];
        let arrival = it.down_last.max(at.saturating_add(way));
        it.down_last = arrival;
        it.down.push_back((arrival, packet));
        self.at(arrival, Event::Down(link));
    }

    /// A reset overtakes nothing, but nothing that the origin had still to say follows.
    pub(super) fn reset(&mut self, link: usize) {
        let now = self.now;
        let latency = self.plan.latency;
        let it = &mut self.links[link];
        it.server.hang_up();
        it.down.retain(|(at, _)| *at <= now.saturating_add(latency));
        it.down_last = it.down.back().map_or(now, |(at, _)| *at);
        self.send_down(link, now, Packet::Reset);
    }
}

/// The first packet on its way, if it has arrived.
fn arrived(way: &mut VecDeque<(u64, Packet)>, now: u64) -> Option<Packet> {
    let is_there = way.front().is_some_and(|(at, _)| *at <= now);
    if is_there { way.pop_front().map(|(_, packet)| packet) } else { None }
}

pub(super) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
