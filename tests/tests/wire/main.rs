//! The wire, seen from a task: scripts played on the bare core, each with the bytes of the origin
//! whole, bytewise and cut at every place, with either half first, with content as runs and in
//! place, and in the smallest buffers. All of that must show the same.

mod begin;
mod commands;
mod counts;
mod framing;
mod heads;
mod interim;
mod kinds;
mod limits;
mod persistence;
mod questions;
mod ranges;
mod redirects;
mod refusals;
mod requests;
mod stale;
mod timers;
mod uploads;

use sortie_core::{CloseReason, Error};
use sortie_tests::bare::play_all;
use sortie_tests::script::Script;
use sortie_tests::trace::{Released, Trace};

/// A plain answer.
const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Its connection can be used again.
const REUSE: Released = Released::Reuse;

const fn closed(reason: CloseReason) -> Released {
    Released::Close(reason)
}

/// A GET that is answered with `response`, on a connection that stays open.
fn answered(response: impl Into<Vec<u8>>) -> Trace {
    play_all(&Script::get().answered(response))
}

/// A GET that is answered with `response`, after which the server closes the connection.
fn answered_and_closed(response: impl Into<Vec<u8>>) -> Trace {
    play_all(&Script::get().answered_and_closed(response))
}

/// A HEAD that is answered with `response`.
fn head_answered(response: &str) -> Trace {
    let head = Script { method: "HEAD".into(), ..Script::get() };
    play_all(&head.answered(response))
}

/// A chunked answer with this body.
fn chunked(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// The task succeeded with this content, and this became of its one connection.
#[track_caller]
fn assert_ok(trace: &Trace, content: &str, released: Released) {
    assert_eq!(trace.result, Ok(()), "{trace:?}");
    assert_eq!(trace.text(), content);
    assert_eq!(trace.released(), [released]);
}

/// The task failed with this error after this content, and its one connection was closed.
#[track_caller]
fn assert_err(trace: &Trace, content: &str, error: Error) {
    assert_eq!(trace.result, Err(error), "{trace:?}");
    assert_eq!(trace.text(), content);
    assert_eq!(trace.released(), [closed(CloseReason::Failed)]);
}
