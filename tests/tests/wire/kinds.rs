//! The five kinds of task, each as the exact sequence of outputs and inputs that an adapter sees.

use sortie_core::{
    Advance, BodyLength, CloseReason, Error, Event, Field, Instant, Io, Limit, Misuse, Output,
    Receive, Request, RequestHead, Send, Slot, Task, TaskKind, TaskOptions, TaskState, Transport,
    Url, Wish, field,
};
use sortie_tests::script::URL;

const NOW: Instant = Instant::EPOCH;

/// What is heard of a response with this status.
const fn response(status: u16) -> Output {
    Output::Event(Event::Response { status })
}

fn request<'a>(method: &'a str, fields: &'a [Field<'a>], body: BodyLength) -> Request<'a> {
    Request::new(method, Url::parse(URL).unwrap(), fields, body).unwrap()
}

fn task(request: &Request<'_>, kind: TaskKind) -> Task {
    let options = TaskOptions { kind, ..TaskOptions::default() };
    Task::new(request, options)
}

/// The outputs up to the next state output, that one included.
fn outputs(task: &mut Task) -> Vec<Output> {
    let mut outputs = Vec::new();
    loop {
        let output = task.poll_output();
        outputs.push(output);
        if task.still(output) {
            return outputs;
        }
    }
}

/// Resumes and connects, up to the exchange.
fn begin(task: &mut Task) {
    assert_eq!(outputs(task), [Output::Wait]);
    task.resume(NOW);
    assert_eq!(outputs(task), [Output::Connect(Wish::Any)]);
    task.handle_connecting(NOW).unwrap();
    assert_eq!(outputs(task), [Output::Connect(Wish::Any)]);
    task.handle_connected(NOW, false).unwrap();
    assert_eq!(outputs(task), [Output::Prepare]);
    task.handle_prepared(NOW).unwrap();
    assert_eq!(outputs(task), [Output::Exchange]);
}

/// What may be sent and received now, with room for 1,000 bytes.
fn io(task: &Task) -> (Option<Send>, Option<Receive>) {
    let Io { send, receive } = task.io(1000);
    (send, receive)
}

fn write(before: usize, from: u64, max: usize, after: usize) -> Send {
    Send::Write { before, from, max, after }
}

/// Encodes what is due and has it written.
fn encode(task: &mut Task, request: &Request<'_>) -> String {
    let mut output = [0; 512];
    assert_eq!(task.io(0).send, Some(Send::Encode));
    let left = task.encode(&RequestHead::new(request), &mut output).unwrap();
    assert!(
        matches!(task.io(0).send, Some(Send::Write { before, after: 0, .. }) if before == left)
    );
    task.handle_sent(NOW, left).unwrap();
    String::from_utf8(output[..left].to_vec()).unwrap()
}

/// Hands in a head that is whole.
fn head(task: &mut Task, head: &str) -> Advance {
    let mut input = head.as_bytes().to_vec();
    task.handle_head(NOW, &mut input, false, &mut [Slot::EMPTY; 8]).unwrap()
}

/// Finishes a task that has received everything.
fn commit(task: &mut Task) {
    assert_eq!(task.deadline(), task.resource_deadline(), "nothing else is waited for");
    task.handle_committed().unwrap();
    assert_eq!(outputs(task), [Output::Complete(Ok(())), Output::Wait]);
    assert_eq!(task.state(), TaskState::Completed);
}

#[test]
fn a_data_task() {
    let request = request("GET", &[], BodyLength::None);
    let mut task = task(&request, TaskKind::Data);
    begin(&mut task);
    assert_eq!(io(&task), (Some(Send::Encode), Some(Receive::Head)));
    encode(&mut task, &request);
    assert_eq!(io(&task), (None, Some(Receive::Head)));

    // Two heads at once: the first is an interim one.
    let interim = "HTTP/1.1 103 X\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let advance = head(&mut task, &format!("{interim}{last}"));
    assert_eq!((advance.drop, advance.head), (interim.len(), 0));
    assert_eq!(io(&task), (None, None), "not before the event is said");
    let event = Output::Event(Event::InformationalResponse { status: 103 });
    assert_eq!(outputs(&mut task), [event, Output::Exchange]);
    assert_eq!(io(&task), (None, Some(Receive::HeadAgain)));
    let advance = head(&mut task, last);
    assert_eq!((advance.drop, advance.head), (0, last.len()));
    assert_eq!(outputs(&mut task), [response(200), Output::Exchange]);

    assert_eq!(io(&task), (None, Some(Receive::Body { max: 5 })));
    assert_eq!(task.io(3).receive, Some(Receive::Body { max: 3 }));
    assert_eq!(task.handle_body(NOW, &mut b"hel".to_vec()), Ok(3));
    assert_eq!(outputs(&mut task), [Output::Exchange]);
    task.handle_delivered(NOW, 3).unwrap();
    assert_eq!(io(&task), (None, Some(Receive::Body { max: 2 })));
    assert_eq!(task.handle_body(NOW, &mut b"lo".to_vec()), Ok(2));
    assert_eq!(outputs(&mut task), [Output::Reuse, Output::Finish]);
    task.handle_delivered(NOW, 2).unwrap();
    commit(&mut task);
}

#[test]
fn an_upload_task() {
    let fields = [field!("Expect", "100-continue"), field!("Content-Type", "a/b")];
    let request = request("POST", &fields, BodyLength::Unknown);
    let mut task = task(&request, TaskKind::Upload);
    begin(&mut task);
    encode(&mut task, &request);
    assert_eq!(io(&task), (None, Some(Receive::Head)), "held back for 100 (Continue)");
    let _ = head(&mut task, "HTTP/1.1 100 Continue\r\n\r\n");
    let event = Output::Event(Event::InformationalResponse { status: 100 });
    assert_eq!(outputs(&mut task), [event, Output::Exchange]);

    assert_eq!(io(&task), (Some(Send::Source { from: 0 }), Some(Receive::Head)));
    task.handle_source(NOW, 5).unwrap();
    assert_eq!(encode(&mut task, &request), "5\r\n");
    assert_eq!(task.io(0).send, Some(write(0, 0, 5, 0)));
    task.handle_sent(NOW, 2).unwrap();
    assert_eq!(task.io(0).send, Some(write(0, 2, 3, 0)));
    task.handle_sent(NOW, 3).unwrap();
    assert_eq!(encode(&mut task, &request), "\r\n");
    assert_eq!(task.io(0).send, Some(Send::Source { from: 5 }));
    task.handle_source(NOW, 0).unwrap();
    assert_eq!(encode(&mut task, &request), "0\r\n\r\n");
    assert_eq!(io(&task), (None, Some(Receive::Head)));
    assert_eq!(outputs(&mut task), [Output::Exchange]);

    let _ = head(&mut task, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(outputs(&mut task), [response(201), Output::Reuse, Output::Finish]);
    commit(&mut task);
}

/// Prefix, data and what follows them can be reported as one write, cut anywhere.
#[test]
fn a_chunk_is_written_at_once_or_in_any_pieces() {
    let request = request("PUT", &[], BodyLength::Unknown);
    for cut in 0..=10 {
        let mut task = task(&request, TaskKind::Upload);
        begin(&mut task);
        encode(&mut task, &request);
        task.handle_source(NOW, 5).unwrap();
        let mut output = [0; 8];
        assert_eq!(task.encode(&RequestHead::new(&request), &mut output), Ok(3));
        assert_eq!(task.encode_behind(&mut output[3..4]), Ok(0), "half of it is none");
        assert_eq!(task.encode_behind(&mut output[3..]), Ok(2));
        assert_eq!(task.encode_behind(&mut output[5..]), Ok(0), "it is encoded once");
        assert_eq!(&output[..5], b"5\r\n\r\n");
        assert_eq!(task.io(0).send, Some(write(3, 0, 5, 2)));
        assert_eq!(task.handle_sent(NOW, 11), Err(Misuse::TooMuch));

        task.handle_sent(NOW, cut).unwrap();
        let sent = cut.saturating_sub(3).min(5);
        assert_eq!(task.counts().sent, sent as u64);
        if cut < 10 {
            let after = (10 - cut).min(2);
            let want = write(3_usize.saturating_sub(cut), sent as u64, 5 - sent, after);
            assert_eq!(task.io(0).send, Some(want), "{cut}");
            assert_eq!(task.handle_sent(NOW, 11 - cut), Err(Misuse::TooMuch));
            task.handle_sent(NOW, 10 - cut).unwrap();
        }
        assert_eq!(task.io(0).send, Some(Send::Source { from: 5 }));
        assert_eq!(task.encode_behind(&mut output), Err(Misuse::NotAskedFor));
        assert_eq!(task.counts().sent, 5);
    }
}

#[test]
fn an_upload_task_that_is_refused() {
    let request = request("PUT", &[], BodyLength::Known(1 << 40));
    let mut task = task(&request, TaskKind::Upload);
    begin(&mut task);
    encode(&mut task, &request);
    let max = usize::try_from(1_u64 << 40).unwrap_or(usize::MAX);
    assert_eq!(io(&task), (Some(write(0, 0, max, 0)), Some(Receive::Head)));
    task.handle_sent(NOW, 1 << 20).unwrap();
    let _ = head(&mut task, "HTTP/1.1 413 X\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(outputs(&mut task), [response(413), Output::Exchange]);
    assert_eq!(io(&task), (None, Some(Receive::Body { max: 5 })), "nothing more is sent");
    assert_eq!(task.handle_body(NOW, &mut b"large".to_vec()), Ok(5));
    let close = Output::Close(CloseReason::RequestUnfinished);
    assert_eq!(outputs(&mut task), [close, Output::Finish]);
    commit(&mut task);
}

#[test]
fn a_download_task() {
    let request = request("GET", &[], BodyLength::None);
    let mut task = task(&request, TaskKind::Download);
    begin(&mut task);
    encode(&mut task, &request);
    let _ = head(&mut task, "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(outputs(&mut task), [response(200), Output::Exchange]);
    assert_eq!(io(&task), (None, Some(Receive::Body { max: 1000 })));
    assert_eq!(task.handle_body(NOW, &mut b"content".to_vec()), Ok(7));
    task.handle_delivered(NOW, 7).unwrap();
    task.suspend().unwrap();
    assert_eq!(outputs(&mut task), [Output::Exchange], "the exchange is kept");
    assert_eq!(io(&task), (None, None), "but nothing moves");
    task.resume(NOW);
    assert_eq!(io(&task), (None, Some(Receive::Body { max: 1000 })));
    task.handle_end().unwrap();
    let close = Output::Close(CloseReason::CloseDelimited);
    assert_eq!(outputs(&mut task), [close, Output::Finish]);
    commit(&mut task);
}

#[test]
fn a_download_task_whose_sink_fails() {
    let request = request("GET", &[], BodyLength::None);
    let start = || {
        let mut task = task(&request, TaskKind::Download);
        begin(&mut task);
        encode(&mut task, &request);
        let _ = head(&mut task, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(outputs(&mut task), [response(200), Output::Exchange]);
        task
    };
    let failed = |error| Output::Complete(Err(error));

    // On the way: the connection is half read.
    for (why, error) in
        [(None, Error::Sink), (Some(Limit::ContentBuffer), Error::Limit(Limit::ContentBuffer))]
    {
        let mut task = start();
        assert_eq!(task.handle_body(NOW, &mut b"he".to_vec()), Ok(2));
        task.handle_sink_failed(why).unwrap();
        let close = Output::Close(CloseReason::Failed);
        assert_eq!(outputs(&mut task), [close, failed(error), Output::Wait]);
    }
    // At the end: the connection is none the worse for it.
    let mut task = start();
    assert_eq!(task.handle_body(NOW, &mut b"hello".to_vec()), Ok(5));
    assert_eq!(outputs(&mut task), [Output::Reuse, Output::Finish]);
    task.handle_sink_failed(None).unwrap();
    assert_eq!(outputs(&mut task), [failed(Error::Sink), Output::Wait]);
}

#[test]
fn a_stream_task() {
    let request = request("GET", &[], BodyLength::None);
    for (end, result) in [
        (Ok(()), Ok(())),
        (Err(Error::Transport(Transport::Lost)), Err(Error::Transport(Transport::Lost))),
    ] {
        let mut task = task(&request, TaskKind::Stream);
        task.resume(NOW);
        assert_eq!(outputs(&mut task), [Output::Connect(Wish::Any)]);
        task.handle_connecting(NOW).unwrap();
        task.handle_connected(NOW, false).unwrap();
        assert_eq!(outputs(&mut task), [Output::Upgraded, Output::Wait]);
        assert_eq!(io(&task), (None, None));
        task.handle_upgraded_end(end).unwrap();
        assert_eq!(outputs(&mut task), [Output::Complete(result), Output::Wait]);
    }
}

#[test]
fn a_websocket_task() {
    let fields = [field!("Connection", "upgrade"), field!("Upgrade", "websocket")];
    let request = request("GET", &fields, BodyLength::None);
    let mut task = task(&request, TaskKind::WebSocket);
    begin(&mut task);
    encode(&mut task, &request);
    let switch = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let advance = head(&mut task, &format!("{switch}\u{1}"));
    assert_eq!((advance.drop, advance.head), (0, switch.len()), "the rest is the next protocol's");
    assert_eq!(outputs(&mut task), [response(101), Output::Upgraded, Output::Wait]);
    assert_eq!(io(&task), (None, None));
    task.handle_upgraded_end(Ok(())).unwrap();
    assert_eq!(outputs(&mut task), [Output::Complete(Ok(())), Output::Wait]);
}

/// An upgrade is over only after it was said to have begun.
#[test]
fn the_end_of_an_upgrade_is_not_taken_before_its_beginning_is_said() {
    let request = request("GET", &[], BodyLength::None);
    let mut task = task(&request, TaskKind::Stream);
    task.resume(NOW);
    task.handle_connecting(NOW).unwrap();
    task.handle_connected(NOW, false).unwrap();
    assert!(task.handle_upgraded_end(Ok(())).is_err());
    assert_eq!(outputs(&mut task), [Output::Upgraded, Output::Wait]);
}

/// Nor is what was received committed before the connection was given back.
#[test]
fn nothing_is_committed_before_it_is_asked_for() {
    let request = request("HEAD", &[], BodyLength::None);
    let mut task = task(&request, TaskKind::Data);
    begin(&mut task);
    encode(&mut task, &request);
    let _ = head(&mut task, "HTTP/1.1 200 OK\r\n\r\n");
    assert!(task.handle_committed().is_err());
    assert_eq!(outputs(&mut task), [response(200), Output::Reuse, Output::Finish]);
    commit(&mut task);
}

/// Bytes behind the end are seen wherever an adapter hands them in.
#[test]
fn a_connection_with_bytes_behind_the_response_is_closed_by_the_task_itself() {
    let close = Output::Close(CloseReason::ExcessBytes);
    let ends = |task: &mut Task| assert_eq!(outputs(task), [close, Output::Finish]);
    for (method, length) in [("HEAD", 5), ("GET", 0)] {
        let request = request(method, &[], BodyLength::None);
        let mut task = task(&request, TaskKind::Data);
        begin(&mut task);
        encode(&mut task, &request);
        let _ = head(&mut task, &format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nx"));
        assert_eq!(task.poll_output(), response(200));
        ends(&mut task);
    }
    let request = request("GET", &[], BodyLength::None);
    for (framing, body) in
        [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
    {
        for takes_runs in [false, true] {
            let mut task = task(&request, TaskKind::Data);
            begin(&mut task);
            encode(&mut task, &request);
            let _ = head(&mut task, &format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n"));
            assert_eq!(outputs(&mut task), [response(200), Output::Exchange]);
            let mut bytes = format!("{body}x").into_bytes();
            if takes_runs {
                let mut rest = &bytes[..];
                while task.still(Output::Exchange) {
                    rest = &rest[task.handle_run(NOW, rest).unwrap().consumed()..];
                }
                assert_eq!(rest, b"x");
            } else {
                assert_eq!(task.handle_body(NOW, &mut bytes), Ok(5));
            }
            ends(&mut task);
        }
    }
}
