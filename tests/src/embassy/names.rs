//! A name server that knows the names of one domain.

use embassy_net::Stack;
use embassy_net::udp::{PacketMetadata, UdpSocket};

use super::link::FAR;

/// The port of name servers.
const PORT: u16 = 53;

/// The end of `origin.example`, as a query writes it, with the type and the class of an address.
const KNOWN: &[u8] = b"\x07example\x00\x00\x01\x00\x01";

/// The end of a name about which nothing is said.
const SILENT: &[u8] = b"\x06silent\x00\x00\x01\x00\x01";

/// Bytes before the question of a message (RFC 1035 §4.1.1).
const HEADER: usize = 12;

/// Answers queries, for ever: names such as `origin.example` have the address of the far end, and
/// nothing else has one. Of names such as
/// `origin.silent` it says nothing at all.
pub(super) async fn serve(stack: Stack<'_>) {
    let (mut receive, mut send) = ([0; 1024], [0; 1024]);
    let (mut received, mut sent) = ([PacketMetadata::EMPTY; 4], [PacketMetadata::EMPTY; 4]);
    let mut socket = UdpSocket::new(stack, &mut received, &mut receive, &mut sent, &mut send);
    socket.bind(PORT).expect("a free port");
    let mut query = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut query).await.expect("a short query");
        if query[HEADER..length].ends_with(SILENT) {
            continue;
        }
        let answer = answer(&query[..length]);
        socket.send_to(&answer, from).await.expect("a way back");
    }
}

fn answer(query: &[u8]) -> Vec<u8> {
    let is_known = query[HEADER..].ends_with(KNOWN);
    // A response; without error or "no such name". One question; one answer or none.
    let flags = if is_known { [0x81, 0x80] } else { [0x81, 0x83] };
    let counts = [0, 1, 0, u8::from(is_known), 0, 0, 0, 0];
    let mut answer = [&query[..2], &flags, &counts, &query[HEADER..]].concat();
    if is_known {
        // The name of the question, type A, class IN, a minute, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(FAR.octets());
    }
    answer
}
