//! Deterministic simulation: many tasks of one session, origins, a network and a user, all from one
//! seed, in virtual time.
//!
//! A run is held against a `ledger` that knows what the network, the origins and the user did,
//! and nothing of what the client thinks. At every step: what is sent and received is right byte by
//! byte, counts are those of the network, secrets stay with their origin, connections stay within
//! their caps. Whenever nothing can happen any more at an instant: whoever could read has read,
//! whoever could write has written, whoever could have a connection has one, and nobody outlives a
//! deadline. Each task ends once, and for a reason.
//!
//! - `plan`: what a seed stands for; `texts`: the requests of it;
//! - `network`: bytes on their way; `origin`: what is at the other end; `incoming`: a decoder
//!   of requests of its own;
//! - `ledger` and `judge`: what is known, and what may be;
//! - `on_core`, `on_desktop` and `on_held`: the clients; `world`: what the latter two see.

mod incoming;
mod judge;
mod ledger;
mod network;
mod on_core;
mod on_desktop;
mod on_held;
mod origin;
mod plan;
pub(crate) mod random;
mod texts;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sortie_core::{Answer, Question};

use network::{Event, Net};
use plan::Command;

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// The core's tasks and scheduler, by an adapter that only does what it is told.
    Core,
    /// The driver of the desktop runtime, and its pool.
    Driver,
    /// The same below the tasks that users hold: some await them, some stop doing so, and what
    /// nobody awaits is driven in the background.
    Held,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Core, Self::Driver, Self::Held];
}

/// The world of one run, shared by all that are in it.
#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Net>>);

impl Shared {
    fn net(&self) -> MutexGuard<'_, Net> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that runs the tasks of a plan.
trait Player {
    /// Lets a task do something, if it can.
    fn turn(&mut self, task: usize) -> bool;

    fn command(&mut self, task: usize, command: Command);

    /// Answers a question that this task has asked.
    fn answer(&mut self, task: usize, answer: Answer<'_>);

    /// Answers that a redirect is followed with the request that the user makes for the next hop.
    fn follow_with(&mut self, task: usize);

    /// When somebody wants to be called next, if nothing happens before.
    fn next(&self, now: u64) -> Option<u64>;
}

/// Runs what `seed` stands for. Returns what happened, if it is to be told.
///
/// # Panics
/// If something is not as it should be.
#[must_use]
pub fn run(seed: u64, client: Client, is_logged: bool) -> Vec<String> {
    let mut net = Net::new(seed, is_logged);
    if client == Client::Held {
        net.plan.without_witness();
        net.ledger.infers = true;
    }
    let shared = Shared(Arc::new(Mutex::new(net)));
    let log = Log(&shared);
    match client {
        Client::Core => on_core::play(&shared),
        Client::Driver => on_desktop::play(&shared),
        Client::Held => on_held::play(&shared),
    }
    drop(log);
    let lines = shared.net().log.take();
    lines.unwrap_or_default()
}

/// Prints what happened if a run fails.
struct Log<'s>(&'s Shared);

impl Drop for Log<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let net = self.0.net();
            for line in net.log.iter().flatten() {
                eprintln!("{line}");
            }
        }
    }
}

/// More turns at one instant than anything can need.
const TURNS: usize = 1_000_000;

fn play(shared: &Shared, player: &mut dyn Player) {
    let tasks = shared.net().plan.tasks.len();
    let mut order: Vec<usize> = (0..tasks).collect();
    loop {
        loop {
            let Some(event) = shared.net().due() else { break };
            happen(shared, player, event);
            // Between two events of one instant somebody may get a turn, or nobody.
            if shared.net().random.percent(30) {
                let task = shared.net().random.index(tasks);
                player.turn(task);
            }
        }
        for turn in 0.. {
            assert!(turn < TURNS, "turns without end");
            shared.net().random.shuffle(&mut order);
            // Everybody has to be asked: no short cut.
            let moved = order.iter().filter(|task| player.turn(**task)).count();
            if moved == 0 {
                break;
            }
        }
        let mut net = shared.net();
        if net.next_event().is_some_and(|at| at <= net.now) {
            continue;
        }
        net.settled();
        let is_held = |watch: &ledger::Watch| watch.suspends > 0 && watch.is_over;
        if net.ledger.tasks.iter().all(|watch| watch.result.is_some() || is_held(watch)) {
            return;
        }
        let next = [net.next_event(), player.next(net.now)].into_iter().flatten().min();
        let next = next.expect("something that can still happen");
        net.now = net.now.max(next);
    }
}

fn happen(shared: &Shared, player: &mut dyn Player, event: Event) {
    match event {
        Event::User(task, command) => {
            let command = {
                let mut net = shared.net();
                let command = net.plan.tasks[task].commands[command].1;
                net.note(|| format!("user of task {task}: {command:?}"));
                let now = net.now;
                let watch = &mut net.ledger.tasks[task];
                if watch.result.is_some() && command != Command::Flush {
                    return;
                }
                match command {
                    Command::Resume => net.ledger.resumed(task, now),
                    Command::Suspend => net.ledger.suspended(task),
                    Command::Cancel => watch.is_canceled = true,
                    Command::Flush => net.flushed(),
                    Command::Priority(_)
                    | Command::EarliestBegin(_)
                    | Command::Await
                    | Command::Drop => {}
                }
                command
            };
            player.command(task, command);
        }
        Event::Answer(task, number) => answer(shared, player, task, number),
        Event::Connected(_) | Event::Up(_) | Event::Down(_) | Event::Tired(..) => {
            shared.net().happen(event);
        }
    }
}

/// The user has made up their mind.
fn answer(shared: &Shared, player: &mut dyn Player, task: usize, number: usize) {
    let mut guard = shared.net();
    let net = &mut *guard;
    let agrees = net.plan.tasks[task].agrees;
    let agrees = net.random.percent(agrees);
    let is_whim = net.random.percent(50);
    let edits = net.plan.tasks[task].edits;
    let edits = net.random.percent(edits);
    let now = net.now;
    let watch = &mut net.ledger.tasks[task];
    let deadlines = watch.deadlines(&net.plan.tasks[task]);
    if watch.is_canceled || deadlines.contains(&Some(now)) {
        // It has ended, or is about to.
        return;
    }
    let Some(question) = watch.question.filter(|_| watch.questions == number) else {
        return;
    };
    let has_next = net.plan.tasks[task].hops.len() > watch.hop + 1;
    if (question, agrees && edits && has_next) == (Question::Redirect, true) {
        watch.edits_next = true;
        net.ledger.answered(task, now);
        net.note(|| format!("user of task {task} follows with another request"));
        drop(guard);
        return player.follow_with(task);
    }
    let answer = match (question, agrees) {
        (Question::Redirect, true) => Answer::Follow,
        (Question::Redirect, false) => Answer::Refuse,
        (Question::Disposition, true) => Answer::Allow,
        (Question::Disposition, false) if is_whim => Answer::BecomeDownload,
        (Question::Disposition, false) => Answer::Cancel,
        (Question::NewBody, true) => Answer::Body,
        (Question::NewBody, false) => Answer::NoBody,
    };
    watch.refused |= matches!(answer, Answer::Refuse);
    watch.said_no_body |= matches!(answer, Answer::NoBody);
    watch.is_canceled |= matches!(answer, Answer::Cancel);
    net.ledger.answered(task, now);
    net.note(|| format!("user of task {task}: {answer:?}"));
    drop(guard);
    player.answer(task, answer);
}

/// A task has asked something: the user thinks about it.
fn asked(net: &mut Net, task: usize, question: Question) {
    assert!(judge::asks(&net.plan.tasks[task], question), "task {task} asks {question:?}");
    let ponders = net.plan.tasks[task].ponders;
    let after = net.random.below(ponders + 1);
    net.ledger.asked(task, question);
    let number = net.ledger.tasks[task].questions;
    net.at(net.now + after, Event::Answer(task, number));
    net.note(|| format!("task {task} asks {question:?}"));
}
