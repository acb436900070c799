//! Progress as a handle: how far something is, and a way to cancel, pause and resume it.
//!
//! Nothing is pushed. A handle computes what it is asked for when it is asked, so that a task which
//! nobody watches pays nothing for it.

mod node;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sortie_core::Progress as ProgressValue;

use node::{Command, Node};

/// How far some work is, and a way to act on it, as URLSession's `Progress`. Clones are the same
/// progress, and equal.
///
/// There are two kinds. The progress of a **task** counts the bytes of its content and knows by
/// itself how many they are; cancelling, pausing and resuming it acts on the task. A progress
/// **made by hand**, with [`new`](Self::new), counts units of the caller's choice, and can have
/// children, which count for some of these units:
///
/// - The [fraction](Self::fraction) of a parent is what it has completed by itself, and for each
///   child its fraction of the units it counts for, over the total. It is never NaN, below 0 or
///   above 1.
/// - The units of a child that has finished are [completed](Self::completed_units) units of the
///   parent. A task that fails or is cancelled finishes too. A child counted by hand that is set
///   back is not finished any more, and its units are not completed.
/// - A progress is [indeterminate](Self::is_indeterminate) while its total is unknown, and where
///   both the total and what is completed are 0. Its fraction is 0 then, also to its parent.
///   Something completed of a total of 0 is finished.
/// - Cancelling, pausing and resuming reach everything below, then handlers are called, parents
///   before children. A child that is added to what is cancelled or paused becomes so too.
/// - A child has one parent, for good: it is free again only if its parent is dropped.
///
/// A parent holds its children, a child does not hold its parent. A handle of a task's progress
/// holds the task until it is seen to have finished; it never drives it.
///
/// **Other than in URLSession:** there is no "current" progress of a thread to which new ones
/// attach themselves, so no rule about which of them does. Completed units that a caller sets are
/// its own: they never overwrite those that children add. Handlers run in the call that causes
/// them, on its thread, once all is done and no lock is held, so that they may use the progress in
/// any way; and they are called where a call changes something, not for pausing what is paused.
///
/// ```
/// use sortie::Progress;
///
/// # fn main() -> Result<(), sortie::ProgressError> {
/// let all = Progress::new(10);
/// let part = Progress::new(200);
/// all.add_child(&part, 8)?;
/// part.set_completed_units(50)?;
/// assert_eq!((all.fraction(), all.completed_units()), (0.2, 0));
/// part.set_completed_units(200)?;
/// assert_eq!((all.fraction(), all.completed_units()), (0.8, 8));
/// all.cancel();
/// assert!(part.is_cancelled());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Progress {
    node: Arc<Node>,
}

impl Progress {
    /// A progress made by hand: nothing of so many units is completed.
    #[must_use]
    pub fn new(total_units: u64) -> Self {
        Self { node: Arc::new(Node::by_hand(total_units)) }
    }

    /// Sets how many units are completed, beside those of children.
    ///
    /// # Errors
    /// [`CountedByTask`](ProgressError::CountedByTask) where a task counts.
    pub fn set_completed_units(&self, units: u64) -> Result<(), ProgressError> {
        self.node.count(|own| own.completed = units)
    }

    /// Adds to the units that are completed beside those of children; for several threads that
    /// share the work. What does not fit in 64 bits is not counted.
    ///
    /// # Errors
    /// [`CountedByTask`](ProgressError::CountedByTask) where a task counts.
    pub fn add_completed_units(&self, units: u64) -> Result<(), ProgressError> {
        self.node.count(|own| own.completed = own.completed.saturating_add(units))
    }

    /// Sets how many units there are, those of children included; `None` while that is unknown.
    ///
    /// # Errors
    /// [`CountedByTask`](ProgressError::CountedByTask) where a task counts.
    pub fn set_total_units(&self, units: Option<u64>) -> Result<(), ProgressError> {
        self.node.count(|own| own.total = units)
    }

    /// Makes the progress of `child`, or `child` itself, count for so many of the units. What it
    /// has completed before counts at once.
    ///
    /// The units of all children should add up to the total, less what is counted by hand.
    ///
    /// # Errors
    /// - [`CountedByTask`](ProgressError::CountedByTask) where `self` is a task's.
    /// - [`HasParent`](ProgressError::HasParent) where the child has a parent, this one included.
    /// - [`Cycle`](ProgressError::Cycle) where the child is `self` or above it.
    /// - [`TooDeep`](ProgressError::TooDeep) where the tree would have more than 64 levels.
    ///
    /// With any of these, nothing is changed.
    pub fn add_child(
        &self,
        child: &impl ProgressReporting,
        pending_units: u64,
    ) -> Result<(), ProgressError> {
        self.node.add_child(&child.progress().node, pending_units)
    }

    /// Ends the work: the tasks here and below are cancelled, and others can look at
    /// [`is_cancelled`](Self::is_cancelled). Does nothing to tasks that have completed.
    pub fn cancel(&self) {
        self.node.command(Command::Cancel);
    }

    /// Holds the work: the tasks here and below are suspended, those that are not yet, and others
    /// can look at [`is_paused`](Self::is_paused).
    ///
    /// Of several threads that pause and resume at the same time, one is the last, and everything
    /// below ends as it says.
    pub fn pause(&self) {
        self.node.command(Command::Pause);
    }

    /// Lets the work go on: takes one suspend of each task here and below back, also that of new
    /// tasks, so that it starts them.
    pub fn resume(&self) {
        self.node.command(Command::Resume);
    }

    /// Has `handler` called when this, or a progress above, is cancelled; at once if it was
    /// cancelled before. It takes the place of an earlier handler, and is called once at most.
    ///
    /// A task's `cancel` calls no handler: these tell the work of a wish, not others of the work.
    /// Handlers are kept as long as a handle or the parent is. One that owns a handle of this
    /// progress keeps it, and itself, until it was called.
    pub fn on_cancel(&self, handler: impl FnOnce() + Send + 'static) {
        self.node.on_cancel(Box::new(handler));
    }

    /// Has `handler` called whenever [`pause`](Self::pause), here or above, pauses this; also at
    /// once if it is paused now, as every new task is. It takes the place of an earlier handler.
    ///
    /// A task that is paused in another thread at this very moment may have it called twice.
    pub fn on_pause(&self, handler: impl Fn() + Send + Sync + 'static) {
        self.node.on_pause(Arc::new(handler));
    }

    /// Has `handler` called whenever [`resume`](Self::resume), here or above, resumes this. It
    /// takes the place of an earlier handler.
    pub fn on_resume(&self, handler: impl Fn() + Send + Sync + 'static) {
        self.node.on_resume(Arc::new(handler));
    }

    /// The part that is done, from 0 to 1, everything below included; 0 while indeterminate.
    ///
    /// It goes back only where a count does: a redirect or a retry counts a task's bytes anew.
    /// Rounding may make it 1 a little early; [`is_finished`](Self::is_finished) is exact.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.node.measured().fraction
    }

    /// What is completed: the bytes of a task; by hand, units, with those of finished children.
    #[must_use]
    pub fn completed_units(&self) -> u64 {
        self.node.measured().completed
    }

    /// What there is to complete: the bytes of a task; by hand, units. `None` while unknown.
    #[must_use]
    pub fn total_units(&self) -> Option<u64> {
        self.node.measured().total
    }

    /// Whether no fraction can be told: the total is unknown, or it is 0 and so is what is
    /// completed.
    #[must_use]
    pub fn is_indeterminate(&self) -> bool {
        self.node.measured().is_indeterminate()
    }

    /// Whether the work has ended: for a task, well or not; by hand, once something is completed
    /// and it reaches the total.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.node.measured().is_finished
    }

    /// Whether it was cancelled, here or above, or as a task.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.node.view().is_cancelled()
    }

    /// Whether it is paused, here, above, or as a task; a new task is.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.node.view().is_paused()
    }

    /// The bytes that tasks send, here and below. The total is unknown if that of one task is.
    /// Units counted by hand are no bytes and not among them.
    #[must_use]
    pub fn send(&self) -> ProgressValue {
        self.node.bytes(|report| report.send)
    }

    /// The bytes that tasks receive, counted as in [`send`](Self::send).
    #[must_use]
    pub fn receive(&self) -> ProgressValue {
        self.node.bytes(|report| report.receive)
    }

    /// The bytes that tasks send and receive, counted as in [`send`](Self::send).
    #[must_use]
    pub fn combined(&self) -> ProgressValue {
        self.node.bytes(|report| report.combined)
    }
}

impl PartialEq for Progress {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.node, &other.node)
    }
}

impl Eq for Progress {}

impl Hash for Progress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.node).hash(state);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measured = self.node.measured();
        match measured.total {
            Some(total) => write!(f, "Progress({} of {total}", measured.completed)?,
            None => write!(f, "Progress({} of unknown", measured.completed)?,
        }
        write!(f, ", {:.3})", measured.fraction)
    }
}

/// What has a progress, and can so be a child of another.
pub trait ProgressReporting {
    /// The progress: always the same one.
    fn progress(&self) -> Progress;
}

impl ProgressReporting for Progress {
    fn progress(&self) -> Progress {
        self.clone()
    }
}

/// Why a progress refused something. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProgressError {
    /// A task counts here: its progress has no children and takes no counts.
    CountedByTask,
    /// The child has a parent.
    HasParent,
    /// The child is the parent itself or above it.
    Cycle,
    /// The tree would have more than 64 levels.
    TooDeep,
}

impl fmt::Display for ProgressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CountedByTask => "the progress of a task has no children and takes no counts",
            Self::HasParent => "the progress is the child of another one",
            Self::Cycle => "a progress cannot be below itself",
            Self::TooDeep => "a tree of progress has at most 64 levels",
        })
    }
}

impl std::error::Error for ProgressError {}

/// What a task tells of itself, all of it at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Report {
    pub(crate) send: ProgressValue,
    pub(crate) receive: ProgressValue,
    pub(crate) combined: ProgressValue,
    /// It was cancelled, whoever did it, and also once it has completed therefore.
    pub(crate) is_cancelled: bool,
    /// It is suspended.
    pub(crate) is_paused: bool,
    /// It has completed, well or not: nothing of this report will change any more.
    pub(crate) is_finished: bool,
}

/// A task, as its progress sees it. No lock of a progress is held during these calls.
pub(crate) trait Source: Send + Sync {
    fn report(&self) -> Report;
    /// Cancels; nothing if it was cancelled or has completed.
    fn cancel(&self);
    /// Suspends if it runs. Whether it did, so that pausing twice counts as one suspend.
    fn pause(&self) -> bool;
    /// Takes one suspend back if there is one. Whether it runs now and did not before.
    fn resume(&self) -> bool;
}

/// Where a task keeps its progress, so that everybody who asks gets the same one.
///
/// It is made when it is asked for and held by those who asked: the progress holds the task, and
/// if the task also held the progress, neither would ever be freed.
pub(crate) struct Slot(Mutex<Weak<Node>>);

impl Slot {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// The progress of the task that `source` gives, which is asked for where there is none yet.
    pub(crate) fn progress(&self, source: impl FnOnce() -> Arc<dyn Source>) -> Progress {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = kept.upgrade() {
            return Progress { node };
        }
        let node = Arc::new(Node::of_task(source()));
        *kept = Arc::downgrade(&node);
        Progress { node }
    }
}
