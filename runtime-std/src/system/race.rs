//! Connecting to the first address that answers. Which one is tried and when is the core's to say.

use std::fmt::Write as _;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sortie_core::{Instant, Race, RaceOutput, Transport};

use super::at;
use super::errors::{connect_error, text};
use super::tcp::Tcp;
use super::timer::SystemTimer;
use crate::world::{ConnectFailure, Timer as _};

/// What became of an address that was still tried when another one had connected.
const LATE: &str = "no answer yet";

/// An attempt at one address.
struct Attempt {
    /// Its place in the list.
    address: usize,
    future: Pin<Box<dyn Future<Output = io::Result<Tcp>> + Send>>,
}

/// A race with its attempts.
struct Racing<'a> {
    addresses: &'a [SocketAddr],
    epoch: std::time::Instant,
    race: Race,
    /// Those under way.
    attempts: Vec<Attempt>,
    timer: SystemTimer,
    /// What each address failed with, in the order of the failures.
    failures: Vec<(usize, io::Error)>,
    connected: Option<Tcp>,
}

/// Connects to one of `addresses`.
///
/// Dropping the future closes all attempts, as its end closes those that came too late.
pub(super) async fn race(
    addresses: &[SocketAddr],
    epoch: std::time::Instant,
) -> Result<Tcp, ConnectFailure> {
    let mut racing = Racing {
        addresses,
        epoch,
        race: Race::new(addresses),
        attempts: Vec::new(),
        timer: SystemTimer::new(epoch),
        failures: Vec::new(),
        connected: None,
    };
    poll_fn(|cx| racing.poll(cx)).await
}

impl Racing<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Tcp, ConnectFailure>> {
        loop {
            let now = at(self.epoch);
            self.poll_attempts(cx, now);
            match self.race.poll_race(now) {
                RaceOutput::Start { address } => {
                    let future = Box::pin(Tcp::connect(self.addresses[address]));
                    self.attempts.push(Attempt { address, future });
                }
                RaceOutput::Wait { until: None } => return Poll::Pending,
                RaceOutput::Wait { until: Some(until) } => {
                    ready!(self.timer.poll_until(cx, now, until));
                }
                RaceOutput::Connected { address: _ } => {
                    return self.connected.take().map_or(Poll::Pending, |mut tcp| {
                        tcp.facts.other_addresses = self.others();
                        Poll::Ready(Ok(tcp))
                    });
                }
                RaceOutput::Failed(why) => return Poll::Ready(Err(self.failure(why))),
            }
        }
    }

    fn poll_attempts(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Self { race, attempts, failures, connected, .. } = self;
        attempts.retain_mut(|Attempt { address, future }| {
            let told = match future.as_mut().poll(cx) {
                Poll::Pending => return true,
                Poll::Ready(Ok(tcp)) => {
                    let won = race.handle_connected(*address);
                    if won.is_ok() {
                        *connected = Some(tcp);
                    }
                    won
                }
                Poll::Ready(Err(error)) => {
                    let told = race.handle_failed(*address, connect_error(&error), now);
                    // One that is tried again fails with what it fails with last.
                    failures.retain(|(other, _)| other != address);
                    failures.push((*address, error));
                    told
                }
            };
            // Another one has won: then the core does not ask for this one any more.
            let _ = told;
            false
        });
    }

    /// What became of the addresses that lost.
    fn others(&self) -> Vec<(SocketAddr, String)> {
        let failed = self.failures.iter().map(|(at, error)| (*at, text(error)));
        let late = self.attempts.iter().map(|attempt| (attempt.address, LATE.to_owned()));
        failed.chain(late).map(|(at, words)| (self.addresses[at], words)).collect()
    }

    /// What stands for all failures: the core's reason, and each address with its own.
    fn failure(&self, why: Transport) -> ConnectFailure {
        let mut all = String::new();
        for (address, error) in &self.failures {
            let separator = if all.is_empty() { "" } else { "; " };
            // Writing to a string cannot fail.
            let _ = write!(all, "{separator}{}: {}", self.addresses[*address], text(error));
        }
        let kind = self.failures.last().map(|(_, error)| error.kind());
        ConnectFailure { why, detail: kind.map(|kind| io::Error::new(kind, all)) }
    }
}
