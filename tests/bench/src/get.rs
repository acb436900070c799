//! One GET of 13 bytes after the other on a kept connection to an origin on loopback.
//!
//! The client does everything on the thread that waits: nothing is spawned, no executor stands
//! between. The origin is a process of its own, and counts nowhere.

use crate::meter::{Failure, Kind, Meter, Outcome, Row};
use crate::origin::{CONTENT, Serves};
use crate::rt::OnAsyncIo;
use async_io::Async;
use curl::easy::{Easy2, Handler, WriteError};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use std::hint::black_box;
use std::net::{SocketAddr, TcpStream};
use ureq::Agent;

/// The rows of this file.
pub(crate) const ROWS: &[Row] = &[
    row("get-by-hand", "floor: write, read, find the end, on async-io", by_hand),
    row("get-hyper", "hyper 1: a client connection on tokio", hyper_tokio),
    row("get-hyper-async-io", "hyper 1: the same on async-io", hyper_async_io),
    row("get-ureq", "ureq 3: an agent, blocking sockets", ureq),
    row("get-reqwest", "reqwest: a client on tokio", reqwest),
    Row { is_foreign: true, ..row("get-curl", "libcurl: an easy handle, blocking", curl) },
    row("get-sortie", "ours: a session on async-io, driven inline", sortie),
];

const fn row(name: &'static str, what: &'static str, run: fn(&mut Meter) -> Outcome) -> Row {
    let (kind, origin, is_foreign) = (Kind::Counts, Some(Serves::Answers), false);
    Row { name, what, kind, origin, is_foreign, warm_up: 20, iterations: 250, run }
}

/// The least a client on async-io pays: one write, reads until the length that the head states.
fn by_hand(meter: &mut Meter) -> Outcome {
    let origin = meter.origin()?;
    async_io::block_on(async {
        let mut client = ByHand::connect(origin).await?;
        meter.repeat_async(async || client.get().await).await
    })
}

/// A client by hand: a ready-made request, a buffer that is kept, and of the head only
/// `Content-Length` is read.
#[derive(Debug)]
pub(crate) struct ByHand {
    stream: Async<TcpStream>,
    request: String,
    input: Vec<u8>,
}

impl ByHand {
    pub(crate) async fn connect(origin: SocketAddr) -> Result<Self, Failure> {
        let stream = Async::<TcpStream>::connect(origin).await?;
        stream.get_ref().set_nodelay(true)?;
        let request = format!("GET / HTTP/1.1\r\nHost: {origin}\r\n\r\n");
        Ok(Self { stream, request, input: vec![0; 4096] })
    }

    pub(crate) async fn get(&mut self) -> Outcome {
        let Self { stream, request, input } = self;
        stream.write_all(black_box(request.as_bytes())).await?;
        let mut filled = 0;
        loop {
            let n = stream.read(&mut input[filled..]).await?;
            if n == 0 {
                return Err("the origin closed the connection".into());
            }
            filled += n;
            if let Some(content) = whole(&input[..filled]) {
                return check(content);
            }
        }
    }
}

/// The content of a response, once all of it is there.
fn whole(input: &[u8]) -> Option<&[u8]> {
    let end = input.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let mut len = None;
    for line in input[..end].split(|byte| *byte == b'\n') {
        if let Some((name, value)) = line.split_at_checked("content-length:".len())
            && name.eq_ignore_ascii_case(b"content-length:")
        {
            len = std::str::from_utf8(value).ok()?.trim().parse::<usize>().ok();
        }
    }
    let content = end + "\r\n\r\n".len();
    input.get(content..content + len?)
}

/// On async-io, as we are: the reactor runs on the thread that waits.
fn hyper_async_io(meter: &mut Meter) -> Outcome {
    let origin = meter.origin()?;
    async_io::block_on(async {
        let stream = Async::<TcpStream>::connect(origin).await?;
        stream.get_ref().set_nodelay(true)?;
        hyper(meter, OnAsyncIo { stream, input: vec![0; 8192].into() }).await
    })
}

/// On tokio's current-thread runtime, for which hyper is written.
fn hyper_tokio(meter: &mut Meter) -> Outcome {
    let origin = meter.origin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(origin).await?;
        stream.set_nodelay(true)?;
        hyper(meter, TokioIo::new(stream)).await
    })
}

/// One connection, polled beside the request by the same thread.
///
/// The request is built once and cloned, with a target in origin form. Content is taken as the
/// `Bytes` that hyper hands out.
async fn hyper(meter: &mut Meter, stream: impl Read + Write + Unpin) -> Outcome {
    let host = HeaderValue::try_from(meter.origin()?.to_string())?;
    let request = Request::get("/").header("host", host).body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = http1::handshake(stream).await?;
    let gets = meter.repeat_async(async || {
        sender.ready().await?;
        let mut response = sender.send_request(black_box(&request).clone()).await?;
        let content = response.frame().await.ok_or("no content")??;
        check(content.data_ref().map_or(&[], |bytes| bytes))?;
        if response.frame().await.is_some() {
            return Err("more content than there is".into());
        }
        Ok(())
    });
    future::or(gets, async {
        connection.await?;
        Err("hyper closed the connection".into())
    })
    .await
}

/// An agent with its pool, as its users have it; proxies of the environment are switched off.
///
/// The URL is parsed once and cloned. Content is read to a `Vec`, as its one-liners do.
fn ureq(meter: &mut Meter) -> Outcome {
    let uri: Uri = format!("http://{}/", meter.origin()?).parse()?;
    let agent: Agent = Agent::config_builder().proxy(None).build().into();
    meter.repeat(|| {
        let mut response = agent.get(black_box(&uri)).call()?;
        check(&response.body_mut().read_to_vec()?)
    })
}

/// A client with its pool, as its users have it; proxies of the environment are switched off.
///
/// The request is built once and cloned. Content is taken as `Bytes`.
fn reqwest(meter: &mut Meter) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let request = client.get(format!("http://{}/", meter.origin()?)).build()?;
    runtime.block_on(meter.repeat_async(async || {
        let request = black_box(&request).try_clone().ok_or("the request cannot be cloned")?;
        let response = client.execute(request).await?;
        check(&response.bytes().await?)
    }))
}

/// Content, as libcurl hands it over.
#[derive(Debug, Default)]
pub(crate) struct Gathered(pub(crate) Vec<u8>);

impl Handler for Gathered {
    fn write(&mut self, content: &[u8]) -> Result<usize, WriteError> {
        self.0.extend_from_slice(content);
        Ok(content.len())
    }
}

/// A handle that is set up once, and keeps its connection; proxies of the environment are switched
/// off.
fn curl(meter: &mut Meter) -> Outcome {
    let mut easy = Easy2::new(Gathered::default());
    easy.url(&format!("http://{}/", meter.origin()?))?;
    easy.proxy("")?;
    meter.repeat(|| {
        easy.get_mut().0.clear();
        easy.perform()?;
        check(&easy.get_ref().0)
    })
}

/// A session with its pool, as its users have it.
///
/// The URL is parsed once and the request cloned, as for ureq. Content is a `Vec`.
fn sortie(meter: &mut Meter) -> Outcome {
    let request = sortie::Request::get(&format!("http://{}/", meter.origin()?))?;
    let session = sortie::Session::new();
    async_io::block_on(meter.repeat_async(async || {
        let (response, content) = session.data(black_box(&request).clone()).await?;
        black_box(&response);
        check(&content)
    }))
}

/// Fails where this is not what the origin answers.
pub(crate) fn check(content: &[u8]) -> Outcome {
    if black_box(content) == CONTENT { Ok(()) } else { Err("other content".into()) }
}
