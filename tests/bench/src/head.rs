//! One exchange without I/O: a request head of six fields is written, a response head of fourteen
//! fields and 600 bytes is read, and with it the response ends.
//!
//! Everybody gets the same fields and the same response, whole and in one piece. Its
//! `Content-Length: 0` lets each peer decide for itself that the message ends there.
//!
//! The peers take an `http::Request` and consume it. Where the same one is sent again and again it
//! can be made once and cloned; most callers build one from strings each time, and its fields are
//! validated then. Both are measured: the first is the peer of our row with fields that the
//! compiler has validated, the second of our row where that and the URL come at run time.

use crate::memory::Wire;
use crate::meter::{Failure, Meter, Outcome, Row};
use futures_lite::future;
use http::StatusCode;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use sortie_core::{
    BodyLength, Event, Field, Instant, Output, Request, RequestError, RequestHead, Send, Slot,
    Task, TaskOptions, Url, Wish, field,
};
use std::hint::black_box;
use std::mem::MaybeUninit;
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};

/// The path that is asked for.
const PATH: &str = "/v1/articles?page=2";

/// The same as a URL, for peers that want one.
const URL: &str = "http://api.example.com/v1/articles?page=2";

/// The six fields of the request, `Host` among them.
const FIELDS: [(&str, &str); 6] = [
    ("host", "api.example.com"),
    ("user-agent", "sortie-bench/0.1"),
    ("accept", "application/json"),
    ("accept-language", "en, de;q=0.8"),
    ("cache-control", "no-cache"),
    ("authorization", "Bearer 0123456789abcdef0123456789abcdef"),
];

/// Bytes of the request head; the order of the fields and the case of their names are free.
const REQUEST_LEN: usize = request_len();

/// The response.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Date: Mon, 23 Nov 2026 08:15:42 GMT\r\n\
    Server: nginx\r\n\
    Content-Type: application/json; charset=utf-8\r\n\
    Content-Length: 0\r\n\
    Connection: keep-alive\r\n\
    Last-Modified: Sun, 22 Nov 2026 21:04:09 GMT\r\n\
    ETag: \"5f3a9c1e7b2d4860\"\r\n\
    Cache-Control: private, max-age=300, must-revalidate\r\n\
    Vary: Accept, Accept-Language\r\n\
    Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n\
    X-Content-Type-Options: nosniff\r\n\
    X-Frame-Options: SAMEORIGIN\r\n\
    X-Request-Id: 7d9f2c64-1b7e-4f0a-9a51-c8e3d2b6f014\r\n\
    Set-Cookie: sid=4f9d2a7c81; Path=/; Secure; HttpOnly; SameSite=Strict; \
    Max-Age=86400; Domain=a.example\r\n\
    \r\n";

const _: () = assert!(RESPONSE.len() == 600);

/// The fields of the request but `Host`, which we take from the URL.
const CHECKED: [(&str, &str); 5] = [FIELDS[1], FIELDS[2], FIELDS[3], FIELDS[4], FIELDS[5]];

/// The same, validated by the compiler.
const VALIDATED: [Field<'static>; 5] = [
    field!(CHECKED[0].0, CHECKED[0].1),
    field!(CHECKED[1].0, CHECKED[1].1),
    field!(CHECKED[2].0, CHECKED[2].1),
    field!(CHECKED[3].0, CHECKED[3].1),
    field!(CHECKED[4].0, CHECKED[4].1),
];

/// Fields in the response, checked by every row.
const RESPONSE_FIELDS: usize = 14;

/// The rows of this file.
pub(crate) const ROWS: &[Row] = &[
    row("head-httparse", "floor: httparse finds status and fields, nothing is written", httparse),
    row("head-hyper-cloned", "hyper 1 over memory, a ready request is cloned", |meter| {
        let ready = request(PATH, Empty::new())?;
        hyper(meter, || Ok(black_box(&ready).clone()))
    }),
    row("head-hyper-built", "hyper 1 over memory, the request is built from strings", |meter| {
        hyper(meter, || request(black_box(PATH), Empty::new()))
    }),
    row("head-ureq-proto-cloned", "ureq-proto, a ready request is cloned", |meter| {
        let ready = request(URL, ())?;
        ureq_proto(meter, || Ok(black_box(&ready).clone()))
    }),
    row("head-ureq-proto-built", "ureq-proto, the request is built from strings", |meter| {
        ureq_proto(meter, || request(black_box(URL), ()))
    }),
    row("head-sortie", "ours: the bare core, fields validated by the compiler", |meter| {
        let url = Url::parse(URL)?;
        sortie(meter, |exchange| exchange.run(url, black_box(&VALIDATED)))
    }),
    row("head-sortie-checked", "ours: the bare core, fields validated each time", |meter| {
        let url = Url::parse(URL)?;
        sortie(meter, |exchange| exchange.run(url, &checked()?))
    }),
    row(
        "head-sortie-built",
        "ours: the bare core, fields validated and URL parsed each time",
        |meter| sortie(meter, |exchange| exchange.run(Url::parse(black_box(URL))?, &checked()?)),
    ),
];

const fn row(name: &'static str, what: &'static str, run: fn(&mut Meter) -> Outcome) -> Row {
    Row::in_memory(name, what, [20, 500], run)
}

const fn request_len() -> usize {
    let mut len = "GET  HTTP/1.1\r\n\r\n".len() + PATH.len();
    let mut i = 0;
    while i < FIELDS.len() {
        len += FIELDS[i].0.len() + ": ".len() + FIELDS[i].1.len() + "\r\n".len();
        i += 1;
    }
    len
}

/// A request as the `http` crate has it, for the peers that take one; it validates every field.
fn request<B>(uri: &str, body: B) -> Result<http::Request<B>, Failure> {
    let mut request = http::Request::get(uri);
    for (name, value) in black_box(FIELDS) {
        request = request.header(name, value);
    }
    Ok(request.body(body)?)
}

/// The least that any client on httparse pays: one parse of the response.
///
/// It decides nothing and writes nothing. Room for the fields is not initialised, as a caller who
/// minds instructions would have it.
fn httparse(meter: &mut Meter) -> Outcome {
    let config = httparse::ParserConfig::default();
    meter.repeat(|| {
        let mut slots = [const { MaybeUninit::uninit() }; 32];
        let mut response = httparse::Response::new(&mut []);
        let bytes = black_box(RESPONSE);
        let status = config.parse_response_with_uninit_headers(&mut response, bytes, &mut slots)?;
        check(status == httparse::Status::Complete(RESPONSE.len()))?;
        check(response.headers.len() == RESPONSE_FIELDS)?;
        black_box(&response);
        Ok(())
    })
}

/// One connection for all exchanges; request and connection are polled by one thread.
///
/// The target is in origin form, so that hyper need not take a URL apart.
fn hyper(
    meter: &mut Meter,
    request: impl Fn() -> Result<http::Request<Empty<Bytes>>, Failure>,
) -> Outcome {
    let wire = Wire::heads(REQUEST_LEN, RESPONSE);
    future::block_on(async {
        let (mut sender, connection) = http1::handshake(wire).await?;
        let exchanges = meter.repeat_async(async || {
            sender.ready().await?;
            let mut response = sender.send_request(request()?).await?;
            check(response.status() == StatusCode::OK)?;
            check(response.headers().len() == RESPONSE_FIELDS)?;
            check(response.body_mut().frame().await.is_none())?;
            black_box(&response);
            Ok(())
        });
        future::or(exchanges, async {
            connection.await?;
            Err("hyper closed the connection".into())
        })
        .await
    })
}

/// Every state of one call, writing into a buffer that is kept.
fn ureq_proto(
    meter: &mut Meter,
    request: impl Fn() -> Result<http::Request<()>, Failure>,
) -> Outcome {
    let mut output = [0; 1024];
    meter.repeat(|| {
        let mut call = Call::new(request()?)?.proceed();
        check(call.write(&mut output)? == REQUEST_LEN)?;
        black_box(&output);
        let Some(SendRequestResult::RecvResponse(mut call)) = call.proceed()? else {
            return Err("ureq-proto wants to send a body".into());
        };
        let (used, response) = call.try_response(black_box(RESPONSE), false)?;
        let response = response.ok_or("ureq-proto wants more input")?;
        check(used == RESPONSE.len() && response.status() == StatusCode::OK)?;
        check(response.headers().len() == RESPONSE_FIELDS)?;
        black_box(&response);
        let Some(RecvResponseResult::Cleanup(call)) = call.proceed() else {
            return Err("ureq-proto wants to receive a body".into());
        };
        check(!call.must_close_connection())
    })
}

/// Our fields, from strings.
fn checked() -> Result<[Field<'static>; 5], RequestError> {
    let [a, b, c, d, e] = *black_box(&CHECKED);
    let field = |of: (&'static str, &'static str)| Field::new(of.0, of.1.as_bytes());
    Ok([field(a)?, field(b)?, field(c)?, field(d)?, field(e)?])
}

/// What a caller of the bare core lends it, and keeps.
#[derive(Debug)]
struct Exchange {
    output: [u8; 1024],
    input: Vec<u8>,
    index: [Slot; 16],
}

impl Exchange {
    /// A request and its task, from the first call to the last, as an adapter would drive it.
    ///
    /// The time is the same at every call: a clock is the adapter's.
    fn run(&mut self, url: Url<'_>, fields: &[Field<'_>]) -> Outcome {
        let now = black_box(Instant::EPOCH);
        let request = Request::new("GET", black_box(url), fields, BodyLength::None)?;
        let mut task = Task::new(&request, TaskOptions::default());
        task.resume(now);
        check(task.poll_output() == Output::Connect(Wish::Any))?;
        task.handle_connected(now, true)?;
        check(task.poll_output() == Output::Prepare)?;
        task.handle_prepared(now)?;
        check(task.poll_output() == Output::Exchange && task.io(0).send == Some(Send::Encode))?;
        let length = task.encode(&RequestHead::new(&request), &mut self.output)?;
        check(length == REQUEST_LEN)?;
        black_box(&self.output);
        task.handle_sent(now, length)?;
        let advance = task.handle_head(now, black_box(&mut self.input), false, &mut self.index)?;
        check(advance.head == RESPONSE.len())?;
        check(self.index[RESPONSE_FIELDS - 1] != Slot::EMPTY)?;
        black_box(&self.index);
        check(task.poll_output() == Output::Event(Event::Response { status: 200 }))?;
        check(task.poll_output() == Output::Reuse)?;
        check(task.poll_output() == Output::Finish)?;
        task.handle_committed()?;
        check(task.poll_output() == Output::Complete(Ok(())))
    }
}

/// Repeats an exchange of ours; buffers and index are lent by us and kept, the task is new.
fn sortie(meter: &mut Meter, mut once: impl FnMut(&mut Exchange) -> Outcome) -> Outcome {
    let index = [Slot::EMPTY; 16];
    let mut exchange = Exchange { output: [0; 1024], input: RESPONSE.to_vec(), index };
    meter.repeat(|| once(&mut exchange))
}

fn check(holds: bool) -> Outcome {
    if holds { Ok(()) } else { Err("the peer did something else than the row describes".into()) }
}
