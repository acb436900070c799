//! `GET` over the bare core and blocking sockets: all that binds `sortie-core` to a runtime of
//! one's own. `cargo run -p own-runtime --bin get-blocking URL [MILLISECONDS]` follows redirects
//! and gives up after so long without a byte.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::{error::Error, sync::LazyLock, time::Duration};

use sortie_core::{
    BodyLength, Broken, Event, Inspection, Instant, Io, Misuse, Output, Receive, Request,
    RequestHead, ResponseHead, Slot, Task, TaskOptions, Transport, Url, limits,
};

type Outcome = Result<(), Box<dyn Error>>;

const ROOM: usize = 16 * 1024; // bytes that are written or read at once

/// A connection, and what is lent to the core: input that was not taken yet, the head that was,
/// and where its fields are.
struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    head: Vec<u8>,
    index: [Slot; limits::HEAD_FIELDS],
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: get-blocking URL [MILLISECONDS]")?;
    let patience = arguments.next().map_or(Ok(60_000), |text| text.parse::<u32>())?;
    let request = Request::new("GET", Url::parse(&url)?, &[], BodyLength::None)?;
    let request_timeout = u64::from(patience) * 1000;
    get(&request, TaskOptions { request_timeout, ..TaskOptions::default() })
}

/// Does what the task asks for until it has ended: no decision is made here.
fn get(request: &Request<'_>, options: TaskOptions) -> Outcome {
    let mut task = Task::new(request, options);
    let (mut target, mut next) = (request.url().as_str().to_owned(), String::new());
    let mut connection = None;
    task.resume(now());
    loop {
        let sent = RequestHead { request, target: Url::parse(&target)?, added: &[] };
        match (task.poll_output(), &mut connection) {
            (Output::Connect(_), _) => connection = connect(&mut task, sent.target)?,
            (Output::Prepare, _) => task.handle_prepared(now())?,
            (Output::Exchange, Some(connection)) => connection.exchange(&mut task, &sent)?,
            (Output::Inspect, Some(Connection { head, index, .. })) => {
                let mut room = [0; limits::URL_BYTES];
                let (head, target) = (ResponseHead::new(head, index), sent.target);
                let lent = Inspection { head, target, next: &mut room, resume: None };
                let length = task.inspect(now(), lent)?.map_or(0, |resolved| resolved.length);
                next = String::from_utf8(room[..length].to_vec())?;
            }
            (Output::Event(Event::Redirected { .. }), _) => target = next.clone(),
            (Output::Event(Event::Response { status }), _) => eprintln!("{status}"),
            (Output::Event(_), _) => {}
            // Who makes more requests keeps it instead of closing it: `sortie_core::session`.
            (Output::Close(_) | Output::Reuse, _) => connection = None,
            (Output::Finish, _) => task.handle_committed()?,
            (Output::Complete(result), _) => return Ok(result?),
            // Nobody suspends this task, and it neither upgrades nor asks anything.
            (Output::Exchange | Output::Inspect | Output::Upgraded | Output::Wait, _) => {
                return Err("not asked for here".into());
            }
        }
    }
}

fn now() -> Instant {
    static EPOCH: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    Instant::from_micros(EPOCH.elapsed().as_micros() as u64)
}

/// How long an operation may take, by the task's deadline. Sockets take no timeout of 0.
fn patience(task: &Task) -> Duration {
    Duration::from_micros(task.deadline().map_or(u64::MAX, |at| now().until(at)).max(1000))
}

fn connect(task: &mut Task, url: Url<'_>) -> Result<Option<Connection>, Misuse> {
    task.handle_connecting(now())?;
    if url.scheme().is_secure() {
        // A stream of your TLS goes here. What is `https` is never sent in plaintext.
        return task.handle_connect_failed(Transport::TlsUnavailable).map(|()| None);
    }
    let mut why = Transport::NameNotResolved;
    for address in (url.host(), url.port()).to_socket_addrs().into_iter().flatten() {
        why = Transport::ConnectFailed;
        if let Ok(stream) = TcpStream::connect_timeout(&address, patience(task)) {
            task.handle_connected(now(), false)?;
            let index = [Slot::EMPTY; limits::HEAD_FIELDS];
            return Ok(Some(Connection { stream, input: Vec::new(), head: Vec::new(), index }));
        }
    }
    // Where a timer ran out, the task has ended: then this is not asked for and changes nothing.
    task.handle_timeout(now());
    let _ = task.handle_connect_failed(why);
    Ok(None)
}

impl Connection {
    /// Does one thing that the connection may be used for. For a `GET` it is enough to read when
    /// all is written; with a body both go side by side, as in `tokio.rs`.
    fn exchange(&mut self, task: &mut Task, sent: &RequestHead<'_>) -> Outcome {
        let mut room = [0; ROOM];
        let Io { send: None, receive: Some(receive) } = task.io(ROOM) else {
            let length = task.encode(sent, &mut room)?;
            match self.stream.write_all(&room[..length]) {
                Ok(()) => task.handle_sent(now(), length)?,
                Err(_) => task.handle_broken(Broken::Sending)?,
            }
            return Ok(());
        };
        let most = receive.reads(self.input.len()).min(ROOM);
        if most > 0 && self.read(task, &mut room[..most])? == 0 {
            return Ok(());
        }
        match receive {
            Receive::Head | Receive::HeadAgain => {
                let advance = task.handle_head(now(), &mut self.input, false, &mut self.index)?;
                self.head = self.input.drain(..advance.drop + advance.head).collect();
            }
            Receive::Body { max } | Receive::Discard { max } => {
                let count = max.min(self.input.len());
                let length = task.handle_body(now(), &mut self.input[..count])?;
                io::stdout().write_all(&self.input[..length])?;
                task.handle_delivered(now(), length as u64)?;
                self.input.drain(..count);
            }
        }
        Ok(())
    }

    /// Reads some bytes. If there are none, the task was told why.
    fn read(&mut self, task: &mut Task, room: &mut [u8]) -> Result<usize, Box<dyn Error>> {
        self.stream.set_read_timeout(Some(patience(task)))?;
        let read = self.stream.read(room);
        match &read {
            Ok(0) => task.handle_end()?,
            Ok(count) => self.input.extend(&room[..*count]),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(_) => {
                task.handle_timeout(now());
                let _ = task.handle_broken(Broken::Receiving);
            }
        }
        Ok(read.unwrap_or(0))
    }
}
