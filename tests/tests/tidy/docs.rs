//! What the documents promise of the tests.

use super::{report, root};

/// The tests that a document names, as `file::test`, each in its back quotes.
fn named(document: &str) -> Vec<(String, String)> {
    let quoted = document.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|text| text.split_once(".rs::"));
    named.map(|(file, test)| (format!("{file}.rs"), test.to_owned())).collect()
}

#[test]
fn every_test_that_the_table_of_properties_names_exists() {
    let document = std::fs::read_to_string(root().join("docs/properties.md")).unwrap();
    let named = named(&document);
    assert!(named.len() > 40, "the table is there");
    let is_missing = |(file, test): &&(String, String)| {
        let path = root().join("tests/tests").join(file);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        !text.contains(&format!("#[test]\nfn {test}()"))
    };
    let missing = named.iter().filter(is_missing).map(|(file, test)| format!("{file}::{test}"));
    report("a test that docs/properties.md names exists", &missing.collect::<Vec<_>>());
}

#[test]
fn names_of_tests_are_found_in_a_document() {
    let found = named("| `x` | `a/b.rs::it_works` | `c.rs` |");
    assert_eq!(found, [("a/b.rs".to_owned(), "it_works".to_owned())]);
}
