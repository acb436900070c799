//! Whatever ends, fails or comes late: every answer of a race between addresses is that of a list
//! of attempts which is looked through, and no more are tried than the limit.

#![no_main]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use sortie_core::limits::{ATTEMPT_DELAY_LEAST, ATTEMPT_DELAY_MOST, RACE_ADDRESSES};
use sortie_core::{Instant, Misuse, Race, RaceOutput, TlsError, Transport};
use sortie_fuzz::Choices;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let count = choices.byte() % 48;
    let addresses: Vec<SocketAddr> = (0..count).map(|_| address(choices.byte())).collect();
    let delay = choices.number() << choices.of(&[10, 0, 16]);
    let mut race = Race::new(&addresses).with_attempt_delay(delay);
    let delay = delay.clamp(ATTEMPT_DELAY_LEAST, ATTEMPT_DELAY_MOST);
    let mut model = Model::new(&addresses, delay);
    let mut now = 0_u64;
    while !choices.is_empty() {
        match choices.byte() {
            0..100 => assert_eq!(race.poll_race(Instant::from_micros(now)), model.poll(now)),
            100..120 => {
                let address = choices.size();
                let ended = race.handle_connected(address);
                assert_eq!(ended, model.end(address, None, now));
            }
            120..220 => {
                let (address, why) = (usize::from(choices.byte() % 50), choices.of(&FAILURES));
                let ended = race.handle_failed(address, why, Instant::from_micros(now));
                assert_eq!(ended, model.end(address, Some(why), now));
            }
            220..240 => now = now.saturating_add(choices.number() << 12),
            240..250 => now = now.saturating_sub(choices.number() << 8),
            250.. => now = choices.number(),
        }
    }
});

const FAILURES: [Transport; 9] = [
    Transport::Refused,
    Transport::NoSocket,
    Transport::Unreachable,
    Transport::ConnectFailed,
    Transport::Tls(TlsError::Handshake),
    Transport::NameNotResolved,
    Transport::TlsUnavailable,
    Transport::NoResponse,
    Transport::Lost,
];

/// Few enough that some are there twice.
fn address(byte: u8) -> SocketAddr {
    let number = byte >> 1 & 31;
    let ip = match byte & 1 {
        0 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)),
        _ => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into())),
    };
    SocketAddr::new(ip, 80 + u16::from(byte >> 7))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        while !left.is_empty() && attempts.len() < RACE_ADDRESSES {
            let found = left.iter().position(|at| addresses[*at].is_ipv6() == is_v6);
            attempts.extend(found.map(|found| (left.remove(found), Attempt::Left)));
            is_v6 = !is_v6;
        }
        Self { attempts, failures: Vec::new(), next: 0, delay, winner: None }
    }

    fn poll(&mut self, now: u64) -> RaceOutput {
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
        let tells = |why: &&Transport| match why {
            Transport::NameNotResolved | Transport::NoSocket => 0,
            Transport::Unreachable => 1,
            Transport::ConnectFailed => 2,
            Transport::Refused => 3,
            _ => 4,
        };
        let telling = self.failures.iter().filter(|why| **why != Transport::NoSocket);
        telling.max_by_key(tells).copied().unwrap_or(Transport::NameNotResolved)
    }

    fn end(&mut self, address: usize, failed: Option<Transport>, now: u64) -> Result<(), Misuse> {
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
