//! Content of many MiB. The origin hands out pages of memory that the kernel need not copy, and
//! throws away what it receives unseen, so that every client is slower than it is.

use crate::meter::{Failure, Outcome};
use rustix::fs::{MemfdFlags, memfd_create, sendfile};
use rustix::net::{RecvFlags, recv};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Content of one block: what an iteration of the rows moves.
pub(crate) const BLOCK: usize = 1 << 20;

/// Digits of the answer to an upload: how many bytes of content came.
pub(crate) const RECEIPT: usize = 16;

/// Content of a chunk of a download.
const CHUNK: usize = 1 << 10;

/// The content of a block, which tells its parts apart.
fn content() -> impl Iterator<Item = u8> {
    (0..BLOCK).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8)
}

/// What the bytes of a block add up to, for clients that check what they got.
pub(crate) fn block_sum() -> u64 {
    content().map(u64::from).sum()
}

/// Blocks as they are sent, in memory that is a file.
#[derive(Debug)]
struct Blocks {
    plain: File,
    /// In whole chunks, without a last chunk.
    chunked: File,
}

/// Serves for ever, a thread for each connection: there are few.
pub(super) fn serve(listener: &TcpListener) -> Outcome {
    let content: Vec<u8> = content().collect();
    let chunked: Vec<u8> = content
        .chunks(CHUNK)
        .flat_map(|chunk| [format!("{CHUNK:x}\r\n").as_bytes(), chunk, b"\r\n"].concat())
        .collect();
    let blocks = Arc::new(Blocks { plain: memory(&content)?, chunked: memory(&chunked)? });
    for connection in listener.incoming() {
        let (connection, blocks) = (connection?, blocks.clone());
        // A client that goes away ends its own connection only.
        thread::spawn(move || answer(connection, &blocks).map_err(|error| error.to_string()));
    }
    Ok(())
}

/// A file that is nowhere but in memory.
fn memory(content: &[u8]) -> Result<File, Failure> {
    let mut file = File::from(memfd_create("blocks", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    Ok(file)
}

/// Answers one request after the other until the client closes.
fn answer(connection: TcpStream, blocks: &Blocks) -> Outcome {
    connection.set_nodelay(true)?;
    let mut input = Input { connection, bytes: vec![0; BLOCK], start: 0, end: 0 };
    while let Some(request) = input.request()? {
        match request {
            Request::Length(count) => {
                let length = count * BLOCK as u64;
                input.say(&format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"))?;
                send(&input.connection, &blocks.plain, count)?;
            }
            Request::Chunks(count) => {
                input.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                send(&input.connection, &blocks.chunked, count)?;
                input.say("0\r\n\r\n")?;
            }
            Request::Upload(length) => {
                let received = match length {
                    Some(length) => input.discard(length)?,
                    None => input.discard_chunks()?,
                };
                input
                    .say(&format!("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{received:016}"))?;
            }
        }
    }
    Ok(())
}

/// Sends `file` so many times.
fn send(connection: &TcpStream, file: &File, times: u64) -> Outcome {
    let length = file.metadata()?.len();
    for _ in 0..times {
        let mut at = 0;
        while at < length {
            let left = (length - at) as usize;
            sendfile(connection, file, Some(&mut at), left)?;
        }
    }
    Ok(())
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
enum Request {
    /// `GET /length/N`: N blocks with `Content-Length`.
    Length(u64),
    /// `GET /chunks/N`: N blocks in chunks.
    Chunks(u64),
    /// Anything with a body, of this length or chunked: the answer says how much it was.
    Upload(Option<u64>),
}

impl Request {
    fn parse(head: &str) -> Result<Self, Failure> {
        let path = head.split(' ').nth(1).ok_or("no target")?;
        if let Some(count) = path.strip_prefix("/length/") {
            return Ok(Self::Length(count.parse()?));
        }
        if let Some(count) = path.strip_prefix("/chunks/") {
            return Ok(Self::Chunks(count.parse()?));
        }
        let head = head.to_ascii_lowercase();
        let field = |name| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        match (field("content-length:"), field("transfer-encoding:")) {
            (Some(length), None) => Ok(Self::Upload(Some(length.parse()?))),
            (None, Some("chunked")) => Ok(Self::Upload(None)),
            (_, _) => Err(format!("a body without framing:\n{head}").into()),
        }
    }
}

/// A connection and what was read from it ahead.
#[derive(Debug)]
struct Input {
    connection: TcpStream,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// Most bytes that are read where content may follow, which is better thrown away unseen.
    const AHEAD: usize = 32;

    /// The next request; `None` where the client has closed.
    fn request(&mut self) -> Result<Option<Request>, Failure> {
        loop {
            let held = &self.bytes[self.start..self.end];
            if let Some(at) = held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let request = Request::parse(std::str::from_utf8(&held[..at])?)?;
                self.start += at + 4;
                return Ok(Some(request));
            }
            if self.fill(4096)? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads at most so many bytes behind those that are held.
    fn fill(&mut self, most: usize) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let n = self.connection.read(&mut self.bytes[self.end..self.end + most])?;
        self.end += n;
        Ok(n)
    }

    fn say(&mut self, answer: &str) -> io::Result<()> {
        self.connection.write_all(answer.as_bytes())
    }

    /// Throws so many bytes away.
    fn discard(&mut self, length: u64) -> Result<u64, Failure> {
        let held = length.min((self.end - self.start) as u64);
        self.start += held as usize;
        let mut left = length - held;
        while left > 0 {
            let most = left.min(BLOCK as u64) as usize;
            // The kernel copies nothing: TCP takes `TRUNC` for that.
            let (_, n) = recv(&self.connection, &mut self.bytes[..most], RecvFlags::TRUNC)?;
            if n == 0 {
                return Err("the client stopped within a body".into());
            }
            left -= n as u64;
        }
        Ok(length)
    }

    /// Throws a chunked body away: how much content it had.
    fn discard_chunks(&mut self) -> Result<u64, Failure> {
        let mut content = 0;
        loop {
            let size = u64::from_str_radix(self.line()?.trim(), 16)?;
            content += self.discard(size)?;
            if !self.line()?.is_empty() {
                return Err("a chunk is longer than its size, or there are trailers".into());
            }
            if size == 0 {
                return Ok(content);
            }
        }
    }

    /// A line without its end.
    fn line(&mut self) -> Result<String, Failure> {
        loop {
            let held = &self.bytes[self.start..self.end];
            if let Some(at) = held.windows(2).position(|bytes| bytes == b"\r\n") {
                let line = std::str::from_utf8(&held[..at])?.to_owned();
                self.start += at + 2;
                return Ok(line);
            }
            if self.fill(Self::AHEAD)? == 0 {
                return Err("the client stopped within a body".into());
            }
        }
    }
}
