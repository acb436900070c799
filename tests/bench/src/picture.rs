//! The picture: for each thing that is measured the floor, us and our peers, as bars.

use crate::figures::{Figures, Unit};
use crate::limits::{LIMITS, MEMORY_KIB, SIZE, TIMES};
use crate::meter::{Failure, Outcome};
use crate::table::grouped;
use std::fmt::Write as _;
use std::fs;

/// Width and height of things, in pixels.
const WIDTH: usize = 960;
const MARGIN: usize = 28;
const COLUMN: usize = 440;
const TOP: usize = 92;
const PITCH: usize = 21;
const BAR: usize = 13;
const NAMES: usize = 104;
const BARS: usize = 210;
/// From the top of a panel to its first bar, and from its last bar to the next panel.
const HEADING: usize = 46;
const GAP: usize = 26;

/// Colours and letters, light and dark.
const STYLE: &str = "\
text { font: 12.5px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
.page { fill: #ffffff; stroke: #d1d9e0 }
.head { font-size: 19px; font-weight: 650 }
.title { font-size: 14px; font-weight: 650 }
.note { font-size: 11.5px; fill: #59636e }
.ours { font-weight: 700 }
.number { font-variant-numeric: tabular-nums }
rect.peer { fill: #afb8c1 }
rect.floor { fill: #d7dde3 }
rect.sortie { fill: #1a7f64 }
.one { stroke: #59636e; stroke-dasharray: 2 3 }
.limit { stroke: #bc4c00; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.page { fill: #0d1117; stroke: #3d444d }
.note { fill: #9198a1 }
rect.peer { fill: #59636e }
rect.floor { fill: #343b44 }
rect.sortie { fill: #3fb994 }
.one { stroke: #9198a1 }
.limit { stroke: #f0883e }
}
";

/// One thing that is measured.
#[derive(Debug)]
struct Panel {
    title: &'static str,
    note: &'static str,
    /// What the names of its rows begin with.
    group: &'static str,
    unit: Unit,
    /// The ends of its rows' names, and what they are called; the floor is `by-hand` or `std`.
    peers: &'static [(&'static str, &'static str)],
}

const HTTP_PEERS: &[(&str, &str)] = &[
    ("by-hand", "by hand"),
    ("sortie", "sortie"),
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

const PANELS: &[Panel] = &[
    Panel {
        title: "GET of 13 bytes on a kept connection",
        note: "user instructions per request",
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
        group: "many",
        unit: Unit::Micros,
        peers: HTTP_PEERS,
    },
    Panel {
        title: "Download of 1 GiB, length known",
        note: "CPU time per MiB, µs; buffer of the reader",
        group: "download-length",
        unit: Unit::Micros,
        peers: DOWNLOAD_PEERS,
    },
    Panel {
        title: "Download of 1 GiB in chunks of 1 KiB",
        note: "CPU time per MiB, µs; buffer of the reader",
        group: "download-chunks",
        unit: Unit::Micros,
        peers: DOWNLOAD_PEERS,
    },
    Panel {
        title: "Upload of 1 GiB, length known",
        note: "CPU time per MiB, µs",
        group: "upload-length",
        unit: Unit::Micros,
        peers: HTTP_PEERS,
    },
    Panel {
        title: "Upload of 1 GiB in chunks",
        note: "CPU time per MiB, µs",
        group: "upload-chunks",
        unit: Unit::Micros,
        peers: HTTP_PEERS,
    },
    Panel {
        title: "Memory of a response that waits",
        note: "KiB each, 5,000 at once",
        group: "held",
        unit: Unit::Kib,
        peers: HTTP_PEERS,
    },
    Panel {
        title: "Size of a program that GETs and prints",
        note: "KiB, default release profile, stripped, no TLS",
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

/// One bar.
#[derive(Debug)]
struct Bar {
    class: &'static str,
    name: &'static str,
    value: f64,
    /// In terms of the floor.
    times: f64,
}

/// Draws what the last run of the whole table has found out.
pub(crate) fn draw(file: &str) -> Outcome {
    let figures = Figures::load()?;
    let (mut body, mut top) = (String::new(), TOP);
    for pair in PANELS.chunks(2) {
        let mut tallest = 0;
        for (column, panel) in pair.iter().enumerate() {
            let left = MARGIN + column * (COLUMN + WIDTH - 2 * (MARGIN + COLUMN));
            tallest = tallest.max(panel.peers.len());
            draw_panel(&mut body, panel, &figures, (left, top))?;
        }
        top += HEADING + tallest * PITCH + GAP;
    }
    let height = top;
    let (middle, limit) = (MARGIN, WIDTH - MARGIN - 128);
    let picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"What Sortie costs beside its \
         peers\">\n<style>\n{STYLE}</style>\n\
         <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n\
         <text class=\"head\" x=\"{middle}\" y=\"40\">What Sortie costs beside its peers</text>\n\
         <text class=\"note\" x=\"{middle}\" y=\"62\">Less is better. The dotted line is the floor: \
         the same by hand on async-io, or the standard library alone.</text>\n\
         <line class=\"limit\" x1=\"{limit}\" x2=\"{limit}\" y1=\"50\" y2=\"66\"/>\n\
         <text class=\"note\" x=\"{}\" y=\"62\">the most that ours may</text>\n{body}</svg>\n",
        WIDTH - 1,
        height - 1,
        limit + 7,
    );
    Ok(fs::write(file, picture)?)
}

fn draw_panel(
    svg: &mut String,
    panel: &Panel,
    figures: &Figures,
    (left, top): (usize, usize),
) -> Outcome {
    let bars = bars(panel, figures)?;
    let floor = bars.first().ok_or("a panel without bars")?;
    let limit = limit(panel, floor.value);
    let most = bars.iter().map(|bar| bar.times).chain(limit).fold(1.0, f64::max);
    let scaled = |times: f64| times / most * BARS as f64;
    let x = left + NAMES;
    writeln!(svg, "<text class=\"title\" x=\"{left}\" y=\"{}\">{}</text>", top + 14, panel.title)?;
    writeln!(svg, "<text class=\"note\" x=\"{left}\" y=\"{}\">{}</text>", top + 32, panel.note)?;
    for (at, bar) in bars.iter().enumerate() {
        let y = top + HEADING + at * PITCH;
        let (text, width) = (y + BAR - 2, scaled(bar.times));
        let weight = if bar.class == "sortie" { "ours" } else { "plain" };
        let Bar { class, name, value, times } = bar;
        let value = if *value < 1000.0 { rounded(*value) } else { grouped(*value) };
        writeln!(svg, "<text class=\"{weight}\" x=\"{left}\" y=\"{text}\">{name}</text>")?;
        writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" \
             rx=\"2\"/>"
        )?;
        writeln!(
            svg,
            "<text class=\"number {weight}\" x=\"{:.1}\" y=\"{text}\">{}× \
             <tspan class=\"note\" dx=\"4\">{value}</tspan></text>",
            x as f64 + width.max(scaled(1.0)) + 8.0,
            rounded_times(*times),
        )?;
        if let (Some(limit), "sortie") = (limit, *class) {
            let at = x as f64 + scaled(limit);
            let (from, to) = (y - 3, y + BAR + 3);
            writeln!(
                svg,
                "<line class=\"limit\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{from}\" y2=\"{to}\"/>"
            )?;
        }
    }
    let one = x as f64 + scaled(1.0);
    let (from, to) = (top + HEADING - 4, top + HEADING + bars.len() * PITCH - 3);
    writeln!(
        svg,
        "<line class=\"one\" x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"{from}\" y2=\"{to}\"/>"
    )?;
    Ok(())
}

/// The bars of a panel: the floor, then from the shortest to the longest.
fn bars(panel: &Panel, figures: &Figures) -> Result<Vec<Bar>, Failure> {
    let value = |end: &str| figures.of(&format!("{}-{end}", panel.group), panel.unit);
    let floor = panel.peers.first().ok_or("a panel without a floor")?.0;
    let floor_value = value(floor)?;
    let mut bars = Vec::new();
    for (end, name) in panel.peers {
        let value = value(end)?;
        // Times have their ratio from each round by itself.
        let times = match panel.unit {
            Unit::Micros => figures.of(&format!("{}-{end}", panel.group), Unit::Times)?,
            Unit::Instructions | Unit::Times | Unit::Kib => value / floor_value,
        };
        let class = match *end {
            end if end == floor => "floor",
            end if end.starts_with("sortie") => "sortie",
            _ => "peer",
        };
        bars.push(Bar { class, name, value, times });
    }
    bars[1..].sort_by(|a, b| a.times.total_cmp(&b.times));
    Ok(bars)
}

/// The most that ours may cost, in terms of the floor.
fn limit(panel: &Panel, floor: f64) -> Option<f64> {
    let ours = format!("{}-sortie", panel.group);
    let of = |limits: &[(&str, f64)]| limits.iter().find(|limit| limit.0 == ours).map(|l| l.1);
    match panel.unit {
        Unit::Instructions => {
            LIMITS.iter().find(|limit| limit.row == ours).map(|limit| limit.instructions / floor)
        }
        Unit::Micros | Unit::Times => of(TIMES),
        Unit::Kib if panel.group == "size" => Some(SIZE.0 / floor),
        Unit::Kib => of(MEMORY_KIB).map(|most| most / floor),
    }
}

/// With as many digits as help.
fn rounded(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn rounded_times(times: f64) -> String {
    if times < 2.0 { format!("{times:.2}") } else { format!("{times:.1}") }
}
