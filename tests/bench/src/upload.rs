//! Uploads of many MiB over loopback, on a connection that is kept. An iteration is 1 MiB: a run
//! with N of them uploads N MiB at once.
//!
//! The body is the same 64 KiB again and again. The origin is faster than every client, since it
//! throws away unseen what it receives; its answer says how much that was, and has to be right.

use crate::meter::{Failure, Kind, Meter, Outcome, Row};
use crate::origin::{BLOCK, RECEIPT, Serves};
use async_io::Async;
use curl::easy::{Easy2, Handler, List, ReadError, WriteError};
use futures_lite::{AsyncBufRead, AsyncRead, AsyncReadExt, AsyncWriteExt, future};
use http::{HeaderValue, Request};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::hint::black_box;
use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a source gives at once.
const PIECE: usize = 64 << 10;

/// What a source with more at hand gives at once.
const LARGE_PIECE: usize = 1 << 20;

/// The pieces; copies are made from a black box, or the compiler would rather fill than copy.
static CONTENT: [u8; LARGE_PIECE] = [b'x'; LARGE_PIECE];

/// How the body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    Chunks,
}

use Framing::{Chunks, Length};

/// The rows of this file.
pub(crate) const ROWS: &[Row] = &[
    length("upload-length-by-hand", "floor: 64 KiB a write, on async-io", |m| by_hand(m, Length)),
    length("upload-length-hyper", "hyper 1 on tokio, `Bytes` that are static", |m| {
        hyper(m, Length)
    }),
    length("upload-length-reqwest", "reqwest, the same", |m| reqwest(m, Length)),
    foreign(length("upload-length-curl", "libcurl, copied to its buffer", |m| curl(m, Length))),
    length("upload-length-sortie", "ours: a reader that lends its buffer", |m| {
        sortie(m, Length, PIECE)
    }),
    length("upload-length-sortie-1m", "ours: the same, with 1 MiB in it", |m| {
        sortie(m, Length, LARGE_PIECE)
    }),
    length("upload-length-sortie-copied", "ours: a reader, copied to our buffer", |m| {
        sortie_copied(m, Length)
    }),
    chunks("upload-chunks-by-hand", "floor: the same in chunks of 64 KiB, by `writev`", |m| {
        by_hand(m, Chunks)
    }),
    chunks("upload-chunks-hyper", "the same in chunks", |m| hyper(m, Chunks)),
    chunks("upload-chunks-reqwest", "the same in chunks", |m| reqwest(m, Chunks)),
    foreign(chunks("upload-chunks-curl", "the same in chunks", |m| curl(m, Chunks))),
    chunks("upload-chunks-sortie", "the same in chunks", |m| sortie(m, Chunks, PIECE)),
    chunks("upload-chunks-sortie-1m", "the same in chunks", |m| sortie(m, Chunks, LARGE_PIECE)),
    chunks("upload-chunks-sortie-copied", "the same in chunks", |m| sortie_copied(m, Chunks)),
];

const fn length(name: &'static str, what: &'static str, run: fn(&mut Meter) -> Outcome) -> Row {
    row("upload-length-by-hand", name, what, run)
}

const fn chunks(name: &'static str, what: &'static str, run: fn(&mut Meter) -> Outcome) -> Row {
    row("upload-chunks-by-hand", name, what, run)
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
    Row { name, what, kind, origin, is_foreign: false, warm_up: 4, iterations: 16, run }
}

/// Whether the origin has received so many blocks.
fn check(receipt: &[u8], blocks: usize) -> Outcome {
    let received: usize = std::str::from_utf8(receipt)?.parse()?;
    if received == blocks * BLOCK { Ok(()) } else { Err(format!("{received} bytes came").into()) }
}

/// The least a client on async-io does: the piece itself is written, beside its chunk's framing.
fn by_hand(meter: &mut Meter, framing: Framing) -> Outcome {
    let origin = meter.origin()?;
    async_io::block_on(async {
        let mut stream = Async::<TcpStream>::connect(origin).await?;
        stream.get_ref().set_nodelay(true)?;
        let upload = meter.batch_async(async |blocks| {
            let length = blocks * BLOCK;
            let framed = match framing {
                Length => format!("Content-Length: {length}"),
                Chunks => "Transfer-Encoding: chunked".to_owned(),
            };
            let head = format!("POST /upload HTTP/1.1\r\nHost: {origin}\r\n{framed}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let size_line = format!("{PIECE:x}\r\n");
            for _ in 0..length / PIECE {
                match framing {
                    Length => stream.write_all(&CONTENT[..PIECE]).await?,
                    Chunks => {
                        let chunk =
                            [size_line.as_bytes(), &CONTENT[..PIECE], b"\r\n"].map(IoSlice::new);
                        write_all(&mut stream, chunk).await?;
                    }
                }
            }
            if framing == Chunks {
                stream.write_all(b"0\r\n\r\n").await?;
            }
            let (mut input, mut filled, mut end) = ([0; 1024], 0, None);
            while end.is_none_or(|end| filled < end + RECEIPT) {
                filled += stream.read(&mut input[filled..]).await?;
                let head = input[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n");
                end = head.map(|head| head + "\r\n\r\n".len());
            }
            check(&input[end.ok_or("no head")?..filled], blocks)
        });
        upload.await
    })
}

/// Writes all slices, in one go where the kernel takes that.
async fn write_all(
    stream: &mut Async<TcpStream>,
    mut slices: [IoSlice<'_>; 3],
) -> Result<(), Failure> {
    let mut slices = &mut slices[..];
    while !slices.is_empty() {
        let n = stream.write_vectored(slices).await?;
        IoSlice::advance_slices(&mut slices, n);
    }
    Ok(())
}

/// A body of so many bytes.
#[derive(Debug)]
struct Source {
    left: usize,
    framing: Framing,
    /// How long the pieces are that it lends.
    piece: usize,
}

impl Source {
    const fn of(blocks: usize, framing: Framing) -> Self {
        Self { left: blocks * BLOCK, framing, piece: PIECE }
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= PIECE;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&CONTENT[..PIECE])))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Length => SizeHint::with_exact(self.left as u64),
            Chunks => SizeHint::default(),
        }
    }
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let n = self.left.min(CONTENT.len()).min(room.len());
        room[..n].copy_from_slice(&black_box(&CONTENT)[..n]);
        self.left -= n;
        Poll::Ready(Ok(n))
    }
}

impl AsyncBufRead for Source {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        // Pieces are as long as they are: of one that was begun, the rest.
        let at = (self.piece - self.left % self.piece) % self.piece;
        Poll::Ready(Ok(&CONTENT[at..self.piece.min(at + self.left)]))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.left -= count;
    }
}

/// One connection on tokio.
fn hyper(meter: &mut Meter, framing: Framing) -> Outcome {
    let origin = meter.origin()?;
    let host = HeaderValue::try_from(origin.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(origin).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let upload = meter.batch_async(async |blocks| {
            let request = Request::post("/upload").header("host", host.clone());
            let request = request.body(Source::of(blocks, framing))?;
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            check(&response.into_body().collect().await?.to_bytes(), blocks)
        });
        future::or(upload, async {
            connection.await?;
            Err("hyper closed the connection".into())
        })
        .await
    })
}

/// The same body.
fn reqwest(meter: &mut Meter, framing: Framing) -> Outcome {
    let origin = meter.origin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    runtime.block_on(meter.batch_async(async |blocks| {
        let body = reqwest::Body::wrap(Source::of(blocks, framing));
        let response = client.post(format!("http://{origin}/upload")).body(body).send().await?;
        check(&response.bytes().await?, blocks)
    }))
}

/// What libcurl reads from, and writes to.
#[derive(Debug)]
struct Exchange {
    source: Source,
    receipt: Vec<u8>,
}

impl Handler for Exchange {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, ReadError> {
        let n = self.source.left.min(PIECE).min(room.len());
        room[..n].copy_from_slice(&black_box(&CONTENT)[..n]);
        self.source.left -= n;
        Ok(n)
    }

    fn write(&mut self, content: &[u8]) -> Result<usize, WriteError> {
        self.receipt.extend_from_slice(content);
        Ok(content.len())
    }
}

/// One handle, that does not wait for a `100 Continue`.
fn curl(meter: &mut Meter, framing: Framing) -> Outcome {
    let origin = meter.origin()?;
    let nothing = Exchange { source: Source::of(0, framing), receipt: Vec::new() };
    let mut easy = Easy2::new(nothing);
    easy.proxy("")?;
    easy.url(&format!("http://{origin}/upload"))?;
    easy.upload(true)?;
    easy.upload_buffer_size(PIECE)?;
    let mut fields = List::new();
    fields.append("Expect:")?;
    if framing == Chunks {
        fields.append("Transfer-Encoding: chunked")?;
    }
    easy.http_headers(fields)?;
    meter.batch(|blocks| {
        *easy.get_mut() = Exchange { source: Source::of(blocks, framing), receipt: Vec::new() };
        if framing == Length {
            easy.in_filesize((blocks * BLOCK) as u64)?;
        }
        easy.perform()?;
        check(&easy.get_ref().receipt, blocks)
    })
}

/// A session, and upload tasks that are lent what the reader has.
fn sortie(meter: &mut Meter, framing: Framing, piece: usize) -> Outcome {
    upload(meter, |blocks| {
        let source = Source { piece, ..Source::of(blocks, framing) };
        framed(sortie::UploadSource::buf_reader(source), blocks, framing)
    })
}

/// The same with a reader that has to be read.
fn sortie_copied(meter: &mut Meter, framing: Framing) -> Outcome {
    upload(meter, |blocks| {
        let reader = sortie::UploadSource::reader(Source::of(blocks, framing));
        framed(reader, blocks, framing)
    })
}

fn framed(source: sortie::UploadSource, blocks: usize, framing: Framing) -> sortie::UploadSource {
    match framing {
        Length => source.with_length((blocks * BLOCK) as u64),
        Chunks => source,
    }
}

fn upload(meter: &mut Meter, source: impl Fn(usize) -> sortie::UploadSource) -> Outcome {
    let url = format!("http://{}/upload", meter.origin()?);
    let session = sortie::Session::new();
    async_io::block_on(meter.batch_async(async |blocks| {
        let (_, receipt) = session.upload(url.as_str(), source(blocks)).await?;
        check(&receipt, blocks)
    }))
}
