//! The core allocates nothing: each of its machines through a whole life, counted. That nothing of
//! it can ever allocate is shown by the link probe, in which there is no allocator.

use std::net::SocketAddr;

use allocation_counter::measure;
use sortie_core::session::scheduler::{Assign, How, Scheduler, Urgency};
use sortie_core::{
    Answer, Asks, BodyLength, ChunkedDecoder, Error, Event, Inspection, Instant, Output, Question,
    Race, RaceOutput, RangeFields, Receive, Request, RequestHead, ResponseHead, ResumeData, Send,
    Slot, Task, TaskOptions, Transport, Url, Validator, Wish, field,
};

/// Plays one upload and its chunked answer, with every buffer on the stack. `received` comes piece
/// by piece. Returns how the task ended, and the content that it counted.
fn exchange(received: &[u8], piece: usize) -> (Result<(), Error>, u64) {
    let fields = [field!("Accept", "text/plain"), field!("Expect", "100-continue")];
    let url = Url::parse("http://192.0.2.1:8080/telemetry?unit=celsius").expect("a URL");
    let request = Request::new("PUT", url, &fields, BodyLength::Unknown).expect("a request");
    let mut task = Task::new(&request, TaskOptions::default());
    let (mut output, mut index) = ([0; 64], [Slot::EMPTY; 16]);
    let (mut input, mut held) = ([0; 1024], 0);
    let mut rest = received;
    let now = Instant::EPOCH;
    task.resume(now);
    loop {
        match task.poll_output() {
            Output::Connect(wish) => {
                assert_eq!(wish, Wish::Any);
                task.handle_connecting(now).expect("asked for");
                task.handle_connected(now, false).expect("asked for");
            }
            Output::Prepare => task.handle_prepared(now).expect("asked for"),
            Output::Exchange => {
                send(&mut task, &request, &mut output);
                let io = task.io(input.len());
                if io.receive.is_some() && rest.is_empty() && held == 0 {
                    task.handle_end().expect("asked for");
                    continue;
                }
                let more = match io.receive {
                    None | Some(Receive::HeadAgain) => 0,
                    Some(Receive::Head | Receive::Body { .. } | Receive::Discard { .. }) => {
                        piece.min(rest.len())
                    }
                };
                for (to, from) in input[held..].iter_mut().zip(&rest[..more]) {
                    *to = *from;
                }
                (held, rest) = (held + more, &rest[more..]);
                held = receive(&mut task, io.receive, &mut input, held, &mut index);
            }
            Output::Finish => task.handle_committed().expect("asked for"),
            Output::Event(Event::Response { status }) => assert_eq!(status, 200),
            Output::Event(_) | Output::Close(_) | Output::Reuse => {}
            Output::Inspect | Output::Wait | Output::Upgraded => panic!("not in this exchange"),
            Output::Complete(result) => return (result, task.counts().received),
        }
    }
}

/// Writes what is due, to nowhere. The body is 3,000 bytes, at hand 1,000 at a time.
fn send(task: &mut Task, request: &Request<'_>, output: &mut [u8]) {
    let now = Instant::EPOCH;
    match task.io(0).send {
        None => {}
        Some(Send::Encode) => {
            task.encode(&RequestHead::new(request), output).expect("asked for");
            task.encode_behind(output).expect("asked for");
        }
        Some(Send::Write { before, max, after, .. }) => {
            task.handle_sent(now, before + max + after).expect("asked for");
        }
        Some(Send::Source { from }) => {
            let count = if from < 3000 { 1000 } else { 0 };
            task.handle_source(now, count).expect("asked for");
        }
    }
}

/// Hands in what is held. Returns how much of it still is.
fn receive(
    task: &mut Task,
    what: Option<Receive>,
    input: &mut [u8],
    held: usize,
    index: &mut [Slot],
) -> usize {
    let now = Instant::EPOCH;
    match what {
        None => held,
        Some(Receive::Head | Receive::HeadAgain) => {
            let advance = task.handle_head(now, &mut input[..held], false, index);
            let advance = advance.expect("asked for");
            if advance.head > 0 {
                let head = ResponseHead::new(&input[..advance.head], index);
                assert_eq!(head.value("content-type"), Some(&b"text/plain"[..]));
            }
            let gone = advance.drop + advance.head;
            input.copy_within(gone..held, 0);
            held - gone
        }
        Some(Receive::Body { max } | Receive::Discard { max }) => {
            let taken = held.min(max);
            task.handle_body(now, &mut input[..taken]).expect("asked for");
            held - taken
        }
    }
}

const ANSWER: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
    X-Folded: a\r\n b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n\
    0\r\nX-Sum: 1\r\n\r\n";

/// RUSTSEC-2022-0066 and its like: nothing a peer says makes the core ask for memory.
#[test]
fn a_whole_exchange_allocates_nothing() {
    for piece in [1, 2, 7, 64, 1000] {
        let mut result = None;
        let info = measure(|| result = Some(exchange(ANSWER, piece)));
        assert_eq!(result, Some((Ok(()), 11)), "in pieces of {piece}");
        assert_eq!(info.count_total, 0, "in pieces of {piece}: {info:?}");
    }
}

#[test]
fn an_exchange_that_fails_allocates_nothing_either() {
    let length = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
        Content-Length: 18446744073709551615\r\n\r\nhello";
    let size = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
        Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nhello";
    for answer in [&length[..], &size[..]] {
        let mut result = None;
        let info = measure(|| result = Some(exchange(answer, 1000)));
        assert!(matches!(result, Some((Err(_), 5))), "{result:?}");
        assert_eq!(info.count_total, 0, "{info:?}");
    }
}

/// Brings a task to its exchange and sends its head, with what is added to it.
fn sent(task: &mut Task, request: &Request<'_>, data: Option<&ResumeData<'_>>) {
    let now = Instant::EPOCH;
    let mut output = [0; 512];
    task.handle_connecting(now).expect("asked for");
    task.handle_connected(now, false).expect("asked for");
    task.handle_prepared(now).expect("asked for");
    let range = data.map(RangeFields::new);
    let fields = range.as_ref().map(RangeFields::fields);
    let added = fields.as_ref().map_or(&[][..], |fields| &fields[..]);
    let head = RequestHead { added, ..RequestHead::new(request) };
    let count = task.encode(&head, &mut output).expect("asked for");
    task.handle_sent(now, count).expect("all of it");
}

/// Hands in a head and inspects it, with room for a URL. Returns the length of the URL.
fn inspected(
    task: &mut Task,
    head: &mut [u8],
    target: Url<'_>,
    data: Option<&ResumeData<'_>>,
) -> Option<usize> {
    let (now, mut index, mut next) = (Instant::EPOCH, [Slot::EMPTY; 8], [0; 64]);
    let advance = task.handle_head(now, head, false, &mut index).expect("asked for");
    assert_eq!(advance.head, head.len());
    let head = ResponseHead::new(head, &index);
    let resume = data.map(ResumeData::resumption);
    let lent = Inspection { head, target, next: &mut next, resume };
    let resolved = task.inspect(now, lent).expect("asked for");
    resolved.map(|resolved| resolved.length)
}

/// A redirect that is asked about, followed, and ends in a 204.
fn redirected() -> Option<Result<(), Error>> {
    let (now, url) = (Instant::EPOCH, Url::parse("http://a/b").expect("a URL"));
    let request = Request::new("GET", url, &[], BodyLength::None).expect("a request");
    let asks = Asks { redirect: true, ..Asks::default() };
    let mut task = Task::new(&request, TaskOptions { asks, ..TaskOptions::default() });
    task.resume(now);
    sent(&mut task, &request, None);
    let mut head = *b"HTTP/1.1 302 X\r\nLocation: ../c\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(inspected(&mut task, &mut head, url, None), Some("http://a/c".len()));
    let Output::Event(Event::Question(Question::Redirect, token)) = task.poll_output() else {
        return None;
    };
    task.answer(now, token, Answer::Follow).expect("it was asked");
    assert_eq!(task.poll_output(), Output::Event(Event::Redirected { status: 302 }));
    task.handle_body(now, &mut [b'n', b'o']).expect("asked for");
    assert_eq!(task.poll_output(), Output::Reuse);
    sent(&mut task, &request, None);
    let mut head = *b"HTTP/1.1 204 X\r\n\r\n";
    let _ = task.handle_head(now, &mut head, false, &mut []).expect("asked for");
    finished(&mut task)
}

/// A download that goes on behind its third byte, and is stored.
fn resumed() -> Option<Result<(), Error>> {
    let (now, url) = (Instant::EPOCH, Url::parse("http://a/b").expect("a URL"));
    let request = Request::new("GET", url, &[], BodyLength::None).expect("a request");
    let tag = Validator::ETag(b"\"v1\"");
    let data = ResumeData::new("http://a/b", tag, 3, Some(5)).expect("it is in order");
    let mut bytes = [0; 100];
    let length = data.encode(&mut bytes).expect("room for it");
    let data = ResumeData::decode(&bytes[..length]).expect("what was encoded");
    let mut task = Task::new(&request, TaskOptions { is_resuming: true, ..TaskOptions::default() });
    task.resume(now);
    sent(&mut task, &request, Some(&data));
    let mut head = *b"HTTP/1.1 206 X\r\nETag: \"v1\"\r\nContent-Range: bytes 3-4/5\r\n\
        Content-Length: 2\r\n\r\n";
    assert_eq!(inspected(&mut task, &mut head, url, Some(&data)), None);
    assert_eq!(task.poll_output(), Output::Event(Event::Response { status: 206 }));
    assert_eq!(task.poll_output(), Output::Event(Event::Resumed));
    task.handle_body(now, &mut [b'l', b'o']).expect("asked for");
    task.handle_delivered(now, 2).expect("as much came");
    finished(&mut task)
}

/// Ends a task of which everything was received.
fn finished(task: &mut Task) -> Option<Result<(), Error>> {
    loop {
        match task.poll_output() {
            Output::Finish => task.handle_committed().expect("asked for"),
            Output::Complete(result) => return Some(result),
            Output::Event(_) | Output::Close(_) | Output::Reuse => {}
            Output::Connect(_)
            | Output::Prepare
            | Output::Exchange
            | Output::Inspect
            | Output::Upgraded
            | Output::Wait => return None,
        }
    }
}

#[test]
fn redirects_questions_and_resumed_downloads_allocate_nothing() {
    for whole in [redirected, resumed] {
        let mut result = None;
        let info = measure(|| result = whole());
        assert_eq!(result, Some(Ok(())));
        assert_eq!(info.count_total, 0, "{info:?}");
    }
}

/// Tasks come, are moved, leave, start, and give back; connections are kept, dropped and not had.
fn scheduled() -> usize {
    let (now, mut started) = (Instant::EPOCH, 0);
    let mut scheduler = Scheduler::<8, 3, 8>::new().with_per_host(2).with_idle_timeout(1000);
    for round in 0..100 {
        let at = now.after(round * 10);
        let mut tickets = [None; 9];
        for (place, ticket) in tickets.iter_mut().enumerate() {
            let urgency = Urgency { bytes: Some(place as u64 * 1000), ..Urgency::default() };
            *ticket = scheduler.add(at, place % 4, Wish::Any, urgency).ok();
        }
        for ticket in tickets.into_iter().flatten().step_by(3) {
            scheduler.change(ticket, Urgency { priority: 900, bytes: None }).expect("queued");
        }
        loop {
            match scheduler.poll_assign(at) {
                Assign::Start { slot, how: How::Open, .. } if started % 5 == 4 => {
                    started += 1;
                    let _ = scheduler.open_failed(slot, at, Transport::Refused);
                }
                Assign::Start { slot, .. } => {
                    started += 1;
                    let _ = scheduler.keep(slot, at, started % 3 / 2);
                }
                Assign::Close { slot } => scheduler.free(slot),
                Assign::Wait { .. } => break,
            }
        }
        if round % 10 == 0 {
            scheduler.flush();
        }
    }
    started
}

/// Addresses of both families, of which the last one answers.
fn raced(addresses: &[SocketAddr]) -> Option<usize> {
    let (mut race, mut now) = (Race::new(addresses), Instant::EPOCH);
    let mut begun = 0;
    loop {
        match race.poll_race(now) {
            RaceOutput::Start { address } => {
                begun += 1;
                match begun {
                    4 => race.handle_connected(address).expect("it was tried"),
                    2 => race.handle_failed(address, Transport::Refused, now).expect("tried"),
                    _ => {}
                }
            }
            RaceOutput::Wait { until } => now = until?,
            RaceOutput::Connected { address } => return Some(address),
            RaceOutput::Failed(_) => return None,
        }
    }
}

#[test]
fn a_scheduler_a_race_and_a_decoder_allocate_nothing() {
    let mut started = 0;
    let info = measure(|| started = scheduled());
    assert!(started >= 800, "{started}");
    assert_eq!(info.count_total, 0, "{info:?}");

    let addresses = ["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1", "[2001:db8::2]:1"];
    let addresses = addresses.map(|text| text.parse().expect("an address"));
    let mut winner = None;
    let info = measure(|| winner = raced(&addresses));
    assert_eq!((winner, info.count_total), (Some(3), 0), "{info:?}");

    let mut decoded = Ok(0);
    let info = measure(|| {
        let mut bytes = *b"5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
        let run = ChunkedDecoder::new().decode_in_place(&mut bytes);
        decoded = run.map(|run| run.content);
    });
    assert_eq!((decoded, info.count_total), (Ok(5), 0), "{info:?}");
}

/// The counter does count.
#[test]
fn an_allocation_is_seen() {
    let info = measure(|| drop(std::hint::black_box(vec![0_u8; 10])));
    assert_eq!(info.count_total, 1);
}
