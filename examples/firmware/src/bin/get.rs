//! `get PORT PATH...`: each path fetched by `sortie-embassy`, over one session.
//!
//! The same GET as `baseline` does by hand, with everything that a client has to get right: what
//! this image has above that one is what the client costs.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::Stack;
use sortie_embassy::{BodyLength, Config, Request, Resources, Session, Url};
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net;
use sortie_firmware::report::{self, Fnv};
use static_cell::{ConstStaticCell, StaticCell};

/// Room for the longest content that the tests fetch.
const CONTENT: usize = 16 * 1024;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

async fn run(stack: Stack<'static>) -> Option<()> {
    static RESOURCES: StaticCell<Resources<1, 2048>> = StaticCell::new();
    static BUFFER: ConstStaticCell<[u8; CONTENT]> = ConstStaticCell::new([0; CONTENT]);

    let session = Session::new(stack, RESOURCES.init_with(Resources::new), Config::default());
    let content = BUFFER.take();
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let port = words.next()?;
    stack.wait_config_up().await;
    for path in words {
        let mut url = [0; 64];
        let url = url_of(port, path, &mut url)?;
        let request = Request::new("GET", Url::parse(url).ok()?, &[], BodyLength::None).ok()?;
        let response = session.data(&request, &[], content).await.ok()?;
        if response.status() != 200 {
            return None;
        }
        let mut hash = Fnv::new();
        hash.add(response.content());
        report::body(path, response.content().len() as u32, hash);
    }
    Some(())
}

/// The URL of a path at the host, without `core::fmt`.
fn url_of<'b>(port: &[u8], path: &[u8], buffer: &'b mut [u8]) -> Option<&'b str> {
    let mut length = 0;
    for piece in [b"http://10.0.2.2:", port, path] {
        let end = length + piece.len();
        buffer.get_mut(length..end)?.copy_from_slice(piece);
        length = end;
    }
    core::str::from_utf8(buffer.get(..length)?).ok()
}
