//! What the packages are made of.

use super::{report, sources, texts};

/// Packages that nobody maintains any more, or that have a fault for which there is no remedy:
/// RUSTSEC-2025-0036 and -2026-0169, -2025-0052, -2025-0134, -2024-0384, -2023-0071, and `tide`.
const GIVEN_UP: [&str; 6] = ["surf", "async-std", "tide", "rustls-pemfile", "instant", "rsa"];

/// The packages of a `Cargo.lock`.
fn packages(lock: &str) -> impl Iterator<Item = &str> {
    lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
}

#[test]
fn no_package_is_used_that_is_given_up() {
    let locks = texts().into_iter().filter(|(path, _)| path.ends_with("Cargo.lock"));
    let mut bad = Vec::new();
    for (path, lock) in locks {
        assert!(packages(&lock).count() > 0, "{path} names packages");
        let given_up = packages(&lock).filter(|name| GIVEN_UP.contains(name));
        bad.extend(given_up.map(|name| format!("{path}: {name}")));
    }
    report("no package is used that is given up", &bad);
}

#[test]
fn packages_of_a_lock_are_found() {
    let lock = "[[package]]\nname = \"rsa\"\nversion = \"0.9\"\n";
    assert_eq!(packages(lock).collect::<Vec<_>>(), ["rsa"]);
}

/// The stack below embassy-net changes its name and its types with the next version (embassy#6641,
/// embassy#6860, embassy#7025): whoever names them has to change, too.
#[test]
fn the_embassy_runtime_names_nothing_below_embassy_net() {
    let mut bad = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("runtime-embassy/")) {
        for (index, line) in source.lines.iter().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            if !is_comment && (line.contains("smoltcp") || line.contains("xarxa")) {
                bad.push(source.at(index + 1, line.trim()));
            }
        }
    }
    report("the embassy runtime names nothing below embassy-net", &bad);
}
