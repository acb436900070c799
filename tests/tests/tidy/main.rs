//! The rules of this code base that no compiler checks: lengths, citations, who may name a
//! protocol field, what a member of the workspace inherits, which records must exist.
//!
//! Every file that git tracks or would track is read. Each rule is one test; it fails with the
//! list of places that break it.

mod docs;
mod requirements;
mod source;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use source::{Source, functions, line_of, words};

const MAX_COLUMNS: usize = 100;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_FILE_LINES: usize = 600;
const MAX_TEST_FILE_LINES: usize = 900;
const MAX_DRIVER_LINES: usize = 250;
const MAX_TRACKED_BYTES: u64 = 1 << 20;
const RUST_VERSION: &str = "1.91";
const EDITION: &str = "2024";

/// Fields whose meaning is the core's: an adapter that names one has begun to decide.
const PROTOCOL_FIELDS: [&str; 15] = [
    "connection",
    "content-length",
    "content-range",
    "etag",
    "expect",
    "host",
    "if-range",
    "keep-alive",
    "last-modified",
    "location",
    "retry-after",
    "te",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

// ---------------------------------------------------------------------------------------------
// The tree

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_path_buf()
}

/// Paths relative to the root, with `/`, sorted: what git tracks and what it would add.
fn tracked() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output();
    let mut paths = match listed {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split_terminator('\0')
            .map(str::to_owned)
            .collect(),
        Ok(_) | Err(_) => walk(),
    };
    paths.retain(|path| root().join(path).is_file());
    paths.sort();
    paths.dedup();
    assert!(paths.iter().any(|path| path == "Cargo.toml"), "the list of files is not the tree's");
    paths
}

/// The same from the folders alone, for a tree that came without its history.
fn walk() -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the tree").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                if name == ".ci" || !(name == "target" || name.starts_with('.')) {
                    folders.push(path);
                }
            } else if let Ok(relative) = path.strip_prefix(root()) {
                found.push(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found
}

/// Tracked files that are text, with their content.
fn texts() -> Vec<(String, String)> {
    let read = |path: String| {
        let text = String::from_utf8(std::fs::read(root().join(&path)).ok()?).ok()?;
        Some((path, text))
    };
    tracked().into_iter().filter_map(read).collect()
}

fn sources() -> Vec<Source> {
    let rust = texts().into_iter().filter(|(path, _)| path.ends_with(".rs"));
    rust.map(|(path, raw)| Source::new(path, &raw)).collect()
}

fn is_adapter(path: &str) -> bool {
    path.starts_with("runtime-") && path.contains("/src/")
}

fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("tests/")
        || path.contains("/tests/")
        || name == "tests.rs"
        || name.ends_with("_tests.rs")
}

/// Fails with every place that breaks `rule`.
fn report(rule: &str, places: &[String]) {
    let mut list = String::new();
    for place in places {
        let _ = write!(list, "\n  {place}");
    }
    assert!(places.is_empty(), "{rule}; {} to mend:{list}", places.len());
}

// ---------------------------------------------------------------------------------------------
// Lengths

#[test]
fn lines_have_at_most_100_columns() {
    let mut bad = Vec::new();
    for source in sources() {
        for (index, line) in source.lines.iter().enumerate() {
            let columns = line.chars().count();
            if columns > MAX_COLUMNS {
                bad.push(source.at(index + 1, &format!("{columns} columns")));
            }
        }
    }
    report("a line has at most 100 columns", &bad);
}

#[test]
fn functions_have_at_most_70_lines() {
    let mut bad = Vec::new();
    for source in sources() {
        for (name, line, length) in functions(&source.code) {
            if length > MAX_FUNCTION_LINES {
                bad.push(source.at(line, &format!("fn {name} has {length} lines")));
            }
        }
    }
    report("a function has at most 70 lines", &bad);
}

#[test]
fn files_have_at_most_600_lines_beside_their_tests() {
    let mut bad = Vec::new();
    for source in sources() {
        let (count, limit) = if is_test_file(&source.path) {
            (source.lines.len(), MAX_TEST_FILE_LINES)
        } else {
            (source.test.iter().filter(|test| !**test).count(), MAX_FILE_LINES)
        };
        if count > limit {
            bad.push(format!("{}: {count} lines, {limit} are allowed", source.path));
        }
    }
    report("a file is short enough to be read at one sitting", &bad);
}

#[test]
fn tracked_files_are_small() {
    let mut bad = Vec::new();
    for path in tracked() {
        let size = std::fs::metadata(root().join(&path)).map_or(0, |data| data.len());
        if size > MAX_TRACKED_BYTES {
            bad.push(format!("{path}: {size} bytes"));
        }
    }
    report("a tracked file has at most 1 MiB", &bad);
}

// ---------------------------------------------------------------------------------------------
// Adapters only carry (ARCHITECTURE.md: every decision is the core's)

const DRIVERS: [&str; 2] = ["runtime-std/src/driver.rs", "runtime-embassy/src/driver.rs"];

#[test]
fn each_driver_is_one_file_of_at_most_250_lines() {
    let sources = sources();
    let mut bad = Vec::new();
    for driver in DRIVERS {
        match sources.iter().find(|source| source.path == driver) {
            None => bad.push(format!("{driver} is not there")),
            Some(source) if source.lines.len() > MAX_DRIVER_LINES => {
                bad.push(format!("{driver}: {} lines", source.lines.len()));
            }
            Some(_) => {}
        }
    }
    report("a driver has at most 250 lines, tests and all", &bad);
}

/// What follows a path in a pattern or call: its fields, in parentheses or braces, are skipped.
fn after_fields(text: &str) -> &str {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' if depth > 0 => depth -= 1,
            _ if depth == 0 && !c.is_whitespace() => return &text[at..],
            _ => {}
        }
    }
    ""
}

/// The variants of `Output` in the order in which `source` matches them.
fn output_arms(source: &Source) -> Vec<String> {
    let mut arms: Vec<String> = Vec::new();
    for at in words(&source.code, "Output") {
        let line = line_of(source.code.as_bytes(), at);
        let Some(path) = source.code[at..].strip_prefix("Output::") else {
            continue;
        };
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let (name, rest) = path.split_at(path.find(|c| !part(c)).unwrap_or(path.len()));
        let rest = after_fields(rest);
        let pattern = ["=>", "|", "if "].iter().any(|next| rest.starts_with(next));
        if pattern && !source.is_test(line) && !arms.iter().any(|arm| arm == name) {
            arms.push(name.to_owned());
        }
    }
    arms
}

#[test]
fn both_drivers_match_outputs_in_the_same_order() {
    let arms = |path: &str| {
        let source = sources().into_iter().find(|source| source.path == path);
        source.map(|source| output_arms(&source)).unwrap_or_default()
    };
    let [desktop, embedded] = DRIVERS.map(arms);
    assert!(!desktop.is_empty(), "{}: no arm of the form `Output::Name … =>` found", DRIVERS[0]);
    assert_eq!(desktop, embedded, "the drivers differ in the order of their `Output` arms");
}

#[test]
fn adapters_name_no_protocol_field() {
    let mut bad = Vec::new();
    for source in sources().iter().filter(|source| is_adapter(&source.path)) {
        for (line, text) in &source.strings {
            let name = text.split(':').next().unwrap_or(text).trim().to_ascii_lowercase();
            if !source.is_test(*line) && PROTOCOL_FIELDS.contains(&name.as_str()) {
                bad.push(source.at(*line, &format!("the literal {text:?}")));
            }
        }
    }
    report("a field is read and written by the core, never by an adapter", &bad);
}

// ---------------------------------------------------------------------------------------------
// Citations

/// What is wrong with the citation whose `RFC` stands at `at`; `None` for a good one and for the
/// bare word. Good is `RFC 9112 §6.3`, and `RFC 5234 appendix B.1`; a link is no citation.
fn citation_fault(text: &str, at: usize, section_needed: bool) -> Option<&'static str> {
    if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '/' || c == '.') {
        return None;
    }
    let after = &text[at + 3..];
    let number = after.trim_start_matches(|c: char| c.is_whitespace() || c == '-');
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    if !text[at..].starts_with("RFC") || !after.starts_with(char::is_whitespace) {
        return Some("write `RFC 9112 §6.3`");
    }
    let section = number[digits..].trim_start();
    let numbered = |prefix: &str, first: fn(char) -> bool| {
        section.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(first))
    };
    let good = numbered("§", |c| c.is_ascii_digit()) || numbered("appendix ", char::is_uppercase);
    let other = section.starts_with('§') || section.to_ascii_lowercase().starts_with("section");
    (!good && (section_needed || other)).then_some("name the section: `RFC 9112 §6.3`")
}

#[test]
fn rfcs_are_cited_with_their_section() {
    let mut bad = Vec::new();
    for source in sources() {
        let lower = source.comments.to_ascii_lowercase();
        for (at, _) in lower.match_indices("rfc") {
            let line = line_of(lower.as_bytes(), at);
            // The opening of a crate or folder may list the documents it rests on.
            let opening = ["/lib.rs", "/mod.rs"].iter().any(|name| source.path.ends_with(name))
                && source.lines[line - 1].starts_with("//!");
            let needed = source.path.starts_with("core/src/") && !opening;
            if let Some(fault) = citation_fault(&source.comments, at, needed) {
                bad.push(source.at(line, fault));
            }
        }
    }
    report("a comment that cites an RFC names the section", &bad);
}

// ---------------------------------------------------------------------------------------------
// What may not stand in code

/// Is `at` inside a `const { … }` block, where a panic is an error of compilation?
fn is_in_const_block(code: &str, at: usize) -> bool {
    let mut closed = 0usize;
    for (open, byte) in code.as_bytes()[..at].iter().enumerate().rev() {
        match byte {
            b'}' => closed += 1,
            b'{' if closed > 0 => closed -= 1,
            b'{' if code[..open].trim_end().ends_with("const") => return true,
            _ => {}
        }
    }
    false
}

#[test]
fn the_core_has_no_panicking_call() {
    let mut bad = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("core/src/")) {
        for call in [".unwrap()", ".expect(", "panic!(", "unreachable!("] {
            for (at, _) in source.code.match_indices(call) {
                let line = line_of(source.code.as_bytes(), at);
                if !source.is_test(line) && !is_in_const_block(&source.code, at) {
                    bad.push(source.at(line, call));
                }
            }
        }
    }
    report("no input and no order of calls makes the core panic", &bad);
}

#[test]
fn every_unwrap_beside_tests_says_why_it_holds() {
    let mut bad = Vec::new();
    // In a build script a panic is how a build fails.
    let shipped = |path: &str| {
        is_adapter(path) || (path.starts_with("examples/") && !path.ends_with("build.rs"))
    };
    for source in sources().iter().filter(|source| shipped(&source.path)) {
        for (line, code) in source.shipped() {
            let explained = source.lines[line.saturating_sub(3)..line]
                .iter()
                .any(|text| text.contains("// unwrap: "));
            if (code.contains(".unwrap()") || code.contains(".expect(")) && !explained {
                bad.push(source.at(line, "without a comment `// unwrap: …` on it or above it"));
            }
        }
    }
    report("an unwrap outside the tests says why it cannot fail", &bad);
}

#[test]
fn nothing_unfinished_is_left() {
    let mut bad = Vec::new();
    for source in sources() {
        for (index, code) in source.code.lines().enumerate() {
            for left in ["todo!(", "unimplemented!(", "dbg!(", "#[ignore"] {
                if code.contains(left) {
                    bad.push(source.at(index + 1, left));
                }
            }
        }
    }
    report("no placeholder, no debugging aid and no test that is skipped", &bad);
}

fn may_be_unsafe(path: &str) -> bool {
    let board = path.split('/').any(|part| part.starts_with("board"));
    path.starts_with("tests/link-probe/") || (path.starts_with("examples/firmware/") && board)
}

#[test]
fn unsafe_code_stands_only_in_boards_and_the_link_probe() {
    let mut bad = Vec::new();
    for source in sources() {
        for at in words(&source.code, "unsafe") {
            let line = line_of(source.code.as_bytes(), at);
            let above = &source.lines[line.saturating_sub(6)..line];
            if !may_be_unsafe(&source.path) {
                bad.push(source.at(line, "unsafe outside of firmware boards and the link probe"));
            } else if source.code[at..].starts_with("unsafe extern") {
                // A declaration: the argument stands where it is used.
            } else if !above.iter().any(|text| text.contains("SAFETY:")) {
                bad.push(source.at(line, "no `SAFETY:` comment above it"));
            }
        }
    }
    report("unsafe code is confined and argued for", &bad);
}

#[test]
fn no_file_depends_on_the_machine_it_was_written_on() {
    // In two halves, so that this file does not find itself.
    let folders = [concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/ro", "ot/")];
    let hosts = [
        concat!("static.", "crates.io"),
        concat!("index.", "crates.io"),
        concat!("files.", "pythonhosted"),
        concat!("registry.", "npmjs"),
        concat!("deb.", "debian.org"),
    ];
    let beside = concat!("../", "shared");
    let mut bad = Vec::new();
    for (path, text) in texts() {
        for (index, line) in text.lines().enumerate() {
            let in_folder = |folder: &str| {
                let inside = |c: char| c.is_ascii_lowercase() || c == '.';
                line.match_indices(folder)
                    .any(|(at, _)| line[at + folder.len()..].starts_with(inside))
            };
            let outside = line.contains(beside) && !path.starts_with(".ci/");
            let host = hosts.iter().any(|host| line.contains(host));
            if folders.iter().any(|folder| in_folder(folder)) || outside || host {
                bad.push(format!("{path}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    report("nothing names a path or a package host of one machine", &bad);
}

#[test]
fn every_dependency_comes_from_the_default_registry() {
    let default = r#"source = "registry+https://github.com/rust-lang/crates.io-index""#;
    let mut bad = Vec::new();
    for (path, text) in texts() {
        let lock = path.ends_with("Cargo.lock");
        let config = path.ends_with(".cargo/config.toml");
        for (index, line) in text.lines().enumerate() {
            let foreign = lock && line.starts_with("source = ") && line != default;
            let replaced = config && (line.starts_with("[source") || line.contains("registr"));
            if foreign || replaced {
                bad.push(format!("{path}:{}: {line}", index + 1));
            }
        }
    }
    report("packages come from the default registry", &bad);
}

// ---------------------------------------------------------------------------------------------
// Manifests

fn metadata() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn members() -> Vec<serde_json::Value> {
    let packages = metadata()["packages"].as_array().cloned().unwrap_or_default();
    assert!(packages.len() >= 5, "only {} packages in the workspace", packages.len());
    packages
}

/// Is `line` in the table `table` of the manifest `text`?
fn table_has(text: &str, table: &str, line: &str) -> bool {
    let mut inside = false;
    text.lines().map(str::trim).any(|text| {
        if text.starts_with('[') {
            inside = text == table;
        }
        inside && text == line
    })
}

#[test]
fn every_member_states_the_same_rust_version_and_edition() {
    let mut bad = Vec::new();
    for package in members() {
        for (key, want) in [("rust_version", RUST_VERSION), ("edition", EDITION)] {
            if package[key] != want {
                bad.push(format!("{}: {key} is {}, not {want}", package["name"], package[key]));
            }
        }
    }
    let clippy = std::fs::read_to_string(root().join("clippy.toml")).unwrap_or_default();
    if !clippy.lines().any(|line| line == format!("msrv = \"{RUST_VERSION}\"")) {
        bad.push(format!("clippy.toml does not say msrv = \"{RUST_VERSION}\""));
    }
    report("one edition and one minimum Rust version for all", &bad);
}

#[test]
fn every_member_inherits_lints_that_forbid_unsafe_code() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the root manifest");
    let mut bad = Vec::new();
    if !table_has(&manifest, "[workspace.lints.rust]", "unsafe_code = \"forbid\"") {
        bad.push("Cargo.toml: [workspace.lints.rust] does not forbid unsafe_code".to_owned());
    }
    for package in members() {
        let path = package["manifest_path"].as_str().unwrap_or_default();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if !table_has(&text, "[lints]", "workspace = true") {
            bad.push(format!("{}: no [lints] workspace = true", package["name"]));
        }
    }
    report("no member escapes the lints of the workspace", &bad);
}

#[test]
fn every_excluded_package_stands_alone() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the root manifest");
    let line = manifest.lines().find_map(|line| line.strip_prefix("exclude = "));
    let mut bad = Vec::new();
    for folder in line.expect("an exclude list in one line").split('"').skip(1).step_by(2) {
        let read = |name| std::fs::read_to_string(root().join(folder).join(name));
        let own = read("Cargo.toml").is_ok_and(|text| text.lines().any(|l| l == "[workspace]"));
        if !own {
            bad.push(format!("{folder}: no Cargo.toml with its own [workspace]"));
        }
        if read("Cargo.lock").is_err() {
            bad.push(format!("{folder}: no Cargo.lock"));
        }
    }
    report("a package outside of the workspace has its own workspace and lock file", &bad);
}

// ---------------------------------------------------------------------------------------------
// Records

/// `| part | date | commit | result |` as its cells.
fn record(line: &str) -> Option<[&str; 4]> {
    let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
    let [part, date, commit, result, ""] = cells[..] else {
        return None;
    };
    let dated = date.len() == 10 && date.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let hex = commit.bytes().take_while(u8::is_ascii_hexdigit).count();
    (dated && hex >= 7 && !result.is_empty()).then_some([part, date, commit, result])
}

#[test]
fn every_deep_check_has_a_record() {
    let output = Command::new("bash").args([".ci/deep", "list"]).current_dir(root()).output();
    let output = output.expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let parts: Vec<&str> = listed.split_whitespace().collect();
    assert!(!parts.is_empty(), "`.ci/deep list` names nothing");
    let page = std::fs::read_to_string(root().join("docs/reliability.md")).unwrap_or_default();
    let rows: Vec<[&str; 4]> = page.lines().filter_map(record).collect();
    let mut bad = Vec::new();
    for part in &parts {
        if !rows.iter().any(|row| row[0] == *part) {
            bad.push(format!("{part}: run `.ci/deep {part}` and keep its last line"));
        }
    }
    for row in rows.iter().filter(|row| !parts.contains(&row[0])) {
        bad.push(format!("{}: a record of {}, but no such part", row[0], row[1]));
    }
    report("docs/reliability.md has a record of every part of `.ci/deep`", &bad);
}

// ---------------------------------------------------------------------------------------------
// The rules themselves are tried on small texts

#[test]
fn citations_are_judged() {
    let fault = |text: &str| citation_fault(text, text.to_ascii_lowercase().find("rfc")?, true);
    for good in [
        "RFC 9112 §6.3",
        "RFC 9110\n    §15.2",
        "RFC 5234 appendix B.1",
        "the RFCs",
        "https://www.rfc-editor.org/rfc/rfc9112#section-6.3",
    ] {
        assert_eq!(fault(good), None, "{good}");
    }
    for bad in ["RFC 9112", "RFC9112 §6.3", "rfc 9112 §6.3", "RFC 9112 section 6.3", "RFC-9112"] {
        assert!(fault(bad).is_some(), "{bad}");
    }
    assert_eq!(citation_fault("RFC 9112.", 0, false), None);
}

#[test]
fn arms_are_listed_in_their_order() {
    let text = "match o {\n Output::Wait => a,\n Output::Event(e)\n | Output::Close(_) => b,\n}";
    let source = Source::new("runtime-x/src/driver.rs".into(), text);
    assert_eq!(output_arms(&source), ["Wait", "Event", "Close"]);
}

#[test]
fn a_panic_at_compile_time_is_none() {
    let at = |code: &str| is_in_const_block(code, code.find("panic").unwrap_or(0));
    assert!(at("fn a() { const { match x { _ => panic!() } } }"));
    assert!(!at("const fn a() { const { 1 } panic!() }"));
}

#[test]
fn records_are_read() {
    assert!(record("| deny | 2026-11-23 | 597efc3 | bans, licences and sources pass |").is_some());
    assert!(record("| part | date | commit | result |").is_none());
    assert!(record("| deny | 2026-11-23 | 597efc3 | |").is_none());
}
