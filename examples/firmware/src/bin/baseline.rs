//! `baseline PORT PATH`: a GET by hand.
//!
//! Shows that the board and the TCP/IP stack work, and is the floor for sizes: what any client
//! costs is what its image has above this one. Hence it reads the status and skips the fields: it
//! cannot tell a complete body from one cut short, cannot read chunks, and uses a connection once.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::tcp::TcpSocket;
use embassy_net::{Ipv4Address, Stack};
use embassy_time::{Duration, Instant};
use embedded_io_async::Write;
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net;
use sortie_firmware::report::{self, Fnv};

/// How long the server may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

async fn run(stack: Stack<'static>) -> Option<()> {
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let port = host::port(words.next()?)?;
    let path = words.next()?;
    stack.wait_config_up().await;
    let start = Instant::now();
    let (length, hash) = get(stack, port, path).await?;
    report::took(start.elapsed().as_millis());
    report::body(path, length, hash);
    Some(())
}

/// Fetches one path, and returns the length and hash of what came.
async fn get(stack: Stack<'static>, port: u16, path: &[u8]) -> Option<(u32, Fnv)> {
    let (mut receive, mut send) = ([0; net::RECEIVE], [0; net::SEND]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    socket.set_timeout(Some(PATIENCE));
    socket.connect((Ipv4Address::from_octets(net::HOST), port)).await.ok()?;
    socket.write_all(b"GET ").await.ok()?;
    socket.write_all(path).await.ok()?;
    socket.write_all(b" HTTP/1.1\r\nHost: 10.0.2.2\r\nConnection: close\r\n\r\n").await.ok()?;

    let mut buffer = [0; net::HEAD];
    let mut filled = 0;
    let head = loop {
        let free = buffer.get_mut(filled..)?;
        let read = socket.read(free).await.ok()?;
        if read == 0 {
            return None; // Closed, or the head is larger than the buffer.
        }
        filled += read;
        let seen = buffer.get(..filled)?;
        if let Some(at) = seen.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
    };
    if !buffer.starts_with(b"HTTP/1.1 200 ") {
        return None;
    }

    let mut hash = Fnv::new();
    let mut content = buffer.get(head..filled)?;
    let mut length = 0;
    loop {
        hash.add(content);
        length += content.len() as u32;
        let read = socket.read(&mut buffer).await.ok()?;
        if read == 0 {
            return Some((length, hash));
        }
        content = buffer.get(..read)?;
    }
}
