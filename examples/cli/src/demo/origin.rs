//! An origin on loopback: one file, slowly, with ranges, and a connection that is cut.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// The length of the file, in bytes.
pub(super) const LENGTH: u64 = 24 << 20;

/// Bytes that it sends in a second.
const RATE: u64 = 4 << 20;

/// The first connection is cut behind so many bytes of the file.
const CUT: u64 = 14 << 20;

/// What is sent at once.
const PIECE: u64 = 64 << 10;

/// The SHA-256 of the file, which is the same at every run.
pub(super) const SHA256: [u8; 32] = [
    0x9d, 0xd1, 0x16, 0xf2, 0xe1, 0x7c, 0x70, 0x2d, 0x19, 0xa7, 0x91, 0x21, 0x97, 0xd3, 0x4f, 0xca,
    0x2b, 0x6e, 0x97, 0x3d, 0x17, 0x2b, 0xec, 0xa5, 0x6b, 0xf7, 0xdc, 0x82, 0x2e, 0x07, 0x44, 0x0c,
];

/// The bytes of the file from `from` on, which is a multiple of 8: SplitMix64, a known sequence
/// that looks like chance.
pub(super) fn content(from: u64, length: u64) -> Vec<u8> {
    let words = from / 8..(from + length).div_ceil(8);
    let mut bytes: Vec<u8> = words.flat_map(|at| word(at).to_le_bytes()).collect();
    bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    bytes
}

fn word(at: u64) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut mixed = at.wrapping_mul(STEP).wrapping_add(STEP);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Begins to serve. The thread ends with the process.
pub(super) fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        let mut cut = CUT;
        for stream in listener.incoming().flatten() {
            // A client that goes away is none of ours.
            let _ = serve(stream, cut);
            cut = LENGTH;
        }
    });
    Ok(address)
}

/// Answers one request, up to the byte at `cut`.
fn serve(mut stream: TcpStream, cut: u64) -> io::Result<()> {
    let start = range_start(&read_head(&mut stream)?).unwrap_or(0);
    let status = if start > 0 { "206 Partial Content" } else { "200 OK" };
    let mut head = format!("HTTP/1.1 {status}\r\nETag: \"demo\"\r\nConnection: close\r\n");
    head += &format!("Content-Length: {}\r\n", LENGTH - start);
    if start > 0 {
        head += &format!("Content-Range: bytes {start}-{}/{LENGTH}\r\n", LENGTH - 1);
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    let (began, mut at) = (Instant::now(), start);
    while at < cut {
        let piece = PIECE.min(cut - at);
        // From a multiple of 8 on, wherever the client goes on.
        let before = at % 8;
        let bytes = content(at - before, piece + before);
        stream.write_all(&bytes[usize::try_from(before).unwrap_or(0)..])?;
        at += piece;
        let due = Duration::from_micros((at - start) * 1_000_000 / RATE);
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    Ok(())
}

fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&head).to_lowercase())
}

/// Where the client wants to go on.
fn range_start(head: &str) -> Option<u64> {
    let line = head.lines().find_map(|line| line.strip_prefix("range: bytes="))?;
    line.strip_suffix('-')?.parse().ok().filter(|start| *start < LENGTH)
}
