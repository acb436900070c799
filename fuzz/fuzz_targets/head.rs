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
    let input = &unfolded(choices.rest())[..];
    let want = strict::decode(input);
    // At once, and again after a part of it was looked at.
    for cut in [input.len(), cut % (input.len() + 1)] {
        assert_eq!(strict::by_core(input, cut), want, "cut at {cut}");
    }
});
