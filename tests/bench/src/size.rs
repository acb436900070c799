//! The size of a program that prints the content of a URL, and how many crates it is made of: by
//! the standard library alone, by Sortie, and by each peer. They lie in `size/`.

use crate::meter::Failure;
use std::path::Path;
use std::process::Command;

/// Who it is made by; also the feature that makes it.
pub(crate) const PROGRAMS: [&str; 5] = ["std", "hyper", "ureq", "reqwest", "sortie"];

/// What a program is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Bytes of the executable, stripped.
    pub(crate) bytes: u64,
    /// Crates that are linked, itself included; the standard library counts as none.
    pub(crate) crates: usize,
}

/// Builds the program by `name` with the release profile as it is by default.
pub(crate) fn size(name: &str) -> Result<Size, Failure> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("size");
    let (program, target) = (format!("get-{name}"), package.join("target"));
    let mut build = cargo(&package, &["build", "--release", "--locked", "--features", name]);
    said(build.args(["--quiet", "--bin", &program, "--target-dir"]).arg(&target))?;
    let bytes = target.join("release").join(program).metadata()?.len();
    let tree = ["tree", "--locked", "--prefix", "none", "--edges", "normal", "--features", name];
    let tree = said(&mut cargo(&package, &tree))?;
    let mut crates: Vec<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    crates.sort_unstable();
    crates.dedup();
    Ok(Size { bytes, crates: crates.len() })
}

fn cargo(package: &Path, args: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(args).arg("--manifest-path").arg(package.join("Cargo.toml"));
    cargo
}

/// What a command prints.
fn said(command: &mut Command) -> Result<String, Failure> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
