//! `tls PORT SEED SECONDS FILE PATH...`: each path fetched over one secure connection.
//!
//! `FILE` is the certificate of the root on the host, in DER, and `SECONDS` the date. What this
//! image has above `tls-bare` is what `sortie-embassy` costs over embedded-tls: all that `get` has,
//! and the check of the certificate with its names and dates, which `tls-bare` does without.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_time::Instant;
use sortie_embassy::tls::{Records, Roots, Tls};
use sortie_embassy::{BodyLength, Config, Request, Resources, Session, Url};
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net::{self, HEAD, RECEIVE, SEND};
use sortie_firmware::report;
use sortie_firmware::secure::{Calendar, Numbers};
use static_cell::{ConstStaticCell, StaticCell};

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

async fn run(stack: Stack<'static>) -> Option<()> {
    static RESOURCES: StaticCell<Resources<1, RECEIVE, SEND, HEAD>> = StaticCell::new();
    static RECORDS: ConstStaticCell<Records> = ConstStaticCell::new(Records::new());
    static ROOT: ConstStaticCell<[u8; 1024]> = ConstStaticCell::new([0; 1024]);

    let session = Session::new(stack, RESOURCES.init_with(Resources::new), Config::default());
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let port = words.next()?;
    let numbers = Numbers::new(words.next()?);
    let clock = Calendar::new(words.next()?);
    let root = ROOT.take();
    let length = host::read_file(words.next()?, root)?;
    let roots = [root.get(..length)?];
    let mut tls = Tls::new(numbers, Roots::new(&roots, clock), RECORDS.take());
    stack.wait_config_up().await;
    session
        .connection(&mut tls, async |connection| {
            let mut next = Some(words.next()?);
            while let Some(path) = next {
                let mut url = [0; 48];
                let url = Url::from_ascii(net::secure_url(port, path, &mut url)?).ok()?;
                let request = Request::new("GET", url, &[], BodyLength::None).ok()?;
                let start = Instant::now();
                let mut body =
                    connection.data_task(&request).require_success().open().await.ok()?;
                let (length, hash) = report::read(&mut body).await?;
                report::took(start.elapsed().as_millis());
                report::body(path, length, hash);
                next = words.next();
            }
            Some(())
        })
        .await
}
