//! The cases in virtual time: on the bare core, on the desktop driver, and on embassy.

use std::collections::BTreeMap;
use std::fmt;

use super::{Class, Exchange, Fault, Kind, Recording, Seen, exchanges};
use crate::bare::{self, Drive};
use crate::desktop;
use crate::embassy::{self, Cable};
use crate::origin::Split;
use crate::script::{Script, URL};
use crate::trace::{Trace, destination};

/// Where the other origin is.
const OTHER: &str = "http://other.example/";

/// What was played, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Exchanges.
    pub exchanges: usize,
    /// Bytes at which something went wrong, over all of them.
    pub places: usize,
    /// Cases, by what became of them.
    pub cases: BTreeMap<Class, usize>,
}

impl Tally {
    /// One more case.
    pub fn add(&mut self, class: Class) {
        *self.cases.entry(class).or_default() += 1;
    }

    /// All cases.
    #[must_use]
    pub fn count(&self) -> usize {
        self.cases.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |class| self.cases.get(&class).copied().unwrap_or(0);
        write!(
            f,
            "{} cases at {} bytes of {} exchanges: {} failed as documented, {} harmless, {} that \
             HTTP cannot tell",
            self.count(),
            self.places,
            self.exchanges,
            of(Class::Failed),
            of(Class::Harmless),
            of(Class::Undetected),
        )
    }
}

impl From<&Trace> for Seen {
    fn from(trace: &Trace) -> Self {
        Self {
            result: trace.result,
            content: trace.content.clone(),
            statuses: trace.statuses(),
            hops: trace.hops().len(),
            sent: trace.counts.sent,
            received: trace.counts.received,
            expected_to_receive: trace.counts.expected_to_receive,
            requests: trace.connections.iter().map(|one| one.request.clone()).collect(),
            ended: Some(trace.ended),
            wire: [0; 2],
        }
    }
}

/// The exchange without a fault, as `play` has it.
///
/// # Panics
/// If it does not succeed.
pub fn record(exchange: &Exchange, play: &mut dyn FnMut(&Script) -> Trace) -> Recording {
    let trace = play(&exchange.script);
    let requests = trace.requests().into_iter().map(String::into_bytes).collect();
    Recording::new(&exchange.script, requests, Seen::from(&trace))
}

/// Plays every case on the core alone, with the kinds of faults that `kinds` gives for a place.
///
/// # Panics
/// If something else comes of one than must.
pub fn on_core(kinds: &dyn Fn(usize) -> Vec<Kind>) -> Tally {
    let play = |script: &Script, number: usize| {
        let split = if number.is_multiple_of(2) { Split::Whole } else { Split::Bytewise };
        let drive = Drive {
            receives_first: number.is_multiple_of(3),
            takes_runs: number % 5 < 2,
            gathers: number % 7 < 3,
            ..Drive::split(split)
        };
        bare::play(script, drive)
    };
    every(kinds, &play, true, false)
}

/// The same on the desktop driver, over in-memory streams.
///
/// # Panics
/// As [`on_core`].
pub fn on_desktop(kinds: &dyn Fn(usize) -> Vec<Kind>) -> Tally {
    let play = |script: &Script, number: usize| {
        let split = if number.is_multiple_of(2) { Split::Whole } else { Split::Bytewise };
        desktop::play(script, split)
    };
    every(kinds, &play, true, false)
}

/// The same on embassy, over two network stacks.
///
/// # Panics
/// As [`on_core`].
pub fn on_embassy(kinds: &dyn Fn(usize) -> Vec<Kind>) -> Tally {
    let play = |script: &Script, number: usize| {
        let of = embassy::Way::of(script);
        let way = match (of, number % 3) {
            _ if script.resume.is_some() => of,
            (_, 0) => embassy::Way::Read(5),
            (_, 1) => embassy::Way::Sink(usize::MAX),
            _ => embassy::Way::Whole,
        };
        embassy::play_by(way, script, Cable::COARSE)
    };
    every(kinds, &play, false, true)
}

fn every(
    kinds: &dyn Fn(usize) -> Vec<Kind>,
    play: &dyn Fn(&Script, usize) -> Trace,
    is_exact: bool,
    holds: bool,
) -> Tally {
    let (mut tally, mut wrong) = (Tally::default(), Vec::new());
    for exchange in exchanges(URL, OTHER) {
        let recording = record(&exchange, &mut |script| play(script, 0));
        tally.exchanges += 1;
        for (connection, side, at) in recording.places() {
            tally.places += 1;
            for kind in kinds(at) {
                let fault = Fault { side, at, kind };
                let trace = play(&recording.with(connection, fault), tally.count());
                let mut seen = Seen::from(&trace);
                let expected = recording.judge(connection, fault, holds);
                // These do not count what is on the wire.
                seen.wire = expected.seen.wire;
                seen.ended = seen.ended.filter(|_| is_exact);
                let name = format!("{}, connection {connection}: {fault:?}", exchange.name);
                keeps_secrets(&name, &recording.script, &trace);
                wrong.extend(expected.check(&name, &seen).err());
                tally.add(recording.class(&seen));
            }
        }
    }
    report(&wrong);
    tally
}

/// Fails where there is a case of which something else came than must.
///
/// # Panics
/// Then, with the first ones.
pub fn report(wrong: &[String]) {
    const SHOWN: usize = 8;
    let first = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} cases are wrong, first these:\n{first}", wrong.len());
}

/// Credentials never leave the origin of the request.
fn keeps_secrets(name: &str, script: &Script, trace: &Trace) {
    let url = sortie_core::Url::parse(&script.url).expect("a valid URL");
    let home = destination(url);
    for connection in trace.connections.iter().filter(|one| one.to != home) {
        let request = String::from_utf8_lossy(&connection.request).to_ascii_lowercase();
        let has = |field: &str| request.contains(&format!("\n{field}:"));
        assert!(!has("authorization") && !has("cookie"), "{name}: {connection:?}");
    }
}
