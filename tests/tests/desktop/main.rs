//! The desktop runtime on real sockets, against an origin that does exactly what it is told.

mod addresses;
mod background;
#[cfg(target_os = "linux")]
mod backpressure;
mod bodies;
mod configuration;
mod connections;
mod conversions;
mod deadlines;
mod decisions;
mod delegate;
mod descriptors;
#[cfg(unix)]
mod disks;
mod downloads;
mod exchange;
mod handle;
mod helpers;
mod json;
mod names;
mod redirects;
mod resumption;
mod scheduling;
mod session;
mod tasks;
mod tls;
mod uploads;
mod worlds;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long an origin waits for anything, so that a fault ends a test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(20);

/// An origin on loopback whose connections run a closure each, one after another.
struct Origin {
    url: String,
    thread: JoinHandle<()>,
}

impl Origin {
    /// Accepts as many connections as there are scripts, and hands each to its own.
    fn new<F>(scripts: Vec<F>) -> Self
    where
        F: FnOnce(&mut Near) + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            for script in scripts {
                let (stream, _) = listener.accept().unwrap();
                script(&mut Near::new(stream));
            }
        });
        Self { url, thread }
    }

    /// One connection, on which each request gets the next of these responses.
    fn answering(responses: &[&str]) -> Self {
        let responses: Vec<String> = responses.iter().map(|text| (*text).to_owned()).collect();
        Self::new(vec![move |near: &mut Near| {
            for response in &responses {
                near.request();
                near.send(response);
            }
        }])
    }

    fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
    }

    /// All scripts ran to their end.
    fn done(self) {
        self.thread.join().expect("the origin's scripts");
    }
}

/// The origin's end of a connection.
struct Near {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Near {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, held: Vec::new() }
    }

    /// Takes one request without a body, or the head of one with a body.
    fn request(&mut self) -> String {
        let mut buffer = [0; 4096];
        loop {
            if let Some(end) = self.held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.held.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            let count = self.stream.read(&mut buffer).expect("a request in time");
            assert!(count > 0, "the client closed before a whole request");
            self.held.extend_from_slice(&buffer[..count]);
        }
    }

    /// Takes exactly so many bytes of body.
    fn body(&mut self, length: usize) -> Vec<u8> {
        let mut body = std::mem::take(&mut self.held);
        let held = body.len();
        body.resize(length, 0);
        self.stream.read_exact(&mut body[held..]).expect("a whole body");
        body
    }

    /// Takes a chunked body: its content.
    fn chunked(&mut self) -> Vec<u8> {
        let mut content = Vec::new();
        loop {
            let size = usize::from_str_radix(self.line().split(';').next().unwrap(), 16).unwrap();
            let data = self.exactly(size);
            content.extend(data);
            assert_eq!(self.line(), "");
            if size == 0 {
                return content;
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(self.exactly(1));
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).unwrap()
    }

    /// Takes so many bytes, some of which may be held.
    fn exactly(&mut self, count: usize) -> Vec<u8> {
        let mut buffer = [0; 16 * 1024];
        while self.held.len() < count {
            let more = self.stream.read(&mut buffer).expect("more in time");
            assert!(more > 0, "the client closed too early");
            self.held.extend_from_slice(&buffer[..more]);
        }
        self.held.drain(..count).collect()
    }

    /// Takes so many bytes and no more: closing the connection resets it then, if there are any.
    fn only(&mut self, count: usize) {
        self.stream.read_exact(&mut vec![0; count]).expect("a request in time");
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the client reads");
    }

    /// Sends what the client may no longer want.
    fn send_if_wanted(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Waits until the client closes; anything that it still sends is not expected.
    fn closed(&mut self) {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => {}
            Ok(_) => panic!("the client sent more instead of closing"),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the client does not close: {error}"),
        }
    }

    /// Waits until the client closes, whatever it sends before.
    fn ended(&mut self) {
        let mut rest = [0; 16 * 1024];
        while self.stream.read(&mut rest).is_ok_and(|count| count > 0) {}
    }

    fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// A pair with which a test lets an origin go on.
fn gate() -> (Sender<()>, Receiver<()>) {
    channel()
}

fn pass(gate: &Receiver<()>) {
    gate.recv_timeout(PATIENCE).expect("the test lets the origin go on");
}
