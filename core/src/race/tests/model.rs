//! Random calls beside a model that keeps a list of attempts and looks through it.

use super::*;
use crate::random::Random;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Attempt {
    Left,
    Running,
    Failed,
}

/// What is expected of a race.
struct Model {
    /// In the order in which they are tried.
    attempts: Vec<(usize, Attempt)>,
    /// In the order of their ends.
    failures: Vec<Transport>,
    next: u64,
    delay: u64,
    winner: Option<usize>,
}

impl Model {
    fn new(addresses: &[SocketAddr], delay: u64) -> Self {
        let mut left: Vec<usize> = (0..addresses.len()).collect();
        left.retain(|at| !addresses[..*at].contains(&addresses[*at]));
        let mut is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
        let mut attempts = Vec::new();
        while !left.is_empty() && attempts.len() < 16 {
            let found = left.iter().position(|at| addresses[*at].is_ipv6() == is_v6);
            attempts.extend(found.map(|found| (left.remove(found), Attempt::Left)));
            is_v6 = !is_v6;
        }
        Self { attempts, failures: Vec::new(), next: 0, delay, winner: None }
    }

    fn runs(&self) -> bool {
        self.attempts.iter().any(|(_, attempt)| *attempt == Attempt::Running)
    }

    fn poll(&mut self, now: u64) -> RaceOutput {
        if let Some(address) = self.winner {
            return RaceOutput::Connected { address };
        }
        let (runs, next) = (self.runs(), self.next);
        if !runs && self.failures.last() == Some(&Transport::NoSocket) {
            return RaceOutput::Failed(Transport::NoSocket);
        }
        let left = self.attempts.iter_mut().find(|(_, attempt)| *attempt == Attempt::Left);
        match left {
            Some(left) if !runs || now >= next => {
                left.1 = Attempt::Running;
                self.next = now + self.delay;
                start(left.0)
            }
            Some(_) => wait(next),
            None if runs => RaceOutput::Wait { until: None },
            None => RaceOutput::Failed(self.reason()),
        }
    }

    fn reason(&self) -> Transport {
        use Transport::{ConnectFailed, NameNotResolved, Refused, Unreachable};
        let said = |why: &Transport| self.failures.contains(why);
        [Refused, ConnectFailed, Unreachable].into_iter().find(said).unwrap_or(NameNotResolved)
    }

    /// `false` if it is not asked for.
    fn end(&mut self, address: usize, failed: Option<Transport>, now: u64) -> bool {
        let is_it =
            |(at, attempt): &&mut (usize, Attempt)| *at == address && *attempt == Attempt::Running;
        let found = self.attempts.iter_mut().find(is_it);
        let Some((_, attempt)) = found.filter(|_| self.winner.is_none()) else {
            return false;
        };
        self.next = now;
        match failed {
            None => self.winner = Some(address),
            Some(Transport::NoSocket) => {
                *attempt = Attempt::Left;
                self.next = now + self.delay;
            }
            Some(_) => *attempt = Attempt::Failed,
        }
        self.failures.extend(failed);
        true
    }
}

fn list(random: &mut Random) -> Vec<SocketAddr> {
    let length = match random.below(8) {
        0 => random.below(2),
        1 => random.below(60),
        _ => random.below(8),
    };
    let numbers = 1 + random.below(30);
    let one = |random: &mut Random| {
        let family = if random.below(2) == 0 { V4 } else { V6 };
        address(family, random.below(numbers))
    };
    (0..length).map(|_| one(random)).collect()
}

#[test]
fn the_race_agrees_with_the_model() {
    let mut ends = [0; 3];
    for seed in 0..4000 {
        let mut random = Random(seed);
        let addresses = list(&mut random);
        let delay = ATTEMPT_DELAY_LEAST + random.below(ATTEMPT_DELAY_MOST - ATTEMPT_DELAY_LEAST);
        let mut race = Race::new(&addresses).with_attempt_delay(delay);
        let mut model = Model::new(&addresses, delay);
        let mut now = 1_000_000;
        for _ in 0..60 {
            assert_eq!(race.poll_race(at(now)), model.poll(now), "seed {seed}");
            // Now and then an address that there is not, or that is not tried.
            let address = random.below(addresses.len() as u64 + 2) as usize;
            let failed = match random.below(24) {
                0 => None,
                1..6 => Some(Transport::NoSocket),
                6..12 => Some(Transport::Refused),
                12..18 => Some(Transport::ConnectFailed),
                _ => Some(Transport::Unreachable),
            };
            match random.below(8) {
                0..4 => {
                    let told = match failed {
                        None => race.handle_connected(address),
                        Some(why) => race.handle_failed(address, why, at(now)),
                    };
                    assert_eq!(told.is_ok(), model.end(address, failed, now), "seed {seed}");
                }
                4 => now += random.below(2 * delay),
                // Clocks go back at times.
                5 => now -= random.below(1000),
                _ => {}
            }
        }
        match race.poll_race(at(now)) {
            RaceOutput::Start { .. } | RaceOutput::Wait { .. } => ends[0] += 1,
            RaceOutput::Connected { .. } => ends[1] += 1,
            RaceOutput::Failed(_) => ends[2] += 1,
        }
    }
    assert!(ends.iter().all(|count| *count > 200), "{ends:?}");
}
