//! The client that is the core itself: tasks and the scheduler, and an adapter that is small enough
//! to be seen to be right.

use std::task::Poll;

use sortie_core::session::scheduler::{Assign, GrowableScheduler, How, Ticket, Urgency};
use sortie_core::{
    Answer, Broken, Event as Told, Field, InspectError, Inspection, Instant, Io, Output,
    RangeFields, Receive, Request, RequestHead, ResponseHead, ResumeData, Send, Slot, Task,
    TaskState, Transport, Url, Wish, limits,
};

use super::network::{Net, Stage};
use super::origin::url;
use super::plan::{Command, TaskPlan};
use super::random::{Side, bytes_of};
use super::texts::{Texts, exchange_of};
use super::{Player, Shared, asked};

/// Room for content.
pub(super) const ROOMS: [usize; 6] = [1, 100, 1000, 4096, 4096, 16 * 1024];

/// Room for what is encoded.
const ENCODES: [usize; 4] = [1, 30, 1024, 1024];

pub(super) fn play(shared: &Shared) {
    let texts: Vec<Texts> = {
        let net = shared.net();
        let tasks = net.plan.tasks.iter().enumerate();
        tasks.map(|(task, plan)| Texts::new(task, plan)).collect()
    };
    let fields: Vec<Vec<Field<'_>>> = texts.iter().map(Texts::fields).collect();
    let requests: Vec<Request<'_>> =
        texts.iter().zip(&fields).map(|(texts, fields)| texts.request(fields)).collect();
    let edits = edits(shared);
    let edited_fields: Vec<Vec<Vec<Field<'_>>>> =
        edits.iter().map(|edits| edits.iter().map(Texts::fields).collect()).collect();
    let edited: Vec<Vec<Request<'_>>> = edits
        .iter()
        .zip(&edited_fields)
        .map(|(edits, fields)| edits.iter().zip(fields).map(|(e, f)| e.request(f)).collect())
        .collect();
    let mut pool = Pool::new(shared, &texts, &requests, &edited);
    super::play(shared, &mut pool);
    let net = shared.net();
    for (watch, client) in net.ledger.tasks.iter().zip(&pool.clients) {
        assert!(watch.result.is_none() || client.task.state() == TaskState::Completed);
    }
}

/// For each task and each hop the request that the user may put in the place of the one there.
fn edits(shared: &Shared) -> Vec<Vec<Texts>> {
    let net = shared.net();
    let of = |(task, plan): (usize, &TaskPlan)| {
        (0..plan.hops.len()).map(|hop| Texts::edited(task, plan, hop)).collect()
    };
    net.plan.tasks.iter().enumerate().map(of).collect()
}

/// How a task comes to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    None,
    Queued(Ticket),
    Granted(usize, How),
    Opening { slot: usize, link: usize },
    Has { slot: usize, link: usize },
}

struct Client<'t> {
    task: Task,
    request: &'t Request<'t>,
    resume: Option<ResumeData<'t>>,
    target: String,
    next: String,
    way: Way,
    urgency: Urgency,
    input: Vec<u8>,
    index: Vec<Slot>,
    head: Vec<u8>,
    encoded: Vec<u8>,
    behind: Vec<u8>,
    /// Until then its body has nothing more to give.
    source_until: u64,
    is_over: bool,
}

/// All tasks, and their connections.
struct Pool<'t> {
    shared: &'t Shared,
    scheduler: GrowableScheduler,
    /// Idle connections by slot.
    idle: Vec<Option<usize>>,
    clients: Vec<Client<'t>>,
    /// By task and hop.
    edited: &'t [Vec<Request<'t>>],
    until: Option<u64>,
}

impl<'t> Pool<'t> {
    fn new(
        shared: &'t Shared,
        texts: &'t [Texts],
        requests: &'t [Request<'t>],
        edited: &'t [Vec<Request<'t>>],
    ) -> Self {
        let net = shared.net();
        let connections = usize::from(net.plan.connections);
        let scheduler = GrowableScheduler::growable(64, connections)
            .with_per_host(net.plan.per_host)
            .with_idle_timeout(net.plan.idle_timeout);
        let client = |(at, plan): (usize, &TaskPlan)| Client {
            task: Task::new(&requests[at], plan.options),
            request: &requests[at],
            resume: texts[at].resume(),
            target: texts[at].url.clone(),
            next: String::new(),
            way: Way::None,
            urgency: Urgency { priority: plan.priority, bytes: plan.hint },
            input: Vec::new(),
            index: vec![Slot::EMPTY; 32],
            head: Vec::new(),
            encoded: Vec::new(),
            behind: Vec::new(),
            source_until: 0,
            is_over: false,
        };
        let clients = net.plan.tasks.iter().enumerate().map(client).collect();
        let idle = vec![None; connections];
        drop(net);
        Self { shared, scheduler, idle, clients, edited, until: None }
    }

    fn net(&self) -> std::sync::MutexGuard<'t, Net> {
        self.shared.net()
    }

    /// Does what the scheduler says.
    fn assign(&mut self) {
        loop {
            let now = Instant::from_micros(self.net().now);
            match self.scheduler.poll_assign(now) {
                Assign::Wait { until } => {
                    self.until = until.map(Instant::as_micros);
                    return;
                }
                Assign::Close { slot } => {
                    let link = self.idle[slot].take().expect("an idle connection");
                    self.net().close(link);
                }
                Assign::Start { ticket, slot, how } => {
                    let its = |client: &&mut Client<'_>| client.way == Way::Queued(ticket);
                    let client = self.clients.iter_mut().find(its).expect("a task that waits");
                    client.way = Way::Granted(slot, how);
                }
            }
        }
    }

    /// The task gives up what it has of a connection.
    fn give_up(&mut self, task: usize) -> bool {
        match std::mem::replace(&mut self.clients[task].way, Way::None) {
            Way::None => return false,
            Way::Queued(ticket) => self.scheduler.remove(ticket).expect("it was queued"),
            Way::Granted(slot, How::Open) => self.scheduler.free(slot),
            Way::Granted(slot, How::Reuse) => {
                let now = Instant::from_micros(self.net().now);
                assert!(self.scheduler.keep(slot, now, 0), "it was idle");
            }
            Way::Opening { slot, link } | Way::Has { slot, link } => {
                self.net().close(link);
                self.scheduler.free(slot);
            }
        }
        self.assign();
        true
    }

    fn connect(&mut self, task: usize, wish: Wish) -> bool {
        let shared = self.shared;
        let mut net = shared.net();
        let now = Instant::from_micros(net.now);
        let client = &mut self.clients[task];
        match client.way {
            Way::None => {
                let origin = net.ledger.origin(&net.plan, task);
                drop(net);
                let ticket = self.scheduler.add(now, origin, wish, client.urgency);
                client.way = Way::Queued(ticket.expect("room for a task"));
                self.assign();
                return true;
            }
            Way::Queued(_) => return false,
            Way::Granted(slot, How::Reuse) => {
                let link = self.idle[slot].take().expect("an idle connection");
                if net.is_readable(link) {
                    // It is dead, or says what nobody asked for.
                    net.close(link);
                    client.way = Way::Granted(slot, How::Open);
                } else {
                    net.begin(link, task);
                    client.task.handle_connected(now, true).expect("asked for");
                    client.way = Way::Has { slot, link };
                }
            }
            Way::Granted(slot, How::Open) => {
                client.task.handle_connecting(now).expect("asked for");
                let origin = net.ledger.origin(&net.plan, task);
                client.way = Way::Opening { slot, link: net.connect(task, origin) };
            }
            Way::Opening { slot, link } => match net.links[link].stage {
                Stage::Opening => return false,
                Stage::Open => {
                    net.begin(link, task);
                    client.task.handle_connected(now, false).expect("asked for");
                    client.way = Way::Has { slot, link };
                }
                Stage::Refused => {
                    net.ledger.refused(task);
                    drop(net);
                    self.give_up(task);
                    let refused = Transport::Refused;
                    self.clients[task].task.handle_connect_failed(refused).expect("asked for");
                }
                Stage::Closed => unreachable!("closed by nobody"),
            },
            Way::Has { .. } => panic!("task {task} has a connection"),
        }
        true
    }

    /// The exchange is over and the connection still good.
    fn reuse(&mut self, task: usize) {
        let client = &mut self.clients[task];
        let Way::Has { slot, link } = std::mem::replace(&mut client.way, Way::None) else {
            panic!("task {task} gives back what it does not have");
        };
        let mut net = self.shared.net();
        let now = Instant::from_micros(net.now);
        let unread = std::mem::take(&mut client.input).len();
        if self.scheduler.keep(slot, now, unread) {
            net.give_back(link);
            self.idle[slot] = Some(link);
        } else {
            net.close(link);
        }
        drop(net);
        self.assign();
    }

    fn tell(&mut self, task: usize, told: Told) {
        let mut net = self.shared.net();
        let client = &mut self.clients[task];
        net.note(|| format!("task {task} tells {told:?}"));
        match told {
            Told::InformationalResponse { .. } | Told::BodyRestarted => {}
            Told::Response { status } => {
                let head = ResponseHead::new(&client.head, &client.index);
                net.ledger.responded(task, exchange_of(&head), status);
            }
            Told::Redirected { status } => {
                client.target = std::mem::take(&mut client.next);
                let Net { ledger, plan, .. } = &mut *net;
                ledger.redirected(plan, task, status);
                let hop = ledger.tasks[task].hop;
                let expected = url(task, hop, plan.tasks[task].hops[hop].origin);
                assert_eq!(client.target.replace(":443", ""), expected.replace(":443", ""));
            }
            Told::Resumed => {
                let Net { ledger, plan, .. } = &mut *net;
                ledger.continued(plan, task, client.task.counts().received);
            }
            Told::Question(question, _) => asked(&mut net, task, question),
            other => panic!("an event that is not known here: {other:?}"),
        }
    }

    fn step(&mut self, task: usize) -> bool {
        let now = Instant::from_micros(self.net().now);
        let client = &mut self.clients[task];
        if client.is_over {
            assert_eq!(client.task.poll_output(), Output::Wait, "behind the end");
            return false;
        }
        if client.task.deadline().is_some_and(|at| at <= now) {
            client.task.handle_timeout(now);
            let again = client.task.deadline().is_some_and(|at| at <= now);
            assert!(!again, "a deadline that stays: {:?}", client.task);
            return true;
        }
        match client.task.poll_output() {
            Output::Connect(wish) => return self.connect(task, wish),
            Output::Prepare => client.task.handle_prepared(now).expect("asked for"),
            Output::Exchange => return self.exchange(task),
            Output::Inspect => self.inspect(task),
            Output::Finish => {
                let fails = self.shared.net().plan.tasks[task].sink_fails;
                let done = match fails {
                    true => client.task.handle_sink_failed(None),
                    false => client.task.handle_committed(),
                };
                done.expect("asked for");
            }
            Output::Wait => {
                // A connection that is being made is given up, a place in the queue too.
                let is_exchanging = matches!(client.way, Way::Has { .. });
                return !is_exchanging && self.give_up(task);
            }
            Output::Event(told) => self.tell(task, told),
            Output::Close(_) => {
                self.clients[task].input.clear();
                let is_stale = self.clients[task].task.still(Output::Connect(Wish::New));
                self.net().ledger.tasks[task].stale += usize::from(is_stale);
                assert!(self.give_up(task), "task {task} closes what it does not have");
            }
            Output::Reuse => self.reuse(task),
            Output::Upgraded => panic!("nobody asked for it"),
            Output::Complete(result) => {
                client.is_over = true;
                assert_eq!(client.task.state(), TaskState::Completed);
                self.give_up(task);
                self.net().completed(task, result);
            }
        }
        true
    }

    fn inspect(&mut self, task: usize) {
        let now = Instant::from_micros(self.net().now);
        let client = &mut self.clients[task];
        let mut next = vec![0; limits::URL_BYTES];
        let inspected = client.task.inspect(
            now,
            Inspection {
                head: ResponseHead::new(&client.head, &client.index),
                target: Url::parse(&client.target).expect("a target is a URL"),
                next: &mut next,
                resume: client.resume.as_ref().map(ResumeData::resumption),
            },
        );
        match inspected {
            Ok(Some(resolved)) => {
                next.truncate(resolved.length);
                client.next = String::from_utf8(next).expect("a URL is ASCII");
            }
            Ok(None) => {}
            Err(InspectError::BufferTooSmall { .. } | InspectError::Misuse(_) | _) => {
                panic!("{inspected:?} of {:?}", client.task)
            }
        }
    }

    fn exchange(&mut self, task: usize) -> bool {
        let Way::Has { link, .. } = self.clients[task].way else {
            panic!("task {task} exchanges over nothing");
        };
        let (room, receives_first) = {
            let mut net = self.shared.net();
            (net.random.pick(&ROOMS), net.random.percent(50))
        };
        let Io { send, receive } = self.clients[task].task.io(room);
        match receives_first {
            true => self.receive(task, link, receive) || self.send(task, link, send),
            false => self.send(task, link, send) || self.receive(task, link, receive),
        }
    }

    fn send(&mut self, task: usize, link: usize, what: Option<Send>) -> bool {
        let mut net = self.shared.net();
        let now = Instant::from_micros(net.now);
        let client = &mut self.clients[task];
        match what {
            None => return false,
            Some(Send::Encode) => {
                let room = net.random.pick(&ENCODES);
                client.encode(room);
            }
            Some(Send::Source { .. }) if net.now < client.source_until => {
                net.ledger.tasks[task].source_until = client.source_until;
                return false;
            }
            Some(Send::Source { from }) => {
                let plan = &net.plan.tasks[task];
                let count = plan.upload.saturating_sub(plan.lacks + from).min(plan.piece) as usize;
                client.task.handle_source(now, count).expect("asked for");
                let (at, pause) = (net.now, plan.source_pause);
                net.ledger.touch(task, at);
                client.source_until = at + net.random.below(2) * net.random.below(pause + 1);
            }
            Some(Send::Write { before, from, max, after }) => {
                let plan = &net.plan.tasks[task];
                let left = plan.upload.saturating_sub(plan.lacks + from);
                let count = (max as u64).min(left).min(plan.piece) as usize;
                if count == 0 && before == 0 && max > 0 {
                    client.task.handle_source_failed().expect("asked for");
                    return true;
                }
                let data = bytes_of(task, Side::Upload, from, count);
                let behind = if count == max { last(&client.behind, after) } else { &[] };
                let pieces = [last(&client.encoded, before), &data, behind];
                let bytes = match net.random.percent(50) {
                    true => pieces.concat(),
                    false => pieces.into_iter().find(|p| !p.is_empty()).unwrap_or(&[]).to_vec(),
                };
                match net.write(link, &bytes) {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(count)) => {
                        client.task.handle_sent(now, count).expect("no more than was allowed");
                    }
                    Poll::Ready(Err(_)) => {
                        client.task.handle_broken(Broken::Sending).expect("asked for");
                    }
                }
            }
        }
        true
    }

    fn receive(&mut self, task: usize, link: usize, what: Option<Receive>) -> bool {
        let client = &mut self.clients[task];
        let mut net = self.shared.net();
        let (max, is_head) = match what {
            None => return false,
            Some(Receive::HeadAgain) => {
                client.look(net.now);
                return true;
            }
            Some(Receive::Head) => (4096, true),
            Some(Receive::Body { max }) => (max, false),
            Some(Receive::Discard { max }) => (max.min(1024), false),
        };
        if is_head || client.input.is_empty() {
            let mut bytes = vec![0; max];
            let Poll::Ready(read) = net.read(link, &mut bytes) else {
                return false;
            };
            match read {
                Ok(0) => {
                    client.task.handle_end().expect("asked for");
                    return true;
                }
                Ok(count) => client.input.extend(&bytes[..count]),
                Err(_) => {
                    client.task.handle_broken(Broken::Receiving).expect("asked for");
                    return true;
                }
            }
        }
        match is_head {
            true => client.look(net.now),
            false => {
                let takes_runs =
                    net.random.percent(50) && !matches!(what, Some(Receive::Discard { .. }));
                let content = client.take(net.now, max, takes_runs);
                net.ledger.content(task, &content);
            }
        }
        true
    }
}

impl Client<'_> {
    fn encode(&mut self, room: usize) {
        let range = self.resume.filter(|_| self.task.sends_range());
        let range = range.as_ref().map(RangeFields::new);
        let added = range.as_ref().map(RangeFields::fields);
        let head = RequestHead {
            request: self.request,
            target: Url::parse(&self.target).expect("a target is a URL"),
            added: added.as_ref().map_or(&[], |fields| fields),
        };
        self.encoded = vec![0; room];
        let count = self.task.encode(&head, &mut self.encoded).expect("asked for");
        assert!(count > 0, "something is encoded where there is room");
        self.encoded.truncate(count);
        self.behind = vec![0; room];
        let count = self.task.encode_behind(&mut self.behind).unwrap_or(0);
        self.behind.truncate(count);
    }

    fn look(&mut self, now: u64) {
        let now = Instant::from_micros(now);
        let looked = self.task.handle_head(now, &mut self.input, false, &mut self.index);
        let advance = looked.expect("asked for");
        if advance.head > 0 {
            self.head = self.input[..advance.head].to_vec();
        }
        self.input.drain(..advance.drop + advance.head);
    }

    fn take(&mut self, now: u64, max: usize, takes_runs: bool) -> Vec<u8> {
        let now = Instant::from_micros(now);
        let rest = self.input.split_off(max.min(self.input.len()));
        let mut bytes = std::mem::replace(&mut self.input, rest);
        let mut content = Vec::new();
        if takes_runs {
            let mut rest = bytes.as_slice();
            loop {
                let run = self.task.handle_run(now, rest).expect("asked for");
                content.extend(&rest[run.framing..run.consumed()]);
                rest = &rest[run.consumed()..];
                let goes_on = matches!(self.task.io(1).receive, Some(Receive::Body { .. }));
                if run.consumed() == 0 || !goes_on {
                    break;
                }
            }
        } else {
            let count = self.task.handle_body(now, &mut bytes).expect("asked for");
            content = bytes[..count].to_vec();
        }
        if !content.is_empty() {
            self.task.handle_delivered(now, content.len() as u64).expect("it was received");
        }
        content
    }
}

impl Player for Pool<'_> {
    fn turn(&mut self, task: usize) -> bool {
        if self.until.is_some_and(|until| until <= self.net().now) {
            self.assign();
            return true;
        }
        let moved = self.step(task);
        if self.clients[task].way == Way::None || moved {
            let counts = *self.clients[task].task.counts();
            let Net { ledger, plan, .. } = &mut *self.net();
            ledger.counts(plan, task, counts);
        }
        moved
    }

    fn command(&mut self, task: usize, command: Command) {
        let now = Instant::from_micros(self.net().now);
        let client = &mut self.clients[task];
        match command {
            Command::Resume => client.task.resume(now),
            Command::Suspend => client.task.suspend().expect("few suspends"),
            Command::Cancel => client.task.cancel(),
            Command::Priority(priority) => {
                client.urgency.priority = priority;
                if let Way::Queued(ticket) = client.way {
                    self.scheduler.change(ticket, client.urgency).expect("it is queued");
                    self.assign();
                }
            }
            Command::EarliestBegin(after) => client.task.set_earliest_begin(now.after(after)),
            Command::Flush => {
                self.scheduler.flush();
                self.assign();
                return;
            }
            Command::Await | Command::Drop => {}
        }
        let client = &self.clients[task];
        let earliest = client.task.earliest_begin().as_micros();
        let mut net = self.shared.net();
        net.ledger.set_earliest(task, earliest);
        let watch = &net.ledger.tasks[task];
        let state = match (watch.is_canceled, watch.suspends) {
            (true, _) => TaskState::Canceling,
            (false, 0) => TaskState::Running,
            (false, _) => TaskState::Suspended,
        };
        assert_eq!(client.task.state(), state, "task {task} after {command:?}");
    }

    fn answer(&mut self, task: usize, answer: Answer<'_>) {
        let now = Instant::from_micros(self.net().now);
        let task = &mut self.clients[task].task;
        let (_, token) = task.pending_question().expect("the question that was told");
        task.answer(now, token, answer).expect("an answer to it");
    }

    fn follow_with(&mut self, task: usize) {
        let hop = self.net().ledger.tasks[task].hop + 1;
        let now = Instant::from_micros(self.net().now);
        let request = &self.edited[task][hop];
        let client = &mut self.clients[task];
        let (_, token) = client.task.pending_question().expect("the question that was told");
        let answer = Answer::FollowWith { request, body_is_replayable: true };
        client.task.answer(now, token, answer).expect("an answer to it");
        (client.request, client.next) = (request, request.url().as_str().to_owned());
    }

    fn next(&self, now: u64) -> Option<u64> {
        let deadlines = self.clients.iter().filter_map(|client| client.task.deadline());
        let sources = self.clients.iter().map(|client| client.source_until).filter(|at| *at > now);
        deadlines.map(Instant::as_micros).chain(self.until).chain(sources).min()
    }
}

/// The last `count` bytes of what was encoded.
fn last(encoded: &[u8], count: usize) -> &[u8] {
    let from = encoded.len().checked_sub(count);
    &encoded[from.expect("no more than was encoded")..]
}
