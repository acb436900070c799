//! Whatever ends, fails or comes late: every answer of a race between addresses is that of a list
//! of attempts which is looked through, and no more are tried than the limit.

#![no_main]

#[path = "../../core/src/race/tests/model.rs"]
mod model;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use sortie_core::limits::{ATTEMPT_DELAY_LEAST, ATTEMPT_DELAY_MOST, RACE_ADDRESSES};
use sortie_core::{Instant, Misuse, Race, RaceOutput, TlsError, Transport};
use sortie_fuzz::Choices;

use model::Model;

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

const FAILURES: [Transport; 10] = [
    Transport::Refused,
    Transport::NoSocket,
    Transport::Unreachable,
    Transport::ConnectFailed,
    Transport::Tls(TlsError::Handshake),
    Transport::NameNotResolved,
    Transport::TlsUnavailable,
    Transport::NoResponse,
    Transport::Lost,
    Transport::OtherOrigin,
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
