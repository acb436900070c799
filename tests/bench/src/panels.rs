//! What the picture and the summary show: our peers beside us, one thing after the other.

use crate::figures::{Figures, Unit};
use crate::limits::{LIMITS, MEMORY_KIB, SIZE, TIMES};
use crate::meter::{Failure, Outcome};
use crate::table::grouped;

/// One thing that is measured.
#[derive(Debug)]
pub(crate) struct Panel {
    /// What is done.
    pub(crate) title: &'static str,
    /// What the figures of the picture are.
    pub(crate) note: &'static str,
    /// What those of the summary are.
    pub(crate) summary: &'static str,
    /// What the names of its rows begin with.
    pub(crate) group: &'static str,
    /// What is shown; of CPU time, its ratio to the floor's is compared.
    pub(crate) unit: Unit,
    /// The ends of its rows' names, and what they are called; the floor is `by-hand` or `std`.
    pub(crate) peers: &'static [(&'static str, &'static str)],
}

const HTTP_PEERS: &[(&str, &str)] = &[
    ("by-hand", "by hand"),
    ("sortie", "sortie"),
    ("hyper", "hyper"),
    ("reqwest", "reqwest"),
    ("curl", "libcurl"),
];

const UPLOAD_PEERS: &[(&str, &str)] = &[
    ("by-hand", "by hand"),
    ("sortie", "sortie, 64 KiB"),
    ("sortie-1m", "sortie, 1 MiB"),
    ("sortie-copied", "sortie, copied"),
    ("hyper", "hyper"),
    ("reqwest", "reqwest"),
    ("curl", "libcurl"),
];

const DOWNLOAD_PEERS: &[(&str, &str)] = &[
    ("by-hand", "by hand"),
    ("sortie", "sortie, 64 KiB"),
    ("sortie-256k", "sortie, 256 KiB"),
    ("hyper", "hyper"),
    ("reqwest", "reqwest"),
    ("curl", "libcurl"),
];

/// All that is measured beside our peers.
pub(crate) const PANELS: &[Panel] = &[
    Panel {
        title: "GET of 13 bytes on a kept connection",
        note: "user instructions per request",
        summary: "user instructions / allocations",
        group: "get",
        unit: Unit::Instructions,
        peers: &[
            ("by-hand", "by hand"),
            ("sortie", "sortie"),
            ("hyper", "hyper"),
            ("ureq", "ureq"),
            ("reqwest", "reqwest"),
            ("curl", "libcurl"),
        ],
    },
    Panel {
        title: "64 such GETs in flight",
        note: "CPU time per request, µs",
        summary: "CPU time, times the floor",
        group: "many",
        unit: Unit::Micros,
        peers: HTTP_PEERS,
    },
    Panel {
        title: "Download of 1 GiB, length known",
        note: "CPU time per MiB, µs; buffer of the reader",
        summary: "CPU time, times the floor; ours reads 64 KiB, 256 KiB",
        group: "download-length",
        unit: Unit::Micros,
        peers: DOWNLOAD_PEERS,
    },
    Panel {
        title: "Download of 1 GiB in chunks of 1 KiB",
        note: "CPU time per MiB, µs; buffer of the reader",
        summary: "likewise",
        group: "download-chunks",
        unit: Unit::Micros,
        peers: DOWNLOAD_PEERS,
    },
    Panel {
        title: "Upload of 1 GiB, length known",
        note: "CPU time per MiB, µs; what the source lends at once",
        summary: "likewise; ours is lent 64 KiB, 1 MiB, or copies",
        group: "upload-length",
        unit: Unit::Micros,
        peers: UPLOAD_PEERS,
    },
    Panel {
        title: "Upload of 1 GiB in chunks",
        note: "CPU time per MiB, µs",
        summary: "likewise",
        group: "upload-chunks",
        unit: Unit::Micros,
        peers: UPLOAD_PEERS,
    },
    Panel {
        title: "Memory of a response that waits",
        note: "KiB each, 5,000 at once",
        summary: "KiB each, 5,000 at once",
        group: "held",
        unit: Unit::Kib,
        peers: HTTP_PEERS,
    },
    Panel {
        title: "Size of a program that GETs and prints",
        note: "KiB, default release profile, stripped, no TLS",
        summary: "KiB / crates",
        group: "size",
        unit: Unit::Kib,
        peers: &[
            ("std", "std alone"),
            ("sortie", "sortie"),
            ("ureq", "ureq"),
            ("hyper", "hyper"),
            ("reqwest", "reqwest"),
        ],
    },
];

impl Panel {
    /// The limit as the summary has it.
    fn stated_limit(&self) -> String {
        let Some(most) = self.limit() else { return String::new() };
        if self.group == "size" {
            return format!("{most} / {}", SIZE.1);
        }
        if self.unit != Unit::Instructions {
            return most.to_string();
        }
        let ours = LIMITS.iter().find(|limit| limit.row == self.row("sortie"));
        match ours.and_then(|limit| limit.allocations) {
            Some(allocations) => format!("{} / {allocations}", grouped(most)),
            None => grouped(most),
        }
    }

    /// The name of the row of a peer.
    pub(crate) fn row(&self, end: &str) -> String {
        format!("{}-{end}", self.group)
    }

    /// The most that ours may cost: for CPU time, in terms of the floor's.
    pub(crate) fn limit(&self) -> Option<f64> {
        let ours = self.row("sortie");
        let of = |limits: &[(&str, f64)]| limits.iter().find(|limit| limit.0 == ours).map(|l| l.1);
        match self.unit {
            Unit::Instructions => LIMITS.iter().find(|l| l.row == ours).map(|l| l.instructions),
            Unit::Micros | Unit::Times => of(TIMES),
            Unit::Kib if self.group == "size" => Some(SIZE.0),
            Unit::Kib => of(MEMORY_KIB),
            Unit::Allocations | Unit::Crates => None,
        }
    }

    /// What is shown of a row.
    fn cell(&self, figures: &Figures, end: &str) -> Result<String, Failure> {
        let of = |unit| figures.of(&self.row(end), unit);
        Ok(match self.unit {
            Unit::Instructions => {
                format!("{} / {:.0}", grouped(of(self.unit)?), of(Unit::Allocations)?)
            }
            Unit::Micros | Unit::Times => format!("{:.2}", of(Unit::Times)?),
            Unit::Kib if self.group == "size" => {
                format!("{} / {}", grouped(of(self.unit)?), of(Unit::Crates)?)
            }
            Unit::Kib => format!("{:.1}", of(self.unit)?),
            Unit::Allocations | Unit::Crates => format!("{:.0}", of(self.unit)?),
        })
    }
}

/// Prints what the last run of the whole table has found out, one line for each thing.
pub(crate) fn summary() -> Outcome {
    let figures = Figures::load()?;
    println!("| what | floor | **ours** | ours, at most | hyper | ureq | libcurl | reqwest |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for panel in PANELS {
        let floor = panel.peers.first().ok_or("a panel without a floor")?.0;
        let is_there = |end: &str| panel.peers.iter().any(|peer| peer.0 == end);
        let mut cells = vec![panel.cell(&figures, floor)?];
        let mut ours = format!("**{}**", panel.cell(&figures, "sortie")?);
        for variant in ["sortie-256k", "sortie-1m", "sortie-copied"] {
            if is_there(variant) {
                ours += &format!(", **{}**", panel.cell(&figures, variant)?);
            }
        }
        cells.push(ours);
        cells.push(panel.stated_limit());
        for end in ["hyper", "ureq", "curl", "reqwest"] {
            let cell = is_there(end).then(|| panel.cell(&figures, end)).transpose()?;
            cells.push(cell.unwrap_or_default());
        }
        println!("| {}: {} | {} |", panel.title, panel.summary, cells.join(" | "));
    }
    Ok(())
}
