//! Responses that have begun and do not go on: the memory that each of them holds. An iteration is
//! one of them, on a connection of its own; they begin in waves, and are all there at once, on one
//! thread.
//!
//! One whole GET precedes them, so that what a client needs once is not counted. What the kernel
//! holds for a connection is not counted either, and the same for all.

use crate::get;
use crate::meter::{Failure, Kind, Meter, Outcome, Row};
use crate::origin::{BEGINNING, Serves};
use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use curl::easy::{Easy2, Handler, WriteError};
use curl::multi::Multi;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::LocalSet;

/// How many begin together: what only beginning costs is not what a response holds, and those that
/// begin later use it again.
const WAVE: usize = 100;

/// How often it is looked whether a wave has begun.
const LOOK: Duration = Duration::from_millis(3);

/// The rows of this file.
pub(crate) const ROWS: &[Row] = &[
    row("held-by-hand", "floor: 1 KiB of buffer each, on async-io", by_hand),
    row("held-hyper", "hyper 1: bare connections on tokio", hyper),
    row("held-reqwest", "reqwest: a client for all on tokio", reqwest),
    row("held-curl", "libcurl: a multi handle", curl),
    row("held-sortie", "ours: `Session::bytes`, each body waits to be read from", sortie),
    row("held-sortie-resumed", "ours: data tasks that run in the background", sortie_resumed),
];

const fn row(name: &'static str, what: &'static str, run: fn(&mut Meter) -> Outcome) -> Row {
    let (kind, origin, is_foreign) = (Kind::Memory, Some(Serves::Answers), false);
    Row { name, what, kind, origin, is_foreign, warm_up: 0, iterations: 5000, run }
}

/// How many responses have begun.
#[derive(Clone, Debug, Default)]
struct Begun(Rc<Cell<usize>>);

impl Begun {
    /// Content of one came; `so_far` of it before.
    fn add(&self, so_far: &mut usize, content: usize) {
        *so_far += content;
        if content > 0 && *so_far == BEGINNING.len() {
            self.0.set(self.0.get() + 1);
        }
    }

    fn are(&self, all: usize) -> bool {
        self.0.get() == all
    }
}

/// Why a response that should not go on did.
fn ended() -> Failure {
    "a slow response has ended".into()
}

fn target(origin: SocketAddr) -> String {
    format!("http://{origin}/slow")
}

/// Runs `slow` as often as the meter wants at once, on async-io.
fn on_async_io(meter: &mut Meter, slow: impl AsyncFn(&Begun) -> Outcome) -> Outcome {
    let (all, begun) = (meter.iterations(), Begun::default());
    let executor = LocalExecutor::new();
    async_io::block_on(executor.run(async {
        let before = meter.begin()?;
        let mut tasks = Vec::new();
        while tasks.len() < all {
            tasks.extend((0..WAVE).map(|_| executor.spawn(slow(&begun))));
            while !begun.are(tasks.len()) {
                fail_early(tasks.iter().any(|task| task.is_finished()))?;
                Timer::after(LOOK).await;
            }
        }
        meter.end(&before)
    }))
}

/// The same on tokio.
async fn on_tokio<F>(meter: &mut Meter, slow: impl Fn(Begun) -> F) -> Outcome
where
    F: Future<Output = Outcome> + 'static,
{
    let (all, begun) = (meter.iterations(), Begun::default());
    let executor = LocalSet::new();
    let whole = async {
        let before = meter.begin()?;
        let mut tasks = Vec::new();
        while tasks.len() < all {
            tasks.extend((0..WAVE).map(|_| executor.spawn_local(slow(begun.clone()))));
            while !begun.are(tasks.len()) {
                fail_early(tasks.iter().any(tokio::task::JoinHandle::is_finished))?;
                tokio::time::sleep(LOOK).await;
            }
        }
        meter.end(&before)
    };
    executor.run_until(whole).await
}

fn fail_early(has_ended: bool) -> Outcome {
    if has_ended { Err(ended()) } else { Ok(()) }
}

fn by_hand(meter: &mut Meter) -> Outcome {
    let origin = meter.origin()?;
    async_io::block_on(async { get::ByHand::connect(origin).await?.get().await })?;
    let request = format!("GET /slow HTTP/1.1\r\nHost: {origin}\r\n\r\n");
    on_async_io(meter, async |begun| {
        let mut stream = Async::<TcpStream>::connect(origin).await?;
        stream.write_all(request.as_bytes()).await?;
        let (mut input, mut filled, mut content) = ([0; 1024], 0, 0);
        let head = loop {
            filled += stream.read(&mut input[filled..]).await?;
            if let Some(at) = input[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
        };
        begun.add(&mut content, filled - head);
        loop {
            match stream.read(&mut input).await? {
                0 => return Err(ended()),
                n => begun.add(&mut content, n),
            }
        }
    })
}

/// Each connection, and what is asked of it, in one task.
fn hyper(meter: &mut Meter) -> Outcome {
    let origin = meter.origin()?;
    let host = HeaderValue::try_from(origin.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(on_tokio(meter, |begun| {
        let request =
            Request::get("/slow").header("host", host.clone()).body(Empty::<Bytes>::new());
        async move {
            let stream = tokio::net::TcpStream::connect(origin).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let slow = async {
                let mut response = sender.send_request(request?).await?;
                let mut content = 0;
                while let Some(frame) = response.frame().await {
                    begun.add(&mut content, frame?.data_ref().map_or(0, Bytes::len));
                }
                Err(ended())
            };
            future::or(slow, async { Ok(connection.await?) }).await
        }
    }))
}

fn reqwest(meter: &mut Meter) -> Outcome {
    let origin = meter.origin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    runtime.block_on(async {
        let whole = client.get(format!("http://{origin}/")).send().await?;
        get::check(&whole.bytes().await?)?;
        on_tokio(meter, |begun| {
            let request = client.get(target(origin));
            async move {
                let (mut response, mut content) = (request.send().await?, 0);
                while let Some(bytes) = response.chunk().await? {
                    begun.add(&mut content, bytes.len());
                }
                Err(ended())
            }
        })
        .await
    })
}

/// Content that libcurl hands over.
#[derive(Debug)]
struct Consumer {
    begun: Begun,
    content: usize,
}

impl Handler for Consumer {
    fn write(&mut self, content: &[u8]) -> Result<usize, WriteError> {
        self.begun.add(&mut self.content, content.len());
        Ok(content.len())
    }
}

fn curl(meter: &mut Meter) -> Outcome {
    let origin = meter.origin()?;
    let (all, begun, multi) = (meter.iterations(), Begun::default(), Multi::new());
    let easy = |url: &str, begun: &Begun| {
        let mut easy = Easy2::new(Consumer { begun: begun.clone(), content: 0 });
        easy.proxy("")?;
        easy.url(url)?;
        Ok::<_, curl::Error>(easy)
    };
    easy(&format!("http://{origin}/"), &Begun::default())?.perform()?;
    let before = meter.begin()?;
    let mut handles = Vec::new();
    while handles.len() < all {
        for _ in 0..WAVE {
            handles.push(multi.add2(easy(&target(origin), &begun)?)?);
        }
        while !begun.are(handles.len()) {
            let active = multi.perform()?;
            fail_early(active as usize != handles.len())?;
            multi.poll(&mut [], LOOK)?;
        }
    }
    meter.end(&before)
}

/// As many connections as there are responses.
fn session(origin: SocketAddr) -> Result<sortie::Session, Failure> {
    let session = sortie::Session::builder()
        .max_connections_per_host(u16::MAX)
        .max_connections(u16::MAX)
        .build();
    get::check(&session.data_blocking(format!("http://{origin}/").as_str())?.1)?;
    Ok(session)
}

/// Each response is awaited by whoever reads its body.
fn sortie(meter: &mut Meter) -> Outcome {
    let target = target(meter.origin()?);
    let session = session(meter.origin()?)?;
    on_async_io(meter, async |begun| {
        let (_, mut body) = session.bytes(target.as_str()).await?;
        let (mut room, mut content) = ([0; 1024], 0);
        loop {
            match body.read(&mut room).await? {
                0 => return Err(ended()),
                n => begun.add(&mut content, n),
            }
        }
    })
}

/// Nobody awaits any: the session's own thread drives them, and content is gathered.
fn sortie_resumed(meter: &mut Meter) -> Outcome {
    let target = target(meter.origin()?);
    let session = session(meter.origin()?)?;
    let all = meter.iterations();
    let before = meter.begin()?;
    let mut tasks = Vec::new();
    while tasks.len() < all {
        let wave = tasks.len();
        for _ in 0..WAVE {
            let task = session.task(target.as_str())?;
            task.resume();
            tasks.push(task);
        }
        while tasks[wave..].iter().any(|task| task.counts().received < BEGINNING.len() as u64) {
            fail_early(tasks.iter().any(|task| task.error().is_some()))?;
            std::thread::sleep(LOOK);
        }
    }
    meter.end(&before)
}
