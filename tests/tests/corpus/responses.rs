//! Responses: our own set, and those of the corpus.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sortie_tests::bare::{Drive, places, play, play_all};
use sortie_tests::embassy::{self, Cable};
use sortie_tests::origin::Split;
use sortie_tests::trace::Trace;
use sortie_tests::{desktop, sockets};

use crate::cases::{self, Case};
use crate::cut::Cut;
use crate::judge::{Ended, Verdict, expects_reuse, judge, script};
use crate::{choices, each, read, say};

/// Exchanges on loopback that run at the same time: they wait for pauses most of the time.
const AT_ONCE: usize = 24;

/// Both sets.
fn all() -> Vec<Case> {
    let mut cases = cases::from_text(&read("tests/data/responses.txt"));
    cases.extend(cases::corpus());
    cases
}

/// Runs a driver, whose faults are panics.
fn judged(case: &Case, run: impl FnOnce() -> (Trace, bool)) -> Ended {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok((trace, is_reused)) => judge(case, &trace, is_reused),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map_or("see the panic above", String::as_str);
            Ended::broken(text.to_owned())
        }
    }
}

/// The worst end of each case: one that is not as expected, if there is any.
pub(crate) fn worst(ended: impl IntoIterator<Item = (String, Ended)>) -> BTreeMap<String, Ended> {
    let mut worst: BTreeMap<String, Ended> = BTreeMap::new();
    for (case, ended) in ended {
        match worst.get(&case) {
            Some(other) if other.verdict >= ended.verdict => {}
            Some(_) | None => drop(worst.insert(case, ended)),
        }
    }
    worst
}

fn summary(driver: &str, runs: usize, ended: &BTreeMap<String, Ended>) {
    let failed = ended.values().filter(|ended| ended.verdict != Verdict::Pass).count();
    let otherwise = ended.values().filter(|ended| ended.is_otherwise).count();
    say(&format!(
        "{driver}: {} responses, {runs} runs, {failed} not as expected, {otherwise} not as \
         recommended",
        ended.len()
    ));
}

/// What the core shows of a case as the desktop runtime asks for it, or as it stands.
fn on_core(case: &Case, is_desktop: bool) -> Trace {
    let script = script(case);
    let script = if is_desktop { desktop::dressed(&script) } else { script };
    play(&script, Drive::default())
}

#[test]
fn our_own_set_leaves_nothing_to_choose() {
    let cases = cases::from_text(&read("tests/data/responses.txt"));
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    for case in &cases {
        let trace = on_core(case, false);
        let ended = judge(case, &trace, expects_reuse(case, &trace));
        assert_eq!((ended.verdict, ended.is_otherwise), (Verdict::Pass, false), "{}", case.id);
    }
}

/// No client reads so many bytes of a head, of a chunk's line or of trailers. What is behind them
/// is left out where each case is played hundreds of times.
const MOST: usize = 128 * 1024;

/// The case with a response that is no longer than that. The core makes the same of it.
fn shortened(case: &Case) -> Case {
    let mut short = case.clone();
    short.response.truncate(MOST);
    let same = on_core(case, false).normalized();
    assert_eq!(on_core(&short, false).normalized(), same, "the core reads on and on");
    short
}

#[test]
fn every_response_is_judged_alike_in_memory_whole_bytewise_and_at_every_split() {
    let mut cases = all();
    assert!(cases.len() >= 260, "only {} cases", cases.len());
    // The longest ones first, so that nobody waits for them at the end.
    cases.sort_by_key(|case| std::cmp::Reverse(case.response.len()));
    let ended = each(&cases, 2, |case| {
        let run = || {
            let case = &shortened(case);
            let script = script(case);
            let trace = play_all(&script);
            let same = on_core(case, true).normalized();
            for place in places(&case.response) {
                let cut = desktop::play(&script, Split::At(place)).normalized();
                assert_eq!(cut, same, "the desktop driver, cut at {place}");
            }
            let is_reused = expects_reuse(case, &trace);
            (trace, is_reused)
        };
        (case.id.clone(), judged(case, run))
    });
    let ended = worst(ended);
    summary("in memory", ended.len(), &ended);
    choices::check("in memory", &ended);
}

#[test]
fn every_response_is_judged_alike_on_sockets_of_the_desktop() {
    let cases = all();
    let jobs: Vec<_> =
        Cut::ALL.iter().flat_map(|cut| cases.iter().map(|case| (case, *cut))).collect();
    let ended = each(&jobs, AT_ONCE, |(case, cut)| {
        let run = || {
            let shown = sockets::play_and_probe(&cut.apply(&script(case)), cut.split());
            let core = on_core(case, true);
            assert_eq!(shown.is_reused, expects_reuse(case, &core), "used again or not, {cut:?}");
            assert_eq!(shown.trace, sockets::comparable(core), "the core differs, {cut:?}");
            (shown.trace, shown.is_reused)
        };
        (case.id.clone(), judged(case, run))
    });
    let ended = worst(ended);
    summary("sockets of the desktop", jobs.len(), &ended);
    choices::check("sockets of the desktop", &ended);
}

#[test]
fn every_response_is_judged_alike_on_sockets_of_embassy() {
    let cases = all();
    let jobs: Vec<_> =
        Cut::ALL.iter().flat_map(|cut| cases.iter().map(|case| (case, *cut))).collect();
    // The clock is one for the process: runs follow each other.
    let ended = jobs.iter().map(|(case, cut)| {
        let run = || {
            let script = cut.apply(&script(case));
            let (trace, is_reused) = embassy::play_and_probe(&script, Cable::COARSE);
            let core = on_core(case, false);
            assert_eq!(is_reused, expects_reuse(case, &core), "used again or not, {cut:?}");
            let core = core.normalized().timeless();
            assert_eq!(trace.clone().normalized().timeless(), core, "the core differs, {cut:?}");
            (trace, is_reused)
        };
        (case.id.clone(), judged(case, run))
    });
    let ended = worst(ended.collect::<Vec<_>>());
    summary("sockets of embassy", jobs.len(), &ended);
    choices::check("sockets of embassy", &ended);
}
