//! Short answers: one thread for all connections, so that thousands of them cost it nothing.

use crate::meter::Outcome;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

/// What a request is answered with: the four fields that servers send as a rule.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: nginx/1.22.1\r\n\
    Date: Mon, 23 Nov 2026 08:15:42 GMT\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 13\r\n\
    \r\n\
    Hello, world!";

/// Its content, for the rows to compare.
pub(crate) const CONTENT: &[u8] = b"Hello, world!";

/// What a request for `/slow` is answered with. The rest never comes.
const SLOW: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: nginx/1.22.1\r\n\
    Date: Mon, 23 Nov 2026 08:15:42 GMT\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 1000000\r\n\
    \r\n\
    Patience";

/// What there is of its content.
pub(crate) const BEGINNING: &[u8] = b"Patience";

/// How long requests wait for their answers.
///
/// Without it an answer would be there before or after the client looks for it, as chance and the
/// slowness of callgrind and strace have it, and the counts with it. So every client has to wait
/// for every answer, as on a network; and what many clients ask for meanwhile is answered together.
const DELAY: Duration = Duration::from_millis(2);

/// Events taken at once.
const EVENTS: usize = 8192;

/// What stands for the listener among the descriptors.
const LISTENER: u64 = u64::MAX;

/// Serves for ever.
pub(super) fn serve(listener: &TcpListener) -> Outcome {
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    // By descriptor, which the system gives out from the smallest on.
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut events: Vec<Event> = Vec::with_capacity(EVENTS);
    loop {
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        thread::sleep(DELAY);
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let data = event.data;
            if data.u64() == LISTENER {
                accept(listener, &epoll, &mut connections)?;
                continue;
            }
            let connection = &mut connections[data.u64() as usize];
            if connection.as_mut().is_some_and(|open| !answer(open)) {
                *connection = None;
            }
        }
    }
}

/// Takes every connection that waits.
fn accept(
    listener: &TcpListener,
    epoll: &impl std::os::fd::AsFd,
    connections: &mut Vec<Option<TcpStream>>,
) -> Outcome {
    loop {
        match listener.accept() {
            Ok((connection, _)) => {
                connection.set_nodelay(true)?;
                connection.set_nonblocking(true)?;
                let at = connection.as_raw_fd() as usize;
                epoll::add(epoll, &connection, EventData::new_u64(at as u64), EventFlags::IN)?;
                if at >= connections.len() {
                    connections.resize_with(at + 1, || None);
                }
                connections[at] = Some(connection);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Answers a request in one write; false where the connection has ended.
///
/// A head comes in one piece, as every client here writes it; of one in several the last counts.
fn answer(connection: &mut TcpStream) -> bool {
    let mut input = [0; 4096];
    match connection.read(&mut input) {
        Ok(0) => false,
        Ok(n) if input[..n].ends_with(b"\r\n\r\n") => {
            let is_slow = input.starts_with(b"GET /slow ");
            connection.write_all(if is_slow { SLOW } else { RESPONSE }).is_ok()
        }
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
