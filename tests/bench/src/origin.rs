//! The origin of the `get` rows: a process of its own, so that only the client is counted.

use crate::meter::Outcome;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// What every request is answered with: the four fields that servers send as a rule.
pub(crate) const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: nginx/1.22.1\r\n\
    Date: Mon, 23 Nov 2026 08:15:42 GMT\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 13\r\n\
    \r\n\
    Hello, world!";

/// Its content, for the rows to compare.
pub(crate) const CONTENT: &[u8] = b"Hello, world!";

/// How long a request waits for its answer.
///
/// Without it an answer would be there before or after the client looks for it, as chance and the
/// slowness of callgrind and strace have it, and the counts with it. So every client has to wait
/// for every answer, as on a network.
const DELAY: Duration = Duration::from_millis(2);

/// Listens on a free port of loopback, prints the address, and serves until standard input ends.
///
/// So it ends with whoever started it, even where that one was killed.
pub(crate) fn serve() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || answer(connection));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// Answers one request after the other, each in one write, until the client closes.
fn answer(mut connection: TcpStream) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut input = [0; 4096];
    let mut filled = 0;
    loop {
        let n = connection.read(&mut input[filled..])?;
        if n == 0 {
            return Ok(());
        }
        filled += n;
        if input[..filled].ends_with(b"\r\n\r\n") {
            thread::sleep(DELAY);
            connection.write_all(RESPONSE)?;
            filled = 0;
        }
    }
}
