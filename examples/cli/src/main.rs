//! The `sortie` command: what the library does, from a shell.

mod args;
mod demo;
mod exit;
mod get;

use std::process::ExitCode;

use args::Command;

fn main() -> ExitCode {
    match args::parse() {
        Ok(Command::Get(options)) => get::run(&options),
        Ok(Command::Demo) => demo::run(),
        Ok(Command::Help) => {
            print!("{}", args::HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("sortie {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("sortie: {error}");
            eprintln!("sortie: try 'sortie --help'");
            ExitCode::from(exit::USAGE)
        }
    }
}
