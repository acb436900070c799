//! A server that speaks TLS 1.3 at the far end, and all the ways in which it may not.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::sync::Arc;

use embassy_futures::join::join;
use embassy_futures::select::select;
use embassy_net::Stack;
use embassy_net::tcp::{State, TcpSocket};
use embassy_time::{Duration, Instant, Timer};
use rustls::version::TLS13;
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

use sortie_tests::trace::{content_length, head_end};

use super::authority::Leaf;
use crate::content;

impl Leaf {
    pub(super) fn config(&self) -> ServerConfig {
        self.config_of(&[&TLS13])
    }

    pub(super) fn config_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(versions).unwrap().with_no_client_auth();
        builder.with_single_cert(self.chain.clone(), self.key_der()).unwrap()
    }
}

/// What a server does with a connection.
#[derive(Debug, Clone)]
pub(super) enum Doing {
    /// It shakes hands, and answers requests by their paths: see [`answer`].
    Serves,
    /// It sends this for an answer to the first bytes that come, and closes.
    Says(Vec<u8>),
    /// It sends so many bytes of what it has to send, and closes.
    Stops(usize),
    /// It sends so many bytes of what it has to send, and no more.
    Hangs(usize),
    /// It shakes hands, and then puts this on the wire, not encrypted.
    Injects(Vec<u8>),
}

/// What a server has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) connections: usize,
    /// The first lines of requests.
    pub(super) requests: Vec<String>,
    /// Bytes that came encrypted as content.
    pub(super) content: usize,
    /// Connections on which the client said that it closes.
    pub(super) goodbyes: usize,
    /// Names that clients asked for.
    pub(super) names: Vec<Option<String>>,
    /// The random numbers in the hellos of clients, and their keys behind them.
    pub(super) hellos: Vec<Vec<u8>>,
}

pub(super) struct Server {
    pub(super) config: Arc<ServerConfig>,
    /// One for each connection; the last one goes on.
    pub(super) doings: Vec<Doing>,
    pub(super) seen: RefCell<Seen>,
}

impl Server {
    pub(super) fn new(config: ServerConfig, doings: impl Into<Vec<Doing>>) -> Self {
        Self { config: Arc::new(config), doings: doings.into(), seen: RefCell::default() }
    }

    /// Serves, for ever. One connection may be left in the middle when the next one comes.
    pub(super) async fn serve(&self, stack: Stack<'_>) {
        join(self.serve_one(stack), self.serve_one(stack)).await;
    }

    async fn serve_one(&self, stack: Stack<'_>) {
        let (mut receive, mut send) = (vec![0; 4096], vec![0; 4096]);
        let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
        socket.set_nagle_enabled(false);
        loop {
            if socket.accept(443).await.is_ok() {
                let number = self.seen.borrow().connections;
                self.seen.borrow_mut().connections += 1;
                let doing = self.doings.get(number).or_else(|| self.doings.last()).unwrap().clone();
                let talk = self.talk(&mut socket, &doing);
                select(talk, Timer::after_secs(300)).await;
            }
            socket.close();
            select(socket.flush(), Timer::after_millis(100)).await;
            socket.abort();
            let _ = select(socket.flush(), Timer::after_millis(100)).await;
        }
    }

    async fn talk(&self, socket: &mut TcpSocket<'_>, doing: &Doing) -> Option<()> {
        let mut tls = ServerConnection::new(self.config.clone()).unwrap();
        tls.set_buffer_limit(None);
        let (mut input, mut allowed) = (Vec::new(), usize::MAX);
        if let Doing::Stops(bytes) | Doing::Hangs(bytes) = doing {
            allowed = *bytes;
        }
        let (mut is_first, mut is_shaken) = (true, false);
        loop {
            let mut bytes = [0; 2048];
            let count = socket.read(&mut bytes).await.ok()?;
            if count == 0 {
                return None;
            }
            if is_first {
                is_first = false;
                self.seen.borrow_mut().hellos.push(bytes[11..count].to_vec());
                if let Doing::Says(what) = doing {
                    return write(socket, what).await;
                }
            }
            let mut left = &bytes[..count];
            while !left.is_empty() && tls.read_tls(&mut left).is_ok_and(|count| count > 0) {
                let Ok(state) = tls.process_new_packets() else { break };
                self.seen.borrow_mut().goodbyes += usize::from(state.peer_has_closed());
            }
            let before = input.len();
            let _ = tls.reader().read_to_end(&mut input);
            self.seen.borrow_mut().content += input.len() - before;
            self.flush(socket, &mut tls, doing, &mut allowed).await?;
            if !is_shaken && !tls.is_handshaking() {
                is_shaken = true;
                self.seen.borrow_mut().names.push(tls.server_name().map(str::to_owned));
                if let Doing::Injects(what) = doing {
                    write(socket, what).await?;
                }
            }
            while let Some(end) = head_end(&input) {
                let line = String::from_utf8_lossy(&input[..end]);
                let line = line.lines().next().unwrap_or_default().to_owned();
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let length = end + content_length(&input[..end]);
                if input.len() < length && !path.starts_with("/early/") {
                    break;
                }
                input.drain(..length.min(input.len()));
                self.seen.borrow_mut().requests.push(line);
                self.answer(socket, &mut tls, &path, doing, &mut allowed).await?;
            }
        }
    }

    /// Answers by the path, a verb and a number of bytes: `/length/`; `/closed/`, framed by the end
    /// of the connection; `/cut/`, the same without close_notify; `/short/`, half of what its
    /// length says, and close_notify; `/torn/`, where the last record comes in half and no more;
    /// `/late/`, whose last record comes in two halves a second apart; `/slow/`, in two records a
    /// second apart; `/early/`, an answer to a
    /// request whose body is not read, at once; `/last/`, with `Connection: close`.
    async fn answer(
        &self,
        socket: &mut TcpSocket<'_>,
        tls: &mut ServerConnection,
        path: &str,
        doing: &Doing,
        allowed: &mut usize,
    ) -> Option<()> {
        let (verb, number) = path.trim_start_matches('/').split_once('/').unwrap();
        let count: usize = number.parse().unwrap();
        let status = if verb == "early" { "413 Too Large" } else { "200 OK" };
        let length = match verb {
            "closed" | "cut" => String::new(),
            "last" => format!("Connection: close\r\nContent-Length: {count}\r\n"),
            _ => format!("Content-Length: {count}\r\n"),
        };
        let mut content = content(count);
        if verb == "short" {
            content.truncate(count / 2);
        }
        tls.writer().write_all(format!("HTTP/1.1 {status}\r\n{length}\r\n").as_bytes()).unwrap();
        self.flush(socket, tls, doing, allowed).await?;
        if verb == "slow" {
            let (first, second) = content.split_at(count / 2);
            tls.writer().write_all(first).unwrap();
            self.flush(socket, tls, doing, allowed).await?;
            linger(socket, 1).await;
            content = second.to_vec();
        }
        tls.writer().write_all(&content).unwrap();
        match verb {
            "torn" | "late" => {
                let mut bytes = Vec::new();
                while tls.wants_write() {
                    tls.write_tls(&mut bytes).unwrap();
                }
                let (first, second) = bytes.split_at(bytes.len() / 2);
                write(socket, first).await?;
                linger(socket, if verb == "late" { 1 } else { 1000 }).await;
                write(socket, second).await?;
            }
            "closed" | "short" | "last" => {
                tls.send_close_notify();
                self.flush(socket, tls, doing, allowed).await?;
                return None;
            }
            "cut" => {
                self.flush(socket, tls, doing, allowed).await?;
                return None;
            }
            "early" => {
                self.flush(socket, tls, doing, allowed).await?;
                // Nothing more is read, and the connection stays.
                linger(socket, 1000).await;
            }
            _ => self.flush(socket, tls, doing, allowed).await?,
        }
        Some(())
    }

    async fn flush(
        &self,
        socket: &mut TcpSocket<'_>,
        tls: &mut ServerConnection,
        doing: &Doing,
        allowed: &mut usize,
    ) -> Option<()> {
        while tls.wants_write() {
            let mut bytes = Vec::new();
            tls.write_tls(&mut bytes).unwrap();
            let most = bytes.len().min(*allowed);
            *allowed -= most;
            write(socket, &bytes[..most]).await?;
            if most < bytes.len() {
                if let Doing::Hangs(_) = doing {
                    linger(socket, 1000).await;
                }
                return None;
            }
        }
        Some(())
    }
}

/// Does nothing for so many seconds, or until the connection is reset.
async fn linger(socket: &TcpSocket<'_>, seconds: u64) {
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until && socket.state() != State::Closed {
        Timer::after_millis(100).await;
    }
}

async fn write(socket: &mut TcpSocket<'_>, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        let count = socket.write(bytes).await.ok()?;
        bytes = &bytes[count..];
    }
    Some(())
}
