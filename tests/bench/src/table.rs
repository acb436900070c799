//! The table: every row's cost, what was on record, our limits, and whether we hold them.

use crate::limits::{LIMITS, Limit, ON_RECORD, RATIOS, Ratio};
use crate::measure::{Cost, Origins, cost};
use crate::meter::{Outcome, Row};
use crate::rows;

const HEAD: &str = "\
| row | instructions | allocations | bytes | syscalls | on record | ours, at most |
|---|---:|---:|---:|---:|---:|---:|";

/// Prints the rows whose names start with `prefix`; fails where a limit is exceeded or has no row.
pub(crate) fn print(prefix: &str) -> Outcome {
    let origins = Origins::start()?;
    let (mut broken, mut costs) = (Vec::new(), Vec::new());
    println!("Per iteration, on all threads of the client; on record and limits: instructions /");
    println!("allocations / system calls.\n\n{HEAD}");
    for row in rows().filter(|row| row.name.starts_with(prefix)) {
        let cost = cost(row, &origins)?;
        let limit = LIMITS.iter().find(|limit| limit.row == row.name);
        println!("{}", line(row, &cost, limit));
        broken.extend(limit.and_then(|limit| exceeded(limit, &cost)));
        costs.push((row.name, cost.instructions));
    }
    for limit in LIMITS.iter().filter(|limit| limit.row.starts_with(prefix)) {
        if !rows().any(|row| row.name == limit.row) {
            broken.push(format!("{}: there is a limit, but no such row", limit.row));
        }
    }
    let ratios = RATIOS.iter().filter(|ratio| ratio.row.starts_with(prefix));
    broken.extend(ratios.clone().filter_map(|ratio| outgrown(ratio, &costs)));
    let limits = LIMITS.iter().filter(|limit| limit.row.starts_with(prefix)).count();
    let judged = limits + ratios.count();
    println!("\n{} of {judged} limits held", judged - broken.len());
    if broken.is_empty() { Ok(()) } else { Err(format!("\n{}", broken.join("\n")).into()) }
}

/// One line of the table.
fn line(row: &Row, cost: &Cost, limit: Option<&Limit>) -> String {
    let on_record = ON_RECORD.iter().find(|record| record.0 == row.name);
    format!(
        "| {} | {} | {:.1} | {} | {} | {} | {} |",
        row.name,
        grouped(cost.instructions),
        cost.allocations,
        grouped(cost.bytes),
        cost.syscalls.map_or("no strace".into(), |syscalls| format!("{syscalls:.1}")),
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
        ("system calls", cost.syscalls, limit.syscalls),
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
fn grouped(number: f64) -> String {
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
