//! `full PORT WORD...`: what `get` does and more, over one session with a schedule.
//!
//! | word | is |
//! |---|---|
//! | `/path` | a data task, with its head and content in memory |
//! | `>/path` | a download to a sink, gone on with where it is cut |
//! | `=/path` | an upload of bytes that are in memory |
//! | `</path` | an upload from a reader, of a length that nobody knows, after 100 (Continue) |

#![no_std]
#![no_main]

use core::convert::Infallible;

use embassy_executor::Spawner;
use embassy_net::Stack;
use embedded_io_async::{ErrorType, Read, Write};
use sortie_embassy::{
    BodyLength, Config, ControlBlock, Request, Resources, Schedule, Session, Slot, Url, field,
};
use sortie_firmware::board::host::{self, Arguments};
use sortie_firmware::board::{self, stack};
use sortie_firmware::net::{self, HEAD, RECEIVE, SEND};
use sortie_firmware::report::{self, Fnv};
use static_cell::StaticCell;

/// What is uploaded from memory.
const HELLO: &[u8] = b"Hello, world!";

/// Bytes that a reader brings.
const READ: usize = 500;

/// Room for content that is received as a whole.
const CONTENT: usize = 512;

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    board::start();
    let Some(stack) = net::start(spawner) else { host::exit(false) };
    stack::paint();
    report::finish(run(stack).await.is_some())
}

async fn run(stack: Stack<'static>) -> Option<()> {
    static RESOURCES: StaticCell<Resources<1, RECEIVE, SEND, HEAD>> = StaticCell::new();
    static SCHEDULE: StaticCell<Schedule<1>> = StaticCell::new();

    let session = Session::new(stack, RESOURCES.init_with(Resources::new), Config::default());
    let session = session.scheduled(SCHEDULE.init_with(Schedule::new));
    let arguments = Arguments::read();
    let mut words = arguments.words();
    let port = words.next()?;
    stack.wait_config_up().await;
    let mut next = Some(words.next()?);
    while let Some(word) = next {
        let mut url = [0; 64];
        let path = match word {
            [b'>' | b'=' | b'<', path @ ..] => path,
            path => path,
        };
        let url = Url::from_ascii(net::url(port, path, &mut url)?).ok()?;
        let (length, hash) = match word {
            [b'>', ..] => download(&session, url).await?,
            [b'=', ..] => upload(&session, url).await?,
            [b'<', ..] => upload_what_is_read(&session, url).await?,
            _ => get(&session, url).await?,
        };
        report::body(word, length, hash);
        next = words.next();
    }
    Some(())
}

fn sum(content: &[u8]) -> (u32, Fnv) {
    let mut hash = Fnv::new();
    hash.add(content);
    (content.len() as u32, hash)
}

async fn get(session: &Session<'_, 1>, url: Url<'_>) -> Option<(u32, Fnv)> {
    let request = Request::new("GET", url, &[], BodyLength::None).ok()?;
    let (mut urls, mut content) = ([0; 128], [0; CONTENT]);
    let mut block = ControlBlock::new();
    let (mut seat, control) = block.split();
    let task = session.data_task(&request).target(&mut urls).priority(750).control(&mut seat);
    control.suspend().ok()?;
    control.resume();
    let response = task.receive(&mut content).await.ok()?;
    if response.status() != 200 {
        control.cancel();
        return None;
    }
    Some(sum(response.content()))
}

async fn download(session: &Session<'_, 1>, url: Url<'_>) -> Option<(u32, Fnv)> {
    let request = Request::new("GET", url, &[], BodyLength::None).ok()?;
    let mut sink = Sink { length: 0, hash: Fnv::new() };
    let (mut head, mut index, mut record) = ([0; HEAD], [Slot::EMPTY; 16], [0; 256]);
    let task = session.download_task(&request).head(&mut head, &mut index).require_success();
    if let Err(failure) = task.resume_data(&mut record).to(&mut sink).await {
        let data = failure.resume_data?;
        let rest = session.download_task(&request).resume_from(&data).require_success();
        rest.to(&mut sink).await.ok()?;
    }
    Some((sink.length, sink.hash))
}

async fn upload(session: &Session<'_, 1>, url: Url<'_>) -> Option<(u32, Fnv)> {
    let length = BodyLength::Known(HELLO.len() as u64);
    let request = Request::new("POST", url, &[], length).ok()?;
    let mut content = [0; CONTENT];
    let response = session.upload_task(&request, HELLO).receive(&mut content).await.ok()?;
    Some(sum(response.content()))
}

async fn upload_what_is_read(session: &Session<'_, 1>, url: Url<'_>) -> Option<(u32, Fnv)> {
    let fields = [field!("Expect", "100-continue")];
    let request = Request::new("POST", url, &fields, BodyLength::Unknown).ok()?;
    let (mut reader, mut stage, mut content) = (Reader { at: 0 }, [0; 256], [0; CONTENT]);
    let response = session.upload(&request, &mut reader, &mut stage, &mut content).await.ok()?;
    Some(sum(response.content()))
}

/// Takes content and keeps only its length and hash.
struct Sink {
    length: u32,
    hash: Fnv,
}

impl ErrorType for Sink {
    type Error = Infallible;
}

impl Write for Sink {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.hash.add(bytes);
        self.length += bytes.len() as u32;
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Brings bytes whose order shows, the same as `origin.py` has.
struct Reader {
    at: usize,
}

impl ErrorType for Reader {
    type Error = Infallible;
}

impl Read for Reader {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let count = bytes.len().min(READ - self.at);
        for byte in bytes.iter_mut().take(count) {
            *byte = (self.at * 31 + (self.at >> 8)) as u8;
            self.at += 1;
        }
        Ok(count)
    }
}
