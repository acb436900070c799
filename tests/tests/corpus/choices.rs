//! What is done otherwise than a case says, on purpose.

use std::collections::{BTreeMap, BTreeSet};

use crate::judge::{Ended, Verdict};
use crate::read;

/// Cases that are decided otherwise than expected: `case  what is done  # why` in each line.
pub(crate) fn chosen() -> BTreeSet<String> {
    let mut chosen = BTreeSet::new();
    for line in read("tests/data/corpus-choices.txt").lines() {
        let (left, reason) = line.split_once('#').unwrap_or((line, ""));
        let Some((case, what)) = left.trim().split_once("  ") else {
            assert!(left.trim().is_empty(), "what is done is not said: {line}");
            continue;
        };
        assert!(!what.trim().is_empty() && !reason.trim().is_empty(), "not a whole line: {line}");
        assert!(chosen.insert(case.to_owned()), "listed twice: {case}");
    }
    chosen
}

/// The cases of the last table in `docs/choices.md`: the first cell of a row, in backticks.
fn documented() -> BTreeSet<String> {
    let text = read("docs/choices.md");
    let (_, table) = text.rsplit_once("## Cases").expect("a section of cases");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once('`')).map(|(case, _)| case.to_owned()).collect()
}

fn list<'a>(cases: impl IntoIterator<Item = &'a String>) -> String {
    cases.into_iter().map(|case| format!("\n  {case}")).collect()
}

/// Judges the outcomes of a whole set on one driver: what differs is chosen, what is chosen
/// differs.
pub(crate) fn check_chosen(driver: &str, outcomes: &BTreeMap<String, Ended>) {
    let chosen = chosen();
    let failed = outcomes.iter().filter(|(_, ended)| ended.verdict != Verdict::Pass);
    let failed: BTreeMap<_, _> = failed.collect();
    let unexpected: Vec<_> = failed.iter().filter(|(case, _)| !chosen.contains(**case)).collect();
    assert!(unexpected.is_empty(), "{driver}: not as expected: {unexpected:#?}");
    let is_stale = |case: &&String| outcomes.contains_key(*case) && !failed.contains_key(*case);
    let stale = list(chosen.iter().filter(is_stale));
    assert_eq!(stale, "", "{driver}: in tests/data/corpus-choices.txt, but as expected");
}

/// The same, and where a case leaves a choice, what is recommended is done, or it is documented.
pub(crate) fn check(driver: &str, outcomes: &BTreeMap<String, Ended>) {
    check_chosen(driver, outcomes);
    // A case that is in the list of disagreements has its reason there.
    let chosen = chosen();
    let otherwise = outcomes.iter().filter(|(_, ended)| ended.is_otherwise);
    let otherwise = otherwise.map(|(case, _)| case.clone());
    let otherwise: BTreeSet<_> = otherwise.filter(|case| !chosen.contains(case)).collect();
    let documented = documented();
    let missing = list(otherwise.difference(&documented));
    assert_eq!(missing, "", "{driver}: otherwise than recommended, and not in docs/choices.md");
    let stale = list(documented.difference(&otherwise).filter(|case| outcomes.contains_key(*case)));
    assert_eq!(stale, "", "{driver}: in docs/choices.md, but as recommended");
}

#[test]
fn every_choice_is_about_a_case_that_there_is() {
    let mut known: BTreeSet<String> =
        crate::cases::corpus().into_iter().map(|case| case.id).collect();
    known.extend(crate::redirects::cases().into_iter().map(|case| case.id));
    for listed in [chosen(), documented()] {
        assert_eq!(list(listed.difference(&known)), "", "listed, but not a case");
    }
}
