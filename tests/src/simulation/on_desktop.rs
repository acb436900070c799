//! The client that is the driver of the desktop runtime, with its pool and its wake-ups: a task has
//! a turn only when it was woken.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sortie::internals::{Session, Task, Turn};
use sortie::{Request, UploadSource};
use sortie_core::session::scheduler::Urgency;
use sortie_core::{Answer, BodyLength, Event, Instant, TaskState};

use super::network::Net;
use super::on_core::ROOMS;
use super::plan::{Command, TaskPlan};
use super::random::{Side, bytes_of};
use super::texts::{Texts, exchange_of};
use super::world::{Flag, Virtual};
use super::{Player, Shared, asked};

pub(super) fn play(shared: &Shared) {
    let world = Virtual::new(shared);
    let mut player = Driven::new(shared, &world);
    super::play(shared, &mut player);
    drop(player);
    let net = shared.net();
    let open = |link: &&super::network::Link| link.stage != super::network::Stage::Closed;
    assert_eq!(net.links.iter().filter(open).count(), 0, "connections outlive their session");
}

struct Driven {
    shared: Shared,
    world: Virtual,
    /// Nothing once it has ended, or nobody holds it.
    tasks: Vec<Option<Task<Virtual>>>,
    flags: Vec<Arc<Flag>>,
    /// How often in a hundred a task has a turn that nothing woke it for.
    spurious: u64,
    /// Last, so that it outlives its tasks.
    session: Session<Virtual>,
}

impl Driven {
    fn new(shared: &Shared, world: &Virtual) -> Self {
        let mut net = shared.net();
        let (per_host, connections) = (net.plan.per_host, net.plan.connections);
        let idle_timeout = net.plan.idle_timeout;
        let spurious = net.random.pick(&[0, 0, 10]);
        drop(net);
        let session = Session::bounded(world.clone(), (per_host, connections, idle_timeout), drop);
        let count = shared.net().plan.tasks.len();
        let tasks = (0..count).map(|task| {
            let net = shared.net();
            let plan = &net.plan.tasks[task];
            let (request, source) = (request(task, plan), source(world, task, plan));
            let urgency = Urgency { priority: plan.priority, bytes: plan.hint };
            let options = plan.options;
            let resume = Texts::new(task, plan).resume().map(|data| {
                let mut bytes = vec![0; data.encoded_length()];
                data.encode(&mut bytes).expect("room for it");
                bytes
            });
            drop(net);
            let made = session.upload_with(request, source, options, urgency);
            let mut made = made.expect("a valid request");
            made.tell_finish();
            if let Some(resume) = resume {
                made.set_resume_data(resume);
            }
            Some(made)
        });
        Self {
            tasks: tasks.collect(),
            flags: (0..count).map(|_| Flag::up()).collect(),
            shared: shared.clone(),
            world: world.clone(),
            spurious,
            session,
        }
    }

    /// The body is to be read from its start.
    fn restart(&mut self, at: usize) {
        let source = source(&self.world, at, &self.shared.net().plan.tasks[at]);
        if let (Some(source), Some(task)) = (source, &mut self.tasks[at]) {
            task.set_source(source).expect("a reader");
        }
    }

    fn hear(&mut self, at: usize, event: Event) {
        let mut net = self.shared.net();
        let task = self.tasks[at].as_ref().expect("it was polled");
        net.note(|| format!("task {at} tells {event:?}"));
        let Net { ledger, plan, .. } = &mut *net;
        match event {
            Event::InformationalResponse { .. } => {}
            Event::Response { status } => {
                let response = task.response().expect("the response that was told");
                ledger.responded(at, exchange_of(&response.head()), status);
            }
            Event::Redirected { status } => ledger.redirected(plan, at, status),
            Event::Resumed => ledger.continued(plan, at, task.counts().received),
            Event::BodyRestarted => {
                drop(net);
                self.restart(at);
            }
            Event::Question(question, _) => asked(&mut net, at, question),
            other => panic!("an event that is not known here: {other:?}"),
        }
    }

    fn told(&mut self, at: usize, turn: Turn, buffer: &[u8]) {
        match turn {
            Turn::Content(count) => self.shared.net().ledger.content(at, &buffer[..count]),
            Turn::Event(event) => self.hear(at, event),
            Turn::Complete(result) => {
                let task = self.tasks[at].take().expect("it was polled");
                assert_eq!(task.state(), TaskState::Completed);
                self.shared.net().completed(at, result);
            }
            Turn::Finish => {
                let fails = self.shared.net().plan.tasks[at].sink_fails;
                let task = self.tasks[at].as_ref().expect("it was polled");
                task.finish(!fails).expect("it was asked for");
            }
            Turn::Connected | Turn::Sent(_) | Turn::Prepare => {
                unreachable!("nobody asked to be told")
            }
        }
    }
}

impl Player for Driven {
    fn turn(&mut self, at: usize) -> bool {
        self.world.ring();
        let is_spurious = self.spurious > 0 && {
            let mut net = self.shared.net();
            net.random.percent(self.spurious)
        };
        let is_woken = self.flags[at].take();
        let Some(task) = self.tasks[at].as_mut().filter(|_| is_woken || is_spurious) else {
            return false;
        };
        self.world.set_current(at);
        let room = self.shared.net().random.pick(&ROOMS);
        let mut buffer = vec![0; room];
        let waker = Waker::from(self.flags[at].clone());
        let polled = task.poll(&mut Context::from_waker(&waker), &mut buffer);
        let counts = task.counts();
        let ready = match polled {
            Poll::Pending => None,
            Poll::Ready(turn) => Some(turn),
        };
        if let Some(turn) = ready {
            self.flags[at].raise();
            self.told(at, turn, &buffer);
        }
        let Net { ledger, plan, .. } = &mut *self.shared.net();
        ledger.counts(plan, at, counts);
        // Whoever was polled may have woken others.
        is_woken || ready.is_some()
    }

    fn command(&mut self, at: usize, command: Command) {
        self.world.set_current(at);
        let now = Instant::from_micros(self.shared.net().now);
        if command == Command::Flush {
            return self.session.flush();
        }
        let Some(task) = &self.tasks[at] else { return };
        match command {
            Command::Resume => task.resume(),
            Command::Suspend => task.suspend().expect("few suspends"),
            Command::Cancel => task.cancel(),
            Command::Priority(priority) => task.set_priority(priority),
            Command::EarliestBegin(after) => {
                let earliest = task.set_earliest_begin(now.after(after)).as_micros();
                self.shared.net().ledger.set_earliest(at, earliest);
            }
            Command::Flush | Command::Await => {}
            Command::Drop => {
                self.tasks[at] = None;
                self.shared.net().dropped(at);
                return;
            }
        }
        let net = self.shared.net();
        let watch = &net.ledger.tasks[at];
        let state = match (watch.is_canceled, watch.suspends) {
            (true, _) => TaskState::Canceling,
            (false, 0) => TaskState::Running,
            (false, _) => TaskState::Suspended,
        };
        assert_eq!(task.state(), state, "task {at} after {command:?}");
    }

    fn answer(&mut self, at: usize, answer: Answer<'_>) {
        self.world.set_current(at);
        if matches!(answer, Answer::Body) {
            self.restart(at);
        }
        if let Some(task) = &self.tasks[at] {
            task.answer(answer).expect("an answer to the question that was told");
        }
    }

    fn follow_with(&mut self, at: usize) {
        self.world.set_current(at);
        let request = {
            let net = self.shared.net();
            let hop = net.ledger.tasks[at].hop + 1;
            request_of(&Texts::edited(at, &net.plan.tasks[at], hop), None)
        };
        if let Some(task) = &mut self.tasks[at] {
            task.follow_with(request).expect("an answer to the question that was told");
        }
    }

    fn next(&self, _: u64) -> Option<u64> {
        self.world.next_alarm()
    }
}

pub(super) fn request(task: usize, plan: &TaskPlan) -> Request {
    let body = match plan.body {
        BodyLength::Known(length) if !plan.is_read() => {
            Some(bytes_of(task, Side::Upload, 0, length as usize))
        }
        BodyLength::Known(_) | BodyLength::Unknown | BodyLength::None => None,
    };
    request_of(&Texts::new(task, plan), body)
}

fn request_of(texts: &Texts, body: Option<Vec<u8>>) -> Request {
    let mut request = Request::new(texts.method, &texts.url).expect("a valid request");
    if let Some(bytes) = body {
        request = request.body(bytes).expect("a request that takes a body");
    }
    for (name, value) in &texts.fields {
        request = request.field(name, value).expect("a valid field");
    }
    request
}

pub(super) fn source(world: &Virtual, task: usize, plan: &TaskPlan) -> Option<UploadSource> {
    let reader = || world.source(task);
    match plan.body {
        _ if !plan.is_read() => None,
        BodyLength::Known(length) => Some(UploadSource::sized_reader(reader(), length)),
        BodyLength::Unknown | BodyLength::None => Some(UploadSource::reader(reader())),
    }
}
