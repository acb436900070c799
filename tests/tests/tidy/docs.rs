//! What the documents promise of the tests.

use super::{report, root};

/// The documents that name tests, and how many each of them names at least.
const DOCUMENTS: [(&str, usize); 2] = [("docs/properties.md", 40), ("docs/requirements.md", 200)];

pub(super) fn read(document: &str) -> String {
    std::fs::read_to_string(root().join(document)).unwrap_or_default()
}

/// The tests that a document names, as `file::test`, each in its back quotes.
pub(super) fn named(document: &str) -> Vec<(String, String)> {
    let quoted = document.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|text| text.split_once(".rs::"));
    named.map(|(file, test)| (format!("{file}.rs"), test.to_owned())).collect()
}

/// Whether there is such a test in a file that is named from `tests/tests` or from the root.
fn exists(file: &str, test: &str) -> bool {
    let texts = ["tests/tests", "."].map(|folder| read(&format!("{folder}/{file}")));
    let function = format!("fn {test}()");
    texts.iter().any(|text| {
        let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
        lines.windows(2).any(|pair| pair[0] == "#[test]" && pair[1].starts_with(&function))
    })
}

#[test]
fn every_test_that_a_document_names_exists() {
    for (document, least) in DOCUMENTS {
        let named = named(&read(document));
        assert!(named.len() >= least, "{document}: the table is there");
        let missing = named.iter().filter(|(file, test)| !exists(file, test));
        let missing = missing.map(|(file, test)| format!("{file}::{test}"));
        report(&format!("a test that {document} names exists"), &missing.collect::<Vec<_>>());
    }
}

#[test]
fn names_of_tests_are_found_in_a_document() {
    let found = named("| `x` | `a/b.rs::it_works` | `c.rs` |");
    assert_eq!(found, [("a/b.rs".to_owned(), "it_works".to_owned())]);
    assert!(exists("tidy/docs.rs", "names_of_tests_are_found_in_a_document"));
    assert!(exists("core/src/wire/grammar.rs", "token_is_every_tchar_and_nothing_else"));
    assert!(!exists("tidy/docs.rs", "named") && !exists("tidy/docs.rs", "it_works"));
}
