//! The `sortie` command: what the library does, from a shell.

mod args;
mod bars;
mod crew;
mod demo;
mod download;
mod exit;
mod get;
mod job;
mod json;
mod report;
mod session;
mod signals;
mod upload;
mod verbose;
mod watch;
mod write_out;

use std::io::{self, Write};
use std::process::ExitCode;

use args::Command;

fn main() -> ExitCode {
    verbose::start_clock();
    match args::parse() {
        Ok(Command::Get(options)) => get::run(&options),
        Ok(Command::Download(options)) => download::run(&options),
        Ok(Command::Upload(options)) => upload::run(&options),
        Ok(Command::Demo) => demo::run(),
        Ok(Command::Help) => say(args::HELP),
        Ok(Command::Version) => say(concat!("sortie ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(error) => {
            eprintln!("sortie: {error}");
            eprintln!("sortie: try 'sortie --help'");
            ExitCode::from(exit::USAGE)
        }
    }
}

fn say(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sortie: cannot write standard output: {error}");
            ExitCode::from(exit::WRITE)
        }
    }
}
