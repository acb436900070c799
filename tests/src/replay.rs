//! One script on all three drivers: what they show must be equal.

use crate::bare::{self, Drive};
use crate::desktop;
use crate::embassy::{self, Cable};
use crate::origin::Split;
use crate::script::Script;

/// Plays `script` on the desktop driver and on embassy, as far as they can play it, and compares
/// with what the bare core shows.
///
/// # Panics
/// If a driver shows something else.
pub fn agrees(script: &Script) {
    on_desktop(script);
    on_embassy(script);
}

/// Its network has buffers, and names instead of addresses: the core is given the same.
fn on_embassy(script: &Script) {
    let script = embassy::named(script);
    if embassy::lacks(&script).is_some() {
        return;
    }
    let same = bare::play(&script, Drive { is_buffered: true, ..Drive::default() });
    if embassy::does_not_show(&same).is_none() {
        let trace = embassy::play_on(&embassy::ports(&same), &script, Cable::COARSE);
        let same = same.normalized().timeless();
        assert_eq!(trace.normalized().timeless(), same, "embassy differs from the core");
    }
}

fn on_desktop(script: &Script) {
    if desktop::lacks(script).is_some() {
        return;
    }
    // The desktop runtime adds fields to the request; the core is given the same ones.
    let script = desktop::dressed(script);
    let same = bare::play(&script, Drive::default()).normalized();
    for split in [Split::Whole, Split::Bytewise] {
        let trace = desktop::play(&script, split).normalized();
        assert_eq!(trace, same, "the desktop driver differs from the core, {split:?}");
    }
}
