//! A far end for many tasks: what it does is said by the path of each request.

use std::cell::RefCell;
use std::fmt::Write as _;

use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use embassy_time::Timer;

use super::link::all;
use crate::trace::{content_length, head_end, is_chunked};

/// The port that it listens at.
const PORT: u16 = 80;

/// Connections that it can have at once.
const CONNECTIONS: usize = 6;

/// For how long a server that hangs does nothing, in milliseconds.
const HANGS: u64 = 2_000;

/// What the server was asked.
#[derive(Debug, Default)]
pub struct Served {
    /// Method and path of each request, in their order.
    pub requests: RefCell<Vec<String>>,
    /// The length of each body, in the same order.
    pub bodies: RefCell<Vec<usize>>,
}

/// Serves, for ever. Paths begin with a verb and go on with a number of bytes:
/// `/length/`, `/chunked/`, `/closed/` (framed by the end of the connection), `/cut/` (half of it
/// comes, then a reset), `/slow/` (in two halves), `/hang/` (nothing comes for 2 s), `/early/` (an
/// answer before the body is read), `/to/` (a redirect to `/length/`).
pub(super) async fn serve(stack: Stack<'_>, served: &Served) {
    let one = |_| -> super::executor::Beside<'_> { Box::pin(serve_one(stack, served)) };
    all((0..CONNECTIONS).map(one).collect()).await;
}

async fn serve_one(stack: Stack<'_>, served: &Served) {
    let (mut receive, mut send) = ([0; 4096], [0; 4096]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    socket.set_nagle_enabled(false);
    loop {
        if socket.accept(PORT).await.is_ok() {
            // A client that is gone without a word is forgotten.
            let silence = Timer::after_millis(10 * HANGS);
            match select(talk(&mut socket, served), silence).await {
                Either::First(Some(())) => {
                    socket.close();
                    let _ = select(socket.flush(), Timer::after_millis(HANGS)).await;
                }
                Either::First(None) | Either::Second(()) => {}
            }
        }
        socket.abort();
        let _ = select(socket.flush(), Timer::after_millis(HANGS)).await;
    }
}

/// Answers requests until the connection is to be closed in order; `None` where it is broken.
async fn talk(socket: &mut TcpSocket<'_>, served: &Served) -> Option<()> {
    let mut input = Vec::new();
    loop {
        let head = loop {
            match head_end(&input) {
                Some(end) => break end,
                None => more(socket, &mut input).await?,
            }
        };
        let line = String::from_utf8_lossy(&input[..head]).into_owned();
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        served.requests.borrow_mut().push(format!("{method} {path}"));
        let (verb, number) = path.trim_start_matches('/').split_once('/').unwrap_or((path, "0"));
        let count: usize = number.parse().unwrap_or(0);
        if verb == "early" {
            answer(socket, "413 Too Large", "length", count).await?;
            return Some(());
        }
        let body = body(socket, &mut input, head).await?;
        served.bodies.borrow_mut().push(body);
        match verb {
            "hang" => {
                Timer::after_millis(HANGS).await;
                return None;
            }
            "to" => {
                let location = format!(
                    "HTTP/1.1 302 There\r\nLocation: /length/{count}\r\n\
                                        Content-Length: 2\r\n\r\nup"
                );
                write(socket, location.as_bytes()).await?;
            }
            "closed" => {
                answer(socket, "200 OK", verb, count).await?;
                return Some(());
            }
            _ => answer(socket, "200 OK", verb, count).await?,
        }
    }
}

/// So many bytes of content.
#[must_use]
pub(super) fn content(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}

/// `None` where the connection is broken by it.
async fn answer(socket: &mut TcpSocket<'_>, status: &str, verb: &str, count: usize) -> Option<()> {
    let content = content(count);
    let mut head = format!("HTTP/1.1 {status}\r\nETag: \"{count}\"\r\n");
    let half = count / 2;
    match verb {
        "chunked" => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
        "closed" => head.push_str("\r\n"),
        _ => {
            let _ = write!(head, "Content-Length: {count}\r\n\r\n");
        }
    }
    write(socket, head.as_bytes()).await?;
    match verb {
        "chunked" => {
            for chunk in content.chunks(300) {
                let size = format!("{:x}\r\n", chunk.len());
                write(socket, &[size.as_bytes(), chunk, b"\r\n"].concat()).await?;
            }
            write(socket, b"0\r\n\r\n").await
        }
        "slow" => {
            write(socket, &content[..half]).await?;
            Timer::after_millis(5).await;
            write(socket, &content[half..]).await
        }
        "cut" => {
            write(socket, &content[..half]).await?;
            None
        }
        _ => write(socket, &content).await,
    }
}

/// Takes the body of a request out of `input`, and the head before it. Returns its length.
async fn body(socket: &mut TcpSocket<'_>, input: &mut Vec<u8>, head: usize) -> Option<usize> {
    let length = match is_chunked(&input[..head]) {
        false => content_length(&input[..head]),
        true => loop {
            let end = b"0\r\n\r\n";
            let body = &input[head..];
            match body.windows(end.len()).position(|bytes| bytes == end) {
                Some(at) => break at + end.len(),
                None => more(socket, input).await?,
            }
        },
    };
    while input.len() < head + length {
        more(socket, input).await?;
    }
    input.drain(..head + length);
    Some(length)
}

async fn more(socket: &mut TcpSocket<'_>, input: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 1024];
    let count = socket.read(&mut bytes).await.ok()?;
    input.extend(&bytes[..count]);
    (count > 0).then_some(())
}

async fn write(socket: &mut TcpSocket<'_>, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        let count = socket.write(bytes).await.ok()?;
        bytes = &bytes[count..];
    }
    Some(())
}
