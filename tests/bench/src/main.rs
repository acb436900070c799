//! Measures what a client library costs: user instructions, allocations and system calls, CPU time,
//! memory, and the size of a program.
//!
//! Each row of the table is one small program, `sortie-bench run ROW ITERATIONS`. The table runs
//! it as often as it needs, under callgrind, under strace and plainly, and prints Sortie beside
//! its peers. Only what can be counted fails it, never times: those depend on the machine.

mod chunked;
mod download;
mod figures;
mod get;
mod head;
mod held;
mod limits;
mod many;
mod measure;
mod memory;
mod meter;
mod origin;
mod panels;
mod picture;
mod process;
mod rt;
mod size;
mod start;
mod table;
mod times;
mod upload;

use meter::{Counted, Failure, Meter, Outcome, Row};
use std::net::SocketAddr;
use std::process::ExitCode;
use times::Effort;

const USAGE: &str = "\
usage: sortie-bench table [--quick] [PREFIX]   measure every row whose name starts so, judge limits;
                                               quick: 1/16 of the work where times are taken
       sortie-bench picture FILE               draw what the last whole table has measured, as SVG
       sortie-bench summary                    the same as one small table
       sortie-bench rows                       list the rows
       sortie-bench run ROW ITERATIONS [ADDR]  one row, once; ADDR of an origin for the get rows
       sortie-bench origin KIND                serve on loopback until standard input ends";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match *args.as_slice() {
        ["table"] => table::print("", Effort::WHOLE),
        ["table", "--quick"] => table::print("", Effort::QUICK),
        ["table", "--quick", prefix] => table::print(prefix, Effort::QUICK),
        ["table", prefix] => table::print(prefix, Effort::WHOLE),
        ["picture", file] => picture::draw(file),
        ["summary"] => panels::summary(),
        ["rows"] => list(),
        ["run", name, iterations] => run(name, iterations, None),
        ["run", name, iterations, origin] => run(name, iterations, Some(origin)),
        ["origin", name] => origin::serve(name),
        _ => Err(Failure::from(USAGE)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Every row there is, in the order of the table.
fn rows() -> impl Iterator<Item = &'static Row> {
    let memory = [head::ROWS, chunked::ROWS, start::ROWS];
    let loopback = [get::ROWS, many::ROWS, download::ROWS, upload::ROWS];
    memory.into_iter().chain(loopback).chain([held::ROWS]).flatten()
}

fn list() -> Outcome {
    for row in rows() {
        println!("{:<26} {}", row.name, row.what);
    }
    Ok(())
}

/// Runs one row and prints what its counted iterations spent: allocations and their bytes,
/// nanoseconds of CPU time, bytes of memory.
fn run(name: &str, iterations: &str, origin: Option<&str>) -> Outcome {
    let row = rows().find(|row| row.name == name).ok_or_else(|| format!("no row {name}"))?;
    let origin = origin.map(str::parse::<SocketAddr>).transpose()?;
    process::pin(process::Side::Client)?;
    process::allow_descriptors()?;
    let mut meter = Meter::new(row, iterations.parse()?, origin);
    (row.run)(&mut meter)?;
    let counted = meter.counted().ok_or("the row counted nothing")?;
    let Counted { allocations, bytes, cpu_time, resident } = counted;
    println!("{allocations} {bytes} {} {resident}", cpu_time.as_nanos());
    Ok(())
}
