//! The core takes the response heads that a strict decoder takes, and no others, and finds the
//! same in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sortie_fuzz::{Choices, unfolded};

#[path = "../../tests/src/strict.rs"]
mod strict;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let cut = usize::from(choices.u16());
    // Limits are far away, and a way there in one input of many enough.
    let is_folded = cut >> 12 == 15;
    let long = if is_folded { unfolded(choices.clone().rest()) } else { Vec::new() };
    let input = if is_folded { &long[..] } else { choices.rest() };
    let want = strict::decode(input);
    // At once, and again after a part of it was looked at.
    for cut in [input.len(), cut % (input.len() + 1)] {
        assert_eq!(strict::by_core(input, cut), want, "cut at {cut}");
    }
});
