//! Gives the linker the memory map, and the arguments that the image needs: here and not in a
//! `.cargo/config.toml`, which would only count when cargo is started in this folder.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=memory.x");
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
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::copy("memory.x", out.join("memory.x")).expect("OUT_DIR can be written");
    println!("cargo::rustc-link-search={}", out.display());
    for argument in ["--nmagic", "-Tlink.x", "-Tlink-rp.x", "-Tdefmt.x"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
