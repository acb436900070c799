//! `sortie demo`: an origin of its own on loopback, and one task fetched from it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

use sortie::{Session, Task};

/// What the origin has to give.
const CONTENT: &[u8] = b"A sortie goes out, does one job and comes back.\n";

pub(crate) fn run() -> ExitCode {
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sortie: demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = io::stdout().lock();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let url = format!("http://{}/", listener.local_addr()?);
    writeln!(out, "an origin listens at {url}")?;
    let origin = thread::spawn(move || serve(&listener));

    let session = Session::new();
    let task = session.task(&url)?;
    tell(&mut out, "created", &task)?;
    task.resume();
    tell(&mut out, "resumed", &task)?;
    let (response, content) = task.clone().wait()?;
    writeln!(out, "response    {} with {} fields", response.status(), response.fields().count())?;
    tell(&mut out, "completed", &task)?;
    write!(out, "content     {}", String::from_utf8_lossy(&content))?;

    origin.join().map_err(|_| "the origin failed")??;
    if content != CONTENT {
        return Err("the content is not what the origin sent".into());
    }
    Ok(())
}

/// One plain line about a task.
fn tell(out: &mut impl Write, what: &str, task: &Task) -> io::Result<()> {
    let counts = task.counts();
    let expected = match counts.expected_to_receive {
        Some(bytes) => bytes.to_string(),
        None => "unknown".to_owned(),
    };
    writeln!(out, "{what:<11} {:?}, {} of {expected} bytes", task.state(), counts.received)
}

/// Answers one request.
fn serve(listener: &TcpListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    read_head(&mut stream)?;
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")?;
    write!(stream, "Content-Length: {}\r\n\r\n", CONTENT.len())?;
    stream.write_all(CONTENT)
}

fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    Ok(())
}
