//! The buffers that a caller lends, and what happens when they are too small.

use sortie_core::{BodyLength, Error, Limit, Request, Slot, Url, limits};
use sortie_embassy::{Config, Failure, Resources, Session};
use sortie_tests::embassy::{Heap, Pieces, Run, Served, run, run_served};

use sortie_tests::script::Step;

use crate::{GOOD, HELLO, answers, chunked, content, get, of_length, origin};

const URL: &str = "http://192.0.2.1/";

/// Runs a GET with room for so much content. Returns what came.
fn received<const BUFFER: usize>(
    response: Vec<u8>,
    room: usize,
) -> Run<(Result<u16, Failure>, Vec<u8>)> {
    run(GOOD, &[answers(response)], async |stack, _| {
        let mut resources = Resources::<1, BUFFER>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let mut content = vec![0; room];
        match session.data(&get(URL), &[], &mut content).await {
            Ok(response) => (Ok(response.status()), response.content().to_vec()),
            Err(failure) => {
                content.truncate(usize::try_from(failure.received).expect("it is in a buffer"));
                (Err(failure), content)
            }
        }
    })
}

#[test]
fn content_that_fits_exactly_is_a_success() {
    for length in [0, 1, 63, 64, 65, 1000, 5000] {
        let body = content(length);
        for response in [of_length(&body), chunked(&body, 100), chunked(&body, 5000)] {
            let (result, came) = received::<1024>(response, length).output;
            assert_eq!((result, came == body), (Ok(200), true), "{length}");
        }
    }
}

#[test]
fn content_that_does_not_fit_is_a_typed_error_and_fills_the_buffer() {
    for length in [1, 63, 64, 65, 1000, 5000] {
        let body = content(length);
        let responses = [of_length(&body), chunked(&body, 100), chunked(&body, 5000)];
        for (response, has_length) in responses.into_iter().zip([true, false, false]) {
            let (result, came) = received::<1024>(response, length - 1).output;
            let failure = result.expect_err("one byte more than there is room for");
            assert_eq!(failure.error, Error::Limit(Limit::ContentBuffer), "{length}");
            assert_eq!(failure.status, Some(200));
            assert_eq!(failure.needed, has_length.then_some(length));
            assert!(came == body[..length - 1], "{length}: {} came", came.len());
        }
    }
}

#[test]
fn the_smallest_buffers_do_for_any_content() {
    let body = content(3000);
    let short = b"HTTP/1.1 200 OK\r\nContent-Length:3000\r\n\r\n".to_vec();
    let (result, came) = received::<64>([short, body.clone()].concat(), 3000).output;
    assert_eq!((result, came == body), (Ok(200), true));
    for size in [1, 60, 1000] {
        let (result, came) = received::<64>(chunked(&body, size), 3000).output;
        assert_eq!((result, came == body), (Ok(200), true), "chunks of {size}");
    }
}

#[test]
fn a_head_that_does_not_fit_is_a_typed_error_unless_memory_is_lent_for_it() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 2\r\n\r\nhi", "y".repeat(100));
    let (result, _) = received::<64>(long.clone().into(), 10).output;
    let failure = result.expect_err("a long head");
    assert_eq!((failure.error, failure.status), (Error::Limit(Limit::HeadBuffer), None));
    assert_eq!(failure.needed, Some(long.len() - 2), "its head");

    let lent = run(GOOD, &[answers(long)], async |stack, _| {
        let mut resources = Resources::<1, 64>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let (mut head, mut index, mut content) = ([0; 256], [Slot::EMPTY; 4], [0; 10]);
        let request = get(URL);
        let task = session.data_task(&request).head(&mut head, &mut index);
        let response = task.receive(&mut content).await.expect("there is room");
        assert_eq!(response.content(), b"hi");
        response.head().value("x").map(<[u8]>::len)
    });
    assert_eq!(lent.output, Some(100));
}

#[test]
fn without_memory_for_the_head_the_status_is_known_and_no_field() {
    let run = run(GOOD, &[answers(HELLO)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let mut content = [0; 10];
        let request = get(URL);
        let response = session.data(&request, &[], &mut content).await.expect("a response");
        (response.status(), response.head().fields().count())
    });
    assert_eq!(run.output, (200, 0));
}

/// Reads a head of so many bytes in a buffer of 64, in pieces. Returns what it would have needed.
fn needed(bytes: usize, line_end: &str, piece: usize) -> (Error, Option<usize>) {
    let start = format!("HTTP/1.1 200 OK{line_end}X: ");
    let fill = bytes - start.len() - 2 * line_end.len();
    let response = [start, "y".repeat(fill), line_end.repeat(2), "content".into()].concat();
    let steps = response.as_bytes().chunks(piece);
    let steps = steps.flat_map(|piece| [Step::Send(piece.into()), Step::Wait(200)]);
    let run = run(GOOD, &[origin(steps.chain([Step::Close]))], async |stack, _| {
        let mut resources = Resources::<1, 64>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        session.data(&get(URL), &[], &mut [0; 10]).await.expect_err("too long a head")
    });
    (run.output.error, run.output.needed)
}

#[test]
fn a_head_that_does_not_fit_is_measured_however_it_is_cut() {
    for line_end in ["\r\n", "\n"] {
        for piece in [1, 2, 3, 61, 63, 64, 65, 1000] {
            for bytes in [65, 66, 67, 128, 129, 300] {
                let found = needed(bytes, line_end, piece);
                let expected = (Error::Limit(Limit::HeadBuffer), Some(bytes));
                assert_eq!(found, expected, "{bytes} with {line_end:?} in pieces of {piece}");
            }
        }
    }
}

#[test]
fn a_head_without_end_is_measured_to_the_limit_and_no_further() {
    let (error, needed) = needed(limits::HEAD_BYTES + 10, "\r\n", 10_000);
    assert_eq!((error, needed), (Error::Limit(Limit::HeadBytes), None));
}

#[test]
fn a_url_that_does_not_fit_says_how_much_room_it_needs() {
    let moved = "HTTP/1.1 302 There\r\nLocation: /a/b/c\r\nContent-Length: 0\r\n\r\n";
    let url = "http://192.0.2.1/a/b/c".len();
    let run = run(GOOD, &[answers(moved)], async |stack, _| {
        let mut resources = Resources::<1, 1024>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let (request, mut target, mut room) = (get(URL), vec![0; url - 1], [0; 10]);
        let task = session.data_task(&request).target(&mut target);
        task.receive(&mut room).await.expect_err("too little room")
    });
    let failure = run.output;
    assert_eq!((failure.error, failure.needed), (Error::Limit(Limit::TargetBuffer), Some(url)));
}

/// Downloads, uploads and reads through buffers of so many bytes, over one connection.
fn through<const BUFFER: usize>() {
    let run = run_served(GOOD, &Served::default(), async |stack| {
        let mut resources = Resources::<1, BUFFER>::new();
        let session = Session::new(stack, &mut resources, Config::default());
        let (mut head, mut index) = ([0; 128], [Slot::EMPTY; 4]);
        for verb in ["length", "chunked", "slow"] {
            let url = format!("http://192.0.2.1/{verb}/5000");
            let url = Url::parse(&url).expect("a URL");
            let request = Request::new("PUT", url, &[], BodyLength::Known(3000));
            let request = request.expect("a request");
            let (body, mut room, mut stage) = (content(3000), vec![0; 5000], [0; 100]);
            let task = session.data_task(&request).body(&body).head(&mut head, &mut index);
            let came = task.receive(&mut room).await.expect("a response");
            assert_eq!(came.content(), content(5000), "{verb} through {BUFFER}");

            let (mut reader, mut again) = (Pieces::new([content(3000)]), vec![0; 5000]);
            let task = session.upload_task(&request, &[]).head(&mut head, &mut index);
            let came = task.from_reader(&mut reader, &mut stage).receive(&mut again).await;
            let came = came.expect("a response");
            assert_eq!(came.content(), content(5000), "{verb} through {BUFFER}");

            let mut sink = Heap::default();
            let task = session.download_task(&request).body(&body).head(&mut head, &mut index);
            let done = task.to(&mut sink).await.expect("a response");
            assert_eq!((done.received(), sink.bytes), (5000, content(5000)));
        }
    });
    assert_eq!(run.openings(), 1, "kept from one task to the next");
}

#[test]
fn buffers_of_any_size_do_for_any_task() {
    through::<64>();
    through::<65>();
    through::<536>();
    through::<1460>();
    through::<16_384>();
}
