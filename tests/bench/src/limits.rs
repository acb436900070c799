//! What Sortie may cost, and what was on record when those limits were set.
//!
//! Everything in one place: a change of a limit is one line of a diff.

/// The most that one iteration of a row of ours may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// The row that it holds for.
    pub(crate) row: &'static str,
    /// User instructions.
    pub(crate) instructions: f64,
    /// Allocations and reallocations, where they are limited.
    pub(crate) allocations: Option<f64>,
    /// System calls, where they are limited.
    pub(crate) syscalls: Option<f64>,
}

/// How much more one row may cost than another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    /// The row that it holds for.
    pub(crate) row: &'static str,
    /// The row that it is compared with.
    pub(crate) of: &'static str,
    /// Its instructions may be so many times those.
    pub(crate) most: f64,
}

/// Our limits. The table fails where one is exceeded, and where its row is not there.
///
/// Allocations and instructions are the same in every run over memory. Over a socket they and the
/// system calls vary by a few per cent, because the kernel decides how often a wait is needed.
pub(crate) const LIMITS: &[Limit] = &[
    Limit::in_memory("head-sortie", 6_500.0),
    Limit::in_memory("head-sortie-checked", 8_000.0),
    Limit::in_memory("chunks-1k-sortie-runs", 150_000.0),
    Limit::in_memory("chunks-1k-sortie-front", 400_000.0),
    Limit::in_memory("chunks-16k-sortie-runs", 15_000.0),
    Limit {
        row: "get-sortie",
        instructions: 10_000.0,
        allocations: Some(4.0),
        syscalls: Some(8.8),
    },
    Limit::in_memory("start-kept", 400.0),
    Limit::in_memory("start-100", 1_400.0),
    Limit::in_memory("start-10000", 2_600.0),
];

/// The most that one row of ours may cost in terms of another, in instructions. The table fails
/// where it costs more, and where it has one of the two without the other.
pub(crate) const RATIOS: &[Ratio] = &[Ratio { row: "start-10000", of: "start-100", most: 2.0 }];

/// The most CPU time that a row of ours may take, in terms of its floor's. Times depend on the
/// machine and on what else runs there: the table says which are exceeded, and does not fail.
pub(crate) const TIMES: &[(&str, f64)] = &[
    ("many-sortie", 1.06),
    ("download-length-sortie", 0.80),
    ("download-chunks-sortie", 1.15),
    ("upload-length-sortie", 0.95),
    ("upload-chunks-sortie", 0.95),
];

/// The most memory, in KiB, that a response of ours holds once it has begun.
pub(crate) const MEMORY_KIB: &[(&str, f64)] = &[("held-sortie", 4.0)];

/// The most KiB and crates of a program that prints the content of a URL by us.
pub(crate) const SIZE: (f64, usize) = (800.0, 40);

/// Instructions, allocations and system calls that an earlier run on another build had counted
/// for the peers, for orientation; they judge nothing.
pub(crate) const ON_RECORD: &[(&str, &str)] = &[
    ("head-httparse", "3,721"),
    ("head-hyper-built", "26,593 / 15"),
    ("head-ureq-proto-built", "37,429 / 32"),
    ("chunks-1k-by-hand-runs", "200,206"),
    ("chunks-1k-by-hand-front", "320,366"),
    ("chunks-1k-ureq-proto", "2.57 M"),
    ("chunks-1k-hyper", "4.40 M"),
    ("chunks-16k-by-hand-runs", "14,503"),
    ("chunks-16k-ureq-proto", "1.77 M"),
    ("chunks-16k-hyper", "1.29 M"),
    ("get-by-hand", "4,006 / 1 / 10.4"),
    ("get-hyper", "17,082 / 8 / 4"),
    ("get-ureq", "29,818 / 33 / 8"),
    ("get-reqwest", "60,200 / 46"),
    ("get-curl", "47,200 / 25"),
];

impl Limit {
    /// A limit for a row without I/O: the core never allocates.
    const fn in_memory(row: &'static str, instructions: f64) -> Self {
        Self { row, instructions, allocations: Some(0.0), syscalls: None }
    }
}
