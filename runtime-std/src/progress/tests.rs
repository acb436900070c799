//! The rules of a tree of progress, one test each; then random trees, and threads.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use super::{Progress, ProgressError, ProgressReporting, ProgressValue, Report, Slot, Source};

const CLOSE: f64 = 1e-12;

fn by_hand(completed: u64, total: impl Into<Option<u64>>) -> Progress {
    let progress = Progress::new(0);
    progress.set_total_units(total.into()).unwrap();
    progress.set_completed_units(completed).unwrap();
    progress
}

fn value(completed: u64, total: impl Into<Option<u64>>) -> ProgressValue {
    ProgressValue { completed, total: total.into() }
}

#[track_caller]
fn assert_close(fraction: f64, expected: f64) {
    assert!((fraction - expected).abs() < CLOSE, "{fraction} is not {expected}");
}

/// A task as far as progress sees it. Its lock is as a task's own: asking it while it is held by
/// the same thread would hang.
struct FakeTask {
    report: Mutex<Report>,
    suspends: AtomicUsize,
    /// What happens elsewhere just before the next pause arrives.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    slot: Slot,
}

impl FakeTask {
    /// A task that runs.
    fn new(send: ProgressValue, receive: ProgressValue) -> Arc<Self> {
        let total = send.total.zip(receive.total).map(|(send, receive)| send + receive);
        let combined = value(send.completed + receive.completed, total);
        let report = Report { send, receive, combined, ..Report::default() };
        Arc::new(Self {
            report: Mutex::new(report),
            suspends: AtomicUsize::new(0),
            meanwhile: Mutex::default(),
            slot: Slot::new(),
        })
    }

    fn receiving(completed: u64, total: impl Into<Option<u64>>) -> Arc<Self> {
        Self::new(value(0, 0), value(completed, total))
    }

    fn now(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self) {
        let mut now = self.now();
        let all = now.combined.completed.max(1);
        now.combined = value(all, all);
        now.is_finished = true;
        now.is_paused = false;
    }
}

impl Source for FakeTask {
    fn report(&self) -> Report {
        *self.now()
    }

    fn cancel(&self) {
        let mut now = self.now();
        if !now.is_finished {
            now.is_cancelled = true;
        }
    }

    fn pause(&self) -> bool {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        meanwhile.into_iter().for_each(|happens| happens());
        let mut now = self.now();
        let paused = !now.is_finished && !now.is_paused;
        if paused {
            now.is_paused = true;
            self.suspends.fetch_add(1, Ordering::Relaxed);
        }
        paused
    }

    fn resume(&self) -> bool {
        let mut now = self.now();
        let resumed = now.is_paused;
        now.is_paused = false;
        resumed
    }
}

impl ProgressReporting for Arc<FakeTask> {
    fn progress(&self) -> Progress {
        self.slot.progress(|| self.clone())
    }
}

/// A list to which handlers add.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<&'static str>>>);

impl Told {
    fn teller(&self, what: &'static str) -> impl Fn() + Send + Sync + 'static {
        let told = self.clone();
        move || told.0.lock().unwrap().push(what)
    }

    /// What was told since this was last asked.
    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn watch(&self, progress: &Progress, names: [&'static str; 3]) {
        progress.on_cancel(self.teller(names[0]));
        progress.on_pause(self.teller(names[1]));
        progress.on_resume(self.teller(names[2]));
    }
}

// ---------------------------------------------------------------------------------------------
// Fractions

#[test]
fn a_fraction_is_that_of_the_own_units_and_of_each_child_in_its_units() {
    let parent = by_hand(50, 100);
    assert_eq!(parent.fraction(), 0.5);
    parent.set_completed_units(0).unwrap();
    let child = by_hand(50, 100);
    parent.add_child(&child, 10).unwrap();
    assert_close(parent.fraction(), 0.05);
    parent.set_completed_units(20).unwrap();
    assert_close(parent.fraction(), 0.25);
    parent.set_total_units(Some(200)).unwrap();
    assert_close(parent.fraction(), 0.125);
    child.set_total_units(Some(200)).unwrap();
    assert_close(child.fraction(), 0.25);
    assert_close(parent.fraction(), 0.1125);
}

#[test]
fn grandchildren_count_through_their_parent() {
    let [root, child, grandchild] = [100, 100, 100].map(Progress::new);
    root.add_child(&child, 100).unwrap();
    child.add_child(&grandchild, 50).unwrap();
    assert_eq!(root.fraction(), 0.0);
    grandchild.set_completed_units(50).unwrap();
    assert_close(root.fraction(), 0.25);
}

#[test]
fn what_a_child_has_done_before_it_is_added_counts() {
    let parent = Progress::new(2);
    parent.add_child(&by_hand(100, 100), 1).unwrap();
    assert_eq!((parent.fraction(), parent.completed_units()), (0.5, 1));
    parent.add_child(&by_hand(50, 100), 1).unwrap();
    assert_eq!((parent.fraction(), parent.completed_units()), (0.75, 1));
}

#[test]
fn indeterminate_is_an_unknown_total_or_nothing_of_nothing_and_never_nan() {
    let rows = [
        (0, None, true, 0.0),
        (1, None, true, 0.0),
        (0, Some(0), true, 0.0),
        (1, Some(0), false, 1.0),
        (0, Some(1), false, 0.0),
        (1, Some(1), false, 1.0),
        (9, Some(1), false, 1.0),
        (u64::MAX, Some(u64::MAX), false, 1.0),
    ];
    for (completed, total, indeterminate, fraction) in rows {
        let hand = by_hand(completed, total);
        let task = FakeTask::receiving(completed, total).progress();
        for progress in [hand, task] {
            assert_eq!(progress.is_indeterminate(), indeterminate, "{progress:?}");
            assert_eq!(progress.fraction(), fraction, "{progress:?}");
        }
    }
}

#[test]
fn something_completed_of_a_total_of_zero_is_done() {
    let parent = Progress::new(4);
    let child = by_hand(1, 0);
    parent.add_child(&child, 4).unwrap();
    assert!(child.is_finished() && parent.is_finished());
    assert_eq!((parent.completed_units(), parent.fraction()), (4, 1.0));
    assert!(!by_hand(0, 0).is_finished());
}

#[test]
fn an_indeterminate_child_counts_nothing_until_it_is_determinate() {
    let parent = Progress::new(100);
    let [one, other] = [by_hand(1, 2), by_hand(1, 2)];
    parent.add_child(&one, 50).unwrap();
    parent.add_child(&other, 50).unwrap();
    assert_eq!(parent.fraction(), 0.5);
    one.set_total_units(None).unwrap();
    assert_eq!((parent.fraction(), parent.is_indeterminate()), (0.25, false));
    one.set_total_units(Some(2)).unwrap();
    assert_eq!(parent.fraction(), 0.5);
}

#[test]
fn children_of_a_parent_without_a_total_count_no_fraction_but_their_units() {
    let parent = by_hand(0, None);
    parent.add_child(&by_hand(1, 1), 5).unwrap();
    assert_eq!((parent.fraction(), parent.completed_units()), (0.0, 5));
    assert!(parent.is_indeterminate() && !parent.is_finished());
}

#[test]
fn a_child_that_finishes_adds_its_units_to_what_the_parent_has_completed() {
    let root = Progress::new(3);
    let children = [(); 3].map(|()| Progress::new(10));
    for child in &children {
        root.add_child(child, 1).unwrap();
        child.set_completed_units(5).unwrap();
    }
    assert_eq!((root.completed_units(), root.fraction()), (0, 0.5));
    for (child, finished) in children.iter().zip(1..) {
        child.set_completed_units(10).unwrap();
        assert!(child.is_finished());
        assert_eq!((root.completed_units(), root.is_finished()), (finished, finished == 3));
    }
    assert_eq!((root.completed_units(), root.fraction()), (root.total_units().unwrap(), 1.0));
}

#[test]
fn units_that_are_set_are_counted_beside_those_of_children() {
    let parent = Progress::new(10);
    parent.add_child(&by_hand(1, 1), 4).unwrap();
    parent.set_completed_units(5).unwrap();
    assert_eq!((parent.completed_units(), parent.fraction()), (9, 0.9));
    parent.add_completed_units(1).unwrap();
    assert_eq!((parent.completed_units(), parent.is_finished()), (10, true));
}

#[test]
fn units_saturate_and_a_fraction_never_exceeds_one() {
    let parent = Progress::new(10);
    for _ in 0..2 {
        parent.add_child(&by_hand(1, 2), u64::MAX).unwrap();
    }
    assert_eq!((parent.fraction(), parent.is_finished()), (1.0, false));
    parent.add_child(&by_hand(1, 1), u64::MAX).unwrap();
    parent.add_child(&by_hand(1, 1), u64::MAX).unwrap();
    parent.set_completed_units(7).unwrap();
    parent.add_completed_units(u64::MAX).unwrap();
    assert_eq!((parent.completed_units(), parent.fraction()), (u64::MAX, 1.0));
}

// ---------------------------------------------------------------------------------------------
// Tasks

#[test]
fn a_task_counts_its_bytes_and_takes_no_counts_and_no_children() {
    let task = FakeTask::new(value(3, 3), value(4, 13));
    let progress = task.progress();
    assert_eq!((progress.completed_units(), progress.total_units()), (7, Some(16)));
    let refused = Err(ProgressError::CountedByTask);
    assert_eq!(progress.set_completed_units(1), refused);
    assert_eq!(progress.add_completed_units(1), refused);
    assert_eq!(progress.set_total_units(None), refused);
    let child = Progress::new(1);
    assert_eq!(progress.add_child(&child, 1), refused);
    assert_eq!(Progress::new(1).add_child(&child, 1), Ok(()), "the refused child is free");
    assert_eq!(progress.completed_units(), 7);
}

#[test]
fn send_receive_and_combined_are_sums_over_tasks_and_unknown_if_one_is() {
    let parent = by_hand(5, 10);
    assert_eq!(parent.combined(), value(0, 0), "units are no bytes");
    let inner = Progress::new(1);
    let known = FakeTask::new(value(1, 10), value(2, 20));
    let unknown = FakeTask::new(value(3, 30), value(4, None));
    parent.add_child(&known, 1).unwrap();
    parent.add_child(&inner, 1).unwrap();
    assert_eq!(parent.combined(), value(3, 30));
    inner.add_child(&unknown, 1).unwrap();
    assert_eq!(parent.send(), value(4, 40));
    assert_eq!(parent.receive(), value(6, None));
    assert_eq!(parent.combined(), value(10, None));
    assert_eq!(unknown.progress().receive(), value(4, None));
    parent.add_child(&FakeTask::receiving(u64::MAX, u64::MAX), 1).unwrap();
    assert_eq!(parent.receive(), value(u64::MAX, None));
}

#[test]
fn a_task_is_finished_when_it_completes_and_not_with_its_last_byte() {
    let task = FakeTask::receiving(8, 8);
    let parent = Progress::new(2);
    parent.add_child(&task, 2).unwrap();
    assert_eq!((parent.fraction(), parent.completed_units()), (1.0, 0));
    assert!(!parent.is_finished());
    task.complete();
    assert!(parent.is_finished());
    assert_eq!(parent.completed_units(), 2);
}

#[test]
fn a_task_is_held_until_it_is_seen_to_have_finished_and_its_counts_stay() {
    let task = FakeTask::receiving(8, None);
    let parent = Progress::new(1);
    parent.add_child(&task, 1).unwrap();
    let held: Weak<FakeTask> = Arc::downgrade(&task);
    let progress = task.progress();
    task.complete();
    drop(task);
    assert_eq!(held.strong_count(), 1);
    assert_eq!((parent.fraction(), held.strong_count()), (1.0, 0));
    assert_eq!((progress.combined(), progress.is_finished()), (value(8, 8), true));
    progress.cancel();
    assert!(!progress.is_cancelled() && !progress.is_paused());
}

#[test]
fn a_task_has_one_progress_and_does_not_hold_it() {
    let task = FakeTask::receiving(0, 1);
    let progress = task.progress();
    assert_eq!(progress, task.progress());
    assert_ne!(progress, FakeTask::receiving(0, 1).progress());
    #[allow(clippy::mutable_key_type, reason = "what is hashed is which one it is")]
    let set: HashSet<_> = [progress.clone(), task.progress()].into();
    assert_eq!(set.len(), 1);
    drop((progress, set));
    assert_eq!(Arc::strong_count(&task), 1);
    let parent = Progress::new(1);
    parent.add_child(&task, 1).unwrap();
    assert_eq!(parent.add_child(&task, 1), Err(ProgressError::HasParent));
}

#[test]
fn commands_act_on_the_task_and_pausing_twice_is_one_suspend() {
    let task = FakeTask::receiving(0, 1);
    let parent = Progress::new(1);
    parent.add_child(&task, 1).unwrap();
    parent.pause();
    parent.pause();
    task.progress().pause();
    assert_eq!((task.now().is_paused, task.suspends.load(Ordering::Relaxed)), (true, 1));
    assert!(task.progress().is_paused());
    parent.resume();
    assert!(!task.now().is_paused);
    parent.cancel();
    assert!(task.now().is_cancelled && task.progress().is_cancelled());
}

#[test]
fn resuming_a_parent_that_was_not_paused_starts_new_tasks() {
    let task = FakeTask::receiving(0, 1);
    task.now().is_paused = true;
    let parent = Progress::new(1);
    parent.add_child(&task, 1).unwrap();
    assert!(task.now().is_paused);
    parent.resume();
    assert!(!task.now().is_paused);
}

// ---------------------------------------------------------------------------------------------
// Commands and handlers

#[test]
fn commands_go_down_and_handlers_are_called_parents_first() {
    let told = Told::default();
    let (root, task) = (Progress::new(2), FakeTask::receiving(0, 1));
    let middle = Progress::new(1);
    root.add_child(&middle, 1).unwrap();
    middle.add_child(&task, 1).unwrap();
    let leaf = task.progress();
    told.watch(&root, ["cancel root", "pause root", "resume root"]);
    told.watch(&middle, ["cancel middle", "pause middle", "resume middle"]);
    told.watch(&leaf, ["cancel leaf", "pause leaf", "resume leaf"]);
    assert_eq!(told.take(), [""; 0]);
    root.pause();
    assert_eq!(told.take(), ["pause root", "pause middle", "pause leaf"]);
    root.resume();
    assert_eq!(told.take(), ["resume root", "resume middle", "resume leaf"]);
    middle.pause();
    assert_eq!(told.take(), ["pause middle", "pause leaf"]);
    assert!(!root.is_paused() && middle.is_paused() && leaf.is_paused());
    root.cancel();
    assert_eq!(told.take(), ["cancel root", "cancel middle", "cancel leaf"]);
    assert!([&root, &middle, &leaf].into_iter().all(Progress::is_cancelled));
}

#[test]
fn a_command_that_changes_nothing_calls_no_handler() {
    let told = Told::default();
    let (parent, task) = (Progress::new(1), FakeTask::receiving(0, 1));
    parent.add_child(&task, 1).unwrap();
    told.watch(&parent, ["cancel", "pause", "resume"]);
    told.watch(&task.progress(), ["cancel task", "pause task", "resume task"]);
    parent.resume();
    assert_eq!(told.take(), [""; 0]);
    for _ in 0..2 {
        parent.pause();
        parent.cancel();
    }
    assert_eq!(told.take(), ["pause", "pause task", "cancel", "cancel task"]);
}

#[test]
fn a_handler_that_is_set_after_the_cancel_or_pause_is_called_at_once() {
    let told = Told::default();
    let (parent, task) = (Progress::new(1), FakeTask::receiving(0, 1));
    let child = Progress::new(1);
    parent.add_child(&child, 1).unwrap();
    parent.add_child(&task, 1).unwrap();
    parent.pause();
    parent.cancel();
    let names = [["a", "b", "-"], ["c", "d", "-"], ["e", "f", "-"]];
    for (progress, names) in [parent, child, task.progress()].iter().zip(names) {
        told.watch(progress, names);
    }
    assert_eq!(told.take(), ["a", "b", "c", "d", "e", "f"]);
}

#[test]
fn the_end_of_a_cancelled_task_does_not_hide_its_cancel_and_a_completed_one_has_none() {
    let told = Told::default();
    let (cancelled, completed) = (FakeTask::receiving(0, 1), FakeTask::receiving(0, 1));
    cancelled.cancel();
    let progress = [cancelled.progress(), completed.progress()];
    progress[1].on_cancel(told.teller("completed"));
    for (task, progress) in [cancelled, completed].iter().zip(&progress) {
        task.complete();
        assert!(progress.is_finished());
        progress.cancel();
    }
    progress[0].on_cancel(told.teller("cancelled"));
    assert_eq!(told.take(), ["cancelled"]);
}

#[test]
fn a_newer_handler_takes_the_place_of_an_older_one() {
    let told = Told::default();
    let progress = Progress::new(1);
    told.watch(&progress, ["old", "old", "old"]);
    told.watch(&progress, ["cancel", "pause", "resume"]);
    progress.pause();
    progress.resume();
    progress.cancel();
    assert_eq!(told.take(), ["pause", "resume", "cancel"]);
}

#[test]
fn a_child_that_is_added_to_what_is_cancelled_and_paused_becomes_so() {
    let told = Told::default();
    let parent = Progress::new(1);
    parent.pause();
    parent.cancel();
    let (child, task) = (Progress::new(1), FakeTask::receiving(0, 1));
    child.add_child(&task, 1).unwrap();
    told.watch(&child, ["cancel", "pause", "resume"]);
    parent.add_child(&child, 1).unwrap();
    assert_eq!(told.take(), ["cancel", "pause"]);
    assert!(child.is_cancelled() && child.is_paused());
    assert!(task.now().is_cancelled && task.now().is_paused);
}

#[test]
fn a_handler_may_use_the_progress_in_any_way() {
    let told = Told::default();
    let (parent, task) = (Progress::new(4), FakeTask::receiving(1, 2));
    parent.add_child(&task, 2).unwrap();
    let (inside, tell) = (parent.clone(), told.teller("later"));
    let tell = Arc::new(tell);
    task.progress().on_cancel(move || {
        assert!(inside.is_cancelled());
        assert_close(inside.fraction(), 0.25);
        inside.set_completed_units(1).unwrap();
        inside.add_child(&Progress::new(1), 1).unwrap();
        let tell = tell.clone();
        inside.on_cancel(move || tell());
        inside.cancel();
        inside.pause();
    });
    parent.cancel();
    assert_eq!((told.take(), parent.completed_units()), (vec!["later"], 1));
    assert!(parent.is_paused() && task.now().is_paused);
}

#[test]
fn a_handler_that_takes_a_pause_back_leaves_everything_resumed() {
    let (root, child) = (Progress::new(2), Progress::new(1));
    let task = FakeTask::receiving(0, 1);
    root.add_child(&child, 1).unwrap();
    root.add_child(&task, 1).unwrap();
    let inside = root.clone();
    root.on_pause(move || inside.resume());
    root.pause();
    assert!(!root.is_paused() && !child.is_paused() && !task.now().is_paused);
}

#[test]
fn a_handler_that_is_replaced_may_use_the_progress_while_it_is_dropped() {
    struct AtDrop(Progress, Told);
    impl Drop for AtDrop {
        fn drop(&mut self) {
            self.0.add_child(&Progress::new(1), 1).unwrap();
            self.1.teller("dropped")();
        }
    }
    let (told, progress) = (Told::default(), Progress::new(1));
    let set = |what: usize| {
        let held = AtDrop(progress.clone(), told.clone());
        let used = move || assert!(held.0.total_units().is_some());
        match what {
            0 => progress.on_cancel(used),
            1 => progress.on_pause(used),
            _ => progress.on_resume(used),
        }
    };
    for what in 0..3 {
        set(what);
        assert_eq!(told.take(), [""; 0]);
        set(what);
        assert_eq!(told.take(), ["dropped"]);
    }
}

// ---------------------------------------------------------------------------------------------
// Trees

#[test]
fn a_child_has_one_parent_until_that_is_dropped() {
    let (parent, other, child) = (Progress::new(1), Progress::new(1), by_hand(1, 1));
    parent.add_child(&child, 1).unwrap();
    assert_eq!(parent.add_child(&child, 1), Err(ProgressError::HasParent));
    assert_eq!(other.add_child(&child, 1), Err(ProgressError::HasParent));
    assert_eq!((parent.completed_units(), other.completed_units()), (1, 0));
    drop(parent);
    assert_eq!(other.add_child(&child, 1), Ok(()));
    assert_eq!(other.completed_units(), 1);
}

#[test]
fn a_parent_holds_its_children() {
    let (parent, child) = (Progress::new(2), by_hand(1, 2));
    parent.add_child(&child, 2).unwrap();
    drop(child);
    assert_eq!(parent.fraction(), 0.5);
}

#[test]
fn nothing_is_below_itself() {
    let chain = [(); 3].map(|()| Progress::new(1));
    assert_eq!(chain[0].add_child(&chain[0], 1), Err(ProgressError::Cycle));
    chain[0].add_child(&chain[1], 1).unwrap();
    chain[1].add_child(&chain[2], 1).unwrap();
    assert_eq!(chain[2].add_child(&chain[0], 1), Err(ProgressError::Cycle));
    assert_eq!(chain[1].add_child(&chain[0], 1), Err(ProgressError::Cycle));
    assert_eq!(chain[0].fraction(), 0.0);
}

/// A chain of so many levels, root first.
fn chain(levels: usize) -> Vec<Progress> {
    let all: Vec<_> = (0..levels).map(|_| Progress::new(1)).collect();
    for pair in all.windows(2) {
        pair[0].add_child(&pair[1], 1).unwrap();
    }
    all
}

#[test]
fn a_tree_has_at_most_64_levels_from_wherever_it_grows() {
    let deep = chain(64);
    let (root, last) = (&deep[0], &deep[63]);
    assert_eq!(last.add_child(&Progress::new(1), 1), Err(ProgressError::TooDeep));
    assert_eq!(Progress::new(1).add_child(root, 1), Err(ProgressError::TooDeep));
    last.set_completed_units(1).unwrap();
    assert!(root.is_finished());
    root.cancel();
    assert!(last.is_cancelled());

    let (upper, lower) = (chain(40), chain(25));
    assert_eq!(upper[39].add_child(&lower[0], 1), Err(ProgressError::TooDeep));
    assert_eq!(upper[38].add_child(&lower[0], 1), Ok(()));
    // The root knows of the levels that came below it.
    assert_eq!(Progress::new(1).add_child(&upper[0], 1), Err(ProgressError::TooDeep));
}

#[test]
fn what_is_shown_of_a_progress_is_its_counts() {
    let parent = by_hand(1, 4);
    parent.add_child(&by_hand(1, 2), 2).unwrap();
    assert_eq!(format!("{parent:?}"), "Progress(1 of 4, 0.500)");
    assert_eq!(format!("{:?}", by_hand(1, None)), "Progress(1 of unknown, 0.000)");
    let error: Box<dyn std::error::Error> = ProgressError::Cycle.into();
    assert_eq!(error.to_string(), "a progress cannot be below itself");
}

// ---------------------------------------------------------------------------------------------
// Random trees against exact fractions

/// xorshift64*: the same trees in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// A tree as plain values, with the handle that it stands for.
struct Model {
    progress: Progress,
    task: Option<Arc<FakeTask>>,
    completed: u64,
    total: Option<u64>,
    has_ended: bool,
    children: Vec<(u64, Self)>,
}

/// Numerator and denominator, and whether it has finished.
type Exact = ((u128, u128), bool);

fn sum((a, b): (u128, u128), (c, d): (u128, u128)) -> (u128, u128) {
    let (mut x, mut y) = (a * d + c * b, b * d);
    let whole = (x, y);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (whole.0 / x, whole.1 / x)
}

impl Model {
    fn random(random: &mut Random, levels: u64) -> Self {
        let is_task = levels < 4 && random.below(3) == 0;
        let (completed, total) = Self::counts(random);
        let (task, progress) = if is_task {
            let task = FakeTask::receiving(completed, total);
            (Some(task.clone()), task.progress())
        } else {
            (None, by_hand(completed, total))
        };
        let mut children = Vec::new();
        let count = if is_task || levels == 0 { 0 } else { random.below(5) };
        for _ in 0..count {
            let (units, child) = (random.below(4), Self::random(random, levels - 1));
            progress.add_child(&child.progress, units).unwrap();
            children.push((units, child));
        }
        Self { progress, task, completed, total, has_ended: false, children }
    }

    /// Mostly something that is not done yet.
    fn counts(random: &mut Random) -> (u64, Option<u64>) {
        (random.below(5), Some(random.below(14)).filter(|total| *total < 13))
    }

    fn units(&self) -> u64 {
        let finished = self.children.iter().filter(|(_, child)| child.exact().1);
        self.completed + finished.map(|(units, _)| units).sum::<u64>()
    }

    fn exact(&self) -> Exact {
        let has_ended = match (&self.task, self.total) {
            (Some(_), _) => self.has_ended,
            (None, Some(total)) => self.units() >= total && self.units() > 0,
            (None, None) => false,
        };
        let part = match self.total {
            _ if has_ended => (1, 1),
            Some(0) => (u128::from(self.completed > 0), 1),
            None => (0, 1),
            Some(total) => {
                let own = (u128::from(self.completed), u128::from(total));
                let parts = self.children.iter().map(|(units, child)| {
                    let (over, under) = child.exact().0;
                    (over * u128::from(*units), under * u128::from(total))
                });
                let (over, under) = parts.fold(own, sum);
                (over.min(under), under)
            }
        };
        (part, has_ended)
    }

    fn check(&self) {
        let ((over, under), has_ended) = self.exact();
        let progress = &self.progress;
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        let fraction = over as f64 / under as f64;
        assert_close(progress.fraction(), fraction);
        assert_eq!(progress.is_finished(), has_ended);
        if !self.has_ended {
            let nothing = (self.units(), self.total) == (0, Some(0));
            assert_eq!(
                (progress.completed_units(), progress.total_units()),
                (self.units(), self.total)
            );
            assert_eq!(progress.is_indeterminate(), self.total.is_none() || nothing);
        }
        self.children.iter().for_each(|(_, child)| child.check());
    }

    /// Changes one node on the way down.
    fn change(&mut self, random: &mut Random) {
        let count = self.children.len() as u64;
        if count > 0 && random.below(4) > 0 {
            let at = usize::try_from(random.below(count)).unwrap();
            return self.children[at].1.change(random);
        }
        if let Some(task) = &self.task {
            task.complete();
            self.has_ended = true;
        } else {
            (self.completed, self.total) = Self::counts(random);
            self.progress.set_completed_units(self.completed).unwrap();
            self.progress.set_total_units(self.total).unwrap();
        }
    }
}

#[test]
fn random_trees_agree_with_exact_fractions() {
    let mut random = Random(0x5EED);
    let mut fractions = HashSet::new();
    for _ in 0..300 {
        let mut tree = Model::random(&mut random, 4);
        for _ in 0..10 {
            tree.check();
            tree.change(&mut random);
            fractions.insert(tree.progress.fraction().to_bits());
        }
    }
    assert!(fractions.len() > 400, "only {} different fractions", fractions.len());
}

#[test]
fn a_fraction_does_not_go_back_while_counts_grow() {
    let mut random = Random(7);
    let parent = Progress::new(u64::MAX / 3);
    let children: Vec<_> = (0..7).map(|n| Progress::new(u64::MAX >> (n * 9))).collect();
    for child in &children {
        parent.add_child(child, u64::MAX / 21).unwrap();
    }
    let mut last = 0.0;
    while !children.iter().all(Progress::is_finished) {
        let child = &children[usize::try_from(random.below(7)).unwrap()];
        let left = child.total_units().unwrap().saturating_sub(child.completed_units());
        child.add_completed_units(left.min(1 + random.below(64) * (left >> 8))).unwrap();
        let fraction = parent.fraction();
        assert!((last..=1.0).contains(&fraction), "{fraction} after {last}");
        last = fraction;
    }
    assert_eq!(last, 1.0);
}

// ---------------------------------------------------------------------------------------------
// Threads

const THREADS: usize = 4;

/// Runs the closure in several threads that begin together.
fn hammer(work: impl Fn(usize) + Sync) {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(number);
            });
        }
    });
}

#[test]
fn threads_that_share_the_work_lose_no_unit() {
    let parent = Progress::new(4000);
    let shared = Progress::new(4000);
    parent.add_child(&shared, 4000).unwrap();
    hammer(|_| {
        for _ in 0..1000 {
            shared.add_completed_units(1).unwrap();
            assert!((0.0..=1.0).contains(&parent.fraction()));
        }
    });
    assert_eq!((shared.completed_units(), parent.completed_units()), (4000, 4000));
}

#[test]
fn of_threads_that_add_one_child_one_does_and_none_makes_a_cycle() {
    for _ in 0..300 {
        let all = [(); THREADS].map(|()| Progress::new(1));
        let added = AtomicUsize::new(0);
        hammer(|number| {
            // Everybody is to be above the next: with the last one it would be a circle.
            if all[number].add_child(&all[(number + 1) % THREADS], 1).is_ok() {
                added.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(added.into_inner(), THREADS - 1);
        let child = Progress::new(1);
        let parents = AtomicUsize::new(0);
        hammer(|number| match all[number].add_child(&child, 1) {
            Ok(()) => _ = parents.fetch_add(1, Ordering::Relaxed),
            Err(why) => assert_eq!(why, ProgressError::HasParent),
        });
        assert_eq!(parents.into_inner(), 1);
    }
}

#[test]
fn a_cancel_reaches_children_that_are_added_meanwhile_and_each_handler_once() {
    for _ in 0..300 {
        let root = Progress::new(100);
        let called = Arc::new(AtomicUsize::new(0));
        hammer(|number| {
            if number == 0 {
                return root.cancel();
            }
            let task = FakeTask::receiving(0, 1);
            root.add_child(&task, 1).unwrap();
            let called = called.clone();
            task.progress().on_cancel(move || _ = called.fetch_add(1, Ordering::Relaxed));
        });
        assert_eq!(called.load(Ordering::Relaxed), THREADS - 1);
    }
}

#[test]
fn a_resume_that_overtakes_a_pause_is_the_last() {
    let (root, middle) = (Progress::new(2), Progress::new(1));
    let [first, second, late] = [(); 3].map(|()| FakeTask::receiving(0, 1));
    root.add_child(&middle, 1).unwrap();
    middle.add_child(&first, 1).unwrap();
    root.add_child(&second, 1).unwrap();
    let resume = |progress: &Progress| {
        let progress = progress.clone();
        Box::new(move || thread::spawn(move || progress.resume()).join().unwrap())
    };
    let tasks = [&first, &second, &late];
    let paused = || tasks.map(|task| task.now().is_paused);

    *first.meanwhile.lock().unwrap() = Some(resume(&root));
    root.pause();
    assert_eq!((root.is_paused(), middle.is_paused(), paused()), (false, false, [false; 3]));
    *first.meanwhile.lock().unwrap() = Some(resume(&middle));
    root.pause();
    assert_eq!((root.is_paused(), middle.is_paused()), (true, false));
    assert_eq!(paused(), [false, true, false]);
    *late.meanwhile.lock().unwrap() = Some(resume(&root));
    root.add_child(&late, 1).unwrap();
    assert_eq!((root.is_paused(), paused()), (false, [false; 3]));
}

#[test]
fn of_threads_that_pause_and_resume_one_is_the_last_for_all_that_is_below() {
    for round in 0..300 {
        let root = Progress::new(2);
        let (child, task) = (Progress::new(1), FakeTask::receiving(0, 1));
        let late = FakeTask::receiving(0, 1);
        root.add_child(&child, 1).unwrap();
        child.add_child(&task, 1).unwrap();
        hammer(|number| match number {
            0 => root.add_child(&late, 1).unwrap(),
            _ if (round + number) % 2 == 0 => root.pause(),
            _ => root.resume(),
        });
        let paused = root.is_paused();
        let below = [child.is_paused(), task.now().is_paused, late.now().is_paused];
        assert_eq!(below, [paused; 3]);
    }
}
