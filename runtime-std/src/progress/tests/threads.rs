//! Trees that several threads use at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use super::{FakeTask, Progress, ProgressError, ProgressReporting};

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
