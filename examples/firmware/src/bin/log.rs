//! `log PORT PATH...`: the data tasks of `get`, and what `defmt` says of them.
//!
//! The output is defmt's, in its binary form: nothing else is printed here. `log.py` decodes it.

#![no_std]
#![no_main]

use defmt_semihosting as _;
use embassy_executor::Spawner;
use embassy_net::Stack;
use sortie_embassy::{BodyLength, Config, Request, Resources, Session, Url};
use sortie_firmware::board;
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::net::{self, HEAD, RECEIVE, SEND};
use static_cell::StaticCell;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    host::exit(run(stack).await.is_some())
}

async fn run(stack: Stack<'static>) -> Option<()> {
    static RESOURCES: StaticCell<Resources<1, RECEIVE, SEND, HEAD>> = StaticCell::new();

    let session = Session::new(stack, RESOURCES.init_with(Resources::new), Config::default());
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let port = words.next()?;
    stack.wait_config_up().await;
    for path in words {
        let (mut url, mut urls, mut content) = ([0; 48], [0; 96], [0; 512]);
        let url = Url::from_ascii(net::url(port, path, &mut url)?).ok()?;
        let request = Request::new("GET", url, &[], BodyLength::None).ok()?;
        let task = session.data_task(&request).target(&mut urls);
        match task.receive(&mut content).await {
            Ok(response) => {
                let length = response.content().len();
                defmt::info!("{=u16}, {=usize} bytes", response.status(), length);
            }
            Err(failure) => defmt::error!("{}", failure),
        }
    }
    Some(())
}
