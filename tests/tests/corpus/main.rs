//! Responses as data, judged on the bare core: each whole, bytewise and cut in many places.
//!
//! Our own set, `tests/data/responses.txt`, is always run. A larger corpus is not part of the
//! repository; `SORTIE_CORPUS` names its folder. What the core does otherwise than it expects
//! stands in `tests/data/corpus-choices.txt`, and what otherwise than it recommends, where it
//! leaves a choice, in `docs/choices.md`.

mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use cases::{After, Case, Reuse, Want};
use sortie_core::Error;
use sortie_tests::bare::play_all;
use sortie_tests::script::{Body, Part, Script, Step};
use sortie_tests::trace::{Released, Trace};

/// What the core made of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// As expected.
    Pass,
    /// It fails, and should succeed.
    Rejects,
    /// It succeeds, and should fail.
    Accepts,
    /// It succeeds with another body.
    Body,
    /// It succeeds with other fields, or another status.
    Fields,
    /// It waits for something that does not come.
    Hangs,
    /// It would use a connection again that it must not.
    Reuses,
    /// It would not use a connection again that it could.
    Closes,
    /// It breaks its contract, or depends on how the bytes are cut.
    Breaks,
}

fn script(case: &Case) -> Script {
    let body = match case.method.as_str() {
        "POST" => Body::Bytes(b"x".into()),
        _ => Body::None,
    };
    let mut steps = vec![Step::Expect(Part::Request), Step::Send(case.response.clone())];
    match case.after {
        After::Keep => {}
        After::Close => steps.push(Step::Close),
        After::Reset => steps.push(Step::Reset),
    }
    Script::new(&case.method, body).origin(steps)
}

fn judge(case: &Case, trace: &Trace) -> Verdict {
    match trace.result {
        Err(Error::TimedOut(_)) => return Verdict::Hangs,
        Err(_) if case.want == Want::Accept => return Verdict::Rejects,
        Err(_) => return Verdict::Pass,
        Ok(()) if case.want == Want::Reject => return Verdict::Accepts,
        Ok(()) => {}
    }
    let is_body = |body: &Vec<u8>| *body == trace.content;
    if !case.any_body && !case.bodies.iter().any(is_body) {
        return Verdict::Body;
    }
    let status = trace.statuses().last().copied();
    if case.status.is_some_and(|wanted| Some(wanted) != status) || !has_fields(case, trace) {
        return Verdict::Fields;
    }
    // Whether a connection that the server ended is used again is the scheduler's affair.
    let is_reused = trace.released() == [Released::Reuse] && case.after == After::Keep;
    match (case.reuse, is_reused) {
        (Reuse::No, true) => Verdict::Reuses,
        (Reuse::Yes, false) if case.after == After::Keep => Verdict::Closes,
        (Reuse::No | Reuse::Yes | Reuse::Either, _) => Verdict::Pass,
    }
}

/// Fields compare with runs of white space as one space.
fn has_fields(case: &Case, trace: &Trace) -> bool {
    let values = |name: &str| -> Vec<String> {
        let values = trace.raw_values(name).into_iter();
        let latin1 = values.map(|value| value.iter().map(|byte| char::from(*byte)).collect());
        latin1.map(|value: String| collapsed(&value)).collect()
    };
    let wanted = |(name, value): &(String, String)| values(name).contains(&collapsed(value));
    case.fields.iter().all(wanted) && case.absent.iter().all(|name| values(name).is_empty())
}

fn collapsed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The outcome of a set.
#[derive(Default)]
struct Results {
    accepted: usize,
    rejected: usize,
    skipped: usize,
    /// Cases that did not pass, with what happened.
    failed: BTreeMap<String, (Verdict, String)>,
    /// Cases decided otherwise than recommended.
    otherwise: BTreeSet<String>,
}

fn run(cases: &[Case]) -> Results {
    let mut results = Results::default();
    for case in cases {
        // The core delivers content as it is coded; decoding it is tested where it is done.
        if case.needs.iter().any(|need| need == "compressed") {
            results.skipped += 1;
            continue;
        }
        let Ok(trace) = catch_unwind(|| play_all(&script(case))) else {
            let why = "see the panic above".to_owned();
            results.failed.insert(case.id.clone(), (Verdict::Breaks, why));
            continue;
        };
        let verdict = judge(case, &trace);
        if verdict != Verdict::Pass {
            let entry = (verdict, format!("{trace:?}"));
            results.failed.insert(case.id.clone(), entry);
        }
        let accepts = trace.result.is_ok();
        match accepts {
            true => results.accepted += 1,
            false => results.rejected += 1,
        }
        if case.recommends_accept != accepts {
            results.otherwise.insert(case.id.clone());
        }
    }
    results
}

/// Writes past the capture of the test harness: what was run, and what not, is always to be seen.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn summary(name: &str, results: &Results) -> String {
    format!(
        "{name}: {} accepted, {} rejected, {} skipped (content coding), {} not as expected, {} not \
         as recommended",
        results.accepted,
        results.rejected,
        results.skipped,
        results.failed.len(),
        results.otherwise.len()
    )
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `case  # reason` in each line.
fn choices() -> BTreeSet<String> {
    let mut choices = BTreeSet::new();
    for line in read("tests/data/corpus-choices.txt").lines() {
        let (case, reason) = line.split_once('#').unwrap_or((line, ""));
        if !case.trim().is_empty() {
            assert!(!reason.trim().is_empty(), "no reason is given: {line}");
            choices.insert(case.trim().to_owned());
        }
    }
    choices
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

#[test]
fn our_own_responses_are_judged_as_they_say() {
    let cases = cases::from_text(&read("tests/data/responses.txt"));
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    let results = run(&cases);
    say(&summary("tests/data/responses.txt", &results));
    assert!(results.failed.is_empty(), "{:#?}", results.failed);
    assert!(results.otherwise.is_empty(), "{:?}", results.otherwise);
}

#[test]
fn the_corpus_is_judged_as_expected_but_for_what_is_documented() {
    let Some(folder) = std::env::var_os("SORTIE_CORPUS") else {
        say("SORTIE_CORPUS is not set: the corpus is not run, only tests/data/responses.txt");
        return;
    };
    let cases = cases::from_folder(&PathBuf::from(folder).join("responses"));
    assert!(cases.len() >= 100, "only {} cases in SORTIE_CORPUS", cases.len());
    let results = run(&cases);
    say(&summary("SORTIE_CORPUS", &results));

    let chosen = choices();
    let unexpected = results.failed.iter().filter(|(case, _)| !chosen.contains(*case));
    let unexpected: BTreeMap<_, _> = unexpected.collect();
    assert!(unexpected.is_empty(), "not as expected: {unexpected:#?}");
    let stale = chosen.iter().filter(|case| !results.failed.contains_key(*case));
    let stale = list(stale);
    assert_eq!(stale, "", "listed in tests/data/corpus-choices.txt, but as expected");

    // A case that is in the list of disagreements has its reason there.
    let otherwise: BTreeSet<_> = results.otherwise.difference(&chosen).cloned().collect();
    let documented = documented();
    let missing = list(otherwise.difference(&documented));
    assert_eq!(missing, "", "otherwise than recommended, and not in docs/choices.md");
    let stale = list(documented.difference(&otherwise));
    assert_eq!(stale, "", "in docs/choices.md, but as recommended");
}
