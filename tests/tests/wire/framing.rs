//! Where a response ends (RFC 9112 §6.3, §7.1), and what happens when it does not end there.

use sortie_core::{CloseReason, Error, Limit, PeerError, Transport};
use sortie_tests::bare::play_all;
use sortie_tests::script::{Part, Script, Step};

use crate::{
    HELLO, REUSE, answered, answered_and_closed, assert_err, assert_ok, chunked, closed,
    head_answered,
};

const LOST: Error = Error::Transport(Transport::Lost);

fn of_length(length: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello")
}

// Length-delimited.

#[test]
fn a_body_of_known_length_ends_by_its_length() {
    assert_ok(&answered(HELLO), "hello", REUSE);
    assert_ok(&answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "", REUSE);
}

/// edge-http 0.8 panics on the first and takes the last; RUSTSEC-2021-0078, RUSTSEC-2021-0020.
#[test]
fn a_length_that_is_no_number_is_an_error() {
    for length in ["abc", "+5", "-5", "5 5", "5.0", "0x5", "", "5,", ",5", "18446744073709551616"] {
        let trace = answered_and_closed(of_length(length));
        assert_err(&trace, "", Error::Peer(PeerError::ContentLength));
        assert_eq!(trace.events, [], "a head that cannot be trusted is not told: {length:?}");
    }
}

/// RFC 9110 §8.6 leaves it open; identical values mean the same to everybody.
#[test]
fn a_length_that_is_repeated_counts_once() {
    for length in
        ["5, 5", "5,5,5", "05", "5\r\nContent-Length: 5", "5\r\nX: y\r\ncontent-length: 5"]
    {
        assert_ok(&answered(of_length(length)), "hello", REUSE);
    }
}

/// edge-http 0.8 and reqwless 0.14 take the last, io-http 0.5 the first.
#[test]
fn two_different_lengths_are_an_error() {
    for length in
        ["5, 6", "5\r\nContent-Length: 6", "6\r\nContent-Length: 5", "5\r\nContent-Length: x"]
    {
        let trace = answered_and_closed(of_length(length));
        assert_err(&trace, "", Error::Peer(PeerError::ContentLength));
    }
}

/// reqwless 0.14 reports success, io-http 0.5 asks for more for ever; reqwless#26.
#[test]
fn a_body_that_is_shorter_than_its_length_is_lost_and_what_came_is_kept() {
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let trace = answered_and_closed(short);
    assert_err(&trace, "hello", LOST);
    assert_eq!((trace.counts.received, trace.counts.expected_to_receive), (5, Some(10)));
    let reset = Script::get().origin([Step::Send(short.into()), Step::Reset]);
    assert_err(&play_all(&reset), "hello", LOST);
}

#[test]
fn a_whole_body_counts_even_if_the_connection_breaks_behind_it() {
    for response in [HELLO.to_owned(), chunked("5\r\nhello\r\n0\r\n\r\n")] {
        let steps = [Step::Expect(Part::Request), Step::Send(response.into()), Step::Reset];
        let reset = Script::get().origin(steps);
        assert_ok(&play_all(&reset), "hello", REUSE);
    }
}

// Chunked.

#[test]
fn a_chunked_body_ends_with_its_last_chunk() {
    let body = "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n";
    assert_ok(&answered(chunked(body)), "hello world", REUSE);
    assert_ok(&answered(chunked("0\r\n\r\n")), "", REUSE);
    assert_ok(&answered(chunked("00a\r\n0123456789\r\n000\r\n\r\n")), "0123456789", REUSE);
}

/// What looks like framing within a chunk is content.
#[test]
fn chunk_data_may_hold_line_ends_and_whole_last_chunks() {
    let body = "7\r\n\r\n0\r\n\r\n\r\n2\r\n\r\n\r\n1\r\n\n\r\n0\r\n\r\n";
    assert_ok(&answered(chunked(body)), "\r\n0\r\n\r\n\r\n\n", REUSE);
}

/// The last header wins in edge-http 0.8, Content-Length in reqwless 0.14; hyper#4123.
#[test]
fn chunked_wins_over_a_length_and_the_connection_is_not_used_again() {
    for fields in [
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        assert_ok(&answered(response), "hello", closed(CloseReason::DoubtfulFraming));
    }
}

/// Chunked does not save a length that is malformed by itself: RFC 9112 §6.3 lets a client refuse
/// the two together.
#[test]
fn chunked_with_a_length_that_is_no_number_is_an_error() {
    for length in ["abc", "-1", "3, 4"] {
        let fields = format!("Transfer-Encoding: chunked\r\nContent-Length: {length}");
        let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let trace = answered_and_closed(response);
        assert_err(&trace, "", Error::Peer(PeerError::ContentLength));
    }
}

/// pingora and HTTP/1.0 with a transfer coding: RUSTSEC-2026-0034; RFC 9112 §6.1.
#[test]
fn chunked_from_an_http_1_0_server_is_taken_once() {
    let response = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n\
                    5\r\nhello\r\n0\r\n\r\n";
    assert_ok(&answered(response), "hello", closed(CloseReason::DoubtfulFraming));
}

/// ureq-proto 0.7 takes the first as chunked, io-http 0.5 reads it to the end; RUSTSEC-2020-0008,
/// RUSTSEC-2020-0031.
#[test]
fn any_transfer_coding_but_one_chunked_is_an_error() {
    for coding in [
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "identity",
        "",
        "xchunked",
        "\"chunked\"",
        "chunked;q=1",
    ] {
        let fields = format!("Transfer-Encoding: {coding}\r\nContent-Length: 5");
        let trace = answered_and_closed(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nhello"));
        assert_err(&trace, "", Error::Peer(PeerError::TransferEncoding));
    }
}

/// edge-http 0.8 reports the body complete, io-http 0.5 asks for more for ever.
#[test]
fn a_chunked_body_that_stops_anywhere_is_lost() {
    let whole = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    for end in 0..whole.len() {
        let trace = answered_and_closed(chunked(&whole[..end]));
        let content: String = "hello world".chars().take(trace.content.len()).collect();
        assert_err(&trace, &content, LOST);
    }
}

/// ureq-proto 0.7, edge-http 0.8 and io-http 0.5 take the first; RUSTSEC-2021-0079.
#[test]
fn a_chunk_size_that_is_no_hexadecimal_number_is_an_error() {
    for size in
        ["+5", "-5", " 5", "\t5", "0x5", "5x", "5.0", "", "g", "5 5", "5\r", "10000000000000000"]
    {
        let trace = answered_and_closed(chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")));
        assert_err(&trace, "", Error::Peer(PeerError::ChunkSize));
    }
}

/// ureq-proto 0.7 stops at 20 bytes, reqwless 0.14 takes none.
#[test]
fn chunk_extensions_are_read_over() {
    for extension in
        [";a=b", ";a-name-that-is-long=25.bytes-or.more", " ; a = \"b;\\\"c\" ; d", "\t", ";"]
    {
        let body = format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n");
        assert_ok(&answered(chunked(&body)), "hello", REUSE);
    }
}

#[test]
fn a_control_character_in_an_extension_is_an_error() {
    for extension in [";a\0b", ";a\rb", ";a\nb", ";a=\"\n\"", "\r;a"] {
        let body = format!("5{extension}\r\nhello\r\n0\r\n\r\n");
        let trace = answered_and_closed(chunked(&body));
        assert_err(&trace, "", Error::Peer(PeerError::ChunkSize));
    }
}

/// io-http 0.5 leaves the trailer for the next response, reqwless 0.14 refuses it; reqwless#58,
/// hyper#4010, hyper#4044.
#[test]
fn trailers_belong_to_the_body_and_the_connection_stays_usable() {
    for trailers in ["X-Sum: 1\r\n", "x-a: \r\nX-B:c:d\r\nVary: *\r\n", "Content-Length: 9\r\n"] {
        let trace = answered(chunked(&format!("5\r\nhello\r\n0\r\n{trailers}\r\n")));
        assert_ok(&trace, "hello", REUSE);
        assert!(trace.values("X-Sum").is_empty(), "a trailer is no field of the head");
    }
}

#[test]
fn a_malformed_trailer_is_an_error_after_the_content() {
    for trailer in
        ["no colon\r\n", ": x\r\n", "X : y\r\n", "X: a\0b\r\n", "X: a\rb\r\n", " X: y\r\n", "X\r\n"]
    {
        let trace = answered_and_closed(chunked(&format!("5\r\nhello\r\n0\r\n{trailer}\r\n")));
        assert_err(&trace, "hello", Error::Peer(PeerError::Trailer));
    }
}

/// io-http 0.5 panics on the first: an addition overflows.
#[test]
fn a_chunk_size_of_64_bits_is_a_size_and_a_longer_one_an_error() {
    let trace = answered_and_closed(chunked("FFFFFFFFFFFFFFFF\r\nhello"));
    assert_err(&trace, "hello", LOST);
    let trace = answered_and_closed(chunked("100000005\r\nhello\r\n0\r\n\r\n"));
    assert_err(&trace, "hello\r\n0\r\n\r\n", LOST);
    let trace = answered_and_closed(chunked("FFFFFFFFFFFFFFFF0\r\nhello"));
    assert_err(&trace, "", Error::Peer(PeerError::ChunkSize));
}

/// io-http 0.5 accepts it; h11 did: GHSA-vqfr-h8mv-ghfj.
#[test]
fn chunk_data_that_is_not_followed_by_a_line_end_is_an_error() {
    for end in ["!\r\n", "x\n", " \n", "\n", "\r", "\n\r", "xx", "\r\r\n"] {
        let trace = answered_and_closed(chunked(&format!("5\r\nhello{end}0\r\n\r\n")));
        assert_err(&trace, "hello", Error::Peer(PeerError::ChunkEnd));
    }
}

/// One that takes it reads on where another has stopped.
#[test]
fn a_lone_line_feed_does_not_end_a_line_of_a_chunked_body() {
    let size = Error::Peer(PeerError::ChunkSize);
    let trailer = Error::Peer(PeerError::Trailer);
    for (body, content, error) in [
        ("5\nhello\r\n0\r\n\r\n", "", size),
        ("5\r\nhello\r\n0\n\r\n", "hello", size),
        ("5\r\nhello\r\n0\r\n\n", "hello", trailer),
        ("5\r\nhello\r\n0\r\nX: y\n\r\n", "hello", trailer),
    ] {
        assert_err(&answered_and_closed(chunked(body)), content, error);
    }
}

/// ureq-proto 0.7 waits until the caller's buffer is full, io-http 0.5 grows without limit;
/// RUSTSEC-2026-0181.
#[test]
fn a_size_line_that_never_ends_meets_a_limit() {
    for line in
        ["0".repeat(5000), format!("5;{}", "x".repeat(5000)), format!("5{}", " ".repeat(5000))]
    {
        assert_err(&answered(chunked(&line)), "", Error::Limit(Limit::ChunkLine));
    }
}

/// curl, reqwest#2381, reqwest#844: a body that looks complete may not be.
#[test]
fn a_response_is_not_over_before_its_last_chunk_is_read_to_the_end() {
    let origin = [
        Step::Expect(Part::Request),
        Step::Send(chunked("5\r\nhello\r\n0\r\n").into()),
        Step::Wait(30_000_000),
        Step::Send("\r\n".into()),
    ];
    let trace = play_all(&Script::get().origin(origin));
    assert_ok(&trace, "hello", REUSE);
    assert_eq!(trace.ended, 30_000_000);
}

// Close-delimited.

/// ureq#600: no waiting for anything but the end.
#[test]
fn a_body_without_length_ends_with_the_connection() {
    let reason = closed(CloseReason::CloseDelimited);
    let response = "HTTP/1.1 200 OK\r\n\r\nhello\r\n\r\nworld";
    let trace = answered_and_closed(response);
    assert_ok(&trace, "hello\r\n\r\nworld", reason);
    assert_eq!((trace.ended, trace.counts.expected_to_receive), (0, None));
    assert_ok(&answered_and_closed("HTTP/1.1 200 OK\r\n\r\n"), "", reason);
    assert_ok(&answered_and_closed("HTTP/1.0 404 Not Found\n\nnone"), "none", reason);
}

#[test]
fn a_body_without_length_is_lost_if_the_connection_breaks() {
    let origin = [Step::Send("HTTP/1.1 200 OK\r\n\r\nhello".into()), Step::Reset];
    assert_err(&play_all(&Script::get().origin(origin)), "hello", LOST);
}

// No body.

/// edge-http 0.8 wants a length, reqwless 0.14 waits for a body of the 304; reqwless#76.
#[test]
fn responses_204_and_304_have_no_body_and_keep_the_connection() {
    for status in [204, 304] {
        for fields in ["", "Content-Length: 5\r\n", "Content-Length: 0\r\n", "X: y\r\n"] {
            let trace = answered(format!("HTTP/1.1 {status} X\r\n{fields}\r\n"));
            assert_ok(&trace, "", REUSE);
            assert_eq!(trace.counts.expected_to_receive, Some(0));
        }
        let trace = answered(format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert_ok(&trace, "", REUSE);
    }
}

/// hyper#3794: an assertion failed.
#[test]
fn the_answer_to_head_has_no_body_whatever_its_fields_say() {
    for fields in [
        "Content-Length: 5",
        "Content-Length: 9223372036854775808",
        "Transfer-Encoding: chunked",
        "Content-Encoding: gzip\r\nContent-Length: 40",
        "X: y",
    ] {
        let trace = head_answered(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"));
        assert_ok(&trace, "", REUSE);
        assert_eq!(trace.counts.expected_to_receive, Some(0));
    }
}

/// A length that does not parse says nothing about a body that cannot come (RFC 9112 §6.3).
#[test]
fn the_answer_to_head_may_have_a_length_that_is_no_number() {
    assert_ok(&head_answered("HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n"), "", REUSE);
}
