//! What goes wrong between a client and an origin, at every byte of it: each fault once here, with
//! another bit and another byte from place to place.
//!
//! `SORTIE_FAULTS=all` plays every bit and every other byte at each place, and tells how many cases
//! that were: `.ci/deep faults`.

mod on_device;
#[cfg(target_os = "linux")]
mod on_sockets;
#[cfg(target_os = "linux")]
mod sockets;

use sortie_tests::faults::{Kind, Tally, on_core, on_desktop, on_embassy};

fn kinds(at: usize) -> Vec<Kind> {
    match std::env::var_os("SORTIE_FAULTS").is_some_and(|which| which == "all") {
        true => Kind::all(),
        false => Kind::some(at),
    }
}

/// Says what was played, and that it was not little.
fn tell(on: &str, tally: &Tally) {
    println!("{on}: {tally}");
    let places = tally.places;
    assert!(tally.exchanges >= 12 && places > 1900 && tally.count() >= 7 * places, "{tally}");
}

#[test]
fn every_fault_at_every_byte_has_its_documented_outcome_on_the_core() {
    tell("core", &on_core(&kinds));
}

#[test]
fn every_fault_at_every_byte_has_its_documented_outcome_on_the_desktop_driver() {
    tell("desktop driver", &on_desktop(&kinds));
}

#[test]
fn every_fault_at_every_byte_has_its_documented_outcome_on_embassy() {
    tell("embassy", &on_embassy(&kinds));
}

#[cfg(target_os = "linux")]
#[test]
fn every_fault_at_every_byte_has_its_documented_outcome_on_real_sockets() {
    let before = on_sockets::held();
    tell("desktop sockets", &on_sockets::on_sockets(&kinds));
    assert_eq!(on_sockets::held(), before, "sockets, files, threads of sessions");
}
