//! Updates of firmware, with the power lost at every point of them.
//!
//! The long run, in which every byte that is written to a chip is a point:
//! `SORTIE_STEP=1 cargo test --release -p sortie-tests --test ota -- --nocapture`.

mod embassy_boot;
mod refusals;

use sortie_tests::update::campaign::{Plan, every_cut, image, many_cuts};
use sortie_tests::update::device::Layout;

/// Sectors of 256 bytes: two updates, from slot A to B and back.
fn small() -> Plan {
    let images = vec![image(1, 700), image(2, 900), image(3, 512)];
    Plan { layout: Layout { journal: 1024, slot: 1024 }, images, piece: 100 }
}

#[test]
fn wherever_the_power_is_lost_the_next_start_boots_a_good_image_and_goes_on() {
    let lives = every_cut::<8, 256, 64>(&small(), 1);
    assert!(lives > 5000, "{lives}");
}

#[test]
fn words_of_one_byte_and_of_a_whole_block_are_as_safe() {
    let one = every_cut::<1, 256, 64>(&small(), 5);
    let block = every_cut::<64, 256, 64>(&small(), 5);
    assert!(one > 1000 && block > 1000, "{one}, {block}");
}

#[test]
fn power_that_is_lost_again_and_again_costs_time_only() {
    let cuts: u64 = (0..300).map(|seed| many_cuts::<8, 256, 64>(&small(), seed)).sum();
    assert!(cuts > 2000, "{cuts}");
}

/// Sectors of 4 KiB and words of 4 bytes, as chips have them: the power is lost at every operation,
/// and at every so many bytes of it.
#[test]
fn sectors_as_chips_have_them_are_as_safe() {
    let step = std::env::var("SORTIE_STEP").ok();
    let step = step.map(|text| text.parse().expect("SORTIE_STEP is a number of bytes"));
    // The long run is of 64 KiB and a bit.
    let (bytes, seeds) = if step.is_some() { (65_536 + 123, 2000) } else { (8192 + 123, 100) };
    let images = vec![image(1, 6000), image(2, bytes)];
    let layout = Layout { journal: 8192, slot: bytes.next_multiple_of(4096) };
    let plan = Plan { layout, images, piece: 1400 };
    let lives = every_cut::<4, 4096, 256>(&plan, step.unwrap_or(64));
    let cuts: u64 = (0..seeds).map(|seed| many_cuts::<4, 4096, 256>(&plan, seed)).sum();
    assert!(lives > 500 && cuts > 500, "{lives}, {cuts}");
    println!("{lives} updates cut once, {seeds} cut {cuts} times: no wrong image, none lost");
}
