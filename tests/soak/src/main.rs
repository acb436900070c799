//! Many requests through one session, of every kind, from a process of its own to another: memory,
//! descriptors and threads are at the end where they were after a tenth of them. And many at once:
//! what each of them holds, and that nothing of it is left.
//!
//! A line for every mode says what was measured; the exit status says whether all of it held.
//! Linux only: it looks into `/proc`.

mod client;
mod load;
mod measure;
mod modes;
mod origin;

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};

use load::{LOADS, Load};
use modes::{MODES, Mode};

/// Whatever went wrong.
pub(crate) type Failure = Box<dyn Error>;

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

const USAGE: &str = "\
usage: sortie-soak all [DIVISOR]        every mode, each with its count divided by DIVISOR
       sortie-soak mode NAME URL COUNT  one mode against an origin that runs
       sortie-soak load NAME URL COUNT  one load against an origin that runs
       sortie-soak origin               serve on loopback until standard input ends
modes:";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *arguments.as_slice() {
        ["all"] => all(1),
        ["all", divisor] => divisor.parse().map_err(Failure::from).and_then(all),
        ["mode", name, url, count] => mode(name, url, count),
        ["load", name, url, count] => load(name, url, count),
        ["origin"] => origin::serve().map(|()| true),
        _ => Err(usage().into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let list = |mode: &Mode| format!("\n       {:<12} {:>7} {}", mode.name, mode.count, mode.what);
    let usage = MODES.iter().map(list).fold(USAGE.to_owned(), |usage, line| usage + &line);
    let list = |load: &Load| format!("\n       {:<12} {:>7} {}", load.name, load.count, load.what);
    LOADS.iter().map(list).fold(usage + "\nloads:", |usage, line| usage + &line)
}

/// Runs every mode, each in a process of its own, against one origin. Whether all held.
fn all(divisor: u64) -> Outcome<bool> {
    let program = std::env::current_exe()?;
    // It needs a descriptor for each of those that are served at once.
    let mut origin = Command::new("sh");
    origin.args(["-c", "ulimit -n 16384 && exec \"$0\" origin"]).arg(&program);
    let mut origin = Origin::start(&mut origin)?;
    let (mut held, mut requests) = (0, 0);
    for mode in MODES {
        let count = (mode.count / divisor.max(1)).max(10);
        let mut client = Command::new(&program);
        client.args(["mode", mode.name, &origin.url, &count.to_string()]);
        // One arena of glibc for all threads: several keep several times as much for later.
        client.env("MALLOC_ARENA_MAX", "1");
        held += usize::from(client.status()?.success());
        requests += count;
    }
    let mut at_once = Vec::new();
    for load in LOADS {
        let count = (load.count / divisor.max(1)).max(10);
        let mut client = Command::new("sh");
        client.args(["-c", &load.limits(count)]).arg(&program);
        client.args(["load", load.name, &origin.url, &count.to_string()]);
        client.env("MALLOC_ARENA_MAX", "1");
        held += usize::from(client.status()?.success());
        at_once.push(format!("{count} {}", load.name));
    }
    origin.end()?;
    let all = MODES.len() + LOADS.len();
    let failed = if held == all { "" } else { "FAILED: " };
    let at_once = at_once.join(" and ");
    println!("{failed}{held} of {all} modes held, {requests} requests, at once {at_once}");
    Ok(held == all)
}

fn load(name: &str, url: &str, count: &str) -> Outcome<bool> {
    let load = LOADS.iter().find(|load| load.name == name).ok_or("no such load")?;
    let measured = load.measure(url, count.parse()?);
    let (report, held) = measured.map_err(|why| format!("{name}: {why}"))?;
    println!("{report}: {}", if held { "held" } else { "NOT HELD" });
    Ok(held)
}

fn mode(name: &str, url: &str, count: &str) -> Outcome<bool> {
    let mode = MODES.iter().find(|mode| mode.name == name).ok_or("no such mode")?;
    let report = client::soak(mode, url, count.parse()?);
    let report = report.map_err(|why| format!("{name}: {why}"))?;
    println!("{report}");
    Ok(report.holds())
}

/// The origin's process. It ends with its standard input, and so with this process in any case.
struct Origin {
    child: Child,
    url: String,
}

impl Origin {
    fn start(command: &mut Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        let output = child.stdout.take().ok_or("the origin has no output")?;
        BufReader::new(output).read_line(&mut address)?;
        Ok(Self { child, url: format!("http://{}", address.trim()) })
    }

    fn end(&mut self) -> Outcome {
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(())
    }
}
