//! `reqwless PORT PATH`: the GET of `baseline`, by reqwless.
//!
//! A peer, to be measured in the same run with the same buffers; nothing of ours is in it.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_net::dns::DnsSocket;
use embassy_net::tcp::client::{TcpClient, TcpClientState};
use embassy_time::Instant;
use reqwless::client::HttpClient;
use reqwless::request::{Method, RequestBuilder};
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
    static SOCKETS: StaticCell<TcpClientState<1, SEND, RECEIVE>> = StaticCell::new();

    let sockets = SOCKETS.init_with(TcpClientState::new);
    let (tcp, dns) = (TcpClient::new(stack, sockets), DnsSocket::new(stack));
    let mut client = HttpClient::new(&tcp, &dns);
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let (port, path) = (words.next()?, words.next()?);
    let mut url = [0; 64];
    let url = core::str::from_utf8(net::url(port, path, &mut url)?).ok()?;
    stack.wait_config_up().await;
    let start = Instant::now();
    let (length, hash) = get(&mut client, url).await?;
    report::took(start.elapsed().as_millis());
    report::body(path, length, hash);
    Some(())
}

/// Fetches what is asked for, and returns the length and hash of what came.
async fn get<const N: usize>(
    client: &mut HttpClient<'_, TcpClient<'_, N, SEND, RECEIVE>, DnsSocket<'_>>,
    url: &str,
) -> Option<(u32, Fnv)> {
    let request = client.request(Method::GET, url).await.ok()?;
    let mut request = request.headers(&[("Connection", "close")]);
    let mut buffer = [0; HEAD];
    let response = request.send(&mut buffer).await.ok()?;
    if response.status.0 != 200 {
        return None;
    }
    report::read(&mut response.body().reader()).await
}
