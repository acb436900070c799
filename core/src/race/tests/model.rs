//! What a race is held against: a list of attempts, which is looked through. Shared with the fuzz
//! target `race`.

use core::net::SocketAddr;
use std::vec::Vec;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Left,
    Running,
    Failed,
}

/// What is expected of a race.
pub(super) struct Model {
    /// In the order in which they are tried.
    attempts: Vec<(usize, Attempt)>,
    /// In the order of their ends.
    failures: Vec<Transport>,
    next: u64,
    delay: u64,
    winner: Option<usize>,
}

impl Model {
    pub(super) fn new(addresses: &[SocketAddr], delay: u64) -> Self {
        let mut left: Vec<usize> = (0..addresses.len()).collect();
        left.retain(|at| !addresses[..*at].contains(&addresses[*at]));
        let mut is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
        let mut attempts = Vec::new();
        while !left.is_empty() && attempts.len() < RACE_ADDRESSES {
            let found = left.iter().position(|at| addresses[*at].is_ipv6() == is_v6);
            attempts.extend(found.map(|found| (left.remove(found), Attempt::Left)));
            is_v6 = !is_v6;
        }
        Self { attempts, failures: Vec::new(), next: 0, delay, winner: None }
    }

    pub(super) fn poll(&mut self, now: u64) -> RaceOutput {
        if let Some(address) = self.winner {
            return RaceOutput::Connected { address };
        }
        let runs = self.attempts.iter().any(|(_, attempt)| *attempt == Attempt::Running);
        if !runs && self.failures.last() == Some(&Transport::NoSocket) {
            return RaceOutput::Failed(Transport::NoSocket);
        }
        let left = self.attempts.iter_mut().find(|(_, attempt)| *attempt == Attempt::Left);
        match left {
            Some((address, attempt)) if !runs || now >= self.next => {
                *attempt = Attempt::Running;
                self.next = now.saturating_add(self.delay);
                RaceOutput::Start { address: *address }
            }
            Some(_) => RaceOutput::Wait { until: Some(Instant::from_micros(self.next)) },
            None if runs => RaceOutput::Wait { until: None },
            None => RaceOutput::Failed(self.reason()),
        }
    }

    /// The most telling failure, of several such the last.
    fn reason(&self) -> Transport {
        use Transport::{ConnectFailed, NameNotResolved, Refused, Unreachable};
        let order = [NameNotResolved, Unreachable, ConnectFailed, Refused];
        let tells =
            |why: &&Transport| order.iter().position(|one| one == *why).unwrap_or(order.len());
        let telling = self.failures.iter().filter(|why| **why != Transport::NoSocket);
        telling.max_by_key(tells).copied().unwrap_or(NameNotResolved)
    }

    pub(super) fn end(
        &mut self,
        address: usize,
        failed: Option<Transport>,
        now: u64,
    ) -> Result<(), Misuse> {
        let is_it =
            |(at, attempt): &&mut (usize, Attempt)| *at == address && *attempt == Attempt::Running;
        let found = self.attempts.iter_mut().find(is_it);
        let (_, attempt) = found.filter(|_| self.winner.is_none()).ok_or(Misuse::NotAskedFor)?;
        self.next = now;
        match failed {
            None => self.winner = Some(address),
            Some(Transport::NoSocket) => {
                *attempt = Attempt::Left;
                self.next = now.saturating_add(self.delay);
            }
            Some(_) => *attempt = Attempt::Failed,
        }
        self.failures.extend(failed);
        Ok(())
    }
}
