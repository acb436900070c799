//! The client that is the desktop runtime below its tasks: those who await one drive it by turns,
//! and the background does while nobody awaits it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use sortie::internals::{Await, Held, Session};
use sortie::{Error, ErrorKind, Response};
use sortie_core::session::scheduler::Urgency;
use sortie_core::{Answer, Instant, TaskState};

use super::network::{Link, Net, Stage};
use super::on_desktop::{request, source};
use super::plan::Command;
use super::texts::exchange_of;
use super::world::{Flag, Virtual};
use super::{Player, Shared};

type Drive = Pin<Box<dyn Future<Output = ()> + Send>>;
type Outcome = Result<(Response, Vec<u8>), Error>;

pub(super) fn play(shared: &Shared) {
    let world = Virtual::new(shared);
    let mut player = Riders::new(shared, &world);
    super::play(shared, &mut player);
    player.end();
    drop(player);
    let net = shared.net();
    let open = |link: &&Link| link.stage != Stage::Closed;
    assert_eq!(net.links.iter().filter(open).count(), 0, "connections outlive their session");
}

/// Somebody who drives a task, or waits to.
struct Rider {
    flag: Arc<Flag>,
    kind: Kind,
}

enum Kind {
    Awaiting(Await<Virtual>),
    Background(Drive),
}

struct Riders {
    shared: Shared,
    world: Virtual,
    riders: Vec<Vec<Rider>>,
    tasks: Vec<Held<Virtual>>,
    /// The task was resumed, by whomever, or cancelled.
    has_entered: Vec<bool>,
    outcomes: Vec<Vec<Outcome>>,
    /// What the session had to be driven, and for which task.
    spawned: Arc<Mutex<Vec<(usize, Drive)>>>,
    spurious: u64,
    /// Last, so that it outlives its tasks.
    session: Session<Virtual>,
}

impl Riders {
    fn new(shared: &Shared, world: &Virtual) -> Self {
        let spawned: Arc<Mutex<Vec<(usize, Drive)>>> = Arc::default();
        let mut net = shared.net();
        let room = (net.plan.per_host, net.plan.connections, net.plan.idle_timeout);
        let spurious = net.random.pick(&[0, 0, 10]);
        drop(net);
        let (queue, current) = (spawned.clone(), world.clone());
        let session = Session::bounded(world.clone(), room, move |drive| {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.push((current.current(), drive));
        });
        let count = shared.net().plan.tasks.len();
        let tasks = (0..count).map(|at| {
            let net = shared.net();
            let plan = &net.plan.tasks[at];
            let (request, source) = (request(at, plan), source(world, at, plan));
            let urgency = Urgency { priority: plan.priority, bytes: plan.hint };
            let options = plan.options;
            drop(net);
            session.held(request, source, options, urgency).expect("a valid request")
        });
        Self {
            tasks: tasks.collect(),
            shared: shared.clone(),
            world: world.clone(),
            riders: (0..count).map(|_| Vec::new()).collect(),
            has_entered: vec![false; count],
            outcomes: (0..count).map(|_| Vec::new()).collect(),
            spawned,
            spurious,
            session,
        }
    }

    /// What was spawned meanwhile becomes a rider.
    fn admit(&mut self) {
        let mut spawned = self.spawned.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, drive) in spawned.drain(..) {
            self.riders[at].push(Rider { flag: Flag::up(), kind: Kind::Background(drive) });
        }
    }

    /// One who begins to await a task that never ran resumes it.
    fn enter(&mut self, at: usize, kind: &Kind) {
        if matches!(kind, Kind::Awaiting(_)) && !self.has_entered[at] {
            self.has_entered[at] = true;
            let mut net = self.shared.net();
            let now = net.now;
            net.ledger.resumed(at, now);
        }
    }

    /// Polls those who were woken. Whether there were any.
    fn ride(&mut self, at: usize) -> bool {
        let mut waiting = std::mem::take(&mut self.riders[at]);
        self.shared.net().random.shuffle(&mut waiting);
        let mut has_polled = false;
        for mut rider in waiting {
            let is_woken = rider.flag.take();
            let is_spurious = self.spurious > 0 && self.shared.net().random.percent(self.spurious);
            if !is_woken && !is_spurious {
                self.riders[at].push(rider);
                continue;
            }
            has_polled |= is_woken;
            self.enter(at, &rider.kind);
            let waker = Waker::from(rider.flag.clone());
            let mut cx = Context::from_waker(&waker);
            let is_done = match &mut rider.kind {
                Kind::Background(drive) => drive.as_mut().poll(&mut cx).is_ready(),
                Kind::Awaiting(awaiting) => match awaiting.poll(&mut cx) {
                    Poll::Pending => false,
                    Poll::Ready(outcome) => {
                        self.outcomes[at].push(outcome);
                        true
                    }
                },
            };
            if !is_done {
                self.riders[at].push(rider);
            }
            let counts = self.tasks[at].counts();
            let Net { ledger, plan, .. } = &mut *self.shared.net();
            ledger.counts(plan, at, counts);
        }
        has_polled
    }

    /// Takes note of the end of a task, once.
    fn look(&mut self, at: usize) {
        let is_known = self.shared.net().ledger.tasks[at].result.is_some();
        if is_known || self.tasks[at].state() != TaskState::Completed {
            return;
        }
        if self.outcomes[at].is_empty() {
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(outcome) = self.tasks[at].awaited(false).poll(&mut cx) else {
                // Its end is still to be told by who drives it.
                return;
            };
            self.outcomes[at].push(outcome);
        }
        let mut net = self.shared.net();
        let result = match &self.outcomes[at][0] {
            Ok((response, content)) => {
                let head = response.head();
                net.ledger.responded(at, exchange_of(&head), head.status());
                net.ledger.content(at, content);
                Ok(())
            }
            Err(why) => {
                let ErrorKind::Task(why) = why.kind() else {
                    panic!("task {at}: {why:?}");
                };
                Err(why)
            }
        };
        net.completed(at, result);
    }

    /// Everybody who awaits a task hears of its end, and one of them gets the content.
    fn end(&self) {
        for (at, outcomes) in self.outcomes.iter().enumerate() {
            let result = self.shared.net().ledger.tasks[at].result;
            let Some(result) = result else { continue };
            assert!(self.riders[at].is_empty(), "task {at} has ended, and somebody waits for it");
            let whole = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            assert_eq!(whole, usize::from(result.is_ok()), "task {at}: {outcomes:?}");
        }
    }
}

impl Player for Riders {
    fn turn(&mut self, at: usize) -> bool {
        self.world.ring();
        self.world.set_current(at);
        self.admit();
        let has_polled = self.ride(at);
        self.admit();
        self.look(at);
        has_polled
    }

    fn command(&mut self, at: usize, command: Command) {
        self.world.set_current(at);
        let now = Instant::from_micros(self.shared.net().now);
        let task = &self.tasks[at];
        match command {
            Command::Resume => {
                self.has_entered[at] = true;
                task.resume();
            }
            Command::Suspend => task.suspend().expect("few suspends"),
            Command::Cancel => {
                self.has_entered[at] = true;
                task.cancel();
            }
            Command::Priority(priority) => task.set_priority(priority),
            Command::EarliestBegin(after) => {
                let earliest = task.set_earliest_begin(now.after(after)).as_micros();
                self.shared.net().ledger.set_earliest(at, earliest);
            }
            Command::Flush => return self.session.flush(),
            Command::Await => {
                let is_alone = self.shared.net().plan.tasks[at].is_alone;
                let kind = Kind::Awaiting(task.awaited(is_alone));
                self.riders[at].push(Rider { flag: Flag::up(), kind });
            }
            Command::Drop => {
                let awaits = |rider: &Rider| matches!(rider.kind, Kind::Awaiting(_));
                let Some(last) = self.riders[at].iter().rposition(awaits) else { return };
                let is_alone = self.shared.net().plan.tasks[at].is_alone;
                if is_alone {
                    self.has_entered[at] = true;
                    self.shared.net().ledger.tasks[at].is_canceled = true;
                }
                let rider = self.riders[at].remove(last);
                drop(rider);
                if is_alone {
                    return;
                }
            }
        }
        let net = self.shared.net();
        let watch = &net.ledger.tasks[at];
        let state = match (watch.is_canceled, watch.suspends) {
            (true, _) => TaskState::Canceling,
            (false, 0) => TaskState::Running,
            (false, _) => TaskState::Suspended,
        };
        let is = self.tasks[at].state();
        assert!(
            is == state || watch.is_canceled && is == TaskState::Completed,
            "task {at}: {is:?}"
        );
    }

    fn answer(&mut self, at: usize, _: Answer<'_>) {
        unreachable!("task {at} was made to ask nothing");
    }

    fn follow_with(&mut self, task: usize) {
        unreachable!("task {task} was made to ask nothing");
    }

    fn next(&self, _: u64) -> Option<u64> {
        self.world.next_alarm()
    }
}
