//! Downloads of many MiB over loopback, on a connection that is kept. An iteration is 1 MiB: a run
//! with N of them downloads N MiB at once.
//!
//! The origin is faster than every client, so that content waits in the kernel for whoever reads
//! it. The consumer only counts; in the warm-up it adds up all bytes, and the sum has to be right.

use crate::chunked;
use crate::meter::{Failure, Kind, Meter, Outcome, Row};
use crate::origin::{BLOCK, Serves, block_sum};
use async_io::Async;
use curl::easy::{Easy2, Handler, WriteError};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::hint::black_box;
use std::net::TcpStream;

/// MiB of the warm-up.
const WARM_UP: usize = 4;

/// What one read of the floor, and of ours, has room for.
const ROOM: usize = 64 << 10;

/// How content is framed: the beginning of its path at the origin.
const LENGTH: &str = "length";
const CHUNKS: &str = "chunks";

/// The rows of this file.
pub(crate) const ROWS: &[Row] = &[
    length("download-length-by-hand", "floor: 64 KiB a read, on async-io", |m| by_hand(m, LENGTH)),
    length("download-length-hyper", "hyper 1 on tokio, frames of `Bytes`", |m| hyper(m, LENGTH)),
    length("download-length-reqwest", "reqwest, chunks of `Bytes`", |m| reqwest(m, LENGTH)),
    foreign(length("download-length-curl", "libcurl, blocking", |m| curl(m, LENGTH))),
    length("download-length-sortie", "ours: `Body::read` of 64 KiB", |m| sortie(m, LENGTH, ROOM)),
    length("download-length-sortie-256k", "ours: `Body::read` of 256 KiB", |m| {
        sortie(m, LENGTH, 4 * ROOM)
    }),
    chunks("download-chunks-by-hand", "floor: the same in chunks of 1 KiB, as slices", |m| {
        by_hand(m, CHUNKS)
    }),
    chunks("download-chunks-hyper", "the same in chunks of 1 KiB", |m| hyper(m, CHUNKS)),
    chunks("download-chunks-reqwest", "the same in chunks of 1 KiB", |m| reqwest(m, CHUNKS)),
    foreign(chunks("download-chunks-curl", "the same in chunks of 1 KiB", |m| curl(m, CHUNKS))),
    chunks("download-chunks-sortie", "the same in chunks of 1 KiB", |m| sortie(m, CHUNKS, ROOM)),
    chunks("download-chunks-sortie-256k", "the same in chunks of 1 KiB", |m| {
        sortie(m, CHUNKS, 4 * ROOM)
    }),
];

const fn length(name: &'static str, what: &'static str, run: fn(&mut Meter) -> Outcome) -> Row {
    row("download-length-by-hand", name, what, run)
}

const fn chunks(name: &'static str, what: &'static str, run: fn(&mut Meter) -> Outcome) -> Row {
    row("download-chunks-by-hand", name, what, run)
}

const fn foreign(row: Row) -> Row {
    Row { is_foreign: true, ..row }
}

const fn row(
    floor: &'static str,
    name: &'static str,
    what: &'static str,
    run: fn(&mut Meter) -> Outcome,
) -> Row {
    let (kind, origin) = (Kind::Time { floor, iterations: 1024 }, Some(Serves::Blocks));
    Row { name, what, kind, origin, is_foreign: false, warm_up: WARM_UP, iterations: 64, run }
}

/// What a consumer has taken.
#[derive(Debug)]
struct Taken {
    blocks: usize,
    bytes: usize,
    sum: u64,
}

impl Taken {
    const fn nothing_of(blocks: usize) -> Self {
        Self { blocks, bytes: 0, sum: 0 }
    }

    fn take(&mut self, content: &[u8]) {
        self.bytes += black_box(content).len();
        if self.blocks == WARM_UP {
            self.sum += content.iter().copied().map(u64::from).sum::<u64>();
        }
    }

    fn check(&self) -> Outcome {
        if self.bytes != self.blocks * BLOCK {
            return Err(format!("{} bytes of content", self.bytes).into());
        }
        if self.blocks == WARM_UP && self.sum != WARM_UP as u64 * block_sum() {
            return Err("other content".into());
        }
        Ok(())
    }
}

/// The least a client on async-io does: reads into one buffer, and hands slices of it over.
fn by_hand(meter: &mut Meter, framing: &str) -> Outcome {
    let origin = meter.origin()?;
    let mut input = vec![0; ROOM];
    async_io::block_on(async {
        let mut stream = Async::<TcpStream>::connect(origin).await?;
        stream.get_ref().set_nodelay(true)?;
        let download = meter.batch_async(async |blocks| {
            let request = format!("GET /{framing}/{blocks} HTTP/1.1\r\nHost: {origin}\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let (mut filled, mut head) = (0, None);
            while head.is_none() {
                filled += read(&mut stream, &mut input[filled..]).await?;
                head = input[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n");
            }
            let content = head.ok_or("no head")? + "\r\n\r\n".len();
            let mut taken = Taken::nothing_of(blocks);
            if framing == LENGTH {
                taken.take(&input[content..filled]);
                while taken.bytes < blocks * BLOCK {
                    let n = read(&mut stream, &mut input).await?;
                    taken.take(&input[..n]);
                }
                return taken.check();
            }
            let mut decoder = chunked::ByHand::Size(0);
            let mut at = content;
            loop {
                while at < filled {
                    let (from, to) = decoder.next(&input[at..filled])?;
                    taken.take(&input[at + from..at + to]);
                    at += to;
                }
                if decoder == chunked::ByHand::Ended {
                    return taken.check();
                }
                filled = read(&mut stream, &mut input).await?;
                at = 0;
            }
        });
        download.await
    })
}

/// Reads something.
async fn read(stream: &mut Async<TcpStream>, room: &mut [u8]) -> Result<usize, Failure> {
    match stream.read(room).await? {
        0 => Err("the origin closed the connection".into()),
        n => Ok(n),
    }
}

/// One connection on tokio, whose buffer grows as hyper sees fit; content as it hands it out.
fn hyper(meter: &mut Meter, framing: &str) -> Outcome {
    let origin = meter.origin()?;
    let host = HeaderValue::try_from(origin.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(origin).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let download = meter.batch_async(async |blocks| {
            let request = Request::get(format!("/{framing}/{blocks}"));
            let request = request.header("host", host.clone()).body(Empty::<Bytes>::new())?;
            sender.ready().await?;
            let mut response = sender.send_request(request).await?;
            let mut taken = Taken::nothing_of(blocks);
            while let Some(frame) = response.frame().await {
                taken.take(frame?.data_ref().map_or(&[], |bytes| bytes));
            }
            taken.check()
        });
        future::or(download, async {
            connection.await?;
            Err("hyper closed the connection".into())
        })
        .await
    })
}

/// Content as hyper hands it to reqwest, and reqwest to its callers.
fn reqwest(meter: &mut Meter, framing: &str) -> Outcome {
    let origin = meter.origin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    runtime.block_on(meter.batch_async(async |blocks| {
        let request = client.get(format!("http://{origin}/{framing}/{blocks}"));
        let mut response = request.send().await?;
        let mut taken = Taken::nothing_of(blocks);
        while let Some(bytes) = response.chunk().await? {
            taken.take(&bytes);
        }
        taken.check()
    }))
}

impl Handler for Taken {
    fn write(&mut self, content: &[u8]) -> Result<usize, WriteError> {
        self.take(content);
        Ok(content.len())
    }
}

/// One handle. Its buffer is as large as that of the floor: by default it is a quarter of that.
fn curl(meter: &mut Meter, framing: &str) -> Outcome {
    let origin = meter.origin()?;
    let mut easy = Easy2::new(Taken::nothing_of(0));
    easy.proxy("")?;
    easy.buffer_size(ROOM)?;
    meter.batch(|blocks| {
        *easy.get_mut() = Taken::nothing_of(blocks);
        easy.url(&format!("http://{origin}/{framing}/{blocks}"))?;
        easy.perform()?;
        easy.get_ref().check()
    })
}

/// A session, and a body that is read into a buffer of the caller's.
fn sortie(meter: &mut Meter, framing: &str, room: usize) -> Outcome {
    let origin = meter.origin()?;
    let session = sortie::Session::new();
    let mut room = vec![0; room];
    async_io::block_on(meter.batch_async(async |blocks| {
        let url = format!("http://{origin}/{framing}/{blocks}");
        let (_, mut body) = session.bytes(url.as_str()).await?;
        let mut taken = Taken::nothing_of(blocks);
        loop {
            match body.read(&mut room).await? {
                0 => return taken.check(),
                n => taken.take(&room[..n]),
            }
        }
    }))
}
