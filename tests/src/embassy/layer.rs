//! What is between the socket of an origin and what it says: nothing, or TLS.

use std::future::Future;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use embassy_net::tcp::TcpSocket;
use rustls::{ServerConfig, ServerConnection};

use super::executor::now;
use crate::origin::Peer;

/// What passes between a socket and an origin, on its way.
#[derive(Debug, Default)]
pub(super) struct Layer {
    tls: Option<Box<ServerConnection>>,
    /// What came, and the origin has not taken.
    held: Vec<u8>,
    /// What goes, as it goes.
    outbox: Vec<u8>,
    /// Nothing more goes.
    is_ended: bool,
}

impl Layer {
    /// Nothing, or TLS of this kind.
    pub(super) fn new(config: Option<&Arc<ServerConfig>>) -> Self {
        let tls = config.map(|config| {
            let mut tls = ServerConnection::new(config.clone()).expect("a usable configuration");
            tls.set_buffer_limit(None);
            Box::new(tls)
        });
        Self { tls, ..Self::default() }
    }

    /// Lets the origin take what came. Ready when something moved.
    pub(super) fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut TcpSocket<'_>,
        peer: &mut Peer,
    ) -> Poll<()> {
        let Some(tls) = &mut self.tls else {
            return poll_read(cx, socket, |bytes| take(peer, bytes));
        };
        // As a socket does, it takes no more while the origin takes nothing.
        if !self.held.is_empty() {
            let took = take(peer, &self.held);
            self.held.drain(..took);
            return if took > 0 { Poll::Ready(()) } else { Poll::Pending };
        }
        let held = &mut self.held;
        poll_read(cx, socket, |mut bytes| {
            let before = bytes.len();
            // What is no TLS ends the connection by an alert, which is to be sent.
            if tls.read_tls(&mut bytes).is_ok() && tls.process_new_packets().is_ok() {
                // The end of what is there is no error here.
                let _ = tls.reader().read_to_end(held);
            }
            before - bytes.len()
        })
    }

    /// Sends these bytes of the origin's.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes).expect("room without limit"),
            None => self.outbox.extend(bytes),
        }
    }

    /// Writes what is to be sent. Ready when something was written.
    pub(super) fn poll_give(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut TcpSocket<'_>,
    ) -> Poll<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.outbox).expect("memory takes everything");
            }
        }
        if self.outbox.is_empty() {
            return Poll::Pending;
        }
        let written = pin!(socket.write(&self.outbox)).poll(cx);
        match written {
            Poll::Ready(Ok(count)) => {
                self.outbox.drain(..count);
                Poll::Ready(())
            }
            Poll::Ready(Err(_)) => {
                self.outbox.clear();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// The origin closes the connection in order: TLS says so. Whether something is to be given.
    pub(super) fn end(&mut self) -> bool {
        let says_so = !self.is_ended;
        self.is_ended = true;
        match &mut self.tls {
            Some(tls) if says_so => {
                tls.send_close_notify();
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether all that was sent is in the socket: not before there is something to send it over.
    pub(super) fn is_empty(&self) -> bool {
        let is_open = self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking());
        is_open && self.outbox.is_empty()
    }
}

/// How much of `bytes` the origin takes.
fn take(peer: &mut Peer, bytes: &[u8]) -> usize {
    match peer.write(now(), bytes) {
        Poll::Ready(Ok(count)) => count,
        Poll::Ready(Err(_)) | Poll::Pending => 0,
    }
}

/// Has `take` take of what came. Ready when it took something.
fn poll_read(
    cx: &mut Context<'_>,
    socket: &mut TcpSocket<'_>,
    take: impl FnOnce(&[u8]) -> usize,
) -> Poll<()> {
    let read = pin!(socket.read_with(|bytes| {
        let took = take(bytes);
        (took, took)
    }));
    match read.poll(cx) {
        Poll::Ready(Ok(1..)) => Poll::Ready(()),
        Poll::Ready(_) | Poll::Pending => Poll::Pending,
    }
}
