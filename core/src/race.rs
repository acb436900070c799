//! Which address of a server is tried, and when: the race of RFC 8305 §4 and §5, "Happy Eyeballs".
//!
//! A name often has several addresses, of both families, and not all of them answer. Trying one
//! after the other costs a minute for each that swallows what is sent to it; trying all at once
//! costs the server a connection for each. So the next one begins when the last has failed, or has
//! said nothing for [`ATTEMPT_DELAY`]; whichever connects first is taken, and all others are
//! closed.
//!
//! A pure machine without sockets or a clock: the adapter holds the addresses and the attempts,
//! and the machine speaks of an address by its place in that list.
//!
//! # The contract
//!
//! 1. [`Race::new`] takes a look at the addresses, in the order in which the resolver gave them,
//!    and keeps none.
//! 2. Ask [`Race::poll_race`] until it says `Wait`, and again after each report and at the instant
//!    that `Wait` named. Begin an attempt for each `Start`.
//! 3. Report how an attempt ended by [`Race::handle_connected`] or [`Race::handle_failed`].
//!
//! The resolver is asked for both families together. Where they come apart, RFC 8305 §3 has the
//! first answer wait 50 ms for the other one. Resolvers of systems sort both by RFC 6724 §6 and
//! answer once, and embassy's has one family only: so there is nothing to wait for here.
//!
//! ```
//! use core::net::SocketAddr;
//! use sortie_core::{Instant, Race, RaceOutput, Transport, limits::ATTEMPT_DELAY};
//!
//! let addresses = ["[2001:db8::1]:80", "[2001:db8::2]:80", "192.0.2.1:80"];
//! let addresses: Vec<SocketAddr> = addresses.map(|text| text.parse().unwrap()).into();
//! let mut race = Race::new(&addresses);
//! let begin = Instant::EPOCH;
//! assert_eq!(race.poll_race(begin), RaceOutput::Start { address: 0 });
//! let until = Some(begin.after(ATTEMPT_DELAY));
//! assert_eq!(race.poll_race(begin), RaceOutput::Wait { until });
//!
//! // That one is refused: the other family is next, at once.
//! let now = begin.after(1000);
//! race.handle_failed(0, Transport::Refused, now)?;
//! assert_eq!(race.poll_race(now), RaceOutput::Start { address: 2 });
//! race.handle_connected(2)?;
//! assert_eq!(race.poll_race(now), RaceOutput::Connected { address: 2 });
//! # Ok::<(), sortie_core::Misuse>(())
//! ```

use core::net::SocketAddr;

use crate::error::{Misuse, Transport};
use crate::limits::{
    ATTEMPT_DELAY, ATTEMPT_DELAY_LEAST, ATTEMPT_DELAY_MOST, FIRST_FAMILY_COUNT, RACE_ADDRESSES,
};
use crate::time::Instant;

/// The next thing to do in a race.
///
/// Exhaustive, so that a new one fails to compile in every adapter. `Start` is said once, the
/// others are states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RaceOutput {
    /// Begin to connect to this address, beside those that are under way.
    Start {
        /// Its place in the list.
        address: usize,
    },
    /// Wait for an attempt to end.
    Wait {
        /// The next attempt begins then: ask again. `None` if there is no other address.
        until: Option<Instant>,
    },
    /// The race is over: this address is connected. Close all other attempts.
    Connected {
        /// Its place in the list.
        address: usize,
    },
    /// The race is over: no address can be had. The reason is the most telling of all, see
    /// [`Race::handle_failed`].
    Failed(Transport),
}

/// A race between the addresses of a server. A plain value: it holds places, no addresses.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Race {
    /// The addresses in the order in which they are tried, by their place in the list.
    order: [u16; RACE_ADDRESSES],
    count: u8,
    /// One bit each, the lowest for the first in order.
    started: u16,
    running: u16,
    /// When the next one begins, unless nothing runs.
    next: Instant,
    /// In microseconds.
    delay: u64,
    winner: Option<u16>,
    /// The most telling failure.
    why: Option<Transport>,
    /// The last attempt found no socket.
    is_short: bool,
}

const _: () = assert!(RACE_ADDRESSES <= u16::BITS as usize, "a bit for each address");

impl Race {
    /// A race between `addresses`, which are sorted as the resolver has them: by RFC 6724 §6.
    ///
    /// The families take turns, that of the first address first (RFC 8305 §4). What is there twice
    /// is tried once, and what follows the first [`RACE_ADDRESSES`] in order is left out. An empty
    /// list is [`Transport::NameNotResolved`].
    #[must_use]
    pub fn new(addresses: &[SocketAddr]) -> Self {
        let mut race = Self {
            order: [0; RACE_ADDRESSES],
            count: 0,
            started: 0,
            running: 0,
            next: Instant::EPOCH,
            delay: ATTEMPT_DELAY,
            winner: None,
            why: None,
            is_short: false,
        };
        let is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
        let of = |family| {
            let all = addresses.iter().enumerate();
            all.filter(move |(_, address)| address.is_ipv6() == family)
        };
        let (mut first, mut second) = (of(is_v6), of(!is_v6));
        for _ in 0..FIRST_FAMILY_COUNT {
            race.enter(addresses, &mut first);
        }
        while race.enter(addresses, &mut second) | race.enter(addresses, &mut first) {}
        race
    }

    /// The same, with so many microseconds between two attempts instead of [`ATTEMPT_DELAY`]:
    /// from [`ATTEMPT_DELAY_LEAST`] to [`ATTEMPT_DELAY_MOST`], the nearest of which counts.
    #[must_use]
    pub fn with_attempt_delay(mut self, micros: u64) -> Self {
        self.delay = micros.clamp(ATTEMPT_DELAY_LEAST, ATTEMPT_DELAY_MOST);
        self
    }

    /// Puts the next of `from` behind those in order. `false` if there is none, or no room.
    fn enter<'a>(
        &mut self,
        addresses: &[SocketAddr],
        from: &mut impl Iterator<Item = (usize, &'a SocketAddr)>,
    ) -> bool {
        let entered = self.order.iter().take(usize::from(self.count));
        let is_new = |address: &SocketAddr| {
            !entered.clone().any(|other| addresses.get(usize::from(*other)) == Some(address))
        };
        let Some((at, _)) = from.find(|(_, address)| is_new(address)) else {
            return false;
        };
        match (u16::try_from(at), self.order.get_mut(usize::from(self.count))) {
            (Ok(at), Some(place)) => {
                *place = at;
                self.count = self.count.saturating_add(1);
                true
            }
            (Err(_), _) | (_, None) => false,
        }
    }

    /// What to do next. Ask until it is not `Start`.
    pub fn poll_race(&mut self, now: Instant) -> RaceOutput {
        if let Some(address) = self.winner {
            return RaceOutput::Connected { address: usize::from(address) };
        }
        let left = self.first_left();
        if self.running == 0 && (left.is_none() || self.is_short) {
            let why = if self.is_short { Some(Transport::NoSocket) } else { self.why };
            return RaceOutput::Failed(why.unwrap_or(Transport::NameNotResolved));
        }
        let Some((bit, address)) = left else {
            return RaceOutput::Wait { until: None };
        };
        if self.running != 0 && now < self.next {
            return RaceOutput::Wait { until: Some(self.next) };
        }
        self.started |= bit;
        self.running |= bit;
        self.next = now.after(self.delay);
        RaceOutput::Start { address: usize::from(address) }
    }

    /// An attempt has connected: it has won, unless another one did before.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] if no attempt at this address is under way.
    pub fn handle_connected(&mut self, address: usize) -> Result<(), Misuse> {
        let (_, address) = self.find_running(address)?;
        self.running = 0;
        self.winner = Some(address);
        Ok(())
    }

    /// An attempt has failed: the next one begins at once.
    ///
    /// When all have failed the most telling of the reasons stands for them, and of several such
    /// the last: a server that refuses was reached, one that timed out may have been, and one to
    /// which there is no route was not. [`Transport::NoSocket`] says nothing of the address. It is
    /// tried again after a while, as long as another attempt is under way that may leave its socket
    /// to it; if none is, nobody knows whether the address would have answered, and the race ends
    /// with `NoSocket`.
    ///
    /// # Errors
    /// [`Misuse::NotAskedFor`] if no attempt at this address is under way.
    pub fn handle_failed(
        &mut self,
        address: usize,
        why: Transport,
        now: Instant,
    ) -> Result<(), Misuse> {
        let (bit, _) = self.find_running(address)?;
        self.running &= !bit;
        self.is_short = why == Transport::NoSocket;
        if self.is_short {
            self.started &= !bit;
            self.next = now.after(self.delay);
            return Ok(());
        }
        self.next = now;
        if self.why.is_none_or(|other| weight(other) <= weight(why)) {
            self.why = Some(why);
        }
        Ok(())
    }

    /// The first address that no attempt was made at, with its bit.
    fn first_left(&self) -> Option<(u16, u16)> {
        let at = self.started.trailing_ones();
        let address = self.order.iter().take(usize::from(self.count)).nth(at as usize)?;
        Some((1_u16.wrapping_shl(at), *address))
    }

    fn find_running(&self, address: usize) -> Result<(u16, u16), Misuse> {
        let mut bit = 1_u16;
        for at in self.order.iter().take(usize::from(self.count)) {
            if self.running & bit != 0 && usize::from(*at) == address {
                return Ok((bit, *at));
            }
            bit = bit.wrapping_shl(1);
        }
        Err(Misuse::NotAskedFor)
    }
}

/// How much a failure tells of a server that has others, too.
const fn weight(why: Transport) -> u8 {
    match why {
        Transport::NameNotResolved | Transport::NoSocket => 0,
        Transport::Unreachable => 1,
        Transport::ConnectFailed => 2,
        Transport::Refused => 3,
        // The connection was there.
        Transport::TlsUnavailable
        | Transport::Tls(_)
        | Transport::OtherOrigin
        | Transport::NoResponse
        | Transport::Lost => 4,
    }
}

#[cfg(test)]
mod tests;
