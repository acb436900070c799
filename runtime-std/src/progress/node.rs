//! A tree of progress: what its nodes count, how commands go down, whom they call.
//!
//! **Locks.** Each node has one. While it is held, no other is taken, no source or handler is
//! called, and nothing of the user's is dropped, since that could call back. Only `add_child`
//! takes a second one, [`STRUCTURE`], and always first.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sortie_core::Progress as ProgressValue;

use super::{ProgressError, Report, Source};

/// Levels of a tree. Walks take a stack frame a level; a tree of work has a handful.
const MAX_LEVELS: usize = 64;

/// Held while a child is added anywhere, so that two threads cannot make a cycle or too many
/// levels of what each of them was right to allow.
static STRUCTURE: Mutex<()> = Mutex::new(());

pub(super) type OnCancel = Box<dyn FnOnce() + Send>;
pub(super) type OnChange = Arc<dyn Fn() + Send + Sync>;

/// What goes down a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Cancel,
    Pause,
    Resume,
}

/// One progress of a tree.
pub(super) struct Node {
    inner: Mutex<Inner>,
}

struct Inner {
    work: Work,
    parent: Weak<Node>,
    /// Levels of the tree from here down. Written under [`STRUCTURE`] only.
    levels: usize,
    on_cancel: Option<OnCancel>,
    on_pause: Option<OnChange>,
    on_resume: Option<OnChange>,
}

/// Who counts.
enum Work {
    /// A task.
    Task(Arc<dyn Source>),
    /// A task that has completed, and is held no longer.
    Ended(Report),
    /// The caller.
    ByHand(ByHand),
}

/// Counted by the caller, and by children.
#[derive(Clone)]
pub(super) struct ByHand {
    /// Without what children have completed.
    pub(super) completed: u64,
    pub(super) total: Option<u64>,
    is_cancelled: bool,
    is_paused: bool,
    /// Shared with walks, which go on without the lock.
    children: Arc<Vec<Child>>,
}

#[derive(Clone)]
struct Child {
    node: Arc<Node>,
    /// The units of the parent that it counts for.
    units: u64,
}

/// What a node was at one moment.
pub(super) enum View {
    Task(Report),
    ByHand(ByHand),
}

/// How far a node is, with all below.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    pub(super) completed: u64,
    pub(super) total: Option<u64>,
    pub(super) fraction: f64,
    pub(super) is_finished: bool,
}

/// A handler that is to be called once everything is done.
enum Call {
    Cancelled(OnCancel),
    Changed(OnChange),
}

impl Node {
    pub(super) fn by_hand(total: u64) -> Self {
        Self::new(Work::ByHand(ByHand {
            completed: 0,
            total: Some(total),
            is_cancelled: false,
            is_paused: false,
            children: Arc::default(),
        }))
    }

    pub(super) fn of_task(source: Arc<dyn Source>) -> Self {
        Self::new(Work::Task(source))
    }

    fn new(work: Work) -> Self {
        Self {
            inner: Mutex::new(Inner {
                work,
                parent: Weak::new(),
                levels: 1,
                on_cancel: None,
                on_pause: None,
                on_resume: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic is done under the lock but allocating.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Counting.
impl Node {
    /// Changes the caller's counts.
    pub(super) fn count(&self, change: impl FnOnce(&mut ByHand)) -> Result<(), ProgressError> {
        match &mut self.lock().work {
            Work::ByHand(own) => {
                change(own);
                Ok(())
            }
            Work::Task(_) | Work::Ended(_) => Err(ProgressError::CountedByTask),
        }
    }

    pub(super) fn view(&self) -> View {
        let source = match &self.lock().work {
            Work::Task(source) => source.clone(),
            Work::Ended(report) => return View::Task(*report),
            Work::ByHand(own) => return View::ByHand(own.clone()),
        };
        let report = source.report();
        if report.is_finished {
            // The lock is free again before the task is, which may be dropped here.
            let ended = mem::replace(&mut self.lock().work, Work::Ended(report));
            drop(ended);
        }
        View::Task(report)
    }

    pub(super) fn measured(&self) -> Measured {
        match self.view() {
            View::Task(report) => Measured::task(&report),
            View::ByHand(own) => own.measured(),
        }
    }

    /// The sum over the tasks here and below.
    pub(super) fn bytes(&self, of: fn(&Report) -> ProgressValue) -> ProgressValue {
        match self.view() {
            View::Task(report) => of(&report),
            View::ByHand(own) => {
                let none = ProgressValue { completed: 0, total: Some(0) };
                own.children.iter().fold(none, |sum, child| add(sum, child.node.bytes(of)))
            }
        }
    }
}

fn add(one: ProgressValue, other: ProgressValue) -> ProgressValue {
    let total = one.total.zip(other.total).map(|(one, other)| one.saturating_add(other));
    ProgressValue { completed: one.completed.saturating_add(other.completed), total }
}

impl View {
    pub(super) fn is_cancelled(&self) -> bool {
        match self {
            Self::Task(report) => report.is_cancelled,
            Self::ByHand(own) => own.is_cancelled,
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        match self {
            Self::Task(report) => report.is_paused,
            Self::ByHand(own) => own.is_paused,
        }
    }
}

impl Measured {
    fn task(report: &Report) -> Self {
        let ProgressValue { completed, total } = report.combined;
        let is_finished = report.is_finished;
        let fraction = match total {
            _ if is_finished => 1.0,
            // Here nothing of nothing is indeterminate, not done.
            Some(0) if completed == 0 => 0.0,
            Some(_) | None => report.combined.fraction(),
        };
        Self { completed, total, fraction, is_finished }
    }

    pub(super) fn is_indeterminate(&self) -> bool {
        !self.is_finished && (self.total.is_none() || (self.completed, self.total) == (0, Some(0)))
    }
}

impl ByHand {
    /// Parts are always added in the order of the children, and a finished child is added as one
    /// with a fraction of 1. So rounding cannot make the fraction go back where a count grows.
    #[allow(clippy::cast_precision_loss, reason = "a fraction for display")]
    fn measured(&self) -> Measured {
        let mut completed = self.completed;
        let mut part = self.completed as f64;
        for child in self.children.iter() {
            let measured = child.node.measured();
            part += measured.fraction * child.units as f64;
            if measured.is_finished {
                completed = completed.saturating_add(child.units);
            }
        }
        let is_finished = completed > 0 && self.total.is_some_and(|total| completed >= total);
        let fraction = match self.total {
            _ if is_finished => 1.0,
            None | Some(0) => 0.0,
            Some(total) => (part / total as f64).min(1.0),
        };
        Measured { completed, total: self.total, fraction, is_finished }
    }

    /// Whether the command changed something.
    fn obey(&mut self, command: Command) -> bool {
        let (flag, to) = match command {
            Command::Cancel => (&mut self.is_cancelled, true),
            Command::Pause => (&mut self.is_paused, true),
            Command::Resume => (&mut self.is_paused, false),
        };
        mem::replace(flag, to) != to
    }
}

// Commands.
impl Node {
    pub(super) fn command(&self, command: Command) {
        let mut calls = Vec::new();
        self.spread(command, &mut calls);
        call(calls);
    }

    /// Does it here and below, and notes whom to call.
    fn spread(&self, command: Command, calls: &mut Vec<Call>) {
        let mut inner = self.lock();
        let source = match &mut inner.work {
            Work::Task(source) => source.clone(),
            Work::Ended(report) => {
                if command == Command::Cancel && report.is_cancelled {
                    calls.extend(inner.handler(command));
                }
                return;
            }
            Work::ByHand(own) => {
                let changed = own.obey(command);
                let children = own.children.clone();
                if changed {
                    calls.extend(inner.handler(command));
                }
                drop(inner);
                return self.follow(children, command, calls);
            }
        };
        drop(inner);
        let changed = match command {
            Command::Cancel => {
                source.cancel();
                source.report().is_cancelled
            }
            Command::Pause => source.pause(),
            Command::Resume => source.resume(),
        };
        if changed {
            calls.extend(self.lock().handler(command));
        }
    }

    /// Passes a command on to children. If meanwhile another thread has given this node the
    /// opposite one, both have met the children in any order: then the newer one is passed on
    /// again.
    fn follow(&self, mut children: Arc<Vec<Child>>, mut command: Command, calls: &mut Vec<Call>) {
        loop {
            for child in children.iter() {
                child.node.spread(command, calls);
            }
            match self.since(command) {
                Some((newer, all)) => (command, children) = (newer, all),
                None => return,
            }
        }
    }

    /// The command that has taken the place of this one, and for whom it is.
    fn since(&self, command: Command) -> Option<(Command, Arc<Vec<Child>>)> {
        let inner = self.lock();
        let Work::ByHand(own) = &inner.work else { return None };
        let newer = match (command, own.is_paused) {
            (Command::Pause, false) => Command::Resume,
            (Command::Resume, true) => Command::Pause,
            (Command::Pause, true) | (Command::Resume, false) | (Command::Cancel, _) => {
                return None;
            }
        };
        Some((newer, own.children.clone()))
    }

    pub(super) fn on_cancel(&self, handler: OnCancel) {
        let replaced = self.lock().on_cancel.replace(handler);
        drop(replaced);
        // Whoever takes the handler calls it: this or a cancel that has come in between.
        if self.view().is_cancelled() {
            let mine = self.lock().handler(Command::Cancel);
            call(mine);
        }
    }

    pub(super) fn on_pause(&self, handler: OnChange) {
        let mut inner = self.lock();
        let replaced = inner.on_pause.replace(handler.clone());
        let known = match &inner.work {
            Work::ByHand(own) => Some(own.is_paused),
            Work::Ended(_) => Some(false),
            Work::Task(_) => None,
        };
        drop(inner);
        drop(replaced);
        if known.unwrap_or_else(|| self.view().is_paused()) {
            handler();
        }
    }

    pub(super) fn on_resume(&self, handler: OnChange) {
        let replaced = self.lock().on_resume.replace(handler);
        drop(replaced);
    }
}

impl Inner {
    fn handler(&mut self, command: Command) -> Option<Call> {
        match command {
            Command::Cancel => self.on_cancel.take().map(Call::Cancelled),
            Command::Pause => self.on_pause.clone().map(Call::Changed),
            Command::Resume => self.on_resume.clone().map(Call::Changed),
        }
    }
}

fn call(calls: impl IntoIterator<Item = Call>) {
    for call in calls {
        match call {
            Call::Cancelled(handler) => handler(),
            Call::Changed(handler) => handler(),
        }
    }
}

// The tree.
impl Node {
    pub(super) fn add_child(
        self: &Arc<Self>,
        child: &Arc<Self>,
        units: u64,
    ) -> Result<(), ProgressError> {
        let (is_cancelled, is_paused) = self.adopt(child, units)?;
        let mut calls = Vec::new();
        if is_cancelled {
            child.spread(Command::Cancel, &mut calls);
        }
        if is_paused {
            let only = Arc::new(vec![Child { node: child.clone(), units }]);
            self.follow(only, Command::Pause, &mut calls);
        }
        call(calls);
        Ok(())
    }

    /// Adds a child. Whether the parent is cancelled, and paused: a command that comes later finds
    /// the child.
    fn adopt(
        self: &Arc<Self>,
        child: &Arc<Self>,
        units: u64,
    ) -> Result<(bool, bool), ProgressError> {
        // From the parent to the root. The last handle of one may be dropped meanwhile, and then
        // it is freed here: so not before the lock is free again.
        let mut above = vec![self.clone()];
        let _structure = STRUCTURE.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(parent) = above.last().and_then(|node| node.parent()) {
            above.push(parent);
        }
        if above.iter().any(|node| Arc::ptr_eq(node, child)) {
            return Err(ProgressError::Cycle);
        }
        let levels = {
            let below = child.lock();
            if below.parent.strong_count() > 0 {
                return Err(ProgressError::HasParent);
            }
            below.levels
        };
        if above.len().saturating_add(levels) > MAX_LEVELS {
            return Err(ProgressError::TooDeep);
        }
        let flags = {
            let mut inner = self.lock();
            let Work::ByHand(own) = &mut inner.work else {
                return Err(ProgressError::CountedByTask);
            };
            Arc::make_mut(&mut own.children).push(Child { node: child.clone(), units });
            (own.is_cancelled, own.is_paused)
        };
        child.lock().parent = Arc::downgrade(self);
        for (node, levels) in above.iter().zip(levels + 1..) {
            let mut inner = node.lock();
            inner.levels = inner.levels.max(levels);
        }
        Ok(flags)
    }

    fn parent(&self) -> Option<Arc<Self>> {
        self.lock().parent.upgrade()
    }
}
