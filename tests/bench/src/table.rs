//! The table: every row's cost, what was on record, our limits, and whether we hold them.

use crate::figures::{Figures, Unit};
use crate::limits::{LIMITS, Limit, MEMORY_KIB, ON_RECORD, RATIOS, Ratio, SIZE, TIMES};
use crate::measure::{Cost, Origins, Syscalls, cost, spent};
use crate::meter::{Kind, Outcome, Row};
use crate::rows;
use crate::size::{PROGRAMS, Size, size};
use crate::times::{Effort, Timed, times};

const COUNTS: &str = "\
Per iteration, on all threads of the client; on record and limits: instructions / allocations /
system calls.

| row | instructions | allocations | bytes | syscalls | on record | ours, at most |
|---|---:|---:|---:|---:|---:|---:|";

const CPU_TIME: &str = "\
CPU time of the client, user and system, per iteration, and in terms of the floor's in the same
round: the middle one of all rounds, and the least. Limits are for the middle one.

| row | µs | times the floor | least µs | least, times the floor's | ours, at most |
|---|---:|---:|---:|---:|---:|";

const MEMORY: &str = "\
Resident memory of the client, what each response that has begun adds to it.

| row | responses | KiB each | ours, at most |
|---|---:|---:|---:|";

const SIZES: &str = "\
A program that prints the content of a URL, without TLS: release profile as it is by default,
stripped, and the crates it is made of, itself included.

| row | bytes | KiB | crates | ours, at most |
|---|---:|---:|---:|---:|";

/// What the table has found out about our limits.
#[derive(Debug, Default)]
struct Verdict {
    /// Limits looked at.
    judged: usize,
    /// Limits that fail the command where they are exceeded, and are.
    broken: Vec<String>,
    /// Limits of times, that are exceeded. They depend on the machine.
    missed: Vec<String>,
    /// What was measured.
    figures: Figures,
}

/// Prints the rows whose names start with `prefix`; fails where a limit of what can be counted is
/// exceeded or has no row.
pub(crate) fn print(prefix: &str, effort: Effort) -> Outcome {
    let origins = Origins::start()?;
    let chosen: Vec<&Row> = rows().filter(|row| row.name.starts_with(prefix)).collect();
    let mut verdict = Verdict::default();
    print_counts(&chosen, &origins, &mut verdict)?;
    print_times(&chosen, &origins, effort, &mut verdict)?;
    print_memory(&chosen, &origins, &mut verdict)?;
    print_sizes(prefix, &mut verdict)?;
    let limits = TIMES.iter().chain(MEMORY_KIB).map(|limit| limit.0);
    for name in LIMITS.iter().map(|limit| limit.row).chain(limits) {
        if !rows().any(|row| row.name == name) {
            verdict.broken.push(format!("{name}: there is a limit, but no such row"));
        }
    }
    if prefix.is_empty() && effort.divisor == 1 {
        verdict.figures.save()?;
    }
    for missed in &verdict.missed {
        println!("\nMissed: {missed}.");
    }
    let over = verdict.broken.len() + verdict.missed.len();
    println!("\n{} of {} limits held", verdict.judged - over, verdict.judged);
    if verdict.broken.is_empty() {
        return Ok(());
    }
    Err(format!("\n{}", verdict.broken.join("\n")).into())
}

/// Instructions, allocations and system calls.
fn print_counts(rows: &[&'static Row], origins: &Origins, verdict: &mut Verdict) -> Outcome {
    let counted: Vec<&Row> = rows.iter().copied().filter(|row| row.kind != Kind::Memory).collect();
    if counted.is_empty() {
        return Ok(());
    }
    println!("{COUNTS}");
    let mut costs = Vec::new();
    for row in counted {
        let cost = cost(row, origins)?;
        let limit = LIMITS.iter().find(|limit| limit.row == row.name);
        println!("{}", line(row, &cost, limit));
        verdict.judged += usize::from(limit.is_some());
        verdict.broken.extend(limit.and_then(|limit| exceeded(limit, &cost)));
        verdict.figures.add(row.name, Unit::Instructions, cost.instructions);
        verdict.figures.add(row.name, Unit::Allocations, cost.allocations);
        costs.push((row.name, cost.instructions));
    }
    for ratio in RATIOS {
        if rows.iter().any(|row| row.name == ratio.row) {
            verdict.judged += 1;
            verdict.broken.extend(outgrown(ratio, &costs));
        }
    }
    Ok(())
}

/// CPU time, the rows with one floor together.
fn print_times(
    rows: &[&'static Row],
    origins: &Origins,
    effort: Effort,
    verdict: &mut Verdict,
) -> Outcome {
    let mut groups: Vec<(&str, Vec<&'static Row>)> = Vec::new();
    for row in rows {
        let Kind::Time { floor, .. } = row.kind else { continue };
        match groups.iter_mut().find(|group| group.0 == floor) {
            Some(group) => group.1.push(row),
            None => groups.push((floor, vec![row])),
        }
    }
    if groups.is_empty() {
        return Ok(());
    }
    println!("\n{CPU_TIME}");
    for (floor, mut rows) in groups {
        // Also where its name does not start as those that were chosen.
        if rows.iter().all(|row| row.name != floor) {
            rows.extend(crate::rows().find(|row| row.name == floor));
        }
        for timed in times(&rows, origins, effort)? {
            let limit = TIMES.iter().find(|limit| limit.0 == timed.name).map(|limit| limit.1);
            println!("{}", timed_line(&timed, limit));
            verdict.figures.add(timed.name, Unit::Micros, timed.median / 1000.0);
            verdict.figures.add(timed.name, Unit::Times, timed.ratio);
            verdict.judged += usize::from(limit.is_some());
            // As the table shows it.
            let ratio = (timed.ratio * 100.0).round() / 100.0;
            if let Some(most) = limit.filter(|most| ratio > *most) {
                let over = format!("{}: {ratio:.2} times its floor, at most {most}", timed.name);
                verdict.missed.push(over);
            }
        }
    }
    Ok(())
}

/// Memory.
fn print_memory(rows: &[&'static Row], origins: &Origins, verdict: &mut Verdict) -> Outcome {
    let rows: Vec<_> = rows.iter().filter(|row| row.kind == Kind::Memory).collect();
    if rows.is_empty() {
        return Ok(());
    }
    println!("\n{MEMORY}");
    for row in rows {
        let kib = spent(row, row.iterations, origins)?.resident / row.iterations as f64 / 1024.0;
        let limit = MEMORY_KIB.iter().find(|limit| limit.0 == row.name).map(|limit| limit.1);
        let stated = limit.map_or(String::new(), |most| format!("**{most}**"));
        println!("| {} | {} | {kib:.1} | {stated} |", row.name, grouped(row.iterations as f64));
        verdict.figures.add(row.name, Unit::Kib, kib);
        verdict.judged += usize::from(limit.is_some());
        if let Some(most) = limit.filter(|most| tenths(kib) > tenths(*most)) {
            verdict.broken.push(format!("{}: {kib:.1} KiB, at most {most}", row.name));
        }
    }
    Ok(())
}

/// Sizes of programs, whose rows are called `size-` and the program's name.
fn print_sizes(prefix: &str, verdict: &mut Verdict) -> Outcome {
    let names = PROGRAMS.map(|name| (name, format!("size-{name}")));
    let chosen: Vec<_> = names.iter().filter(|(_, row)| row.starts_with(prefix)).collect();
    if chosen.is_empty() {
        return Ok(());
    }
    println!("\n{SIZES}");
    for (name, row) in chosen {
        let Size { bytes, crates } = size(name)?;
        let kib = bytes as f64 / 1024.0;
        verdict.figures.add(row, Unit::Kib, kib);
        verdict.figures.add(row, Unit::Crates, crates as f64);
        let is_ours = *name == "sortie";
        let stated = if is_ours { format!("**{}** / {}", SIZE.0, SIZE.1) } else { String::new() };
        println!("| {row} | {} | {kib:.0} | {crates} | {stated} |", grouped(bytes as f64));
        if is_ours {
            verdict.judged += 1;
            if kib.round() > SIZE.0 || crates > SIZE.1 {
                let over = format!("{row}: {kib:.0} KiB and {crates} crates, at most {stated}");
                verdict.broken.push(over);
            }
        }
    }
    Ok(())
}

/// One line of the table of times.
fn timed_line(timed: &Timed, limit: Option<f64>) -> String {
    let Timed { name, median, least, ratio, ratio_of_least } = timed;
    format!(
        "| {name} | {:.1} | {ratio:.2} | {:.1} | {ratio_of_least:.2} | {} |",
        median / 1000.0,
        least / 1000.0,
        limit.map_or(String::new(), |most| format!("**{most}**")),
    )
}

/// One line of the table of counts.
fn line(row: &Row, cost: &Cost, limit: Option<&Limit>) -> String {
    let on_record = ON_RECORD.iter().find(|record| record.0 == row.name);
    format!(
        "| {} | {} | {:.1} | {} | {} | {} | {} |",
        row.name,
        grouped(cost.instructions),
        cost.allocations,
        grouped(cost.bytes),
        match cost.syscalls {
            Syscalls::Counted(count) => format!("{count:.1}"),
            Syscalls::NotCounted => String::new(),
            Syscalls::NoStrace => "no strace".into(),
        },
        on_record.map_or("", |record| record.1),
        limit.map_or(String::new(), stated),
    )
}

/// A limit as the table shows it.
fn stated(limit: &Limit) -> String {
    let mut parts = vec![format!("**{}**", grouped(limit.instructions))];
    let more = [limit.allocations, limit.syscalls];
    parts.extend(more.into_iter().flatten().map(|most| most.to_string()));
    parts.join(" / ")
}

/// What `cost` exceeds of `limit`; what was not measured exceeds nothing.
fn exceeded(limit: &Limit, cost: &Cost) -> Option<String> {
    let pairs = [
        ("instructions", Some(cost.instructions), Some(limit.instructions)),
        ("allocations", Some(cost.allocations), limit.allocations),
        ("system calls", cost.syscalls.known(), limit.syscalls),
    ];
    let over: Vec<String> = pairs
        .into_iter()
        .filter_map(|(what, is, most)| Some((what, is?, most?)))
        .filter(|(_, is, most)| tenths(*is) > tenths(*most))
        .map(|(what, is, most)| format!("{is:.1} {what}, at most {most}"))
        .collect();
    (!over.is_empty()).then(|| format!("{}: {}", limit.row, over.join("; ")))
}

/// Whether one row costs too many times what another does; prints how many times it is.
fn outgrown(ratio: &Ratio, costs: &[(&str, f64)]) -> Option<String> {
    let Ratio { row, of, most } = *ratio;
    let cost = |name| costs.iter().find(|cost| cost.0 == name).map(|cost| cost.1);
    let (Some(is), Some(base)) = (cost(row), cost(of)) else {
        return Some(format!("{row}: it is to be compared with {of}, and one of them is missing"));
    };
    let times = is / base;
    println!("\n{row}: {times:.2} times {of}, at most {most}");
    (times > most).then(|| format!("{row}: {times:.2} times {of}, at most {most}"))
}

/// Rounded as the table shows it, so that one allocation in a thousand iterations fails nothing.
fn tenths(number: f64) -> f64 {
    (number * 10.0).round()
}

/// A whole number with a comma before every third digit.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
