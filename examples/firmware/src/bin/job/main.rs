//! `job NGINX PYTHON ORIGIN NOBODY TIMES LENGTH SUM64K SUM256K SUM`: what programs do, against real
//! servers.
//!
//! The first four words are ports of the host: nginx, Python's http.server, an origin that does
//! what no good server does, and one where nobody listens. TIMES says how often one connection is
//! used, LENGTH how long `/large` is; the sums are of files of 64 KiB, of 256 KiB and of that one,
//! as [`tools::Sum`] has them.
//! `job.py` starts the servers, and looks at what they have seen when this has ended.
//!
//! Each step asserts what comes of it and prints a line. The run succeeds if all of them do.

#![no_std]
#![no_main]

mod commands;
mod failures;
mod times;
mod tools;
mod transfers;

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_time::Duration;
use sortie_embassy::{Config, Resources, Session};
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net::{self, HEAD, RECEIVE, SEND};
use sortie_firmware::report;
use static_cell::StaticCell;
use tools::{Job, Steps};

/// Connections of the session that does most of the work. With DHCP and DNS they take every socket
/// that the stack has room for: one that was lost would be missed, see [`run`].
const CONNECTIONS: usize = 2;

/// How long the session that is impatient waits for a byte, and for a whole task.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(400);
const RESOURCE_TIMEOUT: Duration = Duration::from_millis(3000);

/// How long a server may take to note that a connection was closed. If it was not told it finds out
/// by itself after five seconds, when QEMU's network looks whether there is room again.
const CLOSING: Duration = Duration::from_secs(3);

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

/// Three sessions one after the other, each on all the sockets of the stack: embassy-net panics
/// where one is asked for and none is left.
async fn run(stack: Stack<'static>) -> Option<()> {
    static RESOURCES: StaticCell<Resources<CONNECTIONS, RECEIVE, SEND, HEAD>> = StaticCell::new();

    let resources = RESOURCES.init_with(Resources::new);
    let arguments = Arguments::read();
    let job = Job::new(arguments.words())?;
    stack.wait_config_up().await;
    let mut steps = Steps::new();

    let session = Session::new(stack, resources, Config::default());
    transfers::all(&mut steps, &session, &job).await;
    commands::all(&mut steps, &session, &job).await;
    failures::all(&mut steps, &session, &job).await;
    session.close(CLOSING).await;
    drop(session);

    let mut config = Config::default();
    config.request_timeout = REQUEST_TIMEOUT;
    config.resource_timeout = RESOURCE_TIMEOUT;
    let session = Session::new(stack, resources, config);
    times::all(&mut steps, &session, &job).await;
    session.close(CLOSING).await;
    drop(session);

    let session = Session::new(stack, resources, Config::default());
    failures::nothing_is_left(&mut steps, &session, &job).await;
    steps.end()
}
