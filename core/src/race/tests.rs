//! The race in virtual time, and against a model that keeps a list of attempts.

extern crate std;

mod model;
mod random;

use core::net::SocketAddr;
use std::vec::Vec;

use super::*;
use crate::error::TlsError;

const V4: u64 = 4;
const V6: u64 = 6;

const fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

const fn start(address: usize) -> RaceOutput {
    RaceOutput::Start { address }
}

const fn wait(until: u64) -> RaceOutput {
    RaceOutput::Wait { until: Some(at(until)) }
}

/// The `number`-th address of a family.
fn address(family: u64, number: u64) -> SocketAddr {
    let text = match family {
        V6 => std::format!("[2001:db8::{number}]:80"),
        _ => std::format!("192.0.2.{number}:80"),
    };
    text.parse().unwrap()
}

/// As many addresses of these families, all different.
fn addresses(families: &[u64]) -> Vec<SocketAddr> {
    (1..).zip(families).map(|(number, family)| address(*family, number)).collect()
}

/// The order in which the addresses are tried if each of them fails at once.
fn order(addresses: &[SocketAddr]) -> Vec<usize> {
    let mut race = Race::new(addresses);
    let mut order = Vec::new();
    while let RaceOutput::Start { address } = race.poll_race(at(0)) {
        order.push(address);
        race.handle_failed(address, Transport::Refused, at(0)).unwrap();
    }
    order
}

#[test]
fn the_families_take_turns_and_that_of_the_first_address_begins() {
    for (families, want) in [
        (&[V6, V6, V6, V4, V4][..], &[0, 3, 1, 4, 2][..]),
        (&[V4, V4, V6, V4, V6], &[0, 2, 1, 4, 3]),
        (&[V6, V6, V6], &[0, 1, 2]),
        (&[V4], &[0]),
        (&[], &[]),
    ] {
        assert_eq!(order(&addresses(families)), want, "{families:?}");
    }
}

#[test]
fn an_address_that_is_there_twice_is_tried_once() {
    let mut twice = addresses(&[V6, V4, V6, V4]);
    twice.extend_from_within(..);
    twice.insert(1, twice[0]);
    assert_eq!(order(&twice), [0, 2, 3, 4]);
    let ports = ["192.0.2.1:80", "192.0.2.1:81", "192.0.2.1:80"].map(|text| text.parse().unwrap());
    assert_eq!(order(&ports), [0, 1]);
}

#[test]
fn no_more_addresses_are_tried_than_the_limit_and_both_families_have_their_share() {
    let many: Vec<_> = (0..60_000).map(|number| address(V6, 1 + number % 300)).collect();
    assert_eq!(order(&many), (0..RACE_ADDRESSES).collect::<Vec<_>>());
    let mut both = many;
    both.extend((0..60).map(|number| address(V4, number)));
    let tried = order(&both);
    assert_eq!(tried.len(), RACE_ADDRESSES);
    assert_eq!(tried.iter().filter(|at| both[**at].is_ipv4()).count(), RACE_ADDRESSES / 2);
}

#[test]
fn the_next_address_is_tried_after_the_delay_and_the_first_one_goes_on() {
    let mut race = Race::new(&addresses(&[V6, V4]));
    assert_eq!(race.poll_race(at(5)), start(0));
    assert_eq!(race.poll_race(at(5)), wait(5 + ATTEMPT_DELAY));
    assert_eq!(race.poll_race(at(4 + ATTEMPT_DELAY)), wait(5 + ATTEMPT_DELAY));
    assert_eq!(race.poll_race(at(5 + ATTEMPT_DELAY)), start(1));
    assert_eq!(race.poll_race(at(5 + ATTEMPT_DELAY)), RaceOutput::Wait { until: None });
    race.handle_connected(0).unwrap();
    assert_eq!(race.poll_race(at(u64::MAX)), RaceOutput::Connected { address: 0 });
    assert_eq!(race.handle_connected(1), Err(Misuse::NotAskedFor), "the loser");
    assert_eq!(race.handle_failed(1, Transport::Refused, at(9)), Err(Misuse::NotAskedFor));
}

#[test]
fn a_failure_starts_the_next_address_at_once_and_its_delay_anew() {
    let mut race = Race::new(&addresses(&[V6, V4, V6]));
    assert_eq!(race.poll_race(at(0)), start(0));
    race.handle_failed(0, Transport::Unreachable, at(7)).unwrap();
    assert_eq!(race.poll_race(at(7)), start(1));
    assert_eq!(race.poll_race(at(7)), wait(7 + ATTEMPT_DELAY));
    race.handle_failed(1, Transport::Refused, at(8)).unwrap();
    assert_eq!(race.poll_race(at(8)), start(2));
    assert_eq!(race.poll_race(at(8)), RaceOutput::Wait { until: None });
}

#[test]
fn the_delay_is_kept_within_its_bounds() {
    for (set, counts) in
        [(0, ATTEMPT_DELAY_LEAST), (30_000, 30_000), (9_000_000, ATTEMPT_DELAY_MOST)]
    {
        let mut race = Race::new(&addresses(&[V6, V4])).with_attempt_delay(set);
        assert_eq!(race.poll_race(at(0)), start(0));
        assert_eq!(race.poll_race(at(0)), wait(counts));
    }
}

#[test]
fn what_is_reported_of_an_address_that_is_not_tried_is_misuse_and_changes_nothing() {
    let mut race = Race::new(&addresses(&[V6, V4]));
    for address in [0, 1, 2, usize::MAX] {
        assert_eq!(race.handle_connected(address), Err(Misuse::NotAskedFor));
    }
    assert_eq!(race.poll_race(at(0)), start(0));
    assert_eq!(race.handle_failed(1, Transport::Refused, at(0)), Err(Misuse::NotAskedFor));
    assert_eq!(race.poll_race(at(0)), wait(ATTEMPT_DELAY));
    race.handle_failed(0, Transport::Refused, at(0)).unwrap();
    assert_eq!(race.handle_failed(0, Transport::Refused, at(0)), Err(Misuse::NotAskedFor));
}

#[test]
fn the_most_telling_failure_stands_for_all_and_of_several_the_last() {
    use Transport::{ConnectFailed, Lost, Refused, Tls, Unreachable};
    let ended = |whys: &[Transport]| {
        let mut race = Race::new(&addresses(&[V4, V4, V4][..whys.len()]));
        for why in whys {
            let RaceOutput::Start { address } = race.poll_race(at(0)) else { panic!() };
            race.handle_failed(address, *why, at(0)).unwrap();
        }
        race.poll_race(at(0))
    };
    for (whys, want) in [
        (&[Unreachable, Refused][..], Refused),
        (&[Refused, Unreachable, ConnectFailed], Refused),
        (&[ConnectFailed, Unreachable], ConnectFailed),
        (&[Unreachable], Unreachable),
        (&[Lost, Tls(TlsError::Handshake), Refused], Tls(TlsError::Handshake)),
        (&[], Transport::NameNotResolved),
    ] {
        assert_eq!(ended(whys), RaceOutput::Failed(want), "{whys:?}");
        // A state: it is said again.
        assert_eq!(ended(whys), RaceOutput::Failed(want));
    }
}

#[test]
fn without_a_socket_and_without_another_attempt_the_race_is_over() {
    let mut race = Race::new(&addresses(&[V6, V4]));
    assert_eq!(race.poll_race(at(0)), start(0));
    race.handle_failed(0, Transport::NoSocket, at(0)).unwrap();
    assert_eq!(race.poll_race(at(0)), RaceOutput::Failed(Transport::NoSocket));
}

#[test]
fn an_address_for_which_there_was_no_socket_is_tried_again_while_another_may_leave_its_own() {
    let mut race = Race::new(&addresses(&[V6, V4]));
    assert_eq!(race.poll_race(at(0)), start(0));
    for round in 1..4 {
        assert_eq!(race.poll_race(at(round * ATTEMPT_DELAY)), start(1));
        race.handle_failed(1, Transport::NoSocket, at(round * ATTEMPT_DELAY)).unwrap();
        assert_eq!(race.poll_race(at(round * ATTEMPT_DELAY)), wait((round + 1) * ATTEMPT_DELAY));
    }
    // Its socket is free now.
    race.handle_failed(0, Transport::Refused, at(3 * ATTEMPT_DELAY + 1)).unwrap();
    assert_eq!(race.poll_race(at(3 * ATTEMPT_DELAY + 1)), start(1));
    race.handle_failed(1, Transport::NoSocket, at(3 * ATTEMPT_DELAY + 1)).unwrap();
    let short = RaceOutput::Failed(Transport::NoSocket);
    assert_eq!(race.poll_race(at(3 * ATTEMPT_DELAY + 1)), short);
}

#[test]
fn a_race_of_a_device_is_small() {
    assert!(size_of::<Race>() <= 72, "{}", size_of::<Race>());
}
