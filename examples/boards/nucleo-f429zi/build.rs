//! Gives the linker the arguments that the image needs: here and not in a `.cargo/config.toml`,
//! which would only count when cargo is started in this folder. The memory map comes from
//! embassy-stm32, which knows the chip.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TELEMETRY_URL");
    println!("cargo::rerun-if-env-changed=DEFMT_LOG");
    // Else defmt would leave out all but errors. What the crates below say takes the variable
    // itself, when cargo is started.
    if env::var_os("DEFMT_LOG").is_none() {
        println!("cargo::rustc-env=DEFMT_LOG=info");
    }
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return; // Checked or linted for the host: nothing is linked.
    }
    for argument in ["--nmagic", "-Tlink.x", "-Tdefmt.x"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
