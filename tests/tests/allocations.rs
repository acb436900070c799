//! The core allocates nothing: a whole exchange, counted.

use allocation_counter::measure;
use sortie_core::{
    BodyLength, Error, Event, Instant, Output, Receive, Request, RequestHead, ResponseHead, Send,
    Slot, Task, TaskOptions, Url, Wish, field,
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

/// The counter does count.
#[test]
fn an_allocation_is_seen() {
    let info = measure(|| drop(std::hint::black_box(vec![0_u8; 10])));
    assert_eq!(info.count_total, 1);
}
