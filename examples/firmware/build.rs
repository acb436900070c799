//! Gives the linker the memory map, and the arguments that a bare-metal image needs.
//!
//! The maps are in a folder, out of the linker's sight: it would take a `memory.x` from where it is
//! started. The arguments are here and not in a `.cargo/config.toml`, which would only count when
//! cargo is started in this folder.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=memory");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return; // Checked or linted for the host: nothing is linked.
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let is_virt = env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("riscv32");
    // embedded-tls checks certificates with 30 KB of stack.
    let is_large = !is_virt && env::var_os("CARGO_FEATURE_TLS_PKI").is_some();
    let memory = if is_large {
        "memory/mps2-large.x"
    } else if is_virt {
        "memory/virt.x"
    } else {
        "memory/mps2.x"
    };
    fs::copy(memory, out.join("memory.x")).expect("OUT_DIR can be written");
    println!("cargo::rustc-link-search={}", out.display());
    // Sections need not start on a page: nothing maps pages here.
    println!("cargo::rustc-link-arg-bins=--nmagic");
    if is_virt {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x"); // Arm's link.x asks for it.
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    if env::var_os("CARGO_FEATURE_LOG").is_some() {
        println!("cargo::rustc-link-arg-bins=-Tdefmt.x");
    }
}
