//! `decode`: how much stack it takes to decode the head of a response.
//!
//! The head is one of 14 fields, the buffers are static, and the stack is painted right before the
//! call: what is reported is the call's own. It fails above 1,024 bytes.

#![no_std]
#![no_main]

use sortie_core::{
    BodyLength, Instant, Output, Request, RequestHead, Slot, Task, TaskOptions, Url,
};
use sortie_firmware::board::{entry, host, stack};
use sortie_firmware::report::Line;
use static_cell::StaticCell;

/// The most that is promised, in bytes.
const MOST: u32 = 1024;

/// A head as a common server sends it.
const HEAD: [u8; 581] = *b"HTTP/1.1 200 OK\r\n\
Date: Mon, 23 Nov 2026 10:00:00 GMT\r\n\
Server: nginx/1.25.3 (Debian)\r\n\
Content-Type: text/html; charset=utf-8\r\n\
Content-Length: 0\r\n\
Connection: keep-alive\r\n\
Last-Modified: Sun, 22 Nov 2026 09:00:00 GMT\r\n\
ETag: \"abcdef0123456789-deadbeef\"\r\n\
Cache-Control: public, max-age=3600, must-revalidate\r\n\
Vary: Accept-Encoding, Accept-Language\r\n\
Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n\
X-Content-Type-Options: nosniff\r\n\
X-Request-Id: 0123456789abcdef0123456789abcdef-0123\r\n\
Set-Cookie: session=0123456789abcdef; Path=/; HttpOnly; Secure\r\n\
Accept-Ranges: bytes\r\n\r\n";

static INPUT: StaticCell<[u8; HEAD.len()]> = StaticCell::new();
static INDEX: StaticCell<[Slot; 32]> = StaticCell::new();

#[entry]
fn main() -> ! {
    let input = INPUT.init(HEAD);
    let index = INDEX.init([Slot::EMPTY; 32]);
    let depth = waiting_task().and_then(|mut task| measure(&mut task, input, index));
    let depth = depth.unwrap_or(u32::MAX);
    Line::new().text(b"stack ").decimal(depth).print();
    host::exit(depth <= MOST)
}

/// A task that has sent its request.
fn waiting_task() -> Option<Task> {
    let url = Url::parse("http://10.0.2.2/").ok()?;
    let request = Request::new("GET", url, &[], BodyLength::None).ok()?;
    let mut task = Task::new(&request, TaskOptions::default());
    task.resume(Instant::EPOCH);
    task.handle_connected(Instant::EPOCH, false).ok()?;
    task.handle_prepared(Instant::EPOCH).ok()?;
    let mut output = [0; 128];
    let length = task.encode(&RequestHead::new(&request), &mut output).ok()?;
    task.handle_sent(Instant::EPOCH, length).ok()?;
    Some(task)
}

/// The bytes of stack below this function that decoding takes; `None` if it does not succeed.
#[inline(never)]
fn measure(task: &mut Task, input: &mut [u8], index: &mut [Slot]) -> Option<u32> {
    stack::paint();
    let used = stack::used();
    let advance = task.handle_head(Instant::EPOCH, input, false, index).ok()?;
    let depth = stack::peak().saturating_sub(used);
    let is_whole = advance.head == HEAD.len() && !task.still(Output::Exchange);
    is_whole.then_some(depth)
}
