//! The progress of tasks.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::{FakeTask, Progress, ProgressError, ProgressReporting, by_hand, value};

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
