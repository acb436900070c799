//! `GET` over the bare core and tokio, on one thread, with both halves of an exchange side by
//! side. `cargo run -p own-runtime --bin get-tokio URL [MILLISECONDS]` follows redirects and gives
//! up after so long without a byte.

use std::io::{self, ErrorKind, Write};
use std::{error::Error, sync::LazyLock, time::Duration};

use sortie_core::{
    BodyLength, Broken, Event, Inspection, Instant, Misuse, Output, Receive, Request, RequestHead,
    ResponseHead, Send, Slot, Task, TaskOptions, Transport, Url, limits,
};
use tokio::{io::Interest, net::TcpStream, runtime::Builder, time::timeout};

type Outcome = Result<(), Box<dyn Error>>;

const ROOM: usize = 16 * 1024; // bytes that are written or read at once

/// A connection, and what is lent to the core: what was encoded last, input that was not taken
/// yet, the head that was, and where its fields are.
struct Connection {
    stream: TcpStream,
    encoded: Vec<u8>,
    input: Vec<u8>,
    head: Vec<u8>,
    index: [Slot; limits::HEAD_FIELDS],
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: get-tokio URL [MILLISECONDS]")?;
    let patience = arguments.next().map_or(Ok(60_000), |text| text.parse::<u32>())?;
    let request = Request::new("GET", Url::parse(&url)?, &[], BodyLength::None)?;
    let request_timeout = u64::from(patience) * 1000;
    let options = TaskOptions { request_timeout, ..TaskOptions::default() };
    Builder::new_current_thread().enable_all().build()?.block_on(get(&request, options))
}

/// Does what the task asks for until it has ended: no decision is made here.
async fn get(request: &Request<'_>, options: TaskOptions) -> Outcome {
    let mut task = Task::new(request, options);
    let (mut target, mut next) = (request.url().as_str().to_owned(), String::new());
    let mut connection = None;
    task.resume(now());
    loop {
        let sent = RequestHead { request, target: Url::parse(&target)?, added: &[] };
        match (task.poll_output(), &mut connection) {
            (Output::Connect(_), _) => connection = connect(&mut task, sent.target).await?,
            (Output::Prepare, _) => task.handle_prepared(now())?,
            (Output::Exchange, Some(connection)) => connection.exchange(&mut task, &sent).await?,
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

/// How long an operation may take, by the task's deadline.
fn patience(task: &Task) -> Duration {
    Duration::from_micros(task.deadline().map_or(u64::MAX, |at| now().until(at)))
}

async fn connect(task: &mut Task, url: Url<'_>) -> Result<Option<Connection>, Misuse> {
    task.handle_connecting(now())?;
    if url.scheme().is_secure() {
        // A stream of your TLS goes here. What is `https` is never sent in plaintext.
        return task.handle_connect_failed(Transport::TlsUnavailable).map(|()| None);
    }
    let opened = timeout(patience(task), TcpStream::connect((url.host(), url.port()))).await;
    let Ok(Ok(stream)) = opened else {
        // Where a timer ran out, the task has ended: then this changes nothing.
        task.handle_timeout(now());
        let _ = task.handle_connect_failed(Transport::ConnectFailed);
        return Ok(None);
    };
    task.handle_connected(now(), false)?;
    let (encoded, input, head) = Default::default();
    let index = [Slot::EMPTY; limits::HEAD_FIELDS];
    Ok(Some(Connection { stream, encoded, input, head, index }))
}

impl Connection {
    /// Does what the connection may be used for; in either direction, whichever is ready first.
    async fn exchange(&mut self, task: &mut Task, sent: &RequestHead<'_>) -> Outcome {
        let mut room = vec![0; ROOM];
        let io = task.io(ROOM);
        let Some(receive) = io.receive.filter(|_| io.send != Some(Send::Encode)) else {
            let length = task.encode(sent, &mut room)?;
            self.encoded = room[..length].to_vec();
            return Ok(());
        };
        let most = receive.reads(self.input.len()).min(ROOM);
        if most > 0 {
            let both = Interest::READABLE | Interest::WRITABLE;
            let interest = if io.send.is_some() { both } else { Interest::READABLE };
            if timeout(patience(task), self.stream.ready(interest)).await.is_err() {
                task.handle_timeout(now());
                return Ok(());
            }
            if let Some(Send::Write { before, .. }) = io.send {
                // Bytes of a body, which `Write` names as well, would go behind these.
                match self.stream.try_write(&self.encoded[self.encoded.len() - before..]) {
                    Ok(count) => task.handle_sent(now(), count)?,
                    Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => task.handle_broken(Broken::Sending)?,
                }
            }
            match self.stream.try_read(&mut room[..most]) {
                Ok(0) => return task.handle_end().map_err(Into::into),
                Ok(count) => self.input.extend(&room[..count]),
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return task.handle_broken(Broken::Receiving).map_err(Into::into),
            }
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
}
