//! Cancel, pause and resume, and who is told of them.

use std::sync::Arc;

use super::{FakeTask, Progress, ProgressReporting, Source, Told, assert_close};

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
