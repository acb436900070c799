//! The picture: for each thing that is measured the floor, us and our peers, as bars.

use crate::figures::{Figures, Unit};
use crate::meter::{Failure, Outcome};
use crate::panels::{PANELS, Panel};
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
const NAMES: usize = 118;
const BARS: usize = 204;
/// From the top of a panel to its first bar, and from its last bar to the next panel.
const HEADING: usize = 46;
const GAP: usize = 26;

/// Colours and letters, light and dark.
const STYLE: &str = "\
text { font: 12.5px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
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
    let (middle, limit) = (MARGIN, WIDTH - MARGIN - 64);
    let picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"What Sortie costs beside its \
         peers\">\n<style>\n{STYLE}</style>\n\
         <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n\
         <text class=\"head\" x=\"{middle}\" y=\"40\">What Sortie costs beside its peers</text>\n\
         <text class=\"note\" x=\"{middle}\" y=\"62\">Less is better. The dotted line is the \
         floor: the same by hand on async-io, or the standard library alone.</text>\n\
         <line class=\"limit\" x1=\"{limit}\" x2=\"{limit}\" y1=\"50\" y2=\"66\"/>\n\
         <text class=\"note\" x=\"{}\" y=\"62\">our limit</text>\n{body}</svg>\n",
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
    // That of a time is one already.
    let is_ratio = panel.unit == Unit::Micros;
    let limit = panel.limit().map(|most| if is_ratio { most } else { most / floor.value });
    let most = bars.iter().map(|bar| bar.times).chain(limit).fold(1.0, f64::max);
    let scaled = |times: f64| times / most * BARS as f64;
    let x = left + NAMES;
    writeln!(svg, "<text class=\"title\" x=\"{left}\" y=\"{}\">{}</text>", top + 14, panel.title)?;
    writeln!(svg, "<text class=\"note\" x=\"{left}\" y=\"{}\">{}</text>", top + 32, panel.note)?;
    for (at, bar) in bars.iter().enumerate() {
        let y = top + HEADING + at * PITCH;
        let (text, width) = (y + BAR - 2, scaled(bar.times));
        let weight = if bar.class == "sortie" { "ours" } else { "plain" };
        let limit = limit.filter(|_| bar.class == "sortie");
        let end = width.max(scaled(1.0)).max(limit.map_or(0.0, scaled));
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
            x as f64 + end + 8.0,
            rounded_times(*times),
        )?;
        if let Some(limit) = limit {
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
    let value = |end: &str| figures.of(&panel.row(end), panel.unit);
    let floor = panel.peers.first().ok_or("a panel without a floor")?.0;
    let floor_value = value(floor)?;
    let mut bars = Vec::new();
    for (end, name) in panel.peers {
        let value = value(end)?;
        // Times have their ratio from each round by itself.
        let times = if panel.unit == Unit::Micros {
            figures.of(&panel.row(end), Unit::Times)?
        } else {
            value / floor_value
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

/// With as many digits as help.
fn rounded(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn rounded_times(times: f64) -> String {
    if times < 2.0 { format!("{times:.2}") } else { format!("{times:.1}") }
}
