//! What goes wrong between a client and an origin, at every byte of it.

use sortie_tests::faults::{Kind, on_core, on_desktop, on_embassy};

#[test]
fn every_fault_at_every_byte_has_its_documented_outcome_on_the_core() {
    println!("{}", on_core(&Kind::some));
}

#[test]
fn every_fault_at_every_byte_has_its_documented_outcome_on_the_desktop_driver() {
    println!("{}", on_desktop(&Kind::some));
}

#[test]
fn every_fault_at_every_byte_has_its_documented_outcome_on_embassy() {
    println!("{}", on_embassy(&Kind::some));
}
