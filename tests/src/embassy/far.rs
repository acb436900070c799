//! The far end: scripted origins on real sockets.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use embassy_time::{Instant, Timer};
use rustls::ServerConfig;

use super::executor::now;
use super::layer::Layer;
use super::link::all;
use crate::origin::{Peer, Split};
use crate::script::{Origin, Part, Step};

/// The port of an origin.
const PORT: u16 = 80;

/// What an origin answers to the request that precedes a script on a reused connection.
pub(super) const PRELUDE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What the far end has seen.
#[derive(Debug, Default)]
pub(super) struct Far {
    /// The origins, in the order of their connections.
    peers: RefCell<Vec<Peer>>,
    /// The ports at which they are; port 80 where nothing is said.
    ports: Vec<u16>,
    /// How connections are secured, if they are.
    security: Option<Arc<ServerConfig>>,
    /// Connections accepted so far.
    accepted: Cell<usize>,
    /// The script begins: a connection that was used before is handed over.
    begun: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Far {
    /// With the origins at these ports.
    pub(super) fn at(ports: &[u16]) -> Self {
        Self { ports: ports.to_vec(), ..Self::default() }
    }

    /// The same behind TLS of this kind.
    pub(super) fn secure(ports: &[u16], config: Arc<ServerConfig>) -> Self {
        Self { security: Some(config), ..Self::at(ports) }
    }

    /// Lets the script begin on a connection that was used before.
    pub(super) fn begin(&self) {
        self.begun.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Whether each origin that was met waits for a request, or for nothing more.
    pub(super) fn is_quiet(&self) -> bool {
        self.peers.borrow().iter().all(|peer| peer.is_done() || peer.is_expecting())
    }

    /// The bytes that the origins took, each.
    pub(super) fn requests(&self) -> Vec<Vec<u8>> {
        let peers = self.peers.borrow();
        peers.iter().map(|peer| peer.request().to_vec()).collect()
    }

    /// Plays `origins` on the connections that come, in their order; the one after the last is
    /// refused.
    pub(super) async fn serve(&self, stack: Stack<'_>, origins: &[Origin]) {
        let mut futures: Vec<super::executor::Beside<'_>> = Vec::new();
        for (place, origin) in origins.iter().enumerate() {
            if origin.refuses() {
                break;
            }
            futures.push(Box::pin(self.serve_one(stack, place, origin)));
        }
        all(futures).await
    }

    async fn serve_one(&self, stack: Stack<'_>, place: usize, origin: &Origin) {
        // It listens when the one before is taken, so that connections come in order.
        poll_fn(|_| match self.accepted.get() == place {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        let (mut receive, mut send) = ([0; 8192], [0; 8192]);
        let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
        socket.set_nagle_enabled(false);
        loop {
            let port = self.ports.get(place).copied().unwrap_or(PORT);
            let accepted = socket.accept(port).await;
            accepted.expect("a free port");
            if socket.may_recv() || socket.recv_queue() > 0 {
                break;
            }
            socket.abort();
        }
        let mut layer = Layer::new(self.security.as_ref());
        if origin.is_reused {
            let prelude = [Step::Expect(Part::Request), Step::Send(PRELUDE.into())];
            let prelude = Origin { steps: prelude.into(), ..Origin::default() };
            let peer = RefCell::new(vec![Peer::new(&prelude, Split::Whole, now())]);
            let played = play(&mut socket, &peer, 0, &mut layer);
            let begun = poll_fn(|cx| match self.begun.get() {
                true => Poll::Ready(()),
                false => {
                    self.waker.replace(Some(cx.waker().clone()));
                    Poll::Pending
                }
            });
            embassy_futures::select::select(played, begun).await;
        }
        let peer = Peer::new(origin, Split::Whole, now());
        self.peers.borrow_mut().push(peer);
        self.accepted.set(place + 1);
        play(&mut socket, &self.peers, place, &mut layer).await;
    }
}

/// Plays the peer at `place` on `socket`, for ever.
async fn play(
    socket: &mut TcpSocket<'_>,
    peers: &RefCell<Vec<Peer>>,
    place: usize,
    layer: &mut Layer,
) {
    let mut end = None;
    poll_fn(|cx| {
        let mut peers = peers.borrow_mut();
        let peer = peers.get_mut(place).expect("an origin in this place");
        loop {
            let took = layer.poll_take(cx, socket, peer);
            if end.is_none() {
                let mut bytes = [0; 2048];
                match peer.read(now(), &mut bytes) {
                    Poll::Ready(Ok(count @ 1..)) => layer.send(&bytes[..count]),
                    Poll::Ready(result) => end = Some(result),
                    Poll::Pending => {}
                }
            }
            let gave = layer.poll_give(cx, socket);
            let says_so = matches!(end, Some(Ok(_))) && layer.is_empty() && layer.end();
            if took.is_pending() && gave.is_pending() && !says_so {
                break;
            }
        }
        if let Some(wakes) = peer.wakes() {
            // Its first poll asks for the wake-up.
            let _ = pin!(Timer::at(Instant::from_micros(wakes))).poll(cx);
        }
        match &end {
            Some(end) if layer.is_empty() => poll_end(cx, socket, end),
            Some(_) | None => Poll::Pending,
        }
    })
    .await
}

/// Ends the connection when all that was sent has arrived, and resets it if more comes.
fn poll_end(cx: &mut Context<'_>, socket: &mut TcpSocket<'_>, end: &io::Result<usize>) -> Poll<()> {
    if socket.send_queue() > 0 {
        let _ = pin!(socket.flush()).poll(cx);
        return Poll::Pending;
    }
    match end {
        Ok(_) if socket.can_recv() => socket.abort(),
        Ok(_) => socket.close(),
        Err(_) => socket.abort(),
    }
    Poll::Pending
}
