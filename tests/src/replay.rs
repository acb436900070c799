//! One script on all three drivers: what they show must be equal.

use crate::bare::{self, Drive};
use crate::desktop;
use crate::embassy::{self, LeftOut};
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

/// Its network has names instead of addresses. What is plain is played over TLS, too, where one
/// connection will do.
fn on_embassy(script: &Script) {
    let script = embassy::named(script);
    is_same_on_embassy(&script);
    if let Some(secured) = embassy::secured(&script) {
        is_same_on_embassy(&secured);
    }
}

/// Its network has buffers: the core is given the same.
fn is_same_on_embassy(script: &Script) {
    if let Some(why) = embassy::lacks(script) {
        return left_out(why);
    }
    let same = bare::play(script, Drive { is_buffered: true, ..Drive::default() });
    if let Some(why) = embassy::does_not_show(&same) {
        return left_out(why);
    }
    let (ports, cable) = (embassy::ports(&same), embassy::cable(script));
    let trace = match embassy::is_secure(&script.url) {
        true => embassy::play_secure(&ports, script, cable),
        false => embassy::play_on(&ports, script, cable),
    };
    let same = same.normalized().timeless();
    assert_eq!(trace.normalized().timeless(), same, "embassy differs from the core");
}

/// Shown by `cargo test -- --nocapture`.
fn left_out(why: LeftOut) {
    println!("not played on embassy: {why:?}");
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
