//! `opened PORT PATH...`: each path fetched by a data task, over a socket that the program opened.
//!
//! The GET of `get`, by [`Session::connection_over`]: what this image takes beside that one is what
//! comes of a stream that is not the session's. Nobody needs it for a socket, which the session
//! opens by itself. It stands for that of another TLS library, or of a serial line.

#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_net::tcp::TcpSocket;
use embassy_net::{Ipv4Address, Stack};
use embassy_time::Instant;
use sortie_embassy::{
    BodyLength, Config, ControlBlock, OpenedStream, Request, Resources, Session, Url,
};
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net::{self, HEAD, RECEIVE, SEND};
use sortie_firmware::report;
use static_cell::StaticCell;

/// Bytes of the buffers of the session's own socket, which it has to have and nobody uses here.
const UNUSED: usize = 64;

/// Bytes of each of the two buffers between a task and the stream.
const BETWEEN: usize = 1024;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

async fn run(stack: Stack<'static>) -> Option<()> {
    static OWN: StaticCell<Resources<1, UNUSED>> = StaticCell::new();
    static RESOURCES: StaticCell<Resources<1, BETWEEN, BETWEEN, HEAD>> = StaticCell::new();

    let session = Session::new(stack, OWN.init_with(Resources::new), Config::default());
    let resources = RESOURCES.init_with(Resources::new);
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let port = words.next()?;
    let mut next = Some(words.next()?);
    stack.wait_config_up().await;

    let (mut receive, mut send) = ([0; RECEIVE], [0; SEND]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    socket.connect((Ipv4Address::from_octets(net::HOST), host::port(port)?)).await.ok()?;
    let mut url = [0; 48];
    let origin = Url::from_ascii(net::url(port, b"/", &mut url)?).ok()?;
    let (reader, writer) = socket.split();
    let stream = OpenedStream::plaintext(origin, reader, writer);
    let done = session.connection_over(stream, resources, async |connection| {
        while let Some(path) = next {
            let mut url = [0; 48];
            let url = Url::from_ascii(net::url(port, path, &mut url)?).ok()?;
            let request = Request::new("GET", url, &[], BodyLength::None).ok()?;
            let start = Instant::now();
            let mut urls = [0; 64];
            let mut block = ControlBlock::new();
            let (mut seat, control) = block.split();
            let task = connection.data_task(&request).target(&mut urls).control(&mut seat);
            let mut body = task.open().await.ok()?;
            if body.status() != 200 {
                control.cancel();
            }
            control.suspend().ok()?;
            control.resume();
            let (length, hash) = report::read(&mut body).await?;
            report::took(start.elapsed().as_millis());
            report::body(path, length, hash);
            next = words.next();
        }
        Some(())
    });
    let done = done.await;
    // The stream is the program's again.
    socket.close();
    socket.flush().await.ok()?;
    done
}
