//! `stack PORT`: a connection, and nothing sent over it.
//!
//! What embassy-net takes by itself, with DHCP, DNS and TCP: what a client with names costs is what
//! its image has above this one.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::TcpSocket;
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::{net, report};

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

async fn run(stack: Stack<'static>) -> Option<()> {
    let arguments = Arguments::read();
    let port = host::port(arguments.words().next()?)?;
    stack.wait_config_up().await;
    // An address, so that it needs no server of names; what would ask one is linked all the same.
    let found = stack.dns_query("10.0.2.2", DnsQueryType::A).await.ok()?;
    let (mut receive, mut send) = ([0; net::RECEIVE], [0; net::SEND]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    socket.connect((*found.first()?, port)).await.ok()
}
