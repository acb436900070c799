//! The origin: a thread for every connection, requests one after another.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::Outcome;

/// What is answered as a rule.
pub(crate) const SMALL: &[u8] = b"Hello, world!";

/// The length of a file, in bytes.
pub(crate) const FILE: usize = 20_000;

/// Pieces of a trickle, and their length.
const PIECES: usize = 20;
pub(crate) const PIECE: usize = 500;

/// The length of slow content, sent in as many pieces, each after a longer pause: 8 s in all, by
/// which 5,000 have begun.
pub(crate) const SLOW: usize = 20_000;
const SLOW_PIECES: usize = 10;
const SLOW_PAUSE: Duration = Duration::from_millis(800);

/// The length of large content.
pub(crate) const LARGE: usize = 24 << 20;

/// The pause before each.
const PAUSE: Duration = Duration::from_micros(200);

/// Listens on a free port of loopback, prints the address, and serves until standard input ends.
pub(crate) fn serve() -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away ends its connection, and nothing else.
            let serve = move || Connection { stream, held: Vec::new() }.serve().unwrap_or(());
            let _ = thread::Builder::new().stack_size(64 << 10).spawn(serve);
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

struct Connection {
    stream: TcpStream,
    /// What was received and not taken.
    held: Vec<u8>,
}

impl Connection {
    fn serve(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        while let Some(head) = self.head()? {
            let path = head.split(' ').nth(1).unwrap_or_default();
            match path {
                "/close" => return self.answer("Connection: close\r\n", SMALL),
                "/chunks" => self.chunks()?,
                "/file" => self.answer("", &[b'x'; FILE])?,
                "/trickle" => self.trickle()?,
                "/slow" => self.slow()?,
                "/large" => self.large()?,
                "/redirect" => {
                    self.send(b"HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 5\r\n\r\nmoved")?;
                }
                "/upload" => {
                    let length = self.body(&head)?.to_string();
                    self.answer("", length.as_bytes())?;
                }
                _ => self.answer("", SMALL)?,
            }
        }
        Ok(())
    }

    /// The next head; `None` at the end.
    fn head(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = self.held.drain(..end + 4).collect();
                return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
            }
            if self.more()? == 0 {
                return Ok(None);
            }
        }
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer)?;
        self.held.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    /// Takes so many bytes.
    fn skip(&mut self, mut count: usize) -> io::Result<()> {
        loop {
            let held = self.held.len().min(count);
            self.held.drain(..held);
            count -= held;
            if count == 0 {
                return Ok(());
            }
            if self.more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Takes the body behind this head. Returns its length.
    fn body(&mut self, head: &str) -> io::Result<usize> {
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        if let Some(length) = length.and_then(|length| length.parse().ok()) {
            self.skip(length)?;
            return Ok(length);
        }
        let mut length = 0;
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            self.skip(size + 2)?;
            length += size;
            if size == 0 {
                return Ok(length);
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn answer(&mut self, fields: &str, content: &[u8]) -> io::Result<()> {
        let length = content.len();
        let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n");
        self.send(&[head.as_bytes(), content].concat())
    }

    fn chunks(&mut self) -> io::Result<()> {
        let chunk =
            |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (front, back) = SMALL.split_at(5);
        self.send(&[head, &*chunk(front), &*chunk(back), &*chunk(b"")].concat())
    }

    /// Content that comes in pieces, with pauses behind each but the last.
    fn slow(&mut self) -> io::Result<()> {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SLOW}\r\n\r\n").as_bytes())?;
        for number in 0..SLOW_PIECES {
            if number > 0 {
                thread::sleep(SLOW_PAUSE);
            }
            self.send(&[b'x'; SLOW / SLOW_PIECES])?;
        }
        Ok(())
    }

    /// Content that is more than fits into buffers on the way.
    fn large(&mut self) -> io::Result<()> {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").as_bytes())?;
        let piece = [b'x'; 16 << 10];
        (0..LARGE / piece.len()).try_for_each(|_| self.send(&piece))
    }

    /// Content in pieces with pauses, so that there is time to give it up.
    fn trickle(&mut self) -> io::Result<()> {
        let length = PIECES * PIECE;
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes())?;
        for _ in 0..PIECES {
            thread::sleep(PAUSE);
            self.send(&[b'x'; PIECE])?;
        }
        Ok(())
    }
}
