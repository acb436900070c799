//! Whole exchanges, compared with those of the bare core.

use sortie_core::{CloseReason, Error, Transport};
use sortie_tests::embassy::{Cable, play};
use sortie_tests::script::{Body, Part, Script, Step};
use sortie_tests::trace::Released;

use crate::{GOOD, HELLO, agreed, chunked, content, of_length};

const LOST: Error = Error::Transport(Transport::Lost);

#[test]
fn a_length_delimited_response_is_received_and_the_connection_kept() {
    let trace = agreed(&Script::get().answered(HELLO), GOOD);
    assert_eq!((trace.text().as_str(), trace.result), ("hello", Ok(())));
    assert_eq!(trace.released(), [Released::Reuse]);
    let large = content(100_000);
    let trace = agreed(&Script::get().answered(of_length(&large)), GOOD);
    assert!(trace.content == large);
}

#[test]
fn a_chunked_response_is_received_and_the_connection_kept() {
    let large = content(50_000);
    for size in [1, 7, 1000, 20_000] {
        let part = &large[..large.len().min(size * 2000)];
        let trace = agreed(&Script::get().answered(chunked(part, size)), GOOD);
        assert!(trace.content == part, "chunks of {size}");
        assert_eq!(trace.released(), [Released::Reuse]);
    }
}

#[test]
fn a_close_delimited_response_ends_with_the_connection() {
    let response = "HTTP/1.1 200 OK\r\n\r\nall of it";
    let trace = agreed(&Script::get().answered_and_closed(response), GOOD);
    assert_eq!((trace.text().as_str(), trace.result), ("all of it", Ok(())));
    let closed = Released::Close(CloseReason::CloseDelimited);
    assert_eq!(trace.released(), [closed]);
}

#[test]
fn a_response_without_a_body_needs_none() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    agreed(&Script::new("HEAD", Body::None).answered(length), GOOD);
    agreed(&Script::get().answered("HTTP/1.1 204 No Content\r\n\r\n"), GOOD);
    agreed(&Script::get().answered("HTTP/1.1 304 Not Modified\r\n\r\n"), GOOD);
}

#[test]
fn a_truncated_response_is_lost_and_what_came_is_kept() {
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let trace = agreed(&Script::get().answered_and_closed(short), GOOD);
    assert_eq!((trace.text().as_str(), trace.result), ("hello", Err(LOST)));
    let reset =
        Script::get().origin([Step::Expect(Part::Request), Step::Send(short.into()), Step::Reset]);
    let trace = agreed(&reset, GOOD);
    assert_eq!((trace.text().as_str(), trace.result), ("hello", Err(LOST)));
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
    let trace = agreed(&Script::get().answered_and_closed(chunk), GOOD);
    assert_eq!((trace.text().as_str(), trace.result), ("hel", Err(LOST)));
}

#[test]
fn a_response_that_comes_in_pieces_is_put_together() {
    let pause = Step::Wait(3000);
    let script = Script::get().origin([
        Step::Expect(Part::Request),
        Step::Send("HTTP/1.1 200 OK\r\nTransfer-Enc".into()),
        pause.clone(),
        Step::Send("oding: chunked\r\n\r\n3".into()),
        pause.clone(),
        Step::Send("\r\nabc\r".into()),
        pause,
        Step::Send("\n0\r\n\r\n".into()),
    ]);
    let trace = agreed(&script, GOOD);
    assert_eq!(trace.text(), "abc");
    assert!(trace.ended >= 9000);
}

#[test]
fn interim_responses_are_told_and_passed_over() {
    let responses = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let trace = agreed(&Script::get().answered([responses, HELLO].concat()), GOOD);
    assert_eq!(trace.statuses(), [102, 103, 200]);
    assert_eq!(trace.text(), "hello");
}

#[test]
fn a_body_is_sent_whole() {
    for length in [1, 1000, 100_000] {
        let body = content(length);
        let script = Script::new("POST", Body::Bytes(body.clone())).answered(HELLO);
        let trace = agreed(&script, GOOD);
        assert_eq!(trace.counts.sent, length as u64);
        assert!(trace.connections[0].request.ends_with(&body), "{length}");
    }
}

#[test]
fn a_body_of_unknown_length_is_sent_chunked() {
    let body = Body::pieces(["one ", "two ", "three"]);
    let trace = agreed(&Script::new("PUT", body).answered(HELLO), GOOD);
    let request = trace.request(0);
    let chunks = "4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n";
    assert!(request.ends_with(chunks), "a chunk for each piece of the reader: {request}");
}

#[test]
fn an_early_answer_is_received_while_the_body_cannot_be_sent() {
    let refused = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!";
    let script = Script::new("POST", Body::Bytes(content(200_000)))
        .origin([Step::Expect(Part::Head), Step::Send(refused.into())]);
    let trace = play(&script, GOOD);
    assert_eq!((trace.statuses(), trace.text().as_str()), (vec![413], "no!"));
    let closed = Released::Close(CloseReason::RequestUnfinished);
    assert_eq!((trace.result, trace.released()), (Ok(()), vec![closed]));
    assert!(trace.counts.sent < 200_000);
}

#[test]
fn a_body_waits_for_100_continue_and_goes_out_with_it() {
    let script =
        Script::new("POST", Body::Bytes(b"body".into())).field("Expect", "100-continue").origin([
            Step::Expect(Part::Head),
            Step::Wait(20_000),
            Step::Send("HTTP/1.1 100 Continue\r\n\r\n".into()),
            Step::Expect(Part::Request),
            Step::Send(HELLO.into()),
        ]);
    let trace = agreed(&script, GOOD);
    assert_eq!(trace.statuses(), [100, 200]);
    assert!((20_000..100_000).contains(&trace.ended), "{}", trace.ended);
}

#[test]
fn lost_frames_change_nothing_but_the_time() {
    let large = content(65_536);
    let get = Script::get().answered(of_length(&large));
    let chunks = Script::get().answered(chunked(&large, 1500));
    let post = Script::new("POST", Body::Bytes(large)).answered(HELLO);
    for script in [get, chunks, post] {
        let quick = agreed(&script, GOOD).ended;
        for loses_every in [20, 10] {
            let slow = agreed(&script, Cable { loses_every, delay: 500, ..Cable::COARSE }).ended;
            assert!(slow > quick);
        }
    }
}
