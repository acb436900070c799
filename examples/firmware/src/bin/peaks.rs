//! `peaks`: how much stack calls of the core take, each painted by itself.
//!
//! What is called is what goes deepest: a head with a redirect, the URL that it leads to, a body in
//! chunks, a task that is queued and started, resume data that is read and judged. The buffers are
//! static, and each call stands in a function of its own, below which the stack is painted right
//! before it. `tests/link-probe/stack.py` holds these peaks against what it reads from the
//! disassembly: here, and of the link probe.

#![no_std]
#![no_main]

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use sortie_core::session::scheduler::{Assign, Scheduler, Urgency};
use sortie_core::{
    BodyLength, ChunkedDecoder, ContentRange, Field, Inspection, Instant, Output, Race, RaceOutput,
    RangeFields, Request, RequestHead, ResponseHead, ResumeData, Slot, Task, TaskOptions, Url,
    Validator, Verdict, Wish, http_date, judge, repr_digest_sha256,
};
use sortie_firmware::board::{entry, host, stack};
use sortie_firmware::report::Line;
use static_cell::StaticCell;

type Tasks = Scheduler<8, 4, 4>;

static INPUT: StaticCell<[u8; 512]> = StaticCell::new();
static OUTPUT: StaticCell<[u8; 512]> = StaticCell::new();
static INDEX: StaticCell<[Slot; 32]> = StaticCell::new();
static TASKS: StaticCell<Tasks> = StaticCell::new();

/// Where requests go, and where they are led to.
const HOME: &str = "http://user@192.0.2.1:8080/a/b/../c;d?e#f";
const AWAY: &[u8] = b"//[2001:db8::1]:8081/x/./y/../../z?q=1 2#g";
const DATE: &[u8] = b"Sunday, 06-Nov-94 08:49:37 GMT";

const MOVED: &[u8] = b"HTTP/1.1 302 Found\r\n\
Date: Mon, 23 Nov 2026 10:00:00 GMT\r\n\
Server: nginx/1.25.3 (Debian)\r\n\
Content-Type: text/html; charset=utf-8\r\n\
X-Folded: a\r\n b\r\n\
Transfer-Encoding: chunked\r\n\
Connection: keep-alive\r\n\
Location: //192.0.2.2:8081/x/./y/../../z?q=1 2#g\r\n\r\n";

const PART: &[u8] = b"HTTP/1.1 206 Partial Content\r\n\
Content-Range: bytes 500-999/1000\r\n\
Content-Length: 500\r\n\
Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT\r\n\
Date: Monday, 07-Nov-94 08:49:37 GMT\r\n\
Repr-Digest: unixsum=:MTA=:;a=1, sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:\r\n\
ETag: \"abcdef0123456789\"\r\n\r\n";

const CHUNKS: &[u8] =
    b"5;x=\"y\"\r\nhello\r\nB\r\n, out there\r\n0\r\nX-Sum: 1\r\nX-End: y\r\n\r\n";

/// The bytes of stack that a call takes below the function that this stands in, and its result.
macro_rules! painted {
    ($call:expr) => {{
        stack::paint();
        let used = stack::used();
        let result = black_box($call);
        (result, stack::peak().saturating_sub(used))
    }};
}

/// A function of this name that makes a call, in which nothing is known of its arguments.
macro_rules! peak {
    (
        $name:ident $(<$life:lifetime>)? ($($argument:ident: $kind:ty),*) -> $result:ty
        { $call:expr }
    ) => {
        #[inline(never)]
        fn $name $(<$life>)? ($($argument: $kind),*) -> ($result, u32) {
            painted!($call)
        }
    };
}

peak!(url_parse(text: &'static str) -> Option<Url<'static>> { Url::parse(text).ok() });
peak!(url_resolve(base: &Url<'_>, to: &[u8], output: &mut [u8]) -> Option<usize> {
    base.resolve(to, output).ok().map(|resolved| resolved.length)
});
peak!(request_new<'a>(url: Url<'a>, fields: &'a [Field<'a>]) -> Option<Request<'a>> {
    Request::new("POST", url, fields, BodyLength::Known(5)).ok()
});
peak!(task_new(request: &Request<'_>) -> Task { Task::new(request, TaskOptions::default()) });
peak!(task_encode(task: &mut Task, head: &RequestHead<'_>, output: &mut [u8]) -> Option<usize> {
    task.encode(head, output).ok()
});
peak!(task_handle_sent(task: &mut Task, count: usize) -> bool {
    task.handle_sent(Instant::EPOCH, count).is_ok()
});
peak!(task_handle_head(task: &mut Task, input: &mut [u8], index: &mut [Slot]) -> Option<usize> {
    task.handle_head(Instant::EPOCH, input, false, index).ok().map(|advance| advance.head)
});
peak!(task_inspect(task: &mut Task, lent: Inspection<'_>) -> Option<usize> {
    task.inspect(Instant::EPOCH, lent).ok().flatten().map(|resolved| resolved.length)
});
peak!(task_poll_output(task: &mut Task) -> Output { task.poll_output() });
peak!(task_handle_body(task: &mut Task, bytes: &mut [u8]) -> Option<usize> {
    task.handle_body(Instant::EPOCH, bytes).ok()
});
peak!(decode_in_place(decoder: &mut ChunkedDecoder, bytes: &mut [u8]) -> Option<usize> {
    decoder.decode_in_place(bytes).ok().map(|decoded| decoded.content)
});
peak!(list(head: &[u8], index: &mut [Slot]) -> usize { ResponseHead::list(head, index) });
peak!(date(text: &[u8]) -> Option<u64> { http_date(text) });
peak!(range(text: &[u8]) -> Option<ContentRange> { ContentRange::parse(text) });
peak!(digest(head: &ResponseHead<'_>) -> Option<[u8; 32]> { repr_digest_sha256(head) });
peak!(validator_of<'a>(head: &ResponseHead<'a>) -> Option<Validator<'a>> { Validator::of(head) });
peak!(resume_of<'a>(head: &ResponseHead<'a>) -> Option<ResumeData<'a>> {
    ResumeData::of(HOME, head, 500)
});
peak!(resume_encode(data: &ResumeData<'_>, output: &mut [u8]) -> Option<usize> {
    data.encode(output).ok()
});
peak!(resume_decode<'a>(bytes: &'a [u8]) -> Option<ResumeData<'a>> {
    ResumeData::decode(bytes).ok()
});
peak!(range_fields<'a>(data: &ResumeData<'a>) -> RangeFields<'a> { RangeFields::new(data) });
peak!(verdict(data: &ResumeData<'_>, head: &ResponseHead<'_>) -> Verdict { judge(data, head) });
peak!(add(tasks: &mut Tasks, origin: usize, how: Urgency) -> bool {
    tasks.add(Instant::EPOCH, origin, Wish::Any, how).is_ok()
});
peak!(poll_assign(tasks: &mut Tasks, now: Instant) -> Assign { tasks.poll_assign(now) });
peak!(keep(tasks: &mut Tasks, slot: usize) -> bool { tasks.keep(slot, Instant::EPOCH, 0) });
peak!(race_new(addresses: &[SocketAddr]) -> Race { Race::new(addresses) });
peak!(poll_race(race: &mut Race) -> RaceOutput { race.poll_race(Instant::EPOCH) });

#[entry]
fn main() -> ! {
    let input = INPUT.init([0; 512]);
    let output = OUTPUT.init([0; 512]);
    let index = INDEX.init([Slot::EMPTY; 32]);
    let tasks = TASKS.init(Tasks::new());
    let is_done = exchange(input, output, index).is_some()
        && resumption(output, index).is_some()
        && queue(tasks).is_some()
        && race().is_some();
    Line::new().text(b"stack ").decimal(stack::peak()).print();
    host::exit(is_done);
}

/// Tells the peak of a call: the function here, and the public one that it calls. Returns what came
/// of it.
fn tell<T>(name: &[u8], (result, depth): (T, u32)) -> T {
    Line::new().text(b"peak ").text(name).text(b" ").decimal(depth).print();
    result
}

/// Copies to the front of a buffer, and lends that.
fn filled<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> Option<&'b mut [u8]> {
    let front = buffer.get_mut(..bytes.len())?;
    front.copy_from_slice(bytes);
    Some(front)
}

/// A POST that is redirected, with a body in chunks.
fn exchange(input: &mut [u8], output: &mut [u8], index: &mut [Slot]) -> Option<()> {
    let now = Instant::EPOCH;
    let url = tell(b"url_parse Url::parse", url_parse(black_box(HOME)))?;
    tell(b"url_resolve Url::resolve", url_resolve(&url, black_box(AWAY), output))?;
    let fields = [
        Field::new("Content-Type", b"text/plain").ok()?,
        Field::new("Authorization", b"Basic eA==").ok()?,
        Field::new("TE", b"trailers").ok()?,
    ];
    let request = tell(b"request_new Request::new", request_new(url, &fields))?;
    let mut task = tell(b"task_new Task::new", task_new(&request));
    task.resume(now);
    task.handle_connected(now, false).ok()?;
    task.handle_prepared(now).ok()?;
    let head = RequestHead::new(&request);
    let length = tell(b"task_encode Task::encode", task_encode(&mut task, &head, output))?;
    tell(b"task_handle_sent Task::handle_sent", task_handle_sent(&mut task, length))
        .then_some(())?;
    task.handle_sent(now, 5).ok()?;
    let input_head = filled(input, MOVED)?;
    let looked = task_handle_head(&mut task, input_head, index);
    let length = tell(b"task_handle_head Task::handle_head", looked)?;
    (length == MOVED.len()).then_some(())?;
    let lent = Inspection {
        head: ResponseHead::new(input_head, index),
        target: url,
        next: output,
        resume: None,
    };
    tell(b"task_inspect Task::inspect", task_inspect(&mut task, lent))?;
    let told = tell(b"task_poll_output Task::poll_output", task_poll_output(&mut task));
    matches!(told, Output::Event(_)).then_some(())?;
    let taken = task_handle_body(&mut task, filled(input, CHUNKS)?);
    tell(b"task_handle_body Task::handle_body", taken)?;
    let mut decoder = ChunkedDecoder::new();
    let decoded = decode_in_place(&mut decoder, filled(input, CHUNKS)?);
    let content = tell(b"decode_in_place ChunkedDecoder::decode_in_place", decoded)?;
    (content == 16 && decoder.is_finished()).then_some(())
}

/// A download that is gone on with.
fn resumption(output: &mut [u8], index: &mut [Slot]) -> Option<()> {
    let count = tell(b"list ResponseHead::list", list(black_box(PART), index));
    (count == 6).then_some(())?;
    let head = ResponseHead::new(PART, index);
    tell(b"date http_date", date(black_box(DATE)))?;
    tell(b"range ContentRange::parse", range(black_box(b"bytes 500-999/1000")))?;
    tell(b"digest repr_digest_sha256", digest(&head))?;
    tell(b"validator_of Validator::of", validator_of(&head))?;
    let data = tell(b"resume_of ResumeData::of", resume_of(&head))?;
    let length = tell(b"resume_encode ResumeData::encode", resume_encode(&data, output))?;
    let data = tell(b"resume_decode ResumeData::decode", resume_decode(output.get(..length)?))?;
    tell(b"range_fields RangeFields::new", range_fields(&data));
    let verdict = tell(b"verdict judge", verdict(&data, &head));
    matches!(verdict, Verdict::Append { .. }).then_some(())
}

/// Tasks that are queued, start and give back what they had.
fn queue(tasks: &mut Tasks) -> Option<()> {
    for (origin, priority) in [(0, 500), (1, 900), (2, 100)] {
        tasks.add(Instant::EPOCH, origin, Wish::Any, Urgency { priority, bytes: None }).ok()?;
    }
    let small = Urgency { priority: 700, bytes: Some(1 << 20) };
    tell(b"add Schedule::add", add(tasks, 3, black_box(small))).then_some(())?;
    let started = tell(b"poll_assign Schedule::poll_assign", poll_assign(tasks, Instant::EPOCH));
    let Assign::Start { slot, .. } = started else { return None };
    tell(b"keep Schedule::keep", keep(tasks, slot)).then_some(())
}

fn race() -> Option<()> {
    let address = |last: u8| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), 80);
    let addresses = [address(1), address(2), address(1), address(3)];
    let mut race = tell(b"race_new Race::new", race_new(black_box(&addresses)));
    let first = tell(b"poll_race Race::poll_race", poll_race(&mut race));
    matches!(first, RaceOutput::Start { .. }).then_some(())
}
