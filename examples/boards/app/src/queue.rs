//! Readings that wait to be sent.

use embassy_time::Instant;
use heapless::Deque;

/// The most readings in one batch: a bound of the body, and of what is lost in one piece.
pub const BATCH: usize = 16;

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Reading {
    /// Counted since the device started, so that the server sees what is missing.
    pub number: u32,
    /// When it was taken.
    pub at: Instant,
    /// In thousandths of its unit: a device does not need floating point.
    pub value: i32,
}

/// At most `N` readings. Those at its front may be in hand: they are being sent, and stay until
/// that is decided.
#[derive(Debug)]
pub struct Queue<const N: usize> {
    readings: Deque<Reading, N>,
    in_hand: usize,
    numbers: u32,
}

impl<const N: usize> Queue<N> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        // With as many in hand there would be no room for what is new.
        const { assert!(N > BATCH, "the queue has to be longer than a batch") };
        Self { readings: Deque::new(), in_hand: 0, numbers: 0 }
    }

    /// Takes a new reading. `true` if the oldest that is not in hand was dropped for it.
    pub fn push(&mut self, at: Instant, value: i32) -> bool {
        let is_full = self.readings.is_full();
        if is_full {
            self.drop_oldest();
        }
        let reading = Reading { number: self.numbers, at, value };
        self.numbers = self.numbers.wrapping_add(1);
        // There is room: it was made, or was there.
        let _ = self.readings.push_back(reading);
        is_full
    }

    /// Removes the first one behind those in hand. They keep their order.
    fn drop_oldest(&mut self) {
        let mut moved = None;
        for reading in self.readings.iter_mut().take(self.in_hand + 1) {
            moved = match moved {
                None => Some(*reading),
                Some(before) => Some(core::mem::replace(reading, before)),
            };
        }
        let _ = self.readings.pop_front();
    }

    /// Takes the first ones in hand, if none are.
    pub fn take_in_hand(&mut self) {
        if self.in_hand == 0 {
            self.in_hand = self.readings.len().min(BATCH);
        }
    }

    /// Half of those in hand are enough for now. `false` if there is only one.
    pub const fn halve(&mut self) -> bool {
        let can_be = self.in_hand > 1;
        if can_be {
            self.in_hand /= 2;
        }
        can_be
    }

    /// Those in hand are done with. Returns how many that were.
    pub fn remove_in_hand(&mut self) -> usize {
        let count = core::mem::take(&mut self.in_hand);
        for _ in 0..count {
            let _ = self.readings.pop_front();
        }
        count
    }

    /// Those in hand, the oldest first.
    pub fn in_hand(&self) -> impl Iterator<Item = &Reading> {
        self.readings.iter().take(self.in_hand)
    }

    /// Whether any are in hand.
    #[must_use]
    pub const fn is_in_hand(&self) -> bool {
        self.in_hand > 0
    }

    /// When the oldest was taken.
    #[must_use]
    pub fn oldest(&self) -> Option<Instant> {
        self.readings.front().map(|reading| reading.at)
    }

    /// How many wait, those in hand with them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.readings.len()
    }

    /// Whether none wait.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }
}

impl<const N: usize> Default for Queue<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    fn numbers<const N: usize>(queue: &mut Queue<N>) -> Vec<u32> {
        let mut all = Vec::new();
        while !queue.is_empty() {
            queue.take_in_hand();
            all.extend(queue.in_hand().map(|reading| reading.number));
            queue.remove_in_hand();
        }
        all
    }

    #[test]
    fn what_is_oldest_makes_room() {
        let mut queue = Queue::<18>::new();
        let dropped = (0..21).filter(|&second| queue.push(at(second), 0)).count();
        assert_eq!((dropped, queue.oldest()), (3, Some(at(3))));
        assert_eq!(numbers(&mut queue), (3..21).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_in_hand_does_not_make_room() {
        let mut queue = Queue::<18>::new();
        (0..10).for_each(|second| assert!(!queue.push(at(second), 0)));
        queue.take_in_hand();
        (10..18).for_each(|second| assert!(!queue.push(at(second), 0)));
        (18..21).for_each(|second| assert!(queue.push(at(second), 0)));
        let held: Vec<_> = queue.in_hand().map(|reading| reading.number).collect();
        assert_eq!(held, (0..10).collect::<Vec<_>>());
        assert_eq!(queue.remove_in_hand(), 10);
        assert_eq!(numbers(&mut queue), (13..21).collect::<Vec<_>>());
    }

    #[test]
    fn a_batch_is_bounded_and_stays_what_it_is_while_it_is_in_hand() {
        let mut queue = Queue::<40>::new();
        (0..30).for_each(|second| assert!(!queue.push(at(second), 0)));
        queue.take_in_hand();
        queue.push(at(30), 0);
        queue.take_in_hand();
        assert_eq!(queue.in_hand().count(), BATCH);
        assert!(queue.halve());
        assert_eq!(queue.in_hand().count(), BATCH / 2);
        (0..3).for_each(|_| assert!(queue.halve()));
        assert!(!queue.halve());
        assert_eq!((queue.remove_in_hand(), queue.len()), (1, 30));
    }
}
