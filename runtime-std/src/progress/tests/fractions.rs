//! What a fraction is, and how children count in it.

use super::{FakeTask, Progress, ProgressReporting, assert_close, by_hand};

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
