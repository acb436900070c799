//! Prints the content of a URL: the standard library alone, which is the floor.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: get-std URL")?;
    let rest = url.strip_prefix("http://").ok_or("no http URL")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(authority)?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    let head = response.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or("no head")?;
    std::io::stdout().write_all(&response[head + 4..])?;
    Ok(())
}
