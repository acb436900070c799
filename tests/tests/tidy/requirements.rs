//! The table of what HTTP asks of a client: its rows, their order, and what is counted of them.

use super::docs::{named, read};
use super::report;

const TABLE: &str = "docs/requirements.md";
const NOT_APPLICABLE: &str = "not applicable";
const CALLERS: &str = "the caller's";
/// What is done otherwise than asked, or in part.
const DEVIATES: &str = "deviates: ";

/// One row of the table.
struct Row<'a> {
    id: &'a str,
    asked: &'a str,
    done: &'a str,
    held: &'a str,
}

/// The rows: every line of four cells that begins with a number of an RFC.
fn rows(document: &str) -> Vec<Row<'_>> {
    let row = |line| {
        let cells: Vec<&str> = str::strip_prefix(line, '|')?.split('|').map(str::trim).collect();
        let [id, asked, done, held, ""] = cells[..] else { return None };
        let is_id = id.starts_with(|c: char| c.is_ascii_digit());
        is_id.then_some(Row { id, asked, done, held })
    };
    document.lines().filter_map(row).collect()
}

/// An id as what orders it: sections, a letter behind all numbers, then the sentence.
fn place(id: &str) -> (Vec<u32>, u32) {
    let Some((_rfc, rest)) = id.split_once('-') else { return (Vec::new(), 0) };
    let (section, sentence) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    let letter = |part: &str| part.bytes().next().map_or(0, |letter| 1000 + u32::from(letter));
    let number = |part: &str| part.parse().unwrap_or_else(|_| letter(part));
    (section.split('.').map(number).collect(), number(sentence))
}

fn rfc(id: &str) -> &str {
    id.split('-').next().unwrap_or(id)
}

/// What is wrong with a row; `choices` are where deviations have their reasons.
fn fault(row: &Row<'_>, choices: &str) -> Option<&'static str> {
    let deviates = row.done.starts_with(DEVIATES);
    if row.asked.is_empty() || row.done.is_empty() {
        return Some("says what is asked, and what we do or why it is not ours");
    }
    match row.held {
        NOT_APPLICABLE | CALLERS if deviates => Some("deviates and names no test that shows it"),
        NOT_APPLICABLE | CALLERS => None,
        held if named(held).is_empty() => Some("names a test, or says that none is needed"),
        _ if deviates && !choices.contains(&format!("`{}`", row.id)) => {
            Some("deviates, and docs/choices.md does not say why under its id")
        }
        _ => None,
    }
}

/// What the table of numbers should say of an RFC, behind the number of its sentences.
fn counted(rows: &[Row<'_>], number: &str) -> [usize; 5] {
    let of = |wanted: &dyn Fn(&Row<'_>) -> bool| {
        rows.iter().filter(|row| rfc(row.id) == number && wanted(row)).count()
    };
    [
        of(&|_| true),
        of(&|row| !matches!(row.held, NOT_APPLICABLE | CALLERS)),
        of(&|row| row.done.starts_with(DEVIATES)),
        of(&|row| row.held == NOT_APPLICABLE),
        of(&|row| row.held == CALLERS),
    ]
}

#[test]
fn every_requirement_is_held_by_a_test_or_has_a_reason_why_not() {
    let (document, choices) = (read(TABLE), read("docs/choices.md"));
    let rows = rows(&document);
    assert!(rows.len() > 200, "{TABLE} has its rows");
    let judged = rows.iter().filter_map(|row| Some((row.id, fault(row, &choices)?)));
    let bad: Vec<String> = judged.map(|(id, why)| format!("{id}: {why}")).collect();
    report("each requirement has a verdict", &bad);
}

#[test]
fn requirements_stand_once_and_in_the_order_of_their_sections() {
    let document = read(TABLE);
    let rows = rows(&document);
    let pairs = rows.windows(2).filter(|pair| rfc(pair[0].id) == rfc(pair[1].id));
    let bad = pairs.filter(|pair| place(pair[0].id) >= place(pair[1].id));
    let bad: Vec<String> =
        bad.map(|pair| format!("{} behind {}", pair[1].id, pair[0].id)).collect();
    report("requirements are in their order", &bad);
}

#[test]
fn requirements_are_as_many_as_their_document_says() {
    let document = read(TABLE);
    let rows = rows(&document);
    let (mut bad, mut seen) = (Vec::new(), 0);
    for line in document.lines() {
        let cells: Vec<usize> =
            line.split('|').filter_map(|cell| cell.trim().parse().ok()).collect();
        let [number, sentences, said @ ..] = &cells[..] else { continue };
        let counted = counted(&rows, &number.to_string());
        seen += counted[0];
        if *said != counted || *sentences < counted[0] {
            bad.push(format!("RFC {number}: {said:?} is said of {counted:?}"));
        }
    }
    assert_eq!(seen, rows.len(), "every RFC of a row is counted");
    report("the numbers of requirements are right", &bad);
}

#[test]
fn requirements_are_judged() {
    let row = |text| rows(text).pop().expect("a row");
    let judge = |text| fault(&row(text), "`9112-6.3-1` is why");
    assert_eq!(judge("| 9112-6.3-1 | a | b | `a/b.rs::c` |"), None);
    assert_eq!(judge("| 9112-6.3-1 | a | b | not applicable |"), None);
    assert_eq!(judge("| 9112-6.3-1 | a | deviates: b | `a/b.rs::c` |"), None);
    for bad in [
        "| 9112-6.3-1 | a |  | not applicable |",
        "| 9112-6.3-1 |  | b | `a/b.rs::c` |",
        "| 9112-6.3-1 | a | b |  |",
        "| 9112-6.3-1 | a | b | yes |",
        "| 9112-6.3-1 | a | deviates: b | the caller's |",
        "| 9112-6.3-2 | a | deviates: b | `a/b.rs::c` |",
    ] {
        assert!(judge(bad).is_some(), "{bad}");
    }
    assert!(place("9110-10.1.1-2") > place("9110-9.3.8-4"));
    assert!(place("9112-C.2.2-1") > place("9112-10.1-1"));
    assert!(place("9110-8.6-10") > place("9110-8.6-9") && place("9110-8.6-1") > place("9110-8-2"));
}
