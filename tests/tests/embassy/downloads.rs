//! Downloads to a sink, what they can be gone on with, and content as it comes.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::pending;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_net::Stack;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use embedded_io_async::{BufRead, Error as _, ErrorKind, ErrorType, Read, Write};
use sortie_core::{
    BodyLength, Error, PeerError, Request, ResumeData, Slot, Timer as Which, Transport,
};
use sortie_embassy::{Config, ControlBlock, DownloadFailure, Resources, Session};
use sortie_tests::embassy::{Cable, Heap, run};
use sortie_tests::script::{Origin, Part, Step};

use crate::{GOOD, HELLO, answers, chunked, content, get, of_length, origin, session};

const A: &str = "http://192.0.2.1/a";

fn tagged(length: usize, sent: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), sent].concat()
}

/// Downloads `/a` into `sink`, keeping what it can be gone on with. Returns how it ended, and that.
async fn download(
    session: &Session<'_, 2>,
    sink: &mut Heap,
    from: Option<&ResumeData<'_>>,
) -> (Result<(u16, u64, u64), Error>, Option<Vec<u8>>) {
    let (request, mut record) = (get(A), [0; 128]);
    let mut task = session.download_task(&request).resume_data(&mut record);
    if let Some(from) = from {
        task = task.resume_from(from);
    }
    match task.to(sink).await {
        Ok(done) => (Ok((done.status(), done.offset(), done.received())), None),
        Err(DownloadFailure { failure, resume_data, .. }) => {
            let bytes = resume_data.map(|data| {
                let mut bytes = vec![0; data.encoded_length()];
                data.encode(&mut bytes).expect("room for it");
                bytes
            });
            (Err(failure.error), bytes)
        }
    }
}

#[test]
fn content_of_any_length_and_framing_reaches_the_sink() {
    for length in [0, 1, 63, 64, 1023, 1024, 1025, 70_000] {
        let body = content(length);
        for response in [of_length(&body), chunked(&body, 100), chunked(&body, 5000)] {
            let run = run(GOOD, &[answers(response)], async |stack, _| {
                let mut resources = Resources::new();
                let mut sink = Heap { most: 700, ..Heap::default() };
                let ended = download(&session(stack, &mut resources), &mut sink, None).await.0;
                (ended, sink)
            });
            let (ended, sink) = run.output;
            assert_eq!(ended, Ok((200, 0, length as u64)));
            assert!(sink.bytes == body && sink.flushes == 1, "{length}");
        }
    }
}

#[test]
fn a_download_that_was_cut_off_is_gone_on_with_from_stored_bytes() {
    let body = content(5000);
    let rest = [
        b"HTTP/1.1 206 Rest\r\nETag: \"v1\"\r\nContent-Range: bytes 2000-4999/5000\r\n\
          Content-Length: 3000\r\n\r\n",
        &body[2000..],
    ]
    .concat();
    let cut = origin([Step::Send(tagged(5000, &body[..2000])), Step::Wait(5_000), Step::Close]);
    let run = run(GOOD, &[cut, answers(rest)], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let mut sink = Heap::default();
        let (first, stored) = download(&session, &mut sink, None).await;
        let stored = stored.expect("it has a strong validator");
        let data = ResumeData::decode(&stored).expect("what was encoded");
        assert_eq!((data.received(), data.total(), data.url()), (2000, Some(5000), A));
        let (second, _) = download(&session, &mut sink, Some(&data)).await;
        (first, second, sink.bytes)
    });
    let (first, second, bytes) = run.output;
    assert_eq!(first, Err(Error::Transport(Transport::Lost)));
    assert_eq!(second, Ok((206, 2000, 3000)));
    assert!(bytes == body);
    let asked = String::from_utf8_lossy(&run.requests[1]).into_owned();
    assert!(asked.contains("Range: bytes=2000-\r\nIf-Range: \"v1\"\r\n"), "{asked}");
}

#[test]
fn cancelling_a_download_leaves_what_it_can_be_gone_on_with() {
    let body = content(3000);
    let halted = origin([Step::Send(tagged(5000, &body))]);
    let run = run(GOOD, &[halted], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let (request, mut record, mut sink) = (get(A), [0; 128], Heap::default());
        let task = session.download_task(&request).resume_data(&mut record);
        let task = task.control(&mut seat).to(&mut sink);
        let user = async {
            while control.counts().delivered < 3000 {
                Timer::after_micros(10).await;
            }
            control.cancel();
        };
        let (ended, ()) = join(task, user).await;
        let failed = ended.expect_err("it was cancelled");
        let data = failed.resume_data.expect("it can be gone on with");
        (failed.failure.error, failed.failure.received, data.received())
    });
    assert_eq!(run.output, (Error::Canceled, 3000, 3000));
}

#[test]
fn there_is_no_resume_data_without_a_validator_or_room_for_it() {
    let body = content(100);
    let cut = |response: Vec<u8>| origin([Step::Send(response), Step::Close]);
    let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n".to_vec();
    let origins = [cut([plain, body.clone()].concat()), cut(tagged(500, &body))];
    let run = run(GOOD, &origins, async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let (_, without_validator) = download(&session, &mut Heap::default(), None).await;
        let (request, mut record) = (get(A), [0; 30]);
        let task = session.download_task(&request).resume_data(&mut record);
        let failed = task.to(&mut Heap::default()).await.expect_err("it was cut off");
        (without_validator, failed.resume_data.is_none(), failed.failure.received)
    });
    assert_eq!(run.output, (None, true, 100));
}

#[test]
fn where_the_server_does_not_go_on_a_sink_is_not_written_to() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nanother world";
    let run = run(GOOD, &[answers(whole), answers(whole)], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let validator = sortie_core::Validator::ETag(b"\"v1\"");
        let data = ResumeData::new(A, validator, 5, Some(11)).expect("resume data");
        let mut sink = Heap::default();
        let (ended, _) = download(&session, &mut sink, Some(&data)).await;
        assert_eq!((ended, sink.bytes.len()), (Err(Error::Sink), 0));
        // Who can begin anew is told in time.
        let request = get(A);
        let task = session.download_task(&request).resume_from(&data);
        let mut body = task.open().await.expect("a response");
        assert_eq!(body.offset(), 0);
        body.copy_to(&mut sink).await.map(|count| (count, sink.bytes))
    });
    assert_eq!(run.output, Ok((13, b"another world".to_vec())));
}

#[test]
fn a_sink_that_fails_ends_the_download_and_says_how_much_it_has() {
    let response = tagged(5000, &content(5000));
    for limit in [0, 1, 1000, 4999] {
        let run = run(GOOD, &[answers(response.clone())], async |stack, _| {
            let mut resources = Resources::new();
            let mut sink = Heap { limit, ..Heap::default() };
            let ended = download(&session(stack, &mut resources), &mut sink, None).await;
            (ended, sink.bytes.len())
        });
        let ((ended, data), length) = run.output;
        assert_eq!((ended, length), (Err(Error::Sink), limit));
        let received = data.map(|data| ResumeData::decode(&data).map(|data| data.received()));
        assert_eq!(received, (limit > 0).then_some(Ok(limit as u64)));
    }
}

#[test]
fn a_sink_that_cannot_be_flushed_fails_the_download() {
    let run = run(GOOD, &[answers(HELLO)], async |stack, _| {
        let mut resources = Resources::new();
        let mut sink = Heap { fails_at_the_end: true, ..Heap::default() };
        download(&session(stack, &mut resources), &mut sink, None).await.0
    });
    assert_eq!(run.output, Err(Error::Sink));
}

fn impatient<'d>(stack: Stack<'d>, resources: &'d mut Resources<2, 1024>) -> Session<'d, 2> {
    let mut config = Config::default();
    config.request_timeout = Duration::from_millis(50);
    config.resource_timeout = Duration::from_millis(2000);
    Session::new(stack, resources, config)
}

#[test]
fn a_slow_sink_is_no_idle_server() {
    let response = of_length(&content(5000));
    let run = run(Cable::COARSE, &[answers(response)], async |stack, _| {
        let mut resources = Resources::new();
        let mut sink = Heap { pause: 120_000, most: 600, ..Heap::default() };
        download(&impatient(stack, &mut resources), &mut sink, None).await.0
    });
    assert_eq!(run.output, Ok((200, 0, 5000)));
}

#[test]
fn the_resource_timer_and_a_cancel_end_a_wait_for_the_sink() {
    let run = run(Cable::COARSE, &vec![answers(of_length(&content(5000))); 2], async |stack, _| {
        let mut resources = Resources::new();
        let session = impatient(stack, &mut resources);
        let mut never = Heap { pause: 1_000_000_000, ..Heap::default() };
        let timed_out = download(&session, &mut never, None).await.0;
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let request = get(A);
        let task = session.download_task(&request).control(&mut seat).to(&mut never);
        let cancel = async {
            Timer::after_millis(30).await;
            control.cancel();
        };
        let (canceled, ()) = join(task, cancel).await;
        (timed_out, canceled.map(|_| ()).map_err(|failed| failed.failure.error))
    });
    let resource = Err(Error::TimedOut(Which::Resource));
    assert_eq!(run.output, (resource, Err(Error::Canceled)));
    assert!((2_000_000..2_050_000).contains(&run.ended), "{}", run.ended);
}

#[test]
fn what_came_before_malformed_framing_is_written() {
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx";
    let run = run(GOOD, &[answers(response)], async |stack, _| {
        let mut resources = Resources::new();
        let mut sink = Heap { most: 2, pause: 100, ..Heap::default() };
        let ended = download(&session(stack, &mut resources), &mut sink, None).await.0;
        (ended, sink.bytes)
    });
    let (ended, bytes) = run.output;
    assert!(matches!(ended, Err(Error::Peer(_))), "{ended:?}");
    assert_eq!(bytes, b"hello");
}

#[test]
fn a_short_form_downloads_and_takes_no_error_page() {
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\noops";
    let run = run(GOOD, &[answers(HELLO), answers(missing)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let (request, mut sink) = (get(A), Heap::default());
        let done = session.download(&request, &mut sink).await;
        session.close(Duration::from_secs(1)).await;
        let failed = session.download(&request, &mut sink).await;
        (done, failed.map_err(|failure| (failure.error, failure.status)), sink.bytes)
    });
    let failed = Err((Error::Status(404), Some(404)));
    assert_eq!(run.output, (Ok(5), failed, b"hello".to_vec()));
}

#[test]
fn content_is_read_as_it_comes() {
    let (head, rest) = HELLO.split_at(HELLO.len() - 3);
    let halting = origin([Step::Send(head.into()), Step::Wait(50_000), Step::Send(rest.into())]);
    let run = run(GOOD, &[halting], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let (request, mut bytes, mut index) = (get(A), [0; 256], [Slot::EMPTY; 8]);
        let task = session.data_task(&request).head(&mut bytes, &mut index);
        let mut body = task.open().await.expect("a response");
        assert_eq!((body.status(), body.head().value("content-length")), (200, Some(&b"5"[..])));
        let first = body.fill_buf().await.expect("content").to_vec();
        let early = Instant::now().as_micros() < 50_000;
        body.consume(1);
        let mut rest = [0; 4];
        body.read_exact(&mut rest).await.expect("the rest of it");
        assert_eq!(body.read(&mut rest).await, Ok(0));
        (first, early, rest)
    });
    assert_eq!(run.output, (b"he".to_vec(), true, *b"ello"));
}

#[test]
fn a_connection_is_given_back_with_the_last_byte_that_is_read() {
    let twice = origin([
        Step::Send(HELLO.into()),
        Step::Next,
        Step::Expect(Part::Request),
        Step::Send(HELLO.into()),
    ]);
    let run = run(GOOD, &[twice], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let request = get(A);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let mut body =
            session.data_task(&request).control(&mut seat).open().await.expect("a response");
        let mut all = [0; 5];
        body.read_exact(&mut all).await.expect("all of it");
        // Nobody looks for the end.
        drop(body);
        assert_eq!(control.outcome(), Some(Ok(())));
        session.data(&request, &[], &mut all).await.map(|response| response.status())
    });
    assert_eq!((run.output, run.openings()), (Ok(200), 1));
}

#[test]
fn a_body_that_is_dropped_before_its_end_leaves_no_connection() {
    let origins = [answers(of_length(&content(5000))), answers(HELLO)];
    let run = run(GOOD, &origins, async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let request = get(A);
        let mut body = session.data_task(&request).open().await.expect("a response");
        let mut some = [0; 100];
        body.read_exact(&mut some).await.expect("some of it");
        drop(body);
        session.data(&request, &[], &mut some).await.map(|response| response.content().len())
    });
    assert_eq!((run.output, run.openings()), (Ok(5), 2));
    assert!(run.frames.iter().any(|frame| frame.is_reset));
}

#[test]
fn a_read_that_is_dropped_can_be_read_again() {
    let halting = origin([
        Step::Send(HELLO[..HELLO.len() - 5].into()),
        Step::Wait(20_000),
        Step::Send("hello".into()),
    ]);
    let run = run(GOOD, &[halting], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let request = get(A);
        let mut body = session.data_task(&request).open().await.expect("a response");
        let (mut bytes, mut dropped) = ([0; 5], 0);
        while with_timeout(Duration::from_micros(700), body.fill_buf()).await.is_err() {
            dropped += 1;
        }
        body.read_exact(&mut bytes).await.expect("all of it");
        (bytes, dropped > 5)
    });
    assert_eq!(run.output, (*b"hello", true));
}

#[test]
fn a_body_that_ends_too_early_is_no_end() {
    let cut = origin([Step::Send(tagged(10, b"hello")), Step::Close]);
    let run = run(GOOD, &[cut], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let (request, mut record) = (get(A), [0; 100]);
        let task = session.download_task(&request).resume_data(&mut record);
        let mut body = task.open().await.expect("a response");
        let (mut all, mut came) = ([0; 10], 0);
        let failure = loop {
            match body.read(&mut all[came..]).await {
                Ok(0) => panic!("it is not whole"),
                Ok(count) => came += count,
                Err(failure) => break failure,
            }
        };
        let stored = body.resume_data().map(|data| (data.received(), data.total()));
        (failure.error, failure.received, failure.kind(), stored)
    });
    let lost = Error::Transport(Transport::Lost);
    let stored = Some((5, Some(10)));
    assert_eq!(run.output, (lost, 5, ErrorKind::ConnectionReset, stored));
}

/// What is kept of a download through a loss of power is written before its content is.
#[test]
fn what_a_body_can_be_gone_on_with_is_known_before_its_content_is_read() {
    let body = content(100);
    let run = run(GOOD, &[answers(tagged(100, &body))], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let (request, mut record) = (get(A), [0; 100]);
        let task = session.download_task(&request).resume_data(&mut record);
        let mut body = task.open().await.expect("a response");
        let known = |data: Option<ResumeData<'_>>| data.map(|data| (data.received(), data.total()));
        let before = known(body.resume_data());
        body.read_exact(&mut [0; 40]).await.expect("a part of it");
        (before, known(body.resume_data()))
    });
    assert_eq!(run.output, (Some((0, Some(100))), Some((40, Some(100)))));
}

#[test]
fn a_request_that_cannot_be_gone_on_with_has_no_resume_data() {
    let cut = origin([Step::Send(tagged(10, b"hello")), Step::Close]);
    let run = run(GOOD, &[cut], async |stack, _| {
        let mut resources = Resources::new();
        let session = session(stack, &mut resources);
        let url = sortie_core::Url::parse(A).expect("a URL");
        let request = Request::new("POST", url, &[], BodyLength::Known(1)).expect("a request");
        let mut record = [0; 100];
        let task = session.download_task(&request).body(b"x").resume_data(&mut record);
        task.to(&mut Heap::default()).await.map(drop).map_err(|failed| failed.resume_data.is_some())
    });
    assert_eq!(run.output, Err(false));
}

/// A sink that takes so many bytes and no more: it hangs, and so does its flush.
struct Hanging(usize);

impl ErrorType for Hanging {
    type Error = Infallible;
}

impl Write for Hanging {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        if self.0 == 0 {
            pending::<()>().await;
        }
        let count = bytes.len().min(self.0);
        self.0 -= count;
        Ok(count)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        pending().await
    }
}

const RESOURCE: u64 = 333_333;

/// Downloads from `origin` to a sink that takes so many bytes, with a cancel at some instant.
/// Returns how it ended and when, or how long after the cancel: the next turn of the executor is
/// 1 µs later; and how many bytes were stored.
fn hung(origin: Origin, takes: usize, cancel: Option<u64>) -> (Error, u64, u64) {
    let run = run(GOOD, &[origin], async |stack, _| {
        let mut config = Config::default();
        // Shorter than what the sink is waited for: meanwhile it rests.
        config.request_timeout = Duration::from_micros(100_000);
        config.resource_timeout = Duration::from_micros(RESOURCE);
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, config);
        let mut block = ControlBlock::new();
        let (mut seat, control) = block.split();
        let (request, mut sink) = (get(A), Hanging(takes));
        let task = session.download_task(&request).control(&mut seat).to(&mut sink);
        let since = Cell::new(Instant::MIN);
        let user = async {
            if let Some(at) = cancel {
                Timer::at(Instant::from_micros(at)).await;
                since.set(Instant::now());
                control.cancel();
            }
            pending::<()>().await;
        };
        let Either::First(ended) = select(task, user).await else { unreachable!("it hangs") };
        let failure = ended.expect_err("its sink hangs").failure;
        (failure.error, since.get().elapsed().as_micros(), failure.received)
    });
    run.output
}

#[test]
fn a_sink_that_hangs_keeps_no_task_beyond_its_deadline() {
    let late = Error::TimedOut(Which::Resource);
    let whole = |length| answers(of_length(&content(length)));
    // Before all is received, while the server waits; after that; and when all is written.
    for (length, takes) in [(5000, 0), (5000, 700), (1000, 0), (1000, 999), (1000, 1000), (0, 0)] {
        let ended = hung(whole(length), takes, None);
        assert_eq!(ended, (late, RESOURCE, takes as u64), "{takes} of {length}");
    }
}

#[test]
fn a_cancel_ends_a_download_whose_sink_hangs() {
    for (length, takes) in [(5000, 700), (1000, 1000)] {
        let ended = hung(answers(of_length(&content(length))), takes, Some(200_000));
        assert_eq!(ended, (Error::Canceled, 1, takes as u64), "{takes} of {length}");
    }
}

/// What came before a failure is written, and who writes it may hang as well.
#[test]
fn a_sink_that_hangs_with_what_came_before_a_failure_keeps_no_task_beyond_its_deadline() {
    let mut broken = chunked(&content(600), 200);
    broken.truncate(broken.len() - 5);
    broken.extend(b"no size\r\n");
    let wrong = Error::Peer(PeerError::ChunkSize);
    let broken = || answers(broken.clone());
    assert_eq!(hung(broken(), 100, None), (wrong, RESOURCE, 100));
    assert_eq!(hung(broken(), 100, Some(200_000)), (wrong, 1, 100));
}
