//! What the documents promise of the tests.

use super::{report, root};

/// The tests that a document names, as `file::test`, each in its back quotes.
fn named(document: &str) -> Vec<(String, String)> {
    let quoted = document.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|text| text.split_once(".rs::"));
    named.map(|(file, test)| (format!("{file}.rs"), test.to_owned())).collect()
}

/// The tests that a document names and that do not exist.
fn missing(document: &str) -> Vec<String> {
    let document = std::fs::read_to_string(root().join(document)).unwrap();
    let is_missing = |(file, test): &(String, String)| {
        let folder = if file.starts_with("core/") { root() } else { root().join("tests/tests") };
        let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        let begins = |space| text.contains(&format!("#[test]\n{space}fn {test}()"));
        !begins("") && !begins("    ")
    };
    let missing = named(&document).into_iter().filter(is_missing);
    missing.map(|(file, test)| format!("{file}::{test}")).collect()
}

#[test]
fn every_test_that_the_table_of_properties_names_exists() {
    let document = std::fs::read_to_string(root().join("docs/properties.md")).unwrap();
    assert!(named(&document).len() > 40, "the table is there");
    report("a test that docs/properties.md names exists", &missing("docs/properties.md"));
}

#[test]
fn every_limit_has_a_row_with_tests_that_exist() {
    let limits = std::fs::read_to_string(root().join("core/src/limits.rs")).unwrap();
    let limits = limits.lines().filter_map(|line| line.strip_prefix("pub const "));
    let limits: Vec<_> = limits.filter_map(|line| line.split(':').next()).collect();
    assert!(limits.len() > 30, "the constants are found: {limits:?}");
    let document = std::fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let (table, _) = document.split_once("\nBuffers ").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|row| (row.split('`').nth(1).unwrap(), named(row).len()));
    let tested: Vec<_> = rows.filter(|(_, tests)| *tests > 0).map(|(limit, _)| limit).collect();
    assert_eq!(tested, limits, "docs/limits.md has each limit once, in order, with a test");
    report("a test that docs/limits.md names exists", &missing("docs/limits.md"));
}

#[test]
fn names_of_tests_are_found_in_a_document() {
    let found = named("| `x` | `a/b.rs::it_works` | `c.rs` |");
    assert_eq!(found, [("a/b.rs".to_owned(), "it_works".to_owned())]);
}
