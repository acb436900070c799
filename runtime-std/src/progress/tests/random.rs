//! Random trees against exact fractions.

use std::collections::HashSet;
use std::sync::Arc;

use super::{FakeTask, Progress, ProgressReporting, assert_close, by_hand};

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
