//! `get PORT PATH...`: each path fetched by a data task of `sortie-embassy`, over one session.
//!
//! The same GET as `baseline` does by hand, with everything that a client has to get right: what
//! this image has above `stack` is what the client costs. Tasks have deadlines and count bytes,
//! follow redirects, take chunks, use a connection again, and are suspended, resumed or cancelled.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_time::Instant;
use embedded_io_async::BufRead;
use sortie_embassy::{BodyLength, Config, ControlBlock, Request, Resources, Session, Url};
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net::{self, HEAD, RECEIVE, SEND};
use sortie_firmware::report::{self, Fnv};
use static_cell::StaticCell;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

async fn run(stack: Stack<'static>) -> Option<()> {
    static RESOURCES: StaticCell<Resources<1, RECEIVE, SEND, HEAD>> = StaticCell::new();

    let session = Session::new(stack, RESOURCES.init_with(Resources::new), Config::default());
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let port = words.next()?;
    stack.wait_config_up().await;
    let mut next = Some(words.next()?);
    while let Some(path) = next {
        let mut url = [0; 48];
        let url = Url::from_ascii(net::url(port, path, &mut url)?).ok()?;
        let request = Request::new("GET", url, &[], BodyLength::None).ok()?;
        let start = Instant::now();
        let (length, hash) = get(&session, &request).await?;
        report::took(start.elapsed().as_millis());
        report::body(path, length, hash);
        next = words.next();
    }
    Some(())
}

/// Fetches what is asked for, and returns the length and hash of what came.
async fn get(session: &Session<'_, 1>, request: &Request<'_>) -> Option<(u32, Fnv)> {
    let mut urls = [0; 64];
    let mut block = ControlBlock::new();
    let (mut seat, control) = block.split();
    let task = session.data_task(request).target(&mut urls).control(&mut seat);
    let mut body = task.open().await.ok()?;
    if body.status() != 200 {
        control.cancel();
    }
    // As a program does that has something more urgent to do.
    control.suspend().ok()?;
    control.resume();
    let mut hash = Fnv::new();
    loop {
        let content = body.fill_buf().await.ok()?;
        if content.is_empty() {
            return Some((body.counts().received as u32, hash));
        }
        hash.add(content);
        let length = content.len();
        body.consume(length);
    }
}
