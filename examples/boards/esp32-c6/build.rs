//! Gives the linker the arguments that the image needs: here and not in a `.cargo/config.toml`,
//! which would only count when cargo is started in this folder. The scripts come from esp-hal.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["TELEMETRY_URL", "WIFI_NAME", "WIFI_PASSWORD"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo::rustc-link-arg-bins=-Tlinkall.x"); // Last of all scripts.
    }
}
