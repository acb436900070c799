//! Decoding 1 MiB of chunked content that arrives in pieces of 64 KiB.
//!
//! The body has no last chunk: its decoder goes on from one iteration to the next, so that the
//! heads around it are read once, in the warm-up, and no peer pays for them. Pieces end anywhere
//! in a chunk, and everybody gets the same ones.

use crate::memory::Wire;
use crate::meter::{Failure, Meter, Outcome, Row};
use futures_lite::future;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use sortie_core::{
    BodyLength, ChunkedDecoder, Event, Instant, Output, RequestHead, Task, TaskOptions, Url,
};
use std::fmt::Write as _;
use std::hint::black_box;
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult, state};

/// Content of one iteration.
const CONTENT: usize = 1 << 20;

/// Most bytes that are handed over at once.
const PIECE: usize = 64 << 10;

/// Content of a small chunk.
const SMALL: usize = 1 << 10;

/// Content of a large chunk.
const LARGE: usize = 16 << 10;

/// The request of the peers that decode a body only as part of an exchange.
const REQUEST: &str = "GET / HTTP/1.1\r\nhost: api.example.com\r\n\r\n";

/// The head of its response.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// The rows of this file.
pub(crate) const ROWS: &[Row] = &[
    row("chunks-1k-by-hand-runs", "floor: 1 KiB chunks, content as slices", |m| runs(m, SMALL)),
    row("chunks-1k-by-hand-front", "floor: content moved to the front", |m| front(m, SMALL)),
    row("chunks-1k-ureq-proto", "ureq-proto copies it to a buffer", |m| ureq_proto(m, SMALL)),
    row("chunks-1k-hyper", "hyper 1 over memory, content as `Bytes`", |m| hyper(m, SMALL)),
    row("chunks-1k-decoder-runs", "ours: the decoder alone, content as slices", |m| {
        decoder_runs(m, SMALL)
    }),
    row("chunks-1k-decoder-front", "ours: the decoder alone, content to the front", |m| {
        decoder_front(m, SMALL)
    }),
    row("chunks-1k-sortie-runs", "ours: a task of the bare core, content as slices", |m| {
        sortie_runs(m, SMALL)
    }),
    row(
        "chunks-1k-sortie-front",
        "ours: a task of the bare core, content moved to the front",
        |m| sortie_front(m, SMALL),
    ),
    row("chunks-16k-by-hand-runs", "the same in 16 KiB chunks", |m| runs(m, LARGE)),
    row("chunks-16k-ureq-proto", "the same in 16 KiB chunks", |m| ureq_proto(m, LARGE)),
    row("chunks-16k-hyper", "the same in 16 KiB chunks", |m| hyper(m, LARGE)),
    row("chunks-16k-decoder-runs", "the same in 16 KiB chunks", |m| decoder_runs(m, LARGE)),
    row("chunks-16k-sortie-runs", "the same in 16 KiB chunks", |m| sortie_runs(m, LARGE)),
];

const fn row(name: &'static str, what: &'static str, run: fn(&mut Meter) -> Outcome) -> Row {
    Row::in_memory(name, what, [2, 8], run)
}

/// One iteration's bytes: whole chunks of `chunk` bytes, without a last chunk.
fn body(chunk: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    for at in 0..CONTENT / chunk {
        let mut line = String::new();
        write!(line, "{chunk:x}\r\n")?;
        body.extend_from_slice(line.as_bytes());
        body.extend((0..chunk).map(|byte| (at + byte) as u8));
        body.extend_from_slice(b"\r\n");
    }
    Ok(body)
}

/// The least a chunked decoder does: size, content, line end, stopping anywhere.
///
/// It checks what must be checked for the framing to hold, and knows neither extensions nor
/// trailers nor limits nor counts of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByHand {
    /// In a size line, with the digits so far.
    Size(u64),
    /// After the size line's CR.
    SizeLf(u64),
    /// In content, with what is left of it.
    Content(u64),
    /// After content.
    Cr,
    /// After the CR that follows content.
    Lf,
    /// After the last chunk's size line.
    LastCr,
    /// After the CR that follows it.
    LastLf,
    /// After the body.
    Ended,
}

impl ByHand {
    /// Takes from the front of `input` what precedes content; returns the next content's range,
    /// an empty one where `input` ends before there is any.
    pub(crate) fn next(&mut self, input: &[u8]) -> Result<(usize, usize), Failure> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            *self = match (*self, byte) {
                (Self::Size(n), b'\r') => Self::SizeLf(n),
                (Self::Size(n), _) => Self::Size((n << 4) | u64::from(digit(byte)?)),
                (Self::SizeLf(0), b'\n') => Self::LastCr,
                (Self::SizeLf(n), b'\n') => Self::Content(n),
                (Self::Content(n), _) => {
                    let end = input.len().min(at + n as usize);
                    let left = n - (end - at) as u64;
                    *self = if left == 0 { Self::Cr } else { Self::Content(left) };
                    return Ok((at, end));
                }
                (Self::Cr, b'\r') => Self::Lf,
                (Self::Lf, b'\n') => Self::Size(0),
                (Self::LastCr, b'\r') => Self::LastLf,
                (Self::LastLf, b'\n') => Self::Ended,
                (Self::SizeLf(_) | Self::Cr | Self::Lf | Self::LastCr | Self::LastLf, _) => {
                    return Err("no line end".into());
                }
                (Self::Ended, _) => return Err("more than the body".into()),
            };
            at += 1;
        }
        Ok((at, at))
    }
}

fn digit(byte: u8) -> Result<u8, Failure> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err("no digit of a chunk size".into()),
    }
}

/// Hands content over as slices of the piece it arrived in, without copying any.
fn runs(meter: &mut Meter, chunk: usize) -> Outcome {
    let body = body(chunk)?;
    let mut decoder = ByHand::Size(0);
    meter.repeat(|| {
        let mut content = 0;
        for mut piece in black_box(&body).chunks(PIECE) {
            while !piece.is_empty() {
                let (from, to) = decoder.next(piece)?;
                content += black_box(&piece[from..to]).len();
                piece = &piece[to..];
            }
        }
        check(content)
    })
}

/// Moves content to the front of the piece, so that the piece becomes what the caller reads.
///
/// That uses the pieces up: each iteration gets a body of its own, made before anything is
/// counted, because making it in the iteration would cost more than decoding it.
fn front(meter: &mut Meter, chunk: usize) -> Outcome {
    let mut bodies = vec![body(chunk)?; meter.most()];
    let mut bodies = bodies.iter_mut();
    let mut decoder = ByHand::Size(0);
    meter.repeat(|| {
        let body = bodies.next().ok_or("too many iterations for this row")?;
        let mut content = 0;
        for piece in black_box(body).chunks_mut(PIECE) {
            let (mut kept, mut at) = (0, 0);
            while at < piece.len() {
                let (from, to) = decoder.next(&piece[at..])?;
                piece.copy_within(at + from..at + to, kept);
                kept += to - from;
                at += to;
            }
            content += black_box(&piece[..kept]).len();
        }
        check(content)
    })
}

/// One call in its body state.
///
/// What it leaves of a piece it gets again in front of the next one. The bytes lie one behind the
/// other in memory, so that this costs no copy; a real caller would have to move them.
fn ureq_proto(meter: &mut Meter, chunk: usize) -> Outcome {
    let body = body(chunk)?;
    let mut output = vec![0; PIECE];
    let mut call = ureq_proto_body()?;
    meter.repeat(|| {
        let body = black_box(&body);
        let (mut content, mut at, mut end) = (0, 0, 0);
        while at < body.len() {
            end = body.len().min(end + PIECE);
            loop {
                let (used, decoded) = call.read(&body[at..end], &mut output)?;
                at += used;
                content += black_box(&output[..decoded]).len();
                if used == 0 || at == end {
                    break;
                }
            }
        }
        check(content)
    })
}

/// A call of ureq-proto that has just read a response head.
fn ureq_proto_body() -> Result<Call<state::RecvBody>, Failure> {
    let request = Request::get("http://api.example.com/").body(())?;
    let mut call = Call::new(request)?.proceed();
    call.write(&mut [0; 1024])?;
    let Some(SendRequestResult::RecvResponse(mut call)) = call.proceed()? else {
        return Err("ureq-proto wants to send a body".into());
    };
    call.try_response(HEAD, false)?;
    let Some(RecvResponseResult::RecvBody(call)) = call.proceed() else {
        return Err("ureq-proto wants no body".into());
    };
    Ok(call)
}

/// One response of a client connection; the row takes its frames as hyper makes them.
///
/// hyper sizes its read buffer itself; the wire hands it at most a piece at a time.
fn hyper(meter: &mut Meter, chunk: usize) -> Outcome {
    let wire = Wire::endless(REQUEST.len(), HEAD, body(chunk)?, PIECE);
    future::block_on(async {
        let (mut sender, connection) = http1::handshake(wire).await?;
        let decoding = async {
            let request =
                Request::get("/").header("host", "api.example.com").body(Empty::<Bytes>::new())?;
            let mut response = sender.send_request(request).await?;
            let decoded = meter.repeat_async(async || {
                let mut content = 0;
                while content < CONTENT {
                    let frame = response.frame().await.ok_or("the body ended")??;
                    content += black_box(&frame).data_ref().map_or(0, Bytes::len);
                }
                Ok(())
            });
            decoded.await
        };
        future::or(decoding, async {
            connection.await?;
            Err("hyper closed the connection".into())
        })
        .await
    })
}

/// As `runs`, by our decoder alone.
fn decoder_runs(meter: &mut Meter, chunk: usize) -> Outcome {
    let body = body(chunk)?;
    let mut decoder = ChunkedDecoder::new();
    meter.repeat(|| {
        let mut content = 0;
        for mut piece in black_box(&body).chunks(PIECE) {
            while !piece.is_empty() {
                let run = decoder.next_run(piece)?;
                content += black_box(&piece[run.framing..run.consumed()]).len();
                piece = &piece[run.consumed()..];
            }
        }
        check(content)
    })
}

/// As `front`, by our decoder alone.
fn decoder_front(meter: &mut Meter, chunk: usize) -> Outcome {
    let mut bodies = vec![body(chunk)?; meter.most()];
    let mut bodies = bodies.iter_mut();
    let mut decoder = ChunkedDecoder::new();
    meter.repeat(|| {
        let body = bodies.next().ok_or("too many iterations for this row")?;
        let mut content = 0;
        for piece in black_box(body).chunks_mut(PIECE) {
            let decoded = decoder.decode_in_place(piece)?;
            content += black_box(&piece[..decoded.content]).len();
        }
        check(content)
    })
}

/// As `runs`, by a task of ours: content as slices, with everything else that a task keeps.
///
/// The time is the same at every call: a clock is the adapter's.
fn sortie_runs(meter: &mut Meter, chunk: usize) -> Outcome {
    let body = body(chunk)?;
    let mut task = sortie_body()?;
    meter.repeat(|| {
        let now = black_box(Instant::EPOCH);
        let mut content = 0;
        for mut piece in black_box(&body).chunks(PIECE) {
            while !piece.is_empty() {
                let run = task.handle_run(now, piece)?;
                content += black_box(&piece[run.framing..run.consumed()]).len();
                piece = &piece[run.consumed()..];
            }
        }
        check(content)
    })
}

/// As `front`, by a task of ours.
fn sortie_front(meter: &mut Meter, chunk: usize) -> Outcome {
    let mut bodies = vec![body(chunk)?; meter.most()];
    let mut bodies = bodies.iter_mut();
    let mut task = sortie_body()?;
    meter.repeat(|| {
        let now = black_box(Instant::EPOCH);
        let body = bodies.next().ok_or("too many iterations for this row")?;
        let mut content = 0;
        for piece in black_box(body).chunks_mut(PIECE) {
            let decoded = task.handle_body(now, piece)?;
            content += black_box(&piece[..decoded]).len();
        }
        check(content)
    })
}

/// A task of ours that has just read a response head.
fn sortie_body() -> Result<Task, Failure> {
    let now = Instant::EPOCH;
    let url = Url::parse("http://api.example.com/")?;
    let request = sortie_core::Request::new("GET", url, &[], BodyLength::None)?;
    let mut task = Task::new(&request, TaskOptions::default());
    task.resume(now);
    task.handle_connected(now, false)?;
    task.handle_prepared(now)?;
    let length = task.encode(&RequestHead::new(&request), &mut [0; 1024])?;
    task.handle_sent(now, length)?;
    let advance = task.handle_head(now, &mut HEAD.to_vec(), false, &mut [])?;
    let event = Output::Event(Event::Response { status: 200 });
    if advance.head != HEAD.len() || task.poll_output() != event {
        return Err("the task has no response".into());
    }
    Ok(task)
}

fn check(content: usize) -> Outcome {
    if content == CONTENT { Ok(()) } else { Err(format!("{content} bytes of content").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_decodes_every_cut_alike() -> Outcome {
        let body = body(LARGE)?;
        let whole: Vec<u8> =
            body.chunks(LARGE + 8).flat_map(|chunk| chunk[6..6 + LARGE].to_vec()).collect();
        for piece in [1, 2, 3, 5, 7, 1024, PIECE] {
            let (mut decoder, mut content) = (ByHand::Size(0), Vec::new());
            for mut piece in body.chunks(piece) {
                while !piece.is_empty() {
                    let (from, to) = decoder.next(piece)?;
                    content.extend_from_slice(&piece[from..to]);
                    piece = &piece[to..];
                }
            }
            assert!(content == whole, "pieces of {piece}");
        }
        Ok(())
    }
}
