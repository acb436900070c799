//! What the documents promise of the tests.

use super::{report, root};

/// The documents that name tests, and how many each of them names at least.
const DOCUMENTS: [(&str, usize); 6] = [
    ("docs/firmware.md", 8),
    ("docs/properties.md", 40),
    ("docs/requirements.md", 200),
    ("docs/limits.md", 32),
    ("docs/lessons.md", 80),
    ("SECURITY.md", 40),
];

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
fn every_limit_has_a_row_with_tests_that_exist() {
    let limits = read("core/src/limits.rs");
    let limits = limits.lines().filter_map(|line| line.strip_prefix("pub const "));
    let limits: Vec<_> = limits.filter_map(|line| line.split(':').next()).collect();
    assert!(limits.len() > 30, "the constants are found: {limits:?}");
    let document = read("docs/limits.md");
    let (table, _) = document.split_once("\nBuffers ").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|row| (row.split('`').nth(1).unwrap(), named(row).len()));
    let tested: Vec<_> = rows.filter(|(_, tests)| *tests > 0).map(|(limit, _)| limit).collect();
    assert_eq!(tested, limits, "docs/limits.md has each limit once, in order, with a test");
}

#[test]
fn names_of_tests_are_found_in_a_document() {
    let found = named("| `x` | `a/b.rs::it_works` | `c.rs` |");
    assert_eq!(found, [("a/b.rs".to_owned(), "it_works".to_owned())]);
    assert!(exists("tidy/docs.rs", "names_of_tests_are_found_in_a_document"));
    assert!(exists("core/src/wire/grammar.rs", "token_is_every_tchar_and_nothing_else"));
    assert!(!exists("tidy/docs.rs", "named") && !exists("tidy/docs.rs", "it_works"));
}

/// The figures of the table between the marks of a guide, a row each.
fn shown(page: &str) -> Vec<Vec<String>> {
    let table = page.split("<!-- sizes -->").nth(1).unwrap_or_default();
    let table = table.split("<!-- /sizes -->").next().unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.split('|').skip(2).map(|cell| cell.trim().to_owned()).collect())
        .map(|cells: Vec<String>| cells.into_iter().filter(|cell| !cell.is_empty()).collect())
        .collect()
}

#[test]
fn sizes_in_the_guides_are_those_that_were_measured() {
    let sizes = read("docs/sizes.md");
    let measured = sizes.split("\n## ").nth(1).unwrap();
    for guide in ["README.md", "docs/firmware.md"] {
        let rows = shown(&read(guide));
        assert_eq!(rows.len(), 4, "{guide}: the table is there");
        for (image, row) in ["stack", "get", "reqwless", "full"].iter().zip(rows) {
            let line = measured.lines().find(|line| line.starts_with(&format!("| `{image}` |")));
            let cells: Vec<_> = line.unwrap().split('|').map(str::trim).collect();
            assert_eq!(row, [cells[2], cells[4], cells[5]], "{guide}: `{image}`");
        }
    }
}

#[test]
fn figures_of_a_guide_are_found() {
    let page = "<!-- sizes -->\n| a | b |\n|---|---:|\n| x | 1,000 |\n<!-- /sizes -->\n| y | 2 |";
    assert_eq!(shown(page), [["1,000"]]);
}
