//! The origins: processes of their own, so that only the client is counted.
//!
//! Both cost far less than any client does, and run on the last of the cores, so that no client
//! waits for them longer than they mean it to.

mod answers;
mod blocks;

use crate::meter::{Failure, Outcome};
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;

pub(crate) use answers::{BEGINNING, CONTENT};
pub(crate) use blocks::{BLOCK, RECEIPT, block_sum};

/// Connections that wait to be accepted, at most: some rows open thousands at once.
const BACKLOG: i32 = 4096;

/// What an origin serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serves {
    /// Short answers, each after a while, and answers that never end.
    Answers,
    /// Content of many MiB, either way.
    Blocks,
}

impl Serves {
    /// What a user calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Blocks => "blocks",
        }
    }
}

/// Listens on a free port of loopback, prints the address, and serves until standard input ends.
///
/// So it ends with whoever started it, even where that one was killed.
pub(crate) fn serve(name: &str) -> Outcome {
    let serve = match name {
        _ if name == Serves::Answers.name() => answers::serve,
        _ if name == Serves::Blocks.name() => blocks::serve,
        _ => return Err(format!("there is no origin of {name}").into()),
    };
    crate::process::pin(crate::process::Side::Origin)?;
    crate::process::allow_descriptors()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    rustix::net::listen(&listener, BACKLOG)?;
    println!("{}", listener.local_addr()?);
    thread::spawn(move || {
        if let Err(error) = serve(&listener) {
            eprintln!("origin: {error}");
            std::process::exit(1);
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// An origin in a process of its own, which ends with this value.
#[derive(Debug)]
pub(crate) struct Origin {
    process: Child,
    address: SocketAddr,
}

impl Origin {
    /// Starts it and waits until it listens.
    pub(crate) fn start(serves: Serves) -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["origin", serves.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("the origin has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(Self { process, address: line.trim().parse()? })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Origin {
    /// Ends its standard input, which ends it.
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // Nothing is left to do about an origin that cannot be waited for.
        let _ = self.process.wait();
    }
}
