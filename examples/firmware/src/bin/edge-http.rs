//! `edge-http PORT PATH`: the GET of `baseline`, by edge-http.
//!
//! A peer, to be measured in the same run with the same buffers; nothing of ours is in it. It has
//! neither URLs nor names, so that it is given an address.

#![no_std]
#![no_main]

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use edge_http::Method;
use edge_http::io::client::Connection;
use edge_nal_embassy::{Tcp, TcpBuffers};
use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_time::Instant;
use embedded_io_async::Read;
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net::{self, HEAD, RECEIVE, SEND};
use sortie_firmware::report::{self, Fnv};
use static_cell::StaticCell;

/// Fields of a head: the library's own default.
const FIELDS: usize = 64;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

async fn run(stack: Stack<'static>) -> Option<()> {
    static SOCKETS: StaticCell<TcpBuffers<1, SEND, RECEIVE>> = StaticCell::new();

    let tcp = Tcp::new(stack, SOCKETS.init_with(TcpBuffers::new));
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let (port, path) = (host::port(words.next()?)?, words.next()?);
    stack.wait_config_up().await;
    let start = Instant::now();
    let (length, hash) = get(&tcp, port, core::str::from_utf8(path).ok()?).await?;
    report::took(start.elapsed().as_millis());
    report::body(path, length, hash);
    Some(())
}

/// Fetches one path, and returns the length and hash of what came.
async fn get(tcp: &Tcp<'_>, port: u16, path: &str) -> Option<(u32, Fnv)> {
    let mut head = [0; HEAD];
    let host = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(net::HOST)), port);
    let mut connection: Connection<'_, _, FIELDS> = Connection::new(&mut head, tcp, host);
    let fields = [("Host", "10.0.2.2"), ("Connection", "close")];
    connection.initiate_request(true, Method::Get, path, &fields).await.ok()?;
    connection.initiate_response().await.ok()?;
    if connection.headers().ok()?.code != 200 {
        return None;
    }
    let (mut length, mut hash) = (0, Fnv::new());
    let mut buffer = [0; HEAD];
    loop {
        let count = connection.read(&mut buffer).await.ok()?;
        if count == 0 {
            return Some((length, hash));
        }
        hash.add(buffer.get(..count)?);
        length += count as u32;
    }
}
