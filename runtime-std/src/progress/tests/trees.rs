//! What is below what, and for how long.

use super::{Progress, ProgressError, by_hand};

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
